//! The message that a letter becomes.

use access::NhsNumber;
use fhir::date;
use fhir::itk3::care::Structure;
use fhir::itk3::{
    Body, Care, Document, Header, Message, Organisation, Part, Person, SEND_DOCUMENT,
    SEND_DOCUMENT_EVENT, write,
};
use fhir::problem::{Kind, Problem};
use store::itk3::ToSend;

use super::CONSULTATION_REPORT;
use crate::discharge;
use crate::keys::sha256_hex;

/// Who sends.
pub(super) struct Sender<'a> {
    pub(super) ods: &'a str,
    pub(super) name: &'a str,
    pub(super) telephone: &'a str,
    pub(super) mailbox: &'a str,
    /// The MessageDefinition of Transfer of Care documents, where it is not that published last.
    pub(super) discharge_definition: Option<&'a str>,
}

/// The message's bytes, the same however often, and what stands on its envelope.
///
/// # Errors
/// `Value` if its workflow is one of Transfer of Care and the letter is no discharge by its headings.
pub(super) fn message(
    sender: &Sender<'_>,
    letter: &ToSend,
    mut parts: Vec<Part>,
) -> Result<(Vec<u8>, String), Problem> {
    let is_report = letter.workflow == CONSULTATION_REPORT;
    let organisation = Organisation {
        ods: sender.ods.to_owned(),
        name: sender.name.to_owned(),
        telephone: sender.telephone.to_owned(),
    };
    let subject = subject(sender, letter, is_report);
    let structure = match Care::of_workflow(&letter.workflow) {
        Some(care) => Some(Box::new(structured(sender, letter, (care, &mut parts))?)),
        None => None,
    };
    let care = structure.as_ref().map(|it| it.care);
    let (event, definition) = match care {
        Some(care) => {
            let definition = sender.discharge_definition.unwrap_or(care.definition());
            (care.event(), definition)
        }
        None => (SEND_DOCUMENT_EVENT, SEND_DOCUMENT),
    };
    let local = match care {
        // The word for none, which is not left out there.
        Some(_) => Some("None"),
        None => is_report.then_some("SendDocument-ConsultationReport"),
    };
    let document = Document {
        structure,
        custodian: organisation.clone(),
        parts,
        ..document(sender, letter, is_report)
    };
    let message = Message {
        bundle: letter.bundle.clone(),
        header: Header {
            id: letter.header.clone(),
            event: event.to_owned(),
            endpoint: sender.mailbox.to_owned(),
            sender: Organisation {
                telephone: String::new(),
                ..organisation
            },
            timestamp: date::instant(letter.made_at),
            wants_business: true,
            wants_infrastructure: true,
            definition: definition.to_owned(),
            reference: letter.id.clone(),
            local: local.map(str::to_owned),
        },
        body: Body::Document(Box::new(document)),
    };
    let bytes = write(&message, &|word| derived(&letter.header, word));
    Ok((bytes, subject))
}

/// The document but for its attachments and who keeps it.
fn document(sender: &Sender<'_>, letter: &ToSend, is_report: bool) -> Document {
    let title = match letter.title.trim() {
        _ if is_report => "Consultation report",
        "" => "Letter",
        title => title,
    };
    let version = if letter.replaced.is_empty() { 1 } else { 2 };
    let author = match letter.author.trim() {
        "" => sender.name,
        author => author,
    };
    let is_care = Care::of_workflow(&letter.workflow).is_some();
    Document {
        id: letter.bundle.clone(),
        title: title.to_owned(),
        summary: format!("{}, Version {version}", about(sender, letter, is_report)),
        date: date::instant(letter.made_at),
        restricted: letter.marked,
        patient: Person {
            nhs_number: letter.named.nhs_number.clone(),
            birth_date: letter.named.birth_date.clone(),
            family: letter.named.family.clone(),
            given: letter.named.given.clone(),
        },
        practice: match is_care {
            true => letter.ods.clone(),
            false => String::new(),
        },
        author: author.to_owned(),
        custodian: Organisation::default(),
        replaces: (!letter.replaced.is_empty()).then(|| letter.replaced.clone()),
        narrative: String::new(),
        structure: None,
        parts: Vec::new(),
    }
}

/// The discharge that the letter's first part is, which is then no attachment: what such a document says stands in its
/// sections.
fn structured(
    sender: &Sender<'_>,
    letter: &ToSend,
    (care, parts): (Care, &mut Vec<Part>),
) -> Result<Structure, Problem> {
    let wrong = || {
        let message = "It was to leave as a Transfer of Care document, and is not written by the headings of one.";
        Problem::new(Kind::Value, message)
    };
    if parts.is_empty() {
        return Err(wrong());
    }
    let text = String::from_utf8(parts.remove(0).bytes).map_err(|_| wrong())?;
    let ends = (letter.ods.as_str(), sender.telephone);
    discharge::structure(&text, care, ends).ok_or_else(wrong)
}

/// A UUID of a word inside a message.
pub(super) fn derived(message: &str, word: &str) -> String {
    let digest = sha256_hex(format!("{message}/{word}").as_bytes());
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    // The version and variant of one that is made as its maker likes.
    format!(
        "{}-{}-8{}-a{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

/// What a document is about, in the words that consultation reports must have; where it was is left out of one
/// that is restricted.
fn about(sender: &Sender<'_>, letter: &ToSend, is_report: bool) -> String {
    let named = &letter.named;
    let what = if is_report {
        "Consultation report"
    } else {
        "Letter"
    };
    let number = named.nhs_number.as_deref().unwrap_or("not known");
    let number = NhsNumber::parse(number).map_or(number.to_owned(), |it| it.digits().to_owned());
    let place = match letter.marked {
        true => String::new(),
        false => format!(", seen at {}, ODS Code {}", sender.name, sender.ods),
    };
    let name = format!("{} {}", named.given, named.family);
    format!("{what} for {} , NHS Number {number}{place}", name.trim())
}

/// What stands on the envelope: of a consultation report what must, of other letters nothing about the patient.
fn subject(sender: &Sender<'_>, letter: &ToSend, is_report: bool) -> String {
    let text = match is_report {
        true => about(sender, letter, true),
        false => format!("Letter from {}, ODS Code {}", sender.name, sender.ods),
    };
    let plain = |it: char| if (' '..='~').contains(&it) { it } else { '?' };
    text.chars().map(plain).take(500).collect()
}
