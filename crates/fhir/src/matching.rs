//! Scored patient matching (<https://hl7.org/fhir/R4/patient-operation-match.html>).
//!
//! Each thing that agrees adds its weight, up to 1; what contradicts takes away. The weights are
//! chosen so that no single thing, the NHS number included, reaches `POSSIBLE`: numbers are
//! mistyped, and twins share a birthday.
//!
//! | agrees | weight |
//! |---|---|
//! | an identifier of the same system (the NHS number, a hospital number) | 0.40 |
//! | date of birth; half of it if day and month are swapped or one digit differs | 0.25 |
//! | family name; three quarters of it if only spelt alike | 0.20 |
//! | first given name; half of it for the same initial | 0.15 |
//! | postcode | 0.10 |
//! | a telephone number or e-mail address | 0.10 |
//! | gender | 0.05 |
//!
//! Another NHS number takes away 0.40, another gender 0.10, another date of birth 0.20.
//!
//! A match is *certain* only if an identifier, the date of birth and the family or first given name
//! all agree exactly, and nothing contradicts.

use crate::json::Json;
use crate::search::fold;

/// From here on a match is probable.
pub const PROBABLE: f64 = 0.70;
/// From here on a match is possible; below it is not given.
pub const POSSIBLE: f64 = 0.45;

const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

/// How sure a match is (<https://hl7.org/fhir/R4/valueset-match-grade.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    CertainlyNot,
    Possible,
    Probable,
    Certain,
}

impl Grade {
    pub fn code(self) -> &'static str {
        match self {
            Grade::CertainlyNot => "certainly-not",
            Grade::Possible => "possible",
            Grade::Probable => "probable",
            Grade::Certain => "certain",
        }
    }
}

/// One thing that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    NhsNumber,
    /// A number of another system, as a hospital gives them.
    OtherNumber,
    BirthDate,
    Family,
    Given,
    Postcode,
    Telecom,
    Gender,
}

/// What came of comparing one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    Same,
    /// Spelt alike, the same initial, a digit or the order of day and month apart, or one of the two less exact.
    Alike,
    Differs,
    /// It was asked for, and is not on record.
    Unrecorded,
}

/// How well a person on record agrees with the one asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// From 0 to 1, to two digits.
    pub score: f64,
    pub grade: Grade,
    /// What was asked for, and how it agreed.
    pub parts: Vec<(Part, Agreement)>,
}

/// What of a Patient is compared, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traits {
    /// System and value.
    pub identifiers: Vec<(String, String)>,
    pub birth_date: Option<String>,
    pub families: Vec<String>,
    pub givens: Vec<String>,
    pub postcodes: Vec<String>,
    /// Digits of telephone numbers, and e-mail addresses.
    pub telecoms: Vec<String>,
    pub gender: Option<String>,
}

impl Traits {
    pub fn of(patient: &Json<'_>) -> Traits {
        let mut traits = Traits {
            birth_date: patient.text("birthDate").map(str::to_string),
            gender: patient.text("gender").map(str::to_string),
            ..Traits::default()
        };
        for identifier in patient.items("identifier") {
            if let (Some(system), Some(value)) =
                (identifier.text("system"), identifier.text("value"))
            {
                let value = value.chars().filter(|sign| !sign.is_whitespace());
                traits.identifiers.push((system.into(), value.collect()));
            }
        }
        for name in patient.items("name") {
            traits.families.extend(name.text("family").map(fold));
            let first = name.items("given").first().and_then(Json::as_str);
            traits.givens.extend(first.map(fold));
        }
        for address in patient.items("address") {
            traits
                .postcodes
                .extend(address.text("postalCode").map(postcode));
        }
        for telecom in patient.items("telecom") {
            traits.telecoms.extend(telecom.text("value").map(contact));
        }
        traits
    }
}

fn postcode(text: &str) -> String {
    let plain = text.chars().filter(|sign| !sign.is_whitespace());
    plain.collect::<String>().to_ascii_lowercase()
}

/// An e-mail address in lower case, or a number's digits with the United Kingdom's prefix as 0.
fn contact(text: &str) -> String {
    if text.contains('@') {
        return text.trim().to_lowercase();
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("0044").or(digits.strip_prefix("44")) {
        Some(rest) if text.trim().starts_with(['+', '0']) => {
            format!("0{}", rest.trim_start_matches('0'))
        }
        _ => digits,
    }
}

/// How well a person on record agrees with the one asked for: from 0 to 1, to two digits, and its
/// grade.
pub fn compare(asked: &Traits, known: &Traits) -> (f64, Grade) {
    let weighed = weigh(asked, known);
    (weighed.score, weighed.grade)
}

/// The same, with what agreed and what did not.
pub fn weigh(asked: &Traits, known: &Traits) -> Weighed {
    let mut judged = Judged::default();
    judged.identifiers(asked, known);
    judged.birth_dates(asked.birth_date.as_deref(), known.birth_date.as_deref());
    let family = alike(&asked.families, &known.families);
    judged.note_share(Part::Family, family, (&asked.families, &known.families));
    judged.add(
        0.20,
        if family > 0.0 && family < 1.0 {
            0.75
        } else {
            family
        },
    );
    let given = alike(&asked.givens, &known.givens);
    let given = match given > 0.0 {
        true => given,
        false => initials(&asked.givens, &known.givens),
    };
    judged.note_share(Part::Given, given, (&asked.givens, &known.givens));
    judged.add(
        0.15,
        if given > 0.0 && given < 1.0 {
            0.5
        } else {
            given
        },
    );
    judged.name = family >= 1.0 || given >= 1.0;
    let postcode = shared(&asked.postcodes, &known.postcodes);
    judged.note_share(
        Part::Postcode,
        postcode,
        (&asked.postcodes, &known.postcodes),
    );
    judged.add(0.10, postcode);
    let telecom = shared(&asked.telecoms, &known.telecoms);
    judged.note_share(Part::Telecom, telecom, (&asked.telecoms, &known.telecoms));
    judged.add(0.10, telecom);
    judged.genders(asked.gender.as_deref(), known.gender.as_deref());
    judged.verdict()
}

#[derive(Default)]
struct Judged {
    score: f64,
    contradicted: bool,
    identifier: bool,
    birth_date: bool,
    name: bool,
    parts: Vec<(Part, Agreement)>,
}

impl Judged {
    fn add(&mut self, weight: f64, share: f64) {
        self.score += weight * share;
    }

    fn against(&mut self, weight: f64) {
        self.score -= weight;
        self.contradicted = true;
    }

    fn note(&mut self, part: Part, agreement: Agreement) {
        self.parts.push((part, agreement));
    }

    /// Notes what was asked for by the share of it that agrees.
    fn note_share(&mut self, part: Part, share: f64, (asked, known): (&[String], &[String])) {
        if asked.iter().all(String::is_empty) {
            return;
        }
        let agreement = if share >= 1.0 {
            Agreement::Same
        } else if share > 0.0 {
            Agreement::Alike
        } else if known.is_empty() {
            Agreement::Unrecorded
        } else {
            Agreement::Differs
        };
        self.note(part, agreement);
    }

    fn identifiers(&mut self, asked: &Traits, known: &Traits) {
        self.identifier = asked
            .identifiers
            .iter()
            .any(|pair| known.identifiers.contains(pair));
        if self.identifier {
            self.add(0.40, 1.0);
        }
        let number = |traits: &Traits| {
            let mut all = traits.identifiers.iter();
            all.find(|(system, _)| system == NHS_NUMBER)
                .map(|(_, value)| value.clone())
        };
        match (number(asked), number(known)) {
            (Some(a), Some(b)) if a != b => {
                self.note(Part::NhsNumber, Agreement::Differs);
                self.against(0.40);
            }
            (Some(_), Some(_)) => self.note(Part::NhsNumber, Agreement::Same),
            (Some(_), None) => self.note(Part::NhsNumber, Agreement::Unrecorded),
            (None, _) => {}
        }
        let is_other = |(system, _): &&(String, String)| system != NHS_NUMBER;
        let mut others = asked.identifiers.iter().filter(is_other).peekable();
        if others.peek().is_some() {
            let agreement = match others.any(|pair| known.identifiers.contains(pair)) {
                true => Agreement::Same,
                false if known.identifiers.iter().any(|it| is_other(&it)) => Agreement::Differs,
                false => Agreement::Unrecorded,
            };
            self.note(Part::OtherNumber, agreement);
        }
    }

    fn birth_dates(&mut self, asked: Option<&str>, known: Option<&str>) {
        let (Some(asked), Some(known)) = (asked, known) else {
            if asked.is_some() {
                self.note(Part::BirthDate, Agreement::Unrecorded);
            }
            return;
        };
        if asked == known {
            self.birth_date = asked.len() == 10;
            self.note(Part::BirthDate, Agreement::Same);
            self.add(0.25, 1.0);
        } else if nearly_the_same_day(asked, known) {
            self.note(Part::BirthDate, Agreement::Alike);
            self.add(0.25, 0.5);
            self.contradicted = true;
        } else {
            self.note(Part::BirthDate, Agreement::Differs);
            self.against(0.20);
        }
    }

    fn genders(&mut self, asked: Option<&str>, known: Option<&str>) {
        match (asked, known) {
            (Some(a), Some(b)) if a == b => {
                self.note(Part::Gender, Agreement::Same);
                self.add(0.05, 1.0);
            }
            (Some(a), Some(b)) if a != "unknown" && b != "unknown" => {
                self.note(Part::Gender, Agreement::Differs);
                self.against(0.10);
            }
            (Some(_), _) => self.note(Part::Gender, Agreement::Unrecorded),
            (None, _) => {}
        }
    }

    fn verdict(self) -> Weighed {
        let score = (self.score.clamp(0.0, 1.0) * 100.0).round() / 100.0;
        let certain = self.identifier && self.birth_date && self.name && !self.contradicted;
        let grade = if certain {
            Grade::Certain
        } else if score >= PROBABLE {
            Grade::Probable
        } else if score >= POSSIBLE {
            Grade::Possible
        } else {
            Grade::CertainlyNot
        };
        Weighed {
            score,
            grade,
            parts: self.parts,
        }
    }
}

/// Day and month swapped, or one digit different, or one of them less exact.
fn nearly_the_same_day(a: &str, b: &str) -> bool {
    if a.len() != b.len() {
        return a.starts_with(b) || b.starts_with(a);
    }
    let (days, others): (Vec<&str>, Vec<&str>) = (a.split('-').collect(), b.split('-').collect());
    if let ([year, month, day], [other_year, other_month, other_day]) =
        (days.as_slice(), others.as_slice())
        && year == other_year
        && month == other_day
        && day == other_month
    {
        return true;
    }
    a.bytes().zip(b.bytes()).filter(|(a, b)| a != b).count() == 1
}

/// 1 if one is the same, less if one is spelt alike, else 0.
fn alike(asked: &[String], known: &[String]) -> f64 {
    let mut best = 0.0_f64;
    for a in asked {
        for b in known {
            let likeness = jaro_winkler(a, b);
            if a == b {
                return 1.0;
            }
            if likeness >= 0.90 {
                best = best.max(likeness.min(0.99));
            }
        }
    }
    best
}

fn initials(asked: &[String], known: &[String]) -> f64 {
    let first = |text: &String| text.chars().next();
    let same = asked.iter().any(|a| {
        known
            .iter()
            .any(|b| first(a).is_some() && first(a) == first(b))
    });
    if same { 0.5 } else { 0.0 }
}

fn shared(asked: &[String], known: &[String]) -> f64 {
    let same = asked.iter().any(|a| !a.is_empty() && known.contains(a));
    if same { 1.0 } else { 0.0 }
}

/// The most letters of a name that are compared.
const LETTERS_MAX: usize = 64;

/// How alike two words are, from 0 to 1 (Winkler 1990): letters in common within a window, those out
/// of order, and a bonus for a common beginning.
fn jaro_winkler(a: &str, b: &str) -> f64 {
    let a: Vec<char> = a.chars().take(LETTERS_MAX).collect();
    let b: Vec<char> = b.chars().take(LETTERS_MAX).collect();
    let window = (a.len().max(b.len()) / 2).saturating_sub(1);
    let mut taken = vec![false; b.len()];
    let mut of_a = Vec::new();
    for (at, letter) in a.iter().enumerate() {
        let near = b.iter().zip(taken.iter_mut()).enumerate();
        let mut near = near.filter(|(other, _)| other.abs_diff(at) <= window);
        if let Some((_, (_, mark))) = near.find(|(_, (known, mark))| *known == letter && !**mark) {
            *mark = true;
            of_a.push(*letter);
        }
    }
    if of_a.is_empty() {
        return 0.0;
    }
    let of_b = b.iter().zip(&taken).filter(|(_, taken)| **taken);
    let moved = of_a.iter().zip(of_b).filter(|(a, (b, _))| a != b).count();
    let count = |number: usize| f64::from(u16::try_from(number).unwrap_or(u16::MAX));
    let common = count(of_a.len());
    let jaro = (common / count(a.len())
        + common / count(b.len())
        + (common - count(moved) / 2.0) / common)
        / 3.0;
    let start = a.iter().zip(&b).take(4).take_while(|(a, b)| a == b).count();
    jaro + count(start) * 0.1 * (1.0 - jaro)
}

#[cfg(test)]
mod tests;
