//! Whether a reference points at a type that its element allows
//! (<https://hl7.org/fhir/R4/references.html>). Nothing is looked up elsewhere: what neither the
//! reference nor the resource at hand tells is taken as it is.

use std::collections::HashMap;

use super::{Place, Walk};
use crate::definitions::Element;
use crate::json::Json;
use crate::problem::Kind;
use crate::resource::check_id;

/// The types of a Bundle's resources, by the `fullUrl` that is no address on a server.
pub(super) type Entries<'a> = HashMap<&'a str, &'a str>;

pub(super) fn entries<'a>(bundle: &'a Json<'a>) -> Entries<'a> {
    let named = bundle.items("entry").iter().filter_map(|entry| {
        let full_url = entry
            .text("fullUrl")
            .filter(|url| url.starts_with("urn:"))?;
        Some((full_url, entry.get("resource")?.text("resourceType")?))
    });
    named.collect()
}

impl<'a> Walk<'a> {
    pub(super) fn target(&mut self, reference: &'a Json<'a>, element: &Element, place: &Place<'_>) {
        if !self.holding || element.targets.is_empty() {
            return;
        }
        let Some(ty) = self.pointed_at(reference) else {
            return;
        };
        if element.targets.contains(&"Resource") || element.targets.contains(&ty) {
            return;
        }
        let allowed = element.targets.join(", ");
        let message = format!("This refers to {ty}, and R4 allows here only {allowed}.");
        self.fault(Kind::Structure, message, place);
    }

    /// The type of what a reference points at, as far as it can be told.
    fn pointed_at(&self, reference: &'a Json<'a>) -> Option<&'static str> {
        let known = |name: &str| {
            let id = self.definitions.resource(name)?;
            Some(self.definitions.ty(id).name)
        };
        let literal = reference.text("reference");
        let literal = literal.and_then(|literal| self.of_literal(literal));
        literal
            .and_then(known)
            .or_else(|| reference.text("type").and_then(known))
    }

    /// The name that stands where a type does, or that of the resource which is here.
    fn of_literal(&self, literal: &'a str) -> Option<&'a str> {
        if let Some(id) = literal.strip_prefix('#') {
            let root = self.root?.json?;
            if id.is_empty() {
                return root.text("resourceType");
            }
            let mut contained = root.items("contained").iter();
            let found = contained.find(|it| it.text("id") == Some(id))?;
            return found.text("resourceType");
        }
        if literal.starts_with("urn:") {
            return self.entries.get(literal).copied();
        }
        of_address(literal)
    }
}

/// `Patient` of `Patient/1`, `https://a.example/fhir/Patient/1/_history/2` and `Patient?identifier=x`.
fn of_address(literal: &str) -> Option<&str> {
    if let Some((ty, _)) = literal.split_once('?') {
        return Some(ty);
    }
    let unversioned = literal
        .split_once("/_history/")
        .map_or(literal, |(address, _)| address);
    let (before, id) = unversioned.rsplit_once('/')?;
    check_id(id).ok()?;
    let is_absolute = literal.starts_with("https://") || literal.starts_with("http://");
    match is_absolute {
        true => before.rsplit('/').next(),
        false => Some(before),
    }
}
