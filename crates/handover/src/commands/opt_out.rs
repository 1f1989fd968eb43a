//! `handover opt-out`: the national data opt-out, asked after and told of.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use exchange::opt_out::{Looked, OptOuts, When};
use fhir::date::{self, Millis};
use store::Store;
use store::opt_out::{Check, CheckState, Standing};

use super::account::open;
use crate::config::Config;
use crate::node::opt_out;

const HOUR: Millis = 3_600_000;
/// How often it is looked for an answer that is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Asks which of the people here opted out of uses beyond their care, and tells where that stands.
///
/// A person in England can say once, nationally, that their records are used for their own care only. Before records
/// leave for anything else (research, planning, payment), the NHS numbers of everybody here go to the national service
/// over MESH ([mesh] and [opt_out] in the settings), and those who did not opt out come back. An export for such a use
/// (`$export` with a `_purpose` that is not care) then leaves out whoever did not come back, whole, and everything that
/// names them. It is refused while an answer is missing or older than 21 days.
///
/// `handover serve` asks by itself, each day unless the settings say otherwise. Nothing here prints a number or a name.
///
/// Examples:
///   handover opt-out status
///   handover opt-out check --wait-minutes 60
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct OptOut {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Asks now. A check that is under way is gone on with instead: what was answered is taken in. Answers take up to
    /// an hour or so; the node takes them in while it serves, and so does this command when it is run again.
    Check {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// Waits so many minutes for the answer, and fails if it does not come.
        #[arg(long, default_value_t = 0)]
        wait_minutes: u32,
    },
    /// Prints which check is in force, how old it is and what it answered, in counts; what is under way; and whether
    /// exports for other uses than care are possible now. Fails if they are not.
    Status {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
}

impl OptOut {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Check {
                config,
                wait_minutes,
            } => {
                let settings = Config::read(&config)?;
                let (store, _) = open(&config).await?;
                let done = match opt_out::open(&settings, &store) {
                    Ok(Some(opt_outs)) => check(&opt_outs, wait_minutes).await,
                    Ok(None) => Err(anyhow::anyhow!(
                        "nobody is asked: give [mesh] base_url and mailbox, and [opt_out] mailbox, in {}",
                        config.display()
                    )),
                    Err(reason) => Err(reason),
                };
                store.close().await;
                print!("{}", done?);
                Ok(())
            }
            Command::Status { config } => {
                let days_max = Config::read(&config)?.opt_out.days_max;
                let (store, _) = open(&config).await?;
                let told = status(&store, days_max).await;
                store.close().await;
                let (text, is_open) = told?;
                print!("{text}");
                if !is_open {
                    bail!(
                        "exports for other uses than care are refused; `handover opt-out check` asks anew"
                    );
                }
                Ok(())
            }
        }
    }
}

/// Asks, or goes on with what was asked; what to print.
async fn check(opt_outs: &OptOuts, wait_minutes: u32) -> anyhow::Result<String> {
    let until = Instant::now() + Duration::from_secs(u64::from(wait_minutes) * 60);
    let mut looked = opt_outs.look(When::Now).await?;
    while let Looked::Sent(check) | Looked::Waiting(check) = &looked {
        if Instant::now() >= until {
            if wait_minutes > 0 {
                bail!(
                    "check {} was not answered within {wait_minutes} minutes; it stays open",
                    check.number
                );
            }
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        // One that is under way is gone on with; another is begun only if it is time.
        let number = check.number;
        looked = match opt_outs.look(When::Due).await? {
            // The node that serves meanwhile has taken the answer in.
            Looked::Idle => opt_outs.state_of(number).await?,
            looked => looked,
        };
    }
    match looked {
        Looked::Idle => Ok("There is nothing to ask.\n".to_owned()),
        Looked::Sent(it) => Ok(format!(
            "Check {} was sent: {} people are asked about. The answer is taken in while the node serves, or by running this again.\n",
            it.number, it.asked
        )),
        Looked::Waiting(it) => Ok(format!(
            "Check {} is under way since {}; its answer has not come yet.\n",
            it.number,
            date::instant(it.begun_at)
        )),
        Looked::Answered(it) => Ok(format!("{}\n", answered(&it))),
        Looked::Failed(it) => bail!("check {} failed: {}", it.number, it.reason),
    }
}

fn answered(check: &Check) -> String {
    format!(
        "Check {} of {}: {} people were asked about, {} may be used for other purposes than care, {} may not.",
        check.number,
        date::instant(check.sent_at),
        check.asked,
        check.usable,
        check.asked.saturating_sub(check.usable)
    )
}

/// What to print, and whether exports for other uses are possible.
async fn status(store: &Store, days_max: u32) -> anyhow::Result<(String, bool)> {
    let standing = store.opt_out_standing().await?;
    let mut text = told(&standing, store.now(), days_max);
    let is_open = match store.opt_out_bar(None, days_max).await {
        Ok(bar) => {
            text.push_str(&format!(
                "Exports for other uses than care are possible now: of {} patients, {} would be left out.\n",
                bar.patients(),
                bar.removed()
            ));
            true
        }
        Err(problem) if problem.kind == fhir::problem::Kind::BusinessRule => {
            text.push_str(&format!("{}\n", problem.message));
            false
        }
        Err(problem) => return Err(problem).context("who may be exported is not known"),
    };
    Ok((text, is_open))
}

fn told(standing: &Standing, now: Millis, days_max: u32) -> String {
    let mut text = match &standing.in_force {
        Some(check) => {
            let until = check
                .sent_at
                .saturating_add(i64::from(days_max) * 24 * HOUR);
            format!(
                "In force: {} It is {} hours old and counts until {}.\n",
                answered(check),
                now.saturating_sub(check.sent_at) / HOUR,
                date::instant(until)
            )
        }
        None => "No check has been answered yet.\n".to_owned(),
    };
    match &standing.latest {
        Some(check) if matches!(check.state, CheckState::Asking | CheckState::Sent) => {
            text.push_str(&format!(
                "Under way: check {}, begun {}.\n",
                check.number,
                date::instant(check.begun_at)
            ));
        }
        Some(check) if check.state == CheckState::Failed => {
            text.push_str(&format!(
                "Failed: check {}. {}\n",
                check.number, check.reason
            ));
        }
        _ => {}
    }
    text
}
