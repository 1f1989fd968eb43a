use std::sync::Arc;

use http::StatusCode;
use store::testing::{Ground, on_each_database};

use crate::node::Node;
use crate::secret::Secret;
use crate::testing::letters::{self, Letter};
use crate::testing::{Browser, account, node, patient};

const TOM: [&str; 5] = ["tom", "Tom Helper", "tom", "9990000018", "1970-02-03"];

/// A node with Jane, who has a filed letter, and Tom; the letter's address.
pub(crate) async fn two(ground: &Ground) -> (Arc<Node>, String) {
    let node = node(ground).await;
    letters::patient(&node.store).await;
    patient(&node.store, TOM).await;
    let pid = letters::receive(&node.store, &Letter::default()).await;
    let mut clerk = Browser::new(&node);
    clerk.sign_in("/staff/login", "ann").await;
    clerk.get(&format!("/staff/item/{pid}")).await;
    clerk.post(&format!("/staff/item/{pid}/file"), &[]).await;
    (node, format!("/record/letters/d{pid}"))
}

async fn signed_in(node: &Arc<Node>, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    browser.sign_in("/login", login).await;
    browser.get("/people").await;
    browser
}

/// The code that the page shows.
async fn code(jane: &mut Browser, ticked: &[(&str, &str)]) -> String {
    let mut fields = vec![("name", "tom helper"), ("until", "")];
    fields.extend(ticked);
    let page = jane.post("/people/offer", &fields).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let (_, rest) = page.text.split_once("<code>").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

/// The number of the first leave on the page.
fn number(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"number\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// Tom acts for Jane, who ticked these; with the number of his leave.
pub(crate) async fn acting(node: &Arc<Node>, ticked: &[(&str, &str)]) -> (Browser, String) {
    let mut jane = signed_in(node, "jane").await;
    let code = code(&mut jane, ticked).await;
    let mut tom = signed_in(node, "tom").await;
    let used = tom.post("/people/accept", &[("code", &code)]).await;
    assert_eq!(used.location(), "/people?done=accepted", "{}", used.text);
    let number = number(&tom.get("/people").await.text);
    let act = tom.post("/people/act", &[("number", &number)]).await;
    assert_eq!(act.location(), "/", "{}", act.text);
    (tom, number)
}

/// What was not given is refused by name, and never shown as empty.
async fn refused_by_name(tom: &mut Browser) {
    for address in [
        "/access-log",
        "/sharing",
        "/fhir/Condition",
        "/fhir/Patient/jane",
        "/fhir/Patient/jane/$everything",
        "/fhir/Patient/$export",
        "/fhir/Consent",
    ] {
        let page = tom.get(address).await;
        assert_eq!(
            page.status,
            StatusCode::FORBIDDEN,
            "{address}: {}",
            page.text
        );
        let named = "Some items are not shown to people who act for somebody else.";
        assert!(page.text.contains(named), "{address}: {}", page.text);
    }
    let found = tom.get("/fhir/DocumentReference").await.text;
    assert!(found.contains("Some items are not shown"), "{found}");
    assert!(found.contains("\"mode\":\"match\""), "{found}");
}

#[test]
fn p24_a_patient_lets_somebody_in_by_a_code_sees_their_looks_and_ends_it_at_once() {
    on_each_database(async |ground| {
        let (node, letter) = two(ground).await;
        let (mut tom, number) = acting(&node, &[("see-letters", "yes")]).await;
        let home = tom.get("/").await;
        assert!(
            home.text.contains("The record of Jane Example"),
            "{}",
            home.text
        );
        for address in [
            "/",
            "/record",
            letter.as_str(),
            "/people",
            "/profile/sessions",
        ] {
            let page = tom.get(address).await;
            assert_eq!(page.status, StatusCode::OK, "{address}");
            let banner = "You are acting for <strong>Jane Example</strong>";
            assert!(page.text.contains(banner), "{address}: {}", page.text);
            assert!(page.text.contains("action=\"/people/stop\""), "{address}");
        }
        let record = tom.get("/record").await.text;
        assert!(record.contains("Discharge summary"), "{record}");
        assert!(record.contains("Some items are not shown to people who act for"));
        assert!(tom.get(&letter).await.text.contains("this is the letter."));
        refused_by_name(&mut tom).await;
        // He hands nothing on.
        tom.get("/").await;
        let fields = [("name", "Some Body"), ("until", ""), ("see-letters", "yes")];
        let offer = tom.post("/people/offer", &fields).await;
        assert_eq!(offer.status, StatusCode::FORBIDDEN);
        tom.get("/").await;
        let pause = tom.post("/profile/privacy/pause", &[]).await;
        assert_eq!(pause.status, StatusCode::FORBIDDEN);
        // She sees that he looked, what he tried, and that he can.
        let mut jane = signed_in(&node, "jane").await;
        let log = jane.get("/access-log").await.text;
        assert!(log.contains("Tom Helper, acting for you"), "{log}");
        assert!(log.contains("Refused"), "{log}");
        assert!(
            jane.get("/")
                .await
                .text
                .contains("1 person can act for you")
        );
        jane.get("/people").await;
        let end = jane.post("/people/end", &[("number", &number)]).await;
        assert_eq!(end.location(), "/people?done=ended");
        for address in ["/", "/record", letter.as_str(), "/fhir/DocumentReference"] {
            let page = tom.get(address).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{address}");
            assert!(!page.text.contains("Discharge summary"), "{address}");
        }
        // Nothing keeps him from going back to his own record.
        tom.get("/people").await;
        let stop = tom.post("/people/stop", &[]).await;
        assert_eq!(stop.location(), "/people?done=stopped");
        let own = tom.get("/").await.text;
        assert!(own.contains("Hello, Tom Helper") && !own.contains("You are acting for"));
        assert_eq!(tom.get(&letter).await.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn p24_a_code_is_worth_nothing_to_another_or_twice_and_is_not_guessed() {
    on_each_database(async |ground| {
        let (node, _) = two(ground).await;
        let ann = ["una", "Una Other", "una", "9990000026", "1970-02-03"];
        patient(&node.store, ann).await;
        let mut jane = signed_in(&node, "jane").await;
        for (name, ticked, until, wrong) in [
            ("Tom", "see-letters", "", "Enter their first name"),
            ("Tom Helper", "see-nothing", "", "Choose what they may see"),
            (
                "Tom Helper",
                "see-letters",
                "2020-01-01",
                "Give the last day",
            ),
            (
                "Tom Helper",
                "see-letters",
                "2029-01-01",
                "Give the last day",
            ),
        ] {
            let fields = [("name", name), ("until", until), (ticked, "yes")];
            let page = jane.post("/people/offer", &fields).await;
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
            assert!(page.text.contains(wrong), "{wrong}: {}", page.text);
        }
        let code = code(&mut jane, &[("see-results", "yes")]).await;
        let mut una = signed_in(&node, "una").await;
        let page = una.post("/people/accept", &[("code", &code)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        let unknown = una
            .post("/people/accept", &[("code", "aaaa-bbbb-cccc-dddd")])
            .await;
        let wrong = "made for another name";
        assert!(page.text.contains(wrong) && unknown.text.contains(wrong));
        for _ in 0..9 {
            una.post("/people/accept", &[("code", "aaaa-bbbb-cccc-dddd")])
                .await;
        }
        let stopped = una
            .post("/people/accept", &[("code", "aaaa-bbbb-cccc-dddd")])
            .await;
        assert!(
            stopped.text.contains("Too many attempts"),
            "{}",
            stopped.text
        );
        let mut tom = signed_in(&node, "tom").await;
        tom.post("/people/accept", &[("code", &code)]).await;
        tom.get("/people").await;
        let again = tom.post("/people/accept", &[("code", &code)]).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
        // Una cannot act by his number.
        let number = number(&tom.get("/people").await.text);
        una.get("/people").await;
        let act = una.post("/people/act", &[("number", &number)]).await;
        assert_eq!(act.status, StatusCode::NOT_FOUND);
        // He may give it up himself.
        let fields = [("number", number.as_str()), ("whose", "theirs")];
        let end = tom.post("/people/end", &fields).await;
        assert_eq!(end.location(), "/people?done=ended");
        assert!(jane.get("/people").await.text.contains("Nobody but you"));
    });
}

#[test]
fn p24_an_apps_token_is_for_oneself_whoever_one_acts_for() {
    on_each_database(async |ground| {
        let (node, letter) = two(ground).await;
        let (mut tom, _) = acting(&node, &[("see-letters", "yes")]).await;
        let token = Secret::random();
        let account = account(&node.store, "tom").await;
        node.store
            .add_token(token.digest(), account, "test")
            .await
            .unwrap();
        let document = letter.replace("/record/letters/", "/fhir/DocumentReference/");
        let mut app = Browser::new(&node);
        let bearer = format!("Bearer {}", token.reveal());
        let request = http::Request::get(&document).header("authorization", bearer);
        let answer = app.send(request, axum::body::Body::empty()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text);
        // And no app is let in while he acts.
        let page = tom.get("/apps/allow/anything").await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(
            page.text.contains("Apps act for yourself alone"),
            "{}",
            page.text
        );
    });
}

#[test]
fn p24_who_looked_is_shown_only_to_whom_it_was_given() {
    on_each_database(async |ground| {
        let (node, letter) = two(ground).await;
        let result = r#"{"resourceType":"Observation","status":"final","code":{"text":"Haemoglobin"},
            "subject":{"reference":"Patient/jane"},"effectiveDateTime":"2026-01-02","valueString":"Given away"}"#;
        letters::put(&node.store, "r1", result, store::Release::At(1)).await;
        let ticked = [("see-access-log", "yes"), ("see-results", "yes")];
        let (mut tom, _) = acting(&node, &ticked).await;
        let page = tom.get("/access-log").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(page.text.contains("Ann Secretary"), "{}", page.text);
        let home = tom.get("/").await.text;
        assert!(
            home.contains("Letters are not among what you may see."),
            "{home}"
        );
        // The record has sections of more than letters. What was given is shown; what was not is named, not shown, not
        // counted, and does not look empty.
        for address in ["/record", "/record?only=letters"] {
            let page = tom.get(address).await;
            assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.text);
            assert!(!page.text.contains("Discharge summary"), "{}", page.text);
            let section = |code: &str| {
                let begins = format!("aria-labelledby=\"{code}\">");
                let rest = page.text.split_once(&begins).map(|it| it.1);
                rest.and_then(|it| it.split("</section>").next())
            };
            let hidden = "Some items are not shown to people who act for somebody else.";
            let letters = section("letters").unwrap();
            assert!(letters.contains(hidden), "{letters}");
            assert!(!letters.contains("<li>") && !letters.contains("class=\"empty\""));
            if let Some(results) = section("results") {
                assert!(
                    results.contains("Given away") && !results.contains(hidden),
                    "{results}"
                );
            }
            let allergies = section("allergies");
            assert!(allergies.is_none_or(|it| it.contains(hidden) && !it.contains("No allergy")));
            let jump = page.text.split_once("href=\"#letters\">");
            let jump = jump.and_then(|it| it.1.split("</a>").next());
            assert!(jump.is_none_or(|it| !it.contains("jump__count")));
        }
        assert!(!home.contains("Discharge summary"), "{home}");
        for address in ["/record/letters", letter.as_str()] {
            let page = tom.get(address).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{address}");
            assert!(!page.text.contains("Discharge summary"), "{address}");
        }
        for address in [
            "/export",
            "/messages",
            "/record/query/look~1",
            "/record/query/Observation~r1",
        ] {
            let page = tom.get(address).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{address}");
        }
    });
}
