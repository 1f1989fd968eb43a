//! A time that can be chosen, as forms carry it.

use access::Ods;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use exchange::booking::Offer;
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;

use crate::page::tongue::Language;
use crate::patient::appointments::{views, what};

/// Stands before a slot of this node's own diary.
const HERE: &str = "here";
/// Stands for the organisation's own system, which holds its diary.
pub(crate) const SYSTEM: &str = "system";

/// A time that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A Slot's id here: all else is read from it.
    Here(String),
    /// What another organisation offered, as its answer said; it looks again when it is asked.
    There(Ods, Box<Offer>),
    /// What the organisation's own system offered.
    System(Box<Offer>),
}

impl Choice {
    /// Reads what a form brings.
    ///
    /// # Errors
    /// `Value` for what no page of ours has made.
    pub fn read(text: &str) -> Result<Choice, Problem> {
        let wrong = || Problem::new(Kind::Value, "There is no such time to choose.");
        let (holder, rest) = text.split_once('~').ok_or_else(wrong)?;
        if holder == HERE {
            check_id(rest).map_err(|_| wrong())?;
            return Ok(Choice::Here(rest.to_owned()));
        }
        let bytes = URL_SAFE_NO_PAD.decode(rest).map_err(|_| wrong())?;
        let offer: Offer = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        offer.check().map_err(|_| wrong())?;
        if holder == SYSTEM {
            return Ok(Choice::System(Box::new(offer)));
        }
        let holder = Ods::parse(holder).map_err(|_| wrong())?;
        Ok(Choice::There(holder, Box::new(offer)))
    }
}

/// What a form sends for a time.
pub fn value(own: &Ods, holder: &str, offer: &Offer) -> String {
    if holder == own.as_str() {
        return format!("{HERE}~{}", offer.slot);
    }
    let text = serde_json::to_vec(offer).unwrap_or_default();
    format!("{holder}~{}", URL_SAFE_NO_PAD.encode(text))
}

/// Times under their days, in order.
pub(crate) fn days(language: Language, own: &Ods, times: &[(String, Offer)]) -> Vec<views::Day> {
    let mut days: Vec<views::Day> = Vec::new();
    for (holder, offer) in times {
        let day = language.day(offer.starts);
        let time = language.time(offer.starts);
        let shown = what(language, &offer.kind, &offer.with);
        let one = views::Time {
            value: value(own, holder, offer),
            time,
            what: shown,
        };
        match days.last_mut().filter(|last| last.day == day) {
            Some(last) => last.times.push(one),
            None => days.push(views::Day {
                day,
                times: vec![one],
            }),
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer_of_system() -> Offer {
        Offer {
            slot: "s".into(),
            starts: 1_767_605_400_000,
            ends: 1_767_606_000_000,
            kind: "Clinic".into(),
            with: String::new(),
        }
    }

    #[test]
    fn a_chosen_time_comes_back_as_it_was_offered_and_nothing_else_does() {
        let own = Ods::parse("A81001").unwrap();
        let offer = Offer {
            slot: "s-1.2".into(),
            starts: 1_767_605_400_000,
            ends: 1_767_606_000_000,
            kind: "Clinic ~ é".into(),
            with: "Dr A".into(),
        };
        let here = value(&own, "A81001", &offer);
        assert_eq!(Choice::read(&here).unwrap(), Choice::Here("s-1.2".into()));
        let there = value(&own, "RZZ01", &offer);
        let hospital = Ods::parse("RZZ01").unwrap();
        assert_eq!(
            Choice::read(&there).unwrap(),
            Choice::There(hospital, Box::new(offer))
        );
        let system = value(&own, SYSTEM, &offer_of_system());
        assert_eq!(
            Choice::read(&system).unwrap(),
            Choice::System(Box::new(offer_of_system()))
        );
        for wrong in [
            "system~e30",
            "",
            "here",
            "here~",
            "here~../x",
            "x~e30",
            "RZZ01~e30",
            "RZZ01~%",
        ] {
            assert!(Choice::read(wrong).is_err(), "{wrong}");
        }
    }
}
