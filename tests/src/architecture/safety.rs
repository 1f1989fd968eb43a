//! The safety documents and the packaging name what there is.

use std::collections::BTreeSet;

use super::tracked_files;
use crate::setting::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_hazard_is_tied_to_a_test_that_there_is() {
    let mut tests = BTreeSet::new();
    for (path, text) in tracked_files() {
        let mut is_test = false;
        for line in text.lines().filter(|_| path.ends_with(".rs")) {
            let line = line.trim();
            match line
                .strip_prefix("async ")
                .unwrap_or(line)
                .strip_prefix("fn ")
            {
                Some(rest) if is_test => {
                    tests.extend(rest.split('(').next().map(str::to_owned));
                    is_test = false;
                }
                Some(_) => is_test = false,
                None => is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test"),
            }
        }
    }
    let log = read("docs/safety/hazards.md");
    let mut count = 0;
    for row in log.lines().filter(|line| line.starts_with("| H")) {
        count += 1;
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        assert!(cells[0].starts_with(&format!("H{count:02} ")), "{row}");
        let test = cells[3].trim_matches(['`', ' ']);
        assert!(
            tests.contains(test),
            "docs/safety/hazards.md ties {} to {test}, which is no test",
            cells[0]
        );
    }
    assert!(count >= 10);
}

#[test]
fn the_systemd_unit_names_the_real_binary_and_options_and_shuts_it_in() {
    let unit = read("packaging/handover.service");
    let lines: Vec<&str> = unit.lines().collect();
    let starts = lines
        .iter()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words: Vec<&str> = starts.unwrap().split(' ').collect();
    let [binary, command, option, settings] = words[..] else {
        panic!("{words:?}")
    };
    let program = binary.rsplit('/').next().unwrap();
    let manifest = read("crates/handover/Cargo.toml");
    assert!(manifest.contains(&format!("name = \"{program}\"")));
    let name = format!("{}{}", command[..1].to_uppercase(), &command[1..]);
    let main = read("crates/handover/src/main.rs");
    assert!(main.contains(&format!("    {name}(commands::{command}::{name})")));
    // clap derives the option from the field.
    let of_command = read(&format!("crates/handover/src/commands/{command}.rs"));
    let field = option.trim_start_matches('-').replace('-', "_");
    assert!(of_command.contains(&format!("    {field}: PathBuf")));
    assert!(of_command.contains("#[arg(long"));
    assert!(settings.ends_with("/handover.toml"));
    for needed in [
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "SystemCallFilter=@system-service",
        "UMask=0077",
        "LimitCORE=0",
    ] {
        assert!(lines.contains(&needed), "the unit lacks {needed}");
    }
}
