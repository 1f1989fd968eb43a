//! <https://hl7.org/fhir/R4/patient-operation-match.html>: who this may be, scored by
//! `fhir::matching`. Only whom the caller may read is ever compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::Interaction;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use fhir::definitions::Definitions;
use fhir::json::{Json, Limits as JsonLimits, parse, write_text};
use fhir::matching::{Grade, Traits, compare};
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Search};
use fhir::validate::validate;
use http::StatusCode;
use store::Version;

use super::parameters::Parameters;
use crate::failure::Failure;
use crate::fhir::ask::Announced;
use crate::fhir::{answer, format};
use crate::node::Node;

const COUNT_DEFAULT: usize = 10;
const COUNT_MAX: usize = 100;
/// People looked at for one question, at most: more share what was given than can be told apart.
const CANDIDATES_A_QUESTION: u32 = 200;
/// Questions asked of the index, at most.
const QUESTIONS_MAX: usize = 24;

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
    let mut candidates: BTreeMap<String, Version> = BTreeMap::new();
    for pairs in asked.questions.iter().take(QUESTIONS_MAX) {
        let mut search = Search::parse("Patient", pairs, &base_url, &Limits::default())?;
        search.count = CANDIDATES_A_QUESTION;
        let page = node.store.search(&scope, &search).await?;
        let found = page.entries.into_iter().filter(|it| it.ty == "Patient");
        candidates.extend(found.map(|version| (version.id.clone(), version)));
    }
    let mut scored = Vec::new();
    for version in candidates.into_values() {
        let known = Traits::of(&parse(&version.body, &JsonLimits::default())?);
        let (score, grade) = compare(&asked.traits, &known);
        if grade != Grade::CertainlyNot {
            scored.push((score, grade, version));
        }
    }
    if asked.certain_only {
        scored.retain(|(_, grade, _)| *grade == Grade::Certain);
        // Two who are certain are not: a person must choose.
        if scored.len() > 1 {
            scored.clear();
        }
    }
    scored.sort_by(|(a, grade_a, _), (b, grade_b, _)| {
        (grade_b, *b)
            .partial_cmp(&(grade_a, *a))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    scored.truncate(asked.count);
    Ok(answer::json(StatusCode::OK, bundle(&base_url, &scored)))
}

struct Asked {
    traits: Traits,
    /// Each finds people who share enough to be worth comparing.
    questions: Vec<Vec<(String, String)>>,
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
        let questions = questions(patient);
        if questions.is_empty() {
            let message = "The Patient needs an identifier, or a name with a date of birth, a \
                           postcode, a telephone number or an e-mail address.";
            return Err(Problem::new(Kind::Required, message).at("Parameters.parameter.resource"));
        }
        Ok(Asked {
            traits: Traits::of(patient),
            questions,
            certain_only: given
                .values("onlyCertainMatches")
                .any(|value| value.as_bool() == Some(true)),
            count: count.min(COUNT_MAX),
        })
    }
}

/// What is asked of the index: each identifier; date of birth with family name or with a given name;
/// family name with postcode or with a telephone number or e-mail address.
fn questions(patient: &Json<'_>) -> Vec<Vec<(String, String)>> {
    let mut questions = Vec::new();
    let pair = |name: &str, value: &str| (name.to_string(), escaped(value));
    for identifier in patient.items("identifier") {
        if let (Some(system), Some(value)) = (identifier.text("system"), identifier.text("value")) {
            for value in spellings(value) {
                let token = format!("{}|{}", escaped(system), escaped(&value));
                questions.push(vec![("identifier".to_string(), token)]);
            }
        }
    }
    let names = patient.items("name").iter();
    for name in names {
        let family = name.text("family").filter(|text| !text.trim().is_empty());
        let given = name.items("given").first().and_then(Json::as_str);
        let given = given.filter(|text| !text.trim().is_empty());
        if let Some(born) = patient.text("birthDate") {
            questions.extend(family.map(|it| vec![pair("birthdate", born), pair("family", it)]));
            questions.extend(given.map(|it| vec![pair("birthdate", born), pair("given", it)]));
        }
        let Some(family) = family else { continue };
        questions.extend(given.map(|it| vec![pair("family", family), pair("given", it)]));
        for address in patient.items("address") {
            let code = address.text("postalCode");
            questions.extend(
                code.map(|it| vec![pair("address-postalcode", it), pair("family", family)]),
            );
        }
        for contact in patient.items("telecom") {
            let value = contact.text("value");
            questions.extend(value.map(|it| vec![pair("telecom", it), pair("family", family)]));
        }
    }
    questions
}

/// An NHS number is written with blanks or without.
fn spellings(value: &str) -> Vec<String> {
    let plain: String = value.chars().filter(|sign| !sign.is_whitespace()).collect();
    match plain == value {
        true => vec![plain],
        false => vec![value.to_string(), plain],
    }
}

/// A value with the signs escaped that a search gives a meaning.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for sign in value.chars() {
        if matches!(sign, '\\' | ',' | '|' | '$') {
            out.push('\\');
        }
        out.push(sign);
    }
    out
}

fn bundle(base_url: &str, scored: &[(f64, Grade, Version)]) -> Vec<u8> {
    let mut out = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":{}",
        scored.len()
    )
    .into_bytes();
    for (number, (score, grade, version)) in scored.iter().enumerate() {
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
