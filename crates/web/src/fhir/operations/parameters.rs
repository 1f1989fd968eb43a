//! What an operation was given: a Parameters resource
//! (<https://hl7.org/fhir/R4/parameters.html>), or the query.

use fhir::definitions::Definitions;
use fhir::json::{Json, Limits, parse};
use fhir::problem::{Kind, Problem};
use fhir::validate::validate;

use crate::failure::Failure;
use crate::fhir::ask::Ask;
use crate::fhir::{RESOURCE_BYTES_MAX, VALUES_MAX, format};

/// Parameters of an operation that also has a form as a query, at most.
const PAIRS_MAX: usize = 200;

/// The request of an operation by POST as its GET would have been: what a Parameters resource in the
/// body names stands beside what the address does. Without a body it is the request itself.
///
/// # Errors
/// What does not read, is no Parameters, or has a value that no query could hold.
pub fn as_query(ask: &Ask, body: &[u8]) -> Result<Ask, Failure> {
    if body.is_empty() {
        return Ok(ask.with(Vec::new()));
    }
    format::is_sent(&ask.headers)?;
    Ok(ask.with(Parameters::read(body)?.pairs()?))
}

/// A Parameters resource that was checked.
pub struct Parameters<'b>(Json<'b>);

impl<'b> Parameters<'b> {
    /// # Errors
    /// What does not read or is no Parameters.
    pub fn read(body: &'b [u8]) -> Result<Parameters<'b>, Problem> {
        let limits = Limits {
            bytes: RESOURCE_BYTES_MAX,
            nodes: VALUES_MAX,
            ..Limits::default()
        };
        let json = parse(body, &limits)?;
        if json.text("resourceType") != Some("Parameters") {
            let message = "The body of this operation is a Parameters resource.";
            return Err(Problem::new(Kind::Invalid, message).at("Parameters"));
        }
        validate(&json, Definitions::r4())?;
        Ok(Parameters(json))
    }

    /// Refuses what the operation does not know: nothing is ignored silently.
    ///
    /// # Errors
    /// `NotSupported`, with the place.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        for (at, parameter) in self.0.items("parameter").iter().enumerate() {
            let name = parameter.text("name").unwrap_or_default();
            if !known.contains(&name) {
                let message = format!("This operation takes {}.", known.join(", "));
                let place = format!("Parameters.parameter[{at}]");
                return Err(Problem::new(Kind::NotSupported, message).at(place));
            }
        }
        Ok(())
    }

    /// Each parameter as a query would say it, in their order.
    ///
    /// # Errors
    /// `NotSupported` for a value that no query holds, with the place; `TooCostly` for too many.
    pub fn pairs(&self) -> Result<Vec<(String, String)>, Problem> {
        let parameters = self.0.items("parameter");
        if parameters.len() > PAIRS_MAX {
            let message = format!("An operation has at most {PAIRS_MAX} parameters.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let pairs = parameters.iter().enumerate().map(|(at, parameter)| {
            let name = parameter.text("name").unwrap_or_default().to_string();
            let value = as_text(parameter).ok_or_else(|| {
                let message = "The value of this parameter is a primitive, a Coding, an Identifier or a Reference.";
                let place = format!("Parameters.parameter[{at}]");
                Problem::new(Kind::NotSupported, message).at(place)
            })?;
            Ok((name, value))
        });
        pairs.collect()
    }

    /// The resource of the parameter of that name.
    pub fn resource<'p>(&'p self, name: &'p str) -> Option<&'p Json<'b>> {
        self.named(name).find_map(|it| it.get("resource"))
    }

    /// The values of that name, whatever their type.
    pub fn values<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Json<'b>> {
        self.named(name).filter_map(|it| {
            let members = it.as_object().unwrap_or_default().iter();
            let mut values = members.filter(|(member, _)| member.starts_with("value"));
            values.next().map(|(_, value)| value)
        })
    }

    fn named<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Json<'b>> {
        let all = self.0.items("parameter").iter();
        all.filter(move |it| it.text("name") == Some(name))
    }
}

/// A parameter's value as a query has it.
fn as_text(parameter: &Json<'_>) -> Option<String> {
    let mut members = parameter.as_object()?.iter();
    let (kind, value) = members.find(|(member, _)| member.starts_with("value"))?;
    let pair = |code: &str| {
        let code = value.text(code)?;
        Some(match value.text("system") {
            Some(system) => format!("{}|{}", escaped(system), escaped(code)),
            None => escaped(code),
        })
    };
    match (&**kind, value) {
        ("valueReference", value) => value.text("reference").map(str::to_string),
        ("valueCoding", _) => pair("code"),
        ("valueIdentifier", _) => pair("value"),
        (_, Json::String(text)) => Some(text.to_string()),
        (_, Json::Number(text)) => Some((*text).to_string()),
        (_, Json::Bool(value)) => Some(value.to_string()),
        _ => None,
    }
}

/// What separates values in a query does not do so in a code.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, ',' | '|' | '$' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_what_a_query_would_have_said() {
        let body = br#"{"resourceType":"Parameters","parameter":[
            {"name":"max","valuePositiveInt":3},
            {"name":"subject","valueReference":{"reference":"Patient/a"}},
            {"name":"code","valueCoding":{"system":"http://loinc.org","code":"8480-6"}},
            {"name":"identifier","valueIdentifier":{"value":"1|2"}},
            {"name":"_since","valueInstant":"2026-01-01T00:00:00Z"},
            {"name":"flag","valueBoolean":true}]}"#;
        let pairs = Parameters::read(body).unwrap().pairs().unwrap();
        let expected = [
            ("max", "3"),
            ("subject", "Patient/a"),
            ("code", "http://loinc.org|8480-6"),
            ("identifier", "1\\|2"),
            ("_since", "2026-01-01T00:00:00Z"),
            ("flag", "true"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        assert_eq!(pairs, expected);
        let concept = br#"{"resourceType":"Parameters","parameter":[
            {"name":"code","valueCodeableConcept":{"text":"pulse"}}]}"#;
        let refused = Parameters::read(concept).unwrap().pairs().unwrap_err();
        assert_eq!(
            refused.expression.as_deref(),
            Some("Parameters.parameter[0]")
        );
    }
}
