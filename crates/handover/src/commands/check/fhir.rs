//! FHIR R4 (<https://hl7.org/fhir/R4/http.html>), as a client meets it.

mod errors;
mod parameters;
mod reading;
mod searching;
mod statement;
mod writing;

use fhir::definitions::Definitions;
use fhir::json::{Limits, parse};
use fhir::validate::validate;
use serde_json::Value;

use super::run::Verdict;
use super::run::{Ask, Rest, Run, Seen, of};
use super::shown::short;
use super::{smart, uk, web};

pub(super) use statement::{Declared, Statement};

/// Types of resources that are asked for.
const TYPES_MAX: usize = 20;
/// Resources of each that are looked at.
const EACH: usize = 5;
/// Faults of resources that are told.
const FAULTS_MAX: usize = 12;

/// Those that say most are asked for first.
const FIRST: [&str; 14] = [
    "Patient",
    "Observation",
    "Organization",
    "Practitioner",
    "Encounter",
    "Condition",
    "AllergyIntolerance",
    "MedicationRequest",
    "MedicationStatement",
    "Procedure",
    "Immunization",
    "DiagnosticReport",
    "DocumentReference",
    "Appointment",
];

/// A resource that was found.
pub(super) struct Found {
    pub(super) ty: String,
    pub(super) id: String,
    pub(super) resource: Value,
    /// The answer that it was in.
    pub(super) seen: Seen,
}

impl Found {
    /// Which it is, as the report may tell it.
    pub(super) fn told(&self) -> String {
        format!("{}/{}", self.ty, short(&self.id))
    }

    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.resource.pointer(pointer)?.as_str()
    }
}

pub(super) async fn check(run: &mut Run) {
    let statement = match Box::pin(statement::check(run)).await {
        Ok(statement) => statement,
        Err(why) => {
            if run.is_reached() {
                Box::pin(smart::check(run, false)).await;
                leave_all(run, &why);
            }
            return;
        }
    };
    let (found, sample) = match Box::pin(samples(run, &statement)).await {
        Ok(sampled) => sampled,
        Err(why) => {
            Box::pin(smart::check(run, statement.smart)).await;
            leave_all(run, &why);
            return;
        }
    };
    if run.wants("fhir") {
        valid(run, &found);
        let subject = subject(&statement, &found);
        match subject {
            Some((declared, first)) => {
                Box::pin(reading::check(run, &statement, declared, first)).await;
                Box::pin(searching::check(run, declared, first)).await;
            }
            None => {
                let why = "No resource was found: give a token that may read some, or fill the system with made-up ones.";
                run.leaves(&reading::ALL, why);
                run.leaves(&searching::ALL, why);
            }
        }
        Box::pin(parameters::check(run, &statement, &found)).await;
    }
    Box::pin(web::check(run, &statement, &sample)).await;
    Box::pin(smart::check(run, statement.smart)).await;
    Box::pin(uk::check(run, &found)).await;
    if run.wants("fhir") {
        if run.write {
            Box::pin(writing::check(run, &statement)).await;
        }
        Box::pin(errors::check(run, &statement, &found)).await;
    }
}

/// What was not told could not be.
fn leave_all(run: &mut Run, why: &str) {
    for id in run.open() {
        run.leaves(&[&id], why);
    }
}

/// Some resources of some types, and the last answer with any, or the last at all.
async fn samples(run: &mut Run, statement: &Statement) -> Result<(Vec<Found>, Seen), String> {
    let searchable: Vec<&Declared> = statement
        .types
        .iter()
        .filter(|it| it.has("search-type"))
        .collect();
    let first = FIRST
        .iter()
        .filter_map(|ty| searchable.iter().find(|it| it.ty == **ty));
    let rest = searchable
        .iter()
        .filter(|it| !FIRST.contains(&it.ty.as_str()));
    let chosen: Vec<&&Declared> = first.chain(rest).take(TYPES_MAX).collect();
    let (mut found, mut sample, mut refused) = (Vec::new(), None, Vec::new());
    for declared in &chosen {
        let seen = run
            .ask(Ask::get(format!("/{}?_count={EACH}", declared.ty)))
            .await?;
        if seen.status == 401 {
            return Err(match run.has_token() {
                true => "The system refuses the token: get a new one.".into(),
                false => "The system asks for a token: give one with --token.".into(),
            });
        }
        match seen.is_ok() && seen.is("Bundle") {
            true => {
                let of_this = resources(&seen);
                if !of_this.is_empty() || sample.is_none() {
                    sample = Some(seen);
                }
                found.extend(of_this);
            }
            // What the token may not read is not the system's fault.
            false if seen.status == 403 => {}
            false => refused.push(seen),
        }
    }
    let tried = format!(
        "{} of {} declared types were searched",
        chosen.len(),
        searchable.len()
    );
    if let Some(seen) = refused.first() {
        let found = format!("{} of them gave no Bundle; {tried}", refused.len());
        run.holds("fhir-types-answer", false, seen, found);
    } else if let Some(seen) = &sample {
        run.holds("fhir-types-answer", true, seen, tried);
    }
    let sample = sample.ok_or("No declared type could be searched.")?;
    Ok((found, sample))
}

/// The resources of a Bundle that were looked for.
fn resources(seen: &Seen) -> Vec<Found> {
    let bundle = seen.json().unwrap_or_default();
    let entries = bundle.get("entry").and_then(Value::as_array);
    let entries = entries.into_iter().flatten().take(EACH);
    entries
        .filter_map(|entry| {
            let resource = entry.get("resource")?;
            let text = |name: &str| resource.get(name).and_then(Value::as_str);
            let ty = text("resourceType").filter(|ty| *ty != "OperationOutcome")?;
            Some(Found {
                ty: ty.to_owned(),
                id: text("id").unwrap_or_default().to_owned(),
                resource: resource.clone(),
                seen: seen.clone(),
            })
        })
        .collect()
}

/// The type of which most was found, and one of it.
fn subject<'s>(statement: &'s Statement, found: &'s [Found]) -> Option<(&'s Declared, &'s Found)> {
    let count = |ty: &str| found.iter().filter(|it| it.ty == ty).count();
    let mut best: Option<(usize, &Declared)> = None;
    for declared in &statement.types {
        let here = count(&declared.ty);
        if here > best.map_or(0, |(known, _)| known) {
            best = Some((here, declared));
        }
    }
    let (_, declared) = best?;
    Some((declared, found.iter().find(|it| it.ty == declared.ty)?))
}

/// Each resource against R4, and what each is to have.
fn valid(run: &mut Run, found: &[Found]) {
    let Some(first) = found.first() else {
        let why = "No resource was found.";
        return run.leaves(&["fhir-valid", "fhir-ids", "fhir-meta"], why);
    };
    let mut faults = Vec::new();
    for it in found {
        for fault in faults_of(&it.resource) {
            faults.push(of(&it.seen, format!("{}: {fault}", it.told())));
        }
    }
    let total = faults.len();
    faults.truncate(FAULTS_MAX);
    match total {
        0 => run.holds(
            "fhir-valid",
            true,
            &first.seen,
            format!("{} resources are valid", found.len()),
        ),
        _ => run.tell(
            "fhir-valid",
            Verdict::NotMet,
            format!("{total} faults in {} resources", found.len()),
            faults,
        ),
    }
    let odd = found.iter().find(|it| !is_id(&it.id));
    match odd {
        Some(it) => run.holds(
            "fhir-ids",
            false,
            &it.seen,
            format!("{}: its id is none of FHIR's", it.ty),
        ),
        None => run.holds(
            "fhir-ids",
            true,
            &first.seen,
            format!("{} ids", found.len()),
        ),
    }
    let bare = found
        .iter()
        .find(|it| it.text("/meta/versionId").is_none() || it.text("/meta/lastUpdated").is_none());
    match bare {
        Some(it) => run.holds(
            "fhir-meta",
            false,
            &it.seen,
            format!("{} lacks meta.versionId or meta.lastUpdated", it.told()),
        ),
        None => run.holds(
            "fhir-meta",
            true,
            &first.seen,
            format!("{} resources", found.len()),
        ),
    }
}

/// Places and codes of what is wrong with a resource; nothing of what it says.
fn faults_of(resource: &Value) -> Vec<String> {
    let bytes = serde_json::to_vec(resource).unwrap_or_default();
    let checked = match parse(&bytes, &Limits::default()) {
        Ok(json) => validate(&json, Definitions::r4()),
        Err(problem) => Err(problem),
    };
    let Err(problem) = checked else {
        return Vec::new();
    };
    std::iter::once(&problem)
        .chain(&problem.more)
        .map(|it| {
            format!(
                "{} ({})",
                it.expression.as_deref().unwrap_or("JSON"),
                it.code()
            )
        })
        .collect()
}

/// <https://hl7.org/fhir/R4/datatypes.html#id>
fn is_id(id: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-.".contains(&it);
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

/// A Bundle's entries.
fn entries(bundle: &Value) -> &[Value] {
    bundle
        .get("entry")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The entries that were looked for, not those that came with them.
fn matches(bundle: &Value) -> Vec<&Value> {
    let is_match = |entry: &&Value| {
        let mode = entry.pointer("/search/mode").and_then(Value::as_str);
        mode.is_none_or(|mode| mode == "match")
    };
    entries(bundle).iter().filter(is_match).collect()
}

fn id_of(entry: &Value) -> Option<&str> {
    entry.pointer("/resource/id")?.as_str()
}

fn link<'b>(bundle: &'b Value, relation: &str) -> Option<&'b str> {
    let links = bundle.get("link")?.as_array()?;
    let found = links
        .iter()
        .find(|it| it.get("relation").and_then(Value::as_str) == Some(relation));
    found?.get("url")?.as_str()
}

/// Fails where an answer is no Bundle.
fn bundle(seen: &Seen) -> Result<Value, String> {
    let told = seen.json().filter(|_| seen.is_ok() && seen.is("Bundle"));
    told.ok_or_else(|| format!("{} gave no Bundle ({}).", seen.request, seen.status))
}

/// So that a check can end early without a fault.
const DONE: Rest = Ok(());
