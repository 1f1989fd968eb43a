//! ICD-10: the World Health Organization's ClaML (EN 14463), or the NHS's text file of codes and titles.

use std::io::BufRead;

use anyhow::{Context as _, bail, ensure};
use fhir::terminology::code_system::{CodeSystem, Concept, Property};
use fhir::terminology::compose::Designation;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::into_store::{Concepts, Release};
use super::source::{Place, Source};

/// The WHO's edition, and the UK's, which has a fifth character of its own.
const URL: &str = "http://hl7.org/fhir/sid/icd-10";
const URL_UK: &str = "http://hl7.org/fhir/sid/icd-10-uk";

/// Reads a release.
///
/// # Errors
/// Names the file and the place of what does not read.
pub fn read(source: &Source, version: Option<&str>) -> anyhow::Result<Release> {
    let texts = source.named(|name| name.contains("CodesAndTitles") && name.ends_with(".txt"));
    if let [place] = texts.as_slice() {
        return titles(place, version);
    }
    ensure!(
        texts.is_empty(),
        "there are several text files of codes and titles; give one"
    );
    let place = source.only(
        "ClaML file (.xml) or NHS file of codes and titles (….txt)",
        |name| name.ends_with(".xml"),
    )?;
    claml(place, version)
}

fn release(url: &str, version: String, concepts: Concepts) -> Release {
    let system = CodeSystem {
        url: url.into(),
        version,
        name: "ICD10".into(),
        title: "International Classification of Diseases, tenth revision".into(),
        content: "complete".into(),
        value_set: format!("{url}/vs"),
        is_case_sensitive: false,
        ..concepts.system
    };
    Release {
        kind: "icd10",
        system,
        maps: Vec::new(),
    }
}

/// Tab-separated, with a line of column names. What a code is below is told by its characters.
fn titles(place: &Place, version: Option<&str>) -> anyhow::Result<Release> {
    eprintln!("reading {}", place.name());
    let mut columns: Vec<String> = Vec::new();
    let mut concepts = Concepts::default();
    place.lines(|number, line| {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        if number == 1 {
            columns = cells.iter().map(|it| (*it).to_owned()).collect();
            ensure!(
                ["CODE", "DESCRIPTION"]
                    .iter()
                    .all(|it| columns.iter().any(|known| known == it)),
                "the columns CODE and DESCRIPTION are missing"
            );
            return Ok(());
        }
        if line.trim().is_empty() {
            return Ok(());
        }
        let text = |name: &str| {
            let at = columns.iter().position(|known| known == name);
            at.and_then(|at| cells.get(at))
                .copied()
                .unwrap_or_default()
                .trim_matches('"')
        };
        let named = columns
            .iter()
            .map(String::as_str)
            .filter(|name| !matches!(*name, "CODE" | "DESCRIPTION"));
        let properties = named
            .filter(|name| !text(name).is_empty())
            .map(|name| Property {
                code: name.to_owned(),
                kind: "String".into(),
                value: text(name).to_owned(),
            });
        concepts.add(Concept {
            code: text("CODE").to_owned(),
            display: text("DESCRIPTION").to_owned(),
            properties: properties.collect(),
            ..Concept::default()
        })?;
        Ok(())
    })?;
    let codes: Vec<String> = concepts
        .system
        .concepts
        .iter()
        .map(|it| it.code.clone())
        .collect();
    for code in &codes {
        let parent = (3..code.len())
            .rev()
            .filter_map(|end| code.get(..end))
            .map(|start| start.trim_end_matches('.'));
        if let Some(parent) = parent
            .into_iter()
            .find(|parent| concepts.place(parent).is_some())
        {
            concepts.link(code, parent);
        }
    }
    // ICD10_Edition5_CodesAndTitlesAndMetadata_GB_20160401.txt
    let dated = place
        .name()
        .trim_end_matches(".txt")
        .rsplit('_')
        .next()
        .unwrap_or_default();
    Ok(release(
        URL_UK,
        version.unwrap_or(dated).to_owned(),
        concepts,
    ))
}

/// A class on its way through the file.
#[derive(Default)]
struct Class {
    concept: Concept,
    parents: Vec<String>,
}

/// ClaML, read as it comes.
#[derive(Default)]
struct Claml {
    version: String,
    classes: Vec<Class>,
    class: Option<Class>,
    rubric: String,
    language: String,
    label: Option<String>,
}

fn claml(place: &Place, version: Option<&str>) -> anyhow::Result<Release> {
    eprintln!("reading {}", place.name());
    let mut reading = Claml::default();
    reading
        .read(place.open()?)
        .with_context(|| place.name().to_owned())?;
    let mut concepts = Concepts::default();
    let mut links = Vec::new();
    for class in reading.classes {
        links.extend(
            class
                .parents
                .into_iter()
                .map(|parent| (class.concept.code.clone(), parent)),
        );
        concepts.add(class.concept)?;
    }
    for (child, parent) in links {
        concepts.link(&child, &parent);
    }
    let version = version.map_or(reading.version, str::to_owned);
    Ok(release(URL, version, concepts))
}

impl Claml {
    fn read(&mut self, content: impl BufRead) -> anyhow::Result<()> {
        let mut xml = Reader::from_reader(content);
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let at = xml.buffer_position();
            match xml
                .read_event_into(&mut buffer)
                .with_context(|| format!("byte {at}"))?
            {
                Event::Start(start) => self.start(&start)?,
                Event::Empty(start) => {
                    self.start(&start)?;
                    self.end(start.name().as_ref());
                }
                Event::End(end) => self.end(end.name().as_ref()),
                Event::Text(text) => self.text(&text),
                Event::CData(text) => self.text(&text),
                Event::GeneralRef(name) => {
                    let text = super::xml_records::referred(&name)
                        .with_context(|| format!("byte {at}"))?;
                    self.text(&text);
                }
                Event::Eof => break,
                // ClaML has a document type; nothing of it is followed.
                Event::DocType(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            }
        }
        ensure!(
            !self.classes.is_empty(),
            "the file holds no classes of ClaML"
        );
        Ok(())
    }

    fn start(&mut self, start: &BytesStart<'_>) -> anyhow::Result<()> {
        let attribute = |name: &str| -> anyhow::Result<String> {
            for attribute in start.attributes() {
                let attribute = attribute?;
                if attribute.key.as_ref() == name {
                    return Ok(attribute
                        .normalized_value(quick_xml::XmlVersion::Explicit1_0)?
                        .into_owned());
                }
            }
            Ok(String::new())
        };
        match start.name().as_ref() {
            "Title" => self.version = attribute("version")?,
            "Class" => {
                let kind = Property {
                    code: "kind".into(),
                    kind: "Code".into(),
                    value: attribute("kind")?,
                };
                let concept = Concept {
                    code: attribute("code")?,
                    properties: vec![kind],
                    ..Concept::default()
                };
                if self
                    .class
                    .replace(Class {
                        concept,
                        parents: Vec::new(),
                    })
                    .is_some()
                {
                    bail!("a class stands within another");
                }
            }
            "SuperClass" => {
                let code = attribute("code")?;
                if let Some(class) = &mut self.class {
                    class.parents.push(code);
                }
            }
            "Rubric" => self.rubric = attribute("kind")?,
            "Label" => {
                self.language = attribute("xml:lang")?;
                self.label = Some(String::new());
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(label) = &mut self.label {
            label.push_str(text);
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "Label" => self.label_ended(),
            "Class" => self.classes.extend(self.class.take()),
            _ => {}
        }
    }

    /// The preferred title is the display; inclusions are names to find it by; the rest explains.
    fn label_ended(&mut self) {
        let label = self.label.take().unwrap_or_default();
        let label = label.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some(class) = &mut self.class else { return };
        if label.is_empty() {
            return;
        }
        let concept = &mut class.concept;
        match self.rubric.as_str() {
            "preferred" => concept.display = label,
            "preferredLong" | "inclusion" => concept.designations.push(Designation {
                language: self.language.clone(),
                used_as: (String::new(), self.rubric.clone()),
                value: label,
            }),
            "definition" if concept.definition.is_empty() => concept.definition = label,
            rubric => concept.properties.push(Property {
                code: rubric.to_owned(),
                kind: "String".into(),
                value: label,
            }),
        }
    }
}
