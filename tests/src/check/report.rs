//! The report in a real browser.

use std::process::Command;

use super::Checked;
use crate::setting::{assets, root};

/// axe finds nothing at three widths, nothing is loaded from outside, and there is a picture of it in `target`.
pub fn is_accessible(checked: &Checked) {
    let output = Command::new("node")
        .arg(root().join("tests/clients/check-report.mjs"))
        .env("HANDOVER_ASSETS", assets())
        .env("HANDOVER_TEST_REPORT", checked.html())
        .env(
            "HANDOVER_TEST_PICTURE",
            root().join("target/check-report.png"),
        )
        .output()
        .unwrap();
    let told = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&told)
    );
}
