//! `GET /staff/patient/{patient}/shared`: what other organisations hold of one patient, asked for now. Who did not answer, and
//! what is withheld, is named; what is of before says so.

use std::sync::Arc;

use access::{Interaction, Who};
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::ask::{Closed, Item, Person as Asker, SharedRecord, Source, SourceState};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::Reading;

use crate::node::Node;
use crate::page::parts::{Label, Link, Person};
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::record;
use crate::staff::{care, person, shared_views as views};
use crate::visit::Visit;

/// What the page calls the types, in the order in which it shows them. The first two are told of even when nothing came: that
/// nobody knows an allergy is a finding too.
const GROUPS: [(&str, &[&str]); 9] = [
    ("Allergies and intolerances", &["AllergyIntolerance"]),
    ("Medicines", &["MedicationRequest", "MedicationStatement"]),
    ("Problems", &["Condition"]),
    ("Results", &["Observation", "DiagnosticReport"]),
    ("Letters", &["DocumentReference"]),
    (
        "Procedures and vaccinations",
        &["Procedure", "Immunization"],
    ),
    ("Visits", &["Encounter"]),
    ("Care plans", &["CarePlan"]),
    ("Family history", &["FamilyMemberHistory"]),
];
const ALWAYS: usize = 2;
/// Rows of a group at most; the newest go first.
const ROWS_MAX: usize = 100;

/// The page. It asks anew each time that it is loaded.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
) -> Result<Response, Refusal> {
    let view = asked(&node, &visit, &patient).await?;
    let title = format!("{} at other organisations", view.name);
    Ok(Page::new("staff/shared.jinja", title, view).answer(&node.site, &visit))
}

/// What other organisations hold, asked for now in the name of the caller.
///
/// # Errors
/// `NotFound` for a patient whom the caller does not reach; `NotSupported` on a node that asks nobody; those of asking.
pub(crate) async fn asked(
    node: &Node,
    visit: &Visit,
    patient: &str,
) -> Result<views::SharedPage, Problem> {
    care::check(patient)?;
    let scope = visit.scope(node, Interaction::Ask, "Patient").await?;
    person::refuse_barred(node, &scope, patient).await?;
    let Some(exchange) = &node.exchange else {
        let message = "This node asks no other organisations.";
        return Err(Problem::new(Kind::NotSupported, message));
    };
    let shared = exchange
        .shared_record(&scope, patient, asker(visit)?)
        .await?;
    let Reading::Found(version) = node.store.read(&scope, "Patient", patient).await? else {
        let message =
            "There is no such patient here, or nobody has recorded that you care for them.";
        return Err(Problem::new(Kind::NotFound, message));
    };
    let who = record::patient(&record::json(&version)?);
    let located = scope.withholds().map_or(&[][..], |it| &it.located);
    let masked = shared.is_restricted && !located.iter().any(|it| it == patient);
    Ok(view(node, patient, &who, (&shared, masked), visit.now))
}

/// In whose name others are asked.
///
/// # Errors
/// `Forbidden` for who is no member of staff.
pub(crate) fn asker(visit: &Visit) -> Result<Asker, Problem> {
    match visit.caller().map(|caller| &caller.who) {
        Some(Who::Staff { name, role, .. }) => Ok(Asker {
            name: name.clone(),
            role: Some(*role),
        }),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This is not part of your role.",
        )),
    }
}

fn view(
    node: &Node,
    patient: &str,
    who: &record::Patient,
    (shared, masked): (&SharedRecord, bool),
    now: Millis,
) -> views::SharedPage {
    // Where a restricted patient is treated tells where they are.
    let name = |ods: &str| match masked {
        true => "An organisation (which one is restricted)".to_owned(),
        false => (node.organisation_name)(ods),
    };
    let sources = shared.sources.iter().map(|it| source(it, &name, now));
    let groups = GROUPS
        .iter()
        .enumerate()
        .filter_map(|(number, (title, types))| {
            group(shared, (title, types), number < ALWAYS, &name, now)
                .map(|it| it.with_letters(patient, masked))
        });
    let back = Link {
        text: "What is here of this patient",
        href: format!("/staff/patient/{patient}"),
    };
    views::SharedPage {
        back,
        name: who.name.clone(),
        patient: Person::new(
            &who.name,
            who.birth_date.as_deref(),
            who.nhs_number.as_deref(),
        ),
        asked: words::moment(shared.asked_at, now),
        closed: shared.closed.map(closed),
        emergency: format!("/staff/emergency-access/{patient}"),
        without: titles(&shared.without),
        restricted: shared.is_restricted,
        cut: shared.is_cut,
        groups: match shared.closed {
            Some(_) => Vec::new(),
            None => groups.collect(),
        },
        sources: sources.collect(),
    }
}

pub(crate) fn closed(why: Closed) -> &'static str {
    match why {
        Closed::Unwanted => {
            "The patient does not want other organisations’ records seen here, so nobody was asked. This does not mean that \
             nothing is recorded elsewhere."
        }
        Closed::Unconfirmed => {
            "The patient’s practice may have new wishes of theirs to tell and does not answer, so nobody was asked. This does \
             not mean that nothing is recorded elsewhere."
        }
        Closed::Unidentified => {
            "The record here lacks the NHS number, the date of birth or the family name, without which nobody is asked. \
             Complete it, and ask again."
        }
    }
}

/// The groups that types stand in, each once, in small letters.
fn titles(types: &[String]) -> String {
    let of = |(title, group): &(&str, &[&str])| {
        let named = group.iter().any(|ty| types.iter().any(|it| it == ty));
        named.then(|| title.to_lowercase())
    };
    let named: Vec<String> = GROUPS.iter().filter_map(of).collect();
    named.join(", ")
}

fn source(source: &Source, name: &dyn Fn(&str) -> String, now: Millis) -> views::SharedSource {
    let (text, colour, said) = match &source.state {
        SourceState::Answered => ("Answered", "green", String::new()),
        SourceState::Unknown => (
            "Does not know the patient",
            "grey",
            "By NHS number, date of birth and family name together.".to_owned(),
        ),
        SourceState::Silent {
            why,
            copy_from: Some(at),
        } => (
            "Did not answer",
            "red",
            format!(
                "{why} What is shown is from {}, and may have changed since.",
                words::moment(*at, now).full
            ),
        ),
        SourceState::Silent {
            why,
            copy_from: None,
        } => (
            "Did not answer",
            "red",
            format!("{why} What it holds is not shown."),
        ),
    };
    views::SharedSource {
        name: name(source.organisation.as_str()),
        state: Label {
            text,
            colour: Some(colour),
        },
        said,
        at: source.heard_at.map(|at| words::moment(at, now)),
        count: source.count,
        withheld: titles(&source.withheld),
        more: titles(&source.cut),
    }
}

fn group(
    shared: &SharedRecord,
    (title, types): (&'static str, &[&str]),
    always: bool,
    name: &dyn Fn(&str) -> String,
    now: Millis,
) -> Option<views::SharedGroup> {
    let of_group = |item: &&Item| types.contains(&item.ty.as_str());
    let found: Vec<&Item> = shared.items.iter().filter(of_group).collect();
    let missing = missing(shared, types, name);
    if found.is_empty() && missing.is_empty() && !always {
        return None;
    }
    let empty = match (found.is_empty(), missing.is_empty()) {
        (true, true) => "None is recorded by those who answered.",
        (true, false) => "None came. That does not mean that there is none.",
        (false, _) => "",
    };
    let rows = found.iter().take(ROWS_MAX);
    Some(views::SharedGroup {
        title,
        empty,
        missing,
        more: found.len() > ROWS_MAX,
        rows: rows.map(|item| row(shared, item, name, now)).collect(),
    })
}

/// What may be missing from a group: a sentence each.
fn missing(shared: &SharedRecord, types: &[&str], name: &dyn Fn(&str) -> String) -> Vec<String> {
    let named = |list: &[String]| list.iter().any(|ty| types.contains(&ty.as_str()));
    let mut missing = Vec::new();
    if named(&shared.without) {
        missing
            .push("The patient does not want these seen here; they were not asked for.".to_owned());
    }
    for source in &shared.sources {
        let name = name(source.organisation.as_str());
        match &source.state {
            SourceState::Silent {
                copy_from: None, ..
            } => missing.push(format!("{name} did not answer.")),
            SourceState::Silent { .. } => {
                missing.push(format!(
                    "{name} did not answer; what is shown of it is of before."
                ));
            }
            _ => {}
        }
        if named(&source.withheld) {
            missing.push(format!(
                "{name} withholds some: not shared with this organisation."
            ));
        }
        if named(&source.cut) {
            missing.push(format!("{name} holds more than is shown."));
        }
    }
    missing
}

fn row(
    shared: &SharedRecord,
    item: &Item,
    name: &dyn Fn(&str) -> String,
    now: Millis,
) -> views::SharedRow {
    let sources = item.sources.iter().filter_map(|at| shared.sources.get(*at));
    let stale = item
        .sources
        .first()
        .and_then(|at| shared.sources.get(*at))
        .is_some_and(Source::is_stale);
    let names: Vec<String> = sources.map(|it| name(it.organisation.as_str())).collect();
    let source = item.sources.first();
    let source = source.and_then(|at| shared.sources.get(*at));
    let letter = source.filter(|_| item.ty == "DocumentReference");
    let id = item.resource.get("id").and_then(Value::as_str);
    views::SharedRow {
        letter: letter
            .zip(id)
            .map(|(source, id)| (source.organisation.to_string(), id.to_owned())),
        href: None,
        what: what(&item.resource),
        detail: detail(&item.resource),
        date: date(&item.resource),
        from: names.join(", "),
        updated: (item.updated > 0).then(|| words::moment(item.updated, now)),
        stale,
    }
}

/// The words of a concept: its text, else what its first code is called, else that code.
fn concept(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let text = |at: &str| value.pointer(at).and_then(Value::as_str);
    let found = text("/text")
        .or_else(|| text("/coding/0/display"))
        .or_else(|| text("/coding/0/code"));
    found.map(str::to_owned)
}

fn what(resource: &Value) -> String {
    let concepts = [
        "/code",
        "/medicationCodeableConcept",
        "/vaccineCode",
        "/type",
        "/type/0",
        "/category/0",
        "/relationship",
    ];
    let text = |at: &str| resource.pointer(at).and_then(Value::as_str);
    let named = text("/description").or_else(|| text("/title"));
    let named = named.map(str::to_owned);
    let named = named.or_else(|| concepts.iter().find_map(|at| concept(resource.pointer(at))));
    // A visit's class is one code, without a text of its own.
    let last = [
        "/medicationReference/display",
        "/class/display",
        "/class/code",
    ];
    let named = named.or_else(|| last.iter().find_map(|at| text(at)).map(str::to_owned));
    named.unwrap_or_else(|| "without a description".to_owned())
}

/// What is known of it beside its name: a value, a dose, a state.
fn detail(resource: &Value) -> String {
    let text = |at: &str| resource.pointer(at).and_then(Value::as_str);
    let mut parts = Vec::new();
    if let Some(value) = resource.pointer("/valueQuantity/value") {
        let unit = text("/valueQuantity/unit").or_else(|| text("/valueQuantity/code"));
        parts.push(
            format!("{value} {}", unit.unwrap_or_default())
                .trim()
                .to_owned(),
        );
    }
    parts.extend(text("/valueString").map(str::to_owned));
    parts.extend(concept(resource.get("valueCodeableConcept")));
    parts.extend(text("/dosageInstruction/0/text").map(str::to_owned));
    parts.extend(text("/dosage/0/text").map(str::to_owned));
    parts.extend(text("/conclusion").map(str::to_owned));
    // Of a plan all that is to be done: who opened it in an emergency has nowhere else to read it.
    let activities = resource.pointer("/activity").and_then(Value::as_array);
    for activity in activities.into_iter().flatten() {
        let said = activity.pointer("/detail/description");
        if let Some(said) = said.and_then(Value::as_str) {
            let heading = concept(activity.pointer("/detail/code")).unwrap_or_default();
            parts.push(format!("{heading}: {said}"));
        }
    }
    let state =
        concept(resource.get("clinicalStatus")).or_else(|| text("/status").map(str::to_owned));
    parts.extend(state);
    if let Some(verified) = concept(resource.get("verificationStatus")) {
        parts.push(verified);
    }
    parts.join(" · ")
}

/// When it happened, as its source wrote it; the day alone.
fn date(resource: &Value) -> String {
    let places = [
        "/effectiveDateTime",
        "/effectivePeriod/start",
        "/onsetDateTime",
        "/authoredOn",
        "/occurrenceDateTime",
        "/performedDateTime",
        "/performedPeriod/start",
        "/recordedDate",
        "/period/start",
        "/date",
        "/issued",
    ];
    let found = places
        .iter()
        .find_map(|at| resource.pointer(at).and_then(Value::as_str));
    found.map(day).unwrap_or_default()
}

fn day(text: &str) -> String {
    let day: String = text.chars().take(10).collect();
    words::day(&day)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source(code: &str, state: SourceState) -> Source {
        Source {
            organisation: access::Ods::parse(code).unwrap(),
            state,
            heard_at: Some(0),
            withheld: Vec::new(),
            cut: Vec::new(),
            count: 0,
        }
    }

    fn allergies(shared: &SharedRecord) -> views::SharedGroup {
        let name = |ods: &str| ods.to_owned();
        group(shared, GROUPS[0], true, &name, 0).unwrap()
    }

    #[test]
    fn p01_none_known_and_none_told_do_not_look_alike() {
        let answered = SharedRecord {
            sources: vec![source("RZZ01", SourceState::Answered)],
            ..SharedRecord::default()
        };
        let known = allergies(&answered);
        assert_eq!(known.empty, "None is recorded by those who answered.");
        assert!(known.missing.is_empty());
        let mut withheld = answered.clone();
        withheld.sources[0].withheld = vec!["AllergyIntolerance".into()];
        let mut unwanted = answered.clone();
        unwanted.without = vec!["AllergyIntolerance".into()];
        let silent = SharedRecord {
            sources: vec![source(
                "RZZ01",
                SourceState::Silent {
                    why: "No answer came.".into(),
                    copy_from: None,
                },
            )],
            ..SharedRecord::default()
        };
        for told in [withheld, unwanted, silent].map(|it| allergies(&it)) {
            assert_eq!(
                told.empty,
                "None came. That does not mean that there is none."
            );
            assert_eq!(told.missing.len(), 1, "{:?}", told.missing);
        }
    }

    #[test]
    fn what_came_is_told_in_its_own_words() {
        let result = json!({"resourceType": "Observation", "status": "final",
            "code": {"coding": [{"code": "HB", "display": "Haemoglobin"}]},
            "valueQuantity": {"value": 119, "unit": "g/L"}, "effectiveDateTime": "2026-11-27T09:00:00Z"});
        assert_eq!(what(&result), "Haemoglobin");
        assert_eq!(detail(&result), "119 g/L · final");
        let allergy = json!({"resourceType": "AllergyIntolerance", "code": {"text": "Penicillin"},
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "verificationStatus": {"coding": [{"code": "confirmed"}]}});
        assert_eq!(
            (what(&allergy).as_str(), detail(&allergy).as_str()),
            ("Penicillin", "active · confirmed")
        );
        let visit = json!({"class": {"code": "IMP", "display": "inpatient encounter"}});
        assert_eq!(what(&visit), "inpatient encounter");
        assert_eq!(what(&json!({})), "without a description");
    }
}
