//! Consumers: where is something held about a patient? Only of patients whose record the caller may read here: of all
//! others the answer is that of nobody.

use std::sync::Arc;

use access::{Interaction, NhsNumber, Ods, Outcome, Scope, Target};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::json::{Limits as JsonLimits, parse};
use fhir::search::{Clause, Search};
use http::StatusCode;
use serde_json::{Value, json};
use store::Job;
use store::ask::{DocumentPointer, Located};

use super::answer::{Refused, give, json_of};
use super::pointer::{held, shown};
use super::{AT_ONCE, organisation};
use crate::fhir::ask::{Announced, Ask};
use crate::node::Node;

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// People of one number that are looked at: there should be one.
const PEOPLE_MAX: u32 = 5;

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) number: Option<String>,
    pub(super) custodian: Option<String>,
    pub(super) kinds: Vec<String>,
    pub(super) after: String,
    pub(super) count_only: bool,
}

impl Asked {
    /// Reads the parameters; none is ignored.
    pub(super) fn read(pairs: &[(String, String)]) -> Result<Asked, Refused> {
        let mut asked = Asked::default();
        for (name, value) in pairs {
            match name.as_str() {
                "subject:identifier" | "subject.identifier" => {
                    let digits = value.strip_prefix(NhsNumber::SYSTEM);
                    let digits = digits.and_then(|it| it.strip_prefix('|'));
                    let number = digits.and_then(|it| NhsNumber::parse(it).ok());
                    let said = "subject:identifier is the system of NHS numbers, | and a number.";
                    let number = number.ok_or_else(|| Refused::invalid(name, said))?;
                    asked.number = Some(number.digits().to_owned());
                }
                "custodian:identifier" | "custodian.identifier" | "custodian" => {
                    let code = value.strip_prefix(ODS).and_then(|it| it.strip_prefix('|'));
                    let code = Ods::parse(code.unwrap_or(value));
                    let said = "The custodian is the system of ODS codes, | and a code.";
                    let code = code.map_err(|_| Refused::invalid(name, said))?;
                    asked.custodian = Some(code.to_string());
                }
                "type" => {
                    for kind in value.split(',').take(PEOPLE_MAX as usize * 4) {
                        if !kind.contains('|') {
                            let said = "A type is a system, | and a code.";
                            return Err(Refused::invalid(name, said));
                        }
                        asked.kinds.push(kind.to_owned());
                    }
                }
                "next-page-token" => asked.after = value.clone(),
                "_summary" if value == "count" => asked.count_only = true,
                // As the FHIR door reads `_summary=count` of an address.
                "_count" if value == "0" => asked.count_only = true,
                _ => return Err(Refused::invalid(name, "There is no such parameter.")),
            }
        }
        Ok(asked)
    }
}

/// The parameters of a form: as JSON, as the specification has it, or as FHIR has forms.
pub(super) fn form(ask: &Ask, body: &[u8]) -> Result<Vec<(String, String)>, Refused> {
    let kind = ask.header(http::header::CONTENT_TYPE).unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        return Ok(form_urlencoded::parse(body).into_owned().collect());
    }
    let wrong = || Refused::invalid("body", "The body is a JSON object of texts.");
    let json: Value = serde_json::from_slice(body).map_err(|_| wrong())?;
    let members = json.as_object().ok_or_else(wrong)?;
    let pair = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => Some(text.clone()),
            // As the specification's examples have it: {"type": {"root": "system|code"}}.
            Value::Object(one) => one.get("root").and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        text.map(|text| (name.clone(), text)).ok_or_else(wrong)
    };
    members.iter().map(pair).collect()
}

/// `GET /DocumentReference`
pub(super) async fn search(State(node): State<Arc<Node>>, Announced(ask): Announced) -> Response {
    let answer = Box::pin(found(&node, &ask, &ask.query)).await;
    give(&ask.headers, answer)
}

/// `GET /DocumentReference/_count`
pub(super) async fn count(State(node): State<Arc<Node>>, Announced(ask): Announced) -> Response {
    let mut pairs = ask.query.clone();
    pairs.push(("_summary".to_owned(), "count".to_owned()));
    let answer = Box::pin(found(&node, &ask, &pairs)).await;
    give(&ask.headers, answer)
}

/// `POST /DocumentReference/_search`
pub(super) async fn search_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Response {
    let answer = match form(&ask, &body) {
        Ok(pairs) => Box::pin(found(&node, &ask, &pairs)).await,
        Err(refused) => Err(refused),
    };
    give(&ask.headers, answer)
}

/// `GET /DocumentReference/{id}`
pub(super) async fn read(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Response {
    let answer = Box::pin(one(&node, &ask, &id)).await;
    give(&ask.headers, answer)
}

/// Somebody here whom the caller may read.
struct Known {
    id: String,
    birth_date: String,
    family: String,
    /// Whether where they are treated is kept from the caller.
    masked: bool,
}

async fn known(node: &Node, ask: &Ask, number: &str) -> Result<Option<Known>, Refused> {
    let scope = ask.scope(node, Interaction::Search, "Patient").await?;
    let mut search = Search::all("Patient", PEOPLE_MAX);
    search
        .clauses
        .push(Clause::identifier(NhsNumber::SYSTEM, number));
    let page = node.store.search(&scope, &search).await?;
    let mut all = page.entries.iter().filter(|it| it.ty == "Patient");
    let (Some(version), None) = (all.next(), all.next()) else {
        return Ok(None);
    };
    let patient = parse(&version.body, &JsonLimits::default())?;
    let located = scope.withholds().map_or(&[][..], |it| &it.located);
    let kept = node.store.keeps_whereabouts(&version.id).await?;
    let family = patient
        .items("name")
        .first()
        .and_then(|it| it.text("family"));
    Ok(Some(Known {
        birth_date: patient.text("birthDate").unwrap_or_default().to_owned(),
        family: family.unwrap_or_default().to_owned(),
        masked: kept && !located.contains(&version.id),
        id: version.id.clone(),
    }))
}

async fn found(node: &Node, ask: &Ask, pairs: &[(String, String)]) -> Result<Response, Refused> {
    organisation(&ask.visit, &ask.headers)?;
    let scope = ask
        .scope(node, Interaction::Search, "DocumentReference")
        .await?;
    let asked = Asked::read(pairs)?;
    let Some(number) = asked.number.as_deref() else {
        let said = "subject:identifier is needed.";
        return Err(Refused::invalid("subject:identifier", said));
    };
    let Some(known) = known(node, ask, number).await? else {
        trace(node, &scope, None, Outcome::Absent).await?;
        return Ok(json_of(StatusCode::OK, &bundle(&[], 0, None)));
    };
    if known.masked {
        // Where somebody is treated tells where they are.
        trace(node, &scope, Some(&known.id), Outcome::Withheld).await?;
        return Ok(json_of(StatusCode::OK, &withheld(RESTRICTED)));
    }
    if node.store.documents_are_withheld(&scope, &known.id).await? {
        trace(node, &scope, Some(&known.id), Outcome::Withheld).await?;
        return Ok(json_of(StatusCode::OK, &withheld(NOT_SHARED)));
    }
    let (entries, next) = pointers(node, &scope, &asked, (number, &known)).await?;
    if asked.count_only {
        let total = entries.len();
        return Ok(json_of(StatusCode::OK, &bundle(&[], total, None)));
    }
    let total = entries.len();
    Ok(json_of(StatusCode::OK, &bundle(&entries, total, next)))
}

/// The pointers, and the token of the next page if there is one. A count has all of them, up to a thousand.
async fn pointers(
    node: &Node,
    scope: &Scope,
    asked: &Asked,
    (number, known): (&str, &Known),
) -> Result<(Vec<Value>, Option<String>), Refused> {
    let most = if asked.count_only { 1_000 } else { AT_ONCE };
    let wanted = Located {
        nhs_number: Some(number),
        custodian: asked.custodian.as_deref(),
        kinds: &asked.kinds,
        after: &asked.after,
        count: u32::try_from(most + 1).unwrap_or(u32::MAX),
    };
    let mut documents = node
        .store
        .document_pointers(scope, &wanted, Some(&known.id))
        .await?;
    let next = page_end(&mut documents, most);
    let mut entries: Vec<Value> = documents.iter().map(shown).collect();
    // What others told without naming a document has no type, and stands on the first page.
    if asked.kinds.is_empty() && asked.after.is_empty() {
        let (born, family) = (&known.birth_date, &known.family);
        let holders = node.store.pointers_held(number, born, family).await?;
        let is_wanted = |it: &&Ods| {
            let custodian = asked.custodian.as_deref();
            custodian.is_none_or(|wanted| wanted == it.as_str())
        };
        entries.extend(holders.iter().filter(is_wanted).map(|it| held(it, number)));
    }
    Ok((entries, next))
}

/// Takes off what is more than a page; the id behind which the next page begins.
pub(super) fn page_end(documents: &mut Vec<DocumentPointer>, most: usize) -> Option<String> {
    if documents.len() <= most {
        return None;
    }
    documents.truncate(most);
    documents.last().map(|it| it.id.clone())
}

async fn one(node: &Node, ask: &Ask, id: &str) -> Result<Response, Refused> {
    organisation(&ask.visit, &ask.headers)?;
    let scope = ask
        .scope(node, Interaction::Read, "DocumentReference")
        .await?;
    let absent = || {
        Refused::of(
            StatusCode::NOT_FOUND,
            "RESOURCE_NOT_FOUND",
            "There is no such pointer.",
        )
    };
    let Some(pointer) = node.store.document_pointer(&scope, (id, None)).await? else {
        return Err(absent());
    };
    let Some(known) = known(node, ask, &pointer.nhs_number).await? else {
        return Err(absent());
    };
    if known.masked || node.store.documents_are_withheld(&scope, &known.id).await? {
        trace(node, &scope, Some(&known.id), Outcome::Withheld).await?;
        return Err(absent());
    }
    Ok(json_of(StatusCode::OK, &shown(&pointer)))
}

async fn trace(
    node: &Node,
    scope: &Scope,
    patient: Option<&str>,
    outcome: Outcome,
) -> Result<(), Refused> {
    let target = Target {
        ty: "DocumentReference".into(),
        patient: patient.map(str::to_owned),
        query: Some("pointers".into()),
        ..Target::default()
    };
    let job = Job {
        traces: vec![scope.trace(Interaction::Search, outcome, target)],
        ..Job::default()
    };
    node.store.commit(scope, job).await?;
    Ok(())
}

pub(super) fn bundle(entries: &[Value], total: usize, next: Option<String>) -> Value {
    let entries: Vec<Value> = entries
        .iter()
        .map(|it| json!({ "resource": it, "search": { "mode": "match" } }))
        .collect();
    let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": total });
    if let Some(members) = bundle.as_object_mut() {
        if !entries.is_empty() {
            members.insert("entry".to_owned(), Value::Array(entries));
        }
        if let Some(next) = next {
            let tag = json!({ "tag": [{ "id": "next-page-token", "code": next }] });
            members.insert("meta".to_owned(), tag);
        }
    }
    bundle
}

const RESTRICTED: &str = "Pointers are withheld: where this patient is treated is restricted.";
const NOT_SHARED: &str =
    "Pointers are withheld: the patient does not want documents shared with this organisation.";

/// That something is withheld: not that there is nothing.
fn withheld(said: &str) -> Value {
    let outcome = json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": "warning", "code": "suppressed", "diagnostics": said }],
    });
    json!({
        "resourceType": "Bundle", "type": "searchset",
        "entry": [{ "resource": outcome, "search": { "mode": "outcome" } }],
    })
}
