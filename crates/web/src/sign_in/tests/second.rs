//! A password with a code.

use std::sync::Arc;

use http::StatusCode;
use store::testing::{Ground, on_each_database};

use crate::node::Node;
use crate::secret::Secret;
use crate::sign_in::{Way, code};
use crate::testing::{Answer, Browser, PASSWORD, bare_node};

async fn strict_node(ground: &Ground) -> Arc<Node> {
    let mut node = bare_node(ground).await;
    node.sign_in.ways.staff = vec![Way::PasswordTotp];
    Arc::new(node)
}

fn hidden(answer: &Answer, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = answer.text.split_once(&mark).expect("a hidden field");
    rest.split_once('"').unwrap().0.to_owned()
}

async fn password(browser: &mut Browser) -> Answer {
    browser.sign_in("/staff/login", "ann").await
}

/// Confirms the second factor that the page `answer` sets up; its secret and the page that follows.
async fn enrol(node: &Node, browser: &mut Browser, answer: &Answer) -> (Vec<u8>, Answer) {
    let step = hidden(answer, "step");
    let digest = Secret::presented(&step).unwrap().digest();
    let kept = node.store.step(digest, "enrol").await.unwrap().unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let sealed: Vec<u8> = serde_json::from_value(kept["secret"].clone()).unwrap();
    let account = kept["account"].as_i64().unwrap();
    let secret = node.sign_in.sealing.unseal(account, &sealed).unwrap();
    assert!(answer.text.contains(&code::shown(&secret)));
    let now = code::code(&secret, node.store.now() / 30_000);
    let fields = [("step", step.as_str()), ("code", &now)];
    let answer = browser.post("/staff/login/second-factor", &fields).await;
    (secret, answer)
}

async fn type_code(browser: &mut Browser, page: &Answer, code: &str) -> Answer {
    let step = hidden(page, "step");
    browser
        .post("/staff/login/code", &[("step", &step), ("code", code)])
        .await
}

#[test]
fn staff_set_up_a_code_at_the_first_sign_in_and_need_it_at_every_other() {
    on_each_database(async |ground| {
        let node = strict_node(ground).await;
        let mut browser = Browser::new(&node);
        let page = password(&mut browser).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.contains("Set up your second step"));
        assert!(page.text.contains("otpauth:"), "{}", page.text);
        assert!(!browser.get("/nowhere").await.text.contains("Ann Secretary"));
        let mut browser = Browser::new(&node);
        let page = password(&mut browser).await;
        let (secret, done) = enrol(&node, &mut browser, &page).await;
        assert!(done.text.contains("Your recovery codes"), "{}", done.text);
        assert!(browser.get("/nowhere").await.text.contains("Ann Secretary"));

        ground.clock().advance(60_000);
        let mut browser = Browser::new(&node);
        let page = password(&mut browser).await;
        assert!(page.text.contains("Enter your code"));
        assert!(!browser.get("/nowhere").await.text.contains("Ann Secretary"));
        let now = code::code(&secret, node.store.now() / 30_000);
        let page = password(&mut browser).await;
        let wrong = type_code(&mut browser, &page, "000000").await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        let answer = type_code(&mut browser, &wrong, &now).await;
        assert_eq!(answer.location(), "/staff/inbox");
        assert!(browser.get("/nowhere").await.text.contains("Ann Secretary"));
    });
}

#[test]
fn a_code_is_taken_once_even_within_its_window() {
    on_each_database(async |ground| {
        let node = strict_node(ground).await;
        let mut browser = Browser::new(&node);
        let page = password(&mut browser).await;
        let (secret, _) = enrol(&node, &mut browser, &page).await;
        // The code that confirmed the factor is used up too.
        let used = code::code(&secret, node.store.now() / 30_000);
        let mut other = Browser::new(&node);
        let page = password(&mut other).await;
        let answer = type_code(&mut other, &page, &used).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        ground.clock().advance(30_000);
        let next = code::code(&secret, node.store.now() / 30_000);
        let answer = type_code(&mut other, &answer, &next).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        // And so is the one before it, though it would still be in the window.
        let mut third = Browser::new(&node);
        for replayed in [&used, &next] {
            let page = password(&mut third).await;
            let answer = type_code(&mut third, &page, replayed).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
    });
}

#[test]
fn a_recovery_code_lets_in_once_and_is_kept_as_a_digest() {
    on_each_database(async |ground| {
        let node = strict_node(ground).await;
        let mut browser = Browser::new(&node);
        let page = password(&mut browser).await;
        let (_, done) = enrol(&node, &mut browser, &page).await;
        let (_, rest) = done.text.split_once("<li><code class=\"key\">").unwrap();
        let recovery = rest.split_once('<').unwrap().0.to_owned();
        let mut other = Browser::new(&node);
        let page = password(&mut other).await;
        let answer = type_code(&mut other, &page, &recovery.to_uppercase()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let mut third = Browser::new(&node);
        let page = password(&mut third).await;
        let answer = type_code(&mut third, &page, &recovery).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let account = node.store.credentials("ann").await.unwrap().unwrap();
        let left = node.store.recovery_codes_left(account.account.id).await;
        assert_eq!(left.unwrap(), 7);
    });
}

#[test]
fn guessing_codes_is_stopped_even_when_the_last_guess_is_right() {
    on_each_database(async |ground| {
        let node = strict_node(ground).await;
        let mut browser = Browser::new(&node);
        let page = password(&mut browser).await;
        let (secret, _) = enrol(&node, &mut browser, &page).await;
        ground.clock().advance(60_000);
        let mut other = Browser::new(&node);
        let mut page = password(&mut other).await;
        for _ in 0..10 {
            page = type_code(&mut other, &page, "000000").await;
        }
        let now = code::code(&secret, node.store.now() / 30_000);
        let answer = type_code(&mut other, &page, &now).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    });
}

#[test]
fn a_step_serves_once_and_not_for_long() {
    on_each_database(async |ground| {
        let node = strict_node(ground).await;
        let mut browser = Browser::new(&node);
        let page = password(&mut browser).await;
        let (secret, _) = enrol(&node, &mut browser, &page).await;
        ground.clock().advance(60_000);
        let mut other = Browser::new(&node);
        let page = password(&mut other).await;
        ground.clock().advance(11 * 60_000);
        let now = code::code(&secret, node.store.now() / 30_000);
        let answer = type_code(&mut other, &page, &now).await;
        assert_eq!(answer.location(), "/staff/login?done=late");
        let step = Secret::random();
        let forged = [("step", step.reveal()), ("code", now.as_str())];
        other.get("/staff/login").await;
        let answer = other.post("/staff/login/code", &forged).await;
        assert_eq!(answer.location(), "/staff/login?done=late");
    });
}

/// A11: a change of privilege changes the session.
#[test]
fn a11_stepping_up_and_setting_up_a_code_change_the_session() {
    on_each_database(async |ground| {
        let node = Arc::new(bare_node(ground).await);
        let mut browser = Browser::new(&node);
        password(&mut browser).await;
        let first = browser.cookies.clone();
        // What is grave asks for the password again.
        browser.get("/staff/profile").await;
        let asked = browser.post("/staff/profile/second-factor", &[]).await;
        assert_eq!(asked.location(), "/staff/step-up?next=/staff/profile");
        browser.get(asked.location()).await;
        let wrong = [("password", "not the password"), ("next", "/staff/profile")];
        let answer = browser.post("/staff/step-up", &wrong).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let right = [("password", PASSWORD), ("next", "/staff/profile")];
        let answer = browser.post("/staff/step-up", &right).await;
        assert_eq!(answer.location(), "/staff/profile");
        let second = browser.cookies.clone();
        assert_ne!(first, second);
        let mut old = Browser::new(&node);
        old.cookies = first;
        assert!(!old.get("/nowhere").await.text.contains("Ann Secretary"));
        browser.get("/staff/profile").await;
        let page = browser.post("/staff/profile/second-factor", &[]).await;
        let (_, done) = enrol(&node, &mut browser, &page).await;
        assert!(done.text.contains("Your recovery codes"));
        old.cookies = second;
        assert!(!old.get("/nowhere").await.text.contains("Ann Secretary"));
        let session = Secret::presented(&browser.cookies[super::SESSION]).unwrap();
        let session = node.store.session(&session.digest()).await.unwrap();
        assert_eq!(session.unwrap().signed_in.aal, 2);
    });
}

#[test]
fn where_passwords_are_switched_off_none_is_asked_for_or_taken() {
    on_each_database(async |ground| {
        let mut node = bare_node(ground).await;
        node.sign_in.ways.staff = vec![Way::Passkey];
        let node = Arc::new(node);
        let mut browser = Browser::new(&node);
        let page = browser.get("/staff/login").await;
        assert!(!page.text.contains("type=\"password\""));
        let answer = password(&mut browser).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    });
}
