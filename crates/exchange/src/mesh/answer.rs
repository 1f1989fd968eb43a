//! What MESH answers: headers, lists, and refusals as sentences.

use std::collections::BTreeMap;
use std::io::Read as _;

use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use serde::Deserialize;

use super::PIECES_MAX;

/// The longest id of a message.
const ID_MAX: usize = 64;
/// The longest word by which a list goes on.
const CONTINUE_MAX: usize = 2_000;
/// A header's text is kept up to here.
const TEXT_MAX: usize = 200;

/// Content, or what became of something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    Data,
    Report,
}

/// What is written on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub ty: MessageType,
    /// The sender's mailbox; empty for reports, which MESH itself makes.
    pub from: String,
    /// The mailbox that it was for, as its sender wrote it; may name a patient.
    pub to: String,
    pub workflow: String,
    pub local_id: String,
    pub subject: String,
    pub file_name: String,
    /// Of a report: the id of the message that it is about.
    pub linked: String,
    /// Of a report: MESH's code of what became of that.
    pub status_code: String,
    pub pieces: u32,
    /// What became of it, in words.
    pub status: String,
    /// What else is written on it, by the headers' names in small letters.
    pub written: BTreeMap<String, String>,
}

/// Headers that say nothing of the message itself, or stand in a member of their own.
const NOT_WRITTEN: [&str; 15] = [
    "mex-addresstype",
    "mex-chunk-range",
    "mex-from",
    "mex-linkedmsgid",
    "mex-localid",
    "mex-messageid",
    "mex-messagetype",
    "mex-statuscode",
    "mex-statusdescription",
    "mex-statusevent",
    "mex-statussuccess",
    "mex-statustimestamp",
    "mex-to",
    "mex-total-chunks",
    "mex-workflowid",
];
/// Headers of one message that are kept, and characters of each.
const WRITTEN_MAX: usize = 20;
const WRITTEN_CHARS_MAX: usize = 500;

fn written(headers: &HeaderMap) -> BTreeMap<String, String> {
    let is_its_own = |name: &str| {
        (name.starts_with("mex-") || name == "content-type") && !NOT_WRITTEN.contains(&name)
    };
    let text = |value: &http::HeaderValue| {
        let text = value.to_str().ok()?.trim();
        (!text.is_empty()).then(|| text.chars().take(WRITTEN_CHARS_MAX).collect())
    };
    let own = headers.iter().filter(|(name, _)| is_its_own(name.as_str()));
    own.filter_map(|(name, value)| Some((name.to_string(), text(value)?)))
        .take(WRITTEN_MAX)
        .collect()
}

impl Head {
    pub(super) fn of(headers: &HeaderMap) -> Result<Head, Problem> {
        let text = |name: &str| -> String {
            let value = headers.get(name).and_then(|it| it.to_str().ok());
            value.unwrap_or_default().chars().take(TEXT_MAX).collect()
        };
        let range = text("mex-chunk-range");
        let pieces = match range.split_once(':') {
            // A report has no content: 1:0.
            Some((_, pieces)) => pieces.trim().parse::<u32>().ok().map(|it| it.max(1)),
            None => Some(1),
        };
        let pieces = pieces.filter(|it| *it <= PIECES_MAX).ok_or_else(|| {
            let message = format!("A message has more than {PIECES_MAX} pieces, or does not say.");
            Problem::new(Kind::TooLong, message)
        })?;
        Ok(Head {
            ty: match text("mex-messagetype").as_str() {
                "REPORT" => MessageType::Report,
                _ => MessageType::Data,
            },
            from: text("mex-from").to_ascii_uppercase(),
            to: text("mex-to"),
            workflow: text("mex-workflowid"),
            local_id: text("mex-localid"),
            subject: text("mex-subject"),
            file_name: text("mex-filename"),
            linked: text("mex-linkedmsgid"),
            status_code: word(&text("mex-statuscode")),
            pieces,
            status: sentence(&text("mex-statusdescription")),
            written: written(headers),
        })
    }
}

/// An id as it may stand in an address.
///
/// # Errors
/// `Value` for anything else.
pub(super) fn is_id(id: &str) -> Result<&str, Problem> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"_-".contains(&it);
    if (1..=ID_MAX).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(id);
    }
    let message = "MESH named a message in a way that does not read.";
    Err(Problem::new(Kind::Value, message))
}

/// The id that a message was given. Version 1 of the interface spells it another way.
pub(super) fn message_id(body: &[u8]) -> Result<String, Problem> {
    #[derive(Deserialize)]
    struct Sent {
        #[serde(alias = "messageID")]
        message_id: String,
    }
    let sent: Sent = serde_json::from_slice(body).map_err(unread)?;
    Ok(is_id(&sent.message_id)?.to_owned())
}

pub(super) fn messages(body: &[u8], count_max: usize) -> Result<Vec<String>, Problem> {
    #[derive(Deserialize)]
    struct Inbox {
        messages: Vec<String>,
    }
    let inbox: Inbox = serde_json::from_slice(body).map_err(unread)?;
    for id in &inbox.messages {
        is_id(id)?;
    }
    Ok(inbox.messages.into_iter().take(count_max).collect())
}

/// Where a list goes on, as its own link to the next says; `None` for the last.
pub(super) fn goes_on(body: &[u8]) -> Option<String> {
    let list: serde_json::Value = serde_json::from_slice(body).ok()?;
    let next = list.pointer("/links/next")?.as_str()?;
    let (_, from) = next.split_once("continue_from=")?;
    let from = from.split('&').next().unwrap_or_default();
    // It goes back as it came; what could be another parameter or a path is not followed.
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"_-=.~%".contains(&it);
    let fits = (1..=CONTINUE_MAX).contains(&from.len()) && from.bytes().all(plain);
    fits.then(|| from.to_owned())
}

fn unread(cause: serde_json::Error) -> Problem {
    Problem::new(Kind::Processing, "MESH's answer does not read.").because(cause)
}

/// The content of a piece: each is packed by itself.
pub(super) fn unpacked(
    headers: &HeaderMap,
    body: Bytes,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    let encoding = headers.get("content-encoding");
    match encoding.map(|it| it.to_str().unwrap_or("?").trim()) {
        None | Some("" | "identity") => Ok(body),
        Some("gzip") => {
            let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
            let mut out = Vec::new();
            let mut reader = MultiGzDecoder::new(body.as_ref()).take(limit.saturating_add(1));
            reader.read_to_end(&mut out).map_err(|cause| {
                Problem::new(Kind::Processing, "A message cannot be unpacked.").because(cause)
            })?;
            if out.len() > bytes_max {
                let message = "A message is too large when it is unpacked.";
                return Err(Problem::new(Kind::TooLong, message));
            }
            Ok(out.into())
        }
        Some(_) => {
            let message = "A message is packed in a way that is not known here.";
            Err(Problem::new(Kind::NotSupported, message))
        }
    }
}

/// MESH's code of a refusal; empty if it gave none.
pub(super) fn code(body: &[u8]) -> String {
    said(body).0
}

/// The code and the words of a refusal, as far as it has them.
fn said(body: &[u8]) -> (String, String) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Detail {
        code: String,
        msg: String,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        detail: Vec<Detail>,
        #[serde(rename = "errorCode")]
        code: String,
        #[serde(rename = "errorDescription")]
        description: String,
    }
    let read: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let (code, said) = match read.detail.into_iter().next() {
        Some(detail) => (detail.code, detail.msg),
        None => (read.code, read.description),
    };
    (word(&code), sentence(&said))
}

/// A refusal as a sentence with what to do about it. MESH's words are told without digits: they
/// could be anything's. `Value` and `Invalid` are about what was sent, and would be the same at every other time.
pub(super) fn refused(what: &str, status: u16, body: &[u8]) -> Problem {
    let (code, said) = said(body);
    let (kind, next) = match (status, code.as_str()) {
        (401 | 403, _) => (
            Kind::Security,
            "Check [mesh] mailbox, password, shared_key and client certificate, and this machine's clock.",
        ),
        (404, _) | (410, _) => (Kind::NotFound, "It is not there any more."),
        (417, "12") => (
            Kind::Value,
            "The mailbox that it was for is not registered: check [opt_out] mailbox, or [itk3] receivers.",
        ),
        (400 | 406 | 413 | 415 | 417 | 422, _) => (
            Kind::Invalid,
            "Check the settings of [mesh], [opt_out] and [itk3], and what was sent.",
        ),
        (425 | 429 | 500..=599, _) => (Kind::Transient, "It is tried again later."),
        _ => (
            Kind::Processing,
            "Check the settings of [mesh], [opt_out] and [itk3].",
        ),
    };
    let mut message = format!("MESH was asked to {what} and answered {status}");
    if !code.is_empty() || !said.is_empty() {
        message.push_str(&format!(" ({code} {said})").replace("( ", "("));
    }
    Problem::new(kind, format!("{message}. {next}"))
}

/// A short code.
fn word(text: &str) -> String {
    let plain = |it: &char| it.is_ascii_alphanumeric() || *it == '-';
    text.chars().filter(plain).take(30).collect()
}

/// MESH's words, without what may name a patient: digits, and all from a recipient that is a person on.
fn sentence(text: &str) -> String {
    let person = text.to_ascii_uppercase().find("GPPROVIDER");
    let text = person.and_then(|at| text.get(..at)).unwrap_or(text);
    let plain = |it: &char| it.is_ascii_alphabetic() || matches!(it, ' ' | '-' | ',' | '.');
    text.chars().filter(plain).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do_and_holds_no_digits_of_others() {
        let body = br#"{"detail":[{"event":"SEND","code":"12","msg":"Unregistered to address 9434765919"}]}"#;
        let it = refused("send a message", 417, body);
        assert!(it.message.contains("417 (12 Unregistered to address"));
        assert!(it.message.contains("[opt_out] mailbox"));
        assert!(!it.message.contains("943"));
        let body = br#"{"errorCode":"12","errorDescription":"No mailbox for GPPROVIDER_9434765919_01021980_Van Ash"}"#;
        let it = refused("send a message", 417, body);
        assert!(it.message.contains("(12 No mailbox for )"), "{it}");
        assert_eq!((code(body).as_str(), code(b"<html>").as_str()), ("12", ""));
        let old = br#"{"errorEvent":"SEND","errorCode":"EPL-151","errorDescription":"No mailbox matched"}"#;
        let it = refused("list the inbox", 403, old);
        assert_eq!(it.kind, Kind::Security);
        assert!(it.message.contains("EPL-151 No mailbox matched"));
        for (status, kind) in [
            (503, Kind::Transient),
            (429, Kind::Transient),
            (410, Kind::NotFound),
            (400, Kind::Invalid),
            (406, Kind::Invalid),
            (413, Kind::Invalid),
            (417, Kind::Invalid),
            (422, Kind::Invalid),
            (409, Kind::Processing),
        ] {
            assert_eq!(refused("x", status, b"<html>").kind, kind, "{status}");
        }
    }

    #[test]
    fn a_head_tells_pieces_and_reports() {
        let with = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter();
            let headers: HeaderMap = pairs
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<Vec<(http::HeaderName, http::HeaderValue)>>()
                .into_iter()
                .collect();
            Head::of(&headers)
        };
        let head = with(&[("mex-chunk-range", "1:3"), ("mex-from", "x26abc1")]).unwrap();
        assert_eq!((head.pieces, head.from.as_str()), (3, "X26ABC1"));
        let report = with(&[
            ("mex-messagetype", "REPORT"),
            ("mex-chunk-range", "1:0"),
            ("mex-statuscode", "14"),
        ]);
        let report = report.unwrap();
        assert_eq!((report.ty, report.pieces), (MessageType::Report, 1));
        assert!(with(&[("mex-chunk-range", "1:101")]).is_err());
        assert!(with(&[("mex-chunk-range", "1:many")]).is_err());
    }

    #[test]
    fn an_id_that_would_change_an_address_is_refused() {
        for id in ["", "a/b", "..", "a?b", &"a".repeat(65)] {
            assert!(is_id(id).is_err(), "{id}");
        }
        assert!(messages(br#"{"messages":["ok","../x"]}"#, 5).is_err());
        assert_eq!(messages(br#"{"messages":["a","b"]}"#, 1).unwrap(), ["a"]);
        assert_eq!(message_id(br#"{"messageID":"A_1"}"#).unwrap(), "A_1");
    }

    #[test]
    fn a_list_goes_on_where_its_link_says_and_nowhere_else() {
        let list = |next: &str| format!(r#"{{"messages":[],"links":{{"next":"{next}"}}}}"#);
        let from = "/messageexchange/M/inbox?max_results=10&continue_from=eyJwayI6-x%3D%3D&x=1";
        assert_eq!(
            goes_on(list(from).as_bytes()).as_deref(),
            Some("eyJwayI6-x%3D%3D")
        );
        for other in [
            "",
            "/inbox",
            "/inbox?continue_from=",
            "/inbox?continue_from=a/../b",
        ] {
            assert_eq!(goes_on(list(other).as_bytes()), None, "{other}");
        }
        assert_eq!(goes_on(br#"{"messages":[]}"#), None);
    }

    #[test]
    fn what_unpacks_to_more_than_its_bound_is_refused() {
        use std::io::Write as _;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![b'0'; 100_000]).unwrap();
        let packed = Bytes::from(packer.finish().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", "gzip".parse().unwrap());
        assert_eq!(
            unpacked(&headers, packed.clone(), 100_000).unwrap().len(),
            100_000
        );
        assert!(unpacked(&headers, packed, 99_999).is_err());
        headers.insert("content-encoding", "br".parse().unwrap());
        assert!(unpacked(&headers, Bytes::new(), 10).is_err());
    }
}
