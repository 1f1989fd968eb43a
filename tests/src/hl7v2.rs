//! HL7 v2 at nodes as processes: one tells the other of a change, over TLS with certificates on both sides; and what was mapped is
//! mapped anew by a command.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::certificate::certificate;
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, Site, patient, wait_for};
use crate::node::ports::free_address;
use crate::node::process::{outcome, run};

fn add(site: &Site, settings: &str) {
    let path = site.folder.join("handover.toml");
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(settings.as_bytes()).unwrap();
}

/// The settings that name these files.
fn files(named: &[(&str, &Path)]) -> String {
    let line =
        |(name, path): &(&str, &Path)| format!("{name} = {:?}\n", path.display().to_string());
    named.iter().map(line).collect()
}

#[test]
fn a_change_is_told_over_tls_to_a_door_that_asks_for_a_certificate() {
    let mut nodes = Neighbourhood::set_up(None);
    let folder = tempfile::tempdir().unwrap();
    let made =
        |name: &str, authority: Option<&[PathBuf; 2]>| certificate(folder.path(), name, authority);
    let authority = made("authority", None);
    let server = made("server", Some(&authority));
    let client = made("client", Some(&authority));
    let door = free_address();
    add(
        &nodes.practice,
        &format!(
            "\n[[hl7v2.listener]]\nlisten = \"{door}\"\n{}",
            files(&[
                ("certificate", &server[0]),
                ("key", &server[1]),
                ("client_authorities", &authority[0]),
            ])
        ),
    );
    let destination = |name: &str, more: &str| {
        format!(
            "\n[[hl7v2.destination]]\nname = \"{name}\"\naddress = \"{door}\"\nsends = [\"ADT\"]\n{}{more}",
            files(&[("authorities", &authority[0])])
        )
    };
    let shown = files(&[("certificate", &client[0]), ("key", &client[1])]);
    add(&nodes.hospital, &destination("practice", &shown));
    // One that shows no certificate does not get in.
    add(&nodes.hospital, &destination("nobody", ""));
    nodes.practice.process.start();
    nodes.hospital.process.start();
    let created = nodes
        .hospital
        .client()
        .send_json("POST", "/fhir/Patient", &patient());
    assert_eq!(created.unwrap().status, 201);
    wait_for("the admission at the practice", 30, || {
        let came = "SELECT kind FROM hl7_message";
        let came = nodes.practice.rows.texts(came).pop()?;
        (came[0].as_deref() == Some("ADT^A28")).then_some(())
    });
    wait_for("the refusal", 30, || {
        let tried =
            "SELECT CAST(tries AS TEXT) FROM hl7_out WHERE destination = 'nobody' AND tries > 1";
        nodes.hospital.rows.texts(tried).pop()
    });
    assert_eq!(
        nodes
            .practice
            .rows
            .number("SELECT CAST(COUNT(*) AS TEXT) FROM hl7_message"),
        1
    );
    let told = "SELECT destination FROM hl7_out WHERE state = 'sent'";
    assert_eq!(
        nodes.hospital.rows.texts(told),
        [[Some("practice".to_owned())]]
    );
}

const LAYER: &str = r#"{
 "changes": [{"map": "PID[Patient]", "from": 8, "to": "gender", "take": false, "why": "it is not the gender"}],
 "rows": {"PID[Patient]": [{"from": 22, "to": "maritalStatus.text", "why": "it stands there"}]}
}"#;

/// An admission of the hospital's, with an address.
fn admission(id: &str, road: &str) -> String {
    format!(
        "MSH|^~\\&|PAS|{HOSPITAL}|HANDOVER|{HOSPITAL}|20240603090000||ADT^A28^ADT_A05|{id}|P|2.4\r\
         EVN|A28|20240603090000\r\
         PID|1||H1^^^{HOSPITAL}^MR~9990000018^^^NHS^NH||TESTER^AMINA||19510304|F|||{road}^^LEEDS^^LS1 1AA|||||||||||Single\r"
    )
}

fn mapped_anew(postgres: Option<&str>) {
    let mut nodes = Neighbourhood::set_up(postgres);
    let hospital = &mut nodes.hospital;
    hospital.process.start();
    let mut sender = Sender::connect(hospital.mllp).unwrap();
    for message in [
        admission("1", "1 ANY STREET"),
        admission("2", "2 OTHER ROAD"),
    ] {
        assert_eq!(code(&sender.send(&message).unwrap()), "AA");
    }
    wait_for("both to be mapped", 30, || {
        let mapped = "SELECT CAST(COUNT(*) AS TEXT) FROM hl7_message WHERE state = 'mapped'";
        (hospital.rows.number(mapped) == 2).then_some(())
    });
    let mapping = hospital.folder.join("mapping");
    std::fs::create_dir(&mapping).unwrap();
    std::fs::write(mapping.join("layer.json"), LAYER).unwrap();
    // Only one process has the file of SQLite; on PostgreSQL the node goes on.
    if postgres.is_none() {
        assert!(hospital.process.interrupt().success());
    }
    let folder = hospital.folder.clone();
    let replay = |more: &[&str]| {
        let first = ["hl7", "replay", "--application", "PAS", "--type", "ADT-A28"];
        run(&folder, &[&first, more].concat())
    };
    let told = replay(&["--mapping", "mapping"]);
    for part in [
        "Would be mapped anew: 2 messages; 1 would change something. Nothing was changed: --go does it.",
        "elements: 1 added, 0 changed, 1 removed",
        "  Patient.address: 1",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let (done, refused) = outcome(&folder, &["hl7", "replay", "--mapping", "mapping", "--go"]);
    assert!(!done, "what is tried is not done: {refused}");
    // The settings end with those of HL7 v2.
    add(hospital, "mapping = \"mapping\"\n");
    assert!(replay(&["--go"]).contains("Mapped anew: 2 messages; 1 changed something."));
    let again = replay(&["--go", "--patient", "9990000018"]);
    assert!(again.contains("2 messages; 0 changed something"), "{again}");
    assert!(replay(&["--patient", "9990000026"]).contains(" 0 messages;"));
    if postgres.is_none() {
        hospital.process.start();
    }
    let found = hospital.client().get("/fhir/Patient?identifier=9990000018");
    let found = found.unwrap().json();
    let patient = &found["entry"][0]["resource"];
    assert_eq!(patient["maritalStatus"]["text"], "Single");
    assert_eq!(patient.get("gender"), None);
    assert_eq!(patient["address"][0]["line"][0], "2 OTHER ROAD");
}

#[test]
fn messages_are_mapped_anew_by_command_on_sqlite() {
    mapped_anew(None);
}

#[test]
fn messages_are_mapped_anew_by_command_beside_the_node_on_postgresql() {
    if let Some(url) = store::testing::postgres_url() {
        mapped_anew(Some(&url));
    }
}
