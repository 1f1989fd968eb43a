//! From JSON to XML: the elements in the order of their definition, as the schema wants them.

use super::tokens::is_no_character;
use super::{FHIR, narrative};
use crate::definitions::{Definitions, Element, Form, Shape, Type, TypeId, TypeKind};
use crate::json::{Json, Limits};
use crate::problem::{Kind, Problem};

/// Writes a resource as XML, an element a line if `pretty`. `limits` bound the narrative, which is
/// read to be sure that it is well-formed.
///
/// # Errors
/// `Structure` for what XML or R4 cannot say: a member that R4 does not have, a control character, a
/// narrative that is not well-formed.
pub fn from_json(resource: &Json<'_>, limits: &Limits, pretty: bool) -> Result<Vec<u8>, Problem> {
    let mut writer = Writer {
        out: b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_vec(),
        definitions: Definitions::r4(),
        limits: *limits,
        depth: pretty.then_some(0),
    };
    writer.line(0);
    writer.resource(resource, Some(FHIR))?;
    writer.line(0);
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
    definitions: &'static Definitions,
    limits: Limits,
    /// How deep the element at hand is, where each gets a line of its own.
    depth: Option<usize>,
}

const NOTHING: Json<'static> = Json::Null;

fn fault(message: impl Into<String>) -> Problem {
    Problem::new(Kind::Structure, message)
}

impl Writer {
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Goes so much deeper and starts a line there, where elements have lines.
    fn line(&mut self, deeper: isize) {
        if let Some(depth) = self.depth {
            let depth = depth.saturating_add_signed(deeper);
            self.depth = Some(depth);
            self.out.push(b'\n');
            self.out.extend(std::iter::repeat_n(b' ', depth * 2));
        }
    }

    fn resource(&mut self, resource: &Json<'_>, namespace: Option<&str>) -> Result<(), Problem> {
        let name = resource.text("resourceType").unwrap_or_default();
        let ty = self.definitions.resource(name);
        let ty = ty.ok_or_else(|| fault("This is not a resource type of FHIR R4."))?;
        let name = self.definitions.ty(ty).name;
        self.raw("<");
        self.raw(name);
        if let Some(namespace) = namespace {
            self.attribute("xmlns", namespace)?;
        }
        self.content(resource, ty, name)
    }

    /// Attributes and elements of an object whose start tag is open, and its end tag.
    fn content(&mut self, object: &Json<'_>, ty: TypeId, tag: &str) -> Result<(), Problem> {
        let members = object.as_object();
        let members = members.ok_or_else(|| fault("An object was expected."))?;
        let ty = self.definitions.ty(ty);
        let is_resource = ty.kind == TypeKind::Resource;
        let mut written = usize::from(is_resource && object.get("resourceType").is_some());
        for name in ["id", "url"] {
            if let (true, Some(value)) = (is_attribute(ty, name), object.get(name)) {
                let value = value.as_str();
                self.attribute(name, value.ok_or_else(|| fault("A text was expected."))?)?;
                written += 1;
            }
        }
        self.raw(">");
        let begun = self.out.len();
        self.depth = self.depth.map(|depth| depth + 1);
        for element in &ty.elements {
            for (member, member_ty) in element.members.iter().zip(&element.types) {
                if !is_attribute(ty, member) {
                    written += self.member(object, element, member, *member_ty)?;
                }
            }
        }
        if written != members.len() {
            let message = format!("{} has a member that R4 does not have.", ty.name);
            return Err(fault(message));
        }
        if self.out.len() == begun {
            self.depth = self.depth.map(|depth| depth.saturating_sub(1));
            self.out.pop();
            self.raw("/>");
        } else {
            self.line(-1);
            self.end(tag);
        }
        Ok(())
    }

    fn end(&mut self, tag: &str) {
        self.raw("</");
        self.raw(tag);
        self.raw(">");
    }

    /// An element's values; how many members of the object they came from.
    fn member(
        &mut self,
        object: &Json<'_>,
        element: &Element,
        name: &str,
        ty: TypeId,
    ) -> Result<usize, Problem> {
        let (value, beside) = (object.get(name), object.get(&format!("_{name}")));
        let found = usize::from(value.is_some()) + usize::from(beside.is_some());
        if found == 0 {
            return Ok(0);
        }
        let values = items(value, element.many);
        let besides = items(beside, element.many);
        for index in 0..values.len().max(besides.len()) {
            let value = values.get(index).unwrap_or(&NOTHING);
            let beside = besides.get(index).unwrap_or(&NOTHING);
            self.line(0);
            self.element(name, ty, value, beside)?;
        }
        Ok(found)
    }

    fn element(
        &mut self,
        name: &str,
        ty: TypeId,
        value: &Json<'_>,
        beside: &Json<'_>,
    ) -> Result<(), Problem> {
        match self.definitions.ty(ty).shape {
            Shape::Primitive(Form::Xhtml) => {
                let div = value
                    .as_str()
                    .ok_or_else(|| fault("A narrative is a text."))?;
                narrative::check(div, &self.limits).map_err(|mut problem| {
                    problem.message = format!("In the narrative: {}", problem.message);
                    problem
                })?;
                self.raw(div);
                Ok(())
            }
            Shape::Primitive(_) => self.primitive(name, value, beside),
            Shape::AnyResource => {
                self.raw("<");
                self.raw(name);
                self.raw(">");
                self.line(1);
                self.resource(value, None)?;
                self.line(-1);
                self.end(name);
                Ok(())
            }
            _ => {
                self.raw("<");
                self.raw(name);
                self.content(value, ty, name)
            }
        }
    }

    fn primitive(
        &mut self,
        name: &str,
        value: &Json<'_>,
        beside: &Json<'_>,
    ) -> Result<(), Problem> {
        self.raw("<");
        self.raw(name);
        match value {
            Json::Null => {}
            Json::Bool(true) => self.attribute("value", "true")?,
            Json::Bool(false) => self.attribute("value", "false")?,
            Json::Number(text) => self.attribute("value", text)?,
            Json::String(text) => self.attribute("value", text)?,
            Json::Array(_) | Json::Object(_) => return Err(fault("A value was expected.")),
        }
        match beside {
            Json::Null => {
                self.raw("/>");
                Ok(())
            }
            beside => {
                let element = self.definitions.find("Element").unwrap_or_default();
                self.content(beside, element, name)
            }
        }
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        if value.contains(is_no_character) {
            let message = "A text has a character that XML does not have; ask for JSON.";
            return Err(fault(message));
        }
        self.raw(" ");
        self.raw(name);
        self.raw("=\"");
        for byte in value.bytes() {
            match byte {
                b'&' => self.raw("&amp;"),
                b'<' => self.raw("&lt;"),
                b'>' => self.raw("&gt;"),
                b'"' => self.raw("&quot;"),
                // A reader takes these for blanks unless they are written so.
                b'\t' => self.raw("&#9;"),
                b'\n' => self.raw("&#10;"),
                b'\r' => self.raw("&#13;"),
                _ => self.out.push(byte),
            }
        }
        self.raw("\"");
        Ok(())
    }
}

/// Whether the member is an attribute in XML: the id of an element, the url of an extension.
fn is_attribute(ty: &Type, name: &str) -> bool {
    name == "id" && ty.kind != TypeKind::Resource || name == "url" && ty.name == "Extension"
}

/// A member's values, one or many.
fn items<'r, 'j>(value: Option<&'r Json<'j>>, many: bool) -> &'r [Json<'j>] {
    match value {
        Some(Json::Array(items)) if many => items,
        Some(value) => std::slice::from_ref(value),
        None => &[],
    }
}
