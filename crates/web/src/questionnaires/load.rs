//! What a form is prefilled with is read under the reader's own scope; the Questionnaire itself by the node (`exchange::forms`).

use access::{Interaction, NOT_FOR_PROXIES};
pub(crate) use exchange::forms::{Found, all, form};
use fhir::members::text;
use fhir::problem::Problem;
use fhir::questionnaire::Form;
pub(crate) use fhir::questionnaire::title;
use fhir::search::Search;
use serde_json::Value;
use store::{Reading, Store};

use crate::node::Node;
use crate::record::json;
use crate::visit::Visit;

/// Resources of one type that a form is prefilled from.
const OF_A_TYPE_MAX: u32 = 500;
/// What forms may be prefilled from, beside the Patient.
const RECORD: [&str; 5] = [
    "Observation",
    "Condition",
    "AllergyIntolerance",
    "MedicationStatement",
    "MedicationRequest",
];

/// The form of that id.
///
/// # Errors
/// `NotFound`; those of `form`.
pub(crate) async fn by_id(store: &Store, id: &str) -> Result<(Form, u64), Problem> {
    fhir::resource::check_id(id).map_err(|_| super::gone())?;
    let found = exchange::forms::by_id(store, id).await?;
    found.ok_or_else(super::gone)
}

/// What a form is prefilled from.
#[derive(Default)]
pub(crate) struct Record {
    /// The Patient, and then the rest, the newest first.
    pub resources: Vec<Value>,
    /// Something of what the form asks for is not shown to its reader.
    pub is_partial: bool,
}

/// What its reader may see of what the form asks for.
///
/// # Errors
/// Those of the decision and the store.
pub(crate) async fn record(
    node: &Node,
    visit: &Visit,
    patient: &str,
    form: &Form,
) -> Result<Record, Problem> {
    let mut record = Record::default();
    if !form.wants_record() {
        return Ok(record);
    }
    let look = match visit.on_staff_pages() {
        true => Interaction::Read,
        false => Interaction::Record,
    };
    match visit.scope(node, look, "Patient").await {
        Ok(scope) => {
            if let Reading::Found(version) = node.store.read(&scope, "Patient", patient).await? {
                record.resources.push(json(&version)?);
            }
        }
        Err(problem) if problem.message == NOT_FOR_PROXIES => record.is_partial = true,
        Err(problem) => return Err(problem),
    }
    let mut rest = Vec::new();
    for ty in RECORD.into_iter().filter(|it| form.wants(it)) {
        let scope = match visit.scope(node, look, ty).await {
            Ok(scope) => scope,
            Err(problem) if problem.message == NOT_FOR_PROXIES => {
                record.is_partial = true;
                continue;
            }
            Err(problem) => return Err(problem),
        };
        let search = Search::all(ty, OF_A_TYPE_MAX).within_patient(patient);
        let page = node.store.search(&scope, &search).await?;
        record.is_partial |= page.next.is_some();
        if visit.on_staff_pages() {
            let withheld = node.store.withheld_of(&scope, patient, Some(ty)).await?;
            record.is_partial |= withheld.count > 0;
        }
        for version in &page.entries {
            let resource = json(version)?;
            if counts(&resource) {
                rest.push(resource);
            }
        }
    }
    rest.sort_by(|a, b| dated(b).cmp(dated(a)));
    record.resources.extend(rest);
    Ok(record)
}

/// Whether an entry still says something: what was a mistake, refuted or not wanted does not.
fn counts(resource: &Value) -> bool {
    let status = text(resource, "/status");
    let verified = text(resource, "/verificationStatus/coding/0/code");
    let over = ["entered-in-error", "cancelled", "not-taken", "refuted"];
    !over.contains(&status) && !over.contains(&verified)
}

fn dated(resource: &Value) -> &str {
    let places = [
        "/effectiveDateTime",
        "/onsetDateTime",
        "/recordedDate",
        "/dateAsserted",
        "/authoredOn",
        "/issued",
    ];
    let mut dates = places.iter().map(|it| text(resource, it));
    dates.find(|it| !it.is_empty()).unwrap_or_default()
}
