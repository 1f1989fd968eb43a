//! The links in a resource that a transaction rewrites
//! (<https://hl7.org/fhir/R4/http.html#trules>): references, elements of type uri, url, oid and uuid
//! (not canonical), and `href` and `src` in narrative. All else stays exact.

use std::borrow::Cow;

use crate::definitions::{Definitions, Form, Shape, TypeId};
use crate::json::Json;

/// A link, by where it stands.
#[derive(Clone, Copy)]
pub(super) enum Link<'l> {
    /// In `Reference.reference`, where alone a conditional reference has a meaning.
    Reference(&'l str),
    Other(&'l str),
}

/// What a link becomes; `None` to leave it.
type Change<'c> = &'c mut dyn FnMut(Link<'_>) -> Option<String>;

pub(super) struct Links;

impl Links {
    /// Shows every link of a resource to `change`.
    pub(super) fn each(resource: &mut Json<'_>, change: Change<'_>) {
        let definitions = Definitions::r4();
        if let Some(ty) = resource
            .text("resourceType")
            .and_then(|name| definitions.resource(name))
        {
            object(resource, ty, definitions, change);
        }
    }
}

impl<'l> Link<'l> {
    pub(super) fn text(self) -> &'l str {
        match self {
            Link::Reference(text) | Link::Other(text) => text,
        }
    }

    /// A conditional reference, `Patient?identifier=x|1`, taken apart.
    pub(super) fn conditional(self) -> Option<(&'l str, &'l str)> {
        let Link::Reference(text) = self else {
            return None;
        };
        let (ty, query) = text.split_once('?')?;
        Definitions::r4().is_resource(ty).then_some((ty, query))
    }
}

fn object(json: &mut Json<'_>, ty: TypeId, definitions: &Definitions, change: Change<'_>) {
    let Json::Object(members) = json else { return };
    let ty = definitions.ty(ty);
    for (name, value) in members {
        let plain = name.strip_prefix('_').unwrap_or(name);
        let Some((key, _)) = ty.key(plain) else {
            continue;
        };
        let is_reference = ty.shape == Shape::Reference && name == "reference";
        each_item(value, &mut |item| {
            if is_reference {
                text(item, true, change);
            } else {
                element(item, key.ty, definitions, change);
            }
        });
    }
}

fn each_item<'a>(value: &mut Json<'a>, visit: &mut dyn FnMut(&mut Json<'a>)) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(visit),
        value => visit(value),
    }
}

fn element(json: &mut Json<'_>, ty: TypeId, definitions: &Definitions, change: Change<'_>) {
    if let Json::Object(_) = json {
        return match definitions.ty(ty).shape {
            Shape::AnyResource => Links::each(json, change),
            _ => object(json, ty, definitions, change),
        };
    }
    match definitions.ty(ty).shape {
        Shape::Primitive(Form::Uri) if definitions.ty(ty).name != "canonical" => {
            text(json, false, change);
        }
        Shape::Primitive(Form::Oid | Form::Uuid) => text(json, false, change),
        Shape::Primitive(Form::Xhtml) => narrative(json, change),
        _ => {}
    }
}

fn text(json: &mut Json<'_>, is_reference: bool, change: Change<'_>) {
    let link = json.as_str().map(|text| match is_reference {
        true => Link::Reference(text),
        false => Link::Other(text),
    });
    if let Some(changed) = link.and_then(change) {
        *json = Json::String(Cow::Owned(changed));
    }
}

/// Changes what stands in `href="…"` and `src="…"`, with either quote.
fn narrative(json: &mut Json<'_>, change: Change<'_>) {
    let Json::String(div) = json else { return };
    let mut out = String::new();
    let mut rest: &str = div;
    while let Some((start, length)) = next_link(rest) {
        let end = start + length;
        let (before, link, after) = match (rest.get(..start), rest.get(start..end), rest.get(end..))
        {
            (Some(before), Some(link), Some(after)) => (before, link, after),
            _ => break,
        };
        out.push_str(before);
        let changed = change(Link::Other(link));
        out.push_str(changed.as_deref().unwrap_or(link));
        rest = after;
    }
    if !out.is_empty() {
        out.push_str(rest);
        *json = Json::String(Cow::Owned(out));
    }
}

/// Start and length of the next link's text.
fn next_link(text: &str) -> Option<(usize, usize)> {
    let openings = ["href=\"", "src=\"", "href='", "src='"];
    let (start, quote) = openings
        .iter()
        .filter_map(|opening| {
            let at = text.find(opening)?;
            Some((at + opening.len(), opening.chars().next_back()?))
        })
        .min_by_key(|(start, _)| *start)?;
    let length = text.get(start..)?.find(quote)?;
    Some((start, length))
}
