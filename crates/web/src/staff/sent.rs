//! `GET /staff/sent`: the delivery board. Each letter sent, and where it is.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::date::Millis;
use serde::Deserialize;
use store::parcels::{Counts, Letter, ListFilter, Show, Shown, State as Parcel};

use crate::node::Node;
use crate::page::parts::{Done, Tab};
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::staff::{self, subject, views};
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
    #[serde(default)]
    done: String,
    after: Option<String>,
}

/// A list of the board: its word in addresses, its tab, and what to say when it is empty.
struct List {
    word: &'static str,
    show: Show,
    text: &'static str,
    empty: &'static str,
}

const LISTS: [List; 3] = [
    List {
        word: "all",
        show: Show::AllOut,
        text: "All",
        empty: "No letter has been sent yet.",
    },
    List {
        word: "on-the-way",
        show: Show::OnTheWay,
        text: "Not there yet",
        empty: "Every letter has arrived.",
    },
    List {
        word: "failed",
        show: Show::Failed,
        text: "Came back or failed",
        empty: "No letter came back or could not be delivered.",
    },
];

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let [first, ..] = &LISTS;
    let list = LISTS
        .iter()
        .find(|list| list.word == asked.show)
        .unwrap_or(first);
    let scope = visit
        .scope(&node, Interaction::Sent, "DocumentReference")
        .await?;
    let filter = ListFilter {
        after: asked.after.clone(),
        ..ListFilter::new(list.show)
    };
    let counts = node.store.letter_counts(&scope).await?;
    let found = node.store.letters(&scope, &filter).await?;
    let base = format!("/staff/sent?show={}", list.word);
    let older = found.next.map(|next| {
        let next = form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>();
        format!("{base}&after={next}")
    });
    let view = views::Sent {
        tabs: tabs(list, &counts),
        rows: found
            .letters
            .iter()
            .map(|letter| row(&node, letter, visit.now))
            .collect(),
        empty: list.empty,
        older,
        newest: asked.after.map(|_| base.clone()),
        done: (asked.done == "signed").then_some(Done {
            text: "Signed. Each letter is on its way; this board shows where it is.",
            href: None,
            link: None,
        }),
        events: "/staff/sent/events",
        here: base,
    };
    let page = Page::new("staff/sent.jinja", "Sent", view).under("/staff/sent");
    Ok(page.answer(&node.site, &visit))
}

fn tabs(open: &List, counts: &Counts) -> Vec<Tab> {
    LISTS
        .iter()
        .map(|list| Tab {
            text: list.text,
            href: format!("/staff/sent?show={}", list.word),
            count: match list.show {
                Show::OnTheWay => Some(counts.on_the_way),
                Show::Failed => Some(counts.failed),
                _ => None,
            },
            current: list.word == open.word,
        })
        .collect()
}

fn row(node: &Node, letter: &Letter, now: Millis) -> views::SentRow {
    views::SentRow {
        id: letter.pid.to_string(),
        href: format!("/staff/sent/{}", letter.pid),
        patient: staff::about(letter),
        subject: subject(letter),
        to: staff::other_end(node, letter, &letter.recipient),
        state: staff::state_there(letter),
        since: words::moment(letter.state_at, now),
        detail: detail(letter, now),
    }
}

/// What happened last, in plain words, where that is more than the state says.
fn detail(letter: &Letter, now: Millis) -> Option<String> {
    if letter.shown != Shown::Whole {
        return None;
    }
    match letter.state {
        Parcel::Waiting | Parcel::Accepted => {
            let Some(error) = letter.last_error.as_deref() else {
                // Such as that it was called back while MESH or the fax server had it.
                return letter.reason.clone();
            };
            Some(match letter.next_try.filter(|at| *at > now) {
                Some(at) => format!("{error} Next try {}.", words::moment(at, now).short),
                None => format!("{error} Trying again now."),
            })
        }
        Parcel::Superseded => Some("A newer letter replaces it.".to_owned()),
        _ => letter.reason.clone(),
    }
}
