//! `handover hl7`: the HL7 v2 messages that the node keeps.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use exchange::Mappings;
use exchange::intake::{Intake, Replay as Wanted, Replayed};
use fhir::date::{self, Millis};
use store::hl7_inbox::Selection;
use tokio::sync::watch;

use crate::config::Config;
use crate::node::open_store;

/// Works on the HL7 v2 messages that the node keeps as they came.
#[derive(clap::Args)]
pub struct Hl7 {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Replay(Replay),
}

/// Maps messages anew that were mapped before, when the mapping has changed. Without --go it is only tried: it tells how
/// many messages that is and what would change, and changes nothing.
///
/// What a message said itself is corrected: elements that the new mapping reads otherwise are changed, those that it does
/// not say any more are taken away, what it says in addition is added. What a newer message said stays, and so does what
/// people and apps have changed since; both are counted. Resources that the mapping before made of a message and the new
/// one does not are named and stay: whether they are to go is for a person to say. Letters and results are not sent
/// again, and other systems are not told. Done twice, it changes nothing the second time.
///
/// Messages are taken from the newest to the oldest, those about one patient one after another. It can be ended at any
/// time (Ctrl-C) and gone on with from the place that it tells (--before). Every message that is looked at has its line
/// in the audit log. Messages that were never mapped are on the page Work list, and are mapped from there.
///
/// Stop the node first if its store is a SQLite file.
///
/// Examples:
///   handover hl7 replay --application LAB --type ORU --since 2026-03-01
///   handover hl7 replay --patient 9990000018 --mapping trial
///   handover hl7 replay --application LAB --type ORU --since 2026-03-01 --go
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct Replay {
    /// The node's settings.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
    /// Only messages of this sending application (MSH-3, as sent).
    #[arg(long)]
    application: Option<String>,
    /// Only messages of this sending facility (MSH-4, as sent).
    #[arg(long)]
    facility: Option<String>,
    /// Only messages of this type, such as ORU, or type and event, such as ADT^A01 (or ADT-A01).
    #[arg(long = "type")]
    kind: Option<String>,
    /// Only the message with this control id (MSH-10).
    #[arg(long)]
    control_id: Option<String>,
    /// Only messages that name a patient by this identifier: the number alone, as in PID-3.
    #[arg(long)]
    patient: Option<String>,
    /// Only messages received at this time or later: a date, or a date and time with its zone (2026-03-01T09:00:00Z).
    #[arg(long, value_parser = moment)]
    since: Option<Millis>,
    /// Only messages received before this time.
    #[arg(long, value_parser = moment)]
    until: Option<Millis>,
    /// Only messages before this place in the order of arrival: goes on where it ended.
    #[arg(long)]
    before: Option<i64>,
    /// The most messages that are looked at.
    #[arg(long, default_value_t = 10_000)]
    at_most: u64,
    /// Tries this folder of layers instead of the one in the settings.
    #[arg(long, conflicts_with = "go")]
    mapping: Option<PathBuf>,
    /// Does it.
    #[arg(long)]
    go: bool,
}

impl Hl7 {
    pub async fn run(self) -> anyhow::Result<()> {
        let Command::Replay(replay) = self.command;
        replay.run().await
    }
}

impl Replay {
    async fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let folder = self.mapping.as_ref().or(config.hl7v2.mapping.as_ref());
        let layers = &config.hl7v2.layers;
        let mappings = Mappings::with(layers, folder.map(PathBuf::as_path));
        let mappings = mappings.context("the mapping")?;
        if self.at_most == 0 {
            bail!("--at-most 0 looks at no message");
        }
        let go = self.go;
        let wanted = self.wanted();
        let store = open_store(&config).await?;
        let intake = Intake::anew(store.clone(), Arc::new(mappings));
        let (hand, stop) = watch::channel(false);
        let interrupted = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                let _ = hand.send(true);
            }
        });
        let mut place = None;
        let done = intake.replay(&wanted, &stop, |so_far| {
            place = so_far.last;
            if go && let Some(place) = place {
                eprintln!(
                    "{} messages looked at, {} changed something; done down to --before {place}",
                    so_far.examined, so_far.changed
                );
            }
        });
        let done = done.await;
        interrupted.abort();
        store.close().await;
        let done = done.with_context(|| match place {
            Some(place) => format!("it ended early; go on with --before {place}"),
            None => "it ended early, before anything was done".to_owned(),
        })?;
        print!("{}", told(&done, go));
        Ok(())
    }

    fn wanted(self) -> Wanted {
        Wanted {
            selection: Selection {
                application: self.application,
                facility: self.facility,
                // A caret means something to some shells.
                kind: self.kind.map(|kind| kind.replace('-', "^")),
                control_id: self.control_id,
                since: self.since,
                until: self.until,
                before: self.before,
            },
            identifier: self.patient,
            at_most: self.at_most,
            go: self.go,
        }
    }
}

fn moment(text: &str) -> Result<Millis, String> {
    let span = date::span(text).map(|span| span.low);
    span.ok_or_else(|| "a date is written 2026-03-01, a time 2026-03-01T09:00:00Z".to_owned())
}

/// What came of it, or would, in words and counts.
fn told(done: &Replayed, go: bool) -> String {
    let mut text = String::new();
    let of = done.messages;
    let _ = match go {
        true => writeln!(
            text,
            "Mapped anew: {of} messages; {} changed something.",
            done.changed
        ),
        false => writeln!(
            text,
            "Would be mapped anew: {of} messages; {} would change something. Nothing was changed: --go does it.",
            done.changed
        ),
    };
    let _ = writeln!(text, "Messages looked at: {}", done.examined);
    for (ty, of) in &done.types {
        let _ = writeln!(
            text,
            "  {ty}: {} created, {} updated, {} unchanged; elements: {} added, {} changed, {} removed, {} unchanged",
            of.created,
            of.updated,
            of.unchanged,
            of.elements_added,
            of.elements_changed,
            of.elements_removed,
            of.elements_unchanged
        );
    }
    let lists = [
        ("Kept, since newer messages said it:", &done.newer),
        (
            "Kept, since others have changed or deleted it since:",
            &done.others,
        ),
    ];
    for (title, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
        let _ = writeln!(text, "{title}");
        for (name, count) in *list {
            let _ = writeln!(text, "  {name}: {count}");
        }
    }
    named(
        &mut text,
        "Made by the mapping before and not by this one; they stay, see whether they are to go:",
        (&done.left, done.left_count),
    );
    let refused = done.refused.iter();
    let refused: Vec<String> = refused
        .map(|(number, reason)| format!("message {number}: {reason}"))
        .collect();
    named(
        &mut text,
        "Not mapped by this mapping; what is here of them stays:",
        (&refused, done.refused_count),
    );
    if let (true, Some(last)) = (done.is_more, done.last) {
        let _ = writeln!(
            text,
            "There may be more: the same with --before {last} goes on there."
        );
    }
    text
}

fn named(text: &mut String, title: &str, (names, count): (&[String], u64)) {
    if names.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for name in names {
        let _ = writeln!(text, "  {name}");
    }
    let more = count.saturating_sub(names.len() as u64);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_come_of_it_is_told_in_counts() {
        let mut done = Replayed {
            examined: 3,
            messages: 2,
            changed: 1,
            left: vec!["Condition/1".into()],
            left_count: 4,
            last: Some(7),
            is_more: true,
            ..Replayed::default()
        };
        done.newer.insert("Patient.address".into(), 2);
        let told = told(&done, false);
        for line in [
            "Would be mapped anew: 2 messages; 1 would change something. Nothing was changed: --go does it.",
            "Messages looked at: 3",
            "  Patient.address: 2",
            "  Condition/1\n  and 3 more",
            "the same with --before 7 goes on",
        ] {
            assert!(told.contains(line), "{line}\n{told}");
        }
    }

    #[test]
    fn times_are_read_or_refused() {
        assert_eq!(moment("1970-01-02"), Ok(86_400_000));
        assert_eq!(moment("1970-01-01T01:00:00Z"), Ok(3_600_000));
        assert!(moment("yesterday").is_err());
    }
}
