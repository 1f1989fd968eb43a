//! `handover itk3`: how ITK3 documents over MESH stand.

use std::fmt::Write as _;
use std::path::PathBuf;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use store::itk3::{Counted, List};
use store::{Job, Store};

use super::account::open;

/// Tells how letters that leave as ITK3 documents over MESH stand, and what came so ([itk3] in the settings).
///
/// A letter is done with once both responses are here: that its receiver's system has it (infrastructure, 20013), and
/// that the patient is known there (business, 30001). What needs a person is on the page Work list.
///
/// Example:
///   handover itk3 status
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Itk3 {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Prints how many letters, messages and responses there are in each state, and how many of them wait for a person.
    /// Nobody is named. The look stands in the audit log.
    Status {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
}

impl Itk3 {
    pub async fn run(self) -> anyhow::Result<()> {
        let Command::Status { config } = self.command;
        let (store, _) = open(&config).await?;
        let counted = status(&store).await;
        store.close().await;
        print!("{}", told(&counted?));
        Ok(())
    }
}

async fn status(store: &Store) -> anyhow::Result<Vec<Counted>> {
    let scope = Scope::system(SystemPurpose::CarryItk3);
    let counted = store.itk3_counts(&scope).await?;
    let target = Target {
        query: Some("itk3-status".into()),
        ..Target::default()
    };
    let mut job = Job::default();
    job.traces
        .push(scope.trace(Interaction::System, Outcome::Success, target));
    store.commit(&scope, job).await?;
    Ok(counted)
}

fn told(counted: &[Counted]) -> String {
    let mut text = String::new();
    for (list, title) in [
        (List::Out, "Letters sent"),
        (List::In, "Messages that came"),
        (List::Answer, "Responses to them"),
    ] {
        let _ = writeln!(text, "{title}");
        let mut rows = counted.iter().filter(|it| it.list == list).peekable();
        if rows.peek().is_none() {
            let _ = writeln!(text, "  none");
        }
        for it in rows {
            let _ = write!(text, "  {:<9} {}", it.state, it.count);
            let _ = match it.work {
                0 => writeln!(text),
                work => writeln!(text, ", of which {work} wait for a person"),
            };
        }
    }
    text
}
