//! How many connections each door takes: as many as its use asks for, and no more than leave the
//! process files for its store and for what it asks of others.

use web::serve::Limits;

/// Browsers and systems, most of them idle.
const PAGES: usize = 12_288;
/// Apps and systems with certificates.
const APPS: usize = 2048;
/// Other nodes: each holds one connection, seldom two.
const PEERS: usize = 1024;
/// Systems with a mailbox here.
const MESH: usize = 256;
/// What the system allows where it does not tell.
const FILES: usize = 1024;

/// The limits of the node's doors.
pub struct Places {
    pub pages: Limits,
    pub apps: Limits,
    pub peers: Limits,
    pub mesh: Limits,
}

impl Places {
    /// By what the system lets this process open.
    pub fn of_this_process() -> Places {
        let told = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Places::of(files_max(&told).unwrap_or(FILES))
    }

    /// Pages 5 of 8 files, apps and nodes 1 of 8 each at most; of the last of 8, systems with mailboxes
    /// a quarter, and the rest is the node's own.
    fn of(files: usize) -> Places {
        let eighth = files / 8;
        Places {
            pages: Limits::of(PAGES.min(eighth.saturating_mul(5))),
            apps: Limits::of(APPS.min(eighth)),
            peers: Limits::of(PEERS.min(eighth)),
            mesh: Limits::of(MESH.min(eighth / 4)),
        }
    }
}

/// The soft limit that Linux tells, in the line `Max open files  1024  524288  files`.
fn files_max(told: &str) -> Option<usize> {
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l02_each_door_has_a_bound_and_the_node_keeps_files_for_itself() {
        for (files, pages, apps, peers) in [
            (1024, 640, 128, 128),
            (20_000, 12_288, 2048, 1024),
            (usize::MAX, 12_288, 2048, 1024),
            (0, 1, 1, 1),
        ] {
            let places = Places::of(files);
            let found = [places.pages, places.apps, places.peers].map(|it| it.connections_max);
            assert_eq!(found, [pages, apps, peers], "{files}");
        }
        let told = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  524288  files\n";
        assert_eq!(files_max(told), Some(1024));
        assert_eq!(
            files_max("Max open files  unlimited  unlimited  files"),
            Some(usize::MAX)
        );
        assert_eq!(files_max("nothing of the kind"), None);
    }
}
