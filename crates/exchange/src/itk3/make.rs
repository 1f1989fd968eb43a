//! The message that a letter becomes.

use access::NhsNumber;
use fhir::date;
use fhir::itk3::{
    Body, Document, Header, Message, Organisation, Part, Person, SEND_DOCUMENT,
    SEND_DOCUMENT_EVENT, write,
};
use store::itk3::ToSend;

use super::CONSULTATION_REPORT;
use crate::keys::sha256_hex;

/// Who sends.
pub(super) struct Sender<'a> {
    pub(super) ods: &'a str,
    pub(super) name: &'a str,
    pub(super) telephone: &'a str,
    pub(super) mailbox: &'a str,
}

/// The message's bytes, the same however often, and what stands on its envelope.
pub(super) fn message(sender: &Sender<'_>, letter: &ToSend, parts: Vec<Part>) -> (Vec<u8>, String) {
    let is_report = letter.workflow == CONSULTATION_REPORT;
    let organisation = Organisation {
        ods: sender.ods.to_owned(),
        name: sender.name.to_owned(),
        telephone: sender.telephone.to_owned(),
    };
    let subject = subject(sender, letter, is_report);
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
    let document = Document {
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
        practice: String::new(),
        author: author.to_owned(),
        custodian: organisation.clone(),
        replaces: (!letter.replaced.is_empty()).then(|| letter.replaced.clone()),
        narrative: String::new(),
        parts,
    };
    let message = Message {
        bundle: letter.bundle.clone(),
        header: Header {
            id: letter.header.clone(),
            event: SEND_DOCUMENT_EVENT.to_owned(),
            endpoint: sender.mailbox.to_owned(),
            sender: Organisation {
                telephone: String::new(),
                ..organisation
            },
            timestamp: date::instant(letter.made_at),
            wants_business: true,
            wants_infrastructure: true,
            definition: SEND_DOCUMENT.to_owned(),
            reference: letter.id.clone(),
            local: is_report.then(|| "SendDocument-ConsultationReport".to_owned()),
        },
        body: Body::Document(Box::new(document)),
    };
    (
        write(&message, &|word| derived(&letter.header, word)),
        subject,
    )
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
