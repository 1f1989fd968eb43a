//! `GET /staff/item/{pid}` and `GET /staff/sent/{pid}`: one letter beside its actions, at its
//! receiver and at its sender.

use std::sync::Arc;

use access::{Interaction, Role, Scope, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::desk::TaskList;
use store::parcels::{Action, Event, Item, Shown, State as Parcel};

use crate::node::Node;
use crate::page::parts::{self, Done, Fault, Link};
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::staff::desk::whose::{self, People};
use crate::staff::desk::{self, tasks};
use crate::staff::rules::acts;
use crate::staff::{self, content, matching, no_letter, person, steps, subject, views};
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
    /// Whom to look for when the letter is unmatched.
    who: Option<String>,
}

/// What was typed into a form that did not pass, to be shown with its fault.
#[derive(Default)]
pub struct Typed {
    pub open: &'static str,
    pub reason: String,
    pub note: String,
    pub outcome: String,
    pub why: String,
    pub mark: String,
    pub held_why: String,
    /// The field at fault and what is wrong.
    pub fault: Option<(&'static str, &'static str)>,
    /// Who was faster.
    pub overtaken: Option<String>,
}

/// A letter that came in. Looking at it is a step of its journey, the first time.
pub async fn received(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    show(&node, &visit, pid, true, &asked, Typed::default()).await
}

/// A letter that was sent.
pub async fn sent(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    show(&node, &visit, pid, false, &asked, Typed::default()).await
}

/// What is shown to who did something that did not fit any more: who was faster, and when. Anything else stays a refusal.
pub(super) async fn overtaken(
    node: &Node,
    visit: &Visit,
    pid: i64,
    problem: Problem,
) -> Result<Response, Refusal> {
    if problem.kind != Kind::BusinessRule {
        return Err(problem.into());
    }
    let scope = visit
        .scope(node, Interaction::Item, "DocumentReference")
        .await?;
    let item = node.store.item(&scope, pid).await?;
    let state = Some(item.letter.state);
    let last = item.events.iter().rev().find(|it| it.state == state);
    let verb = match item.letter.state {
        Parcel::Filed => "filed",
        Parcel::ActedOn => "recorded what was done about",
        Parcel::Returned => "returned",
        Parcel::Withdrawn => "withdrew",
        Parcel::Superseded => "replaced",
        _ => return Err(problem.into()),
    };
    let Some(last) = last else {
        return Err(problem.into());
    };
    let who = match last.who.as_str() {
        "" => (node.organisation_name)(&last.organisation),
        who => who.to_owned(),
    };
    let at = words::moment(last.at, visit.now).full;
    let typed = Typed {
        overtaken: Some(format!(
            "{who} {verb} this letter on {at}, before you. Nothing of what you did just now was recorded."
        )),
        ..Typed::default()
    };
    show(node, visit, pid, true, &Asked::default(), typed).await
}

/// The page, with what was typed if a form did not pass.
pub(super) async fn show(
    node: &Node,
    visit: &Visit,
    pid: i64,
    inward: bool,
    asked: &Asked,
    typed: Typed,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(node, Interaction::Item, "DocumentReference")
        .await?;
    let mut item = node.store.item(&scope, pid).await?;
    if item.inward != inward {
        return Err(no_letter().into());
    }
    if item.letter.shown != Shown::Whole {
        return Ok(withheld(node, visit, &item));
    }
    let mut may_change = true;
    if inward && visit.is_look() {
        may_change = opened(node, visit, pid).await?;
        item = node.store.item(&scope, pid).await?;
    }
    let content = content::of(node, &scope, &item).await?;
    let matching = match inward && item.letter.unmatched {
        true => Some(matching::find(node, visit, &item.letter, asked.who.as_deref()).await?),
        false => None,
    };
    let faulty = typed.fault.is_some() || typed.overtaken.is_some();
    let work = work(node, visit, &scope, &item).await?;
    let told = Told {
        asked,
        typed,
        may_change,
        work,
    };
    let view = view(node, visit, &item, content, matching, told);
    let title = view.subject.clone();
    let destination = if inward {
        "/staff/inbox"
    } else {
        "/staff/sent"
    };
    Ok(Page::new("staff/item.jinja", title, view)
        .under(destination)
        .with_faults(faulty)
        .answer(&node.site, visit))
}

/// Notes that the caller looked at it; whether they may do more than look. What was opened in an
/// emergency is for reading (P05).
async fn opened(node: &Node, visit: &Visit, pid: i64) -> Result<bool, Refusal> {
    let opening = visit
        .scope(node, Interaction::OpenLetter, "DocumentReference")
        .await?;
    match node.store.act(&opening, pid, Action::Open).await {
        Ok(()) => Ok(true),
        Err(problem) if matches!(problem.kind, Kind::Forbidden | Kind::NotFound) => Ok(false),
        Err(problem) => Err(problem.into()),
    }
}

/// That there is a letter, that it is withheld, and how to come to it where care needs it.
fn withheld(node: &Node, visit: &Visit, item: &Item) -> Response {
    let letter = &item.letter;
    let is_sealed = letter.shown == Shown::Sealed;
    let mut ways = Vec::new();
    if let Some(patient) = &letter.made.patient {
        let (_, clinician) = me(visit);
        if !is_sealed {
            ways.push(Link {
                text: "Say that you care for this patient",
                href: format!("/staff/relationship/{patient}"),
            });
        }
        if clinician {
            ways.push(match is_sealed {
                true => Link {
                    text: "Open sealed items of this patient’s record",
                    href: format!("/staff/unseal/{patient}"),
                },
                false => Link {
                    text: "Emergency access to this patient’s record",
                    href: format!("/staff/emergency-access/{patient}"),
                },
            });
        }
    }
    let view = views::WithheldItem {
        back: back(item.inward),
        subject: subject(letter),
        patient: staff::about(letter),
        said: if is_sealed { SEALED } else { WITHHELD },
        dated_word: if item.inward { "Received" } else { "Accepted" },
        dated: words::moment(letter.stored_at, visit.now),
        state: match item.inward {
            true => staff::state_here(letter),
            false => staff::state_there(letter),
        },
        ways,
    };
    let title = view.subject.clone();
    let under = match item.inward {
        true => "/staff/inbox",
        false => "/staff/sent",
    };
    let page = Page::new("staff/withheld.jinja", title, view).under(under);
    page.answer(&node.site, visit)
}

const SEALED: &str = "This letter is sealed to a team that you are not in. What it says, and where it comes from, is \
     withheld from you. The team can read and file it.";
const WITHHELD: &str = "This letter is withheld from you: nobody has recorded that you or your organisation care for \
     the patient, or the patient does not want it seen here.";

/// What the page tells beside the letter itself.
struct Told<'a> {
    asked: &'a Asked,
    typed: Typed,
    /// Whether the caller may do more than look.
    may_change: bool,
    work: Option<views::WhoseWork>,
}

/// Whose work a letter is that came in, and what is to be done about it.
async fn work(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    item: &Item,
) -> Result<Option<views::WhoseWork>, Problem> {
    if !item.inward {
        return Ok(None);
    }
    let pid = item.letter.pid;
    let people = People::of(node, scope).await?;
    let assigned = node.store.assigned(scope, &[pid]).await?;
    let assigned = assigned.get(&pid);
    let chosen = assigned.map(|it| whose::word(&it.whose));
    let list = TaskList::OfLetter(pid);
    let (tasks, more) = node.store.tasks(scope, &list).await?;
    let acts = node.store.rule_acts_of_letters(scope, &[pid]).await?;
    Ok(Some(views::WhoseWork {
        whose: people.groups(
            desk::account(visit),
            chosen.as_deref().unwrap_or_default(),
            "Nobody",
        ),
        said: assigned.map(|it| {
            let at = words::moment(it.at, visit.now).short;
            format!("Given by {}, {at}", it.by)
        }),
        tasks: tasks.iter().map(|it| tasks::line(it, visit.now)).collect(),
        more,
        rules: acts::marks(
            acts.get(&pid).map(Vec::as_slice).unwrap_or_default(),
            "item",
            visit.now,
        ),
        new: (item.letter.made.patient.is_some() && item.letter.made.document.is_some())
            .then(|| format!("/staff/tasks/new?letter={pid}")),
    }))
}

fn view(
    node: &Node,
    visit: &Visit,
    item: &Item,
    content: Vec<parts::Content>,
    matching: Option<views::Matching>,
    Told {
        asked,
        typed,
        may_change,
        work,
    }: Told<'_>,
) -> views::Item {
    let letter = &item.letter;
    let (me, clinician) = me(visit);
    let held = letter.made.document.is_some();
    let may = |next: Parcel| may_change && item.inward && letter.state.may_become(next);
    let by_fax = staff::by_fax_in(letter);
    let door = if item.inward { "item" } else { "sent" };
    let holds = !matches!(
        letter.state,
        Parcel::Returned | Parcel::Withdrawn | Parcel::Superseded
    );
    let weighs = clinician && may_change && item.inward && held && holds;
    let fault = |field: &str| {
        typed
            .fault
            .filter(|(at, _)| *at == field)
            .map(|(_, text)| text)
    };
    views::Item {
        back: back(item.inward),
        done: done(asked),
        errors: faults(&typed),
        overtaken: typed.overtaken.clone(),
        work,
        subject: subject(letter),
        patient: person(&letter.named),
        record: letter
            .made
            .patient
            .as_ref()
            .map(|it| format!("/staff/patient/{it}")),
        urgency: parts::urgency(letter.urgent),
        from: staff::other_end(node, letter, &letter.sender),
        author: (!letter.author.is_empty() && !by_fax).then(|| letter.author.clone()),
        by_fax,
        source: (item.inward && letter.by_itk3).then_some(staff::itk3::NOT_PROVED),
        dated_word: if item.inward { "received" } else { "accepted" },
        dated: words::moment(letter.stored_at, visit.now),
        content,
        state: if item.inward {
            staff::state_here(letter)
        } else {
            staff::state_there(letter)
        },
        since: words::moment(letter.state_at, visit.now),
        notice: notice(item, may_change),
        matching,
        action: format!("/staff/{door}/{}", letter.pid),
        can_file: held && may(Parcel::Filed),
        file_note: file_note(letter.marked),
        can_act: clinician && held && may(Parcel::ActedOn),
        can_return: may(Parcel::Returned),
        can_hold_back: weighs && !letter.marked,
        can_release: weighs && letter.marked,
        marks: steps::marks(&typed.mark),
        mark_error: fault("mark"),
        held_why: typed.held_why.clone(),
        held_why_error: fault("held-why"),
        can_withdraw: !item.inward && letter.state.may_become(Parcel::Withdrawn),
        can_send_again: !item.inward && letter.state == Parcel::Undeliverable,
        open: typed.open,
        me,
        outcome_error: fault("outcome"),
        reasons: steps::reasons(&typed.reason),
        reason_error: fault("reason"),
        note_error: fault("note"),
        why_error: fault("why"),
        outcome: typed.outcome,
        note: typed.note,
        why: typed.why,
        journey: staff::journey(node, &item.events, visit.now),
        receipts: receipts(node, item),
        parcel: letter.id.clone(),
    }
}

fn back(inward: bool) -> Link {
    match inward {
        true => Link {
            text: "Inbox",
            href: "/staff/inbox".into(),
        },
        false => Link {
            text: "Sent",
            href: "/staff/sent".into(),
        },
    }
}

/// Where the signed receipts of a sent letter are: that of its acceptance, which this node signs, and those that came.
fn receipts(node: &Node, item: &Item) -> Option<String> {
    let signs = |event: &Event| {
        let exchange = node.exchange.as_ref();
        exchange.is_some_and(|it| it.is_own_acceptance(event))
    };
    let mut events = item.events.iter();
    let some = events.any(|event| event.proof.is_some() || signs(event));
    (!item.inward && some).then(|| format!("/staff/sent/{}/receipts", item.letter.pid))
}

/// The caller's name, and whether they are a clinician.
fn me(visit: &Visit) -> (String, bool) {
    match visit.caller().map(|caller| &caller.who) {
        Some(Who::Staff { name, role, .. }) => (name.clone(), *role == Role::Clinician),
        _ => (String::new(), false),
    }
}

fn file_note(marked: bool) -> &'static str {
    if marked {
        "Filing cannot be undone. This letter is marked and stays hidden from the patient."
    } else {
        "Filing cannot be undone: the patient can then read the letter at once."
    }
}

/// What is out of the ordinary, in one or two sentences.
fn notice(item: &Item, may_change: bool) -> Option<String> {
    let opened = (!may_change).then_some(
        "You read this letter because you opened the record. It can be filed, returned or acted on \
         by those whom it is not withheld from.",
    );
    let letter = &item.letter;
    let said = match letter.state {
        Parcel::Withdrawn => Some("The sender withdrew this letter. Do not act on it."),
        Parcel::Superseded => Some("A newer letter replaces this one. Do not act on it."),
        Parcel::Undeliverable if letter.reason.is_none() => Some("It could not be delivered."),
        _ => None,
    };
    // Other steps' words stand in the journey.
    let tells = matches!(letter.state, Parcel::Undeliverable | Parcel::Returned);
    let reason = letter.reason.as_deref().filter(|_| tells && !item.inward);
    let waiting = letter.last_error.as_deref();
    let tampered = (item.tampered > 0).then_some(
        "Another copy of this letter came with a different text and was refused. Ask the sender.",
    );
    let marked = (letter.marked && item.inward).then_some(
        "Marked as holding something about another person or that may do harm: it is not shown to \
         the patient.",
    );
    let all: Vec<&str> = [opened, said, reason, waiting, tampered, marked]
        .into_iter()
        .flatten()
        .collect();
    (!all.is_empty()).then(|| all.join(" "))
}

fn faults(typed: &Typed) -> Vec<Fault> {
    let Some((field, text)) = typed.fault else {
        return Vec::new();
    };
    let href = match field {
        "outcome" => "#outcome",
        "reason" => "#reason",
        "note" => "#note",
        "mark" => "#mark",
        "held-why" => "#held-why",
        _ => "#why",
    };
    vec![Fault {
        text,
        href: href.into(),
    }]
}

fn done(asked: &Asked) -> Option<Done> {
    let text = match asked.done.as_str() {
        "undone" => "What the rule did is undone.",
        "assigned" => "It is said whose work this letter is.",
        "task" => "The task is on the list of whoever it was given to.",
        "matched" => "Matched. The letter is being put into the patient's record.",
        "fax-matched" => {
            "Matched. The fax is in the patient's record, and the patient cannot read it until it is filed."
        }
        "held-back" => "Held back. The patient cannot read this letter.",
        "released" => "Released. The patient can read this letter now.",
        "withdrawn" => "Letter withdrawn. Whoever opened it is told.",
        "sent-again" => "The letter is being sent again.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}
