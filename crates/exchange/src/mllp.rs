//! The HL7 v2 door: MLLP in. Each message is kept raw and answered only once that is durable; what
//! it means is the worker's business (`intake`).
//!
//! Invariant: an AA leaves only after the message is on disk. Invariant: whatever comes, something is
//! answered, or the connection is closed. Invariant: connections, bytes and waiting are bounded.

mod connection;
mod door;
mod sender;
mod sieve;
#[cfg(test)]
mod tests;
pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use connection::Connection;
pub use door::Door;
pub use sender::Sender;

/// How long the other end may take to agree on TLS.
const HANDSHAKE_SECONDS_MAX: u64 = 15;

/// Bounds of the door.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Connections at once; more are closed at once.
    pub connections_max: usize,
    /// Bytes of one message, without the documents that are taken out of it.
    pub message_bytes_max: usize,
    /// Messages of more than 1 MiB that may be under way at once, over all connections.
    pub large_messages_max: usize,
    /// How long a connection may say nothing between messages. Feeds stay open over quiet nights.
    pub idle_seconds: u64,
    /// How long a message that has begun may take to end.
    pub message_seconds: u64,
    /// How long the sender may take to read an answer.
    pub answer_seconds: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            connections_max: 256,
            message_bytes_max: 32 * 1024 * 1024,
            large_messages_max: 8,
            idle_seconds: 24 * 3600,
            message_seconds: 60,
            answer_seconds: 30,
        }
    }
}

/// Serves a door on a listener, in TLS where that is given, until `stop` says true, then lets what is
/// under way end. Many listeners may serve one door.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    door: Arc<Door>,
    settings: Settings,
    mut stop: watch::Receiver<bool>,
) {
    let tls = tls.map(TlsAcceptor::from);
    let places = Arc::new(Semaphore::new(settings.connections_max));
    let large = Arc::new(Semaphore::new(settings.large_messages_max.max(1)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        // Those that have ended are let go of.
        while connections.try_join_next().is_some() {}
        let (stream, peer): (_, SocketAddr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of files, say: wait for some to be free.
                tracing::warn!(%error, "no HL7 v2 connection could be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!(%peer, "too many HL7 v2 connections");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let connection = Connection::new(door.clone(), settings, large.clone());
        let (stop, tls) = (stop.clone(), tls.clone());
        connections.spawn(async move {
            match tls {
                None => connection.run(stream, stop).await,
                Some(tls) => {
                    let within = Duration::from_secs(HANDSHAKE_SECONDS_MAX);
                    match tokio::time::timeout(within, tls.accept(stream)).await {
                        Ok(Ok(stream)) => connection.run(stream, stop).await,
                        Ok(Err(error)) => {
                            tracing::warn!(%peer, %error, "an HL7 v2 connection was refused");
                        }
                        Err(_) => tracing::warn!(%peer, "an HL7 v2 connection said nothing"),
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Returns once stopping has been asked for (or nobody is left to ask).
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
