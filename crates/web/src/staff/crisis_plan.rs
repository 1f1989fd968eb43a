//! `/staff/crisis-plan/{patient}`: what is to be done when somebody is in a crisis, agreed with them before. It is sealed
//! to the mental-health team that wrote it until somebody opens the record in an emergency; everybody else who cares
//! for the patient is told that something is withheld.

mod plan;
pub mod views;

use std::sync::Arc;

use access::{Interaction, Role, Scope, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::search::Search;
use serde::Deserialize;
use serde_json::Value;
use store::{Expect, Job, Reading, Release};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault, Person};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::record::{self, json};
use crate::staff::{care, person};
use crate::visit::Visit;
use plan::{HEADINGS, Plan};

/// Care plans of one patient that are looked through.
const PLANS_MAX: u32 = 200;
/// One text, in characters.
const TEXT_CHARS_MAX: usize = 4_000;

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
    /// The plan that is to be changed.
    #[serde(default)]
    plan: String,
}

/// A plan as it is stored.
struct Stored {
    version: u64,
    resource: Value,
    plan: Plan,
}

/// `GET /staff/crisis-plan/{patient}`: the plans that the reader is shown, and that others are withheld.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Read, "CarePlan").await?;
    let who = whose(&node, &scope, &patient).await?;
    let plans = plans(&node, &scope, &patient).await?;
    let withheld = node
        .store
        .withheld_of(&scope, &patient, Some("CarePlan"))
        .await?;
    let teams = teams(&visit, &scope);
    let view = views::Plans {
        done: done(&asked.done),
        patient: who,
        record: format!("/staff/patient/{patient}"),
        withheld: withheld.count.saturating_sub(withheld.sealed),
        sealed: withheld.sealed,
        emergency: format!("/staff/emergency-access/{patient}"),
        unseal: format!("/staff/unseal/{patient}"),
        write: (!teams.is_empty()).then(|| format!("/staff/crisis-plan/{patient}/write")),
        plans: plans
            .iter()
            .map(|it| shown(it, &patient, &teams, visit.now))
            .collect(),
    };
    Ok(Page::new("staff/crisis-plan.jinja", "Crisis plan", view).answer(&node.site, &visit))
}

fn shown(stored: &Stored, patient: &str, teams: &[String], now: i64) -> views::Plan {
    let plan = &stored.plan;
    let is_ours = teams.contains(&plan.team);
    views::Plan {
        team: plan.team.clone(),
        author: plan.author.clone(),
        at: words::moment(plan.at, now),
        ended: !plan.is_active,
        sections: plan.sections(),
        change: (is_ours && plan.is_active)
            .then(|| format!("/staff/crisis-plan/{patient}/write?plan={}", plan.id)),
    }
}

fn done(word: &str) -> Option<Done> {
    let text = match word {
        "kept" => {
            "The plan is kept. Your team sees it, and whoever opens this record in an emergency."
        }
        "ended" => "The plan has ended. It stays in the record, marked so.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

/// `GET /staff/crisis-plan/{patient}/write`
pub async fn form(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Update, "CarePlan").await?;
    let teams = must_be_in_a_team(&visit, &scope)?;
    let before = before(&node, &scope, &patient, &asked.plan).await?;
    let typed = match &before {
        Some(stored) => stored.plan.clone(),
        None => Plan {
            team: teams.first().cloned().unwrap_or_default(),
            ..Plan::default()
        },
    };
    let version = before.map_or(0, |it| it.version);
    ask(&node, &visit, &scope, (&patient, &typed, version), &[]).await
}

/// The form, with what was typed and what is wrong with it.
async fn ask(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    (patient, typed, version): (&str, &Plan, u64),
    faults: &[(&'static str, &'static str)],
) -> Result<Response, Refusal> {
    let who = whose(node, scope, patient).await?;
    let error = |field: &str| {
        let found = faults.iter().find(|(at, _)| *at == field);
        found.map(|(_, said)| *said)
    };
    let fields = HEADINGS.iter().map(|(field, heading, hint)| views::Field {
        field,
        heading,
        hint,
        value: typed.text(field).to_owned(),
        error: error(field),
    });
    let teams = teams(visit, scope);
    let view = views::Form {
        errors: faults
            .iter()
            .map(|(field, text)| Fault {
                text,
                href: format!("#{field}").into(),
            })
            .collect(),
        patient: who,
        back: format!("/staff/crisis-plan/{patient}"),
        action: format!("/staff/crisis-plan/{patient}/write"),
        plan: typed.id.clone(),
        version: version.to_string(),
        attempt: uuid::Uuid::new_v4().to_string(),
        // To whom it is sealed does not change with its words.
        teams: match typed.id.is_empty() {
            true => teams
                .iter()
                .map(|it| (it.clone(), *it == typed.team))
                .collect(),
            false => vec![(typed.team.clone(), true)],
        },
        fields: fields.collect(),
    };
    Ok(Page::new(
        "staff/crisis-plan-write.jinja",
        "Write the crisis plan",
        view,
    )
    .with_faults(!faults.is_empty())
    .answer(&node.site, visit))
}

/// `POST /staff/crisis-plan/{patient}/write`
pub async fn write(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Update, "CarePlan").await?;
    let teams = must_be_in_a_team(&visit, &scope)?;
    whose(&node, &scope, &patient).await?;
    let before = before(&node, &scope, &patient, fields.text("plan")).await?;
    let version = fields.text("version").parse().unwrap_or(0);
    let mut typed = typed(&fields, before.as_ref(), (&scope, visit.now));
    let attempt = uuid::Uuid::parse_str(fields.text("attempt"))
        .map_err(|_| Problem::new(Kind::Value, "This form is not whole; open the page again."))?;
    let mut faults = faults(&typed);
    if !teams.contains(&typed.team) {
        faults.push(("team", "Choose a team that you are in"));
    }
    if before.as_ref().is_some_and(|it| it.version != version) {
        faults.push((
            "signs",
            "Somebody else changed this plan while you wrote. Open it again to see theirs",
        ));
    }
    if !faults.is_empty() {
        return ask(&node, &visit, &scope, (&patient, &typed, version), &faults).await;
    }
    let expect = match &before {
        Some(_) => Expect::Version(version),
        None => Expect::Absent,
    };
    let is_new = before.is_none();
    if is_new {
        typed.id = attempt.to_string();
    }
    let resource = typed.resource(&patient, before.map(|it| it.resource));
    // Who is not in the team is shown it by an emergency alone; the patient has it from the team.
    let written = (expect, Release::Keep);
    let change = exchange::prescriptions::written(&resource, &node.site.organisation, written)?;
    match node.store.commit(&scope, Job::change(change)).await {
        Ok(_) => {}
        // The same form was sent twice: the first has written it.
        Err(problem) if is_new && problem.kind == Kind::Conflict => {}
        Err(problem) => return Err(problem.into()),
    }
    let word = if typed.is_active { "kept" } else { "ended" };
    Ok(see_other(&format!(
        "/staff/crisis-plan/{patient}?done={word}"
    )))
}

/// What was typed, over what was there.
fn typed(fields: &Fields, before: Option<&Stored>, (scope, now): (&Scope, i64)) -> Plan {
    let mut plan = Plan {
        id: before.map(|it| it.plan.id.clone()).unwrap_or_default(),
        team: match before {
            Some(stored) => stored.plan.team.clone(),
            None => fields.text("team").to_owned(),
        },
        author: scope.agent().name.clone(),
        at: now,
        is_active: fields.text("then") != "end",
        texts: Vec::new(),
    };
    for (field, _, _) in HEADINGS {
        let text = fields.text(field).replace("\r\n", "\n");
        plan.texts.push((field, text));
    }
    plan
}

fn faults(plan: &Plan) -> Vec<(&'static str, &'static str)> {
    let mut faults = Vec::new();
    if plan.text("signs").is_empty() {
        faults.push(("signs", "Write the signs that things are getting worse"));
    }
    if plan.text("helps").is_empty() {
        faults.push(("helps", "Write what helps, and what to do"));
    }
    for (field, text) in &plan.texts {
        if text.chars().count() > TEXT_CHARS_MAX {
            faults.push((field, "This is longer than 4,000 characters"));
        }
    }
    faults
}

/// The plan that is to be changed; none where a new one is written.
async fn before(
    node: &Node,
    scope: &Scope,
    patient: &str,
    id: &str,
) -> Result<Option<Stored>, Problem> {
    if id.is_empty() {
        return Ok(None);
    }
    let found = plans(node, scope, patient).await?.into_iter();
    let mut found = found.filter(|it| it.plan.is_active);
    let message = "There is no such plan here, or it has ended.";
    let found = found.find(|it| it.plan.id == id);
    found
        .map(Some)
        .ok_or_else(|| Problem::new(Kind::NotFound, message))
}

/// The crisis plans of the patient that the scope shows, the newest first.
async fn plans(node: &Node, scope: &Scope, patient: &str) -> Result<Vec<Stored>, Problem> {
    let search = Search::all("CarePlan", PLANS_MAX).within_patient(patient);
    let page = node.store.search(scope, &search).await?;
    let mut plans = Vec::new();
    for version in &page.entries {
        let resource = json(version)?;
        if let Some(plan) = Plan::read(&version.id, &resource) {
            plans.push(Stored {
                version: version.version,
                resource,
                plan,
            });
        }
    }
    plans.sort_by_key(|it| (!it.plan.is_active, std::cmp::Reverse(it.plan.at)));
    Ok(plans)
}

/// The patient as the scope shows them.
async fn whose(node: &Node, scope: &Scope, patient: &str) -> Result<Person, Problem> {
    care::check(patient)?;
    person::refuse_barred(node, scope, patient).await?;
    let Reading::Found(version) = node.store.read(scope, "Patient", patient).await? else {
        return Err(Problem::new(
            Kind::NotFound,
            "There is no such patient here, or nobody has recorded that you care for them.",
        ));
    };
    let who = record::patient(&json(&version)?);
    Ok(Person::new(
        &who.name,
        who.birth_date.as_deref(),
        who.nhs_number.as_deref(),
    ))
}

/// The teams of a clinician; of others none, for they write no plan.
fn teams(visit: &Visit, scope: &Scope) -> Vec<String> {
    let who = visit.caller().map(|caller| &caller.who);
    let is_clinician = matches!(
        who,
        Some(Who::Staff {
            role: Role::Clinician,
            ..
        })
    );
    let teams = scope.withholds().map(|it| it.workgroups.clone());
    teams.filter(|_| is_clinician).unwrap_or_default()
}

fn must_be_in_a_team(visit: &Visit, scope: &Scope) -> Result<Vec<String>, Problem> {
    let teams = teams(visit, scope);
    match teams.is_empty() {
        false => Ok(teams),
        true => Err(Problem::new(
            Kind::Forbidden,
            "A crisis plan is written by a clinician of the team that it is sealed to.",
        )),
    }
}
