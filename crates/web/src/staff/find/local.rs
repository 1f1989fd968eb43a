//! Who here it may be: only records that the caller reaches, with what agreed of each.

use access::{NhsNumber, Scope};
use exchange::pds::Wanted;
use fhir::json::{Limits, parse};
use fhir::matching::{Agreement, Grade, Part};
use fhir::problem::Problem;
use serde_json::{Value, json};

use super::{Agreed, Local};
use crate::likeness::{self, Candidate, Sought};
use crate::node::Node;
use crate::page::parts::Label;
use crate::page::words;
use crate::record;

/// People shown at most.
const SHOWN_MAX: usize = 20;
/// What stands in place of where a restricted patient lives.
pub(super) const WITHHELD: &str = "Withheld: restricted";

/// Those most alike first, and whether there are more.
pub(super) async fn find(
    node: &Node,
    scope: &Scope,
    wanted: &Wanted,
    number: &str,
) -> Result<(Vec<Local>, bool), Problem> {
    let patient = asked(wanted).to_string();
    let sought = Sought::of(&parse(patient.as_bytes(), &Limits::default())?).with_number(number);
    let found = likeness::find(node, scope, &sought).await?;
    let more = found.is_cut || found.people.len() > SHOWN_MAX;
    let mut people = Vec::new();
    for candidate in found.people.iter().take(SHOWN_MAX) {
        people.push(person(node, scope, candidate).await?);
    }
    Ok((people, more))
}

/// What was typed, as a Patient.
fn asked(wanted: &Wanted) -> Value {
    let mut patient = json!({ "resourceType": "Patient" });
    let mut set = |name: &str, value: Value| fhir::members::set(&mut patient, name, value);
    if let Ok(number) = NhsNumber::parse(&wanted.nhs_number) {
        let identifier = json!([{ "system": NhsNumber::SYSTEM, "value": number.digits() }]);
        set("identifier", identifier);
    }
    if !wanted.birth_date.is_empty() {
        set("birthDate", json!(wanted.birth_date));
    }
    let mut name = json!({});
    if !wanted.family.is_empty() {
        fhir::members::set(&mut name, "family", json!(wanted.family));
    }
    if !wanted.given.is_empty() {
        fhir::members::set(&mut name, "given", json!([wanted.given]));
    }
    set("name", json!([name]));
    if !wanted.postcode.is_empty() {
        set("address", json!([{ "postalCode": wanted.postcode }]));
    }
    patient
}

async fn person(node: &Node, scope: &Scope, it: &Candidate) -> Result<Local, Problem> {
    let resource = record::json(&it.version)?;
    let who = record::patient(&resource);
    let id = &it.version.id;
    let located = scope.withholds().map_or(&[][..], |it| &it.located);
    let is_hidden = node.store.keeps_whereabouts(id).await? && !located.contains(id);
    let parts = it.weighed.parts.iter();
    Ok(Local {
        born: who
            .birth_date
            .as_deref()
            .map(words::day)
            .unwrap_or_default(),
        nhs_number: who
            .nhs_number
            .as_deref()
            .map(words::nhs_number)
            .unwrap_or_default(),
        name: who.name,
        lives: match is_hidden {
            true => WITHHELD.to_owned(),
            false => record::whereabouts(&resource).join("; "),
        },
        score: percent(it.weighed.score),
        grade: grade(it.weighed.grade),
        agreed: parts.map(|(part, how)| agreed(*part, *how)).collect(),
        closed: resource.get("active") == Some(&Value::Bool(false)),
        href: format!("/staff/patient/{id}"),
    })
}

pub(super) fn percent(score: f64) -> String {
    format!("{:.0} %", score * 100.0)
}

fn grade(grade: Grade) -> Label {
    let (text, colour) = match grade {
        Grade::Certain => ("Certain", "green"),
        Grade::Probable => ("Probable", "blue"),
        Grade::Possible => ("Possible", "yellow"),
        Grade::CertainlyNot => ("Not", "grey"),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

fn agreed(part: Part, how: Agreement) -> Agreed {
    let what = match part {
        Part::NhsNumber => "NHS number",
        Part::OtherNumber => "hospital number",
        Part::BirthDate => "date of birth",
        Part::Family => "family name",
        Part::Given => "given name",
        Part::Postcode => "postcode",
        Part::Telecom => "telephone or e-mail",
        Part::Gender => "gender",
    };
    let how_in_words = match how {
        Agreement::Same => "same",
        Agreement::Alike => "alike",
        Agreement::Differs => "differs",
        Agreement::Unrecorded => "not on record",
    };
    Agreed {
        what,
        how: how_in_words,
        same: how == Agreement::Same,
    }
}
