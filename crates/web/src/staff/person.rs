//! `GET /staff/patient/{patient}`: what is here of one patient, and that some of it is withheld.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::search::{ALL_TYPES, Search};
use store::Reading;

use crate::node::Node;
use crate::page::Page;
use crate::page::parts::Person;
use crate::page::problem::Refusal;
use crate::record;
use crate::staff::{care, views};
use crate::visit::Visit;

/// Resources listed at most.
const LISTED_MAX: u32 = 200;

/// The page. To a stranger it answers as if there were no such patient.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
) -> Result<Response, Refusal> {
    care::check(&patient)?;
    let scope = visit.scope(&node, Interaction::Read, "Patient").await?;
    let Reading::Found(version) = node.store.read(&scope, "Patient", &patient).await? else {
        let message =
            "There is no such patient here, or nobody has recorded that you care for them.";
        return Err(Problem::new(Kind::NotFound, message).into());
    };
    let who = record::patient(&record::json(&version)?);
    let search = Search::all(ALL_TYPES, LISTED_MAX).within_patient(&patient);
    let found = node.store.search(&scope, &search).await?;
    let withheld = node.store.withheld_of(&scope, &patient, None).await?;
    let mut types: Vec<String> = found.entries.iter().map(|it| it.ty.clone()).collect();
    types.sort_unstable();
    let mut counts: Vec<views::Count> = Vec::new();
    for ty in types {
        match counts.last_mut().filter(|last| last.what == ty) {
            Some(last) => last.count += 1,
            None => counts.push(views::Count { what: ty, count: 1 }),
        }
    }
    let view = views::PatientPage {
        patient: Person::new(
            &who.name,
            who.birth_date.as_deref(),
            who.nhs_number.as_deref(),
        ),
        name: who.name.clone(),
        counts,
        more: found.next.is_some(),
        withheld: withheld.count,
        sealed: withheld.sealed,
        emergency: format!("/staff/emergency-access/{patient}"),
        unseal: format!("/staff/unseal/{patient}"),
        people: format!("/staff/people/{patient}"),
    };
    Ok(Page::new("staff/patient.jinja", who.name, view).answer(&node.site, &visit))
}
