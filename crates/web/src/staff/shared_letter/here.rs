//! A letter that this node itself holds, opened from the shared record: read in the reader's own scope, each opening a line in the
//! log.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::HeaderMap;
use serde_json::Value;
use store::Reading;

use super::{View, Which, notice};
use crate::node::Node;
use crate::page::content::{attachment, part};
use crate::page::parts::{Content, Label, Link};
use crate::page::words;
use crate::record;
use crate::staff::{care, person};
use crate::visit::Visit;

/// The most parts of a letter that a page shows.
const PARTS_MAX: usize = 20;

/// A letter as it is here.
struct Opened {
    scope: Scope,
    entry: Value,
}

async fn opened(
    node: &Node,
    visit: &Visit,
    patient: &str,
    letter: &str,
) -> Result<Opened, Problem> {
    care::check(patient)?;
    care::check(letter)?;
    let scope = visit
        .scope(node, Interaction::Read, "DocumentReference")
        .await?;
    person::refuse_barred(node, &scope, patient).await?;
    let located = scope.withholds().map_or(&[][..], |it| &it.located);
    let is_located = located.iter().any(|it| it == patient);
    if !is_located && node.store.keeps_whereabouts(patient).await? {
        let message = "Where this patient is treated is restricted, and a letter tells it: it is not opened from here.";
        return Err(Problem::new(Kind::Forbidden, message));
    }
    let ty = "DocumentReference";
    let Reading::Found(version) = node.store.read(&scope, ty, letter).await? else {
        return Err(no_letter());
    };
    let entry = record::json(&version)?;
    let subject = entry.pointer("/subject/reference").and_then(Value::as_str);
    match subject == Some(format!("Patient/{patient}").as_str()) {
        true => Ok(Opened { scope, entry }),
        false => Err(no_letter()),
    }
}

/// What the page shows.
pub(super) async fn view(
    node: &Node,
    visit: &Visit,
    patient: &str,
    which: &Which,
) -> Result<View, Problem> {
    let Opened { scope, entry } = opened(node, visit, patient, &which.letter).await?;
    let letter = record::letter(&entry);
    let mut content = Vec::new();
    for (number, (binary, title)) in letter.attachments.iter().take(PARTS_MAX).enumerate() {
        let href = format!(
            "/staff/patient/{patient}/shared/letter/content?from={}&letter={}&part={number}",
            which.from, which.letter
        );
        content.push(match record::content(node, &scope, binary).await? {
            Some(found) => part(&found, title, href),
            None => Content {
                missing: Some(
                    "This part of the letter is withheld from you, or no longer kept here.",
                ),
                ..Content::default()
            },
        });
    }
    let is_empty = content.is_empty();
    let by = letter.from.as_deref();
    Ok(View {
        back: Link {
            text: "The shared record",
            href: format!("/staff/patient/{patient}/shared"),
        },
        subject: letter.title,
        from: (node.organisation_name)(node.site.organisation.as_str()),
        author: letter
            .author
            .or_else(|| by.map(|it| (node.organisation_name)(it))),
        dated: letter.dated.map(|at| words::moment(at, visit.now)),
        asked: words::moment(visit.now, visit.now),
        state: Label {
            text: "Here",
            colour: Some("blue"),
        },
        said: is_empty.then(|| "Nothing of this letter but its entry is kept here.".to_owned()),
        emergency: None,
        notice: notice(&entry),
        content,
        more: letter.attachments.len() > PARTS_MAX,
    })
}

/// One part, as a file.
pub(super) async fn file(
    node: &Arc<Node>,
    visit: &Visit,
    headers: &HeaderMap,
    (patient, which): (&str, &Which),
) -> Result<Response, Problem> {
    let Opened { scope, entry } = opened(node, visit, patient, &which.letter).await?;
    let letter = record::letter(&entry);
    let attachment_of = letter.attachments.get(which.part).ok_or_else(no_letter)?;
    let found = record::content(node, &scope, &attachment_of.0).await?;
    let found = found.ok_or_else(no_letter)?;
    Ok(attachment((node, &scope), headers, found))
}

fn no_letter() -> Problem {
    Problem::new(
        Kind::NotFound,
        "There is no such letter of this patient here, or it is withheld from you.",
    )
}
