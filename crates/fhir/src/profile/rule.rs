//! What a profile asks of an element, as a tree: a profile's own rules laid over those of the profile
//! that it is made from. The rules of R4 itself are not in it; `validate` holds those.

use std::sync::Arc;

use super::constant::Constant;
use crate::fhirpath::Expression;

/// The rules for one element, or for one slice of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// As in FHIRPath, without `[x]`; or the JSON name of a choice's type (`valueQuantity`).
    pub name: String,
    pub min: Option<u32>,
    /// `u32::MAX` for `*`.
    pub max: Option<u32>,
    pub types: Option<Vec<TypeRule>>,
    pub fixed: Option<Arc<Constant>>,
    pub pattern: Option<Arc<Constant>>,
    pub binding: Option<Binding>,
    pub max_length: Option<usize>,
    /// Bounds of a number or date, as their text.
    pub min_value: Option<String>,
    pub max_value: Option<String>,
    pub constraints: Vec<Arc<Constraint>>,
    pub slicing: Option<Slicing>,
    pub slices: Vec<Slice>,
    pub children: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub name: String,
    pub rule: Rule,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct TypeRule {
    pub code: String,
    /// Any of these will do.
    pub profiles: Vec<String>,
    pub targets: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Binding {
    pub is_required: bool,
    pub value_set: String,
}

#[derive(Debug)]
pub(super) struct Constraint {
    pub key: String,
    pub is_error: bool,
    pub human: String,
    /// `None` where it is not FHIRPath that we know.
    pub expression: Option<Expression>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slicing {
    pub discriminators: Vec<Discriminator>,
    pub openness: Openness,
    pub is_ordered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Openness {
    Open,
    OpenAtEnd,
    Closed,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Discriminator {
    pub kind: DiscriminatorKind,
    /// Steps of a restricted FHIRPath; none for `$this`.
    pub steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiscriminatorKind {
    /// `value` and `pattern` ask the same.
    Value,
    Type,
    Profile,
    Exists,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Member(String),
    Extension(String),
    Resolve,
}

impl Rule {
    pub fn named(name: &str) -> Rule {
        Rule {
            name: name.to_string(),
            ..Rule::default()
        }
    }

    pub fn child(&self, name: &str) -> Option<&Rule> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn child_mut(&mut self, name: &str) -> &mut Rule {
        let found = self.children.iter().position(|child| child.name == name);
        let at = found.unwrap_or_else(|| {
            self.children.push(Rule::named(name));
            self.children.len() - 1
        });
        // The position was just found or made.
        #[allow(clippy::indexing_slicing)]
        &mut self.children[at]
    }

    pub fn slice_mut(&mut self, name: &str) -> &mut Rule {
        let found = self.slices.iter().position(|slice| slice.name == name);
        let at = found.unwrap_or_else(|| {
            self.slices.push(Slice {
                name: name.to_string(),
                rule: Rule::named(&self.name),
            });
            self.slices.len() - 1
        });
        #[allow(clippy::indexing_slicing)]
        &mut self.slices[at].rule
    }

    /// Lays a profile's own rules over these: what it says is said, what it adds is added.
    pub fn overlay(&mut self, own: &Rule) {
        fn replace<T: Clone>(base: &mut Option<T>, own: &Option<T>) {
            if own.is_some() {
                base.clone_from(own);
            }
        }
        self.min = self.min.max(own.min);
        self.max = match (self.max, own.max) {
            (Some(base), Some(own)) => Some(base.min(own)),
            (base, own) => base.or(own),
        };
        replace(&mut self.types, &own.types);
        replace(&mut self.fixed, &own.fixed);
        replace(&mut self.pattern, &own.pattern);
        replace(&mut self.binding, &own.binding);
        replace(&mut self.max_length, &own.max_length);
        replace(&mut self.min_value, &own.min_value);
        replace(&mut self.max_value, &own.max_value);
        replace(&mut self.slicing, &own.slicing);
        for constraint in &own.constraints {
            self.constraints.retain(|known| known.key != constraint.key);
            self.constraints.push(Arc::clone(constraint));
        }
        for slice in &own.slices {
            self.slice_mut(&slice.name).overlay(&slice.rule);
        }
        for child in &own.children {
            self.child_mut(&child.name).overlay(child);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_lies_over_the_one_it_is_made_from() {
        let mut base = Rule::named("Patient");
        base.child_mut("name").max = Some(3);
        base.child_mut("name").slice_mut("usual").min = Some(1);
        let mut own = Rule::named("Patient");
        own.child_mut("name").min = Some(1);
        own.child_mut("name").max = Some(5);
        own.child_mut("name").slice_mut("usual").max = Some(1);
        own.child_mut("gender").min = Some(1);
        base.overlay(&own);
        let name = base.child("name").unwrap();
        assert_eq!((name.min, name.max), (Some(1), Some(3)));
        assert_eq!(name.slices[0].rule.min, Some(1));
        assert_eq!(name.slices[0].rule.max, Some(1));
        assert_eq!(base.child("gender").unwrap().min, Some(1));
    }
}
