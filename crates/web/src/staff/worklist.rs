//! `GET /staff/worklist`: what did not go through, why, and what to do about it.

use std::sync::Arc;

use access::{Interaction, Role, Who};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::date::Millis;
use serde::Deserialize;
use store::parcels::{State as Parcel, Stuck};

use crate::node::Node;
use crate::page::parts::{self, Done, Link};
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::staff::views;
use crate::visit::Visit;

/// The most rows of one group.
const ROWS_MAX: u32 = 100;

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(Interaction::WorkList, "")?;
    let stuck = node.store.stuck(&scope, ROWS_MAX).await?;
    let sees_letters = sees_letters(&visit);
    let rows = stuck
        .iter()
        .map(|it| letter(&node, it, sees_letters, visit.now))
        .collect();
    let view = views::WorkList {
        groups: vec![group(
            "letters",
            "Letters that are not getting through",
            rows,
            "Every letter that was sent has arrived or is on its way.",
        )],
        done: done(&asked),
    };
    let page = Page::new("staff/worklist.jinja", "Work list", view).under("/staff/worklist");
    Ok(page.answer(&node.site, &visit))
}

fn group(
    id: &'static str,
    title: &'static str,
    rows: Vec<views::Work>,
    empty: &'static str,
) -> views::Group {
    let full = rows.len() >= ROWS_MAX as usize;
    let count = if full {
        format!("{ROWS_MAX} or more")
    } else {
        rows.len().to_string()
    };
    views::Group {
        id,
        title,
        count,
        rows,
        empty,
    }
}

/// Whether the caller may open letters from here; engineers may not.
fn sees_letters(visit: &Visit) -> bool {
    let role = visit.caller().map(|caller| &caller.who);
    matches!(
        role,
        Some(Who::Staff {
            role: Role::Clerk | Role::Clinician,
            ..
        })
    )
}

fn letter(node: &Node, stuck: &Stuck, sees_letters: bool, now: Millis) -> views::Work {
    let door = if stuck.inward { "item" } else { "sent" };
    let other = (node.organisation_name)(&stuck.other);
    let address = format!("/staff/{door}/{}", stuck.pid);
    let undeliverable = stuck.state == Parcel::Undeliverable && !stuck.inward;
    let next = match (undeliverable, stuck.next_try) {
        (true, _) => format!("Ask {other} whether its node is running, then send again."),
        (false, Some(at)) => {
            format!(
                "Nothing yet: the next try is at {}.",
                words::moment(at, now).short
            )
        }
        (false, None) => format!("Ask whoever runs this node to talk to {other}."),
    };
    let again = Link {
        text: "Send again",
        href: format!("{address}/send-again"),
    };
    views::Work {
        when: words::moment(stuck.since, now),
        what: format!(
            "Letter {} {other}",
            if stuck.inward { "from" } else { "to" }
        ),
        href: sees_letters.then_some(address),
        state: parts::state(stuck.state),
        why: if stuck.reason.is_empty() {
            "No reason was given.".into()
        } else {
            stuck.reason.clone()
        },
        next,
        action: (undeliverable && sees_letters).then_some(again),
    }
}

fn done(asked: &Asked) -> Option<Done> {
    let text = match asked.done.as_str() {
        "replayed" => "The message is being worked through again.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}
