//! What a parcel of kind `handover` says.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use serde::{Deserialize, Serialize};

use crate::instant;
use crate::manifest::PatientNamed;

/// What is written in words, in characters.
pub const WORDS_CHARS_MAX: usize = 1500;
/// A treatment, a name, a call sign.
pub const NAME_CHARS_MAX: usize = 200;
/// Treatments, and sets of observations, on one sheet.
pub const TREATMENTS_MAX: usize = 20;
pub const OBSERVATIONS_MAX: usize = 20;
/// Steps of one side.
pub const STEPS_MAX: u32 = 150;

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The crew hands somebody over, and is on its way.
    Start,
    /// The crew says something new.
    Update,
    /// The crew is at the department.
    Arrive,
    /// The crew does not come.
    Withdraw,
    /// The department has begun to take over.
    Begin,
    /// The department does not wait any longer: nobody came.
    Close,
    /// The department has put it from one person's record into another's.
    Move,
}

impl Act {
    /// The word in records.
    pub fn code(self) -> &'static str {
        match self {
            Act::Start => "start",
            Act::Update => "update",
            Act::Arrive => "arrive",
            Act::Withdraw => "withdraw",
            Act::Begin => "begin",
            Act::Close => "close",
            Act::Move => "move",
        }
    }

    /// Whether it is a step of the department.
    pub fn is_departments(self) -> bool {
        matches!(self, Act::Begin | Act::Close | Act::Move)
    }
}

/// How awake somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consciousness {
    Alert,
    /// New confusion.
    Confusion,
    Voice,
    Pain,
    Unresponsive,
}

impl Consciousness {
    pub const ALL: [Consciousness; 5] = [
        Consciousness::Alert,
        Consciousness::Confusion,
        Consciousness::Voice,
        Consciousness::Pain,
        Consciousness::Unresponsive,
    ];

    /// The letter of ACVPU.
    pub fn code(self) -> &'static str {
        match self {
            Consciousness::Alert => "A",
            Consciousness::Confusion => "C",
            Consciousness::Voice => "V",
            Consciousness::Pain => "P",
            Consciousness::Unresponsive => "U",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Consciousness::Alert => "Alert",
            Consciousness::Confusion => "New confusion",
            Consciousness::Voice => "Responds to voice",
            Consciousness::Pain => "Responds to pain",
            Consciousness::Unresponsive => "Unresponsive",
        }
    }

    pub fn from_code(code: &str) -> Option<Consciousness> {
        Consciousness::ALL.into_iter().find(|it| it.code() == code)
    }
}

/// What was measured at one time. What was not measured is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observations {
    #[serde(with = "instant")]
    pub at: Millis,
    /// Breaths a minute.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub respiratory_rate: Option<u32>,
    /// In per cent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oxygen_saturation: Option<u32>,
    /// By which scale of NEWS2 it counts: 1, or 2 for people whose target is 88 to 92 %.
    pub scale: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_oxygen: Option<bool>,
    /// In mmHg.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub systolic: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub diastolic: Option<u32>,
    /// Beats a minute.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pulse: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub consciousness: Option<Consciousness>,
    /// In tenths of a degree Celsius.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub temperature: Option<u32>,
}

impl Observations {
    /// With nothing measured.
    pub fn at(at: Millis) -> Observations {
        Observations {
            at,
            respiratory_rate: None,
            oxygen_saturation: None,
            scale: 1,
            on_oxygen: None,
            systolic: None,
            diastolic: None,
            pulse: None,
            consciousness: None,
            temperature: None,
        }
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        *self
            == Observations {
                scale: self.scale,
                ..Observations::at(self.at)
            }
    }

    /// # Errors
    /// `Value`, in words for who filled in the form.
    pub fn check(&self) -> Result<(), Problem> {
        let within = [
            (
                self.respiratory_rate,
                0,
                99,
                "Breaths a minute are 0 to 99.",
            ),
            (
                self.oxygen_saturation,
                0,
                100,
                "Oxygen saturation is 0 to 100 per cent.",
            ),
            (
                self.systolic,
                0,
                350,
                "Systolic blood pressure is 0 to 350 mmHg.",
            ),
            (
                self.diastolic,
                0,
                250,
                "Diastolic blood pressure is 0 to 250 mmHg.",
            ),
            (self.pulse, 0, 300, "The pulse is 0 to 300 a minute."),
            (
                self.temperature,
                150,
                450,
                "The temperature is 15.0 to 45.0 °C.",
            ),
        ];
        for (value, least, most, message) in within {
            if value.is_some_and(|it| it < least || it > most) {
                return Err(Problem::new(Kind::Value, message));
            }
        }
        if !matches!(self.scale, 1 | 2) {
            let message = "The scale of oxygen saturation is 1 or 2.";
            return Err(Problem::new(Kind::Value, message));
        }
        Ok(())
    }
}

/// What was done, or given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Treatment {
    #[serde(with = "instant")]
    pub at: Millis,
    pub what: String,
}

/// All that the crew says, as it stands with this step: a later sheet stands in an earlier one's place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    /// As far as known; empty for an unknown person.
    pub person: PatientNamed,
    /// In years, if no date of birth is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub age: Option<u32>,
    /// A code of FHIR's administrative gender; may be empty.
    pub sex: String,
    /// Call sign or vehicle.
    pub crew: String,
    pub happened: String,
    pub found: String,
    /// As told; may be empty, which says nothing.
    pub allergies: String,
    pub treatments: Vec<Treatment>,
    pub observations: Vec<Observations>,
    pub pre_alert: bool,
    #[serde(
        with = "instant::or_none",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub due_at: Option<Millis>,
    #[serde(
        with = "instant::or_none",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub arrived_at: Option<Millis>,
}

impl Sheet {
    /// The newest set of observations, by when they were taken.
    pub fn newest(&self) -> Option<&Observations> {
        // Of two at one time the one that was written down last.
        self.observations.iter().max_by_key(|it| it.at)
    }

    /// Whether nobody knows who it is.
    pub fn is_unknown(&self) -> bool {
        let it = &self.person;
        it.nhs_number.is_none() && it.family.is_empty()
    }

    /// The age in years on a day, told or from the date of birth.
    pub fn age_at(&self, now: Millis) -> Option<u32> {
        let Some(born) = self.person.birth_date.as_deref() else {
            return self.age;
        };
        let today = fhir::date::date(now);
        let part = |text: &str, from: usize, to: usize| {
            text.get(from..to).and_then(|it| it.parse::<u32>().ok())
        };
        let years = part(&today, 0, 4)?.checked_sub(part(born, 0, 4)?)?;
        let is_before = today.get(5..10)? < born.get(5..10)?;
        Some(years.saturating_sub(u32::from(is_before)))
    }

    /// # Errors
    /// `Required`, `Value`, `TooLong`, in words for who filled in the form.
    pub fn check(&self) -> Result<(), Problem> {
        if self.happened.trim().is_empty() {
            return Err(Problem::new(Kind::Required, "Say what happened."));
        }
        if !matches!(
            self.sex.as_str(),
            "" | "female" | "male" | "other" | "unknown"
        ) {
            let message = "Sex is female, male, other or unknown.";
            return Err(Problem::new(Kind::Value, message));
        }
        if self.age.is_some_and(|it| it > 130) {
            return Err(Problem::new(Kind::Value, "The age is 0 to 130 years."));
        }
        let is_long = |text: &String, most| text.chars().count() > most;
        let words = [&self.happened, &self.found, &self.allergies];
        if words.into_iter().any(|it| is_long(it, WORDS_CHARS_MAX)) {
            let message =
                "What happened, what was found and allergies have up to 1,500 characters each.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        let treatments = self.treatments.iter().map(|it| &it.what);
        if treatments
            .chain([&self.crew])
            .any(|it| is_long(it, NAME_CHARS_MAX))
        {
            let message = "A treatment and a call sign have up to 200 characters each.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        if self.treatments.len() > TREATMENTS_MAX || self.observations.len() > OBSERVATIONS_MAX {
            let message = "A sheet has room for 20 treatments and 20 sets of observations. Tell the rest by voice.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        if self.treatments.iter().any(|it| it.what.trim().is_empty()) {
            return Err(Problem::new(Kind::Required, "Say what was given or done."));
        }
        self.observations.iter().try_for_each(Observations::check)
    }
}

/// The member `handover` of a parcel of that kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandoverText {
    pub act: Act,
    /// The handover's id at the crew.
    pub handover: String,
    /// Grows with each step of this side, from 1.
    pub number: u32,
    #[serde(with = "instant")]
    pub at: Millis,
    /// Who takes the step: name and role.
    pub by: String,
    pub role: String,
    /// Why; may be empty, but for `withdraw`, `close` and `move`.
    pub words: String,
    /// Of the crew's steps: all that it says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sheet: Option<Sheet>,
}

impl HandoverText {
    /// # Errors
    /// `Value`, named for the sender.
    pub fn check(&self) -> Result<(), Problem> {
        check_id(&self.handover)?;
        let value = |what: &str| Err(Problem::new(Kind::Value, what));
        if self.number == 0 || self.number > STEPS_MAX {
            return value("A handover's steps are numbered from 1 to 150.");
        }
        let is_name = |it: &str| !it.trim().is_empty() && it.chars().count() <= NAME_CHARS_MAX;
        if !is_name(&self.by) || !is_name(&self.role) {
            return value("Each step of a handover names who took it, and their role.");
        }
        if self.words.chars().count() > WORDS_CHARS_MAX {
            return value("What is said of a handover has up to 1,500 characters.");
        }
        if matches!(self.act, Act::Withdraw | Act::Close | Act::Move)
            && self.words.trim().is_empty()
        {
            return value("Who withdraws, closes or moves says why in words.");
        }
        if self.act.is_departments() == self.sheet.is_some() {
            return value("A step of the crew, and no other, has the whole sheet.");
        }
        if matches!(self.act, Act::Begin | Act::Close) && self.role != "clinician" {
            return value("Only a named clinician begins to take over, or closes.");
        }
        self.sheet.as_ref().map_or(Ok(()), |sheet| {
            let checked = sheet.check();
            checked.map_err(|problem| Problem::new(Kind::Value, problem.message))
        })
    }
}
