//! `/people`: for whom the patient acts, and who acts for them (P24). Leave is given by a code that one
//! makes for somebody by name, and that they enter under their own sign-in.

use std::sync::Arc;

use access::category::for_people;
use access::{Interaction, Outcome, Scope, Standstill, Target, Who, months_later};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::people::{By, Leave, Offer, PeopleWrite};
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault};
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other};
use crate::patient::views;
use crate::sign_in::begin::Address;
use crate::sign_in::code;
use crate::visit::Visit;

/// How long a code is good, in milliseconds: seven days.
const OFFER_LASTS: Millis = 7 * 86_400_000;
/// The most letters of a name.
const NAME_LETTERS_MAX: usize = 120;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// What is shown once, and what is wrong with a form that was sent.
#[derive(Default)]
struct Shown<'f> {
    done: Option<&'static str>,
    code: Option<views::Code>,
    typed: Option<&'f Fields>,
    fault: Option<(&'static str, &'static str)>,
}

/// The patient who is here, by their account.
pub(super) struct Own {
    pub account: i64,
    pub name: String,
    pub patient: String,
}

pub(super) fn own(visit: &Visit) -> Result<Own, Problem> {
    match &visit.known()?.who {
        Who::Patient {
            account,
            name,
            patient,
            ..
        } => Ok(Own {
            account: *account,
            name: name.clone(),
            patient: patient.clone(),
        }),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This page is the patient's own.",
        )),
    }
}

/// `GET /people`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    own(&visit)?;
    if let Some(acting) = visit.acting() {
        let view = views::ActingNow {
            name: acting.name.clone(),
        };
        let page = Page::new("patient/acting.jinja", "People", view).under("/people");
        return Ok(page.answer(&node.site, &visit));
    }
    let done = match asked.done.as_str() {
        "ended" => Some("Ended. It has no effect any more, wherever they are signed in."),
        "taken-back" => Some("The codes that nobody had used are good no longer."),
        "accepted" => Some("You can act for them from now on."),
        "stopped" => Some("You act for yourself again."),
        _ => None,
    };
    let shown = Shown {
        done,
        ..Shown::default()
    };
    show(&node, &visit, shown).await
}

async fn show(node: &Node, visit: &Visit, shown: Shown<'_>) -> Result<Response, Refusal> {
    let own = own(visit)?;
    let scope = visit.scope(node, Interaction::Proxies, "Patient").await?;
    let for_me = node.store.people_for(&scope, &own.patient).await?;
    let by_me = node.store.people_of(&scope, &own.patient).await?;
    let offers = node.store.offers(&scope, &own.patient).await?;
    let language = visit.reads();
    let error = |field: &str| {
        let of = shown.fault.filter(|(at, _)| *at == field);
        of.map(|(_, text)| language.say(text))
    };
    let typed = |name: &str| shown.typed.map_or("", |it| it.text(name)).to_owned();
    let when = (visit.now, language);
    let view = views::People {
        done: shown.done.map(|text| Done {
            text: language.say(text),
            href: None,
            link: None,
        }),
        errors: shown.fault.iter().map(|it| fault(it, language)).collect(),
        by_me: by_me.iter().map(|it| row(node, it, when)).collect(),
        for_me: for_me.iter().map(|it| row(node, it, when)).collect(),
        offers: offers
            .iter()
            .map(|it| views::OfferRow {
                name: it.for_name.clone(),
                until: language.moment(it.expires_at, visit.now),
            })
            .collect(),
        new_code: shown.code,
        categories: choices(shown.typed, language),
        name: typed("name"),
        name_error: error("name"),
        see_error: error("see"),
        until: typed("until"),
        until_error: error("until"),
        months: node.proxy_months_max,
        code_error: error("code"),
    };
    Ok(Page::new("patient/people.jinja", "People", view)
        .under("/people")
        .with_faults(shown.fault.is_some())
        .answer(&node.site, visit))
}

fn fault((field, text): &(&'static str, &'static str), language: Language) -> Fault {
    Fault {
        text: language.say(text),
        href: format!("#{field}").into(),
    }
}

/// What can be shown, as boxes to tick; what was ticked stays so.
pub(crate) fn choices(typed: Option<&Fields>, language: Language) -> Vec<views::Choice> {
    let choice = |it: &access::category::Category| views::Choice {
        name: format!("see-{}", it.code),
        text: language.say(it.name),
        checked: typed.is_some_and(|fields| is_ticked(fields, it.code)),
    };
    for_people().map(choice).collect()
}

fn is_ticked(fields: &Fields, code: &str) -> bool {
    fields.text(&format!("see-{code}")) == "yes"
}

/// The codes of what was ticked.
pub(crate) fn ticked(fields: &Fields) -> Vec<String> {
    let ticked = for_people().filter(|it| is_ticked(fields, it.code));
    ticked.map(|it| it.code.to_owned()).collect()
}

/// What somebody sees who acts by it, in words.
pub(crate) fn sees(leave: &Leave, language: Language) -> String {
    let seen = for_people().filter(|it| leave.proxy.has(it.code));
    let seen: Vec<&str> = seen.map(|it| language.say(it.name)).collect();
    seen.join(", ")
}

/// The first moment after the last day that was typed, or the latest that may be.
pub(crate) fn term(day: &str, now: Millis, latest: Millis) -> Option<Millis> {
    if day.is_empty() {
        return Some(latest);
    }
    let span = (day.len() == 10).then(|| date::span(day)).flatten()?;
    (span.high > now && span.low < latest).then_some(span.high.min(latest))
}

fn row(node: &Node, leave: &Leave, (now, language): (Millis, Language)) -> views::LeaveRow {
    let ages = node.store.ages();
    let by = if leave.is_practices {
        let with = [("who", &*leave.granted_by), ("place", &*node.site.name)];
        language.tell("people-by-at", &with)
    } else {
        leave.granted_by.clone()
    };
    views::LeaveRow {
        number: leave.proxy.number,
        patient: leave.patient_name.clone(),
        person: leave.person_name.clone(),
        sees: sees(leave, language),
        until: language.date(leave.proxy.ends_at(ages).saturating_sub(1)),
        by,
        reason: leave.reason.clone(),
        state: match leave.proxy.standstill(ages, now) {
            Standstill::No => None,
            Standstill::Review => Some(language.say("Waits until the practice confirms it")),
            Standstill::Over => Some(language.say("Over")),
        },
    }
}

/// `POST /people/offer`: makes a code for somebody, which is shown once.
pub async fn offer(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let own = own(&visit)?;
    let scope = visit.scope(&node, Interaction::Proxies, "Patient").await?;
    let name = fields.text("name");
    let categories = ticked(&fields);
    let latest = months_later(visit.now, node.proxy_months_max);
    let ends_at = term(fields.text("until"), visit.now, latest);
    let is_name = name.split_whitespace().count() >= 2 && name.chars().count() <= NAME_LETTERS_MAX;
    let fault = match ends_at {
        _ if !is_name => Some(("name", "Enter their first name and their family name")),
        _ if categories.is_empty() => Some(("see", "Choose what they may see")),
        None => Some((
            "until",
            "Give the last day as 2027-03-31, not too far ahead",
        )),
        Some(_) => None,
    };
    let (None, Some(ends_at)) = (fault, ends_at) else {
        let shown = Shown {
            typed: Some(&fields),
            fault,
            ..Shown::default()
        };
        return show(&node, &visit, shown).await;
    };
    let code = code::recovery_codes().pop().unwrap_or_default();
    let digest = code::recovery_digest(&code)
        .ok_or_else(|| Problem::new(Kind::Exception, "The code could not be made."))?;
    let expires_at = visit.now.saturating_add(OFFER_LASTS);
    let offer = Offer {
        digest,
        patient: own.patient.clone(),
        patient_name: own.name,
        for_name: name.to_owned(),
        categories,
        expires_at,
        ends_at,
    };
    change(&node, &scope, &own.patient, PeopleWrite::Offer(offer)).await?;
    let code = views::Code {
        code,
        name: name.to_owned(),
        until: visit.reads().moment(expires_at, visit.now),
        address: format!("{}/people", node.site.base_url),
    };
    let shown = Shown {
        code: Some(code),
        ..Shown::default()
    };
    show(&node, &visit, shown).await
}

/// `POST /people/take-back`: the codes that nobody has used open nothing any more.
pub async fn take_back(
    State(node): State<Arc<Node>>,
    visit: Visit,
    _: Fields,
) -> Result<Response, Refusal> {
    let own = own(&visit)?;
    let scope = visit.scope(&node, Interaction::Proxies, "Patient").await?;
    let patient = own.patient.clone();
    let write = PeopleWrite::TakeBack { patient };
    change(&node, &scope, &own.patient, write).await?;
    Ok(see_other("/people?done=taken-back"))
}

/// `POST /people/accept`: uses a code.
pub async fn accept(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Address(address): Address,
    fields: Fields,
) -> Result<Response, Refusal> {
    let own = own(&visit)?;
    let scope = visit.scope(&node, Interaction::Proxies, "Patient").await?;
    let counted = format!("people {}", own.account);
    let wrong = |text| Shown {
        fault: Some(("code", text)),
        ..Shown::default()
    };
    if !node.sign_in.attempts.admit(&counted, &address, visit.now) {
        let said = "Too many attempts. Wait 15 minutes and try again";
        return show(&node, &visit, wrong(said)).await;
    }
    let digest = code::recovery_digest(fields.text("code"));
    let offered = match digest {
        Some(digest) => node.store.offered_by(&scope, &digest).await?,
        None => None,
    };
    let (Some(digest), Some(patient)) = (digest, offered) else {
        return show(&node, &visit, wrong(WRONG_CODE)).await;
    };
    let write = PeopleWrite::Accept {
        digest,
        person: own.patient,
        person_name: own.name,
    };
    match change(&node, &scope, &patient, write).await {
        Err(problem) if problem.kind == Kind::Value => show(&node, &visit, wrong(WRONG_CODE)).await,
        Err(problem) => Err(problem.into()),
        Ok(()) => {
            node.sign_in.attempts.forgive(&counted, &address);
            Ok(see_other("/people?done=accepted"))
        }
    }
}

const WRONG_CODE: &str =
    "The code is not right, was used already, is too old, or was made for another name";

/// `POST /people/act`: from now on this session shows the other's record.
pub async fn act(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let own = own(&visit)?;
    let scope = visit.scope(&node, Interaction::Proxies, "Patient").await?;
    let leave = find(&node, &scope, &own.patient, &fields).await?;
    if leave.proxy.standstill(node.store.ages(), visit.now) != Standstill::No {
        let message = "You cannot act for this person at present. Ask the practice.";
        return Err(Problem::new(Kind::Suppressed, message).into());
    }
    let Some(secret) = visit.session() else {
        let message = "People act for others in a session of their browser.";
        return Err(Problem::new(Kind::Forbidden, message).into());
    };
    trace(&node, &scope, &leave.proxy.patient).await?;
    let number = Some(leave.proxy.number);
    node.sign_in.act(&node.store, secret, number).await?;
    Ok(see_other("/"))
}

/// `POST /people/stop`: the session shows one's own record again. Nothing keeps anybody from it.
pub async fn stop(
    State(node): State<Arc<Node>>,
    visit: Visit,
    _: Fields,
) -> Result<Response, Refusal> {
    visit.known()?;
    if let Some(secret) = visit.session() {
        node.sign_in.act(&node.store, secret, None).await?;
    }
    Ok(see_other("/people?done=stopped"))
}

/// `POST /people/end`: a patient ends somebody's leave, or somebody gives theirs up.
pub async fn end(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let own = own(&visit)?;
    let scope = visit.scope(&node, Interaction::Proxies, "Patient").await?;
    let number = number(&fields)?;
    let (patient, by) = if fields.text("whose") == "theirs" {
        let leave = find(&node, &scope, &own.patient, &fields).await?;
        (leave.proxy.patient, By::Person(own.patient, own.name))
    } else {
        (own.patient.clone(), By::Patient(own.patient, own.name))
    };
    let write = PeopleWrite::End { number, by };
    change(&node, &scope, &patient, write).await?;
    Ok(see_other("/people?done=ended"))
}

fn number(fields: &Fields) -> Result<i64, Problem> {
    let wrong = |_| Problem::new(Kind::Value, "The form names nobody.");
    fields.text("number").parse().map_err(wrong)
}

/// The leave of that number by which the caller acts.
async fn find(node: &Node, scope: &Scope, own: &str, fields: &Fields) -> Result<Leave, Problem> {
    let number = number(fields)?;
    let leaves = node.store.people_of(scope, own).await?;
    let mut leaves = leaves.into_iter();
    leaves
        .find(|it| it.proxy.number == number)
        .ok_or_else(|| Problem::new(Kind::NotFound, "You do not act for this person."))
}

/// One change, with its line about that patient.
pub(super) async fn change(
    node: &Node,
    scope: &Scope,
    patient: &str,
    write: PeopleWrite,
) -> Result<(), Problem> {
    let mut job = Job::effect(Effect::People(write));
    job.traces.push(line(scope, patient));
    node.store.commit(scope, job).await.map(|_| ())
}

async fn trace(node: &Node, scope: &Scope, patient: &str) -> Result<(), Problem> {
    let job = Job {
        traces: vec![line(scope, patient)],
        ..Job::default()
    };
    node.store.commit(scope, job).await.map(|_| ())
}

fn line(scope: &Scope, patient: &str) -> access::AuditEntry {
    let target = Target {
        patient: Some(patient.to_owned()),
        ..Target::default()
    };
    scope.trace(scope.interaction(), Outcome::Success, target)
}

#[cfg(test)]
pub(super) mod tests;
