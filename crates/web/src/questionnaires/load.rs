//! Questionnaires are about nobody: they are read by the node itself, for whoever answers them. What a form is prefilled with
//! is read under the reader's own scope.

use access::{Interaction, NOT_FOR_PROXIES, Scope, SystemPurpose};
use fhir::members::text;
use fhir::problem::{Kind, Problem};
use fhir::questionnaire::{CODINGS_MAX, Choice, Form};
use fhir::search::{Clause, Criterion, Search};
use serde_json::Value;
use store::terminology::{Asked, ExpansionOptions};
use store::{Reading, Store};

use crate::node::Node;
use crate::record::json;
use crate::visit::Visit;

/// Questionnaires of an organisation that are looked through.
const FORMS_MAX: usize = 500;
const PAGE: u32 = 200;
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

fn own() -> Scope {
    Scope::system(SystemPurpose::ReadQuestionnaires)
}

/// A Questionnaire of this node's, and the version of it that was read.
pub(crate) struct Found {
    pub id: String,
    pub version: u64,
    pub resource: Value,
}

async fn found(store: &Store, mut search: Search) -> Result<Vec<Found>, Problem> {
    let scope = own();
    let mut found = Vec::new();
    loop {
        let page = store.search(&scope, &search).await?;
        for version in &page.entries {
            found.push(Found {
                id: version.id.clone(),
                version: version.version,
                resource: json(version)?,
            });
        }
        search.after = page.next;
        if search.after.is_none() || found.len() >= FORMS_MAX {
            return Ok(found);
        }
    }
}

/// All that are here, by title.
///
/// # Errors
/// Those of the store.
pub(crate) async fn all(store: &Store) -> Result<Vec<Found>, Problem> {
    let mut all = found(store, Search::all("Questionnaire", PAGE)).await?;
    all.sort_by(|a, b| {
        title(&a.resource)
            .cmp(title(&b.resource))
            .then(a.id.cmp(&b.id))
    });
    Ok(all)
}

/// What a Questionnaire is called.
pub(crate) fn title(resource: &Value) -> &str {
    match (text(resource, "/title"), text(resource, "/name")) {
        ("", "") => "Questionnaire",
        ("", name) => name,
        (title, _) => title,
    }
}

/// The form of that canonical: of several versions the one that is named, or else the newest that is active.
///
/// # Errors
/// `NotFound`; what `Form::read` refuses; those of the store.
pub(crate) async fn form(store: &Store, canonical: &str) -> Result<(Form, u64), Problem> {
    let (url, version) = canonical.split_once('|').unwrap_or((canonical, ""));
    let mut search = Search::all("Questionnaire", PAGE);
    search
        .clauses
        .push(Clause::one("url", Criterion::Uri(url.to_owned())));
    let mut all = found(store, search).await?;
    all.retain(|it| version.is_empty() || text(&it.resource, "/version") == version);
    let active = |it: &Found| text(&it.resource, "/status") == "active";
    let dated = |it: &Found| {
        let version = text(&it.resource, "/version").to_owned();
        (active(it), text(&it.resource, "/date").to_owned(), version)
    };
    all.sort_by_key(dated);
    let chosen = all.pop().ok_or_else(|| {
        let message = "The questionnaire that was asked for is not here.";
        Problem::new(Kind::NotFound, message)
    })?;
    read(store, &chosen).await
}

/// The form of that id.
///
/// # Errors
/// As `form`.
pub(crate) async fn by_id(store: &Store, id: &str) -> Result<(Form, u64), Problem> {
    fhir::resource::check_id(id).map_err(|_| super::gone())?;
    let Reading::Found(version) = store.read(&own(), "Questionnaire", id).await? else {
        return Err(super::gone());
    };
    let found = Found {
        id: version.id.clone(),
        version: version.version,
        resource: json(&version)?,
    };
    read(store, &found).await
}

async fn read(store: &Store, found: &Found) -> Result<(Form, u64), Problem> {
    let mut form = Form::read(&found.resource)?;
    let asked = form.questions.iter().map(|it| it.value_set.clone());
    let mut value_sets: Vec<String> = asked.filter(|it| !it.is_empty()).collect();
    value_sets.sort();
    value_sets.dedup();
    for value_set in value_sets {
        let choices = choices(store, &value_set).await?;
        form.offer(&value_set, &choices);
    }
    Ok((form, found.version))
}

/// The answers that a value set holds.
async fn choices(store: &Store, value_set: &str) -> Result<Vec<Choice>, Problem> {
    let options = ExpansionOptions {
        count: u64::try_from(CODINGS_MAX).ok(),
        active_only: true,
        ..ExpansionOptions::default()
    };
    let (url, _) = value_set.split_once('|').unwrap_or((value_set, ""));
    let expanded = store.expand(&own(), Asked::Url(url), &options).await?;
    if expanded.total > options.count.unwrap_or_default() {
        let message =
            format!("The value set {url} has more than {CODINGS_MAX} answers to choose among.");
        return Err(Problem::new(Kind::TooCostly, message));
    }
    let codes = expanded.codes.iter();
    Ok(codes
        .map(|it| Choice::coding(&it.system, &it.code, &it.display))
        .collect())
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
