//! `GET AuditEvent/$log`: the node's own audit log as AuditEvents, newest first; `patient=` an id,
//! `before=` the number of the last line seen, `_count=` lines a page. For privacy officers, and
//! for patients about themselves.

use std::sync::Arc;

use access::{Interaction, audit_event};
use axum::extract::State;
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use serde_json::{Value, json};
use store::AuditFilter;

use super::answer;
use super::ask::{Announced, Ask};
use crate::failure::Failure;
use crate::node::Node;

const COUNT_DEFAULT: u32 = 100;

pub async fn log(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    let scope = ask
        .scope(&node, Interaction::AccessLog, "AuditEvent")
        .await?;
    let filter = filter(&ask)?;
    let page = node.store.audit_page(&scope, &filter).await?;
    let base_url = node.site.fhir_url();
    let events = page.entries.iter().map(|line| {
        let event = audit_event::render(line, &node.site.organisation);
        json!({
            "fullUrl": format!("{base_url}/AuditEvent/audit-{}", line.seq),
            "resource": event,
            "search": { "mode": "match" },
        })
    });
    let events: Vec<Value> = events.collect();
    let mut links = vec![link("self", &base_url, &filter)];
    if page.next.is_some() {
        links.push(link(
            "next",
            &base_url,
            &AuditFilter {
                before: page.next,
                ..filter
            },
        ));
    }
    let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset", "link": links });
    if let (Some(bundle), false) = (bundle.as_object_mut(), events.is_empty()) {
        bundle.insert("entry".into(), Value::Array(events));
    }
    Ok(answer::json(StatusCode::OK, bundle.to_string()))
}

fn filter(ask: &Ask) -> Result<AuditFilter, Problem> {
    let mut filter = AuditFilter {
        count: COUNT_DEFAULT,
        ..AuditFilter::default()
    };
    for (name, value) in &ask.query {
        let wrong = || Problem::new(Kind::Value, format!("{name} is a whole number."));
        match name.as_str() {
            "patient" => {
                let id = value.strip_prefix("Patient/").unwrap_or(value);
                fhir::resource::check_id(id)?;
                filter.patient = Some(id.to_string());
            }
            "before" => filter.before = Some(value.parse().map_err(|_| wrong())?),
            "_count" => filter.count = value.parse().map_err(|_| wrong())?,
            _ => {
                let message = "The log takes patient, before and _count.";
                return Err(Problem::new(Kind::NotSupported, message));
            }
        }
    }
    Ok(filter)
}

fn link(relation: &str, base_url: &str, filter: &AuditFilter) -> Value {
    let mut url = format!("{base_url}/AuditEvent/$log?_count={}", filter.count);
    if let Some(patient) = &filter.patient {
        url.push_str(&format!("&patient={patient}"));
    }
    if let Some(before) = filter.before {
        url.push_str(&format!("&before={before}"));
    }
    json!({ "relation": relation, "url": url })
}
