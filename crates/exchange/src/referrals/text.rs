//! What a parcel of kind `referral` says beside whom it is about.

use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use serde::{Deserialize, Serialize};

use crate::booking::Offer;
use crate::instant;

/// The longest reason, question or answer, in characters.
pub const WORDS_CHARS_MAX: usize = 1_500;
/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 200;
/// FHIR's request priorities, the most urgent first.
pub const URGENCIES: [&str; 4] = ["stat", "asap", "urgent", "routine"];

/// What a referral's parcel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Who refers: asks for care of somebody.
    Refer,
    /// Who refers: answers a question.
    Reply,
    /// Who refers: does not want it any more.
    Withdraw,
    /// Who was asked: a named clinician takes it on.
    Accept,
    /// Who was asked: a question back.
    Ask,
    /// Who was asked: gives it back, with the reason.
    Return,
}

impl Act {
    /// The word in records.
    pub fn code(self) -> &'static str {
        match self {
            Act::Refer => "refer",
            Act::Reply => "reply",
            Act::Withdraw => "withdraw",
            Act::Accept => "accept",
            Act::Ask => "ask",
            Act::Return => "return",
        }
    }

    /// The act of that word.
    pub fn from_code(code: &str) -> Option<Act> {
        const ALL: [Act; 6] = [
            Act::Refer,
            Act::Reply,
            Act::Withdraw,
            Act::Accept,
            Act::Ask,
            Act::Return,
        ];
        ALL.into_iter().find(|it| it.code() == code)
    }

    /// Whether it is a step of who was asked.
    pub fn is_receivers(self) -> bool {
        matches!(self, Act::Accept | Act::Ask | Act::Return)
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Which service is wanted, in words.
    pub service: String,
    /// A code of FHIR's request priority: `routine`, `urgent`, `asap`, `stat`.
    pub urgency: String,
    /// Why.
    pub reason: String,
    /// What who refers wants to know or have done; may be empty.
    pub question: String,
    /// The clinician who refers, by name.
    pub referrer: String,
}

impl Request {
    /// # Errors
    /// `Required`, `Value`, `TooLong`, in words for who filled in the form.
    pub fn check(&self) -> Result<(), Problem> {
        let required = |what: &str| Err(Problem::new(Kind::Required, what));
        if self.service.trim().is_empty() {
            return required("Say which service is wanted.");
        }
        if self.reason.trim().is_empty() {
            return required("Say why the patient is referred.");
        }
        if self.referrer.trim().is_empty() {
            return required("Name the clinician who refers.");
        }
        if !URGENCIES.contains(&self.urgency.as_str()) {
            let message = "A referral is routine, urgent, as soon as possible or immediate.";
            return Err(Problem::new(Kind::Value, message));
        }
        let is_long = |text: &String, most| text.chars().count() > most;
        if is_long(&self.service, NAME_CHARS_MAX)
            || is_long(&self.referrer, NAME_CHARS_MAX)
            || is_long(&self.reason, WORDS_CHARS_MAX)
            || is_long(&self.question, WORDS_CHARS_MAX)
        {
            let message =
                "Reason and question have up to 1,500 characters, service and name up to 200.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        Ok(())
    }

    /// Whether it goes before routine work.
    pub fn is_urgent(&self) -> bool {
        self.urgency != "routine"
    }
}

/// A first appointment that came with an acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promised {
    /// The booking's id, by which the patient's practice knows it too.
    pub booking: String,
    pub offer: Offer,
}

/// The member `referral` of a parcel of that kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferralText {
    pub act: Act,
    /// The referral's id at who refers.
    pub referral: String,
    /// Grows with each step of this side, from 1.
    pub number: u32,
    #[serde(with = "instant")]
    pub at: Millis,
    /// Who takes the step: name and role.
    pub by: String,
    pub role: String,
    /// A question, an answer, a reason; may be empty where it is accepted.
    pub words: String,
    /// Of `refer`: what is asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<Request>,
    /// Of `accept`: the day by which the patient is to be seen (`YYYY-MM-DD`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub promised_by: Option<String>,
    /// Of `accept`: a first appointment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub appointment: Option<Box<Promised>>,
}

impl ReferralText {
    /// # Errors
    /// `Value`, named for the sender.
    pub fn check(&self) -> Result<(), Problem> {
        check_id(&self.referral)?;
        let value = |what: &str| Err(Problem::new(Kind::Value, what));
        if self.number == 0 || self.number > 10_000 {
            return value("A referral's steps are numbered from 1 to 10,000.");
        }
        let is_name = |it: &str| !it.trim().is_empty() && it.chars().count() <= NAME_CHARS_MAX;
        if !is_name(&self.by) || !is_name(&self.role) {
            return value("Each step of a referral names who took it, and their role.");
        }
        if self.words.chars().count() > WORDS_CHARS_MAX {
            return value("What is said of a referral has up to 1,500 characters.");
        }
        if (self.act == Act::Refer) != self.request.is_some() {
            return value("A new referral, and no other step, says what is asked for.");
        }
        let promises = self.promised_by.is_some() || self.appointment.is_some();
        if promises && self.act != Act::Accept {
            return value("Only who accepts a referral promises when the patient is seen.");
        }
        if self.act.is_receivers() && self.role != "clinician" {
            return value("Only a named clinician accepts, asks about or returns a referral.");
        }
        let needs_words = !matches!(self.act, Act::Refer | Act::Accept);
        if needs_words && self.words.trim().is_empty() {
            return value("A question, an answer or a reason is in words.");
        }
        if let Some(day) = &self.promised_by
            && (day.len() != 10 || date::span(day).is_none())
        {
            return value("The day by which a patient is seen is of the form YYYY-MM-DD.");
        }
        if let Some(appointment) = &self.appointment {
            check_id(&appointment.booking)?;
            appointment.offer.check()?;
        }
        self.request.as_ref().map_or(Ok(()), |request| {
            request
                .check()
                .map_err(|problem| Problem::new(Kind::Value, problem.message))
        })
    }
}
