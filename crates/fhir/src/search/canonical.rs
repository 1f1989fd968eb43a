//! Quantities in UCUM's base units, so that 5 g finds 5000 mg
//! (<https://hl7.org/fhir/R4/search.html#quantity>).

use super::value::Value;
use crate::ucum::{Number, SYSTEM, Unit};

/// The same quantity in base units; `None` for what is no quantity with a unit of UCUM. Its system
/// is left out, since the code under which it stands says it.
pub(super) fn value(value: &Value) -> Option<Value> {
    let Value::Quantity {
        low,
        high,
        system: Some(system),
        code: Some(code),
    } = value
    else {
        return None;
    };
    if system != SYSTEM {
        return None;
    }
    let unit = Unit::parse(code).ok()?;
    Some(Value::Quantity {
        low: to_base(*low, &unit)?,
        high: to_base(*high, &unit)?,
        system: None,
        code: Some(unit.dimension().text()),
    })
}

/// A number in base units. The index and the query both come through here, and both are rounded to
/// twelve digits, so that the same quantity in two units is the same number. A bound that is open
/// stays open.
pub(super) fn to_base(value: f64, unit: &Unit) -> Option<f64> {
    if value <= f64::MIN || value >= f64::MAX {
        return Some(value);
    }
    let exact = Number::parse(&format!("{value:e}")).ok()?;
    let base = unit.to_base(&exact).ok()?.to_f64();
    format!("{base:.11e}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_quantity_in_two_units_is_the_same_number() {
        for (a, in_a, b, in_b) in [
            (5.4, "mg", 0.0054, "g"),
            (5.4, "g", 5400.0, "mg"),
            (120.0, "mm[Hg]", 12.0, "cm[Hg]"),
            (37.0, "Cel", 310.15, "K"),
            (1.1, "mg/dL", 0.011, "g/L"),
            (0.1, "m", 10.0, "cm"),
        ] {
            let (unit_a, unit_b) = (Unit::parse(in_a).unwrap(), Unit::parse(in_b).unwrap());
            let both = (to_base(a, &unit_a), to_base(b, &unit_b));
            assert!(both.0.is_some());
            assert_eq!(both.0, both.1, "{a} {in_a} and {b} {in_b}");
            assert_eq!(unit_a.dimension().text(), unit_b.dimension().text());
        }
    }
}
