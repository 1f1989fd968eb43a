//! Pages that need something to have happened before, such as an order, a referral, a questionnaire or what an app asks for; and
//! those that answer a form. Each in English and in Welsh.

use std::sync::Arc;

use exchange::Settings;
use http::StatusCode;
use store::Release;

use super::{addresses, everything, in_language, left_in_english};
use crate::oauth::tests::app::{app, asks, public};
use crate::testing::beside::{Beside, HOSPITAL, beside_a_hospital};
use crate::testing::{Browser, letters};

/// The routes with places that must have been read.
const PLACED: [&str; 9] = [
    "/appointments/{id}",
    "/messages/{id}",
    "/prescriptions/{id}",
    "/questionnaires/{task}",
    "/record/letters/{id}",
    "/record/query/{key}",
    "/record/results/{id}",
    "/referrals/{id}",
    "/apps/allow/{ask}",
];

/// Stands for the pages of what is held elsewhere, which are told apart by more than their path.
const THERE: &str = "held elsewhere";

fn value(page: &str, name: &str) -> String {
    let before = format!("name=\"{name}\" value=\"");
    let after = page.split(before.as_str()).nth(1);
    let after = after.unwrap_or_else(|| panic!("no {name} on {page}"));
    after.split('"').next().unwrap().replace("&#x2f;", "/")
}

/// A repeat medicine is ordered.
async fn order(node: &Arc<crate::node::Node>, jane: &mut Browser) {
    let repeat = r#"{"resourceType":"MedicationRequest","status":"active","intent":"plan",
        "medicationCodeableConcept":{"text":"Amlodipine 5mg tablets"},"subject":{"reference":"Patient/jane"},
        "courseOfTherapyType":{"coding":[{"code":"continuous"}]},
        "dispenseRequest":{"numberOfRepeatsAllowed":5,"quantity":{"value":28,"unit":"tablet"},
        "dispenseInterval":{"value":28,"unit":"day","code":"d"}}}"#;
    letters::put(&node.store, "repeat", repeat, Release::At(0)).await;
    jane.get("/prescriptions/order").await;
    let placed = jane
        .post("/prescriptions/order", &[("item", "repeat")])
        .await;
    assert_eq!(placed.status, StatusCode::SEE_OTHER, "{}", placed.text);
}

/// A clinician asks for answers and refers her.
async fn asked_and_referred(node: &Arc<crate::node::Node>) {
    let review = r#"{"resourceType":"Questionnaire","status":"active","title":"Asthma review",
        "url":"https://handover.example/Questionnaire/asthma","version":"1",
        "item":[{"linkId":"sleep","type":"integer","text":"Nights awake","required":true}]}"#;
    letters::put(&node.store, "asthma", review, Release::Keep).await;
    let mut bo = Browser::new(node);
    bo.sign_in("/staff/login", "bo").await;
    let page = bo.get("/staff/patient/jane/questionnaires").await.text;
    let attempt = value(&page, "attempt");
    let fields = [
        ("attempt", attempt.as_str()),
        ("form", "asthma"),
        ("who", "patient"),
        ("due", ""),
        ("reason", "Your yearly review"),
    ];
    let asked = bo.post("/staff/patient/jane/questionnaires", &fields).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    let page = bo.get("/staff/referrals/new").await.text;
    let attempt = value(&page, "attempt");
    let fields = [
        ("attempt", attempt.as_str()),
        ("nhs_number", "9434765919"),
        ("born", "1961-02-03"),
        ("family", "Example"),
        ("to", HOSPITAL),
        ("service", "Heart clinic"),
        ("urgency", "routine"),
        ("reason", "Breathless on the stairs"),
        ("referrer", "Dr Bo Test"),
    ];
    let sent = bo.post("/staff/referrals/new", &fields).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
}

/// What an app asks of her: the address of the page.
async fn app_asks(node: &Arc<crate::node::Node>, jane: &mut Browser) -> String {
    let client = app(node, public("launch/patient patient/*.rs offline_access")).await;
    let scopes = "patient/Observation.rs?category=laboratory patient/Patient.r offline_access";
    let asked = jane.get(&asks(&client, scopes, &[])).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    asked.location().to_owned()
}

/// The hospital holds a letter and a result.
async fn there(beside: &Beside) {
    let letter = r#"{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/jane-there"},
        "date":"2026-01-02T03:04:05Z","description":"Knee clinic","content":[{"attachment":
        {"contentType":"text/plain","data":"WW91IG1heSB3YWxrLg=="}}]}"#;
    beside.put_there("clinic", letter, Release::At(1)).await;
    let result = r#"{"resourceType":"Observation","status":"final","code":{"text":"Haemoglobin"},
        "subject":{"reference":"Patient/jane-there"},"effectiveDateTime":"2026-01-02",
        "valueQuantity":{"value":121,"unit":"g/L"}}"#;
    beside.put_there("hb-there", result, Release::At(1)).await;
    beside.point().await;
}

/// A form sent in each language, from the page that has it; what is left in English of the answers.
async fn sent(
    jane: &mut Browser,
    (from, to): (&str, &str),
    fields: &[(&str, &str)],
    status: StatusCode,
) -> Vec<String> {
    let mut answers = Vec::new();
    for code in ["en", "cy"] {
        let (_, form) = in_language(jane, code, from).await;
        // What was changed meanwhile is told by this of a questionnaire's form.
        let of = form.contains("name=\"of\"").then(|| value(&form, "of"));
        let mut all = fields.to_vec();
        all.extend(of.as_deref().map(|it| ("of", it)));
        let mut answer = jane.post(to, &all).await;
        if answer.status == StatusCode::SEE_OTHER {
            // What was written is kept, and looked over on a page of its own.
            let next = answer.location().to_owned();
            answer = jane.get(&next).await;
        }
        assert_eq!(answer.status, status, "{to} in {code}: {}", answer.text);
        answers.push(answer.text);
    }
    left_in_english(&format!("POST {to}"), &answers[0], &answers[1])
}

/// The time of that number that is free here.
async fn choice(jane: &mut Browser, number: usize) -> String {
    let (_, page) = in_language(jane, "en", "/appointments/book").await;
    let all: Vec<&str> = page.split("name=\"choice\" value=\"").skip(1).collect();
    all[number].split('"').next().unwrap().to_owned()
}

/// The answers to forms: what is to be checked, and each way in which a form is wrong.
async fn answers(jane: &mut Browser, questionnaire: &str) -> Vec<String> {
    const WRONG: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    let mut left = Vec::new();
    let here = ("/appointments/book", "/appointments/book/check");
    let time = choice(jane, 0).await;
    let check = [("choice", time.as_str()), ("reason", "Sore knee")];
    left.extend(sent(jane, here, &check, StatusCode::OK).await);
    let long = "Sore knee ".repeat(60);
    let too_long = [("choice", time.as_str()), ("reason", &long)];
    left.extend(sent(jane, here, &too_long, WRONG).await);
    in_language(jane, "en", "/appointments/book").await;
    let book = [("choice", time.as_str()), ("attempt", "b"), ("reason", "")];
    let booked = jane.post("/appointments/book", &book).await;
    let address = booked.location().split('?').next().unwrap().to_owned();
    left.extend(sent(jane, here, &check, StatusCode::CONFLICT).await);
    let cancel = format!("{address}/cancel");
    left.extend(sent(jane, (&address, &cancel), &[], WRONG).await);
    let message = [("subject", ""), ("words", "")];
    left.extend(sent(jane, ("/messages/new", "/messages/new"), &message, WRONG).await);
    let query = "/record/query/Observation~hb";
    left.extend(sent(jane, (query, query), &[("words", " ")], WRONG).await);
    let until = [("set", "stop letters RX101"), ("until", "soon")];
    left.extend(sent(jane, ("/sharing", "/sharing"), &until, WRONG).await);
    let wrong = [("do", "check"), ("shown", "0"), ("q0", "many")];
    let form = (questionnaire, questionnaire);
    left.extend(sent(jane, form, &wrong, WRONG).await);
    let right = [("do", "check"), ("shown", "0"), ("q0", "2")];
    left.extend(sent(jane, form, &right, StatusCode::OK).await);
    let order = ("/prescriptions/order", "/prescriptions/order");
    left.extend(sent(jane, order, &[], WRONG).await);
    let offer = ("/people", "/people/offer");
    left.extend(sent(jane, offer, &[("name", "")], WRONG).await);
    let accept = ("/people", "/people/accept");
    left.extend(sent(jane, accept, &[("code", "nothing")], WRONG).await);
    left
}

#[test]
fn what_comes_of_orders_referrals_questionnaires_apps_and_forms_is_read_in_welsh_too() {
    beside_a_hospital(Settings::default(), async |mut node, beside| {
        node.pharmacies = Arc::new(|| vec![("FZZ01".into(), "Corner Pharmacy".into())]);
        let node = Arc::new(node);
        let mut jane = everything(&node).await;
        order(&node, &mut jane).await;
        asked_and_referred(&node).await;
        there(beside).await;
        let asked = app_asks(&node, &mut jane).await;
        let mut found = addresses(&mut jane).await;
        found.insert("/apps/allow/{ask}".into(), vec![asked]);
        let there = ["DocumentReference~clinic", "Observation~hb-there"]
            .map(|entry| format!("/record/there?from={HOSPITAL}&entry={entry}"));
        found.insert(THERE.into(), there.into());
        for route in PLACED {
            assert!(found.contains_key(route), "{route} was not read: {found:?}");
        }
        let placed = found
            .iter()
            .filter(|(it, _)| it.contains('{') || *it == THERE);
        let placed: Vec<String> = placed.flat_map(|(_, it)| it.clone()).collect();
        let mut left = Vec::new();
        for address in &placed {
            let (status, english) = in_language(&mut jane, "en", address).await;
            let (_, welsh) = in_language(&mut jane, "cy", address).await;
            assert_eq!(status, StatusCode::OK, "{address}: {english}");
            left.extend(left_in_english(address, &english, &welsh));
        }
        let questionnaire = &found["/questionnaires/{task}"][0];
        left.extend(answers(&mut jane, questionnaire).await);
        left.sort();
        left.dedup();
        assert!(left.is_empty(), "left in English:\n{}", left.join("\n"));
    });
}
