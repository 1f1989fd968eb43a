//! What a message that came becomes: a letter like any other, or a refusal with its code.

use access::{NhsNumber, Ods};
use fhir::date::{self, Millis};
use fhir::itk3::{Body, Document, Message, Person, Unread, codes};
use fhir::search::fold;
use store::itk3::{NewIn, Read};
use store::parcels::{Kind, Outgoing};

use super::{ANSWERS, CONSULTATION_REPORT, patient_of};
use crate::keys::sha256_hex;
use crate::manifest::{ContentNamed, Mark, PARTS_MAX, ParcelKind, ParcelText, PatientNamed};

/// Digits of a digest in a parcel's id: with what stands before them, as long as an id may be.
const ID_DIGITS: usize = 58;

/// A message as MESH hands it over.
#[derive(Clone, Debug, Default)]
pub struct Arrived {
    /// MESH's id of it.
    pub outside: String,
    /// The mailbox that it came from, and the one that it was for, as its sender wrote it.
    pub mailbox: String,
    pub to: String,
    pub workflow: String,
    pub subject: String,
    pub received_at: Millis,
}

/// A refusal: its code, and why.
type Refusal = (&'static str, String);

fn refusal(code: &'static str, why: &str) -> Refusal {
    (code, why.to_owned())
}

/// What is kept of a message of which nothing is known yet.
pub(super) fn bare(arrived: &Arrived, bytes: Vec<u8>) -> NewIn {
    NewIn {
        key: key(arrived, ""),
        outside: arrived.outside.clone(),
        mailbox: arrived.mailbox.clone(),
        workflow: arrived.workflow.clone(),
        subject: arrived.subject.clone(),
        recipient: arrived.to.clone(),
        bundle: String::new(),
        document: String::new(),
        header: String::new(),
        reference: String::new(),
        sha256: sha256_hex(&bytes),
        bytes,
        wants_infrastructure: false,
        wants_business: false,
        practice: String::new(),
        read: Read::Stray {
            trouble: String::new(),
        },
    }
}

/// The name of a message here: who sent it, and what it calls itself.
fn key(arrived: &Arrived, bundle: &str) -> String {
    let name = match bundle {
        "" => format!("message:{}", arrived.outside),
        bundle => format!("bundle:{}:{bundle}", arrived.mailbox),
    };
    sha256_hex(name.as_bytes())
}

/// A document, or what could not be read as one, as it is kept.
pub fn read(
    arrived: &Arrived,
    bytes: Vec<u8>,
    read: Result<Message, Box<Unread>>,
    me: &Ods,
) -> NewIn {
    let mut new = bare(arrived, bytes);
    // What came as a response is never answered: two nodes would not come to an end.
    let may_answer = !arrived.workflow.ends_with(ANSWERS);
    let message = match read {
        Ok(message) => message,
        Err(unread) => {
            let unread = *unread;
            new.key = key(arrived, &unread.seen.bundle);
            new.bundle = unread.seen.bundle;
            new.header = unread.seen.header;
            new.reference = unread.seen.reference;
            // Where the flag cannot be read, an answer is due.
            new.wants_infrastructure =
                may_answer && unread.seen.wants_infrastructure.unwrap_or(true);
            let place = unread.problem.location.unwrap_or_default();
            new.read = Read::Refused {
                code: unread.code.to_owned(),
                trouble: format!("{} {place}", unread.problem.message)
                    .trim()
                    .to_owned(),
            };
            return new;
        }
    };
    new.key = key(arrived, &message.bundle);
    new.bundle.clone_from(&message.bundle);
    new.header.clone_from(&message.header.id);
    new.reference.clone_from(&message.header.reference);
    new.wants_infrastructure = may_answer && message.header.wants_infrastructure;
    new.wants_business = may_answer && message.header.wants_business;
    if let Body::Document(document) = &message.body {
        new.document.clone_from(&document.id);
        if Ods::parse(&document.practice).is_ok() {
            new.practice.clone_from(&document.practice);
        }
    }
    new.read = match letter(arrived, &message, &new.key, me) {
        Ok(read) => read,
        Err((code, trouble)) => {
            // A negative response is the last.
            new.wants_business = false;
            Read::Refused {
                code: code.to_owned(),
                trouble,
            }
        }
    };
    new
}

fn letter(arrived: &Arrived, message: &Message, key: &str, me: &Ods) -> Result<Read, Refusal> {
    let Body::Document(document) = &message.body else {
        return Err(refusal(
            codes::HEADER,
            "MessageHeader.response: a response was not expected here.",
        ));
    };
    let said = [&message.header.sender.ods, &document.custodian.ods];
    let sender = said.into_iter().find_map(|it| Ods::parse(it).ok());
    let sender = sender.filter(|it| it != me).ok_or_else(|| {
        refusal(
            codes::HEADER,
            "MessageHeader.sender: there is no Organization with an ODS code, or it is the receiver's own.",
        )
    })?;
    check_patient(&arrived.to, &document.patient)?;
    let parts = parts(document)?;
    let named = |(content_type, bytes): &(String, Vec<u8>)| ContentNamed {
        sha256: sha256_hex(bytes),
        size: bytes.len() as u64,
        content_type: content_type.clone(),
    };
    let digits = key.get(..ID_DIGITS).unwrap_or(key);
    let text = ParcelText {
        id: format!("itk3-{digits}"),
        made_at: made_at(document, arrived.received_at),
        title: title(arrived, document),
        author: document.author.clone(),
        // What is restricted must not reach the patient's page by a rule of days.
        marks: document
            .restricted
            .then_some(Mark::SeriousHarm)
            .into_iter()
            .collect(),
        document: document.id.clone(),
        replaces: document.replaces.clone(),
        patient: patient(&document.patient),
        contents: parts.iter().map(named).collect(),
        ..ParcelText::of(ParcelKind::Letter, &sender, me)
    };
    let unsound = |_| {
        refusal(
            codes::PAYLOAD,
            "Composition: something of it is too long or unsound.",
        )
    };
    let written = serde_json::to_string(&text)
        .map_err(|_| refusal(codes::PAYLOAD, "Composition: it cannot be kept."))?;
    ParcelText::parse(&written).map_err(unsound)?;
    let mut parcel = text.to_parcel(written).map_err(unsound)?;
    parcel.kind = Kind::Itk3;
    Ok(Read::Letter {
        replaces: document.replaces.clone(),
        letter: Box::new(Outgoing {
            parcel,
            patient: String::new(),
            document: String::new(),
            contents: parts.into_iter().map(|(_, bytes)| bytes).collect(),
        }),
    })
}

/// A mailbox that is named by a patient must mean the document's.
fn check_patient(to: &str, patient: &Person) -> Result<(), Refusal> {
    let Some((number, born, family)) = patient_of(to) else {
        return Ok(());
    };
    let number_fits = patient.nhs_number.as_ref().is_none_or(|it| *it == number);
    let born_fits = patient
        .birth_date
        .as_ref()
        .is_none_or(|it| born.contains(it));
    let letters = |text: &str| -> String {
        fold(text)
            .chars()
            .filter(|it| it.is_alphanumeric())
            .collect()
    };
    let family_fits = letters(&patient.family) == letters(&family);
    match number_fits && born_fits && family_fits {
        true => Ok(()),
        false => Err(refusal(
            codes::PAYLOAD,
            "Patient: NHS number, date of birth or surname differ from those that the message was addressed by.",
        )),
    }
}

fn parts(document: &Document) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
    let mut parts = Vec::new();
    if !document.narrative.is_empty() {
        // A structured document is read as its narrative tells it.
        let said = document.narrative.clone().into_bytes();
        parts.push(("text/plain".to_owned(), said));
    }
    for part in &document.parts {
        let first = part
            .content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        if !is_taken(first) {
            return Err(refusal(
                codes::FILE_TYPE,
                "Binary.contentType: attachments of this type are not taken.",
            ));
        }
        parts.push((first.to_owned(), part.bytes.clone()));
    }
    // How large one may be is bounded by the message.
    if parts.len() > PARTS_MAX {
        return Err(refusal(codes::PAYLOAD, "Binary: more than 20 attachments."));
    }
    Ok(parts)
}

fn is_taken(content_type: &str) -> bool {
    matches!(
        content_type,
        "application/pdf"
            | "text/plain"
            | "text/html"
            | "text/rtf"
            | "application/rtf"
            | "text/xml"
            | "application/xml"
            | "image/tiff"
            | "image/jpeg"
            | "image/png"
            | "application/msword"
            | "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    )
}

fn made_at(document: &Document, received_at: Millis) -> Millis {
    let span = date::span(&document.date);
    span.map_or(received_at, |span| span.low.min(received_at))
}

/// Of a consultation report what stands on its envelope is shown, as it must be; it names nothing that is restricted.
fn title(arrived: &Arrived, document: &Document) -> String {
    let subject = arrived.subject.trim();
    let by_subject = arrived.workflow == CONSULTATION_REPORT && !document.restricted;
    match by_subject && !subject.is_empty() {
        true => subject.to_owned(),
        false => document.title.clone(),
    }
}

/// The three by which a patient is matched; what is unsound is left out, so that a person looks.
fn patient(named: &Person) -> PatientNamed {
    let number = named
        .nhs_number
        .as_deref()
        .and_then(|it| NhsNumber::parse(it).ok());
    let is_day = |it: &&String| it.len() == 10 && date::span(it).is_some();
    PatientNamed {
        nhs_number: number.map(|it| it.digits().to_owned()),
        birth_date: named.birth_date.as_ref().filter(is_day).cloned(),
        family: named.family.clone(),
        given: named.given.clone(),
    }
}
