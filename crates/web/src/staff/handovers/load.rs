//! A handover as its reader may see it. Whose it is known to be stands in the record and is read under the reader's own
//! scope; of somebody whom nobody knows there is only what the crew says.

use access::Scope;
use exchange::handovers::{HandoverText, Sheet, read, standing};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::Reading;
use store::handovers::{Handover, HandoverStep};

use crate::node::Node;
use crate::page::parts::Person;
use crate::record::{self, json};

/// What there is to be seen of one.
pub struct Loaded {
    pub steps: Vec<HandoverStep>,
    pub said: Vec<HandoverText>,
    /// The record here, if somebody is known to be on it.
    pub patient: Option<record::Patient>,
}

pub fn gone() -> Problem {
    let message = "There is no such handover here, or it is withheld from you.";
    Problem::new(Kind::NotFound, message)
}

/// Reads it. `None` if it is withheld from the reader.
pub async fn one(
    node: &Node,
    scope: &Scope,
    handover: &Handover,
) -> Result<Option<Loaded>, Problem> {
    let mut patient = None;
    if !handover.patient.is_empty() {
        let read = node.store.read(scope, super::TY, &handover.record).await?;
        if !matches!(read, Reading::Found(_)) {
            return Ok(None);
        }
        let read = node.store.read(scope, "Patient", &handover.patient).await?;
        if let Reading::Found(version) = read {
            patient = Some(record::patient(&json(&version)?));
        }
    }
    let steps = node.store.handover_steps(scope, handover).await?;
    let said = read(&steps);
    Ok(Some(Loaded {
        steps,
        said,
        patient,
    }))
}

impl Loaded {
    /// The sheet that stands.
    pub fn sheet(&self) -> Option<&Sheet> {
        standing(&self.said)
    }

    /// An older sheet, by its number.
    pub fn older(&self, number: u32) -> Option<&HandoverText> {
        let mut said = self.said.iter();
        said.find(|it| it.number == number && it.sheet.is_some())
    }

    /// Who it is, in a line.
    pub fn who(&self, handover: &Handover, now: Millis) -> String {
        if let Some(patient) = &self.patient {
            return patient.name.clone();
        }
        if !handover.patient.is_empty() {
            return crate::staff::NOT_SHOWN.to_owned();
        }
        self.sheet()
            .map_or_else(|| "Unknown person".to_owned(), |it| told(it, now))
    }

    /// Who it is by the record, or else as told.
    pub fn person(&self, now: Millis) -> Person {
        match (&self.patient, self.sheet()) {
            (Some(it), _) => {
                Person::new(&it.name, it.birth_date.as_deref(), it.nhs_number.as_deref())
            }
            (None, Some(it)) => as_told(it, now),
            (None, None) => Person::new("Unknown person", None, None),
        }
    }
}

/// Who the crew says that it is.
pub fn as_told(sheet: &Sheet, now: Millis) -> Person {
    let it = &sheet.person;
    Person::new(
        &told(sheet, now),
        it.birth_date.as_deref(),
        it.nhs_number.as_deref(),
    )
}

/// Name, or what is known of an unknown person.
fn told(sheet: &Sheet, now: Millis) -> String {
    let it = &sheet.person;
    let name = match (it.family.is_empty(), it.given.is_empty()) {
        (true, true) => "Unknown person".to_owned(),
        (true, false) => it.given.clone(),
        (false, true) => it.family.to_uppercase(),
        (false, false) => format!("{}, {}", it.family.to_uppercase(), it.given),
    };
    let mut parts = vec![name];
    if !sheet.sex.is_empty() && sheet.sex != "unknown" {
        parts.push(sheet.sex.clone());
    }
    match (sheet.age_at(now), it.birth_date.is_some()) {
        (Some(age), false) => parts.push(format!("about {age} years")),
        (Some(age), true) => parts.push(format!("{age} years")),
        (None, _) => {}
    }
    parts.join(", ")
}
