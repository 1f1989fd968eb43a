//! Numbers and quantities (<https://hl7.org/fhir/R4/search.html#number>). Without a comparing prefix
//! a value stands for all that round to it: `100` is 99.5 up to 100.5.

use super::criteria::Under;
use super::dates::prefix;
use super::split::{split, unescaped};
use crate::problem::{Kind, Problem};
use crate::search::canonical;
use crate::search::clause::{Criterion, Numbers, System};
use crate::search::parameter::Parameter;
use crate::ucum::{self, Unit};

pub(super) fn number(value: &str) -> Result<Vec<Criterion>, Problem> {
    compared(value, &System::Any, None)
}

/// `5.4`, `5.4|system|code`, `5.4||code`. With a unit of UCUM the quantity is asked for in base
/// units, and so under another code.
pub(super) fn quantity(value: &str, known: &Parameter) -> Result<Under, Problem> {
    let parts: Vec<String> = split(value, '|')
        .iter()
        .map(|part| unescaped(part))
        .collect();
    match parts.as_slice() {
        [number] => Ok((known.code, compared(number, &System::Any, None)?)),
        [number, system, code] => {
            let unit = (system == ucum::SYSTEM).then(|| Unit::parse(code).ok());
            if let Some(unit) = unit.flatten() {
                return Ok((known.asides.canonical, in_base_units(number, &unit)?));
            }
            let system = match system.as_str() {
                "" => System::Any,
                system => System::Is(system.to_string()),
            };
            let code = Some(code.clone()).filter(|code| !code.is_empty());
            Ok((known.code, compared(number, &system, code)?))
        }
        _ => {
            let message = "A quantity is number, number|system|code or number||code.";
            Err(Problem::new(Kind::Value, message))
        }
    }
}

fn in_base_units(number: &str, unit: &Unit) -> Result<Vec<Criterion>, Problem> {
    let mut criteria = compared(number, &System::Any, Some(unit.dimension().text()))?;
    for criterion in &mut criteria {
        let Criterion::Quantity { low, high, .. } = criterion else {
            continue;
        };
        let ends = [
            &mut low.from,
            &mut low.before,
            &mut high.from,
            &mut high.before,
        ];
        for value in ends.into_iter().flatten() {
            let message = "The quantity is too large or too small.";
            let refused = || Problem::new(Kind::Value, message);
            *value = canonical::to_base(*value, unit).ok_or_else(refused)?;
        }
    }
    Ok(criteria)
}

const ALL: Numbers = Numbers {
    from: None,
    above_from: false,
    before: None,
    up_to_before: false,
};

fn at_least(from: f64) -> Numbers {
    Numbers {
        from: Some(from),
        ..ALL
    }
}

fn above(from: f64) -> Numbers {
    Numbers {
        from: Some(from),
        above_from: true,
        ..ALL
    }
}

fn below(before: f64) -> Numbers {
    Numbers {
        before: Some(before),
        ..ALL
    }
}

fn at_most(before: f64) -> Numbers {
    Numbers {
        before: Some(before),
        up_to_before: true,
        ..ALL
    }
}

fn compared(text: &str, system: &System, code: Option<String>) -> Result<Vec<Criterion>, Problem> {
    let (prefix, text) = prefix(text);
    let (value, half) = read(text).ok_or_else(|| {
        Problem::new(
            Kind::Value,
            "A number is a prefix such as ge, then a decimal.",
        )
    })?;
    let tenth = value.abs() / 10.0;
    let bounds = match prefix {
        "ne" => vec![(below(value - half), ALL), (ALL, at_least(value + half))],
        "gt" => vec![(ALL, above(value))],
        "lt" => vec![(below(value), ALL)],
        "ge" => vec![(ALL, at_least(value))],
        "le" => vec![(at_most(value), ALL)],
        "sa" => vec![(above(value), ALL)],
        "eb" => vec![(ALL, below(value))],
        "ap" => vec![(at_most(value + tenth), at_least(value - tenth))],
        _ => vec![(at_least(value - half), below(value + half))],
    };
    let criterion = |(low, high)| Criterion::Quantity {
        low,
        high,
        system: system.clone(),
        code: code.clone(),
    };
    Ok(bounds.into_iter().map(criterion).collect())
}

/// The value, and half a unit of its last digit as written.
fn read(text: &str) -> Option<(f64, f64)> {
    let looks_right = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
    if text.len() > 64 || !text.chars().all(looks_right) {
        return None;
    }
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let decimals = digits
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    let unit = exponent.checked_sub(i32::try_from(decimals).ok()?)?;
    Some((value, 0.5 * 10_f64.powi(unit)))
}
