//! How pages say things: times in UK time, sizes, people and roles.

use std::sync::OnceLock;

use access::{Caller, Role, Who};
use fhir::date::Millis;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// A moment as pages show it.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    /// For machines.
    pub iso: String,
    /// For lists: the time if it was today, else the day.
    pub short: String,
    /// Day and time in full.
    pub full: String,
}

/// UK time by its rule, so that no time zone files are needed.
fn uk() -> &'static TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(|| TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0").unwrap_or(TimeZone::UTC))
}

/// Day and time of a moment in the UK.
pub fn there(at: Millis) -> Option<jiff::civil::DateTime> {
    let time = Timestamp::from_millisecond(at).ok()?;
    Some(time.to_zoned(uk().clone()).datetime())
}

/// The moment at which it is that day and time (`2026-01-05`, `09:30`) in the UK.
pub fn moment_of(day: &str, time: &str) -> Option<Millis> {
    let day = day.parse::<jiff::civil::Date>().ok()?;
    let time = time.parse::<jiff::civil::Time>().ok()?;
    let zoned = day.to_datetime(time).to_zoned(uk().clone()).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// A moment, told from `now`: "14:02" today, "21 Nov 14:02" this year, "21 Nov 2025" before.
pub fn moment(at: Millis, now: Millis) -> Moment {
    let Ok(time) = Timestamp::from_millisecond(at) else {
        return Moment {
            iso: String::new(),
            short: "unknown".into(),
            full: "unknown".into(),
        };
    };
    let there = time.to_zoned(uk().clone());
    let here = Timestamp::from_millisecond(now)
        .unwrap_or(time)
        .to_zoned(uk().clone());
    let short = if there.date() == here.date() {
        there.strftime("%H:%M")
    } else if there.year() == here.year() {
        there.strftime("%-d %b %H:%M")
    } else {
        there.strftime("%-d %b %Y")
    };
    Moment {
        iso: time.to_string(),
        short: short.to_string(),
        full: there.strftime("%A %-d %B %Y, %H:%M:%S").to_string(),
    }
}

/// The day of a moment: `3 Feb 2026`.
pub fn date(at: Millis) -> Moment {
    let mut told = moment(at, at);
    if let Ok(time) = Timestamp::from_millisecond(at) {
        told.short = time
            .to_zoned(uk().clone())
            .strftime("%-d %b %Y")
            .to_string();
    }
    told
}

/// A day as FHIR writes it (`1961-02-03`, or only a year or month) in the NHS's way: `3 Feb 1961`.
/// What is not such a day comes back as it is.
pub fn day(text: &str) -> String {
    match text.parse::<jiff::civil::Date>() {
        Ok(date) => date.strftime("%-d %b %Y").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// An NHS number in its 3-3-4 form, if it is one; else the text as it is.
pub fn nhs_number(text: &str) -> String {
    access::NhsNumber::parse(text).map_or_else(|_| text.to_owned(), |number| number.to_string())
}

/// A size that people can place: `34 kB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// A role in words.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Clinician => "clinician",
        Role::Clerk => "clerk",
        Role::Engineer => "engineer",
        Role::PrivacyOfficer => "privacy officer",
        Role::System => "system",
    }
}

/// Who is signed in, as the page's head shows it.
pub fn caller(caller: &Caller) -> String {
    match &caller.who {
        Who::Patient { name, .. } => name.clone(),
        Who::Staff {
            name, role: theirs, ..
        } => format!("{name}, {}", role(*theirs)),
        Who::Peer { organisation } => organisation.to_string(),
        Who::Node => "This node".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = 1_782_129_600_000; // 2026-06-22T12:00:00Z

    #[test]
    fn times_are_uk_times_and_shorter_the_nearer_they_are() {
        assert_eq!(moment(NOON, NOON).short, "13:00");
        assert_eq!(moment(NOON - 86_400_000, NOON).short, "21 Jun 13:00");
        assert_eq!(moment(NOON - 200 * 86_400_000, NOON).short, "4 Dec 2025");
        assert_eq!(moment(NOON, NOON).full, "Monday 22 June 2026, 13:00:00");
    }

    #[test]
    fn a_day_and_a_time_are_meant_as_uk_time() {
        assert_eq!(moment_of("2026-06-22", "13:00"), Some(NOON));
        assert_eq!(moment_of("2026-02-30", "13:00"), None);
        assert_eq!(there(NOON).unwrap().to_string(), "2026-06-22T13:00:00");
    }

    #[test]
    fn days_and_numbers_are_shown_the_nhs_way() {
        assert_eq!(day("1961-02-03"), "3 Feb 1961");
        assert_eq!(day("1961"), "1961");
        assert_eq!(nhs_number("9434765919"), "943 476 5919");
        assert_eq!(nhs_number("<b>"), "<b>");
        assert_eq!(size(34_567), "34 kB");
        assert_eq!(size(2_540_000), "2.5 MB");
    }
}
