//! `GET /staff/patient/{patient}/shared`: the shared record of one patient: what is here, and what other organisations hold,
//! asked for now. Who did not answer, and what is withheld, is named; what is of before says so.

mod here;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::{Interaction, Ods, Who};
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
    let title = format!("Shared record of {}", view.name);
    Ok(Page::new("staff/shared.jinja", title, view).answer(&node.site, &visit))
}

/// What is here, and what other organisations hold, asked for now in the name of the caller.
///
/// # Errors
/// `NotFound` for a patient whom the caller does not reach; `Forbidden` for who may not ask; those of the store.
pub(crate) async fn asked(
    node: &Node,
    visit: &Visit,
    patient: &str,
) -> Result<views::SharedPage, Problem> {
    care::check(patient)?;
    let scope = visit.scope(node, Interaction::Ask, "Patient").await?;
    person::refuse_barred(node, &scope, patient).await?;
    let Reading::Found(version) = node.store.read(&scope, "Patient", patient).await? else {
        let message =
            "There is no such patient here, or nobody has recorded that you care for them.";
        return Err(Problem::new(Kind::NotFound, message));
    };
    let who = record::patient(&record::json(&version)?);
    let asker = asker(visit)?;
    let (held, sealed) = here::held(node, visit, patient).await?;
    let (shared, alone) = match &node.exchange {
        Some(exchange) => {
            let asked = exchange.shared_record_beside(&scope, patient, asker, held);
            (asked.await?, None)
        }
        None => {
            let is_restricted = node.store.keeps_whereabouts(patient).await?;
            let own = &node.site.organisation;
            let shared = SharedRecord::of_here(own, (visit.now, is_restricted), held)?;
            (shared, Some("This node asks no other organisations."))
        }
    };
    let located = scope.withholds().map_or(&[][..], |it| &it.located);
    let told = Told {
        masked: shared.is_restricted && !located.iter().any(|it| it == patient),
        alone,
        sealed,
        now: visit.now,
    };
    Ok(view(node, patient, &who, &shared, &told))
}

/// What the page says beside the record.
struct Told {
    /// Nobody is to learn from it where the patient is treated.
    masked: bool,
    /// Why nobody else was to be asked, if that is so.
    alone: Option<&'static str>,
    /// How much here is sealed from the reader.
    sealed: u64,
    now: Millis,
}

/// How a source is named, and which of them is this organisation.
struct Names<'n> {
    own: &'n Ods,
    name: &'n dyn Fn(&str) -> String,
}

impl Names<'_> {
    fn is_own(&self, source: &Source) -> bool {
        source.organisation == *self.own
    }

    fn of(&self, source: &Source) -> String {
        match self.is_own(source) {
            true => "Here".to_owned(),
            false => (self.name)(source.organisation.as_str()),
        }
    }
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
    shared: &SharedRecord,
    told: &Told,
) -> views::SharedPage {
    let now = told.now;
    // Where a restricted patient is treated tells where they are.
    let name = |ods: &str| match told.masked {
        true => "An organisation (which one is restricted)".to_owned(),
        false => (node.organisation_name)(ods),
    };
    let names = Names {
        own: &node.site.organisation,
        name: &name,
    };
    let sources = shared.sources.iter().map(|it| source(it, &names, now));
    let is_alone = told.alone.is_some();
    let groups = GROUPS
        .iter()
        .enumerate()
        .filter_map(|(number, (title, types))| {
            let of = (*title, *types, number < ALWAYS);
            group(shared, of, is_alone, &names, now).map(|it| it.with_letters(patient, told.masked))
        });
    let back = Link {
        text: "The patient’s page",
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
        alone: told.alone,
        others: shared.sources.iter().any(|it| !names.is_own(it)),
        emergency: format!("/staff/emergency-access/{patient}"),
        sealed: told.sealed,
        unseal: format!("/staff/unseal/{patient}"),
        without: titles(&shared.without),
        restricted: shared.is_restricted,
        cut: shared.is_cut,
        groups: groups.collect(),
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

fn source(source: &Source, names: &Names<'_>, now: Millis) -> views::SharedSource {
    let is_own = names.is_own(source);
    let (text, colour, said) = match &source.state {
        SourceState::Answered if is_own => ("Here", "blue", "As of now.".to_owned()),
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
        name: match is_own {
            true => (names.name)(source.organisation.as_str()),
            false => names.of(source),
        },
        own: is_own,
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
    (title, types, always): (&'static str, &[&str], bool),
    is_alone: bool,
    names: &Names<'_>,
    now: Millis,
) -> Option<views::SharedGroup> {
    let of_group = |item: &&Item| types.contains(&item.ty.as_str());
    let found: Vec<&Item> = shared.items.iter().filter(of_group).collect();
    let missing = missing(shared, types, is_alone, names);
    // That nobody else was asked is said once; it does not make a group of its own.
    let told = missing
        .iter()
        .any(|it| it != NOT_ASKED && it != NOT_ASKED_HERE);
    if found.is_empty() && !told && !always {
        return None;
    }
    let is_here = shared.sources.iter().any(|it| names.is_own(it));
    let is_there = shared.sources.iter().any(|it| !names.is_own(it));
    let empty = match (found.is_empty(), missing.is_empty()) {
        (true, true) => match (is_here, is_there) {
            (true, true) => "None is recorded here, nor by those who answered.",
            (true, false) => "None is recorded here.",
            (false, _) => "None is recorded by those who answered.",
        },
        (true, false) => "None came. That does not mean that there is none.",
        (false, _) => "",
    };
    let rows = found.iter().take(ROWS_MAX);
    Some(views::SharedGroup {
        title,
        empty,
        missing,
        more: found.len() > ROWS_MAX,
        rows: rows.map(|item| row(shared, item, names, now)).collect(),
    })
}

const NOT_ASKED: &str = "Other organisations were not asked: what they hold is not shown.";
const NOT_ASKED_HERE: &str = "This node asks no other organisations: what they hold is not shown.";

/// What may be missing from a group: a sentence each.
fn missing(
    shared: &SharedRecord,
    types: &[&str],
    is_alone: bool,
    names: &Names<'_>,
) -> Vec<String> {
    let named = |list: &[String]| list.iter().any(|ty| types.contains(&ty.as_str()));
    let mut missing = Vec::new();
    if is_alone {
        missing.push(NOT_ASKED_HERE.to_owned());
    } else if shared.closed.is_some() {
        missing.push(NOT_ASKED.to_owned());
    } else if named(&shared.without) {
        missing.push(
            "The patient does not want these of other organisations seen here; they were not asked for."
                .to_owned(),
        );
    }
    for source in &shared.sources {
        if names.is_own(source) {
            if named(&source.withheld) {
                missing.push("Some that are here are withheld from you.".to_owned());
            }
            if named(&source.cut) {
                missing.push("More are here than are shown.".to_owned());
            }
            continue;
        }
        let name = names.of(source);
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

fn row(shared: &SharedRecord, item: &Item, names: &Names<'_>, now: Millis) -> views::SharedRow {
    let sources = item.sources.iter().filter_map(|at| shared.sources.get(*at));
    let badge = |it: &Source| views::Badge {
        name: names.of(it),
        own: names.is_own(it),
    };
    let stale = item
        .sources
        .first()
        .and_then(|at| shared.sources.get(*at))
        .is_some_and(Source::is_stale);
    let source = item.sources.first();
    let source = source.and_then(|at| shared.sources.get(*at));
    let is_letter = item.ty == "DocumentReference" && pointed_at(&item.resource).is_none();
    let letter = source.filter(|_| is_letter);
    let id = item.resource.get("id").and_then(Value::as_str);
    views::SharedRow {
        letter: letter
            .zip(id)
            .map(|(source, id)| (source.organisation.to_string(), id.to_owned())),
        href: None,
        what: what(&item.resource),
        detail: match pointed_at(&item.resource) {
            Some(url) => format!("In a system there: {url}"),
            None => detail(&item.resource),
        },
        date: date(&item.resource),
        from: sources.map(badge).collect(),
        updated: (item.updated > 0).then(|| words::moment(item.updated, now)),
        stale,
    }
}

/// Where a document is to which a system there points, and of which the node there has no more than that.
fn pointed_at(resource: &Value) -> Option<&str> {
    let is_pointer = resource.pointer("/custodian/identifier").is_some()
        && resource.pointer("/subject/identifier").is_some();
    let url = resource.pointer("/content/0/attachment/url")?.as_str()?;
    (is_pointer && url.contains("://")).then_some(url)
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
