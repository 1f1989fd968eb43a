//! Bulk Data export (<https://hl7.org/fhir/uv/bulkdata/STU2/export.html>): the kick-off, of the
//! system, of all patients, of a group. What it is for must be said (`_purpose`); where that is not
//! care, who opted out is left out (`docs/opt-out.md`).

use std::collections::HashSet;
use std::sync::Arc;

use access::disclosure::Said;
use access::{Disclosure, Interaction, Reach, Scope};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::{Millis, span};
use fhir::definitions::Definitions;
use fhir::json::{Json, Limits as JsonLimits, parse};
use fhir::problem::{Kind, Problem};
use fhir::search::Search;
use serde::{Deserialize, Serialize};
use store::Reading;
use store::bulk::{BulkJob, Cursor, Walk, Within};
use store::opt_out::Bar;

use super::parameters::as_query;
use super::{bulk, everything};
use crate::failure::Failure;
use crate::fhir::ask::{Announced, Ask};
use crate::fhir::{absent, check_known, query};
use crate::node::Node;

/// Members of a group, at most.
const MEMBERS_MAX: usize = 100_000;
/// Filters in one export, at most.
const FILTERS_MAX: usize = 32;

/// What is to be exported; kept with the job.
#[derive(Debug, Deserialize, Serialize)]
pub struct Request {
    pub url: String,
    /// The patients whose records are wanted; `None` for all.
    pub patients: Option<Vec<String>>,
    pub only_patients: bool,
    /// Empty for all.
    pub types: Vec<String>,
    pub since: Option<Millis>,
    /// Everything as it was before this time.
    pub before: Millis,
    /// Type and query: of that type, only what one of its queries matches.
    pub filters: Vec<(String, String)>,
    /// What it is for, as it was said.
    pub said: SaidOf,
}

/// What was said of what an export is for.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct SaidOf {
    pub purpose: Option<String>,
    pub exemption: Option<String>,
    pub reason: Option<String>,
    pub by: Option<String>,
    /// Whether a patient takes out their own record.
    pub is_own: bool,
}

impl SaidOf {
    /// # Errors
    /// As `Disclosure::of`.
    pub fn disclosure(&self) -> Result<Disclosure, Problem> {
        let said = Said {
            purpose: self.purpose.as_deref(),
            exemption: self.exemption.as_deref(),
            reason: self.reason.as_deref(),
            by: self.by.as_deref(),
        };
        Disclosure::of(said, self.is_own)
    }
}

impl Request {
    /// What a job was kept with.
    ///
    /// # Errors
    /// `Exception` if it does not read: an older release did not ask what it is for.
    pub fn of(job: &BulkJob) -> Result<Request, Problem> {
        let wrong = "What this export was to be for is not known: start it again.";
        serde_json::from_str(&job.request)
            .map_err(|error| Problem::new(Kind::Exception, wrong).because(error))
    }

    /// Who and what is left out of it, where the opt-out applies.
    ///
    /// # Errors
    /// `BusinessRule` while there is no fresh answer about opt-outs; those of the database.
    pub async fn bar(
        &self,
        node: &Node,
        disclosure: &Disclosure,
    ) -> Result<Option<Arc<Bar>>, Problem> {
        if !disclosure.opt_out_applies() {
            return Ok(None);
        }
        let days = node.bulk.opt_out_days_max;
        let bar = node.store.opt_out_bar(self.patients.as_deref(), days);
        bar.await.map(Some)
    }

    /// The types that were asked for and that no patient's record has, where only records are exported.
    /// Nothing of them is in it, and the manifest says so.
    pub fn beyond_records(&self) -> Vec<&str> {
        if self.patients.is_none() && !self.only_patients {
            return Vec::new();
        }
        let in_records = fhir::compartment::types();
        let asked = self.types.iter().filter(|ty| !in_records.contains(*ty));
        asked.map(String::as_str).collect()
    }

    /// Refuses an export that would bring nothing because of its types, unless the caller is content
    /// with that; and under `handling=strict` also one that would bring less than was asked for.
    fn check_types(&self, ask: &Ask) -> Result<(), Problem> {
        let beyond = self.beyond_records();
        let Some(first) = beyond.first() else {
            return Ok(());
        };
        let brings_nothing = beyond.len() == self.types.len();
        if ask.preference.strict || brings_nothing && !ask.preference.lenient {
            return Err(beyond_records(first));
        }
        Ok(())
    }

    /// The walk that finds it all.
    pub fn walk(&self, after: Cursor) -> Walk {
        let within = match &self.patients {
            Some(patients) => Within::Patients(patients.clone()),
            None => Within::Types {
                only_patients: self.only_patients,
            },
        };
        let mut types = self.types.clone();
        if types.is_empty() && self.patients.is_none() {
            types = match self.only_patients {
                true => fhir::compartment::types(),
                false => {
                    let all = Definitions::r4().resources();
                    all.into_iter().map(|ty| ty.to_string()).collect()
                }
            };
        }
        Walk {
            types,
            since: self.since,
            before: Some(self.before),
            after,
            ..Walk::all(within)
        }
    }
}

/// Why nothing of that type is in an export of records.
pub fn beyond_records(ty: &str) -> Problem {
    let message = format!("{ty} is not in the Patient compartment, and so in no patient's record.");
    Problem::new(Kind::NotSupported, message)
}

/// `GET $export`.
pub async fn system(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    of_system(&node, &ask).await
}

/// `POST $export`, with Parameters or with none.
pub async fn system_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    of_system(&node, &as_query(&ask, &body)?).await
}

async fn of_system(node: &Node, ask: &Ask) -> Result<Response, Failure> {
    let scope = ask.scope(node, Interaction::Export, "Bundle").await?;
    start(node, ask, "$export", (own(&scope), false), &scope).await
}

/// `GET Patient/$export`.
pub async fn patients(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    of_patients(&node, &ask).await
}

/// `POST Patient/$export`, with Parameters or with none.
pub async fn patients_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    of_patients(&node, &as_query(&ask, &body)?).await
}

async fn of_patients(node: &Node, ask: &Ask) -> Result<Response, Failure> {
    let scope = ask.scope(node, Interaction::Export, "Patient").await?;
    start(node, ask, "Patient/$export", (own(&scope), true), &scope).await
}

/// `GET Group/[id]/$export`.
pub async fn group(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    of_group(&node, &ask, id).await
}

/// `POST Group/[id]/$export`, with Parameters or with none.
pub async fn group_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    of_group(&node, &as_query(&ask, &body)?, id).await
}

async fn of_group(node: &Node, ask: &Ask, id: String) -> Result<Response, Failure> {
    let scope = ask.scope(node, Interaction::Export, "Group").await?;
    check_known(&id)?;
    let Reading::Found(group) = node.store.read(&scope, "Group", &id).await? else {
        return Err(absent().into());
    };
    let members = members(&parse(&group.body, &JsonLimits::default())?)?;
    let operation = format!("Group/{id}/$export");
    start(node, ask, &operation, (Some(members), true), &scope).await
}

/// A patient's reach is their own record.
fn own(scope: &Scope) -> Option<Vec<String>> {
    match scope.reach() {
        Reach::Compartment { patient, .. } => Some(vec![patient.clone()]),
        _ => None,
    }
}

/// The patients of a group, each once however often it names them.
fn members(group: &Json<'_>) -> Result<Vec<String>, Problem> {
    let (mut members, mut known) = (Vec::new(), HashSet::new());
    for (at, member) in group.items("member").iter().enumerate() {
        if member.get("inactive").and_then(Json::as_bool) == Some(true) {
            continue;
        }
        let entity = member.get("entity");
        let reference = entity.and_then(|entity| entity.text("reference"));
        let Some(id) = reference.and_then(|it| it.strip_prefix("Patient/")) else {
            let message = "A group is exported only if its members are this node's patients.";
            let place = format!("Group.member[{at}].entity");
            return Err(Problem::new(Kind::NotSupported, message).at(place));
        };
        let id = id.split('/').next().unwrap_or(id);
        if known.insert(id) {
            members.push(id.to_string());
        }
    }
    if members.len() > MEMBERS_MAX {
        let message = format!("A group is exported with at most {MEMBERS_MAX} members.");
        return Err(Problem::new(Kind::TooCostly, message));
    }
    Ok(members)
}

async fn start(
    node: &Node,
    ask: &Ask,
    operation: &str,
    (patients, only_patients): (Option<Vec<String>>, bool),
    scope: &Scope,
) -> Result<Response, Failure> {
    bulk::needs_async(&ask.headers)?;
    let mut request = Request {
        url: format!("{}/{operation}", node.site.fhir_url()),
        patients,
        only_patients,
        types: Vec::new(),
        since: None,
        before: node.store.now().saturating_add(1),
        filters: Vec::new(),
        said: SaidOf {
            is_own: own(scope).is_some(),
            ..SaidOf::default()
        },
    };
    if ask.wanted.is_some() {
        let message = "$export gives resources whole: it does not take _elements or _summary.";
        return Err(Problem::new(Kind::NotSupported, message).into());
    }
    for (name, value) in &ask.query {
        request.take(name, value, node)?;
    }
    if let Some(query) = query::joined(&ask.query) {
        request.url = format!("{}?{query}", request.url);
    }
    request.check_types(ask)?;
    let disclosure = request.said.disclosure()?;
    // Better now than by a job that fails.
    let bar = request.bar(node, &disclosure);
    bar.await.map_err(bulk::blocked)?;
    let id = bulk::keep_for(node, ask, &disclosure, &request).await?;
    Ok(bulk::accepted(node, &id))
}

impl Request {
    fn take(&mut self, name: &str, value: &str, node: &Node) -> Result<(), Problem> {
        match name {
            "_outputFormat" => {
                let known = ["application/fhir+ndjson", "application/ndjson", "ndjson"];
                if !known.contains(&value.replace(' ', "+").as_str()) {
                    let message = "_outputFormat is application/fhir+ndjson.";
                    return Err(Problem::new(Kind::NotSupported, message));
                }
            }
            "_since" => {
                let wrong = || Problem::new(Kind::Value, "_since is an instant.");
                self.since = Some(span(value).ok_or_else(wrong)?.low);
            }
            "_type" => everything::add_types(value, &mut self.types)?,
            "_typeFilter" => {
                for filter in value.split(',') {
                    self.filters.push(filter_of(filter, node)?);
                }
                if self.filters.len() > FILTERS_MAX {
                    let message = format!("An export takes at most {FILTERS_MAX} filters.");
                    return Err(Problem::new(Kind::TooCostly, message));
                }
            }
            "_purpose" => said(&mut self.said.purpose, name, value)?,
            "_optOutExemption" => said(&mut self.said.exemption, name, value)?,
            "_optOutReason" => said(&mut self.said.reason, name, value)?,
            "_optOutBy" => said(&mut self.said.by, name, value)?,
            _ => {
                let message = "$export takes _purpose, _optOutExemption, _optOutReason, _optOutBy, \
                               _outputFormat, _since, _type and _typeFilter; \
                               _elements, includeAssociatedData and patient are not supported.";
                return Err(Problem::new(Kind::NotSupported, message));
            }
        }
        Ok(())
    }
}

/// Keeps what is said once.
fn said(place: &mut Option<String>, name: &str, value: &str) -> Result<(), Problem> {
    match place.replace(value.to_string()) {
        None => Ok(()),
        Some(_) => {
            let message = format!("{name} is said once.");
            Err(Problem::new(Kind::Invalid, message))
        }
    }
}

/// `Type?query`, which must be a search that the node knows.
fn filter_of(filter: &str, node: &Node) -> Result<(String, String), Problem> {
    let wrong = || Problem::new(Kind::Value, "_typeFilter is Type?query.");
    let (ty, text) = filter.split_once('?').ok_or_else(wrong)?;
    let pairs = query::pairs(text)?;
    let (registry, limits) = (node.store.registry(), node.fhir.bounds.of_search());
    Search::parse_with(&registry, ty, &pairs, &node.site.fhir_url(), &limits)?;
    Ok((ty.to_string(), text.to_string()))
}
