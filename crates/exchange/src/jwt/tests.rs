use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn keys_of(key: &IdentityKey) -> Jwks {
    Jwks::read(key.jwks().to_string().as_bytes()).unwrap()
}

fn taken(text: &str, keys: &Jwks) -> Result<Value, Wrong> {
    let jwt = Jwt::read(text)?;
    jwt.verified_by(keys)?;
    Ok(jwt.claims)
}

#[test]
fn what_is_signed_is_verified_with_the_published_key_and_numbers_stay_numbers() {
    let key = IdentityKey::generate().unwrap();
    let text = key.sign(&json!({"exp": 1_800_000_000, "a": "b"})).unwrap();
    let claims = taken(&text, &keys_of(&key)).unwrap();
    assert_eq!(claims["exp"].as_i64(), Some(1_800_000_000));
    assert!(taken(&text, &keys_of(&IdentityKey::generate().unwrap())).is_err());
    let (start, signature) = text.rsplit_once('.').unwrap();
    let (header, _) = start.split_once('.').unwrap();
    let other = part(&json!({"exp": 1_900_000_000}));
    assert!(taken(&format!("{header}.{other}.{signature}"), &keys_of(&key)).is_err());
}

#[test]
fn an_elliptic_key_verifies_too() {
    let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let point = pair.public_key().as_ref();
    let set = json!({"keys": [{"kty": "EC", "crv": "P-384", "kid": "k",
        "x": URL_SAFE_NO_PAD.encode(&point[1..49]), "y": URL_SAFE_NO_PAD.encode(&point[49..])}]});
    let keys = Jwks::read(set.to_string().as_bytes()).unwrap();
    let sign = |alg: &str| {
        let text = format!(
            "{}.{}",
            part(&json!({"alg": alg, "kid": "k"})),
            part(&json!({}))
        );
        let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    assert!(taken(&sign("ES384"), &keys).is_ok());
    for alg in ["ES256", "RS384", "EdDSA", "HS256"] {
        assert!(taken(&sign(alg), &keys).is_err(), "{alg}");
    }
}

/// A published pair: RFC 7638 §3.1.
#[test]
fn a_thumbprint_is_the_published_one() {
    let key = json!({"kty": "RSA", "e": "AQAB", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"});
    let thumbprint = Jwk::of(&key).unwrap().thumbprint();
    assert_eq!(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn a03_a_header_chooses_no_key_and_no_weaker_algorithm() {
    let key = IdentityKey::generate().unwrap();
    let keys = keys_of(&key);
    let kid = key.kid();
    let good = key.sign(&json!({})).unwrap();
    let signature = good.rsplit_once('.').unwrap().1;
    for header in [
        json!({"alg": "none", "kid": kid}),
        json!({"alg": "None", "kid": kid}),
        json!({"alg": "HS256", "kid": kid}),
        json!({"alg": "RS256", "kid": "../../etc/passwd"}),
        json!({"alg": "RS256", "kid": 1}),
        json!({"alg": "RS256", "kid": kid, "crit": ["b64"], "b64": false}),
        json!({"alg": ["RS256"], "kid": kid}),
        json!({"kid": kid}),
    ] {
        for signature in [signature, ""] {
            let text = format!("{}.{}.{signature}", part(&header), part(&json!({})));
            assert!(taken(&text, &keys).is_err(), "{header}");
        }
    }
    // A pointer to a key is not followed, whatever it points to: another's key does not verify.
    let other = IdentityKey::generate().unwrap();
    let forged = other.sign(&json!({})).unwrap();
    let (_, rest) = forged.split_once('.').unwrap();
    let header = json!({"alg": "RS256", "kid": kid, "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/x5u", "jwk": other.jwks()["keys"][0]});
    assert!(taken(&format!("{}.{rest}", part(&header)), &keys).is_err());
    // A member that stands twice is read by nobody.
    let twice = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","alg":"none"}"#);
    assert!(taken(&format!("{twice}.{rest}"), &keys).is_err());
}

#[test]
fn a_private_or_shared_key_is_no_public_one() {
    for key in [
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "d": "AAAA"}),
    ] {
        let set = json!({"keys": [key]}).to_string();
        assert!(Jwks::read(set.as_bytes()).is_err(), "{set}");
    }
}
