//! What a rule would do about an event: the same for the worker and for a person who tries the rule out over what was, each under their
//! own scope.

use access::Scope;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date::Millis;
use fhir::json::{self, Limits};
use fhir::members::{each, text};
use fhir::problem::{Kind, Problem};
use fhir::rule::{About, Event, Parcel, Rule, Step, StepKind};
use serde_json::Value;
use store::parcels::{Left, RuleLetter};
use store::{Reading, Store};

use super::asks;

/// The most parts of a letter that are looked at; one with more is for a person.
const PARTS_MAX: usize = 10;

/// What happened.
#[derive(Clone, Debug)]
pub struct Occasion {
    pub event: Event,
    /// The id of the event's main resource.
    pub resource: String,
    /// The letter; 0 for none.
    pub pid: i64,
}

/// What it is about.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The Patient's id here; empty for none.
    pub patient: String,
    pub letter: Option<RuleLetter>,
}

/// A step, and why the rule leaves it, if it does.
#[derive(Clone, Debug)]
pub struct Planned {
    pub step: Step,
    pub left: Option<Left>,
}

/// What comes of judging.
#[derive(Clone, Debug)]
pub enum Weighed {
    /// The rule does not apply.
    Nothing,
    /// What the event is about is not shown under this scope, or not here any more.
    Hidden,
    Steps(Vec<Planned>, Box<Subject>),
}

/// What the rule does about it.
///
/// # Errors
/// Those of `Rule::applies` and of the store.
pub async fn weigh(
    store: &Store,
    scope: &Scope,
    rule: &Rule,
    occasion: &Occasion,
    now: Millis,
) -> Result<Weighed, Problem> {
    let letter = match occasion.pid {
        0 => None,
        pid => match store.rule_letter(scope, pid).await? {
            Some(letter) => Some(letter),
            None => return Ok(Weighed::Hidden),
        },
    };
    let ty = occasion.event.resource();
    let Reading::Found(found) = store.read(scope, ty, &occasion.resource).await? else {
        return Ok(Weighed::Hidden);
    };
    let resource: Value = serde_json::from_slice(&found.body).map_err(|error| {
        Problem::new(Kind::Exception, "A stored record does not read.").because(error)
    })?;
    if !happened(occasion.event, &resource) {
        return Ok(Weighed::Nothing);
    }
    let patient = letter.as_ref().and_then(|it| it.made.patient.clone());
    let patient = patient.unwrap_or_else(|| whose(&resource));
    let person = match patient.as_str() {
        "" => None,
        patient => match store.read(scope, "Patient", patient).await? {
            Reading::Found(found) => Some(found),
            _ => return Ok(Weighed::Hidden),
        },
    };
    let parcel = letter.as_ref().map(parcel);
    let limits = Limits::default();
    let resource_json = json::parse(&found.body, &limits)?;
    let person_json = match &person {
        Some(person) => Some(json::parse(&person.body, &limits)?),
        None => None,
    };
    let parcel_json = match &parcel {
        Some(text) => Some(json::parse(text.as_bytes(), &limits)?),
        None => None,
    };
    let about = About {
        resource: &resource_json,
        patient: person_json.as_ref(),
        parcel: parcel_json.as_ref(),
        now,
    };
    let Some(steps) = rule.applies(occasion.event, &about)? else {
        return Ok(Weighed::Nothing);
    };
    let asks = match (&letter, steps.iter().any(|it| it.kind == StepKind::File)) {
        (Some(letter), true) => asks_for_something(store, scope, letter, &resource).await?,
        _ => false,
    };
    let subject = Subject { patient, letter };
    let planned = steps.into_iter().map(|step| Planned {
        left: left(&step, &subject, &resource, asks),
        step,
    });
    Ok(Weighed::Steps(planned.collect(), Box::new(subject)))
}

/// What a condition knows as `%parcel`.
fn parcel(it: &RuleLetter) -> String {
    let parcel = Parcel {
        sender: &it.sender,
        title: &it.title,
        author: &it.author,
        urgent: it.urgent,
        received_at: it.received_at,
    };
    fhir::rule::parcel(&parcel).to_string()
}

/// Whether what is stored says that it happened: a report that is not final is no result yet.
fn happened(event: Event, resource: &Value) -> bool {
    let status = text(resource, "/status");
    match event {
        Event::LetterReceived => status == "current",
        Event::ResultReceived => matches!(status, "final" | "amended" | "corrected" | "appended"),
        Event::ReferralReceived => status != "entered-in-error",
        Event::AppointmentBooked => status == "booked",
        Event::AppointmentMissed => status == "noshow",
        Event::TaskOverdue => matches!(status, "requested" | "accepted" | "in-progress"),
        Event::QuestionnaireAnswered => matches!(status, "completed" | "amended"),
    }
}

/// The id of the Patient whom a resource is about; empty for nobody, or for several.
fn whose(resource: &Value) -> String {
    let one = ["/subject/reference", "/for/reference", "/patient/reference"];
    let direct = one.iter().map(|place| text(resource, place));
    let actors = each(resource, "/participant").map(|it| text(it, "/actor/reference"));
    let mut found: Vec<&str> = direct
        .chain(actors)
        .filter_map(|it| it.strip_prefix("Patient/"))
        .collect();
    found.dedup();
    match found.as_slice() {
        [patient] => (*patient).to_owned(),
        _ => String::new(),
    }
}

fn left(step: &Step, subject: &Subject, resource: &Value, asks: bool) -> Option<Left> {
    let letter = subject.letter.as_ref()?;
    match step.kind {
        StepKind::File if letter.left.is_some() => letter.left,
        StepKind::File if each(resource, "/securityLabel").next().is_some() => Some(Left::Withheld),
        StepKind::File if asks => Some(Left::Asks),
        StepKind::Route if letter.assigned => Some(Left::Touched),
        _ => None,
    }
}

/// Whether the letter asks for something, or whether that cannot be told.
async fn asks_for_something(
    store: &Store,
    scope: &Scope,
    letter: &RuleLetter,
    resource: &Value,
) -> Result<bool, Problem> {
    let binaries = &letter.made.binaries;
    let named = each(resource, "/content").count();
    if asks::words_ask(&letter.title) || binaries.len() > PARTS_MAX || named != binaries.len() {
        return Ok(true);
    }
    for binary in binaries {
        let Reading::Found(found) = store.read(scope, "Binary", binary).await? else {
            return Ok(true);
        };
        let part: Value = serde_json::from_slice(&found.body).unwrap_or_default();
        let bytes = STANDARD.decode(text(&part, "/data"));
        let asks = |bytes: Vec<u8>| asks::part_asks(text(&part, "/contentType"), &bytes);
        if bytes.map_or(true, asks) {
            return Ok(true);
        }
    }
    Ok(false)
}
