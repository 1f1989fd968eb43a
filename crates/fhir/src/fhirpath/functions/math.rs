//! Math (<http://hl7.org/fhirpath/N1/#math-2>), and the clock.

use super::{Function, On, maybe};
use crate::fhirpath::Fault;
use crate::fhirpath::decimal::Decimal;
use crate::fhirpath::eval::{Answer, Run};
use crate::fhirpath::moment::{Moment, MomentKind};
use crate::fhirpath::value::Value;

const fn of(
    name: &'static str,
    least: usize,
    most: usize,
    run: for<'r> fn(&Run<'r>, On<'_, 'r>) -> Answer<'r>,
) -> Function {
    Function {
        name,
        least,
        most,
        moves_this: false,
        run,
    }
}

pub(super) const FUNCTIONS: &[Function] = &[
    of("abs", 0, 0, |run, on| {
        exact(run, &on, |value| {
            Some(if value.is_negative() {
                value.negated()
            } else {
                value
            })
        })
    }),
    of("ceiling", 0, 0, |run, on| {
        whole(run, &on, |value| {
            Some(value.negated().floored(0)?.negated())
        })
    }),
    of("floor", 0, 0, |run, on| {
        whole(run, &on, |value| value.floored(0))
    }),
    of("truncate", 0, 0, |run, on| {
        whole(run, &on, |value| value.truncated().map(Decimal::whole))
    }),
    of("exp", 0, 0, |run, on| float(run, &on, f64::exp)),
    of("ln", 0, 0, |run, on| float(run, &on, f64::ln)),
    of("sqrt", 0, 0, |run, on| float(run, &on, f64::sqrt)),
    of("log", 1, 1, |run, on| {
        let base = number(&run.system(&on.argument(run, 0)?)?)?;
        let Some(base) = base.map(Decimal::to_f64) else {
            return Ok(Vec::new());
        };
        let value = number(&run.system(&on.input)?)?.map(|value| value.to_f64().log(base));
        maybe(value.and_then(Decimal::from_f64).map(Value::Decimal))
    }),
    of("power", 1, 1, power),
    of("round", 0, 1, round),
    of("now", 0, 0, |run, _| {
        Ok(vec![Value::Moment(Moment::at(run.context.now))])
    }),
    of("today", 0, 0, |run, _| {
        let today = Moment::at(run.context.now).cut(MomentKind::Date, 3);
        Ok(vec![Value::Moment(today)])
    }),
    of("timeOfDay", 0, 0, |run, _| {
        let mut time = Moment::at(run.context.now);
        time.kind = MomentKind::Time;
        time.zone = None;
        Ok(vec![Value::Moment(time)])
    }),
];

fn number(value: &Option<Value<'_>>) -> Result<Option<Decimal>, Fault> {
    match value {
        None => Ok(None),
        Some(Value::Integer(value)) => Ok(Some(Decimal::whole(*value))),
        Some(Value::Decimal(value)) => Ok(Some(*value)),
        Some(_) => Err(Fault::invalid("A number was expected")),
    }
}

/// On the number, or the number of a quantity; an integer stays one.
fn exact<'r>(run: &Run<'r>, on: &On<'_, 'r>, f: fn(Decimal) -> Option<Decimal>) -> Answer<'r> {
    let value = run.system(&on.input)?;
    maybe(match value {
        Some(Value::Integer(value)) => f(Decimal::whole(value))
            .and_then(Decimal::as_whole)
            .map(Value::Integer),
        Some(Value::Decimal(value)) => f(value).map(Value::Decimal),
        Some(Value::Quantity(mut quantity)) => f(quantity.value).map(|value| {
            quantity.value = value;
            Value::Quantity(quantity)
        }),
        None => None,
        Some(_) => return Err(Fault::invalid("A number was expected")),
    })
}

fn whole<'r>(run: &Run<'r>, on: &On<'_, 'r>, f: fn(Decimal) -> Option<Decimal>) -> Answer<'r> {
    let value = number(&run.system(&on.input)?)?;
    maybe(
        value
            .and_then(f)
            .and_then(Decimal::as_whole)
            .map(Value::Integer),
    )
}

fn float<'r>(run: &Run<'r>, on: &On<'_, 'r>, f: fn(f64) -> f64) -> Answer<'r> {
    let value = number(&run.system(&on.input)?)?.map(|value| f(value.to_f64()));
    maybe(value.and_then(Decimal::from_f64).map(Value::Decimal))
}

fn power<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let value = run.system(&on.input)?;
    let exponent = run.system(&on.argument(run, 0)?)?;
    let both_whole = matches!(
        (&value, &exponent),
        (Some(Value::Integer(_)), Some(Value::Integer(0..)))
    );
    let (Some(value), Some(exponent)) = (number(&value)?, number(&exponent)?) else {
        return Ok(Vec::new());
    };
    let result = Decimal::from_f64(value.to_f64().powf(exponent.to_f64()));
    maybe(match result.and_then(Decimal::as_whole) {
        Some(whole) if both_whole => Some(Value::Integer(whole)),
        _ => result.map(Value::Decimal),
    })
}

fn round<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let digits = on.integer(run, 0)?.unwrap_or(0);
    let digits = u32::try_from(digits).map_err(|_| Fault::invalid("Digits are not negative"))?;
    let value = number(&run.system(&on.input)?)?;
    let rounded = value.and_then(|value| match digits >= value.scale() {
        true => Some(value),
        false => value.rounded(digits),
    });
    maybe(rounded.map(Value::Decimal))
}
