//! Rules on the files themselves.

use super::tracked_files;

/// Past this a file is split; short of it, past `LINES_WISHED`, it is only named.
const LINES_MAX: usize = 600;
const LINES_WISHED: usize = 400;

fn rust_files() -> Vec<(String, String)> {
    let files: Vec<_> = tracked_files()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .collect();
    assert!(!files.is_empty());
    files
}

#[test]
fn the_wall_clock_is_read_in_one_file() {
    // Put together, so that this file does not name them.
    let calls = [
        "System",
        "Utc::",
        "Local::",
        "Timestamp::",
        "Zoned::",
        "OffsetDateTime::",
    ]
    .map(|kind| format!("{kind}{}now", if kind == "System" { "Time::" } else { "" }));
    for (path, text) in rust_files() {
        let may = path == "crates/store/src/clock.rs" || !path.starts_with("crates/");
        let found = calls.iter().find(|call| text.contains(call.as_str()));
        assert!(
            may || found.is_none(),
            "{path} reads the clock ({})",
            found.unwrap()
        );
    }
}

#[test]
fn modules_stand_beside_their_folders_and_stay_short() {
    for (path, text) in rust_files() {
        assert!(
            !path.ends_with("/mod.rs"),
            "{path}: name the file after its module"
        );
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{path} has {lines} lines: split it");
        if lines > LINES_WISHED {
            eprintln!("note: {path} has {lines} lines (wished: at most {LINES_WISHED})");
        }
    }
}

#[test]
fn nothing_unfinished_is_left() {
    let marks = ["to", "unimplemen"]
        .map(|half| format!("{half}{}!(", if half == "to" { "do" } else { "ted" }));
    for (path, text) in rust_files() {
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{path} holds a {mark})");
        }
    }
}

#[test]
fn glob_imports_are_for_tests_only() {
    for (path, text) in rust_files() {
        let in_tests = path.starts_with("tests/") || path.contains("/tests");
        let before_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
        let glob = before_tests.lines().find(|line| {
            let line = line.trim_start();
            (line.starts_with("use ") || line.starts_with("pub use ")) && line.contains("::*")
        });
        assert!(
            in_tests || glob.is_none(),
            "{path}: {}",
            glob.unwrap_or_default()
        );
    }
}

/// SQL in one crate only: a statement's opening words elsewhere are a slip.
#[test]
fn sql_is_written_in_the_store_only() {
    let words = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE "];
    for (path, text) in rust_files() {
        let may = path.starts_with("crates/store/") || !path.starts_with("crates/");
        for word in words {
            assert!(may || !text.contains(word), "{path} holds SQL ({word})");
        }
    }
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let folders = ["work", "root", "tmp", "home"].map(|name| format!("/{name}/"));
    let hosts = [
        ["registry", "npmjs"],
        ["pypi", "org"],
        ["pythonhosted", "org"],
        ["static.crates", "io"],
        ["deb.debian", "org"],
    ]
    .map(|parts| parts.join("."));
    for (path, text) in tracked_files() {
        if path == "Cargo.lock" {
            continue;
        }
        for folder in &folders {
            let at = text
                .match_indices(folder.as_str())
                .find(|(at, _)| starts_a_path(&text, *at));
            assert!(at.is_none(), "{path} names a machine's folder {folder}");
        }
        for host in &hosts {
            assert!(
                !text.contains(host.as_str()),
                "{path} names a registry, {host}"
            );
        }
    }
}

/// A folder begins a path after a quote or a space; after a host's name it is within an address.
fn starts_a_path(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|text| text.chars().next_back());
    before.is_none_or(|before| before.is_whitespace() || "\"'`(=:,<".contains(before))
}
