//! Staff ask PDS who somebody is: by NHS number with name and birth date, or by name, birth date and postcode.
//! A number alone finds nobody.

use access::{Interaction, NhsNumber, Outcome, Scope, Target};
use fhir::matching::Grade;
use fhir::members::{each, text};
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};
use store::Job;

use super::client::{Answer, Pds};
use super::{judge, said};
use crate::exchange::Exchange;

/// People that are shown of one answer.
const SHOWN_MAX: usize = 20;
const TEXT_CHARS_MAX: usize = 80;

/// Who is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub nhs_number: String,
    pub family: String,
    pub given: String,
    /// `YYYY-MM-DD`
    pub birth_date: String,
    pub postcode: String,
}

/// Somebody whom PDS has.
#[derive(Clone, Debug, PartialEq)]
pub struct Likeness {
    /// What PDS says of them, as this node would keep it.
    pub said: Value,
    /// How like, from 0 to 1, as PDS says; or, of a number, as this node finds.
    pub score: f64,
    pub nhs_number: String,
    /// The Patients here that the asker may know of.
    pub here: Vec<String>,
    pub is_restricted: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    Found(Found),
    /// PDS did not answer, or not now: why.
    Silent(String),
    /// PDS does not take the question: why.
    Refused(String),
}

/// Whom PDS has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    pub people: Vec<Likeness>,
    /// More are like this than PDS tells.
    pub too_many: bool,
    /// The number is somebody's whose name or birth date are not those that were given.
    pub other_person: bool,
    /// PDS has another number for the person whose number was given.
    pub replaced: bool,
}

impl Wanted {
    /// # Errors
    /// `Required` or `Value`, naming the field, for what PDS cannot be asked about.
    pub fn check(&self) -> Result<(), Problem> {
        let wrong = |kind, message: &'static str, field: &'static str| {
            Err(Problem::new(kind, message).at(field))
        };
        for (field, value) in [
            ("nhs_number", &self.nhs_number),
            ("family", &self.family),
            ("given", &self.given),
            ("postcode", &self.postcode),
        ] {
            if value.chars().count() > TEXT_CHARS_MAX || value.chars().any(char::is_control) {
                return wrong(Kind::Value, "This is too long.", field);
            }
        }
        if self.family.is_empty() {
            return wrong(Kind::Required, "Enter the family name", "family");
        }
        if self.birth_date.is_empty() {
            return wrong(Kind::Required, "Enter the date of birth", "birth_date");
        }
        let is_day = self.birth_date.len() == 10 && fhir::date::span(&self.birth_date).is_some();
        if !is_day {
            let message = "Enter the date of birth as year, month and day";
            return wrong(Kind::Value, message, "birth_date");
        }
        if !self.nhs_number.is_empty() && NhsNumber::parse(&self.nhs_number).is_err() {
            let message = "This is not an NHS number: a digit is wrong";
            return wrong(Kind::Value, message, "nhs_number");
        }
        Ok(())
    }

    fn patient(&self) -> Value {
        let mut name = json!({ "family": self.family });
        if !self.given.is_empty() {
            fhir::members::set(&mut name, "given", json!([self.given]));
        }
        json!({ "resourceType": "Patient", "birthDate": self.birth_date, "name": [name] })
    }
}

impl Exchange {
    /// Asks PDS, in the name of the person who looks. The line in the log is on the disk before PDS is asked.
    ///
    /// # Errors
    /// Those of `Wanted::check`; `Forbidden` without a scope for matching; those of the store.
    pub async fn look_up(
        &self,
        scope: &Scope,
        pds: &Pds,
        wanted: &Wanted,
    ) -> Result<Looked, Problem> {
        wanted.check()?;
        let by_number = !wanted.nhs_number.is_empty();
        let target = Target {
            ty: "Patient".into(),
            query: Some(
                if by_number {
                    "pds by number"
                } else {
                    "pds by name"
                }
                .into(),
            ),
            ..Target::default()
        };
        let line = scope.trace(Interaction::Match, Outcome::Success, target);
        let job = Job {
            traces: vec![line],
            ..Job::default()
        };
        self.store.commit(scope, job).await?;
        match by_number {
            true => self.by_number(scope, pds, wanted).await,
            false => self.by_name(scope, pds, wanted).await,
        }
    }

    async fn by_number(
        &self,
        scope: &Scope,
        pds: &Pds,
        wanted: &Wanted,
    ) -> Result<Looked, Problem> {
        let number = NhsNumber::parse(&wanted.nhs_number)?;
        let request = uuid::Uuid::new_v4().to_string();
        let said = match pds.read(&number, &request, self.store.now()).await {
            Answer::Said(said) => said,
            Answer::Unknown | Answer::Invalidated => return Ok(Looked::Found(Found::default())),
            Answer::NotNow(why, _) => return Ok(Looked::Silent(why)),
            Answer::Refused(why) => return Ok(Looked::Refused(why)),
        };
        let (score, grade) = judge::agreement(&wanted.patient(), &said, number.digits())?;
        if grade != Grade::Certain {
            return Ok(Looked::Found(Found {
                other_person: true,
                ..Found::default()
            }));
        }
        let replaced = text(&said, "/id") != number.digits();
        let person = self.likeness(scope, &said, score).await?;
        Ok(Looked::Found(Found {
            people: vec![person],
            replaced,
            ..Found::default()
        }))
    }

    async fn by_name(&self, scope: &Scope, pds: &Pds, wanted: &Wanted) -> Result<Looked, Problem> {
        let mut pairs = vec![
            ("family", wanted.family.clone()),
            ("birthdate", format!("eq{}", wanted.birth_date)),
        ];
        if !wanted.given.is_empty() {
            pairs.push(("given", wanted.given.clone()));
        }
        if !wanted.postcode.is_empty() {
            pairs.push(("address-postalcode", wanted.postcode.clone()));
        }
        let request = uuid::Uuid::new_v4().to_string();
        let said = match pds.search(&pairs, &request, self.store.now()).await {
            Answer::Said(said) => said,
            Answer::Unknown | Answer::Invalidated => return Ok(Looked::Found(Found::default())),
            Answer::NotNow(why, _) => return Ok(Looked::Silent(why)),
            Answer::Refused(why) => return Ok(Looked::Refused(why)),
        };
        let mut found = Found {
            too_many: text(&said, "/resourceType") == "OperationOutcome",
            ..Found::default()
        };
        for entry in each(&said, "/entry") {
            let Some(person) = entry.get("resource") else {
                continue;
            };
            if text(person, "/resourceType") == "OperationOutcome" {
                found.too_many = true;
                continue;
            }
            if found.people.len() >= SHOWN_MAX {
                found.too_many = true;
                break;
            }
            let score = entry.pointer("/search/score").and_then(Value::as_f64);
            let score = score.unwrap_or_default().clamp(0.0, 1.0);
            found
                .people
                .push(self.likeness(scope, person, score).await?);
        }
        Ok(Looked::Found(found))
    }

    async fn likeness(
        &self,
        scope: &Scope,
        person: &Value,
        score: f64,
    ) -> Result<Likeness, Problem> {
        let nhs_number = text(person, "/id").to_string();
        let mut here = Vec::new();
        let mut hidden = false;
        for record in self.carrying(&nhs_number, "").await? {
            hidden |= self.store.keeps_whereabouts(&record.id).await?;
            // Only whom the asker reaches is told to be here.
            if self.patient_json(scope, &record.id).await?.is_some() {
                here.push(record.id.clone());
            }
        }
        let kept = said::kept(person, hidden);
        Ok(Likeness {
            is_restricted: hidden || said::is_restricted(person),
            said: kept,
            score,
            nhs_number,
            here,
        })
    }
}
