//! From XML to JSON: the members in the order of the elements, numbers as they are written.

use quick_xml::events::{BytesStart, Event};

use super::narrative;
use super::tokens::{Attribute, Token, Tokens};
use super::{FHIR, XHTML};
use crate::definitions::{Definitions, Form, Shape, TypeId, TypeKind};
use crate::json::{Json, Limits, parse, write_text};
use crate::problem::{Kind, Problem};

/// Reads a resource in XML and gives it as minified JSON. Whether it is good R4 is `validate`'s
/// question; what R4 does not have cannot be said in JSON and is refused here.
///
/// # Errors
/// `Structure` for what is not well-formed, not FHIR's XML, or names an element that R4 does not
/// have; `Value` for a value that is none of its type; `TooLong` and `TooCostly` for what is beyond
/// `limits`; each with line and column.
pub fn to_json(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, Problem> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Problem::new(Kind::Structure, "The text is not valid UTF-8."))?;
    let mut reader = Reader {
        tokens: Tokens::new(text, limits)?,
        definitions: Definitions::r4(),
    };
    reader.document()
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    definitions: &'static Definitions,
}

/// A rendered value, and what stands in the member with `_` before its name.
type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A member while its elements come in.
struct Field {
    name: String,
    many: bool,
    values: Vec<Pair>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Vec<u8>, Problem> {
        let root = match self.first()? {
            Token::Start(root) => root,
            _ => return Err(self.fault("A resource was expected.")),
        };
        let attributes = self.tokens.attributes(&root)?;
        if !attributes.contains(&("xmlns".to_string(), FHIR.to_string())) {
            return Err(self.fault(format!("The outermost element says xmlns=\"{FHIR}\".")));
        }
        let json = self.resource(&root, &attributes)?;
        match self.tokens.tag()? {
            Token::Eof => Ok(json),
            _ => Err(self.fault("Something follows the end of the resource.")),
        }
    }

    /// The first tag, after the declaration that may stand before it.
    fn first(&mut self) -> Result<Token<'a>, Problem> {
        match self.tokens.event()? {
            Event::Decl(declaration) => {
                let encoding = declaration.encoding();
                let is_utf_8 = match encoding {
                    None => true,
                    Some(name) => name.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8")),
                };
                if !is_utf_8 {
                    return Err(self.fault("The encoding must be UTF-8."));
                }
                self.tokens.tag()
            }
            Event::Start(start) => Ok(Token::Start(start)),
            Event::Text(text) if text.trim().is_empty() => self.tokens.tag(),
            Event::Comment(_) => self.tokens.tag(),
            _ => Err(self.fault("A resource was expected.")),
        }
    }

    fn fault(&self, message: impl Into<String>) -> Problem {
        self.tokens.fault(Kind::Structure, message)
    }

    fn resource(
        &mut self,
        start: &BytesStart<'a>,
        attributes: &[Attribute],
    ) -> Result<Vec<u8>, Problem> {
        let name = start.name();
        let name: &str = name.as_ref();
        let ty = self
            .definitions
            .resource(name)
            .ok_or_else(|| self.fault("This is not a resource type of FHIR R4."))?;
        let mut out = b"{\"resourceType\":".to_vec();
        write_text(name, &mut out);
        let fields = self.fields(ty, attributes)?;
        finish(out, fields).ok_or_else(|| self.fault("An element may not be repeated here."))
    }

    /// The elements of a type up to its end tag, as members.
    fn fields(&mut self, ty: TypeId, attributes: &[Attribute]) -> Result<Vec<Field>, Problem> {
        let mut fields = self.attributes(ty, attributes)?;
        loop {
            let before = self.tokens.position();
            let start = match self.tokens.tag()? {
                Token::Start(start) => start,
                Token::End => return Ok(fields),
                Token::Eof => return Err(self.fault("The XML ends too early.")),
            };
            let name = start.name();
            let name: &str = name.as_ref();
            let known = self.definitions.ty(ty).key(name);
            let is_attribute = self.is_attribute(ty, name);
            let Some((key, element)) = known.filter(|_| !is_attribute) else {
                let of = self.definitions.ty(ty).name;
                return Err(self.fault(format!("{of} has no element of this name.")));
            };
            let many = element.many;
            let value = self.value(key.ty, &start, before)?;
            match fields.iter_mut().find(|field| field.name == name) {
                Some(field) => field.values.push(value),
                None => fields.push(Field {
                    name: name.to_string(),
                    many,
                    values: vec![value],
                }),
            }
        }
    }

    /// Whether the member is an attribute in XML: the id of an element, the url of an extension.
    fn is_attribute(&self, ty: TypeId, name: &str) -> bool {
        let ty = self.definitions.ty(ty);
        name == "id" && ty.kind != TypeKind::Resource || name == "url" && ty.name == "Extension"
    }

    fn attributes(&self, ty: TypeId, attributes: &[Attribute]) -> Result<Vec<Field>, Problem> {
        let mut fields = Vec::new();
        for (name, value) in attributes {
            if is_of_xml(name, value) {
                continue;
            }
            if !self.is_attribute(ty, name) {
                return Err(self.fault("This element has an attribute that FHIR does not have."));
            }
            fields.push(Field {
                name: name.clone(),
                many: false,
                values: vec![(Some(text(value)), None)],
            });
        }
        Ok(fields)
    }

    /// An element's value, up to its end tag, and what stands beside a primitive value.
    fn value(
        &mut self,
        ty: TypeId,
        start: &BytesStart<'a>,
        before: usize,
    ) -> Result<Pair, Problem> {
        let attributes = self.tokens.attributes(start)?;
        match self.definitions.ty(ty).shape {
            Shape::Primitive(Form::Xhtml) => {
                let from = self
                    .tokens
                    .text
                    .get(before..)
                    .and_then(|rest| rest.find('<'));
                let from = before + from.unwrap_or_default();
                let div = narrative::rest(&mut self.tokens, from, &attributes)?;
                Ok((Some(text(div)), None))
            }
            Shape::Primitive(form) => self.primitive(form, attributes),
            Shape::AnyResource => {
                if attributes
                    .iter()
                    .any(|(name, value)| !is_of_xml(name, value))
                {
                    return Err(self.fault("An attribute stands where FHIR has none."));
                }
                let Token::Start(inner) = self.tokens.tag()? else {
                    return Err(self.fault("A resource was expected in here."));
                };
                let attributes = self.tokens.attributes(&inner)?;
                let json = self.resource(&inner, &attributes)?;
                match self.tokens.tag()? {
                    Token::End => Ok((Some(json), None)),
                    _ => Err(self.fault("Only one resource stands in here.")),
                }
            }
            _ => {
                let mut fields = self.fields(ty, &attributes)?;
                if let Some(at) = fields.iter().position(|field| field.name == "extension")
                    && self.definitions.ty(ty).name == "Extension"
                {
                    // R4 defines the url of an extension after the extensions inside it.
                    fields
                        .get_mut(..=at)
                        .unwrap_or_default()
                        .sort_by_key(|field| field.name == "url");
                }
                let json = finish(b"{".to_vec(), fields);
                let json = json.ok_or_else(|| self.fault("An element may not be repeated here."));
                Ok((Some(json?), None))
            }
        }
    }

    /// The value, and the object with its id and extensions if it has any.
    fn primitive(&mut self, form: Form, mut attributes: Vec<Attribute>) -> Result<Pair, Problem> {
        let position = attributes.iter().position(|(name, _)| name == "value");
        let value = position.map(|position| attributes.swap_remove(position).1);
        let value = value.map(|value| self.rendered(form, &value)).transpose()?;
        let element = self.definitions.find("Element").unwrap_or_default();
        let fields = self.fields(element, &attributes)?;
        if fields.is_empty() {
            if value.is_none() {
                return Err(self.fault("The element has neither a value nor an extension."));
            }
            return Ok((value, None));
        }
        let beside = finish(b"{".to_vec(), fields);
        let beside = beside.ok_or_else(|| self.fault("An element may not be repeated here."))?;
        Ok((value, Some(beside)))
    }

    /// A primitive value as JSON.
    fn rendered(&self, form: Form, value: &str) -> Result<Vec<u8>, Problem> {
        match form {
            Form::Boolean if matches!(value, "true" | "false") => Ok(value.as_bytes().to_vec()),
            Form::Decimal | Form::Integer | Form::PositiveInt | Form::UnsignedInt
                if is_number(value) =>
            {
                Ok(value.as_bytes().to_vec())
            }
            Form::Boolean
            | Form::Decimal
            | Form::Integer
            | Form::PositiveInt
            | Form::UnsignedInt => {
                let message = "The value is not one of the element's type.";
                Err(self.tokens.fault(Kind::Value, message))
            }
            _ => Ok(text(value)),
        }
    }
}

/// What XML itself puts among the attributes.
fn is_of_xml(name: &str, value: &str) -> bool {
    match name {
        "xmlns" => value == FHIR,
        _ => {
            name.starts_with("xmlns:") && value != FHIR && value != XHTML
                || name.starts_with("xsi:")
        }
    }
}

fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 2);
    write_text(value, &mut out);
    out
}

/// Whether JSON takes it as a number as it is.
fn is_number(value: &str) -> bool {
    let read = parse(value.as_bytes(), &Limits::default());
    matches!(read, Ok(Json::Number(text)) if text.len() == value.len())
}

/// Adds the members to an object that has begun, and ends it. `None` if one that does not repeat is
/// there twice.
fn finish(mut out: Vec<u8>, fields: Vec<Field>) -> Option<Vec<u8>> {
    for field in fields {
        if !field.many && field.values.len() > 1 {
            return None;
        }
        let (values, beside): (Vec<_>, Vec<_>) = field.values.into_iter().unzip();
        member(&mut out, "", &field.name, field.many, values);
        member(&mut out, "_", &field.name, field.many, beside);
    }
    out.push(b'}');
    Some(out)
}

/// A member, unless it has no value.
fn member(out: &mut Vec<u8>, before: &str, name: &str, many: bool, values: Vec<Option<Vec<u8>>>) {
    if values.iter().all(Option::is_none) {
        return;
    }
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(if many { b"[" } else { b"" });
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value.as_deref().unwrap_or(b"null"));
    }
    out.extend_from_slice(if many { b"]" } else { b"" });
}
