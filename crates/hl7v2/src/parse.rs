//! Reading a message: one pass over the bytes that finds segments and fields, within bounds.

use crate::charset::Charset;
use crate::fault::{ErrorCode, Fault};
use crate::header::{declared_separators, raw_charset};
use crate::message::{Message, Separators, Span};

/// Places made before anything is read, so that common messages need no more.
const SEGMENTS_EXPECTED: usize = 8;
const FIELDS_EXPECTED_MAX: usize = 512;

/// Bounds on what is read; beyond any of them the message is refused with the place and reason.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole message.
    pub message_bytes: usize,
    /// Segments of the message.
    pub segments: usize,
    /// Fields of one segment.
    pub fields: usize,
    /// Repetitions of one field.
    pub repetitions: usize,
    /// Bytes of one field; OBX-5, which carries documents, is bound by the message alone.
    pub field_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            message_bytes: 32 * 1024 * 1024,
            segments: 20_000,
            fields: 500,
            repetitions: 2_000,
            field_bytes: 65_535,
        }
    }
}

/// Reads one message (without its MLLP frame) within the default limits.
///
/// Segments end with CR. A message without any CR may end them with LF instead, and LF after CR
/// is skipped, since files and careless senders do both.
pub fn parse(bytes: &[u8]) -> Result<Message, Fault> {
    parse_within(bytes, &Limits::default())
}

/// Reads one message within the given limits.
pub fn parse_within(bytes: &[u8], limits: &Limits) -> Result<Message, Fault> {
    if bytes.len() > limits.message_bytes || u32::try_from(bytes.len()).is_err() {
        let reason = format!("the message is longer than {} bytes", limits.message_bytes);
        return Err(Fault::new(ErrorCode::DataType, reason));
    }
    let separators = declared_separators(bytes)?;
    let charset = Charset::named(raw_charset(bytes, &separators))?;
    let text = charset.decode(bytes)?.into_owned();
    // Latin-1 text grows when it becomes UTF-8.
    if u32::try_from(text.len()).is_err() {
        return Err(Fault::new(ErrorCode::DataType, "the message is too long"));
    }
    let mut message = Message {
        text: String::new(),
        separators,
        segments: Vec::with_capacity(SEGMENTS_EXPECTED),
        // Most fields are empty or a few bytes long.
        fields: Vec::with_capacity((text.len() / 4).min(FIELDS_EXPECTED_MAX)),
    };
    index(&text, &mut message, limits)?;
    message.text = text;
    Ok(message)
}

fn index(text: &str, message: &mut Message, limits: &Limits) -> Result<(), Fault> {
    let ending = if text.contains('\r') { '\r' } else { '\n' };
    let mut start = 0;
    for piece in text.split(ending) {
        let end = start + piece.len();
        let skipped = piece.len() - piece.trim_start_matches('\n').len();
        let content = piece.get(skipped..).unwrap_or("");
        if !content.trim_ascii().is_empty() {
            if message.segments.len() >= limits.segments {
                let reason = format!("the message has more than {} segments", limits.segments);
                return Err(Fault::new(ErrorCode::SegmentSequence, reason));
            }
            segment(content, start + skipped, message, limits)?;
        }
        start = end + 1;
    }
    Ok(())
}

/// Indexes one segment, whose first byte is at `start` of the message's text.
fn segment(
    content: &str,
    start: usize,
    message: &mut Message,
    limits: &Limits,
) -> Result<(), Fault> {
    let line = message.segments.len() as u32 + 1;
    let name = segment_name(content, message.separators.field, line)?;
    let first_field = message.fields.len();
    let mut at = start + 3;
    if name == "MSH" {
        if line != 1 {
            let reason = "a second header follows: one frame holds one message";
            return Err(Fault::new(ErrorCode::SegmentSequence, reason).within(name, line));
        }
        // The separator itself is MSH-1.
        message.fields.push((at as u32, at as u32 + 1));
    }
    let rest = content.get(4..).unwrap_or("");
    at += 1;
    if content.len() > 3 {
        // By bytes: the separator is ASCII, and so short pieces are not worth a search for each.
        let separator = message.separators.field;
        for field in rest.as_bytes().split(|b| *b == separator) {
            let number = message.fields.len() - first_field + 1;
            check_field(field, name, line, number, &message.separators, limits)?;
            message.fields.push((at as u32, (at + field.len()) as u32));
            at += field.len() + 1;
        }
    }
    message.segments.push(Span {
        start: start as u32,
        end: (start + content.len()) as u32,
        first_field: first_field as u32,
        fields: (message.fields.len() - first_field) as u32,
    });
    Ok(())
}

fn segment_name(content: &str, separator: u8, line: u32) -> Result<&str, Fault> {
    let name = content.get(..3).filter(|name| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_uppercase())
            && bytes.all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    });
    let ended = content.as_bytes().get(3).is_none_or(|b| *b == separator);
    match name {
        Some(name) if ended => Ok(name),
        _ => {
            let reason = format!(
                "segment {line} does not start with a name of three capitals or digits and the \
                 field separator"
            );
            Err(Fault {
                line,
                ..Fault::new(ErrorCode::SegmentSequence, reason)
            })
        }
    }
}

fn check_field(
    field: &[u8],
    name: &str,
    line: u32,
    number: usize,
    separators: &Separators,
    limits: &Limits,
) -> Result<(), Fault> {
    let fault = |reason: String| {
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        Err(Fault::new(ErrorCode::DataType, reason)
            .within(name, line)
            .field(number))
    };
    if number > limits.fields {
        return fault(format!(
            "the segment has more than {} fields",
            limits.fields
        ));
    }
    let carries_documents = name == "OBX" && number == 5;
    if field.len() > limits.field_bytes && !carries_documents {
        return fault(format!(
            "the field is longer than {} bytes",
            limits.field_bytes
        ));
    }
    let is_separators = name == "MSH" && number == 2;
    if !is_separators && field.len() > limits.repetitions {
        let repetitions = field
            .iter()
            .filter(|b| **b == separators.repetition)
            .count()
            + 1;
        if repetitions > limits.repetitions {
            return fault(format!(
                "the field repeats more than {} times",
                limits.repetitions
            ));
        }
    }
    Ok(())
}
