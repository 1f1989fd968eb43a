//! The pages in a real headless Chromium: each file in `tests/browser` is run by node against a demo of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::node::demo::Demo;
use crate::setting::{assets, python_program, root};

const SCRIPT_SECONDS: u64 = 180;
/// What tests share, not a test.
const SHARED: [&str; 2] = ["people.mjs", "setting.mjs"];

fn scripts() -> Vec<PathBuf> {
    let listed = std::fs::read_dir(root().join("tests/browser")).unwrap();
    let mut scripts: Vec<PathBuf> = listed
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "mjs"))
        .filter(|path| !SHARED.contains(&path.file_name().unwrap().to_str().unwrap()))
        .collect();
    scripts.sort();
    scripts
}

#[test]
fn a13_pages_work_in_a_real_browser_and_run_nothing_from_outside() {
    let scripts = scripts();
    assert!(!scripts.is_empty(), "no browser tests");
    // All of them, so that one that fails hides none behind it.
    let failed: Vec<String> = scripts.iter().filter_map(|it| failure(it)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// Runs a script; what to say of it if it fails.
fn failure(script: &Path) -> Option<String> {
    let name = script.file_name().unwrap().to_string_lossy().into_owned();
    // `HANDOVER_TEST_SCRIPT=the-workbench` runs those alone whose names hold that.
    if std::env::var("HANDOVER_TEST_SCRIPT").is_ok_and(|only| !name.contains(&only)) {
        println!("browser: {name} skipped");
        return None;
    }
    println!("browser: {name}");
    let mut demo = Demo::new();
    demo.process.start();
    demo.wait_for_the_day();
    let began = Instant::now();
    let mut node = Command::new("node")
        .arg(script)
        .env("HANDOVER_ASSETS", assets())
        .env("HANDOVER_TEST_ROOT", root())
        .env("HANDOVER_TEST_PYTHON", python_program("python"))
        .env("HANDOVER_TEST_HOSPITAL", demo.hospital())
        .env("HANDOVER_TEST_PRACTICE", demo.practice())
        .env("HANDOVER_TEST_PHARMACY", demo.pharmacy())
        .env("HANDOVER_TEST_NETWORK", demo.network())
        .env("HANDOVER_TEST_MLLP", demo.mllp().port().to_string())
        .spawn()
        .unwrap();
    let status = loop {
        if let Some(status) = node.try_wait().unwrap() {
            break status;
        }
        if began.elapsed().as_secs() > SCRIPT_SECONDS {
            node.kill().unwrap();
            return Some(format!("{name} is not done after {SCRIPT_SECONDS} s"));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    (!status.success()).then(|| format!("{name} failed; the demo said:\n{}", demo.process.log()))
}
