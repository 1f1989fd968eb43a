//! Clocks that do not agree. Every answer of a neighbour says what time it is there; one that is far from the time here is told to
//! staff, since times on letters and receipts are then off by as much. Which of the two is wrong nobody can tell from two alone.

use std::collections::HashMap;

use access::Ods;
use fhir::date::Millis;
use hl7v2::time::{Dtm, Zone};
use parking_lot::Mutex;
use store::AuditWrite;

use crate::exchange::Exchange;

/// The kind of the alarm about a neighbour's clock.
pub const ALARM: &str = "clock";
/// Clocks agree as long as they differ by no more: questions are refused beyond it too.
const APART_MAX_MILLIS: Millis = 120_000;
const TOLD_ANEW_MILLIS: Millis = 600_000;
/// Neighbours whose clocks are remembered.
const KNOWN_MAX: usize = 10_000;

/// By how much neighbours' clocks were ahead of this node's when they last answered. Forgotten with the process.
#[derive(Default)]
pub(crate) struct Clocks(Mutex<HashMap<Ods, Millis>>);

impl Clocks {
    /// Notes the time in an answer's head. A request takes a while and the head names whole seconds, so that only what is beyond
    /// both is a difference.
    pub(crate) fn note(&self, peer: &Ods, date: &str, (asked_at, now): (Millis, Millis)) {
        let Some(there) = read(date) else { return };
        let ahead = match there {
            there if there > now => there - now,
            there if there + 1_000 < asked_at => there + 1_000 - asked_at,
            _ => 0,
        };
        let mut all = self.0.lock();
        if all.len() < KNOWN_MAX || all.contains_key(peer) {
            all.insert(peer.clone(), ahead);
        }
    }

    pub(crate) fn all(&self) -> Vec<(Ods, Millis)> {
        let all = self.0.lock();
        all.iter()
            .map(|(peer, ahead)| (peer.clone(), *ahead))
            .collect()
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (<https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>)
fn read(date: &str) -> Option<Millis> {
    let parts: Vec<&str> = date.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = parts.as_slice() else {
        return None;
    };
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|it| it == month)? + 1;
    let time: String = time.split(':').collect();
    let text = format!("{year}{month:02}{day}{time}Z");
    let dtm = Dtm::parse(&text).filter(|_| text.len() == 15)?;
    Some(dtm.millis(Zone::Utc))
}

/// The time as an answer's head says it.
pub fn http_date(at: Millis) -> String {
    let days = at.div_euclid(86_400_000);
    let names = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let name = usize::try_from(days.rem_euclid(7)).unwrap_or_default();
    let name = names.get(name).copied().unwrap_or_default();
    let text = hl7v2::time::dtm(at);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = part(4, 6).parse::<usize>().unwrap_or(1).saturating_sub(1);
    let month = months.get(month).copied().unwrap_or_default();
    format!(
        "{name}, {} {month} {} {}:{}:{} GMT",
        part(6, 8),
        part(0, 4),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    )
}

/// What staff are told of a clock that far ahead.
fn told(peer: &Ods, ahead: Millis) -> String {
    let minutes = (ahead.abs() + 30_000) / 60_000;
    let by = match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} minutes"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    };
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    format!(
        "The clock of {peer} is {by} {way} this node's. One of the two is wrong. Letters go on and none is lost, but the times \
         they show, there or here, are off by as much, and questions about records may be refused."
    )
}

impl Exchange {
    /// Puts clocks that do not agree onto the work list, and takes them off when they do again.
    pub(crate) async fn note_clocks(&self) {
        for (peer, ahead) in self.transport.clocks() {
            let is_apart = ahead.abs() > APART_MAX_MILLIS;
            // Told anew when it is another difference.
            let apart = is_apart.then_some(ahead / TOLD_ANEW_MILLIS);
            if self.apart.lock().get(&peer) == Some(&apart) {
                continue;
            }
            let about = peer.to_string();
            let write = match is_apart {
                true => AuditWrite::Alarm {
                    kind: ALARM,
                    about,
                    what: told(&peer, ahead),
                },
                false => AuditWrite::Settle {
                    kind: ALARM.into(),
                    about,
                },
            };
            match self.store.write_audit(write).await {
                Ok(()) => drop(self.apart.lock().insert(peer, apart)),
                Err(problem) => {
                    tracing::error!(%problem, "the alarm about a clock could not be written")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_an_answers_head_is_read_and_written() {
        let at = 784_111_777_000;
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(at));
        assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
        for no in [
            "",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "x 6 Nov 1994 8:49:37 GMT",
        ] {
            assert_eq!(read(no), None, "{no}");
        }
    }

    #[test]
    fn only_what_neither_the_request_nor_whole_seconds_explain_is_a_difference() {
        let peer = Ods::parse("A81001").unwrap();
        let ahead = |asked_at: Millis, now: Millis| {
            let clocks = Clocks::default();
            clocks.note(
                &peer,
                &http_date(784_111_777_000),
                (784_111_777_000 + asked_at, 784_111_777_000 + now),
            );
            clocks.all()[0].1
        };
        assert_eq!(ahead(900, 950), 0);
        assert_eq!(ahead(-20_000, 900), 0, "a slow answer");
        assert_eq!(ahead(-7_200_000, -7_200_000), 7_200_000);
        assert_eq!(ahead(7_201_000, 7_202_000), -7_200_000);
        assert!(told(&peer, -7_200_000).contains("2 h 0 min behind"));
        assert!(told(&peer, 180_000).contains("3 minutes ahead of"));
    }
}
