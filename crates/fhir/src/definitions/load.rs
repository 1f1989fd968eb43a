//! The table's reader. Its text is kept for as long as the process runs, so that every name in it
//! can be borrowed.

use std::collections::HashMap;

use super::{
    Definitions, Element, Form, Key, NameMap, Rule, SearchParameter, Shape, Type, TypeId, TypeKind,
    ValueSet,
};
use crate::json::{Json, Limits, parse};

const TABLE: &[u8] = include_bytes!("../../definitions/r4.json.zst");

/// What the table unpacks to, at most.
const TABLE_BYTES_MAX: usize = 4 << 20;

/// Reads the table that is compiled in. `None` if it is not as `cargo xtask definitions` makes it.
pub(super) fn r4() -> Option<Definitions> {
    let text = zstd::bulk::decompress(TABLE, TABLE_BYTES_MAX).ok()?;
    let text: &'static [u8] = Vec::leak(text);
    let table = parse(
        text,
        &Limits {
            bytes: TABLE_BYTES_MAX,
            ..Limits::default()
        },
    )
    .ok()?;
    let mut definitions = Definitions::default();
    for (index, found) in table.items("types").iter().enumerate() {
        let name = name(item(found, 0)?)?;
        definitions
            .names
            .insert(name, TypeId(u16::try_from(index).ok()?));
    }
    for found in table.items("types") {
        definitions
            .types
            .push(read_type(found, &definitions.names)?);
    }
    for found in table.items("valueSets") {
        definitions.value_sets.push(read_value_set(found)?);
    }
    for found in table.items("parameters") {
        definitions.parameters.push(read_parameter(found)?);
    }
    for found in table.items("compartment") {
        definitions
            .compartment
            .insert(name(item(found, 0)?)?, names(item(found, 1)?)?);
    }
    for found in table.items("compartments") {
        let mut types = NameMap::default();
        for member in item(found, 1)?.as_array()? {
            types.insert(name(item(member, 0)?)?, names(item(member, 1)?)?);
        }
        definitions
            .compartments
            .insert(name(item(found, 0)?)?, types);
    }
    for found in table.items("invariants") {
        let mut rule = read_rule(found)?;
        rule.group = group(&mut definitions, rule.path);
        definitions.rules.push(rule);
    }
    Some(definitions)
}

fn item<'j>(json: &'j Json<'static>, index: usize) -> Option<&'j Json<'static>> {
    json.as_array()?.get(index)
}

/// The text of a string; one with an escape is kept for good as well.
fn name(json: &Json<'static>) -> Option<&'static str> {
    match json {
        Json::String(std::borrow::Cow::Borrowed(text)) => Some(text),
        Json::String(std::borrow::Cow::Owned(text)) => Some(text.clone().leak()),
        _ => None,
    }
}

fn names(json: &Json<'static>) -> Option<Vec<&'static str>> {
    json.as_array()?.iter().map(name).collect()
}

fn number(json: &Json<'static>) -> Option<i32> {
    json.as_number()?.parse().ok()
}

fn read_type(json: &Json<'static>, known: &NameMap<TypeId>) -> Option<Type> {
    let type_name = name(item(json, 0)?)?;
    let kind = match item(json, 1)?.as_str()? {
        "primitive" => TypeKind::Primitive,
        "complex" => TypeKind::Complex,
        "resource" => TypeKind::Resource,
        "abstract" => TypeKind::Abstract,
        _ => return None,
    };
    let shape = match kind {
        TypeKind::Primitive => Shape::Primitive(Form::of(type_name)?),
        TypeKind::Resource => Shape::Resource,
        TypeKind::Complex | TypeKind::Abstract => Shape::of(type_name),
    };
    let elements: Option<Vec<Element>> = item(json, 3)?
        .as_array()?
        .iter()
        .map(|found| read_element(found, known))
        .collect();
    let mut ty = Type {
        name: type_name,
        kind,
        shape,
        regex: item(json, 2).and_then(name),
        elements: elements?,
        keys: HashMap::default(),
        required: 0,
    };
    index(&mut ty)?;
    Some(ty)
}

/// Fills in what is derived from the elements.
fn index(ty: &mut Type) -> Option<()> {
    for (position, element) in ty.elements.iter().enumerate() {
        let position = u8::try_from(position)
            .ok()
            .filter(|position| *position < 64)?;
        for (member, id) in element.members.iter().zip(&element.types) {
            ty.keys.insert(
                member,
                Key {
                    element: position,
                    ty: *id,
                },
            );
        }
        if element.min > 0 {
            ty.required |= 1 << position;
        }
    }
    Some(())
}

fn read_element(json: &Json<'static>, known: &NameMap<TypeId>) -> Option<Element> {
    let full_name = name(item(json, 0)?)?;
    let type_names = names(item(json, 3)?)?;
    let choice = full_name.strip_suffix("[x]");
    let members = match choice {
        Some(stem) => type_names
            .iter()
            .map(|ty| choice_member(stem, ty))
            .collect(),
        None => vec![full_name],
    };
    let types: Option<Vec<TypeId>> = type_names.iter().map(|ty| known.get(ty).copied()).collect();
    Some(Element {
        name: choice.unwrap_or(full_name),
        is_choice: choice.is_some(),
        min: u32::try_from(number(item(json, 1)?)?).ok()?,
        many: number(item(json, 2)?)? == 1,
        types: types?,
        targets: names(item(json, 4)?)?,
        value_set: u16::try_from(number(item(json, 5)?)?).ok(),
        members,
        group: None,
    })
}

/// `value` and `dateTime` make `valueDateTime`.
fn choice_member(stem: &str, ty: &str) -> &'static str {
    let mut member = String::with_capacity(stem.len() + ty.len());
    member.push_str(stem);
    let mut letters = ty.chars();
    member.extend(letters.next().map(|first| first.to_ascii_uppercase()));
    member.push_str(letters.as_str());
    member.leak()
}

fn read_value_set(json: &Json<'static>) -> Option<ValueSet> {
    let mut codes = NameMap::default();
    for group in item(json, 1)?.as_array()? {
        let system = name(item(group, 0)?)?;
        for code in names(item(group, 1)?)? {
            codes.insert(code, system);
        }
    }
    Some(ValueSet {
        address: name(item(json, 0)?)?,
        codes,
    })
}

fn read_parameter(json: &Json<'static>) -> Option<SearchParameter> {
    Some(SearchParameter {
        code: name(item(json, 0)?)?,
        kind: name(item(json, 1)?)?,
        bases: names(item(json, 2)?)?,
        expression: name(item(json, 3)?)?,
        targets: names(item(json, 4)?)?,
    })
}

fn read_rule(json: &Json<'static>) -> Option<Rule> {
    Some(Rule {
        group: None,
        path: name(item(json, 0)?)?,
        key: name(item(json, 1)?)?,
        is_error: number(item(json, 2)?)? == 1,
        expression: name(item(json, 3)?)?,
    })
}

/// Numbers an element that has invariants of its own; `None` of a type.
fn group(definitions: &mut Definitions, path: &str) -> Option<u16> {
    if definitions.names.contains_key(path) {
        return None;
    }
    let (owner, name) = path.rsplit_once('.')?;
    let fresh = definitions.rules.iter().filter_map(|rule| rule.group).max();
    let fresh = fresh.map_or(0, |last| last + 1);
    let owner = definitions.names.get(owner)?;
    let owner = definitions.types.get_mut(usize::from(owner.0))?;
    let element = owner
        .elements
        .iter_mut()
        .find(|element| element.name == name)?;
    Some(*element.group.get_or_insert(fresh))
}
