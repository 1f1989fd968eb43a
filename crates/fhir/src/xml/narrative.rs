//! Narrative (<https://hl7.org/fhir/R4/narrative.html>): a piece of XHTML that is kept as it is
//! written, once it is known to be well-formed.

use quick_xml::events::Event;

use super::XHTML;
use super::tokens::{Attribute, Token, Tokens};
use crate::json::Limits;
use crate::problem::{Kind, Problem};

/// Reads on to the end of a `div` that began at `from`, and gives its text.
pub(super) fn rest<'a>(
    tokens: &mut Tokens<'a>,
    from: usize,
    attributes: &[Attribute],
) -> Result<&'a str, Problem> {
    let in_xhtml = |(name, value): &Attribute| name == "xmlns" && value == XHTML;
    if !attributes.iter().any(in_xhtml) {
        let message = format!("The div of a narrative says xmlns=\"{XHTML}\".");
        return Err(tokens.fault(Kind::Structure, message));
    }
    let mut open = 1_u32;
    while open > 0 {
        match tokens.event()? {
            Event::Start(start) => {
                let attributes = tokens.attributes(&start)?;
                let names = attributes.iter().map(|(name, _)| name.as_str());
                if !names.chain([start.name().as_ref()]).all(is_name) {
                    let message = "A name stands here that XML does not have.";
                    return Err(tokens.fault(Kind::Structure, message));
                }
                open += 1;
            }
            Event::End(_) => open -= 1,
            Event::Eof => return Err(tokens.fault(Kind::Structure, "The div does not end.")),
            _ => {}
        }
    }
    let text = tokens.text.get(from..tokens.position());
    text.ok_or_else(|| tokens.fault(Kind::Structure, "The div could not be read."))
}

/// Whether a text is one `div` and nothing else.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(div: &str, limits: &Limits) -> Result<(), Problem> {
    let mut tokens = Tokens::new(div, limits)?;
    let wrong = |tokens: &Tokens<'_>| {
        let message = "A narrative is one div of XHTML.";
        tokens.fault(Kind::Structure, message)
    };
    match tokens.tag()? {
        Token::Start(start) if start.name().as_ref() == "div" => {
            let attributes = tokens.attributes(&start)?;
            rest(&mut tokens, 0, &attributes)?;
        }
        _ => return Err(wrong(&tokens)),
    }
    match tokens.tag()? {
        Token::Eof => Ok(()),
        _ => Err(wrong(&tokens)),
    }
}

/// ASCII names, which is all that XHTML has.
fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let allowed = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | ':')
    };
    starts && name.chars().all(allowed)
}
