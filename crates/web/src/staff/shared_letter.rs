//! `GET /staff/patient/{id}/shared/letter?from=…&letter=…`: a letter that another organisation holds, asked for now with its content.
//! Each opening is a question of its own, in the reader's name, and stands in both logs. One that is held here is read here.

mod here;

use std::sync::Arc;

use access::{Interaction, Ods, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::ask::{LetterState, SharedLetter};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::node::Node;
use crate::page::parts::{Content, Label, Link};
use crate::page::problem::Refusal;
use crate::page::words::Moment;
use crate::page::{Page, elsewhere, words};
use crate::record;
use crate::staff::{care, person, shared};
use crate::visit::Visit;

/// What the address says.
#[derive(Deserialize)]
pub struct Which {
    /// Who holds it: an ODS code.
    #[serde(default)]
    from: String,
    /// The id of its entry there.
    #[serde(default)]
    letter: String,
    /// One of its parts, to be fetched.
    #[serde(default)]
    part: usize,
}

/// What the page is given.
#[derive(Serialize)]
pub struct View {
    pub back: Link,
    pub subject: String,
    pub from: String,
    pub author: Option<String>,
    pub dated: Option<Moment>,
    pub asked: Moment,
    pub state: Label,
    /// What came of asking, where that needs words.
    pub said: Option<String>,
    /// Where the record is opened in an emergency, if that may help.
    pub emergency: Option<String>,
    /// Why the letter does not hold any more.
    pub notice: Option<&'static str>,
    pub content: Vec<Content>,
    /// Whether there is more of the letter than came.
    pub more: bool,
}

/// Asks for the letter.
async fn opened(
    node: &Node,
    visit: &Visit,
    patient: &str,
    which: &Which,
) -> Result<(Scope, SharedLetter), Refusal> {
    care::check(patient)?;
    let scope = visit.scope(node, Interaction::Ask, "Patient").await?;
    person::refuse_barred(node, &scope, patient).await?;
    let Some(exchange) = &node.exchange else {
        let message = "This node asks no other organisations.";
        return Err(Problem::new(Kind::NotSupported, message).into());
    };
    let from = Ods::parse(&which.from)?;
    let asker = shared::asker(visit)?;
    let letter = exchange.shared_letter(&scope, (patient, asker), (&from, &which.letter));
    let letter = letter.await?;
    Ok((scope, letter))
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    let view = match which.from == node.site.organisation.as_str() {
        true => here::view(&node, &visit, &patient, &which).await?,
        false => {
            let (_, letter) = opened(&node, &visit, &patient, &which).await?;
            let name = (node.organisation_name)(letter.source.as_str());
            view(&patient, &letter, (name, &which), visit.now)
        }
    };
    let title = view.subject.clone();
    Ok(Page::new("staff/shared-letter.jinja", title, view).answer(&node.site, &visit))
}

/// `GET …/letter/content?from=…&letter=…&part=…`: one part, as a file. It is asked for anew.
pub async fn file(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if which.from == node.site.organisation.as_str() {
        return Ok(here::file(&node, &visit, &headers, (&patient, &which)).await?);
    }
    let (scope, letter) = opened(&node, &visit, &patient, &which).await?;
    let wanted = (letter, which.part);
    Ok(elsewhere::fetched((&node, &scope), &headers, wanted)?)
}

pub(crate) fn view(
    patient: &str,
    letter: &SharedLetter,
    (name, which): (String, &Which),
    now: Millis,
) -> View {
    let entry = letter.entry.as_ref().map(record::letter);
    let (text, colour, said) = state(letter, &name, now);
    let emergency = matches!(letter.state, LetterState::Closed(_) | LetterState::Withheld);
    let content = elsewhere::shown(letter, |number| {
        format!(
            "/staff/patient/{patient}/shared/letter/content?from={}&letter={}&part={number}",
            letter.source, which.letter
        )
    });
    let title = entry.as_ref().map(|it| it.title.clone());
    View {
        back: Link {
            text: "The shared record",
            href: format!("/staff/patient/{patient}/shared"),
        },
        subject: title
            .filter(|it| !it.is_empty())
            .unwrap_or_else(|| "A letter".to_owned()),
        from: name,
        author: entry.as_ref().and_then(|it| it.author.clone()),
        dated: entry
            .as_ref()
            .and_then(|it| it.dated)
            .map(|at| words::moment(at, now)),
        asked: words::moment(letter.asked_at, now),
        state: Label {
            text,
            colour: Some(colour),
        },
        said,
        emergency: emergency.then(|| format!("/staff/emergency-access/{patient}")),
        notice: letter.entry.as_ref().and_then(notice),
        content: content.collect(),
        more: elsewhere::has_more(letter),
    }
}

/// Why a letter does not hold any more, by its entry.
fn notice(entry: &Value) -> Option<&'static str> {
    match entry.get("status").and_then(Value::as_str) {
        Some("superseded") => Some("This letter was replaced by a newer one. Do not act on it."),
        Some("entered-in-error") => Some("This letter was taken back. Do not act on it."),
        _ => None,
    }
}

fn state(
    letter: &SharedLetter,
    name: &str,
    now: Millis,
) -> (&'static str, &'static str, Option<String>) {
    match &letter.state {
        LetterState::Answered => ("Answered", "green", None),
        LetterState::Closed(why) => ("Not asked", "yellow", Some(shared::closed(*why).to_owned())),
        LetterState::Restricted => (
            "Not asked",
            "yellow",
            Some(
                "Where this patient is treated is restricted, and a letter tells it: it is not opened here. Ring who wrote it."
                    .to_owned(),
            ),
        ),
        LetterState::Withheld => (
            "Withheld",
            "yellow",
            Some(format!("{name} holds this letter and does not share it with this organisation.")),
        ),
        LetterState::Gone => (
            "Not there",
            "grey",
            Some(format!("{name} answered that it holds no such letter any more.")),
        ),
        LetterState::Silent {
            why,
            copy_from: Some(at),
        } => (
            "Did not answer",
            "red",
            Some(format!(
                "{why} What is shown is from {}, and may have changed since.",
                words::moment(*at, now).full
            )),
        ),
        LetterState::Silent {
            why,
            copy_from: None,
        } => (
            "Did not answer",
            "red",
            Some(format!("{why} The letter is there, and cannot be shown now. Try again, or ring {name}.")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use access::Ods;
    use exchange::ask::LetterPart;
    use serde_json::json;

    use super::*;

    fn letter(state: LetterState) -> SharedLetter {
        SharedLetter {
            asked_at: 0,
            source: Ods::parse("RZZ01").unwrap(),
            state,
            entry: None,
            parts: Vec::new(),
            is_cut: false,
        }
    }

    fn shown(letter: &SharedLetter) -> View {
        let which = Which {
            from: "RZZ01".into(),
            letter: "d".into(),
            part: 0,
        };
        view("una", letter, ("The hospital".into(), &which), 0)
    }

    #[test]
    fn withheld_gone_silent_and_of_before_do_not_look_alike() {
        let why = "No answer came within 2 s.".to_string();
        let states = [
            LetterState::Withheld,
            LetterState::Gone,
            LetterState::Restricted,
            LetterState::Silent {
                why: why.clone(),
                copy_from: None,
            },
            LetterState::Silent {
                why,
                copy_from: Some(5),
            },
        ];
        let said: std::collections::HashSet<String> = states
            .into_iter()
            .map(|it| shown(&letter(it)).said.unwrap())
            .collect();
        assert_eq!(said.len(), 5, "{said:?}");
    }

    #[test]
    fn a_letter_that_was_taken_back_says_so_and_what_is_no_text_is_fetched() {
        let mut taken_back = letter(LetterState::Answered);
        taken_back.entry =
            Some(json!({ "resourceType": "DocumentReference", "status": "entered-in-error" }));
        let part = |content_type: &str, bytes: &[u8]| LetterPart {
            content_type: content_type.into(),
            bytes: bytes.to_vec(),
        };
        taken_back.parts = vec![
            part("text/plain", b"Dear colleague"),
            part("text/html", b"<script>bad()</script>"),
        ];
        let view = shown(&taken_back);
        assert!(view.notice.unwrap().contains("taken back"));
        assert_eq!(view.content[0].text.as_deref(), Some("Dear colleague"));
        assert_eq!(view.content[1].text, None);
        assert!(
            view.content[1]
                .href
                .as_deref()
                .unwrap()
                .ends_with("&part=1")
        );
    }
}
