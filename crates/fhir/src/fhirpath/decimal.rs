//! Decimal numbers as FHIRPath means them: exact, with the precision they were written with.

use std::cmp::Ordering;
use std::fmt;

/// Digits after the point that are kept, at most. Further ones are cut.
const SCALE_MAX: u32 = 28;

/// What a quotient has after the point before zeros are dropped.
const QUOTIENT_SCALE: u32 = 16;

/// `mantissa / 10^scale`. `1.50` keeps its two digits.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    mantissa: i128,
    scale: u32,
}

impl Decimal {
    pub const ZERO: Decimal = Decimal::whole(0);

    pub const fn whole(value: i64) -> Decimal {
        Decimal {
            mantissa: value as i128,
            scale: 0,
        }
    }

    pub(super) fn of(mantissa: i128, scale: u32) -> Decimal {
        Decimal { mantissa, scale }
    }

    /// Reads `-1.50` and `1.5e-3`. `None` if it is no number, or too large to be held exactly.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (digits, exponent) = match text.find(['e', 'E']) {
            Some(at) => (text.get(..at)?, text.get(at + 1..)?.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let is_good = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_good(whole) || !is_good(fraction) {
            return None;
        }
        let fraction = fraction.get(..SCALE_MAX as usize).unwrap_or(fraction);
        let mut mantissa: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            mantissa = mantissa
                .checked_mul(10)?
                .checked_add(i128::from(byte - b'0'))?;
        }
        if digits.starts_with('-') {
            mantissa = -mantissa;
        }
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        match u32::try_from(scale) {
            Ok(scale) if scale <= SCALE_MAX => Some(Decimal { mantissa, scale }),
            Ok(_) => None,
            Err(_) => Some(Decimal {
                mantissa: mantissa.checked_mul(power_of_ten(scale.unsigned_abs())?)?,
                scale: 0,
            }),
        }
    }

    /// The nearest decimal with ten digits after the point, without trailing zeros.
    pub(super) fn from_f64(value: f64) -> Option<Decimal> {
        if !value.is_finite() || value.abs() > 1e24 {
            return None;
        }
        Decimal::parse(&format!("{value:.10}")).map(Decimal::trimmed)
    }

    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    pub fn scale(self) -> u32 {
        self.scale
    }

    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub(super) fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    pub(super) fn negated(self) -> Decimal {
        Decimal {
            mantissa: -self.mantissa,
            ..self
        }
    }

    /// Without zeros at the end of the fraction.
    pub(super) fn trimmed(mut self) -> Decimal {
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }

    fn rescaled(self, scale: u32) -> Option<i128> {
        let more = scale.checked_sub(self.scale)?;
        self.mantissa.checked_mul(power_of_ten(more)?)
    }

    fn aligned(self, other: Decimal) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        Some((self.rescaled(scale)?, other.rescaled(scale)?, scale))
    }

    pub(super) fn plus(self, other: Decimal) -> Option<Decimal> {
        let (left, right, scale) = self.aligned(other)?;
        Some(Decimal::of(left.checked_add(right)?, scale))
    }

    pub(super) fn times(self, other: Decimal) -> Option<Decimal> {
        let (left, right) = (self.trimmed(), other.trimmed());
        let product = Decimal::of(
            left.mantissa.checked_mul(right.mantissa)?,
            left.scale + right.scale,
        );
        match product.scale {
            scale if scale > SCALE_MAX => product.rounded(SCALE_MAX),
            _ => Some(product),
        }
    }

    /// `None` when dividing by zero.
    pub(super) fn over(self, other: Decimal) -> Option<Decimal> {
        let (left, right) = (self.trimmed(), other.trimmed());
        let scale = QUOTIENT_SCALE + right.scale;
        let left = match left.rescaled(scale.max(left.scale)) {
            Some(mantissa) => Decimal::of(mantissa, scale.max(left.scale)),
            None => left,
        };
        let mantissa = left.mantissa.checked_div(right.mantissa)?;
        Some(Decimal::of(mantissa, left.scale.checked_sub(right.scale)?).trimmed())
    }

    /// The whole part of a quotient. `None` when dividing by zero.
    pub(super) fn div(self, other: Decimal) -> Option<Decimal> {
        let (left, right, _) = self.aligned(other)?;
        Some(Decimal::of(left.checked_div(right)?, 0))
    }

    /// The rest of a division. `None` when dividing by zero.
    pub(super) fn modulo(self, other: Decimal) -> Option<Decimal> {
        let (left, right, scale) = self.aligned(other)?;
        Some(Decimal::of(left.checked_rem(right)?, scale))
    }

    /// Rounded half away from zero, with `scale` digits after the point.
    pub(super) fn rounded(self, scale: u32) -> Option<Decimal> {
        if scale >= self.scale {
            return Some(Decimal::of(self.rescaled(scale)?, scale));
        }
        let unit = power_of_ten(self.scale - scale)?;
        let half = if self.mantissa < 0 {
            -unit / 2
        } else {
            unit / 2
        };
        Some(Decimal::of(self.mantissa.checked_add(half)? / unit, scale))
    }

    /// The greatest number with `scale` digits after the point that is not above this one.
    pub(super) fn floored(self, scale: u32) -> Option<Decimal> {
        if scale >= self.scale {
            return Some(Decimal::of(self.rescaled(scale)?, scale));
        }
        let unit = power_of_ten(self.scale - scale)?;
        Some(Decimal::of(self.mantissa.div_euclid(unit), scale))
    }

    /// The whole part.
    pub(super) fn truncated(self) -> Option<i64> {
        let whole = self.mantissa.checked_div(power_of_ten(self.scale)?)?;
        i64::try_from(whole).ok()
    }

    /// The number itself, if it is whole.
    pub fn as_whole(self) -> Option<i64> {
        let trimmed = self.trimmed();
        (trimmed.scale == 0).then(|| i64::try_from(trimmed.mantissa).ok())?
    }
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    /// By value: `1.50` equals `1.5`.
    fn cmp(&self, other: &Decimal) -> Ordering {
        match self.aligned(*other) {
            Some((left, right, _)) => left.cmp(&right),
            None => self.to_f64().total_cmp(&other.to_f64()),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let scale = self.scale as usize;
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn a_decimal_is_exact_and_keeps_its_precision() {
        for text in ["0", "1.50", "-0.003", "1234567890987654321.0"] {
            assert_eq!(of(text).to_string(), text);
        }
        assert_eq!(of("1.5e3").to_string(), "1500");
        assert_eq!(of("1.5e-3").to_string(), "0.0015");
        assert_eq!(of("1.50"), of("1.5"));
        assert_eq!(of("1.8").plus(of("-1.2")).unwrap(), of("0.6"));
        assert_eq!(of("1.2").times(of("1.8")).unwrap(), of("2.16"));
        assert_eq!(
            of("1.2").over(of("1.8")).unwrap().rounded(2),
            Some(of("0.67"))
        );
        assert_eq!(of("2.2").modulo(of("1.8")).unwrap(), of("0.4"));
        assert_eq!(of("-1.1").floored(0), Some(of("-2")));
        assert!(of("1").over(Decimal::ZERO).is_none());
        for text in ["", "-", "1.a", "1e999", "a", "."] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }
}
