//! `_text` and `_content` (<https://hl7.org/fhir/R4/search.html#text>): finding resources by whole words of
//! their narrative, or of all text in them. Words are folded, and each stands in the index once, as a
//! token, so that words join with all other conditions and under every scope.

use std::collections::BTreeSet;

use super::names::kept;
use super::value::{Entry, Value};
use crate::definitions::{Definitions, Form, Shape, TypeId, TypeKind};
use crate::json::Json;
use crate::terminology::words::words;

/// Different words of one resource that count; of a longer text the rest is not found.
const WORDS_MAX: usize = 5000;

/// The codes that words stand under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts {
    /// Of the narrative.
    pub(super) text: &'static str,
    /// Of all text.
    pub(super) content: &'static str,
}

impl Texts {
    pub(super) fn of(generation: i64) -> Option<Texts> {
        Some(Texts {
            text: kept(&format!("_text@{generation}"))?,
            content: kept(&format!("_content@{generation}"))?,
        })
    }

    /// Adds the words of a resource.
    pub(super) fn extract(&self, ty: &str, resource: &Json<'_>, entries: &mut Vec<Entry>) {
        let definitions = Definitions::r4();
        let Some(id) = definitions.resource(ty) else {
            return;
        };
        let mut gathered = Gathered::default();
        gathered.of(resource, id, definitions);
        for (code, words) in [
            (self.text, gathered.narrative),
            (self.content, gathered.all),
        ] {
            entries.extend(words.into_iter().map(|word| Entry {
                code,
                value: Value::Token {
                    system: None,
                    code: word,
                },
            }));
        }
    }
}

#[derive(Default)]
struct Gathered {
    narrative: BTreeSet<String>,
    all: BTreeSet<String>,
}

impl Gathered {
    /// As deep as JSON may be.
    fn of(&mut self, json: &Json<'_>, ty: TypeId, definitions: &Definitions) {
        let Some(members) = json.as_object() else {
            return;
        };
        let ty = definitions.ty(ty);
        for (name, value) in members {
            let Some((key, _)) = ty.key(name) else {
                continue;
            };
            // R4 has it as a text, and it is an address.
            if ty.shape == Shape::Reference && name == "reference" {
                continue;
            }
            let below = std::slice::from_ref(value);
            for item in value.as_array().unwrap_or(below) {
                self.member(item, key.ty, definitions);
            }
        }
    }

    fn member(&mut self, item: &Json<'_>, ty: TypeId, definitions: &Definitions) {
        let shape = definitions.ty(ty).shape;
        match (shape, item.as_str()) {
            (Shape::Primitive(Form::String | Form::Markdown), Some(text)) => self.add(text, false),
            (Shape::Primitive(Form::Xhtml), Some(text)) => self.add(&plain(text), true),
            (Shape::Primitive(_), _) => {}
            _ => {
                // What is contained says of itself what it is.
                let own = match definitions.ty(ty).kind {
                    TypeKind::Resource | TypeKind::Abstract => {
                        let named = item.text("resourceType");
                        named.and_then(|name| definitions.resource(name))
                    }
                    _ => None,
                };
                self.of(item, own.unwrap_or(ty), definitions);
            }
        }
    }

    fn add(&mut self, text: &str, is_narrative: bool) {
        for word in words(text) {
            if is_narrative && self.narrative.len() < WORDS_MAX {
                self.narrative.insert(word.clone());
            }
            if self.all.len() < WORDS_MAX {
                self.all.insert(word);
            }
        }
    }
}

/// XHTML without its tags, and with the signs that its entities stand for.
fn plain(xhtml: &str) -> String {
    let mut out = String::with_capacity(xhtml.len());
    let mut rest = xhtml;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let end = if after.starts_with('<') { '>' } else { ';' };
        let Some((sign, behind)) = after.split_once(end) else {
            return out;
        };
        match sign {
            "&amp" => out.push('&'),
            "&apos" => out.push('\''),
            _ => {
                let letter = sign.strip_prefix("&#").and_then(number);
                out.push(letter.unwrap_or(' '));
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn number(text: &str) -> Option<char> {
    let code = match text.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => text.parse().ok()?,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    #[test]
    fn words_are_those_of_texts_and_not_of_codes_addresses_and_ids() {
        let text = r#"{"resourceType":"Condition","id":"ident","text":{"status":"generated",
            "div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class=\"big\">Liver<b>&#xE9;tat</b> &amp; bone</p></div>"},
            "code":{"coding":[{"system":"urn:systems","code":"coded","display":"M\u00e9ni\u00e8re's disease"}]},
            "note":[{"text":"Seen in **clinic**"}],"onsetString":"yesterday","subject":{"reference":"Patient/refers","display":"Zo\u00eb"},
            "contained":[{"resourceType":"Patient","id":"inside","name":[{"family":"Contained"}]}],
            "extension":[{"url":"urn:ext","valueString":"extended"}]}"#;
        let condition = parse(text.as_bytes(), &Limits::default()).unwrap();
        let texts = Texts::of(7).unwrap();
        let mut entries = Vec::new();
        texts.extract("Condition", &condition, &mut entries);
        let under = |code: &str| -> Vec<String> {
            let found = entries.iter().filter(|it| it.code == code);
            let word = |it: &Entry| match &it.value {
                Value::Token { system: None, code } => code.clone(),
                other => panic!("{other:?}"),
            };
            found.map(word).collect()
        };
        assert_eq!(under("_text@7"), ["bone", "etat", "liver"]);
        assert_eq!(
            under("_content@7"),
            [
                "bone",
                "clinic",
                "contained",
                "disease",
                "etat",
                "extended",
                "in",
                "liver",
                "meniere",
                "s",
                "seen",
                "yesterday",
                "zoe"
            ]
        );
    }

    #[test]
    fn tags_part_words_and_an_open_one_ends_the_text() {
        assert_eq!(
            words(&plain("a<br/>b &lt;c&gt; &#100;&#x65; <open")),
            ["a", "b", "c", "de"]
        );
    }
}
