//! Units of measure: The Unified Code for Units of Measure, case-sensitive form
//! (<https://ucum.org/ucum>). An expression is read into a factor and powers of the base units m, s,
//! g, rad, K, C and cd, so that quantities can be compared and converted.
//!
//! Factors are exact fractions; only where one outgrows 128 bits is it continued as a floating
//! number (`Number`). Units on an arbitrary or logarithmic scale (`[iU]`, `[pH]`, `B`) stand for
//! themselves: they compare with the same unit only. Celsius, Fahrenheit and Réaumur convert, since
//! their scales are linear.
//!
//! Invariant: no text makes this panic or take long: expressions have at most 256 bytes, 16 open
//! brackets, and powers up to 99.

mod number;
mod parse;
mod table;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt::Write as _;

pub use number::Number;

/// The code system of UCUM in FHIR.
pub const SYSTEM: &str = "http://unitsofmeasure.org";

/// Why a unit or a quantity cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Longer than 256 bytes, or nested too deep.
    TooLong,
    /// Not an expression of UCUM.
    Syntax,
    /// It names a unit that UCUM does not have.
    UnknownUnit,
    /// A unit with an offset, such as Cel, stands beside others or with a power.
    Offset,
    /// The value is no decimal number.
    NoNumber,
    /// The two units measure different things.
    Incomparable,
    /// The result is too large or too small.
    OutOfRange,
}

impl Fault {
    /// A sentence for whoever asked.
    pub fn message(self) -> &'static str {
        match self {
            Fault::TooLong => "The unit is too long.",
            Fault::Syntax => "The unit is not an expression of UCUM.",
            Fault::UnknownUnit => "UCUM has no such unit.",
            Fault::Offset => "A unit with an offset, such as Cel, stands alone.",
            Fault::NoNumber => "The value is not a decimal number.",
            Fault::Incomparable => "The units measure different things.",
            Fault::OutOfRange => "The value is too large or too small.",
        }
    }
}

/// Powers of the base units, and of units that stand for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dimension {
    /// Of m, s, g, rad, K, C, cd.
    base: [i32; 7],
    /// By code, sorted; no power is 0.
    own: Vec<(&'static str, i32)>,
}

const BASE: [&str; 7] = ["m", "s", "g", "rad", "K", "C", "cd"];

/// A unit: one of it is `factor` of its base units, after `offset` was added.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    factor: Number,
    /// In base units: 273.15 K for Cel. Zero for nearly all.
    offset: Number,
    dimension: Dimension,
}

/// A quantity in base units.
#[derive(Clone, Debug, PartialEq)]
pub struct Canonical {
    pub value: Number,
    /// Base units with powers, sorted in UCUM's order of them: `g.m-3`; `1` where there are none.
    pub unit: String,
}

impl Unit {
    /// Reads an expression of UCUM, such as `mg/dL`, `10*9/L`, `mm[Hg]` or `{score}`.
    ///
    /// # Errors
    /// `TooLong`, `Syntax`, `UnknownUnit`, `Offset`, `OutOfRange`.
    pub fn parse(text: &str) -> Result<Unit, Fault> {
        parse::unit(text)
    }

    /// What it measures.
    pub fn dimension(&self) -> &Dimension {
        &self.dimension
    }

    /// A value of this unit, in base units.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn to_base(&self, value: &Number) -> Result<Number, Fault> {
        value.times(&self.factor)?.plus(&self.offset)
    }

    /// A value in base units, of this unit.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn from_base(&self, value: &Number) -> Result<Number, Fault> {
        value.minus(&self.offset)?.over(&self.factor)
    }

    /// Whether values of both can be compared.
    pub fn is_comparable(&self, other: &Unit) -> bool {
        self.dimension == other.dimension
    }
}

impl Dimension {
    /// The base units as an expression of UCUM; `1` for none.
    pub fn text(&self) -> String {
        let base = BASE.iter().copied().zip(self.base);
        let all = base.chain(self.own.iter().copied());
        let mut text = String::new();
        for (code, power) in all.filter(|(_, power)| *power != 0) {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(code);
            if power != 1 {
                let _ = write!(text, "{power}");
            }
        }
        if text.is_empty() {
            text.push('1');
        }
        text
    }
}

/// A value and its unit, in base units: `("180", "mg/dL")` is `(1800, "m-3.g")`.
///
/// # Errors
/// As `Unit::parse`, and `NoNumber`.
pub fn canonicalise(value: &str, unit: &str) -> Result<Canonical, Fault> {
    let unit = Unit::parse(unit)?;
    Ok(Canonical {
        value: unit.to_base(&Number::parse(value)?)?,
        unit: unit.dimension.text(),
    })
}

/// How two quantities, each a value and a unit, stand to each other.
///
/// # Errors
/// As `canonicalise`; `Incomparable` if they measure different things.
pub fn compare(a: (&str, &str), b: (&str, &str)) -> Result<Ordering, Fault> {
    if a.1 == b.1 {
        return Ok(Number::parse(a.0)?.compare(&Number::parse(b.0)?));
    }
    let (a, b) = (canonicalise(a.0, a.1)?, canonicalise(b.0, b.1)?);
    if a.unit != b.unit {
        return Err(Fault::Incomparable);
    }
    Ok(a.value.compare(&b.value))
}

/// A value in another unit: `("37", "Cel", "[degF]")` is 98.6.
///
/// # Errors
/// As `compare`.
pub fn convert(value: &str, from: &str, to: &str) -> Result<Number, Fault> {
    let value = Number::parse(value)?;
    let (from, to) = (Unit::parse(from)?, Unit::parse(to)?);
    if !from.is_comparable(&to) {
        return Err(Fault::Incomparable);
    }
    to.from_base(&from.to_base(&value)?)
}
