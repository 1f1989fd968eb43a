//! `handover migrate`: the schema, before the node is started.

use std::path::PathBuf;

use store::Spread;

use super::account::open;

/// Brings the database up to this version, and spreads its rows where PostgreSQL has Citus.
///
/// `handover serve` does the first by itself; this does it apart, so that a large database is ready before processes are
/// replaced. The version before this one keeps working beside it. Rows are spread over the machines of a Citus cluster only
/// here, once: make the extension (`CREATE EXTENSION citus`) and add the machines first. Run again, it changes nothing.
#[derive(clap::Args)]
pub struct Migrate {
    /// The node's settings.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
}

impl Migrate {
    pub async fn run(self) -> anyhow::Result<()> {
        let (store, _) = open(&self.config).await?;
        let spread = store.spread().await;
        store.close().await;
        println!("The schema is this version's.");
        match spread? {
            Spread::Whole => {
                println!("The rows are in one database; there is no Citus to spread them with.")
            }
            Spread::Citus(0) => println!("Every table is spread already."),
            Spread::Citus(count) => {
                println!("{count} tables were spread over the machines of the cluster.")
            }
        }
        Ok(())
    }
}
