//! The token of GP Connect
//! (<https://developer.nhs.uk/apis/gpconnect-1-2-7/integration_cross_organisation_audit_and_provenance.html>): who asks,
//! for whom and why. Published it bears no signature, since the Spine's proxy proves who calls; here one is asked for
//! wherever the proxy does not stand in between.

use access::Ods;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir::date::Millis;
use fhir::gp_connect::{Call, ODS};
use serde_json::{Value, json};

use crate::jws::read_strictly;
use crate::jwt::{Jwks, Jwt, Wrong};

/// How long a token lasts.
pub(super) const SECONDS: i64 = 300;
/// How far the clocks of two systems may be apart.
const SKEW_SECONDS: i64 = 60;
const BYTES_MAX: usize = 16 << 10;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Asking<'a> {
    /// The address of the system that asks, and of the one that is asked.
    pub issuer: &'a str,
    pub audience: &'a str,
    pub organisation: &'a Ods,
    pub organisation_name: &'a str,
    /// The person's name.
    pub person: &'a str,
}

/// The claims of a request.
pub fn claims(asking: &Asking<'_>, call: Call, now: Millis) -> Value {
    let now = now.div_euclid(1000);
    let (given, family) = match asking.person.rsplit_once(' ') {
        Some((given, family)) => (given, family),
        None => ("", asking.person),
    };
    // Who has no smartcard has no numbers of it, which is said so.
    let unknown = |system: &str| json!({ "system": format!("https://fhir.nhs.uk/Id/{system}"), "value": "UNK" });
    json!({
        "iss": asking.issuer,
        "sub": "1",
        "aud": asking.audience,
        "exp": now + SECONDS,
        "iat": now,
        "reason_for_request": "directcare",
        "requested_scope": call.scope(),
        "requesting_device": {
            "resourceType": "Device",
            "model": "Handover",
            "version": env!("CARGO_PKG_VERSION"),
            "identifier": [{ "system": asking.issuer, "value": "handover" }],
        },
        "requesting_organization": {
            "resourceType": "Organization",
            "name": asking.organisation_name,
            "identifier": [{ "system": ODS, "value": asking.organisation.as_str() }],
        },
        "requesting_practitioner": {
            "resourceType": "Practitioner",
            "id": "1",
            "identifier": [
                unknown("sds-user-id"),
                unknown("sds-role-profile-id"),
                { "system": asking.issuer, "value": "1" },
            ],
            "name": [{ "family": family, "given": [given] }],
        },
    })
}

/// The token without a signature, as it is published.
pub fn unsigned(claims: &Value) -> String {
    let header = json!({ "alg": "none", "typ": "JWT" });
    let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut text);
    text.push('.');
    text
}

/// What the claims of a request say of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asks {
    pub organisation: Ods,
    pub person: String,
    pub reason: String,
}

/// By what a token is believed.
#[derive(Clone, Copy, Debug)]
pub enum Believed<'k> {
    /// One of these keys signed it.
    Signed(&'k Jwks),
    /// Who handed it over was proved: the Spine's proxy.
    Proxy,
}

/// Reads a token for that call at one of these addresses.
///
/// # Errors
/// A sentence for the caller's developer.
pub fn read(
    text: &str,
    believed: Believed<'_>,
    (audiences, call): (&[String], Call),
    now: Millis,
) -> Result<Asks, Wrong> {
    let claims = match believed {
        Believed::Signed(keys) => {
            let jwt = Jwt::read(text)?;
            jwt.verified_by(keys)?;
            jwt.claims
        }
        Believed::Proxy => plain(text)?,
    };
    if is_good(&claims, audiences, now)? != SECONDS {
        return Err("The JWT lasts five minutes.");
    }
    let at = |place: &str| {
        claims
            .pointer(place)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if at("/requested_scope") != call.scope() {
        return Err("The JWT's requested_scope is not the one for this request.");
    }
    if at("/iss").is_empty() || at("/reason_for_request").is_empty() {
        return Err("The JWT says who made it (iss), and why (reason_for_request).");
    }
    if at("/requesting_device/resourceType") != "Device" {
        return Err("The JWT's requesting_device is a Device.");
    }
    let person = "/requesting_practitioner";
    if at(&format!("{person}/resourceType")) != "Practitioner"
        || at("/sub").is_empty()
        || at(&format!("{person}/id")) != at("/sub")
    {
        return Err(
            "The JWT's requesting_practitioner is a Practitioner whose id is the JWT's sub.",
        );
    }
    if at("/requesting_organization/resourceType") != "Organization" {
        return Err("The JWT's requesting_organization is an Organization.");
    }
    let codes = claims.pointer("/requesting_organization/identifier");
    let codes = codes.and_then(Value::as_array).into_iter().flatten();
    let code = codes
        .filter(|it| it.get("system").and_then(Value::as_str) == Some(ODS))
        .find_map(|it| it.get("value").and_then(Value::as_str));
    let organisation = code.and_then(|it| Ods::parse(it).ok());
    let organisation =
        organisation.ok_or("The JWT's requesting_organization has an ODS code as identifier.")?;
    Ok(Asks {
        organisation,
        person: name(&claims)?,
        reason: at("/reason_for_request").to_string(),
    })
}

/// Sees that a token is good now and meant for one of these addresses; gives how long it lasts, in seconds.
///
/// # Errors
/// A sentence for the caller's developer.
pub(super) fn is_good(claims: &Value, audiences: &[String], now: Millis) -> Result<i64, Wrong> {
    let now = now.div_euclid(1000);
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let (Some(issued), Some(expires)) = (number("iat"), number("exp")) else {
        return Err("The JWT's iat and exp are seconds since 1970.");
    };
    if expires <= now - SKEW_SECONDS || issued > now + SKEW_SECONDS {
        return Err("The JWT has expired, or is not good yet.");
    }
    let audience = claims.get("aud").and_then(Value::as_str);
    let audience = audience.unwrap_or_default().trim_end_matches('/');
    match audiences.iter().any(|it| it == audience) {
        true => Ok(expires.saturating_sub(issued)),
        false => Err("The JWT's aud is not this system's address."),
    }
}

fn name(claims: &Value) -> Result<String, Wrong> {
    let names = claims.pointer("/requesting_practitioner/name");
    // A list in STU3, one alone in older tokens.
    let name = names.and_then(|it| it.get(0).or(Some(it)));
    let name = name.ok_or("The JWT's requesting_practitioner has a name.")?;
    let words = |place: &str| {
        let list = name.get(place);
        let one = list.and_then(Value::as_str);
        let many = list.and_then(Value::as_array).into_iter().flatten();
        let many = many.filter_map(Value::as_str);
        many.chain(one).map(str::to_string).collect::<Vec<_>>()
    };
    let family = words("family");
    if family.iter().all(|it| it.trim().is_empty()) {
        return Err("The JWT's requesting_practitioner has a family name.");
    }
    let all = [words("given"), family].concat();
    let all: Vec<String> = all.into_iter().filter(|it| !it.trim().is_empty()).collect();
    Ok(all.join(" ").chars().take(200).collect())
}

/// The claims of a token without a signature.
fn plain(text: &str) -> Result<Value, Wrong> {
    if text.len() > BYTES_MAX {
        return Err("The JWT is too long.");
    }
    let mut parts = text.split('.');
    let (Some(header), Some(claims), Some(""), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("The JWT has three parts, of which the last is empty.");
    };
    let object = |part: &str| -> Result<Value, Wrong> {
        let bytes = URL_SAFE_NO_PAD.decode(part);
        let bytes = bytes.map_err(|_| "The JWT is not base64url.")?;
        let read: Result<Value, _> = read_strictly(&bytes);
        read.map_err(|_| "The JWT is not JSON, or has a member twice.")
    };
    let header = object(header)?;
    if header.get("alg").and_then(Value::as_str) != Some("none") {
        return Err("Behind the proxy a JWT has the alg none.");
    }
    object(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::IdentityKey;

    const NOW: Millis = 1_800_000_000_000;

    fn made(call: Call) -> Value {
        let organisation = Ods::parse("RZZ01").unwrap();
        let asking = Asking {
            issuer: "https://hospital.example",
            audience: "https://practice.example/gpconnect/stu3/1",
            organisation: &organisation,
            organisation_name: "Anytown hospital",
            person: "Nura Nurse",
        };
        claims(&asking, call, NOW)
    }

    fn there() -> Vec<String> {
        vec!["https://practice.example/gpconnect/stu3/1".into()]
    }

    #[test]
    fn a_token_is_believed_by_its_signature_or_by_the_proxy_alone() {
        let key = IdentityKey::generate().unwrap();
        let keys = Jwks::read(key.jwks().to_string().as_bytes()).unwrap();
        let other = IdentityKey::generate().unwrap();
        let claims = made(Call::Book);
        let signed = key.sign(&claims).unwrap();
        let bare = unsigned(&claims);
        let there = there();
        let read = |text: &str, believed| read(text, believed, (&there, Call::Book), NOW);
        let asks = read(&signed, Believed::Signed(&keys)).unwrap();
        assert_eq!(asks.person, "Nura Nurse");
        assert_eq!(asks.organisation.as_str(), "RZZ01");
        assert_eq!(read(&bare, Believed::Proxy).unwrap(), asks);
        assert!(read(&bare, Believed::Signed(&keys)).is_err());
        assert!(read(&other.sign(&claims).unwrap(), Believed::Signed(&keys)).is_err());
        assert!(read(&signed, Believed::Proxy).is_err());
    }

    #[test]
    fn a_claim_that_is_missing_or_wrong_is_named() {
        let there = there();
        let with = |edit: &dyn Fn(&mut Value), now| {
            let mut claims = made(Call::FindSlots);
            edit(&mut claims);
            read(
                &unsigned(&claims),
                Believed::Proxy,
                (&there, Call::FindSlots),
                now,
            )
        };
        assert!(with(&|_| {}, NOW).is_ok());
        assert!(with(&|_| {}, NOW + 361_000).is_err());
        assert!(with(&|_| {}, NOW - 61_000).is_err());
        for (name, value) in [
            ("exp", json!(NOW / 1000 + 3600)),
            ("iat", json!("now")),
            ("aud", json!("https://elsewhere.example")),
            ("iss", json!("")),
            ("sub", json!("2")),
            ("reason_for_request", json!("")),
            ("requested_scope", json!("patient/*.write")),
            ("requesting_device", json!({})),
            (
                "requesting_organization",
                json!({ "resourceType": "Organization" }),
            ),
            (
                "requesting_practitioner",
                json!({ "resourceType": "Practitioner", "id": "1" }),
            ),
        ] {
            assert!(with(&|it| it[name] = value.clone(), NOW).is_err(), "{name}");
        }
    }
}
