//! The header alone: what the door must know before it stores and answers a message.

use crate::charset::lenient;
use crate::fault::{ErrorCode, Fault};
use crate::message::Separators;

/// The longest header segment that is looked at.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Fields of the header that are looked at.
const FIELDS_READ: usize = 20;

/// What MSH says, as text. Fields that are absent are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// The separators of MSH-1 and MSH-2, to answer in kind.
    pub separators: Separators,
    /// MSH-3 whole, as sent (components included).
    pub sending_application: String,
    /// MSH-4 whole, as sent.
    pub sending_facility: String,
    /// MSH-5 whole, as sent.
    pub receiving_application: String,
    /// MSH-6 whole, as sent.
    pub receiving_facility: String,
    /// MSH-7, as sent.
    pub sent_at: String,
    /// MSH-9.1, such as `ADT`.
    pub message_type: String,
    /// MSH-9.2, such as `A01`.
    pub trigger: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-11.1, such as `P`.
    pub processing: String,
    /// MSH-12.1, such as `2.4`.
    pub version: String,
}

/// Reads the header of a message and nothing behind it.
///
/// A header whose MSH-9.1 or MSH-10 is empty is a fault: the message could not be told from
/// others or acted on.
pub fn header(bytes: &[u8]) -> Result<Header, Fault> {
    let header = header_leniently(bytes)?;
    let missing = |field: u16, reason: &str| {
        Err(Fault::new(ErrorCode::RequiredFieldMissing, reason)
            .within("MSH", 1)
            .field(field))
    };
    if header.message_type.is_empty() {
        return missing(9, "the message type is missing");
    }
    if header.control_id.is_empty() {
        return missing(10, "the message control id is missing");
    }
    Ok(header)
}

/// Reads what of the header there is, so that even a refusal can be addressed.
pub fn header_leniently(bytes: &[u8]) -> Result<Header, Fault> {
    let separators = declared_separators(bytes)?;
    let mut fields: Vec<&[u8]> = Vec::with_capacity(FIELDS_READ);
    let line = header_line(bytes).split(|b| *b == separators.field);
    fields.extend(line.take(FIELDS_READ));
    // Piece 0 is the name; MSH-1 is the separator itself, so MSH-n is piece n - 1.
    let raw = |n: usize| fields.get(n - 1).copied().unwrap_or_default();
    let text = |n: usize| lenient(raw(n)).into_owned();
    let part = |n: usize, component: usize| {
        let mut parts = raw(n).split(|b| *b == separators.component);
        lenient(parts.nth(component - 1).unwrap_or_default().trim_ascii()).into_owned()
    };
    Ok(Header {
        separators,
        sending_application: text(3),
        sending_facility: text(4),
        receiving_application: text(5),
        receiving_facility: text(6),
        sent_at: part(7, 1),
        message_type: part(9, 1),
        trigger: part(9, 2),
        control_id: text(10),
        processing: part(11, 1),
        version: part(12, 1),
    })
}

/// The separators that MSH-1 and MSH-2 declare, checked: printable, not letters or digits, all
/// different, four or five of them.
pub(crate) fn declared_separators(bytes: &[u8]) -> Result<Separators, Fault> {
    let Some(rest) = bytes.strip_prefix(b"MSH") else {
        let reason = "the message does not start with the segment MSH";
        return Err(Fault::new(ErrorCode::SegmentSequence, reason));
    };
    let bad = |field: u16, reason: &str| {
        Err(Fault::new(ErrorCode::DataType, reason)
            .within("MSH", 1)
            .field(field))
    };
    let Some((&field, rest)) = rest.split_first() else {
        return bad(1, "the message ends before the field separator");
    };
    if !is_separator(field) {
        return bad(1, "the field separator is not a printable sign");
    }
    let end = rest
        .iter()
        .position(|b| *b == field || *b == b'\r' || *b == b'\n');
    let declared = rest
        .get(..end.unwrap_or(rest.len()).min(6))
        .unwrap_or_default();
    let (&[component, repetition, escape, subcomponent]
    | &[component, repetition, escape, subcomponent, _]) = declared
    else {
        return bad(2, "the encoding characters are not four or five signs");
    };
    let all: Vec<u8> = std::iter::once(field)
        .chain(declared.iter().copied())
        .collect();
    let repeated = all
        .iter()
        .enumerate()
        .any(|(n, b)| all.iter().take(n).any(|c| c == b));
    if repeated || !declared.iter().all(|b| is_separator(*b)) {
        return bad(
            2,
            "the encoding characters are not different printable signs",
        );
    }
    Ok(Separators {
        field,
        component,
        repetition,
        escape,
        subcomponent,
    })
}

/// MSH-18's first repetition, undecoded.
pub(crate) fn raw_charset<'a>(bytes: &'a [u8], separators: &Separators) -> &'a [u8] {
    let field = header_line(bytes)
        .split(|b| *b == separators.field)
        .nth(17)
        .unwrap_or_default();
    field
        .split(|b| *b == separators.repetition)
        .next()
        .unwrap_or_default()
}

fn is_separator(b: u8) -> bool {
    b.is_ascii_punctuation()
}

fn header_line(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.get(..HEADER_BYTES_MAX).unwrap_or(bytes);
    let end = bytes
        .iter()
        .position(|b| *b == b'\r' || *b == b'\n')
        .unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_with_any_separators() {
        let header =
            header(b"MSH$%~?&$PAS$RXX01$$$20240501$$ADT%A01%ADT_A01$42$P$2.4\rPID").unwrap();
        assert_eq!(header.message_type, "ADT");
        assert_eq!(header.trigger, "A01");
        assert_eq!(header.control_id, "42");
        assert_eq!(header.sending_facility, "RXX01");
    }

    #[test]
    fn x06_odd_encoding_characters_are_refused_by_field() {
        for (message, field) in [
            (&b"MSH|^~^&|x"[..], 2),
            (b"MSH|^~|x", 2),
            (b"MSH|^~\\&#!|x", 2),
            (b"MSH|ab\\&|x", 2),
            (b"MSHA^~\\&|x", 1),
            (b"MSH", 1),
        ] {
            assert_eq!(header_leniently(message).unwrap_err().field, Some(field));
        }
        assert!(
            header_leniently(b"PID|1")
                .unwrap_err()
                .reason
                .contains("MSH")
        );
    }

    #[test]
    fn a_message_without_an_id_cannot_be_told_from_others() {
        let fault = header(b"MSH|^~\\&|A|B|||20240501||ADT^A01||P|2.4\r").unwrap_err();
        assert_eq!(fault.place(), "MSH-10 (segment 1)");
    }
}
