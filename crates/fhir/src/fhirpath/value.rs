//! What expressions are evaluated to: parts of a resource, and the System types.

use std::borrow::Cow;

use super::decimal::Decimal;
use super::moment::Moment;
use super::quantity::Quantity;
use crate::definitions::{Definitions, Element, Form, Shape, TypeId, TypeKind};
use crate::json::Json;

/// One item of a collection.
#[derive(Clone, Debug)]
pub enum Value<'r> {
    Node(Node<'r>),
    Bool(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(Cow<'r, str>),
    Moment(Moment),
    Quantity(Box<Quantity>),
    /// What `type()` tells: namespace and name.
    Type(&'static str, &'static str),
}

/// Part of a resource.
#[derive(Clone, Copy)]
pub struct Node<'r> {
    /// `None` where a primitive has no value.
    pub json: Option<&'r Json<'r>>,
    /// The `_name` sibling of a primitive.
    pub sibling: Option<&'r Json<'r>>,
    pub ty: TypeId,
    /// The element it was found as; `None` for a resource itself.
    pub element: Option<&'r Element>,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.json)
    }
}

impl<'r> Value<'r> {
    pub(super) fn text(text: impl Into<Cow<'r, str>>) -> Value<'r> {
        Value::Text(text.into())
    }

    pub(super) fn quantity(quantity: Quantity) -> Value<'r> {
        Value::Quantity(Box::new(quantity))
    }

    /// A primitive element as the System type of its value; anything else as it is. `None` for a
    /// primitive that has no value.
    pub(super) fn plain(self, definitions: &Definitions) -> Option<Value<'r>> {
        match self {
            Value::Node(node) if node.is_primitive(definitions) => node.system(definitions),
            value => Some(value),
        }
    }

    pub fn as_node(&self) -> Option<Node<'r>> {
        match self {
            Value::Node(node) => Some(*node),
            _ => None,
        }
    }

    /// The quantity that it is, or that the Quantity element says.
    pub(super) fn as_quantity(&self, definitions: &Definitions) -> Option<Quantity> {
        match self {
            Value::Quantity(quantity) => Some((**quantity).clone()),
            Value::Integer(value) => Some(Quantity::of_number(Decimal::whole(*value))),
            Value::Decimal(value) => Some(Quantity::of_number(*value)),
            Value::Node(node) if definitions.ty(node.ty).shape == Shape::Quantity => {
                Quantity::of_element(node.json?)
            }
            _ => None,
        }
    }
}

impl<'r> Node<'r> {
    /// The resource itself; `None` if R4 does not know its type.
    pub fn resource(json: &'r Json<'r>, definitions: &Definitions) -> Option<Node<'r>> {
        let ty = definitions.resource(json.text("resourceType")?)?;
        Some(Node {
            json: Some(json),
            sibling: None,
            ty,
            element: None,
        })
    }

    pub(super) fn is_primitive(&self, definitions: &Definitions) -> bool {
        matches!(definitions.ty(self.ty).shape, Shape::Primitive(_))
    }

    /// The value of a primitive.
    pub(super) fn system(&self, definitions: &Definitions) -> Option<Value<'r>> {
        let json = self.json?;
        let Shape::Primitive(form) = definitions.ty(self.ty).shape else {
            return None;
        };
        match json {
            Json::Bool(value) => Some(Value::Bool(*value)),
            Json::Number(text) if form == Form::Decimal => Decimal::parse(text).map(Value::Decimal),
            Json::Number(text) => text.parse().ok().map(Value::Integer),
            Json::String(text) => Some(of_text(text, form)),
            _ => None,
        }
    }

    /// The children of that name, each handed to `out`.
    pub(crate) fn named(
        &self,
        name: &str,
        definitions: &'r Definitions,
        out: &mut dyn FnMut(Node<'r>),
    ) {
        let ty = definitions.ty(self.ty);
        let holder = if self.is_primitive(definitions) {
            self.sibling
        } else {
            self.json
        };
        let Some(holder) = holder else { return };
        let Some(members) = holder.as_object() else {
            return;
        };
        if let Some(element) = ty.element(name).filter(|element| !element.is_choice) {
            let key = ty.key(name).map(|(key, _)| key.ty);
            let (value, sibling) = (holder.get(name), sibling_of(members, name));
            if let Some(key) = key {
                items(value, sibling, key, element, definitions, out);
            }
            return;
        }
        // The stem of a choice, such as `value` of `valueQuantity`.
        for (member, _) in members
            .iter()
            .filter(|(member, _)| member.strip_prefix('_').unwrap_or(member).starts_with(name))
        {
            let plain = member.strip_prefix('_').unwrap_or(member);
            let is_double = plain != member && holder.get(plain).is_some();
            if let Some((key, element)) = ty.key(plain)
                && element.is_choice
                && element.name == name
                && !is_double
            {
                let sibling = sibling_of(members, plain);
                items(
                    holder.get(plain),
                    sibling,
                    key.ty,
                    element,
                    definitions,
                    out,
                );
            }
        }
    }

    /// All children, in the order of the text.
    pub(crate) fn children(&self, definitions: &'r Definitions, out: &mut dyn FnMut(Node<'r>)) {
        let ty = definitions.ty(self.ty);
        let holder = if self.is_primitive(definitions) {
            self.sibling
        } else {
            self.json
        };
        let Some(members) = holder.and_then(Json::as_object) else {
            return;
        };
        for (member, value) in members {
            let plain = member.strip_prefix('_').unwrap_or(member);
            let Some((key, element)) = ty.key(plain) else {
                continue;
            };
            if plain == member {
                let sibling = sibling_of(members, plain);
                items(Some(value), sibling, key.ty, element, definitions, out);
            } else if !members.iter().any(|(name, _)| name == plain) {
                items(None, Some(value), key.ty, element, definitions, out);
            }
        }
    }
}

fn of_text<'r>(text: &'r str, form: Form) -> Value<'r> {
    let moment = match form {
        Form::Date => Moment::date(text),
        Form::DateTime | Form::Instant => Moment::date_time(text),
        Form::Time => Moment::time(text),
        _ => None,
    };
    moment.map_or(Value::Text(Cow::Borrowed(text)), Value::Moment)
}

fn sibling_of<'r>(members: &'r [(Cow<'r, str>, Json<'r>)], name: &str) -> Option<&'r Json<'r>> {
    members
        .iter()
        .find(|(member, _)| member.strip_prefix('_') == Some(name))
        .map(|(_, value)| value)
}

/// The items of an element, values and siblings side by side.
fn items<'r>(
    value: Option<&'r Json<'r>>,
    sibling: Option<&'r Json<'r>>,
    ty: TypeId,
    element: &'r Element,
    definitions: &'r Definitions,
    out: &mut dyn FnMut(Node<'r>),
) {
    let mut one = |json: Option<&'r Json<'r>>, sibling: Option<&'r Json<'r>>| {
        let json = json.filter(|json| **json != Json::Null);
        let sibling = sibling.filter(|sibling| **sibling != Json::Null);
        if json.is_none() && sibling.is_none() {
            return;
        }
        let ty = match definitions.ty(ty).shape {
            Shape::AnyResource => json
                .and_then(|json| definitions.resource(json.text("resourceType")?))
                .unwrap_or(ty),
            _ => ty,
        };
        out(Node {
            json,
            sibling,
            ty,
            element: Some(element),
        });
    };
    let values = value.and_then(Json::as_array);
    let siblings = sibling.and_then(Json::as_array);
    if values.is_none() && siblings.is_none() {
        return one(value, sibling);
    }
    let (values, siblings) = (values.unwrap_or_default(), siblings.unwrap_or_default());
    for index in 0..values.len().max(siblings.len()) {
        one(values.get(index), siblings.get(index));
    }
}

/// Whether a type is another, or is made from it (<https://hl7.org/fhir/R4/datatypes.html>).
pub(crate) fn is_a(ty: TypeId, wanted: TypeId, definitions: &Definitions) -> bool {
    if ty == wanted {
        return true;
    }
    let (found, wanted) = (definitions.ty(ty), definitions.ty(wanted));
    match wanted.name {
        "Resource" => found.kind == TypeKind::Resource,
        "DomainResource" => {
            found.kind == TypeKind::Resource
                && !matches!(found.name, "Bundle" | "Binary" | "Parameters")
        }
        "Element" => found.kind != TypeKind::Resource && found.kind != TypeKind::Abstract,
        "BackboneElement" => {
            found.name.contains('.')
                || matches!(found.name, "Dosage" | "Timing" | "ElementDefinition")
        }
        "string" => matches!(found.name, "code" | "id" | "markdown"),
        "uri" => matches!(found.name, "url" | "canonical" | "uuid" | "oid"),
        "integer" => matches!(found.name, "positiveInt" | "unsignedInt"),
        "Quantity" => found.shape == Shape::Quantity,
        _ => false,
    }
}

/// The name of a value's System type.
pub(super) fn system_type(value: &Value<'_>) -> Option<&'static str> {
    use super::moment::MomentKind;
    Some(match value {
        Value::Node(_) => return None,
        Value::Bool(_) => "Boolean",
        Value::Integer(_) => "Integer",
        Value::Decimal(_) => "Decimal",
        Value::Text(_) => "String",
        Value::Moment(moment) => match moment.kind {
            MomentKind::Date => "Date",
            MomentKind::DateTime => "DateTime",
            MomentKind::Time => "Time",
        },
        Value::Quantity(_) => "Quantity",
        Value::Type(..) => "TypeInfo",
    })
}

/// A result, handed out so that it outlives the run.
pub(super) type Items<'r> = Vec<Value<'r>>;
