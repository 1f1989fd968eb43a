//! <https://hl7.org/fhir/R4/codesystem-operation-lookup.html>

use std::sync::Arc;

use access::Interaction;
use axum::extract::State;
use axum::response::Response;
use fhir::terminology::code_system::Property;
use fhir::terminology::compose::Designation;
use serde_json::{Value, json};
use store::terminology::Lookup;

use super::given::{Coding, Given, missing};
use super::{Call, named, parameters, used_as};
use crate::failure::Failure;
use crate::node::Node;

/// Its name and definition.
pub const IS: (&str, &str) = (
    "lookup",
    "http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup",
);

const KNOWN: &[&str] = &[
    "code",
    "system",
    "version",
    "coding",
    "displayLanguage",
    "property",
];

/// `CodeSystem/$lookup`.
pub async fn lookup(State(node): State<Arc<Node>>, call: Call) -> Result<Response, Failure> {
    let Call { ask, .. } = &call;
    let scope = ask
        .scope(&node, Interaction::Terminology, "CodeSystem")
        .await?;
    let given = Given::read(ask, call.body.as_deref(), KNOWN)?;
    let Some(Coding {
        system,
        version,
        code,
        ..
    }) = given.codings("version")?.into_iter().next()
    else {
        return Err(missing("code").into());
    };
    let system = system.ok_or_else(|| missing("system"))?;
    let language = given.text("displayLanguage");
    let found = node
        .store
        .lookup(
            &scope,
            &system,
            version.as_deref(),
            &code,
            language.as_deref(),
        )
        .await?;
    let wanted = given.texts("property");
    Ok(parameters(told(&found, &wanted)))
}

fn told(found: &Lookup, wanted: &[String]) -> Vec<Value> {
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|it| it == name || it == "*");
    let name = if found.system.name.is_empty() {
        &found.system.url
    } else {
        &found.system.name
    };
    let mut all: Vec<Value> = Vec::new();
    all.extend(named("name", "valueString", name));
    all.extend(named("version", "valueString", &found.system.version));
    all.extend(named("display", "valueString", &found.display));
    if wants("definition") {
        all.extend(named("definition", "valueString", &found.detail.definition));
    }
    if wants("designation") || wants("designations") {
        all.extend(found.detail.designations.iter().map(designated));
    }
    if found.detail.inactive || wanted.iter().any(|it| it == "inactive") {
        all.push(property(
            "inactive",
            json!({ "valueBoolean": found.detail.inactive }),
            "",
        ));
    }
    for (name, others) in [("parent", &found.parents), ("child", &found.children)] {
        if wants(name) {
            all.extend(
                others
                    .iter()
                    .map(|(code, display)| property(name, json!({ "valueCode": code }), display)),
            );
        }
    }
    let told = ["inactive", "parent", "child"];
    let others = found
        .detail
        .properties
        .iter()
        .filter(|it| !told.contains(&it.code.as_str()));
    all.extend(
        others
            .filter(|it| wants(&it.code))
            .filter_map(|it| Some(property(&it.code, value(it)?, ""))),
    );
    all
}

fn designated(it: &Designation) -> Value {
    let mut parts: Vec<Value> = Vec::new();
    parts.extend(named("language", "valueCode", &it.language));
    if !it.used_as.1.is_empty() {
        parts.push(json!({ "name": "use", "valueCoding": used_as(&it.used_as) }));
    }
    parts.extend(named("value", "valueString", &it.value));
    json!({ "name": "designation", "part": parts })
}

fn property(code: &str, value: Value, description: &str) -> Value {
    let mut second = value;
    if let Some(members) = second.as_object_mut() {
        members.insert("name".into(), "value".into());
    }
    let mut parts = vec![json!({ "name": "code", "valueCode": code }), second];
    parts.extend(named("description", "valueString", description));
    json!({ "name": "property", "part": parts })
}

/// The value with its type; one that is empty is none.
fn value(it: &Property) -> Option<Value> {
    if it.value.is_empty() {
        return None;
    }
    Some(match it.kind.as_str() {
        "Boolean" => json!({ "valueBoolean": it.value == "true" }),
        "Code" => json!({ "valueCode": it.value }),
        "DateTime" => json!({ "valueDateTime": it.value }),
        "Integer" | "Decimal" => {
            let number: serde_json::Number = it.value.parse().ok()?;
            let name = format!("value{}", it.kind);
            json!({ name: number })
        }
        "Coding" => match it.value.split_once('|') {
            Some(("", code)) => json!({ "valueCoding": { "code": code } }),
            Some((system, code)) => json!({ "valueCoding": { "system": system, "code": code } }),
            None => return None,
        },
        _ => json!({ "valueString": it.value }),
    })
}
