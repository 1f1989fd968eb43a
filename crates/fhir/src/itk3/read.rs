//! Reading a message, leniently where nothing is lost by it: what a person can settle is theirs to settle.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{
    Body, Document, HANDLING, Header, Message, NHS_NUMBER, ODS, Organisation, Part, Person,
    Response, SEND_DOCUMENT_EVENT, codes,
};
use crate::json::Limits;
use crate::problem::{Kind, Problem};
use crate::xml::tree::{Element, parse};

/// Attachments of one document, at most.
const PARTS_MAX: usize = 50;
/// The longest word that is kept of anything, in characters.
const WORDS_MAX: usize = 500;

/// Senders pad as they like.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A message that is not taken as it is, and what of it could be read, by which it is answered.
#[derive(Clone, Debug)]
pub struct Unread {
    /// A code of ITK-ResponseCodes-1.
    pub code: &'static str,
    /// Where and why; nobody is named in it.
    pub problem: Problem,
    pub seen: Seen,
}

/// What of a message could be read before it could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub bundle: String,
    pub header: String,
    pub reference: String,
    /// `Some(false)`: the sender wants no answer about infrastructure.
    pub wants_infrastructure: Option<bool>,
}

/// A code, and what is wrong: nothing of what the message holds.
type Fault = (&'static str, &'static str);

fn fault(code: &'static str, message: &'static str) -> Fault {
    (code, message)
}

/// Reads a message.
///
/// # Errors
/// What is wrong, as the code of a response says it.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Message, Box<Unread>> {
    let mut seen = Seen::default();
    let tree = parse(bytes, limits).map_err(|problem| {
        Box::new(Unread {
            code: codes::UNREADABLE,
            problem,
            seen: Seen::default(),
        })
    })?;
    message(&tree, &mut seen).map_err(|(code, message)| {
        Box::new(Unread {
            code,
            problem: Problem::new(Kind::Structure, message),
            seen,
        })
    })
}

fn words(text: Option<&str>) -> String {
    let text = text.unwrap_or_default().trim();
    let plain = text
        .chars()
        .map(|it| if it.is_control() { ' ' } else { it });
    plain.take(WORDS_MAX).collect()
}

/// The resources of a Bundle, each with the address of its entry.
struct Entries<'e>(Vec<(&'e str, &'e Element)>);

impl<'e> Entries<'e> {
    fn of(bundle: &'e Element) -> Entries<'e> {
        let entry = |entry: &'e Element| {
            let resource = entry.child("resource")?.children.first()?;
            Some((entry.text(&["fullUrl"]).unwrap_or_default(), resource))
        };
        Entries(bundle.all("entry").filter_map(entry).collect())
    }

    /// The resource that an element's reference names.
    fn named(&self, element: Option<&Element>) -> Option<&'e Element> {
        let reference = element?.text(&["reference"])?;
        let is = |(url, resource): &&(&str, &Element)| {
            let id = resource.text(&["id"]).unwrap_or_default();
            *url == reference
                || !id.is_empty()
                    && (reference.strip_prefix("urn:uuid:") == Some(id)
                        || reference == format!("{}/{id}", resource.name))
        };
        self.0.iter().find(is).map(|(_, resource)| *resource)
    }
}

fn message(tree: &Element, seen: &mut Seen) -> Result<Message, Fault> {
    if tree.name != "Bundle" || tree.text(&["type"]) != Some("message") {
        return Err(fault(
            codes::HEADER,
            "The message is not a Bundle of the type message.",
        ));
    }
    let bundle = tree.text(&["identifier", "value"]).or(tree.text(&["id"]));
    seen.bundle = words(bundle);
    if seen.bundle.is_empty() {
        return Err(fault(codes::HEADER, "Bundle: there is no identifier."));
    }
    let entries = Entries::of(tree);
    let Some((_, header)) = entries.0.first().filter(|it| it.1.name == "MessageHeader") else {
        let message = "Bundle.entry: the first resource is not a MessageHeader.";
        return Err(fault(codes::HEADER, message));
    };
    seen.header = words(header.text(&["id"]));
    let response = header.child("response");
    let read = read_header(header, &entries, seen, response.is_some())?;
    let body = match response {
        Some(response) => Body::Response(read_response(header, response, &entries)?),
        None => Body::Document(Box::new(focus(header, &entries)?)),
    };
    Ok(Message {
        bundle: seen.bundle.clone(),
        header: read,
        body,
    })
}

/// An extension inside ITK's handling.
fn handling<'e>(handling: &'e Element, url: &str) -> Option<&'e Element> {
    handling
        .all("extension")
        .find(|it| it.url.as_deref() == Some(url))
}

/// A flag; what is not there is `None`.
fn flag(outer: &Element, url: &str, code: &'static str) -> Result<Option<bool>, Fault> {
    let Some(extension) = handling(outer, url) else {
        return Ok(None);
    };
    match extension.text(&["valueBoolean"]) {
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        _ => Err(fault(
            code,
            "MessageHeader.extension: a flag for a response is neither true nor false.",
        )),
    }
}

fn read_header(
    header: &Element,
    entries: &Entries<'_>,
    seen: &mut Seen,
    is_response: bool,
) -> Result<Header, Fault> {
    if seen.header.is_empty() {
        return Err(fault(codes::HEADER, "MessageHeader.id: is missing."));
    }
    let outer = header
        .all("extension")
        .find(|it| it.url.as_deref() == Some(HANDLING));
    let empty = Element::default();
    let outer = match outer {
        Some(outer) => outer,
        None if is_response => &empty,
        None => {
            let message = "MessageHeader.extension: there is no Extension-ITK-MessageHandling-2.";
            return Err(fault(codes::HANDLING, message));
        }
    };
    seen.reference =
        words(handling(outer, "SenderReference").and_then(|it| it.text(&["valueString"])));
    let wants_infrastructure = flag(outer, "InfAckRequested", codes::INFRASTRUCTURE_FLAG)?;
    seen.wants_infrastructure = wants_infrastructure;
    let wants_business = flag(outer, "BusAckRequested", codes::BUSINESS_FLAG)?;
    let definition = handling(outer, "MessageDefinition");
    let definition = words(definition.and_then(|it| it.text(&["valueReference", "reference"])));
    if !is_response && !definition.contains("/MessageDefinition/ITK-") {
        let message =
            "MessageHeader.extension: MessageDefinition is missing, or of no ITK3 document.";
        return Err(fault(codes::DEFINITION, message));
    }
    let recipient = handling(outer, "RecipientType");
    let recipient = recipient.map(|it| it.text(&["valueCoding", "code"]).unwrap_or_default());
    if !is_response && recipient.is_some_and(|it| !matches!(it, "FA" | "FI")) {
        let message = "MessageHeader.extension: RecipientType is neither FA nor FI.";
        return Err(fault(codes::RECIPIENT_TYPE, message));
    }
    let local = handling(outer, "LocalExtension").and_then(|it| it.text(&["valueString"]));
    let sender = entries.named(header.child("sender"));
    Ok(Header {
        id: seen.header.clone(),
        event: words(header.text(&["event", "code"])),
        endpoint: words(header.text(&["source", "endpoint"])),
        sender: sender.map(organisation).unwrap_or_default(),
        timestamp: words(header.text(&["timestamp"])),
        wants_business: wants_business.unwrap_or(false),
        wants_infrastructure: wants_infrastructure.unwrap_or(false),
        definition,
        reference: seen.reference.clone(),
        local: local.map(|it| words(Some(it))),
    })
}

fn identifier(resource: &Element, system: &str) -> Option<String> {
    let mut all = resource.all("identifier");
    let found = all.find(|it| it.text(&["system"]) == Some(system))?;
    let value = words(found.text(&["value"]));
    (!value.is_empty()).then_some(value)
}

fn organisation(resource: &Element) -> Organisation {
    let telephone = resource
        .all("telecom")
        .find(|it| it.text(&["system"]) == Some("phone"));
    Organisation {
        ods: identifier(resource, ODS)
            .unwrap_or_default()
            .to_ascii_uppercase(),
        name: words(resource.text(&["name"])),
        telephone: words(telephone.and_then(|it| it.text(&["value"]))),
    }
}

fn read_response(
    header: &Element,
    response: &Element,
    entries: &Entries<'_>,
) -> Result<Response, Fault> {
    let details = entries.named(response.child("details"));
    let details = details.or_else(|| entries.named(header.child("focus")));
    let named = entries.0.iter().find(|it| it.1.name == "OperationOutcome");
    let outcome = details.or(named.map(|it| it.1));
    let issue = outcome.and_then(|it| it.child("issue"));
    let code = issue.and_then(|it| it.text(&["details", "coding", "code"]));
    let code = words(code);
    if !codes::is_code(&code) {
        let message = "OperationOutcome.issue.details: there is no response code.";
        return Err(fault(codes::PAYLOAD, message));
    }
    let diagnostics = issue.and_then(|it| it.text(&["diagnostics"]));
    Ok(Response {
        to: words(response.text(&["identifier"])),
        code,
        diagnostics: words(diagnostics),
    })
}

fn focus(header: &Element, entries: &Entries<'_>) -> Result<Document, Fault> {
    let wrong = |message: &'static str| fault(codes::PAYLOAD, message);
    let bundle = entries
        .named(header.child("focus"))
        .filter(|it| it.name == "Bundle" && it.text(&["type"]) == Some("document"))
        .ok_or_else(|| wrong("MessageHeader.focus: there is no Bundle of the type document."))?;
    let named = bundle.text(&["identifier", "value"]);
    let entries = Entries::of(bundle);
    let composition = entries.0.iter().find(|it| it.1.name == "Composition");
    let Some((_, composition)) = composition else {
        return Err(wrong("The document's Bundle holds no Composition."));
    };
    let id = match header.text(&["event", "code"]) == Some(SEND_DOCUMENT_EVENT) {
        true => named,
        false => composition.text(&["identifier", "value"]).or(named),
    };
    let patient = entries
        .named(composition.child("subject"))
        .filter(|it| it.name == "Patient")
        .ok_or_else(|| wrong("Composition.subject: there is no Patient of that name."))?;
    let author = entries.named(composition.child("author"));
    let author = match author.filter(|it| it.name == "PractitionerRole") {
        Some(role) => entries.named(role.child("practitioner")),
        None => author,
    };
    let custodian = entries.named(composition.child("custodian"));
    let confidentiality = composition.text(&["confidentiality"]).unwrap_or("N");
    let mut sections = Sections::default();
    for section in composition.all("section") {
        sections.add(section, &entries)?;
    }
    if sections.parts.is_empty() && sections.said.is_empty() {
        return Err(wrong(
            "Composition.section: there is neither an attachment nor a narrative.",
        ));
    }
    let replaces = composition
        .all("relatesTo")
        .find(|it| it.text(&["code"]) == Some("replaces"));
    let summary = composition.child("text").and_then(|it| it.child("div"));
    Ok(Document {
        id: words(id),
        title: words(composition.text(&["title"])),
        summary: summary.map(|it| it.prose.clone()).unwrap_or_default(),
        date: words(composition.text(&["date"])),
        restricted: matches!(confidentiality, "R" | "V"),
        patient: person(patient),
        practice: practice(patient, &entries),
        author: author.map(name_of).unwrap_or_default(),
        custodian: custodian.map(organisation).unwrap_or_default(),
        replaces: replaces
            .and_then(|it| it.text(&["targetIdentifier", "value"]))
            .map(|it| words(Some(it))),
        narrative: sections.said.join("\n\n"),
        structure: None,
        parts: sections.parts,
    })
}

/// What sections hold.
#[derive(Default)]
struct Sections {
    said: Vec<String>,
    parts: Vec<Part>,
}

impl Sections {
    /// A section and those inside it; how deep is bounded by the tree.
    fn add(&mut self, section: &Element, entries: &Entries<'_>) -> Result<(), Fault> {
        let said = section.child("text").and_then(|it| it.child("div"));
        if let Some(said) = said.map(|it| it.prose.as_str()).filter(|it| !it.is_empty()) {
            let title = words(section.text(&["title"]));
            self.said.push(match title.as_str() {
                "" => said.to_owned(),
                title => format!("{title}\n{said}"),
            });
        }
        for entry in section.all("entry") {
            match entries.named(Some(entry)) {
                Some(binary) if binary.name == "Binary" => self.parts.push(part(binary)?),
                // Coded entries of a structured document, which its narrative tells too.
                Some(_) => {}
                None => {
                    let message =
                        "Composition.section.entry: names nothing that is in the message.";
                    return Err(fault(codes::PAYLOAD, message));
                }
            }
        }
        if self.parts.len() > PARTS_MAX {
            return Err(fault(
                codes::PAYLOAD,
                "The document has more than 50 attachments.",
            ));
        }
        section
            .all("section")
            .try_for_each(|inner| self.add(inner, entries))
    }
}

fn part(binary: &Element) -> Result<Part, Fault> {
    let content = binary.text(&["content"]).or(binary.text(&["data"]));
    let content: String = content
        .unwrap_or_default()
        .split_ascii_whitespace()
        .collect();
    let bytes = BASE64
        .decode(content)
        .map_err(|_| fault(codes::PAYLOAD, "Binary.content: is not base64."))?;
    let content_type = words(binary.text(&["contentType"])).to_ascii_lowercase();
    if bytes.is_empty() || content_type.is_empty() {
        let message = "Binary: its content or its type is missing.";
        return Err(fault(codes::PAYLOAD, message));
    }
    Ok(Part {
        content_type,
        bytes,
    })
}

/// A person's official name, or the first.
fn name(resource: &Element) -> Option<&Element> {
    let mut all = resource.all("name");
    let official = all.find(|it| it.text(&["use"]) == Some("official"));
    official.or_else(|| resource.child("name"))
}

fn given(name: &Element) -> String {
    let given: Vec<String> = name
        .all("given")
        .map(|it| words(it.value.as_deref()))
        .collect();
    words(Some(&given.join(" ")))
}

fn person(patient: &Element) -> Person {
    let name = name(patient);
    let born = words(patient.text(&["birthDate"]));
    Person {
        nhs_number: identifier(patient, NHS_NUMBER),
        birth_date: (!born.is_empty()).then_some(born),
        family: words(name.and_then(|it| it.text(&["family"]))),
        given: name.map(given).unwrap_or_default(),
    }
}

/// The patient's practice: an Organization, or that of somebody's role; by its entry, or by its identifier alone.
fn practice(patient: &Element, entries: &Entries<'_>) -> String {
    let of = |named: &Element| {
        let identified = named.child("identifier");
        let identified = identified.filter(|it| it.text(&["system"]) == Some(ODS));
        if let Some(code) = identified.and_then(|it| it.text(&["value"])) {
            return Some(code.to_ascii_uppercase());
        }
        let found = entries.named(Some(named))?;
        let found = match found.name.as_str() {
            "PractitionerRole" => entries.named(found.child("organization"))?,
            _ => found,
        };
        let is_organisation = found.name == "Organization";
        is_organisation.then(|| organisation(found).ods)
    };
    let mut named = patient.all("generalPractitioner").filter_map(of);
    words(named.find(|it| !it.is_empty()).as_deref())
}

fn name_of(resource: &Element) -> String {
    let Some(name) = name(resource) else {
        return String::new();
    };
    if let Some(text) = name.text(&["text"]) {
        return words(Some(text));
    }
    // An Organization's name is its value.
    if let Some(text) = &name.value {
        return words(Some(text));
    }
    let prefix = words(name.text(&["prefix"]));
    let family = words(name.text(&["family"]));
    let parts = [prefix, given(name), family];
    let parts: Vec<&str> = parts
        .iter()
        .map(String::as_str)
        .filter(|it| !it.is_empty())
        .collect();
    words(Some(&parts.join(" ")))
}
