//! Tags, one after the other, with the place of what is wrong.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesEnd, BytesStart, Event};

use crate::json::{Limits, place};
use crate::problem::{Kind, Problem};

/// An attribute: its name and its value, unescaped.
pub(super) type Attribute = (String, String);

/// What comes next in a document.
pub(super) enum Token<'a> {
    Start(BytesStart<'a>),
    End,
    Eof,
}

/// The tokens of a text.
pub(super) struct Tokens<'a> {
    pub(super) text: &'a str,
    xml: quick_xml::Reader<&'a [u8]>,
    /// How many more elements may be opened inside each other.
    depth: u16,
    /// How many more elements may be opened.
    nodes: u32,
    /// Whether an element has just begun that is empty, so that its end comes next.
    is_empty: bool,
}

impl<'a> Tokens<'a> {
    /// # Errors
    /// `TooLong` beyond the limits, `Structure` for characters that XML does not have.
    pub(super) fn new(text: &'a str, limits: &Limits) -> Result<Tokens<'a>, Problem> {
        if text.len() > limits.bytes {
            let message = format!(
                "The text is longer than the {} bytes allowed.",
                limits.bytes
            );
            return Err(Problem::new(Kind::TooLong, message));
        }
        if let Some(at) = text.find(is_no_character) {
            let message = "A character stands here that XML does not have.";
            let problem = Problem::new(Kind::Structure, message);
            return Err(problem.located(place(text.as_bytes(), at)));
        }
        let mut xml = quick_xml::Reader::from_str(text);
        let config = xml.config_mut();
        config.check_comments = true;
        Ok(Tokens {
            text,
            xml,
            depth: limits.depth,
            nodes: limits.nodes,
            is_empty: false,
        })
    }

    /// Where the last token ended, in bytes.
    pub(super) fn position(&self) -> usize {
        usize::try_from(self.xml.buffer_position()).unwrap_or(usize::MAX)
    }

    /// A fault at the place reached.
    pub(super) fn fault(&self, kind: Kind, message: impl Into<String>) -> Problem {
        let at = self.position().min(self.text.len());
        Problem::new(kind, message).located(place(self.text.as_bytes(), at))
    }

    /// The next event as it is, an empty element as a start and an end; elements are counted and
    /// their depth is kept.
    pub(super) fn event(&mut self) -> Result<Event<'a>, Problem> {
        if std::mem::take(&mut self.is_empty) {
            self.depth = self.depth.saturating_add(1);
            return Ok(Event::End(BytesEnd::new("")));
        }
        let event = self.xml.read_event().map_err(|error| {
            let message = format!("This is not well-formed XML: {error}.");
            self.fault(Kind::Structure, message)
        })?;
        let event = match event {
            Event::Empty(start) => {
                self.is_empty = true;
                Event::Start(start)
            }
            event => event,
        };
        match &event {
            Event::Start(_) => {
                let depth = self.depth.checked_sub(1);
                self.depth = depth.ok_or_else(|| {
                    let message = "The XML is nested deeper than is allowed.";
                    self.fault(Kind::TooCostly, message)
                })?;
                let nodes = self.nodes.checked_sub(1);
                self.nodes = nodes.ok_or_else(|| {
                    let message = "The XML holds more elements than are allowed.";
                    self.fault(Kind::TooCostly, message)
                })?;
            }
            Event::End(_) => self.depth = self.depth.saturating_add(1),
            Event::DocType(_) => {
                let message = "A document type is not taken.";
                return Err(self.fault(Kind::Structure, message));
            }
            Event::PI(_) => {
                let message = "A processing instruction is not taken.";
                return Err(self.fault(Kind::Structure, message));
            }
            Event::GeneralRef(name) => {
                let name: &str = name;
                let known = matches!(name, "amp" | "lt" | "gt" | "quot" | "apos");
                if !known && !is_character_reference(name) {
                    let message = "An entity is named that XML itself does not have.";
                    return Err(self.fault(Kind::Structure, message));
                }
            }
            _ => {}
        }
        Ok(event)
    }

    /// The next tag of FHIR's own; comments and white space are passed over.
    pub(super) fn tag(&mut self) -> Result<Token<'a>, Problem> {
        loop {
            match self.event()? {
                Event::Start(start) => return Ok(Token::Start(start)),
                Event::End(_) => return Ok(Token::End),
                Event::Eof => return Ok(Token::Eof),
                Event::Comment(_) => {}
                Event::Text(text) if text.trim().is_empty() => {}
                _ => {
                    let message = "Text stands here; FHIR's values are attributes.";
                    return Err(self.fault(Kind::Structure, message));
                }
            }
        }
    }

    /// An element's attributes, each once.
    pub(super) fn attributes(&self, start: &BytesStart<'a>) -> Result<Vec<Attribute>, Problem> {
        let mut found = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| {
                let message = format!("This is not well-formed XML: {error}.");
                self.fault(Kind::Structure, message)
            })?;
            let wrong = || {
                let message = "An attribute's value is not as XML has it.";
                self.fault(Kind::Structure, message)
            };
            if attribute.value.contains('<') {
                return Err(wrong());
            }
            let value = attribute.normalized_value(XmlVersion::Explicit1_0);
            let value = value.map_err(|_| wrong())?.into_owned();
            if value.contains(is_no_character) {
                return Err(wrong());
            }
            found.push((attribute.key.as_ref().to_string(), value));
        }
        Ok(found)
    }
}

/// Whether XML 1.0 does not have the character (<https://www.w3.org/TR/xml/#charsets>).
pub(super) fn is_no_character(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        _ => character < ' ',
    }
}

/// `#160` or `#xA0`, of a character that XML has.
fn is_character_reference(name: &str) -> bool {
    let code = match name.strip_prefix("#x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => name
            .strip_prefix('#')
            .and_then(|digits| digits.parse().ok()),
    };
    let character = code.and_then(char::from_u32);
    character.is_some_and(|character| !is_no_character(character))
}
