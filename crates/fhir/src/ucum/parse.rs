//! The grammar of UCUM's expressions: factors, units with prefixes and powers, `.`, `/`, brackets,
//! annotations in braces; operators bind alike and from the left.

use super::table::{Entry, PREFIXES, find, offset};
use super::{Dimension, Fault, Number, Unit};

const BYTES_MAX: usize = 256;
const DEPTH_MAX: u32 = 16;
const POWER_MAX: i32 = 99;
/// Powers in a product, at most.
const DIMENSION_MAX: i32 = 9999;

/// Reads a whole expression.
pub(super) fn unit(text: &str) -> Result<Unit, Fault> {
    if text.len() > BYTES_MAX {
        return Err(Fault::TooLong);
    }
    if let Some(unit) = with_offset(text)? {
        return Ok(unit);
    }
    let mut reader = Reader {
        rest: text,
        depth: 0,
    };
    let unit = reader.term()?;
    if reader.rest.is_empty() {
        Ok(unit)
    } else {
        Err(Fault::Syntax)
    }
}

/// `Cel`, `mCel`, `[degF]{oral}`: a unit with an offset, alone.
fn with_offset(text: &str) -> Result<Option<Unit>, Fault> {
    let plain = match text.split_once('{') {
        Some((plain, note)) if note.find('}') == Some(note.len().saturating_sub(1)) => plain,
        Some(_) => return Ok(None),
        None => text,
    };
    let found = match offset(plain) {
        Some(found) => Some((Number::ONE, found)),
        None => prefixed(plain, |rest| offset(rest).filter(|_| rest == "Cel")),
    };
    let Some((prefix, (factor, offset))) = found else {
        return Ok(None);
    };
    let mut dimension = Dimension::default();
    dimension.base[4] = 1;
    Ok(Some(Unit {
        factor: Number::parse(factor.0)?
            .over(&Number::parse(factor.1)?)?
            .times(&prefix)?,
        offset: Number::parse(offset.0)?.over(&Number::parse(offset.1)?)?,
        dimension,
    }))
}

struct Reader<'t> {
    rest: &'t str,
    depth: u32,
}

impl<'t> Reader<'t> {
    fn take(&mut self, letter: char) -> bool {
        match self.rest.strip_prefix(letter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Components with `.` and `/` between them, and perhaps a `/` before the first.
    fn term(&mut self) -> Result<Unit, Fault> {
        let mut unit = one();
        let mut divides = self.take('/');
        loop {
            let component = self.component()?;
            unit = product(&unit, &component, if divides { -1 } else { 1 })?;
            divides = match () {
                () if self.take('.') => false,
                () if self.take('/') => true,
                () => return Ok(unit),
            };
        }
    }

    fn component(&mut self) -> Result<Unit, Fault> {
        if self.take('(') {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(Fault::TooLong);
            }
            let unit = self.term()?;
            self.depth -= 1;
            return if self.take(')') {
                Ok(unit)
            } else {
                Err(Fault::Syntax)
            };
        }
        if self.rest.starts_with('{') {
            self.annotation()?;
            return Ok(one());
        }
        let is_ten = self.rest.starts_with("10*") || self.rest.starts_with("10^");
        let unit = match self.rest.as_bytes().first() {
            Some(byte) if byte.is_ascii_digit() && !is_ten => self.factor()?,
            _ => self.simple(is_ten)?,
        };
        if self.rest.starts_with('{') {
            self.annotation()?;
        }
        Ok(unit)
    }

    /// `{anything without braces}`, which changes nothing.
    fn annotation(&mut self) -> Result<(), Fault> {
        let (note, rest) = self.rest.split_once('}').ok_or(Fault::Syntax)?;
        let good = note
            .bytes()
            .skip(1)
            .all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'{');
        self.rest = rest;
        if good { Ok(()) } else { Err(Fault::Syntax) }
    }

    fn digits(&mut self) -> &'t str {
        let end = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits
    }

    fn factor(&mut self) -> Result<Unit, Fault> {
        let factor = Number::parse(self.digits())?;
        if factor == Number::ZERO {
            return Err(Fault::Syntax);
        }
        Ok(Unit { factor, ..one() })
    }

    /// A unit with its prefix and power.
    fn simple(&mut self, is_ten: bool) -> Result<Unit, Fault> {
        let end = if is_ten { 3 } else { atom_length(self.rest) };
        let (code, rest) = self.rest.split_at(end);
        self.rest = rest;
        let (prefix, entry) = resolve(code)?;
        let power = self.power()?;
        let unit = Unit {
            factor: entry.factor.times(&prefix)?,
            offset: Number::ZERO,
            dimension: entry.dimension.clone(),
        };
        product(&one(), &unit, power)
    }

    fn power(&mut self) -> Result<i32, Fault> {
        let (sign, signed) = match () {
            () if self.take('-') => (-1, true),
            () if self.take('+') => (1, true),
            () => (1, false),
        };
        match self.digits() {
            "" if signed => Err(Fault::Syntax),
            "" => Ok(1),
            digits => match digits.parse::<i32>() {
                Ok(power) if power <= POWER_MAX => Ok(sign * power),
                _ => Err(Fault::OutOfRange),
            },
        }
    }
}

/// How far a unit's code goes: square brackets may hold anything.
fn atom_length(text: &str) -> usize {
    let mut inside = false;
    let end = text.bytes().position(|byte| match byte {
        b'[' if !inside => {
            inside = true;
            false
        }
        b']' if inside => {
            inside = false;
            false
        }
        _ if inside => false,
        _ => !(byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'\'' | b'%')),
    });
    end.unwrap_or(text.len())
}

fn resolve(code: &str) -> Result<(Number, &'static Entry), Fault> {
    if code.is_empty() {
        return Err(Fault::Syntax);
    }
    if let Some(entry) = find(code) {
        return Ok((Number::ONE, entry));
    }
    if let Some(found) = prefixed(code, |rest| find(rest).filter(|entry| entry.is_metric)) {
        return Ok(found);
    }
    match offset(code).is_some() || code.ends_with("Cel") {
        true => Err(Fault::Offset),
        false => Err(Fault::UnknownUnit),
    }
}

/// What `find` finds behind a prefix, with the prefix's number.
fn prefixed<T>(code: &str, find: impl Fn(&str) -> Option<T>) -> Option<(Number, T)> {
    PREFIXES.iter().find_map(|(prefix, number)| {
        let found = find(code.strip_prefix(prefix)?)?;
        Some((Number::parse(number).ok()?, found))
    })
}

fn one() -> Unit {
    Unit {
        factor: Number::ONE,
        offset: Number::ZERO,
        dimension: Dimension::default(),
    }
}

/// `a` times `b` to that power.
pub(super) fn product(a: &Unit, b: &Unit, power: i32) -> Result<Unit, Fault> {
    let mut dimension = a.dimension.clone();
    let raised = |known: i32, more: i32| {
        let sum = more
            .checked_mul(power)
            .and_then(|more| known.checked_add(more));
        sum.filter(|sum| sum.abs() <= DIMENSION_MAX)
            .ok_or(Fault::OutOfRange)
    };
    for (known, more) in dimension.base.iter_mut().zip(b.dimension.base) {
        *known = raised(*known, more)?;
    }
    for (code, more) in &b.dimension.own {
        match dimension.own.binary_search_by(|(known, _)| known.cmp(code)) {
            Ok(at) => {
                if let Some(found) = dimension.own.get_mut(at) {
                    found.1 = raised(found.1, *more)?;
                }
            }
            Err(at) => dimension.own.insert(at, (code, raised(0, *more)?)),
        }
    }
    dimension.own.retain(|(_, power)| *power != 0);
    Ok(Unit {
        factor: a.factor.times(&b.factor.to_the(power)?)?,
        offset: Number::ZERO,
        dimension,
    })
}
