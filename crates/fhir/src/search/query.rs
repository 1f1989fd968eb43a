//! A whole search: clauses, order, paging, what else is wanted, and the links that repeat it.

use super::clause::{Clause, Criterion};
use super::compartment;
use super::parameter::ParameterKind;
use super::parse::CURSOR;
use crate::problem::Problem;

/// What a server lets a search ask.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Results a page, where the query does not say.
    pub count_default: u32,
    /// Results a page, at most; a larger `_count` is held to it.
    pub count_max: u32,
    /// Clauses in all, those inside others included.
    pub clauses_max: usize,
    /// Values in one clause.
    pub values_max: usize,
    /// Steps of a chain or of `_has` inside each other.
    pub chain_max: usize,
    /// Sort keys, and includes of each kind.
    pub keys_max: usize,
    /// `Prefer: handling=lenient`: what is not supported is left out, and told in `ignored`.
    pub lenient: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            count_default: 50,
            count_max: 1000,
            clauses_max: 32,
            values_max: 128,
            chain_max: 4,
            keys_max: 16,
            lenient: false,
        }
    }
}

/// Whether the number of all matches is wanted (`_total`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Total {
    #[default]
    None,
    /// Some number near it will do.
    Estimate,
    Accurate,
}

/// What results are ordered by (<https://hl7.org/fhir/R4/search.html#sort>). Resources without a
/// value come last, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// A search parameter's code, `_id` or `_lastUpdated`.
    pub code: String,
    /// `None` for `_id` and `_lastUpdated`.
    pub kind: Option<ParameterKind>,
    pub descending: bool,
}

/// What comes along with the matches (<https://hl7.org/fhir/R4/search.html#revinclude>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    pub direction: Included,
    /// The type that refers; `None` for all (`_include=*`).
    pub source: Option<String>,
    /// The parameter by which it refers; `None` for all of its reference parameters.
    pub code: Option<String>,
    /// The only type that is wanted of what is referred to.
    pub target: Option<String>,
    /// Also from what was included.
    pub iterate: bool,
}

/// Which end of a reference comes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Included {
    /// `_include`: what a match refers to.
    Target,
    /// `_revinclude`: what refers to a match.
    Source,
}

/// Stands for the type in a search over all of them.
pub const ALL_TYPES: &str = "*";

/// A search over one resource type.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// `ALL_TYPES` for a search over all.
    pub ty: String,
    /// All hold (AND).
    pub clauses: Vec<Clause>,
    /// The first counts most. What is alike in all of them, or all where it is empty, is in the
    /// order of making.
    pub sort: Vec<Sort>,
    pub includes: Vec<Include>,
    /// Results a page. 0 asks for the number of matches only.
    pub count: u32,
    /// Where the page starts: the opaque text that the store gave with the page before.
    pub after: Option<String>,
    pub total: Total,
    /// Names of parameters that were left out (only under `lenient`).
    pub ignored: Vec<String>,
    /// The node's own FHIR address: a reference may stand in full.
    pub base_url: String,
    /// What stands before the type in the links: `Patient/1/` for a compartment.
    pub(super) prefix: String,
    /// Whether a search by a patient also finds what stands under records that this patient's
    /// replaced (a merge).
    pub follows_merges: bool,
    /// The pairs that were understood, as they came.
    pub(super) understood: Vec<(String, String)>,
}

impl Search {
    /// A search without conditions, to which code adds its own.
    pub fn all(ty: &str, count: u32) -> Search {
        Search {
            ty: ty.to_string(),
            clauses: Vec::new(),
            sort: Vec::new(),
            includes: Vec::new(),
            count,
            after: None,
            total: Total::None,
            ignored: Vec::new(),
            base_url: String::new(),
            prefix: String::new(),
            follows_merges: false,
            understood: Vec::new(),
        }
    }

    /// Only what is in that patient's compartment
    /// (<https://hl7.org/fhir/R4/compartmentdefinition-patient.html>).
    #[must_use]
    pub fn within_patient(mut self, id: &str) -> Search {
        let criterion = Criterion::Compartment(id.to_string());
        self.clauses.push(Clause::one("", criterion));
        self.prefix = format!("Patient/{id}/");
        self
    }

    /// Only what is in the compartment of that Device, Encounter, Patient, Practitioner or
    /// RelatedPerson (<https://hl7.org/fhir/R4/compartmentdefinition.html>).
    ///
    /// # Errors
    /// `NotSupported` for a type that has no compartment; `Value` for a search of a type that is in
    /// none of these.
    pub fn within(mut self, of: &str, id: &str) -> Result<Search, Problem> {
        if of == "Patient" {
            return Ok(self.within_patient(id));
        }
        let clause = compartment::members(of, &self.ty, (id, &self.base_url))?;
        self.clauses.push(clause);
        self.prefix = format!("{of}/{id}/");
        Ok(self)
    }

    /// The address of this very page, with only what was understood.
    pub fn self_link(&self, base_url: &str) -> String {
        self.link(base_url, self.after.as_deref())
    }

    /// The address of the page that starts at `after`.
    pub fn next_link(&self, base_url: &str, after: &str) -> String {
        self.link(base_url, Some(after))
    }

    /// The address of the first page.
    pub fn first_link(&self, base_url: &str) -> String {
        self.link(base_url, None)
    }

    fn link(&self, base_url: &str, after: Option<&str>) -> String {
        let base_url = base_url.trim_end_matches('/');
        let ty = match self.ty.as_str() {
            ALL_TYPES if self.prefix.is_empty() => "",
            ty => ty,
        };
        let mut link = format!("{base_url}/{}{ty}", self.prefix);
        let pairs = self
            .understood
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs = pairs.filter(|(name, _)| *name != CURSOR);
        let cursor = after.map(|after| (CURSOR, after));
        for (index, (name, value)) in pairs.chain(cursor).enumerate() {
            link.push(if index == 0 { '?' } else { '&' });
            encode(name, &mut link);
            link.push('=');
            encode(value, &mut link);
        }
        link
    }
}

/// Percent-encodes what a query string cannot hold; the signs that FHIR uses stay readable.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b',' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}
