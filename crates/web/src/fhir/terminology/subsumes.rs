//! <https://hl7.org/fhir/R4/codesystem-operation-subsumes.html>

use std::sync::Arc;

use access::Interaction;
use axum::extract::State;
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde_json::json;

use super::given::{Given, missing};
use super::validate_code::system;
use super::{Call, parameters};
use crate::failure::Failure;
use crate::node::Node;

/// Its name and definition.
pub const IS: (&str, &str) = (
    "subsumes",
    "http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes",
);

const KNOWN: &[&str] = &["codeA", "codeB", "system", "version", "codingA", "codingB"];

/// `CodeSystem/$subsumes` and `CodeSystem/[id]/$subsumes`.
pub async fn subsumes(State(node): State<Arc<Node>>, call: Call) -> Result<Response, Failure> {
    let Call { ask, .. } = &call;
    let id = call.id.as_deref();
    let scope = ask
        .scope(&node, Interaction::Terminology, "CodeSystem")
        .await?;
    let given = Given::read(ask, call.body.as_deref(), KNOWN)?;
    let (mut url, version) = system(&node, &scope, &given, "system", id).await?;
    let mut codes = Vec::new();
    for (plain, coded) in [("codeA", "codingA"), ("codeB", "codingB")] {
        if let Some(code) = given.text(plain) {
            codes.push(code);
            continue;
        }
        let coding = given.coding(coded).ok_or_else(|| missing(plain))?;
        if let Some(system) = coding.system {
            match &url {
                Some(url) if *url != system => {
                    let message = "Both codes must be of the one code system.";
                    return Err(Problem::new(Kind::Value, message).into());
                }
                _ => url = Some(system),
            }
        }
        codes.push(coding.code);
    }
    let url = url.ok_or_else(|| missing("system"))?;
    let [a, b] = codes.as_slice() else {
        return Err(missing("codeB").into());
    };
    let outcome = node
        .store
        .subsumes(&scope, &url, version.as_deref(), a, b)
        .await?;
    Ok(parameters(vec![
        json!({ "name": "outcome", "valueCode": outcome.code() }),
    ]))
}
