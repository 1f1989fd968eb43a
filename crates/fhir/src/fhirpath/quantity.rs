//! Quantities (<http://hl7.org/fhirpath/N1/#quantity>): a number with a UCUM unit or with a word of
//! the calendar.

use std::cmp::Ordering;
use std::fmt;

use super::decimal::Decimal;
use crate::json::Json;
use crate::ucum;

#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    pub value: Decimal,
    pub unit: Unit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A code of UCUM.
    Ucum(String),
    /// A word of the calendar, in the singular: `year`, `day`.
    Calendar(&'static str),
}

/// Words of the calendar, with UCUM's code and how many milliseconds each lasts for certain; months
/// and years have no certain length.
const CALENDAR: &[(&str, &str, Option<i64>)] = &[
    ("year", "a", None),
    ("month", "mo", None),
    ("week", "wk", Some(604_800_000)),
    ("day", "d", Some(86_400_000)),
    ("hour", "h", Some(3_600_000)),
    ("minute", "min", Some(60_000)),
    ("second", "s", Some(1000)),
    ("millisecond", "ms", Some(1)),
];

impl Unit {
    /// What stands in quotes after a number.
    pub(super) fn coded(code: &str) -> Unit {
        Unit::calendar(code).unwrap_or_else(|| Unit::Ucum(code.to_string()))
    }

    /// A word of the calendar, in the singular or the plural.
    pub(super) fn calendar(word: &str) -> Option<Unit> {
        let singular = word.strip_suffix('s').unwrap_or(word);
        let (word, _, _) = CALENDAR.iter().find(|(known, _, _)| *known == singular)?;
        Some(Unit::Calendar(word))
    }

    fn code(&self) -> &str {
        match self {
            Unit::Ucum(code) => code,
            Unit::Calendar(word) => CALENDAR
                .iter()
                .find(|(known, _, _)| known == word)
                .map_or("1", |(_, code, _)| code),
        }
    }

    /// The milliseconds that it lasts, and whether it is counted in months: `Err(months)`.
    pub(super) fn duration(&self) -> Option<Result<i64, i64>> {
        let (word, _, millis) = CALENDAR.iter().find(|(word, code, _)| match self {
            Unit::Ucum(own) => own == code,
            Unit::Calendar(own) => own == word,
        })?;
        match (millis, self, *word) {
            (Some(millis), _, _) => Some(Ok(*millis)),
            // `'a'` and `'mo'` are UCUM's mean year and month, which no calendar has.
            (None, Unit::Ucum(_), _) => None,
            (None, Unit::Calendar(_), "year") => Some(Err(12)),
            (None, Unit::Calendar(_), _) => Some(Err(1)),
        }
    }

    fn is_uncertain(&self) -> bool {
        matches!(self, Unit::Calendar("year" | "month"))
    }
}

impl Quantity {
    pub(super) fn of_number(value: Decimal) -> Quantity {
        Quantity {
            value,
            unit: Unit::Ucum("1".to_string()),
        }
    }

    /// What a Quantity element says: its UCUM code, or, without a code, its unit.
    pub(super) fn of_element(json: &Json<'_>) -> Option<Quantity> {
        if json.get("comparator").is_some() {
            return None;
        }
        let value = Decimal::parse(json.get("value")?.as_number()?)?;
        let unit = json.text("code").or(json.text("unit")).unwrap_or("1");
        Some(Quantity {
            value,
            unit: Unit::Ucum(unit.to_string()),
        })
    }

    /// Reads `1 day`, `1.5 'mg'`, `3`.
    pub(super) fn parse(text: &str) -> Option<Quantity> {
        let (number, unit) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let value = Decimal::parse(number)?;
        let unit = unit.trim();
        let unit = if unit.is_empty() {
            Unit::Ucum("1".to_string())
        } else if let Some(code) = unit
            .strip_prefix('\'')
            .and_then(|unit| unit.strip_suffix('\''))
        {
            Unit::coded(code)
        } else {
            Unit::calendar(unit)?
        };
        Some(Quantity { value, unit })
    }

    /// The same in another unit. `None` if that measures something else.
    pub(super) fn in_unit(&self, unit: &str) -> Option<Quantity> {
        let unit = Unit::coded(unit);
        let one = Quantity {
            value: Decimal::whole(1),
            unit: unit.clone(),
        };
        let (own, one) = self.aligned(&one)?;
        Some(Quantity {
            value: own.over(one)?,
            unit,
        })
    }

    /// Both numbers in one unit. `None` if their units measure different things.
    fn aligned(&self, other: &Quantity) -> Option<(Decimal, Decimal)> {
        if self.unit == other.unit {
            return Some((self.value, other.value));
        }
        let text = self.value.to_string();
        let converted = ucum::convert(&text, self.unit.code(), other.unit.code()).ok()?;
        let exact = Decimal::parse(&converted.to_string());
        let value = exact.or_else(|| Decimal::from_f64(converted.to_f64()))?;
        Some((value, other.value))
    }

    pub(super) fn is_comparable(&self, other: &Quantity) -> bool {
        self.aligned(other).is_some()
    }

    /// `None` where one is a calendar year or month and the other is not, or the units do not fit.
    pub(super) fn order(&self, other: &Quantity) -> Option<Ordering> {
        if self.unit.is_uncertain() != other.unit.is_uncertain() {
            return None;
        }
        let (left, right) = self.aligned(other)?;
        Some(left.cmp(&right))
    }

    /// Equal when rounded to the less precise of the two.
    pub(super) fn is_equivalent(&self, other: &Quantity) -> bool {
        let Some((left, right)) = self.aligned(other) else {
            return false;
        };
        // The precision is that of the numbers as written, in the unit of the less precise.
        let factor = if self.value.is_zero() {
            None
        } else {
            left.over(self.value)
        };
        let other_factor = if other.value.is_zero() {
            None
        } else {
            right.over(other.value)
        };
        let unit = |factor: Option<Decimal>, value: Decimal| {
            let step = Decimal::of(1, value.scale());
            factor.and_then(|factor| factor.times(step)).unwrap_or(step)
        };
        let step = unit(factor, self.value).max(unit(other_factor, other.value));
        let rounded = |value: Decimal| value.over(step).and_then(|value| value.rounded(0));
        rounded(left) == rounded(right)
    }

    pub(super) fn plus(&self, other: &Quantity) -> Option<Quantity> {
        let value = if self.unit == other.unit {
            self.value.plus(other.value)?
        } else {
            let (left, right) = self.aligned(other)?;
            let factor = left.over(self.value)?;
            left.plus(right)?.over(factor)?
        };
        Some(Quantity {
            value,
            unit: self.unit.clone(),
        })
    }

    pub(super) fn times(&self, other: &Quantity) -> Option<Quantity> {
        let unit = match (self.unit.code(), other.unit.code()) {
            ("1", code) | (code, "1") => code.to_string(),
            (left, right) => format!("({left}).({right})"),
        };
        Some(Quantity {
            value: self.value.times(other.value)?,
            unit: Unit::Ucum(unit),
        })
    }

    pub(super) fn over(&self, other: &Quantity) -> Option<Quantity> {
        let unit = match (self.unit.code(), other.unit.code()) {
            (code, "1") => code.to_string(),
            (left, right) if left == right => "1".to_string(),
            (left, right) => format!("({left})/({right})"),
        };
        Some(Quantity {
            value: self.value.over(other.value)?,
            unit: Unit::Ucum(unit),
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Unit::Ucum(code) => write!(f, "{} '{code}'", self.value),
            Unit::Calendar(word) if self.value == Decimal::whole(1) => {
                write!(f, "{} {word}", self.value)
            }
            Unit::Calendar(word) => write!(f, "{} {word}s", self.value),
        }
    }
}
