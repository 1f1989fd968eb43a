//! What a well-made app does.

use exchange::jwt::{Jwks, Jwt};
use http::StatusCode;
use store::testing::on_each_database;

use super::app::{
    BACK, FHIR, answered, app, asks, fhir, get, node, parameter, post, public, redeems, tokens,
};
use crate::testing::Browser;

const ALL: &str = "openid fhirUser launch launch/patient offline_access patient/*.rs user/*.cruds";

#[test]
fn a_patient_lets_an_app_read_their_record_and_nobody_elses() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public(ALL)).await;
        let wanted = "openid fhirUser launch/patient offline_access patient/*.rs";
        let told = tokens(&node, &client, wanted).await;
        assert_eq!(told["patient"], "jane");
        assert_eq!(told["token_type"], "Bearer");
        assert_eq!(told["expires_in"].as_i64(), Some(600));
        assert_eq!(told["scope"], wanted);
        let token = told["access_token"].as_str().unwrap();
        assert_eq!(get(&node, "/Patient/jane", token).await.0, StatusCode::OK);
        assert_eq!(
            get(&node, "/Patient/john", token).await.0,
            StatusCode::NOT_FOUND
        );
        let (_, found) = get(&node, "/Observation", token).await;
        assert!(
            found.contains("\"lab\"") && !found.contains("johns"),
            "{found}"
        );
        // The identity is signed with the published key.
        let jwks = node.oauth.identity().unwrap().jwks().to_string();
        let text = told["id_token"].as_str().unwrap();
        let jwt = Jwt::read(text).unwrap();
        jwt.verified_by(&Jwks::read(jwks.as_bytes()).unwrap())
            .unwrap();
        let claims = &jwt.claims;
        assert_eq!(claims["fhirUser"], format!("{FHIR}/Patient/jane"));
        assert_eq!(
            (&claims["aud"], &claims["nonce"]),
            (&client.as_str().into(), &"n-1".into())
        );
        // It goes on without her.
        let renew = |token: &str| {
            let pairs = [("grant_type", "refresh_token"), ("refresh_token", token)];
            pairs.map(|(name, value)| (name, value.to_string()))
        };
        let first = told["refresh_token"].as_str().unwrap();
        let pairs = renew(first);
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| (*a, b.as_str())).collect();
        let (status, next) = post(&node, "/oauth2/token", &pairs, &[]).await;
        assert_eq!(status, StatusCode::OK, "{next}");
        let renewed = next["access_token"].as_str().unwrap();
        assert_eq!(get(&node, "/Patient/jane", renewed).await.0, StatusCode::OK);
        // A07: a refresh token that comes again ends the family, and the page tells of it.
        let (status, again) = post(&node, "/oauth2/token", &pairs, &[]).await;
        assert_eq!(
            (status, &again["error"]),
            (StatusCode::BAD_REQUEST, &"invalid_grant".into())
        );
        assert_eq!(
            get(&node, "/Patient/jane", renewed).await.0,
            StatusCode::UNAUTHORIZED
        );
        let mut ed = Browser::new(&node);
        ed.sign_in("/staff/login", "ed").await;
        let page = ed.get("/staff/apps").await;
        assert!(
            page.text.contains("A refresh token was used twice."),
            "{}",
            page.text
        );
        node.store.clone().close().await;
    });
}

#[test]
fn who_refuses_gives_nothing_and_the_app_is_told() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public(ALL)).await;
        let back = answered(&node, &asks(&client, "patient/*.rs", &[]), "refuse").await;
        assert!(back.starts_with(BACK), "{back}");
        assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
        assert_eq!(parameter(&back, "state").as_deref(), Some("s-1"));
        assert_eq!(
            parameter(&back, "iss").as_deref(),
            Some("http://127.0.0.1:8080")
        );
        assert_eq!(parameter(&back, "code"), None);
        node.store.clone().close().await;
    });
}

#[test]
fn the_page_says_in_plain_words_what_is_asked_and_lets_the_answer_go_to_the_app_alone() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public(ALL)).await;
        let mut browser = Browser::new(&node);
        let address = asks(
            &client,
            "patient/Observation.rs?category=laboratory patient/Patient.r",
            &[],
        );
        let sent = browser.get(&address).await;
        let page = sent.location().to_string();
        // A stranger signs in first, and comes back to the question.
        let asked = browser.get(&page).await;
        assert!(
            asked.location().starts_with("/login?next="),
            "{}",
            asked.location()
        );
        browser.sign_in("/login", "jane").await;
        let shown = browser.get(&page).await;
        for words in [
            "Allow Growth Chart?",
            "Test results and measurements (only with category laboratory): read",
            "Name, address, date of birth and NHS number: read",
            "app.example",
        ] {
            assert!(shown.text.contains(words), "{words}: {}", shown.text);
        }
        let policy = shown.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("form-action 'self' https://app.example;"),
            "{policy}"
        );
        // A11: not without the page's own token.
        let forged = browser.post_with(&page, &[("answer", "allow")], "x").await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN);
        node.store.clone().close().await;
    });
}

#[test]
fn staff_start_an_app_for_one_patient() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public(ALL)).await;
        let mut bo = Browser::new(&node);
        bo.sign_in("/staff/login", "bo").await;
        bo.get("/staff/apps").await;
        let fields = [("app", client.as_str()), ("nhs-number", "943 476 5919")];
        let launched = bo.post("/staff/apps/launch", &fields).await;
        assert_eq!(launched.status, StatusCode::SEE_OTHER, "{}", launched.text);
        let address = launched.location().to_string();
        assert!(
            address.starts_with("https://app.example/launch?"),
            "{address}"
        );
        assert_eq!(parameter(&address, "iss").as_deref(), Some(FHIR));
        let launch = parameter(&address, "launch").unwrap();
        let address = asks(
            &client,
            "launch patient/*.rs user/Patient.rs",
            &[("launch", &launch)],
        );
        let page = bo.get(&address).await.location().to_string();
        assert!(page.starts_with("/staff/apps/allow/"), "{page}");
        bo.get(&page).await;
        let back = bo.post(&page, &[("answer", "allow")]).await;
        let code = parameter(back.location(), "code").unwrap();
        let (_, told) = post(&node, "/oauth2/token", &redeems(&client, &code), &[]).await;
        assert_eq!(told["patient"], "jane", "{told}");
        let token = told["access_token"].as_str().unwrap();
        let (_, found) = get(&node, "/Observation", token).await;
        assert!(
            found.contains("\"lab\"") && !found.contains("johns"),
            "{found}"
        );
        // Another's launch is nobody's else.
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let address = asks(&client, "launch patient/*.rs", &[("launch", &launch)]);
        let page = ann.get(&address).await.location().to_string();
        assert_eq!(ann.get(&page).await.status, StatusCode::FORBIDDEN);
        node.store.clone().close().await;
    });
}

/// Dr Bo signs in and allows the app; its tokens.
async fn allowed_by_bo(
    node: &std::sync::Arc<crate::Node>,
    client: &str,
) -> (Browser, serde_json::Value) {
    let mut bo = Browser::new(node);
    bo.sign_in("/staff/login", "bo").await;
    let address = asks(client, "offline_access user/Patient.rs", &[]);
    let page = bo.get(&address).await.location().to_string();
    bo.get(&page).await;
    let back = bo.post(&page, &[("answer", "allow")]).await;
    let code = parameter(back.location(), "code").unwrap();
    let (status, told) = post(node, "/oauth2/token", &redeems(client, &code), &[]).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    (bo, told)
}

#[test]
fn p09_what_staff_allowed_an_app_ends_with_their_session() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public(ALL)).await;
        let is_good = async |told: &serde_json::Value| {
            let token = told["access_token"].as_str().unwrap();
            get(&node, "/Patient/jane", token).await.0 == StatusCode::OK
        };
        let renews = async |told: &serde_json::Value| {
            let refresh = told["refresh_token"].as_str().unwrap();
            let pairs = [
                ("grant_type", "refresh_token"),
                ("client_id", client.as_str()),
                ("refresh_token", refresh),
            ];
            post(&node, "/oauth2/token", &pairs, &[]).await.0 == StatusCode::OK
        };
        // Signing out ends it, though the app may go on offline.
        let (mut bo, told) = allowed_by_bo(&node, &client).await;
        assert!(is_good(&told).await);
        // Proving anew who one is gives the session another secret, and ends nothing.
        let secret = crate::testing::second_step(&node.store, "bo").await;
        bo.step_up(&node.store, &secret, "/staff/inbox").await;
        assert!(is_good(&told).await);
        bo.get("/staff/inbox").await;
        bo.post("/sign-out", &[]).await;
        assert!(!is_good(&told).await);
        assert!(!renews(&told).await);
        let account = crate::testing::account(&node.store, "bo").await;
        let forget = store::accounts::factors::FactorWrite::Forget { account };
        node.store.write_factor(forget).await.unwrap();
        // So does another role, which is another session in place of this one.
        let (mut bo, told) = allowed_by_bo(&node, &client).await;
        assert!(is_good(&told).await);
        bo.sign_in("/staff/login", "bo").await;
        assert!(!is_good(&told).await);
        // And so does a session that nobody uses any more.
        let (_bo, told) = allowed_by_bo(&node, &client).await;
        ground.clock().advance(9 * 60_000);
        assert!(is_good(&told).await);
        assert!(renews(&told).await);
        ground.clock().advance(30 * 60_000);
        assert!(!is_good(&told).await);
        // What a patient lets go on without them does.
        let told = tokens(&node, &client, "offline_access patient/*.rs").await;
        let jane = crate::testing::account(&node.store, "jane").await;
        node.store.end_other_sessions(jane, None).await.unwrap();
        assert!(is_good(&told).await);
        let told = tokens(&node, &client, "patient/*.rs").await;
        assert!(is_good(&told).await);
        node.store.end_other_sessions(jane, None).await.unwrap();
        assert!(!is_good(&told).await);
        node.store.clone().close().await;
    });
}

#[test]
fn a_browser_app_of_another_origin_may_use_the_door_with_its_token() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let origin = ("origin", "https://app.example");
        let asks = [origin, ("access-control-request-method", "GET")];
        let (status, headers, _) = fhir(&node, ("OPTIONS", "/Patient/jane"), "", &asks, "").await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("access-control-allow-credentials"));
        let (status, headers, text) = fhir(
            &node,
            ("GET", "/.well-known/smart-configuration"),
            "",
            &[origin],
            "",
        )
        .await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert_eq!(headers["access-control-allow-origin"], "*");
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            told["code_challenge_methods_supported"],
            serde_json::json!(["S256"])
        );
        let (_, headers, text) = fhir(
            &node,
            ("GET", "/metadata"),
            "x".repeat(30).as_str(),
            &[origin],
            "",
        )
        .await;
        assert_eq!(headers["access-control-allow-origin"], "*", "{text}");
        node.store.clone().close().await;
    });
}

#[test]
fn a_registered_app_does_nothing_until_a_person_approves_it() {
    on_each_database(async |ground| {
        let mut node = node(ground).await;
        std::sync::Arc::get_mut(&mut node)
            .unwrap()
            .oauth
            .registration_open = true;
        let body = serde_json::json!({
            "client_name": "New App", "redirect_uris": [BACK],
            "token_endpoint_auth_method": "none", "scope": "patient/*.rs",
            "logo_uri": "http://169.254.169.254/",
        });
        let request = http::Request::post("/oauth2/register")
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body.to_string()))
            .unwrap();
        let router = crate::router(node.clone());
        let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        let told: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let id = told["client_id"].as_str().unwrap();
        let mut browser = Browser::new(&node);
        let refused = browser.get(&asks(id, "patient/*.rs", &[])).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        // A clerk does not decide; an engineer does.
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        ann.get("/staff/apps").await;
        let approve = format!("/staff/apps/{id}/approve");
        assert_eq!(ann.post(&approve, &[]).await.status, StatusCode::FORBIDDEN);
        let mut ed = Browser::new(&node);
        ed.sign_in("/staff/login", "ed").await;
        assert!(ed.get("/staff/apps").await.text.contains("New App"));
        assert_eq!(ed.post(&approve, &[]).await.status, StatusCode::SEE_OTHER);
        let told = tokens(&node, id, "patient/*.rs").await;
        let token = told["access_token"].as_str().unwrap();
        assert_eq!(get(&node, "/Patient/jane", token).await.0, StatusCode::OK);
        ed.get("/staff/apps").await;
        ed.post(&format!("/staff/apps/{id}/revoke"), &[]).await;
        assert_eq!(
            get(&node, "/Patient/jane", token).await.0,
            StatusCode::UNAUTHORIZED
        );
        node.store.clone().close().await;
    });
}

/// The decision is asked with each request, so an app's token is shut as well.
#[test]
fn p25_an_apps_token_opens_nothing_while_the_record_is_not_shown_online() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public(ALL)).await;
        let told = tokens(&node, &client, "launch/patient offline_access patient/*.rs").await;
        let token = told["access_token"].as_str().unwrap();
        assert_eq!(get(&node, "/Patient/jane", token).await.0, StatusCode::OK);
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        jane.get("/profile/privacy").await;
        jane.post("/profile/privacy/pause", &[]).await;
        for address in ["/Patient/jane", "/Observation", "/Patient/jane/$everything"] {
            let (status, text) = get(&node, address, token).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{address}");
            assert!(text.contains("cannot be shown online at present"), "{text}");
        }
        // No app is let in meanwhile.
        let page = jane.get(&asks(&client, "patient/*.rs", &[])).await;
        let page = jane.get(page.location()).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    });
}
