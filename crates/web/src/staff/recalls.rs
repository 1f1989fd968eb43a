//! Letters that were called back after they had left by fax or over MESH, on the work list: whom to ring about each.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::fax::number;
use fhir::date::Millis;
use fhir::problem::Problem;
use store::parcels::Recall;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Label, Link};
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::staff::views;
use crate::staff::worklist::{ROWS_MAX, group};
use crate::visit::Visit;

/// The group. Who runs the node sees that they are there, and opens none.
pub(super) async fn group_of(
    node: &Node,
    scope: &Scope,
    sees_letters: bool,
    now: Millis,
) -> Result<views::Group, Problem> {
    let recalls = node.store.recalls(scope, ROWS_MAX).await?;
    let rows = recalls.iter().map(|it| row(node, it, sees_letters, now));
    Ok(group(
        "recalls",
        "Letters to ring about: called back after they had left",
        rows.collect(),
        "Whoever got a letter by fax or over MESH that was called back has been told.",
    ))
}

fn row(node: &Node, recall: &Recall, sees_letters: bool, now: Millis) -> views::Work {
    let other = (node.organisation_name)(&recall.other);
    let ways = [by_fax(recall), by_mesh(recall)];
    let ways: Vec<String> = ways.into_iter().flatten().collect();
    let told = Link {
        text: "They were told",
        href: format!("/staff/worklist/recalls/{}/rung", recall.pid),
    };
    views::Work {
        when: words::moment(recall.at, now),
        what: format!(
            "Letter of {} to {other}",
            words::moment(recall.accepted_at, now).short
        ),
        href: sees_letters.then(|| format!("/staff/sent/{}", recall.pid)),
        state: Label {
            text: "Ring them",
            colour: Some("red"),
        },
        why: format!("{} {}", recall.reason, ways.join(" ")),
        next: format!(
            "Ring {other} ({}): the letter does not hold, and they are not told of it in any other way. Then say here that \
             they were told.",
            recall.other
        ),
        actions: if sees_letters { vec![told] } else { Vec::new() },
    }
}

/// How far it got by fax.
fn by_fax(recall: &Recall) -> Option<String> {
    let state = recall.fax.as_deref()?;
    let to = match recall.dialled.as_str() {
        "" => String::new(),
        dialled => format!(" to {}", number::shown(dialled)),
    };
    Some(match state {
        "sent" => format!("It left by fax{to}, and the machine there has its pages."),
        "handed" => format!("It is with the fax server, and goes by fax{to} or has gone."),
        "handing" | "unsure" => {
            format!("It may have gone by fax{to}: nobody knows whether the fax server has it.")
        }
        // Stopped, or not sent whole.
        _ => format!("It is not sent by fax{to} any more; some of its pages may be there."),
    })
}

/// How far it got over MESH.
fn by_mesh(recall: &Recall) -> Option<String> {
    let state = recall.itk3.as_deref()?;
    let to = match recall.mailbox.as_str() {
        "" => String::new(),
        mailbox => format!(" for the mailbox {mailbox}"),
    };
    Some(match state {
        "received" | "accepted" => format!("It left by MESH{to}, and their system has it."),
        "handed" => format!("It left by MESH{to}, and is there or to be collected."),
        "refused" => {
            format!("It left by MESH{to}. Their system has refused it; somebody may have seen it.")
        }
        "handing" | "unsure" => {
            format!("It may have left by MESH{to}: nobody knows whether MESH has it.")
        }
        _ => format!("It is not sent by MESH{to} any more; it may be there from before."),
    })
}

/// `POST /staff/worklist/recalls/{pid}/rung`
pub async fn rung(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let interaction = Interaction::SendLetter;
    let scope = visit.scope(&node, interaction, "DocumentReference").await?;
    node.store.rung(&scope, pid).await?;
    Ok(see_other("/staff/worklist?done=rung"))
}
