//! <https://hl7.org/fhir/R4/conceptmap-operation-translate.html>

use std::sync::Arc;

use access::Interaction;
use axum::extract::State;
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde_json::{Map, Value, json};
use store::terminology::{Translation, TranslationAsk};

use super::given::Given;
use super::{Call, instance, parameters, read};
use crate::failure::Failure;
use crate::node::Node;

/// Its name and definition.
pub const IS: (&str, &str) = (
    "translate",
    "http://hl7.org/fhir/OperationDefinition/ConceptMap-translate",
);

const KNOWN: &[&str] = &[
    "url",
    "conceptMapVersion",
    "code",
    "system",
    "version",
    "source",
    "coding",
    "codeableConcept",
    "target",
    "targetsystem",
    "reverse",
];

/// `ConceptMap/$translate` and `ConceptMap/[id]/$translate`.
pub async fn translate(State(node): State<Arc<Node>>, call: Call) -> Result<Response, Failure> {
    let Call { ask, .. } = &call;
    let id = call.id.as_deref();
    let scope = ask
        .scope(&node, Interaction::Terminology, "ConceptMap")
        .await?;
    let given = Given::read(ask, call.body.as_deref(), KNOWN)?;
    let mut map = match (given.text("url"), given.text("conceptMapVersion")) {
        (Some(url), Some(version)) => Some(format!("{url}|{version}")),
        (url, _) => url,
    };
    if let Some(id) = id {
        if map.is_some() {
            return Err(Problem::new(
                Kind::Value,
                "Name the map in one way: by the address or by url.",
            )
            .into());
        }
        let body = instance(&node, &scope, "ConceptMap", id).await?;
        let url = read(&body)?.text("url").map(str::to_string);
        let message = "This ConceptMap has no url, so that it cannot be told from others.";
        map =
            Some(url.ok_or_else(|| Problem::new(Kind::Processing, message).at("ConceptMap.url"))?);
    }
    if let Some(url) = &map
        && !node.store.has_concept_map(&scope, url).await?
    {
        return Err(Problem::new(Kind::NotFound, "This concept map is not loaded here.").into());
    }
    let mut found = Vec::new();
    for coding in given.codings("version")? {
        let ask = TranslationAsk {
            map: map.clone(),
            system: coding.system,
            code: coding.code,
            source: given.text("source"),
            target: given.text("target"),
            target_system: given.text("targetsystem"),
            reverse: given.flag("reverse")?,
        };
        found.extend(node.store.translate(&scope, &ask).await?);
    }
    Ok(parameters(told(&found)))
}

fn told(found: &[Translation]) -> Vec<Value> {
    let is_match = |it: &&Translation| !matches!(it.equivalence.as_str(), "unmatched" | "disjoint");
    let result = found.iter().any(|it| is_match(&it));
    let mut all = vec![json!({ "name": "result", "valueBoolean": result })];
    if !result {
        let message = "No map that is loaded here translates this code.";
        all.push(json!({ "name": "message", "valueString": message }));
    }
    all.extend(found.iter().map(matched));
    all
}

fn matched(it: &Translation) -> Value {
    let mut parts = vec![json!({ "name": "equivalence", "valueCode": it.equivalence })];
    if !it.code.is_empty() {
        let mut coding = Map::new();
        for (name, text) in [
            ("system", &it.system),
            ("code", &it.code),
            ("display", &it.display),
        ] {
            if !text.is_empty() {
                coding.insert(name.into(), text.clone().into());
            }
        }
        parts.push(json!({ "name": "concept", "valueCoding": coding }));
    }
    if !it.map.is_empty() {
        parts.push(json!({ "name": "source", "valueUri": it.map }));
    }
    json!({ "name": "match", "part": parts })
}
