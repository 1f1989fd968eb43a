//! `/staff/relationship/{patient}` and `/staff/emergency-access/{patient}`: to open a record that is
//! otherwise withheld. Neither says whether there is such a patient.

use std::sync::Arc;

use access::{Interaction, OpeningKind, Outcome, Target, Who};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use store::care::{CareWrite, Told};
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Fault;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::sign_in::step_up;
use crate::staff::views::{Duration, Opening, Reason, SecondStep};
use crate::visit::Visit;

/// An hour and a minute, in milliseconds.
const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;
/// The shortest time for which a record is opened.
const SHORTEST_MINUTES: u32 = 30;
/// For how long a relationship holds that somebody claims for themselves, in milliseconds: a day.
const CLAIM: i64 = 24 * HOUR;
/// The fewest letters of a reason.
pub(super) const REASON_LETTERS_MIN: usize = 10;

/// Why a record is opened: its code and its words.
const REASONS: [(&str, &str); 5] = [
    (
        "unable-to-ask",
        "The patient cannot be asked, and needs care now",
    ),
    ("patient-agrees", "The patient agrees, and needs care now"),
    (
        "safeguarding",
        "To protect the patient or another person from harm",
    ),
    ("legal-duty", "The law asks for it"),
    ("visit", "Somebody of us must visit or call the patient"),
];

/// The fault of who has not proved just now who they are.
const CONFIRM: &str = "confirm";

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Claim,
    Emergency,
    Unseal,
    Whereabouts,
}

impl Door {
    fn interaction(self) -> Interaction {
        match self {
            Door::Claim => Interaction::ClaimRelationship,
            Door::Emergency | Door::Unseal | Door::Whereabouts => Interaction::EmergencyAccess,
        }
    }

    fn address(self, patient: &str) -> String {
        match self {
            Door::Claim => format!("/staff/relationship/{patient}"),
            Door::Emergency => format!("/staff/emergency-access/{patient}"),
            Door::Unseal => format!("/staff/unseal/{patient}"),
            Door::Whereabouts => format!("/staff/whereabouts/{patient}"),
        }
    }

    /// Where to prove with two factors who one is, and come back.
    fn confirmation(self, patient: &str) -> String {
        format!("/staff/step-up?next={}", self.address(patient))
    }

    fn title(self) -> &'static str {
        match self {
            Door::Claim => "Say that you care for this patient",
            Door::Emergency => "Emergency access to one record",
            Door::Unseal => "Open sealed items of one record",
            Door::Whereabouts => "See where a restricted patient lives",
        }
    }

    fn said(self, hours: u32) -> String {
        let told = "The privacy officer looks at it, and the patient is told.";
        match self {
            Door::Claim => format!("You can then see this patient's record for a day. {told}"),
            Door::Emergency => format!(
                "You can then read this patient's record, and no other, for as long as you choose, {hours} hours at most. \
                 Nothing more can be changed or taken out than before. {told}"
            ),
            Door::Unseal => format!(
                "You can then read what is sealed in this patient's record, without their leave, for as long \
                 as you choose, {hours} hours at most. {told}"
            ),
            Door::Whereabouts => format!(
                "Somebody may be looking for this patient to harm them. You can then see where they \
                 live and are treated for as long as you choose, {hours} hours at most. Tell nobody who does not have to visit. {told}"
            ),
        }
    }
}

/// `GET /staff/relationship/{patient}`
pub async fn claim(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
) -> Result<Response, Refusal> {
    ask(&node, &visit, Door::Claim, &patient).await
}

/// `GET /staff/emergency-access/{patient}`
pub async fn emergency(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
) -> Result<Response, Refusal> {
    ask(&node, &visit, Door::Emergency, &patient).await
}

/// `GET /staff/unseal/{patient}`
pub async fn unseal(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
) -> Result<Response, Refusal> {
    ask(&node, &visit, Door::Unseal, &patient).await
}

/// `GET /staff/whereabouts/{patient}`
pub async fn whereabouts(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
) -> Result<Response, Refusal> {
    ask(&node, &visit, Door::Whereabouts, &patient).await
}

/// `POST /staff/relationship/{patient}`
pub async fn claimed(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    take(&node, &visit, Door::Claim, &patient, &fields).await
}

/// `POST /staff/emergency-access/{patient}`
pub async fn opened(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    take(&node, &visit, Door::Emergency, &patient, &fields).await
}

/// `POST /staff/unseal/{patient}`
pub async fn unsealed(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    take(&node, &visit, Door::Unseal, &patient, &fields).await
}

/// `POST /staff/whereabouts/{patient}`
pub async fn located(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    take(&node, &visit, Door::Whereabouts, &patient, &fields).await
}

async fn ask(node: &Node, visit: &Visit, door: Door, patient: &str) -> Result<Response, Refusal> {
    check(patient)?;
    visit.scope(node, door.interaction(), "Patient").await?;
    if door != Door::Claim && !is_confirmed(visit) {
        if step_up::by_second_step(node, visit).await? {
            return Ok(see_other(&door.confirmation(patient)));
        }
        return Ok(needs_second_step(node, visit, door));
    }
    Ok(form(node, visit, door, patient, None, &[]))
}

/// Whether the caller proved just now, with two factors, who they are (P04).
pub(super) fn is_confirmed(visit: &Visit) -> bool {
    let assurance = visit.assurance();
    visit.session().is_some() && assurance.stepped_up_within(step_up::COUNTS, visit.now)
}

/// What is told to who has no second step to prove themselves by.
fn needs_second_step(node: &Node, visit: &Visit, door: Door) -> Response {
    let view = SecondStep {
        heading: door.title(),
        profile: "/staff/profile",
    };
    Page::new("staff/second-step.jinja", door.title(), view)
        .with_status(StatusCode::FORBIDDEN)
        .answer(&node.site, visit)
}

/// The form, with what was typed and what is wrong with it.
fn form(
    node: &Node,
    visit: &Visit,
    door: Door,
    patient: &str,
    typed: Option<&Fields>,
    faults: &[(&'static str, &'static str)],
) -> Response {
    let of = |field: &str| faults.iter().find(|(at, _)| *at == field);
    let error = |field: &str| of(field).map(|(_, text)| *text);
    let chosen = typed.map_or("", |fields| fields.text("code"));
    let reasons = REASONS.iter().map(|&(value, text)| Reason {
        value,
        text,
        checked: value == chosen,
    });
    let view = Opening {
        heading: door.title(),
        said: door.said(node.emergency_hours),
        action: door.address(patient),
        errors: faults
            .iter()
            .map(|&(field, text)| Fault {
                text,
                href: match field {
                    "code" => "#code".into(),
                    "minutes" => "#minutes".into(),
                    CONFIRM => door.confirmation(patient).into(),
                    _ => "#reason".into(),
                },
            })
            .collect(),
        reasons: match door {
            Door::Claim => Vec::new(),
            Door::Emergency | Door::Unseal | Door::Whereabouts => reasons.collect(),
        },
        code_error: error("code"),
        durations: match door {
            Door::Claim => Vec::new(),
            Door::Emergency | Door::Unseal | Door::Whereabouts => {
                durations(node.emergency_hours, typed)
            }
        },
        minutes_error: error("minutes"),
        reason: typed.map_or_else(String::new, |fields| fields.text("reason").to_owned()),
        reason_error: error("reason"),
    };
    Page::new("staff/opening.jinja", door.title(), view)
        .with_faults(!faults.is_empty())
        .answer(&node.site, visit)
}

async fn take(
    node: &Node,
    visit: &Visit,
    door: Door,
    patient: &str,
    fields: &Fields,
) -> Result<Response, Refusal> {
    check(patient)?;
    let scope = visit.scope(node, door.interaction(), "Patient").await?;
    let minutes = minutes(node.emergency_hours, fields);
    let mut faults = faults(visit, door, fields);
    if door != Door::Claim && minutes.is_none() {
        faults.push(("minutes", "Choose for how long"));
    }
    if !faults.is_empty() {
        return Ok(form(node, visit, door, patient, Some(fields), &faults));
    }
    let told = told(visit, patient, fields)?;
    let minutes = i64::from(minutes.unwrap_or(SHORTEST_MINUTES));
    let write = match door {
        Door::Claim => CareWrite::Claim {
            told,
            ends_at: visit.now.saturating_add(CLAIM),
        },
        Door::Emergency | Door::Unseal | Door::Whereabouts => CareWrite::Open {
            kind: match door {
                Door::Unseal => OpeningKind::Unseal,
                Door::Whereabouts => OpeningKind::Whereabouts,
                _ => OpeningKind::Emergency,
            },
            told,
            ends_at: visit.now.saturating_add(minutes * MINUTE),
        },
    };
    let target = Target {
        ty: "Patient".into(),
        id: Some(patient.to_owned()),
        patient: Some(patient.to_owned()),
        query: (door != Door::Claim).then(|| format!("minutes={minutes}").into()),
        ..Target::default()
    };
    let job = Job {
        effects: vec![Effect::Care(write)],
        traces: vec![scope.trace(door.interaction(), Outcome::Success, target)],
        ..Job::default()
    };
    node.store.commit(&scope, job).await?;
    Ok(see_other(&format!("/staff/patient/{patient}")))
}

/// For how many minutes a record may be opened: half an hour, and whole hours up to the setting's.
fn offered(hours_max: u32) -> impl Iterator<Item = u32> {
    std::iter::once(SHORTEST_MINUTES).chain((1..=hours_max).map(|hours| hours * 60))
}

/// How long was chosen; the longest where nothing was. Nothing for what was not offered.
fn minutes(hours_max: u32, fields: &Fields) -> Option<u32> {
    match fields.text("minutes") {
        "" => offered(hours_max).last(),
        text => {
            let chosen = text.parse().ok();
            chosen.filter(|it| offered(hours_max).any(|minutes| minutes == *it))
        }
    }
}

/// What is offered, with what was chosen, or else the longest.
fn durations(hours_max: u32, typed: Option<&Fields>) -> Vec<Duration> {
    let longest = offered(hours_max).last();
    let chosen = typed.map_or(longest, |fields| minutes(hours_max, fields));
    offered(hours_max)
        .map(|minutes| Duration {
            value: minutes,
            text: match (minutes % 60, minutes / 60) {
                (0, 1) => "1 hour".to_owned(),
                (0, hours) => format!("{hours} hours"),
                _ => format!("{minutes} minutes"),
            },
            chosen: Some(minutes) == chosen,
        })
        .collect()
}

/// What is wrong with the form, or with who sent it.
fn faults(visit: &Visit, door: Door, fields: &Fields) -> Vec<(&'static str, &'static str)> {
    let mut faults = Vec::new();
    let is_reason = |code: &str| REASONS.iter().any(|(value, _)| *value == code);
    if door != Door::Claim && !is_reason(fields.text("code")) {
        faults.push(("code", "Choose why"));
    }
    if fields.text("reason").chars().count() < REASON_LETTERS_MIN {
        faults.push(("reason", "Say why, in at least 10 letters"));
    }
    if door != Door::Claim && !is_confirmed(visit) {
        faults.push((
            CONFIRM,
            "Confirm first that it is you, with your second step",
        ));
    }
    faults
}

/// What the privacy officer and the patient are told: who did it to whose record, and why by the form.
pub(super) fn told(visit: &Visit, patient: &str, fields: &Fields) -> Result<Told, Problem> {
    let Who::Staff {
        account,
        name,
        role,
        organisation,
    } = &visit.known()?.who
    else {
        return Err(Problem::new(
            Kind::Forbidden,
            "This is not part of your role.",
        ));
    };
    Ok(Told {
        patient: patient.to_owned(),
        organisation: organisation.to_string(),
        account: *account,
        name: name.clone(),
        role: role.code().to_owned(),
        code: fields.text("code").to_owned(),
        reason: fields.text("reason").to_owned(),
    })
}

/// An id as FHIR has them; whose it is, if anybody's, is not looked up here.
pub(super) fn check(patient: &str) -> Result<(), Problem> {
    fhir::resource::check_id(patient)
        .map_err(|_| Problem::new(Kind::NotFound, "There is no page at this address."))
}
