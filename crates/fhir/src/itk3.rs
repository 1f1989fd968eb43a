//! ITK3 messages: FHIR STU3 in XML as the NHS's ITK3 Message Distribution Standard has it
//! (<https://developer.nhs.uk/apis/itk3messagedistribution/>), as far as documents (GP Connect Send Document,
//! Transfer of Care) and the responses to them need it. A message is a Bundle whose first resource is a
//! MessageHeader; its focus is a document, or it answers one with an OperationOutcome.
//!
//! What is read is plain data; nothing of STU3 is taken for R4.

pub mod care;
pub mod codes;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use care::Care;
pub use read::{Seen, Unread, read};
pub use write::write;

pub(crate) const MESSAGE_BUNDLE: &str =
    "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Message-Bundle-1";
pub(crate) const MESSAGE_HEADER: &str =
    "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-MessageHeader-2";
pub(crate) const HANDLING: &str =
    "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2";
pub(crate) const RECIPIENT_TYPE: &str = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-RecipientType-1";
pub(crate) const EVENTS: &str = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2";
pub(crate) const RESPONSE_CODES: &str = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1";
pub(crate) const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
pub(crate) const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
pub(crate) const UUID: &str = "https://tools.ietf.org/html/rfc4122";

/// The payload of GP Connect Send Document.
pub const SEND_DOCUMENT: &str =
    "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1";
/// That of a response.
pub const RESPONSE: &str =
    "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-Response-MessageDefinition-1";
/// The event of GP Connect Send Document, and that of a response.
pub const SEND_DOCUMENT_EVENT: &str = "ITK007C";
pub const RESPONSE_EVENT: &str = "ITK008M";

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The identifier of its Bundle: the same message again has the same.
    pub bundle: String,
    pub header: Header,
    pub body: Body,
}

/// What its MessageHeader says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// By which a response names it.
    pub id: String,
    /// A code of ITK-MessageEvent-2.
    pub event: String,
    /// The sender's mailbox, as the sender says it.
    pub endpoint: String,
    pub sender: Organisation,
    /// An instant of FHIR.
    pub timestamp: String,
    pub wants_business: bool,
    pub wants_infrastructure: bool,
    /// The address of the payload's MessageDefinition.
    pub definition: String,
    /// The sender's own name for what the message is about; a response bears the same.
    pub reference: String,
    /// The use case, where one is named.
    pub local: Option<String>,
}

/// An organisation, by what of it is said; what is not is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organisation {
    pub ods: String,
    pub name: String,
    pub telephone: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Document(Box<Document>),
    Response(Response),
}

/// A document's Composition and what it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// By which a later one says that it replaces it: the identifier of its own Bundle, and of Transfer of Care that
    /// of its Composition.
    pub id: String,
    pub title: String,
    /// What the Composition's own narrative says.
    pub summary: String,
    /// A dateTime of FHIR.
    pub date: String,
    /// Whether its confidentiality is restricted or more.
    pub restricted: bool,
    pub patient: Person,
    /// The ODS code of the practice that it names as the patient's; empty for none.
    pub practice: String,
    /// Who wrote it, as people read names.
    pub author: String,
    pub custodian: Organisation,
    /// The identifier of the document that this one replaces.
    pub replaces: Option<String>,
    /// What its sections say in their narratives, with their titles; empty if nothing.
    pub narrative: String,
    /// What is written as a Transfer of Care document. Of one that is read its narratives are in `narrative`, and this
    /// is `None`.
    pub structure: Option<Box<care::Structure>>,
    /// The attachments in the order of the sections.
    pub parts: Vec<Part>,
}

/// Whom it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// As written; whether it is one is not looked at here.
    pub nhs_number: Option<String>,
    /// `YYYY-MM-DD`
    pub birth_date: Option<String>,
    pub family: String,
    pub given: String,
}

/// An attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// A MIME type.
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// An answer to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The id of the MessageHeader that it answers.
    pub to: String,
    /// A code of ITK-ResponseCodes-1: five digits.
    pub code: String,
    /// What is wrong and where; nobody is named in it.
    pub diagnostics: String,
}
