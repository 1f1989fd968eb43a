//! A question, as the node of whoever asks signs it, and what it must be like.

use access::{NhsNumber, Ods, PATIENT, Purpose, Role};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use serde::{Deserialize, Serialize};
use store::ask::{PLANS, TYPES};

use crate::instant;
use crate::manifest::{PROTOCOL, PatientNamed};

/// The body of a request, in bytes.
pub const QUESTION_BYTES_MAX: usize = 16 << 10;
/// How far the clocks of two nodes may be apart, and how long a question may be on its way.
pub(super) const SKEW_MILLIS: Millis = 120_000;
/// The type of a letter's entry.
pub(super) const LETTER: &str = "DocumentReference";
/// A name, in characters.
const NAME_CHARS_MAX: usize = 200;
/// The reason of an emergency, in characters.
const REASON_CHARS: std::ops::RangeInclusive<usize> = 10..=2_000;

/// `POST /exchange/v1/ask`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// A signed question.
    pub question: String,
}

/// The question itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub protocol: u32,
    /// It serves once.
    pub id: String,
    pub from: String,
    pub to: String,
    #[serde(with = "instant")]
    pub at: Millis,
    /// Who it is about: number, date of birth and family name must all fit.
    pub patient: PatientNamed,
    /// Who asks: their name and role.
    pub person: String,
    pub role: String,
    /// A code of HL7's PurposeOfUse.
    pub purpose: String,
    pub types: Vec<String>,
    /// One letter is asked for, with its content: the id that its entry has there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub letter: Option<String>,
    /// Why the record was opened in an emergency, if it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub emergency: Option<Emergency>,
}

/// Why a record was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emergency {
    pub code: String,
    pub reason: String,
}

/// A question that was looked through.
pub(super) struct Checked {
    /// None for the patient themselves.
    pub role: Option<Role>,
    pub purpose: Purpose,
    pub nhs_number: String,
    pub birth_date: String,
    pub types: Vec<&'static str>,
}

impl Question {
    /// Looks it through.
    ///
    /// # Errors
    /// `Security` if it is not from that peer to this organisation, now; `NotSupported`, `Value` for what
    /// it says. Nothing was looked for then.
    pub(super) fn check(&self, peer: &Ods, own: &Ods, now: Millis) -> Result<Checked, Problem> {
        let security = |message: &'static str| Err(Problem::new(Kind::Security, message));
        if self.protocol != PROTOCOL {
            let message = "Only protocol 1 is spoken here.";
            return Err(Problem::new(Kind::NotSupported, message));
        }
        if self.from != peer.as_str() {
            return security("The question is not from the organisation at the other end.");
        }
        if self.to != own.as_str() {
            return security("The question is for another organisation.");
        }
        if now.abs_diff(self.at) > SKEW_MILLIS.unsigned_abs() {
            return security(
                "The question is too old, or the clocks are more than two minutes apart.",
            );
        }
        check_id(&self.id)?;
        let (nhs_number, birth_date) = self.check_patient()?;
        self.check_person()?;
        let mut types: Vec<&'static str> = Vec::new();
        for ty in &self.types {
            // Plans are answered to the patient alone.
            let plans = PLANS.iter().filter(|_| self.role == PATIENT);
            let known = TYPES.iter().chain(plans).find(|it| *it == ty).copied();
            match known.filter(|it| !types.contains(it)) {
                Some(ty) => types.push(ty),
                None => {
                    return Err(value(
                        "A question names types that may be asked for, each once.",
                    ));
                }
            }
        }
        if types.is_empty() {
            return Err(value("A question names at least one type."));
        }
        if let Some(letter) = &self.letter {
            check_id(letter)?;
            if types != [LETTER] {
                return Err(value("A question for a letter names its type alone."));
            }
        }
        let purpose = Purpose::parse(&self.purpose)?;
        Ok(Checked {
            role: self.check_role(purpose)?,
            purpose,
            nhs_number,
            birth_date,
            types,
        })
    }

    /// The role of who asks; a patient asks at their own request, and opens nothing in an emergency.
    fn check_role(&self, purpose: Purpose) -> Result<Option<Role>, Problem> {
        if self.role != PATIENT {
            return Role::parse(&self.role).map(Some);
        }
        match purpose == Purpose::PatientRequest && self.emergency.is_none() {
            true => Ok(None),
            false => Err(value("A patient asks at their own request.")),
        }
    }

    fn check_patient(&self) -> Result<(String, String), Problem> {
        let number = self.patient.nhs_number.as_deref().unwrap_or_default();
        let birth_date = self.patient.birth_date.as_deref().unwrap_or_default();
        let is_number = NhsNumber::parse(number).is_ok_and(|read| read.digits() == number);
        let is_day = birth_date.len() == 10 && date::span(birth_date).is_some();
        if !is_number || !is_day || self.patient.family.trim().is_empty() {
            let message =
                "A question names its patient by NHS number, date of birth and family name.";
            return Err(value(message));
        }
        Ok((number.to_string(), birth_date.to_string()))
    }

    fn check_person(&self) -> Result<(), Problem> {
        let is_name = |text: &str| {
            let length = text.chars().count();
            (1..=NAME_CHARS_MAX).contains(&length) && !text.chars().any(char::is_control)
        };
        if !is_name(&self.person) || self.patient.family.chars().count() > NAME_CHARS_MAX {
            return Err(value(
                "Who asks has a name of one line, of at most 200 characters.",
            ));
        }
        if let Some(emergency) = &self.emergency {
            let length = emergency.reason.trim().chars().count();
            if !REASON_CHARS.contains(&length) || emergency.code.chars().count() > NAME_CHARS_MAX {
                return Err(value(
                    "An emergency has a reason of 10 to 2,000 characters.",
                ));
            }
        }
        Ok(())
    }
}

fn value(message: &'static str) -> Problem {
    Problem::new(Kind::Value, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_767_603_600_000;

    fn question() -> Question {
        Question {
            protocol: 1,
            id: "q-1".into(),
            from: "RZZ01".into(),
            to: "A81001".into(),
            at: NOW,
            patient: PatientNamed {
                nhs_number: Some("9434765919".into()),
                birth_date: Some("1980-02-01".into()),
                family: "Ash".into(),
                given: String::new(),
            },
            person: "Nura Nurse".into(),
            role: "clinician".into(),
            purpose: "TREAT".into(),
            types: vec!["Observation".into()],
            letter: None,
            emergency: None,
        }
    }

    fn checked(question: &Question) -> Result<Checked, Problem> {
        let ods = |code| Ods::parse(code).unwrap();
        question.check(&ods("RZZ01"), &ods("A81001"), NOW)
    }

    #[test]
    fn a23_a_question_is_its_peers_for_this_node_and_of_now() {
        assert!(checked(&question()).is_ok());
        let mut wrong: Vec<Question> = Vec::new();
        wrong.push(Question {
            from: "RZZ02".into(),
            ..question()
        });
        wrong.push(Question {
            to: "A81002".into(),
            ..question()
        });
        for at in [NOW - SKEW_MILLIS - 1, NOW + SKEW_MILLIS + 1, Millis::MIN] {
            wrong.push(Question { at, ..question() });
        }
        for question in wrong {
            let refused = checked(&question).err().unwrap();
            assert_eq!(refused.kind, Kind::Security, "{question:?}");
        }
    }

    #[test]
    fn p33_a_question_without_who_why_or_about_whom_is_refused() {
        let with = |change: fn(&mut Question)| {
            let mut question = question();
            change(&mut question);
            checked(&question).err().map(|problem| problem.kind)
        };
        for change in [
            (|it| it.person.clear()) as fn(&mut Question),
            |it| it.person = "a\nb".into(),
            |it| it.person = "x".repeat(201),
            |it| it.role = "wizard".into(),
            |it| it.role = "patient".into(),
            |it| it.purpose.clear(),
            |it| it.patient.nhs_number = None,
            |it| it.patient.nhs_number = Some("9434765918".into()),
            |it| it.patient.birth_date = Some("1980-02".into()),
            |it| it.patient.family = " ".into(),
            |it| it.types.clear(),
            |it| it.types = vec!["Patient".into()],
            |it| it.types = vec!["Appointment".into()],
            |it| it.letter = Some("letter".into()),
            |it| it.types = vec!["Observation".into(), "Observation".into()],
            |it| {
                it.emergency = Some(Emergency {
                    code: "unable-to-ask".into(),
                    reason: "short".into(),
                });
            },
        ] {
            assert_eq!(with(change), Some(Kind::Value));
        }
    }
}
