//! The form of a letter: what was typed into it, and how it is shown.

use access::Scope;
use axum::response::Response;
use exchange::correspondence::{self, Fault, RECIPIENTS_MAX, Written, gaps};
use fhir::problem::Problem;
use store::drafts::Draft;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{self, Done, Person};
use crate::page::{Page, words};
use crate::record;
use crate::staff::desk::views::{LetterForm, One};
use crate::visit::Visit;

/// Empty fields for organisations below those that are named.
const BLANK: usize = 2;
/// Organisations that are offered.
const KNOWN_MAX: usize = 500;

/// What a form shows.
pub struct Shown<'a> {
    pub who: record::Patient,
    /// The Patient's id.
    pub patient: &'a str,
    /// The draft that it writes over; none where it begins one.
    pub draft: Option<&'a Draft>,
    /// The name of the draft that it begins.
    pub attempt: String,
    /// The text that it began with.
    pub template: &'a str,
    pub typed: Written,
    pub notes: Vec<String>,
    pub faults: &'a [Fault],
    pub done: &'a str,
}

/// What was typed. Of an organisation only its code counts: `RZZ01 – Anytown General` is what a list offers.
pub fn typed(fields: &Fields) -> Written {
    let of = |name: &str| fields.text(name).replace("\r\n", "\n");
    let code = |number: usize| {
        let given = fields.text(&format!("to-{number}")).to_ascii_uppercase();
        given
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let to = (0..RECIPIENTS_MAX + BLANK).map(code);
    Written {
        title: of("title"),
        body: of("body"),
        to: to.filter(|it| !it.is_empty()).collect(),
        to_patient: fields.text("to-patient") == "yes",
        urgent: fields.text("urgent") == "yes",
        mark: of("mark"),
    }
}

/// The page.
pub async fn answer(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    shown: Shown<'_>,
) -> Result<Response, Problem> {
    let faults = shown.faults;
    let error = |field: &str| {
        let found = faults.iter().find(|(at, _)| *at == field);
        found.map(|(_, said)| *said)
    };
    let typed = &shown.typed;
    let name = |code: &str| match code {
        "" => String::new(),
        code => (node.organisation_name)(code),
    };
    let count = (typed.to.len() + BLANK)
        .min(RECIPIENTS_MAX)
        .max(typed.to.len());
    let to = (0..count).map(|at| typed.to.get(at).cloned().unwrap_or_default());
    let view = LetterForm {
        done: done(shown.done),
        errors: faults
            .iter()
            .map(|&(field, text)| parts::Fault {
                text,
                href: format!("#{field}").into(),
            })
            .collect(),
        patient: Person::new(
            &shown.who.name,
            shown.who.birth_date.as_deref(),
            shown.who.nhs_number.as_deref(),
        ),
        patient_id: shown.patient.to_owned(),
        record: format!("/staff/patient/{}", shown.patient),
        notes: shown.notes,
        action: match shown.draft {
            Some(draft) => format!("/staff/letters/{}", draft.id),
            None => "/staff/letters/new".to_owned(),
        },
        attempt: shown.attempt,
        version: shown.draft.map(|it| it.version),
        kept: shown
            .draft
            .map(|it| (it.author.clone(), words::moment(it.changed_at, visit.now))),
        templates: templates(node, scope, shown.template).await?,
        fields: fields_of(),
        gaps: gaps(&typed.body).into_iter().map(str::to_owned).collect(),
        title: typed.title.clone(),
        title_error: error("title"),
        body: typed.body.clone(),
        body_error: error("body"),
        to: to.map(|code| (code.clone(), name(&code))).collect(),
        to_error: error("to-0"),
        known: known(node),
        to_patient: typed.to_patient,
        urgent: typed.urgent,
        marks: marks(&typed.mark),
        mark_error: error("mark"),
    };
    let title = format!("Letter about {}", shown.who.name);
    let page = Page::new("staff/letter.jinja", title, view).under("/staff/unsigned");
    Ok(page
        .with_faults(!faults.is_empty())
        .answer(&node.site, visit))
}

/// The fields that a text may name.
pub fn fields_of() -> Vec<(String, &'static str)> {
    let field = |(name, what): &(&str, &'static str)| (format!("{{{name}}}"), *what);
    correspondence::FIELDS.iter().map(field).collect()
}

async fn templates(node: &Node, scope: &Scope, chosen: &str) -> Result<Vec<One>, Problem> {
    let templates = node.store.templates(scope).await?;
    let one = |it: store::desk::Template| One {
        chosen: it.id == chosen,
        value: it.id,
        text: it.name,
    };
    Ok(templates.into_iter().map(one).collect())
}

fn known(node: &Node) -> Vec<(String, String)> {
    let Some(exchange) = &node.exchange else {
        return Vec::new();
    };
    let own = node.site.organisation.as_str();
    let members = exchange.book().members();
    let others = members.iter().filter(|it| it.ods != own);
    others
        .take(KNOWN_MAX)
        .map(|it| (it.ods.clone(), it.name.clone()))
        .collect()
}

fn marks(chosen: &str) -> Vec<One> {
    let all = [
        ("", "No: the patient may read it"),
        (
            "third-party",
            "Yes: it tells something about another person",
        ),
        ("serious-harm", "Yes: it could do serious harm"),
    ];
    let one = |(value, text): (&str, &str)| One {
        value: value.to_owned(),
        text: text.to_owned(),
        chosen: value == chosen,
    };
    all.into_iter().map(one).collect()
}

fn done(word: &str) -> Option<Done> {
    let text = match word {
        "kept" => "The draft is kept. Nothing has been sent.",
        "moved" => {
            "Somebody changed this draft meanwhile: this is what it says now. Nothing was sent."
        }
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}
