use http::{Request, StatusCode};
use store::testing::on_each_database;

use crate::patient::people::tests::acting;
use crate::secret::Secret;
use crate::testing::letters::{self, Letter};
use crate::testing::{Browser, account, node, patient};

const NEUTRAL: &str = "record cannot be shown online at present.";
const TOM: [&str; 5] = ["tom", "Tom Helper", "tom", "9990000018", "1970-02-03"];

#[test]
fn p25_a_patient_pauses_online_access_in_one_action_and_only_the_practice_opens_it_again() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        patient(&node.store, TOM).await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let letter = format!("/record/letters/d{pid}");
        let (mut tom, _) = acting(&node, &[("see-letters", "yes")]).await;
        let token = Secret::random();
        let number = account(&node.store, "jane").await;
        node.store
            .add_token(token.digest(), number, "test")
            .await
            .unwrap();
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let page = jane.get("/profile/privacy").await.text;
        assert!(
            page.contains("Only Willow Road Surgery can open it again"),
            "{page}"
        );
        assert_eq!(
            jane.post("/profile/privacy/pause", &[]).await.location(),
            "/"
        );
        // Each page, app and person is told the same, and nothing of why.
        let mut open = Browser::new(&node);
        open.sign_in("/login", "jane").await;
        for address in [
            "/",
            "/record",
            letter.as_str(),
            "/access-log",
            "/sharing",
            "/people",
        ] {
            for browser in [&mut jane, &mut open, &mut tom] {
                let page = browser.get(address).await;
                if address == "/people" && page.text.contains("You are acting for") {
                    continue;
                }
                assert_eq!(page.status, StatusCode::FORBIDDEN, "{address}");
                let text = page.text.to_lowercase();
                assert!(text.contains(NEUTRAL), "{address}: {text}");
                for telling in ["pause", "coerc", "you stopped", "resume"] {
                    assert!(!text.contains(telling), "{address} says {telling}: {text}");
                }
            }
        }
        shut_to_apps(&node, &token, pid).await;
        // Her sign-in and the button look as before.
        assert_eq!(jane.get("/profile/sessions").await.status, StatusCode::OK);
        assert_eq!(
            jane.get("/profile/privacy")
                .await
                .text
                .matches("Stop showing")
                .count(),
            1
        );
        again(&node, &mut jane).await;
    });
}

/// The FHIR door says the same to her app.
async fn shut_to_apps(node: &std::sync::Arc<crate::node::Node>, token: &Secret, pid: i64) {
    let mut app = Browser::new(node);
    for address in [
        "/fhir/Patient/jane".to_owned(),
        format!("/fhir/DocumentReference/d{pid}"),
        "/fhir/Patient/$everything".to_owned(),
        "/fhir/Patient/$export".to_owned(),
        "/fhir/Observation?code=x".to_owned(),
    ] {
        let bearer = format!("Bearer {}", token.reveal());
        let request = Request::get(&address)
            .header("authorization", bearer)
            .header("prefer", "respond-async");
        let answer = app.send(request, axum::body::Body::empty()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{address}");
        assert!(answer.text.contains(NEUTRAL), "{address}: {}", answer.text);
    }
}

/// The practice opens it again, with a reason.
async fn again(node: &std::sync::Arc<crate::node::Node>, jane: &mut Browser) {
    let mut clerk = Browser::new(node);
    clerk.sign_in("/staff/login", "ann").await;
    let page = clerk.get("/staff/people/jane").await.text;
    assert!(page.contains("Not shown online since"), "{page}");
    assert!(page.contains("(Jane Example)"), "{page}");
    let without = clerk.post("/staff/people/jane", &[("do", "resume")]).await;
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields = [("do", "resume"), ("reason", "She came in person, alone.")];
    let done = clerk.post("/staff/people/jane", &fields).await;
    assert_eq!(done.location(), "/staff/people/jane?done=resume");
    assert_eq!(jane.get("/record").await.status, StatusCode::OK);
    // What is in her list afterwards says nothing of it.
    let log = jane.get("/access-log").await.text;
    assert!(!log.contains("online-access"), "{log}");
    let mut officer = Browser::new(node);
    officer.sign_in("/staff/login", "olu").await;
    let list = officer.get("/staff/privacy").await.text;
    assert!(list.contains("Online access paused") && list.contains("Online access resumed"));
}

#[test]
fn p25_a_patient_hides_their_own_use_and_no_page_tells_that_they_did() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut elsewhere = Browser::new(&node);
        elsewhere.sign_in("/login", "jane").await;
        elsewhere.get("/record").await;
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        clerk.get("/staff/patient/jane").await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let rows = |page: &str| page.matches("class=\"sessions__one\"").count();
        assert_eq!(rows(&jane.get("/profile/sessions").await.text), 2);
        // A look is in the next list.
        jane.get("/access-log").await;
        assert!(jane.get("/access-log").await.text.contains(">You "));
        let before = jane.get("/profile/privacy").await.text;
        let done = jane.post("/profile/privacy/hide", &[]).await;
        assert_eq!(done.location(), "/profile/sessions");
        assert_eq!(rows(&jane.get("/profile/sessions").await.text), 1);
        let log = jane.get("/access-log").await.text;
        assert!(
            !log.contains(">You ") && log.contains("Ann Secretary"),
            "{log}"
        );
        // The page with the button is the same, but for the token of its forms.
        let after = jane.get("/profile/privacy").await.text;
        assert_eq!(
            before.matches("<button").count(),
            after.matches("<button").count()
        );
        assert_eq!(before.len(), after.len());
        let page = clerk.get("/staff/people/jane").await.text;
        assert!(page.contains("do not list their own use"), "{page}");
        let fields = [("do", "show"), ("reason", "She asked for it in person.")];
        clerk.post("/staff/people/jane", &fields).await;
        assert_eq!(rows(&jane.get("/profile/sessions").await.text), 2);
    });
}
