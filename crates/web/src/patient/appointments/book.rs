//! `/appointments/book`: reason, time, check, done.

use std::sync::Arc;

use access::{Interaction, Ods, Scope};
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::booking::{self, Came, Offer, REASON_CHARS_MAX, Wish};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::diary::{Audience, Free};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Fault;
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::page::{Page, see_other};
use crate::patient::appointments::choice::{Choice, SYSTEM, days, value};
use crate::patient::appointments::taken::{Soon, soon, taken};
use crate::patient::appointments::{
    TIMES_MAX, asks_system, find, system_times, text, views, what, whose,
};
use crate::patient::name;
use crate::visit::Visit;

/// The longest name of a form, in characters.
const ATTEMPT_CHARS_MAX: usize = 64;
const DAY: Millis = 86_400_000;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    /// The first day that is shown.
    #[serde(default)]
    from: String,
    /// The mark of the only sort of appointment that is shown here.
    #[serde(default)]
    who: String,
}

/// `GET /appointments/book`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let from = date::span(&asked.from).map_or(visit.now, |span| span.low);
    let looked = Looked {
        from: from.max(visit.now),
        who: asked.who,
    };
    show(&node, &visit, tongue, (looked, None)).await
}

/// From when on, and for which sort of appointment here.
struct Looked {
    from: Millis,
    who: String,
}

impl Looked {
    /// Everything from now on.
    fn all(now: Millis) -> Looked {
        Looked {
            from: now,
            who: String::new(),
        }
    }

    fn address(&self, day: &str) -> String {
        let who = match self.who.as_str() {
            "" => String::new(),
            who => format!("&who={who}"),
        };
        format!("/appointments/book?from={day}{who}")
    }
}

/// What stands for a sort of appointment in an address: no words of anybody's.
fn mark((kind, with): &(String, String)) -> String {
    let mut mark = exchange::Letter::parcel_id(&["sort", kind, with]);
    mark.truncate(12);
    mark
}

async fn show(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    (looked, wrong): (Looked, Option<&Fields>),
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let scope = visit.scope(node, Interaction::Slots, "Slot").await?;
    whose(&scope)?;
    let own = match &node.exchange {
        Some(exchange) if asks_system(node) => {
            let times = system_times(exchange, &scope, visit).await?;
            in_system(node, language, (times, looked.from))
        }
        _ => here(node, &scope, language, &looked).await?,
    };
    let mut sources = vec![own];
    sources.extend(there(node, &scope, language, looked.from).await?);
    let too_long = text(language, "book-too-long");
    let view = views::Book {
        t: language.texts(),
        lang: language.code(),
        errors: wrong
            .iter()
            .map(|_| Fault {
                text: too_long,
                href: "#reason".into(),
            })
            .collect(),
        reason: wrong.map_or("", |fields| fields.text("reason")).to_owned(),
        reason_error: wrong.map(|_| too_long.to_owned()),
        sources,
        earliest: (looked.from > visit.now).then_some("/appointments/book"),
    };
    let title = text(language, "book-title");
    let page = Page::new("patient/book.jinja", title, view).under("/appointments");
    let page = page.with_faults(wrong.is_some());
    Ok(page.answer(&node.site, visit))
}

/// What this organisation offers.
async fn here(
    node: &Node,
    scope: &Scope,
    language: Language,
    looked: &Looked,
) -> Result<views::Source, Problem> {
    let from = looked.from;
    let place = node.site.name.clone();
    let own = &node.site.organisation;
    if !node.diary.kept_here {
        let closed = language.tell("book-closed", &[("place", &place)]);
        return Ok(source(
            language,
            own,
            (place, Vec::new()),
            (None, Some(closed)),
        ));
    }
    let mut free = Free {
        from,
        until: from.saturating_add(booking::AHEAD_MILLIS),
        audience: Audience::Patients,
        like: None,
        count: TIMES_MAX,
    };
    let sorts = node.store.free_sorts(scope, &free).await?;
    let chosen = sorts.iter().find(|it| mark(it) == looked.who);
    free.like = chosen.map(|(kind, with)| (kind.as_str(), with.as_str()));
    let slots = node.store.free_slots(scope, &free).await?;
    let times: Vec<(String, Offer)> = slots
        .iter()
        .map(|it| (own.to_string(), Offer::of(it)))
        .collect();
    let is_full = times.len() >= TIMES_MAX as usize;
    let last = times.last().map(|(_, offer)| offer.starts);
    let mut source = source(language, own, (place, times), (None, None));
    if let (true, Some(last)) = (is_full, last) {
        let mut day = date::date(last);
        // Where one day alone is more than is shown, the next begins behind it.
        if day <= date::date(from) {
            day = date::date(from.saturating_add(DAY));
        }
        source.later = Some(looked.address(&day));
    }
    if sorts.len() > 1 {
        source.sorts = tabs(language, &sorts, chosen);
    }
    Ok(source)
}

/// What the organisation's own system offers, or that it did not answer.
fn in_system(
    node: &Node,
    language: Language,
    (times, from): (Result<Vec<(String, Offer)>, String>, Millis),
) -> views::Source {
    let own = &node.site.organisation;
    let place = node.site.name.clone();
    match times {
        Ok(mut times) => {
            times.retain(|(_, it)| it.starts >= from);
            let later = times.get(TIMES_MAX as usize).map(|(_, it)| it.starts);
            times.truncate(TIMES_MAX as usize);
            let note = language.tell("book-confirmed-later", &[("place", &place)]);
            let mut source = source(language, own, (place, times), (Some(note), None));
            let later = later.map(date::date).filter(|day| *day > date::date(from));
            source.later = later.map(|day| format!("/appointments/book?from={day}"));
            source
        }
        Err(why) => {
            let with = [("place", place.as_str()), ("reason", why.as_str())];
            let silent = language.tell("book-silent", &with);
            let advice = text(language, "book-silent-advice");
            let silent = format!("{silent} {advice}");
            source(language, own, (place, Vec::new()), (None, Some(silent)))
        }
    }
}

/// The choice of one sort of appointment, or of all.
fn tabs(
    language: Language,
    sorts: &[(String, String)],
    chosen: Option<&(String, String)>,
) -> Vec<views::Sort> {
    let all = views::Sort {
        href: "/appointments/book".to_owned(),
        text: text(language, "book-anyone").to_owned(),
        current: chosen.is_none(),
    };
    let sort = |it: &(String, String)| views::Sort {
        href: format!("/appointments/book?who={}", mark(it)),
        text: what(language, &it.0, &it.1),
        current: chosen == Some(it),
    };
    std::iter::once(all).chain(sorts.iter().map(sort)).collect()
}

/// What other organisations offer, and who did not answer.
async fn there(
    node: &Node,
    scope: &Scope,
    language: Language,
    from: Millis,
) -> Result<Vec<views::Source>, Problem> {
    let Some(exchange) = &node.exchange else {
        return Ok(Vec::new());
    };
    let own = &node.site.organisation;
    let mut sources = Vec::new();
    for one in exchange.free_there(scope).await? {
        let holder = one.organisation.to_string();
        let place = (node.organisation_name)(&holder);
        sources.push(match one.offers {
            Ok(offers) => {
                let offers = offers.into_iter().filter(|it| it.starts >= from);
                let times = offers.take(TIMES_MAX as usize);
                let times: Vec<_> = times.map(|it| (holder.clone(), it)).collect();
                let note = language.tell("book-confirmed-later", &[("place", &place)]);
                source(language, own, (place, times), (Some(note), None))
            }
            Err(why) => {
                let with = [("place", place.as_str()), ("reason", why.as_str())];
                let silent = language.tell("book-silent", &with);
                let advice = text(language, "book-silent-advice");
                let silent = format!("{silent} {advice}");
                source(language, own, (place, Vec::new()), (None, Some(silent)))
            }
        });
    }
    Ok(sources)
}

fn source(
    language: Language,
    own: &Ods,
    (place, times): (String, Vec<(String, Offer)>),
    (note, silent): (Option<String>, Option<String>),
) -> views::Source {
    views::Source {
        place,
        empty: times.is_empty() && silent.is_none(),
        days: days(language, own, &times),
        note: note.filter(|_| !times.is_empty()),
        silent,
        sorts: Vec::new(),
        later: None,
    }
}

/// The time that was chosen, with whose it is; none if it cannot be had any more.
async fn chosen(
    node: &Node,
    scope: &Scope,
    choice: &Choice,
) -> Result<Option<(Ods, Offer)>, Problem> {
    let now = node.store.now();
    match choice {
        Choice::Here(id) => {
            let slot = node.store.slot(scope, id).await?;
            let slot = slot.filter(|it| it.audience >= Audience::Patients);
            let Some(slot) = slot.filter(|_| node.diary.kept_here) else {
                let message = "There is no such appointment to be had here.";
                return Err(Problem::new(Kind::NotFound, message));
            };
            let own = node.site.organisation.clone();
            let is_open = slot.is_free() && slot.starts_at > now;
            Ok(is_open.then(|| (own, Offer::of(&slot))))
        }
        Choice::There(holder, offer) => {
            let is_open = offer.starts > now;
            Ok(is_open.then(|| (holder.clone(), (**offer).clone())))
        }
        Choice::System(offer) => {
            let own = node.site.organisation.clone();
            let is_open = offer.starts > now;
            Ok(is_open.then(|| (own, (**offer).clone())))
        }
    }
}

/// `POST /appointments/book/check`: shows what would be booked, and changes nothing.
pub async fn check(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    fields: Fields,
) -> Result<Response, Refusal> {
    let language = tongue.language;
    if fields.text("reason").chars().count() > REASON_CHARS_MAX {
        let looked = Looked::all(visit.now);
        return show(&node, &visit, tongue, (looked, Some(&fields))).await;
    }
    let scope = visit.scope(&node, Interaction::Slots, "Slot").await?;
    whose(&scope)?;
    let choice = Choice::read(fields.text("choice"))?;
    let Some((holder, offer)) = chosen(&node, &scope, &choice).await? else {
        return taken(&node, &visit, tongue, (&choice, &fields, None)).await;
    };
    let instead_of = fields.text("instead_of").to_owned();
    let instead = match instead_of.as_str() {
        "" => None,
        id => Some(language.when(find(&node, &visit, id).await?.starts)),
    };
    let place = (node.organisation_name)(holder.as_str());
    let is_own = holder == node.site.organisation;
    let is_here = matches!(choice, Choice::Here(_));
    let place = if is_own {
        node.site.name.clone()
    } else {
        place
    };
    let (title, button) = match (is_here, instead.is_some()) {
        (_, true) => ("check-move-title", "check-move"),
        (true, false) => ("check-title", "check-book"),
        (false, false) => ("check-title", "check-ask"),
    };
    let with = [("place", place.as_str())];
    let whose = match visit.acting() {
        Some(acting) => acting.name.clone(),
        None => name(&visit).unwrap_or_default().to_owned(),
    };
    let back = match instead_of.as_str() {
        "" => "/appointments/book".to_owned(),
        id => format!("/appointments/{id}"),
    };
    let view = views::Check {
        t: language.texts(),
        lang: language.code(),
        title: text(language, title).to_owned(),
        when: language.when(offer.starts),
        kind: offer.kind.clone(),
        with: offer.with.clone(),
        note: (!is_here).then(|| language.tell("book-confirmed-later", &with)),
        place,
        reason: fields.text("reason").to_owned(),
        whose,
        instead,
        choice: match &choice {
            Choice::System(_) => value(&node.site.organisation, SYSTEM, &offer),
            _ => value(&node.site.organisation, holder.as_str(), &offer),
        },
        attempt: uuid::Uuid::new_v4().to_string(),
        instead_of,
        button: text(language, button).to_owned(),
        back,
    };
    let page = Page::new("patient/book-check.jinja", text(language, title), view);
    let page = page.under("/appointments");
    Ok(page.answer(&node.site, &visit))
}

/// `POST /appointments/book`: books, once however often the same form comes.
pub async fn book(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Book, "Appointment").await?;
    let choice = Choice::read(fields.text("choice"))?;
    let attempt = fields.text("attempt");
    if attempt.is_empty() || attempt.chars().count() > ATTEMPT_CHARS_MAX {
        let message = "The form is not whole; choose the time again.";
        return Err(Problem::new(Kind::Value, message).into());
    }
    let patient = whose(&scope)?;
    let instead_of = fields.text("instead_of");
    let came = match &choice {
        Choice::Here(_) if !node.diary.kept_here => {
            let message =
                "Appointments here are kept in a system of their own, which stays the only diary.";
            return Err(Problem::new(Kind::BusinessRule, message).into());
        }
        Choice::Here(slot) => {
            let wish = Wish {
                patient,
                slot,
                reason: fields.text("reason"),
                attempt,
                audience: Audience::Patients,
            };
            match instead_of {
                "" => booking::book(&node.store, &scope, &wish).await?,
                id => {
                    let old = booked(&node, &visit, id, &node.site.organisation).await?;
                    let to = (slot.as_str(), Audience::Patients);
                    booking::move_to(&node.store, &scope, &old, to).await?
                }
            }
        }
        Choice::There(holder, offer) => {
            let wish = Wish {
                patient,
                slot: &offer.slot,
                reason: fields.text("reason"),
                attempt,
                audience: Audience::Patients,
            };
            let old = match instead_of {
                "" => None,
                id => Some(booked(&node, &visit, id, holder).await?),
            };
            let exchange = node.exchange.as_ref().ok_or_else(|| {
                let message = "Other organisations cannot be asked from here.";
                Problem::new(Kind::NotSupported, message)
            })?;
            let by = (name(&visit).unwrap_or_default(), old.as_ref());
            let wanted = (holder, offer.as_ref());
            exchange.ask_for(&scope, wanted, &wish, by).await?
        }
        Choice::System(offer) => ask_system(&node, &visit, &scope, (offer, &fields)).await?,
    };
    let came = soon(&node, &scope, came).await?;
    let moves = !instead_of.is_empty();
    let (id, done) = match came {
        Soon::Taken(booking) => {
            let what = (&choice, &fields, booking.as_deref());
            return taken(&node, &visit, tongue, what).await;
        }
        Soon::Booked(id) if moves => (id, "moved"),
        Soon::Booked(id) => (id, "booked"),
        Soon::Asked(id) => (id, "asked"),
    };
    Ok(see_other(&format!("/appointments/{id}?done={done}")))
}

/// Asks the organisation's own system for a time that it offered.
async fn ask_system(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    (offer, fields): (&Offer, &Fields),
) -> Result<Came, Problem> {
    let wish = Wish {
        patient: whose(scope)?,
        slot: &offer.slot,
        reason: fields.text("reason"),
        attempt: fields.text("attempt"),
        audience: Audience::Patients,
    };
    let old = match fields.text("instead_of") {
        "" => None,
        id => Some(booked(node, visit, id, &node.site.organisation).await?),
    };
    let exchange = node.exchange.as_ref().filter(|_| asks_system(node));
    let exchange = exchange.ok_or_else(|| {
        let message = "The organisation's own system cannot be asked from here.";
        Problem::new(Kind::NotSupported, message)
    })?;
    let by = (name(visit).unwrap_or_default(), old.as_ref());
    exchange.ask_system_for(scope, offer, &wish, by).await
}

/// The patient's booking of that id, which must be in the diary that the new time is in.
async fn booked(
    node: &Node,
    visit: &Visit,
    id: &str,
    holder: &Ods,
) -> Result<store::diary::Booking, Problem> {
    let found = find(node, visit, id).await?;
    let booking = found.booking.filter(|it| it.holder == holder.as_str());
    booking.ok_or_else(|| {
        let message = "An appointment is moved to a time of the same organisation.";
        Problem::new(Kind::BusinessRule, message)
    })
}
