//! `$status` and `$events`, on one subscription and on all of them.

use std::sync::Arc;

use exchange::outgoing::Outgoing;
use serde_json::{Value, json};
use store::testing::{Ground, on_each_database};

use super::{
    BACKPORT, Client, FULL, Hook, JANE, StatusCode, node, observation, subscription, work,
};
use crate::fhir::tests::{Answer, BASE};
use crate::node::Node;

/// A node whose answers to `$events` have room for that many events, or bytes of resources.
async fn bounded(ground: &Ground, (events, bytes): (u32, usize)) -> (Arc<Node>, Client) {
    let plain = node(ground).await;
    let mut node = Node::new(plain.store.clone(), plain.site.clone());
    node.subscriptions.outgoing = Some(Outgoing::new(&["127.0.0.1".to_string()]).unwrap());
    node.subscriptions.events_max = events;
    node.subscriptions.events_bytes_max = bytes;
    let node = Arc::new(node);
    let sys = Client::system(&node).await;
    sys.put("/Patient/jane", JANE).await;
    (node, sys)
}

/// A subscription to all changes of observations, of which five are told.
async fn five_events(node: &Arc<Node>, sys: &Client, hook: &Hook, content: &str) {
    let channel = format!(
        r#","payload":"application/fhir+json","_payload":{{"extension":[{{"url":"{BACKPORT}payload-content","valueCode":"{content}"}}]}}"#
    );
    let topic = format!("{BASE}/SubscriptionTopic/Observation");
    let asked = subscription(&topic, &hook.url, &channel);
    let made = sys.put("/Subscription/s", &asked).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    work(node).await;
    for number in 1..=5 {
        let id = format!("o{number}");
        let made = sys
            .put(&format!("/Observation/{id}"), &observation(&id, "jane"))
            .await;
        assert!(made.status.is_success(), "{}", made.text());
    }
    work(node).await;
}

/// The numbers of the events in an answer.
fn numbers(bundle: &Value) -> Vec<String> {
    let told = bundle["entry"][0]["resource"]["parameter"]
        .as_array()
        .unwrap();
    let events = told.iter().filter(|it| it["name"] == "notification-event");
    events
        .map(|it| it["part"][0]["valueString"].as_str().unwrap().to_string())
        .collect()
}

fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array().unwrap().iter();
    let mut links = links.filter(|it| it["relation"] == relation);
    let url = links.next()?["url"].as_str().unwrap();
    Some(url.strip_prefix(BASE).unwrap().to_string())
}

/// The events of each page, from that address on.
async fn pages(sys: &Client, first: &str) -> Vec<Vec<String>> {
    let (mut path, mut found) = (first.to_string(), Vec::new());
    loop {
        let answer = sys.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let page = answer.json();
        assert_eq!(link(&page, "self").as_deref(), Some(path.as_str()));
        found.push(numbers(&page));
        match link(&page, "next") {
            Some(next) => path = next,
            None => return found,
        }
    }
}

fn parameters(some: &[(&str, &str, &str)]) -> String {
    let some: Vec<Value> = some
        .iter()
        .map(|(name, kind, value)| json!({ "name": name, *kind: value }))
        .collect();
    json!({ "resourceType": "Parameters", "parameter": some }).to_string()
}

#[test]
fn events_that_do_not_fit_one_answer_are_behind_its_next_link() {
    on_each_database(async |ground| {
        let (node, sys) = bounded(ground, (2, 1 << 20)).await;
        let hook = Hook::open(&[]).await;
        five_events(&node, &sys, &hook, "full-resource").await;
        let all = pages(&sys, "/Subscription/s/$events").await;
        assert_eq!(all, [vec!["1", "2"], vec!["3", "4"], vec!["5"]]);
        let some = "/Subscription/s/$events?eventsSinceNumber=2&eventsUntilNumber=4&content=empty";
        assert_eq!(pages(&sys, some).await, [vec!["2", "3"], vec!["4"]]);
        let whole = "/Subscription/s/$events?eventsSinceNumber=4";
        assert_eq!(pages(&sys, whole).await, [vec!["4", "5"]]);
        // An answer ends with its bytes, too, and has at least one event.
        let mut tiny = Node::new(node.store.clone(), node.site.clone());
        tiny.subscriptions.events_bytes_max = 1;
        let sys = Client::of(&Arc::new(tiny), "sys").await;
        let all = pages(&sys, "/Subscription/s/$events").await;
        assert_eq!(all, [["1"], ["2"], ["3"], ["4"], ["5"]]);
        // Of what is not told in full there is nothing to weigh.
        let named = "/Subscription/s/$events?content=id-only";
        assert_eq!(pages(&sys, named).await.len(), 1);
        node.store.clone().close().await;
    });
}

#[test]
fn events_are_told_as_they_are_asked_for_and_no_further_than_was_subscribed_to() {
    on_each_database(async |ground| {
        let (node, sys) = bounded(ground, (500, 1 << 20)).await;
        let hook = Hook::open(&[]).await;
        five_events(&node, &sys, &hook, "full-resource").await;
        let asked = async |query: &str| sys.get(&format!("/Subscription/s/$events{query}")).await;
        let has = |answer: &Answer| {
            let text = answer.text();
            (text.contains("\"value\":1.50"), text.contains("\"focus\""))
        };
        assert_eq!(has(&asked("").await), (true, true));
        assert_eq!(has(&asked("?content=full-resource").await), (true, true));
        assert_eq!(has(&asked("?content=id-only").await), (false, true));
        assert_eq!(has(&asked("?content=empty").await), (false, false));
        let refused = asked("?content=all").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        let given = parameters(&[
            ("eventsSinceNumber", "valueString", "2"),
            ("eventsUntilNumber", "valueString", "3"),
            ("content", "valueCode", "id-only"),
        ]);
        let posted = sys.post("/Subscription/s/$events", &given).await;
        assert_eq!(posted.status, StatusCode::OK, "{}", posted.text());
        assert_eq!(numbers(&posted.json()), ["2", "3"]);
        assert_eq!(has(&posted), (false, true));
        let jane = Client::of(&node, "jane").await;
        let refused = jane.post("/Subscription/s/$events", &given).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        // Whoever subscribed to less is told less, whatever they ask for.
        let less = sys.get("/Subscription/s").await.text();
        let less = less.replace("full-resource", "id-only");
        let changed = sys.put("/Subscription/s", &less).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
        assert_eq!(has(&asked("?content=full-resource").await), (false, true));
        node.store.clone().close().await;
    });
}

/// The ids of the subscriptions that an answer to `$status` is about.
fn told_of(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let bundle = answer.json();
    assert_eq!(bundle["type"], "searchset");
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    assert_eq!(bundle["total"], entries.len());
    let of = |entry: &Value| {
        let subscription = &entry["resource"]["parameter"][0];
        assert_eq!(subscription["name"], "subscription");
        let reference = subscription["valueReference"]["reference"].as_str();
        reference.unwrap().rsplit('/').next().unwrap().to_string()
    };
    entries.iter().map(of).collect()
}

#[test]
fn the_status_of_all_subscriptions_is_told_to_those_who_may_read_them() {
    on_each_database(async |ground| {
        let (node, sys) = bounded(ground, (500, 1 << 20)).await;
        let none = sys.get("/Subscription/$status").await;
        assert!(told_of(&none).is_empty());
        let hook = Hook::open(&[]).await;
        for (id, status) in [("s", "requested"), ("t", "off"), ("u", "requested")] {
            let asked = subscription("Observation", &hook.url, FULL)
                .replace("\"s\"", &format!("\"{id}\""))
                .replace("\"requested\"", &format!("\"{status}\""));
            let made = sys.put(&format!("/Subscription/{id}"), &asked).await;
            assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        }
        work(&node).await;
        for (query, expected) in [
            ("", vec!["s", "t", "u"]),
            ("?id=t", vec!["t"]),
            ("?id=t&id=u&id=nobody", vec!["t", "u"]),
            ("?status=active", vec!["s", "u"]),
            ("?status=off&status=error", vec!["t"]),
            ("?id=s&status=off", vec![]),
            ("?id=nobody", vec![]),
        ] {
            let answer = sys.get(&format!("/Subscription/$status{query}")).await;
            assert_eq!(told_of(&answer), expected, "{query}");
        }
        let given = parameters(&[
            ("id", "valueId", "s"),
            ("id", "valueId", "t"),
            ("status", "valueCode", "active"),
        ]);
        let posted = sys.post("/Subscription/$status", &given).await;
        assert_eq!(told_of(&posted), ["s"]);
        assert_eq!(
            told_of(&sys.post("/Subscription/$status", "").await).len(),
            3
        );
        // Of one, the definition has it, they count for nothing.
        let of_one = sys.post("/Subscription/t/$status", &given).await;
        assert_eq!(told_of(&of_one), ["t"]);
        for wrong in ["?status=frob", "?url=x"] {
            let refused = sys.get(&format!("/Subscription/$status{wrong}")).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
        }
        let jane = Client::of(&node, "jane").await;
        assert!(told_of(&jane.get("/Subscription/$status").await).is_empty());
        let of_one = jane.post("/Subscription/s/$status", "").await;
        assert_eq!(of_one.status, StatusCode::NOT_FOUND);
        node.store.clone().close().await;
    });
}

#[test]
fn the_capability_statement_names_them_of_subscriptions_alone() {
    on_each_database(async |ground| {
        let (node, sys) = bounded(ground, (500, 1 << 20)).await;
        let statement = sys.get("/metadata").await.json();
        let resources = statement["rest"][0]["resource"].as_array().unwrap();
        for resource in resources {
            let named = |name: &str| {
                let all = resource["operation"].as_array().unwrap();
                all.iter().filter(|it| it["name"] == name).count()
            };
            let times = usize::from(resource["type"] == "Subscription");
            assert_eq!((named("status"), named("events")), (times, times));
        }
        node.store.clone().close().await;
    });
}
