//! Merges and links of patients: which records are one person's.
//!
//! A merge (A40 and its kin: the segment MRG names the number that is given up) writes nothing over.
//! The record that is given up is no longer active and says by whom it was replaced; the one that
//! stays says whom it replaces. All that hangs on either stays where it is, under both. A link (A24)
//! says that two records are one person's; unlinking (A37) takes the links of both kinds away and
//! makes the record active again, which undoes a merge.

use super::build::{Build, Draft};
use super::identity::{Ids, digest, identifier, patient_known_by};
use super::{Context, Made, Merge, Unidentified};
use crate::header::Header;
use crate::message::Segment;
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};

/// Links the message's patients as its event says.
pub fn link(
    build: &mut Build<'_>,
    ids: &Ids,
    header: &Header,
    context: &Context,
    message_key: &str,
    made: &mut Vec<Made>,
) -> Result<(), Problem> {
    if header.message_type != "ADT" {
        return Ok(());
    }
    match header.trigger.as_str() {
        "A24" | "A37" => pair(&header.trigger, made),
        "A18" | "A34" | "A36" | "A39" | "A40" | "A47" => {
            merges(build, ids, context, message_key, made)
        }
        _ => Ok(()),
    }
}

/// A24 and A37: two segments PID, and both records are here already or are made.
fn pair(trigger: &str, made: &mut [Made]) -> Result<(), Problem> {
    let patients: Vec<usize> = (0..made.len())
        .filter(|n| made.get(*n).is_some_and(|m| m.ty == "Patient"))
        .collect();
    let [one, other] = patients.as_slice() else {
        let reason = "the message must name two patients: two segments PID";
        return Err(Problem::new(Kind::Required, reason).at("PID"));
    };
    let id = |n: &usize| made.get(*n).map(|m| m.id.clone()).unwrap_or_default();
    let (first, second) = (id(one), id(other));
    if first == second {
        return Err(same("PID-3"));
    }
    for (n, to) in [(one, &second), (other, &first)] {
        let Some(patient) = made.get_mut(*n) else {
            continue;
        };
        if trigger == "A24" {
            add_link(patient, to, "seealso");
        } else {
            patient.unlink.push(format!("Patient/{to}"));
            put(patient, "active", json!(true));
        }
    }
    Ok(())
}

/// Every segment MRG gives its number up for the patient of the PID before it.
fn merges(
    build: &mut Build<'_>,
    ids: &Ids,
    context: &Context,
    message_key: &str,
    made: &mut Vec<Made>,
) -> Result<(), Problem> {
    let message = build.interpreter.message;
    let mut given_up = Vec::new();
    let mut pid: Option<Segment<'_>> = None;
    for segment in message.segments() {
        match segment.name() {
            "PID" => pid = Some(segment),
            "MRG" => {
                let Some(pid) = pid else { continue };
                given_up.push((pid, segment));
            }
            _ => {}
        }
    }
    for (pid, mrg) in given_up {
        let numbers = [1, 4].into_iter().flat_map(|n| mrg.field(n).repetitions());
        let prior = match patient_known_by(build, numbers, &pid.value(7, 1)) {
            Ok(id) => id,
            Err(_) if context.unidentified == Unidentified::StandApart => {
                digest(&["patient", "message", message_key, "MRG"])
            }
            Err(_) => {
                let reason = "MRG-1 does not say which patient's number is given up";
                return Err(Problem::new(Kind::Required, reason).at("MRG-1"));
            }
        };
        let stays = |d: &&Draft| d.lines.contains(&pid.line());
        let stays = build.of_type("Patient").find(stays);
        let stays = stays.and_then(|draft| ids.get(&draft.root));
        let is_made = |m: &Made| m.ty == "Patient" && Some(&m.id) == stays;
        let Some(position) = made.iter().position(is_made) else {
            continue;
        };
        merge(build, mrg, position, &prior, made)?;
    }
    Ok(())
}

fn merge(
    build: &mut Build<'_>,
    mrg: Segment<'_>,
    stays: usize,
    prior: &str,
    made: &mut Vec<Made>,
) -> Result<(), Problem> {
    let Some(patient) = made.get_mut(stays) else {
        return Ok(());
    };
    if patient.id == prior {
        return Err(same("MRG-1"));
    }
    add_link(patient, prior, "replaces");
    let stays = patient.id.clone();
    let identifiers: Vec<Value> = [1, 4]
        .into_iter()
        .flat_map(|n| mrg.field(n).repetitions())
        .filter_map(|cx| identifier(build, cx))
        .map(|(system, value)| json!({"use": "old", "system": system, "value": value}))
        .collect();
    let mut resource = json!({"resourceType": "Patient", "id": prior, "active": false});
    if let (Value::Object(elements), false) = (&mut resource, identifiers.is_empty()) {
        elements.insert("identifier".to_owned(), Value::Array(identifiers));
    }
    let mut given_up = Made {
        only_if_new: vec!["identifier".to_owned()],
        ..Made::new("Patient", prior, resource, Merge::Update)
    };
    add_link(&mut given_up, &stays, "replaced-by");
    made.insert(0, given_up);
    let ledger = &mut build.interpreter.ledger;
    for field in [1, 4] {
        ledger.mapped(mrg.line(), field, "Patient.link");
    }
    Ok(())
}

fn add_link(patient: &mut Made, to: &str, kind: &str) {
    let link = json!({"other": {"reference": format!("Patient/{to}")}, "type": kind});
    let Value::Object(elements) = &mut patient.resource else {
        return;
    };
    let links = elements.entry("link").or_insert_with(|| json!([]));
    if let Value::Array(links) = links {
        links.push(link);
    }
}

fn put(patient: &mut Made, name: &str, value: Value) {
    if let Value::Object(elements) = &mut patient.resource {
        elements.insert(name.to_owned(), value);
    }
}

fn same(place: &str) -> Problem {
    let reason = "both numbers are the same patient's, so there is nothing to merge or to part";
    Problem::new(Kind::BusinessRule, reason).at(place)
}
