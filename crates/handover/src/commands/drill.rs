//! `handover drill`: whether the copies would bring the node back, and what would be lost.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use exchange::copies::{Opened, Point, Survey};
use fhir::date;
use store::{Check, Clock, Database, Finding, Store};

use super::audit::{Signed, sentence};
use super::backup::{head, is_cut_short, show};
use super::restore::put_back::{Into, PutBack, Restored};
use crate::config::Config;
use crate::node::copies::{Found, Source};
use crate::node::open_exchange;

/// Restores the newest copy into a scratch folder, and compares it with what neighbours witnessed.
///
/// Prints the time and the lines of the audit log that would be lost if the node were lost now. Ends with a failure if the
/// copies are overdue, are not whole, do not open, or if the restored log is not the one that was signed: run it from a timer,
/// on a machine where the secret key may be for that long. The scratch folder is removed again.
#[derive(clap::Args)]
pub struct Drill {
    #[command(flatten)]
    source: Source,
    /// Where the scratch folder is made; there must be room for the whole database.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    scratch: PathBuf,
    /// For a node on PostgreSQL: the file with the address of a server where a scratch schema may be made.
    #[arg(long)]
    postgres: Option<PathBuf>,
    /// Does not ask the neighbours: only what is kept in the copy is compared.
    #[arg(long)]
    offline: bool,
    /// Older copies are a failure.
    #[arg(long, default_value_t = 10)]
    minutes_max: u32,
}

impl Drill {
    pub async fn run(self) -> anyhow::Result<()> {
        let began = Clock::system().now();
        let found = self.source.open()?;
        let head = head(&found).await?;
        // The newest chain, and the end of the one before it.
        let survey = found.survey(2).await?;
        show(&survey);
        let point = survey.point(None).context("there is no copy to restore")?;
        let scratch = tempfile::Builder::new()
            .prefix("handover-drill-")
            .tempdir_in(&self.scratch)
            .with_context(|| format!("--scratch: {}", self.scratch.display()))?;
        let folder = scratch.path().join("node");
        let restored = self.restore(&found, &survey, point, &folder).await?;
        let store = restored.open().await?;
        let outcome = self.check(&found, &folder, &store, point).await;
        let settings = restored.settings.clone();
        store.close().await;
        if let Some(Database::Postgres { url, schema }) = settings.map(|it| it.database) {
            store::copies::drop_scratch(&url, &schema).await?;
        }
        let mut wrong = survey.wrong.len();
        wrong += usize::from(is_cut_short(head.as_ref(), &survey));
        wrong += outcome?;
        let now = Clock::system().now();
        let age = began - point.taken_at;
        println!("Restored and checked in {} s.", (now - began) / 1000);
        println!("Time that would be lost now: {} s.", age / 1000);
        if age > i64::from(self.minutes_max) * 60_000 {
            println!(
                "WRONG: the newest copy is older than {} minutes.",
                self.minutes_max
            );
            wrong += 1;
        }
        if wrong > 0 {
            bail!("the drill failed: see above");
        }
        println!("The drill succeeded.");
        Ok(())
    }

    async fn restore(
        &self,
        found: &Found,
        survey: &Survey,
        point: &Point,
        folder: &Path,
    ) -> anyhow::Result<Restored> {
        let secret = found.secret()?;
        let postgres = self.postgres.clone().or_else(|| {
            let config = found.config.as_ref()?;
            config.store.postgres.clone()
        });
        let into = Into::Folder {
            folder: folder.to_owned(),
            postgres,
            schema: Some(store::copies::scratch_schema()),
        };
        let mut put_back = PutBack::new(into, &found.organisation, point);
        let keys = (&found.place, found.signers.as_slice());
        let take = async |object: Opened| put_back.take(object.pieces(secret)?).await;
        survey.read(keys, point, take).await?;
        put_back.end().await
    }

    /// Compares the restored log with what was signed; how much is wrong.
    async fn check(
        &self,
        found: &Found,
        folder: &Path,
        store: &Store,
        point: &Point,
    ) -> anyhow::Result<usize> {
        // The live node's keys and directory where there are some: the copy's own vouch for themselves.
        let config = match &found.config {
            Some(config) if config.exchange.directory.exists() => config.clone(),
            _ => Config::read(&folder.join("handover.toml"))?,
        };
        let exchange = open_exchange(&config, store)?;
        let mut signed = Signed::default();
        signed.kept(&exchange, store).await?;
        if !self.offline {
            signed.asked(&exchange).await;
        }
        let check = store.check_audit(signed.heads.clone()).await?;
        println!("The copy is of {}.", date::instant(point.taken_at));
        signed.told.iter().for_each(|line| println!("{line}"));
        signed
            .wrong
            .iter()
            .for_each(|line| println!("WRONG: {line}"));
        Ok(signed.wrong.len() + report(&check))
    }
}

fn report(check: &Check) -> usize {
    println!(
        "{} lines of the log and {} versions of records were restored.",
        check.lines, check.versions
    );
    let mut wrong = 0;
    match &check.agreed {
        Some(head) => {
            let root: String = head.root.iter().map(|byte| format!("{byte:02x}")).collect();
            println!("Merkle root of the first {} lines: {root},", head.size);
            println!("which {} signed.", head.by);
        }
        None => {
            println!("WRONG: nothing that was signed could be compared with the restored log.");
            wrong += 1;
        }
    }
    let mut is_short = false;
    for finding in &check.findings {
        match finding {
            // That is what a loss is.
            Finding::Short {
                lines, signed, by, ..
            } => {
                is_short = true;
                println!(
                    "Lines of the log that would be lost now: at least {}, as {by} signed {signed}.",
                    signed.saturating_sub(*lines)
                );
            }
            other => {
                wrong += 1;
                println!("WRONG: {}", sentence(other));
            }
        }
    }
    if !is_short {
        println!("Of what was signed no line would be lost.");
    }
    wrong
}
