//! Writing a message. The same message with the same ids is the same bytes.

mod structure;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{
    Body, Document, EVENTS, HANDLING, Header, MESSAGE_BUNDLE, MESSAGE_HEADER, Message, NHS_NUMBER,
    ODS, Organisation, Person, RECIPIENT_TYPE, RESPONSE_CODES, RESPONSE_EVENT, Response,
    SEND_DOCUMENT_EVENT, UUID, care, codes,
};

const DOCUMENT_BUNDLE: &str = "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Document-Bundle-1";
const ATTACHMENT: &str = "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Attachment-Binary-1";
const HEADER_ORGANISATION: &str =
    "https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-ITK-Header-Organization-1";
const OUTCOME: &str =
    "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Response-OperationOutcome-1";
const CARE_CONNECT: &str = "https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-";
const SNOMED: &str = "http://snomed.info/sct";
/// The one type that GP Connect Send Document names.
const TYPE: (&str, &str) = ("371531000", "Report of clinical encounter");

/// Writes a message. `id` gives the id (a UUID) of each resource that has no name of its own in the message: the same
/// word gives the same id, and another word another.
pub fn write(message: &Message, id: &dyn Fn(&str) -> String) -> Vec<u8> {
    let mut xml = Xml::default();
    xml.open("Bundle xmlns=\"http://hl7.org/fhir\"");
    xml.value("id", &id("message"));
    xml.profile(MESSAGE_BUNDLE);
    xml.identifier(UUID, &message.bundle);
    xml.value("type", "message");
    let (sender, focus) = (id("sender"), id("focus"));
    xml.resource(&message.header.id, |xml| {
        header(xml, message, &sender, &focus);
    });
    xml.resource(&sender, |xml| {
        header_organisation(xml, &sender, &message.header.sender);
    });
    xml.resource(&focus, |xml| match &message.body {
        Body::Document(it) => {
            // By which a later document says that it replaces this one: of GP Connect Send Document it is the Bundle's.
            let own = match message.header.event == SEND_DOCUMENT_EVENT {
                true => id("composition"),
                false => it.id.clone(),
            };
            document(xml, (&focus, own), it, id);
        }
        Body::Response(it) => outcome(xml, &focus, it),
    });
    xml.close("Bundle");
    xml.0.into_bytes()
}

/// XML in the making.
#[derive(Default)]
struct Xml(String);

impl Xml {
    fn open(&mut self, tag: &str) {
        self.0.push('<');
        self.0.push_str(tag);
        self.0.push('>');
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    fn within(&mut self, name: &str, inner: impl FnOnce(&mut Xml)) {
        self.open(name);
        inner(self);
        self.close(name);
    }

    /// `<name value="…"/>`
    fn value(&mut self, name: &str, value: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push_str(" value=\"");
        self.escaped(value);
        self.0.push_str("\"/>");
    }

    /// As `value`, but nothing where there is nothing to say.
    fn some(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.value(name, value);
        }
    }

    fn escaped(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\n' => self.0.push_str("&#10;"),
                '\t' => self.0.push_str("&#9;"),
                // XML does not have them.
                it if it < ' ' || matches!(it, '\u{fffe}' | '\u{ffff}') => self.0.push(' '),
                it => self.0.push(it),
            }
        }
    }

    fn profile(&mut self, url: &str) {
        self.within("meta", |xml| xml.value("profile", url));
    }

    fn identifier(&mut self, system: &str, value: &str) {
        self.within("identifier", |xml| {
            xml.value("system", system);
            xml.value("value", value);
        });
    }

    fn coding(&mut self, name: &str, [system, code, display]: [&str; 3]) {
        self.within(name, |xml| {
            xml.value("system", system);
            xml.value("code", code);
            xml.value("display", display);
        });
    }

    fn reference(&mut self, name: &str, id: &str) {
        let reference = format!("urn:uuid:{id}");
        self.within(name, |xml| xml.value("reference", &reference));
    }

    fn resource(&mut self, id: &str, inner: impl FnOnce(&mut Xml)) {
        self.within("entry", |xml| {
            xml.value("fullUrl", &format!("urn:uuid:{id}"));
            xml.within("resource", inner);
        });
    }

    fn extension(&mut self, url: &str, inner: impl FnOnce(&mut Xml)) {
        self.open(&format!("extension url=\"{url}\""));
        inner(self);
        self.close("extension");
    }

    fn prose(&mut self, said: &str) {
        self.within("text", |xml| {
            xml.value("status", "generated");
            xml.open("div xmlns=\"http://www.w3.org/1999/xhtml\"");
            for line in said.lines() {
                xml.open("p");
                xml.escaped(line);
                xml.close("p");
            }
            xml.close("div");
        });
    }
}

fn header(xml: &mut Xml, message: &Message, sender: &str, focus: &str) {
    let header = &message.header;
    let is_response = matches!(message.body, Body::Response(_));
    xml.open("MessageHeader");
    xml.value("id", &header.id);
    xml.profile(MESSAGE_HEADER);
    xml.extension(HANDLING, |xml| handling(xml, header));
    let display = match is_response {
        true => "ITK Response",
        false => care::event_name(&header.event).unwrap_or("ITK GP Connect Send Document"),
    };
    // The order of STU3: event, receiver, sender, timestamp, author, source, responsible, response, focus.
    xml.coding("event", [EVENTS, &header.event, display]);
    xml.reference("sender", sender);
    xml.value("timestamp", &header.timestamp);
    xml.within("source", |xml| xml.value("endpoint", &header.endpoint));
    if let Body::Response(response) = &message.body {
        let code = match codes::is_positive(&response.code) {
            true => "ok",
            false => "fatal-error",
        };
        xml.within("response", |xml| {
            xml.value("identifier", &response.to);
            xml.value("code", code);
            xml.reference("details", focus);
        });
    }
    xml.reference("focus", focus);
    xml.close("MessageHeader");
}

fn handling(xml: &mut Xml, header: &Header) {
    let flag = |it: bool| if it { "true" } else { "false" };
    xml.extension("BusAckRequested", |xml| {
        xml.value("valueBoolean", flag(header.wants_business));
    });
    xml.extension("InfAckRequested", |xml| {
        xml.value("valueBoolean", flag(header.wants_infrastructure));
    });
    // A response is for nobody to act on.
    let (code, display) = match header.event == RESPONSE_EVENT {
        true => ("FI", "For Information"),
        false => ("FA", "For Action"),
    };
    xml.extension("RecipientType", |xml| {
        xml.coding("valueCoding", [RECIPIENT_TYPE, code, display]);
    });
    xml.extension("MessageDefinition", |xml| {
        xml.within("valueReference", |xml| {
            xml.value("reference", &header.definition);
        });
    });
    xml.extension("SenderReference", |xml| {
        xml.value("valueString", &header.reference);
    });
    if let Some(local) = &header.local {
        xml.extension("LocalExtension", |xml| xml.value("valueString", local));
    }
}

fn header_organisation(xml: &mut Xml, id: &str, organisation: &Organisation) {
    xml.within("Organization", |xml| {
        xml.value("id", id);
        xml.profile(HEADER_ORGANISATION);
        xml.identifier(ODS, &organisation.ods);
        xml.some("name", &organisation.name);
    });
}

fn document(
    xml: &mut Xml,
    (bundle, own): (&str, String),
    it: &Document,
    id: &dyn Fn(&str) -> String,
) {
    xml.open("Bundle");
    xml.value("id", bundle);
    xml.profile(DOCUMENT_BUNDLE);
    xml.identifier(UUID, &it.id);
    xml.value("type", "document");
    let structure = it.structure.as_deref();
    let names = Names {
        composition: id("composition"),
        own,
        patient: id("patient"),
        author: id("author"),
        custodian: id("custodian"),
        practice: (structure.is_some() && !it.practice.is_empty()).then(|| id("practice")),
        stay: structure.map(|_| id("stay")),
        parts: (0..it.parts.len())
            .map(|part| id(&format!("part {part}")))
            .collect(),
    };
    xml.resource(&names.composition, |xml| composition(xml, it, &names));
    for (name, part) in names.parts.iter().zip(&it.parts) {
        xml.resource(name, |xml| {
            xml.within("Binary", |xml| {
                xml.value("id", name);
                xml.profile(ATTACHMENT);
                xml.value("contentType", &part.content_type);
                xml.value("content", &STANDARD.encode(&part.bytes));
            });
        });
    }
    if let (Some(stay), Some(structure)) = (&names.stay, structure) {
        xml.resource(stay, |xml| {
            structure::stay(xml, stay, (it, structure), &names);
        });
    }
    xml.resource(&names.author, |xml| {
        practitioner(xml, &names.author, &it.author)
    });
    xml.resource(&names.custodian, |xml| {
        organisation(xml, &names.custodian, &it.custodian)
    });
    if let (Some(practice), Some(structure)) = (&names.practice, structure) {
        let known = Organisation {
            ods: it.practice.clone(),
            name: structure.practice_name.clone(),
            telephone: String::new(),
        };
        xml.resource(practice, |xml| organisation(xml, practice, &known));
    }
    xml.resource(&names.patient, |xml| {
        patient(xml, &it.patient, &names);
    });
    xml.close("Bundle");
}

/// The ids of a document's resources.
struct Names {
    composition: String,
    /// The Composition's identifier.
    own: String,
    patient: String,
    author: String,
    custodian: String,
    /// What only a Transfer of Care document has: the patient's practice, and the stay.
    practice: Option<String>,
    stay: Option<String>,
    parts: Vec<String>,
}

fn composition(xml: &mut Xml, it: &Document, names: &Names) {
    let structure = it.structure.as_deref();
    let profile = match structure {
        Some(structure) => structure.care.composition().to_owned(),
        None => format!("{CARE_CONNECT}Composition-1"),
    };
    let ty = structure.map_or(TYPE, |structure| structure.care.ty());
    xml.open("Composition");
    xml.value("id", &names.composition);
    xml.profile(&profile);
    xml.prose(&it.summary);
    xml.identifier(UUID, &names.own);
    xml.value("status", "final");
    xml.within("type", |xml| xml.coding("coding", [SNOMED, ty.0, ty.1]));
    xml.reference("subject", &names.patient);
    if let Some(stay) = &names.stay {
        xml.reference("encounter", stay);
    }
    xml.value("date", &it.date);
    xml.reference("author", &names.author);
    xml.value("title", &it.title);
    xml.value("confidentiality", if it.restricted { "R" } else { "N" });
    xml.reference("custodian", &names.custodian);
    if let Some(replaced) = &it.replaces {
        xml.within("relatesTo", |xml| {
            xml.value("code", "replaces");
            xml.within("targetIdentifier", |xml| {
                xml.value("system", UUID);
                xml.value("value", replaced);
            });
        });
    }
    if let Some(structure) = structure {
        structure::sections(xml, structure, names);
    }
    for part in &names.parts {
        xml.within("section", |xml| {
            xml.value("title", &it.title);
            xml.reference("entry", part);
        });
    }
    xml.close("Composition");
}

fn practitioner(xml: &mut Xml, id: &str, author: &str) {
    xml.within("Practitioner", |xml| {
        xml.value("id", id);
        xml.profile(&format!("{CARE_CONNECT}Practitioner-1"));
        xml.within("name", |xml| {
            xml.value("use", "official");
            xml.value("text", author);
            // The name's last word, where nothing better is known.
            let family = author.rsplit(' ').next().unwrap_or_default();
            xml.some("family", family);
        });
    });
}

fn organisation(xml: &mut Xml, id: &str, it: &Organisation) {
    xml.within("Organization", |xml| {
        xml.value("id", id);
        xml.profile(&format!("{CARE_CONNECT}Organization-1"));
        xml.identifier(ODS, &it.ods);
        xml.some("name", &it.name);
        if !it.telephone.is_empty() {
            xml.within("telecom", |xml| {
                xml.value("system", "phone");
                xml.value("value", &it.telephone);
                xml.value("use", "work");
            });
        }
    });
}

fn patient(xml: &mut Xml, it: &Person, names: &Names) {
    xml.within("Patient", |xml| {
        xml.value("id", &names.patient);
        xml.profile(&format!("{CARE_CONNECT}Patient-1"));
        if let Some(number) = &it.nhs_number {
            xml.identifier(NHS_NUMBER, number);
        }
        xml.within("name", |xml| {
            xml.value("use", "official");
            xml.some("family", &it.family);
            xml.some("given", &it.given);
        });
        if let Some(born) = &it.birth_date {
            xml.value("birthDate", born);
        }
        if let Some(practice) = &names.practice {
            xml.reference("generalPractitioner", practice);
        }
    });
}

fn outcome(xml: &mut Xml, id: &str, it: &Response) {
    let severity = match codes::is_positive(&it.code) {
        true => "information",
        false => "fatal",
    };
    xml.within("OperationOutcome", |xml| {
        xml.value("id", id);
        xml.profile(OUTCOME);
        xml.within("issue", |xml| {
            xml.value("severity", severity);
            xml.value("code", codes::issue(&it.code));
            xml.within("details", |xml| {
                let meaning = codes::meaning(&it.code).unwrap_or_default();
                xml.coding("coding", [RESPONSE_CODES, &it.code, meaning]);
            });
            xml.some("diagnostics", &it.diagnostics);
        });
    });
}
