//! Conversion (<http://hl7.org/fhirpath/N1/#conversion>): `toX()` and `convertsToX()`.

use super::{Function, On, maybe, truth};
use crate::fhirpath::decimal::Decimal;
use crate::fhirpath::eval::{Answer, Run};
use crate::fhirpath::moment::{Moment, MomentKind};
use crate::fhirpath::quantity::Quantity;
use crate::fhirpath::value::{Value, system_type};

type Conversion = for<'r> fn(&Value<'r>) -> Option<Value<'r>>;

const fn of(
    name: &'static str,
    most: usize,
    run: for<'r> fn(&Run<'r>, On<'_, 'r>) -> Answer<'r>,
) -> Function {
    Function {
        name,
        least: 0,
        most,
        moves_this: false,
        run,
    }
}

pub(super) const FUNCTIONS: &[Function] = &[
    of("toBoolean", 0, |run, on| to(run, &on, boolean)),
    of("toInteger", 0, |run, on| to(run, &on, integer)),
    of("toDecimal", 0, |run, on| to(run, &on, decimal)),
    of("toString", 0, |run, on| to(run, &on, string)),
    of("toDate", 0, |run, on| to(run, &on, date)),
    of("toDateTime", 0, |run, on| to(run, &on, date_time)),
    of("toTime", 0, |run, on| to(run, &on, time)),
    of("toQuantity", 1, to_quantity),
    of("convertsToBoolean", 0, |run, on| can(run, &on, boolean)),
    of("convertsToInteger", 0, |run, on| can(run, &on, integer)),
    of("convertsToDecimal", 0, |run, on| can(run, &on, decimal)),
    of("convertsToString", 0, |run, on| can(run, &on, string)),
    of("convertsToDate", 0, |run, on| can(run, &on, date)),
    of("convertsToDateTime", 0, |run, on| can(run, &on, date_time)),
    of("convertsToTime", 0, |run, on| can(run, &on, time)),
    of("convertsToQuantity", 1, |run, on| {
        let is_there = !on.input.is_empty();
        let found = to_quantity(run, on)?;
        if is_there {
            truth(!found.is_empty())
        } else {
            Ok(found)
        }
    }),
];

fn to<'r>(run: &Run<'r>, on: &On<'_, 'r>, conversion: Conversion) -> Answer<'r> {
    maybe(run.system(&on.input)?.as_ref().and_then(conversion))
}

fn can<'r>(run: &Run<'r>, on: &On<'_, 'r>, conversion: Conversion) -> Answer<'r> {
    maybe(
        run.system(&on.input)?
            .map(|value| Value::Bool(conversion(&value).is_some())),
    )
}

fn boolean<'r>(value: &Value<'r>) -> Option<Value<'r>> {
    let number = match value {
        Value::Bool(value) => return Some(Value::Bool(*value)),
        Value::Integer(value) => Decimal::whole(*value),
        Value::Decimal(value) => *value,
        Value::Text(text) => {
            return match text.to_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(Value::Bool(true)),
                "false" | "f" | "no" | "n" | "0" | "0.0" => Some(Value::Bool(false)),
                _ => None,
            };
        }
        _ => return None,
    };
    match number.as_whole() {
        Some(0) => Some(Value::Bool(false)),
        Some(1) => Some(Value::Bool(true)),
        _ => None,
    }
}

fn integer<'r>(value: &Value<'r>) -> Option<Value<'r>> {
    match value {
        Value::Integer(value) => Some(*value),
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Text(text) => text
            .strip_prefix('+')
            .unwrap_or(text)
            .parse::<i32>()
            .ok()
            .map(i64::from),
        _ => None,
    }
    .map(Value::Integer)
}

fn decimal<'r>(value: &Value<'r>) -> Option<Value<'r>> {
    match value {
        Value::Integer(value) => Some(Decimal::whole(*value)),
        Value::Decimal(value) => Some(*value),
        Value::Bool(value) => Some(Decimal::whole(i64::from(*value))),
        Value::Text(text) if !text.contains(['e', 'E']) => Decimal::parse(text),
        _ => None,
    }
    .map(Value::Decimal)
}

fn string<'r>(value: &Value<'r>) -> Option<Value<'r>> {
    Some(Value::text(match value {
        Value::Text(text) => return Some(Value::Text(text.clone())),
        Value::Integer(value) => value.to_string(),
        Value::Decimal(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Moment(moment) => moment.to_string(),
        Value::Quantity(quantity) => quantity.to_string(),
        Value::Node(_) | Value::Type(..) => return None,
    }))
}

fn date<'r>(value: &Value<'r>) -> Option<Value<'r>> {
    let moment = match value {
        Value::Moment(moment) if moment.kind != MomentKind::Time => *moment,
        Value::Text(text) => Moment::date(text).or_else(|| Moment::date_time(text))?,
        _ => return None,
    };
    Some(Value::Moment(
        moment.cut(MomentKind::Date, moment.given.min(3)),
    ))
}

fn date_time<'r>(value: &Value<'r>) -> Option<Value<'r>> {
    let mut moment = match value {
        Value::Moment(moment) if moment.kind != MomentKind::Time => *moment,
        Value::Text(text) => Moment::date_time(text)?,
        _ => return None,
    };
    moment.kind = MomentKind::DateTime;
    Some(Value::Moment(moment))
}

fn time<'r>(value: &Value<'r>) -> Option<Value<'r>> {
    match value {
        Value::Moment(moment) if moment.kind == MomentKind::Time => Some(*moment),
        Value::Text(text) => Moment::time(text.strip_prefix('T').unwrap_or(text)),
        _ => None,
    }
    .map(Value::Moment)
}

/// With an argument, in that unit.
fn to_quantity<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let unit = on.text(run, 0)?;
    let value = run.system(&on.input)?;
    let quantity = value.as_ref().and_then(|value| match value {
        Value::Text(text) => Quantity::parse(text),
        Value::Bool(value) => Some(Quantity::of_number(Decimal::whole(i64::from(*value)))),
        value if system_type(value).is_some() || value.as_node().is_some() => {
            value.as_quantity(run.definitions)
        }
        _ => None,
    });
    let quantity = match unit {
        Some(unit) => quantity.and_then(|quantity| quantity.in_unit(&unit)),
        None => quantity,
    };
    maybe(quantity.map(Value::quantity))
}
