//! Fractions times powers of ten: exact as long as 128 bits hold them, then floating.

use std::cmp::Ordering;
use std::fmt;

use super::Fault;

/// Powers of ten beyond this are refused.
const POWER_MAX: i32 = 4000;
/// Digits of a value, at most.
const TEXT_MAX: usize = 400;
/// Floating numbers that differ by less than this part are equal.
const NEAR: f64 = 1e-12;

/// A number as UCUM needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(Form);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// `top / bottom × 10^power`; `bottom` is positive and has no factor in common with `top`.
    Exact {
        top: i128,
        bottom: i128,
        power: i32,
    },
    Near(f64),
}

impl Number {
    pub const ZERO: Number = Number(Form::Exact {
        top: 0,
        bottom: 1,
        power: 0,
    });
    pub const ONE: Number = Number(Form::Exact {
        top: 1,
        bottom: 1,
        power: 0,
    });

    /// Reads a decimal as FHIR and UCUM write one: `-1.50`, `6.02e23`.
    ///
    /// # Errors
    /// `NoNumber`, `OutOfRange`.
    pub fn parse(text: &str) -> Result<Number, Fault> {
        if text.len() > TEXT_MAX {
            return Err(Fault::OutOfRange);
        }
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, whole(power)?),
            None => (text, 0),
        };
        let (sign, digits) = match mantissa.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (units, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let all = || units.bytes().chain(decimals.bytes());
        if all().next().is_none() || !all().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::NoNumber);
        }
        let places = i32::try_from(decimals.len()).map_err(|_| Fault::OutOfRange)?;
        let power = power.checked_sub(places).ok_or(Fault::OutOfRange)?;
        let mut top: i128 = 0;
        for byte in all() {
            let more = top
                .checked_mul(10)
                .and_then(|top| top.checked_add(i128::from(byte - b'0')));
            match more {
                Some(more) => top = more,
                None => return near(text.parse().map_err(|_| Fault::NoNumber)?),
            }
        }
        exact(sign * top, 1, power)
    }

    /// The product.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn times(&self, other: &Number) -> Result<Number, Fault> {
        if let (
            Form::Exact {
                top: a,
                bottom: b,
                power: p,
            },
            Form::Exact {
                top: c,
                bottom: d,
                power: q,
            },
        ) = (self.0, other.0)
        {
            // Divided across first, so that the products stay small.
            let (one, two) = (common(a, d), common(c, b));
            let top = (a / one).checked_mul(c / two);
            let bottom = (b / two).checked_mul(d / one);
            if let (Some(top), Some(bottom)) = (top, bottom) {
                return exact(top, bottom, p.checked_add(q).ok_or(Fault::OutOfRange)?);
            }
        }
        near(self.to_f64() * other.to_f64())
    }

    /// The quotient.
    ///
    /// # Errors
    /// `OutOfRange`, also for a division by zero.
    pub fn over(&self, other: &Number) -> Result<Number, Fault> {
        match other.0 {
            Form::Exact { top, bottom, power } if top != 0 => {
                let sign = top.signum();
                let turned = exact(
                    bottom.checked_mul(sign).ok_or(Fault::OutOfRange)?,
                    top.checked_abs().ok_or(Fault::OutOfRange)?,
                    power.checked_neg().ok_or(Fault::OutOfRange)?,
                )?;
                self.times(&turned)
            }
            _ => near(self.to_f64() / other.to_f64()),
        }
    }

    /// The sum.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn plus(&self, other: &Number) -> Result<Number, Fault> {
        if *other == Number::ZERO {
            return Ok(*self);
        }
        match sum(self, other) {
            Some(sum) => sum,
            None => near(self.to_f64() + other.to_f64()),
        }
    }

    /// The difference.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn minus(&self, other: &Number) -> Result<Number, Fault> {
        self.plus(&other.times(&Number(Form::Exact {
            top: -1,
            bottom: 1,
            power: 0,
        }))?)
    }

    /// The power, of at most 99.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn to_the(&self, power: i32) -> Result<Number, Fault> {
        let mut result = Number::ONE;
        for _ in 0..power.unsigned_abs().min(99) {
            result = result.times(self)?;
        }
        if power < 0 {
            Number::ONE.over(&result)
        } else {
            Ok(result)
        }
    }

    /// The nearest floating number.
    pub fn to_f64(&self) -> f64 {
        match self.0 {
            Form::Near(value) => value,
            Form::Exact { top, bottom, power } => {
                let scaled: f64 = format!("{top}e{power}").parse().unwrap_or_default();
                scaled / bottom as f64
            }
        }
    }

    /// Whether nothing was rounded.
    pub fn is_exact(&self) -> bool {
        matches!(self.0, Form::Exact { .. })
    }

    /// Which is larger. Numbers that were rounded are equal when they differ by less than a part in
    /// a million millions.
    pub fn compare(&self, other: &Number) -> Ordering {
        if self == other {
            return Ordering::Equal;
        }
        if self.is_exact()
            && other.is_exact()
            && let Ok(difference) = self.minus(other)
            && let Form::Exact { top, .. } = difference.0
        {
            return top.cmp(&0);
        }
        let (a, b) = (self.to_f64(), other.to_f64());
        if (a - b).abs() <= NEAR * a.abs().max(b.abs()) {
            return Ordering::Equal;
        }
        a.total_cmp(&b)
    }
}

impl fmt::Display for Number {
    /// As a decimal: exact where the number has an end and at most 30 digits, else with 16 digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ended() {
            Some((digits, power)) if (-30..=30).contains(&power) => write_decimal(f, digits, power),
            Some((digits, power)) => write!(f, "{digits}e{power}"),
            None => {
                let rounded = format!("{:.15e}", self.to_f64());
                let (digits, power) = rounded.split_once('e').unwrap_or((&rounded, "0"));
                let digits = match digits.contains('.') {
                    true => digits.trim_end_matches('0').trim_end_matches('.'),
                    false => digits,
                };
                match Number::parse(&format!("{digits}e{power}"))
                    .ok()
                    .and_then(|it| it.ended())
                {
                    Some((digits, power)) if (-30..=30).contains(&power) => {
                        write_decimal(f, digits, power)
                    }
                    _ => write!(f, "{digits}e{power}"),
                }
            }
        }
    }
}

impl Number {
    /// Digits and power of ten of a number whose decimals end.
    fn ended(&self) -> Option<(i128, i32)> {
        let Form::Exact {
            mut top,
            mut bottom,
            mut power,
        } = self.0
        else {
            return None;
        };
        while bottom % 10 == 0 {
            (bottom, power) = (bottom / 10, power - 1);
        }
        while bottom % 5 == 0 {
            (bottom, top, power) = (bottom / 5, top.checked_mul(2)?, power - 1);
        }
        while bottom % 2 == 0 {
            (bottom, top, power) = (bottom / 2, top.checked_mul(5)?, power - 1);
        }
        while top != 0 && top % 10 == 0 {
            (top, power) = (top / 10, power + 1);
        }
        (bottom == 1).then_some((top, if top == 0 { 0 } else { power }))
    }
}

fn write_decimal(f: &mut fmt::Formatter<'_>, digits: i128, power: i32) -> fmt::Result {
    let sign = if digits < 0 { "-" } else { "" };
    let digits = digits.unsigned_abs().to_string();
    let zeros = usize::try_from(power.unsigned_abs()).unwrap_or_default();
    if power >= 0 {
        return write!(f, "{sign}{digits}{}", "0".repeat(zeros));
    }
    let padded = format!("{digits:0>width$}", width = zeros + 1);
    let (units, decimals) = padded.split_at(padded.len() - zeros);
    write!(f, "{sign}{units}.{decimals}")
}

fn whole(text: &str) -> Result<i32, Fault> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::NoNumber);
    }
    text.parse().map_err(|_| Fault::OutOfRange)
}

fn near(value: f64) -> Result<Number, Fault> {
    if value.is_finite() {
        Ok(Number(Form::Near(value)))
    } else {
        Err(Fault::OutOfRange)
    }
}

/// In lowest terms, with as many tens as possible in the power.
fn exact(top: i128, bottom: i128, power: i32) -> Result<Number, Fault> {
    if top == 0 {
        return Ok(Number::ZERO);
    }
    let shared = common(top, bottom);
    let (mut top, mut bottom, mut power) = (top / shared, bottom / shared, power);
    if !(-POWER_MAX..=POWER_MAX).contains(&power) {
        return Err(Fault::OutOfRange);
    }
    while top % 10 == 0 {
        (top, power) = (top / 10, power + 1);
    }
    while bottom % 10 == 0 {
        (bottom, power) = (bottom / 10, power - 1);
    }
    Ok(Number(Form::Exact { top, bottom, power }))
}

/// The greatest common divisor, at least 1.
fn common(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i128::try_from(a).unwrap_or(1).max(1)
}

/// The exact sum, where 128 bits hold it.
fn sum(a: &Number, b: &Number) -> Option<Result<Number, Fault>> {
    let (
        Form::Exact {
            top: a,
            bottom: b,
            power: p,
        },
        Form::Exact {
            top: c,
            bottom: d,
            power: q,
        },
    ) = (a.0, b.0)
    else {
        return None;
    };
    let power = p.min(q);
    let ten = |over: i32| 10i128.checked_pow(u32::try_from(over).ok()?);
    let a = a.checked_mul(ten(p.checked_sub(power)?)?)?;
    let c = c.checked_mul(ten(q.checked_sub(power)?)?)?;
    let top = a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?;
    Some(exact(top, b.checked_mul(d)?, power))
}
