//! `/sharing`: what the patient wants shared with whom, and who has been told (P18).

use std::sync::Arc;

use access::category::{CATEGORIES, Category};
use access::{Interaction, Ods, Scope, Who};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use exchange::Letter;
use fhir::date::{self, Millis};
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use store::opt_out::Choice;
use store::parcels::State as Parcel;
use store::sharing::{Rule, Telling};
use store::{Change, Expect, Job, Prepared, Release};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Label};
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other};
use crate::patient::views;
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    saved: u8,
}

/// The patient who is here, and the name of the Consent that holds what they set on this page.
struct Own {
    patient: String,
    consent: String,
}

fn own(visit: &Visit) -> Result<Own, Problem> {
    let Who::Patient { patient, .. } = &visit.known()?.who else {
        let message = "This page is the patient's own.";
        return Err(Problem::new(Kind::Forbidden, message));
    };
    Ok(Own {
        patient: patient.clone(),
        consent: Letter::parcel_id(&["sharing", patient]),
    })
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let saved = (asked.saved == 1).then_some("Saved. It holds here from now on.");
    show(&node, &visit, saved, None).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    done: Option<&'static str>,
    error: Option<&'static str>,
) -> Result<Response, Refusal> {
    let own = own(visit)?;
    let scope = visit.scope(node, Interaction::Record, "Consent").await?;
    let all = node.store.sharing_rules(&scope, &own.patient, None).await?;
    let mine = Some(own.consent.as_str());
    let mine = node.store.sharing_rules(&scope, &own.patient, mine).await?;
    let tellings = node.store.tellings(&scope, &own.patient).await?;
    let organisations = organisations(node, &scope, &own, &all).await?;
    let language = visit.reads();
    let row = |ods: &Ods| views::Switches {
        name: (node.organisation_name)(ods.as_str()),
        switches: switches(ods, &all, &mine, (visit.now, language)),
    };
    let view = views::Sharing {
        done: done.map(|text| Done {
            text: language.say(text),
            href: None,
            link: None,
        }),
        error: error.map(|text| language.say(text)),
        categories: CATEGORIES.iter().map(|it| language.say(it.name)).collect(),
        organisations: organisations.iter().map(row).collect(),
        opt_out: opt_out(node, visit, &scope, language).await?,
        tellings: tellings
            .iter()
            .map(|it| telling(node, it, (visit.now, language)))
            .collect(),
    };
    let page = Page::new("patient/sharing.jinja", "Sharing", view).under("/sharing");
    let page = match error {
        Some(_) => page.with_status(StatusCode::UNPROCESSABLE_ENTITY),
        None => page,
    };
    Ok(page.answer(&node.site, visit))
}

/// What the national service has answered of the patient's national data opt-out, as far as it was asked from here.
async fn opt_out(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    language: Language,
) -> Result<Option<views::OptOut>, Problem> {
    let Who::Patient { nhs_number, .. } = &visit.known()?.who else {
        return Ok(None);
    };
    if visit.acting().is_some() {
        return Ok(None);
    }
    let place = node.site.name.as_str();
    let said = match node.store.opt_out_choice(scope, nhs_number).await? {
        Choice::NotKnown => language.tell("opt-out-not-asked", &[("place", place)]),
        Choice::OptedOut(at) => told_of(language, "opt-out-yes", (place, at)),
        Choice::NotOptedOut(at) => told_of(language, "opt-out-no", (place, at)),
    };
    Ok(Some(views::OptOut { said }))
}

fn told_of(language: Language, id: &str, (place, at): (&str, Millis)) -> String {
    let when = language.when(at);
    language.tell(id, &[("place", place), ("when", &when)])
}

/// This organisation, those that hold something, and those that a rule names.
async fn organisations(
    node: &Node,
    scope: &Scope,
    own: &Own,
    rules: &[Rule],
) -> Result<Vec<Ods>, Problem> {
    let here = &node.site.organisation;
    let mut others = node.store.holders(scope, &own.patient).await?;
    others.extend(
        rules
            .iter()
            .filter_map(|it| Ods::parse(&it.organisation).ok()),
    );
    others.retain(|ods| ods != here);
    others.sort();
    others.dedup();
    others.insert(0, here.clone());
    Ok(others)
}

fn switches(
    ods: &Ods,
    all: &[Rule],
    mine: &[Rule],
    (now, language): (Millis, Language),
) -> Vec<views::Switch> {
    let switch = |category: &Category| {
        let until = denied(ods, all, category.types, now);
        let is_mine = denied(ods, mine, category.types, now).is_some();
        let value = |word| format!("{word} {} {ods}", category.code);
        views::Switch {
            category: language.say(category.name),
            shared: until.is_none(),
            until: until
                .filter(|at| *at < Millis::MAX)
                .map(|at| language.date(at)),
            value: match (until.is_some(), is_mine) {
                (false, _) => Some(value("stop")),
                (true, true) => Some(value("share")),
                (true, false) => None,
            },
        }
    };
    CATEGORIES.iter().map(switch).collect()
}

/// Until when all those types are kept from that organisation, if they are.
fn denied(ods: &Ods, rules: &[Rule], types: &[&str], now: Millis) -> Option<Millis> {
    let ends = types.iter().map(|ty| {
        let live = rules.iter().filter(|rule| {
            rule.organisation == ods.as_str() && (rule.starts_at..rule.ends_at).contains(&now)
        });
        let of_type = live.filter(|rule| rule.types.iter().any(|it| it == ty));
        of_type.map(|rule| rule.ends_at).max()
    });
    ends.min().flatten()
}

fn telling(node: &Node, telling: &Telling, (now, language): (Millis, Language)) -> views::Telling {
    let (text, colour, at) = match (telling.state, telling.told_at) {
        (Parcel::Undeliverable, _) => ("Refused", Some("red"), telling.sent_at),
        (_, Some(at)) => ("Told", Some("green"), at),
        (_, None) => ("Not yet told", Some("yellow"), telling.sent_at),
    };
    views::Telling {
        organisation: (node.organisation_name)(&telling.organisation),
        state: Label {
            text: language.say(text),
            colour,
        },
        when: language.moment(at, now),
        reason: telling.reason.clone().filter(|_| telling.told_at.is_none()),
        refused: telling.refused_at.map(|at| language.moment(at, now)),
        receipts: (!telling.receipts.is_empty())
            .then(|| format!("/sharing/receipts/{}", telling.pid)),
    }
}

/// Sets one switch.
pub async fn set(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let own = own(&visit)?;
    let scope = visit
        .scope(&node, Interaction::SetSharing, "Consent")
        .await?;
    let wrong = || Problem::new(Kind::Value, "There is no such switch.");
    let mut words = fields.text("set").split(' ');
    let (Some(stops), Some(code), Some(ods)) = (words.next(), words.next(), words.next()) else {
        return Err(wrong().into());
    };
    let ods = Ods::parse(ods).map_err(|_| wrong())?;
    let mut categories = CATEGORIES.iter();
    let category = categories.find(|it| it.code == code);
    let types = category.ok_or_else(wrong)?.types;
    let Some(ends_at) = until(fields.text("until"), visit.now) else {
        let error = "Give the last day as 2027-03-31, from today on, or leave it empty";
        return show(&node, &visit, None, Some(error)).await;
    };
    let mine = Some(own.consent.as_str());
    let mut rules = node.store.sharing_rules(&scope, &own.patient, mine).await?;
    for rule in rules
        .iter_mut()
        .filter(|it| it.organisation == ods.as_str())
    {
        rule.types.retain(|ty| !types.contains(&ty.as_str()));
    }
    rules.retain(|rule| !rule.types.is_empty());
    if stops == "stop" {
        rules.push(Rule {
            organisation: ods.to_string(),
            types: types.iter().map(|it| (*it).to_string()).collect(),
            starts_at: 0,
            ends_at,
        });
    }
    let consent = store::sharing::consent(&own.consent, &own.patient, &rules, visit.now);
    let job = Job::change(put(&node, &own, &consent, visit.now)?);
    node.store.commit(&scope, job).await?;
    Ok(see_other("/sharing?saved=1"))
}

/// The first moment after the last day; for good if none is given.
fn until(day: &str, now: Millis) -> Option<Millis> {
    if day.is_empty() {
        return Some(Millis::MAX);
    }
    let span = (day.len() == 10).then(|| date::span(day)).flatten()?;
    (span.high > now).then_some(span.high)
}

fn put(node: &Node, own: &Own, consent: &Value, now: Millis) -> Result<Change, Problem> {
    let text = consent.to_string();
    let json = json::parse(text.as_bytes(), &Limits::default())?;
    Ok(Change::Put {
        resource: Prepared::new(&json, &own.consent, &node.site.organisation)?,
        expect: Expect::Anything,
        release: Release::At(now),
    })
}

/// `GET /sharing/receipts/{pid}`: the signed receipts of one organisation, as they came.
pub async fn receipts(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
) -> Result<Response, Refusal> {
    let own = own(&visit)?;
    let scope = visit.scope(&node, Interaction::Record, "Consent").await?;
    let tellings = node.store.tellings(&scope, &own.patient).await?;
    let telling = tellings.into_iter().find(|it| it.pid == pid);
    let Some(telling) = telling.filter(|it| !it.receipts.is_empty()) else {
        let message = "There are no such receipts for you here.";
        return Err(Problem::new(Kind::NotFound, message).into());
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"receipts.txt\"",
        ),
    ];
    Ok((headers, telling.receipts.join("\n")).into_response())
}
