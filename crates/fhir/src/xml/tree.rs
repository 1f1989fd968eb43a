//! XML of another release of FHIR than R4 (STU3, say) as a plain tree: names, values and what stands inside,
//! without knowing what that release has. A narrative comes as plain text.

use quick_xml::events::Event;

use super::tokens::{Attribute, Tokens};
use super::{FHIR, XHTML};
use crate::json::Limits;
use crate::problem::{Kind, Problem};

/// An element of FHIR's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    /// The attribute `value`.
    pub value: Option<String>,
    /// The attribute `url`, of extensions.
    pub url: Option<String>,
    pub children: Vec<Element>,
    /// Of a narrative's `div`: what it says, in lines.
    pub prose: String,
}

impl Element {
    /// The first element of that name inside this one.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|it| it.name == name)
    }

    /// All of that name inside this one.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |it| it.name == name)
    }

    /// The value at the end of a path of names, each time the first.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        let mut at = self;
        for name in path {
            at = at.child(name)?;
        }
        at.value.as_deref()
    }
}

/// Reads a document whose outermost element is FHIR's.
///
/// # Errors
/// `Structure` for what is not well-formed, has a document type, a processing instruction, an entity that XML
/// itself does not have, or text where FHIR has values; `TooLong` and `TooCostly` beyond `limits`. Each with
/// line and column, and without anything of what it holds.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Element, Problem> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Problem::new(Kind::Structure, "The text is not valid UTF-8."))?;
    let mut tokens = Tokens::new(text, limits)?;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let fault = |tokens: &Tokens<'_>, message: &str| tokens.fault(Kind::Structure, message);
        match tokens.event()? {
            Event::Start(start) => {
                if root.is_some() {
                    return Err(fault(&tokens, "Something follows the end of the message."));
                }
                let attributes = tokens.attributes(&start)?;
                let name = start.name();
                let name: &str = name.as_ref();
                let name = name.to_owned();
                if open.is_empty() && !says(&attributes, FHIR) {
                    return Err(fault(
                        &tokens,
                        "The outermost element does not say that it is FHIR's.",
                    ));
                }
                let is_prose = name == "div" && says(&attributes, XHTML);
                let mut element = element(name, attributes);
                if !is_prose {
                    open.push(element);
                    continue;
                }
                element.prose = prose(&mut tokens)?;
                match open.last_mut() {
                    Some(outer) => outer.children.push(element),
                    None => return Err(fault(&tokens, "A narrative stands alone.")),
                }
            }
            Event::End(_) => {
                let Some(element) = open.pop() else {
                    return Err(fault(&tokens, "An element ends that has not begun."));
                };
                match open.last_mut() {
                    Some(outer) => outer.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::Eof if open.is_empty() => {
                return root.ok_or_else(|| fault(&tokens, "There is no element at all."));
            }
            Event::Eof => return Err(fault(&tokens, "The XML ends too early.")),
            Event::Decl(declaration) if open.is_empty() && root.is_none() => {
                let is_utf_8 = declaration
                    .encoding()
                    .is_none_or(|name| name.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8")));
                if !is_utf_8 {
                    return Err(fault(&tokens, "The encoding is not UTF-8."));
                }
            }
            Event::Comment(_) => {}
            Event::Text(text) if text.trim().is_empty() => {}
            _ => {
                let message = "Text stands here; FHIR's values are attributes.";
                return Err(fault(&tokens, message));
            }
        }
    }
}

fn says(attributes: &[Attribute], namespace: &str) -> bool {
    let is = |(name, value): &Attribute| name == "xmlns" && value == namespace;
    attributes.iter().any(is)
}

fn element(name: String, attributes: Vec<Attribute>) -> Element {
    let mut element = Element {
        name,
        ..Element::default()
    };
    for (name, value) in attributes {
        match name.as_str() {
            "value" => element.value = Some(value),
            "url" => element.url = Some(value),
            // Ids of elements and XML's own: nothing that is read here.
            _ => {}
        }
    }
    element
}

/// What a `div` that has begun says, up to its end: lines for blocks, `|` between cells.
fn prose(tokens: &mut Tokens<'_>) -> Result<String, Problem> {
    let mut open = vec![String::from("div")];
    let mut said = String::new();
    while !open.is_empty() {
        match tokens.event()? {
            Event::Start(start) => {
                // Read, so that what is not well-formed is found.
                tokens.attributes(&start)?;
                let name = start.name();
                let name: &str = name.as_ref();
                begin(&mut said, name);
                open.push(name.to_owned());
            }
            Event::End(_) => end(&mut said, open.pop()),
            Event::Text(text) => add(&mut said, &text),
            Event::CData(text) => add(&mut said, &text),
            Event::GeneralRef(name) => {
                let name: &str = &name;
                add(&mut said, &character(name).to_string());
            }
            Event::Eof => return Err(tokens.fault(Kind::Structure, "The div does not end.")),
            _ => {}
        }
    }
    Ok(said.trim().to_owned())
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "ul"
            | "ol"
            | "li"
            | "dl"
            | "dt"
            | "dd"
            | "table"
            | "caption"
            | "tr"
            | "pre"
            | "blockquote"
    )
}

fn begin(said: &mut String, name: &str) {
    match name {
        "br" => said.push('\n'),
        "td" | "th" if !said.is_empty() && !said.ends_with('\n') => said.push_str(" | "),
        "li" => {
            break_line(said);
            said.push_str("- ");
        }
        name if is_block(name) => break_line(said),
        _ => {}
    }
}

fn end(said: &mut String, name: Option<String>) {
    if name.is_some_and(|name| is_block(&name)) {
        break_line(said);
    }
}

fn break_line(said: &mut String) {
    if !said.is_empty() && !said.ends_with('\n') {
        said.push('\n');
    }
}

/// Adds words; white space is one space.
fn add(said: &mut String, text: &str) {
    for character in text.chars() {
        if !character.is_whitespace() {
            said.push(character);
        } else if !said.is_empty() && !said.ends_with([' ', '\n']) {
            said.push(' ');
        }
    }
}

/// What a reference stands for; only XML's own come here.
fn character(name: &str) -> char {
    match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        other => {
            let code = match other.strip_prefix("#x") {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => other.strip_prefix('#').and_then(|it| it.parse().ok()),
            };
            code.and_then(char::from_u32).unwrap_or('\u{fffd}')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Element, Problem> {
        let limits = Limits {
            depth: 20,
            bytes: 100_000,
            nodes: 1000,
        };
        parse(text.as_bytes(), &limits)
    }

    #[test]
    fn a_tree_has_names_values_and_what_a_narrative_says() {
        let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a note -->\n\
                    <A xmlns=\"http://hl7.org/fhir\"><b value=\"x &amp; y\"/><b url=\"u\"><c value=\"1\"/></b>\
                    <div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Dear\n  Dr</p><ul><li>a &lt; b</li><li>c&#160;d</li></ul>\
                    <table><tr><td>Aspirin</td><td>75 mg</td></tr></table></div></A>";
        let tree = read(text).unwrap();
        assert_eq!(tree.text(&["b"]), Some("x & y"));
        assert_eq!(tree.all("b").nth(1).unwrap().text(&["c"]), Some("1"));
        let said = &tree.child("div").unwrap().prose;
        assert_eq!(said, "Dear Dr\n- a < b\n- c d\nAspirin | 75 mg");
    }

    #[test]
    fn x04_entities_document_types_instructions_and_depth_are_refused() {
        let laughs = "<!DOCTYPE A [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><A xmlns=\"http://hl7.org/fhir\"><b value=\"&b;\"/></A>";
        let outside =
            "<!DOCTYPE A SYSTEM \"file:///etc/passwd\"><A xmlns=\"http://hl7.org/fhir\"/>";
        let deep = format!(
            "<A xmlns=\"http://hl7.org/fhir\">{}{}</A>",
            "<b>".repeat(10_000),
            "</b>".repeat(10_000)
        );
        for text in [
            laughs,
            outside,
            &deep,
            "<A xmlns=\"http://hl7.org/fhir\"><b value=\"&x;\"/></A>",
            "<A xmlns=\"http://hl7.org/fhir\"><?php x ?></A>",
            "<A xmlns=\"http://hl7.org/fhir\">text</A>",
            "<A xmlns=\"http://hl7.org/fhir\"><b></A>",
            "<A xmlns=\"http://hl7.org/fhir\"/><A xmlns=\"http://hl7.org/fhir\"/>",
            "<A/>",
            "",
        ] {
            assert!(read(text).is_err(), "{}", text.get(..60).unwrap_or(text));
        }
    }
}
