//! ITK3 documents with real nodes as processes, over the NHS's own stand-in for MESH (PyPI `mesh-sandbox`).

mod cut_off;
mod example;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fhir::itk3::{Body, Message};
use fhir::json::Limits;

use crate::client::http::Client;
use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::faults::people::{account, form_token, password};
use crate::mesh::House;
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site, wait_for};
use crate::node::process::run;
use crate::opt_out::stand_in::{PASSWORD, SHARED_KEY, StandIn};

/// Mailboxes that the stand-in comes with.
const OURS: &str = "X26ABC1";
const THEIRS: &str = "X26ABC2";
const OTHER: &str = "X26ABC3";

/// Sets a node that does not run up for ITK3, and out of everybody else's directory.
fn set_up(site: &Site, url: &str, mailbox: &str, more: &str) {
    for (name, text) in [("mesh-password", PASSWORD), ("mesh-shared-key", SHARED_KEY)] {
        let path = site.folder.join("keys").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    let path = site.folder.join("handover.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str(&format!(
        "\n[sign_in]\nstaff = [\"password\"]\npatients = [\"password\"]\n\n[mesh]\nbase_url = \"{url}\"\n\
         mailbox = \"{mailbox}\"\n\n[itk3]\nenabled = true\ntelephone = \"0113 496 0000\"\n{more}"
    ));
    std::fs::write(&path, text).unwrap();
    let root = site.folder.parent().unwrap();
    let (alone, card) = (
        format!("{}.jws", site.ods),
        format!("{}/card.json", site.ods),
    );
    let sign = [
        "directory",
        "sign",
        "--steward",
        "steward",
        "--out",
        &alone,
        &card,
    ];
    run(root, &sign);
    std::fs::copy(root.join(&alone), site.folder.join("directory.jws")).unwrap();
    account(site, "ann", "Ann Secretary", "clerk");
}

/// The settings of one who sends to the practice's mailbox.
fn sends(look_seconds: u32) -> String {
    format!(
        "look_seconds = {look_seconds}\n\
         receiver = [{{ ods = \"{PRACTICE}\", mailbox = \"{THEIRS}\" }}]\n"
    )
}

/// Mailboxes at the stand-in, as others have them.
fn house(mesh: &StandIn, folder: &Path) -> House {
    House {
        address: mesh.address(),
        folder: folder.to_path_buf(),
        tls: false,
    }
}

fn signed_in(site: &Site) -> Client {
    let mut client = Client::new(site.pages);
    let answer = password(&mut client, "ann");
    assert_eq!(answer.status, 303, "{}", answer.text());
    client
}

/// Posts a form with the token of the page at `from`.
fn post(client: &mut Client, from: &str, to: &str, fields: &[(&str, &str)]) {
    let csrf = form_token(&client.get(from).unwrap());
    let mut all = vec![("csrf", csrf.as_str())];
    all.extend(fields);
    let answer = client.post_form(to, &all).unwrap();
    assert_eq!(answer.status, 303, "{to}: {}", answer.text());
}

/// Hands a letter over by HL7 v2.
fn send(site: &Site, id: &str) {
    let message = letter(HOSPITAL, PRACTICE, id, AMINA);
    let ack = Sender::connect(site.mllp).unwrap().send(&message).unwrap();
    assert_eq!(code(&ack), "AA");
}

/// The texts of one column, in order.
fn column(site: &Site, query: &str) -> Vec<String> {
    let rows = site.rows.texts(query).into_iter();
    rows.map(|row| row[0].clone().unwrap_or_default()).collect()
}

fn wait_for_states(site: &Site, table: &str, expected: &[&str]) {
    let query = format!("SELECT state FROM {table} ORDER BY number");
    let what = format!("{table} to be {expected:?}");
    wait_for(&what, 60, || {
        (column(site, &query) == expected).then_some(())
    });
}

/// Collects what waits in a mailbox, read.
fn collected(there: &House, mailbox: &str) -> Vec<Message> {
    let listed = there.client(mailbox, &["list"]);
    let ids = listed.as_array().unwrap().iter();
    ids.map(|id| {
        let file = there.folder.join("collected.xml").display().to_string();
        there.client(mailbox, &["fetch", id.as_str().unwrap(), &file]);
        let bytes = std::fs::read(&file).unwrap();
        fhir::itk3::read(&bytes, &Limits::default()).unwrap()
    })
    .collect()
}

/// The codes of the responses that wait in a mailbox.
fn codes(there: &House, mailbox: &str) -> Vec<String> {
    let messages = collected(there, mailbox).into_iter();
    let code = |message: Message| match message.body {
        Body::Response(response) => response.code,
        Body::Document(_) => panic!("a document was not expected"),
    };
    messages.map(code).collect()
}

#[test]
fn a_letter_goes_over_mesh_into_the_inbox_and_both_responses_come_back() {
    let mut nodes = Neighbourhood::set_up(None);
    let folder = tempfile::tempdir().unwrap();
    let mesh = StandIn::mesh_only(folder.path());
    set_up(&nodes.hospital, &mesh.url(), OURS, &sends(1));
    set_up(&nodes.practice, &mesh.url(), THEIRS, "look_seconds = 1\n");
    nodes.practice.process.start();
    nodes.register_patient();
    nodes.hospital.process.start();
    send(&nodes.hospital, "L1");
    wait_for_states(&nodes.hospital, "itk3_out", &["received"]);
    let mut theirs = signed_in(&nodes.practice);
    let inbox = wait_for("the letter in the inbox", 30, || {
        let page = theirs.get("/staff/inbox").unwrap().text();
        page.contains("TESTER").then_some(page)
    });
    assert!(inbox.contains("by MESH, not proved"), "{inbox}");
    let pid = &column(
        &nodes.practice,
        "SELECT CAST(pid AS TEXT) FROM parcel WHERE direction = 1",
    )[0];
    let item = format!("/staff/item/{pid}");
    let page = theirs.get(&item).unwrap().text();
    assert!(page.contains("not proved by a signature"), "{page}");
    assert!(page.contains("this is letter L1"), "{page}");
    post(&mut theirs, &item, &format!("{item}/file"), &[]);
    wait_for_states(&nodes.hospital, "itk3_out", &["accepted"]);
    let mut ours = signed_in(&nodes.hospital);
    let pid = &column(&nodes.hospital, "SELECT CAST(pid AS TEXT) FROM itk3_out")[0];
    let sent = ours.get(&format!("/staff/sent/{pid}")).unwrap().text();
    for told in [
        "Accepted there",
        "response 20013",
        "response 30001",
        "Handed over",
    ] {
        assert!(sent.contains(told), "{told}: {sent}");
    }
    let list = ours.get("/staff/worklist").unwrap().text();
    assert!(
        list.contains("Every ITK3 document that was sent is answered"),
        "{list}"
    );
    let status = run(&nodes.hospital.folder, &["itk3", "status"]);
    assert!(status.contains("accepted  1"), "{status}");
    // Both sides' traces are there, and no log names her.
    for site in [&nodes.hospital, &nodes.practice] {
        let lines = column(site, "SELECT COALESCE(query, '') FROM audit");
        assert!(lines.iter().any(|it| it.contains("itk3")), "{lines:?}");
        for canary in ["9990000018", "TESTER", "AMINA"] {
            assert!(!site.process.log().contains(canary), "{canary}");
        }
    }
    // A second letter, which is not theirs, comes back as such.
    send(&nodes.hospital, "L2");
    wait_for_states(&nodes.hospital, "itk3_out", &["accepted", "received"]);
    let pid = wait_for("the second letter in the inbox", 30, || {
        let query = "SELECT CAST(pid AS TEXT) FROM parcel WHERE direction = 1 AND document IS NOT NULL ORDER BY pid";
        column(&nodes.practice, query).get(1).cloned()
    });
    let item = format!("/staff/item/{pid}");
    let fields = [("reason", "not-our-patient"), ("note", "Ask Mr Hush")];
    post(&mut theirs, &item, &format!("{item}/return"), &fields);
    wait_for_states(&nodes.hospital, "itk3_out", &["accepted", "refused"]);
    let list = ours.get("/staff/worklist").unwrap().text();
    for told in [
        "Refused there",
        "30002",
        "Find the practice where the patient is registered now",
    ] {
        assert!(list.contains(told), "{told}: {list}");
    }
    // What a person wrote stays where it was written.
    assert!(!list.contains("Hush"), "{list}");
    post(
        &mut ours,
        "/staff/worklist",
        "/staff/worklist/itk3/2/settled",
        &[],
    );
    wait_for_states(&nodes.hospital, "itk3_out", &["accepted", "settled"]);
}
