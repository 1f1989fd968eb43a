//! `handover restore`: a node back from its copies.

pub mod put_back;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use fhir::date;

use crate::commands::backup::show;
use crate::node::copies::Source;
use put_back::{Into, PutBack};

/// Brings a node back from its copies, as it was at a time, into an empty folder.
///
/// Nothing that is there is ever written over. What comes back: the records with all that belongs to them, the settings, the
/// keys, the directory. What does not, since it is in no copy: the file with the PostgreSQL address, and the access key of
/// the store of the copies. Run with --dry-run first.
#[derive(clap::Args)]
pub struct Restore {
    #[command(flatten)]
    source: Source,
    /// The state at this time, such as 2026-11-28T10:15:00Z; without it the newest.
    #[arg(long)]
    to: Option<String>,
    /// An empty folder, or one that is not there yet.
    #[arg(long)]
    folder: PathBuf,
    /// For a node on PostgreSQL: the file with the address of the server. The schema must not be there yet.
    #[arg(long)]
    postgres: Option<PathBuf>,
    /// The schema, where it is not to be that of the settings.
    #[arg(long)]
    schema: Option<String>,
    /// Looks at so many of the newest chains.
    #[arg(long, default_value_t = usize::MAX)]
    chains: usize,
    /// Says what would be restored, and opens every object that is needed, but writes nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Restore {
    pub async fn run(self) -> anyhow::Result<()> {
        let to = self.to.as_deref().map(time).transpose()?;
        if self.folder.exists() && self.folder.read_dir()?.next().is_some() {
            bail!(
                "{} is not empty; nothing was changed",
                self.folder.display()
            );
        }
        let found = self.source.open()?;
        let secret = found.secret()?;
        let survey = found.survey(self.chains).await?;
        show(&survey);
        let point = survey
            .point(to)
            .context("there is no copy of that time or before")?
            .clone();
        println!(
            "The state to restore is that of {}.",
            date::instant(point.taken_at)
        );
        if point.database == "postgres" && self.postgres.is_none() && !self.dry_run {
            bail!("give --postgres: these copies are of a node on PostgreSQL");
        }
        let into = match self.dry_run {
            true => Into::Nothing,
            false => Into::Folder {
                folder: self.folder.clone(),
                postgres: self.postgres.clone(),
                schema: self.schema.clone(),
            },
        };
        let mut put_back = PutBack::new(into, &found.organisation, &point);
        let keys = (&found.place, found.signers.as_slice());
        let take =
            async |object: exchange::copies::Opened| put_back.take(object.pieces(secret)?).await;
        survey.read(keys, &point, take).await?;
        let restored = put_back.end().await?;
        if self.dry_run {
            println!("{} pieces opened; nothing was written.", restored.pieces);
            return Ok(());
        }
        restored.open().await?.close().await;
        println!("It is in {}.", self.folder.display());
        for outside in &restored.outside {
            println!(
                "{} lay outside the folder of the settings: put it back to /{outside}, or change the settings.",
                self.folder.join("outside").join(outside).display()
            );
        }
        println!(
            "Not in the copies: the store's access key ([backup] s3_credentials) and the PostgreSQL address."
        );
        println!(
            "What was acknowledged after {} is not there: see docs/safety/backup.md for what to do next,",
            date::instant(point.taken_at)
        );
        println!(
            "then: handover serve --config {}",
            self.folder.join("handover.toml").display()
        );
        Ok(())
    }
}

/// A time of the command line, in milliseconds since 1970.
pub fn time(text: &str) -> anyhow::Result<i64> {
    let time: jiff::Timestamp = text
        .parse()
        .with_context(|| format!("{text} is not a time such as 2026-11-28T10:15:00Z"))?;
    Ok(time.as_millisecond())
}
