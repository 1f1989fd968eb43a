//! Serving HTTP on a listener: bounded connections, deadlines for slow ones, an orderly end.

mod certificates;
mod deadline;
mod limits;
mod pace;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::extract::connect_info::ConnectInfo;
use axum::middleware::{map_request, map_response};
use axum::response::Response;
use http::HeaderValue;
use http::header::STRICT_TRANSPORT_SECURITY;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceBuilder;

pub use certificates::ShownCertificates;
use deadline::Deadlines;
pub use limits::Limits;
use pace::Turn;

/// Read buffer of a connection, which bounds a request's head too.
const BUFFER_BYTES: usize = 64 * 1024;
/// For a year browsers ask for this host over TLS only, whatever a link or a person says.
const STRICTLY_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// How long open requests get to finish when the node stops.
const FAREWELL_SECONDS: u64 = 5;

/// The certificate (DER) that a peer showed in its TLS handshake; an extension of each request on a
/// listener with mutual TLS.
#[derive(Clone, Debug)]
pub struct PeerCertificate(pub Arc<[u8]>);

/// Serves `router` until `stop` turns true or its sender is gone; then no new connection is taken,
/// and open requests get a few seconds to finish.
///
/// With `tls`, connections are TLS, and every answer says that there is no other way; what
/// certificate the peer showed is a `PeerCertificate`. What a client may take is in `limits`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let acceptor = tls.map(TlsAcceptor::from);
    let mut connections = JoinSet::new();
    loop {
        // The ends of connections are collected as they come, so that the set stays small.
        while connections.try_join_next().is_some() {}
        let taken = tokio::select! {
            taken = next(&listener, &places) => taken,
            () = told(&mut stop) => break,
        };
        let Some((stream, address, place)) = taken else {
            continue;
        };
        let idle = limits.idle_with(places.available_permits());
        let limits = Limits { idle, ..limits };
        let (router, acceptor, stop) = (router.clone(), acceptor.clone(), stop.clone());
        connections.spawn(async move {
            connection(stream, address, router, acceptor, (limits, stop)).await;
            drop(place);
        });
    }
    drop(listener);
    let farewell = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(FAREWELL_SECONDS), farewell).await;
}

/// For a listener that only a proxy on this machine reaches: the client's address is the last one
/// that the proxy wrote into `X-Forwarded-For`, which the client cannot choose. `over_tls` says
/// whether the proxy is asked over TLS; then every answer says that there is no other way.
pub fn behind_proxy(router: Router, over_tls: bool) -> Router {
    let router = match over_tls {
        true => router.layer(map_response(async |mut response: Response| {
            say_strictly_tls(response.headers_mut());
            response
        })),
        false => router,
    };
    router.layer(map_request(async |mut request: Request| {
        let forwarded = request
            .headers()
            .get_all("x-forwarded-for")
            .iter()
            .next_back();
        let client = forwarded
            .and_then(|header| header.to_str().ok())
            .and_then(|header| header.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
        if let Some(client) = client {
            let client = ConnectInfo(SocketAddr::new(client, 0));
            request.extensions_mut().insert(client);
        }
        request
    }))
}

fn say_strictly_tls(headers: &mut http::HeaderMap) {
    headers.insert(STRICT_TRANSPORT_SECURITY, STRICTLY_TLS);
}

/// Returns when the node is to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, address, place)),
        Err(cause) => {
            // Out of file handles, mostly: waiting lets others close.
            tracing::warn!(%cause, "a connection could not be taken");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    (limits, stop): (Limits, watch::Receiver<bool>),
) {
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return requests(stream, (address, Reached::Plainly), router, limits, stop).await;
    };
    let handshake = acceptor.accept(stream);
    match tokio::time::timeout(limits.head, handshake).await {
        Ok(Ok(stream)) => {
            let certificate = stream
                .get_ref()
                .1
                .peer_certificates()
                .and_then(|all| all.first());
            let certificate = certificate.map(|it| PeerCertificate(Arc::from(it.as_ref())));
            let reached = (address, Reached::ByTls(certificate));
            requests(stream, reached, router, limits, stop).await;
        }
        Ok(Err(cause)) => tracing::info!(%address, %cause, "a TLS handshake failed"),
        Err(_) => tracing::info!(%address, "a TLS handshake took too long"),
    }
}

/// How a connection came.
enum Reached {
    Plainly,
    ByTls(Option<PeerCertificate>),
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    (address, reached): (SocketAddr, Reached),
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let by_tls = matches!(reached, Reached::ByTls(_));
    let certificate = match reached {
        Reached::ByTls(certificate) => certificate,
        Reached::Plainly => None,
    };
    let turn = Turn::default();
    let (begun, answered) = (turn.clone(), turn.clone());
    // Around the router as a whole: a layer of the router itself is a box around each route.
    let service = ServiceBuilder::new()
        .map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(address));
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            request.map(|body| begun.begin(limits, body))
        })
        .map_response(move |mut response: Response| {
            if by_tls {
                say_strictly_tls(response.headers_mut());
            }
            answered.answer(response)
        })
        .service(router);
    let stream = Deadlines::new(stream, &limits, turn);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Counted from the end of the last answer: the head's own limit is the stream's.
        .header_read_timeout(limits.idle)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = told(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(cause) = outcome {
        tracing::debug!(%address, %cause, "a connection ended early");
    }
}

#[cfg(test)]
mod tests;
