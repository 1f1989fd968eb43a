//! Records of an XML file, read as it comes: elements that hold only elements with text.

use std::io::BufRead;

use anyhow::{Context as _, bail, ensure};
use quick_xml::Reader;
use quick_xml::events::Event;

/// Elements inside each other, fields of a record, and bytes of one.
const DEPTH_MAX: usize = 32;
const FIELDS_MAX: usize = 200;
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A record: the name of the element around it, its own, and the names and texts of its fields.
pub struct Record {
    pub within: String,
    pub name: String,
    pub fields: Vec<(String, String)>,
}

impl Record {
    /// The text of a field; empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.fields
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, text)| text)
    }
}

#[derive(Default)]
struct Open {
    name: String,
    text: String,
    has_elements: bool,
    fields: Vec<(String, String)>,
}

/// Calls with each record.
///
/// # Errors
/// What is no well-formed XML, what is too deep or too large, what `each` refuses; with the byte.
pub fn records(
    content: impl BufRead,
    mut each: impl FnMut(Record) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut xml = Reader::from_reader(content);
    let mut buffer = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        buffer.clear();
        let at = xml.buffer_position();
        let place = || format!("byte {at}");
        match xml.read_event_into(&mut buffer).with_context(place)? {
            Event::Start(start) => {
                ensure!(
                    open.len() < DEPTH_MAX,
                    "byte {at}: the XML is nested too deep"
                );
                open.push(Open {
                    name: local(start.name().as_ref()),
                    ..Open::default()
                });
            }
            Event::Empty(start) => {
                let name = local(start.name().as_ref());
                if let Some(parent) = open.last_mut() {
                    parent.has_elements = true;
                    parent.fields.push((name, String::new()));
                }
            }
            Event::Text(text) => add(&mut open, &text, at)?,
            Event::CData(text) => add(&mut open, &text, at)?,
            Event::GeneralRef(name) => add(&mut open, &referred(&name).with_context(place)?, at)?,
            Event::End(_) => {
                let Some(ended) = open.pop() else { continue };
                let ended_leaf = !ended.has_elements;
                if ended_leaf {
                    if let Some(parent) = open.last_mut() {
                        ensure!(
                            parent.fields.len() < FIELDS_MAX,
                            "byte {at}: the record has too many fields"
                        );
                        parent.has_elements = true;
                        parent
                            .fields
                            .push((ended.name, ended.text.trim().to_owned()));
                    }
                    continue;
                }
                if let Some(parent) = open.last_mut() {
                    parent.has_elements = true;
                    parent.fields.clear();
                }
                if !ended.fields.is_empty() {
                    let within = open.last().map(|it| it.name.clone()).unwrap_or_default();
                    each(Record {
                        within,
                        name: ended.name,
                        fields: ended.fields,
                    })
                    .with_context(place)?;
                }
            }
            Event::DocType(_) => bail!("byte {at}: a document type is not taken"),
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
    ensure!(open.is_empty(), "the XML is cut off");
    Ok(())
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or_default().to_owned()
}

fn add(open: &mut [Open], text: &str, at: u64) -> anyhow::Result<()> {
    if let Some(inner) = open.last_mut() {
        inner.text.push_str(text);
        ensure!(
            inner.text.len() <= TEXT_BYTES_MAX,
            "byte {at}: the text is too long"
        );
    }
    Ok(())
}

/// What `&name;` stands for.
pub fn referred(name: &str) -> anyhow::Result<String> {
    let code = match name.strip_prefix("#x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => name
            .strip_prefix('#')
            .and_then(|digits| digits.parse().ok()),
    };
    if let Some(letter) = code.and_then(char::from_u32) {
        return Ok(letter.to_string());
    }
    let known = match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => bail!("the entity {name} is not one of XML's own"),
    };
    Ok(known.to_owned())
}
