//! `/staff/templates`: the texts that letters begin with, kept by teams.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::desk::{DeskWrite, Team, Template};

use super::letters::fields_of;
use super::views::{One, TemplateForm, TemplateRow, Templates};
use super::{attempt, is_theirs, job, me, new_attempt};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

async fn scope(node: &Node, visit: &Visit) -> Result<Scope, Problem> {
    visit.scope(node, Interaction::WriteLetter, "").await
}

/// `GET /staff/templates`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit).await?;
    let teams = node.store.teams(&scope).await?;
    let row = |it: Template| TemplateRow {
        href: format!("/staff/templates/{}", it.id),
        team: team(&teams, &it.team),
        name: it.name,
        by: it.changed_by,
        when: words::moment(it.changed_at, visit.now),
    };
    let templates = node.store.templates(&scope).await?;
    let text = match asked.done.as_str() {
        "kept" => {
            Some("The text is kept. Letters that were begun with it before stay as they are.")
        }
        "dropped" => Some("The text is gone. Letters that were begun with it stay as they are."),
        _ => None,
    };
    let view = Templates {
        done: text.map(|text| Done {
            text,
            href: None,
            link: None,
        }),
        rows: templates.into_iter().map(row).collect(),
    };
    let page = Page::new("staff/templates.jinja", "Texts for letters", view);
    Ok(page.under("/staff/unsigned").answer(&node.site, &visit))
}

fn team(teams: &[Team], id: &str) -> String {
    let found = teams.iter().find(|it| it.id == id);
    found.map_or_else(|| "Everybody".to_owned(), |it| it.name.clone())
}

/// `GET /staff/templates/new`
pub async fn new(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit).await?;
    let typed = Typed {
        attempt: new_attempt(),
        ..Typed::default()
    };
    form(&node, &visit, &scope, typed).await
}

/// `GET /staff/templates/{id}`
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit).await?;
    let found = node.store.template(&scope, &id).await?;
    let typed = Typed {
        id: Some((found.id, found.version)),
        name: found.name,
        body: found.body,
        team: found.team,
        ..Typed::default()
    };
    form(&node, &visit, &scope, typed).await
}

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    /// The text that is changed, and its version.
    id: Option<(String, i64)>,
    attempt: String,
    name: String,
    body: String,
    team: String,
    refused: Option<String>,
    name_error: Option<&'static str>,
    body_error: Option<&'static str>,
}

async fn form(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    typed: Typed,
) -> Result<Response, Refusal> {
    let teams = node.store.teams(scope).await?;
    let everybody = One {
        value: String::new(),
        text: "Everybody".to_owned(),
        chosen: typed.team.is_empty(),
    };
    let one = |it: &Team| One {
        value: it.id.clone(),
        text: it.name.clone(),
        chosen: it.id == typed.team,
    };
    let fault = |text: Option<&'static str>, href: &'static str| {
        text.map(|text| Fault {
            text,
            href: href.into(),
        })
    };
    let errors = [
        fault(typed.name_error, "#name"),
        fault(typed.body_error, "#body"),
    ];
    let view = TemplateForm {
        errors: errors.into_iter().flatten().collect(),
        refused: typed.refused,
        action: match &typed.id {
            Some((id, _)) => format!("/staff/templates/{id}"),
            None => "/staff/templates/new".to_owned(),
        },
        attempt: typed.attempt,
        version: typed.id.as_ref().map(|(_, version)| *version),
        name: typed.name,
        name_error: typed.name_error,
        body: typed.body,
        body_error: typed.body_error,
        teams: std::iter::once(everybody)
            .chain(teams.iter().map(one))
            .collect(),
        fields: fields_of(),
    };
    let faulty = !view.errors.is_empty() || view.refused.is_some();
    let page = Page::new("staff/template.jinja", "Text for letters", view);
    let page = page.under("/staff/unsigned").with_faults(faulty);
    Ok(page.answer(&node.site, visit))
}

/// `POST /staff/templates/new`
pub async fn keep(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let id = attempt(fields.text("attempt"))?;
    put(&node, &visit, &fields, (id, 0)).await
}

/// `POST /staff/templates/{id}`: written anew, or taken away.
pub async fn change(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let version = fields.text("version").parse().unwrap_or(-1);
    put(&node, &visit, &fields, (id, version)).await
}

async fn put(
    node: &Node,
    visit: &Visit,
    fields: &Fields,
    (id, was): (String, i64),
) -> Result<Response, Refusal> {
    let scope = scope(node, visit).await?;
    let is_drop = fields.text("do") == "drop" && was > 0;
    let mut typed = Typed {
        id: (was != 0).then(|| (id.clone(), was)),
        attempt: id.clone(),
        name: fields.text("name").to_owned(),
        body: fields.text("body").replace("\r\n", "\n"),
        team: fields.text("team").to_owned(),
        ..Typed::default()
    };
    typed.name_error = typed
        .name
        .is_empty()
        .then_some("Enter what the text is called; letters have it as their subject");
    typed.body_error = typed.body.is_empty().then_some("Write the text");
    if !is_drop && (typed.name_error.is_some() || typed.body_error.is_some()) {
        return form(node, visit, &scope, typed).await;
    }
    let (write, done) = match is_drop {
        true => (
            DeskWrite::DropTemplate {
                id: id.clone(),
                version: was,
            },
            "dropped",
        ),
        false => {
            let template = Template {
                id: id.clone(),
                team: typed.team.clone(),
                name: typed.name.clone(),
                body: typed.body.clone(),
                version: was,
                changed_at: visit.now,
                changed_by: me(visit)?.who,
            };
            let template = Box::new(template);
            (DeskWrite::Template { template, was }, "kept")
        }
    };
    let job = job(
        &scope,
        Interaction::WriteLetter,
        write,
        format!("template={id}"),
    );
    match node.store.commit(&scope, job).await {
        Ok(_) => Ok(see_other(&format!("/staff/templates?done={done}"))),
        Err(problem) if is_theirs(&problem) => {
            typed.refused = Some(match problem.kind {
                Kind::Conflict => "Somebody else changed this text meanwhile. What you typed is below and not kept: open the text again to see theirs.".to_owned(),
                _ => problem.message.to_string(),
            });
            form(node, visit, &scope, typed).await
        }
        Err(problem) => Err(problem.into()),
    }
}
