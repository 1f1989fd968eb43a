//! `/staff/slots`: the organisation's diary, a day at a time: published, held, taken back, booked, cancelled.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::booking::{self, Hold, REASON_CHARS_MAX, Session};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use fhir::search::fold;
use serde::Deserialize;
use store::Reading;
use store::diary::{Audience, Booking, Slot};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault, Label};
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other, words};
use crate::patient::appointments::asks_system;
use crate::patient::appointments::choice::value;
use crate::record;
use crate::staff::desk::tasks::booking::{ToBook, to_book};
use crate::staff::slot_views as views;
use crate::visit::Visit;

const DAY: Millis = 86_400_000;
const HOUR: Millis = 3_600_000;
/// The longest words of a session, in characters.
const WORDS_CHARS_MAX: usize = 100;
/// How far ahead sessions may be published, in days.
const DAYS_AHEAD_MAX: i64 = 400;

const CLOSED: &str = "Another system holds this organisation's diary, and stays the only diary: no slots are published here. The setting is appointments.diary.";

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    day: String,
    #[serde(default)]
    done: String,
    /// The task to book that somebody is at.
    #[serde(default)]
    task: String,
    /// `yes`: slots of other kinds than the task's, too.
    #[serde(default)]
    all: String,
}

/// `GET /staff/slots`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let done = match asked.done.as_str() {
        "published" => Some("The session is published."),
        "hold" => Some("The slot is held. Nobody can book it until it is released."),
        "release" => Some("The slot is free."),
        "take-back" => Some("The slot is taken back."),
        "cancelled" => Some("The appointment is cancelled, and its slot is free."),
        "booked" => Some("Booked. The patient sees it on their page."),
        "asked" => Some(
            "Asked for. The other organisation has not confirmed it yet; the patient's page says so.",
        ),
        _ => None,
    };
    show(&node, &visit, &asked, (done, None)).await
}

/// What is said of the task that somebody books for, and how addresses keep it.
fn for_task(task: &ToBook, asked: &Asked) -> (views::ForTask, String) {
    let is_all = asked.all == "yes" || task.service.is_empty();
    let kept = match is_all {
        true => format!("task={}&all=yes", asked.task),
        false => format!("task={}", asked.task),
    };
    let said = views::ForTask {
        patient: task.person(),
        what: task.what().to_owned(),
        href: task.href(),
        only: (!is_all).then(|| task.service.clone()),
        all: format!("/staff/slots?day={}&task={}&all=yes", asked.day, asked.task),
    };
    (said, kept)
}

/// The first moment of a day in the UK, and of the next; today's, if it is no day.
fn bounds(day: &str, now: Millis) -> (String, Millis, Millis) {
    let today = || words::there(now).map_or(String::new(), |it| it.date().to_string());
    let day = match words::moment_of(day, "00:00") {
        Some(_) => day.to_owned(),
        None => today(),
    };
    let from = words::moment_of(&day, "00:00").unwrap_or(now);
    // A day has 23 hours when the clocks go forward, and 25 when they go back.
    let next = words::there(from.saturating_add(DAY + 2 * HOUR));
    let next = next.map_or(String::new(), |it| it.date().to_string());
    let until = words::moment_of(&next, "00:00").unwrap_or(from.saturating_add(DAY));
    (day, from, until)
}

async fn show(
    node: &Node,
    visit: &Visit,
    asked: &Asked,
    (done, form): (Option<&'static str>, Option<views::SessionForm>),
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Slots, "Slot").await?;
    let task = to_book(node, visit, &asked.task).await?;
    let (task, kept) = task.map(|it| for_task(&it, asked)).unzip();
    let only = task.as_ref().and_then(|it| it.only.as_deref());
    let (day, from, until) = bounds(&asked.day, visit.now);
    let mut rows = Vec::new();
    for (slot, booking) in node.store.slots_between(&scope, (from, until)).await? {
        if only.is_none_or(|it| fold(it) == fold(&slot.kind)) {
            let book = kept.as_ref().map(|_| asked.task.as_str());
            rows.push(row(node, visit, (&slot, booking.as_ref()), book).await?);
        }
    }
    let near = |at: Millis| {
        let there = words::there(at);
        let day = there.map_or(String::new(), |it| it.date().to_string());
        with_task(&format!("/staff/slots?day={day}"), kept.as_deref())
    };
    let is_wrong = form.is_some();
    let form = form.unwrap_or_else(|| views::SessionForm {
        date: day.clone(),
        from: "09:00".into(),
        until: "12:00".into(),
        minutes: "10".into(),
        who_may: "patients".into(),
        ..views::SessionForm::default()
    });
    let asks = node
        .exchange
        .as_ref()
        .is_some_and(|it| it.has_clinics() || asks_system(node));
    let view = views::Slots {
        done: done.map(|text| Done {
            text,
            href: None,
            link: None,
        }),
        errors: match is_wrong {
            true => vec![Fault {
                text: "Put the session right",
                href: format!("#{}", form.fault).into(),
            }],
            false => Vec::new(),
        },
        day_words: Language::English.day(from),
        day,
        today: with_task("/staff/slots", kept.as_deref()),
        before: near(from.saturating_sub(2 * HOUR)),
        after: near(until),
        rows,
        closed: (!node.diary.kept_here).then_some(CLOSED),
        there: asks.then(|| with_task("/staff/slots/there", kept.as_deref())),
        task,
        form,
    };
    let page = Page::new("staff/slots.jinja", "Slots", view).under("/staff/slots");
    Ok(page.with_faults(is_wrong).answer(&node.site, visit))
}

async fn row(
    node: &Node,
    visit: &Visit,
    (slot, booking): (&Slot, Option<&Booking>),
    task: Option<&str>,
) -> Result<views::SlotRow, Problem> {
    let is_past = slot.starts_at <= visit.now;
    let (text, colour) = match (slot.status.as_str(), booking) {
        ("busy", Some(_)) => ("Booked", "blue"),
        ("busy", None) => ("Busy", "blue"),
        ("free", _) if is_past => ("Past", "grey"),
        ("free", _) => ("Free", "green"),
        ("busy-tentative", _) => ("Held", "yellow"),
        _ => ("Taken back", "grey"),
    };
    let action = |word, text| views::SlotAction { word, text };
    let actions = match slot.status.as_str() {
        _ if is_past => Vec::new(),
        "free" => vec![action("hold", "Hold"), action("take-back", "Take back")],
        "busy-tentative" => vec![
            action("release", "Release"),
            action("take-back", "Take back"),
        ],
        "busy-unavailable" => vec![action("release", "Release")],
        _ => Vec::new(),
    };
    let own = &node.site.organisation;
    let (patient, patient_href) = match booking {
        Some(booking) => patient(node, visit, &booking.patient).await?,
        None => (None, None),
    };
    let may_book = slot.is_free() && !is_past && node.diary.kept_here;
    let chosen = value(own, own.as_str(), &booking::Offer::of(slot));
    Ok(views::SlotRow {
        id: slot.id.clone(),
        time: Language::English.time(slot.starts_at),
        kind: slot.kind.clone(),
        with: slot.held_by.clone(),
        who_may: match slot.audience {
            Audience::Staff => "staff",
            Audience::Patients => "patients",
            Audience::Organisations => "other organisations too",
        },
        state: Label {
            text,
            colour: Some(colour),
        },
        patient,
        patient_href,
        by: booking
            .filter(|it| it.asker != own.as_str())
            .map(|it| (node.organisation_name)(&it.asker)),
        book: may_book.then(|| book_href(&chosen, task)),
        actions,
        can_cancel: booking.is_some() && !is_past,
    })
}

/// An address that keeps the task that somebody books for.
fn with_task(address: &str, kept: Option<&str>) -> String {
    match kept {
        None => address.to_owned(),
        Some(kept) if address.contains('?') => format!("{address}&{kept}"),
        Some(kept) => format!("{address}?{kept}"),
    }
}

pub(super) fn book_href(chosen: &str, task: Option<&str>) -> String {
    let task = task.map(|it| format!("task={it}"));
    with_task(&format!("/staff/slots/{chosen}/book"), task.as_deref())
}

/// The patient's name and page, as far as they are shown to who looks.
async fn patient(
    node: &Node,
    visit: &Visit,
    id: &str,
) -> Result<(Option<String>, Option<String>), Problem> {
    let scope = visit.scope(node, Interaction::Read, "Patient").await?;
    Ok(match node.store.read(&scope, "Patient", id).await? {
        Reading::Found(version) => {
            let patient = record::patient(&record::json(&version)?);
            let href = format!("/staff/patient/{id}");
            (Some(patient.name), Some(href))
        }
        _ => (Some("Not shown to you".to_owned()), None),
    })
}

fn keep(fields: &Fields, fault: &str, text: &str) -> views::SessionForm {
    let typed = |name: &str| fields.text(name).to_owned();
    views::SessionForm {
        date: typed("date"),
        from: typed("from"),
        until: typed("until"),
        minutes: typed("minutes"),
        with: typed("with"),
        kind: typed("kind"),
        who_may: typed("who_may"),
        fault: fault.to_owned(),
        fault_text: text.to_owned(),
    }
}

/// The session that a form says, or the field at fault and what is wrong with it.
fn session(fields: &Fields, now: Millis) -> Result<Session, (&'static str, &'static str)> {
    let day = fields.text("date");
    let at = |name: &str| words::moment_of(day, fields.text(name));
    let midnight = words::moment_of(day, "00:00");
    if midnight.is_none_or(|it| it > now.saturating_add(DAYS_AHEAD_MAX * DAY)) {
        return Err((
            "date",
            "Give a day such as 2027-03-31, at most 400 days ahead",
        ));
    }
    let Some(from) = at("from").filter(|it| *it > now) else {
        return Err(("from", "Give a time such as 09:00 that is still to come"));
    };
    let Some(until) = at("until").filter(|it| *it > from) else {
        return Err(("until", "Give a time such as 12:00 that is later"));
    };
    let minutes = fields.text("minutes").parse::<i64>().ok();
    let Some(minutes) = minutes.filter(|it| (5..=480).contains(it)) else {
        return Err(("minutes", "Give from 5 to 480 minutes"));
    };
    let is_words = |text: &str| {
        let count = text.chars().count();
        (1..=WORDS_CHARS_MAX).contains(&count) && !text.chars().any(char::is_control)
    };
    let (with, kind) = (fields.text("with"), fields.text("kind"));
    if !is_words(with) {
        return Err(("with", "Say with whom, in up to 100 characters"));
    }
    if !is_words(kind) {
        return Err((
            "kind",
            "Say what kind of appointment, in up to 100 characters",
        ));
    }
    Ok(Session {
        from,
        until,
        minutes,
        with: with.to_owned(),
        kind: kind.to_owned(),
        audience: match fields.text("who_may") {
            "staff" => Audience::Staff,
            "organisations" => Audience::Organisations,
            _ => Audience::Patients,
        },
    })
}

/// `POST /staff/slots`: publishes a session.
pub async fn publish(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::KeepDiary, "Slot").await?;
    if !node.diary.kept_here {
        return Err(Problem::new(Kind::BusinessRule, CLOSED).into());
    }
    let wrong = |fault, text| (None, Some(keep(&fields, fault, text)));
    let asked = Asked {
        day: fields.text("date").to_owned(),
        ..Asked::default()
    };
    let day = &asked.day;
    let session = match session(&fields, visit.now) {
        Ok(session) => session,
        Err((fault, text)) => return show(&node, &visit, &asked, wrong(fault, text)).await,
    };
    match booking::publish(&node.store, &scope, &session).await {
        Ok(_) => Ok(see_other(&format!("/staff/slots?day={day}&done=published"))),
        Err(problem) if problem.kind == Kind::Duplicate => {
            let text = "Some of it is published already for them; nothing was published now";
            show(&node, &visit, &asked, wrong("from", text)).await
        }
        Err(problem) if problem.kind == Kind::Value => {
            let text = "The session is too short for one appointment of that length";
            show(&node, &visit, &asked, wrong("until", text)).await
        }
        Err(problem) => Err(problem.into()),
    }
}

/// `POST /staff/slots/{id}/change`: holds, releases or takes back.
pub async fn change(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::KeepDiary, "Slot").await?;
    let word = fields.text("do");
    let hold = match word {
        "hold" => Hold::Hold,
        "release" => Hold::Release,
        "take-back" => Hold::TakeBack,
        _ => return Err(Problem::new(Kind::Value, "There is no such button.").into()),
    };
    let day = day_of(&node, &scope, &id).await?;
    booking::change_slot(&node.store, &scope, &id, hold).await?;
    Ok(see_other(&format!("/staff/slots?day={day}&done={word}")))
}

async fn day_of(node: &Node, scope: &Scope, id: &str) -> Result<String, Problem> {
    let slot = node.store.slot(scope, id).await?;
    let slot = slot.ok_or_else(|| Problem::new(Kind::NotFound, "There is no such slot here."))?;
    let there = words::there(slot.starts_at);
    Ok(there.map_or(date::date(slot.starts_at), |it| it.date().to_string()))
}

/// `POST /staff/slots/{id}/cancel`: cancels the appointment that the slot is booked for.
pub async fn cancel(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let interaction = Interaction::CancelAppointment;
    let scope = visit.scope(&node, interaction, "Appointment").await?;
    let reason = fields.text("reason");
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        let message = "Say why it is cancelled, in up to 500 characters: the patient reads it.";
        return Err(Problem::new(Kind::Value, message).into());
    }
    let day = day_of(&node, &scope, &id).await?;
    let (_, from, until) = bounds(&day, visit.now);
    let looking = visit.scope(&node, Interaction::Slots, "Slot").await?;
    let slots = node.store.slots_between(&looking, (from, until)).await?;
    let booking = slots
        .into_iter()
        .find(|(slot, _)| slot.id == id)
        .and_then(|(_, booking)| booking);
    let booking =
        booking.ok_or_else(|| Problem::new(Kind::NotFound, "This slot is not booked any more."))?;
    // Whose record is withheld from somebody, they change nothing of.
    let (_, seen) = patient(&node, &visit, &booking.patient).await?;
    if seen.is_none() {
        let message = "This patient's record is withheld from you.";
        return Err(Problem::new(Kind::Forbidden, message).into());
    }
    let by = visit.caller().map(words::caller).unwrap_or_default();
    match &node.exchange {
        Some(exchange) => {
            let why = (reason, by.as_str());
            exchange.cancel_booking(&scope, &booking.id, why).await?;
        }
        None => booking::cancel(&node.store, &scope, &booking.id, reason).await?,
    }
    Ok(see_other(&format!("/staff/slots?day={day}&done=cancelled")))
}
