//! One's own sessions, and what a session proves.

use std::sync::Arc;

use access::Who;
use http::{Request, StatusCode, header};
use store::accounts::SignedIn;
use store::testing::on_each_database;

use super::SESSION;
use crate::secret::Secret;
use crate::sign_in::Way;
use crate::testing::{Browser, bare_node, node};

#[test]
fn sessions_are_listed_and_ended_by_their_owner_only() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut here = Browser::new(&node);
        here.sign_in("/staff/login", "ann").await;
        let mut there = Browser::new(&node);
        there.get("/staff/login").await;
        let fields = format!(
            "csrf={}&login=ann&password={}",
            there.token,
            crate::testing::PASSWORD.replace(' ', "+")
        );
        let request = Request::post("/staff/login")
            .header(header::USER_AGENT, "Mozilla/5.0 (iPhone) Safari/604.1")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        there.send(request, fields.into()).await;
        let page = here.get("/staff/profile").await;
        assert!(page.text.contains("Safari on iPhone"), "{}", page.text);
        let mut other = Browser::new(&node);
        other.sign_in("/staff/login", "bo").await;
        let theirs = other.get("/staff/profile").await;
        assert!(!theirs.text.contains("Safari on iPhone"));

        let (_, rest) = page.text.split_once("name=\"session\" value=\"").unwrap();
        let handle = rest.split_once('"').unwrap().0.to_owned();
        // Another's hand does nothing.
        other
            .post("/staff/profile/end", &[("session", handle.as_str())])
            .await;
        assert!(there.get("/nowhere").await.text.contains("Ann Secretary"));
        let answer = here
            .post("/staff/profile/end", &[("session", handle.as_str())])
            .await;
        assert_eq!(answer.location(), "/staff/profile?done=ended");
        assert!(!there.get("/nowhere").await.text.contains("Ann Secretary"));
        assert!(here.get("/nowhere").await.text.contains("Ann Secretary"));
    });
}

#[test]
fn signing_out_everywhere_else_spares_this_session_and_other_people() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browsers = Vec::new();
        for login in ["jane", "jane", "jane"] {
            let mut browser = Browser::new(&node);
            browser.sign_in("/login", login).await;
            browsers.push(browser);
        }
        let mut bo = Browser::new(&node);
        bo.sign_in("/staff/login", "bo").await;
        browsers[0].get("/profile/sessions").await;
        let answer = browsers[0].post("/profile/sessions/end-others", &[]).await;
        assert_eq!(answer.location(), "/profile/sessions?done=others");
        for (number, browser) in browsers.iter_mut().enumerate() {
            let known = browser.get("/nowhere").await.text.contains("Jane Example");
            assert_eq!(known, number == 0);
        }
        assert!(bo.get("/nowhere").await.text.contains("Dr Bo Test"));
    });
}

/// P22: what a session proves decides whether a patient's clinical data opens.
#[test]
fn p22_only_an_identity_proved_to_p9_with_two_factors_opens_the_record() {
    on_each_database(async |ground| {
        let mut node = bare_node(ground).await;
        node.sign_in.ways.patients = vec![Way::NhsLogin, Way::Passkey, Way::PasswordTotp];
        let node = Arc::new(node);
        let jane = node.store.credentials("jane").await.unwrap().unwrap();
        for (identity, aal, opens) in [(0, 2, false), (5, 2, false), (9, 1, false), (9, 2, true)] {
            let signed_in = SignedIn {
                aal,
                identity,
                ..SignedIn::default()
            };
            let now = node.store.now();
            let begun = node
                .sign_in
                .begin(&node.store, jane.account.id, signed_in, now);
            let secret = begun.await.unwrap();
            let mut browser = Browser::new(&node);
            browser
                .cookies
                .insert(SESSION.into(), secret.reveal().into());
            for address in ["/record", "/fhir/Observation"] {
                let answer = browser.get(address).await;
                let expected = if opens {
                    StatusCode::OK
                } else {
                    StatusCode::FORBIDDEN
                };
                assert_eq!(answer.status, expected, "P{identity} AAL{aal} {address}");
                let told = answer.text.contains("proved who they are");
                assert_eq!(told, !opens, "{}", answer.text);
            }
            // Their own sign-in is theirs all the same.
            let answer = browser.get("/profile/sessions").await;
            assert_eq!(answer.status, StatusCode::OK);
        }
    });
}

/// P09: what was handed out in a session goes with it.
#[test]
fn p09_a_token_of_a_session_is_refused_once_the_session_has_ended() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        browser.sign_in("/staff/login", "ann").await;
        let session = Secret::presented(&browser.cookies[SESSION]).unwrap();
        let found = node.store.session(&session.digest()).await.unwrap();
        let (account, token) = (found.unwrap().account.id, Secret::random());
        let added = node
            .store
            .add_session_token(token.digest(), account, "app", session.digest());
        added.await.unwrap();
        let now = node.store.now();
        let known = node.sign_in.by_token(&node.store, &token, now).await;
        assert!(matches!(known.unwrap().unwrap().who, Who::Staff { .. }));
        browser.get("/staff/profile").await;
        browser.post("/sign-out", &[]).await;
        let known = node.sign_in.by_token(&node.store, &token, now).await;
        assert!(known.unwrap().is_none());
    });
}
