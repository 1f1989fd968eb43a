//! `/appointments`: a patient's appointments at all organisations, in one list; each can be moved and cancelled.

pub mod book;
pub mod choice;
mod elsewhere;
pub mod list;
mod taken;
#[cfg(test)]
mod tests;
pub mod views;

use std::sync::Arc;

use access::{Interaction, Reach, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::Exchange;
use exchange::ask::names;
use exchange::booking::{self, Ended, Offer};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use serde_json::Value;
use store::Reading;
use store::diary::{Audience, Booking, BookingState, Free};
use store::parcels::State as Parcel;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Fault, Label};
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::page::{Page, see_other, words};
use crate::patient::name;
use crate::record::json;
use crate::visit::Visit;
use choice::{SYSTEM, days};

/// Times offered for moving one.
pub(crate) const TIMES_MAX: u32 = 24;
const HOUR: Millis = 3_600_000;

/// An appointment, as its resource and its booking tell.
pub(crate) struct Appointment {
    pub(crate) id: String,
    starts: Millis,
    ends: Millis,
    status: String,
    kind: String,
    with: String,
    reason: String,
    cancelled: String,
    booking: Option<Booking>,
    /// How far its parcel got, while another organisation is asked.
    parcel: Option<Parcel>,
    /// Its business identifiers, each as system and value.
    names: Vec<String>,
    /// What other organisations or the practice's own system say of it, if they do.
    held: Option<Holding>,
}

/// Who else holds an appointment.
pub(crate) struct Holding {
    /// Their names, as a page calls them.
    places: Vec<String>,
    /// When they said so.
    at: Millis,
    /// Whether it is known here only by what they say.
    only_there: bool,
}

impl Appointment {
    fn read(id: &str, resource: &Value, booking: Option<Booking>) -> Appointment {
        let text = |place: &str| {
            let found = resource.pointer(place).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let first = |places: &[&str]| {
            let mut found = places.iter().map(|place| text(place));
            found.find(|it| !it.is_empty()).unwrap_or_default()
        };
        let at = |name: &str| {
            let span = resource
                .get(name)
                .and_then(Value::as_str)
                .and_then(date::span);
            span.map_or(0, |it| it.low)
        };
        let of_ours = booking.is_some();
        Appointment {
            id: id.to_owned(),
            starts: at("start"),
            ends: at("end"),
            status: text("/status"),
            kind: first(&[
                "/serviceType/0/text",
                "/serviceType/0/coding/0/display",
                "/appointmentType/text",
                "/appointmentType/coding/0/display",
            ]),
            with: match of_ours {
                true => text("/description"),
                false => practitioner(resource),
            },
            reason: first(&["/reasonCode/0/text", "/reasonCode/0/coding/0/display"]),
            cancelled: first(&[
                "/cancelationReason/text",
                "/cancelationReason/coding/0/display",
            ]),
            booking,
            parcel: None,
            names: names(resource),
            held: None,
        }
    }

    /// The name of whose it is.
    fn place(&self, node: &Node) -> String {
        match (&self.booking, &self.held) {
            (Some(booking), _) => (node.organisation_name)(&booking.holder),
            (None, Some(held)) if held.only_there => held.places.join(", "),
            (None, Some(held)) => {
                let own = std::iter::once(&node.site.name);
                let all: Vec<&str> = own.chain(&held.places).map(String::as_str).collect();
                all.join(", ")
            }
            (None, None) => node.site.name.clone(),
        }
    }

    /// Whether who holds it has ended it, and the answer that says so is still on its way here.
    fn has_ended_there(&self) -> bool {
        let is_booked = |it: &Booking| it.state == BookingState::Booked;
        self.booking.as_ref().is_some_and(is_booked) && is_ended(&self.status)
    }

    /// Whether the patient may still come because of it.
    fn is_coming(&self, now: Millis) -> bool {
        let is_live = match &self.booking {
            Some(booking) => booking.state.is_live() && !self.has_ended_there(),
            None => !is_ended(&self.status) && self.status != "fulfilled",
        };
        is_live && self.ends.max(self.starts) > now
    }

    fn is_undelivered(&self) -> bool {
        self.parcel == Some(Parcel::Undeliverable)
    }

    fn state(&self, language: Language, now: Millis) -> Label {
        let is_over = self.ends.max(self.starts) <= now;
        let (id, colour) = match self.booking.as_ref().map(|it| it.state) {
            Some(BookingState::Asked) if self.is_undelivered() => ("state-undelivered", "red"),
            Some(BookingState::Asked) => ("state-asked", "yellow"),
            Some(BookingState::Cancelling) => ("state-cancelling", "yellow"),
            Some(BookingState::Taken) => ("state-taken", "red"),
            Some(BookingState::Refused) => ("state-refused", "red"),
            Some(BookingState::Cancelled) => ("state-cancelled", "grey"),
            Some(BookingState::Booked) if self.has_ended_there() => ("state-cancelled", "grey"),
            Some(BookingState::Booked) if is_over => ("state-past", "grey"),
            Some(BookingState::Booked) => ("state-booked", "green"),
            None => match self.status.as_str() {
                status if is_ended(status) => ("state-cancelled", "grey"),
                _ if is_over => ("state-past", "grey"),
                "proposed" | "pending" | "waitlist" => ("state-proposed", "yellow"),
                _ => ("state-booked", "green"),
            },
        };
        Label {
            text: text(language, id),
            colour: Some(colour),
        }
    }

    /// What the state means.
    fn explain(&self, node: &Node, language: Language, now: Millis) -> Option<String> {
        let place = self.place(node);
        let here = node.site.name.as_str();
        let Some(booking) = &self.booking else {
            let is_past = !self.is_coming(now);
            let with = [("place", place.as_str())];
            return (!is_past).then(|| language.tell("explain-elsewhere", &with));
        };
        let late = i64::from(node.diary.answer_hours).saturating_mul(HOUR);
        let when = language.when(booking.state_at);
        let with = [
            ("place", place.as_str()),
            ("here", here),
            ("when", when.as_str()),
            ("reason", booking.reason.as_str()),
        ];
        let id = match booking.state {
            BookingState::Asked if self.is_undelivered() => "explain-undelivered",
            BookingState::Asked if now.saturating_sub(booking.state_at) > late => "explain-late",
            BookingState::Asked => "explain-asked",
            BookingState::Cancelling => "explain-cancelling",
            BookingState::Taken => "explain-taken",
            BookingState::Refused => "explain-refused",
            BookingState::Cancelled => {
                let with = [("reason", self.cancelled.as_str())];
                return Some(language.tell("explain-cancelled", &with));
            }
            BookingState::Booked if booking.starts_at <= now => "explain-over",
            BookingState::Booked => return None,
        };
        Some(language.tell(id, &with))
    }

    fn row(&self, node: &Node, language: Language, now: Millis) -> views::Row {
        let only_there = self.held.as_ref().is_some_and(|it| it.only_there);
        let place = self.place(node);
        let ring = only_there && self.is_coming(now);
        views::Row {
            href: (!only_there).then(|| format!("/appointments/{}", self.id)),
            when: language.when(self.starts),
            what: what(language, &self.kind, &self.with),
            state: self.state(language, now),
            told: self.held.as_ref().map(|held| {
                let when = language.when(held.at);
                let places = held.places.join(", ");
                language.tell("appointments-told", &[("place", &places), ("when", &when)])
            }),
            ring: ring.then(|| language.tell("appointments-ring", &[("place", &place)])),
            place,
        }
    }
}

/// Whether that status of an Appointment means that nobody is waited for.
fn is_ended(status: &str) -> bool {
    matches!(status, "cancelled" | "noshow" | "entered-in-error")
}

/// The name of the person whom an appointment of another system is with.
fn practitioner(resource: &Value) -> String {
    let text = |it: &Value, place: &str| {
        let found = it.pointer(place).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let participants = resource.get("participant").and_then(Value::as_array);
    let mut others = participants
        .into_iter()
        .flatten()
        .filter(|it| !text(it, "/actor/reference").starts_with("Patient/"));
    let found = others.find_map(|it| Some(text(it, "/actor/display")).filter(|it| !it.is_empty()));
    found.unwrap_or_default()
}

/// One of the texts that stand by themselves.
pub(crate) fn text(language: Language, id: &str) -> &'static str {
    language.texts().get(id).map_or("", String::as_str)
}

/// What it is and with whom, as far as told.
pub(crate) fn what(language: Language, kind: &str, with: &str) -> String {
    match (kind.is_empty(), with.is_empty()) {
        (_, true) => kind.to_owned(),
        (true, false) => language.tell("with-whom", &[("who", with)]),
        (false, false) => {
            let who = language.tell("with-whom", &[("who", with)]);
            format!("{kind}, {who}")
        }
    }
}

/// The patient whom a scope is about.
pub(crate) fn whose(scope: &Scope) -> Result<&str, Problem> {
    match scope.reach() {
        Reach::Compartment { patient, .. } => Ok(patient),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This page is the patient's own. Staff book on the page Slots.",
        )),
    }
}

async fn parcel_of(node: &Node, booking: Option<&Booking>) -> Result<Option<Parcel>, Problem> {
    let waits = |it: &&Booking| it.state == BookingState::Asked && !it.parcel.is_empty();
    match booking.filter(waits) {
        Some(booking) => {
            let parcel = node.store.booking_parcel(booking).await?;
            Ok(parcel.map(|(state, _)| state))
        }
        None => Ok(None),
    }
}

/// What the address may say.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// `GET /appointments/{id}`
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let done = match asked.done.as_str() {
        "booked" => Some("done-booked"),
        "asked" => Some("done-asked"),
        "moved" => Some("done-moved"),
        "cancelled" => Some("done-cancelled"),
        "cancelling" => Some("done-cancelling"),
        _ => None,
    };
    show(&node, &visit, tongue, (&id, done, None)).await
}

/// The appointment of that id, if it is the patient's.
pub(crate) async fn find(node: &Node, visit: &Visit, id: &str) -> Result<Appointment, Problem> {
    let scope = visit
        .scope(node, Interaction::Record, "Appointment")
        .await?;
    whose(&scope)?;
    let Reading::Found(version) = node.store.read(&scope, "Appointment", id).await? else {
        let message = "There is no such appointment of yours.";
        return Err(Problem::new(Kind::NotFound, message));
    };
    let booking = node.store.booking(&scope, id).await?;
    let mut found = Appointment::read(id, &json(&version)?, booking);
    found.parcel = parcel_of(node, found.booking.as_ref()).await?;
    Ok(found)
}

async fn show(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    (id, done, wrong): (&str, Option<&str>, Option<&'static str>),
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let found = find(node, visit, id).await?;
    let live = found.booking.as_ref().filter(|it| {
        matches!(it.state, BookingState::Booked | BookingState::Asked) && it.starts_at > visit.now
    });
    let can_move = live.is_some_and(|it| it.state == BookingState::Booked);
    let others = match live.filter(|_| can_move) {
        Some(booking) => other_times(node, visit, &found, booking).await?,
        None => Vec::new(),
    };
    let next = found.booking.as_ref().map(|it| next_of(node, it));
    let next = next.unwrap_or_default();
    let why = [
        ("better", "cancel-better"),
        ("time", "cancel-time"),
        ("elsewhere", "cancel-elsewhere"),
        ("other", "cancel-other"),
    ];
    let state = found.booking.as_ref().map(|it| it.state);
    // An address that is kept or sent again does not say what is so no more.
    let done = done.filter(|id| match *id {
        "done-booked" | "done-moved" => state == Some(BookingState::Booked),
        "done-asked" => state == Some(BookingState::Asked),
        "done-cancelling" => state == Some(BookingState::Cancelling),
        _ => state == Some(BookingState::Cancelled),
    });
    let view = views::One {
        t: language.texts(),
        lang: language.code(),
        done: done.map(|id| text(language, id).to_owned()),
        errors: wrong
            .map(|id| Fault {
                text: text(language, id),
                href: "#why".into(),
            })
            .into_iter()
            .collect(),
        when: language.when(found.starts),
        kind: found.kind.clone(),
        with: found.with.clone(),
        place: found.place(node),
        reason: found.reason.clone(),
        state: found.state(language, visit.now),
        explain: found.explain(node, language, visit.now),
        id: id.to_owned(),
        days: days(language, &node.site.organisation, &others),
        can_move,
        can_cancel: live.is_some(),
        why: why
            .map(|(value, id)| views::Why {
                value,
                text: text(language, id).to_owned(),
            })
            .into(),
        why_error: wrong.map(|id| text(language, id).to_owned()),
        next: days(language, &node.site.organisation, &next),
    };
    let title = text(language, "appointments");
    let page = Page::new("patient/appointment.jinja", title, view).under("/appointments");
    let page = page.with_faults(wrong.is_some());
    Ok(page.answer(&node.site, visit))
}

/// Free times of the same sort with the same person.
async fn other_times(
    node: &Node,
    visit: &Visit,
    found: &Appointment,
    booking: &Booking,
) -> Result<Vec<(String, Offer)>, Problem> {
    let scope = visit.scope(node, Interaction::Slots, "Slot").await?;
    let own = node.site.organisation.as_str();
    if booking.holder == own && asks_system(node) {
        let exchange = node.exchange.as_ref();
        let mut like = match exchange {
            Some(exchange) => system_times(exchange, &scope, visit)
                .await?
                .unwrap_or_default(),
            None => Vec::new(),
        };
        like.retain(|(_, it)| it.kind == found.kind && it.with == found.with);
        like.truncate(TIMES_MAX as usize);
        return Ok(like);
    }
    if booking.holder == own {
        let slot = node.store.slot(&scope, &booking.slot).await?;
        let (kind, with) = match &slot {
            Some(slot) => (slot.kind.as_str(), slot.held_by.as_str()),
            None => (found.kind.as_str(), found.with.as_str()),
        };
        return times_here(node, &scope, Some((kind, with))).await;
    }
    let Some(exchange) = &node.exchange else {
        return Ok(Vec::new());
    };
    let there = exchange.free_there(&scope).await?;
    let theirs = there
        .into_iter()
        .filter(|it| it.organisation.as_str() == booking.holder);
    let offers = theirs.filter_map(|it| it.offers.ok()).flatten();
    let like = offers.filter(|it| it.kind == found.kind && it.with == found.with);
    let count = usize::try_from(TIMES_MAX).unwrap_or_default();
    Ok(like
        .take(count)
        .map(|it| (booking.holder.clone(), it))
        .collect())
}

/// Free times here, of one sort and with one person or of all.
pub(crate) async fn times_here(
    node: &Node,
    scope: &Scope,
    like: Option<(&str, &str)>,
) -> Result<Vec<(String, Offer)>, Problem> {
    if !node.diary.kept_here {
        return Ok(Vec::new());
    }
    let now = node.store.now();
    let free = Free {
        from: now,
        until: now.saturating_add(booking::AHEAD_MILLIS),
        audience: Audience::Patients,
        like,
        count: TIMES_MAX,
    };
    let slots = node.store.free_slots(scope, &free).await?;
    let own = node.site.organisation.as_str();
    Ok(slots
        .iter()
        .map(|it| (own.to_owned(), Offer::of(it)))
        .collect())
}

/// Whether the organisation's own system holds the diary, and is booked into from here.
pub(crate) fn asks_system(node: &Node) -> bool {
    let has = node.exchange.as_ref().is_some_and(|it| it.has_system());
    has && !node.diary.kept_here
}

/// What the organisation's own system offers.
///
/// # Errors
/// Those of asking; that it did not answer is told inside, with the reason.
pub(crate) async fn system_times(
    exchange: &Exchange,
    scope: &Scope,
    visit: &Visit,
) -> Result<Result<Vec<(String, Offer)>, String>, Problem> {
    let person = visit.caller().map(words::caller).unwrap_or_default();
    let found = exchange.free_in_system(scope, &person).await?;
    let none = || Err("It is not asked from here.".to_owned());
    let offers = found.map_or_else(none, |it| it.offers);
    let named = |it| (SYSTEM.to_owned(), it);
    Ok(offers.map(|all| all.into_iter().map(named).collect()))
}

/// What whose diary it is offered instead of what was taken.
pub(crate) fn next_of(node: &Node, booking: &Booking) -> Vec<(String, Offer)> {
    let offers: Vec<Offer> = serde_json::from_str(&booking.next).unwrap_or_default();
    let is_own = booking.holder == node.site.organisation.as_str();
    let holder = match is_own && asks_system(node) {
        true => SYSTEM,
        false => booking.holder.as_str(),
    };
    offers
        .into_iter()
        .map(|it| (holder.to_owned(), it))
        .collect()
}

/// `POST /appointments/{id}/cancel`
pub async fn cancel(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let why = match fields.text("why") {
        "better" => "cancel-better",
        "time" => "cancel-time",
        "elsewhere" => "cancel-elsewhere",
        "other" => "cancel-other",
        _ => {
            return show(
                &node,
                &visit,
                tongue,
                (&id, None, Some("cancel-why-needed")),
            )
            .await;
        }
    };
    // What is not the patient's is not there.
    find(&node, &visit, &id).await?;
    let scope = visit
        .scope(&node, Interaction::CancelAppointment, "Appointment")
        .await?;
    let reason = text(Language::English, why);
    let by = name(&visit).unwrap_or_default();
    let ended = match &node.exchange {
        Some(exchange) => exchange.cancel_booking(&scope, &id, (reason, by)).await?,
        None => {
            booking::cancel(&node.store, &scope, &id, reason).await?;
            Ended::Now
        }
    };
    let done = match ended {
        Ended::Now => "cancelled",
        Ended::AskedFor => "cancelling",
    };
    Ok(see_other(&format!("/appointments/{id}?done={done}")))
}
