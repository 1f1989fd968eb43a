//! `/staff/letters`: a letter is begun with a team's text and what the record says, kept as a draft, and signed once: with that
//! each reader has their copy on its way.

mod form;
mod merging;

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::correspondence::{Fault, KIND, Signing, Written};
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::drafts::{Draft, DraftWrite, NewDraft};

use super::views::{LetterCopy, LetterSign};
use super::{attempt, me, new_attempt};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Person;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::record::{self, json};
use crate::staff::discharges::load;
use crate::staff::drafting::{
    self, Drafting, MOVED, exchange, may_sign, named, patient, read, version, written,
};
use crate::visit::Visit;
use form::Shown;
pub use form::fields_of;

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    patient: String,
    #[serde(default)]
    template: String,
    #[serde(default)]
    done: String,
}

const DRAFTS: Drafting = Drafting {
    kind: KIND,
    path: "/staff/letters",
};

async fn writing(node: &Node, visit: &Visit) -> Result<Scope, Problem> {
    visit.scope(node, Interaction::WriteLetter, "Patient").await
}

/// `GET /staff/letters/new?patient=…&template=…`: the form. Nothing is kept yet.
pub async fn new(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = writing(&node, &visit).await?;
    let who = patient(&node, &scope, &asked.patient).await?;
    let found = load::record(&node, &scope, &asked.patient, &who).await?;
    let mut typed = Written {
        to: Some(found.prefilled.practice.clone())
            .filter(|it| !it.is_empty() && it != node.site.organisation.as_str())
            .into_iter()
            .collect(),
        ..Written::default()
    };
    if !asked.template.is_empty() {
        let template = node.store.template(&scope, &asked.template).await?;
        typed.title.clone_from(&template.name);
        typed.body = merging::merged(&node, &visit, &template.body, (&who, &found));
    }
    let page = Shown {
        who: record::patient(&who),
        patient: &asked.patient,
        draft: None,
        attempt: new_attempt(),
        template: &asked.template,
        typed,
        notes: found.notes(),
        faults: &[],
        done: "",
    };
    Ok(form::answer(&node, &visit, &scope, page).await?)
}

/// `POST /staff/letters/new`: from now on it is a draft. The same form twice begins one.
pub async fn begin(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = writing(&node, &visit).await?;
    let id = fields.text("patient").to_owned();
    let attempt = attempt(fields.text("attempt"))?;
    let who = patient(&node, &scope, &id).await?;
    let found = load::record(&node, &scope, &id, &who).await?;
    let mut typed = form::typed(&fields);
    let faults = typed.check_size();
    if !faults.is_empty() {
        let page = Shown {
            who: record::patient(&who),
            patient: &id,
            draft: None,
            attempt,
            template: "",
            typed,
            notes: found.notes(),
            faults: &faults,
            done: "",
        };
        return Ok(form::answer(&node, &visit, &scope, page).await?);
    }
    typed.body = merging::merged(&node, &visit, &typed.body, (&who, &found));
    let by = me(&visit)?;
    let write = DraftWrite::Begin(Box::new(NewDraft {
        id: attempt.clone(),
        kind: KIND,
        patient: id.clone(),
        account: by.account,
        author: by.who,
        body: written(&typed)?,
    }));
    drafting::begin(&node, &scope, write, &id).await?;
    Ok(see_other(&DRAFTS.next(&attempt, &fields)))
}

/// `GET /staff/letters/{id}`
pub async fn draft(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = writing(&node, &visit).await?;
    let draft = node.store.draft(&scope, KIND, &id).await?;
    let typed = read(&draft)?;
    show(&node, &visit, &scope, &draft, (typed, &[], &asked.done)).await
}

/// The form with a draft in it, or with what was typed over it.
async fn show(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    draft: &Draft,
    (typed, faults, done): (Written, &[Fault], &str),
) -> Result<Response, Refusal> {
    let who = json(&draft.patient)?;
    let found = load::record(node, scope, &draft.patient.id, &who).await?;
    let page = Shown {
        who: record::patient(&who),
        patient: &draft.patient.id,
        draft: Some(draft),
        attempt: String::new(),
        template: "",
        typed,
        notes: found.notes(),
        faults,
        done,
    };
    Ok(form::answer(node, visit, scope, page).await?)
}

/// `POST /staff/letters/{id}`: written anew, over what its writer saw.
pub async fn save(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = writing(&node, &visit).await?;
    let draft = node.store.draft(&scope, KIND, &id).await?;
    let mut typed = form::typed(&fields);
    let faults = typed.check_size();
    if !faults.is_empty() {
        return show(&node, &visit, &scope, &draft, (typed, &faults, "")).await;
    }
    let who = json(&draft.patient)?;
    let found = load::record(&node, &scope, &draft.patient.id, &who).await?;
    typed.body = merging::merged(&node, &visit, &typed.body, (&who, &found));
    let by = me(&visit)?;
    let (body, writer) = (written(&typed)?, (by.account, by.who));
    let typed_in = (&fields, body);
    let saved = DRAFTS.save(&node, &scope, &draft, typed_in, writer).await?;
    if let Some(answer) = saved {
        return Ok(answer);
    }
    // What was typed is shown beside the version that is there now: nobody's words are lost.
    let draft = node.store.draft(&scope, KIND, &id).await?;
    let moved: [Fault; 1] = [("body", MOVED)];
    show(&node, &visit, &scope, &draft, (typed, &moved, "")).await
}

/// `POST /staff/letters/{id}/discard`
pub async fn discard(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = writing(&node, &visit).await?;
    let by = me(&visit)?.who;
    DRAFTS.discard(&node, &scope, &id, (&fields, by)).await
}

/// `GET /staff/letters/{id}/sign`: every copy as it leaves. What is missing leads back to the form.
pub async fn look(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let scope = writing(&node, &visit).await?;
    let exchange = exchange(&node)?;
    let draft = node.store.draft(&scope, KIND, &id).await?;
    let letter: Written = read(&draft)?;
    let faults = letter.check();
    if !faults.is_empty() {
        return show(&node, &visit, &scope, &draft, (letter, &faults, "")).await;
    }
    let who = named(&draft)?;
    let found = load::record(&node, &scope, &draft.patient.id, &who).await?;
    let may = may_sign(&visit);
    let by = me(&visit)?.who;
    let signing = Signing {
        draft: &id,
        version: draft.version,
        patient: &who,
        signer: if may { &by } else { "the clinician who signs" },
        from: &node.site.name,
        release_at: node.release_at(visit.now),
        now: visit.now,
    };
    let copies = exchange.copies_of(&letter, &signing)?;
    let person = record::patient(&who);
    let view = LetterSign {
        patient: Person::new(
            &person.name,
            person.birth_date.as_deref(),
            person.nhs_number.as_deref(),
        ),
        title: letter.title.clone(),
        copies: copies
            .into_iter()
            .map(|it| LetterCopy {
                to: it.to,
                way: it.way,
                text: it.text,
            })
            .collect(),
        notes: found.notes(),
        release: release(&node, &letter),
        back: format!("/staff/letters/{id}"),
        action: format!("/staff/letters/{id}/sign"),
        version: draft.version.to_string(),
        may,
        me: visit.caller().map(words::caller).unwrap_or_default(),
    };
    let title = format!("Sign the letter about {}", person.name);
    Ok(Page::new("staff/letter-sign.jinja", title, view)
        .under("/staff/unsigned")
        .answer(&node.site, &visit))
}

fn release(node: &Node, letter: &Written) -> String {
    match (letter.mark.as_str(), letter.to_patient) {
        ("", true) => "The patient reads their copy as soon as it is signed.".to_owned(),
        ("", false) => format!(
            "The patient reads it when a receiver has filed it, and here after {} days.",
            node.release_after_days
        ),
        _ => "It is marked, and stays hidden from the patient.".to_owned(),
    }
}

/// `POST /staff/letters/{id}/sign`: as it was seen, and no other.
pub async fn sign(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::SignLetter, "Patient")
        .await?;
    let exchange = exchange(&node)?;
    let draft: Draft = node.store.draft(&scope, KIND, &id).await?;
    if draft.version != version(&fields) {
        return Ok(DRAFTS.moved(&id));
    }
    let letter: Written = read(&draft)?;
    let faults = letter.check();
    if !faults.is_empty() {
        return show(&node, &visit, &scope, &draft, (letter, &faults, "")).await;
    }
    let who = named(&draft)?;
    let signing = Signing {
        draft: &id,
        version: draft.version,
        patient: &who,
        signer: &scope.agent().name,
        from: &node.site.name,
        release_at: node.release_at(visit.now),
        now: visit.now,
    };
    let job = match exchange.sign_written(&letter, &signing) {
        Err(problem) if problem.kind == Kind::BusinessRule => {
            let own: [Fault; 1] = [("to-0", "A letter does not go to this organisation itself")];
            return show(&node, &visit, &scope, &draft, (letter, &own, "")).await;
        }
        job => job?,
    };
    DRAFTS.sign(&node, &scope, &id, job).await
}
