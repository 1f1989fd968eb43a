//! `/staff/handovers/{id}`: the crew's sheet with the record attached, and what can be done: by the crew, by the department.

use std::sync::Arc;

use access::{Interaction, Ods};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::handovers::news2::{Total, score};
use exchange::handovers::{Act, HandoverText, NO_PRACTICE, Observations, Sheet};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::handovers::{Handover, HandoverState, Receipt};
use store::parcels::State as Parcel;

use super::form::receivers;
use super::load::{self, Loaded, as_told};
use super::views;
use super::{
    Asked, TY, done, due, exchange, may_take_over, of_set, received, scored, state, waited,
};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Fault;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::staff::{shared, shared_views};
use crate::visit::Visit;

/// What was typed into a form that did not pass.
#[derive(Default)]
struct Typed {
    act: &'static str,
    words: String,
    fault: Option<String>,
}

/// `GET /staff/handovers/{id}`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    Box::pin(show(&node, &visit, (&id, &asked), Typed::default())).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    (id, asked): (&str, &Asked),
    typed: Typed,
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Handovers, TY).await?;
    let handover = node.store.handover(&scope, id).await?;
    let handover = handover.ok_or_else(load::gone)?;
    let loaded = load::one(node, &scope, &handover).await?;
    let loaded = loaded.ok_or_else(load::gone)?;
    if visit.is_look() {
        looked(node, visit, &handover).await?;
    }
    let receipts = match handover.inward {
        true => Vec::new(),
        false => node.store.handover_receipts(&handover).await?,
    };
    let (shared, unshared) = match visit.is_look() && asked.sheet.is_none() {
        true => attached(node, visit, &handover).await?,
        false => (None, "Open this page anew to ask for it.".to_owned()),
    };
    let view = view(node, visit, (&handover, &loaded, &receipts), asked, &typed).await?;
    let view = views::One {
        shared,
        unshared,
        ..view
    };
    let title = format!("Handover: {}", loaded.who(&handover, visit.now));
    let page = Page::new("staff/handover.jinja", title, view);
    let page = page
        .under("/staff/handover-board")
        .with_faults(typed.fault.is_some());
    Ok(page.answer(&node.site, visit))
}

/// Notes that the caller looked: the crew gets a receipt for the first look of the department. An engineer, or who looks in an
/// emergency only, leaves the line of the look itself.
async fn looked(node: &Node, visit: &Visit, handover: &Handover) -> Result<(), Refusal> {
    if handover.inward {
        let scope = visit.scope(node, Interaction::OpenLetter, TY).await?;
        if let Some(exchange) = &node.exchange {
            match exchange.open_handover(&scope, &handover.id).await {
                Err(problem) if matches!(problem.kind, Kind::Forbidden | Kind::NotFound) => {}
                opened => opened?,
            }
        }
        return Ok(());
    }
    if handover.news {
        let id = handover.id.clone();
        let seen = store::handovers::HandoverWrite::Seen { id };
        let scope = visit.scope(node, Interaction::Handovers, TY).await?;
        let job = store::Job::effect(store::Effect::Handover(seen));
        node.store.commit(&scope, job).await?;
    }
    Ok(())
}

/// The record attached: what other organisations hold, asked for now; or why it is not.
async fn attached(
    node: &Node,
    visit: &Visit,
    handover: &Handover,
) -> Result<(Option<shared_views::SharedPage>, String), Refusal> {
    let why = |text: &str| Ok((None, text.to_owned()));
    if !handover.inward {
        return why("");
    }
    if handover.patient.is_empty() {
        return why(
            "No record is shown: nobody has said yet who this is, and a record is never attached by a number alone.",
        );
    }
    if handover.state == HandoverState::Withdrawn {
        return why("No record was asked for: they are not coming here.");
    }
    match Box::pin(shared::asked(node, visit, &handover.patient)).await {
        Ok(shared) => Ok((Some(shared), String::new())),
        Err(problem)
            if matches!(
                problem.kind,
                Kind::NotFound | Kind::Forbidden | Kind::NotSupported | Kind::BusinessRule
            ) =>
        {
            let text = format!(
                "Other organisations were not asked: {} This does not mean that nothing is recorded.",
                problem.message
            );
            Ok((None, text))
        }
        Err(problem) => Err(problem.into()),
    }
}

async fn view(
    node: &Node,
    visit: &Visit,
    (handover, loaded, receipts): (&Handover, &Loaded, &[Receipt]),
    asked: &Asked,
    typed: &Typed,
) -> Result<views::One, Problem> {
    let now = visit.now;
    let older = older(handover, loaded, asked);
    let nothing = Sheet::default();
    let sheet = older.and_then(|it| it.sheet.as_ref());
    let sheet = sheet.or_else(|| loaded.sheet()).unwrap_or(&nothing);
    let sent = match handover.inward {
        true => None,
        false => node.store.handover_sent(handover).await?,
    };
    let received = received(handover, receipts);
    let (wait, mark) = waited(handover, received, now);
    let may = may_take_over(visit);
    let is_open = handover.state.is_open();
    let is_crews = !handover.inward && handover.state != HandoverState::Withdrawn;
    let moment = |at| words::moment(at, now);
    Ok(views::One {
        done: done(asked),
        errors: faults(typed),
        said: typed.fault.clone(),
        back: match handover.inward {
            true => "/staff/handover-board",
            false => "/staff/handovers",
        },
        patient: loaded.person(now),
        told: told(loaded, now),
        record: (!handover.patient.is_empty())
            .then(|| format!("/staff/patient/{}", handover.patient)),
        inward: handover.inward,
        other: (node.organisation_name)(&handover.other),
        crew: sheet.crew.clone(),
        pre_alert: sheet.pre_alert,
        state: state(handover, sent.as_ref(), receipts),
        due: due(handover, now),
        waited: wait,
        mark,
        ended: ended(handover, now),
        letter: letter(handover),
        older: older.map(|it| (it.number, moment(it.at))),
        sheet: of_sheet(sheet, now),
        steps: steps(node, (handover, loaded, receipts), now),
        delivery: sent.map(|it| views::Delivery {
            state: crate::page::parts::state(it.state),
            when: moment(it.at),
            why: it.why,
        }),
        action: format!("/staff/handovers/{}", handover.id),
        can_arrive: is_crews && handover.arrived_at == 0 && received.is_none(),
        can_update: is_crews,
        can_begin: handover.inward && is_open && may && handover.state != HandoverState::Begun,
        can_receive: handover.inward && is_open && may,
        waits_for_clinician: handover.inward && is_open && !may,
        can_match: handover.inward && handover.patient.is_empty(),
        can_move: handover.inward && !handover.patient.is_empty(),
        was_moved: handover.inward && !handover.moved_from.is_empty(),
        receivers: match is_crews && received.is_none() {
            true => receivers(node, &handover.other)?,
            false => Vec::new(),
        },
        typed_act: typed.act,
        typed_words: typed.words.clone(),
        me: visit.caller().map(words::caller).unwrap_or_default(),
        shared: None,
        unshared: String::new(),
    })
}

/// The step of the older sheet that is asked for.
fn older<'l>(handover: &Handover, loaded: &'l Loaded, asked: &Asked) -> Option<&'l HandoverText> {
    let older = loaded.older(asked.sheet?)?;
    (older.number != handover.crew_told).then_some(older)
}

/// What a sheet says, to be shown.
fn of_sheet(sheet: &Sheet, now: Millis) -> views::Told {
    let (parts, missing) = parts(sheet);
    let treatments = sheet.treatments.iter();
    views::Told {
        score: scored(Some(sheet)),
        missing,
        measured: sheet.newest().map(|it| words::moment(it.at, now)),
        parts,
        sets: sets(sheet, now),
        happened: sheet.happened.clone(),
        found: sheet.found.clone(),
        allergies: sheet.allergies.clone(),
        treatments: treatments
            .map(|it| (words::moment(it.at, now), it.what.clone()))
            .collect(),
    }
}

fn faults(typed: &Typed) -> Vec<Fault> {
    match typed.fault {
        Some(_) => vec![Fault {
            text: "Nothing was done",
            href: format!("#{}-words", typed.act).into(),
        }],
        None => Vec::new(),
    }
}

/// Whom the crew names, where that is not whom the record is of.
fn told(loaded: &Loaded, now: Millis) -> Option<crate::page::parts::Person> {
    let (patient, sheet) = (loaded.patient.as_ref()?, loaded.sheet()?);
    let it = &sheet.person;
    let differs = it.nhs_number.is_some() && it.nhs_number != patient.nhs_number
        || it.birth_date.is_some() && it.birth_date != patient.birth_date
        || sheet.is_unknown()
        || !it.family.is_empty() && fhir::search::fold(&it.family) != patient.family;
    differs.then(|| as_told(sheet, now))
}

fn ended(handover: &Handover, now: Millis) -> String {
    let at = words::moment(handover.ended_at, now).short;
    match handover.state {
        HandoverState::Received => format!("{} took over at {at}.", handover.ended_by),
        HandoverState::Withdrawn => {
            format!(
                "Ended by {} at {at}: they are not coming.",
                handover.ended_by
            )
        }
        _ => String::new(),
    }
}

fn letter(handover: &Handover) -> &'static str {
    match (
        handover.inward && handover.state == HandoverState::Received,
        handover.letter.as_str(),
    ) {
        (false, _) => "",
        (true, "") => "The practice is not told yet: say first who this is.",
        (true, NO_PRACTICE) => "No practice is known here, so nobody was written to.",
        (true, _) => "The patient’s practice is told by a letter: see Sent.",
    }
}

fn parts(sheet: &Sheet) -> (Vec<views::Part>, String) {
    let Some(newest) = sheet.newest() else {
        return (Vec::new(), String::new());
    };
    let score = score(newest, sheet.age_at(newest.at));
    let missing = match &score.total {
        Total::Incomplete { missing, at_least } => format!(
            "Not measured: {}. What was measured comes to {at_least}; what is missing may add to that.",
            missing.join(", ").to_lowercase()
        ),
        Total::NotForChildren => "NEWS2 is not for children under 16, nor in pregnancy.".to_owned(),
        Total::Whole { .. } => String::new(),
    };
    let part = |it: exchange::handovers::news2::Part| views::Part {
        name: it.name,
        value: it.value,
        points: it.points,
    };
    (score.parts.into_iter().map(part).collect(), missing)
}

/// All sets, the newest by when they were taken first.
fn sets(sheet: &Sheet, now: Millis) -> Vec<views::Set> {
    let mut sets: Vec<&Observations> = sheet.observations.iter().collect();
    sets.reverse();
    sets.sort_by_key(|it| std::cmp::Reverse(it.at));
    let number = |it: Option<u32>| it.map_or_else(|| "–".to_owned(), |it| it.to_string());
    let set = |it: &Observations| views::Set {
        at: words::moment(it.at, now),
        score: of_set(it, sheet),
        numbers: vec![
            number(it.respiratory_rate),
            match (it.oxygen_saturation, it.scale) {
                (Some(percent), 2) => format!("{percent} (scale 2)"),
                (percent, _) => number(percent),
            },
            match it.on_oxygen {
                Some(true) => "oxygen".to_owned(),
                Some(false) => "air".to_owned(),
                None => "–".to_owned(),
            },
            format!("{}/{}", number(it.systolic), number(it.diastolic)),
            number(it.pulse),
            it.consciousness
                .map_or_else(|| "–".to_owned(), |it| it.code().to_owned()),
            it.temperature
                .map_or_else(|| "–".to_owned(), |it| format!("{}.{}", it / 10, it % 10)),
        ],
    };
    sets.into_iter().map(set).collect()
}

fn steps(
    node: &Node,
    (handover, loaded, receipts): (&Handover, &Loaded, &[Receipt]),
    now: Millis,
) -> Vec<views::Step> {
    let step = |it: &HandoverText| {
        let what = match it.act {
            Act::Start => "Handed over",
            Act::Update => "Said something new",
            Act::Arrive => "Arrived",
            Act::Withdraw => "Withdrawn",
            Act::Begin => "Began to take over",
            Act::Close => "Does not wait any longer",
            Act::Move => "Put into another person’s record",
        };
        let is_older = it.sheet.is_some() && it.number != handover.crew_told;
        let step = views::Step {
            what: what.to_owned(),
            when: words::moment(it.at, now),
            who: format!("{}, {}", it.by, it.role),
            note: it.words.clone(),
            href: is_older.then(|| format!("/staff/handovers/{}?sheet={}", handover.id, it.number)),
            told: match handover.inward || it.act.is_departments() {
                true => Vec::new(),
                false => told_of(receipts, it.number, now),
            },
        };
        (it.at, step)
    };
    let receipt = |it: &Receipt| {
        let what = match it.state {
            Parcel::ActedOn => "Taken over",
            other => other.code(),
        };
        let step = views::Step {
            what: what.to_owned(),
            when: words::moment(it.at, now),
            who: match it.who.is_empty() {
                true => (node.organisation_name)(&handover.other),
                false => format!("{}, {}", it.who, it.role),
            },
            note: it.note.clone(),
            href: None,
            told: Vec::new(),
        };
        (it.at, step)
    };
    let own = loaded.said.iter().map(step);
    // How far each step got stands beside it.
    let others = receipts
        .iter()
        .filter(|it| !matches!(it.state, Parcel::Delivered | Parcel::Opened));
    let mut steps: Vec<_> = own.chain(others.map(receipt)).collect();
    if handover.inward && handover.state == HandoverState::Received {
        let taken = views::Step {
            what: "Taken over".to_owned(),
            when: words::moment(handover.ended_at, now),
            who: handover.ended_by.clone(),
            note: String::new(),
            href: None,
            told: Vec::new(),
        };
        steps.push((handover.ended_at, taken));
    }
    steps.sort_by_key(|it| it.0);
    steps.into_iter().map(|it| it.1).collect()
}

/// How far a step of the crew got, by the department's receipts for it.
fn told_of(receipts: &[Receipt], step: u32, now: Millis) -> Vec<String> {
    let of_it = receipts.iter().filter(|it| it.step == step);
    let told = of_it.filter_map(|it| {
        let at = words::moment(it.at, now).short;
        match it.state {
            Parcel::Delivered => Some(format!("There, at the hospital’s node, at {at}")),
            Parcel::Opened => Some(format!("Seen at {at} by {}, {}", it.who, it.role)),
            _ => None,
        }
    });
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => vec!["Not there yet".to_owned()],
        false => told,
    }
}

/// `POST /staff/handovers/{id}/arrived`
pub async fn arrived(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::HandOver, TY).await?;
    let done = exchange(&node)?.crew_arrived(&scope, &id).await;
    settle(&node, &visit, (&id, "arrived"), (&fields, done)).await
}

/// `POST /staff/handovers/{id}/withdraw`
pub async fn withdraw(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::HandOver, TY).await?;
    let words = fields.text("words");
    let done = exchange(&node)?.withdraw_handover(&scope, &id, words).await;
    settle(&node, &visit, (&id, "withdrawn"), (&fields, done)).await
}

/// `POST /staff/handovers/{id}/divert`
pub async fn divert(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::HandOver, TY).await?;
    let done = match Ods::parse(fields.text("to")) {
        Ok(to) => {
            let words = fields.text("words");
            let diverted = exchange(&node)?.divert_handover(&scope, (&id, &to), words);
            diverted.await
        }
        Err(_) => Err(Problem::new(
            Kind::Required,
            "Choose the hospital you go to.",
        )),
    };
    match done {
        Ok(next) => Ok(see_other(&format!("/staff/handovers/{next}?done=diverted"))),
        Err(problem) => {
            let act = (id.as_str(), "diverted");
            settle(&node, &visit, act, (&fields, Err(problem))).await
        }
    }
}

/// `POST /staff/handovers/{id}/begin`
pub async fn begin(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::TakeOver, TY).await?;
    let done = exchange(&node)?.begin_handover(&scope, &id).await;
    settle(&node, &visit, (&id, "begun"), (&fields, done)).await
}

/// `POST /staff/handovers/{id}/receive`
pub async fn receive(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::TakeOver, TY).await?;
    let words = fields.text("words");
    let done = exchange(&node)?.receive_handover(&scope, &id, words).await;
    settle(&node, &visit, (&id, "received"), (&fields, done)).await
}

/// `POST /staff/handovers/{id}/close`
pub async fn close(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::TakeOver, TY).await?;
    let words = fields.text("words");
    let done = exchange(&node)?.close_handover(&scope, &id, words).await;
    settle(&node, &visit, (&id, "closed"), (&fields, done)).await
}

/// Back to the page, with what was done or what is wrong.
async fn settle(
    node: &Node,
    visit: &Visit,
    (id, act): (&str, &'static str),
    (fields, done): (&Fields, Result<(), Problem>),
) -> Result<Response, Refusal> {
    match done {
        Ok(()) => Ok(see_other(&format!("/staff/handovers/{id}?done={act}"))),
        Err(problem)
            if matches!(
                problem.kind,
                Kind::Required | Kind::TooLong | Kind::Value | Kind::BusinessRule | Kind::Conflict
            ) =>
        {
            let typed = Typed {
                act,
                words: fields.text("words").to_owned(),
                fault: Some(problem.message.to_string()),
            };
            Box::pin(show(node, visit, (id, &Asked::default()), typed)).await
        }
        Err(problem) => Err(problem.into()),
    }
}
