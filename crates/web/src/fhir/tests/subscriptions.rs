//! Subscriptions, from the change to the subscriber.

use std::sync::Arc;

use access::{Scope, SystemPurpose};
use exchange::outgoing::Outgoing;
use http::StatusCode;
use parking_lot::Mutex;
use store::testing::{Ground, on_each_database};
use store::{Change, Expect, Job, Prepared, Release};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

mod asked;
mod in_xml;
mod looking_back;
mod sockets;
mod steady;
mod topics;

use super::{Client, JANE, node, observation};
use crate::fhir::subscriptions::{round, work};
use crate::node::Node;
use crate::testing::Browser;

/// A subscriber that keeps what it was sent, and answers with the statuses handed in, then 200.
struct Hook {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Hook {
    async fn open(statuses: &[u16]) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (kept, statuses) = (heard.clone(), statuses.to_vec());
        let mut statuses = statuses.into_iter();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = Vec::new();
                let whole = loop {
                    let mut piece = vec![0; 65_536];
                    let length = stream.read(&mut piece).await.unwrap();
                    asked.extend_from_slice(&piece[..length]);
                    let text = String::from_utf8_lossy(&asked).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else {
                        continue;
                    };
                    let head = head.to_ascii_lowercase();
                    let wanted = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "));
                    let wanted: usize = wanted.map_or(0, |it| it.trim().parse().unwrap());
                    if body.len() >= wanted || length == 0 {
                        break text;
                    }
                };
                kept.lock().push(whole);
                let status = statuses.next().unwrap_or(200);
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Hook { url, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().clone()
    }
}

/// The node, as it is wired: with a client that may go to this machine.
fn wired(node: &Node, store: store::Store) -> Arc<Node> {
    let mut wired = Node::new(store, node.site.clone());
    wired.subscriptions.outgoing = Some(Outgoing::new(&["127.0.0.1".to_string()]).unwrap());
    wired.subscriptions.failures_max = 3;
    Arc::new(wired)
}

async fn ready(ground: &Ground) -> (Arc<Node>, Client) {
    let plain = node(ground).await;
    let node = wired(&plain, plain.store.clone());
    let bo = Client::system(&node).await;
    bo.put("/Patient/jane", JANE).await;
    (node, bo)
}

fn subscription(criteria: &str, url: &str, channel: &str) -> String {
    format!(
        r#"{{"resourceType":"Subscription","id":"s","status":"requested","reason":"test","criteria":"{criteria}","channel":{{"type":"rest-hook","endpoint":"{url}","header":["Authorization: Bearer secret"]{channel}}}}}"#
    )
}

const FULL: &str = r#","payload":"application/fhir+json""#;

async fn status(client: &Client) -> String {
    let resource = client.get("/Subscription/s").await.json();
    resource["status"].as_str().unwrap().to_string()
}

#[test]
fn nobody_is_told_of_subscriptions() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        for criteria in [
            "Subscription?",
            "Subscription",
            "Subscription?status=active",
        ] {
            let asked = subscription(criteria, "http://127.0.0.1:9/hook", FULL);
            let refused = bo.put("/Subscription/s", &asked).await;
            assert!(
                refused.status.is_client_error(),
                "{criteria}: {}",
                refused.status
            );
            assert_eq!(refused.issue().1, "Subscription.criteria");
        }
        node.store.clone().close().await;
    });
}

#[test]
fn a_subscriber_hears_of_what_matches_in_order_and_of_nothing_beyond_their_scope() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let hook = Hook::open(&[]).await;
        let asked = subscription("Observation?subject=Patient/jane", &hook.url, FULL);
        let made = bo.put("/Subscription/s", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        assert_eq!(status(&bo).await, "active");
        assert!(hook.heard().is_empty());
        for (id, who) in [("o1", "jane"), ("o2", "john"), ("o3", "jane")] {
            bo.put(&format!("/Observation/{id}"), &observation(id, who))
                .await;
        }
        // Another organisation's, in the same store.
        let other = observation("o4", "jane");
        let json = fhir::json::parse(other.as_bytes(), &fhir::json::Limits::default()).unwrap();
        let ods = access::Ods::parse("B82002").unwrap();
        let put = Change::Put {
            resource: Prepared::new(&json, "o4", &ods).unwrap(),
            expect: Expect::Anything,
            release: Release::Keep,
        };
        let system = Scope::system(SystemPurpose::Measure);
        node.store.commit(&system, Job::change(put)).await.unwrap();
        work(&node).await;
        let heard = hook.heard();
        assert_eq!(heard.len(), 2, "{heard:?}");
        for (heard, id) in heard.iter().zip(["o1", "o3"]) {
            assert!(
                heard.starts_with(&format!("PUT /hook/Observation/{id} HTTP/1.1")),
                "{heard}"
            );
            assert!(heard.contains("authorization: Bearer secret"), "{heard}");
            assert!(heard.contains("\"value\":1.50"), "{heard}");
        }
        // What left stands in the log.
        let log = Client::of(&node, "pat")
            .await
            .get("/AuditEvent/$log?patient=jane")
            .await;
        assert!(log.text().contains("subscribe"), "{}", log.text());
        bo.send("DELETE", "/Subscription/s", &[], "").await;
        bo.put("/Observation/o1", &observation("o1", "jane")).await;
        work(&node).await;
        assert_eq!(hook.heard().len(), 2);
        node.store.clone().close().await;
    });
}

#[test]
fn a_crash_between_commit_and_delivery_loses_nothing() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let hook = Hook::open(&[500]).await;
        bo.put(
            "/Subscription/s",
            &subscription("Observation", &hook.url, ""),
        )
        .await;
        work(&node).await;
        bo.put("/Observation/o1", &observation("o1", "jane")).await;
        // The process ends before the change was even looked at.
        node.store.clone().close().await;
        let node = wired(&node, ground.open().await);
        work(&node).await;
        // It was answered 500; the process ends before the second try.
        assert_eq!(hook.heard().len(), 1);
        node.store.clone().close().await;
        let node = wired(&node, ground.open().await);
        ground.clock().advance(3_600_000);
        work(&node).await;
        let heard = hook.heard();
        assert_eq!(heard.len(), 2);
        assert!(
            heard[1].starts_with("POST /hook HTTP/1.1") && heard[1].ends_with("\r\n\r\n"),
            "{heard:?}"
        );
        work(&node).await;
        assert_eq!(hook.heard().len(), 2);
        node.store.clone().close().await;
    });
}

#[test]
fn a_subscriber_who_cannot_be_told_is_given_up_shown_and_told_again() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let hook = Hook::open(&[500, 404, 302]).await;
        bo.put(
            "/Subscription/s",
            &subscription("Observation", &hook.url, FULL),
        )
        .await;
        bo.put("/Observation/o1", &observation("o1", "jane")).await;
        bo.put("/Observation/o2", &observation("o2", "jane")).await;
        for _ in 0..5 {
            work(&node).await;
            ground.clock().advance(3_600_000);
        }
        assert_eq!(hook.heard().len(), 3);
        let given_up = bo.get("/Subscription/s").await.json();
        assert_eq!(given_up["status"], "error");
        assert_eq!(given_up["error"], "The subscriber answered 302.");
        let mut browser = Browser::new(&node);
        browser.sign_in("/staff/login", "ed").await;
        let list = browser.get("/staff/worklist").await;
        assert!(
            list.text.contains("The subscriber answered 302."),
            "{}",
            list.text
        );
        let told = browser
            .post("/staff/worklist/subscriptions/s/again", &[])
            .await;
        assert_eq!(told.status, StatusCode::SEE_OTHER);
        work(&node).await;
        let heard = hook.heard();
        assert!(
            heard[3].contains("/o1 ") && heard[4].contains("/o2 "),
            "{heard:?}"
        );
        assert_eq!(status(&bo).await, "active");
        browser.get("/staff/worklist").await;
        browser
            .post("/staff/worklist/subscriptions/s/off", &[])
            .await;
        assert_eq!(status(&bo).await, "off");
        node.store.clone().close().await;
    });
}

const BACKPORT: &str =
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-";

#[test]
fn the_backport_shakes_hands_numbers_events_and_beats() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let hook = Hook::open(&[]).await;
        let channel = format!(
            r#","payload":"application/fhir+json","_payload":{{"extension":[{{"url":"{BACKPORT}payload-content","valueCode":"full-resource"}}]}},"extension":[{{"url":"{BACKPORT}heartbeat-period","valueUnsignedInt":60}}]"#
        );
        let topic = "http://127.0.0.1:8080/fhir/SubscriptionTopic/Observation";
        let filter = format!(
            r#","_criteria":{{"extension":[{{"url":"{BACKPORT}filter-criteria","valueString":"Observation?subject=Patient/jane"}}]}},"channel""#
        );
        let asked = subscription(topic, &hook.url, &channel).replacen(",\"channel\"", &filter, 1);
        let made = bo.put("/Subscription/s", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        assert!(hook.heard()[0].contains("\"handshake\""));
        assert_eq!(status(&bo).await, "active");
        for id in ["o1", "o2"] {
            bo.put(&format!("/Observation/{id}"), &observation(id, "jane"))
                .await;
        }
        bo.put("/Observation/o3", &observation("o3", "john")).await;
        work(&node).await;
        let heard = hook.heard();
        assert_eq!(heard.len(), 3);
        for (number, heard) in heard[1..].iter().enumerate() {
            let (_, body) = heard.split_once("\r\n\r\n").unwrap();
            let json = fhir::json::parse(body.as_bytes(), &fhir::json::Limits::default()).unwrap();
            fhir::validate::validate(&json, fhir::definitions::Definitions::r4()).unwrap();
            assert!(body.contains("event-notification"));
            let numbered = format!(r#""name":"event-number","valueString":"{}""#, number + 1);
            assert!(body.contains(&numbered), "{body}");
            assert!(body.contains("\"value\":1.50"));
        }
        ground.clock().advance(61_000);
        work(&node).await;
        assert!(hook.heard()[3].contains("\"heartbeat\""));
        work(&node).await;
        assert_eq!(hook.heard().len(), 4);
        let told = bo.get("/Subscription/s/$status").await;
        assert_eq!(told.status, StatusCode::OK);
        assert!(
            told.text()
                .contains(r#""name":"events-since-subscription-start","valueString":"2""#)
        );
        let events = bo
            .get("/Subscription/s/$events?eventsSinceNumber=2")
            .await
            .text();
        assert!(
            events.contains("Observation/o2") && !events.contains("Observation/o1"),
            "{events}"
        );
        let jane = Client::of(&node, "jane").await;
        assert_eq!(
            jane.get("/Subscription/s/$events").await.status,
            StatusCode::NOT_FOUND
        );
        node.store.clone().close().await;
    });
}

#[test]
fn what_the_node_cannot_do_is_refused_when_it_is_asked_for() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let good = subscription("Observation", "https://a.example/hook", FULL);
        for (wrong, place) in [
            (good.replace("rest-hook", "email"), "channel.type"),
            (good.replace("https://", "ftp://"), "channel.endpoint"),
            (
                good.replace("\"Observation\"", "\"Observation?frob=1\""),
                "criteria",
            ),
            (good.replace("\"Observation\"", "\"Nonsense\""), "criteria"),
            (good.replace("fhir+json", "pdf"), "channel.payload"),
            (
                good.replace("Authorization: Bearer secret", "no header"),
                "channel.header",
            ),
        ] {
            let refused = bo.put("/Subscription/s", &wrong).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{place}");
            assert_eq!(refused.issue().1, format!("Subscription.{place}"));
        }
        // An address that is not public is not asked, and the subscriber is told why.
        let mut guarded = Node::new(node.store.clone(), node.site.clone());
        guarded.subscriptions.outgoing = Some(Outgoing::new(&[]).unwrap());
        guarded.subscriptions.failures_max = 1;
        let guarded = Arc::new(guarded);
        let hook = Hook::open(&[]).await;
        bo.put(
            "/Subscription/s",
            &subscription("Observation", &hook.url, FULL),
        )
        .await;
        bo.put("/Observation/o1", &observation("o1", "jane")).await;
        work(&guarded).await;
        assert!(hook.heard().is_empty());
        let told = bo.get("/Subscription/s").await.json();
        assert_eq!(told["status"], "error");
        assert!(
            told["error"].as_str().unwrap().contains("not public"),
            "{told}"
        );
        node.store.clone().close().await;
    });
}

#[test]
fn one_subscriber_who_takes_long_keeps_no_other_waiting_nor_loses_their_order() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        // It takes connections, and answers nothing until it may.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", silent.local_addr().unwrap());
        let slow = subscription("Observation", &url, "");
        let hook = Hook::open(&[]).await;
        let quick = subscription("Observation", &hook.url, FULL);
        let quick = quick.replace("\"s\"", "\"t\"");
        assert_eq!(
            bo.put("/Subscription/s", &slow).await.status,
            StatusCode::CREATED
        );
        assert_eq!(
            bo.put("/Subscription/t", &quick).await.status,
            StatusCode::CREATED
        );
        work(&node).await;
        let mut telling = tokio::task::JoinSet::new();
        for id in ["o1", "o2", "o3"] {
            bo.put(&format!("/Observation/{id}"), &observation(id, "jane"))
                .await;
            // The one who is told already has no second turn; the others have theirs.
            while hook.heard().last().is_none_or(|it| !it.contains(id)) {
                round(&node, &mut telling).await;
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(hook.heard().len(), 3);
        let (mut held, _) = silent.accept().await.unwrap();
        let mut piece = [0; 4096];
        assert!(held.read(&mut piece).await.unwrap() > 0);
        // Three events, one request: the next waits for its answer.
        let another = tokio::time::timeout(std::time::Duration::ZERO, silent.accept()).await;
        assert!(another.is_err());
        telling.shutdown().await;
        node.store.clone().close().await;
    });
}

#[test]
fn staff_send_no_records_elsewhere_by_a_subscription() {
    on_each_database(async |ground| {
        let (node, _) = ready(ground).await;
        let bo = Client::of(&node, "bo").await;
        let asked = subscription("Observation?", "http://127.0.0.1:9/hook", FULL);
        let bundle = |kind: &str| {
            format!(
                r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{{"request":{{"method":"PUT","url":"Subscription/s"}},"resource":{asked}}}]}}"#
            )
        };
        let made = bo.put("/Subscription/s", &asked).await;
        assert_eq!(made.status, StatusCode::FORBIDDEN, "{}", made.text());
        let made = bo.post("/Subscription", &asked).await;
        assert_eq!(made.status, StatusCode::FORBIDDEN, "{}", made.text());
        let made = bo.post("", &bundle("transaction")).await;
        assert_eq!(made.status, StatusCode::FORBIDDEN, "{}", made.text());
        let made = bo.post("", &bundle("batch")).await.text();
        assert!(made.contains("403"), "{made}");
        assert!(node.store.subs().await.unwrap().is_empty());
        node.store.clone().close().await;
    });
}
