//! One websocket (<https://hl7.org/fhir/R4/subscription.html#2.46.7.2>): `bind [id]` by one who
//! opened it with a bearer token, answered `bound [id]`, or the backport's `bind-with-token [token]`
//! (<https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets>), answered by
//! the handshake. A browser's cookies count for nothing here: they would come from any page.

use std::sync::Arc;
use std::time::Duration;

use access::Interaction;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fhir::problem::{Kind, Problem};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use store::subscriptions::{Sub, SubState, SubWrite};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::notice::{self, Notice};
use super::sockets::Ear;
use super::{tell, write};
use crate::fhir::operations::bulk_worker::scope_of;
use crate::node::{Node, WEBSOCKET_PATH};
use crate::secret::Secret;
use crate::visit::Visit;

/// The largest message taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Messages taken from one websocket.
const MESSAGES_MAX: u32 = 1000;
/// How long one lasts; the subscriber then opens another.
const LASTS: Duration = Duration::from_secs(12 * 3600);
/// How often it is asked whether somebody is still there.
const ALIVE_EVERY: Duration = Duration::from_secs(30);
/// How long nobody may answer, or be bound to anything.
const SILENT_MAX: Duration = Duration::from_secs(75);
/// How long writing a message may take.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// Where subscribers open websockets.
pub fn route(node: Arc<Node>) -> Router {
    Router::new()
        .route(WEBSOCKET_PATH, get(open))
        .with_state(node)
}

/// `GET /subscriptions/websocket`.
async fn open(
    State(node): State<Arc<Node>>,
    mut parts: Parts,
    upgrade: WebSocketUpgrade,
) -> Response {
    let proof = match parts.headers.remove(AUTHORIZATION) {
        Some(bearer) => {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, bearer);
            parts.headers = headers;
            match Visit::of(&node, &parts).await {
                Ok(_) => Some(parts),
                Err(problem) if problem.kind == Kind::Login => {
                    return refused(StatusCode::UNAUTHORIZED, &problem.message);
                }
                Err(_) => {
                    let message = "The node cannot say who you are just now; try again.";
                    return refused(StatusCode::SERVICE_UNAVAILABLE, message);
                }
            }
        }
        None => None,
    };
    let Some(ear) = node.subscriptions.sockets.ear() else {
        let message = "Too many websockets are open just now; try again later.";
        return refused(StatusCode::SERVICE_UNAVAILABLE, message);
    };
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let mut line = Line { node, proof, ear };
            line.talk(socket).await;
            line.node.subscriptions.sockets.forget(line.ear.number);
        })
}

fn refused(status: StatusCode, message: &str) -> Response {
    let mut response = (status, message.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

struct Line {
    node: Arc<Node>,
    /// The bearer token that it was opened with; looked at anew each time it counts.
    proof: Option<Parts>,
    ear: Ear,
}

impl Line {
    async fn talk(&mut self, mut socket: WebSocket) {
        let ends = Instant::now() + LASTS;
        let mut heard_at = Instant::now();
        let mut bound_at = Instant::now();
        let mut messages = 0;
        let mut alive = interval(ALIVE_EVERY);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = socket.recv() => {
                    heard_at = Instant::now();
                    messages += 1;
                    let asked = match message {
                        Some(Ok(Message::Text(text))) if messages < MESSAGES_MAX => text,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                            // Answers to our own pings are no messages of theirs.
                            messages -= 1;
                            continue;
                        }
                        _ => break,
                    };
                    for answer in self.asked(&asked).await {
                        if !written(&mut socket, Message::text(answer)).await {
                            return;
                        }
                    }
                }
                Some(said) = self.ear.said.recv() => {
                    let text = said.text.to_string();
                    if !self.is_proved().await || !written(&mut socket, Message::text(text)).await {
                        break;
                    }
                    let _ = said.heard.send(());
                }
                _ = alive.tick() => {
                    if self.node.subscriptions.sockets.binds(self.ear.number) {
                        bound_at = Instant::now();
                    }
                    let silent = heard_at.elapsed() > SILENT_MAX || bound_at.elapsed() > SILENT_MAX;
                    if silent || !written(&mut socket, Message::Ping(Default::default())).await {
                        break;
                    }
                }
                () = sleep_until(ends) => break,
                () = told(&mut self.ear.closing) => break,
            }
        }
        written(&mut socket, Message::Close(None)).await;
    }

    /// What is answered to a message.
    async fn asked(&self, text: &str) -> Vec<String> {
        let (verb, what) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let outcome = match verb.trim_end_matches(':') {
            "bind" => self.bind(what.trim()).await.map(|text| vec![text]),
            "bind-with-token" => self.bind_with_token(what.trim()).await,
            _ => {
                let message = "A websocket takes `bind [id]` and `bind-with-token [token]`.";
                Err(Problem::new(Kind::NotSupported, message))
            }
        };
        outcome.unwrap_or_else(|problem| {
            tracing::info!(?problem, "a websocket was not bound");
            vec![format!("error {}", problem.message)]
        })
    }

    async fn bind(&self, id: &str) -> Result<String, Problem> {
        let Some(parts) = &self.proof else {
            let message = "Open the websocket with a bearer token, or fetch a token by Subscription/$get-ws-binding-token and send `bind-with-token [token]`.";
            return Err(Problem::new(Kind::Login, message));
        };
        let visit = Visit::of(&self.node, parts).await?;
        let scope = visit
            .scope(&self.node, Interaction::Subscribe, "Subscription")
            .await?;
        let sub = bindable(&self.node, scope.agent().account, id).await?;
        self.bound(&sub).await
    }

    async fn bind_with_token(&self, token: &str) -> Result<Vec<String>, Problem> {
        let unknown = || Problem::new(Kind::Login, "The token is not, or no longer, good.");
        let digest = Secret::presented(token).ok_or_else(unknown)?.digest();
        let found = self.node.store.sub_token(digest).await?;
        let (account, ids) = found.ok_or_else(unknown)?;
        write(&self.node, SubWrite::Used { digest })
            .await
            .map_err(|_| unknown())?;
        let mut answers = Vec::with_capacity(ids.len());
        for id in &ids {
            // The account may have been closed since.
            scope_of(&self.node, account, (Interaction::Subscribe, id)).await?;
            let sub = bindable(&self.node, Some(account), id).await?;
            answers.push(self.bound(&sub).await?);
        }
        Ok(answers)
    }

    /// Binds it; what the subscriber is told of that.
    async fn bound(&self, sub: &Sub) -> Result<String, Problem> {
        self.node.subscriptions.sockets.bind(&self.ear, &sub.id)?;
        if sub.topic.is_empty() {
            return Ok(format!("bound {}", sub.id));
        }
        let handshake = notice::bundle(&self.node, sub, Notice::Handshake, &[], &[]);
        let (handshake, _) = tell::written(&self.node, sub, handshake.into()).await?;
        String::from_utf8(handshake.to_vec()).map_err(|error| {
            Problem::new(Kind::Exception, "The handshake cannot be written.").because(error)
        })
    }

    /// Whether the token that it was opened with is still good. Where there was none, whoever is told
    /// was bound by a token of an account, which the worker has looked at.
    async fn is_proved(&self) -> bool {
        match &self.proof {
            Some(parts) => Visit::of(&self.node, parts).await.is_ok(),
            None => true,
        }
    }
}

/// The subscription, if it is that account's and has a websocket to be told by. To everybody else it
/// does not exist.
pub(super) async fn bindable(node: &Node, account: Option<i64>, id: &str) -> Result<Sub, Problem> {
    let sub = node.store.sub(id).await?;
    let sub = sub.filter(|sub| Some(sub.account) == account && sub.channel == "websocket");
    let Some(sub) = sub else {
        let message = "You have no subscription of that id with a websocket.";
        return Err(Problem::new(Kind::NotFound, message));
    };
    match sub.state {
        SubState::Requested | SubState::Active => Ok(sub),
        SubState::Error | SubState::Off => {
            let message = "The subscription is in error or off; its `error` says why. Update it with status requested.";
            Err(Problem::new(Kind::BusinessRule, message))
        }
    }
}

/// Returns when the node closes all websockets.
async fn told(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn written(socket: &mut WebSocket, message: Message) -> bool {
    matches!(
        timeout(WRITTEN_WITHIN, socket.send(message)).await,
        Ok(Ok(()))
    )
}
