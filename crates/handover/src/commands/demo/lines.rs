//! The lines between the neighbourhood's nodes: for each direction a relay on loopback, which can be cut and mended.
//!
//! A cut line is a closed socket: nobody listens there any more, and what was open breaks off. The nodes know nothing of
//! it but what the network tells them.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use access::Ods;
use anyhow::Context as _;
use exchange::Ways;
use parking_lot::Mutex;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// Connections on one line at a time.
const CONNECTIONS_MAX: usize = 32;

/// From whom to whom, by ODS code.
type Direction = (String, String);

/// All lines.
pub struct Lines {
    by: Mutex<HashMap<Direction, Line>>,
}

/// One direction.
struct Line {
    /// The exchange of the node at the end.
    to: SocketAddr,
    /// Where it begins now, or began before it was cut.
    from: SocketAddr,
    relay: Option<JoinHandle<()>>,
}

impl Lines {
    /// Lines from each of these to each other; none is up yet.
    pub fn between(nodes: &[(Ods, SocketAddr)]) -> Arc<Lines> {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let mut by = HashMap::new();
        for (from, _) in nodes {
            for (to, address) in nodes.iter().filter(|(to, _)| to != from) {
                let line = Line {
                    to: *address,
                    from: nowhere,
                    relay: None,
                };
                by.insert((from.to_string(), to.to_string()), line);
            }
        }
        Arc::new(Lines { by: Mutex::new(by) })
    }

    /// The ways that a node goes by.
    pub fn ways_from(self: &Arc<Lines>, from: &Ods) -> Ways {
        let (lines, from) = (self.clone(), from.to_string());
        Ways(Arc::new(move |to| {
            let by = lines.by.lock();
            by.get(&(from.clone(), to.to_string())).map(|it| it.from)
        }))
    }

    /// Puts a line up, or cuts it. What is so already stays so.
    ///
    /// # Errors
    /// If no port can be listened on.
    pub async fn set(&self, from: &str, to: &str, up: bool) -> anyhow::Result<()> {
        let direction = (from.to_owned(), to.to_owned());
        if !up {
            self.cut(&direction);
            return Ok(());
        }
        if self
            .by
            .lock()
            .get(&direction)
            .is_none_or(|it| it.relay.is_some())
        {
            return Ok(());
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("a line between two nodes")?;
        let begins = listener.local_addr()?;
        let mut by = self.by.lock();
        if let Some(line) = by.get_mut(&direction)
            && line.relay.is_none()
        {
            line.from = begins;
            line.relay = Some(tokio::spawn(relay(listener, line.to)));
        }
        Ok(())
    }

    fn cut(&self, direction: &Direction) {
        let relay = self
            .by
            .lock()
            .get_mut(direction)
            .and_then(|it| it.relay.take());
        if let Some(relay) = relay {
            // Ends the listener and all connections with it.
            relay.abort();
        }
    }

    /// Cuts all.
    pub fn end(&self) {
        let directions: Vec<Direction> = self.by.lock().keys().cloned().collect();
        for direction in &directions {
            self.cut(direction);
        }
    }
}

async fn relay(listener: TcpListener, to: SocketAddr) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        connections.spawn(async move {
            if let Err(cause) = carry(stream, to).await {
                tracing::debug!(%cause, "a connection on a line ended");
            }
            drop(place);
        });
    }
}

async fn carry(mut from: TcpStream, to: SocketAddr) -> io::Result<()> {
    let mut to = TcpStream::connect(to).await?;
    let _ = (from.set_nodelay(true), to.set_nodelay(true));
    copy_bidirectional(&mut from, &mut to).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_cut_line_refuses_and_breaks_off_what_was_open_and_a_mended_one_carries_again() {
        let end = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (a, b) = (Ods::parse("RZZ01").unwrap(), Ods::parse("Z99001").unwrap());
        let address = end.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = end.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let lines = Lines::between(&[(a.clone(), address), (b.clone(), address)]);
        lines.set("RZZ01", "Z99001", true).await.unwrap();
        let way = || (lines.ways_from(&a).0)(&b).unwrap();
        let mut open = TcpStream::connect(way()).await.unwrap();
        open.write_all(b"x").await.unwrap();
        assert_eq!(open.read_u8().await.unwrap(), b'x');
        lines.set("RZZ01", "Z99001", false).await.unwrap();
        assert!(open.read_u8().await.is_err(), "what was open breaks off");
        assert!(TcpStream::connect(way()).await.is_err(), "nobody listens");
        lines.set("RZZ01", "Z99001", true).await.unwrap();
        let mut again = TcpStream::connect(way()).await.unwrap();
        again.write_all(b"y").await.unwrap();
        assert_eq!(again.read_u8().await.unwrap(), b'y');
        // The other direction was never up.
        assert!(
            TcpStream::connect((lines.ways_from(&b).0)(&a).unwrap())
                .await
                .is_err()
        );
    }
}
