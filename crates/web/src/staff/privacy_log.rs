//! `/staff/privacy/log`: who looked at one patient's record, and why, for the privacy officer, as
//! `handover audit who` answers it.

use std::sync::Arc;

use access::{AuditEntry, Interaction, NhsNumber, Scope, SystemPurpose};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::problem::Problem;
use fhir::search::{Clause, Search};
use serde::Deserialize;
use store::AuditFilter;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Fault;
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other, words};
use crate::patient::access_log::{category, did, label, who, why};
use crate::staff::{care, views};
use crate::visit::Visit;

/// Lines on one page.
const LINES: u32 = 200;
/// Records that one person may have here.
const RECORDS_MAX: u32 = 20;

/// What the address may ask for. A person is asked for by the form, so that no NHS number stands in
/// an address.
#[derive(Default, Deserialize)]
pub struct Asked {
    /// A Patient id.
    patient: Option<String>,
    before: Option<i64>,
}

/// `GET /staff/privacy/log`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let Some(patient) = asked.patient else {
        visit.scope(&node, Interaction::AccessLog, "").await?;
        return Ok(show(&node, &visit, views::PrivacyLog::default()));
    };
    care::check(&patient)?;
    let scope = visit
        .scope(&node, Interaction::AccessLog, "AuditEvent")
        .await?;
    let filter = AuditFilter {
        patient: Some(patient.clone()),
        before: asked.before,
        count: LINES,
    };
    let log = node.store.audit_page(&scope, &filter).await?;
    let at = format!("/staff/privacy/log?patient={patient}");
    let view = views::PrivacyLog {
        rows: log
            .entries
            .iter()
            .map(|entry| row(&node, entry, visit.now))
            .collect(),
        older: log.next.map(|before| format!("{at}&before={before}")),
        newest: asked.before.map(|_| at),
        patient: Some(patient),
        ..views::PrivacyLog::default()
    };
    Ok(show(&node, &visit, view))
}

fn show(node: &Node, visit: &Visit, view: views::PrivacyLog) -> Response {
    let is_faulty = !view.errors.is_empty();
    Page::new("staff/privacy-log.jinja", "Who looked", view)
        .under("/staff/privacy")
        .with_faults(is_faulty)
        .answer(&node.site, visit)
}

fn row(node: &Node, entry: &AuditEntry, now: fhir::date::Millis) -> views::PrivacyLook {
    let (name, role) = who(node, ("", Language::English), entry, |name| name.to_owned());
    let target = &entry.target;
    views::PrivacyLook {
        when: words::moment(entry.at, now),
        who: name,
        role,
        did: did(&entry.interaction),
        about: match &target.id {
            Some(id) => format!("{}/{id}", target.ty),
            None => category(&target.ty).to_owned(),
        },
        why: why(&entry.purpose),
        label: label(entry),
    }
}

/// `POST /staff/privacy/log`: from an NHS number to the record's log.
pub async fn find(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::AccessLog, "").await?;
    let text = fields.text("nhs_number");
    let fault = match NhsNumber::parse(text) {
        Err(_) => "Enter an NHS number: ten digits, such as 943 476 5919",
        Ok(number) => match records(&node, scope.request_id(), &number)
            .await?
            .as_slice()
        {
            [] => "There is no record with this NHS number here",
            [first, ..] => {
                let at = format!("/staff/privacy/log?patient={first}");
                return Ok(see_other(&at));
            }
        },
    };
    let view = views::PrivacyLog {
        typed: text.to_owned(),
        errors: vec![Fault {
            text: fault,
            href: "#nhs_number".into(),
        }],
        ..views::PrivacyLog::default()
    };
    Ok(show(&node, &visit, view))
}

/// The ids of the records here of whoever has that number. The officer reads none of them.
async fn records(node: &Node, request: &str, number: &NhsNumber) -> Result<Vec<String>, Problem> {
    let scope = Scope::system(SystemPurpose::AnswerWho).for_request(request);
    let mut search = Search::all("Patient", RECORDS_MAX);
    let by_number = Clause::identifier(NhsNumber::SYSTEM, number.digits());
    search.clauses.push(by_number);
    let page = node.store.search(&scope, &search).await?;
    Ok(page.entries.into_iter().map(|it| it.id).collect())
}
