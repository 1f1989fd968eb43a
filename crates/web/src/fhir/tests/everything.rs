//! `$everything` through the door.

use axum::body::Body;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use store::testing::{Ground, on_each_database};
use tower::ServiceExt;

use super::{BASE, Client, JANE, node, observation, release};

fn names(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let name = |entry: &Value| {
        let address = entry["fullUrl"].as_str().unwrap();
        address.strip_prefix(BASE).unwrap().to_string()
    };
    entries.iter().map(name).collect()
}

async fn record(ground: &Ground) -> (std::sync::Arc<crate::node::Node>, Client) {
    let node = node(ground).await;
    let bo = Client::of(&node, "bo").await;
    bo.put("/Patient/jane", JANE).await;
    bo.put("/Patient/john", &JANE.replace("jane", "john")).await;
    for number in 1..=5 {
        let id = format!("o{number}");
        bo.put(&format!("/Observation/{id}"), &observation(&id, "jane"))
            .await;
    }
    bo.put("/Observation/other", &observation("other", "john"))
        .await;
    (node, bo)
}

#[test]
fn everything_is_the_record_and_pages_follow_each_other() {
    on_each_database(async |ground| {
        let (node, bo) = record(ground).await;
        let whole = bo.get("/Patient/jane/$everything").await;
        assert_eq!(whole.status, StatusCode::OK, "{}", whole.text());
        let whole = whole.json();
        let expected = ["jane", "o1", "o2", "o3", "o4", "o5"];
        let expected: Vec<String> = expected
            .iter()
            .map(|id| match *id {
                "jane" => "/Patient/jane".to_string(),
                id => format!("/Observation/{id}"),
            })
            .collect();
        assert_eq!(names(&whole), expected);
        assert_eq!(whole["link"].as_array().unwrap().len(), 1);
        let mut paged = Vec::new();
        let mut address = "/Patient/jane/$everything?_count=2".to_string();
        let mut pages = 0;
        loop {
            let page = bo.get(&address).await.json();
            paged.extend(names(&page));
            pages += 1;
            let links = page["link"].as_array().unwrap();
            let next = links.iter().find(|link| link["relation"] == "next");
            let Some(next) = next else { break };
            address = next["url"]
                .as_str()
                .unwrap()
                .strip_prefix(BASE)
                .unwrap()
                .to_string();
        }
        assert_eq!((paged, pages), (expected, 3));
        // Everybody's is for systems, as an export is.
        let refused = bo.get("/Patient/$everything").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        let sys = Client::system(&node).await;
        let everybody = sys.get("/Patient/$everything").await.json();
        assert_eq!(names(&everybody).len(), 8);
        let none = bo
            .get("/Patient/jane/$everything?_type=Condition")
            .await
            .json();
        assert_eq!(none.get("entry"), None);
        node.store.clone().close().await;
    });
}

#[test]
fn everything_of_a_patient_is_for_themselves_alone() {
    on_each_database(async |ground| {
        let (node, _) = record(ground).await;
        for number in 1..=5 {
            release(&node, "Observation", &format!("o{number}")).await;
        }
        release(&node, "Observation", "other").await;
        let jane = Client::of(&node, "jane").await;
        let own = jane.get("/Patient/$everything").await.json();
        assert_eq!(names(&own).len(), 6, "{own}");
        assert_eq!(
            own["entry"],
            jane.get("/Patient/jane/$everything").await.json()["entry"]
        );
        let withheld = jane.get("/Patient/john/$everything").await;
        let absent = jane.get("/Patient/nobody/$everything").await;
        assert_eq!(withheld.status, StatusCode::NOT_FOUND);
        assert_eq!(withheld.bytes, absent.bytes);
        let ed = Client::of(&node, "ed").await;
        let refused = ed.get("/Patient/jane/$everything").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        node.store.clone().close().await;
    });
}

#[test]
fn what_everything_does_not_take_is_refused_by_name() {
    on_each_database(async |ground| {
        let (node, bo) = record(ground).await;
        for (query, named) in [
            ("_type=Nonsense", "_type"),
            ("_count=0", "_count"),
            ("_since=yesterday", "_since"),
            ("start=x", "start"),
            ("_cursor=1", "_cursor"),
            ("frob=1", "$everything"),
        ] {
            let refused = bo.get(&format!("/Patient/jane/$everything?{query}")).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
            assert!(
                refused.text().contains(named),
                "{query}: {}",
                refused.text()
            );
        }
        assert_eq!(
            bo.get("/Encounter/none/$everything").await.status,
            StatusCode::NOT_FOUND
        );
        node.store.clone().close().await;
    });
}

#[test]
fn the_first_piece_leaves_before_the_rest_is_read() {
    on_each_database(async |ground| {
        let (node, bo) = record(ground).await;
        let request = Request::get("/fhir/Patient/jane/$everything")
            .header(AUTHORIZATION, format!("Bearer {}", bo.token))
            .body(Body::empty())
            .unwrap();
        let answer = bo.router.clone().oneshot(request).await.unwrap();
        let mut body = answer.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let first = String::from_utf8(first.to_vec()).unwrap();
        assert!(
            first.contains("Patient/jane") && !first.contains("o1"),
            "{first}"
        );
        let rest = body.collect().await.unwrap().to_bytes();
        assert!(rest.ends_with(b"}"));
        node.store.clone().close().await;
    });
}

async fn pause(node: &crate::node::Node, patient: &str) {
    let told = store::care::Told {
        patient: patient.into(),
        organisation: node.site.organisation.to_string(),
        account: 1,
        name: "Ann".into(),
        role: "clerk".into(),
        code: String::new(),
        reason: "The patient asked for it.".into(),
    };
    let write = store::people::PeopleWrite::Pause { told };
    let scope = access::Scope::system(access::SystemPurpose::Measure);
    let job = store::Job::effect(store::Effect::People(write));
    node.store.commit(&scope, job).await.unwrap();
}

/// A record that is paused, or kept back, while it is being sent is not sent to its end.
#[test]
fn p25_an_answer_under_way_is_broken_off_when_the_record_is_paused() {
    on_each_database(async |ground| {
        let (node, _) = record(ground).await;
        for number in 1..=5 {
            release(&node, "Observation", &format!("o{number}")).await;
        }
        let jane = Client::of(&node, "jane").await;
        for pauses in [false, true] {
            let request = Request::get("/fhir/Patient/jane/$everything")
                .header(AUTHORIZATION, format!("Bearer {}", jane.token))
                .body(Body::empty())
                .unwrap();
            let answer = jane.router.clone().oneshot(request).await.unwrap();
            let mut body = answer.into_body();
            body.frame().await.unwrap().unwrap();
            if pauses {
                pause(&node, "jane").await;
            }
            ground.clock().advance(1001);
            let rest = body.collect().await;
            assert_eq!(rest.is_ok(), !pauses, "pauses: {pauses}");
        }
        let refused = jane.get("/Patient/jane/$everything").await;
        assert!(refused.status.is_client_error(), "{}", refused.text());
        node.store.clone().close().await;
    });
}

#[test]
fn everything_of_the_record_that_stayed_holds_what_the_given_up_one_held() {
    on_each_database(async |ground| {
        let (node, bo) = record(ground).await;
        for (id, ty, other) in [
            ("john", "replaces", "jane"),
            ("jane", "replaced-by", "john"),
        ] {
            let mut linked: Value = serde_json::from_str(&JANE.replace("jane", id)).unwrap();
            linked["link"] = serde_json::json!([
                { "other": { "reference": format!("Patient/{other}") }, "type": ty },
            ]);
            let put = bo.put(&format!("/Patient/{id}"), &linked.to_string()).await;
            assert_eq!(put.status, StatusCode::OK, "{}", put.text());
        }
        let held = async |id: &str| {
            let whole = bo.get(&format!("/Patient/{id}/$everything")).await;
            assert_eq!(whole.status, StatusCode::OK, "{}", whole.text());
            let mut held = names(&whole.json());
            held.sort();
            held
        };
        let both = held("john").await;
        let expected = [
            "/Observation/o1",
            "/Observation/o2",
            "/Observation/o3",
            "/Observation/o4",
            "/Observation/o5",
            "/Observation/other",
            "/Patient/jane",
            "/Patient/john",
        ];
        assert_eq!(both, expected);
        let given_up = held("jane").await;
        assert!(!given_up.contains(&"/Observation/other".to_string()));
        node.store.clone().close().await;
    });
}
