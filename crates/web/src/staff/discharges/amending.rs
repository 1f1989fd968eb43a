//! A signed discharge is amended: `/staff/discharges/signed` lists a patient's, `/staff/discharges/{id}/amend` begins a new version
//! from what was signed.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::discharge::{Amends, Discharge, KIND};
use fhir::members::text;
use fhir::problem::{Kind, Problem};
use fhir::search::Search;

use super::form::{self, Shown};
use super::{Asked, load, scope, views};
use crate::node::Node;
use crate::page::parts::Person;
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::record::{self, json};
use crate::staff::drafting::{patient, read};
use crate::visit::Visit;

/// Compositions that are looked through.
const COMPOSITIONS_MAX: u32 = 200;
/// What names a discharge's draft.
const DISCHARGE: &str = "urn:handover:discharge";

/// `GET /staff/discharges/signed?patient=…`
pub async fn signed(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit, Interaction::WriteLetter).await?;
    let who = patient(&node, &scope, &asked.patient).await?;
    let search = Search::all("Composition", COMPOSITIONS_MAX).within_patient(&asked.patient);
    let page = node.store.search(&scope, &search).await?;
    let mut rows = Vec::new();
    for version in &page.entries {
        let resource = json(version)?;
        if text(&resource, "/identifier/system") != DISCHARGE {
            continue;
        }
        let draft = text(&resource, "/identifier/value");
        rows.push((
            version.last_updated,
            views::Signed {
                when: words::moment(version.last_updated, visit.now),
                by: text(&resource, "/author/0/display").to_owned(),
                amended: text(&resource, "/status") == "amended",
                amend: format!("/staff/discharges/{draft}/amend"),
            },
        ));
    }
    rows.sort_by(|(a, _), (b, _)| b.cmp(a));
    let ty = Some("Composition");
    let withheld = node.store.withheld_of(&scope, &asked.patient, ty).await?;
    let who = record::patient(&who);
    let view = views::SignedList {
        patient: Person::new(
            &who.name,
            who.birth_date.as_deref(),
            who.nhs_number.as_deref(),
        ),
        record: format!("/staff/patient/{}", asked.patient),
        rows: rows.into_iter().map(|(_, it)| it).collect(),
        withheld: withheld.count > 0,
        more: page.next.is_some(),
    };
    let page = Page::new("staff/discharges-signed.jinja", "Signed discharges", view);
    Ok(page.under("/staff/unsigned").answer(&node.site, &visit))
}

/// `GET /staff/discharges/{id}/amend`: the form, filled from what was signed. Nothing is kept yet.
pub async fn amend(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit, Interaction::WriteLetter).await?;
    let signed = node.store.signed_draft(&scope, KIND, &id).await?;
    let patient = signed.patient.id.clone();
    let who = json(&signed.patient)?;
    let found = load::record(&node, &scope, &patient, &who).await?;
    let mut typed: Discharge = read(&signed)?;
    typed.amends = amended(&node, &scope, (&patient, &id)).await?;
    let page = Shown::unkept(&who, &patient, typed, found.notes());
    Ok(form::answer(&node, &visit, page))
}

/// What a new version of that signed discharge says of it; none where the form names none.
///
/// # Errors
/// `NotFound` if there is none of that patient's; `BusinessRule` if there is a newer version already.
pub(super) async fn amended(
    node: &Node,
    scope: &Scope,
    (patient, id): (&str, &str),
) -> Result<Option<Box<Amends>>, Problem> {
    if id.is_empty() {
        return Ok(None);
    }
    let signed = node.store.signed_draft(scope, KIND, id).await?;
    if signed.patient.id != patient {
        let message = "That discharge is another patient's.";
        return Err(Problem::new(Kind::NotFound, message));
    }
    let it: Discharge = read(&signed)?;
    let day = fhir::date::instant(signed.changed_at);
    let day: String = day.chars().take(10).collect();
    let amends = Amends::of(id, &day, &it);
    // Said now, and not only when everything is written.
    let exchange = crate::staff::drafting::exchange(node)?;
    exchange.earlier_discharge(scope, Some(&amends)).await?;
    Ok(Some(Box::new(amends)))
}
