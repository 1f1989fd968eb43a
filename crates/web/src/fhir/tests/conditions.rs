//! Conditional interactions, alone and against each other.

use std::collections::BTreeSet;

use http::StatusCode;
use http::header::{ETAG, LOCATION};
use serde_json::{Value, json};
use store::testing::on_each_database;

use super::{BASE, Client, node};

/// Clients that want the same.
const CLIENTS: usize = 64;

fn patient(number: &str) -> String {
    json!({
        "resourceType": "Patient",
        "identifier": [{ "system": "https://example.org/number", "value": number }],
        "active": true,
    })
    .to_string()
}

fn query(number: &str) -> String {
    format!("identifier=https://example.org/number|{number}")
}

async fn count(client: &Client, number: &str) -> Value {
    let query = query(number).replace('|', "%7C");
    let address = format!("/Patient?{query}&_total=accurate");
    client.get(&address).await.json()["total"].clone()
}

#[test]
fn of_many_clients_that_create_the_same_one_creates_and_all_find_it() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let clients = (0..CLIENTS).map(|number| {
            let bo = bo.clone();
            tokio::spawn(async move {
                if number % 2 == 0 {
                    let condition = query("1");
                    let headers = [("if-none-exist", condition.as_str())];
                    let made = bo.send("POST", "/Patient", &headers, &patient("1")).await;
                    let location = made.header(LOCATION).to_string();
                    (made.status.as_u16(), location.replace(&format!("{BASE}/"), ""))
                } else {
                    let body = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [{
                        "resource": serde_json::from_str::<Value>(&patient("1")).unwrap(),
                        "request": { "method": "POST", "url": "Patient", "ifNoneExist": query("1") },
                    }] });
                    let done = bo.post("", &body.to_string()).await.json();
                    let response = &done["entry"][0]["response"];
                    let status = response["status"].as_str().unwrap_or_else(|| panic!("{done}"));
                    let status = status.split(' ').next().unwrap().parse().unwrap();
                    (status, response["location"].as_str().unwrap().to_string())
                }
            })
        });
        let mut answers = Vec::new();
        for client in clients.collect::<Vec<_>>() {
            answers.push(client.await.unwrap());
        }
        let created = answers.iter().filter(|(status, _)| *status == 201).count();
        let found = answers.iter().filter(|(status, _)| *status == 200).count();
        assert_eq!((created, found), (1, CLIENTS - 1), "{answers:?}");
        let places: BTreeSet<&String> = answers.iter().map(|(_, location)| location).collect();
        assert_eq!(places.len(), 1, "{places:?}");
        assert_eq!(count(&bo, "1").await, 1);
        node.store.clone().close().await;
    });
}

#[test]
fn of_many_conditional_updates_one_creates_and_none_is_lost() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let address = format!("/Patient?{}", query("2").replace('|', "%7C"));
        let clients = (0..16).map(|_| {
            let (bo, address) = (bo.clone(), address.clone());
            tokio::spawn(async move { bo.put(&address, &patient("2")).await.status })
        });
        let mut created = 0;
        for client in clients.collect::<Vec<_>>() {
            let status = client.await.unwrap();
            assert!(status.is_success(), "{status}");
            created += usize::from(status == StatusCode::CREATED);
        }
        assert_eq!(created, 1);
        let found = bo.get(&address).await.json();
        assert_eq!(found["entry"].as_array().unwrap().len(), 1);
        assert_eq!(found["entry"][0]["resource"]["meta"]["versionId"], "16");
        node.store.clone().close().await;
    });
}

#[test]
fn a_condition_decides_what_is_changed() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let by = |number: &str| format!("/Patient?{}", query(number).replace('|', "%7C"));
        // Nothing matches: the id that is sent is taken, and else a new one.
        let own = patient("3").replacen('{', r#"{"id":"own","#, 1);
        let made = bo.put(&by("3"), &own).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        assert!(made.header(LOCATION).ends_with("/Patient/own/_history/1"));
        let other = own.replace("own", "other");
        let refused = bo.put(&by("3"), &other).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.issue(), ("invalid".into(), "Patient.id".into()));
        let changed = bo.put(&by("3"), &patient("3")).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
        assert_eq!(changed.json()["id"], "own");
        // An id that is there, and a condition that finds nothing.
        let clash = bo.put(&by("nobody"), &own).await;
        assert_eq!(clash.status, StatusCode::CONFLICT, "{}", clash.text());
        // If-Match holds here too.
        let stale = bo
            .send("PUT", &by("3"), &[("if-match", "W/\"1\"")], &patient("3"))
            .await;
        assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
        // Several: nobody guesses.
        bo.post("/Patient", &patient("3")).await;
        for method in ["PUT", "DELETE"] {
            let body = if method == "PUT" {
                patient("3")
            } else {
                String::new()
            };
            let refused = bo.send(method, &by("3"), &[], &body).await;
            assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED, "{method}");
            assert_eq!(refused.issue().0, "multiple-matches");
        }
        let headers = [("if-none-exist", "identifier=https://example.org/number|3")];
        let refused = bo.send("POST", "/Patient", &headers, &patient("3")).await;
        assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
        // No condition is no condition.
        for (method, body) in [("PUT", patient("3")), ("DELETE", String::new())] {
            let refused = bo.send(method, "/Patient", &[], &body).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{method}");
        }
        // A delete of the one that matches; of none it is done already.
        bo.post("/Patient", &patient("4")).await;
        let stale = bo
            .send("DELETE", &by("4"), &[("if-match", "W/\"9\"")], "")
            .await;
        assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
        for _ in 0..2 {
            let gone = bo.send("DELETE", &by("4"), &[], "").await;
            assert_eq!(gone.status, StatusCode::NO_CONTENT);
        }
        assert_eq!(count(&bo, "4").await, 0);
        node.store.clone().close().await;
    });
}

#[test]
fn a_value_under_several_systems_hides_no_second_match() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let many = |value: &str| {
            let one = |system: &str| json!({ "system": format!("urn:{system}"), "value": value });
            let all = ["a", "b", "c", "d", "e"].map(one);
            json!({ "resourceType": "Patient", "identifier": all }).to_string()
        };
        // One alone is one, however many rows find it.
        assert_eq!(
            bo.post("/Patient", &many("9")).await.status,
            StatusCode::CREATED
        );
        let changed = bo.put("/Patient?identifier=9", &many("9")).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
        bo.post("/Patient", &many("9")).await;
        for (method, headers, address) in [
            ("PUT", &[][..], "/Patient?identifier=9"),
            ("DELETE", &[], "/Patient?identifier=9"),
            ("POST", &[("if-none-exist", "identifier=9")], "/Patient"),
        ] {
            let body = match method {
                "DELETE" => String::new(),
                _ => many("9"),
            };
            let refused = bo.send(method, address, headers, &body).await;
            assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED, "{method}");
        }
        node.store.clone().close().await;
    });
}

#[test]
fn a_transaction_rests_on_so_many_conditions_and_no_more() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let entry = |number: usize| {
            json!({
                "resource": { "resourceType": "Patient" },
                "request": {
                    "method": "POST", "url": "Patient",
                    "ifNoneExist": format!("identifier=https://example.org/number|{number}"),
                },
            })
        };
        let entries: Vec<Value> = (0..2001).map(entry).collect();
        let body = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
        let refused = bo.post("", &body.to_string()).await;
        assert!(refused.status.is_client_error(), "{}", refused.status);
        assert_eq!(
            refused.issue(),
            ("too-costly".into(), "Bundle.entry".into())
        );
        node.store.clone().close().await;
    });
}

#[test]
fn what_is_created_conditionally_is_answered_as_it_is_there() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let condition = query("5");
        let headers = [("if-none-exist", condition.as_str())];
        let made = bo.send("POST", "/Patient", &headers, &patient("5")).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let again = bo.send("POST", "/Patient", &headers, &patient("5")).await;
        assert_eq!(again.status, StatusCode::OK);
        assert_eq!(again.header(LOCATION), made.header(LOCATION));
        assert_eq!(again.header(ETAG), "W/\"1\"");
        assert_eq!(again.bytes, made.bytes);
        node.store.clone().close().await;
    });
}

#[test]
fn a_read_tells_only_what_is_news() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", super::JANE).await;
        let asked = async |headers: &[(&str, &str)]| {
            bo.send("GET", "/Patient/jane", headers, "").await.status
        };
        let at = ("if-modified-since", "Mon, 05 Jan 2026 09:00:00 GMT");
        let before = ("if-modified-since", "Mon, 05 Jan 2026 08:59:59 GMT");
        assert_eq!(asked(&[at]).await, StatusCode::NOT_MODIFIED);
        assert_eq!(asked(&[before]).await, StatusCode::OK);
        assert_eq!(
            asked(&[("if-none-match", "W/\"1\""), before]).await,
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(
            asked(&[("if-none-match", "W/\"2\""), at]).await,
            StatusCode::OK
        );
        assert_eq!(
            asked(&[("if-modified-since", "yesterday")]).await,
            StatusCode::OK
        );
        let only_new = bo
            .send(
                "PUT",
                "/Patient/jane",
                &[("if-none-match", "*")],
                super::JANE,
            )
            .await;
        assert_eq!(only_new.status, StatusCode::PRECONDITION_FAILED);
        node.store.clone().close().await;
    });
}
