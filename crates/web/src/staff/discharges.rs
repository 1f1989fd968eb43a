//! `/staff/discharges`: a discharge is written once, kept as a draft for as long as it takes, and signed once: with that the
//! practice, the pharmacy and social care each have their letter on its way. `/staff/unsigned` lists what nobody has
//! signed.

mod amending;
mod form;
pub(super) mod load;
mod signing;
pub mod unsigned;
pub mod views;

use std::sync::Arc;

use access::{Interaction, Scope, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::discharge::{Discharge, Fault, KIND};
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::drafts::{Draft, DraftWrite, NewDraft};

use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::see_other;
use crate::record::{self, json};
use crate::staff::drafting::{self, Drafting, MOVED, patient, read, written};
use crate::visit::Visit;
pub use amending::{amend, signed};
use form::Shown;
pub use signing::{look, sign};

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    patient: String,
    #[serde(default)]
    done: String,
}

const DRAFTS: Drafting = Drafting {
    kind: KIND,
    path: "/staff/discharges",
};

/// What the caller may reach to do that with a discharge. They are written at a hospital and nowhere else.
async fn scope(node: &Node, visit: &Visit, action: Interaction) -> Result<Scope, Problem> {
    match node.site.is_hospital() {
        true => visit.scope(node, action, "Patient").await,
        false => Err(Problem::new(
            Kind::NotFound,
            "Discharges are written at the hospital.",
        )),
    }
}

/// `GET /staff/discharges/new?patient=…`: the form, filled from the record. Nothing is kept yet.
pub async fn new(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit, Interaction::WriteLetter).await?;
    let who = patient(&node, &scope, &asked.patient).await?;
    let found = load::record(&node, &scope, &asked.patient, &who).await?;
    let notes = found.notes();
    let page = Shown::unkept(&who, &asked.patient, found.prefilled, notes);
    Ok(form::answer(&node, &visit, page))
}

/// `POST /staff/discharges/new`: from now on it is a draft. The same form twice begins one.
pub async fn begin(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit, Interaction::WriteLetter).await?;
    let id = fields.text("patient").to_owned();
    let attempt = uuid::Uuid::parse_str(fields.text("attempt"))
        .map_err(|_| Problem::new(Kind::Value, "This form is not whole; open the page again."))?;
    let attempt = attempt.to_string();
    let who = patient(&node, &scope, &id).await?;
    let mut typed = form::typed(&fields);
    typed.amends = amending::amended(&node, &scope, (&id, fields.text("amends"))).await?;
    explain(&mut typed, &fields);
    let faults = typed.check_size();
    if !faults.is_empty() {
        let found = load::record(&node, &scope, &id, &who).await?;
        let page = Shown {
            attempt,
            faults: &faults,
            ..Shown::unkept(&who, &id, typed, found.notes())
        };
        return Ok(form::answer(&node, &visit, page));
    }
    let (account, author) = writer(&visit)?;
    let new = NewDraft {
        id: attempt.clone(),
        kind: KIND,
        patient: id.clone(),
        account,
        author,
        body: written(&typed)?,
    };
    let write = DraftWrite::Begin(Box::new(new));
    drafting::begin(&node, &scope, write, &id).await?;
    Ok(see_other(&DRAFTS.next(&attempt, &fields)))
}

/// Why there is a new version, as it was typed.
fn explain(typed: &mut Discharge, fields: &Fields) {
    if let Some(amends) = &mut typed.amends {
        amends.why = fields.text("why").replace("\r\n", "\n");
    }
}

/// `GET /staff/discharges/{id}`
pub async fn draft(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit, Interaction::WriteLetter).await?;
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
    (typed, faults, done): (Discharge, &[Fault], &str),
) -> Result<Response, Refusal> {
    let who = json(&draft.patient)?;
    let found = load::record(node, scope, &draft.patient.id, &who).await?;
    let page = Shown {
        who: record::patient(&who),
        patient: &draft.patient.id,
        draft: Some(draft),
        attempt: String::new(),
        typed,
        notes: found.notes(),
        faults,
        done,
    };
    Ok(form::answer(node, visit, page))
}

/// `POST /staff/discharges/{id}`: written anew, over what its writer saw.
pub async fn save(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit, Interaction::WriteLetter).await?;
    let draft = node.store.draft(&scope, KIND, &id).await?;
    let mut typed = form::typed(&fields);
    typed.amends = read::<Discharge>(&draft)?.amends;
    explain(&mut typed, &fields);
    let faults = typed.check_size();
    if !faults.is_empty() {
        return show(&node, &visit, &scope, &draft, (typed, &faults, "")).await;
    }
    let (body, writer) = (written(&typed)?, writer(&visit)?);
    let typed_in = (&fields, body);
    let saved = DRAFTS.save(&node, &scope, &draft, typed_in, writer).await?;
    if let Some(answer) = saved {
        return Ok(answer);
    }
    // What was typed is shown beside the version that is there now: nobody's words are lost.
    let draft = node.store.draft(&scope, KIND, &id).await?;
    let moved: [Fault; 1] = [("diagnoses", MOVED)];
    show(&node, &visit, &scope, &draft, (typed, &moved, "")).await
}

/// `POST /staff/discharges/{id}/discard`
pub async fn discard(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit, Interaction::WriteLetter).await?;
    let (_, by) = writer(&visit)?;
    DRAFTS.discard(&node, &scope, &id, (&fields, by)).await
}

/// Who writes: the account and the name.
fn writer(visit: &Visit) -> Result<(i64, String), Problem> {
    match &visit.known()?.who {
        Who::Staff { account, name, .. } => Ok((*account, name.clone())),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This is not part of your role.",
        )),
    }
}
