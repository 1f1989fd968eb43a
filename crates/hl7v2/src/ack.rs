//! Acknowledgements (HL7 v2.9 chapter 2.9, original mode): what a sender is answered.

use crate::escape::escape;
use crate::fault::Fault;
use crate::header::Header;
use crate::message::Separators;
use crate::time::{Millis, dtm};

/// The answer's meaning, HL7 table 0008.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// AA: taken, and durable.
    Accept,
    /// AE: understood, but at odds with what is here already, or not usable; sending it again
    /// unchanged will not help.
    Error,
    /// AR: not understood, or cannot be taken now.
    Reject,
}

impl Answer {
    /// The code as written in MSA-1.
    pub fn code(self) -> &'static str {
        match self {
            Answer::Accept => "AA",
            Answer::Error => "AE",
            Answer::Reject => "AR",
        }
    }
}

/// Writes an acknowledgement, without its MLLP frame.
///
/// `header` is what could be read of the message's own header; without one, the answer is
/// addressed to nobody and names no message. `id` becomes the answer's own control id. The fault
/// is told three times, since senders differ in where they look: MSA-3, ERR-1 (up to v2.4) and
/// ERR-2, 3, 4 and 8 (from v2.5).
pub fn ack(
    header: Option<&Header>,
    answer: Answer,
    fault: Option<&Fault>,
    id: &str,
    now: Millis,
) -> Vec<u8> {
    let nobody = Header::default();
    let to = header.unwrap_or(&nobody);
    // The answer is UTF-8 with the sender's separators; its addresses are sent back as they came.
    let s = &to.separators;
    let version = if to.version.is_empty() {
        "2.4"
    } else {
        &to.version
    };
    let processing = if to.processing.is_empty() {
        "P"
    } else {
        &to.processing
    };
    let mut kind = vec!["ACK"];
    if !to.trigger.is_empty() {
        kind.extend([to.trigger.as_str(), "ACK"]);
    }
    let mut out = Writer::new(s);
    out.segment(
        "MSH",
        &[
            encoding_characters(s).as_str(),
            &to.receiving_application,
            &to.receiving_facility,
            &to.sending_application,
            &to.sending_facility,
            dtm(now).as_str(),
            "",
            join(&kind, s.component).as_str(),
            escape(id, s).as_str(),
            processing,
            version,
            "",
            "",
            "",
            "",
            "",
            if fault.is_some_and(|f| !f.reason.is_ascii()) {
                "UNICODE UTF-8"
            } else {
                ""
            },
        ],
    );
    let reason = fault.map(|f| escape(&f.to_string(), s)).unwrap_or_default();
    out.segment("MSA", &[answer.code(), &to.control_id, &reason]);
    if let Some(fault) = fault {
        out.segment("ERR", &error_fields(fault, s));
    }
    out.bytes
}

fn error_fields(fault: &Fault, s: &Separators) -> [String; 8] {
    let field = fault.field.map(|n| n.to_string()).unwrap_or_default();
    let segment = escape(&fault.segment, s);
    let line = if fault.line == 0 {
        String::new()
    } else {
        fault.line.to_string()
    };
    let code = fault.code.code();
    let display = fault.code.display();
    let table = "HL70357";
    let old_code = join(&[code, display, table], s.subcomponent);
    [
        join(&[&segment, &line, &field, &old_code], s.component),
        join(&[&segment, &line, &field], s.component),
        join(&[code, display, table], s.component),
        "E".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        escape(&fault.reason, s),
    ]
}

fn encoding_characters(s: &Separators) -> String {
    [s.component, s.repetition, s.escape, s.subcomponent]
        .map(char::from)
        .iter()
        .collect()
}

fn join(parts: &[&str], separator: u8) -> String {
    let text = parts.join(char::from(separator).encode_utf8(&mut [0; 4]));
    text.trim_end_matches(char::from(separator)).to_owned()
}

struct Writer {
    separator: u8,
    bytes: Vec<u8>,
}

impl Writer {
    fn new(separators: &Separators) -> Writer {
        Writer {
            separator: separators.field,
            bytes: Vec::with_capacity(256),
        }
    }

    fn segment<T: AsRef<str>>(&mut self, name: &str, fields: &[T]) {
        self.bytes.extend_from_slice(name.as_bytes());
        let filled = fields
            .iter()
            .rposition(|f| !f.as_ref().is_empty())
            .map_or(0, |n| n + 1);
        for field in fields.iter().take(filled) {
            self.bytes.push(self.separator);
            // A line break in an echoed header field would start a segment of its own.
            self.bytes
                .extend(field.as_ref().bytes().filter(|b| *b >= 0x20));
        }
        self.bytes.push(b'\r');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::ErrorCode;
    use crate::{header, parse};

    const SENT: &[u8] =
        b"MSH|^~\\&|PAS|RXX01|HANDOVER|RXX01|20240501||ADT^A01^ADT_A01|MSG7|P|2.4\r";

    #[test]
    fn an_acceptance_names_the_message_and_turns_the_addresses_round() {
        let header = header(SENT).unwrap();
        let bytes = ack(Some(&header), Answer::Accept, None, "A1", 1_714_559_400_000);
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "MSH|^~\\&|HANDOVER|RXX01|PAS|RXX01|20240501103000+0000||ACK^A01^ACK|A1|P|2.4\r\
             MSA|AA|MSG7\r"
        );
    }

    #[test]
    fn a_refusal_names_place_and_reason() {
        let header = header(SENT).unwrap();
        let fault = Fault::new(ErrorCode::RequiredFieldMissing, "no identifier | at all")
            .within("PID", 3)
            .field(3);
        let bytes = ack(Some(&header), Answer::Reject, Some(&fault), "A1", 0);
        let message = parse(&bytes).unwrap();
        assert_eq!(message.value("MSA", 1, 1), "AR");
        assert_eq!(
            message.value("MSA", 3, 1),
            "PID-3 (segment 3): no identifier | at all"
        );
        assert_eq!(message.value("ERR", 2, 1), "PID");
        assert_eq!(message.value("ERR", 2, 3), "3");
        assert_eq!(message.value("ERR", 3, 1), "101");
        assert_eq!(message.value("ERR", 8, 1), "no identifier | at all");
    }

    #[test]
    fn even_an_unreadable_message_is_answered() {
        let fault = Fault::new(ErrorCode::SegmentSequence, "no header");
        let bytes = ack(None, Answer::Reject, Some(&fault), "A1", 0);
        assert_eq!(parse(&bytes).unwrap().value("MSA", 1, 1), "AR");
    }
}
