//! `GET /staff/neighbours`: how it goes with each other organisation: whether it answers, what waits for it and since when, what
//! it signed last, and when its certificate ends. No patient is named.

use std::sync::Arc;

use access::Interaction;
use axum::extract::State;
use axum::response::Response;
use exchange::Member;
use fhir::date::Millis;
use fhir::problem::Problem;
use store::parcels::Neighbour;

use super::name_of;
use super::views::{Directory, NeighbourRow, Neighbours};
use crate::node::Node;
use crate::page::parts::Label;
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::visit::Visit;

/// Neighbours listed at most.
const LISTED_MAX: usize = 200;
/// What ends within this time is said to end soon.
const SOON: Millis = 30 * 86_400_000;

/// The page.
pub async fn page(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Neighbours, "").await?;
    let known = node.store.neighbours(&scope).await?;
    let book = node.exchange.as_ref().map(|it| it.book());
    let members = book.map(|it| it.members()).unwrap_or_default();
    let own = node.site.organisation.as_str();
    let mut all: Vec<(Option<Arc<Member>>, Option<Neighbour>, String)> = members
        .iter()
        .filter(|it| it.ods != own)
        .map(|it| {
            let found = known.iter().find(|peer| peer.ods == it.ods).cloned();
            (Some(it.clone()), found, it.ods.clone())
        })
        .collect();
    let unlisted = known
        .iter()
        .filter(|peer| peer.ods != own && members.iter().all(|it| it.ods != peer.ods));
    all.extend(unlisted.map(|it| (None, Some(it.clone()), it.ods.clone())));
    // What does not go well comes first, and then what waits.
    all.sort_by_key(|(member, peer, ods)| {
        let (tries, waiting) = peer.as_ref().map_or((0, 0), |it| (it.tries, it.waiting));
        let well = tries == 0 && (member.is_some() || waiting == 0);
        (well, std::cmp::Reverse(waiting), ods.clone())
    });
    let more = all.len().saturating_sub(LISTED_MAX);
    let mut rows = Vec::new();
    for (member, peer, ods) in all.into_iter().take(LISTED_MAX) {
        rows.push(row(&node, &visit, (member.as_deref(), peer.as_ref()), &ods).await?);
    }
    let view = Neighbours {
        directory: book.map(|it| Directory {
            version: it.version(),
            members: members.len(),
            until: words::date(it.valid_until()),
            ended: it.has_ended(visit.now),
            soon: it.valid_until() < visit.now.saturating_add(SOON),
        }),
        rows,
        more,
    };
    let page = Page::new("staff/neighbours.jinja", "Neighbours", view);
    Ok(page.under("/staff/worklist").answer(&node.site, &visit))
}

async fn row(
    node: &Node,
    visit: &Visit,
    (member, peer): (Option<&Member>, Option<&Neighbour>),
    ods: &str,
) -> Result<NeighbourRow, Problem> {
    let (oldest, receipt) = node.store.neighbour_times(ods).await?;
    let now = visit.now;
    let moment = |at: Option<Millis>| at.map(|at| words::moment(at, now));
    let ends = member.and_then(|it| {
        let valid = it.certificates.iter().filter(|it| it.from <= now);
        valid.map(|it| it.until).max()
    });
    let (health, why) = health(member, peer, ends, now);
    Ok(NeighbourRow {
        name: member.map_or_else(|| name_of(node, ods), |it| it.name.clone()),
        ods: ods.to_owned(),
        what: member.map_or_else(String::new, |it| it.roles.join(", ").replace('-', " ")),
        health,
        why,
        waiting: peer.map_or(0, |it| it.waiting),
        oldest: moment(oldest),
        untold: peer.map_or(0, |it| it.untold),
        answered: moment(peer.and_then(|it| it.last_ok_at)),
        receipt: moment(receipt),
        certificate: ends.map(words::date),
        ends_soon: ends.is_some_and(|at| at < now.saturating_add(SOON)),
    })
}

fn health(
    member: Option<&Member>,
    peer: Option<&Neighbour>,
    ends: Option<Millis>,
    now: Millis,
) -> (Label, Option<String>) {
    let label = |text, colour| Label {
        text,
        colour: Some(colour),
    };
    if member.is_none() {
        let why = "The directory does not list it: what waits leaves when it joins, or go by another way from the work list.";
        return (
            label("Not in the directory", "orange"),
            Some(why.to_owned()),
        );
    }
    if ends.is_none_or(|at| at <= now) {
        let why = "It has no certificate that is in force: whoever runs it must send the stewards a new card.";
        return (label("Certificate ended", "red"), Some(why.to_owned()));
    }
    match peer {
        Some(it) if it.tries > 0 => {
            let error = it.last_error.as_deref().unwrap_or("It did not answer.");
            let next = match it.next_try > now {
                true => format!("Next try {}.", words::moment(it.next_try, now).short),
                false => "It is being tried again now.".to_owned(),
            };
            (
                label("Does not answer", "red"),
                Some(format!("{error} {next}")),
            )
        }
        Some(it) if it.last_ok_at.is_some() => (label("Answers", "green"), None),
        _ => (label("Not tried yet", "grey"), None),
    }
}
