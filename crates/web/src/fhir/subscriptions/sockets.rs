//! The websockets of those who are bound to subscriptions: who is bound to what, and the way from
//! the worker to them. A message counts as heard once it was written to the socket; until then the
//! event stays a row.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fhir::problem::{Kind, Problem};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

/// Websockets at a time.
const SOCKETS_MAX: usize = 256;
/// Websockets bound to one subscription.
const SOCKETS_A_SUBSCRIPTION: usize = 8;
/// Subscriptions that one websocket is bound to.
const SUBSCRIPTIONS_A_SOCKET: usize = 100;
/// Messages that wait for one websocket to be written to.
const WAITING_MAX: usize = 8;
/// How long a message may wait for that.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

/// All websockets of a node in this process.
pub struct Sockets {
    places: Arc<Semaphore>,
    bound: Mutex<HashMap<String, Vec<Bound>>>,
    next: AtomicU64,
    closing: watch::Sender<bool>,
}

/// A websocket bound to a subscription.
#[derive(Clone)]
struct Bound {
    socket: u64,
    to: mpsc::Sender<Said>,
}

/// A message for a websocket.
pub struct Said {
    pub text: Arc<str>,
    /// Told once it was written.
    pub heard: oneshot::Sender<()>,
}

/// One websocket's end of it.
pub struct Ear {
    pub number: u64,
    pub said: mpsc::Receiver<Said>,
    pub to: mpsc::Sender<Said>,
    pub closing: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Default for Sockets {
    fn default() -> Sockets {
        Sockets {
            places: Arc::new(Semaphore::new(SOCKETS_MAX)),
            bound: Mutex::default(),
            next: AtomicU64::new(1),
            closing: watch::channel(false).0,
        }
    }
}

impl Sockets {
    /// A place for one more websocket, if there is one.
    pub fn ear(&self) -> Option<Ear> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        let (to, said) = mpsc::channel(WAITING_MAX);
        Some(Ear {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            said,
            to,
            closing: self.closing.subscribe(),
            _place: place,
        })
    }

    /// Binds a websocket to a subscription.
    ///
    /// # Errors
    /// `TooCostly` where too many are bound.
    pub fn bind(&self, ear: &Ear, sub: &str) -> Result<(), Problem> {
        let mut bound = self.bound.lock();
        let own = |all: &Vec<Bound>| all.iter().any(|it| it.socket == ear.number);
        if bound.get(sub).is_some_and(own) {
            return Ok(());
        }
        let too_many = |message: &str| Err(Problem::new(Kind::TooCostly, message));
        if bound.values().filter(|all| own(all)).count() >= SUBSCRIPTIONS_A_SOCKET {
            return too_many("A websocket is bound to at most 100 subscriptions; open another.");
        }
        let all = bound.entry(sub.to_string()).or_default();
        if all.len() >= SOCKETS_A_SUBSCRIPTION {
            return too_many("At most 8 websockets are bound to one subscription.");
        }
        all.push(Bound {
            socket: ear.number,
            to: ear.to.clone(),
        });
        Ok(())
    }

    /// Whether a websocket is bound to that subscription.
    pub fn is_bound(&self, sub: &str) -> bool {
        self.bound.lock().contains_key(sub)
    }

    /// Whether that websocket is bound to any.
    pub fn binds(&self, socket: u64) -> bool {
        let bound = self.bound.lock();
        bound.values().flatten().any(|it| it.socket == socket)
    }

    /// Forgets a websocket.
    pub fn forget(&self, socket: u64) {
        self.bound.lock().retain(|_, all| {
            all.retain(|it| it.socket != socket);
            !all.is_empty()
        });
    }

    /// Says it to all who are bound; whether anybody heard. Who does not in time is bound no more.
    pub async fn say(&self, sub: &str, text: String) -> bool {
        let all = self.bound.lock().get(sub).cloned().unwrap_or_default();
        let text: Arc<str> = text.into();
        let heard = join_all(all.iter().map(|it| heard(it, text.clone()))).await;
        for (bound, heard) in all.iter().zip(&heard) {
            if !heard {
                self.forget(bound.socket);
            }
        }
        heard.contains(&true)
    }

    /// Closes all websockets.
    pub fn close(&self) {
        let _ = self.closing.send(true);
    }
}

async fn heard(bound: &Bound, text: Arc<str>) -> bool {
    let (heard, told) = oneshot::channel();
    let said = async {
        let said = Said { text, heard };
        bound.to.send(said).await.is_ok() && told.await.is_ok()
    };
    tokio::time::timeout(HEARD_WITHIN, said)
        .await
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_who_does_not_listen_is_bound_no_more_and_keeps_nobody_else_from_hearing() {
        let sockets = Sockets::default();
        let (deaf, mut ear) = (sockets.ear().unwrap(), sockets.ear().unwrap());
        sockets.bind(&deaf, "s").unwrap();
        sockets.bind(&ear, "s").unwrap();
        let hearing = async {
            let said = ear.said.recv().await.unwrap();
            said.heard.send(()).unwrap();
            said.text
        };
        let (anybody, text) = tokio::join!(sockets.say("s", "ping s".into()), hearing);
        assert!(anybody);
        assert_eq!(&*text, "ping s");
        assert!(!sockets.binds(deaf.number) && sockets.binds(ear.number));
        sockets.forget(ear.number);
        assert!(!sockets.is_bound("s"));
        assert!(!sockets.say("s", "ping s".into()).await);
    }

    #[test]
    fn websockets_and_what_they_are_bound_to_are_bounded() {
        let sockets = Sockets::default();
        let ears: Vec<Ear> = std::iter::from_fn(|| sockets.ear()).collect();
        assert_eq!(ears.len(), SOCKETS_MAX);
        for ear in &ears[..SOCKETS_A_SUBSCRIPTION] {
            sockets.bind(ear, "s").unwrap();
        }
        assert!(sockets.bind(&ears[SOCKETS_A_SUBSCRIPTION], "s").is_err());
        for number in 1..SUBSCRIPTIONS_A_SOCKET {
            sockets.bind(&ears[0], &format!("s{number}")).unwrap();
        }
        assert!(sockets.bind(&ears[0], "t").is_err());
        // Bound already: that is no second time.
        sockets.bind(&ears[0], "s").unwrap();
    }
}
