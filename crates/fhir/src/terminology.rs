//! What codes mean, as far as pure code needs to know (<https://hl7.org/fhir/R4/terminologies.html>).
//!
//! Whoever checks resources asks a `Terminology`. The store gives one that knows what was loaded;
//! `Base` knows the value sets that R4 itself requires.

pub mod code_system;
pub mod compose;
pub mod concept_map;
pub mod ecl;
pub mod hierarchy;
pub mod published;
pub mod ranges;
pub mod sctid;
pub mod words;

use crate::definitions::Definitions;

/// Whether a code is where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    Yes,
    No,
    /// Nobody can say, and this is why: what is not known is neither accepted nor refused silently.
    Unknown(Unknown),
}

/// Why a code's membership is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// No such value set was loaded.
    ValueSet,
    /// No such code system was loaded, or only a part of it.
    CodeSystem,
    /// The value set is defined in a way that cannot be answered at once.
    TooCostly,
}

impl Unknown {
    /// A sentence for whoever asked.
    pub fn message(self) -> &'static str {
        match self {
            Unknown::ValueSet => "This value set is not loaded here.",
            Unknown::CodeSystem => "The code system is not loaded here as a whole.",
            Unknown::TooCostly => "The value set is too large to be asked here.",
        }
    }
}

/// How two codes of a system stand to each other
/// (<https://hl7.org/fhir/R4/valueset-concept-subsumption-outcome.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsumption {
    Equivalent,
    /// The first is the more general one.
    Subsumes,
    /// The first is the more special one.
    SubsumedBy,
    NotSubsumed,
}

impl Subsumption {
    /// The code as the specification spells it.
    pub fn code(self) -> &'static str {
        match self {
            Subsumption::Equivalent => "equivalent",
            Subsumption::Subsumes => "subsumes",
            Subsumption::SubsumedBy => "subsumed-by",
            Subsumption::NotSubsumed => "not-subsumed",
        }
    }
}

/// Answers about codes, at once: no I/O, nothing waits.
pub trait Terminology: Send + Sync {
    /// Whether a code is in a value set. `value_set` is its canonical address, with or without
    /// `|version`; without a system any system of the value set will do (as for the `code` type).
    fn member(&self, value_set: &str, system: Option<&str>, code: &str) -> Membership;

    /// Whether a code is in a code system.
    fn known(&self, system: &str, code: &str) -> Membership;

    /// How two codes of a system stand to each other; `None` where that is not known.
    fn subsumption(&self, system: &str, a: &str, b: &str) -> Option<Subsumption>;
}

/// What R4 itself defines: the value sets that its elements are bound to with strength `required`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Base;

impl Terminology for Base {
    fn member(&self, value_set: &str, system: Option<&str>, code: &str) -> Membership {
        let address = unversioned(value_set);
        let Some(set) = Definitions::r4().value_set_at(address) else {
            return Membership::Unknown(Unknown::ValueSet);
        };
        let found = set.codes.get(code);
        match found.is_some_and(|known| system.is_none_or(|system| system == *known)) {
            true => Membership::Yes,
            false => Membership::No,
        }
    }

    fn known(&self, _system: &str, _code: &str) -> Membership {
        Membership::Unknown(Unknown::CodeSystem)
    }

    fn subsumption(&self, _system: &str, a: &str, b: &str) -> Option<Subsumption> {
        (a == b).then_some(Subsumption::Equivalent)
    }
}

/// The codes of a value set that R4 itself requires: (system, code), sorted. `None` if it is not one.
pub fn base_value_set(address: &str) -> Option<Vec<(&'static str, &'static str)>> {
    let set = Definitions::r4().value_set_at(unversioned(address))?;
    let mut codes: Vec<_> = set
        .codes
        .iter()
        .map(|(code, system)| (*system, *code))
        .collect();
    codes.sort_unstable();
    Some(codes)
}

/// A canonical address without its version.
pub fn unversioned(canonical: &str) -> &str {
    canonical
        .split_once('|')
        .map_or(canonical, |(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r4s_own_value_sets_are_known_and_others_are_said_to_be_unknown() {
        let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
        let system = Some("http://hl7.org/fhir/administrative-gender");
        assert_eq!(Base.member(gender, system, "female"), Membership::Yes);
        assert_eq!(Base.member(gender, None, "female"), Membership::Yes);
        let versioned = format!("{gender}|4.0.1");
        assert_eq!(Base.member(&versioned, None, "f"), Membership::No);
        assert_eq!(Base.member(gender, Some("urn:x"), "female"), Membership::No);
        let unknown = Membership::Unknown(Unknown::ValueSet);
        assert_eq!(Base.member("urn:nowhere", None, "x"), unknown);
    }
}
