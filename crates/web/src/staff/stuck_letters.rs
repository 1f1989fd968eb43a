//! What was sent and is not there, and letters that came back, on the work list: each with what to do next. What waits for a
//! neighbour is one row for each, so that it hides nothing that needs somebody.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::Problem;
use store::parcels::{
    Action, Back, Kind, Place, REST_MAX, State as Parcel, Stuck, StuckPage, Waits,
};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{self, Link};
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::staff::views;
use crate::staff::worklist::{ROWS_MAX, group};
use crate::visit::Visit;

/// What waits for longer than this is no passing trouble.
const LONG: Millis = 86_400_000;

/// The three groups: what is stuck, behind the place `after`; what came back; what is tried again by itself. Who runs the node
/// sees that they are there, and opens none.
pub(super) async fn groups(
    node: &Node,
    scope: &Scope,
    after: Option<&str>,
    (sees_letters, now): (bool, Millis),
) -> Result<[views::Group; 3], Problem> {
    let place = after.map_or(Ok(Place::default()), Place::parse)?;
    let mut is_later = after.is_some();
    let mut stuck = node.store.stuck(scope, place, ROWS_MAX).await?;
    if is_later && stuck.rows.is_empty() {
        // What stood behind that place has left the list since: nothing is said to be well that stands before it.
        is_later = false;
        stuck = node.store.stuck(scope, Place::default(), ROWS_MAX).await?;
    }
    let back = node.store.came_back(scope, ROWS_MAX).await?;
    let waits = node.store.waits(scope, ROWS_MAX).await?;
    let unsent = |it| unsent(node, it, sees_letters, now);
    let returned = |it| returned(node, it, sees_letters, now);
    let waiting = |it| waiting(node, it, sees_letters, now);
    let letters = group(
        "letters",
        "Letters and the like that are not getting through",
        stuck.rows.iter().map(unsent).collect(),
        "Every letter, handover, question and notice that was sent has arrived or is on its way.",
    );
    Ok([
        views::Group {
            count: counted(&stuck),
            more: more(&stuck, is_later),
            ..letters
        },
        group(
            "came-back",
            "Letters that came back",
            back.iter().map(returned).collect(),
            "Somebody has seen to every letter that came back.",
        ),
        group(
            "waiting",
            "Letters and the like that are tried again by themselves",
            waits.iter().map(waiting).collect(),
            "Nothing waits for a node that did not answer.",
        ),
    ])
}

/// How many are stuck from the first that is shown on.
fn counted(stuck: &StuckPage) -> String {
    let shown = stuck.rows.len() as u64;
    match stuck.rest {
        REST_MAX => format!("{} or more", shown + REST_MAX),
        rest => (shown + rest).to_string(),
    }
}

/// What is said where not all are shown, with the way to the next.
fn more(stuck: &StuckPage, is_later: bool) -> Option<views::More> {
    let last = stuck.rows.last()?;
    let first = is_later.then_some("/staff/worklist#letters");
    let (said, next) = match stuck.rest {
        0 if !is_later => return None,
        0 => ("These are the last.".to_owned(), None),
        rest => {
            let rest = match rest {
                REST_MAX => format!("{REST_MAX} or more"),
                rest => rest.to_string(),
            };
            let next = format!("/staff/worklist?after={}#letters", last.place);
            (format!("There are {rest} more behind these."), Some(next))
        }
    };
    Some(views::More { said, next, first })
}

/// What a parcel is called, the page of its like, and what to do where it cannot be delivered.
fn called(kind: Kind) -> (&'static str, Option<&'static str>, &'static str) {
    match kind {
        Kind::Handover => (
            "Ambulance handover",
            Some("/staff/handovers"),
            "Ring the emergency department now: nobody there has it. Then send again.",
        ),
        Kind::RecordQuestion => (
            "Question of a patient, or the answer to one,",
            Some("/staff/access-queries"),
            "The patient waits for it: ring them, then send again.",
        ),
        Kind::PrescriptionStatus => (
            "Status of a prescription",
            Some("/staff/dispensing"),
            "Ring the practice if the patient waits for it, then send again.",
        ),
        Kind::PracticeMove => (
            "Step of a patient’s move",
            Some("/staff/moves"),
            "The record stays where it is until this is there: ask whether their node is running, then send again.",
        ),
        Kind::SharingPreference => (
            "A patient’s wish about sharing",
            None,
            "Until it is there they go by the wish before: ring them, then send again.",
        ),
        Kind::RecordPointer => (
            "That a record is held here, told",
            None,
            "Until it is there this record is not asked for: ask whether their node is running, then send again.",
        ),
        Kind::Referral => (
            "Referral",
            Some("/staff/referrals"),
            "Nobody there has it: send it again below, under Referrals.",
        ),
        Kind::Letter | Kind::MeshMessage | Kind::Fax | Kind::Itk3 | Kind::Booking => {
            ("Letter", None, "")
        }
    }
}

fn unsent(node: &Node, stuck: &Stuck, sees_letters: bool, now: Millis) -> views::Work {
    let door = if stuck.inward { "item" } else { "sent" };
    let other = (node.organisation_name)(&stuck.other);
    let address = format!("/staff/{door}/{}", stuck.pid);
    let undeliverable = stuck.state == Parcel::Undeliverable && !stuck.inward;
    let (called, page, advice) = called(stuck.kind);
    let is_letter = called == "Letter";
    let next = match undeliverable {
        true if !is_letter => advice.to_owned(),
        true => format!("Ask {other} whether its node is running, then send again."),
        false => format!("Ask whoever runs this node to talk to {other}."),
    };
    let again = Link {
        text: "Send again",
        href: match is_letter {
            true => format!("{address}/send-again"),
            false => format!("/staff/worklist/parcels/{}/again", stuck.pid),
        },
    };
    let href = match is_letter {
        true => Some(address),
        false => page.map(str::to_owned),
    };
    views::Work {
        when: words::moment(stuck.since, now),
        what: format!(
            "{called} {} {other}",
            if stuck.inward { "from" } else { "to" }
        ),
        href: href.filter(|_| sees_letters),
        state: parts::state(stuck.state),
        why: why(&stuck.reason),
        next,
        actions: if undeliverable && sees_letters {
            vec![again]
        } else {
            Vec::new()
        },
    }
}

/// What to do about what is never given up by time, where it takes long.
fn kept_up(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::PracticeMove => Some(
            "The record stays where it is until this is there: ask whether their node is running.",
        ),
        Kind::SharingPreference => Some("Until it is there they go by the wish before: ring them."),
        Kind::RecordPointer => Some(
            "Until it is there this record is not asked for: ask whether their node is running.",
        ),
        Kind::Letter
        | Kind::MeshMessage
        | Kind::Fax
        | Kind::Itk3
        | Kind::Booking
        | Kind::PrescriptionStatus
        | Kind::Referral
        | Kind::Handover
        | Kind::RecordQuestion => None,
    }
}

/// What to do about what waits.
fn next(waits: &Waits, other: &str, now: Millis) -> String {
    let Some(at) = waits.next_try else {
        return format!("Ask whoever runs this node to talk to {other}.");
    };
    let at = words::moment(at, now).short;
    let is_long = now.saturating_sub(waits.since) > LONG;
    match kept_up(waits.kind).filter(|_| is_long) {
        Some(advice) => format!("{advice} It is tried for as long as it takes, next at {at}."),
        None => format!("Nothing yet: the next try is at {at}."),
    }
}

/// What waits for one neighbour, as one row.
fn waiting(node: &Node, waits: &Waits, sees_letters: bool, now: Millis) -> views::Work {
    let other = (node.organisation_name)(&waits.other);
    let (called, page, _) = called(waits.kind);
    let page = match waits.kind {
        Kind::Letter => Some("/staff/sent?show=on-the-way"),
        _ => page,
    };
    let others = match waits.count {
        0 | 1 => String::new(),
        count => format!(", the oldest of {count}"),
    };
    let next = next(waits, &other, now);
    views::Work {
        when: words::moment(waits.since, now),
        what: format!("{called} to {other}{others}"),
        href: page.filter(|_| sees_letters).map(str::to_owned),
        state: parts::state(Parcel::Waiting),
        why: why(&waits.reason),
        next,
        actions: Vec::new(),
    }
}

fn returned(node: &Node, back: &Back, sees_letters: bool, now: Millis) -> views::Work {
    let other = (node.organisation_name)(&back.other);
    let settled = Link {
        text: "Settled",
        href: format!("/staff/worklist/came-back/{}/settled", back.pid),
    };
    views::Work {
        when: words::moment(back.at, now),
        what: format!("Letter to {other}"),
        href: sees_letters.then(|| format!("/staff/sent/{}", back.pid)),
        state: parts::state(Parcel::Returned),
        why: why(&back.reason),
        next: "Open it, and send it to whom it belongs or tell the patient. Settle it when that is done."
            .to_owned(),
        actions: if sees_letters { vec![settled] } else { Vec::new() },
    }
}

fn why(reason: &str) -> String {
    match reason {
        "" => "No reason was given.".to_owned(),
        reason => reason.to_owned(),
    }
}

/// `POST /staff/worklist/parcels/{pid}/again`: what is no letter, and has no page of its own, is sent again.
pub async fn again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let interaction = Interaction::SendLetter;
    let scope = visit.scope(&node, interaction, "DocumentReference").await?;
    node.store.act(&scope, pid, Action::SendAgain).await?;
    Ok(see_other("/staff/worklist?done=parcel-again"))
}

/// `POST /staff/worklist/came-back/{pid}/settled`
pub async fn settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let interaction = Interaction::SendLetter;
    let scope = visit.scope(&node, interaction, "DocumentReference").await?;
    node.store.seen_to(&scope, pid).await?;
    Ok(see_other("/staff/worklist?done=back-settled"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_given_up_says_what_to_do_once_it_takes_long() {
        let now = 9 * LONG;
        let said = |kind, since| {
            let waits = Waits {
                other: "A81001".into(),
                kind,
                count: 1,
                since,
                reason: String::new(),
                next_try: Some(10 * LONG),
            };
            next(&waits, "A81001", now)
        };
        for kind in [
            Kind::PracticeMove,
            Kind::SharingPreference,
            Kind::RecordPointer,
        ] {
            let early = said(kind, now - LONG);
            assert!(
                early.starts_with("Nothing yet: the next try is at"),
                "{early}"
            );
            let late = said(kind, now - LONG - 1);
            assert!(late.starts_with(kept_up(kind).unwrap()), "{late}");
            assert!(late.contains("next at"), "{late}");
        }
        let late = said(Kind::PrescriptionStatus, 0);
        assert!(
            late.starts_with("Nothing yet"),
            "it is given up in time: {late}"
        );
    }
}
