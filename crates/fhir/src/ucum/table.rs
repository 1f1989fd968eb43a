//! The units and prefixes, from `definitions/ucum.txt`; read once.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{BASE, Dimension, Number, Unit, parse};

/// A unit of the table.
pub(super) struct Entry {
    pub factor: Number,
    pub dimension: Dimension,
    /// Whether it takes prefixes.
    pub is_metric: bool,
}

/// Prefix and number; longer ones first.
pub(super) const PREFIXES: &[(&str, &str)] = &[
    ("da", "1e1"),
    ("Ki", "1024"),
    ("Mi", "1048576"),
    ("Gi", "1073741824"),
    ("Ti", "1099511627776"),
    ("Q", "1e30"),
    ("R", "1e27"),
    ("Y", "1e24"),
    ("Z", "1e21"),
    ("E", "1e18"),
    ("P", "1e15"),
    ("T", "1e12"),
    ("G", "1e9"),
    ("M", "1e6"),
    ("k", "1e3"),
    ("h", "1e2"),
    ("d", "1e-1"),
    ("c", "1e-2"),
    ("m", "1e-3"),
    ("u", "1e-6"),
    ("n", "1e-9"),
    ("p", "1e-12"),
    ("f", "1e-15"),
    ("a", "1e-18"),
    ("z", "1e-21"),
    ("y", "1e-24"),
    ("r", "1e-27"),
    ("q", "1e-30"),
];

const TABLE: &str = include_str!("../../definitions/ucum.txt");

type Fraction = (&'static str, &'static str);

/// Units with an offset, in kelvin: (factor, offset), each a fraction.
pub(super) fn offset(code: &str) -> Option<(Fraction, Fraction)> {
    match code {
        "Cel" => Some((("1", "1"), ("273.15", "1"))),
        "[degF]" => Some((("5", "9"), ("2298.35", "9"))),
        "[degRe]" => Some((("5", "4"), ("273.15", "1"))),
        _ => None,
    }
}

/// The unit of that code, without a prefix.
pub(super) fn find(code: &str) -> Option<&'static Entry> {
    // While the table is read it is asked for its own earlier lines.
    match READING.with(|reading| {
        reading
            .borrow()
            .as_ref()
            .map(|known| known.get(code).copied())
    }) {
        Some(found) => found,
        None => table().get(code).copied(),
    }
}

type Table = HashMap<&'static str, &'static Entry>;

thread_local! {
    static READING: std::cell::RefCell<Option<Table>> = const { std::cell::RefCell::new(None) };
}

fn table() -> &'static Table {
    static UNITS: OnceLock<Table> = OnceLock::new();
    UNITS.get_or_init(read)
}

/// Reads the table. A line that does not read is left out; a test holds that there is none.
fn read() -> Table {
    READING.with(|reading| *reading.borrow_mut() = Some(base()));
    for line in lines() {
        if let Some((code, entry)) = entry(line) {
            READING.with(|reading| {
                if let Some(known) = reading.borrow_mut().as_mut() {
                    known.insert(code, entry);
                }
            });
        }
    }
    READING
        .with(|reading| reading.borrow_mut().take())
        .unwrap_or_default()
}

pub(super) fn lines() -> impl Iterator<Item = &'static str> {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
}

fn base() -> Table {
    let mut known = Table::new();
    for (at, code) in BASE.iter().enumerate() {
        let mut dimension = Dimension::default();
        if let Some(power) = dimension.base.get_mut(at) {
            *power = 1;
        }
        known.insert(code, kept(Number::ONE, dimension, true));
    }
    known
}

fn kept(factor: Number, dimension: Dimension, is_metric: bool) -> &'static Entry {
    Box::leak(Box::new(Entry {
        factor,
        dimension,
        is_metric,
    }))
}

/// A line: code, kind, factor, unit.
fn entry(line: &'static str) -> Option<(&'static str, &'static Entry)> {
    let mut words = line.split(' ');
    let (code, kind, factor, unit) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_metric = matches!(kind, "m" | "M");
    if matches!(kind, "a" | "M") {
        let dimension = Dimension {
            own: vec![(code, 1)],
            ..Dimension::default()
        };
        return Some((code, kept(Number::ONE, dimension, is_metric)));
    }
    let factor = match factor.split_once('/') {
        Some((top, bottom)) => Number::parse(top)
            .ok()?
            .over(&Number::parse(bottom).ok()?)
            .ok()?,
        None => Number::parse(factor).ok()?,
    };
    let Unit {
        factor: more,
        dimension,
        ..
    } = parse::unit(unit).ok()?;
    Some((code, kept(factor.times(&more).ok()?, dimension, is_metric)))
}
