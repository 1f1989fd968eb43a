//! `handover backup`: the key, a copy now, and what there is.

mod key;
mod look;
mod now;

pub use look::{head, is_cut_short, show};

/// Copies of the node, sealed to a key that is kept offline.
///
/// While `handover serve` runs and [backup] names a place, copies are taken by themselves. These commands make the key,
/// take one copy more, and show and check what is there. `handover restore` and `handover drill` read the copies back.
#[derive(clap::Args)]
pub struct Backup {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Key(key::Key),
    Now(now::Now),
    List(look::List),
    Verify(look::Verify),
}

impl Backup {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Key(key) => key.run(),
            Command::Now(now) => now.run().await,
            Command::List(list) => list.run().await,
            Command::Verify(verify) => verify.run().await,
        }
    }
}
