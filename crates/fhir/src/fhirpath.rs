//! FHIRPath (<http://hl7.org/fhirpath/N1/>) with what FHIR adds to it
//! (<https://hl7.org/fhir/R4/fhirpath.html>), whole: what invariants, slicing and patches need.
//! `path` beside this is the small engine that only search expressions need, and need fast.
//!
//! An expression is compiled once and evaluated over borrowed JSON.
//!
//! Invariant: no clock and no I/O: `now()` is what the caller says.
//! Invariant: whatever the expression, evaluating ends: length, depth and steps are bounded.

mod arithmetic;
mod boundary;
mod codings;
pub(crate) mod compare;
mod decimal;
mod eval;
mod functions;
mod lex;
mod moment;
mod parse;
mod quantity;
mod reads;
mod tree;
mod value;

use std::fmt;

pub use decimal::Decimal;
pub use moment::{Moment, MomentKind};
pub use quantity::{Quantity, Unit};
pub use value::{Node, Value};

use crate::date::Millis;
use crate::definitions::Definitions;
use crate::json::Json;
use crate::path::NotCompiled;
use eval::{Frame, Run};
use tree::Expr;

pub(crate) use functions::target;
pub(crate) use reads::Reads;
pub(crate) use value::is_a;

/// How many steps one evaluation may take, unless its context says otherwise.
pub const STEPS_MAX: u32 = 500_000;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    expr: Expr,
}

/// Why an expression has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What it does is not allowed: several items where one belongs, or operands of wrong types.
    Invalid(&'static str),
    /// It would take more steps than it may.
    TooCostly,
}

impl Fault {
    fn invalid(reason: &'static str) -> Fault {
        Fault::Invalid(reason)
    }

    fn many() -> Fault {
        Fault::Invalid("Several items stand where one belongs")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Invalid(reason) => f.write_str(reason),
            Fault::TooCostly => f.write_str("The expression takes too many steps"),
        }
    }
}

impl std::error::Error for Fault {}

/// What an expression may ask the world.
pub trait World {
    /// Whether a code is in a value set; `None` where that is not known.
    fn is_member(&self, value_set: &str, system: Option<&str>, code: &str) -> Option<bool> {
        let _ = (value_set, system, code);
        None
    }

    /// Whether the first code of a system is the second or more general; `None` if not known.
    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool> {
        let _ = system;
        (general == special).then_some(true)
    }

    /// Whether a resource conforms to a profile; `None` if the profile is not known.
    fn conforms_to(&self, resource: &Json<'_>, profile: &str) -> Option<bool> {
        let name = profile.strip_prefix("http://hl7.org/fhir/StructureDefinition/")?;
        Definitions::r4().find(name)?;
        Some(resource.text("resourceType") == Some(name))
    }
}

/// A world that knows only R4.
pub struct R4Only;

impl World for R4Only {}

/// What an expression is evaluated over.
pub struct Context<'r> {
    /// `%context`, and what the expression starts from.
    pub focus: Node<'r>,
    /// `%resource`: the resource that the focus stands in.
    pub resource: Node<'r>,
    /// `%rootResource`: the resource that contains that one, or itself.
    pub root: Node<'r>,
    /// `%previous` and `%current`, where a change is looked at: the resource before and after it.
    pub previous: Option<Node<'r>>,
    pub current: Option<Node<'r>>,
    /// What the variables are that the expression was compiled with (`compile_with`); one that is not here is empty.
    pub given: &'r [(&'static str, Node<'r>)],
    pub now: Millis,
    /// Whether what a static check would refuse is a fault: unknown elements, `as` on several items.
    /// R4's own invariants need it off.
    pub strict: bool,
    pub steps_max: u32,
    pub world: &'r dyn World,
}

impl<'r> Context<'r> {
    /// Over a resource as a whole.
    pub fn of(resource: Node<'r>) -> Context<'r> {
        Context {
            focus: resource,
            resource,
            root: resource,
            previous: None,
            current: None,
            given: &[],
            now: 0,
            strict: false,
            steps_max: STEPS_MAX,
            world: &R4Only,
        }
    }
}

impl Expression {
    /// # Errors
    /// What is not FHIRPath, or names a type, function or variable that is not known.
    pub fn compile(text: &str, definitions: &Definitions) -> Result<Expression, NotCompiled> {
        Expression::compile_with(text, definitions, &[])
    }

    /// The same where further variables are known by these names, such as `patient` for `%patient`.
    ///
    /// # Errors
    /// Those of `compile`.
    pub fn compile_with(
        text: &str,
        definitions: &Definitions,
        given: &[&'static str],
    ) -> Result<Expression, NotCompiled> {
        parse::parse(text, definitions, given).map(|expr| Expression { expr })
    }

    /// The result: a collection.
    ///
    /// # Errors
    /// `Invalid`, `TooCostly`.
    pub fn evaluate<'r>(
        &'r self,
        context: &'r Context<'r>,
        definitions: &'r Definitions,
    ) -> Result<Vec<Value<'r>>, Fault> {
        let run = Run::new(context, definitions);
        let frame = Frame {
            this: Some(Value::Node(context.focus)),
            ..Frame::default()
        };
        run.eval(&self.expr, &frame)
    }

    /// The result as a condition: `None` where it is empty.
    ///
    /// # Errors
    /// As `evaluate`; `Invalid` if the result has several items.
    pub fn holds<'r>(
        &'r self,
        context: &'r Context<'r>,
        definitions: &'r Definitions,
    ) -> Result<Option<bool>, Fault> {
        let run = Run::new(context, definitions);
        let frame = Frame {
            this: Some(Value::Node(context.focus)),
            ..Frame::default()
        };
        let items = run.eval(&self.expr, &frame)?;
        run.truth(&items)
    }

    /// Which elements of its focus it reads.
    pub(crate) fn reads(&self) -> Reads {
        reads::of(&self.expr)
    }
}

#[cfg(test)]
mod tests;
