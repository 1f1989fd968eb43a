//! `GET /staff/blueprints`: ways of working that were applied here, what each brought, and by whom. They are applied and undone by
//! whoever runs the node (`handover blueprint`). No patient is named.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::State;
use axum::response::Response;
use fhir::problem::Problem;
use serde::Serialize;
use store::blueprints::{Applied, Did, Part, PartKind, State as Standing};

use crate::node::Node;
use crate::page::parts::{Label, Link};
use crate::page::problem::Refusal;
use crate::page::words::Moment;
use crate::page::{Page, words};
use crate::visit::Visit;

/// Applications that are shown.
const SHOWN_MAX: usize = 50;

/// `staff/blueprints.jinja`
#[derive(Serialize)]
pub struct View {
    pub blueprints: Vec<Row>,
    pub more: usize,
}

/// One that was applied.
#[derive(Serialize)]
pub struct Row {
    pub title: String,
    pub name: String,
    pub version: String,
    pub about: String,
    pub label: Label,
    pub by: String,
    pub when: Moment,
    /// None of one that came with the program.
    pub signer: Option<String>,
    pub stranger: bool,
    pub undone_by: String,
    pub undone: Option<Moment>,
    pub parts: Vec<PartRow>,
    /// What a person here does with it next.
    pub next: Vec<Link>,
}

/// One thing that it brought.
#[derive(Serialize)]
pub struct PartRow {
    pub kind: &'static str,
    pub title: String,
    pub what: &'static str,
}

/// The page.
pub async fn page(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Teams, "").await?;
    let all = node.store.blueprints(&scope).await?;
    let more = all.len().saturating_sub(SHOWN_MAX);
    let mut blueprints = Vec::new();
    for it in all.into_iter().take(SHOWN_MAX) {
        blueprints.push(row(&node, &visit, &scope, it).await?);
    }
    let view = View { blueprints, more };
    let page = Page::new("staff/blueprints.jinja", "Blueprints", view);
    Ok(page.under("/staff/worklist").answer(&node.site, &visit))
}

async fn row(node: &Node, visit: &Visit, scope: &Scope, it: Applied) -> Result<Row, Problem> {
    let parts = node.store.blueprint_parts(scope, &it.id).await?;
    let (text, colour) = match it.state {
        Standing::Applied => ("In force", "green"),
        Standing::Replaced => ("A later version took its place", "grey"),
        Standing::Undone => ("Undone", "grey"),
    };
    let moment = |at| words::moment(at, visit.now);
    Ok(Row {
        label: Label {
            text,
            colour: Some(colour),
        },
        when: moment(it.at),
        next: match it.state {
            Standing::Applied => next(&parts),
            Standing::Replaced | Standing::Undone => Vec::new(),
        },
        signer: (!it.signer.is_empty()).then(|| format!("{} ({})", it.signer_name, it.signer)),
        stranger: !it.known,
        undone: (it.undone_at > 0).then(|| moment(it.undone_at)),
        undone_by: it.undone_by,
        title: it.title,
        name: it.name,
        version: it.version,
        about: it.about,
        by: it.by,
        parts: parts.into_iter().map(part).collect(),
    })
}

/// What is to be done by a person before it is of use.
fn next(parts: &[Part]) -> Vec<Link> {
    let is_here = |kind| {
        let mut own = parts.iter().filter(|it| it.kind == kind);
        own.any(|it| it.did != Did::Removed)
    };
    let link = |kind, text, href: &str| {
        is_here(kind).then(|| Link {
            text,
            href: href.to_owned(),
        })
    };
    let all = [
        link(
            PartKind::Team,
            "Put people into its teams",
            "/staff/admin/teams",
        ),
        link(
            PartKind::Questionnaire,
            "Look at its questionnaires as people will see them",
            "/staff/questionnaires",
        ),
        link(
            PartKind::Template,
            "Read its letter texts, and make them yours",
            "/staff/templates",
        ),
        link(
            PartKind::Rule,
            "Read its rules, try them over last month, and switch on those that you want",
            "/staff/rules",
        ),
    ];
    all.into_iter().flatten().collect()
}

fn part(it: Part) -> PartRow {
    PartRow {
        kind: match it.kind {
            PartKind::Team => "Team",
            PartKind::Questionnaire => "Questionnaire",
            PartKind::Rule => "Rule",
            PartKind::Template => "Letter text",
            PartKind::Mapping => "Mapping of messages",
        },
        what: match it.did {
            Did::Added => "added",
            Did::Changed if it.was == it.now => "the same as in the version before",
            Did::Changed => "changed from the version before",
            Did::Removed => "taken away",
            Did::Left => "was here already",
            Did::Kept => "had been changed here, and stayed so",
        },
        title: it.title,
    }
}
