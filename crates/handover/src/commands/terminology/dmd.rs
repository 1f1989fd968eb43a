//! The NHS dictionary of medicines and devices: its XML files (the NHSBSA's dm+d data model, release 2).

use std::collections::HashMap;

use fhir::terminology::code_system::{CodeSystem, Concept, Property};
use fhir::terminology::compose::Designation;
use fhir::terminology::concept_map::Mapping;
use store::terminology::NewMap;

use super::into_store::{Concepts, Release};
use super::source::Source;
use super::xml_records::{Record, records};

/// <https://digital.nhs.uk/developer/guides-and-documentation/building-healthcare-software/clinical-coding-classifications-and-terminology>
const URL: &str = "https://dmd.nhs.uk";

/// A kind of concept: its record, the field of its identifier, of its previous one, and of what it is below.
struct Kind {
    record: &'static str,
    id: &'static str,
    previous: &'static str,
    parents: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        record: "VTM",
        id: "VTMID",
        previous: "VTMIDPREV",
        parents: &[],
    },
    Kind {
        record: "VMP",
        id: "VPID",
        previous: "VPIDPREV",
        parents: &["VTMID"],
    },
    Kind {
        record: "VMPP",
        id: "VPPID",
        previous: "",
        parents: &["VPID"],
    },
    Kind {
        record: "AMP",
        id: "APID",
        previous: "",
        parents: &["VPID"],
    },
    Kind {
        record: "AMPP",
        id: "APPID",
        previous: "",
        parents: &["VPPID", "APID"],
    },
    Kind {
        record: "ING",
        id: "ISID",
        previous: "ISIDPREV",
        parents: &[],
    },
];

/// Records that say more of a concept: the field that names it, and the record's name as a property.
const MORE: &[(&str, &str)] = &[
    ("VPI", "VPID"),
    ("ONT", "VPID"),
    ("DFORM", "VPID"),
    ("DROUTE", "VPID"),
    ("CONTROL_INFO", "VPID"),
    ("AP_ING", "APID"),
    ("LIC_ROUTE", "APID"),
];

/// Lists of the lookup file whose codes are identifiers of SNOMED CT, and so concepts too.
const LISTED: &[&str] = &["UNIT_OF_MEASURE", "FORM", "ROUTE"];

/// The files, in the order in which they are read.
const FILES: &[&str] = &[
    "f_lookup2",
    "f_ingredient2",
    "f_vtm2",
    "f_vmp2",
    "f_vmpp2",
    "f_amp2",
    "f_ampp2",
];

/// Reads a release.
///
/// # Errors
/// Names the file that is missing or does not read, and the place.
pub fn read(source: &Source, version: Option<&str>) -> anyhow::Result<Release> {
    let mut reading = Reading::default();
    let mut named_version = String::new();
    for stem in FILES {
        let is_it = |name: &str| name.starts_with(stem) && name.ends_with(".xml");
        let place = source.only(&format!("dm+d file {stem}….xml"), is_it)?;
        if let Some((_, rest)) = place.name().split_once("_3").filter(|_| *stem == "f_amp2") {
            named_version = rest.trim_end_matches(".xml").to_owned();
        }
        eprintln!("reading {}", place.name());
        let content = place.open()?;
        records(content, |record| reading.record(&record))
            .map_err(|reason| reason.context(place.name().to_owned()))?;
    }
    let version = version.unwrap_or(&named_version).to_owned();
    Ok(reading.finish(version))
}

#[derive(Default)]
struct Reading {
    concepts: Concepts,
    /// Child and parent, linked once all are known.
    links: Vec<(String, String)>,
    previous: Vec<(String, String)>,
    /// List and code → description.
    lookups: HashMap<(String, String), String>,
}

impl Reading {
    fn record(&mut self, record: &Record) -> anyhow::Result<()> {
        if record.name == "INFO" {
            return self.lookup(record);
        }
        if let Some(kind) = KINDS.iter().find(|kind| kind.record == record.name) {
            return self.concept(kind, record);
        }
        if let Some((_, id)) = MORE.iter().find(|(name, _)| *name == record.name) {
            self.more(id, record);
        }
        Ok(())
    }

    fn lookup(&mut self, record: &Record) -> anyhow::Result<()> {
        let (code, text) = (record.text("CD"), record.text("DESC"));
        self.lookups
            .insert((record.within.clone(), code.to_owned()), text.to_owned());
        if LISTED.contains(&record.within.as_str()) && self.concepts.place(code).is_none() {
            self.concepts.add(Concept {
                code: code.to_owned(),
                display: text.to_owned(),
                properties: vec![coded("type", &record.within)],
                ..Concept::default()
            })?;
        }
        let previous = record.text("CDPREV");
        if LISTED.contains(&record.within.as_str()) && !previous.is_empty() {
            self.previous.push((previous.to_owned(), code.to_owned()));
        }
        Ok(())
    }

    fn concept(&mut self, kind: &Kind, record: &Record) -> anyhow::Result<()> {
        let id = record.text(kind.id).to_owned();
        let mut properties = vec![coded("type", kind.record)];
        for (name, text) in &record.fields {
            let is_name = matches!(name.as_str(), "NM" | "DESC" | "ABBREVNM" | "INVALID");
            if !text.is_empty() && name != kind.id && !is_name {
                self.property(name, text, &mut properties);
            }
        }
        for parent in kind.parents {
            if !record.text(parent).is_empty() {
                self.links
                    .push((id.clone(), record.text(parent).to_owned()));
            }
        }
        let previous = record.text(kind.previous);
        if !previous.is_empty() {
            self.previous.push((previous.to_owned(), id.clone()));
        }
        // An AMP's description names its supplier, which its name does not.
        let display = if record.text("DESC").is_empty() {
            record.text("NM")
        } else {
            record.text("DESC")
        };
        let others = [record.text("NM"), record.text("ABBREVNM")];
        let others = others
            .iter()
            .filter(|name| !name.is_empty() && **name != display);
        self.concepts.add(Concept {
            code: id,
            display: display.to_owned(),
            inactive: record.text("INVALID") == "1",
            designations: others
                .map(|name| Designation {
                    language: "en-GB".into(),
                    value: (*name).to_owned(),
                    ..Designation::default()
                })
                .collect(),
            properties,
            ..Concept::default()
        })?;
        Ok(())
    }

    /// A field as a property; one that is looked up also with its meaning.
    fn property(&self, name: &str, text: &str, properties: &mut Vec<Property>) {
        let kind = if name.ends_with("CD") || name.ends_with("ID") {
            "Code"
        } else {
            "String"
        };
        properties.push(Property {
            code: name.to_owned(),
            kind: kind.into(),
            value: text.to_owned(),
        });
        let list = match name.trim_end_matches("CD") {
            "BASIS" => "BASIS_OF_NAME",
            "PRES_STAT" => "VIRTUAL_PRODUCT_PRES_STATUS",
            "UDFS_UOM" | "UNIT_DOSE_UOM" | "QTY_UOM" | "STRNT_NMRTR_UOM" | "STRNT_DNMTR_UOM"
            | "UOM" => "UNIT_OF_MEASURE",
            "SUPP" => "SUPPLIER",
            "LIC_AUTH" => "LICENSING_AUTHORITY",
            "AVAIL_RESTRICT" => "AVAILABILITY_RESTRICTION",
            "LEGAL_CAT" => "LEGAL_CATEGORY",
            "CAT" => "CONTROL_DRUG_CATEGORY",
            "DF_IND" => "DF_INDICATOR",
            "DISC" => "DISCONTINUED_IND",
            other => other,
        };
        if let Some(meaning) = self.lookups.get(&(list.to_owned(), text.to_owned())) {
            let code = name.trim_end_matches("CD").to_owned();
            properties.push(Property {
                code,
                kind: "String".into(),
                value: meaning.clone(),
            });
        }
    }

    fn more(&mut self, id: &str, record: &Record) {
        let mut properties = Vec::new();
        for (name, text) in record
            .fields
            .iter()
            .filter(|(name, text)| name != id && !text.is_empty())
        {
            self.property(name, text, &mut properties);
        }
        if let Some(place) = self.concepts.place(record.text(id))
            && let Some(concept) = self.concepts.system.concepts.get_mut(place as usize)
        {
            concept.properties.extend(properties);
        }
    }

    fn finish(mut self, version: String) -> Release {
        for (child, parent) in std::mem::take(&mut self.links) {
            self.concepts.link(&child, &parent);
        }
        let map = NewMap {
            url: format!("{URL}/ConceptMap/previous"),
            version: version.clone(),
            ..NewMap::default()
        };
        let mapping = |(before, now): (String, String)| Mapping {
            source_system: URL.into(),
            target_display: self
                .concepts
                .place(&now)
                .and_then(|place| self.concepts.system.concepts.get(place as usize))
                .map(|it| it.display.clone())
                .unwrap_or_default(),
            source_code: before,
            target_system: URL.into(),
            target_code: now,
            equivalence: "equal".into(),
            ..Mapping::default()
        };
        let mappings = std::mem::take(&mut self.previous)
            .into_iter()
            .map(mapping)
            .collect();
        let system = CodeSystem {
            url: URL.into(),
            version,
            name: "dmd".into(),
            title: "NHS dictionary of medicines and devices".into(),
            content: "complete".into(),
            value_set: format!("{URL}/vs"),
            is_case_sensitive: true,
            ..self.concepts.system
        };
        Release {
            kind: "dmd",
            system,
            maps: vec![(map, mappings)],
        }
    }
}

fn coded(code: &str, value: &str) -> Property {
    Property {
        code: code.into(),
        kind: "Code".into(),
        value: value.into(),
    }
}
