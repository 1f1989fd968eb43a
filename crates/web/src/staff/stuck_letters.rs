//! What was sent and is not there, and letters that came back, on the work list: each with what to do next.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::Problem;
use store::parcels::{Action, Back, Kind, State as Parcel, Stuck};

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

/// The two groups. Who runs the node sees that they are there, and opens none.
pub(super) async fn groups(
    node: &Node,
    scope: &Scope,
    sees_letters: bool,
    now: Millis,
) -> Result<[views::Group; 2], Problem> {
    let stuck = node.store.stuck(scope, ROWS_MAX).await?;
    let back = node.store.came_back(scope, ROWS_MAX).await?;
    let unsent = |it| unsent(node, it, sees_letters, now);
    let returned = |it| returned(node, it, sees_letters, now);
    Ok([
        group(
            "letters",
            "Letters and the like that are not getting through",
            stuck.iter().map(unsent).collect(),
            "Every letter, handover, question and notice that was sent has arrived or is on its way.",
        ),
        group(
            "came-back",
            "Letters that came back",
            back.iter().map(returned).collect(),
            "Somebody has seen to every letter that came back.",
        ),
    ])
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
    let undeliverable = is_undeliverable(stuck);
    let (called, page, _) = called(stuck.kind);
    let is_letter = called == "Letter";
    let next = next(stuck, &other, now);
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

fn is_undeliverable(stuck: &Stuck) -> bool {
    stuck.state == Parcel::Undeliverable && !stuck.inward
}

/// What to do about it.
fn next(stuck: &Stuck, other: &str, now: Millis) -> String {
    let (called, _, advice) = called(stuck.kind);
    let is_long = now.saturating_sub(stuck.since) > LONG;
    match (is_undeliverable(stuck), stuck.next_try) {
        (true, _) if called != "Letter" => advice.to_owned(),
        (true, _) => format!("Ask {other} whether its node is running, then send again."),
        (false, Some(at)) => {
            let at = words::moment(at, now).short;
            match kept_up(stuck.kind).filter(|_| is_long) {
                Some(advice) => {
                    format!("{advice} It is tried for as long as it takes, next at {at}.")
                }
                None => format!("Nothing yet: the next try is at {at}."),
            }
        }
        (false, None) => format!("Ask whoever runs this node to talk to {other}."),
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

    fn stuck(kind: Kind, state: Parcel, since: Millis) -> Stuck {
        Stuck {
            pid: 1,
            id: "p1".into(),
            other: "A81001".into(),
            inward: false,
            kind,
            state,
            since,
            reason: String::new(),
            next_try: Some(10 * LONG),
        }
    }

    #[test]
    fn what_is_never_given_up_says_what_to_do_once_it_takes_long() {
        let now = 9 * LONG;
        let said = |kind, since| next(&stuck(kind, Parcel::Waiting, since), "A81001", now);
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
        let given_up = stuck(Kind::PrescriptionStatus, Parcel::Undeliverable, 0);
        let given_up = next(&given_up, "A81001", now);
        assert!(given_up.starts_with("Ring the practice"), "{given_up}");
    }
}
