//! Letters on record here that go along with a referral. What is withheld from the writer, or carries a security label (a copy
//! would not have it), is not offered, and the form says that there is more.

use access::Scope;
use exchange::LetterContent;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::search::Search;
use serde_json::Value;
use store::parcels::Large;
use store::{Reading, Version};

use super::views;
use crate::node::Node;
use crate::page::words;
use crate::record::{self, json};

/// Letters that are offered: the newest.
const OFFERED_MAX: u32 = 50;
/// Letters that go along with one referral.
const CHOSEN_MAX: usize = 10;

/// What goes along.
#[derive(Default)]
pub(super) struct Chosen {
    /// The DocumentReferences' ids.
    pub(super) documents: Vec<String>,
    /// What they are, in words: a list in the order of their parts.
    pub(super) listed: String,
    pub(super) whole: Vec<LetterContent>,
    pub(super) large: Vec<(String, Large)>,
}

/// The letters that may go along, newest first, and what is to be said of those that may not.
pub(super) async fn offered(
    node: &Node,
    scope: &Scope,
    patient: &str,
    (chosen, now): (&[&str], Millis),
) -> Result<(Vec<views::Letter>, Option<String>), Problem> {
    let ty = "DocumentReference";
    let search = Search::all(ty, OFFERED_MAX).within_patient(patient);
    let page = node.store.search(scope, &search).await?;
    let mut letters = Vec::new();
    let mut labelled = 0u64;
    for version in &page.entries {
        let resource = json(version)?;
        if is_labelled(&resource) {
            labelled += 1;
            continue;
        }
        let letter = record::letter(&resource);
        if !letter.is_current || letter.attachments.is_empty() {
            continue;
        }
        let at = letter.dated.unwrap_or(version.last_updated);
        letters.push((
            at,
            views::Letter {
                id: version.id.clone(),
                title: letter.title,
                from: letter.from.map(|it| (node.organisation_name)(&it)),
                dated: words::moment(at, now),
                chosen: chosen.contains(&version.id.as_str()),
            },
        ));
    }
    letters.sort_by(|(a, _), (b, _)| b.cmp(a));
    let withheld = node.store.withheld_of(scope, patient, Some(ty)).await?;
    let kept = labelled + withheld.count;
    let mut said = Vec::new();
    if kept > 0 {
        said.push(format!(
            "{kept} more: withheld from you, or restricted, so that no copy of them goes along."
        ));
    }
    if page.next.is_some() {
        said.push("There are more letters than are listed here.".to_owned());
    }
    let said = (!said.is_empty()).then(|| said.join(" "));
    Ok((letters.into_iter().map(|(_, it)| it).collect(), said))
}

fn is_labelled(document: &Value) -> bool {
    let some = |place: &str| {
        let list = document.pointer(place).and_then(Value::as_array);
        list.is_some_and(|it| !it.is_empty())
    };
    some("/securityLabel") || some("/meta/security")
}

/// Reads what was chosen, under the writer's own scope.
///
/// # Errors
/// `Value` for one that is not the patient's, may not go along, or is not here; `TooLong` for too many.
pub(super) async fn read(
    node: &Node,
    scope: &Scope,
    (patient, chosen): (&str, &[&str]),
) -> Result<Chosen, Problem> {
    if chosen.len() > CHOSEN_MAX {
        let message = "Up to 10 letters go along with a referral.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    let mut all = Chosen::default();
    for id in chosen {
        let read = match crate::staff::care::check(id) {
            Ok(()) => node.store.read(scope, "DocumentReference", id).await?,
            Err(_) => Reading::Absent,
        };
        let Reading::Found(version) = read else {
            return Err(not_offered());
        };
        add(node, scope, (&version, patient), &mut all).await?;
    }
    Ok(all)
}

async fn add(
    node: &Node,
    scope: &Scope,
    (version, patient): (&Version, &str),
    all: &mut Chosen,
) -> Result<(), Problem> {
    let resource = json(version)?;
    let subject = resource
        .pointer("/subject/reference")
        .and_then(Value::as_str);
    let is_theirs = subject.and_then(|it| it.strip_prefix("Patient/")) == Some(patient);
    let letter = record::letter(&resource);
    if !is_theirs || is_labelled(&resource) || !letter.is_current {
        return Err(not_offered());
    }
    for (binary, _) in &letter.attachments {
        let found = record::content(node, scope, binary).await?;
        let found = found.ok_or_else(not_offered)?;
        match found.large {
            Some(large) => all.large.push((found.content_type, large)),
            None => all.whole.push(LetterContent {
                content_type: found.content_type,
                bytes: found.bytes,
            }),
        }
    }
    let from = letter.from.map(|it| (node.organisation_name)(&it));
    let dated = letter.dated.map(|it| words::date(it).short);
    let said = [Some(letter.title), from, dated].into_iter().flatten();
    let said: Vec<String> = said.collect();
    all.listed.push_str(&format!("- {}\n", said.join(", ")));
    all.documents.push(version.id.clone());
    Ok(())
}

fn not_offered() -> Problem {
    let message = "A letter that you chose cannot go along: it is not here any more, is withheld from you, or is restricted.";
    Problem::new(Kind::Value, message)
}

impl Chosen {
    /// All parts that are whole, what they are first.
    pub(super) fn parts(&mut self, summary: Option<LetterContent>) -> Vec<LetterContent> {
        let mut parts: Vec<LetterContent> = summary.into_iter().collect();
        if !self.listed.is_empty() {
            let text = format!("Letters enclosed:\n{}", self.listed);
            parts.push(LetterContent {
                content_type: "text/plain; charset=utf-8".into(),
                bytes: text.into_bytes(),
            });
        }
        parts.append(&mut self.whole);
        parts
    }
}
