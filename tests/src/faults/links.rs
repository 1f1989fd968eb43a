//! F08: the way between two nodes is gone for a while.

use std::thread;
use std::time::Duration;

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};

/// A letter that waits is tried again within this once the link is back.
const BACK_SECONDS: u64 = 60;

fn send(nodes: &Neighbourhood, id: &str) {
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let answer = sender.send(&letter(HOSPITAL, PRACTICE, id, AMINA)).unwrap();
    assert_eq!(code(&answer), "AA", "{answer}");
}

fn state_at_hospital(nodes: &Neighbourhood, id: &str) -> Option<String> {
    Some(
        nodes
            .hospital
            .rows
            .parcels(true)
            .get(id)?
            .first()?
            .state
            .clone(),
    )
}

fn wait_for_state(nodes: &Neighbourhood, id: &str, state: &str, seconds: u64) {
    wait_for(&format!("{id} {state}"), seconds, || {
        (state_at_hospital(nodes, id).as_deref() == Some(state)).then_some(())
    });
}

#[test]
fn f08_a_letter_waits_while_the_link_is_cut_and_goes_when_it_is_back() {
    let nodes = Neighbourhood::start();
    nodes.register_patient();
    nodes.to_practice.cut();
    send(&nodes, "CUT1");
    wait_for_state(&nodes, "CUT1", "waiting", 20);
    let peer = "SELECT CAST(tries AS TEXT), last_error FROM parcel_peer";
    let reason = wait_for("a second try", 30, || {
        let rows = nodes.hospital.rows.texts(peer);
        let row = rows.first()?;
        (row[0].as_ref()?.parse::<u32>().unwrap() >= 2).then(|| row[1].clone())
    });
    assert!(
        reason.is_some_and(|reason| !reason.is_empty()),
        "the reason is told"
    );
    nodes.to_practice.mend();
    wait_for_state(&nodes, "CUT1", "delivered", BACK_SECONDS);
    let received = wait_for("the letter in the inbox", 10, || {
        nodes
            .practice
            .rows
            .parcels(false)
            .remove("CUT1")
            .filter(|rows| rows[0].taken_in)
    });
    assert_eq!(received.len(), 1);
    assert!(!received[0].unmatched);
}

#[test]
fn a_letter_waits_for_a_receiver_that_is_down_and_goes_when_it_is_up() {
    let mut nodes = Neighbourhood::start();
    nodes.practice.process.kill();
    send(&nodes, "DOWN1");
    wait_for_state(&nodes, "DOWN1", "waiting", 20);
    nodes.hospital.process.kill();
    nodes.hospital.process.start();
    assert_eq!(
        state_at_hospital(&nodes, "DOWN1").as_deref(),
        Some("waiting"),
        "it waits across a restart"
    );
    nodes.practice.process.start();
    wait_for_state(&nodes, "DOWN1", "delivered", BACK_SECONDS);
}

#[test]
fn a_link_that_keeps_breaking_in_the_middle_loses_and_doubles_nothing() {
    let nodes = Neighbourhood::start();
    nodes.register_patient();
    nodes.to_practice.delay(Duration::from_millis(30));
    for number in 0..30 {
        send(&nodes, &format!("BREAK{number}"));
        thread::sleep(Duration::from_millis(40));
        nodes.to_practice.break_connections();
    }
    nodes.to_practice.delay(Duration::ZERO);
    for number in 0..30 {
        wait_for_state(&nodes, &format!("BREAK{number}"), "delivered", BACK_SECONDS);
    }
    let received = nodes.practice.rows.parcels(false);
    assert_eq!(received.len(), 30);
    assert!(
        received.values().all(|rows| rows.len() == 1),
        "{received:?}"
    );
}
