//! `/staff/worklist/itk3/…`: what to do about ITK3 documents that did not get through, that could not be taken, and
//! responses that did not leave.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::itk3::{Arrived, read};
use fhir::date::Millis;
use fhir::json::Limits;
use fhir::problem::{Kind, Problem};
use store::Effect;
use store::fax::Asker;
use store::itk3::{Itk3Write, List, Read, Stuck};
use store::parcels::Letter;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Label, Link};
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::staff::{views, worklist};
use crate::visit::Visit;

/// What stands beside the sender of a letter that came so.
pub(super) const NOT_PROVED: &str = "It came by ITK3 over MESH: its sender is not proved by a signature of ours. The sender is answered by two codes: that \
     the letter is here, and once it is filed or returned, whether the patient is known here.";

/// Where a letter that was sent so stands.
pub(super) fn state_there(letter: &Letter) -> Option<Label> {
    let (text, colour) = match letter.itk3.as_deref()? {
        "waiting" => ("Waiting for MESH", "grey"),
        "handing" => ("Being handed to MESH", "yellow"),
        "handed" => ("With MESH", "yellow"),
        "received" => ("Received there", "blue"),
        "accepted" => ("Accepted there", "green"),
        "refused" => ("Refused there", "red"),
        "failed" => ("Not delivered", "red"),
        "unsure" => ("Perhaps sent", "orange"),
        "unanswered" => ("No answer", "orange"),
        _ => return None,
    };
    Some(Label {
        text,
        colour: Some(colour),
    })
}

/// The group of the work list.
pub(super) async fn group(
    node: &Node,
    scope: &Scope,
    sees_letters: bool,
    now: Millis,
) -> Result<views::Group, Problem> {
    let stuck = node.store.itk3_work_list(scope, worklist::ROWS_MAX).await?;
    let rows = stuck.iter().map(|it| row(node, it, sees_letters, now));
    Ok(worklist::group(
        "itk3",
        "ITK3 documents over MESH that need somebody",
        rows.collect(),
        "Every ITK3 document that was sent is answered or on its way, and every one that came was taken.",
    ))
}

/// A row of the work list.
fn row(node: &Node, stuck: &Stuck, sees_letters: bool, now: Millis) -> views::Work {
    let number = stuck.number;
    let other = &stuck.other;
    let (what, address, next) = match stuck.list {
        List::Out => (
            format!("Letter by ITK3 to {}", (node.organisation_name)(other)),
            format!("/staff/worklist/itk3/{number}"),
            stuck.next_step.clone(),
        ),
        List::In => (
            format!("ITK3 message {number} from the mailbox {other}"),
            format!("/staff/worklist/itk3-in/{number}"),
            "Its sender was told why, where it asked to be. Ring them if the letter is not sent another way; whoever runs \
             this node may read it again after a new version, and settles it when that is clear."
                .to_owned(),
        ),
        List::Answer => (
            format!("ITK3 response to the mailbox {other}"),
            format!("/staff/worklist/itk3-answers/{number}"),
            "Whoever runs this node: see whether [mesh] is right, then send it again. Until it arrives the sender takes \
             the letter for lost: ring them if that lasts."
                .to_owned(),
        ),
    };
    let door = if stuck.list == List::Out {
        "sent"
    } else {
        "item"
    };
    let href = stuck.pid.filter(|_| sees_letters);
    let (text, colour) = state(stuck);
    views::Work {
        when: words::moment(stuck.state_at, now),
        what,
        href: href.map(|pid| format!("/staff/{door}/{pid}")),
        state: Label {
            text,
            colour: Some(colour),
        },
        why: stuck.reason.clone(),
        next,
        actions: actions(stuck, &address),
    }
}

fn state(stuck: &Stuck) -> (&'static str, &'static str) {
    match (stuck.list, stuck.state.as_str()) {
        (List::Out, "unsure") => ("Perhaps sent", "orange"),
        (List::Out, "handed" | "received") => ("No answer", "orange"),
        (List::Out, "refused") => ("Refused there", "red"),
        (List::In, "stray") => ("Belongs to nothing", "orange"),
        (List::In, _) => ("Not taken", "red"),
        _ => ("Not sent", "red"),
    }
}

fn actions(stuck: &Stuck, address: &str) -> Vec<Link> {
    let action = |text, word: &str| Link {
        text,
        href: format!("{address}/{word}"),
    };
    let settled = action("Settled", "settled");
    let again = action("Send again", "again");
    match (stuck.list, stuck.state.as_str()) {
        (List::Out, "unsure") => vec![again, action("It was sent", "sent"), settled],
        (List::Out, "failed" | "handed") => vec![again, action("Send by fax", "fax"), settled],
        (List::Out, "refused") if !stuck.reason.contains("business response") => {
            vec![again, action("Send by fax", "fax"), settled]
        }
        // Its receiver has had it.
        (List::Out, _) => vec![settled],
        (List::In, "refused") => vec![action("Read again", "again"), settled],
        (List::In, _) => vec![settled],
        (List::Answer, _) => vec![again, settled],
    }
}

/// Writes down what somebody has decided about a row of that list.
async fn decide(
    node: &Node,
    visit: &Visit,
    (list, number): (List, i64),
    write: impl FnOnce(i64, Asker) -> Itk3Write,
    done: &str,
) -> Result<Response, Refusal> {
    let write = write(number, worklist::me(visit)?);
    let name = match list {
        List::Out => "itk3-out",
        List::In => "itk3-in",
        List::Answer => "itk3-answer",
    };
    let row = format!("{name}={number}");
    worklist::decide(node, visit, row, Effect::Itk3(write)).await?;
    Ok(see_other(&format!("/staff/worklist?done={done}")))
}

/// `POST …/itk3/{number}/again`
pub async fn again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = |number, who| Itk3Write::Again { number, who };
    decide(&node, &visit, (List::Out, number), write, "itk3-again").await
}

/// `POST …/itk3/{number}/sent`
pub async fn sent(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = |number, who| Itk3Write::WasSent { number, who };
    decide(&node, &visit, (List::Out, number), write, "itk3-sent").await
}

/// `POST …/itk3/{number}/fax`
pub async fn by_fax(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = |number, who| Itk3Write::ByFax { number, who };
    decide(&node, &visit, (List::Out, number), write, "itk3-fax").await
}

/// `POST …/itk3/{number}/settled`
pub async fn settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = |number, who| Itk3Write::Settled { number, who };
    decide(&node, &visit, (List::Out, number), write, "itk3-settled").await
}

/// `POST …/itk3-in/{number}/again`: what was refused is read once more, as this version reads.
pub async fn read_again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::WorkList, "").await?;
    let came = node.store.itk3_came(&scope, number).await?;
    let limits = Limits {
        depth: 64,
        bytes: came.bytes.len(),
        nodes: 200_000,
    };
    let message = fhir::itk3::read(&came.bytes, &limits);
    let arrived = Arrived {
        outside: came.outside,
        mailbox: came.mailbox,
        to: came.recipient,
        workflow: came.workflow,
        subject: came.subject,
        received_at: came.received_at,
    };
    let new = read(&arrived, came.bytes, message, node.store.organisation());
    let letter = match new.read {
        Read::Letter { letter, .. } => letter,
        Read::Refused { trouble, .. } | Read::Stray { trouble } => {
            let message = format!("It still cannot be taken: {trouble}");
            return Err(Problem::new(Kind::BusinessRule, message).into());
        }
    };
    let write = |number, _| Itk3Write::TakeAgain { number, letter };
    decide(&node, &visit, (List::In, number), write, "itk3-read").await
}

/// `POST …/itk3-in/{number}/settled`
pub async fn in_settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = |number, who| Itk3Write::InSettled { number, who };
    decide(&node, &visit, (List::In, number), write, "itk3-in-settled").await
}

/// `POST …/itk3-answers/{number}/again`
pub async fn answer_again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = |number, who| Itk3Write::AnswerAgain { number, who };
    decide(
        &node,
        &visit,
        (List::Answer, number),
        write,
        "itk3-answer-again",
    )
    .await
}

/// `POST …/itk3-answers/{number}/settled`
pub async fn answer_settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = |number, who| Itk3Write::AnswerSettled { number, who };
    decide(
        &node,
        &visit,
        (List::Answer, number),
        write,
        "itk3-answer-settled",
    )
    .await
}
