//! Made-up messages, which say so.

use fhir::date::{self, Millis};

/// MSH-3 of all of them.
const APPLICATION: &str = "HANDOVERCHECK";
/// MSH-4: an ODS code that is nobody's.
const FACILITY: &str = "RZZ97";

/// What messages are made of.
pub(super) struct Making {
    receiver: String,
    at: String,
    person: String,
}

impl Making {
    pub(super) fn new(receiver: &str, now: Millis) -> Making {
        let plain = receiver.chars().filter(char::is_ascii_alphanumeric);
        let digits = date::instant(now);
        Making {
            receiver: plain.take(20).collect(),
            at: digits
                .chars()
                .filter(char::is_ascii_digit)
                .take(14)
                .collect(),
            person: control(),
        }
    }

    pub(super) fn sender(&self) -> [String; 2] {
        [APPLICATION.to_owned(), FACILITY.to_owned()]
    }

    pub(super) fn person_id(&self) -> &str {
        &self.person
    }

    /// A type of which there is none.
    pub(super) fn unknown_type(&self) -> (String, Vec<u8>) {
        let control = control();
        let text = self.header("ZZZ^Z99", &control, "UNICODE UTF-8");
        (control, text.into_bytes())
    }

    /// The same, so many bytes long.
    pub(super) fn long(&self, bytes: usize) -> Vec<u8> {
        let (_, mut message) = self.unknown_type();
        let line = format!("NTE|1||Made up by handover check {}\r", "x".repeat(960));
        while message.len() < bytes {
            message.extend(line.as_bytes());
        }
        message
    }

    /// A person is added.
    pub(super) fn person(&self) -> (String, Vec<u8>) {
        let control = control();
        let text = self.header("ADT^A28^ADT_A05", &control, "UNICODE UTF-8") + &self.pid();
        (control, text.into_bytes())
    }

    /// The same in a character set that there is not.
    pub(super) fn odd_charset(&self) -> (String, Vec<u8>) {
        let control = control();
        let text = self.header("ADT^A28^ADT_A05", &control, "HANDOVER-CHECK") + &self.pid();
        (control, text.into_bytes())
    }

    /// The person is removed.
    pub(super) fn removal(&self) -> Vec<u8> {
        let text = self.header("ADT^A29^ADT_A21", &control(), "UNICODE UTF-8") + &self.pid();
        text.into_bytes()
    }

    fn header(&self, kind: &str, control: &str, charset: &str) -> String {
        let Making { receiver, at, .. } = self;
        format!(
            "MSH|^~\\&|{APPLICATION}|{FACILITY}|RECEIVER|{receiver}|{at}||{kind}|{control}|T|2.4||||||{charset}\r"
        )
    }

    fn pid(&self) -> String {
        let Making { at, person, .. } = self;
        format!(
            "EVN||{at}\rPID|1||{person}^^^{FACILITY}^MR||HANDOVER-CHECK^MADEUP^Zoë||19000101|U\rPV1|1|N\r"
        )
    }
}

/// An id that no message had before, short enough for every version.
fn control() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!(
        "HC{}",
        id.chars().take(16).collect::<String>().to_uppercase()
    )
}
