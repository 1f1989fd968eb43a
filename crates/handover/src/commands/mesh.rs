//! `handover mesh`: how the mailboxes of systems here stand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use exchange::mailboxes::shown;
use fhir::date;
use store::mesh::{Message, Standing};
use store::{Job, Store};

use super::account::open;
use crate::config::Config;

/// Messages that could not be delivered which are listed.
const FAILED_MAX: u32 = 20;

/// Tells how the mailboxes of systems here stand, which speak MESH to this node ([mesh_server] in the settings).
///
/// A system sends to a mailbox and collects from its own. What nobody collects within 5 days is undeliverable, and its
/// sender gets a report of code 14.
///
/// Example:
///   handover mesh status
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Mesh {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Prints for each mailbox how many messages wait to be collected and since when, how many are on their way, and how
    /// many could not be delivered in the last 30 days; then the newest of those, with the reason. No subject, no
    /// content. The look stands in the audit log.
    Status {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
}

impl Mesh {
    pub async fn run(self) -> anyhow::Result<()> {
        let Command::Status { config } = self.command;
        let settings = Config::read(&config)?;
        let (store, _) = open(&config).await?;
        let told = status(&store).await;
        store.close().await;
        let (standing, failed) = told?;
        let named = settings.mesh_server.mailboxes().iter();
        let named = named.map(|it| (it.id.clone(), it.name.clone())).collect();
        print!("{}", told_of(&named, &standing, &failed));
        Ok(())
    }
}

async fn status(store: &Store) -> anyhow::Result<(Vec<Standing>, Vec<Message>)> {
    let scope = Scope::system(SystemPurpose::CarryMail);
    let standing = store.mesh_standing(&scope).await?;
    let failed = store.mesh_failed(&scope, FAILED_MAX).await?;
    let target = Target {
        query: Some("mesh status".into()),
        ..Target::default()
    };
    let line = scope.trace(Interaction::System, Outcome::Success, target);
    let job = Job {
        traces: vec![line],
        ..Job::default()
    };
    store.commit(&scope, job).await?;
    Ok((standing, failed))
}

fn told_of(named: &BTreeMap<String, String>, standing: &[Standing], failed: &[Message]) -> String {
    let mut text = String::new();
    if named.is_empty() {
        text.push_str("No mailbox is set: see [mesh_server] in the settings.\n");
    }
    let mut all: BTreeMap<&str, Standing> = BTreeMap::new();
    for mailbox in named.keys() {
        all.insert(mailbox, Standing::default());
    }
    for it in standing {
        all.insert(&it.mailbox, it.clone());
    }
    for (mailbox, it) in all {
        let name = named.get(mailbox).map_or("not in the settings", |it| it);
        let since = match it.waiting {
            0 => String::new(),
            _ => format!(", the oldest since {}", date::instant(it.oldest)),
        };
        let _ = writeln!(
            text,
            "{mailbox} ({name}): {} to collect{since}; {} on their way; {} undeliverable in 30 days",
            it.waiting, it.under_way, it.failed
        );
    }
    for it in failed {
        let _ = writeln!(
            text,
            "Undeliverable: {} from {} to {}, {}: {}",
            it.id,
            it.sender,
            shown(&it.recipient),
            date::instant(it.state_at),
            it.reason
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_told_whether_or_not_they_have_messages_or_are_set() {
        let named = BTreeMap::from([("A1".to_owned(), "Pathology".to_owned())]);
        let one = Standing {
            mailbox: "B2".into(),
            waiting: 2,
            oldest: 1_767_603_600_000,
            under_way: 1,
            failed: 0,
        };
        assert_eq!(
            told_of(&named, &[one], &[]),
            "A1 (Pathology): 0 to collect; 0 on their way; 0 undeliverable in 30 days\n\
             B2 (not in the settings): 2 to collect, the oldest since 2026-01-05T09:00:00.000Z; \
             1 on their way; 0 undeliverable in 30 days\n"
        );
    }
}
