//! Documents in messages: the content of OBX-5 as Binary resources, and the letter of an MDM.
//!
//! The published tables put content into the DocumentReference itself and leave text formats
//! open. Here every document becomes a Binary, guarded by its patient, and is referred to.

use super::build::{Build, Draft};
use super::finish::person;
use super::identity::{Ids, digest, document_id, nhs_number};
use super::{Content, Letter, Made, Merge, names};
use crate::message::{Segment, Value};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use fhir::problem::{Kind, Problem};
use serde_json::{Value as Json, json};

/// Base64 as senders write it: padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const TEXT: &str = "text/plain; charset=utf-8";

/// Completes the DocumentReference of a document message with its content, and tells the letter.
pub fn complete(
    build: &mut Build<'_>,
    ids: &Ids,
    made: &mut Vec<Made>,
    message_key: &str,
) -> Result<Option<Letter>, Problem> {
    let Some((document, txa)) = document(build, ids) else {
        return Ok(None);
    };
    let content = contents(build, &document)?;
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
    let replaces = parent
        .is_valued()
        .then(|| parent.component(1).text().trim().to_owned());
    let replaced = replaces
        .as_ref()
        .map(|_| document_id(&facility, Some(parent), message_key));
    if let Some(reference) = made.iter_mut().find(|m| m.ty == "DocumentReference") {
        describe(
            &mut reference.resource,
            &content,
            &title,
            replaced.as_deref(),
        );
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
        unique_id: txa.value(12, 1).trim().to_owned(),
        replaces,
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
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
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
                lines.extend(
                    obx.field(5)
                        .repetitions()
                        .map(|r| r.free_text().into_owned()),
                );
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
        found.push((TEXT.to_owned(), lines.join("\n").into_bytes()));
    }
    if found.is_empty() {
        let reason = "the message carries no document: no OBX-5 holds text or an encapsulated file";
        return Err(Problem::new(Kind::Required, reason).at("OBX-5"));
    }
    let numbered = found
        .into_iter()
        .enumerate()
        .map(|(n, (content_type, bytes))| Content {
            content_type,
            bytes,
            binary: digest(&["binary", document, &n.to_string()]),
        });
    Ok(numbered.collect())
}

/// An ED value: type (ED.2), subtype (ED.3), encoding (ED.4), data (ED.5). Nothing where there is
/// no data; a fault where it cannot be decoded.
fn encapsulated(value: Value<'_>, obx: Segment<'_>) -> Result<Option<(String, Vec<u8>)>, Problem> {
    let part = |n: u16| value.component(n).text().trim().to_ascii_lowercase();
    let data = value.component(5);
    if !data.is_valued() {
        return Ok(None);
    }
    let place = format!("OBX-5 (segment {})", obx.line());
    let bad = |reason: &str| Problem::new(Kind::Value, reason).at(place.as_str());
    let bytes = match part(4).as_str() {
        "base64" | "" => {
            // Long lines are often broken up, as text (`\.br\`) or by bytes (`\X0D\`).
            let text: String = data
                .free_text()
                .chars()
                .filter(|c| !c.is_ascii_whitespace())
                .collect();
            BASE64
                .decode(text)
                .map_err(|e| bad("the document is not Base64").because(e))?
        }
        "a" => data.free_text().into_owned().into_bytes(),
        "hex" => hexadecimal(&data.text()).ok_or_else(|| bad("the document is not hexadecimal"))?,
        _ => return Err(bad("the document's encoding is none of A, Hex and Base64")),
    };
    Ok(Some((content_type(&part(2), &part(3), &bytes), bytes)))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then_some(())?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit))
            .collect(),
    )
}

/// The MIME type. What the first bytes say goes before what the sender says of a PDF.
fn content_type(kind: &str, subtype: &str, bytes: &[u8]) -> String {
    if bytes.starts_with(b"%PDF-") {
        return "application/pdf".to_owned();
    }
    let is_token = |t: &str| {
        t.starts_with(|c: char| c.is_ascii_alphanumeric())
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
    };
    // HL7 table 0191 has AP for "other application data", TX and FT for text.
    let kind = match kind {
        "ap" => "application",
        "tx" | "ft" => "text",
        "im" | "ns" | "sd" | "si" => "image",
        "au" => "audio",
        kind => kind,
    };
    match (kind, subtype) {
        ("text", "plain" | "") => TEXT.to_owned(),
        ("application" | "text" | "image" | "audio", sub) if is_token(sub) => {
            format!("{kind}/{sub}")
        }
        _ if kind.split('/').count() == 2 && kind.split('/').all(is_token) => kind.to_owned(),
        ("", "") if str::from_utf8(bytes).is_ok() => TEXT.to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

/// A document as a Binary that only the patient's own may see.
fn binary(content: &Content, patient: &str) -> Made {
    let resource = json!({
        "resourceType": "Binary",
        "id": content.binary,
        "contentType": content.content_type,
        "securityContext": {"reference": format!("Patient/{patient}")},
        "data": base64::engine::general_purpose::STANDARD.encode(&content.bytes),
    });
    Made {
        ty: "Binary".to_owned(),
        id: content.binary.clone(),
        resource,
        merge: Merge::Replace,
        remove: Vec::new(),
        only_if_new: Vec::new(),
    }
}

fn attachment(content: &Content, title: &str) -> Json {
    json!({
        "contentType": content.content_type,
        "url": format!("Binary/{}", content.binary),
        "size": content.bytes.len(),
        "title": title,
    })
}

fn describe(reference: &mut Json, content: &[Content], title: &str, replaced: Option<&str>) {
    let Json::Object(elements) = reference else {
        return;
    };
    if let Some(replaced) = replaced {
        let target = json!({"reference": format!("DocumentReference/{replaced}")});
        elements.insert(
            "relatesTo".into(),
            json!([{"code": "replaces", "target": target}]),
        );
    }
    elements
        .entry("description")
        .or_insert_with(|| json!(title));
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

/// Documents that came among results: attachments of their report, as Binary resources.
pub fn attach_to_reports(
    build: &mut Build<'_>,
    ids: &Ids,
    made: &mut Vec<Made>,
) -> Result<(), Problem> {
    let patient = made
        .iter()
        .find(|m| m.ty == "Patient")
        .map(|m| m.id.clone());
    let Some(patient) = patient else {
        return Ok(());
    };
    let mut added = Vec::new();
    for draft in build.drafts.iter() {
        let report = draft.parent.and_then(|root| ids.get(&root));
        let (Some(report), Some(obx)) = (report, build.segment_of(draft, "OBX")) else {
            continue;
        };
        if obx.value(2, 1).trim() != "ED" {
            continue;
        }
        let name = Some(obx.value(3, 2).trim().to_owned()).filter(|t| !t.is_empty());
        for (n, value) in obx.field(5).repetitions().enumerate() {
            let Some((content_type, bytes)) = encapsulated(value, obx)? else {
                continue;
            };
            let observation = ids.get(&draft.root).map(String::as_str).unwrap_or_default();
            let binary = digest(&["binary", observation, &n.to_string()]);
            let title = name.clone().unwrap_or_else(|| "Report".to_owned());
            added.push((
                obx.line(),
                report.clone(),
                title,
                Content {
                    content_type,
                    bytes,
                    binary,
                },
            ));
        }
    }
    for (line, report, title, content) in added {
        let found = made
            .iter_mut()
            .find(|m| m.ty == "DiagnosticReport" && m.id == report);
        let Some(Json::Object(elements)) = found.map(|m| &mut m.resource) else {
            continue;
        };
        let forms = elements.entry("presentedForm").or_insert_with(|| json!([]));
        if let Json::Array(forms) = forms {
            forms.push(attachment(&content, &title));
        }
        build
            .interpreter
            .ledger
            .mapped(line, 5, "DiagnosticReport.presentedForm");
        made.push(binary(&content, &patient));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_told_from_what_senders_write() {
        assert_eq!(content_type("application", "pdf", b"x"), "application/pdf");
        assert_eq!(content_type("ap", "pdf", b"x"), "application/pdf");
        assert_eq!(content_type("text", "", b"%PDF-1.7"), "application/pdf");
        assert_eq!(content_type("tx", "", b"x"), TEXT);
        assert_eq!(content_type("image", "jpeg", b"\xff"), "image/jpeg");
        assert_eq!(
            content_type("../..", "<script>", b"\xff"),
            "application/octet-stream"
        );
    }

    #[test]
    fn hexadecimal_is_read_in_pairs() {
        assert_eq!(hexadecimal("4Fa0"), Some(vec![0x4f, 0xa0]));
        assert_eq!(hexadecimal("4"), None);
        assert_eq!(hexadecimal("zz"), None);
    }
}
