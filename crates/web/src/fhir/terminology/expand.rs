//! <https://hl7.org/fhir/R4/valueset-operation-expand.html>

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::State;
use axum::response::Response;
use fhir::date;
use fhir::problem::{Kind, Problem};
use fhir::terminology::compose::ValueSet;
use http::StatusCode;
use serde_json::{Map, Value, json};
use store::terminology::{Asked, Expansion, ExpansionOptions, Shown};

use super::given::{Given, missing};
use super::{Call, designation, instance, read};
use crate::failure::Failure;
use crate::fhir::answer;
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

/// `ValueSet/$expand` and `ValueSet/[id]/$expand`.
pub async fn expand(State(node): State<Arc<Node>>, call: Call) -> Result<Response, Failure> {
    let Call { ask, .. } = &call;
    let id = call.id.as_deref();
    let scope = ask
        .scope(&node, Interaction::Terminology, "ValueSet")
        .await?;
    let given = Given::read(ask, call.body.as_deref(), KNOWN)?;
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
    let set = Named::of(&node, &scope, &given, id).await?;
    let asked = set.asked();
    let found = node.store.expand(&scope, asked, &options).await?;
    let at = date::instant(node.store.now());
    Ok(answer::json(
        StatusCode::OK,
        rendered(&found, &options, &at).to_string(),
    ))
}

/// The value set that an operation is on.
pub(super) enum Named {
    At(String),
    Given(ValueSet),
}

impl Named {
    /// The one of that id, or the one that the parameters give or name.
    ///
    /// # Errors
    /// `Value` if it is named twice, `Required` if not at all; as reading it.
    pub(super) async fn of(
        node: &Node,
        scope: &Scope,
        given: &Given<'_>,
        id: Option<&str>,
    ) -> Result<Named, Problem> {
        match (id, given.resource("valueSet"), address(given)?) {
            (Some(id), None, None) => {
                let body = instance(node, scope, "ValueSet", id).await?;
                Ok(Named::Given(ValueSet::read(&read(&body)?)?))
            }
            (None, Some(resource), None) => Ok(Named::Given(ValueSet::read(resource)?)),
            (None, None, Some(url)) => Ok(Named::At(url)),
            (None, None, None) => Err(missing("url")),
            _ => Err(Problem::new(
                Kind::Value,
                "Name the value set in one way: by the address, by url, or by valueSet.",
            )),
        }
    }

    /// As the store is asked.
    pub(super) fn asked(&self) -> Asked<'_> {
        match self {
            Named::At(url) => Asked::Url(url),
            Named::Given(set) => Asked::Resource(set),
        }
    }
}

/// The canonical address that `url` and `valueSetVersion` make.
fn address(given: &Given<'_>) -> Result<Option<String>, Problem> {
    match (given.text("url"), given.text("valueSetVersion")) {
        (Some(url), Some(version)) if !url.contains('|') => Ok(Some(format!("{url}|{version}"))),
        (Some(_), Some(_)) => Err(Problem::new(
            Kind::Value,
            "The version stands in url and in valueSetVersion.",
        )),
        (url, _) => Ok(url),
    }
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
