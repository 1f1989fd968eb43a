//! <https://hl7.org/fhir/R4/patient-operation-match.html>: who this may be, scored by
//! `fhir::matching`. Only whom the caller may read is ever compared.

use std::sync::Arc;

use access::Interaction;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use fhir::definitions::Definitions;
use fhir::json::write_text;
use fhir::matching::Grade;
use fhir::problem::{Kind, Problem};
use fhir::validate::validate;
use http::StatusCode;

use super::parameters::Parameters;
use crate::failure::Failure;
use crate::fhir::ask::Announced;
use crate::fhir::{answer, format};
use crate::likeness::{self, Candidate, Sought};
use crate::node::Node;

const COUNT_DEFAULT: usize = 10;
const COUNT_MAX: usize = 100;

/// `POST Patient/$match`.
pub async fn match_patient(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Match, "Patient").await?;
    ask.no_query()?;
    format::is_sent(&ask.headers)?;
    let asked = Asked::read(&body)?;
    let base_url = node.site.fhir_url();
    let mut scored = likeness::find(&node, &scope, &asked.sought).await?.people;
    if asked.certain_only {
        scored.retain(|it| it.weighed.grade == Grade::Certain);
        // Two who are certain are not: a person must choose.
        if scored.len() > 1 {
            scored.clear();
        }
    }
    scored.truncate(asked.count);
    Ok(answer::json(StatusCode::OK, bundle(&base_url, &scored)))
}

struct Asked {
    sought: Sought,
    certain_only: bool,
    count: usize,
}

impl Asked {
    fn read(body: &[u8]) -> Result<Asked, Problem> {
        let given = Parameters::read(body)?;
        given.only(&["resource", "onlyCertainMatches", "count"])?;
        let patient = given.resource("resource");
        let patient = patient.filter(|it| it.text("resourceType") == Some("Patient"));
        let patient = patient.ok_or_else(|| {
            let message = "The parameter resource holds the Patient to be matched.";
            Problem::new(Kind::Required, message).at("Parameters.parameter")
        })?;
        validate(patient, Definitions::r4())?;
        let count = match given.values("count").next() {
            None => COUNT_DEFAULT,
            Some(value) => {
                let count = value.as_number().and_then(|text| text.parse().ok());
                let message = "count is a whole number from 1.";
                count
                    .filter(|count| *count > 0)
                    .ok_or_else(|| Problem::new(Kind::Value, message))?
            }
        };
        let sought = Sought::of(patient);
        if sought.asks_nothing() {
            let message = "The Patient needs an identifier, or a name with a date of birth, a \
                           postcode, a telephone number or an e-mail address.";
            return Err(Problem::new(Kind::Required, message).at("Parameters.parameter.resource"));
        }
        Ok(Asked {
            sought,
            certain_only: given
                .values("onlyCertainMatches")
                .any(|value| value.as_bool() == Some(true)),
            count: count.min(COUNT_MAX),
        })
    }
}

fn bundle(base_url: &str, scored: &[Candidate]) -> Vec<u8> {
    let mut out = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":{}",
        scored.len()
    )
    .into_bytes();
    for (number, it) in scored.iter().enumerate() {
        let (version, score, grade) = (&it.version, it.weighed.score, it.weighed.grade);
        out.extend_from_slice(if number == 0 { b",\"entry\":[{" } else { b",{" });
        out.extend_from_slice(b"\"fullUrl\":");
        write_text(&format!("{base_url}/Patient/{}", version.id), &mut out);
        out.extend_from_slice(b",\"resource\":");
        out.extend_from_slice(&version.body);
        let search = format!(
            ",\"search\":{{\"extension\":[{{\"url\":\
             \"http://hl7.org/fhir/StructureDefinition/match-grade\",\"valueCode\":\"{}\"}}],\
             \"mode\":\"match\",\"score\":{score:.2}}}}}",
            grade.code()
        );
        out.extend_from_slice(search.as_bytes());
    }
    if !scored.is_empty() {
        out.push(b']');
    }
    out.push(b'}');
    out
}
