//! A TCP link between two nodes that can be cut, slowed, and broken in the middle of what it carries.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The link; dropping it cuts it for good.
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    to: SocketAddr,
    cut: AtomicBool,
    ended: AtomicBool,
    delay_ms: AtomicU64,
    /// Connections being carried, to be broken by `cut`.
    open: Mutex<Vec<TcpStream>>,
    carried_bytes: AtomicU64,
    /// Answers are held once a connection has carried so much outwards; 0: none are.
    held_after_bytes: AtomicU64,
    /// Whether one is held.
    held: AtomicBool,
}

/// What one connection has carried outwards.
type Outwards = Arc<AtomicU64>;

impl Proxy {
    /// A link from a free loopback port to `to`.
    pub fn start(to: SocketAddr) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            to,
            cut: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            open: Mutex::new(Vec::new()),
            carried_bytes: AtomicU64::new(0),
            held_after_bytes: AtomicU64::new(0),
            held: AtomicBool::new(false),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.ended.load(Ordering::SeqCst) {
                    break;
                }
                shared.carry(stream);
            }
        });
        Proxy { address, state }
    }

    /// Breaks what is being carried, and everything after, until `mend`.
    pub fn cut(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
        self.break_connections();
    }

    pub fn mend(&self) {
        self.state.cut.store(false, Ordering::SeqCst);
    }

    /// Breaks what is being carried; new connections go through.
    pub fn break_connections(&self) {
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Holds each piece back by this long, both ways.
    pub fn delay(&self, delay: Duration) {
        self.state
            .delay_ms
            .store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Holds the answers of each connection that has carried so many bytes outwards: more than it takes to begin one, so
    /// that a request is under way. `None`: no longer, and what was held breaks.
    pub fn hold_answers(&self, after_bytes: Option<u64>) {
        let after_bytes = after_bytes.unwrap_or(0);
        self.state
            .held_after_bytes
            .store(after_bytes, Ordering::SeqCst);
        self.state.held.store(false, Ordering::SeqCst);
        // What open connections have carried before is of no account.
        self.break_connections();
    }

    /// Whether a request is under way whose answer would be held.
    pub fn holds_an_answer(&self) -> bool {
        self.state.held.load(Ordering::SeqCst)
    }

    pub fn carried_bytes(&self) -> u64 {
        self.state.carried_bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.cut();
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn carry(self: &Arc<Self>, near: TcpStream) {
        if self.cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(far) = TcpStream::connect_timeout(&self.to, Duration::from_secs(2)) else {
            return;
        };
        let mut open = self.open.lock().unwrap();
        let sent = Outwards::default();
        for (from, to, outwards) in [(&near, &far, true), (&far, &near, false)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            open.push(from.try_clone().unwrap());
            let (state, sent) = (self.clone(), sent.clone());
            thread::spawn(move || state.copy(from, to, (&sent, outwards)));
        }
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, (sent, outwards): (&Outwards, bool)) {
        let mut piece = [0; 16 * 1024];
        while let Ok(read) = from.read(&mut piece) {
            if outwards {
                sent.fetch_add(read as u64, Ordering::SeqCst);
            }
            let is_held = || {
                let after = self.held_after_bytes.load(Ordering::SeqCst);
                after > 0 && sent.load(Ordering::SeqCst) >= after
            };
            if is_held() {
                self.held.store(true, Ordering::SeqCst);
            }
            // Nothing comes back any more: who waits for it is to be broken off.
            while !outwards && read > 0 && is_held() && !self.ended.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
            let delay = self.delay_ms.load(Ordering::SeqCst);
            thread::sleep(Duration::from_millis(delay));
            if read == 0 || to.write_all(&piece[..read]).is_err() {
                break;
            }
            self.carried_bytes.fetch_add(read as u64, Ordering::SeqCst);
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}

#[test]
fn a_cut_link_breaks_what_it_carries_and_a_mended_one_carries_again() {
    let far = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let proxy = Proxy::start(far.local_addr().unwrap());
    let mut near = TcpStream::connect(proxy.address).unwrap();
    near.write_all(b"hello").unwrap();
    let (mut received, _) = far.accept().unwrap();
    let mut bytes = [0; 5];
    received.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    proxy.cut();
    assert!(near.read(&mut bytes).is_ok_and(|read| read == 0) || near.write_all(b"x").is_err());
    proxy.mend();
    let mut near = TcpStream::connect(proxy.address).unwrap();
    near.write_all(b"again").unwrap();
    let (mut received, _) = far.accept().unwrap();
    received.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"again");
}
