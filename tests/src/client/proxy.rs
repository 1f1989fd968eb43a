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
}

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
        for (from, to) in [(&near, &far), (&far, &near)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            open.push(from.try_clone().unwrap());
            let state = self.clone();
            thread::spawn(move || state.copy(from, to));
        }
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = [0; 16 * 1024];
        while let Ok(read) = from.read(&mut piece) {
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
