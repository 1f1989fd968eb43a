//! P06: a node that reaches nobody: no neighbour, no provider of identities.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::people::{account, form_token, sign_in_with_code, step_up};
use crate::client::http::Client;
use crate::node::neighbourhood::{Neighbourhood, Site, patient};
use crate::node::ports::free_address;
use crate::node::process::run;

const REASON: &str = "Found unconscious at home";

#[test]
fn p06_emergency_access_works_cut_off_from_everything_and_its_item_outlives_a_kill() {
    let mut nodes = Neighbourhood::set_up(None);
    // Nobody listens there, and neither link carries anything.
    let nowhere = free_address();
    nodes.to_hospital.cut();
    nodes.to_practice.cut();
    let site = &mut nodes.practice;
    let settings = site.folder.join("handover.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let more = format!(
        "\n[sign_in]\nstaff = [\"oidc\", \"password-totp\"]\n\n[access]\nrelationships = \"required\"\n\n\
         [staff_oidc]\nissuer = \"http://{nowhere}\"\nclient_id = \"node\"\nkey = \"client.pem\"\nkey_id = \"node-1\"\n"
    );
    provider_of_identities(site);
    std::fs::write(&settings, text + &more).unwrap();
    account(site, "bo", "Dr Bo Test", "clinician");
    account(site, "olu", "Olu Test", "privacy-officer");
    site.process.start();
    let registered = site
        .client()
        .send_json("POST", "/fhir/Patient", &patient())
        .unwrap();
    assert_eq!(registered.status, 201, "{}", registered.text());
    let amina = registered.json()["id"].as_str().unwrap().to_owned();

    let mut bo = Client::new(site.pages);
    let secret = sign_in_with_code(&mut bo, "bo");
    let record = format!("/staff/patient/{amina}");
    let before = bo.get(&record).unwrap();
    assert!(!before.text().contains("1951"), "{}", before.text());
    let page = format!("/staff/emergency-access/{amina}");
    step_up(&mut bo, &secret, &page);
    let csrf = form_token(&bo.get(&page).unwrap());
    let fields = [
        ("csrf", csrf.as_str()),
        ("code", "unable-to-ask"),
        ("reason", REASON),
    ];
    let opened = bo.post_form(&page, &fields).unwrap();
    assert_eq!(opened.status, 303, "{}", opened.text());
    // Before anything else could happen to what was queued.
    site.process.kill();
    site.process.start();
    let seen = bo.get(&record).unwrap();
    assert_eq!(seen.status, 200);
    assert!(seen.text().contains("TESTER"), "{}", seen.text());
    site.process.kill();
    site.process.start();

    let mut olu = Client::new(site.pages);
    sign_in_with_code(&mut olu, "olu");
    let list = olu.get("/staff/privacy").unwrap();
    assert_eq!(list.status, 200, "{}", list.text());
    for part in [REASON, "Dr Bo Test"] {
        assert_eq!(list.text().matches(part).count(), 1, "{}", list.text());
    }
    let looks = "SELECT CAST(COUNT(*) AS TEXT) FROM audit WHERE interaction = 'emergency-access' AND outcome = 'success'";
    assert_eq!(site.rows.number(looks), 1);
}

/// What the settings of the provider name: the node's key there, and what its roles grant.
fn provider_of_identities(site: &Site) {
    let key = site.folder.join("client.pem");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-out"])
        .arg(&key)
        .output();
    assert!(made.unwrap().status.success());
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&key, private).unwrap();
    let roles = r#"{"version": 1, "rows": [{"role": "R8000", "grants": "clinician"}]}"#;
    std::fs::write(site.folder.join("roles.json"), roles).unwrap();
    let sign = [
        "roles",
        "sign",
        "--steward",
        "../steward",
        "--table",
        "roles.json",
    ];
    run(&site.folder, &sign);
}
