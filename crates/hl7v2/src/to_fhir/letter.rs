//! The letter of a document message (MDM): its content, and what sending it on needs to know.

use super::build::{Build, Draft};
use super::content::{TEXT, attachment, binary, encapsulated};
use super::finish::person;
use super::identity::{Ids, document_id, document_number, nhs_number};
use super::{Content, Letter, Made, Merge, names};
use crate::message::Segment;
use fhir::problem::{Kind, Problem};
use serde_json::{Value as Json, json};

/// Completes the DocumentReference of a document message with its content, and tells the letter.
pub fn complete(
    build: &mut Build<'_>,
    ids: &Ids,
    made: &mut Vec<Made>,
    message_key: &str,
) -> Result<Option<Letter>, Problem> {
    let message = build.interpreter.message;
    if message.value("MSH", 9, 1) != "MDM" {
        return Ok(None);
    }
    if build.of_type("DocumentReference").count() != 1 {
        let reason = "a document message describes one document: one segment TXA";
        return Err(Problem::new(Kind::Required, reason).at("TXA"));
    }
    let Some((document, txa)) = document(build, ids) else {
        return Ok(None);
    };
    let trigger = message.value("MSH", 9, 2);
    let content = match contents(build, &document)? {
        content if content.is_empty() && !is_notice(&trigger) => return Err(no_content()),
        content => content,
    };
    let patient = made
        .iter()
        .find(|m| m.ty == "Patient")
        .map(|m| (m.id.clone(), m.resource.clone()));
    let Some((patient, person_made)) = patient else {
        return Ok(None);
    };
    let title = title(build, txa, made);
    let facility = build.interpreter.facility.clone();
    let parent = txa.field(13).first();
    let replaces = document_number(&facility, parent);
    let replaced = replaces
        .as_ref()
        .map(|_| document_id(&facility, Some(parent), message_key));
    if let Some(reference) = made.iter_mut().find(|m| m.ty == "DocumentReference") {
        let relation = match trigger.as_ref() {
            "T05" | "T06" => "appends",
            _ => "replaces",
        };
        describe(reference, &content, &title, replaced.as_deref(), relation);
        if trigger == "T11" {
            take_back(reference);
        }
    }
    if replaces.is_some() {
        build
            .interpreter
            .ledger
            .mapped(txa.line(), 13, "DocumentReference.relatesTo");
    }
    made.extend(content.iter().map(|c| binary(c, &patient)));
    Ok(Some(Letter {
        document,
        patient,
        nhs_number: nhs_number(&person_made),
        birth_date: text(&person_made, "birthDate").filter(|d| d.len() == 10),
        family: official_name(&person_made).and_then(|n| text(n, "family")),
        given: official_name(&person_made).and_then(given),
        practice: practice(build),
        title,
        urgent: is_urgent(build),
        unique_id: document_number(&facility, txa.field(12).first()).unwrap_or_default(),
        replaces: replaces.filter(|_| !matches!(trigger.as_ref(), "T05" | "T06")),
        cancelled: trigger == "T11",
        restricted: matches!(txa.value(18, 1).trim(), "R" | "V"),
        authenticated: !matches!(txa.value(17, 1).trim(), "DI" | "IN" | "IP" | "PA"),
        content,
    }))
}

fn document<'m>(build: &Build<'m>, ids: &Ids) -> Option<(String, Segment<'m>)> {
    let draft: &Draft = build.of_type("DocumentReference").next()?;
    Some((
        ids.get(&draft.root)?.clone(),
        build.segment_of(draft, "TXA")?,
    ))
}

/// The message's documents: encapsulated ones (ED) first, then the text of all text segments.
fn contents(build: &mut Build<'_>, document: &str) -> Result<Vec<Content>, Problem> {
    let message = build.interpreter.message;
    let mut found: Vec<Content> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for obx in message.segments().filter(|s| s.name() == "OBX") {
        let ledger = &mut build.interpreter.ledger;
        match obx.value(2, 1).trim() {
            "ED" => {
                for value in obx.field(5).repetitions() {
                    found.extend(encapsulated(value, obx)?);
                }
                ledger.mapped(obx.line(), 5, "Binary.data");
            }
            "TX" | "FT" | "ST" | "" => {
                let value = obx.field(5);
                // A text segment without a value is a blank line of the letter.
                if value.is_empty() {
                    lines.push(String::new());
                }
                lines.extend(value.repetitions().map(|r| r.free_text().into_owned()));
                ledger.mapped(obx.line(), 5, "Binary.data");
            }
            kind => ledger.note(
                obx.line(),
                5,
                &format!("content of type {kind} is not read"),
            ),
        }
    }
    if lines.iter().any(|l| !l.trim().is_empty()) {
        let text = lines.join("\n");
        let bytes = text.trim_matches('\n').as_bytes().to_vec();
        found.push(Content::of(TEXT.to_owned(), bytes));
    }
    let numbered = found
        .into_iter()
        .enumerate()
        .map(|(n, content)| content.named(&["binary", document, &n.to_string()]));
    Ok(numbered.collect())
}

/// Whether the event tells of a document without carrying it: all odd ones (T01, T03, … T11).
fn is_notice(trigger: &str) -> bool {
    matches!(trigger, "T01" | "T03" | "T05" | "T07" | "T09" | "T11")
}

fn no_content() -> Problem {
    let reason = "the message carries no document: no OBX-5 holds text or an encapsulated file";
    Problem::new(Kind::Required, reason).at("OBX-5")
}

/// The sender takes the document back: it stays, marked as an error.
fn take_back(reference: &mut Made) {
    if let Json::Object(elements) = &mut reference.resource {
        elements.insert("status".into(), json!("entered-in-error"));
        elements.insert("docStatus".into(), json!("entered-in-error"));
    }
    reference.only_if_new.retain(|name| name != "status");
}

fn describe(
    reference: &mut Made,
    content: &[Content],
    title: &str,
    replaced: Option<&str>,
    relation: &str,
) {
    let Json::Object(elements) = &mut reference.resource else {
        return;
    };
    if let Some(replaced) = replaced {
        let target = json!({"reference": format!("DocumentReference/{replaced}")});
        elements.insert(
            "relatesTo".into(),
            json!([{"code": relation, "target": target}]),
        );
    }
    elements
        .entry("description")
        .or_insert_with(|| json!(title));
    // A notification says nothing of the content: what is here stays.
    if content.is_empty() {
        reference.merge = Merge::Update;
        reference.only_if_new.push("content".to_owned());
        let attachment = json!([{"attachment": {"title": title}}]);
        elements.insert("content".into(), attachment);
        return;
    }
    let content: Vec<Json> = content
        .iter()
        .map(|c| json!({"attachment": attachment(c, title)}))
        .collect();
    elements.insert("content".into(), Json::Array(content));
}

/// What to call the letter: its title (TXA-25), its type's words, the first result's name.
fn title(build: &mut Build<'_>, txa: Segment<'_>, made: &[Made]) -> String {
    let ty = made
        .iter()
        .find(|m| m.ty == "DocumentReference")
        .and_then(|m| m.resource.get("type"));
    let display = ty.and_then(|t| {
        let codings = t.get("coding").and_then(Json::as_array);
        codings?.iter().find_map(|c| text(c, "display"))
    });
    let said = |segment: Segment<'_>, field: u16, component: u16| {
        Some(segment.value(field, component).trim().to_owned()).filter(|t| !t.is_empty())
    };
    let named = build
        .interpreter
        .message
        .segment("OBX")
        .and_then(|obx| said(obx, 3, 2));
    said(txa, 25, 1)
        .or_else(|| said(txa, 2, 2))
        .or(display)
        .or(named)
        .unwrap_or_else(|| "Letter".to_owned())
}

/// MDM has no priority of its own; where it carries the order, the order's is the letter's.
fn is_urgent(build: &Build<'_>) -> bool {
    let priorities = [("OBR", 5, 1), ("OBR", 27, 6), ("ORC", 7, 6), ("TQ1", 9, 1)];
    priorities.iter().any(|(segment, field, component)| {
        let code = build.interpreter.message.value(segment, *field, *component);
        matches!(code.trim(), "S" | "A" | "U" | "STAT" | "ASAP")
    })
}

/// The practice the patient is registered with: PD1-4, else PD1-3.
fn practice(build: &Build<'_>) -> Option<String> {
    let pd1 = build.interpreter.message.segment("PD1")?;
    let by_person = pd1.field(4).repetitions().find_map(names::practice_in_xcn);
    by_person.or_else(|| pd1.field(3).repetitions().find_map(names::practice_in_xon))
}

fn text(value: &Json, name: &str) -> Option<String> {
    value.get(name).and_then(Json::as_str).map(str::to_owned)
}

fn official_name(patient: &Json) -> Option<&Json> {
    let names = patient.get("name")?.as_array()?;
    let official = |n: &&Json| text(n, "use").as_deref() == Some("official");
    names.iter().find(official).or(names.first())
}

fn given(name: &Json) -> Option<String> {
    let mut only_given = name.clone();
    if let Json::Object(parts) = &mut only_given {
        parts.retain(|part, _| part == "given");
    }
    person(&only_given)
}
