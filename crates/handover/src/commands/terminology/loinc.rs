//! LOINC: the CSV files of its release (<https://loinc.org/kb/users-guide/loinc-database-structure/>).

use anyhow::{Context as _, ensure};
use csv::StringRecord;
use fhir::terminology::code_system::{CodeSystem, Concept, Property};
use fhir::terminology::compose::Designation;
use fhir::terminology::concept_map::Mapping;
use store::terminology::NewMap;

use super::into_store::{Concepts, Release};
use super::source::{Place, Source};

const URL: &str = "http://loinc.org";

/// Columns that become properties, under the names that FHIR gives them.
const PROPERTIES: &[&str] = &[
    "COMPONENT",
    "PROPERTY",
    "TIME_ASPCT",
    "SYSTEM",
    "SCALE_TYP",
    "METHOD_TYP",
    "CLASS",
    "CLASSTYPE",
    "STATUS",
    "ORDER_OBS",
    "EXAMPLE_UCUM_UNITS",
];
/// Columns that are further names.
const NAMES: &[&str] = &["SHORTNAME", "CONSUMER_NAME", "DisplayName"];

/// Reads a release.
///
/// # Errors
/// Names the file that is missing or does not read, and the line.
pub fn read(source: &Source, version: Option<&str>) -> anyhow::Result<Release> {
    let mut concepts = Concepts::default();
    let mut newest = String::new();
    let table = source.only("Loinc.csv", |name| name == "Loinc.csv")?;
    rows(
        table,
        &["LOINC_NUM", "COMPONENT", "LONG_COMMON_NAME", "STATUS"],
        |row| {
            concepts.add(concept(row))?;
            for column in ["VersionLastChanged", "VersionFirstReleased"] {
                if later(row.text(column), &newest) {
                    newest = row.text(column).to_owned();
                }
            }
            Ok(())
        },
    )?;
    for place in source
        .named(|name| name == "ComponentHierarchyBySystem.csv" || name == "MultiAxialHierarchy.csv")
    {
        hierarchy(place, &mut concepts)?;
    }
    let mut replaced = Vec::new();
    for place in source.named(|name| name == "MapTo.csv") {
        rows(place, &["LOINC", "MAP_TO"], |row| {
            replaced.push(Mapping {
                source_system: URL.into(),
                source_code: row.text("LOINC").to_owned(),
                target_system: URL.into(),
                target_code: row.text("MAP_TO").to_owned(),
                equivalence: "relatedto".into(),
                comment: row.text("COMMENT").to_owned(),
                ..Mapping::default()
            });
            Ok(())
        })?;
    }
    let version = version.map_or(newest, str::to_owned);
    let map = NewMap {
        url: format!("{URL}/cm/map-to"),
        version: version.clone(),
        ..NewMap::default()
    };
    let system = CodeSystem {
        url: URL.into(),
        version,
        name: "LOINC".into(),
        title: "Logical Observation Identifiers, Names and Codes".into(),
        content: "complete".into(),
        value_set: format!("{URL}/vs"),
        is_case_sensitive: false,
        ..concepts.system
    };
    Ok(Release {
        kind: "loinc",
        system,
        maps: vec![(map, replaced)],
    })
}

/// A row with its columns' names.
struct Row<'r> {
    columns: &'r StringRecord,
    row: &'r StringRecord,
}

impl Row<'_> {
    /// A column's text; empty if there is no such column.
    fn text(&self, column: &str) -> &str {
        let at = self.columns.iter().position(|name| name == column);
        at.and_then(|at| self.row.get(at))
            .unwrap_or_default()
            .trim()
    }
}

fn rows(
    place: &Place,
    needed: &[&str],
    mut each: impl FnMut(&Row<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    eprintln!("reading {}", place.name());
    let mut reader = csv::ReaderBuilder::new().from_reader(place.open()?);
    let columns = reader
        .headers()
        .with_context(|| place.name().to_owned())?
        .clone();
    for column in needed {
        ensure!(
            columns.iter().any(|name| name == *column),
            "{} has no column {column}",
            place.name()
        );
    }
    let mut row = StringRecord::new();
    while reader
        .read_record(&mut row)
        .with_context(|| place.name().to_owned())?
    {
        let line = row.position().map_or(0, csv::Position::line);
        each(&Row {
            columns: &columns,
            row: &row,
        })
        .with_context(|| format!("{}, line {line}", place.name()))?;
    }
    Ok(())
}

fn concept(row: &Row<'_>) -> Concept {
    let property = |name: &&str| {
        let value = row.text(name).to_owned();
        (!value.is_empty()).then(|| Property {
            code: (*name).into(),
            kind: "String".into(),
            value,
        })
    };
    let name = |column: &&str| {
        let value = row.text(column).to_owned();
        let used_as = (URL.to_owned(), (*column).to_owned());
        (!value.is_empty()).then(|| Designation {
            language: "en".into(),
            used_as,
            value,
        })
    };
    Concept {
        code: row.text("LOINC_NUM").to_owned(),
        display: row.text("LONG_COMMON_NAME").to_owned(),
        definition: row.text("DefinitionDescription").to_owned(),
        inactive: row.text("STATUS") == "DEPRECATED",
        designations: NAMES.iter().filter_map(name).collect(),
        properties: PROPERTIES.iter().filter_map(property).collect(),
        relationships: Vec::new(),
    }
}

/// Parts (`LP…`) are concepts too; the hierarchy is theirs.
fn hierarchy(place: &Place, concepts: &mut Concepts) -> anyhow::Result<()> {
    let mut links = Vec::new();
    rows(place, &["IMMEDIATE_PARENT", "CODE", "CODE_TEXT"], |row| {
        let (code, parent) = (row.text("CODE"), row.text("IMMEDIATE_PARENT"));
        if concepts.place(code).is_none() {
            let display = row.text("CODE_TEXT").to_owned();
            concepts.add(Concept {
                code: code.to_owned(),
                display,
                ..Concept::default()
            })?;
        }
        if !parent.is_empty() {
            links.push((code.to_owned(), parent.to_owned()));
        }
        Ok(())
    })?;
    for (child, parent) in links {
        concepts.link(&child, &parent);
    }
    Ok(())
}

/// Whether `2.78` is later than `2.9`: part by part.
fn later(version: &str, than: &str) -> bool {
    let parts = |text: &str| -> Vec<u32> {
        text.split('.')
            .map(|part| part.parse().unwrap_or_default())
            .collect()
    };
    !version.is_empty() && parts(version) > parts(than)
}
