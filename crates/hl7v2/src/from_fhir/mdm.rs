//! Documents with their content: MDM.

use super::adt::pid;
use super::segment::{Writer, components, part};
use super::values::{cwe, dtm_at, ei, shown};
use super::{Around, Change, Envelope, list, text};
use base64::Engine;
use serde_json::Value;

/// One part of a document's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// A MIME type.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// The event and the structure of its message: new, replacing, adding to another, edited, or taken
/// back.
pub(super) fn event(change: Change<'_>) -> Option<(&'static str, &'static str)> {
    let status = |value: &Value| text(value, "/status").map(str::to_owned);
    let (now, before) = (status(change.now)?, change.before.and_then(status));
    let relates = list(change.now, "relatesTo").first();
    match (now.as_str(), before.as_deref()) {
        ("entered-in-error", Some("entered-in-error") | None) => None,
        ("entered-in-error", Some(_)) => Some(("T11", "MDM_T01")),
        // The one that takes its place is told itself.
        ("superseded", _) => None,
        (_, Some(_)) => Some(("T08", "MDM_T02")),
        (_, None) => match relates.and_then(|it| text(it, "/code")) {
            Some("replaces") => Some(("T10", "MDM_T02")),
            Some("appends") => Some(("T06", "MDM_T02")),
            _ => Some(("T02", "MDM_T02")),
        },
    }
}

pub(super) fn write(
    writer: &mut Writer,
    trigger: &str,
    reference: &Value,
    around: &Around,
    envelope: &Envelope,
) {
    let recorded = crate::time::dtm(envelope.sent_at);
    writer.segment("EVN", &[(1, part(trigger)), (2, recorded)]);
    pid(writer, &around.patient, envelope);
    writer.segment("PV1", &[(1, "1".to_owned()), (2, "N".to_owned())]);
    let id = text(reference, "/id").unwrap_or_default();
    let number = reference.get("masterIdentifier").map(ei);
    let number = number.unwrap_or_else(|| components(&[id, &envelope.organisation]));
    let relates = list(reference, "relatesTo").first();
    let parent = relates.and_then(|it| {
        let numbered = it.pointer("/target/identifier").map(ei);
        let by_id = text(it, "/target/reference").and_then(|r| r.rsplit('/').next());
        numbered.or(by_id.map(|id| components(&[id, &envelope.organisation])))
    });
    let is_text = around.parts.iter().all(is_plain_text);
    let completed = match text(reference, "/docStatus") {
        Some("preliminary") => "IP",
        _ => "AU",
    };
    let available = match trigger {
        "T11" => "CA",
        _ => "AV",
    };
    let author = list(reference, "author").first();
    let written = dtm_at(reference, "/date");
    let fields = [
        (1, "1".to_owned()),
        (2, cwe(reference.get("type"))),
        (3, if is_text { "TX" } else { "AP" }.to_owned()),
        (4, written.clone()),
        (6, written),
        (9, components(&["", shown(author)])),
        (12, number),
        (13, parent.unwrap_or_default()),
        (17, completed.to_owned()),
        (19, available.to_owned()),
        (
            25,
            text(reference, "/description")
                .map(part)
                .unwrap_or_default(),
        ),
    ];
    writer.segment("TXA", &fields);
    if trigger == "T11" {
        return;
    }
    let mut number = 0;
    for it in &around.parts {
        content(writer, reference, it, &mut number);
    }
}

fn is_plain_text(part: &Part) -> bool {
    part.content_type.starts_with("text/plain") && str::from_utf8(&part.bytes).is_ok()
}

/// Text goes a line a segment, as receivers show it; anything else encapsulated.
fn content(writer: &mut Writer, reference: &Value, it: &Part, number: &mut usize) {
    let code = match cwe(reference.get("type")) {
        code if code.is_empty() => components(&["DOC", "Document"]),
        code => code,
    };
    let mut obx = |kind: &str, value: String| {
        *number += 1;
        let fields = [
            (1, number.to_string()),
            (2, kind.to_owned()),
            (3, code.clone()),
            (5, value),
            (11, "F".to_owned()),
        ];
        writer.segment("OBX", &fields);
    };
    match str::from_utf8(&it.bytes) {
        Ok(lines) if is_plain_text(it) => lines.lines().for_each(|line| obx("TX", part(line))),
        _ => obx("ED", document(it)),
    }
}

/// A document as ED: kind, subtype, Base64.
pub(super) fn document(it: &Part) -> String {
    let (kind, subtype) = it
        .content_type
        .split_once('/')
        .unwrap_or(("application", "octet-stream"));
    let subtype = subtype.split(';').next().unwrap_or(subtype).trim();
    let data = base64::engine::general_purpose::STANDARD.encode(&it.bytes);
    components(&["", kind, subtype, "Base64", &data])
}
