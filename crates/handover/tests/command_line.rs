//! What the binary says to who runs it. That this test is here makes cargo build the binary with the tests: once, and from
//! the same libraries as theirs.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect has failed"
)]

use std::process::{Command, Output};

fn handover(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handover"));
    command.args(arguments).output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_each_command_and_says_what_it_is_for() {
    let help = handover(&["--help"]);
    assert!(help.status.success());
    let text = said(&help.stdout);
    let (_, commands) = text.split_once("Commands:").unwrap();
    let (commands, _) = commands.split_once("Options:").unwrap();
    // A purpose may go on below, further to the right.
    let names = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let lines: Vec<&str> = commands.lines().filter(names).map(str::trim).collect();
    assert!(lines.len() > 25, "{text}");
    for line in lines {
        let (name, purpose) = line.split_once(' ').unwrap_or((line, ""));
        assert!(
            !purpose.trim().is_empty(),
            "{name} does not say what it is for"
        );
        let one = handover(&["help", name]);
        assert!(one.status.success(), "help {name}");
    }
}

#[test]
fn a_slip_of_the_keyboard_is_answered_with_what_was_meant() {
    let slip = handover(&["blueprnt"]);
    assert_eq!(slip.status.code(), Some(2));
    assert!(
        said(&slip.stderr).contains("blueprint"),
        "{}",
        said(&slip.stderr)
    );
}

#[test]
fn the_version_is_the_package_s() {
    let version = said(&handover(&["--version"]).stdout);
    assert_eq!(
        version.trim(),
        concat!("handover ", env!("CARGO_PKG_VERSION"))
    );
}
