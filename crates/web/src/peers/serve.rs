//! The listener of the door: mutual TLS 1.3, bounds on connections and on time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use exchange::Exchange;
use fhir::problem::Problem;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::{PeerCertificate, peers_router};

/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 512;
const HANDSHAKE_SECONDS_MAX: u64 = 10;
const HEADER_SECONDS_MAX: u64 = 10;
/// One request from its headers to the end of its answer.
const REQUEST_SECONDS_MAX: u64 = 60;
/// Read buffer of a connection, which bounds the headers too.
const BUFFER_BYTES: usize = 32 << 10;
/// How long a stop waits for requests under way.
const STOP_SECONDS_MAX: u64 = 10;

/// Serves other nodes until `stopped` turns true.
///
/// # Errors
/// `Invalid` if this node's certificate and key cannot be used.
pub async fn serve_peers(
    listener: TcpListener,
    exchange: Arc<Exchange>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let acceptor = TlsAcceptor::from(Arc::new(exchange.server_tls()?));
    let router = peers_router(exchange);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    while !*stopped.borrow() {
        let Ok(permit) = room.clone().acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            () = stop(&mut stopped) => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, say: wait until some are free.
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = connection(stream, acceptor.clone(), router.clone(), stopped.clone());
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(STOP_SECONDS_MAX), all).await;
    Ok(())
}

async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// One connection from its handshake to its end.
async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let limit = Duration::from_secs(HANDSHAKE_SECONDS_MAX);
    let stream = match tokio::time::timeout(limit, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a neighbour's connection was refused");
            return;
        }
        Err(_) => {
            tracing::warn!("a neighbour's handshake took too long");
            return;
        }
    };
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let Some(certificate) = certificates.first() else {
        return;
    };
    let certificate = PeerCertificate(Arc::from(certificate.as_ref()));
    let service = router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(certificate.clone());
        request.map(axum::body::Body::new)
    });
    let service = tower::ServiceBuilder::new()
        .layer(tower_http::timeout::TimeoutLayer::with_status_code(
            http::StatusCode::REQUEST_TIMEOUT,
            Duration::from_secs(REQUEST_SECONDS_MAX),
        ))
        .service(service);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADER_SECONDS_MAX))
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop(&mut stopped) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a neighbour's connection ended early");
    }
}
