//! Whom here somebody may be: candidates from the index, scored by `fhir::matching`; for `Patient/$match` and for the
//! staff's search alike. Only whom the scope reaches is ever compared, and no number alone finds anybody.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use access::{NhsNumber, Scope};
use fhir::json::{Json, Limits as JsonLimits, parse};
use fhir::matching::{Grade, Traits, Weighed, weigh};
use fhir::problem::Problem;
use fhir::search::{Limits, Search};
use store::Version;

use crate::node::Node;

/// People looked at for one question, at most: more share what was given than can be told apart.
const CANDIDATES_A_QUESTION: u32 = 200;
/// Questions asked of the index, at most.
const QUESTIONS_MAX: usize = 24;

/// Who is looked for.
pub(crate) struct Sought {
    traits: Traits,
    /// Each finds people who share enough to be worth comparing.
    questions: Vec<Vec<(String, String)>>,
    /// A number of which it is not known whose it is: a hospital's own, as it stands on a wristband.
    number: Option<String>,
}

/// Somebody who it may be.
pub(crate) struct Candidate {
    pub version: Version,
    pub weighed: Weighed,
}

/// Who it may be, those most alike first.
#[derive(Default)]
pub(crate) struct Likely {
    pub people: Vec<Candidate>,
    /// More share what was given than were compared.
    pub is_cut: bool,
}

impl Sought {
    /// Whoever is like this Patient.
    pub fn of(patient: &Json<'_>) -> Sought {
        Sought {
            traits: Traits::of(patient),
            questions: questions(patient),
            number: None,
        }
    }

    /// The same, known too by a number of whichever system but the NHS.
    #[must_use]
    pub fn with_number(mut self, number: &str) -> Sought {
        let number: String = number.chars().filter(|it| !it.is_whitespace()).collect();
        if number.is_empty() {
            return self;
        }
        let mut spelt = vec![number.clone()];
        let capitals = number.to_uppercase();
        if capitals != number {
            spelt.push(capitals);
        }
        let ask = |it: &String| vec![("identifier".to_owned(), escaped(it))];
        let mut questions: Vec<_> = spelt.iter().map(ask).collect();
        questions.append(&mut self.questions);
        self.questions = questions;
        self.number = Some(number);
        self
    }

    /// Whether nothing was given that anybody could be found by.
    pub fn asks_nothing(&self) -> bool {
        self.questions.is_empty()
    }

    fn weighed(&self, known: &Traits) -> Weighed {
        let Some(number) = &self.number else {
            return weigh(&self.traits, known);
        };
        let mut asked = self.traits.clone();
        let carried = known.identifiers.iter().find(|(system, value)| {
            system != NhsNumber::SYSTEM && value.eq_ignore_ascii_case(number)
        });
        // Of no system it agrees with none.
        let pair = carried.cloned();
        asked
            .identifiers
            .push(pair.unwrap_or_else(|| (String::new(), number.clone())));
        weigh(&asked, known)
    }
}

/// Who it may be, among those whom the scope reaches. Each question leaves its lines in the audit log.
///
/// # Errors
/// Those of searching.
pub(crate) async fn find(node: &Node, scope: &Scope, sought: &Sought) -> Result<Likely, Problem> {
    let base_url = node.site.fhir_url();
    let mut candidates: BTreeMap<String, Version> = BTreeMap::new();
    let mut likely = Likely::default();
    for pairs in sought.questions.iter().take(QUESTIONS_MAX) {
        let mut search = Search::parse("Patient", pairs, &base_url, &Limits::default())?;
        search.count = CANDIDATES_A_QUESTION;
        let page = node.store.search(scope, &search).await?;
        likely.is_cut |= page.next.is_some();
        let found = page.entries.into_iter().filter(|it| it.ty == "Patient");
        candidates.extend(found.map(|version| (version.id.clone(), version)));
    }
    for version in candidates.into_values() {
        let known = Traits::of(&parse(&version.body, &JsonLimits::default())?);
        let weighed = sought.weighed(&known);
        if weighed.grade != Grade::CertainlyNot {
            likely.people.push(Candidate { version, weighed });
        }
    }
    likely.people.sort_by(|a, b| {
        let rank = |it: &Candidate| (it.weighed.grade, it.weighed.score);
        rank(b).partial_cmp(&rank(a)).unwrap_or(Ordering::Equal)
    });
    Ok(likely)
}

/// What is asked of the index: each identifier; date of birth with family name or with a given name;
/// family name with postcode or with a telephone number or e-mail address.
fn questions(patient: &Json<'_>) -> Vec<Vec<(String, String)>> {
    let mut questions = Vec::new();
    let pair = |name: &str, value: &str| (name.to_string(), escaped(value));
    for identifier in patient.items("identifier") {
        if let (Some(system), Some(value)) = (identifier.text("system"), identifier.text("value")) {
            for value in spellings(value) {
                let token = format!("{}|{}", escaped(system), escaped(&value));
                questions.push(vec![("identifier".to_string(), token)]);
            }
        }
    }
    let names = patient.items("name").iter();
    for name in names {
        let family = name.text("family").filter(|text| !text.trim().is_empty());
        let given = name.items("given").first().and_then(Json::as_str);
        let given = given.filter(|text| !text.trim().is_empty());
        if let Some(born) = patient.text("birthDate") {
            questions.extend(family.map(|it| vec![pair("birthdate", born), pair("family", it)]));
            questions.extend(given.map(|it| vec![pair("birthdate", born), pair("given", it)]));
        }
        let Some(family) = family else { continue };
        questions.extend(given.map(|it| vec![pair("family", family), pair("given", it)]));
        for address in patient.items("address") {
            let code = address.text("postalCode");
            questions.extend(
                code.map(|it| vec![pair("address-postalcode", it), pair("family", family)]),
            );
        }
        for contact in patient.items("telecom") {
            let value = contact.text("value");
            questions.extend(value.map(|it| vec![pair("telecom", it), pair("family", family)]));
        }
    }
    questions
}

/// An NHS number is written with blanks or without.
fn spellings(value: &str) -> Vec<String> {
    let plain: String = value.chars().filter(|sign| !sign.is_whitespace()).collect();
    match plain == value {
        true => vec![plain],
        false => vec![value.to_string(), plain],
    }
}

/// A value with the signs escaped that a search gives a meaning.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for sign in value.chars() {
        if matches!(sign, '\\' | ',' | '|' | '$') {
            out.push('\\');
        }
        out.push(sign);
    }
    out
}
