//! `+ - * / div mod &` (<http://hl7.org/fhirpath/N1/#math>). What does not fit a number, or divides
//! by zero, is the empty result.

use super::Fault;
use super::compare::number;
use super::decimal::Decimal;
use super::eval::{Answer, Run, one};
use super::moment::{Moment, MomentKind};
use super::quantity::Quantity;
use super::tree::Operator;
use super::value::Value;

pub(super) fn binary<'r>(
    run: &Run<'r>,
    operator: Operator,
    left: &[Value<'r>],
    right: &[Value<'r>],
) -> Answer<'r> {
    if operator == Operator::Concatenate {
        let text = |items: &[Value<'r>]| run.text(items).map(Option::unwrap_or_default);
        return Ok(vec![Value::text(text(left)? + &text(right)?)]);
    }
    let (Some(left), Some(right)) = (run.system(left)?, run.system(right)?) else {
        return Ok(Vec::new());
    };
    let result = match (&left, &right, operator) {
        (Value::Text(left), Value::Text(right), Operator::Plus) => {
            Some(Value::text(format!("{left}{right}")))
        }
        (Value::Moment(moment), right, Operator::Plus | Operator::Minus) => {
            let quantity = match right {
                Value::Quantity(_) | Value::Node(_) => right.as_quantity(run.definitions),
                _ => None,
            };
            let quantity = quantity.ok_or_else(no_operands)?;
            let sign = if operator == Operator::Plus { 1 } else { -1 };
            later(moment, &quantity, sign)?.map(Value::Moment)
        }
        (Value::Integer(left), Value::Integer(right), _) => integers(operator, *left, *right),
        _ => match (number(&left), number(&right)) {
            (Some(left), Some(right)) => decimals(operator, left, right),
            _ => return quantities(run, operator, &left, &right),
        },
    };
    Ok(result.into_iter().collect())
}

fn no_operands() -> Fault {
    Fault::invalid("The operator does not take operands of these types")
}

fn integers<'r>(operator: Operator, left: i64, right: i64) -> Option<Value<'r>> {
    match operator {
        Operator::Plus => left.checked_add(right),
        Operator::Minus => left.checked_sub(right),
        Operator::Times => left.checked_mul(right),
        Operator::Div => left.checked_div(right),
        Operator::Mod => left.checked_rem(right),
        _ => return decimals(operator, Decimal::whole(left), Decimal::whole(right)),
    }
    .map(Value::Integer)
}

fn decimals<'r>(operator: Operator, left: Decimal, right: Decimal) -> Option<Value<'r>> {
    match operator {
        Operator::Plus => left.plus(right),
        Operator::Minus => left.plus(right.negated()),
        Operator::Times => left.times(right),
        Operator::Over => left.over(right),
        Operator::Mod => left.modulo(right),
        Operator::Div => {
            return left.div(right)?.as_whole().map(Value::Integer);
        }
        _ => None,
    }
    .map(Value::Decimal)
}

fn quantities<'r>(
    run: &Run<'r>,
    operator: Operator,
    left: &Value<'r>,
    right: &Value<'r>,
) -> Answer<'r> {
    let quantities = (
        left.as_quantity(run.definitions),
        right.as_quantity(run.definitions),
    );
    let (Some(left), Some(right)) = quantities else {
        return Err(no_operands());
    };
    let result = match operator {
        Operator::Plus => left.plus(&right),
        Operator::Minus => left.plus(&Quantity {
            value: right.value.negated(),
            unit: right.unit.clone(),
        }),
        Operator::Times => left.times(&right),
        Operator::Over => left.over(&right),
        _ => return Err(no_operands()),
    };
    Ok(result.map(Value::quantity).into_iter().collect())
}

/// A moment and a length of time. Parts of a unit are dropped, as the specification says of all
/// units above the second; below the second nothing is kept.
fn later(moment: &Moment, quantity: &Quantity, sign: i64) -> Result<Option<Moment>, Fault> {
    let unit = quantity
        .unit
        .duration()
        .ok_or_else(|| Fault::invalid("The unit is not one of the calendar"))?;
    let Some(count) = quantity.value.truncated().map(|count| count * sign) else {
        return Ok(None);
    };
    Ok(match unit {
        Err(_) if moment.kind == MomentKind::Time => {
            return Err(Fault::invalid("A time has no years or months"));
        }
        Err(months) => count
            .checked_mul(months)
            .and_then(|months| moment.plus_months(whole_at(moment, months))),
        Ok(millis) => count
            .checked_mul(millis)
            .and_then(|millis| moment.plus_millis(millis)),
    })
}

/// A year takes whole years only.
fn whole_at(moment: &Moment, months: i64) -> i64 {
    if moment.given == 1 {
        months / 12 * 12
    } else {
        months
    }
}

pub(super) fn negated<'r>(run: &Run<'r>, items: &[Value<'r>]) -> Answer<'r> {
    let Some(item) = one(items)?.and_then(|item| item.clone().plain(run.definitions)) else {
        return Ok(Vec::new());
    };
    Ok(match item {
        Value::Integer(value) => value
            .checked_neg()
            .map(Value::Integer)
            .into_iter()
            .collect(),
        Value::Decimal(value) => vec![Value::Decimal(value.negated())],
        Value::Quantity(mut quantity) => {
            quantity.value = quantity.value.negated();
            vec![Value::Quantity(quantity)]
        }
        _ => return Err(Fault::invalid("Only a number has a sign")),
    })
}
