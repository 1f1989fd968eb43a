//! Admission, discharge and merge that come out of order: the record ends alike, and what was not applied is told.

use serde_json::Value;

use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, Site, wait_for};

/// The admission (A01), the discharge (A03) and the merge (A40) of the person of that number.
fn messages(person: usize) -> [String; 3] {
    let message = |kind: &str, at: &str, rest: &str| {
        format!(
            "MSH|^~\\&|PAS|{HOSPITAL}|HO|{HOSPITAL}|20260108120000||ADT^{kind}|{kind}P{person}|P|2.4\rEVN|{kind}|{at}\r{rest}"
        )
    };
    let pid = |address: &str| {
        format!("PID|1||N{person}^^^{HOSPITAL}^MR||TESTER^AMINA||19510304|F|||{address}\r")
    };
    let pv1 = |ward: &str, began: &str, ended: &str| {
        format!(
            "PV1|1|I|{ward}||||||||||||||||V{person}^^^{HOSPITAL}^VN|||||||||||||||||||||||||{began}|{ended}\r"
        )
    };
    [
        message(
            "A01",
            "20260105080000",
            &(pid("1 OLD STREET^^LEEDS") + &pv1("WARD5", "20260105080000", "")),
        ),
        message(
            "A03",
            "20260107090000",
            &(pid("2 NEW ROAD^^LEEDS") + &pv1("", "", "20260107090000")),
        ),
        message(
            "A40",
            "20260106100000",
            &format!("{}MRG|O{person}^^^{HOSPITAL}^MR\r", pid("")),
        ),
    ]
}

const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

/// A resource without what names the person, and the moment.
fn plain(resource: &Value, person: usize) -> Value {
    let mut plain = resource.clone();
    let elements = plain.as_object_mut().unwrap();
    for name in ["id", "meta", "subject", "link"] {
        elements.shift_remove(name);
    }
    let text = plain.to_string();
    let numbers = [
        (format!("\"N{person}\""), "\"N\""),
        (format!("\"O{person}\""), "\"O\""),
        (format!("\"V{person}\""), "\"V\""),
    ];
    let text = numbers
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to));
    serde_json::from_str(&text).unwrap()
}

fn found(site: &Site, path: &str) -> Value {
    let found = site.client().get(path).unwrap().json();
    assert_eq!(
        found["entry"].as_array().map(Vec::len),
        Some(1),
        "{path}: {found}"
    );
    found["entry"][0]["resource"].clone()
}

#[test]
fn admission_discharge_and_merge_end_with_the_same_record_in_every_order() {
    let mut nodes = Neighbourhood::set_up(None);
    let site = &mut nodes.hospital;
    site.process.start();
    let mut sender = Sender::connect(site.mllp).unwrap();
    for (person, order) in ORDERS.iter().enumerate() {
        let all = messages(person);
        for message in order.map(|n| &all[n]) {
            let answer = sender.send(message).unwrap();
            assert_eq!(code(&answer), "AA", "{answer}");
        }
    }
    wait_for("all to be mapped", 60, || {
        let query = "SELECT CAST(COUNT(*) AS TEXT) FROM hl7_message WHERE state = 'mapped'";
        (site.rows.number(query) == 18).then_some(())
    });
    let mut records = Vec::new();
    for person in 0..ORDERS.len() {
        let stays = found(site, &format!("/fhir/Patient?identifier=N{person}"));
        let given_up = found(site, &format!("/fhir/Patient?identifier=O{person}"));
        let id = stays["id"].as_str().unwrap();
        let visit = found(site, &format!("/fhir/Encounter?patient={id}"));
        assert_eq!(visit["status"], "finished", "{visit}");
        assert!(
            visit["period"]["start"].is_string() && visit["period"]["end"].is_string(),
            "{visit}"
        );
        assert_eq!(stays["address"][0]["line"][0], "2 NEW ROAD");
        assert_eq!(stays["link"][0]["type"], "replaces");
        assert_eq!(
            (&given_up["active"], &given_up["link"][0]["type"]),
            (&false.into(), &"replaced-by".into())
        );
        records.push([&stays, &given_up, &visit].map(|it| plain(it, person)));
    }
    assert!(records.iter().all(|it| *it == records[0]), "{records:#?}");
    // Where the admission came after the discharge, somebody is told what of it was not applied.
    let query = "SELECT control_id, reason FROM hl7_message WHERE work = 1 ORDER BY control_id";
    let stuck = site.rows.texts(query);
    let named: Vec<_> = stuck.iter().map(|it| it[0].clone().unwrap()).collect();
    assert_eq!(named, ["A01P2", "A01P3", "A01P5"]);
    for it in &stuck {
        let reason = it[1].as_ref().unwrap();
        assert!(
            reason.contains("Encounter.status") && reason.contains("Patient.address"),
            "{reason}"
        );
        assert!(!reason.contains("OLD STREET"), "no content on the list");
    }
}
