//! What a client's signed assertion must claim (RFC 7523 §3, SMART App Launch 2.2 "asymmetric
//! client authentication"). The signature was verified before.

use fhir::date::Millis;
use serde_json::Value;

/// The longest that an assertion may be good for, in milliseconds (SMART: five minutes).
const LIFE_MAX: Millis = 300_000;
/// How far the client's clock may be off, in milliseconds.
const SKEW: Millis = 30_000;
/// The longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 200;

/// An assertion that may be believed, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    pub client: String,
    /// To be remembered until then, so that it is not taken again.
    pub jti: String,
    pub expires_at: Millis,
}

/// A number of seconds as milliseconds; a text that looks like a number is none.
pub(super) fn seconds(claims: &Value, name: &str) -> Option<Millis> {
    let number = claims.get(name)?.as_number()?;
    // Whole seconds, perhaps written with a fraction.
    let text = number.to_string();
    let whole = text.split(['.', 'e', 'E']).next()?;
    if text.contains(['e', 'E']) {
        return None;
    }
    whole.parse::<i64>().ok()?.checked_mul(1000)
}

pub(super) fn text<'v>(claims: &'v Value, name: &str) -> Option<&'v str> {
    claims.get(name)?.as_str()
}

/// The client of an assertion for one of these audiences.
///
/// # Errors
/// Why it is not believed.
pub fn check_assertion(
    claims: &Value,
    audiences: &[&str],
    now: Millis,
) -> Result<Assertion, &'static str> {
    let (Some(iss), Some(sub)) = (text(claims, "iss"), text(claims, "sub")) else {
        return Err("The assertion has no iss and sub.");
    };
    if iss != sub {
        return Err("The assertion's iss and sub are not the same.");
    }
    if !is_for(claims, audiences) {
        return Err("The assertion's aud is not this token endpoint.");
    }
    let Some(expires_at) = seconds(claims, "exp") else {
        return Err("The assertion's exp is not a number.");
    };
    if expires_at <= now {
        return Err("The assertion has expired.");
    }
    if expires_at > now.saturating_add(LIFE_MAX + SKEW) {
        return Err("The assertion's exp is more than five minutes ahead.");
    }
    for name in ["nbf", "iat"] {
        if claims.get(name).is_none() {
            continue;
        }
        match seconds(claims, name) {
            None => return Err("The assertion's iat or nbf is not a number."),
            Some(at) if at > now.saturating_add(SKEW) => {
                return Err("The assertion is not good yet.");
            }
            Some(_) => {}
        }
    }
    let Some(jti) = text(claims, "jti").filter(|jti| (1..=JTI_BYTES_MAX).contains(&jti.len()))
    else {
        return Err("The assertion has no jti.");
    };
    Ok(Assertion {
        client: iss.to_string(),
        jti: jti.to_string(),
        expires_at,
    })
}

/// A list with anybody else in it could be used by them here (RFC 9700 §4.9).
fn is_for(claims: &Value, audiences: &[&str]) -> bool {
    let aud = match claims.get("aud") {
        Some(Value::String(aud)) => Some(aud.as_str()),
        Some(Value::Array(list)) if list.len() == 1 => list.first().and_then(Value::as_str),
        _ => None,
    };
    aud.is_some_and(|aud| audiences.contains(&aud))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Millis = 1_800_000_000_000;
    const AUD: &str = "https://node.example/oauth2/token";

    fn good() -> Value {
        json!({"iss": "c", "sub": "c", "aud": AUD, "exp": 1_800_000_300, "iat": 1_800_000_000, "jti": "1"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    #[test]
    fn a09_an_assertion_is_for_here_and_for_five_minutes() {
        let found = check_assertion(&good(), &[AUD], NOW).unwrap();
        assert_eq!((found.client.as_str(), found.jti.as_str()), ("c", "1"));
        for (name, value) in [
            ("aud", json!("https://other.example/oauth2/token")),
            ("aud", json!([AUD, "https://other.example"])),
            ("aud", json!(null)),
            ("exp", json!(1_800_000_400)),
            ("exp", json!(1_800_000_000)),
            ("sub", json!("d")),
            ("jti", json!("")),
            ("jti", json!("x".repeat(300))),
            ("iat", json!(1_800_000_100)),
            ("nbf", json!(1_800_000_100)),
        ] {
            let claims = with(name, value.clone());
            assert!(
                check_assertion(&claims, &[AUD], NOW).is_err(),
                "{name} {value}"
            );
        }
    }

    #[test]
    fn a03_a_time_that_is_a_text_is_refused() {
        for (name, value) in [
            ("exp", json!("1800000300")),
            ("exp", json!(1.8e9)),
            ("exp", json!(true)),
            ("exp", json!([1_800_000_300])),
            ("nbf", json!("1800000000")),
            ("iat", json!("1800000000")),
        ] {
            let claims = with(name, value.clone());
            let found = check_assertion(&claims, &[AUD], NOW);
            assert!(found.is_err(), "{name} {value}");
        }
    }
}
