//! Documents in messages: the content of OBX-5 as Binary resources.
//!
//! The published tables put content into the DocumentReference itself and leave text formats
//! open. Here every document becomes a Binary, guarded by its patient, and is referred to.

use super::build::Build;
use super::identity::{Ids, digest};
use super::{Content, Made, Merge};
use crate::apart::Apart;
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

/// What text is kept as.
pub const TEXT: &str = "text/plain; charset=utf-8";

impl Content {
    /// Content that no Binary holds yet.
    pub(super) fn of(content_type: String, bytes: Vec<u8>) -> Content {
        Content {
            content_type,
            bytes,
            apart: None,
            binary: String::new(),
        }
    }

    /// The same, in the Binary whose id these parts make. Each document beside its message has a Binary of its own, whatever
    /// the parts: its bytes are found by the Binary's id.
    pub(super) fn named(mut self, parts: &[&str]) -> Content {
        let mut parts = parts.to_vec();
        parts.extend(self.apart.iter().map(|apart| apart.sha256.as_str()));
        self.binary = digest(&parts);
        self
    }

    /// In bytes.
    fn size(&self) -> u64 {
        let here = self.bytes.len() as u64;
        self.apart.as_ref().map_or(here, |apart| apart.size)
    }
}

/// An ED value: type (ED.2), subtype (ED.3), encoding (ED.4), data (ED.5). Nothing where there is
/// no data; a fault where it cannot be decoded.
pub fn encapsulated(value: Value<'_>, obx: Segment<'_>) -> Result<Option<Content>, Problem> {
    let part = |n: u16| value.component(n).text().trim().to_ascii_lowercase();
    let data = value.component(5);
    if !data.is_valued() {
        return Ok(None);
    }
    // As it stands: escaped, the mark's first byte is anybody's to write.
    if let Some(apart) = Apart::read(data.raw()) {
        let content_type = content_type(&part(2), &part(3), &apart.head);
        let mut content = Content::of(content_type, Vec::new());
        content.apart = Some(apart);
        return Ok(Some(content));
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
    let content_type = content_type(&part(2), &part(3), &bytes);
    Ok(Some(Content::of(content_type, bytes)))
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
pub fn binary(content: &Content, patient: &str) -> Made {
    let mut resource = json!({
        "resourceType": "Binary",
        "id": content.binary,
        "contentType": content.content_type,
        "securityContext": {"reference": format!("Patient/{patient}")},
    });
    if let (None, Json::Object(elements)) = (&content.apart, &mut resource) {
        let data = base64::engine::general_purpose::STANDARD.encode(&content.bytes);
        elements.insert("data".into(), data.into());
    }
    Made::new("Binary", &content.binary, resource, Merge::Replace)
}

/// The document as an Attachment that refers to its Binary.
pub fn attachment(content: &Content, title: &str) -> Json {
    json!({
        "contentType": content.content_type,
        "url": format!("Binary/{}", content.binary),
        "size": content.size(),
        "title": title,
    })
}

/// Documents that came among results: attachments of their report, as Binary resources. Gives those that stand beside the
/// message.
pub fn attach_to_reports(
    build: &mut Build<'_>,
    ids: &Ids,
    made: &mut Vec<Made>,
) -> Result<Vec<(String, Apart)>, Problem> {
    let patient = made
        .iter()
        .find(|m| m.ty == "Patient")
        .map(|m| m.id.clone());
    let Some(patient) = patient else {
        return Ok(Vec::new());
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
            let Some(content) = encapsulated(value, obx)? else {
                continue;
            };
            let observation = ids.get(&draft.root).map(String::as_str).unwrap_or_default();
            let content = content.named(&["binary", observation, &n.to_string()]);
            let title = name.clone().unwrap_or_else(|| "Report".to_owned());
            added.push((obx.line(), report.clone(), title, content));
        }
    }
    let mut apart = Vec::new();
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
        apart.extend(content.apart.map(|it| (content.binary, it)));
    }
    Ok(apart)
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
    fn a_mark_that_a_sender_wrote_escaped_is_no_document() {
        let apart = Apart::new("0a".repeat(32), 9, b"%PDF-1.7");
        let mark = String::from_utf8(apart.mark()).unwrap();
        let read = |data: &str| {
            let text = format!(
                "MSH|^~\\&|A|B|C|D|20240101||MDM^T02|1|P|2.4\rOBX|1|ED|D||^application^pdf^Base64^{data}\r"
            );
            let message = crate::parse(text.as_bytes()).unwrap();
            let obx = message.segment("OBX").unwrap();
            encapsulated(obx.field(5).first(), obx)
        };
        let found = read(&mark).unwrap().unwrap();
        assert_eq!(found.apart, Some(apart));
        assert_eq!(found.content_type, "application/pdf");
        let escaped = mark.replace('\u{b}', "\\X0B\\");
        assert!(read(&escaped).is_err());
    }

    #[test]
    fn hexadecimal_is_read_in_pairs() {
        assert_eq!(hexadecimal("4Fa0"), Some(vec![0x4f, 0xa0]));
        assert_eq!(hexadecimal("4"), None);
        assert_eq!(hexadecimal("zz"), None);
    }
}
