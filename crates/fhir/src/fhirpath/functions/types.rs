//! `type()`, `is`, `comparable`, `precision`, and the boundaries.

use super::{Function, On, maybe, truth};
use crate::fhirpath::Fault;
use crate::fhirpath::boundary::{self, End};
use crate::fhirpath::eval::{Answer, Run, one};
use crate::fhirpath::value::{Value, system_type};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "type",
        least: 0,
        most: 0,
        moves_this: false,
        run: type_of,
    },
    Function {
        name: "comparable",
        least: 1,
        most: 1,
        moves_this: false,
        run: comparable,
    },
    Function {
        name: "precision",
        least: 0,
        most: 0,
        moves_this: false,
        run: precision,
    },
    Function {
        name: "lowBoundary",
        least: 0,
        most: 1,
        moves_this: false,
        run: |run, on| bound(run, &on, End::Low),
    },
    Function {
        name: "highBoundary",
        least: 0,
        most: 1,
        moves_this: false,
        run: |run, on| bound(run, &on, End::High),
    },
];

fn type_of<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let types = on.input.iter().map(|item| match (item, system_type(item)) {
        (Value::Node(node), _) => Value::Type("FHIR", run.definitions.ty(node.ty).name),
        (_, name) => Value::Type("System", name.unwrap_or("Any")),
    });
    Ok(types.collect())
}

fn comparable<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let other = on.argument(run, 0)?;
    let quantity = |items: &[Value<'r>]| -> Result<_, Fault> {
        Ok(one(items)?.and_then(|item| item.as_quantity(run.definitions)))
    };
    match (quantity(&on.input)?, quantity(&other)?) {
        (Some(left), Some(right)) => truth(left.is_comparable(&right)),
        _ => Ok(Vec::new()),
    }
}

fn precision<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    maybe(match run.system(&on.input)? {
        Some(Value::Decimal(value)) => Some(Value::Integer(i64::from(value.scale()))),
        Some(Value::Integer(_)) => Some(Value::Integer(0)),
        Some(Value::Moment(moment)) => Some(Value::Integer(boundary::digits(&moment))),
        Some(_) => return Err(Fault::invalid("This has no precision")),
        None => None,
    })
}

fn bound<'r>(run: &Run<'r>, on: &On<'_, 'r>, end: End) -> Answer<'r> {
    let precision = on.integer(run, 0)?;
    maybe(match run.system(&on.input)? {
        Some(Value::Decimal(value)) => boundary::number(value, precision, end).map(Value::Decimal),
        Some(Value::Integer(value)) => {
            let value = crate::fhirpath::Decimal::whole(value);
            boundary::number(value, precision, end).map(Value::Decimal)
        }
        Some(Value::Moment(moment)) => boundary::moment(&moment, precision, end).map(Value::Moment),
        Some(value) => {
            let Some(mut quantity) = value.as_quantity(run.definitions) else {
                return Err(Fault::invalid("This has no boundaries"));
            };
            boundary::number(quantity.value, precision, end).map(|value| {
                quantity.value = value;
                Value::quantity(quantity)
            })
        }
        None => None,
    })
}
