//! The functions, in tables: name, number of arguments, and the code.

mod collections;
mod convert;
mod fhir;
mod math;
mod texts;
mod types;

use super::Fault;
use super::eval::{Answer, Frame, Run};
use super::tree::Call;
use super::value::{Items, Value};

/// A function that expressions may call.
pub(super) struct Function {
    pub name: &'static str,
    pub least: usize,
    pub most: usize,
    /// Whether its arguments are evaluated for each item, with `$this` the item.
    pub moves_this: bool,
    pub run: for<'r> fn(&Run<'r>, On<'_, 'r>) -> Answer<'r>,
}

impl Function {
    /// Whether on an empty collection it does not look at its arguments and gives nothing (or,
    /// for `all` and `exists`, what does not hang on them).
    pub(super) fn is_idle_on_nothing(&self) -> bool {
        matches!(
            self.name,
            "where" | "select" | "repeat" | "all" | "exists" | "trace" | "first"
        )
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What a function is called on and with.
pub(super) struct On<'f, 'r> {
    pub input: Items<'r>,
    pub call: &'r Call,
    pub frame: &'f Frame<'r>,
}

pub(crate) use fhir::target;

const TABLES: [&[Function]; 6] = [
    collections::FUNCTIONS,
    convert::FUNCTIONS,
    fhir::FUNCTIONS,
    math::FUNCTIONS,
    texts::FUNCTIONS,
    types::FUNCTIONS,
];

pub(super) fn find(name: &str) -> Option<&'static Function> {
    TABLES
        .iter()
        .flat_map(|table| table.iter())
        .find(|function| function.name == name)
}

pub(super) fn is_system_type(name: &str) -> bool {
    matches!(
        name,
        "Boolean" | "Integer" | "Decimal" | "String" | "Date" | "DateTime" | "Time" | "Quantity"
    )
}

pub(super) fn call<'r>(run: &Run<'r>, call: &'r Call, frame: &Frame<'r>) -> Answer<'r> {
    let input = run.eval(&call.of, frame)?;
    run.spend_on((call.function.run)(run, On { input, call, frame })?)
}

impl<'r> On<'_, 'r> {
    /// An argument, evaluated where the call stands; empty if it is not given.
    fn argument(&self, run: &Run<'r>, index: usize) -> Answer<'r> {
        match self.call.arguments.get(index) {
            Some(expr) => run.eval(expr, self.frame),
            None => Ok(Vec::new()),
        }
    }

    /// An argument, evaluated with `$this` being the item.
    fn with(&self, run: &Run<'r>, index: usize, item: &Value<'r>, at: usize) -> Answer<'r> {
        let Some(expr) = self.call.arguments.get(index) else {
            return Ok(Vec::new());
        };
        let frame = Frame {
            this: Some(item.clone()),
            index: at,
            total: Vec::new(),
        };
        run.eval(expr, &frame)
    }

    fn is_given(&self, index: usize) -> bool {
        self.call.arguments.len() > index
    }

    fn text(&self, run: &Run<'r>, index: usize) -> Result<Option<String>, Fault> {
        run.text(&self.argument(run, index)?)
    }

    fn integer(&self, run: &Run<'r>, index: usize) -> Result<Option<i64>, Fault> {
        run.integer(&self.argument(run, index)?)
    }
}

fn truth<'r>(value: bool) -> Answer<'r> {
    Ok(vec![Value::Bool(value)])
}

fn maybe(value: Option<Value<'_>>) -> Answer<'_> {
    Ok(value.into_iter().collect())
}
