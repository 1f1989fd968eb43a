//! The rules of the code base, held as tests. docs/ARCHITECTURE.md says why each is one.

mod coverage;
mod crates;
mod documents;
mod safety;
mod sources;

use std::process::Command;

use crate::setting::root;

/// The text files that are committed (or about to be), by path from the root.
fn tracked_files() -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "git cannot list the files");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<_> = listed
        .lines()
        .filter_map(|path| {
            Some((
                path.to_owned(),
                std::fs::read_to_string(root().join(path)).ok()?,
            ))
        })
        .collect();
    assert!(
        files.len() > 50,
        "only {} files: the rules would be held against nothing",
        files.len()
    );
    files
}
