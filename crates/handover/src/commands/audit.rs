//! `handover audit`: the log of who looked, and the proof that it was not altered.

mod verify;
mod who;

pub use verify::{Signed, sentence};

/// Answers who looked at a record, and proves that the log was not altered.
///
/// Every look, search, change and refusal is a line of the node's audit log. A Merkle tree over the lines is signed every few
/// seconds, and up to three neighbours of the directory sign under it, so that no organisation can rewrite its past unseen.
#[derive(clap::Args)]
pub struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Verify(verify::Verify),
    Who(who::WhoLooked),
    Accept(verify::Accept),
}

impl Audit {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Verify(verify) => verify.run().await,
            Command::Who(who) => who.run().await,
            Command::Accept(accept) => accept.run().await,
        }
    }
}
