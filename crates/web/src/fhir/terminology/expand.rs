//! <https://hl7.org/fhir/R4/valueset-operation-expand.html>

use std::sync::Arc;

use access::Interaction;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date;
use fhir::problem::{Kind, Problem};
use fhir::terminology::compose::ValueSet;
use http::StatusCode;
use serde_json::{Map, Value, json};
use store::terminology::{Asked, Expansion, ExpansionOptions, Shown};

use super::given::{Given, missing};
use super::{designation, instance, read};
use crate::failure::Failure;
use crate::fhir::answer;
use crate::fhir::ask::{Announced, Ask};
use crate::node::Node;

/// Its name and definition.
pub const IS: (&str, &str) = (
    "expand",
    "http://hl7.org/fhir/OperationDefinition/ValueSet-expand",
);

/// Expansions are always flat, and show what is in use for whatever purpose, so that the three
/// `exclude…` change nothing.
const KNOWN: &[&str] = &[
    "url",
    "valueSet",
    "valueSetVersion",
    "filter",
    "offset",
    "count",
    "includeDesignations",
    "activeOnly",
    "displayLanguage",
    "excludeNested",
    "excludeNotForUI",
    "excludePostCoordinated",
];

/// `GET ValueSet/$expand`.
pub async fn by_get(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    expand(&node, &ask, None, None).await
}

/// `POST ValueSet/$expand`.
pub async fn by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    expand(&node, &ask, Some(&body), None).await
}

/// `GET ValueSet/[id]/$expand`.
pub async fn one_by_get(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    expand(&node, &ask, None, Some(&id)).await
}

/// `POST ValueSet/[id]/$expand`.
pub async fn one_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    expand(&node, &ask, Some(&body), Some(&id)).await
}

async fn expand(
    node: &Node,
    ask: &Ask,
    body: Option<&[u8]>,
    id: Option<&str>,
) -> Result<Response, Failure> {
    let scope = ask
        .scope(node, Interaction::Terminology, "ValueSet")
        .await?;
    let given = Given::read(ask, body, KNOWN)?;
    for name in ["excludeNested", "excludeNotForUI", "excludePostCoordinated"] {
        given.flag(name)?;
    }
    let options = ExpansionOptions {
        filter: given.text("filter"),
        offset: given.number("offset")?.unwrap_or_default(),
        count: given.number("count")?,
        active_only: given.flag("activeOnly")?,
        with_designations: given.flag("includeDesignations")?,
        language: given.text("displayLanguage"),
    };
    let url = address(&given)?;
    let set = match (id, given.resource("valueSet")) {
        (Some(id), None) => Some(ValueSet::read(&read(
            &instance(node, &scope, "ValueSet", id).await?,
        )?)?),
        (None, Some(resource)) => Some(ValueSet::read(resource)?),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(one_only().into()),
    };
    let asked = match (&set, &url) {
        (Some(_), Some(_)) => return Err(one_only().into()),
        (Some(set), None) => Asked::Resource(set),
        (None, Some(url)) => Asked::Url(url),
        (None, None) => return Err(missing("url").into()),
    };
    let found = node.store.expand(&scope, asked, &options).await?;
    let at = date::instant(node.store.now());
    Ok(answer::json(
        StatusCode::OK,
        rendered(&found, &options, &at).to_string(),
    ))
}

/// The canonical address that `url` and `valueSetVersion` make.
pub(super) fn address(given: &Given<'_>) -> Result<Option<String>, Problem> {
    match (given.text("url"), given.text("valueSetVersion")) {
        (Some(url), Some(version)) if !url.contains('|') => Ok(Some(format!("{url}|{version}"))),
        (Some(_), Some(_)) => Err(Problem::new(
            Kind::Value,
            "The version stands in url and in valueSetVersion.",
        )),
        (url, _) => Ok(url),
    }
}

pub(super) fn one_only() -> Problem {
    Problem::new(
        Kind::Value,
        "Name the value set in one way: by the address, by url, or by valueSet.",
    )
}

fn rendered(found: &Expansion, options: &ExpansionOptions, at: &str) -> Value {
    let mut set = Map::new();
    set.insert("resourceType".into(), "ValueSet".into());
    let definition = &found.definition;
    for (name, text) in [
        ("url", &definition.url),
        ("version", &definition.version),
        ("name", &definition.name),
        ("title", &definition.title),
    ] {
        if !text.is_empty() {
            set.insert(name.into(), text.clone().into());
        }
    }
    set.insert("status".into(), "active".into());
    let mut expansion = Map::new();
    expansion.insert(
        "identifier".into(),
        format!("urn:uuid:{}", uuid::Uuid::new_v4()).into(),
    );
    expansion.insert("timestamp".into(), at.into());
    expansion.insert("total".into(), found.total.into());
    expansion.insert("offset".into(), options.offset.into());
    let parameters = used(found, options);
    if !parameters.is_empty() {
        expansion.insert("parameter".into(), parameters.into());
    }
    if !found.codes.is_empty() {
        expansion.insert(
            "contains".into(),
            found.codes.iter().map(contained).collect(),
        );
    }
    set.insert("expansion".into(), expansion.into());
    set.into()
}

/// What the expansion was made by.
fn used(found: &Expansion, options: &ExpansionOptions) -> Vec<Value> {
    let mut all = Vec::new();
    if let Some(filter) = &options.filter {
        all.push(json!({ "name": "filter", "valueString": filter }));
    }
    if let Some(count) = options.count {
        all.push(json!({ "name": "count", "valueInteger": count }));
    }
    if options.active_only {
        all.push(json!({ "name": "activeOnly", "valueBoolean": true }));
    }
    if options.with_designations {
        all.push(json!({ "name": "includeDesignations", "valueBoolean": true }));
    }
    if let Some(language) = &options.language {
        all.push(json!({ "name": "displayLanguage", "valueCode": language }));
    }
    for (url, version) in found
        .systems
        .iter()
        .filter(|(_, version)| !version.is_empty())
    {
        all.push(json!({ "name": "version", "valueUri": format!("{url}|{version}") }));
    }
    all
}

fn contained(it: &Shown) -> Value {
    let mut found = Map::new();
    found.insert("system".into(), it.system.clone().into());
    if !it.version.is_empty() {
        found.insert("version".into(), it.version.clone().into());
    }
    if it.inactive {
        found.insert("inactive".into(), true.into());
    }
    found.insert("code".into(), it.code.clone().into());
    if !it.display.is_empty() {
        found.insert("display".into(), it.display.clone().into());
    }
    if !it.designations.is_empty() {
        found.insert(
            "designation".into(),
            it.designations.iter().map(designation).collect(),
        );
    }
    found.into()
}
