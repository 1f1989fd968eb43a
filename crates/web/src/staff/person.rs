//! `GET /staff/patient/{patient}`: what is here of one patient, and that some of it is withheld.

use std::sync::Arc;

use access::{Acquaintance, Familiar, Interaction, Scope};
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
use crate::staff::{care, pds, views};
use crate::visit::Visit;

/// Resources listed at most.
const LISTED_MAX: u32 = 200;

/// Why the record of somebody whom the reader knows is not shown, if it is not.
fn barred(knows: &Acquaintance, patient: &str) -> Option<&'static str> {
    let familiar = knows.with(patient).filter(|_| knows.bars(patient))?;
    Some(match familiar {
        Familiar::Own => {
            "This is your own record, which is withheld from you here. Read it as a patient: sign in \
             on the page for patients. If it needs work, ask a colleague."
        }
        Familiar::Other => {
            "You know this patient as family or as a colleague, so their record is withheld from \
             you. Ask a colleague who does not know them."
        }
    })
}

/// Refuses the record of somebody whom the reader knows.
///
/// # Errors
/// `Forbidden`, saying why; those of the store.
pub(crate) async fn refuse_barred(
    node: &Node,
    scope: &Scope,
    patient: &str,
) -> Result<(), Problem> {
    let knows = scope.withholds().and_then(|it| it.acquaintance.as_deref());
    let Some(message) = knows.and_then(|it| barred(it, patient)) else {
        return Ok(());
    };
    // The refusal is traced as any other.
    node.store.read(scope, "Patient", patient).await?;
    Err(Problem::new(Kind::Forbidden, message))
}

/// What a type of resource is called on the page; the standard's own name where it has no plain one.
fn in_words(ty: &str) -> &str {
    match ty {
        "AllergyIntolerance" => "Allergies and intolerances",
        "Appointment" => "Appointments",
        "AuditEvent" => "Lines of the audit log",
        "Binary" => "Files of letters",
        "CarePlan" => "Care plans",
        "Communication" => "Messages",
        "Condition" => "Problems and diagnoses",
        "Consent" => "Wishes about sharing",
        "DiagnosticReport" => "Reports",
        "DocumentReference" | "Composition" => "Letters",
        "Encounter" => "Visits and stays",
        "Immunization" => "Vaccinations",
        "MedicationDispense" => "Medicines handed out",
        "MedicationRequest" | "MedicationStatement" => "Medicines",
        "Observation" => "Results and measurements",
        "Patient" => "Name, address and other details",
        "Procedure" => "Procedures",
        "Provenance" => "Notes on where something came from",
        "RelatedPerson" => "People around the patient",
        "ServiceRequest" => "Referrals and requests",
        "Task" => "Tasks and requests for medicines",
        other => other,
    }
}

/// The page. To a stranger it answers as if there were no such patient.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
) -> Result<Response, Refusal> {
    care::check(&patient)?;
    let scope = visit.scope(&node, Interaction::Read, "Patient").await?;
    refuse_barred(&node, &scope, &patient).await?;
    let Reading::Found(version) = node.store.read(&scope, "Patient", &patient).await? else {
        let message =
            "There is no such patient here, or nobody has recorded that you care for them.";
        return Err(Problem::new(Kind::NotFound, message).into());
    };
    let resource = record::json(&version)?;
    let who = record::patient(&resource);
    let located = scope.withholds().map_or(&[][..], |it| &it.located);
    let search = Search::all(ALL_TYPES, LISTED_MAX).within_patient(&patient);
    let found = node.store.search(&scope, &search).await?;
    let withheld = node.store.withheld_of(&scope, &patient, None).await?;
    let mut types: Vec<String> = found.entries.iter().map(|it| it.ty.clone()).collect();
    types.sort_unstable();
    let mut counts: Vec<views::Count> = Vec::new();
    for ty in types {
        let what = in_words(&ty);
        match counts.iter_mut().find(|it| it.what == what) {
            Some(same) => same.count += 1,
            None => counts.push(views::Count {
                what: what.to_owned(),
                count: 1,
            }),
        }
    }
    let restricted = node.store.keeps_whereabouts(&patient).await?;
    let released = located.contains(&patient);
    let hidden = restricted && !released;
    let pds = pds::part(&node, &scope, (&patient, &resource, hidden), visit.now).await?;
    let view = views::PatientPage {
        pds,
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
        lives: record::whereabouts(&resource),
        restricted,
        released,
        locate: format!("/staff/whereabouts/{patient}"),
        team: format!("/staff/whereabouts/{patient}/team"),
        timeline: format!("/staff/patient/{patient}/timeline"),
        results: format!("/staff/patient/{patient}/results"),
        questionnaires: format!("/staff/patient/{patient}/questionnaires"),
        task: format!("/staff/tasks/new?patient={patient}"),
        letter: node
            .exchange
            .is_some()
            .then(|| format!("/staff/letters/new?patient={patient}")),
        people: format!("/staff/people/{patient}"),
        refer: node
            .exchange
            .is_some()
            .then(|| format!("/staff/referrals/new?patient={patient}")),
        shared: format!("/staff/patient/{patient}/shared"),
        discharge: node
            .site
            .is_hospital()
            .then(|| format!("/staff/discharges/new?patient={patient}")),
        discharges: node
            .site
            .is_hospital()
            .then(|| format!("/staff/discharges/signed?patient={patient}")),
        crisis_plan: format!("/staff/crisis-plan/{patient}"),
        visit: format!("/staff/visits/new?patient={patient}"),
    };
    Ok(Page::new("staff/patient.jinja", who.name, view).answer(&node.site, &visit))
}
