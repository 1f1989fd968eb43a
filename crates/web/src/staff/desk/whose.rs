//! Whose work a letter or a task is: the choice, and `POST /staff/item/{pid}/assign`.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use store::desk::{Colleague, Team, Whose};

use super::views::{Choices, One};
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::visit::Visit;

/// Who can be chosen.
pub struct People {
    pub colleagues: Vec<Colleague>,
    pub teams: Vec<Team>,
}

impl People {
    pub async fn of(node: &Node, scope: &Scope) -> Result<People, Problem> {
        Ok(People {
            colleagues: node.store.colleagues(scope).await?,
            teams: node.store.teams(scope).await?,
        })
    }

    /// The choice: nobody, oneself, a team, a person.
    pub fn groups(&self, me: i64, chosen: &str, nobody: &'static str) -> Vec<Choices> {
        let option = |value: String, text: String| One {
            chosen: value == chosen,
            value,
            text,
        };
        let person = |it: &Colleague| {
            let text = match it.account == me {
                true => format!("{} (you)", it.name),
                false => format!("{}, {}", it.name, words::role(it.role)),
            };
            option(format!("a:{}", it.account), text)
        };
        let team = |it: &Team| option(format!("t:{}", it.id), it.name.clone());
        let mut people: Vec<&Colleague> = self.colleagues.iter().collect();
        people.sort_by_key(|it| it.account != me);
        let mut groups = vec![Choices {
            label: "",
            options: vec![option(String::new(), nobody.to_owned())],
        }];
        groups.push(Choices {
            label: "Teams",
            options: self.teams.iter().map(team).collect(),
        });
        groups.push(Choices {
            label: "People",
            options: people.into_iter().map(person).collect(),
        });
        groups.retain(|it| !it.options.is_empty());
        groups
    }
}

/// What such a choice means.
///
/// # Errors
/// `Value` for what no such choice brings.
pub fn parse(text: &str) -> Result<Whose, Problem> {
    let wrong = || Problem::new(Kind::Value, "Choose a person or a team from the list.");
    match text.split_once(':') {
        None if text.is_empty() => Ok(Whose::default()),
        Some(("a", number)) => Ok(Whose {
            account: number.parse().map_err(|_| wrong())?,
            team: String::new(),
        }),
        Some(("t", team)) if !team.is_empty() => Ok(Whose {
            account: 0,
            team: team.to_owned(),
        }),
        _ => Err(wrong()),
    }
}

/// The word of such a choice.
pub fn word(whose: &Whose) -> String {
    match (whose.account, whose.team.as_str()) {
        (0, "") => String::new(),
        (0, team) => format!("t:{team}"),
        (account, _) => format!("a:{account}"),
    }
}

/// Whose it is, in words.
pub fn said(person: &str, team: &str) -> String {
    match (person, team) {
        ("", "") => "Nobody’s".to_owned(),
        ("", team) => team.to_owned(),
        (person, "") => person.to_owned(),
        (person, team) => format!("{person} ({team})"),
    }
}

/// `POST /staff/item/{pid}/assign`
pub async fn assign(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::WorkTask, "DocumentReference")
        .await?;
    let to = parse(fields.text("to"))?;
    node.store.assign(&scope, &[pid], &to).await?;
    Ok(see_other(&format!("/staff/item/{pid}?done=assigned")))
}
