//! Extensions (<https://hl7.org/fhir/R4/extensibility.html>): each against its definition, and only
//! where the definition says that it may stand.

use super::ContextRule;
use super::check::{Walk, nodes};
use crate::fhirpath::{Context, Expression, Node, STEPS_MAX};
use crate::problem::Kind;
use crate::validate::{Place, Severity};

impl<'a> Walk<'a> {
    /// `owner` is the element that has the extension.
    pub(super) fn extension(&mut self, extension: Node<'a>, owner: Node<'a>, place: &Place<'_>) {
        let Some(url) = extension.json.and_then(|json| json.text("url")) else {
            return;
        };
        // A part of another extension has a relative address, which the other defines.
        if !url.contains(':') {
            return;
        }
        let asked = self.asked;
        let Some(profile) = asked.profiles.find(url) else {
            let is_modifier = place.name() == "modifierExtension";
            let severity = if is_modifier {
                Severity::Warning
            } else {
                Severity::Information
            };
            let message = "This extension is not known here, so it was not checked.";
            return self.tell(severity, Kind::NotFound, message, place);
        };
        self.profile(profile, extension, place);
        let contexts = &profile.contexts;
        if !contexts.is_empty()
            && !contexts
                .iter()
                .any(|context| self.stands_in(context, owner))
        {
            let allowed: Vec<&str> = contexts
                .iter()
                .map(|context| context.expression.as_str())
                .collect();
            let message = format!("This extension may stand only in {}.", allowed.join(", "));
            self.error(Kind::Structure, message, place);
        }
    }

    fn stands_in(&self, context: &ContextRule, owner: Node<'a>) -> bool {
        let definitions = self.asked.definitions;
        let wanted = context.expression.as_str();
        match context.kind.as_str() {
            "extension" => owner.json.and_then(|json| json.text("url")) == Some(wanted),
            "element" => {
                let by_type = definitions
                    .find(wanted)
                    .is_some_and(|ty| crate::fhirpath::is_a(owner.ty, ty, definitions));
                by_type || self.is_at(wanted, owner)
            }
            _ => self.is_at(wanted, owner),
        }
    }

    /// Whether a path from the resource, such as `Patient.name`, leads to an element.
    fn is_at(&self, path: &str, owner: Node<'a>) -> bool {
        let Some(resource) = self.resource else {
            return false;
        };
        let path = path.replace("[x]", "");
        // A path may start at a data type: any element of it will do.
        if let Some((first, last)) = path.rsplit_once('.')
            && self
                .asked
                .definitions
                .resource(first.split('.').next().unwrap_or(first))
                .is_none()
        {
            return owner.element.is_some_and(|element| element.name == last);
        }
        let Ok(expression) = Expression::compile(&path, self.asked.definitions) else {
            return true;
        };
        let context = Context {
            steps_max: STEPS_MAX,
            world: self.asked,
            ..Context::of(resource)
        };
        let found = expression.evaluate(&context, self.asked.definitions);
        let same = |node: &Node<'_>| match (node.json, owner.json) {
            (Some(left), Some(right)) => std::ptr::eq(left, right),
            (None, None) => {
                matches!((node.sibling, owner.sibling), (Some(left), Some(right)) if std::ptr::eq(left, right))
            }
            _ => false,
        };
        found.is_ok_and(|found| nodes(&found).iter().any(same))
    }
}
