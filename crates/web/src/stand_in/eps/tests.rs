use std::sync::Arc;

use axum::body::Body;
use exchange::prescriptions::message::{self, Prescriber, Prescription};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use exchange::access_token::SignedIn;
use exchange::jwt::{ClientKey, Jwks};
use exchange::prescriptions::eps::{Answer, Eps};
use exchange::prescriptions::message::cancel::{Cancellation, Outcome, cancellation};
use store::Clock;

use super::StandIn;

const PROCESS: &str = "/FHIR/R4/$process-message";
const RELEASE: &str = "/FHIR/R4/Task/$release";
const NUMBER: &str = "628738-A83008-7EFE6P";

async fn ask(stand_in: &Arc<StandIn>, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = stand_in.clone().router().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20);
    let bytes = bytes.await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

fn draft() -> Value {
    let patient = json!({
        "resourceType": "Patient", "id": "p",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
        "name": [{"family": "Tester"}], "birthDate": "1951-03-04",
    });
    let request = json!({
        "resourceType": "MedicationRequest", "status": "active", "intent": "instance-order",
        "medicationCodeableConcept": {"text": "Amlodipine 5mg tablets"},
        "basedOn": [{"reference": "MedicationRequest/m1"}],
    });
    message::order(&Prescription {
        number: NUMBER,
        practice: "A83008",
        practice_name: "Hallgarth",
        prescriber: Prescriber { name: "Dr Bo" },
        patient: &patient,
        pharmacy: Some(("FZZ01", "Corner")),
        items: &[("i1".into(), request)],
        at: 0,
    })
}

async fn signed(stand_in: &Arc<StandIn>, draft: &Value) -> Value {
    let (_, prepared) = ask(stand_in, "/FHIR/R4/$prepare", draft).await;
    let digest = prepared["parameter"][0]["valueString"].as_str().unwrap();
    let (_, answer) = ask(stand_in, "/stand-in/sign", &json!({ "digest": digest })).await;
    assert_eq!(answer["standIn"], true);
    let at = prepared["parameter"][1]["valueString"].as_str().unwrap();
    message::signed(draft, answer["signature"].as_str().unwrap(), at)
}

#[tokio::test]
async fn only_what_is_signed_as_it_is_is_taken_and_only_once() {
    let stand_in = Arc::new(StandIn::open(None).unwrap());
    let draft = draft();
    let unsigned = ask(&stand_in, PROCESS, &draft).await;
    assert_eq!(unsigned.0, StatusCode::BAD_REQUEST);
    let message = signed(&stand_in, &draft).await;
    let mut altered = message.clone();
    altered["entry"][1]["resource"]["medicationCodeableConcept"]["text"] = json!("Morphine");
    let altered = ask(&stand_in, PROCESS, &altered).await;
    assert_eq!(altered.0, StatusCode::BAD_REQUEST);
    for _ in 0..2 {
        assert_eq!(ask(&stand_in, PROCESS, &message).await.0, StatusCode::OK);
    }
    let told = stand_in.shelf.lock().tell();
    assert_eq!(told["prescriptions"].as_array().unwrap().len(), 1);
    assert_eq!(told["cameAgain"], 1);
}

#[tokio::test]
async fn a_prescription_is_released_to_its_pharmacy_alone_and_again_to_the_same_question() {
    let stand_in = Arc::new(StandIn::open(None).unwrap());
    let message = signed(&stand_in, &draft()).await;
    ask(&stand_in, PROCESS, &message).await;
    let other = message::release("q0", ("FZZ02", "Other"), None);
    let (_, nothing) = ask(&stand_in, RELEASE, &other).await;
    assert!(message::released(&nothing).is_empty());
    let own = message::release("q1", ("FZZ01", "Corner"), None);
    let (_, first) = ask(&stand_in, RELEASE, &own).await;
    let came = message::released(&first);
    let came = came[0].as_ref().unwrap();
    assert_eq!(
        (came.number.as_str(), came.practice.as_str()),
        (NUMBER, "A83008")
    );
    let again = ask(&stand_in, RELEASE, &own).await;
    assert_eq!(again.1, first, "its answer was lost");
    let next = message::release("q2", ("FZZ01", "Corner"), None);
    let next = ask(&stand_in, RELEASE, &next).await;
    assert!(message::released(&next.1).is_empty());
    let back = |id, from| message::returned(id, from, (NUMBER, "Closed"), 0);
    for (id, from, status) in [
        ("r1", "FZZ01", StatusCode::OK),
        ("r1", "FZZ01", StatusCode::OK),
        ("r2", "FZZ02", StatusCode::BAD_REQUEST),
    ] {
        let answer = ask(&stand_in, "/FHIR/R4/Task", &back(id, from)).await;
        assert_eq!(answer.0, status, "{id}");
    }
}

#[tokio::test]
async fn what_it_holds_is_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("eps.json");
    let stand_in = Arc::new(StandIn::open(Some(file.clone())).unwrap());
    let message = signed(&stand_in, &draft()).await;
    ask(&stand_in, "/stand-in/lose-answers", &json!({ "times": 1 })).await;
    let lost = ask(&stand_in, PROCESS, &message).await;
    assert_eq!(lost.0, StatusCode::GATEWAY_TIMEOUT);
    let again = Arc::new(StandIn::open(Some(file)).unwrap());
    assert_eq!(ask(&again, PROCESS, &message).await.0, StatusCode::OK);
    assert_eq!(
        again.shelf.lock().tell()["cameAgain"],
        1,
        "it had been taken"
    );
}

#[tokio::test]
async fn who_knows_its_number_can_fetch_what_was_given_back() {
    let stand_in = Arc::new(StandIn::open(None).unwrap());
    let message = signed(&stand_in, &draft()).await;
    ask(&stand_in, PROCESS, &message).await;
    let own = message::release("q1", ("FZZ01", "Corner"), None);
    ask(&stand_in, RELEASE, &own).await;
    let back = message::returned("r1", "FZZ01", (NUMBER, "Closed"), 0);
    ask(&stand_in, "/FHIR/R4/Task", &back).await;
    let all = message::release("q2", ("FZZ02", "Other"), None);
    let all = ask(&stand_in, RELEASE, &all).await;
    assert!(
        message::released(&all.1).is_empty(),
        "not theirs to take unasked"
    );
    let one = message::release("q3", ("FZZ02", "Other"), Some(NUMBER));
    let one = ask(&stand_in, RELEASE, &one).await;
    assert_eq!(message::released(&one.1).len(), 1);
}

/// A cancellation of the one item.
fn cancels(id: &str) -> Value {
    let cancel = Cancellation {
        id,
        item: "i1",
        code: "0003",
        who: "Dr Bo",
    };
    cancellation(&draft(), &cancel).unwrap()
}

async fn outcome(stand_in: &Arc<StandIn>, id: &str) -> (StatusCode, String) {
    let (status, answer) = ask(stand_in, PROCESS, &cancels(id)).await;
    (status, Outcome::read(&answer).unwrap().code)
}

#[tokio::test]
async fn a_cancellation_is_answered_by_how_far_the_item_is() {
    let stand_in = Arc::new(StandIn::open(None).unwrap());
    let bad = StatusCode::BAD_REQUEST;
    assert_eq!(outcome(&stand_in, "c0").await, (bad, "R-0008".into()));
    let message = signed(&stand_in, &draft()).await;
    ask(&stand_in, PROCESS, &message).await;
    let own = message::release("q1", ("FZZ01", "Corner"), None);
    ask(&stand_in, RELEASE, &own).await;
    assert_eq!(outcome(&stand_in, "c1").await, (bad, "R-0002".into()));
    // What was marked is cancelled once it is given back, and handed over to nobody.
    let back = message::returned("r1", "FZZ01", (NUMBER, "Closed"), 0);
    ask(&stand_in, "/FHIR/R4/Task", &back).await;
    assert_eq!(outcome(&stand_in, "c2").await, (bad, "R-0006".into()));
    let asked = message::release("q2", ("FZZ02", "Other"), Some(NUMBER));
    let (_, nothing) = ask(&stand_in, RELEASE, &asked).await;
    assert!(message::released(&nothing).is_empty());

    let stand_in = Arc::new(StandIn::open(None).unwrap());
    let message = signed(&stand_in, &draft()).await;
    ask(&stand_in, PROCESS, &message).await;
    for _ in 0..2 {
        let done = (StatusCode::OK, "R-0001".to_owned());
        assert_eq!(
            outcome(&stand_in, "c3").await,
            done,
            "the same again is the same"
        );
    }
    let mut wrong = cancels("c4");
    wrong["entry"][1]["resource"]["statusReason"] = Value::Null;
    assert_eq!(ask(&stand_in, PROCESS, &wrong).await.0, bad);
}

#[tokio::test]
async fn a_client_shows_a_token_and_fetches_another_when_it_counts_no_more() {
    let key = ClientKey::generate("anytown-1").unwrap();
    let stand_in = StandIn::open(None).unwrap();
    let stand_in = Arc::new(stand_in.for_clients(Jwks(vec![key.public()]), Clock::system()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = stand_in.clone().router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let sign_in = |key| SignedIn {
        token_url: format!("{base}/oauth2/token"),
        client: "anytown".into(),
        key,
    };
    let eps = Eps::new(&base, Some(sign_in(key))).unwrap();
    let now = Clock::system().now();
    let draft = draft().to_string();
    for _ in 0..2 {
        eps.prepare(&draft, now).await.unwrap();
    }
    let count = || stand_in.tokens.as_ref().unwrap().count();
    assert_eq!(count(), 1, "one token served for both");
    stand_in.tokens.as_ref().unwrap().end_all();
    let ended = eps.prepare(&draft, now).await.unwrap_err();
    assert!(matches!(ended, Answer::NotNow(_)), "{ended:?}");
    eps.prepare(&draft, now).await.unwrap();
    let stranger = ClientKey::generate("anytown-1").unwrap();
    let stranger = Eps::new(&base, Some(sign_in(stranger))).unwrap();
    let refused = stranger.prepare(&draft, now).await.unwrap_err();
    assert!(matches!(refused, Answer::NotNow(_)), "{refused:?}");
}
