//! What a badly made or bad app, or a thief, does: ADVERSARIES A02, A04, A06, A08, A10.

use http::StatusCode;
use store::testing::on_each_database;

use super::app::{
    BACK, CHALLENGE, VERIFIER, answered, app, asks, fhir, get, hash, node, parameter, post, public,
    redeems, tokens,
};
use super::systems::Signer;
use crate::testing::Browser;

#[test]
fn a02_a_token_for_laboratory_results_shows_nothing_else() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let scope = "patient/Observation.rs?category=laboratory";
        let client = app(&node, public(scope)).await;
        let told = tokens(&node, &client, scope).await;
        let token = told["access_token"].as_str().unwrap();
        assert_eq!(
            get(&node, "/Observation/lab", token).await.0,
            StatusCode::OK
        );
        let absent = get(&node, "/Observation/nothing", token).await;
        for path in [
            "/Observation/vital",
            "/Observation/johns",
            "/Observation/vital/_history/1",
        ] {
            let (status, text) = get(&node, path, token).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path} {text}");
        }
        assert_eq!(get(&node, "/Observation/vital", token).await, absent);
        for path in [
            "/Observation",
            "/Observation?_total=accurate",
            "/Observation?category=vital-signs",
            "/Observation?_include=Observation:subject",
        ] {
            let (status, text) = get(&node, path, token).await;
            assert_eq!(status, StatusCode::OK, "{path} {text}");
            let told: serde_json::Value = serde_json::from_str(&text).unwrap();
            for entry in told["entry"].as_array().into_iter().flatten() {
                assert_eq!(entry["resource"]["id"], "lab", "{path} {text}");
            }
            assert!(
                told["total"].as_i64().unwrap_or_default() <= 1,
                "{path} {text}"
            );
        }
        // Types and doings that were not granted are refused by name.
        for (method, path) in [
            ("GET", "/Patient/jane"),
            ("GET", "/?_type=Observation,Patient"),
            ("GET", "/Patient?_revinclude=Observation:subject"),
            ("GET", "/Patient/jane/$everything"),
            ("GET", "/Patient/$export"),
            ("PUT", "/Observation/lab"),
            ("DELETE", "/Observation/lab"),
        ] {
            let accept = [
                ("prefer", "respond-async"),
                ("accept", "application/fhir+json"),
            ];
            let body =
                r#"{"resourceType":"Observation","id":"lab","status":"final","code":{"text":"x"}}"#;
            let body = if method == "PUT" { body } else { "" };
            let (status, _, text) = fhir(&node, (method, path), token, &accept, body).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} {text}");
        }
        // Nor through a Bundle, which patients do not send.
        let bundle = r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Observation/vital"}},{"request":{"method":"GET","url":"Patient/jane"}},{"request":{"method":"DELETE","url":"Observation/lab"}}]}"#;
        let (status, _, text) = fhir(&node, ("POST", ""), token, &[], bundle).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{text}");
        assert!(!text.contains("vital"), "{text}");
        // The pages are not for apps.
        let request = http::Request::get("/record")
            .header("authorization", format!("Bearer {token}"))
            .body(axum::body::Body::empty())
            .unwrap();
        let router = crate::router(node.clone());
        let page = tower::ServiceExt::oneshot(router, request).await.unwrap();
        assert_ne!(page.status(), StatusCode::OK);
        node.store.clone().close().await;
    });
}

#[test]
fn a02_everything_holds_to_what_was_granted() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let scope = "patient/Patient.rs patient/Observation.rs?category=laboratory";
        let client = app(&node, public(scope)).await;
        let told = tokens(&node, &client, scope).await;
        let token = told["access_token"].as_str().unwrap();
        for path in [
            "/Patient/jane/$everything",
            "/Patient?_revinclude=Observation:subject",
            "/?_type=Observation,Patient",
        ] {
            let (status, text) = get(&node, path, token).await;
            assert_eq!(status, StatusCode::OK, "{path} {text}");
            assert!(
                text.contains("\"lab\"") && text.contains("\"jane\""),
                "{path} {text}"
            );
            assert!(
                !text.contains("\"vital\"") && !text.contains("john"),
                "{path} {text}"
            );
        }
        // What a condition passes through is held to it as well.
        let (_, text) = get(
            &node,
            "/Patient?_has:Observation:subject:category=vital-signs",
            token,
        )
        .await;
        assert!(!text.contains("\"jane\""), "{text}");
        let (_, text) = get(
            &node,
            "/Patient?_has:Observation:subject:category=laboratory",
            token,
        )
        .await;
        assert!(text.contains("\"jane\""), "{text}");
        node.store.clone().close().await;
    });
}

#[test]
fn a04_a_code_that_comes_twice_ends_what_came_of_it() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public("patient/*.rs")).await;
        let other = app(&node, public("patient/*.rs")).await;
        let back = answered(&node, &asks(&client, "patient/*.rs", &[]), "allow").await;
        let code = parameter(&back, "code").unwrap();
        // A thief of the code: another app, the wrong verifier, another address.
        for (name, value) in [
            ("client_id", other.as_str()),
            ("code_verifier", &VERIFIER.replace('d', "e")),
            ("code_verifier", CHALLENGE),
            ("redirect_uri", "https://app.example/other"),
        ] {
            let pairs = redeems(&client, &code);
            let pairs = pairs.map(|(n, v)| if n == name { (n, value) } else { (n, v) });
            let (status, told) = post(&node, "/oauth2/token", &pairs, &[]).await;
            assert_eq!(
                (status, &told["error"]),
                (StatusCode::BAD_REQUEST, &"invalid_grant".into()),
                "{name}"
            );
        }
        let (_, told) = post(&node, "/oauth2/token", &redeems(&client, &code), &[]).await;
        let token = told["access_token"].as_str().unwrap();
        assert_eq!(get(&node, "/Patient/jane", token).await.0, StatusCode::OK);
        let (status, _) = post(&node, "/oauth2/token", &redeems(&client, &code), &[]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(
            get(&node, "/Patient/jane", token).await.0,
            StatusCode::UNAUTHORIZED
        );
        node.store.clone().close().await;
    });
}

#[test]
fn a06_a10_without_pkce_by_s256_nothing_begins_and_every_answer_names_its_issuer() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public("patient/*.rs")).await;
        for (other, error) in [
            (("code_challenge", ""), "invalid_request"),
            (("code_challenge_method", ""), "invalid_request"),
            (("code_challenge_method", "plain"), "invalid_request"),
            (("code_challenge", "short"), "invalid_request"),
            (("aud", "https://other.example/fhir"), "invalid_request"),
            (("aud", ""), "invalid_request"),
            (("state", ""), "invalid_request"),
            (("response_type", "token"), "unsupported_response_type"),
            (
                ("scope", "user/*.cruds system/*.rs nonsense"),
                "invalid_scope",
            ),
            (
                ("request", "eyJhbGciOiJub25lIn0.e30."),
                "request_not_supported",
            ),
        ] {
            let back = answered(&node, &asks(&client, "patient/*.rs", &[other]), "allow").await;
            assert!(back.starts_with(BACK), "{other:?} {back}");
            assert_eq!(
                parameter(&back, "error").as_deref(),
                Some(error),
                "{other:?}"
            );
            assert_eq!(
                parameter(&back, "iss").as_deref(),
                Some("http://127.0.0.1:8080")
            );
            assert_eq!(parameter(&back, "code"), None);
        }
        let back = answered(&node, &asks(&client, "patient/*.rs", &[]), "allow").await;
        assert_eq!(
            parameter(&back, "iss").as_deref(),
            Some("http://127.0.0.1:8080")
        );
        let mut browser = Browser::new(&node);
        // Nobody is sent to an address that is not registered to the letter.
        for (name, value) in [
            ("redirect_uri", "https://app.example/back/"),
            ("redirect_uri", "https://app.example/back?x=1"),
            ("redirect_uri", "https://evil.example/back"),
            ("redirect_uri", ""),
            ("client_id", "nobody"),
        ] {
            let page = browser
                .get(&asks(&client, "patient/*.rs", &[(name, value)]))
                .await;
            assert_eq!(
                (page.status, page.location()),
                (StatusCode::BAD_REQUEST, ""),
                "{name} {value}"
            );
        }
        let twice = format!("{}&scope=user/*.rs", asks(&client, "patient/*.rs", &[]));
        assert_eq!(browser.get(&twice).await.status, StatusCode::BAD_REQUEST);
        node.store.clone().close().await;
    });
}

#[test]
fn a08_a_bound_token_is_good_only_with_a_fresh_proof_of_this_request() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public("patient/*.rs")).await;
        let key = Signer::new();
        let back = answered(&node, &asks(&client, "patient/*.rs", &[]), "allow").await;
        let code = parameter(&back, "code").unwrap();
        let seconds = node.store.now() / 1000;
        let token_url = "http://127.0.0.1:8080/oauth2/token";
        let proof = key.proof("POST", token_url, seconds, "j-1", None);
        let (status, told) = post(
            &node,
            "/oauth2/token",
            &redeems(&client, &code),
            &[("dpop", &proof)],
        )
        .await;
        assert_eq!(
            (status, &told["token_type"]),
            (StatusCode::OK, &"DPoP".into()),
            "{told}"
        );
        let token = told["access_token"].as_str().unwrap();
        let url = format!("{}/Patient/jane", super::app::FHIR);
        let ath = hash(token);
        let good = |jti: &str| key.proof("GET", &url, seconds, jti, Some(&ath));
        let bound = format!("DPoP {token}");
        let bearer = format!("Bearer {token}");
        let other = Signer::new();
        let ask = async |authorization: &str, proof: &str| {
            let headers = [("authorization", authorization), ("dpop", proof)];
            let asked = ("GET", "/Patient/jane");
            fhir(&node, asked, "", &headers, "").await.0
        };
        let first = good("j-2");
        assert_eq!(ask(&bound, &first).await, StatusCode::OK);
        assert_eq!(
            ask(&bound, &first).await,
            StatusCode::UNAUTHORIZED,
            "replayed"
        );
        for (name, authorization, proof) in [
            ("stolen", &bearer, good("j-3")),
            ("none", &bound, String::new()),
            (
                "htm",
                &bound,
                key.proof("POST", &url, seconds, "j-4", Some(&ath)),
            ),
            (
                "htu",
                &bound,
                key.proof("GET", token_url, seconds, "j-5", Some(&ath)),
            ),
            (
                "ath",
                &bound,
                key.proof("GET", &url, seconds, "j-6", Some(&hash("other"))),
            ),
            (
                "no ath",
                &bound,
                key.proof("GET", &url, seconds, "j-7", None),
            ),
            (
                "stale",
                &bound,
                key.proof("GET", &url, seconds - 1000, "j-8", Some(&ath)),
            ),
            (
                "key",
                &bound,
                other.proof("GET", &url, seconds, "j-9", Some(&ath)),
            ),
        ] {
            assert_eq!(
                ask(authorization, &proof).await,
                StatusCode::UNAUTHORIZED,
                "{name}"
            );
        }
        // A token that is not bound is no DPoP token.
        let plain = tokens(&node, &client, "patient/*.rs").await;
        let plain = format!("DPoP {}", plain["access_token"].as_str().unwrap());
        assert_eq!(ask(&plain, &good("j-10")).await, StatusCode::UNAUTHORIZED);
        node.store.clone().close().await;
    });
}
