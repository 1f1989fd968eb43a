//! The one guarded HTTP client: only to addresses that the directory names, only over TLS pinned to
//! that member's certificates, with a bound on time and size. It follows no redirect.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use access::Ods;
use bytes::Bytes;
use fhir::date::Millis;
use fhir::problem::Problem;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use store::Clock;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clocks::Clocks;
use crate::directory::{Book, Member};
use crate::keys::Identity;
use crate::tls;
use crate::transport::{Answering, Failure, Transport};
use crate::wire::{BODY_BYTES_MAX, DIRECTORY_BYTES_MAX, Refusal};
use crate::witness::Witnessing;

const CONNECT_SECONDS_MAX: u64 = 5;
const REQUEST_SECONDS_MAX: u64 = 30;
/// Connections kept open for the next request, in all.
const KEPT_MAX: usize = 64;
/// Header: how many bytes of a content are held, and so where the next piece starts.
pub const HELD: &str = "upload-offset";

const DIRECTORY_PATH: &str = "/exchange/v1/directory";
const CHECKPOINTS_PATH: &str = "/exchange/v1/checkpoints";

type Sender = SendRequest<Full<Bytes>>;

/// Other addresses than the directory's, at which members are reached from here: lines that the demo can cut. Who is at
/// the other end is proved as ever.
#[derive(Clone)]
pub struct Ways(pub Arc<Way>);

/// Where to go for a member; `None` for where the directory says.
type Way = dyn Fn(&Ods) -> Option<SocketAddr> + Send + Sync;

impl fmt::Debug for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ways")
    }
}

/// Requests to neighbours over HTTP/1.1 and mutual TLS 1.3.
pub struct HttpTransport {
    identity: Arc<Identity>,
    book: Arc<Book>,
    clock: Clock,
    ways: Option<Ways>,
    /// Idle connections with the certificate pins that they were made under.
    kept: Mutex<HashMap<Ods, (Arc<Member>, Sender)>>,
    clocks: Clocks,
}

/// A request before it knows its host.
#[derive(Clone)]
struct Call {
    method: Method,
    path: String,
    start: Option<u64>,
    body: Bytes,
}

impl Call {
    fn new(method: Method, path: impl Into<String>, body: Bytes) -> Call {
        Call {
            method,
            path: path.into(),
            start: None,
            body,
        }
    }
}

impl HttpTransport {
    pub fn new(identity: Arc<Identity>, book: Arc<Book>, clock: Clock) -> HttpTransport {
        HttpTransport {
            identity,
            book,
            clock,
            ways: None,
            kept: Mutex::default(),
            clocks: Clocks::default(),
        }
    }

    /// Reaches members by these ways, where they lead to them.
    #[must_use]
    pub fn by(mut self, ways: Option<Ways>) -> HttpTransport {
        self.ways = ways;
        self
    }

    /// A connection to a member, at the directory's address unless there is another way.
    async fn tcp(&self, to: &Ods, host: &str, port: u16) -> std::io::Result<TcpStream> {
        match self.ways.as_ref().and_then(|ways| (ways.0)(to)) {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect((host, port)).await,
        }
    }

    /// One request. A connection that was kept may have been closed meanwhile: then once more on a
    /// new one, which is safe since every request may be sent again.
    async fn call(&self, to: &Ods, call: Call) -> Result<(Response<()>, Bytes), Failure> {
        checked(self.ask(to, call).await?)
    }

    /// Posts, for what the answer holds.
    fn post<'a>(&'a self, to: &'a Ods, path: &str, body: Bytes) -> Answering<'a, Bytes> {
        let call = Call::new(Method::POST, path, body);
        Box::pin(async move { Ok(self.call(to, call).await?.1) })
    }

    /// As `call`, whatever the answer's status.
    async fn ask(&self, to: &Ods, call: Call) -> Result<(Response<()>, Bytes), Failure> {
        let asked_at = self.clock.now();
        let Some(member) = self.book.member(to, asked_at) else {
            return Err(self.unlisted(to));
        };
        let kept = self.kept.lock().remove(to);
        if let Some((known, mut sender)) = kept
            && known == member
            && let Ok(answer) = in_time(exchange(&mut sender, &member, call.clone())).await
        {
            self.note_clock(to, &answer.0, asked_at);
            self.keep(to, member, sender);
            return Ok(answer);
        }
        let config = tls::client(&self.identity, self.book.clone(), self.clock.clone(), to);
        let mut sender = self.connect(to, &member, config).await?;
        let answer = in_time(exchange(&mut sender, &member, call)).await?;
        self.note_clock(to, &answer.0, asked_at);
        self.keep(to, member, sender);
        Ok(answer)
    }

    /// Asks for a newer directory where the present one has ended: on a connection of its own, which nothing else is sent on.
    async fn ask_keeper(&self, to: &Ods, call: Call) -> Result<(Response<()>, Bytes), Failure> {
        let Some(member) = self.book.listed(to) else {
            return Err(self.unlisted(to));
        };
        let asked_at = self.clock.now();
        let config = tls::for_directory(&self.identity, self.book.clone(), self.clock.clone(), to);
        let mut sender = self.connect(to, &member, config).await?;
        let answer = in_time(exchange(&mut sender, &member, call)).await?;
        self.note_clock(to, &answer.0, asked_at);
        Ok(answer)
    }

    /// Why a member is not reached.
    fn unlisted(&self, to: &Ods) -> Failure {
        match self.book.has_ended(self.clock.now()) {
            true => Failure::new(
                "The network's directory has ended. What waits leaves once a newer one is here.",
            ),
            false => Failure::new(format!("The directory does not list {to}.")),
        }
    }

    /// Notes what time it is there.
    fn note_clock(&self, peer: &Ods, answer: &Response<()>, asked_at: Millis) {
        let date = answer.headers().get(header::DATE);
        if let Some(date) = date.and_then(|it| it.to_str().ok()) {
            self.clocks.note(peer, date, (asked_at, self.clock.now()));
        }
    }

    fn keep(&self, to: &Ods, member: Arc<Member>, sender: Sender) {
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        if !sender.is_closed() {
            kept.insert(to.clone(), (member, sender));
        }
    }

    async fn connect(
        &self,
        to: &Ods,
        member: &Member,
        config: Result<ClientConfig, Problem>,
    ) -> Result<Sender, Failure> {
        let config = config.map_err(|problem| Failure::new(problem.message))?;
        let address = member.exchange.parse::<http::Uri>().ok();
        let host = address
            .as_ref()
            .and_then(|uri| uri.host())
            .map(str::to_string);
        let port = address
            .as_ref()
            .and_then(|uri| uri.port_u16())
            .unwrap_or(443);
        let Some(host) = host else {
            return Err(Failure::new(format!(
                "The directory's address of {to} does not read."
            )));
        };
        let limit = Duration::from_secs(CONNECT_SECONDS_MAX);
        let work = async {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            let tcp = self.tcp(to, bare, port).await.map_err(|error| {
                tracing::info!(%to, %error, "no connection");
                Failure::new("The other node cannot be reached.")
            })?;
            let _ = tcp.set_nodelay(true);
            let name = ServerName::try_from(bare.to_string())
                .map_err(|_| Failure::new("The directory's address is no host name."))?;
            let stream = TlsConnector::from(Arc::new(config))
                .connect(name, tcp)
                .await;
            let stream = stream.map_err(|error| {
                tracing::warn!(%to, %error, "no TLS");
                Failure::new("The other node's certificate, or ours there, is not the directory's.")
            })?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|_| Failure::new("The other node does not speak HTTP."))?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to a neighbour ended");
                }
            });
            Ok(sender)
        };
        let late = || Failure::new("The other node cannot be reached in time.");
        tokio::time::timeout(limit, work)
            .await
            .map_err(|_| late())?
    }
}

/// One request and its whole answer.
async fn exchange(
    sender: &mut Sender,
    member: &Member,
    call: Call,
) -> Result<(Response<()>, Bytes), Failure> {
    let broken = |error: hyper::Error| {
        tracing::info!(%error, "a request broke off");
        Failure::new("The connection broke off before the answer came.")
    };
    sender.ready().await.map_err(broken)?;
    let bytes_max = match call.path.starts_with(DIRECTORY_PATH) {
        true => DIRECTORY_BYTES_MAX,
        false => BODY_BYTES_MAX,
    };
    let request = request(member, call)?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, bytes_max)
        .collect()
        .await
        .map_err(|_| Failure::new("The answer broke off or is larger than the protocol allows."))?;
    Ok((Response::from_parts(parts, ()), body.to_bytes()))
}

async fn in_time<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let limit = Duration::from_secs(REQUEST_SECONDS_MAX);
    let late = || Failure::new("The other node did not answer in time.");
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| late())?
}

fn request(member: &Member, call: Call) -> Result<Request<Full<Bytes>>, Failure> {
    let host = member
        .exchange
        .trim_start_matches("https://")
        .trim_end_matches('/');
    let mut request = Request::builder()
        .method(call.method)
        .uri(call.path)
        .header(header::HOST, host)
        .header(header::ACCEPT, "application/json");
    request = match call.start {
        Some(start) => request
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(HELD, HeaderValue::from(start)),
        None => request.header(header::CONTENT_TYPE, "application/json"),
    };
    request
        .body(Full::new(call.body))
        .map_err(|_| Failure::new("The directory's address does not read."))
}

/// An answer that is no success, as a failure with the other side's sentence.
fn checked(answer: (Response<()>, Bytes)) -> Result<(Response<()>, Bytes), Failure> {
    let status = answer.0.status();
    if status == StatusCode::OK {
        return Ok(answer);
    }
    let told = serde_json::from_slice::<Refusal>(&answer.1)
        .ok()
        .map(|refusal| refusal.message);
    let told: Option<String> = told.map(|text| text.chars().take(300).collect());
    let sentence = match told {
        Some(told) => format!("The other node answered {}: {told}", status.as_u16()),
        None => format!("The other node answered {}.", status.as_u16()),
    };
    Err(Failure {
        sentence,
        status: Some(status.as_u16()),
    })
}

fn held(answer: &Response<()>) -> Result<u64, Failure> {
    let value = answer
        .headers()
        .get(HELD)
        .and_then(|value| value.to_str().ok());
    let held = value.and_then(|text| text.parse().ok());
    held.ok_or_else(|| Failure::new("The other node did not say how much it holds."))
}

impl Transport for HttpTransport {
    fn clocks(&self) -> Vec<(Ods, Millis)> {
        self.clocks.all()
    }

    fn parcels<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        self.post(to, "/exchange/v1/parcels", body)
    }

    fn takes<'a>(&'a self, to: &'a Ods) -> Answering<'a, Bytes> {
        let call = Call::new(Method::GET, "/exchange/v1/takes", Bytes::new());
        Box::pin(async move { Ok(self.call(to, call).await?.1) })
    }

    fn held<'a>(&'a self, to: &'a Ods, sha256: &'a str) -> Answering<'a, u64> {
        let path = format!("/exchange/v1/content/{sha256}");
        let call = Call::new(Method::HEAD, path, Bytes::new());
        Box::pin(async move { held(&self.call(to, call).await?.0) })
    }

    fn append<'a>(
        &'a self,
        to: &'a Ods,
        sha256: &'a str,
        start: u64,
        bytes: Bytes,
    ) -> Answering<'a, u64> {
        let path = format!("/exchange/v1/content/{sha256}");
        let call = Call {
            start: Some(start),
            ..Call::new(Method::PUT, path, bytes)
        };
        Box::pin(async move { held(&self.call(to, call).await?.0) })
    }

    fn receipts<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        self.post(to, "/exchange/v1/receipts", body)
    }

    fn preferences<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        self.post(to, "/exchange/v1/preferences", body)
    }

    fn record<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        self.post(to, "/exchange/v1/ask", body)
    }

    fn slots<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        self.post(to, "/exchange/v1/slots", body)
    }

    fn witness<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Witnessing> {
        let call = Call::new(Method::POST, CHECKPOINTS_PATH, body);
        Box::pin(async move {
            let answer = self.ask(to, call).await?;
            if answer.0.status() == StatusCode::CONFLICT {
                return text(answer.1).map(Witnessing::Seen);
            }
            text(checked(answer)?.1).map(Witnessing::Signed)
        })
    }

    fn witnessed<'a>(&'a self, to: &'a Ods) -> Answering<'a, String> {
        let call = Call::new(Method::GET, CHECKPOINTS_PATH, Bytes::new());
        Box::pin(async move { text(self.call(to, call).await?.1) })
    }

    fn directory<'a>(&'a self, to: &'a Ods, above: u64) -> Answering<'a, Option<String>> {
        let path = format!("{DIRECTORY_PATH}?above={above}");
        let call = Call::new(Method::GET, path, Bytes::new());
        Box::pin(async move {
            let answer = match self.book.has_ended(self.clock.now()) {
                false => self.ask(to, call).await?,
                true => self.ask_keeper(to, call).await?,
            };
            if answer.0.status() == StatusCode::NO_CONTENT {
                return Ok(None);
            }
            text(checked(answer)?.1).map(Some)
        })
    }
}

fn text(body: Bytes) -> Result<String, Failure> {
    String::from_utf8(body.into())
        .map_err(|_| Failure::answered("The other node's answer is not text."))
}
