//! `/pharmacy`: which pharmacy the patient's prescriptions go to.

use std::sync::Arc;

use access::{Interaction, Outcome, Target};
use axum::extract::{Query, State};
use axum::response::Response;
use store::prescriptions::PrescriptionWrite;
use store::{Effect, Job};

use super::words::Words;
use super::{Said, at_practice, chosen, views, whose};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Fault;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::visit::Visit;

/// `GET /pharmacy`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    show(&node, &visit, said.done == "saved", false).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    is_saved: bool,
    is_faulty: bool,
) -> Result<Response, Refusal> {
    at_practice(node)?;
    let (patient, _) = whose(visit)?;
    let scope = visit
        .scope(node, Interaction::Record, "MedicationRequest")
        .await?;
    let words = Words::of(visit.tongue());
    let is_restricted = node.store.keeps_whereabouts(&patient).await?;
    let own = node.store.nominated_pharmacy(&scope, &patient).await?;
    let own = own.filter(|_| !is_restricted);
    let pharmacy = |(ods, name): (String, String)| views::Pharmacy {
        chosen: own.as_deref() == Some(&ods),
        ods,
        name,
    };
    let fault = is_faulty.then(|| Fault {
        text: words.choose_one_pharmacy,
        href: "#pharmacies".into(),
    });
    let view = views::Pharmacies {
        words,
        done: is_saved.then_some(words.pharmacy_saved),
        errors: fault.into_iter().collect(),
        now: chosen(node, &scope, &patient, words).await?,
        pharmacies: (node.pharmacies)().into_iter().map(pharmacy).collect(),
        here: "/pharmacy".to_owned(),
    };
    let page = Page::new("patient/pharmacy.jinja", words.choose_pharmacy, view);
    Ok(page
        .under("/prescriptions")
        .said_in(visit.tongue())
        .with_faults(is_faulty)
        .answer(&node.site, visit))
}

/// `POST /pharmacy`: one of the directory's pharmacies, and no other.
pub async fn choose(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    at_practice(&node)?;
    let (patient, by) = whose(&visit)?;
    let scope = visit
        .scope(&node, Interaction::OrderMedicines, "Task")
        .await?;
    let wanted = fields.text("pharmacy");
    let pharmacies = (node.pharmacies)();
    if !pharmacies.iter().any(|(ods, _)| ods == wanted) {
        return show(&node, &visit, false, true).await;
    }
    let write = PrescriptionWrite::Nominate {
        patient: patient.clone(),
        pharmacy: wanted.to_owned(),
        by,
    };
    let target = Target {
        patient: Some(patient),
        query: Some("nominated-pharmacy".into()),
        ..Target::default()
    };
    let mut job = Job::effect(Effect::Prescription(write));
    let line = scope.trace(Interaction::OrderMedicines, Outcome::Success, target);
    job.traces.push(line);
    node.store.commit(&scope, job).await?;
    Ok(see_other("/pharmacy?done=saved"))
}
