//! `/staff/slots/{id}/book`: staff book for a patient, here or at another organisation.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::Exchange;
use exchange::booking::{self, Came, Offer, REASON_CHARS_MAX, Wish};
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::Job;
use store::diary::{Audience, BookingState};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Fault, Link};
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other, words};
use crate::patient::appointments::choice::Choice;
use crate::patient::appointments::{asks_system, what};
use crate::sign_in::proof;
use crate::staff::desk::tasks::booking::{ToBook, to_book};
use crate::staff::slot_views as views;
use crate::visit::Visit;

/// A form that did not pass: its fields and what is wrong.
type Wrong<'w> = (&'w Fields, &'static str);

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    /// The task to book that somebody is at.
    #[serde(default)]
    task: String,
}

/// `GET /staff/slots/{id}/book`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let task = to_book(&node, &visit, &asked.task).await?;
    show(&node, &visit, &id, (task.as_ref(), None)).await
}

/// The time that is to be booked, and the name of whose it is.
async fn chosen(node: &Node, scope: &Scope, choice: &Choice) -> Result<(Offer, String), Problem> {
    match choice {
        Choice::Here(id) => {
            let slot = node.store.slot(scope, id).await?;
            let slot =
                slot.ok_or_else(|| Problem::new(Kind::NotFound, "There is no such slot here."))?;
            Ok((Offer::of(&slot), node.site.name.clone()))
        }
        Choice::There(holder, offer) => {
            let name = (node.organisation_name)(holder.as_str());
            Ok(((**offer).clone(), name))
        }
        Choice::System(offer) => Ok(((**offer).clone(), node.site.name.clone())),
    }
}

async fn show(
    node: &Node,
    visit: &Visit,
    id: &str,
    (task, wrong): (Option<&ToBook>, Option<Wrong<'_>>),
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Slots, "Slot").await?;
    let choice = Choice::read(id)?;
    let (offer, place) = chosen(node, &scope, &choice).await?;
    let typed = |name: &str| wrong.map_or("", |(fields, _)| fields.text(name)).to_owned();
    // What the task knows of its patient need not be typed.
    let [nhs_number, born, family, reason] = match (wrong, task) {
        (None, Some(task)) => {
            let [number, born, family] = task.proof();
            [number, born, family, task.service.clone()]
        }
        _ => ["nhs_number", "born", "family", "reason"].map(typed),
    };
    let day = words::there(offer.starts).map_or(String::new(), |it| it.date().to_string());
    let is_there = !matches!(choice, Choice::Here(_));
    let attempt = match typed("attempt") {
        attempt if attempt.is_empty() => uuid::Uuid::new_v4().to_string(),
        attempt => attempt,
    };
    let view = views::SlotBook {
        errors: wrong
            .iter()
            .map(|(_, text)| Fault {
                text,
                href: "#nhs_number".into(),
            })
            .collect(),
        back: match is_there {
            true => Link {
                text: match choice {
                    Choice::System(_) => "Slots of other systems",
                    _ => "Other organisations",
                },
                href: "/staff/slots/there".into(),
            },
            false => Link {
                text: "Slots",
                href: match task {
                    Some(task) => format!("/staff/slots?day={day}&task={}", task.id()),
                    None => format!("/staff/slots?day={day}"),
                },
            },
        },
        when: Language::English.when(offer.starts),
        what: what(Language::English, &offer.kind, &offer.with),
        note: is_there.then(|| {
            format!("{place} confirms each booking; until then it is only asked for, and the patient's page says so.")
        }),
        place,
        action: format!("/staff/slots/{id}/book"),
        attempt,
        task: task.map(|it| it.id().to_owned()).unwrap_or_default(),
        nhs_number,
        born,
        family,
        reason,
        error: wrong.map(|(_, text)| text.to_owned()),
    };
    let page = Page::new("staff/slot-book.jinja", "Book for a patient", view);
    let page = page.under("/staff/slots").with_faults(wrong.is_some());
    Ok(page.answer(&node.site, visit))
}

/// What is known a moment later of what was asked for by BaRS; the id of what somebody else had.
async fn told_at_once(
    exchange: &Exchange,
    scope: &Scope,
    came: Came,
) -> Result<Result<Came, String>, Problem> {
    let Came::Asked(id) = came else {
        return Ok(Ok(came));
    };
    let known = exchange.bars_answer(scope, &id).await?;
    Ok(match known.map(|it| it.state) {
        Some(BookingState::Booked) => Ok(Came::Booked(id)),
        Some(BookingState::Taken) => Err(id),
        _ => Ok(Came::Asked(id)),
    })
}

/// `POST /staff/slots/{id}/book`
pub async fn book(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Book, "Appointment").await?;
    let choice = Choice::read(&id)?;
    let task = to_book(&node, &visit, fields.text("task")).await?;
    let typed = ["nhs_number", "born", "family"].map(|it| fields.text(it));
    // All three together: nobody is booked for by a number alone.
    let Some((patient, ..)) = proof::find(&node, &visit, typed).await? else {
        let text = "Nobody here has this NHS number, date of birth and family name together";
        return show(&node, &visit, &id, (task.as_ref(), Some((&fields, text)))).await;
    };
    if task.as_ref().is_some_and(|it| it.patient() != patient) {
        let text = "The task is to book for somebody else: leave the patient as it is, or book without the task";
        return show(&node, &visit, &id, (task.as_ref(), Some((&fields, text)))).await;
    }
    let attempt = fields.text("attempt");
    let reason = fields.text("reason");
    if attempt.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        let text = "Give a reason of up to 500 characters";
        return show(&node, &visit, &id, (task.as_ref(), Some((&fields, text)))).await;
    }
    let (offer, _) = chosen(&node, &scope, &choice).await?;
    let wish = Wish {
        patient: &patient,
        slot: &offer.slot,
        reason,
        attempt,
        audience: Audience::Staff,
    };
    let beside = match (&task, &choice) {
        (Some(task), Choice::Here(_)) => {
            let when = Language::English.when(offer.starts);
            let note = format!(
                "Booked: {when}, {}",
                what(Language::English, &offer.kind, &offer.with)
            );
            Some(task.done(&node, &visit, &note, visit.now).await?)
        }
        _ => None,
    };
    let came = match take(&node, &visit, &scope, (&choice, &offer), (&wish, beside)).await? {
        Ok(came) => came,
        Err(taken) => {
            let mut href = format!("/staff/slots/there?taken={taken}");
            if let Some(task) = &task {
                href.push_str("&task=");
                href.push_str(task.id());
            }
            return Ok(see_other(&href));
        }
    };
    let day = words::there(offer.starts).map_or(String::new(), |it| it.date().to_string());
    let done = match came {
        Came::Booked(_) => "booked",
        Came::Asked(_) => "asked",
        Came::Taken => {
            let message = "Somebody else has just booked this slot, or it is not free any more. Choose another.";
            return Err(Problem::new(Kind::Conflict, message).into());
        }
    };
    Ok(see_other(&match (&task, &choice) {
        (None, _) => format!("/staff/slots?day={day}&done={done}"),
        (Some(_), Choice::Here(_)) => "/staff/tasks?done=booked".to_owned(),
        // Whether it is booked there is not this node's to say yet.
        (Some(task), _) => format!("{}?done=asked", task.href()),
    }))
}

/// Takes the time where it is offered, or the id of what somebody else had. What is to be done beside is done in the
/// commit of a booking here.
async fn take(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    (choice, offer): (&Choice, &Offer),
    (wish, beside): (&Wish<'_>, Option<Job>),
) -> Result<Result<Came, String>, Problem> {
    let by = visit.caller().map(words::caller).unwrap_or_default();
    Ok(Ok(match choice {
        Choice::Here(_) if !node.diary.kept_here => {
            let message =
                "Another system holds this organisation's diary, and stays the only diary.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        Choice::Here(_) => match (&node.exchange, beside) {
            (Some(exchange), Some(job)) => exchange.book_with(scope, wish, job).await?,
            (Some(exchange), None) => exchange.book_here(scope, wish).await?,
            (None, Some(job)) => booking::book_beside(&node.store, scope, wish, job).await?,
            (None, None) => booking::book(&node.store, scope, wish).await?,
        },
        Choice::There(holder, _) => {
            let exchange = node.exchange.as_ref().ok_or_else(|| {
                let message = "Other organisations cannot be asked from here.";
                Problem::new(Kind::NotSupported, message)
            })?;
            let wanted = (holder, offer);
            let came = exchange.ask_for(scope, wanted, wish, (&by, None)).await?;
            return told_at_once(exchange, scope, came).await;
        }
        Choice::System(_) => {
            let exchange = node.exchange.as_ref().filter(|_| asks_system(node));
            let exchange = exchange.ok_or_else(|| {
                let message = "The organisation's own system cannot be asked from here.";
                Problem::new(Kind::NotSupported, message)
            })?;
            exchange
                .ask_system_for(scope, offer, wish, (&by, None))
                .await?
        }
    }))
}
