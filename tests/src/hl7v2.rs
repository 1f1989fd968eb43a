//! HL7 v2 between two nodes as processes: one tells the other of a change, over TLS with certificates on both sides.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::certificate::certificate;
use crate::node::neighbourhood::{Neighbourhood, Site, patient, wait_for};
use crate::node::process::free_address;

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
