//! What is taken along of one patient, read under the scope of who takes it. What is withheld is said to be withheld;
//! what carries a label stays here; that nothing is recorded is never "none".

use access::Scope;
use exchange::discharge::{Taken, concept};
use fhir::members::text;
use fhir::problem::Problem;
use fhir::repeats::is_labelled;
use fhir::search::Search;
use serde::Serialize;
use serde_json::Value;
use store::Reading;

use crate::node::Node;
use crate::page::parts::Person;
use crate::record::{self, json};

/// Resources read of one type.
const OF_A_TYPE_MAX: u32 = 60;
/// SNOMED CT's concept that somebody has no known allergy.
const NO_KNOWN_ALLERGY: &str = "716186003";

/// One patient, as they are taken along.
#[derive(Clone, Debug, Serialize)]
pub struct Carried {
    pub id: String,
    pub person: Person,
    /// Ten digits and an ISO day, as the record has them.
    pub nhs_number: String,
    pub born: String,
    /// Where they live and how they are reached.
    pub lives: Vec<String>,
    /// Why that is not there; empty if it is.
    pub lives_not: &'static str,
    /// Whether where they live is withheld, and with it how one gets in.
    pub hides_where: bool,
    /// Whether where they live is restricted, and released to who takes it along.
    pub released: bool,
    pub parts: Vec<Part>,
}

/// One heading.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    pub heading: &'static str,
    pub lines: Vec<String>,
    /// What must be known beside the lines, or instead of them.
    pub notes: Vec<&'static str>,
}

/// One type's resources.
struct OfType {
    resources: Vec<Value>,
    is_hidden: bool,
    is_more: bool,
    labelled: bool,
}

impl OfType {
    fn notes(&self) -> Vec<&'static str> {
        let mut notes = Vec::new();
        if self.is_hidden {
            notes.push("Some of this is withheld and not in this file.");
        }
        if self.labelled {
            notes.push("Some of this carries a label and is not taken along. It is in the record.");
        }
        if self.is_more {
            notes.push("There is more in the record than is listed here.");
        }
        notes
    }
}

/// Reads one patient; `None` for who is not shown to the scope.
///
/// # Errors
/// Those of the store.
pub async fn of(node: &Node, scope: &Scope, patient: &str) -> Result<Option<Carried>, Problem> {
    let Reading::Found(version) = node.store.read(scope, "Patient", patient).await? else {
        return Ok(None);
    };
    let who = json(&version)?;
    let restricted = node.store.keeps_whereabouts(patient).await?;
    let located = scope.withholds().map_or(&[][..], |it| &it.located);
    let released = restricted && located.iter().any(|it| it == patient);
    let of = |ty| of_type(node, scope, patient, ty);
    let allergies = of("AllergyIntolerance").await?;
    let statements = of("MedicationStatement").await?;
    let requests = of("MedicationRequest").await?;
    let conditions = of("Condition").await?;
    let related = of("RelatedPerson").await?;
    let read = record::patient(&who);
    let (lives, lives_not) = match restricted && !released {
        true => (
            Vec::new(),
            "Withheld: where this patient lives is restricted.",
        ),
        false => match record::whereabouts(&who) {
            lives if lives.is_empty() => (lives, "Not recorded."),
            lives => (lives, ""),
        },
    };
    let parts = vec![
        allergies_part(&allergies),
        medicines_part(&statements, &requests),
        problems_part(&conditions),
        contacts_part(&who, &related, restricted && !released),
    ];
    Ok(Some(Carried {
        id: patient.to_owned(),
        person: Person::new(
            &read.name,
            read.birth_date.as_deref(),
            read.nhs_number.as_deref(),
        ),
        nhs_number: read.nhs_number.unwrap_or_default(),
        born: read.birth_date.unwrap_or_default(),
        lives,
        lives_not,
        hides_where: restricted && !released,
        released,
        parts,
    }))
}

async fn of_type(node: &Node, scope: &Scope, patient: &str, ty: &str) -> Result<OfType, Problem> {
    let search = Search::all(ty, OF_A_TYPE_MAX).within_patient(patient);
    let page = node.store.search(scope, &search).await?;
    let withheld = node.store.withheld_of(scope, patient, Some(ty)).await?;
    let mut found = OfType {
        resources: Vec::new(),
        is_hidden: withheld.count > 0 || withheld.sealed > 0,
        is_more: page.next.is_some(),
        labelled: false,
    };
    for version in &page.entries {
        let resource = json(version)?;
        match is_labelled(&resource) {
            true => found.labelled = true,
            false => found.resources.push(resource),
        }
    }
    Ok(found)
}

fn code<'v>(value: &'v Value, member: &str) -> &'v str {
    text(value, &format!("/{member}/coding/0/code"))
}

/// Whether a condition or allergy holds as far as the record says.
fn is_live(value: &Value) -> bool {
    let over = ["entered-in-error", "refuted"];
    let past = ["inactive", "resolved", "remission"];
    !over.contains(&code(value, "verificationStatus"))
        && !past.contains(&code(value, "clinicalStatus"))
}

/// What stands instead of lines, where there are none.
fn unless(lines: &[String], notes: &mut Vec<&'static str>, said: &'static str) {
    if lines.is_empty() {
        notes.insert(0, said);
    }
}

fn push(lines: &mut Vec<String>, line: String) {
    if !line.is_empty() && !lines.contains(&line) {
        lines.push(line);
    }
}

fn allergies_part(of: &OfType) -> Part {
    let (mut lines, mut notes) = (Vec::new(), of.notes());
    let mut none = false;
    for it in of.resources.iter().filter(|it| is_live(it)) {
        if code(it, "code") == NO_KNOWN_ALLERGY {
            none = true;
            continue;
        }
        let said = it.get("code").map(concept).unwrap_or_default();
        let reactions = it.get("reaction").and_then(Value::as_array);
        let reactions = reactions.into_iter().flatten();
        let reactions = reactions
            .filter_map(|it| it.pointer("/manifestation/0"))
            .map(concept);
        let reactions: Vec<String> = reactions.filter(|it| !it.is_empty()).collect();
        push(
            &mut lines,
            match reactions.is_empty() {
                true => said,
                false => format!("{said}: {}", reactions.join(", ")),
            },
        );
    }
    if none && lines.is_empty() && notes.is_empty() {
        lines.push("No known allergies, as recorded.".to_owned());
    }
    unless(
        &lines,
        &mut notes,
        "Nothing is recorded here. That does not mean that there are no allergies: ask.",
    );
    Part {
        heading: "Allergies",
        lines,
        notes,
    }
}

fn medicines_part(statements: &OfType, requests: &OfType) -> Part {
    let mut lines = Vec::new();
    let mut notes = statements.notes();
    for note in requests.notes() {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    let all = requests.resources.iter().chain(&statements.resources);
    for it in all.filter_map(Taken::read).filter(|it| it.is_active) {
        push(
            &mut lines,
            match it.dose.is_empty() {
                true => format!("{} (no dose recorded)", it.name),
                false => format!("{}: {}", it.name, it.dose),
            },
        );
    }
    unless(
        &lines,
        &mut notes,
        "No medicine that is being taken is recorded here. Ask.",
    );
    Part {
        heading: "Medicines",
        lines,
        notes,
    }
}

fn problems_part(of: &OfType) -> Part {
    let (mut lines, mut notes) = (Vec::new(), of.notes());
    for it in of.resources.iter().filter(|it| is_live(it)) {
        push(&mut lines, it.get("code").map(concept).unwrap_or_default());
    }
    unless(&lines, &mut notes, "No problem is recorded here.");
    Part {
        heading: "Problems",
        lines,
        notes,
    }
}

fn contacts_part(patient: &Value, related: &OfType, restricted: bool) -> Part {
    let (mut lines, mut notes) = (Vec::new(), related.notes());
    if restricted {
        notes.push("Withheld: where this patient lives is restricted, and contacts could tell.");
    } else {
        let contacts = patient.get("contact").and_then(Value::as_array);
        for it in contacts.into_iter().flatten().chain(&related.resources) {
            push(&mut lines, contact(it));
        }
        unless(&lines, &mut notes, "Nobody is recorded here.");
    }
    Part {
        heading: "Contacts",
        lines,
        notes,
    }
}

/// A contact of a Patient, or a RelatedPerson: name, what they are to the patient, how they are reached.
fn contact(it: &Value) -> String {
    let name = match it.get("name") {
        Some(Value::Array(names)) => names.first().cloned().unwrap_or_default(),
        Some(name) => name.clone(),
        None => Value::Null,
    };
    let given = name.get("given").and_then(Value::as_array);
    let given: Vec<&str> = given
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut name_said = format!("{} {}", given.join(" "), text(&name, "/family"));
    if name_said.trim().is_empty() {
        name_said = text(&name, "/text").to_owned();
    }
    let relation = it.pointer("/relationship/0").map(concept);
    let reached = it.get("telecom").and_then(Value::as_array);
    let reached = reached
        .into_iter()
        .flatten()
        .map(|it| text(it, "/value").to_owned());
    let parts = [name_said.trim().to_owned(), relation.unwrap_or_default()];
    let parts: Vec<String> = parts
        .into_iter()
        .chain(reached)
        .filter(|it| !it.is_empty())
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(resources: Vec<Value>, is_hidden: bool) -> OfType {
        OfType {
            resources,
            is_hidden,
            is_more: false,
            labelled: false,
        }
    }

    #[test]
    fn none_known_withheld_and_nothing_recorded_never_look_alike() {
        let none = json!({"code": {"coding": [{"code": NO_KNOWN_ALLERGY}]}});
        let known = allergies_part(&of(vec![none.clone()], false));
        assert_eq!(known.lines, ["No known allergies, as recorded."]);
        assert!(known.notes.is_empty());
        // Where some is withheld, "none known" would be a lie.
        let hidden = allergies_part(&of(vec![none], true));
        assert!(hidden.lines.is_empty());
        assert!(hidden.notes.iter().any(|it| it.contains("withheld")));
        let empty = allergies_part(&of(Vec::new(), false));
        assert!(empty.lines.is_empty() && empty.notes[0].contains("does not mean"));
        let some = json!({"code": {"text": "Penicillin"}, "reaction": [{"manifestation": [{"text": "rash"}]}]});
        let some = allergies_part(&of(vec![some], false));
        assert_eq!(some.lines, ["Penicillin: rash"]);
    }

    #[test]
    fn contacts_are_left_out_where_the_patient_s_whereabouts_are_restricted() {
        let patient = json!({"contact": [{"name": {"family": "Hill", "given": ["Tom"]},
            "relationship": [{"text": "son"}], "telecom": [{"value": "07700 900123"}]}]});
        let open = contacts_part(&patient, &of(Vec::new(), false), false);
        assert_eq!(open.lines, ["Tom Hill, son, 07700 900123"]);
        let shut = contacts_part(&patient, &of(Vec::new(), false), true);
        assert!(shut.lines.is_empty() && shut.notes[0].contains("restricted"));
    }
}
