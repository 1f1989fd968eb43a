//! A discharge from hospital (`docs/discharge.md`): what a clinician writes once, by the headings of the Professional
//! Record Standards Body's eDischarge summary, and signs once, goes to the practice, the pharmacy and social care, to
//! each what it needs and no more.
//!
//! Invariant: what is signed leaves in the commit that ends its draft: all of it or none. Invariant: a pharmacy is told
//! of medicines and allergies, social care of care needs and contacts, and neither of anything else. Invariant: what was
//! withheld from the writer, and what is not known, is never written as "none".

mod amend;
mod letters;
mod medicines;
mod sign;
mod structured;

use fhir::date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use amend::{Amends, Earlier};
pub(crate) use letters::under_headings;
pub use letters::{Section, letter, read_sections, section_code, sections};
pub use medicines::{Taken, compare, concept};
pub use sign::Signing;
pub(crate) use sign::division;
pub(crate) use structured::structure;

/// The word of its drafts in tables.
pub const KIND: &str = "discharge";
/// Medicines in one discharge.
pub const MEDICINES_MAX: usize = 40;
/// One text, in characters.
pub const TEXT_CHARS_MAX: usize = 8_000;
/// A medicine's name, dose or reason, in characters.
const LINE_CHARS_MAX: usize = 500;

/// What is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Discharge {
    /// `YYYY-MM-DD`
    pub admitted: String,
    pub discharged: String,
    pub diagnoses: String,
    pub procedures: String,
    pub course: String,
    pub allergies: String,
    pub medicines: Vec<Medicine>,
    /// Somebody says that the patient takes no medicine: an empty list alone does not say so.
    pub no_medicines: bool,
    pub gp_actions: String,
    pub follow_up: String,
    pub care_needs: String,
    pub contacts: String,
    /// What the patient was told.
    pub told: String,
    /// ODS codes; empty for nobody.
    pub practice: String,
    pub pharmacy: String,
    pub social_care: String,
    pub urgent: bool,
    /// Why the patient must not read it: `third-party`, `serious-harm`, or empty.
    pub mark: String,
    /// The signed version that this one takes the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amends: Option<Box<Amends>>,
}

/// A medicine, and what became of it in hospital.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Medicine {
    pub name: String,
    pub dose: String,
    pub fate: Fate,
    pub reason: String,
}

/// What became of a medicine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Nobody has said.
    #[default]
    Open,
    Started,
    Changed,
    Stopped,
    Continued,
}

impl Fate {
    /// Those that somebody may choose, with the heading that each stands under.
    pub const CHOICES: [(Fate, &str); 4] = [
        (Fate::Started, "Started"),
        (Fate::Changed, "Changed"),
        (Fate::Stopped, "Stopped"),
        (Fate::Continued, "Continued without change"),
    ];

    /// The word in forms and drafts.
    pub fn code(self) -> &'static str {
        match self {
            Fate::Open => "open",
            Fate::Started => "started",
            Fate::Changed => "changed",
            Fate::Stopped => "stopped",
            Fate::Continued => "continued",
        }
    }

    /// The fate of that word; none for any other.
    pub fn parse(code: &str) -> Fate {
        let found = Fate::CHOICES.iter().find(|(it, _)| it.code() == code);
        found.map_or(Fate::Open, |(it, _)| *it)
    }
}

/// Who is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Practice,
    Pharmacy,
    SocialCare,
}

impl Reader {
    pub const ALL: [Reader; 3] = [Reader::Practice, Reader::Pharmacy, Reader::SocialCare];

    /// The word in ids and forms.
    pub fn code(self) -> &'static str {
        match self {
            Reader::Practice => "practice",
            Reader::Pharmacy => "pharmacy",
            Reader::SocialCare => "social-care",
        }
    }

    /// What the letter to it is called.
    pub fn title(self) -> &'static str {
        match self {
            Reader::Practice => "Discharge summary",
            Reader::Pharmacy => "Medicines changed in hospital",
            Reader::SocialCare => "Care needs after hospital",
        }
    }
}

/// What of the record is withheld from the writer, by heading: it must not read as "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    pub diagnoses: bool,
    pub procedures: bool,
    pub allergies: bool,
    pub medicines: bool,
}

/// Something that must be mended before it can be signed: the field, and a sentence.
pub type Fault = (&'static str, &'static str);

impl Discharge {
    /// Whose code stands for that reader; `None` for nobody.
    pub fn recipient(&self, reader: Reader) -> Option<&str> {
        let code = match reader {
            Reader::Practice => &self.practice,
            Reader::Pharmacy => &self.pharmacy,
            Reader::SocialCare => &self.social_care,
        };
        Some(code.as_str()).filter(|it| !it.is_empty())
    }

    /// What keeps it from being kept as a draft.
    pub fn check_size(&self) -> Vec<Fault> {
        let texts = [
            ("diagnoses", &self.diagnoses),
            ("procedures", &self.procedures),
            ("course", &self.course),
            ("allergies", &self.allergies),
            ("gp-actions", &self.gp_actions),
            ("follow-up", &self.follow_up),
            ("care-needs", &self.care_needs),
            ("contacts", &self.contacts),
            ("told", &self.told),
        ];
        let mut faults = Vec::new();
        let why = self.amends.as_ref().map(|it| ("why", &it.why));
        for (field, text) in texts.into_iter().chain(why) {
            if text.chars().count() > TEXT_CHARS_MAX {
                faults.push((field, "This is longer than 8,000 characters"));
            }
        }
        let is_long = |it: &String| it.chars().count() > LINE_CHARS_MAX;
        let long = |it: &Medicine| [&it.name, &it.dose, &it.reason].into_iter().any(is_long);
        if self.medicines.iter().any(long) {
            faults.push((
                "medicines",
                "A medicine's name, dose and reason have 500 characters each at most",
            ));
        }
        if self.medicines.len() > MEDICINES_MAX {
            faults.push(("medicines", "A discharge has 40 medicines at most"));
        }
        faults
    }

    /// What keeps it from being signed.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = self.check_size();
        let mut need = |wrong: bool, field, said| {
            if wrong {
                faults.push((field, said));
            }
        };
        let is_day = |day: &str| day.len() == 10 && date::span(day).is_some();
        need(
            !self.admitted.is_empty() && !is_day(&self.admitted),
            "admitted",
            "Write the day of admission as 2026-02-03",
        );
        need(
            !is_day(&self.discharged),
            "discharged",
            "Write the day of discharge as 2026-02-03",
        );
        let order = is_day(&self.admitted) && is_day(&self.discharged);
        need(
            order && self.admitted > self.discharged,
            "discharged",
            "The day of discharge is before that of admission",
        );
        need(
            self.diagnoses.is_empty(),
            "diagnoses",
            "Write the diagnoses, or that there is none",
        );
        need(
            self.allergies.is_empty(),
            "allergies",
            "Write what is known of allergies, or that it is not known",
        );
        need(
            self.gp_actions.is_empty() && !self.practice.is_empty(),
            "gp-actions",
            "Write what the practice is to do, or that it is nothing",
        );
        need(
            self.told.is_empty(),
            "told",
            "Write what the patient was told",
        );
        need(
            self.care_needs.is_empty() && !self.social_care.is_empty(),
            "care-needs",
            "Write the care needs, which social care is told",
        );
        let addressed = Reader::ALL.iter().any(|it| self.recipient(*it).is_some());
        need(!addressed, "practice", "Choose who is written to");
        let wrong_code = |it: &&Reader| {
            let code = self.recipient(**it);
            code.is_some_and(|code| access::Ods::parse(code).is_err())
        };
        need(
            Reader::ALL.iter().any(|it| wrong_code(&it)),
            "practice",
            "An organisation is named by its ODS code, such as A81001",
        );
        need(
            !["", "third-party", "serious-harm"].contains(&self.mark.as_str()),
            "mark",
            "Choose whether the patient may read it",
        );
        faults.extend(self.check_medicines());
        faults.extend(self.amends.iter().flat_map(|it| it.check(self)));
        faults
    }

    fn check_medicines(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut need = |wrong: bool, said| {
            if wrong {
                faults.push(("medicines", said));
            }
        };
        let any = |wrong: fn(&Medicine) -> bool| self.medicines.iter().any(wrong);
        need(
            self.medicines.is_empty() != self.no_medicines,
            match self.no_medicines {
                true => "There are medicines, and it is said that there are none",
                false => "List the medicines, or say that the patient takes none",
            },
        );
        need(any(|it| it.name.is_empty()), "Name each medicine");
        need(
            any(|it| it.fate == Fate::Open),
            "Say of each medicine what became of it",
        );
        need(
            any(|it| {
                matches!(it.fate, Fate::Started | Fate::Changed | Fate::Stopped)
                    && it.reason.is_empty()
            }),
            "Say why each medicine was started, changed or stopped",
        );
        need(
            any(|it| matches!(it.fate, Fate::Started | Fate::Changed) && it.dose.is_empty()),
            "Write the dose of each medicine that was started or changed",
        );
        faults
    }
}

/// A person's official or first name: family and given.
pub(crate) fn name_of(patient: &Value) -> (String, String) {
    let names = patient.get("name").and_then(Value::as_array);
    let names = names.map_or(&[][..], Vec::as_slice);
    let official = names
        .iter()
        .find(|it| it.get("use").and_then(Value::as_str) == Some("official"));
    let name = official.or(names.first()).unwrap_or(&Value::Null);
    let family = name.get("family").and_then(Value::as_str);
    let given = name.get("given").and_then(Value::as_array);
    let given = given.into_iter().flatten().filter_map(Value::as_str);
    let given: Vec<&str> = given.collect();
    (family.unwrap_or_default().to_owned(), given.join(" "))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn whole() -> Discharge {
        let medicine = |name: &str, fate, reason: &str| Medicine {
            name: name.into(),
            dose: "one a day".into(),
            fate,
            reason: reason.into(),
        };
        Discharge {
            admitted: "2026-11-20".into(),
            discharged: "2026-11-29".into(),
            diagnoses: "Pneumonia".into(),
            procedures: "Chest drain".into(),
            course: "She got better.".into(),
            allergies: "Penicillin: rash".into(),
            medicines: vec![
                medicine("Amoxicillin", Fate::Stopped, "allergy"),
                medicine("Doxycycline", Fate::Started, "pneumonia"),
                medicine("Ramipril", Fate::Changed, "low pressure"),
                medicine("Aspirin", Fate::Continued, ""),
            ],
            gp_actions: "Check kidneys in a week".into(),
            follow_up: "Clinic in six weeks".into(),
            care_needs: "Help with washing, twice a day".into(),
            contacts: "Daughter, 07700 900123".into(),
            told: "To rest".into(),
            practice: "A81001".into(),
            pharmacy: "FZZ01".into(),
            social_care: "8AA01".into(),
            ..Discharge::default()
        }
    }

    #[test]
    fn what_is_missing_keeps_it_from_being_signed_and_is_named() {
        assert_eq!(whole().check(), []);
        let fields = |change: fn(&mut Discharge)| {
            let mut it = whole();
            change(&mut it);
            let fields: Vec<&str> = it.check().into_iter().map(|(field, _)| field).collect();
            fields
        };
        for (change, field) in [
            (
                (|it| it.discharged.clear()) as fn(&mut Discharge),
                "discharged",
            ),
            (|it| it.discharged = "2026-11-19".into(), "discharged"),
            (|it| it.admitted = "yesterday".into(), "admitted"),
            (|it| it.diagnoses.clear(), "diagnoses"),
            (|it| it.allergies.clear(), "allergies"),
            (|it| it.gp_actions.clear(), "gp-actions"),
            (|it| it.told.clear(), "told"),
            (|it| it.care_needs.clear(), "care-needs"),
            (|it| it.practice = "no code!".into(), "practice"),
            (|it| it.mark = "because".into(), "mark"),
            (|it| it.medicines.clear(), "medicines"),
            (|it| it.no_medicines = true, "medicines"),
            (|it| it.medicines[0].reason.clear(), "medicines"),
            (|it| it.medicines[1].dose.clear(), "medicines"),
            (|it| it.medicines[2].fate = Fate::Open, "medicines"),
            (|it| it.medicines[3].name.clear(), "medicines"),
            (|it| it.course = "x".repeat(TEXT_CHARS_MAX + 1), "course"),
        ] {
            assert_eq!(fields(change), [field]);
        }
        let nobody = fields(|it| {
            it.practice.clear();
            it.pharmacy.clear();
            it.social_care.clear();
        });
        assert_eq!(nobody, ["practice"]);
    }
}
