//! Times as FHIR writes them (<https://hl7.org/fhir/R4/datatypes.html#dateTime>) and as the node
//! keeps them: whole milliseconds. A partial date is the span of time that it may mean.

/// Milliseconds since 1970-01-01T00:00:00Z, in UTC.
pub type Millis = i64;

/// Stands for "since ever" where a Period has no start. Below any date that FHIR can write.
pub const BEGINNING: Millis = -(1 << 53);
/// Stands for "without end" where a Period has no end. Above any date that FHIR can write.
pub const END: Millis = 1 << 53;

const DAY: Millis = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const DAYS_TO_EPOCH: i64 = 719_468;

/// A span of time: `low` belongs to it, `high` no longer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub low: Millis,
    pub high: Millis,
}

/// Reads a `date`, `dateTime` or `instant` as the span that it covers: `2026` is a year, `2026-11`
/// a month, `2026-11-22T18:56:05Z` a second, with `.123` a millisecond. Without a zone it is taken
/// as UTC. Minutes without seconds are taken too, since searches may leave the seconds out. `None`
/// if the text is no such thing.
pub fn span(text: &str) -> Option<Span> {
    let bytes = text.as_bytes();
    let year = digits(bytes.get(..4)?)?;
    if year == 0 {
        return None;
    }
    let month = match bytes.get(4..) {
        None | Some([]) => {
            return Some(Span {
                low: midnight(year, 1, 1),
                high: midnight(year + 1, 1, 1),
            });
        }
        Some([b'-', a, b, ..]) => digits(&[*a, *b]).filter(|month| (1..=12).contains(month))?,
        Some(_) => return None,
    };
    let day = match bytes.get(7..) {
        None | Some([]) => return Some(whole_month(year, month)),
        Some([b'-', a, b, ..]) => {
            digits(&[*a, *b]).filter(|day| (1..=days_in(year, month)).contains(day))?
        }
        Some(_) => return None,
    };
    let midnight = midnight(year, month, day);
    match bytes.get(10..) {
        None | Some([]) => Some(Span {
            low: midnight,
            high: midnight + DAY,
        }),
        Some([b'T', time @ ..]) => time_of_day(time).map(|(low, length)| Span {
            low: midnight + low,
            high: midnight + low + length,
        }),
        Some(_) => None,
    }
}

fn whole_month(year: i64, month: i64) -> Span {
    let after = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    Span {
        low: midnight(year, month, 1),
        high: midnight(after.0, after.1, 1),
    }
}

/// Milliseconds from midnight UTC, and how long the time as written lasts.
fn time_of_day(text: &[u8]) -> Option<(Millis, Millis)> {
    let (hour, minute) = match text {
        [a, b, b':', c, d, ..] => (digits(&[*a, *b])?, digits(&[*c, *d])?),
        _ => return None,
    };
    let mut rest = text.get(5..)?;
    let (mut seconds, mut fraction, mut length) = (0, 0, 60_000);
    if let [b':', a, b, ..] = rest {
        (seconds, length) = (digits(&[*a, *b])?, 1000);
        rest = rest.get(3..)?;
        if let [b'.', tail @ ..] = rest {
            let count = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (fraction, length) = fraction_of(tail.get(..count)?)?;
            rest = tail.get(count..)?;
        }
    }
    // 24:00 is not allowed; a leap second is, and counts as the first of the next minute.
    if hour > 23 || minute > 59 || seconds > 60 {
        return None;
    }
    let local = (hour * 3600 + minute * 60 + seconds) * 1000 + fraction;
    Some((local - zone(rest)?, length))
}

/// The milliseconds of a fraction's digits, and how long the fraction as written lasts (at least
/// a millisecond).
fn fraction_of(text: &[u8]) -> Option<(Millis, Millis)> {
    let (mut value, mut length) = (0, 1000);
    for byte in text.iter().take(3) {
        length /= 10;
        value += i64::from(byte.checked_sub(b'0')?) * length;
    }
    if text.is_empty() {
        None
    } else {
        Some((value, length))
    }
}

/// What a zone is ahead of UTC, in milliseconds. No zone is UTC.
fn zone(text: &[u8]) -> Option<Millis> {
    match text {
        [] | b"Z" => Some(0),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let (hours, minutes) = (digits(&[*a, *b])?, digits(&[*c, *d])?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            let ahead = (hours * 60 + minutes) * 60_000;
            Some(if *sign == b'+' { ahead } else { -ahead })
        }
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i64::from(byte - b'0'))
    })
}

/// How many days a month (1 to 12) has.
pub(crate) fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The first millisecond of a day.
fn midnight(year: i64, month: i64, day: i64) -> Millis {
    days_from_civil(year, month, day) * DAY
}

/// Days since 1970-01-01. The year is counted from March, so that a leap day is its last.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    days + (153 * month + 2) / 5 + day - 1 - DAYS_TO_EPOCH
}

/// Year, month (1 to 12) and day of the month of a time in UTC.
fn civil(at: Millis) -> (i64, i64, i64) {
    civil_from_days(at.div_euclid(DAY))
}

/// The same of a day, counted from 1970-01-01.
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_EPOCH;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + i64::from(month >= 10);
    (year, if month < 10 { month + 3 } else { month - 9 }, day)
}

/// A FHIR `instant` in UTC with milliseconds: `2026-11-22T18:56:05.123Z`, always 24 characters for
/// the years 1 to 9999; times beyond are held at the nearest that can be written.
pub fn instant(at: Millis) -> String {
    let at = at.clamp(midnight(1, 1, 1), midnight(10_000, 1, 1) - 1);
    let (year, month, day) = civil(at);
    let (hour, minute, second, millis) = clock(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// A FHIR `date` in UTC: `2026-11-22`.
pub fn date(at: Millis) -> String {
    instant(at).chars().take(10).collect()
}

fn clock(at: Millis) -> (i64, i64, i64, i64) {
    let within = at.rem_euclid(DAY);
    (
        within / 3_600_000,
        within / 60_000 % 60,
        within / 1000 % 60,
        within % 1000,
    )
}

/// An HTTP date (<https://www.rfc-editor.org/rfc/rfc9110#name-date-time-formats>):
/// `Sun, 22 Nov 2026 18:56:05 GMT`.
pub fn http_date(at: Millis) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let at = at.clamp(midnight(1, 1, 1), midnight(10_000, 1, 1) - 1);
    let (year, month, day) = civil(at);
    let (hour, minute, second, _) = clock(at);
    let weekday = name(&DAYS, at.div_euclid(DAY).rem_euclid(7));
    let month = name(&MONTHS, month - 1);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

fn name(names: &[&'static str], index: i64) -> &'static str {
    usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Millis) {
        let span = span(text).unwrap();
        (instant(span.low), span.high - span.low)
    }

    #[test]
    fn a_partial_date_is_the_whole_span_it_may_mean() {
        assert_eq!(read("2024"), ("2024-01-01T00:00:00.000Z".into(), 366 * DAY));
        assert_eq!(
            read("2023-12"),
            ("2023-12-01T00:00:00.000Z".into(), 31 * DAY)
        );
        assert_eq!(read("2024-02-29"), ("2024-02-29T00:00:00.000Z".into(), DAY));
        assert_eq!(
            read("2024-02-29T13:28:17Z"),
            ("2024-02-29T13:28:17.000Z".into(), 1000)
        );
        assert_eq!(
            read("2024-02-29T13:28"),
            ("2024-02-29T13:28:00.000Z".into(), 60_000)
        );
        assert_eq!(
            read("2015-02-07T13:28:17.23+01:00").0,
            "2015-02-07T12:28:17.230Z"
        );
        assert_eq!(
            read("2015-02-07T13:28:17.239999-05:00").0,
            "2015-02-07T18:28:17.239Z"
        );
    }

    #[test]
    fn what_is_not_a_date_is_refused() {
        for text in [
            "",
            "20",
            "0000",
            "2024-13",
            "2023-02-29",
            "2024-1-1",
            "2024-01-01T",
            "2024-01-01T24:00:00Z",
            "2024-01-01T10",
            "2024-01-01T10:00:00+1",
            "2024-01-01 10:00:00",
            "2024-01-01T10:00:00.Z",
            "é024",
        ] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_is_written_as_it_was_read() {
        let mut at = midnight(1600, 1, 1);
        while at < midnight(2400, 1, 1) {
            assert_eq!(span(&date(at)).unwrap().low, at);
            at += DAY;
        }
    }

    #[test]
    fn an_http_date_names_the_weekday() {
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
