//! What an app looks up: `GET Task` with its parameters, and `GET MedicationRequest/[id]`.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::{self, Span};
use fhir::gp_connect::Trouble;
use fhir::members::text;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::shape::{self, bundle};
use super::{Admitted, Refused, admit, answer, no};
use crate::node::Node;

/// Values of one parameter at most.
const VALUES_MAX: usize = 20;

/// A time that a Task's is held against.
struct Bound {
    /// The member that holds it.
    member: &'static str,
    prefix: String,
    span: Span,
}

/// What a search asks for.
#[derive(Default)]
struct Asked {
    patient: String,
    bounds: Vec<Bound>,
    /// Any of these; all, if there is none.
    statuses: Vec<String>,
    /// Whether the medicines that are asked for are wanted too.
    with_focus: bool,
}

impl Asked {
    /// # Errors
    /// `InvalidParameter`, naming it: what is not understood is not passed over.
    fn read(pairs: &[(String, String)]) -> Result<Asked, Refused> {
        let mut asked = Asked::default();
        for (name, value) in pairs {
            match name.as_str() {
                "patient" => asked.patient.clone_from(value),
                "authored-on" | "date" => asked.bounds.push(bound("authoredOn", name, value)?),
                "modified" => asked.bounds.push(bound("lastModified", name, value)?),
                "status" => {
                    let codes = value.split(',').map(|it| it.rsplit('|').next());
                    asked.statuses.extend(codes.flatten().map(str::to_owned));
                }
                "_include" if value == "Task:focus" => asked.with_focus = true,
                _ => {
                    let words = "Tasks are found by patient, status, authored-on (or date) and modified, with _include=Task:focus.";
                    return Err(no(Trouble::InvalidParameter, words));
                }
            }
        }
        if asked.bounds.len() > VALUES_MAX || asked.statuses.len() > VALUES_MAX {
            return Err(no(
                Trouble::InvalidParameter,
                "There are too many parameters.",
            ));
        }
        Ok(asked)
    }

    fn takes(&self, task: &Value) -> bool {
        let is_named = |it: &String| it == text(task, "/status");
        (self.statuses.is_empty() || self.statuses.iter().any(is_named))
            && self.bounds.iter().all(|it| it.takes(task))
    }
}

/// A date with its prefix (<https://hl7.org/fhir/R4/search.html#date>). A day without a time is a day in the UK.
fn bound(member: &'static str, name: &str, value: &str) -> Result<Bound, Refused> {
    let cut = value.find(|it: char| it.is_ascii_digit()).unwrap_or(0);
    let (prefix, day) = value.split_at(cut);
    let known = ["", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb"];
    let span = fhir::gp_connect::uk_day(day).or_else(|| date::span(day));
    match span.filter(|_| known.contains(&prefix)) {
        Some(span) => Ok(Bound {
            member,
            prefix: prefix.to_owned(),
            span,
        }),
        None => {
            let words = format!("{name} is a date, such as ge2026-01-31.");
            Err(no(Trouble::InvalidParameter, words))
        }
    }
}

impl Bound {
    fn takes(&self, task: &Value) -> bool {
        let at = task.get(self.member).and_then(Value::as_str);
        let Some(at) = at.and_then(date::span).map(|it| it.low) else {
            return false;
        };
        let Span { low, high } = self.span;
        match self.prefix.as_str() {
            "ne" => !(low..high).contains(&at),
            "gt" | "sa" => at >= high,
            "ge" => at >= low,
            "lt" | "eb" => at < low,
            "le" => at < high,
            _ => (low..high).contains(&at),
        }
    }
}

/// `GET Task?patient=[NHS number]`: what was asked for, the newest first.
pub(super) async fn tasks(
    State(node): State<Arc<Node>>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &headers, false).await?;
    let asked = Asked::read(&pairs)?;
    let number = asked.patient.rsplit(['|', '/']).next().unwrap_or_default();
    if number != admitted.number {
        return Err(no(
            Trouble::InvalidParameter,
            "patient is the NHS number of the token's patient.",
        ));
    }
    let medicines = admitted.medicines(&node).await?;
    let mut tasks = medicines.orders_as_tasks();
    tasks.retain(|it| asked.takes(it));
    tasks.sort_by(|a, b| b["authoredOn"].as_str().cmp(&a["authoredOn"].as_str()));
    let shown = tasks
        .iter()
        .filter_map(|it| shape::task(it, &admitted.number));
    let mut entries: Vec<(Value, bool)> = shown.map(|it| (it, true)).collect();
    if asked.with_focus {
        let about: Vec<String> = entries
            .iter()
            .map(|(task, _)| text(task, "/focus/reference").to_owned())
            .collect();
        let wanted = medicines.requests.iter().filter(|it| {
            let own = format!("MedicationRequest/{}", text(it, "/id"));
            about.contains(&own)
        });
        entries.extend(wanted.map(|it| (shape::request(it, &admitted.number), false)));
    }
    Ok(answer(StatusCode::OK, &bundle(&entries)))
}

/// `GET MedicationRequest/[id]`: what allows a medicine's issues, or one issue.
pub(super) async fn request(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let admitted: Admitted = admit(&node, &headers, false).await?;
    let medicines = admitted.medicines(&node).await?;
    let found = medicines.requests.iter().find(|it| text(it, "/id") == id);
    match found {
        Some(found) => Ok(answer(
            StatusCode::OK,
            &shape::request(found, &admitted.number),
        )),
        None => Err(no(
            Trouble::NoRecordFound,
            "There is no such MedicationRequest of this patient's.",
        )),
    }
}
