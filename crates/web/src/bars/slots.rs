//! `GET /Slot`: what is free for other organisations, and, where it is asked for, what of that is booked. Who has it is not told.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};
use store::diary::Slot;

use super::{answer, refused, scope, told};
use crate::node::Node;

/// The longest span that is looked through: what is further ahead is not offered.
const SPAN_MILLIS: Millis = exchange::booking::AHEAD_MILLIS;
/// Parameters of a query that are read.
const PARAMETERS_MAX: usize = 50;
const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Whether free slots are among it, and those that are booked.
    pub free: bool,
    pub busy: bool,
    pub from: Millis,
    pub until: Millis,
    /// Whether that is included: the Schedules, and the HealthcareService with its Organization.
    pub schedules: bool,
    pub services: bool,
}

/// Reads the query.
///
/// # Errors
/// `Required`, `Value`, with the parameter.
pub(super) fn asked(query: &str) -> Result<Asked, Problem> {
    let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
    let pairs: Vec<(String, String)> = pairs.take(PARAMETERS_MAX).collect();
    let all = |name: &str| {
        let found = pairs.iter().filter(move |(key, _)| key == name);
        found.map(|(_, it)| it.as_str()).collect::<Vec<_>>()
    };
    let statuses = all("status");
    if statuses.is_empty() {
        let what = "The parameter status is needed, such as status=free.";
        return Err(Problem::new(Kind::Required, what).at("status"));
    }
    let is_asked = |status: &str| {
        let mut all = statuses.iter().flat_map(|it| it.split(','));
        all.any(|it| it == status)
    };
    let (free, busy) = (is_asked("free"), is_asked("busy"));
    let (mut from, mut until) = (None, None);
    for it in all("start") {
        let wrong = || {
            let what = "A start is ge or le and a time with its offset, such as ge2026-12-01T12:00:00+00:00.";
            Problem::new(Kind::Value, what).at("start")
        };
        // A plus in a query is a blank for whoever did not write it as %2B.
        let (prefix, time) = it.split_at_checked(2).ok_or_else(wrong)?;
        let time = date::span(&time.replace(' ', "+")).ok_or_else(wrong)?;
        match prefix {
            "ge" => from = Some(time.low),
            "gt" => from = Some(time.low.saturating_add(1)),
            "le" => until = Some(time.low.saturating_add(1)),
            "lt" => until = Some(time.low),
            _ => return Err(wrong()),
        }
    }
    let (Some(from), Some(until)) = (from, until) else {
        let what = "The parameter start is needed twice: from when (ge) and until when (le).";
        return Err(Problem::new(Kind::Required, what).at("start"));
    };
    let includes: Vec<&str> = all("_include");
    let has = |it: &str| includes.iter().any(|one| *one == it || *one == "Slot:*");
    Ok(Asked {
        free,
        busy,
        from,
        until: until.min(from.saturating_add(SPAN_MILLIS)),
        schedules: has("Slot:schedule"),
        services: has("Schedule:actor:HealthcareService"),
    })
}

/// `GET /Slot`
pub(super) async fn search(
    State(node): State<Arc<Node>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    match Box::pin(found(&node, &parts, &query.unwrap_or_default())).await {
        Ok(bundle) => answer(StatusCode::OK, &parts.headers, &bundle),
        Err(problem) => refused(&parts.headers, &problem),
    }
}

async fn found(node: &Node, parts: &Parts, query: &str) -> Result<Value, Problem> {
    told(&parts.headers)?;
    let scope = scope(node, parts, Interaction::Search, "Slot").await?;
    let asked = asked(query)?;
    let exchange = diary(node)?;
    let span = (asked.from, asked.until);
    let which = (asked.free, asked.busy);
    let slots = exchange.free_by_bars(&scope, span, which).await?;
    Ok(bundle(node, &asked, &slots))
}

/// The exchange of a node that keeps its organisation's diary.
pub(super) fn diary(node: &Node) -> Result<&exchange::Exchange, Problem> {
    let exchange = node.exchange.as_deref().filter(|_| node.diary.kept_here);
    exchange.ok_or_else(|| {
        let message = "No diary is kept here that could be booked by BaRS.";
        Problem::new(Kind::NotSupported, message)
    })
}

fn bundle(node: &Node, asked: &Asked, slots: &[Slot]) -> Value {
    let base = format!("{}/bars/FHIR/R4", node.site.base_url);
    let own = node.site.organisation.as_str();
    let schedule_of = |it: &Slot| match it.schedule.as_str() {
        "" => exchange::Letter::parcel_id(&["schedule", own, &it.held_by]),
        id => id.to_owned(),
    };
    let entry = |resource: Value, mode: &str| {
        let kind = fhir::members::text(&resource, "/resourceType");
        let id = fhir::members::text(&resource, "/id");
        let url = format!("{base}/{kind}/{id}");
        json!({ "fullUrl": url, "resource": resource, "search": { "mode": mode } })
    };
    let mut entries = Vec::new();
    for it in slots {
        let slot = json!({
            "resourceType": "Slot",
            "id": it.id,
            "serviceType": [{ "text": it.kind }],
            "schedule": { "reference": format!("{base}/Schedule/{}", schedule_of(it)) },
            "status": it.status,
            "start": date::instant(it.starts_at),
            "end": date::instant(it.ends_at),
        });
        entries.push(entry(slot, "match"));
    }
    let matches = entries.len();
    let service = format!("{base}/HealthcareService/{own}");
    if asked.schedules {
        let mut seen = std::collections::BTreeSet::new();
        for it in slots {
            let id = schedule_of(it);
            if !seen.insert(id.clone()) {
                continue;
            }
            let schedule = json!({
                "resourceType": "Schedule",
                "id": id,
                "active": true,
                "actor": [{ "reference": service }, { "display": it.held_by }],
            });
            entries.push(entry(schedule, "include"));
        }
    }
    if asked.services && matches > 0 {
        let organisation = format!("{base}/Organization/{own}");
        entries.push(entry(
            json!({
                "resourceType": "HealthcareService",
                "id": own,
                "active": true,
                "providedBy": { "reference": organisation },
                "name": node.site.name,
            }),
            "include",
        ));
        entries.push(entry(
            json!({
                "resourceType": "Organization",
                "id": own,
                "identifier": [{ "system": ODS_CODE, "value": own }],
                "name": node.site.name,
            }),
            "include",
        ));
    }
    json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "total": matches,
        "link": [{ "relation": "self", "url": format!("{base}/Slot") }],
        "entry": entries,
    })
}
