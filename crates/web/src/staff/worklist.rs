//! `GET /staff/worklist`: what did not go through, why, and what to do about it.

use std::sync::Arc;

use access::{Interaction, Outcome, Role, Target, Who};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::fax::Asker;
use store::hl7_inbox::StuckMessage;
use store::hl7_out::StuckOutgoing;
use store::mesh::Message;
use store::{Alarm, Effect, Job};

use crate::node::Node;
use crate::page::parts::{Done, Label, Link};
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::staff::{
    alarms, bookings, downtime, fax_out, itk3, messages as patients_messages, pds, recalls,
    referrals, rules, stuck_letters, stuck_prescriptions, subscribers, views,
};
use crate::visit::Visit;

/// The most rows of one group.
pub(super) const ROWS_MAX: u32 = 100;

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
    /// The place behind which the letters that are stuck are shown.
    after: Option<String>,
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::WorkList, "").await?;
    let messages = node.store.hl7_work_list(&scope, 0, ROWS_MAX).await?;
    let outgoing = node.store.hl7_out_work_list(&scope, ROWS_MAX).await?;
    let mail = node.store.mesh_failed(&scope, ROWS_MAX).await?;
    let faxes = node.store.fax_work_list(&scope, ROWS_MAX).await?;
    let prescriptions = stuck_prescriptions::groups(&node, &scope, ROWS_MAX, visit.now).await?;
    let subscribers = subscribers::stuck(&node, visit.now).await?;
    let alarms = node.store.alarms().await?;
    let sees_letters = sees_letters(&visit);
    let stuck_messages = messages.iter().map(|it| message(it, visit.now)).collect();
    let fax = |it| fax_out::row(&node, it, sees_letters, visit.now);
    let fax_rows = faxes.iter().map(fax).collect();
    let people = (sees_letters, visit.now);
    let letters = stuck_letters::groups(&node, &scope, asked.after.as_deref(), people);
    let [unsent, came_back, waiting] = letters.await?;
    let mut groups = vec![
        logs(&node, &alarms, visit.now),
        group(
            "messages",
            "HL7 messages not worked through",
            stuck_messages,
            "Every HL7 message that came in has been worked through.",
        ),
        group(
            "told",
            "HL7 messages that another system did not take",
            outgoing.iter().map(|it| told(it, visit.now)).collect(),
            "Every system that is told of changes has taken what it was sent.",
        ),
        unsent,
        came_back,
        recalls::group_of(&node, &scope, sees_letters, visit.now).await?,
        bookings::group(&node, &scope, visit.now).await?,
        referrals::stuck::group(&node, &scope, visit.now).await?,
        patients_messages::group(&node, &scope, visit.now).await?,
        group(
            "faxes",
            "Letters by fax that did not get through",
            fax_rows,
            "Every letter that left by fax has been confirmed, or is on its way.",
        ),
        itk3::group(&node, &scope, sees_letters, visit.now).await?,
        rules::group(&node, &scope, sees_letters, visit.now).await?,
        group(
            "mail",
            "Messages of mailboxes that were not delivered",
            mail.iter().map(|it| undelivered(it, visit.now)).collect(),
            "Every message that a system here sent in the last 30 days has been delivered or is on its way.",
        ),
        group(
            "subscriptions",
            "Subscribers that cannot be told",
            subscribers,
            "Every subscriber is told of changes.",
        ),
    ];
    groups.extend(prescriptions);
    groups.push(pds::stuck(&node, &scope, ROWS_MAX, people).await?);
    groups.extend(downtime::groups(&node, &scope, visit.now).await?);
    // Last, since nobody has to do anything about it yet.
    groups.push(waiting);
    // Behind what proves that nothing was altered, before what only one message or letter is about.
    let shown = |kind: &alarms::Kind| kind.group(&alarms, visit.now);
    groups.splice(1..1, alarms::KINDS.iter().map(shown));
    let view = views::WorkList {
        groups,
        done: done(&asked),
    };
    let page = Page::new("staff/worklist.jinja", "Work list", view).under("/staff/worklist");
    Ok(page.answer(&node.site, &visit))
}

/// Does what somebody decided about a row of the list, with the line of the audit log that names the row.
pub(super) async fn decide(
    node: &Node,
    visit: &Visit,
    row: String,
    effect: Effect,
) -> Result<(), Refusal> {
    let scope = visit.scope(node, Interaction::WorkList, "").await?;
    let target = Target {
        query: Some(row.into()),
        ..Target::default()
    };
    let job = Job {
        effects: vec![effect],
        traces: vec![scope.trace(Interaction::WorkList, Outcome::Success, target)],
        ..Job::default()
    };
    node.store.commit(&scope, job).await?;
    Ok(())
}

/// Who is at work here.
///
/// # Errors
/// `Forbidden` for who is no member of staff.
pub(super) fn me(visit: &Visit) -> Result<Asker, Problem> {
    match &visit.known()?.who {
        Who::Staff { account, name, .. } => Ok(Asker {
            account: *account,
            who: name.clone(),
        }),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This is not part of your role.",
        )),
    }
}

/// The alarms about logs, of which people decide.
fn logs(node: &Node, alarms: &[Alarm], now: Millis) -> views::Group {
    let is_log = |it: &&Alarm| alarms::KINDS.iter().all(|kind| kind.code != it.kind);
    let rows = alarms.iter().filter(is_log);
    group(
        "audit-logs",
        "Audit logs that are not what they were",
        rows.map(|it| alarm(node, it, now)).collect(),
        "This node's audit log, and those that it witnesses, continue what was signed.",
    )
}

pub(super) fn group(
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
    // Each of these lists holds only what somebody must see to, so what is behind comes forward as that is done.
    let more = full.then(|| views::More {
        said: format!(
            "There may be more than the {} that are shown: they come forward as these are settled.",
            rows.len()
        ),
        next: None,
        first: None,
    });
    views::Group {
        id,
        title,
        count,
        rows,
        empty,
        more,
    }
}

/// Whether the caller may open letters from here; engineers may not.
pub(super) fn sees_letters(visit: &Visit) -> bool {
    let role = visit.caller().map(|caller| &caller.who);
    matches!(
        role,
        Some(Who::Staff {
            role: Role::Clerk | Role::Clinician,
            ..
        })
    )
}

fn message(stuck: &StuckMessage, now: Millis) -> views::Work {
    let address = format!("/staff/worklist/messages/{}", stuck.number);
    let system = format!("{} at {}", stuck.application, stuck.facility);
    views::Work {
        when: words::moment(stuck.received_at, now),
        what: format!(
            "{} {} from {system}",
            stuck.kind.replace('^', " "),
            stuck.control_id
        ),
        href: Some(address.clone()),
        state: message_state(&stuck.state),
        why: stuck.reason.clone(),
        next: stuck.next_step.clone(),
        actions: message_actions(stuck, &address),
    }
}

/// A message to another system.
fn told(stuck: &StuckOutgoing, now: Millis) -> views::Work {
    let address = format!("/staff/worklist/told/{}", stuck.number);
    let (text, colour) = match stuck.state.as_str() {
        "waiting" => ("Waiting", "yellow"),
        _ => ("Refused", "red"),
    };
    let again = Link {
        text: "Send again",
        href: format!("{address}/again"),
    };
    let settled = Link {
        text: "Settled",
        href: format!("{address}/settled"),
    };
    // Where no message could be made there is nothing to send.
    let mut actions = vec![again, settled];
    if stuck.control_id.is_empty() {
        actions.remove(0);
    }
    views::Work {
        when: words::moment(stuck.made_at, now),
        what: format!(
            "{} {} to {}",
            stuck.kind.replace('^', " "),
            stuck.control_id,
            stuck.destination
        ),
        href: None,
        state: Label {
            text,
            colour: Some(colour),
        },
        why: stuck.reason.clone(),
        next: stuck.next_step.clone(),
        actions,
    }
}

/// A message for a mailbox. Its sender has been told by a report; of one that is nobody's here nobody has been told.
fn undelivered(message: &Message, now: Millis) -> views::Work {
    let (to, next) = match message.recipient.is_empty() {
        true => (
            format!(", of the workflow {}", message.workflow),
            "Whoever runs this node: find out which system here it is for. It is kept until then.",
        ),
        false => (
            format!(" to {}", exchange::mailboxes::shown(&message.recipient)),
            "Ask whoever runs the sending system to send it again, once what is told here is put right.",
        ),
    };
    views::Work {
        when: words::moment(message.state_at, now),
        what: format!(
            "Message {} from the mailbox {}{to}",
            message.id, message.sender
        ),
        href: None,
        state: Label {
            text: "Undeliverable",
            colour: Some("red"),
        },
        why: message.reason.clone(),
        next: next.to_owned(),
        actions: Vec::new(),
    }
}

/// An alarm about a log. It is settled by whoever runs the node, after people have looked into it.
fn alarm(node: &Node, alarm: &Alarm, now: Millis) -> views::Work {
    let other = (node.organisation_name)(&alarm.about);
    let own = alarm.kind == "own-log";
    let (what, ods) = if own {
        (
            format!("This node's log, as {other} witnessed it"),
            node.site.organisation.as_str(),
        )
    } else {
        (format!("The log of {other}"), alarm.about.as_str())
    };
    views::Work {
        when: words::moment(alarm.first_at, now),
        what,
        href: None,
        state: Label {
            text: "Alarm",
            colour: Some("red"),
        },
        why: alarm.what.clone(),
        next: format!(
            "Tell the privacy officer. When it is clear why, whoever runs this node settles it with: \
             handover audit accept {ods}"
        ),
        actions: Vec::new(),
    }
}

/// A received message's state, in words.
pub(super) fn message_state(state: &str) -> Label {
    let (text, colour) = match state {
        "failed" => ("Failed", "red"),
        "quarantined" => ("Set aside", "orange"),
        "refused" => ("Refused", "red"),
        "mapped" => ("Letter stuck", "yellow"),
        _ => ("Waiting", "grey"),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

/// What one may do about a message. One that was set aside differs from a message of the same id
/// that was taken in: working through both could mix two patients up, so it is never replayed.
pub(super) fn message_actions(stuck: &StuckMessage, address: &str) -> Vec<Link> {
    let replay = Link {
        text: "Replay",
        href: format!("{address}/replay"),
    };
    let settled = Link {
        text: "Settled",
        href: format!("{address}/settled"),
    };
    match stuck.state.as_str() {
        "failed" | "mapped" | "refused" => vec![replay, settled],
        "quarantined" => vec![settled],
        _ => Vec::new(),
    }
}

fn done(asked: &Asked) -> Option<Done> {
    let text = match asked.done.as_str() {
        "replayed" => "The message is being worked through again.",
        "again" => "The subscriber is told again, of all that waits.",
        "off" => "The subscription is switched off.",
        "told" => "The message is sent again, and then what waits behind it.",
        "untold" => "The message is off the list. It is not sent; what waits behind it is.",
        "parcel-again" => "It is sent again.",
        "back-settled" => "The letter that came back is off the list.",
        "rung" => "The letter is off the list. It stands in its journey that they were told.",
        "booking-again" => "The booking is sent again.",
        "booking-settled" => "The booking has ended. The patient's page says so.",
        "booking-taken" => "The booking is tried again.",
        "referral-again" => "The referral, or what was said of it, is sent again.",
        "referral-taken" => "It is tried again. If it still fits nobody, it comes back here.",
        "fax-again" => "The letter is sent again by fax.",
        "fax-sent" => "The letter is noted as sent.",
        "fax-settled" => "The letter is off the list. It is not sent by fax.",
        "itk3-again" => "The letter is sent again over MESH.",
        "itk3-sent" => "The letter is noted as sent; its responses are waited for.",
        "itk3-fax" => "The letter leaves by fax instead.",
        "itk3-settled" => "The letter is off the list. It is not sent over MESH any more.",
        "itk3-read" => "The message reads now. Its letter is being put into the inbox.",
        "itk3-in-settled" => "The message is off the list.",
        "itk3-answer-again" => "The response is sent again.",
        "itk3-answer-settled" => "The response is off the list. It is not sent.",
        "eps-again" => "The same message is sent to EPS again.",
        "status-again" => {
            "The status is looked at again. If it still fits nothing, it comes back here."
        }
        "rule-again" => "The rule is tried again. If it still does not work, it comes back here.",
        "rule-settled" => "It is off the list. The rule does nothing about it.",
        "off-list" => "It is off the list. It is still kept as it came.",
        "settled" => "The message is off the list. It is still kept as it came.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}
