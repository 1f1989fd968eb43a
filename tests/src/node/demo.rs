//! The demo: eight nodes in one process, on ports of the test's own.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tempfile::TempDir;

use super::look::Rows;
use super::neighbourhood::wait_for;
use super::ports::free_ports;
use super::process::Process;

/// Ports that the demo takes from its base on.
const PORTS: u16 = 23;
/// Where the neighbourhood's own pages are, which are there once all nodes are.
const OWN: u16 = 9;

/// A demo with a data folder of its own.
pub struct Demo {
    pub process: Process,
    pub folder: TempDir,
    base_port: u16,
}

impl Demo {
    /// Without the two thousand people: most tests are about the hand-made ones.
    pub fn new() -> Demo {
        Demo::with(&["--people", "0"])
    }

    /// A demo with more arguments, not started yet.
    pub fn with(more: &[&str]) -> Demo {
        let folder = tempfile::tempdir().unwrap();
        let base_port = free_ports(PORTS);
        let data = folder.path().join("demo-data");
        let (base, data) = (base_port.to_string(), data.to_str().unwrap().to_owned());
        let arguments = [&["demo", "--base-port", &base, "--data", &data], more].concat();
        let pages = SocketAddr::from(([127, 0, 0, 1], base_port));
        let process = Process::new(folder.path(), &arguments, pages);
        Demo {
            process,
            folder,
            base_port,
        }
    }

    /// The demo plays a short day; its letters have crossed when this returns.
    pub fn wait_for_the_day(&self) {
        // The nodes start one after another; before that a store may have no tables yet.
        let last = SocketAddr::from(([127, 0, 0, 1], self.base_port + OWN));
        wait_for("the demo's own pages", 30, || TcpStream::connect(last).ok());
        let store = self.rows("practice");
        wait_for("letters in the demo's inbox", 30, || {
            let taken_in = store
                .parcels(false)
                .into_values()
                .flatten()
                .filter(|row| row.taken_in);
            (taken_in.count() >= 3).then_some(())
        });
    }

    /// Waits until no letter has come to the practice for some seconds: lists that change while they are clicked are no
    /// matter of these tests.
    pub fn wait_until_calm(&self) {
        let store = self.rows("practice");
        let (mut count, mut still) = (0, 0);
        wait_for("the day's letters", 60, || {
            let now = store.parcels(false).into_values().flatten().count();
            still = if now == count { still + 1 } else { 0 };
            count = now;
            std::thread::sleep(Duration::from_millis(500));
            (still >= 6).then_some(())
        });
    }

    /// The rows of one of the nodes.
    pub fn rows(&self, node: &str) -> Rows {
        Rows::Sqlite(
            self.folder
                .path()
                .join("demo-data")
                .join(node)
                .join("handover.sqlite"),
        )
    }

    pub fn hospital(&self) -> String {
        self.address(0)
    }

    pub fn practice(&self) -> String {
        self.address(1)
    }

    pub fn pharmacy(&self) -> String {
        self.address(2)
    }

    /// The neighbourhood's own pages.
    pub fn network(&self) -> String {
        self.address(OWN)
    }

    /// The hospital's port for HL7 v2.
    pub fn mllp(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base_port + 6))
    }

    fn address(&self, offset: u16) -> String {
        format!("http://127.0.0.1:{}", self.base_port + offset)
    }
}
