//! <https://hl7.org/fhir/R4/valueset-operation-validate-code.html>,
//! <https://hl7.org/fhir/R4/codesystem-operation-validate-code.html>

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::State;
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde_json::json;
use store::terminology::{Coded, Validation};

use super::expand::Named;
use super::given::{Coding, Given};
use super::{Call, instance, named, parameters, read};
use crate::failure::Failure;
use crate::node::Node;

/// Its name and definition.
pub const OF_SET: (&str, &str) = (
    "validate-code",
    "http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code",
);

/// Its name and definition.
pub const OF_SYSTEM: (&str, &str) = (
    "validate-code",
    "http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code",
);

const KNOWN_IN_SET: &[&str] = &[
    "url",
    "valueSet",
    "valueSetVersion",
    "code",
    "system",
    "systemVersion",
    "display",
    "coding",
    "codeableConcept",
    "abstract",
    "displayLanguage",
];
const KNOWN_IN_SYSTEM: &[&str] = &[
    "url",
    "code",
    "version",
    "display",
    "coding",
    "codeableConcept",
    "abstract",
    "displayLanguage",
];

/// `ValueSet/$validate-code` and `ValueSet/[id]/$validate-code`.
pub async fn in_set(State(node): State<Arc<Node>>, call: Call) -> Result<Response, Failure> {
    let Call { ask, .. } = &call;
    let id = call.id.as_deref();
    let scope = ask
        .scope(&node, Interaction::Terminology, "ValueSet")
        .await?;
    let given = Given::read(ask, call.body.as_deref(), KNOWN_IN_SET)?;
    given.flag("abstract")?;
    let set = Named::of(&node, &scope, &given, id).await?;
    let asked = set.asked();
    let codings = given.codings("systemVersion")?;
    let mut first = None;
    for coding in &codings {
        let found = node
            .store
            .validate_code(&scope, asked, coded(coding))
            .await?;
        if found.result {
            return Ok(told(&found));
        }
        first.get_or_insert(found);
    }
    Ok(told(&first.unwrap_or_default()))
}

/// `CodeSystem/$validate-code` and `CodeSystem/[id]/$validate-code`.
pub async fn in_system(State(node): State<Arc<Node>>, call: Call) -> Result<Response, Failure> {
    let Call { ask, .. } = &call;
    let id = call.id.as_deref();
    let scope = ask
        .scope(&node, Interaction::Terminology, "CodeSystem")
        .await?;
    let given = Given::read(ask, call.body.as_deref(), KNOWN_IN_SYSTEM)?;
    given.flag("abstract")?;
    let (url, version) = system(&node, &scope, &given, "url", id).await?;
    let mut first = None;
    for coding in &given.codings("version")? {
        if coding
            .system
            .as_ref()
            .is_some_and(|system| Some(system) != url.as_ref())
            && url.is_some()
        {
            continue;
        }
        let coding = Coding {
            system: url.clone().or_else(|| coding.system.clone()),
            version: coding.version.clone().or_else(|| version.clone()),
            ..coding.clone()
        };
        let found = node
            .store
            .validate_in_system(&scope, coded(&coding))
            .await?;
        if found.result {
            return Ok(told(&found));
        }
        first.get_or_insert(found);
    }
    let other = || Validation {
        message: Some("The coding is of another code system.".into()),
        ..Validation::default()
    };
    Ok(told(&first.unwrap_or_else(other)))
}

/// The code system that an operation names by a parameter, or is on: its address and version.
pub(super) async fn system(
    node: &Node,
    scope: &Scope,
    given: &Given<'_>,
    name: &str,
    id: Option<&str>,
) -> Result<(Option<String>, Option<String>), Problem> {
    let named = given.text(name);
    let Some(id) = id else {
        return Ok((named, given.text("version")));
    };
    let body = instance(node, scope, "CodeSystem", id).await?;
    let resource = read(&body)?;
    let Some(url) = resource.text("url") else {
        let message = "This CodeSystem has no url, so that its codes cannot be told from others'.";
        return Err(Problem::new(Kind::Processing, message).at("CodeSystem.url"));
    };
    if named.is_some_and(|named| named != url) {
        return Err(Problem::new(
            Kind::Value,
            "The address and the parameter name different code systems.",
        ));
    }
    Ok((
        Some(url.to_string()),
        resource.text("version").map(str::to_string),
    ))
}

fn coded(coding: &Coding) -> Coded<'_> {
    Coded {
        system: coding.system.as_deref(),
        version: coding.version.as_deref(),
        code: &coding.code,
        display: coding.display.as_deref(),
    }
}

fn told(found: &Validation) -> Response {
    let mut all = vec![json!({ "name": "result", "valueBoolean": found.result })];
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    all.extend(named("message", "valueString", &text(&found.message)));
    all.extend(named("display", "valueString", &text(&found.display)));
    all.extend(named("system", "valueUri", &text(&found.system)));
    all.extend(named("version", "valueString", &text(&found.version)));
    if found.inactive {
        all.push(json!({ "name": "inactive", "valueBoolean": true }));
    }
    parameters(all)
}
