//! F08: the line is cut after a letter has arrived and before its receipt is back.

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};

const SECONDS: u64 = 60;
/// More than a connection takes to begin, and less than the request with the letter.
const BEGUN_BYTES: u64 = 24_000;

#[test]
fn f08_a_line_cut_between_a_letter_and_its_receipt_delivers_it_once() {
    let nodes = Neighbourhood::start();
    nodes.register_patient();
    nodes.to_practice.hold_answers(Some(BEGUN_BYTES));
    let text = "this is letter CUT.";
    let long = format!("{text} {}", "Nothing more is to be said. ".repeat(1_500));
    let message = letter(HOSPITAL, PRACTICE, "CUT", AMINA).replace(text, &long);
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let answer = sender.send(&message).unwrap();
    assert_eq!(code(&answer), "AA", "{answer}");
    let there = wait_for("the letter at the practice", SECONDS, || {
        nodes.practice.rows.parcels(false).remove("CUT")
    });
    assert_eq!(there.len(), 1);
    let state = || nodes.hospital.rows.parcels(true)["CUT"][0].state.clone();
    assert_ne!(state(), "delivered", "its receipt is held on the line");
    nodes.to_practice.cut();
    nodes.to_practice.hold_answers(None);
    wait_for("the failure to be seen", SECONDS, || {
        (state() == "waiting").then_some(())
    });
    let error = "SELECT last_error FROM parcel_peer WHERE peer = 'A99998'";
    assert!(nodes.hospital.rows.texts(error)[0][0].is_some());
    nodes.to_practice.mend();
    wait_for("its receipt", SECONDS, || {
        (state() == "delivered").then_some(())
    });
    wait_for("the letter taken in", SECONDS, || {
        let rows = nodes.practice.rows.parcels(false);
        rows["CUT"][0].taken_in.then_some(())
    });
    for (site, outwards) in [(&nodes.hospital, true), (&nodes.practice, false)] {
        let parcels = site.rows.parcels(outwards);
        assert_eq!((parcels.len(), parcels["CUT"].len()), (1, 1), "{parcels:?}");
        let query = "SELECT CAST(COUNT(*) AS TEXT) FROM parcel_event e JOIN parcel p \
                     ON p.pid = e.pid WHERE e.event = 'delivered' AND p.kind = 'letter'";
        assert_eq!(site.rows.number(query), 1, "one step at {}", site.ods);
    }
}
