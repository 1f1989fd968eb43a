//! `handover serve`: one node, until it is told to stop.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::config::Config;
use crate::node::{Running, hl7v2};

/// Runs this organisation's node until Ctrl-C or SIGTERM.
#[derive(clap::Args)]
pub struct Serve {
    /// The node's settings, made by `handover init`.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
}

impl Serve {
    pub async fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let running = Running::start(&config).await?;
        println!("{} ({})", config.organisation.name, config.organisation.ods);
        println!("  pages and FHIR   {}  and /fhir", config.pages.public_url);
        println!("  other nodes      {}", config.exchange.listen);
        let doors = hl7v2::doors(&config);
        for (address, guard) in &doors {
            println!("  HL7 v2 (MLLP)    {address}, {guard}");
        }
        if doors.is_empty() {
            println!("  HL7 v2 (MLLP)    shut; [hl7v2] listen opens it");
        }
        for it in config.hl7v2.destinations() {
            println!(
                "  HL7 v2 out       {} to {} at {}",
                it.sends.join(", "),
                it.name,
                it.address
            );
        }
        println!(
            "  opt-outs         {}",
            match (&config.opt_out.mailbox, config.opt_out.every_hours) {
                (Some(mailbox), hours) => format!("asked after at {mailbox} every {hours} hours"),
                (None, _) => "not asked after; exports are for care only".to_owned(),
            }
        );
        println!("  faxes            {}", faxes(&config));
        println!("  ITK3 documents   {}", itk3(&config));
        println!("  copies           {}", crate::node::copies::told(&config));
        tokio::select! {
            told = told_to_stop() => told?,
            problem = running.store.failed() => return Err(failed(problem)),
        }
        println!("Stopping.");
        running.stop().await;
        Ok(())
    }
}

fn faxes(config: &Config) -> &'static str {
    match (config.fax.enabled, &config.fax.sendfax) {
        (false, _) => "off; [fax] enabled takes them from a fax server",
        (true, None) => "taken from the fax server; none leave",
        (true, Some(_)) => "taken from the fax server, and handed to it",
    }
}

fn itk3(config: &Config) -> &'static str {
    match config.itk3.enabled {
        true => "sent and taken over the mailbox of [mesh]",
        false => "off; [itk3] enabled sends and takes them over MESH",
    }
}

/// Why the node ends by itself. At once and in no order: what an orderly stop would write is what the
/// disk has just failed to.
fn failed(problem: fhir::problem::Problem) -> anyhow::Error {
    let told = "the disk failed under the store. Nothing more was acknowledged; what was is on the disk. \
                Look at the disk, then start the node again";
    anyhow::Error::new(problem).context(told)
}

/// Returns when the process is asked to end.
///
/// # Errors
/// If the process may not listen for signals.
pub async fn told_to_stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome.context("SIGINT"),
        _ = terminate.recv() => Ok(()),
    }
}
