mod second;
mod sessions;

use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{Request, StatusCode};
use store::testing::on_each_database;

use crate::secret::Secret;
use crate::testing::{Browser, PASSWORD, node};

const SESSION: &str = "handover-a81001";

#[test]
fn staff_sign_in_and_out_again() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        let answer = browser.sign_in("/staff/login", "Ann").await;
        assert_eq!(
            (answer.status, answer.location()),
            (StatusCode::SEE_OTHER, "/staff/inbox")
        );
        let set = answer
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap();
        assert!(
            set.contains("HttpOnly") && set.contains("SameSite=Lax"),
            "{set}"
        );
        let home = browser.get("/nowhere").await;
        assert!(home.text.contains("Ann Secretary, clerk"), "{}", home.text);
        let kept = browser.cookies.clone();
        let answer = browser.post("/sign-out", &[]).await;
        assert_eq!(answer.location(), "/staff/login?done=out");
        // The session has ended on the server, not only in this browser.
        browser.cookies = kept;
        assert!(!browser.get("/nowhere").await.text.contains("Ann Secretary"));
    });
}

#[test]
fn a_wrong_name_a_wrong_password_and_the_wrong_door_are_answered_alike() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let tries = [
            ("nobody", PASSWORD),
            ("ann", "wrong password"),
            ("jane", PASSWORD),
        ];
        for (login, password) in tries {
            let mut browser = Browser::new(&node);
            browser.get("/staff/login").await;
            let fields = [("login", login), ("password", password)];
            let answer = browser.post("/staff/login", &fields).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(
                answer
                    .text
                    .contains("The user name or the password is not right.")
            );
            assert!(!browser.cookies.contains_key(SESSION));
        }
    });
}

/// A11: what was planted before signing in is worth nothing after.
#[test]
fn a11_signing_in_changes_the_session_and_takes_no_planted_one() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        let planted = Secret::random().reveal().to_owned();
        browser.cookies.insert(SESSION.into(), planted.clone());
        browser.sign_in("/staff/login", "ann").await;
        let first = browser.cookies[SESSION].clone();
        assert_ne!(first, planted);
        // Another sign-in with the session still there: a new secret, the old one ended.
        browser.cookies.remove(SESSION);
        browser.sign_in("/staff/login", "ann").await;
        assert_ne!(browser.cookies[SESSION], first);
    });
}

/// A11: forms of other sites.
#[test]
fn a11_a_form_without_this_visitors_token_changes_nothing() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        let fields = [("login", "ann"), ("password", PASSWORD)];
        browser.get("/staff/login").await;
        let answer = browser.post_with("/staff/login", &fields, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(
            answer.text.contains("We could not accept that form"),
            "{}",
            answer.text
        );
        browser.sign_in("/staff/login", "ann").await;
        browser.get("/nowhere").await;
        let mut other = Browser::new(&node);
        other.sign_in("/login", "jane").await;
        other.get("/nowhere").await;
        let stolen = other.token.clone();
        let answer = browser.post_with("/sign-out", &[], &stolen).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(browser.get("/nowhere").await.text.contains("Ann Secretary"));
    });
}

#[test]
fn a11_a_change_that_the_browser_says_another_site_made_is_refused() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        browser.sign_in("/staff/login", "ann").await;
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ] {
            let request = Request::post("/sign-out")
                .header(name, value)
                .header("host", "here");
            let answer = browser.send(request, axum::body::Body::empty()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            assert!(answer.text.contains("another site"), "{}", answer.text);
        }
    });
}

#[test]
fn a_session_ends_when_unused_and_after_its_time() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        browser.sign_in("/staff/login", "ann").await;
        let minute = 60_000;
        for _ in 0..4 {
            ground.clock().advance(25 * minute);
            assert!(browser.get("/nowhere").await.text.contains("Ann Secretary"));
        }
        ground.clock().advance(31 * minute);
        assert!(!browser.get("/nowhere").await.text.contains("Ann Secretary"));
        browser.sign_in("/staff/login", "ann").await;
        for _ in 0..(12 * 60 / 25 + 1) {
            ground.clock().advance(25 * minute);
            browser.get("/nowhere").await;
        }
        assert!(!browser.get("/nowhere").await.text.contains("Ann Secretary"));
    });
}

#[test]
fn guessing_is_stopped_even_when_the_last_guess_is_right() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        browser.get("/staff/login").await;
        for _ in 0..10 {
            browser
                .post(
                    "/staff/login",
                    &[("login", "ann"), ("password", "a wrong guess")],
                )
                .await;
        }
        let answer = browser.sign_in("/staff/login", "ann").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        ground.clock().advance(16 * 60_000);
        let answer = browser.sign_in("/staff/login", "ann").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    });
}

#[test]
fn a_token_that_is_not_good_is_refused_and_never_taken_for_a_stranger() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        let bad = format!("Bearer {}", Secret::random().reveal());
        for value in [bad.as_str(), "Bearer x", "Bearer  "] {
            let request = Request::get("/login").header(AUTHORIZATION, value);
            let answer = browser.send(request, axum::body::Body::empty()).await;
            assert_ne!(answer.status, StatusCode::OK, "{value}");
        }
    });
}

#[test]
fn pages_are_not_kept_and_say_what_may_run() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        for address in ["/staff/login", "/login", "/nowhere"] {
            let answer = browser.get(address).await;
            assert_eq!(answer.headers["cache-control"], "no-store", "{address}");
            let policy = answer.headers["content-security-policy"].to_str().unwrap();
            assert!(
                policy.contains("'nonce-") && !policy.contains("unsafe"),
                "{policy}"
            );
        }
        let file = browser
            .get(crate::page::assets::address("handover.css").unwrap())
            .await;
        assert!(
            file.headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    });
}
