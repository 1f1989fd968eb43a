//! The actions beside a letter: file, act on, return, match, withdraw, send again.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::Problem;
use store::parcels::Action;

use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::see_other;
use crate::staff::item::{self, Typed};
use crate::staff::views::Reason;
use crate::visit::Visit;

/// Why a letter goes back: its word in the form, and what the sender reads.
const REASONS: [(&str, &str); 4] = [
    ("not-our-patient", "Not our patient"),
    ("moved", "The patient has moved to another practice"),
    ("unreadable", "It cannot be read"),
    ("other", "Another reason"),
];

/// One that came by fax goes back to nobody: it goes back onto the list of faxes.
const WRONG_RECORD: (&str, &str) = ("wrong-record", "It is not this patient's");

/// The reasons, with the chosen one.
pub(super) fn reasons(chosen: &str) -> Vec<Reason> {
    let item = |&(value, text): &(&'static str, &'static str)| Reason {
        value,
        text,
        checked: value == chosen,
    };
    REASONS.iter().map(item).collect()
}

async fn take(
    node: &Node,
    visit: &Visit,
    interaction: Interaction,
    pid: i64,
    action: Action,
) -> Result<(), Problem> {
    let scope = visit.scope(node, interaction, "DocumentReference").await?;
    node.store.act(&scope, pid, action).await
}

/// `POST /staff/item/{pid}/file`
pub async fn file(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    match take(&node, &visit, Interaction::FileLetter, pid, Action::File).await {
        Ok(()) => Ok(see_other(&format!("/staff/inbox?done=filed&item={pid}"))),
        Err(problem) => Box::pin(item::overtaken(&node, &visit, pid, problem)).await,
    }
}

/// `POST /staff/item/{pid}/act`
pub async fn act(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let outcome = fields.text("outcome").to_owned();
    if outcome.is_empty() {
        let fault = Some(("outcome", "Enter what was done"));
        let typed = Typed {
            open: "act",
            fault,
            ..Typed::default()
        };
        return item::show(&node, &visit, pid, true, &item::Asked::default(), typed).await;
    }
    let action = Action::ActOn { outcome };
    match take(&node, &visit, Interaction::ActOnLetter, pid, action).await {
        Ok(()) => Ok(see_other(&format!("/staff/inbox?done=acted-on&item={pid}"))),
        Err(problem) => Box::pin(item::overtaken(&node, &visit, pid, problem)).await,
    }
}

/// `POST /staff/item/{pid}/return`
pub async fn send_back(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (chosen, note) = (fields.text("reason"), fields.text("note"));
    let mut reasons = REASONS.iter().chain([&WRONG_RECORD]);
    let reason = reasons.find(|(value, _)| *value == chosen);
    let (fault, text) = match reason {
        None => (
            Some(("reason", "Choose why the letter goes back")),
            String::new(),
        ),
        Some(("other", _)) if note.is_empty() => (
            Some(("note", "Enter why the letter goes back")),
            String::new(),
        ),
        Some(("other", _)) => (None, note.to_owned()),
        Some((_, text)) if note.is_empty() => (None, format!("{text}.")),
        Some((_, text)) => (None, format!("{text}. {note}")),
    };
    if fault.is_some() {
        let (reason, note) = (chosen.to_owned(), note.to_owned());
        let typed = Typed {
            open: "return",
            reason,
            note,
            fault,
            ..Typed::default()
        };
        return item::show(&node, &visit, pid, true, &item::Asked::default(), typed).await;
    }
    let action = Action::Return { reason: text };
    if let Err(problem) = take(&node, &visit, Interaction::ReturnLetter, pid, action).await {
        return Box::pin(item::overtaken(&node, &visit, pid, problem)).await;
    }
    let done = match reason {
        Some(&WRONG_RECORD) => "put-back",
        _ => "returned",
    };
    Ok(see_other(&format!("/staff/inbox?done={done}&item={pid}")))
}

/// Why a letter is held back: its word in the form, and what is recorded.
const MARKS: [(&str, &str); 2] = [
    ("third-party", "It tells something about another person"),
    ("serious-harm", "It could do serious harm"),
];

/// The marks, with the chosen one.
pub(super) fn marks(chosen: &str) -> Vec<Reason> {
    let item = |&(value, text): &(&'static str, &'static str)| Reason {
        value,
        text,
        checked: value == chosen,
    };
    MARKS.iter().map(item).collect()
}

/// `POST /staff/item/{pid}/hold-back`: a clinician keeps the letter from the patient (P23).
pub async fn hold_back(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (chosen, words) = (fields.text("mark"), fields.text("held-why"));
    let mark = MARKS.iter().find(|(value, _)| *value == chosen);
    let fault = match mark {
        None => Some(("mark", "Choose why the patient should not read it")),
        Some(_) if words.is_empty() => Some(("held-why", "Enter what you weighed")),
        Some(_) => None,
    };
    if fault.is_some() {
        let typed = Typed {
            open: "hold-back",
            mark: chosen.to_owned(),
            held_why: words.to_owned(),
            fault,
            ..Typed::default()
        };
        return item::show(&node, &visit, pid, true, &item::Asked::default(), typed).await;
    }
    let mark = mark.map_or("", |(_, text)| *text);
    let reason = format!("{mark}. {words}");
    let action = Action::HoldBack { reason };
    take(&node, &visit, Interaction::HoldBack, pid, action).await?;
    Ok(see_other(&format!("/staff/item/{pid}?done=held-back")))
}

/// `POST /staff/item/{pid}/release`: a clinician lets the patient read it (P23).
pub async fn release(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let reason = fields.text("held-why").to_owned();
    if reason.is_empty() {
        let typed = Typed {
            open: "release",
            fault: Some(("held-why", "Enter why the patient may read it")),
            ..Typed::default()
        };
        return item::show(&node, &visit, pid, true, &item::Asked::default(), typed).await;
    }
    let action = Action::Release { reason };
    take(&node, &visit, Interaction::ReleaseToPatient, pid, action).await?;
    Ok(see_other(&format!("/staff/item/{pid}?done=released")))
}

/// `POST /staff/item/{pid}/match`
pub async fn matched(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let patient = fields.text("patient").to_owned();
    // Only a patient whom the caller may see can be chosen.
    let scope = visit.scope(&node, Interaction::Read, "Patient").await?;
    match node.store.read(&scope, "Patient", &patient).await? {
        store::Reading::Found(_) => {}
        store::Reading::Deleted { .. } | store::Reading::Absent => {
            let message = "There is no such patient here.";
            return Err(Problem::new(fhir::problem::Kind::NotFound, message).into());
        }
    }
    take(
        &node,
        &visit,
        Interaction::MatchLetter,
        pid,
        Action::Match { patient },
    )
    .await?;
    Ok(see_other(&format!("/staff/item/{pid}?done=matched")))
}

/// `POST /staff/sent/{pid}/withdraw`
pub async fn withdraw(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let reason = fields.text("why").to_owned();
    if reason.is_empty() {
        let fault = Some(("why", "Enter why the letter is withdrawn"));
        let typed = Typed {
            open: "withdraw",
            fault,
            ..Typed::default()
        };
        return item::show(&node, &visit, pid, false, &item::Asked::default(), typed).await;
    }
    let action = Action::Withdraw { reason };
    take(&node, &visit, Interaction::WithdrawLetter, pid, action).await?;
    Ok(see_other(&format!("/staff/sent/{pid}?done=withdrawn")))
}

/// `POST /staff/sent/{pid}/send-again`
pub async fn send_again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    take(
        &node,
        &visit,
        Interaction::SendLetter,
        pid,
        Action::SendAgain,
    )
    .await?;
    Ok(see_other(&format!("/staff/sent/{pid}?done=sent-again")))
}
