//! `/staff/referrals`: what came to be triaged, what was sent and how it stands; one referral, and what can be done with it.

pub mod form;
mod form_letters;
pub mod load;
pub mod stuck;
pub mod unmatched;
pub mod views;

use std::sync::Arc;

use access::{Interaction, Role, Scope, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::Exchange;
use exchange::referrals::{Acceptance, Act, Said};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use futures_util::future::join_all;
use serde::Deserialize;
use store::diary::{Audience, Free};
use store::parcels::State as Parcel;
use store::referrals::{Referral, ReferralCounts, ReferralList, ReferralState, ReferralWrite, Way};
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault, Label, Person, Step, Tab};
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other, words};
use crate::patient::appointments::what;
use crate::visit::Visit;
use load::Loaded;

/// Rows of one list.
const ROWS_MAX: u32 = 60;
/// Slots offered for a first appointment, and how far ahead.
const SLOTS_MAX: u32 = 30;
const AHEAD: Millis = 42 * 86_400_000;
/// Where boards are told of changes.
const EVENTS: &str = "/staff/sent/events";

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
    #[serde(default)]
    done: String,
}

/// Whether the caller may decide. The decision itself is made anew for each act.
fn may_triage(visit: &Visit) -> bool {
    let who = visit.caller().map(|caller| &caller.who);
    matches!(
        who,
        Some(Who::Staff {
            role: Role::Clinician,
            ..
        })
    )
}

/// By which steps are sent.
///
/// # Errors
/// `NotSupported` on a node that is in no network.
fn exchange(node: &Node) -> Result<&Arc<Exchange>, Problem> {
    node.exchange.as_ref().ok_or_else(|| {
        let message = "This node is in no network, so nobody can be told from here.";
        Problem::new(Kind::NotSupported, message)
    })
}

/// `GET /staff/referrals`
pub async fn list(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(&node, Interaction::Referrals, ty).await?;
    let counts = node.store.referral_counts(&scope).await?;
    // Who never gets any looks at what they sent.
    let word = match asked.show.as_str() {
        "" if node.site.is_practice() && counts.to_triage + counts.unmatched == 0 => "sent",
        "sent" => "sent",
        "decided" => "decided",
        "unmatched" => "unmatched",
        _ => "to-triage",
    };
    let list = match word {
        "sent" => ReferralList::Sent,
        "decided" => ReferralList::Decided,
        _ => ReferralList::ToTriage,
    };
    let rows = match word {
        "unmatched" => unmatched::rows(&node, &scope, visit.now).await?,
        _ => {
            let found = node.store.referrals(&scope, list, ROWS_MAX).await?;
            let rows = found.iter().map(|it| row(&node, &scope, it, visit.now));
            let rows = join_all(rows).await.into_iter();
            rows.collect::<Result<Vec<_>, Problem>>()?
        }
    };
    let view = views::List {
        done: done(&asked),
        tabs: tabs(&counts, word),
        events: EVENTS,
        here: format!("/staff/referrals?show={word}"),
        is_sent: word == "sent",
        may_refer: node.exchange.is_some(),
        full: rows.len() >= ROWS_MAX as usize,
        rows,
        empty: match word {
            "sent" => "No referral has been sent from here yet.",
            "decided" => "No referral that came here has been decided yet.",
            "unmatched" => "Every referral that came is about somebody on record here.",
            _ => "No referral is waiting for a clinician.",
        },
    };
    let page = Page::new("staff/referrals.jinja", "Referrals", view);
    Ok(page.under("/staff/referrals").answer(&node.site, &visit))
}

fn tabs(counts: &ReferralCounts, word: &str) -> Vec<Tab> {
    let tab = |of: &'static str, text, count| Tab {
        text,
        href: format!("/staff/referrals?show={of}"),
        count,
        current: of == word,
    };
    vec![
        tab("to-triage", "To triage", Some(counts.to_triage)),
        tab("unmatched", "Unmatched", Some(counts.unmatched)),
        tab("decided", "Decided", None),
        tab("sent", "Sent, with news", Some(counts.news)),
    ]
}

fn done(asked: &Asked) -> Option<Done> {
    let text = match asked.done.as_str() {
        "sent" => {
            "The referral is on its way. It is not accepted before a clinician there says so."
        }
        "accept" => "Accepted. Who referred is being told.",
        "ask" => "The question is on its way. The referral waits here for the answer.",
        "return" => "Returned. Who referred is being told why.",
        "reply" => "The answer is on its way.",
        "withdraw" => "Withdrawn. Who was asked is being told.",
        "matched" => "It is being taken in, and waits under To triage in a moment.",
        "unmatched-return" => "Returned. Who referred is being told why.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

async fn row(
    node: &Node,
    scope: &Scope,
    referral: &Referral,
    now: Millis,
) -> Result<views::Row, Problem> {
    let loaded = load::one(node, scope, referral).await?;
    let parcel = match referral.inward {
        true => None,
        false => node.store.referral_parcel(referral).await?,
    };
    let state = state(referral, parcel.as_ref().map(|it| it.0));
    let (person, service) = match &loaded {
        Some(it) => (it.person(), it.request.service.clone()),
        None => (
            Person::new(super::NOT_SHOWN, None, None),
            "Withheld".to_owned(),
        ),
    };
    Ok(views::Row {
        href: loaded
            .is_some()
            .then(|| format!("/staff/referrals/{}", referral.id)),
        patient: person,
        service,
        other: other(node, referral),
        urgency: urgency(&referral.urgency),
        detail: detail(referral, parcel.as_ref(), loaded.as_ref()),
        since: words::moment(
            match referral.inward && referral.state.is_open() {
                true => referral.made_at,
                false => referral.state_at,
            },
            now,
        ),
        state,
        news: referral.news,
    })
}

fn other(node: &Node, referral: &Referral) -> String {
    let name = (node.organisation_name)(&referral.other);
    match referral.way {
        Way::Node => name,
        Way::Bars => format!("{name} (by BaRS)"),
    }
}

/// How urgent, of which only what is out of the ordinary has a colour.
pub(crate) fn urgency(code: &str) -> Label {
    let (text, colour) = match code {
        "stat" => ("Immediate", Some("red")),
        "asap" => ("As soon as possible", Some("red")),
        "urgent" => ("Urgent", Some("orange")),
        _ => ("Routine", None),
    };
    Label { text, colour }
}

/// How it stands. "Delivered" is the parcel's word, "accepted" only ever a clinician's.
fn state(referral: &Referral, parcel: Option<Parcel>) -> Label {
    let (text, colour) = match (referral.inward, referral.state) {
        (true, ReferralState::Waiting) => ("To triage", "yellow"),
        (true, ReferralState::Asked) => ("Asked, no answer yet", "blue"),
        (false, ReferralState::Asked) => ("Question for you", "orange"),
        (false, ReferralState::Waiting) => match parcel {
            Some(Parcel::Undeliverable) => ("Undeliverable", "red"),
            Some(Parcel::Accepted | Parcel::Waiting) | None => ("Not delivered yet", "yellow"),
            Some(_) => ("Delivered, not decided", "blue"),
        },
        (_, ReferralState::Accepted) => ("Accepted", "green"),
        (_, ReferralState::Returned) => ("Returned", "orange"),
        (_, ReferralState::Withdrawn) => ("Withdrawn", "grey"),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

fn detail(
    referral: &Referral,
    parcel: Option<&(Parcel, Millis, String)>,
    loaded: Option<&Loaded>,
) -> String {
    if let Some((Parcel::Undeliverable, _, why)) = parcel {
        return format!("{why}. See the work list.");
    }
    let last = loaded.and_then(|it| it.said.last());
    let said = last.map_or(String::new(), |it| it.words.clone());
    match referral.state {
        ReferralState::Waiting if referral.news => "Answered or changed; look again.".to_owned(),
        ReferralState::Waiting => String::new(),
        ReferralState::Accepted => promises(referral, last),
        ReferralState::Asked | ReferralState::Returned | ReferralState::Withdrawn => said,
    }
}

/// What was promised, in words.
fn promises(referral: &Referral, accepted: Option<&Said>) -> String {
    let mut promised = Vec::new();
    if let Some(starts) = accepted.and_then(|it| it.appointment) {
        promised.push(format!(
            "First appointment {}.",
            Language::English.when(starts)
        ));
    }
    if referral.promised_by > 0 {
        let day = words::date(referral.promised_by).short;
        promised.push(format!("To be seen by {day}."));
    }
    match promised.is_empty() {
        true => "No date was promised.".to_owned(),
        false => promised.join(" "),
    }
}

/// What was typed into a form that did not pass.
#[derive(Default)]
struct Typed {
    act: &'static str,
    words: String,
    promised_by: String,
    fault: Option<String>,
}

/// `GET /staff/referrals/{id}`
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let view = show(&node, &visit, &id, Typed::default()).await?;
    Ok(view)
}

async fn show(node: &Node, visit: &Visit, id: &str, typed: Typed) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(node, Interaction::Referrals, ty).await?;
    let referral = node.store.referral(&scope, id).await?;
    let referral = referral.ok_or_else(load::gone)?;
    let loaded = load::one(node, &scope, &referral).await?;
    let loaded = loaded.ok_or_else(load::gone)?;
    if referral.news && visit.is_look() {
        let id = id.to_owned();
        let seen = Effect::Referral(ReferralWrite::Seen { id });
        node.store.commit(&scope, Job::effect(seen)).await?;
    }
    let parcel = node.store.referral_parcel(&referral).await?;
    let is_open = referral.state.is_open();
    let may = may_triage(visit);
    let slots = match referral.inward && is_open && may {
        true => slots(node, visit).await?,
        false => Vec::new(),
    };
    let is_withdrawable = is_open || referral.state == ReferralState::Accepted;
    let delivery = parcel.as_ref().map(|(state, at, why)| views::Delivery {
        state: crate::page::parts::state(*state),
        when: words::moment(*at, visit.now),
        why: why.clone(),
    });
    let fault = typed.fault.clone();
    let view = views::One {
        errors: match &fault {
            Some(_) => vec![Fault {
                text: "Look at what you wrote",
                href: format!("#{}-words", typed.act).into(),
            }],
            None => Vec::new(),
        },
        said: fault,
        patient: loaded.person(),
        record: format!("/staff/patient/{}", referral.patient),
        inward: referral.inward,
        other: other(node, &referral),
        by_bars: referral.way == Way::Bars,
        tells_back: node
            .exchange
            .as_ref()
            .is_some_and(|it| it.answers_by_bars(&referral.other)),
        request: views::Request::of(&loaded.request),
        urgency: urgency(&referral.urgency),
        state: state(&referral, parcel.as_ref().map(|it| it.0)),
        promised: (referral.state == ReferralState::Accepted)
            .then(|| promises(&referral, loaded.last(Act::Accept))),
        enclosed: loaded.enclosed(node, &scope).await?,
        steps: steps(node, &loaded, visit.now),
        delivery,
        action: format!("/staff/referrals/{id}"),
        can_triage: referral.inward && is_open && may,
        waits_for_clinician: referral.inward && is_open && !may,
        can_reply: !referral.inward && referral.state == ReferralState::Asked,
        can_withdraw: !referral.inward && is_withdrawable,
        slots,
        no_diary: !node.diary.kept_here,
        typed: views::Typed {
            act: typed.act,
            words: typed.words,
            promised_by: typed.promised_by,
        },
        me: visit.caller().map(words::caller).unwrap_or_default(),
    };
    let title = format!("Referral: {}", loaded.request.service);
    let faulty = !typed.act.is_empty();
    let page = Page::new("staff/referral.jinja", title, view);
    let page = page.under("/staff/referrals").with_faults(faulty);
    Ok(page.answer(&node.site, visit))
}

/// Free slots of this node's own diary for a first appointment.
async fn slots(node: &Node, visit: &Visit) -> Result<Vec<views::Slot>, Problem> {
    if !node.diary.kept_here {
        return Ok(Vec::new());
    }
    let scope = visit.scope(node, Interaction::Slots, "Slot").await?;
    let free = Free {
        from: visit.now,
        until: visit.now.saturating_add(AHEAD),
        audience: Audience::Staff,
        like: None,
        count: SLOTS_MAX,
    };
    let found = node.store.free_slots(&scope, &free).await?;
    let slot = |it: &store::diary::Slot| {
        let when = Language::English.when(it.starts_at);
        let what = what(Language::English, &it.kind, &it.held_by);
        views::Slot {
            id: it.id.clone(),
            text: format!("{when}: {what}"),
        }
    };
    Ok(found.iter().map(slot).collect())
}

fn steps(node: &Node, loaded: &Loaded, now: Millis) -> Vec<Step> {
    let step = |it: &Said| Step {
        what: match it.act {
            Act::Refer => "Referred",
            Act::Reply => "Answered",
            Act::Withdraw => "Withdrawn",
            Act::Accept => "Accepted",
            Act::Ask => "Asked",
            Act::Return => "Returned",
        },
        when: words::moment(it.at, now),
        who: Some(match it.organisation.as_str() {
            "" => it.by.clone(),
            ods => format!("{}, {}", it.by, (node.organisation_name)(ods)),
        }),
        note: (!it.words.is_empty()).then(|| it.words.clone()),
    };
    loaded.said.iter().map(step).collect()
}

/// `POST /staff/referrals/{id}/accept`
pub async fn accept(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(&node, Interaction::TriageReferral, ty).await?;
    let slot = fields.text("slot");
    if !slot.is_empty() && !node.diary.kept_here {
        let message = "Another system holds this organisation's diary, and stays the only diary.";
        return Err(Problem::new(Kind::BusinessRule, message).into());
    }
    let acceptance = Acceptance {
        words: fields.text("words"),
        promised_by: fields.text("promised_by"),
        slot,
    };
    let done = exchange(&node)?
        .accept_referral(&scope, &id, &acceptance)
        .await;
    settle(&node, &visit, (&id, "accept"), (&fields, done)).await
}

/// `POST /staff/referrals/{id}/ask`
pub async fn ask(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(&node, Interaction::TriageReferral, ty).await?;
    let asked = exchange(&node)?.ask_referrer(&scope, &id, fields.text("words"));
    let done = asked.await;
    settle(&node, &visit, (&id, "ask"), (&fields, done)).await
}

/// `POST /staff/referrals/{id}/return`
pub async fn give_back(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(&node, Interaction::TriageReferral, ty).await?;
    let words = unmatched::reason(&fields);
    let done = exchange(&node)?.return_referral(&scope, &id, &words).await;
    settle(&node, &visit, (&id, "return"), (&fields, done)).await
}

/// `POST /staff/referrals/{id}/reply`
pub async fn reply(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(&node, Interaction::Refer, ty).await?;
    let replied = exchange(&node)?.reply_to_question(&scope, &id, fields.text("words"));
    let done = replied.await;
    settle(&node, &visit, (&id, "reply"), (&fields, done)).await
}

/// `POST /staff/referrals/{id}/withdraw`
pub async fn withdraw(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(&node, Interaction::Refer, ty).await?;
    let withdrawn = exchange(&node)?.withdraw_referral(&scope, &id, fields.text("words"));
    let done = withdrawn.await;
    settle(&node, &visit, (&id, "withdraw"), (&fields, done)).await
}

/// Leads on, or back to the form with what is wrong.
async fn settle(
    node: &Node,
    visit: &Visit,
    (id, act): (&str, &'static str),
    (fields, done): (&Fields, Result<(), Problem>),
) -> Result<Response, Refusal> {
    match done {
        Ok(()) => {
            let show = match act {
                "reply" | "withdraw" => "sent",
                _ => "to-triage",
            };
            let to = format!("/staff/referrals?show={show}&done={act}");
            Ok(see_other(&to))
        }
        Err(problem)
            if matches!(
                problem.kind,
                Kind::Required | Kind::TooLong | Kind::Value | Kind::BusinessRule | Kind::Conflict
            ) =>
        {
            let typed = Typed {
                act,
                words: fields.text("words").to_owned(),
                promised_by: fields.text("promised_by").to_owned(),
                fault: Some(problem.message.to_string()),
            };
            show(node, visit, id, typed).await
        }
        Err(problem) => Err(problem.into()),
    }
}
