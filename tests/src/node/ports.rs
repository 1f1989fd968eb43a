//! Ports for processes that a test starts, ends and starts again at the same address.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;

/// Below those from which systems take the ports of outgoing connections: nobody's connection gets one in the meantime
/// and keeps it.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// The locks on this process's ports, held until it ends.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A loopback address whose port nobody has, and no other test gets as long as this one runs.
pub fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_ports(1)))
}

/// The first of so many ports that follow each other, each as [`free_address`] gives it.
pub fn free_ports(count: u16) -> u16 {
    loop {
        let first = rand::random_range(PORTS.start..PORTS.end - count);
        let locks: Option<Vec<File>> = (first..first + count).map(lock).collect();
        if let Some(locks) = locks {
            HELD.lock().unwrap().extend(locks);
            return first;
        }
    }
}

/// That it is free does not suffice: another test's process may be down for the moment, and comes back to it.
fn lock(port: u16) -> Option<File> {
    let folder = std::env::temp_dir().join("handover-test-ports");
    std::fs::create_dir_all(&folder).unwrap();
    let file = File::create(folder.join(port.to_string())).unwrap();
    file.try_lock().ok()?;
    TcpListener::bind(("127.0.0.1", port)).ok()?;
    Some(file)
}

#[test]
fn no_port_is_given_twice() {
    let first = free_ports(3);
    assert!((first..first + 3).all(|port| lock(port).is_none()));
    let other = free_address().port();
    assert!(!(first..first + 3).contains(&other));
}
