//! `handover backup now`

use std::path::PathBuf;
use std::sync::Arc;

use fhir::date;

use crate::config::Config;
use crate::node::copies::Copies;
use crate::node::{open_book, open_identity, open_store};

/// Takes one full copy now. It may run beside the node.
#[derive(clap::Args)]
pub struct Now {
    /// The node's settings.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
}

impl Now {
    pub async fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let store = open_store(&config).await?;
        let outcome = take(&config, &store).await;
        store.close().await;
        println!(
            "All that was acknowledged before {} is in the copies.",
            date::instant(outcome?)
        );
        Ok(())
    }
}

async fn take(config: &Config, store: &store::Store) -> anyhow::Result<i64> {
    let ods = access::Ods::parse(&config.organisation.ods)?;
    let book = Arc::new(open_book(config, store)?);
    let identity = Arc::new(open_identity(config, &ods, &book, store)?);
    let copies = Copies::open(config, store, &identity).await?;
    let mut copies = copies.telling(|bytes| eprintln!("{} MiB copied", bytes.div_ceil(1 << 20)));
    Ok(copies.take().await?)
}
