//! HL7's times (DTM, `YYYY[MM[DD[HH[MM[SS[.S..]]]]]][+/-ZZZZ]`) to and from FHIR's.

/// Milliseconds since the Unix epoch, UTC.
pub type Millis = i64;

/// The zone in which a sender writes times that carry none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zone {
    /// UTC all year.
    Utc,
    /// UK civil time: UTC in winter, one hour ahead from the last Sunday of March to the last
    /// Sunday of October, 01:00 UTC. (The rule of 1996; for older times the day may be off by some
    /// weeks in autumn, which then shows as one hour.)
    #[default]
    London,
}

/// A time as sent, split into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dtm<'a> {
    year: u32,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    minute: Option<u32>,
    second: Option<u32>,
    fraction: &'a str,
    offset_minutes: Option<i32>,
}

impl<'a> Dtm<'a> {
    /// Reads a DTM (or TS.1, DT); `None` when it is not one, or names no real day or time.
    pub fn parse(text: &'a str) -> Option<Dtm<'a>> {
        let text = text.trim_ascii();
        let (main, offset_minutes) = match text.find(['+', '-']) {
            Some(at) => (text.get(..at)?, Some(offset(text.get(at..)?)?)),
            None => match text.strip_suffix('Z') {
                Some(main) => (main, Some(0)),
                None => (text, None),
            },
        };
        let (digits, fraction) = main.split_once('.').unwrap_or((main, ""));
        let sound = matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14)
            && digits.bytes().all(|b| b.is_ascii_digit())
            && fraction.len() <= 9
            && fraction.bytes().all(|b| b.is_ascii_digit());
        if !sound {
            return None;
        }
        let part = |from: usize| digits.get(from..from + 2).and_then(|d| d.parse().ok());
        let dtm = Dtm {
            year: digits.get(..4)?.parse().ok()?,
            month: part(4),
            day: part(6),
            hour: part(8),
            minute: part(10),
            second: part(12),
            fraction: if digits.len() == 14 { fraction } else { "" },
            offset_minutes,
        };
        dtm.is_real().then_some(dtm)
    }

    fn is_real(&self) -> bool {
        let month = self.month.unwrap_or(1);
        (1..=9999).contains(&self.year)
            && (1..=12).contains(&month)
            && (1..=days_in(self.year, month)).contains(&self.day.unwrap_or(1))
            && self.hour.unwrap_or(0) < 24
            && self.minute.unwrap_or(0) < 60
            && self.second.unwrap_or(0) < 60
    }

    /// FHIR `date`: `2024`, `2024-05` or `2024-05-01`, whatever time follows.
    pub fn date(&self) -> String {
        let mut out = format!("{:04}", self.year);
        for part in [self.month, self.day].into_iter().flatten() {
            out.push_str(&format!("-{part:02}"));
        }
        out
    }

    /// FHIR `dateTime`, as precise as sent: with a time there is always a zone, and minutes and
    /// seconds that were not sent are zero, as FHIR asks.
    pub fn date_time(&self, zone: Zone) -> String {
        let Some(hour) = self.hour else {
            return self.date();
        };
        let mut out = format!(
            "{}T{hour:02}:{:02}:{:02}",
            self.date(),
            self.minute.unwrap_or(0),
            self.second.unwrap_or(0)
        );
        if !self.fraction.is_empty() {
            out.push('.');
            out.push_str(self.fraction);
        }
        let offset = self.offset(zone);
        match offset {
            0 => out.push_str("+00:00"),
            o => {
                let sign = if o < 0 { '-' } else { '+' };
                out.push_str(&format!("{sign}{:02}:{:02}", o.abs() / 60, o.abs() % 60));
            }
        }
        out
    }

    /// FHIR `instant`; a time less precise than a day starts with it.
    pub fn instant(&self, zone: Zone) -> String {
        let whole = Dtm {
            month: self.month.or(Some(1)),
            day: self.day.or(Some(1)),
            hour: self.hour.or(Some(0)),
            ..*self
        };
        whole.date_time(zone)
    }

    /// FHIR `time` from a TM (`HHMM[SS]`).
    pub fn time_of(text: &str) -> Option<String> {
        let anchored = format!("20000101{text}");
        let dtm = Dtm::parse(&anchored)?;
        let (hour, minute) = (dtm.hour?, dtm.minute?);
        Some(format!(
            "{hour:02}:{minute:02}:{:02}",
            dtm.second.unwrap_or(0)
        ))
    }

    /// The instant it names, to the second, its unsent parts being the first there are.
    pub fn millis(&self, zone: Zone) -> Millis {
        self.local_seconds() * 1000 - i64::from(self.offset(zone)) * 60_000
    }

    /// The same, with what was sent of a second's fraction.
    pub fn exact_millis(&self, zone: Zone) -> Millis {
        let digits = self.fraction.bytes().chain([b'0'; 3]).take(3);
        let fraction = digits.fold(0, |sum, digit| {
            sum * 10 + i64::from(digit.saturating_sub(b'0'))
        });
        self.millis(zone) + fraction
    }

    /// Whether it is as precise as a minute.
    pub fn names_minute(&self) -> bool {
        self.minute.is_some()
    }

    fn local_seconds(&self) -> i64 {
        let day = days_since_epoch(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1));
        let seconds = [(self.hour, 3600), (self.minute, 60), (self.second, 1)];
        day * 86_400
            + seconds
                .iter()
                .map(|(n, f)| i64::from(n.unwrap_or(0)) * f)
                .sum::<i64>()
    }

    fn offset(&self, zone: Zone) -> i32 {
        match (self.offset_minutes, zone) {
            (Some(minutes), _) => minutes,
            (None, Zone::Utc) => 0,
            (None, Zone::London) => {
                // Summer time starts at 01:00 winter time and ends at 02:00 summer time.
                let local = self.local_seconds();
                let start = last_sunday(self.year, 3) * 86_400 + 3600;
                let end = last_sunday(self.year, 10) * 86_400 + 7200;
                if (start..end).contains(&local) { 60 } else { 0 }
            }
        }
    }
}

/// The instant as HL7 writes it, UTC: `20240501103000+0000`.
pub fn dtm(at: Millis) -> String {
    let (date, seconds) = (at.div_euclid(86_400_000), at.rem_euclid(86_400_000) / 1000);
    let (year, month, day) = civil(date);
    // By hand: an answer waits for it, and a format string costs as much as the rest of the answer.
    let mut out = String::with_capacity(20);
    let date = [year / 100, year % 100, month, day];
    let time = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    for pair in date.into_iter().chain(time) {
        for digit in [pair / 10 % 10, pair % 10] {
            out.push(char::from(b'0' + u8::try_from(digit).unwrap_or_default()));
        }
    }
    out.push_str("+0000");
    out
}

/// The instant as FHIR writes it, UTC: `2024-05-01T10:30:00.250Z`.
pub fn instant(at: Millis) -> String {
    let (date, millis) = (at.div_euclid(86_400_000), at.rem_euclid(86_400_000));
    let (year, month, day) = civil(date);
    let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    let millis = millis % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

fn offset(text: &str) -> Option<i32> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text
        .get(1..)
        .filter(|d| d.len() == 4 && d.bytes().all(|b| b.is_ascii_digit()))?;
    let (hours, minutes) = (
        digits.get(..2)?.parse::<i32>().ok()?,
        digits.get(2..)?.parse::<i32>().ok()?,
    );
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days_since_epoch(year: u32, month: u32, day: u32) -> i64 {
    // Years counted from March, so that the leap day is the last of its year.
    let year = i64::from(year) - i64::from(month <= 2);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + day_of_year - 719_468
}

/// The day of the Gregorian calendar that is so many days from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn last_sunday(year: u32, month: u32) -> i64 {
    let last = days_since_epoch(year, month, 31);
    // Day 0 was a Thursday, so day 3 was a Sunday.
    last - (last - 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn uk_summer_time_is_one_hour_ahead() {
        let at = |text| Dtm::parse(text).unwrap().date_time(Zone::London);
        assert_eq!(at("202407011030"), "2024-07-01T10:30:00+01:00");
        assert_eq!(at("20240101103015.250"), "2024-01-01T10:30:15.250+00:00");
        assert_eq!(at("20240331005959"), "2024-03-31T00:59:59+00:00");
        assert_eq!(at("20240331020000"), "2024-03-31T02:00:00+01:00");
        assert_eq!(at("20241027023000"), "2024-10-27T02:30:00+00:00");
        assert_eq!(at("20240701103000-0500"), "2024-07-01T10:30:00-05:00");
        assert_eq!(at("202405"), "2024-05");
    }

    #[test]
    fn days_that_are_not_are_refused() {
        for text in [
            "",
            "2024023",
            "20230229",
            "20241301",
            "20240101246000",
            "2024010112+2500x",
            "TODAY",
        ] {
            assert_eq!(Dtm::parse(text), None, "{text}");
        }
        assert!(Dtm::parse("20240229").is_some());
    }

    #[test]
    fn instants_are_written_both_ways() {
        assert_eq!(dtm(1_714_559_400_250), "20240501103000+0000");
        assert_eq!(instant(1_714_559_400_250), "2024-05-01T10:30:00.250Z");
        assert_eq!(Dtm::time_of("0930").as_deref(), Some("09:30:00"));
        assert_eq!(
            Dtm::parse("2024").unwrap().instant(Zone::Utc),
            "2024-01-01T00:00:00+00:00"
        );
    }

    proptest! {
        #[test]
        fn an_instant_survives_writing_and_reading(seconds in -30_000_000_000i64..200_000_000_000) {
            let text = dtm(seconds * 1000);
            prop_assert_eq!(Dtm::parse(&text).unwrap().millis(Zone::Utc), seconds * 1000);
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,24}") {
            let _ = Dtm::parse(&text);
            let _ = Dtm::time_of(&text);
        }
    }
}
