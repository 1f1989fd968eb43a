//! Dates and times of partial precision (<http://hl7.org/fhirpath/N1/#date>): a value knows which of
//! its parts were given, and comparing two says nothing where the answer would hang on one that was
//! not.

use std::cmp::Ordering;
use std::fmt;

use crate::date::{civil_from_days, days_from_civil, days_in};

const DAY_MILLIS: i64 = 86_400_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MomentKind {
    Date,
    DateTime,
    Time,
}

/// A Date, DateTime or Time.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub kind: MomentKind,
    /// Year, month, day, hour, minute, second, millisecond.
    pub(super) parts: [i64; 7],
    /// How many of `parts` are given, counted from the year. A Time has year, month and day zero and
    /// at least 4.
    pub(super) given: usize,
    /// Minutes ahead of UTC.
    pub(super) zone: Option<i64>,
}

impl Moment {
    /// Reads what follows `@` in an expression: `2015-02`, `2015-02T`, `T14:34`.
    pub(super) fn literal(text: &str) -> Option<Moment> {
        match text.strip_prefix('T') {
            Some(time) => Moment::time(time),
            None if text.contains('T') => Moment::date_time(text),
            None => Moment::date(text),
        }
    }

    pub fn date(text: &str) -> Option<Moment> {
        let mut parts = [0, 1, 1, 0, 0, 0, 0];
        let pieces: Vec<&str> = text.split('-').collect();
        let lengths = [4, 2, 2];
        if pieces.len() > 3 {
            return None;
        }
        for ((piece, part), length) in pieces.iter().zip(&mut parts).zip(lengths) {
            *part = digits(piece, length)?;
        }
        let [year, month, day, ..] = parts;
        let is_day = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        (year > 0 && is_day).then_some(Moment {
            kind: MomentKind::Date,
            parts,
            given: pieces.len(),
            zone: None,
        })
    }

    pub fn date_time(text: &str) -> Option<Moment> {
        let (date, time) = text.split_once('T').unwrap_or((text, ""));
        let mut moment = Moment::date(date)?;
        moment.kind = MomentKind::DateTime;
        if time.is_empty() {
            return Some(moment);
        }
        let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
        moment.zone = zone(time.get(zone_at..)?)?;
        moment.clock(time.get(..zone_at)?)?;
        Some(moment)
    }

    pub fn time(text: &str) -> Option<Moment> {
        let mut moment = Moment {
            kind: MomentKind::Time,
            parts: [0; 7],
            given: 3,
            zone: None,
        };
        moment.clock(text)?;
        Some(moment)
    }

    fn clock(&mut self, text: &str) -> Option<()> {
        let (clock, fraction) = match text.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (text, None),
        };
        let pieces: Vec<&str> = clock.split(':').collect();
        let limits = [23, 59, 60];
        if pieces.len() > 3 || (fraction.is_some() && pieces.len() != 3) {
            return None;
        }
        for ((piece, part), limit) in pieces.iter().zip(self.parts.iter_mut().skip(3)).zip(limits) {
            *part = digits(piece, 2).filter(|value| *value <= limit)?;
        }
        self.given = 3 + pieces.len();
        if let (Some(fraction), Some(millis)) = (fraction, self.parts.last_mut()) {
            let padded: String = fraction.chars().chain("00".chars()).take(3).collect();
            *millis = digits(&padded, 3)?;
            self.given = 7;
        }
        Some(())
    }

    /// A DateTime in UTC, to the millisecond.
    pub fn at(millis: i64) -> Moment {
        let text = crate::date::instant(millis);
        Moment::date_time(&text).unwrap_or(Moment {
            kind: MomentKind::DateTime,
            parts: [1970, 1, 1, 0, 0, 0, 0],
            given: 7,
            zone: Some(0),
        })
    }

    /// The same moment with other precision or kind.
    pub(super) fn cut(self, kind: MomentKind, given: usize) -> Moment {
        let blank: [i64; 7] = [0, 1, 1, 0, 0, 0, 0];
        let mut parts = self.parts;
        for (part, blank) in parts.iter_mut().zip(blank).skip(given) {
            *part = blank;
        }
        Moment {
            kind,
            parts,
            given,
            zone: self.zone.filter(|_| given > 3),
        }
    }

    /// Which comes first. `None` where the precision does not tell.
    pub(super) fn order(&self, other: &Moment) -> Option<Ordering> {
        let zones_differ = self.given > 3 && other.given > 3 && self.zone != other.zone;
        let (left, right) = match (self.zone, other.zone) {
            (Some(_), Some(_)) if zones_differ => (self.in_utc(), other.in_utc()),
            _ => (*self, *other),
        };
        let unsure = zones_differ && (self.zone.is_none() || other.zone.is_none());
        let common = left.given.min(right.given);
        // Seconds and milliseconds are one precision.
        let common = if common >= 6 { 7 } else { common };
        for (index, (left, right)) in left.parts.iter().zip(&right.parts).take(common).enumerate() {
            if unsure && index >= 3 {
                return None;
            }
            match left.cmp(right) {
                Ordering::Equal => {}
                order => return Some(order),
            }
        }
        let same = |given: usize| given.min(6);
        (same(left.given) == same(right.given)).then_some(Ordering::Equal)
    }

    fn in_utc(self) -> Moment {
        let zone = self.zone.unwrap_or(0);
        let millis = self.to_millis() - zone * 60_000;
        Moment {
            zone: Some(0),
            ..self.at_millis(millis)
        }
    }

    fn to_millis(self) -> i64 {
        let [year, month, day, hour, minute, second, millis] = self.parts;
        let days = days_from_civil(year, month, day);
        days * DAY_MILLIS + (hour * 3600 + minute * 60 + second) * 1000 + millis
    }

    /// The same precision and zone at another time; a Time goes round the clock.
    fn at_millis(self, millis: i64) -> Moment {
        let (days, within) = (millis.div_euclid(DAY_MILLIS), millis.rem_euclid(DAY_MILLIS));
        let (year, month, day) = match self.kind {
            MomentKind::Time => (0, 0, 0),
            _ => civil_from_days(days),
        };
        let parts = [
            year,
            month,
            day,
            within / 3_600_000,
            within / 60_000 % 60,
            within / 1000 % 60,
            within % 1000,
        ];
        Moment { parts, ..self }
    }

    /// Later by whole months; a day that the month does not have becomes its last.
    pub(super) fn plus_months(self, months: i64) -> Option<Moment> {
        let [year, month, day, ..] = self.parts;
        let total = year
            .checked_mul(12)?
            .checked_add(month - 1)?
            .checked_add(months)?;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
        let mut parts = self.parts;
        parts[0] = year;
        parts[1] = month;
        parts[2] = day.min(days_in(year, month));
        (1..=9999)
            .contains(&year)
            .then_some(Moment { parts, ..self })
    }

    /// Later by so many milliseconds, at the precision that is given.
    pub(super) fn plus_millis(self, millis: i64) -> Option<Moment> {
        let later = self.at_millis(self.to_millis().checked_add(millis)?);
        let is_year = self.kind == MomentKind::Time || (1..=9999).contains(&later.parts[0]);
        is_year
            .then(|| later.cut(self.kind, self.given))
            .map(|moment| Moment {
                zone: self.zone,
                ..moment
            })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BEFORE: [&str; 7] = ["", "-", "-", "T", ":", ":", "."];
        const WIDTH: [usize; 7] = [4, 2, 2, 2, 2, 2, 3];
        let first = if self.kind == MomentKind::Time { 3 } else { 0 };
        let shown = self.parts.iter().zip(BEFORE).zip(WIDTH).enumerate();
        for (index, ((part, before), width)) in shown.take(self.given).skip(first) {
            let before = if index == first { "" } else { before };
            write!(f, "{before}{part:0width$}")?;
        }
        if self.given <= 3 {
            return Ok(());
        }
        match self.zone {
            None => Ok(()),
            Some(0) => f.write_str("Z"),
            Some(zone) => {
                let sign = if zone < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", zone.abs() / 60, zone.abs() % 60)
            }
        }
    }
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let good = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

/// Minutes ahead of UTC; `Some(None)` of an empty text.
fn zone(text: &str) -> Option<Option<i64>> {
    match text {
        "" => return Some(None),
        "Z" => return Some(Some(0)),
        _ => {}
    }
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let ahead = digits(hours, 2).filter(|hours| *hours <= 14)? * 60 + digits(minutes, 2)?;
    Some(Some(if text.starts_with('-') { -ahead } else { ahead }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(left: &str, right: &str) -> Option<Ordering> {
        Moment::literal(left)?.order(&Moment::literal(right)?)
    }

    #[test]
    fn precision_decides_what_a_comparison_can_say() {
        assert_eq!(order("2018-03", "2018-03-01"), None);
        assert_eq!(order("2018-02", "2018-03-01"), Some(Ordering::Less));
        assert_eq!(
            order("2012-04-15T15:00:00+02:00", "2012-04-15T16:00:00+03:00"),
            Some(Ordering::Equal)
        );
        assert_eq!(order("2012-04-15T15:00:00Z", "2012-04-15T10:00:00"), None);
        assert_eq!(order("T10:30:00", "T10:30:00.0"), Some(Ordering::Equal));
        assert_eq!(order("T10:30", "T10:30:00"), None);
    }

    #[test]
    fn a_moment_is_written_as_it_was_read() {
        for text in [
            "2015",
            "2015-02-04",
            "2015-02-04T14:34:28.123+10:00",
            "2015-02-04T14:34Z",
        ] {
            assert_eq!(Moment::literal(text).unwrap().to_string(), text);
        }
        for text in [
            "2015-13",
            "2015-02-30",
            "T25",
            "15",
            "2015-02-04T14:34:28.123+99:00",
        ] {
            assert!(Moment::literal(text).is_none(), "{text}");
        }
        let end = Moment::date("2024-01-31").unwrap();
        assert_eq!(end.plus_months(1).unwrap().to_string(), "2024-02-29");
        assert_eq!(
            end.plus_millis(DAY_MILLIS).unwrap().to_string(),
            "2024-02-01"
        );
    }
}
