//! Copies of whole nodes: taken while they serve, stolen from, and brought back.

mod bucket;
mod ransom;
mod theft;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site, wait_for};
use crate::node::process::run;
use crate::setting::handover;

/// A neighbourhood whose hospital is copied.
struct Copied {
    nodes: Neighbourhood,
    /// The parent of the nodes' folders.
    root: PathBuf,
}

/// Settings that keep copies in the folder `copies` beside the nodes'.
const INTO_FOLDER: &str = "folder = \"../copies\"\n";

impl Copied {
    /// Sets all up and starts it; `backup` is what [backup] says beside how often.
    fn start(postgres: Option<&str>, backup: &str) -> Copied {
        Copied::start_with(postgres, backup, |_| {})
    }

    /// As `start`; `prepare` gets the parent of the nodes' folders first.
    fn start_with(postgres: Option<&str>, backup: &str, prepare: impl FnOnce(&Path)) -> Copied {
        let mut nodes = Neighbourhood::set_up(postgres);
        let folder = &nodes.hospital.folder;
        let root = folder.parent().unwrap().to_path_buf();
        std::fs::create_dir(root.join("copies")).unwrap();
        std::fs::create_dir(root.join("safe")).unwrap();
        prepare(&root);
        let settings = folder.join("handover.toml");
        let mut text = std::fs::read_to_string(&settings).unwrap();
        write!(text, "\n[backup]\nevery_seconds = 1\n{backup}").unwrap();
        std::fs::write(&settings, text).unwrap();
        run(folder, &["backup", "key", "--out", "../safe/offline.key"]);
        nodes.practice.process.start();
        nodes.hospital.process.start();
        nodes.register_patient();
        Copied { nodes, root }
    }

    fn copies(&self) -> PathBuf {
        self.root.join("copies")
    }

    /// Waits until all that was acknowledged so far is in the copies.
    fn wait_for_copy(&self) {
        let now = store::Clock::system().now();
        wait_for("a copy with the last message", 60, || {
            (head(&self.nodes.hospital)? > now).then_some(())
        });
    }

    fn send(&self, id: &str) {
        let mut sender = Sender::connect(self.nodes.hospital.mllp).unwrap();
        let answer = sender.send(&letter(HOSPITAL, PRACTICE, id, AMINA)).unwrap();
        assert_eq!(code(&answer), "AA", "{answer}");
    }
}

/// When the last copy is of, in milliseconds since 1970.
fn head(site: &Site) -> Option<i64> {
    let rows = site
        .rows
        .texts("SELECT CAST(taken_at AS TEXT) FROM copy_head");
    rows.first()?.first()?.as_ref()?.parse().ok()
}

fn delivered(site: &Site) -> usize {
    let parcels = site.rows.parcels(true);
    let rows = parcels.values().flatten();
    rows.filter(|row| row.state == "delivered").count()
}

/// Runs a command, and gives whether it succeeded and all that it said.
fn command(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(handover())
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.success(), text)
}
