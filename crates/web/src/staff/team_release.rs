//! `/staff/whereabouts/{patient}/team`: where a restricted patient lives is released to the team that must find the
//! door, for hours, with a reason; on the privacy officer's list and told to the patient.

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, Target};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::Problem;
use http::StatusCode;
use serde::Serialize;
use store::care::CareWrite;
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Fault;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::sign_in::step_up;
use crate::staff::views::SecondStep;
use crate::staff::{care, person};
use crate::visit::Visit;

const HOUR: Millis = 3_600_000;
/// The most hours of one release.
const HOURS_MAX: i64 = 24;

/// `staff/team-release.jinja`
#[derive(Serialize)]
pub struct View {
    pub action: String,
    pub errors: Vec<Fault>,
    pub teams: Vec<Team>,
    pub team_error: Option<&'static str>,
    pub hours: String,
    pub hours_error: Option<&'static str>,
    pub reason: String,
    pub reason_error: Option<&'static str>,
    pub live: Vec<Live>,
}

/// A team, and how many are in it.
#[derive(Serialize)]
pub struct Team {
    pub name: String,
    pub members: usize,
    pub checked: bool,
}

/// A release that is live.
#[derive(Serialize)]
pub struct Live {
    pub team: String,
    pub who: String,
    pub reason: String,
    pub until: words::Moment,
    pub end: String,
}

/// `GET /staff/whereabouts/{patient}/team`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
) -> Result<Response, Refusal> {
    care::check(&patient)?;
    let scope = visit
        .scope(&node, Interaction::EmergencyAccess, "Patient")
        .await?;
    person::refuse_barred(&node, &scope, &patient).await?;
    if !care::is_confirmed(&visit) {
        if step_up::by_second_step(&node, &visit).await? {
            let next = format!("/staff/step-up?next=/staff/whereabouts/{patient}/team");
            return Ok(see_other(&next));
        }
        let heading = "Release to a visiting team";
        let view = SecondStep {
            heading,
            profile: "/staff/profile",
        };
        let page = Page::new("staff/second-step.jinja", heading, view);
        return Ok(page
            .with_status(StatusCode::FORBIDDEN)
            .answer(&node.site, &visit));
    }
    form(&node, &visit, &scope, &patient, None).await
}

/// `POST /staff/whereabouts/{patient}/team`
pub async fn release(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    care::check(&patient)?;
    let scope = visit
        .scope(&node, Interaction::EmergencyAccess, "Patient")
        .await?;
    person::refuse_barred(&node, &scope, &patient).await?;
    let hours = hours(&fields);
    let is_whole = !fields.text("team").is_empty()
        && hours.is_some()
        && fields.text("reason").chars().count() >= care::REASON_LETTERS_MIN
        && care::is_confirmed(&visit);
    let (true, Some(hours)) = (is_whole, hours) else {
        return form(&node, &visit, &scope, &patient, Some(&fields)).await;
    };
    let write = CareWrite::Release {
        told: care::told(&visit, &patient, &fields)?,
        workgroup: fields.text("team").to_owned(),
        ends_at: visit.now.saturating_add(hours.saturating_mul(HOUR)),
    };
    commit(&node, &scope, &patient, write).await?;
    Ok(see_other(&format!("/staff/whereabouts/{patient}/team")))
}

/// `POST /staff/whereabouts/{patient}/team/{number}/end`
pub async fn end(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path((patient, number)): Path<(String, i64)>,
    _: Fields,
) -> Result<Response, Refusal> {
    care::check(&patient)?;
    let scope = visit
        .scope(&node, Interaction::EmergencyAccess, "Patient")
        .await?;
    let write = CareWrite::Recall {
        number,
        patient: patient.clone(),
    };
    commit(&node, &scope, &patient, write).await?;
    Ok(see_other(&format!("/staff/whereabouts/{patient}/team")))
}

async fn commit(
    node: &Node,
    scope: &Scope,
    patient: &str,
    write: CareWrite,
) -> Result<(), Problem> {
    let target = Target {
        ty: "Patient".into(),
        id: Some(patient.to_owned()),
        patient: Some(patient.to_owned()),
        query: Some("whereabouts to a team".into()),
        ..Target::default()
    };
    let job = Job {
        effects: vec![Effect::Care(write)],
        traces: vec![scope.trace(Interaction::EmergencyAccess, Outcome::Success, target)],
        ..Job::default()
    };
    node.store.commit(scope, job).await.map(|_| ())
}

fn hours(fields: &Fields) -> Option<i64> {
    let hours = fields.text("hours").parse::<i64>().ok();
    hours.filter(|it| (1..=HOURS_MAX).contains(it))
}

async fn form(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    patient: &str,
    typed: Option<&Fields>,
) -> Result<Response, Refusal> {
    let action = format!("/staff/whereabouts/{patient}/team");
    let text = |name: &str| typed.map_or("", |it| it.text(name)).to_owned();
    let chosen = text("team");
    let mut teams: Vec<Team> = Vec::new();
    for (name, _) in node.store.workgroup_members(None).await? {
        match teams.last_mut().filter(|last| last.name == name) {
            Some(last) => last.members += 1,
            None => teams.push(Team {
                checked: name == chosen,
                name,
                members: 1,
            }),
        }
    }
    let error = |wrong: bool, text| (typed.is_some() && wrong).then_some(text);
    let team_error = error(chosen.is_empty(), "Choose the team");
    let wrong_hours = typed.is_some_and(|it| hours(it).is_none());
    let hours_error = error(wrong_hours, "Enter for how many hours, 1 to 24");
    let is_short = text("reason").chars().count() < care::REASON_LETTERS_MIN;
    let reason_error = error(is_short, "Say why, in at least 10 letters");
    let unproved = error(
        !care::is_confirmed(visit),
        "Confirm first that it is you, with your second step",
    );
    let step_up = format!("/staff/step-up?next={action}");
    let errors: Vec<Fault> = [
        (team_error, "#team"),
        (hours_error, "#hours"),
        (reason_error, "#reason"),
        (unproved, step_up.as_str()),
    ]
    .into_iter()
    .filter_map(|(error, href)| {
        error.map(|text| Fault {
            text,
            href: href.to_owned().into(),
        })
    })
    .collect();
    let live = node.store.team_openings(scope, patient).await?;
    let faulty = !errors.is_empty();
    let view = View {
        errors,
        teams,
        team_error,
        hours: typed.map_or_else(|| "4".to_owned(), |it| it.text("hours").to_owned()),
        hours_error,
        reason: text("reason"),
        reason_error,
        live: live
            .into_iter()
            .map(|it| Live {
                end: format!("{action}/{}/end", it.number),
                until: words::moment(it.ends_at, visit.now),
                team: it.workgroup,
                who: it.who,
                reason: it.reason,
            })
            .collect(),
        action,
    };
    let page = Page::new(
        "staff/team-release.jinja",
        "Release to a visiting team",
        view,
    );
    Ok(page.with_faults(faulty).answer(&node.site, visit))
}
