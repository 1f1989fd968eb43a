//! Websockets, with a client of their own over a real listener.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use store::testing::on_each_database;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{BACKPORT, Client, StatusCode, observation, ready, status, subscription, work};
use crate::node::Node;

/// A node that listens.
struct Served {
    address: String,
    _stop: watch::Sender<bool>,
}

impl Served {
    async fn open(node: &Arc<Node>) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(crate::serve::serve(
            listener,
            crate::router(node.clone()),
            None,
            crate::serve::Limits::of(64),
            stopped,
        ));
        Served {
            address,
            _stop: stop,
        }
    }

    async fn socket(&self, headers: &[(&'static str, String)]) -> Result<Socket, Error> {
        let url = format!("ws://{}/subscriptions/websocket", self.address);
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(&self.address).await?;
        let (stream, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Socket(stream))
    }
}

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next text; empty once it is closed.
    async fn hear(&mut self) -> String {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return String::new(),
            }
        }
    }

    async fn asked(&mut self, text: &str) -> String {
        self.say(text).await;
        self.hear().await
    }
}

fn by_websocket(criteria: &str, channel: &str) -> String {
    let asked = subscription(criteria, "", channel);
    asked
        .replace("rest-hook", "websocket")
        .replace(
            r#""endpoint":"","header":["Authorization: Bearer secret"],"#,
            "",
        )
        .replace(
            r#","endpoint":"","header":["Authorization: Bearer secret"]"#,
            "",
        )
}

fn bearer(client: &Client) -> (&'static str, String) {
    ("authorization", format!("Bearer {}", client.token))
}

#[test]
fn r4_pings_whoever_the_subscription_is_of_and_nobody_else() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let served = Served::open(&node).await;
        let asked = by_websocket("Observation?subject=Patient/jane", "");
        let made = sys.put("/Subscription/s", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        assert_eq!(status(&sys).await, "active");
        // Nobody listens: the event waits.
        sys.put("/Observation/o1", &observation("o1", "jane")).await;
        work(&node).await;
        let mut stranger = served.socket(&[]).await.unwrap();
        assert!(stranger.asked("bind s").await.starts_with("error "));
        let cookie = (
            "cookie",
            "handover-a81001=aaaaaaaaaaaaaaaaaaaaaaaaaaa".into(),
        );
        let mut browser = served.socket(&[cookie]).await.unwrap();
        assert!(browser.asked("bind s").await.starts_with("error "));
        let wrong = ("authorization", "Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaa".into());
        assert!(matches!(served.socket(&[wrong]).await, Err(Error::Http(_))));
        let clinician = Client::of(&node, "bo").await;
        let mut other = served.socket(&[bearer(&clinician)]).await.unwrap();
        assert!(other.asked("bind s").await.starts_with("error "));
        let mut socket = served.socket(&[bearer(&sys)]).await.unwrap();
        assert!(socket.asked("bind t").await.starts_with("error "));
        assert!(socket.asked("frob").await.starts_with("error "));
        assert_eq!(socket.asked("bind s").await, "bound s");
        work(&node).await;
        assert_eq!(socket.hear().await, "ping s");
        // What does not match is not told; what does is, once for all that happened until then.
        for (id, who) in [("o2", "john"), ("o3", "jane"), ("o4", "jane")] {
            sys.put(&format!("/Observation/{id}"), &observation(id, who))
                .await;
        }
        work(&node).await;
        work(&node).await;
        assert_eq!(socket.hear().await, "ping s");
        assert_eq!(socket.asked("bind s").await, "bound s");
        node.store.clone().close().await;
    });
}

#[test]
fn a_token_taken_back_ends_what_is_told_over_its_websocket() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let served = Served::open(&node).await;
        sys.put("/Subscription/s", &by_websocket("Observation", ""))
            .await;
        work(&node).await;
        let again = Client::of(&node, "sys").await;
        let mut socket = served.socket(&[bearer(&again)]).await.unwrap();
        assert_eq!(socket.asked("bind s").await, "bound s");
        let secret = crate::secret::Secret::presented(&again.token).unwrap();
        assert!(node.store.drop_token(secret.digest()).await.unwrap());
        sys.put("/Observation/o1", &observation("o1", "jane")).await;
        // Whom sign-in remembers for a moment is asked after anew.
        ground.clock().advance(3_600_000);
        work(&node).await;
        assert_eq!(socket.hear().await, "");
        // What was not told still waits.
        let mut socket = served.socket(&[bearer(&sys)]).await.unwrap();
        assert_eq!(socket.asked("bind s").await, "bound s");
        work(&node).await;
        assert_eq!(socket.hear().await, "ping s");
        node.store.clone().close().await;
    });
}

#[test]
fn the_backport_binds_by_a_token_that_is_good_once_and_sends_what_happened() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let served = Served::open(&node).await;
        let channel = format!(
            r#","payload":"application/fhir+json","_payload":{{"extension":[{{"url":"{BACKPORT}payload-content","valueCode":"full-resource"}}]}}"#
        );
        let topic = "http://127.0.0.1:8080/fhir/SubscriptionTopic/Observation";
        let made = sys
            .put("/Subscription/s", &by_websocket(topic, &channel))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        let bo = Client::of(&node, "bo").await;
        let refused = bo.get("/Subscription/s/$get-ws-binding-token").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let unknown = sys.get("/Subscription/$get-ws-binding-token?ids=s,t").await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);
        let token = async || {
            let told = sys.get("/Subscription/s/$get-ws-binding-token").await;
            assert_eq!(told.status, StatusCode::OK, "{}", told.text());
            let told = told.json();
            let value = |name: &str| -> Value {
                let all = told["parameter"].as_array().unwrap();
                all.iter().find(|it| it["name"] == name).unwrap().clone()
            };
            assert_eq!(value("subscription")["valueString"], "s");
            let url = value("websocket-url")["valueUrl"].clone();
            assert_eq!(url, "ws://127.0.0.1:8080/subscriptions/websocket");
            value("token")["valueString"].as_str().unwrap().to_string()
        };
        let mut socket = served.socket(&[]).await.unwrap();
        let first = token().await;
        let handshake = socket.asked(&format!("bind-with-token {first}")).await;
        assert!(handshake.contains("\"handshake\""), "{handshake}");
        let mut other = served.socket(&[]).await.unwrap();
        let twice = other.asked(&format!("bind-with-token {first}")).await;
        assert!(twice.starts_with("error "), "{twice}");
        let late = token().await;
        ground.clock().advance(61_000);
        let late = other.asked(&format!("bind-with-token {late}")).await;
        assert!(late.starts_with("error "), "{late}");
        for id in ["o1", "o2"] {
            sys.put(&format!("/Observation/{id}"), &observation(id, "jane"))
                .await;
        }
        work(&node).await;
        for number in ["1", "2"] {
            let heard = socket.hear().await;
            let json = fhir::json::parse(heard.as_bytes(), &fhir::json::Limits::default()).unwrap();
            fhir::validate::validate(&json, fhir::definitions::Definitions::r4()).unwrap();
            let numbered = format!(r#""name":"event-number","valueString":"{number}""#);
            assert!(heard.contains(&numbered), "{heard}");
            assert!(heard.contains("\"value\":1.50"), "{heard}");
        }
        // The account is closed while the websocket is open: decided anew, it is told nothing.
        sys.put("/Observation/o3", &observation("o3", "jane")).await;
        node.store.close_account("sys").await.unwrap();
        work(&node).await;
        let sub = node.store.sub("s").await.unwrap().unwrap();
        assert_eq!(sub.state, store::subscriptions::SubState::Error);
        node.store.clone().close().await;
    });
}

#[test]
fn a_websocket_that_says_too_much_at_once_is_closed() {
    on_each_database(async |ground| {
        let (node, _) = ready(ground).await;
        let served = Served::open(&node).await;
        let mut socket = served.socket(&[]).await.unwrap();
        socket.say(&"x".repeat(8192)).await;
        assert_eq!(socket.hear().await, "");
        node.store.clone().close().await;
    });
}

#[test]
fn a_websocket_whose_subscription_asks_for_xml_is_told_in_xml() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let served = Served::open(&node).await;
        let channel = format!(
            r#","payload":"application/fhir+xml","_payload":{{"extension":[{{"url":"{BACKPORT}payload-content","valueCode":"id-only"}}]}}"#
        );
        let topic = "http://127.0.0.1:8080/fhir/SubscriptionTopic/Observation";
        let made = sys
            .put("/Subscription/s", &by_websocket(topic, &channel))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        let mut socket = served.socket(&[bearer(&sys)]).await.unwrap();
        let handshake = socket.asked("bind s").await;
        assert!(
            handshake.contains("<valueCode value=\"handshake\"/>"),
            "{handshake}"
        );
        sys.put("/Observation/o1", &observation("o1", "jane")).await;
        work(&node).await;
        let heard = socket.hear().await;
        assert!(
            heard.contains("<valueCode value=\"event-notification\"/>")
                && heard.contains("/Observation/o1"),
            "{heard}"
        );
        node.store.clone().close().await;
    });
}
