//! XML as far as the published test files need it: elements, attributes, text, the five entities.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, dead_code)]

use fhir::definitions::{Definitions, Shape, Type, TypeKind};

#[derive(Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    pub text: String,
    /// As it stands in the file.
    pub raw: String,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut found = self.attributes.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}

pub fn read(text: &str) -> Element {
    let mut reader = Reader { text, at: 0 };
    reader.misc();
    reader.element()
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Skips white space, comments, declarations.
    fn misc(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
            self.at += rest.len() - trimmed.len();
            let end = match trimmed {
                rest if rest.starts_with("<!--") => rest.find("-->").unwrap() + 3,
                rest if rest.starts_with("<?") => rest.find("?>").unwrap() + 2,
                _ => return,
            };
            self.at += end;
        }
    }

    fn element(&mut self) -> Element {
        let start = self.at;
        let open = tag_end(self.rest());
        let tag = self.rest()[1..open].to_string();
        self.at += open + 1;
        let (tag, is_closed) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag.as_str(), false),
        };
        let mut element = Element::default();
        let name_end = tag.find(char::is_whitespace).unwrap_or(tag.len());
        element.name = tag[..name_end].to_string();
        let mut rest = tag[name_end..].trim();
        while let Some((name, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let quote = after.chars().next().unwrap();
            let (value, next) = after[1..].split_once(quote).unwrap();
            let pair = (name.trim().to_string(), plain(value));
            element.attributes.push(pair);
            rest = next.trim();
        }
        let mut is_open = !is_closed;
        while is_open {
            let rest = self.rest();
            if rest.starts_with("</") {
                self.at += rest.find('>').unwrap() + 1;
                is_open = false;
            } else if rest.starts_with("<!--") {
                self.at += rest.find("-->").unwrap() + 3;
            } else if let Some(data) = rest.strip_prefix("<![CDATA[") {
                let end = data.find("]]>").unwrap();
                element.text.push_str(&data[..end]);
                self.at += end + 12;
            } else if rest.starts_with('<') {
                let child = self.element();
                element.children.push(child);
            } else {
                let end = rest.find('<').unwrap();
                element.text.push_str(&plain(&rest[..end]));
                self.at += end;
            }
        }
        element.raw = self.text[start..self.at].to_string();
        element
    }
}

/// The `>` that ends a tag, not one within quotes.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    let ends = |letter: char| {
        match (quote, letter) {
            (None, '>') => return true,
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            _ => {}
        }
        false
    };
    text.find(ends).unwrap()
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&#xA;", "\n")
        .replace("&amp;", "&")
}

/// A resource in FHIR's XML as its JSON.
pub fn resource(element: &Element) -> String {
    let r4 = Definitions::r4();
    let ty = r4.ty(r4.resource(&element.name).unwrap());
    object(element, ty)
}

fn object(element: &Element, ty: &Type) -> String {
    let mut members = Vec::new();
    if ty.kind == TypeKind::Resource {
        members.push(format!("\"resourceType\":{}", quoted(&element.name)));
    }
    for (name, value) in &element.attributes {
        if name != "xmlns"
            && name != "value"
            && !name.starts_with("xmlns:")
            && !name.starts_with("xsi:")
        {
            members.push(format!("{}:{}", quoted(name), quoted(value)));
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for child in &element.children {
        if !names.contains(&child.name.as_str()) {
            names.push(&child.name);
        }
    }
    for name in names {
        let all: Vec<&Element> = element
            .children
            .iter()
            .filter(|child| child.name == name)
            .collect();
        members.extend(member(name, &all, ty));
    }
    format!("{{{}}}", members.join(","))
}

fn member(name: &str, all: &[&Element], ty: &Type) -> Vec<String> {
    let r4 = Definitions::r4();
    let Some((many, found)) = known(name, ty) else {
        return vec![format!("{}:true", quoted(name))];
    };
    let child = r4.ty(found);
    let (mut values, mut siblings) = (Vec::new(), Vec::new());
    for element in all {
        let sibling = match child.shape {
            Shape::Primitive(_) if element.name != "div" => object(element, child),
            _ => "{}".to_string(),
        };
        siblings.push(if sibling == "{}" {
            "null".to_string()
        } else {
            sibling
        });
        values.push(value(element, child));
    }
    let listed = |items: &[String]| match many {
        true => format!("[{}]", items.join(",")),
        false => items[0].clone(),
    };
    let mut members = Vec::new();
    if values.iter().any(|value| value != "null") {
        members.push(format!("{}:{}", quoted(name), listed(&values)));
    }
    if siblings.iter().any(|sibling| sibling != "null") {
        members.push(format!(
            "{}:{}",
            quoted(&format!("_{name}")),
            listed(&siblings)
        ));
    }
    members
}

fn value(element: &Element, ty: &Type) -> String {
    match ty.shape {
        Shape::Primitive(_) if element.name == "div" => quoted(&element.raw),
        Shape::Primitive(_) => match element.attribute("value") {
            None => "null".to_string(),
            Some(value)
                if matches!(
                    ty.name,
                    "boolean" | "integer" | "decimal" | "positiveInt" | "unsignedInt"
                ) =>
            {
                value.to_string()
            }
            Some(value) => quoted(value),
        },
        Shape::AnyResource => resource(&element.children[0]),
        _ => object(element, ty),
    }
}

/// Whether an element repeats, and the type that its name gives it.
fn known(name: &str, ty: &Type) -> Option<(bool, fhir::definitions::TypeId)> {
    let r4 = Definitions::r4();
    if let Some(element) = ty.element(name).filter(|element| !element.is_choice) {
        return Some((element.many, *element.types.first()?));
    }
    ty.elements
        .iter()
        .filter(|element| element.is_choice)
        .find_map(|element| {
            let rest = name.strip_prefix(element.name)?;
            let found = element
                .types
                .iter()
                .find(|ty| r4.ty(**ty).name.eq_ignore_ascii_case(rest))?;
            Some((false, *found))
        })
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    fhir::json::write_text(text, &mut out);
    String::from_utf8(out).unwrap()
}
