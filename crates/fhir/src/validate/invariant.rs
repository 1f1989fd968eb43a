//! The invariants of R4 (<https://hl7.org/fhir/R4/conformance-rules.html#constraints>), compiled at
//! first use. One whose result hangs only on elements that are not there is not evaluated: what it
//! says of nothing was found out when it was compiled.

use super::{Issue, Place, Severity, Walk};
use crate::definitions::{Definitions, Element, Rule, TypeId, TypeKind};
use crate::fhirpath::{Context, Expression, Fault, Node, Reads, STEPS_MAX};
use crate::json::Json;
use crate::problem::{Kind, Problem};

/// All invariants, by where they hold.
#[derive(Default)]
pub(crate) struct Invariants {
    by_type: Vec<Vec<Invariant>>,
    /// By the group that the table gave the element.
    by_element: Vec<Vec<Invariant>>,
}

struct Invariant {
    rule: Rule,
    expression: Expression,
    /// It need not be asked unless one of these elements is there.
    reads: u64,
}

/// Holds whatever the elements: every bit.
const ANYTHING: u64 = u64::MAX;

impl Invariants {
    fn compile(definitions: &Definitions) -> Invariants {
        let types = definitions.types().len();
        let mut all = Invariants::default();
        all.by_type.resize_with(types, Vec::new);
        for rule in &definitions.rules {
            let Ok(expression) = Expression::compile(rule.expression, definitions) else {
                continue;
            };
            let home = match rule.group {
                Some(group) => {
                    let group = usize::from(group);
                    all.by_element
                        .resize_with(all.by_element.len().max(group + 1), Vec::new);
                    all.by_element.get_mut(group)
                }
                None => definitions
                    .find(rule.path)
                    .and_then(|ty| all.by_type.get_mut(definitions.position(ty))),
            };
            if let Some(home) = home {
                home.push(Invariant {
                    rule: *rule,
                    expression,
                    reads: ANYTHING,
                });
            }
        }
        all.spread(definitions);
        all
    }

    /// Gives DomainResource's invariants to the types made of it, and works out what each reads.
    fn spread(&mut self, definitions: &Definitions) {
        let domain = definitions
            .find("DomainResource")
            .and_then(|ty| self.by_type.get_mut(definitions.position(ty)))
            .map(std::mem::take)
            .unwrap_or_default();
        for (ty, invariants) in definitions.types().iter().zip(&mut self.by_type) {
            let is_plain = matches!(ty.name, "Bundle" | "Binary" | "Parameters");
            if ty.kind == TypeKind::Resource && !is_plain {
                invariants.extend(domain.iter().map(|invariant| Invariant {
                    rule: invariant.rule,
                    expression: invariant.expression.clone(),
                    reads: ANYTHING,
                }));
            }
            for invariant in invariants {
                if let Some(id) = definitions.find(ty.name) {
                    invariant.reads = reads(&invariant.expression, id, definitions);
                }
            }
        }
    }
}

/// The elements that must be there for an invariant to say anything but what it says of nothing.
fn reads(expression: &Expression, ty: TypeId, definitions: &Definitions) -> u64 {
    let Reads::Members(names) = expression.reads() else {
        return ANYTHING;
    };
    let nothing = Json::Object(Vec::new());
    let node = Node {
        json: Some(&nothing),
        sibling: None,
        ty,
        element: None,
    };
    if expression.holds(&Context::of(node), definitions) == Ok(Some(false)) {
        return ANYTHING;
    }
    let elements = definitions.ty(ty).elements.iter().enumerate();
    elements
        .filter(|(_, element)| names.iter().any(|name| name == element.name))
        .fold(0, |all, (position, _)| all | 1 << position)
}

impl<'a> Walk<'a> {
    fn rules(&self) -> &'a Invariants {
        let definitions = self.definitions;
        definitions
            .invariants
            .get_or_init(|| Invariants::compile(definitions))
    }

    /// Checks an object of a type, of which `seen` elements are there.
    pub(super) fn invariants(
        &mut self,
        json: &'a Json<'a>,
        ty: TypeId,
        seen: u64,
        place: &Place<'_>,
    ) {
        let position = self.definitions.position(ty);
        let Some(invariants) = self.rules().by_type.get(position) else {
            return;
        };
        let node = Node {
            json: Some(json),
            sibling: None,
            ty,
            element: None,
        };
        for invariant in invariants {
            if invariant.reads & seen != 0 {
                self.check(invariant, node, place);
            }
        }
    }

    /// Checks what an element must hold beside its type.
    pub(super) fn element_invariants(
        &mut self,
        json: &'a Json<'a>,
        element: &'a Element,
        ty: TypeId,
        place: &Place<'_>,
    ) {
        let Some(group) = element.group.filter(|_| self.holding) else {
            return;
        };
        let node = Node {
            json: Some(json),
            sibling: None,
            ty,
            element: Some(element),
        };
        let invariants = self.rules().by_element.get(usize::from(group));
        for invariant in invariants.map(Vec::as_slice).unwrap_or_default() {
            self.check(invariant, node, place);
        }
    }

    fn check(&mut self, invariant: &'a Invariant, focus: Node<'a>, place: &Place<'_>) {
        if !invariant.rule.is_error && !self.remarking {
            return;
        }
        let resource = self.resource.unwrap_or(focus);
        let context = Context {
            focus,
            resource,
            root: self.root.unwrap_or(resource),
            steps_max: STEPS_MAX,
            world: self.world,
            ..Context::of(resource)
        };
        let rule = &invariant.rule;
        match invariant.expression.holds(&context, self.definitions) {
            Ok(Some(false)) => {
                let message = format!(
                    "The rule {} of FHIR R4 does not hold: {}",
                    rule.key, rule.expression
                );
                if rule.is_error {
                    self.fault(Kind::Invariant, message, place);
                } else {
                    self.remark(Severity::Warning, Kind::Invariant, message, place);
                }
            }
            Ok(_) => {}
            Err(fault) => {
                let kind = match fault {
                    Fault::TooCostly => Kind::TooCostly,
                    Fault::Invalid(_) => Kind::Incomplete,
                };
                let message = format!(
                    "The rule {} of FHIR R4 could not be checked: {fault}.",
                    rule.key
                );
                self.remark(Severity::Information, kind, message, place);
            }
        }
    }

    fn remark(&mut self, severity: Severity, kind: Kind, message: String, place: &Place<'_>) {
        if self.remarking && self.remarks.len() < super::FAULTS_MAX {
            let problem = Problem::new(kind, message).at(place.to_string());
            self.remarks.push(Issue { severity, problem });
        }
    }
}
