//! Writing what a Transfer of Care document has beyond one of attachments: sections with narratives, and the stay.

use super::{Names, SNOMED, Xml};
use crate::itk3::Document;
use crate::itk3::care::{About, Block, Section, Structure};

const ENCOUNTER: &str = "https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-ITK-Encounter-1";
const CLASSES: &str = "http://hl7.org/fhir/v3/ActCode";

/// The sections; what is not in the document is named by none.
pub(super) fn sections(xml: &mut Xml, it: &Structure, names: &Names) {
    for section in &it.sections {
        let about = match section.about {
            None => None,
            Some(About::Patient) => Some(&names.patient),
            Some(About::Author) => Some(&names.author),
            Some(About::Practice) => names.practice.as_ref(),
            Some(About::Stay) => names.stay.as_ref(),
        };
        one(xml, section, about);
    }
}

fn one(xml: &mut Xml, it: &Section, about: Option<&String>) {
    let (title, code) = it.heading;
    // The order of STU3: title, code, text, entry.
    xml.within("section", |xml| {
        xml.value("title", title);
        xml.within("code", |xml| xml.coding("coding", [SNOMED, code, title]));
        xml.within("text", |xml| {
            xml.value("status", "generated");
            xml.open("div xmlns=\"http://www.w3.org/1999/xhtml\"");
            for block in &it.blocks {
                piece(xml, block);
            }
            xml.close("div");
        });
        if let Some(id) = about {
            xml.reference("entry", id);
        }
    });
}

fn piece(xml: &mut Xml, it: &Block) {
    match it {
        Block::Heading(said) => words(xml, "h3", said),
        Block::Line(said) => words(xml, "p", said),
        Block::Table(rows) => xml.within("table", |xml| {
            for (at, row) in rows.iter().enumerate() {
                let tag = if at == 0 { "th" } else { "td" };
                xml.within("tr", |xml| {
                    for cell in row {
                        words(xml, tag, cell);
                    }
                });
            }
        }),
    }
}

fn words(xml: &mut Xml, tag: &str, said: &str) {
    xml.within(tag, |xml| xml.escaped(said));
}

/// The stay or attendance that the document is about.
pub(super) fn stay(
    xml: &mut Xml,
    id: &str,
    (document, it): (&Document, &Structure),
    names: &Names,
) {
    let (code, display) = it.care.class();
    // The order of STU3: status, class, subject, period, serviceProvider.
    xml.within("Encounter", |xml| {
        xml.value("id", id);
        xml.profile(ENCOUNTER);
        // What has no day of discharge is none that is written.
        xml.value("status", "finished");
        xml.coding("class", [CLASSES, code, display]);
        xml.reference("subject", &names.patient);
        if !it.admitted.is_empty() || !it.discharged.is_empty() {
            xml.within("period", |xml| {
                xml.some("start", &it.admitted);
                xml.some("end", &it.discharged);
            });
        }
        if !document.custodian.ods.is_empty() {
            xml.reference("serviceProvider", &names.custodian);
        }
    });
}
