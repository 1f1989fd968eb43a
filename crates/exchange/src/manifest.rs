//! Parcels and the signed manifest that lists them.

use access::{NhsNumber, Ods};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use serde::{Deserialize, Serialize};
use store::Effect;
use store::parcels::{Named, Outgoing, Parcel, ParcelWrite, PartOf};

use crate::booking::BookingText;
use crate::handovers::HandoverText;
use crate::instant;
use crate::jws::read_strictly;
use crate::keys::sha256_hex;
use crate::mailboxes::MailPart;
use crate::moving::{MoveText, PROOFS_MAX};
use crate::pointers::PointerText;
use crate::prescriptions::status::StatusText;
use crate::questions::QuestionText;
use crate::referrals::{Act, ReferralText};

/// The version of the protocol that all statements carry.
pub const PROTOCOL: u32 = 1;
/// Parcels in one manifest.
pub const PARCELS_MAX: usize = 200;
/// Contents of one parcel.
pub const PARTS_MAX: usize = 20;
/// A parcel's text, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
/// One content, in bytes, whatever a node's own bound is.
pub const CONTENT_BYTES_MAX: u64 = 1 << 30;
/// One content that goes whole into a resource or a message, and what a node takes that tells no bound of its own.
pub const PLAIN_CONTENT_BYTES_MAX: u64 = store::parcels::IN_RESOURCE_BYTES_MAX;
/// Any one member of a parcel's text, in characters.
const MEMBER_CHARS_MAX: usize = 500;

/// One request's parcels. It holds no time, so that sending the same again is the same statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub protocol: u32,
    /// ODS codes of the sender and the receiver.
    pub from: String,
    pub to: String,
    /// Each the text of a parcel: JSON as the sender wrote it once. Its digest is that of its bytes.
    pub parcels: Vec<String>,
}

/// What a parcel's text says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParcelText {
    pub id: String,
    /// Who sends it to whom: the text is bound to both.
    pub from: String,
    pub to: String,
    pub kind: ParcelKind,
    #[serde(with = "instant")]
    pub made_at: Millis,
    pub title: String,
    /// Who wrote the letter, for people to read.
    pub author: String,
    pub urgent: bool,
    pub marks: Vec<Mark>,
    /// The sender's number of the document.
    pub document: String,
    /// The sender's number of the document that this one replaces.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaces: Option<String>,
    pub patient: PatientNamed,
    pub contents: Vec<ContentNamed>,
    /// Of a sharing preference: the home practice's signed statement. It has no contents.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub statement: Option<String>,
    /// Of a sharing preference that goes to a second keeper: the ODS codes of those to be told.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tell: Vec<String>,
    /// Of a message for a mailbox: what is written on it, and which part its content is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mesh: Option<Box<MailPart>>,
    /// Of a pointer: what it says beside whom it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pointer: Option<PointerText>,
    /// Of a booking: what it says beside whom it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub booking: Option<Box<BookingText>>,
    /// Of a prescription's status: what became of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prescription: Option<StatusText>,
    /// Of a referral: what is asked for, or what was said of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub referral: Option<Box<ReferralText>>,
    /// Of an ambulance's handover: what the crew says, or what the department did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub handover: Option<Box<HandoverText>>,
    /// Of a step of a patient's move from one practice to another: what is said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub moving: Option<Box<MoveText>>,
    /// Of a sharing preference of somebody who moved: the signed words of the practices that they left, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub moved: Vec<String>,
    /// Of a patient's question about their record: what is asked, or was said of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub question: Option<Box<QuestionText>>,
}

/// What a parcel is. Further kinds come with further versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParcelKind {
    Letter,
    SharingPreference,
    MeshMessage,
    RecordPointer,
    Booking,
    PrescriptionStatus,
    Referral,
    Handover,
    PracticeMove,
    RecordQuestion,
}

impl ParcelKind {
    fn as_stored(self) -> store::parcels::Kind {
        match self {
            ParcelKind::Letter => store::parcels::Kind::Letter,
            ParcelKind::SharingPreference => store::parcels::Kind::SharingPreference,
            ParcelKind::MeshMessage => store::parcels::Kind::MeshMessage,
            ParcelKind::RecordPointer => store::parcels::Kind::RecordPointer,
            ParcelKind::Booking => store::parcels::Kind::Booking,
            ParcelKind::PrescriptionStatus => store::parcels::Kind::PrescriptionStatus,
            ParcelKind::Referral => store::parcels::Kind::Referral,
            ParcelKind::Handover => store::parcels::Kind::Handover,
            ParcelKind::PracticeMove => store::parcels::Kind::PracticeMove,
            ParcelKind::RecordQuestion => store::parcels::Kind::RecordQuestion,
        }
    }
}

/// What keeps a letter from the patient's own page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It tells of someone else.
    ThirdParty,
    /// Knowing it may seriously harm someone.
    SeriousHarm,
}

impl Mark {
    /// The mark of that code, as forms have it; none for any other.
    pub(crate) fn parse(code: &str) -> Option<Mark> {
        match code {
            "third-party" => Some(Mark::ThirdParty),
            "serious-harm" => Some(Mark::SeriousHarm),
            _ => None,
        }
    }
}

/// The person a parcel is about, as the sender knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientNamed {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nhs_number: Option<String>,
    /// `YYYY-MM-DD`
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub birth_date: Option<String>,
    pub family: String,
    pub given: String,
}

/// A content by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentNamed {
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// A MIME type.
    pub content_type: String,
}

impl ParcelText {
    /// A parcel of that kind from one organisation to another, and nothing else: what its kind needs is set beside.
    pub fn of(kind: ParcelKind, from: &Ods, to: &Ods) -> ParcelText {
        ParcelText {
            id: String::new(),
            from: from.to_string(),
            to: to.to_string(),
            kind,
            made_at: 0,
            title: String::new(),
            author: String::new(),
            urgent: false,
            marks: Vec::new(),
            document: String::new(),
            replaces: None,
            patient: PatientNamed::default(),
            contents: Vec::new(),
            statement: None,
            tell: Vec::new(),
            mesh: None,
            pointer: None,
            booking: None,
            prescription: None,
            referral: None,
            handover: None,
            moving: None,
            moved: Vec::new(),
            question: None,
        }
    }

    /// Reads and checks a parcel's text.
    ///
    /// # Errors
    /// `Structure`, `Value`, `TooLong`: named for the sender, who gets it in the receipt.
    pub fn parse(text: &str) -> Result<ParcelText, Problem> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Problem::new(
                Kind::TooLong,
                "The parcel's text is longer than 16 KiB.",
            ));
        }
        let parcel: ParcelText = read_strictly(text.as_bytes())?;
        parcel.check()?;
        Ok(parcel)
    }

    fn check(&self) -> Result<(), Problem> {
        let value = |what: &str| Err(Problem::new(Kind::Value, what));
        check_id(&self.id)?;
        let patient = &self.patient;
        let words = [
            &self.title,
            &self.author,
            &self.document,
            self.replaces.as_ref().unwrap_or(&self.document),
            &patient.family,
            &patient.given,
        ];
        if words
            .iter()
            .any(|word| word.chars().count() > MEMBER_CHARS_MAX)
        {
            return value("A member of the parcel is longer than 500 characters.");
        }
        if patient.nhs_number.as_ref().is_some_and(|number| {
            NhsNumber::parse(number)
                .map(|read| read.digits() != number)
                .unwrap_or(true)
        }) {
            return value(
                "The patient's NHS number is not ten digits whose last checks the others.",
            );
        }
        if patient
            .birth_date
            .as_ref()
            .is_some_and(|day| day.len() != 10 || date::span(day).is_none())
        {
            return value("The patient's date of birth is not of the form YYYY-MM-DD.");
        }
        self.check_move()?;
        self.check_kind()
    }

    /// What a step of a move must say, and a word about one.
    fn check_move(&self) -> Result<(), Problem> {
        let value = |what: &str| Err(Problem::new(Kind::Value, what));
        if (self.kind == ParcelKind::PracticeMove) != self.moving.is_some() {
            return value("A step of a move, and nothing else, says what is said of it.");
        }
        let is_preference = self.kind == ParcelKind::SharingPreference;
        if self.moved.len() > PROOFS_MAX || (!is_preference && !self.moved.is_empty()) {
            return value(
                "Only a sharing preference bears words of practices that were left, and few.",
            );
        }
        match &self.moving {
            Some(moving) => moving.check(&self.document, self.contents.len()),
            None => Ok(()),
        }
    }

    /// What each kind must say, and no other may.
    fn check_kind(&self) -> Result<(), Problem> {
        let value = |what: &str| Err(Problem::new(Kind::Value, what));
        if (self.kind == ParcelKind::MeshMessage) != self.mesh.is_some() {
            return value("A message for a mailbox, and nothing else, says what is written on it.");
        }
        if let Some(mail) = &self.mesh {
            mail.check()?;
            if self.contents.len() != 1 || self.document != mail.message {
                return value("A part of a message has one content and bears the message's id.");
            }
            if self
                .contents
                .iter()
                .any(|it| it.size > PLAIN_CONTENT_BYTES_MAX)
            {
                return value("A part of a message has at most 10 MiB.");
            }
        }
        if (self.kind == ParcelKind::RecordPointer) != self.pointer.is_some() {
            return value("A pointer, and nothing else, says whose practice it is for.");
        }
        if (self.kind == ParcelKind::Booking) != self.booking.is_some() {
            return value("A booking, and nothing else, says which appointment it is about.");
        }
        if let Some(booking) = &self.booking {
            booking.check()?;
        }
        if (self.kind == ParcelKind::PrescriptionStatus) != self.prescription.is_some() {
            return value("A prescription's status, and nothing else, says what became of one.");
        }
        if let Some(status) = &self.prescription {
            status.check()?;
            if self.document != status.prescription {
                return value("A prescription's status bears the prescription's number.");
            }
        }
        if (self.kind == ParcelKind::Referral) != self.referral.is_some() {
            return value(
                "A referral, and nothing else, says what is asked for or was said of it.",
            );
        }
        if let Some(referral) = &self.referral {
            return self.check_referral(referral);
        }
        if (self.kind == ParcelKind::Handover) != self.handover.is_some() {
            return value("An ambulance's handover, and nothing else, says what a crew says.");
        }
        if let Some(handover) = &self.handover {
            return self.check_handover(handover);
        }
        if (self.kind == ParcelKind::RecordQuestion) != self.question.is_some() {
            return value("A patient's question, and nothing else, says what is asked.");
        }
        if let Some(question) = &self.question {
            question.check()?;
            if self.document != question.question {
                return value("A patient's question bears the question's id.");
            }
        }
        if matches!(
            self.kind,
            ParcelKind::RecordPointer
                | ParcelKind::Booking
                | ParcelKind::PrescriptionStatus
                | ParcelKind::RecordQuestion
        ) {
            let is_bare =
                self.contents.is_empty() && self.statement.is_none() && self.tell.is_empty();
            return match is_bare {
                true => Ok(()),
                false => value(
                    "A pointer, a booking, a prescription's status or a question has no contents and no statement.",
                ),
            };
        }
        if self.kind == ParcelKind::SharingPreference {
            let fits = self.contents.is_empty() && self.statement.is_some();
            return match fits && self.tell.len() <= PARCELS_MAX {
                true => Ok(()),
                false => value("A sharing preference has a statement and no contents."),
            };
        }
        if self.kind == ParcelKind::PracticeMove && self.contents.is_empty() {
            return Ok(());
        }
        if self.statement.is_some() || !self.tell.is_empty() {
            return value("A letter has no statement, and nobody else to tell.");
        }
        if self.contents.is_empty() || self.contents.len() > PARTS_MAX {
            return value("A parcel has 1 to 20 contents.");
        }
        self.contents.iter().try_for_each(ContentNamed::check)
    }

    fn check_handover(&self, handover: &HandoverText) -> Result<(), Problem> {
        let value = |what: &str| Err(Problem::new(Kind::Value, what));
        handover.check()?;
        if self.document != handover.handover {
            return value("A handover's parcel bears the handover's id.");
        }
        let sheet = handover.sheet.as_ref();
        if sheet.is_some_and(|it| it.person != self.patient) {
            return value("A handover's sheet is about whom its parcel is about.");
        }
        let is_bare = self.contents.is_empty() && self.statement.is_none() && self.tell.is_empty();
        match is_bare {
            true => Ok(()),
            false => value("A handover has no contents and no statement."),
        }
    }

    fn check_referral(&self, referral: &ReferralText) -> Result<(), Problem> {
        let value = |what: &str| Err(Problem::new(Kind::Value, what));
        referral.check()?;
        if self.document != referral.referral {
            return value("A referral's parcel bears the referral's id.");
        }
        if self.statement.is_some() || !self.tell.is_empty() {
            return value("A referral has no statement, and nobody else to tell.");
        }
        let most = match referral.act {
            Act::Refer => PARTS_MAX,
            _ => 0,
        };
        if self.contents.len() > most {
            return value("A new referral encloses up to 20 contents, a step of one none.");
        }
        self.contents.iter().try_for_each(ContentNamed::check)
    }

    /// The text as it is sent, checked: what would not be taken is not sent.
    ///
    /// # Errors
    /// As `parse`.
    pub(crate) fn written(&self) -> Result<String, Problem> {
        let written = serde_json::to_string(self).map_err(|cause| {
            Problem::new(Kind::Exception, "A parcel's text could not be written.").because(cause)
        })?;
        ParcelText::parse(&written)?;
        Ok(written)
    }

    /// The effect that accepts a parcel which is all in its text, about that patient here.
    ///
    /// # Errors
    /// As `parse`: what would not be taken is not sent.
    pub(crate) fn accepted(&self, patient: &str) -> Result<Effect, Problem> {
        let written = self.written()?;
        let outgoing = Outgoing {
            parcel: self.to_parcel(written)?,
            patient: patient.to_string(),
            document: String::new(),
            contents: Vec::new(),
        };
        Ok(Effect::Parcel(ParcelWrite::Accept(Box::new(outgoing))))
    }

    /// The parcel as rows, with the digest of its text.
    ///
    /// # Errors
    /// `Value` for an organisation that is no ODS code.
    pub fn to_parcel(&self, text: String) -> Result<Parcel, Problem> {
        let part = |it: &ContentNamed| PartOf {
            sha256: it.sha256.clone(),
            size: it.size,
            content_type: it.content_type.clone(),
        };
        Ok(Parcel {
            kind: self.kind.as_stored(),
            sender: Ods::parse(&self.from)?,
            recipient: Ods::parse(&self.to)?,
            id: self.id.clone(),
            digest: sha256_hex(text.as_bytes()),
            text,
            title: self.title.clone(),
            author: self.author.clone(),
            urgent: self.urgent,
            marked: !self.marks.is_empty(),
            unique_id: self.document.clone(),
            replaces: self.replaces.clone(),
            named: Named {
                nhs_number: self.patient.nhs_number.clone(),
                birth_date: self.patient.birth_date.clone(),
                family: self.patient.family.clone(),
                given: self.patient.given.clone(),
            },
            parts: self.contents.iter().map(part).collect(),
        })
    }
}

impl ContentNamed {
    fn check(&self) -> Result<(), Problem> {
        if !is_digest(&self.sha256) {
            let message = "A content's digest is not 64 lower-case hexadecimal digits.";
            return Err(Problem::new(Kind::Value, message));
        }
        if self.size == 0 || self.size > CONTENT_BYTES_MAX {
            return Err(Problem::new(
                Kind::TooLong,
                "A content is empty or more than 1 GiB.",
            ));
        }
        let plain = self
            .content_type
            .bytes()
            .all(|byte| (0x20..0x7f).contains(&byte));
        if !plain || self.content_type.len() > 100 || !self.content_type.contains('/') {
            return Err(Problem::new(
                Kind::Value,
                "A content's type is not a MIME type.",
            ));
        }
        Ok(())
    }
}

/// Whether a text is a SHA-256 digest as the protocol writes it.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn text() -> Value {
        json!({
            "id": "p-1", "from": "RZZ01", "to": "A81001", "kind": "letter",
            "made_at": "2026-01-05T09:00:00.000Z", "title": "Discharge", "author": "Dr A Bee",
            "urgent": false, "marks": ["third-party"], "document": "D1",
            "patient": {"nhs_number": "9434765919", "birth_date": "1980-02-01",
                "family": "Ash", "given": "Una"},
            "contents": [{"sha256": "a".repeat(64), "size": 3, "content_type": "text/plain"}]
        })
    }

    #[test]
    fn a_parcel_is_read_and_its_digest_is_that_of_its_bytes() {
        let text = text().to_string();
        let parcel = ParcelText::parse(&text)
            .unwrap()
            .to_parcel(text.clone())
            .unwrap();
        assert_eq!(parcel.digest, sha256_hex(text.as_bytes()));
        assert!(parcel.marked);
    }

    #[test]
    fn what_is_missing_unknown_too_long_or_unsound_is_refused() {
        for (pointer, value) in [
            ("/id", json!("../a")),
            ("/kind", json!("prescription")),
            ("/marks", json!(["secret"])),
            ("/made_at", json!("yesterday")),
            ("/title", json!("x".repeat(501))),
            ("/patient/nhs_number", json!("943 476 5919")),
            ("/patient/nhs_number", json!("9434765918")),
            ("/patient/birth_date", json!("1980-02")),
            ("/patient/birth_date", json!("1980-02-30")),
            ("/contents", json!([])),
            ("/contents/0/sha256", json!("A".repeat(64))),
            ("/contents/0/size", json!(0)),
            ("/contents/0/size", json!(CONTENT_BYTES_MAX + 1)),
            ("/contents/0/size", json!("3")),
            ("/contents/0/content_type", json!("text/plain\r\nX: y")),
        ] {
            let mut changed = text();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert!(
                ParcelText::parse(&changed.to_string()).is_err(),
                "{pointer}"
            );
        }
        let mut more = text();
        more["more"] = json!(1);
        assert!(
            ParcelText::parse(&more.to_string()).is_err(),
            "an unknown member"
        );
        let doubled = text()
            .to_string()
            .replace("\"urgent\":false", "\"urgent\":false,\"urgent\":true");
        assert!(ParcelText::parse(&doubled).is_err(), "a member twice");
    }
}
