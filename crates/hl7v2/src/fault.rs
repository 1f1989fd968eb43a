//! What is wrong with a message, said so that its sender can mend it.

use std::fmt;

/// The error condition codes of HL7 table 0357, as far as this crate uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// 100: segments missing or in the wrong place.
    SegmentSequence,
    /// 101: a required field is empty.
    RequiredFieldMissing,
    /// 102: a field does not hold what its data type allows.
    DataType,
    /// 103: a code is not in the table it should come from.
    TableValueNotFound,
    /// 200: this message type is not taken here.
    UnsupportedMessageType,
    /// 201: this trigger event is not taken here.
    UnsupportedEvent,
    /// 205: the message control id was used before, for another message.
    DuplicateKey,
    /// 207: the fault is on this side.
    Internal,
}

impl ErrorCode {
    /// The code as written in ERR-3.1.
    pub fn code(self) -> &'static str {
        match self {
            ErrorCode::SegmentSequence => "100",
            ErrorCode::RequiredFieldMissing => "101",
            ErrorCode::DataType => "102",
            ErrorCode::TableValueNotFound => "103",
            ErrorCode::UnsupportedMessageType => "200",
            ErrorCode::UnsupportedEvent => "201",
            ErrorCode::DuplicateKey => "205",
            ErrorCode::Internal => "207",
        }
    }

    /// The table's own words for the code, for ERR-3.2.
    pub fn display(self) -> &'static str {
        match self {
            ErrorCode::SegmentSequence => "Segment sequence error",
            ErrorCode::RequiredFieldMissing => "Required field missing",
            ErrorCode::DataType => "Data type error",
            ErrorCode::TableValueNotFound => "Table value not found",
            ErrorCode::UnsupportedMessageType => "Unsupported message type",
            ErrorCode::UnsupportedEvent => "Unsupported event code",
            ErrorCode::DuplicateKey => "Duplicate key identifier",
            ErrorCode::Internal => "Application internal error",
        }
    }
}

/// One fault in one message: the place and the reason.
///
/// `reason` never repeats the content of a field, so that a fault can be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// Which kind of error, from HL7 table 0357.
    pub code: ErrorCode,
    /// The segment's name, such as `PID`; empty when no segment could be told.
    pub segment: String,
    /// Which segment of the message it is, counted from 1 over all segments; 0 when unknown.
    pub line: u32,
    /// The field's number as the standard counts (MSH-1 is the separator), if one is to blame.
    pub field: Option<u16>,
    /// One plain sentence.
    pub reason: String,
}

impl Fault {
    /// A fault of the message as a whole.
    pub fn new(code: ErrorCode, reason: impl Into<String>) -> Fault {
        Fault {
            code,
            segment: String::new(),
            line: 0,
            field: None,
            reason: reason.into(),
        }
    }

    /// The same fault, placed in a segment.
    pub fn within(mut self, segment: &str, line: u32) -> Fault {
        self.segment = segment.to_owned();
        self.line = line;
        self
    }

    /// The same fault, placed in a field of its segment.
    pub fn field(mut self, field: u16) -> Fault {
        self.field = Some(field);
        self
    }

    /// The place in words: `PID-3 (segment 4)`, `PID (segment 4)` or `the message`.
    pub fn place(&self) -> String {
        match (self.segment.as_str(), self.field) {
            ("", _) => "the message".to_owned(),
            (name, Some(field)) => format!("{name}-{field} (segment {})", self.line),
            (name, None) => format!("{name} (segment {})", self.line),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.reason)
    }
}
