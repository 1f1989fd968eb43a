//! What an id token must say (OpenID Connect Core, 3.1.3.7), and how far it proves an identity.

use serde_json::Value;

/// What an id token is held against.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now_seconds: i64,
    pub skew_seconds: i64,
}

/// A claim's text; empty if there is none.
pub fn text<'a>(claims: &'a Value, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the claims are those of an id token made for us, now, for this sign-in.
///
/// # Errors
/// The reason, for the log.
pub fn check(claims: &Value, expected: &Expected<'_>) -> Result<(), &'static str> {
    if text(claims, "iss") != expected.issuer {
        return Err("the id token is another issuer's");
    }
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        one => one.and_then(Value::as_str).into_iter().collect(),
    };
    if !audience.contains(&expected.client_id) {
        return Err("the id token is for somebody else");
    }
    let party = claims.get("azp").and_then(Value::as_str);
    if party.map_or(audience.len() > 1, |party| party != expected.client_id) {
        return Err("the id token was asked for by somebody else");
    }
    // A number only: a time written as text is refused.
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let (Some(expires), Some(issued)) = (number("exp"), number("iat")) else {
        return Err("the id token has no times");
    };
    if expected.now_seconds >= expires.saturating_add(expected.skew_seconds) {
        return Err("the id token has expired");
    }
    if issued > expected.now_seconds.saturating_add(expected.skew_seconds) {
        return Err("the id token is from the future");
    }
    let nonce = text(claims, "nonce");
    if !crate::secret::same(nonce, expected.nonce) {
        return Err("the id token answers another sign-in");
    }
    Ok(())
}

/// What NHS login's vector of trust proves: identity (9, 5 or 0) and assurance level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    pub identity: i64,
    pub aal: i64,
}

/// Reads a vector of trust, such as `P9.Cp.Cd`: `P` says how far the identity is proved; `Cp` is a
/// password, `Cd` a known device or a code to it, `Ck` a security key, `Cm` a passkey. What is not
/// known proves nothing.
pub fn trust(vot: &str) -> Trust {
    let parts: Vec<&str> = vot.split('.').collect();
    let has = |part: &str| parts.contains(&part);
    let identity = if has("P9") {
        9
    } else if has("P5") {
        5
    } else {
        0
    };
    let two = has("Cm") || (has("Cp") && (has("Cd") || has("Ck")));
    Trust {
        identity,
        aal: if two { 2 } else { 1 },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({"iss": "https://idp.example", "aud": "node", "exp": 1_300, "iat": 1_000, "nonce": "n", "sub": "s"})
    }

    fn checked(claims: &Value) -> Result<(), &'static str> {
        let expected = Expected {
            issuer: "https://idp.example",
            client_id: "node",
            nonce: "n",
            now_seconds: 1_100,
            skew_seconds: 60,
        };
        check(claims, &expected)
    }

    #[test]
    fn an_id_token_for_us_and_now_holds() {
        checked(&good()).unwrap();
        let mut many = good();
        many["aud"] = json!(["node", "other"]);
        assert!(checked(&many).is_err());
        many["azp"] = json!("node");
        checked(&many).unwrap();
    }

    /// A03: another issuer, another audience, times as text.
    #[test]
    fn a03_a_token_that_is_another_or_old_or_has_times_as_text_is_refused() {
        for (claim, value) in [
            ("iss", json!("https://other.example")),
            ("iss", json!("https://idp.example/")),
            ("aud", json!("other")),
            ("aud", json!(["other"])),
            ("aud", json!(null)),
            ("azp", json!("other")),
            ("exp", json!(1_000)),
            ("exp", json!("99999999999")),
            ("exp", json!(null)),
            ("iat", json!(2_000)),
            ("iat", json!("1000")),
            ("nonce", json!("m")),
            ("nonce", json!(null)),
        ] {
            let mut claims = good();
            claims[claim] = value.clone();
            assert!(checked(&claims).is_err(), "{claim} {value}");
        }
    }

    /// P22: what a vector of trust proves.
    #[test]
    fn p22_only_p9_proves_an_identity_and_only_two_factors_make_level_2() {
        for (vot, identity, aal) in [
            ("P9.Cp.Cd", 9, 2),
            ("P9.Cp.Ck", 9, 2),
            ("P9.Cm", 9, 2),
            ("P9.Cp", 9, 1),
            ("P5.Cp.Cd", 5, 2),
            ("P5.Cp", 5, 1),
            ("P0.Cp.Cd", 0, 2),
            ("P0.Cp", 0, 1),
            ("", 0, 1),
            ("P99.Cp.Cd", 0, 2),
            ("p9.cp.cd", 0, 1),
        ] {
            assert_eq!(trust(vot), Trust { identity, aal }, "{vot}");
        }
    }
}
