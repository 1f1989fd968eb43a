//! `GET /staff/unsigned`: all that somebody has begun and nobody has signed, the oldest first.

use std::sync::Arc;

use access::{Interaction, Who};
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::correspondence;
use fhir::date::Millis;
use fhir::problem::Problem;
use store::drafts::Listed;

use super::{Asked, views};
use crate::node::Node;
use crate::page::parts::{Done, Person};
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::record::{self, json};
use crate::staff::NOT_SHOWN;
use crate::visit::Visit;

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Unsigned, "Patient").await?;
    let (listed, more) = node.store.unsigned(&scope).await?;
    let me = match &visit.known()?.who {
        Who::Staff { account, .. } => *account,
        _ => 0,
    };
    let rows: Result<Vec<views::Unsigned>, Problem> =
        listed.iter().map(|it| row(it, me, visit.now)).collect();
    let view = views::UnsignedList {
        done: (asked.done == "discarded").then_some(Done {
            text: "The draft is discarded. Nothing was sent.",
            href: None,
            link: None,
        }),
        rows: rows?,
        more,
    };
    Ok(Page::new("staff/unsigned.jinja", "Unsigned", view)
        .under("/staff/unsigned")
        .answer(&node.site, &visit))
}

fn row(listed: &Listed, me: i64, now: Millis) -> Result<views::Unsigned, Problem> {
    let who = match &listed.patient {
        Some(version) => Some(record::patient(&json(version)?)),
        None => None,
    };
    Ok(views::Unsigned {
        href: who.is_some().then(|| match listed.kind.as_str() {
            correspondence::KIND => format!("/staff/letters/{}", listed.id),
            _ => format!("/staff/discharges/{}", listed.id),
        }),
        what: match listed.kind.as_str() {
            correspondence::KIND => "Letter",
            _ => "Discharge",
        },
        left: listed.left.then(|| match listed.team.as_str() {
            "" => "Works here no more: anybody may take it on".to_owned(),
            team => format!("Works here no more: {team} takes it on"),
        }),
        patient: match &who {
            Some(who) => Person::new(
                &who.name,
                who.birth_date.as_deref(),
                who.nhs_number.as_deref(),
            ),
            None => Person::new(NOT_SHOWN, None, None),
        },
        author: match listed.account == me {
            true => format!("{} (you)", listed.author),
            false => listed.author.clone(),
        },
        begun: words::moment(listed.begun_at, now),
        changed: words::moment(listed.changed_at, now),
    })
}
