//! The walk over a resource with a profile's rules beside it.

use std::cell::Cell;
use std::rc::Rc;

use super::rule::{Constraint, Rule};
use super::{Asked, Profile, leaf, read, slices};
use crate::fhirpath::{Context, Node, STEPS_MAX, Value, World};
use crate::json::Json;
use crate::problem::{Kind, Problem};
use crate::terminology::{Membership, Subsumption};
use crate::validate::{Issue, Place, Severity};

/// No more is told of one resource.
const ISSUES_MAX: usize = 100;

/// Profiles within profiles, and resources within resources.
const DEPTH_MAX: u8 = 8;

/// Rules that are held against items in one check, those of trials included.
const RULES_MAX: u32 = 500_000;

pub(super) struct Walk<'a> {
    pub asked: &'a Asked<'a>,
    pub found: Vec<Issue>,
    /// The resource that is walked, and the outermost one.
    pub resource: Option<Node<'a>>,
    pub root: Option<Node<'a>>,
    pub depth: u8,
    /// How many more rules may be held; shared with trials.
    rules_left: Rc<Cell<u32>>,
}

impl<'a> Walk<'a> {
    pub fn new(asked: &'a Asked<'a>) -> Walk<'a> {
        Walk {
            asked,
            found: Vec::new(),
            resource: None,
            root: None,
            depth: 0,
            rules_left: Rc::new(Cell::new(RULES_MAX)),
        }
    }

    pub fn tell(
        &mut self,
        severity: Severity,
        kind: Kind,
        message: impl Into<String>,
        place: &Place<'_>,
    ) {
        if self.found.len() < ISSUES_MAX {
            let problem = Problem::new(kind, message).at(place.to_string());
            let issue = Issue { severity, problem };
            // Two profiles may ask the same.
            if !self.found.contains(&issue) {
                self.found.push(issue);
            }
        }
    }

    pub fn error(&mut self, kind: Kind, message: impl Into<String>, place: &Place<'_>) {
        self.tell(Severity::Error, kind, message, place);
    }

    /// A resource with all that is in it.
    pub fn resource(&mut self, json: &'a Json<'a>, further: &[&str]) {
        let Some(node) = Node::resource(json, self.asked.definitions) else {
            return;
        };
        let name = self.asked.definitions.ty(node.ty).name;
        let place = Place::root(name);
        self.root = Some(node);
        self.inside(node, further, &place);
    }

    /// A resource against these profiles and nothing else.
    pub fn only(&mut self, json: &'a Json<'a>, urls: &[&str]) {
        let Some(node) = Node::resource(json, self.asked.definitions) else {
            return;
        };
        (self.root, self.resource) = (Some(node), Some(node));
        let place = Place::root(self.asked.definitions.ty(node.ty).name);
        for url in urls {
            self.follow(url, node, &place, Severity::Error);
        }
    }

    fn inside(&mut self, node: Node<'a>, further: &[&str], place: &Place<'_>) {
        let outer = self.resource.replace(node);
        let declared = node.json.and_then(|json| json.get("meta"));
        let declared = declared
            .map(|meta| meta.items("profile"))
            .unwrap_or_default();
        for url in declared.iter().filter_map(Json::as_str) {
            self.follow(url, node, place, Severity::Warning);
        }
        for url in further {
            self.follow(url, node, place, Severity::Error);
        }
        self.elements(node, place);
        self.resource = outer;
    }

    /// Every extension, and every resource inside.
    fn elements(&mut self, node: Node<'a>, place: &Place<'_>) {
        let definitions = self.asked.definitions;
        for (child, name, index) in self.children(node) {
            let at = place.element(name);
            let at = index.map_or(at, |index| at.at(index));
            if child.ty != node.ty
                && definitions.ty(child.ty).kind == crate::definitions::TypeKind::Resource
            {
                if self.depth < DEPTH_MAX {
                    self.depth += 1;
                    self.inside(child, &[], &at);
                    self.depth -= 1;
                }
                continue;
            }
            if definitions.ty(child.ty).name == "Extension" {
                self.extension(child, node, &at);
            }
            self.elements(child, &at);
        }
    }

    /// Children with their names and, where the element repeats, their numbers.
    fn children(&self, node: Node<'a>) -> Vec<(Node<'a>, &'static str, Option<usize>)> {
        let mut found: Vec<(Node<'a>, &'static str, Option<usize>)> = Vec::new();
        node.children(self.asked.definitions, &mut |child| {
            let Some(element) = child.element else { return };
            let before = found
                .iter()
                .rev()
                .take_while(|(_, name, _)| *name == element.name);
            let index = element.many.then(|| before.count());
            found.push((child, element.name, index));
        });
        found
    }

    /// Checks a node against the profile of an address. `unknown`: how bad it is that nobody knows it.
    pub fn follow(&mut self, url: &str, node: Node<'a>, place: &Place<'_>, unknown: Severity) {
        if let Some(ty) = read::core_type(url)
            && let Some(id) = self.asked.definitions.find(ty)
        {
            if !crate::fhirpath::is_a(node.ty, id, self.asked.definitions) {
                self.error(Kind::Structure, format!("This is not a {ty}."), place);
            }
            return;
        }
        let asked = self.asked;
        match asked.profiles.find(url) {
            Some(profile) => self.profile(profile, node, place),
            None => {
                let message =
                    format!("The profile {url} is not known here, so it was not checked.");
                self.tell(unknown, Kind::NotFound, message, place);
            }
        }
    }

    pub fn profile(&mut self, profile: &'a Profile, node: Node<'a>, place: &Place<'_>) {
        let is_type = self
            .asked
            .definitions
            .find(&profile.ty)
            .is_some_and(|ty| crate::fhirpath::is_a(node.ty, ty, self.asked.definitions));
        if !is_type {
            let message = format!("{} is a profile of {}.", profile.url, profile.ty);
            return self.error(Kind::Structure, message, place);
        }
        if self.depth >= DEPTH_MAX {
            let message = "Profiles within profiles are too deep, so this was not checked.";
            return self.tell(Severity::Information, Kind::TooCostly, message, place);
        }
        self.depth += 1;
        self.rule(profile.rule(), node, place);
        self.depth -= 1;
    }

    /// Whether a node would follow a profile.
    pub fn would_follow(&self, url: &str, node: Node<'a>) -> bool {
        let mut trial = Walk {
            asked: self.asked,
            found: Vec::new(),
            resource: self.resource,
            root: self.root,
            depth: self.depth + 1,
            rules_left: Rc::clone(&self.rules_left),
        };
        if trial.depth >= DEPTH_MAX {
            return true;
        }
        trial.follow(url, node, &Place::root("trial"), Severity::Information);
        trial
            .found
            .iter()
            .all(|issue| issue.severity != Severity::Error)
    }

    /// What a rule asks of one item.
    pub fn rule(&mut self, rule: &'a Rule, node: Node<'a>, place: &Place<'_>) {
        let Some(left) = self.rules_left.get().checked_sub(1) else {
            let message = "There is too much to check, so from here on nothing was.";
            return self.tell(
                Severity::Information,
                Kind::TooCostly,
                message,
                &Place::root("Resource"),
            );
        };
        self.rules_left.set(left);
        leaf::check(self, rule, node, place);
        for constraint in &rule.constraints {
            self.constraint(constraint, node, place);
        }
        for child in &rule.children {
            self.child(child, node, place);
        }
    }

    fn child(&mut self, rule: &'a Rule, parent: Node<'a>, place: &Place<'_>) {
        let place = place.element(&rule.name);
        let items = self.items(&rule.name, parent);
        let many = items
            .iter()
            .any(|item| item.element.is_some_and(|element| element.many));
        self.count(rule, items.len(), &place);
        let at = |index: usize| match many {
            true => place.at(index),
            false => place,
        };
        for (index, item) in items.iter().enumerate() {
            self.rule(rule, *item, &at(index));
        }
        if !rule.slices.is_empty() {
            slices::check(self, rule, &items, &place);
        }
    }

    /// The items that a rule of that name is about.
    pub fn items(&self, name: &str, parent: Node<'a>) -> Vec<Node<'a>> {
        let definitions = self.asked.definitions;
        let mut items = Vec::new();
        parent.named(name, definitions, &mut |child| items.push(child));
        if !items.is_empty() {
            return items;
        }
        // The JSON name of one type of a choice.
        if let Some((key, element)) = definitions.ty(parent.ty).key(name)
            && element.is_choice
        {
            parent.named(element.name, definitions, &mut |child| {
                if child.ty == key.ty {
                    items.push(child);
                }
            });
        }
        items
    }

    pub fn count(&mut self, rule: &Rule, count: usize, place: &Place<'_>) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(min) = rule.min.filter(|min| count < *min) {
            let message =
                format!("The profile asks for at least {min} of this, and there are {count}.");
            self.error(Kind::Required, message, place);
        }
        if let Some(max) = rule.max.filter(|max| count > *max) {
            let message =
                format!("The profile allows at most {max} of this, and there are {count}.");
            self.error(Kind::Structure, message, place);
        }
    }

    fn constraint(&mut self, constraint: &'a Constraint, node: Node<'a>, place: &Place<'_>) {
        let Some(expression) = &constraint.expression else {
            let message = format!(
                "The rule {} is not FHIRPath that is known here, so it was not checked.",
                constraint.key
            );
            return self.tell(Severity::Information, Kind::NotSupported, message, place);
        };
        let resource = self.resource.unwrap_or(node);
        let within = Within {
            asked: self.asked,
            depth: self.depth,
            rules_left: Rc::clone(&self.rules_left),
        };
        let context = Context {
            focus: node,
            resource,
            root: self.root.unwrap_or(resource),
            now: self.asked.now,
            steps_max: STEPS_MAX,
            world: &within,
            ..Context::of(resource)
        };
        match expression.holds(&context, self.asked.definitions) {
            Ok(Some(false)) => {
                let severity = if constraint.is_error {
                    Severity::Error
                } else {
                    Severity::Warning
                };
                let message = format!(
                    "The rule {} does not hold: {}",
                    constraint.key, constraint.human
                );
                self.tell(severity, Kind::Invariant, message, place);
            }
            Ok(_) => {}
            Err(fault) => {
                let message = format!("The rule {} could not be checked: {fault}.", constraint.key);
                self.tell(Severity::Information, Kind::Incomplete, message, place);
            }
        }
    }
}

impl World for Asked<'_> {
    fn is_member(&self, value_set: &str, system: Option<&str>, code: &str) -> Option<bool> {
        match self.terminology.member(value_set, system, code) {
            Membership::Yes => Some(true),
            Membership::No => Some(false),
            Membership::Unknown(_) => None,
        }
    }

    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool> {
        let found = self.terminology.subsumption(system, general, special)?;
        Some(matches!(
            found,
            Subsumption::Equivalent | Subsumption::Subsumes
        ))
    }

    fn conforms_to(&self, resource: &Json<'_>, profile: &str) -> Option<bool> {
        let walk = Walk::new(self);
        conforms(walk, resource, profile)
    }
}

/// The world as a constraint of a profile sees it: what it asks is part of the same check.
struct Within<'a> {
    asked: &'a Asked<'a>,
    depth: u8,
    rules_left: Rc<Cell<u32>>,
}

impl World for Within<'_> {
    fn is_member(&self, value_set: &str, system: Option<&str>, code: &str) -> Option<bool> {
        self.asked.is_member(value_set, system, code)
    }

    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool> {
        self.asked.subsumes(system, general, special)
    }

    fn conforms_to(&self, resource: &Json<'_>, profile: &str) -> Option<bool> {
        let mut walk = Walk::new(self.asked);
        walk.depth = self.depth + 1;
        walk.rules_left = Rc::clone(&self.rules_left);
        conforms(walk, resource, profile)
    }
}

fn conforms<'a>(mut walk: Walk<'a>, resource: &'a Json<'a>, profile: &str) -> Option<bool> {
    let definitions = walk.asked.definitions;
    if let Some(ty) = read::core_type(profile) {
        definitions.find(ty)?;
        return Some(resource.text("resourceType") == Some(ty));
    }
    walk.asked.profiles.find(profile)?;
    let node = Node::resource(resource, definitions)?;
    (walk.resource, walk.root) = (Some(node), Some(node));
    walk.follow(
        profile,
        node,
        &Place::root("resource"),
        Severity::Information,
    );
    let good = |issue: &Issue| issue.severity != Severity::Error;
    Some(walk.found.iter().all(good))
}

/// The nodes of a result.
pub(super) fn nodes<'r>(values: &[Value<'r>]) -> Vec<Node<'r>> {
    values.iter().filter_map(Value::as_node).collect()
}
