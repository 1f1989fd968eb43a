//! A translated message in words, for those who connect a feed: the resources, the letter, and what
//! became of every field.

use super::{Mapped, Merge, Outcome};
use std::fmt::Write;

/// The message's resources as JSON, each under a line that says how it meets what is there already,
/// then the account field by field. It holds the message's content: for its sender's eyes only.
pub fn show(mapped: &Mapped) -> String {
    let mut out = String::new();
    for made in &mapped.resources {
        let meets = match made.merge {
            Merge::Replace => "replaces what is there",
            Merge::Update => "updates what is there",
            Merge::KeepExisting => "only if nothing is there",
        };
        let _ = writeln!(out, "{}/{} ({meets})", made.ty, made.id);
        let json = serde_json::to_string_pretty(&made.resource).unwrap_or_default();
        let _ = writeln!(out, "{json}\n");
    }
    if let Some(letter) = &mapped.letter {
        let practice = letter
            .practice
            .as_deref()
            .unwrap_or("no practice: it stays here");
        let _ = writeln!(out, "Letter \"{}\" for {practice}\n", letter.title);
    }
    let _ = writeln!(out, "Field by field:");
    for field in &mapped.account {
        let place = format!("{} (segment {})", field.field, field.line);
        let _ = match &field.outcome {
            Outcome::Mapped(to) => writeln!(out, "  {place}: {}", to.join(", ")),
            Outcome::Kept(to) => {
                writeln!(out, "  {place}: kept in an extension: {}", to.join(", "))
            }
            Outcome::Ignored(rule) => writeln!(out, "  {place}: not mapped: {rule}"),
        };
        for note in &field.notes {
            let _ = writeln!(out, "    in part not held: {note}");
        }
    }
    out
}
