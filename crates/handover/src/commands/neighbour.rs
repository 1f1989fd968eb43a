//! `handover neighbour`: what one does for another organisation's node.

use std::path::{Path, PathBuf};

use access::Ods;
use anyhow::ensure;
use exchange::rewound::{SentAgain, send_again};
use fhir::date::{self, Millis};

use super::account::open;
use super::restore::time;

/// Parcels that cannot go again which are listed.
const LISTED_MAX: usize = 20;

/// Helps another organisation's node.
#[derive(clap::Args)]
pub struct Neighbour {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Sends a neighbour again all that it had taken since a time, and tells it again what it was told since.
    ///
    /// For a neighbour that was put back to an old copy of its records: what it had taken after that copy it has lost,
    /// though its receipts are here. Ask its people of what time the copy is, and take an earlier time rather than a later
    /// one: what the neighbour still has is known to it, and is not there twice. Each letter stands as waiting until its new
    /// receipt is here; the old receipts stay in its history. Letters that were taken back are not sent again, but the
    /// neighbour is told again that they were.
    ///
    /// Look with --dry-run first. A running node delivers within seconds; nothing needs to be restarted. If an alarm
    /// stands because its audit log became shorter, settle it with `handover audit accept`.
    ///
    /// Example:
    ///   handover neighbour send-again A81001 --since 2026-11-28T18:00:00Z --dry-run
    #[command(verbatim_doc_comment)]
    SendAgain {
        /// The ODS code of the neighbour.
        ods: String,
        /// When its copy was made, such as 2026-11-28T18:00:00Z.
        #[arg(long)]
        since: String,
        /// Says how much would be sent again, and changes nothing.
        #[arg(long)]
        dry_run: bool,
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
}

impl Neighbour {
    pub async fn run(self) -> anyhow::Result<()> {
        let Command::SendAgain {
            ods,
            since,
            dry_run,
            config,
        } = self.command;
        let since = time(&since)?;
        let done = again(&config, &Ods::parse(&ods)?, since, dry_run).await?;
        print!("{}", told(&ods, since, dry_run, &done));
        Ok(())
    }
}

async fn again(config: &Path, peer: &Ods, since: Millis, dry: bool) -> anyhow::Result<SentAgain> {
    let (store, own) = open(config).await?;
    let done = match (&own == peer, since > store.now()) {
        (true, _) => Err(anyhow::anyhow!("{peer} is this node's own organisation")),
        (_, true) => Err(anyhow::anyhow!("--since is a time to come")),
        _ => send_again(&store, peer, since, dry)
            .await
            .map_err(anyhow::Error::from),
    };
    store.close().await;
    let done = done?;
    ensure!(
        done != SentAgain::default(),
        "nothing was taken by {peer} or told it since {}: nothing to send again",
        date::instant(since)
    );
    Ok(done)
}

fn told(ods: &str, since: Millis, dry: bool, done: &SentAgain) -> String {
    let (go, are) = match dry {
        true => ("would go again", "would be told again"),
        false => ("go again", "are told again"),
    };
    let mut text = format!(
        "To {ods}, of what it had taken since {}:\n  parcels that {go}: {}\n  parcels of which the steps {are}: {}\n",
        date::instant(since),
        done.parcels,
        done.told
    );
    if !done.gone.is_empty() {
        text.push_str(&format!(
            "  parcels that cannot go again, since their contents are not here any more: {}\n",
            done.gone.len()
        ));
        for id in done.gone.iter().take(LISTED_MAX) {
            text.push_str(&format!("    {id}\n"));
        }
        text.push_str("  Have those made and sent anew.\n");
    }
    if dry {
        text.push_str("Nothing was changed.\n");
    }
    text
}
