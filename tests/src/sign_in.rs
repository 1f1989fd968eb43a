//! Sign-in by other systems: a node with its settings for NHS login and for staff identities, against a real OpenID
//! provider that is set up like them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::node::neighbourhood::{Neighbourhood, PRACTICE};
use crate::node::process::run;
use crate::setting::{assets, handover, root};

const ROLES: &str = r#"{"version": 1, "rows": [
    {"role": "R8000", "activities": ["B0380"], "grants": "clinician"},
    {"role": "R8010", "grants": "clerk"}
]}"#;

#[test]
fn p08_p09_p22_a10_people_sign_in_by_a_real_openid_provider() {
    let mut nodes = Neighbourhood::set_up(None);
    let folder = nodes.practice.folder.clone();
    let mut provider = Command::new("node")
        .arg(root().join("tests/clients/oidc-sign-in.mjs"))
        .env("HANDOVER_ASSETS", assets())
        .env(
            "HANDOVER_TEST_NODE",
            format!("http://{}", nodes.practice.pages),
        )
        .env("HANDOVER_TEST_FOLDER", &folder)
        .env("HANDOVER_TEST_ODS", PRACTICE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(provider.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with('{') {
        line.clear();
        assert!(
            said.read_line(&mut line).unwrap() > 0,
            "the provider did not start"
        );
    }
    let issuers: Value = serde_json::from_str(&line).unwrap();
    std::fs::write(folder.join("roles.json"), ROLES).unwrap();
    run(
        &folder,
        &[
            "roles",
            "sign",
            "--steward",
            "../steward",
            "--table",
            "roles.json",
        ],
    );
    let settings = folder.join("handover.toml");
    let mut text = std::fs::read_to_string(&settings).unwrap();
    for (section, issuer) in [
        ("nhs_login", &issuers["nhs_login"]),
        ("staff_oidc", &issuers["cis2"]),
    ] {
        text.push_str(&format!(
            "\n[{section}]\nissuer = {issuer}\nclient_id = \"node\"\nkey = \"client.pem\"\nkey_id = \"node-1\"\n"
        ));
    }
    std::fs::write(&settings, text).unwrap();
    nodes.practice.process.start();
    nodes.register_patient();
    provider.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let status = provider.wait().unwrap();
    assert!(
        status.success(),
        "the sign-ins failed; the node said:\n{}",
        nodes.practice.process.log()
    );
}

#[test]
fn p22_passkeys_work_in_a_real_browser_for_identities_proved_before() {
    const PASSWORD: &str = "a long made-up password";
    let mut nodes = Neighbourhood::set_up(None);
    let folder = nodes.practice.folder.clone();
    let settings = folder.join("handover.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let pages = nodes.practice.pages;
    // Browsers give passkeys to names only.
    let node = format!("http://localhost:{}", pages.port());
    let text = text.replace(
        &format!("public_url = \"http://{pages}\""),
        &format!("public_url = \"{node}\""),
    );
    let ways = "\n[sign_in]\nstaff = [\"passkey\", \"password\"]\npatients = [\"passkey\"]\n";
    std::fs::write(&settings, text + ways).unwrap();
    let mut adding = Command::new(handover())
        .args(["account", "add", "--username", "desk", "--name", "Desk"])
        .args(["--role", "clerk"])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed = adding.stdin.take().unwrap();
    writeln!(typed, "{PASSWORD}").unwrap();
    drop(typed);
    assert!(adding.wait().unwrap().success());
    nodes.practice.process.start();
    nodes.register_patient();
    let status = Command::new("node")
        .arg(root().join("tests/clients/passkeys.mjs"))
        .env("HANDOVER_ASSETS", assets())
        .env("HANDOVER_TEST_NODE", &node)
        .env("HANDOVER_TEST_PASSWORD", PASSWORD)
        .status()
        .unwrap();
    assert!(
        status.success(),
        "passkeys failed; the node said:\n{}",
        nodes.practice.process.log()
    );
    let listed = run(&folder, &["account", "sessions", "--username", "desk"]);
    assert!(listed.contains("signed in nowhere"), "{listed}");
}
