//! Backend Services, the NHS's signed JWT, introspection and revocation: A03, A09, A15.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};
use store::testing::on_each_database;

use super::app::{app, fhir, get, node, post, public, tokens};
use crate::oauth::Registration;

const TOKEN_URL: &str = "http://127.0.0.1:8080/oauth2/token";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's keys: one for assertions, one for proofs.
pub struct Signer {
    rsa: RsaKeyPair,
    point: EcdsaKeyPair,
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Signer {
    pub fn new() -> Signer {
        Signer {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            point: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
        }
    }

    pub fn jwks(&self) -> Value {
        let key = self.rsa.public_key();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "keys": [{
            "kty": "RSA", "kid": "key-1", "use": "sig",
            "n": text(key.modulus().big_endian_without_leading_zero()),
            "e": text(key.exponent().big_endian_without_leading_zero()),
        }] })
    }

    /// A JWT with that header and these claims, signed as the header says if it says RSA.
    pub fn signed(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", part(header), part(claims));
        let padding = match header["alg"].as_str() {
            Some("RS512") => &RSA_PKCS1_SHA512,
            Some("RS256") => &RSA_PKCS1_SHA256,
            _ => &RSA_PKCS1_SHA384,
        };
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        let random = SystemRandom::new();
        self.rsa
            .sign(padding, &random, text.as_bytes(), &mut signature)
            .unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A proof of possession (RFC 9449).
    pub fn proof(&self, htm: &str, htu: &str, iat: i64, jti: &str, ath: Option<&str>) -> String {
        let point = self.point.public_key().as_ref();
        let jwk = json!({"kty": "EC", "crv": "P-256",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])});
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
        let mut claims = json!({"htm": htm, "htu": htu, "iat": iat, "jti": jti});
        if let Some(ath) = ath {
            claims["ath"] = json!(ath);
        }
        let text = format!("{}.{}", part(&header), part(&claims));
        let signature = self
            .point
            .sign(&SystemRandom::new(), text.as_bytes())
            .unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub fn system(signer: &Signer, scope: &str) -> Registration {
    Registration {
        client_name: "Lab System".into(),
        token_endpoint_auth_method: Some("private_key_jwt".into()),
        scope: scope.into(),
        jwks: Some(signer.jwks()),
        ..Registration::default()
    }
}

pub fn asks<'a>(assertion: &'a str, scope: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut pairs = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    if !scope.is_empty() {
        pairs.push(("scope", scope));
    }
    pairs
}

pub fn claims(client: &str, now: i64, jti: &str) -> Value {
    json!({"iss": client, "sub": client, "aud": TOKEN_URL, "exp": now / 1000 + 240, "jti": jti})
}

#[test]
fn a_system_signs_for_a_token_and_reads_what_it_was_granted() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let signer = Signer::new();
        let client = app(
            &node,
            system(&signer, "system/Observation.rs system/Patient.cruds"),
        )
        .await;
        for (alg, jti) in [("RS384", "1"), ("RS512", "2")] {
            let header = json!({"alg": alg, "kid": "key-1", "typ": "JWT"});
            let assertion = signer.signed(&header, &claims(&client, node.store.now(), jti));
            let (status, told) = post(
                &node,
                "/oauth2/token",
                &asks(&assertion, "system/Observation.rs"),
                &[],
            )
            .await;
            assert_eq!(status, StatusCode::OK, "{told}");
            assert_eq!(told["expires_in"].as_i64(), Some(300));
            let token = told["access_token"].as_str().unwrap();
            let (_, found) = get(&node, "/Observation", token).await;
            assert!(
                found.contains("johns") && found.contains("\"lab\""),
                "{found}"
            );
            assert_eq!(
                get(&node, "/Patient/jane", token).await.0,
                StatusCode::FORBIDDEN
            );
        }
        // The NHS's variant names no scope, and gets all that was approved.
        let header = json!({"alg": "RS512", "kid": "key-1", "typ": "JWT"});
        let assertion = signer.signed(&header, &claims(&client, node.store.now(), "3"));
        let (_, told) = post(&node, "/oauth2/token", &asks(&assertion, ""), &[]).await;
        let token = told["access_token"].as_str().unwrap();
        let body = r#"{"resourceType":"Patient","id":"new"}"#;
        let (status, _, text) = fhir(&node, ("PUT", "/Patient/new"), token, &[], body).await;
        assert_eq!(status, StatusCode::CREATED, "{text}");
        let body =
            r#"{"resourceType":"Observation","id":"new","status":"final","code":{"text":"x"}}"#;
        let (status, _, _) = fhir(&node, ("PUT", "/Observation/new"), token, &[], body).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{body},"request":{{"method":"PUT","url":"Observation/new"}}}}]}}"#
        );
        let (status, _, _) = fhir(&node, ("POST", ""), token, &[], &bundle).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        node.store.clone().close().await;
    });
}

#[test]
fn a09_an_assertion_is_taken_once_for_here_and_for_five_minutes() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let signer = Signer::new();
        let client = app(&node, system(&signer, "system/*.rs")).await;
        let now = node.store.now();
        let header = json!({"alg": "RS384", "kid": "key-1", "typ": "JWT"});
        let once = signer.signed(&header, &claims(&client, now, "1"));
        let (status, _) = post(&node, "/oauth2/token", &asks(&once, "system/*.rs"), &[]).await;
        assert_eq!(status, StatusCode::OK);
        let mut bad = vec![once];
        for (name, value) in [
            ("aud", json!("http://127.0.0.1:8080/fhir")),
            ("aud", json!([TOKEN_URL, "https://other.example"])),
            ("exp", json!(now / 1000 + 4000)),
            ("exp", json!(now / 1000 - 1)),
            ("exp", json!((now / 1000 + 200).to_string())),
            ("iss", json!("other")),
        ] {
            let mut claims = claims(&client, now, "2");
            claims[name] = value;
            bad.push(signer.signed(&header, &claims));
        }
        for assertion in bad {
            let (status, told) = post(
                &node,
                "/oauth2/token",
                &asks(&assertion, "system/*.rs"),
                &[],
            )
            .await;
            assert_eq!(
                (status, &told["error"]),
                (StatusCode::UNAUTHORIZED, &"invalid_client".into()),
                "{told}"
            );
        }
        node.store.clone().close().await;
    });
}

#[test]
fn a03_no_other_key_and_no_other_algorithm_is_taken() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let (signer, thief) = (Signer::new(), Signer::new());
        let client = app(&node, system(&signer, "system/*.rs")).await;
        let claims = claims(&client, node.store.now(), "1");
        let kid = "key-1";
        let header = |alg: &str| json!({"alg": alg, "kid": kid});
        let mut pointing = header("RS384");
        pointing["jku"] = json!("https://evil.example/jwks");
        pointing["x5u"] = json!("https://evil.example/cert");
        pointing["jwk"] = thief.jwks()["keys"][0].clone();
        let bare = |alg: &str| format!("{}.{}.", part(&header(alg)), part(&claims));
        for (name, assertion) in [
            ("none", bare("none")),
            ("none, signed", signer.signed(&header("none"), &claims)),
            ("symmetric", signer.signed(&header("HS384"), &claims)),
            ("weaker", signer.signed(&header("RS256"), &claims)),
            ("other kind", signer.signed(&header("ES384"), &claims)),
            (
                "traversal",
                signer.signed(&json!({"alg": "RS384", "kid": "../../key-1"}), &claims),
            ),
            ("no kid", signer.signed(&json!({"alg": "RS384"}), &claims)),
            ("pointer", thief.signed(&pointing, &claims)),
            ("thief", thief.signed(&header("RS384"), &claims)),
        ] {
            let (status, told) = post(
                &node,
                "/oauth2/token",
                &asks(&assertion, "system/*.rs"),
                &[],
            )
            .await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{name} {told}");
        }
        // Nor does the client come in by its name alone.
        let pairs = [
            ("grant_type", "client_credentials"),
            ("client_id", client.as_str()),
        ];
        assert_eq!(
            post(&node, "/oauth2/token", &pairs, &[]).await.0,
            StatusCode::UNAUTHORIZED
        );
        node.store.clone().close().await;
    });
}

#[test]
fn a15_keys_are_not_fetched_from_an_address_inside() {
    on_each_database(async |ground| {
        let mut node = node(ground).await;
        let inner = std::sync::Arc::get_mut(&mut node).unwrap();
        inner.oauth.outgoing = Some(exchange::outgoing::Outgoing::new(&[]).unwrap());
        let signer = Signer::new();
        for address in [
            "https://127.0.0.1:1/jwks",
            "https://[::ffff:169.254.169.254]/",
        ] {
            let registration = Registration {
                jwks: None,
                jwks_uri: Some(address.into()),
                ..system(&signer, "system/*.rs")
            };
            let client = app(&node, registration).await;
            let header = json!({"alg": "RS384", "kid": "key-1"});
            let assertion = signer.signed(&header, &claims(&client, node.store.now(), "1"));
            let (status, told) = post(&node, "/oauth2/token", &asks(&assertion, ""), &[]).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
            let why = told["error_description"].as_str().unwrap();
            assert!(why.contains("not public"), "{why}");
        }
        node.store.clone().close().await;
    });
}

#[test]
fn a_token_is_told_of_to_who_holds_it_and_ends_when_its_app_says_so() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let signer = Signer::new();
        let system = app(&node, system(&signer, "system/*.rs")).await;
        let client = app(&node, public("offline_access patient/*.rs")).await;
        let told = tokens(&node, &client, "offline_access patient/*.rs").await;
        let token = told["access_token"].as_str().unwrap();
        let introspect = async |token: &str, jti: &str| {
            let header = json!({"alg": "RS384", "kid": "key-1"});
            let assertion = signer.signed(&header, &claims(&system, node.store.now(), jti));
            let pairs = [
                ("client_assertion_type", TYPE),
                ("client_assertion", assertion.as_str()),
                ("token", token),
            ];
            post(&node, "/oauth2/introspect", &pairs, &[]).await.1
        };
        let active = introspect(token, "1").await;
        assert_eq!(
            (&active["active"], &active["patient"]),
            (&json!(true), &json!("jane"))
        );
        assert_eq!(active["client_id"], client.as_str());
        assert_eq!(
            introspect(&"x".repeat(43), "2").await,
            json!({"active": false})
        );
        let pairs = [("client_id", client.as_str()), ("token", token)];
        let (status, _) = post(&node, "/oauth2/introspect", &pairs, &[]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let refresh = told["refresh_token"].as_str().unwrap();
        let pairs = [("client_id", client.as_str()), ("token", refresh)];
        assert_eq!(
            post(&node, "/oauth2/revoke", &pairs, &[]).await.0,
            StatusCode::OK
        );
        assert_eq!(introspect(token, "3").await, json!({"active": false}));
        assert_eq!(
            get(&node, "/Patient/jane", token).await.0,
            StatusCode::UNAUTHORIZED
        );
        node.store.clone().close().await;
    });
}
