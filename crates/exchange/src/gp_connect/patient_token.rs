//! The token by which an organisation's own app for patients asks its GP system in a patient's name: GP Connect's claims,
//! with the patient in the place of the practitioner. At the NHS's own gateway an NHS login token stands there; between two
//! systems of one organisation the organisation's key proves that its app knows who the patient is (decision 0262).

use access::{NhsNumber, Ods};
use fhir::date::Millis;
use serde_json::{Value, json};

use super::token::{SECONDS, is_good};
use crate::jwt::{Jwks, Jwt, Wrong};

const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const REASON: &str = "patientaccess";

/// Who asks.
#[derive(Clone, Debug)]
pub struct PatientAsking<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    pub organisation: &'a Ods,
    pub nhs_number: &'a str,
    /// Who asks, for people to read: the patient, or who acts for them.
    pub person: &'a str,
}

/// What a token lets its bearer do.
fn scope(writes: bool) -> &'static str {
    match writes {
        true => "patient/*.write",
        false => "patient/*.read",
    }
}

/// The claims of a request.
pub fn claims(asking: &PatientAsking<'_>, writes: bool, now: Millis) -> Value {
    let now = now.div_euclid(1000);
    json!({
        "iss": asking.issuer,
        "sub": asking.nhs_number,
        "aud": asking.audience,
        "iat": now,
        "exp": now + SECONDS,
        "reason_for_request": REASON,
        "requested_scope": scope(writes),
        "requesting_organization": {
            "resourceType": "Organization",
            "identifier": [{ "system": ODS, "value": asking.organisation.as_str() }],
        },
        "requesting_patient": {
            "resourceType": "Patient",
            "identifier": [{ "system": NHS_NUMBER, "value": asking.nhs_number }],
            "name": [{ "text": asking.person }],
        },
    })
}

/// What the claims say of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatientAsks {
    pub organisation: Ods,
    pub nhs_number: NhsNumber,
    pub person: String,
}

/// Reads a token that one of these keys signed, for one of these addresses.
///
/// # Errors
/// A sentence for the caller's developer.
pub fn read(
    text: &str,
    keys: &Jwks,
    (audiences, writes): (&[String], bool),
    now: Millis,
) -> Result<PatientAsks, Wrong> {
    let jwt = Jwt::read(text)?;
    jwt.verified_by(keys)?;
    let claims = jwt.claims;
    if !(0..=SECONDS).contains(&is_good(&claims, audiences, now)?) {
        return Err("The JWT lasts five minutes.");
    }
    let at = |place: &str| {
        claims
            .pointer(place)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if at("/requested_scope") != scope(writes) || at("/reason_for_request") != REASON {
        return Err(
            "The JWT's requested_scope or reason_for_request is not the one for this request.",
        );
    }
    let of = |place: &str, system: &str| {
        let listed = claims.pointer(place).and_then(Value::as_array);
        let mut listed = listed.into_iter().flatten();
        let found = listed.find(|it| it.get("system").and_then(Value::as_str) == Some(system));
        let value = found.and_then(|it| it.get("value")).and_then(Value::as_str);
        value.unwrap_or_default().to_string()
    };
    let organisation = Ods::parse(&of("/requesting_organization/identifier", ODS));
    let patient = of("/requesting_patient/identifier", NHS_NUMBER);
    let person = at("/requesting_patient/name/0/text").trim();
    if patient != at("/sub") || person.is_empty() || person.chars().count() > 200 {
        return Err(
            "The JWT's requesting_patient is a Patient with a name, whose NHS number is the JWT's sub.",
        );
    }
    Ok(PatientAsks {
        organisation: organisation
            .map_err(|_| "The JWT's requesting_organization has an ODS code as identifier.")?,
        nhs_number: NhsNumber::parse(&patient)
            .map_err(|_| "The JWT's requesting_patient has no sound NHS number.")?,
        person: person.to_string(),
    })
}
