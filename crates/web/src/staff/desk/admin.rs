//! `/staff/admin/teams`: who is in which team and who leads it; and somebody leaves. A team shares work and shows nobody a
//! record. Roles are not given here: they come with the smartcard, or from whoever runs the node.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::desk::{AskKind, Asked as Waiting, Colleague, DeskWrite, Team};
use store::fax::Asker;

use super::views::{AskedRow, MemberRow, One, PersonRow, TeamPart, Teams};
use super::{attempt, is_theirs, job, me, new_attempt};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Done;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// `GET /staff/admin/teams`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    show(&node, &visit, done(&asked.done), (None, "")).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    done: Option<Done>,
    (refused, name): (Option<String>, &str),
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Teams, "").await?;
    let by = me(visit)?;
    let teams = node.store.teams(&scope).await?;
    let people = node.store.colleagues(&scope).await?;
    let asked = node.store.teams_asked(&scope).await?;
    let choice = |it: &Colleague| One {
        value: it.account.to_string(),
        text: format!("{}, {}", it.name, words::role(it.role)),
        chosen: false,
    };
    let view = Teams {
        done,
        teams: teams.iter().map(part).collect(),
        people: people.iter().map(|it| person(it, &teams, &by)).collect(),
        asked: asked.iter().map(|it| waiting(it, &by, visit)).collect(),
        attempt: new_attempt(),
        choices: people.iter().map(choice).collect(),
        name: name.to_owned(),
        refused,
    };
    let faulty = view.refused.is_some();
    let page = Page::new("staff/teams.jinja", "Teams", view).under("/staff/worklist");
    Ok(page.with_faults(faulty).answer(&node.site, visit))
}

fn part(team: &Team) -> TeamPart {
    let row = |it: &store::desk::Member| MemberRow {
        account: it.who.account,
        name: it.who.name.clone(),
        role: words::role(it.who.role),
        leads: it.leads,
    };
    TeamPart {
        id: team.id.clone(),
        name: team.name.clone(),
        leaderless: !team.members.iter().any(|it| it.leads),
        members: team.members.iter().map(row).collect(),
    }
}

fn person(it: &Colleague, teams: &[Team], by: &Asker) -> PersonRow {
    let of = teams
        .iter()
        .filter(|team| team.members.iter().any(|m| m.who.account == it.account));
    let names: Vec<&str> = of.map(|team| team.name.as_str()).collect();
    PersonRow {
        account: it.account,
        name: it.name.clone(),
        role: words::role(it.role),
        teams: names.join(", "),
        me: it.account == by.account,
    }
}

fn waiting(it: &Waiting, by: &Asker, visit: &Visit) -> AskedRow {
    let what = match it.kind {
        AskKind::Lead => format!("{} is to lead {}", it.name, it.team),
        AskKind::Unlead => format!("{} is to lead {} no more", it.name, it.team),
        AskKind::Leave => format!(
            "{} leaves: their sessions end, and their letters, tasks and drafts fall to their team",
            it.name
        ),
    };
    AskedRow {
        id: it.id.clone(),
        what,
        by: it.asked_who.clone(),
        when: words::moment(it.asked_at, visit.now),
        may: it.asked_by != by.account && it.account != by.account,
    }
}

fn done(word: &str) -> Option<Done> {
    let text = match word {
        "team" => "The team is there. Put people into it.",
        "join" => "They are in the team.",
        "part" => "They are not in the team any more. What was given to them stays theirs.",
        "lead" | "unlead" | "leave" => "It waits for another person to confirm it.",
        "confirm" => "Confirmed.",
        "refuse" => "Nothing is changed.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

/// `POST /staff/admin/teams`: does what the pressed button says.
pub async fn change(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Teams, "").await?;
    let by = me(&visit)?;
    let what = fields.text("do").to_owned();
    match commit(&node, &scope, &fields, (&what, by)).await {
        Ok(()) => {
            node.sign_in.forget_all();
            Ok(see_other(&format!("/staff/admin/teams?done={what}")))
        }
        Err(problem) if is_theirs(&problem) => {
            let said = Some(problem.message.to_string());
            show(&node, &visit, None, (said, fields.text("name"))).await
        }
        Err(problem) => Err(problem.into()),
    }
}

async fn commit(
    node: &Node,
    scope: &Scope,
    fields: &Fields,
    (what, by): (&str, Asker),
) -> Result<(), Problem> {
    let team = fields.text("team").to_owned();
    let given = fields.text("account").parse::<i64>();
    let account = given.map_err(|_| Problem::new(Kind::Required, "Choose somebody."));
    let id = attempt(fields.text("id"));
    let row = format!("{what} team={team} account={}", fields.text("account"));
    let ask = |kind| {
        Ok::<_, Problem>(DeskWrite::Ask {
            id: attempt(fields.text("id"))?,
            kind,
            team: team.clone(),
            account: account.clone()?,
            by: by.clone(),
        })
    };
    let write = match what {
        "team" => DeskWrite::Team {
            id: id?,
            name: fields.text("name").to_owned(),
            by: by.who,
        },
        "join" => DeskWrite::Join {
            team,
            account: account?,
        },
        "part" => DeskWrite::Part {
            team,
            account: account?,
        },
        "lead" => ask(AskKind::Lead)?,
        "unlead" => ask(AskKind::Unlead)?,
        "leave" => ask(AskKind::Leave)?,
        "confirm" => DeskWrite::Confirm { id: id?, by },
        "refuse" => DeskWrite::Refuse { id: id? },
        _ => return Err(Problem::new(Kind::Invalid, "There is no such button.")),
    };
    let job = job(scope, Interaction::Teams, write, row);
    node.store.commit(scope, job).await.map(|_| ())
}
