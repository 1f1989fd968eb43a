//! F01: SIGKILL of sender or receiver at each phase of a letter's way, by name: taken in, mapped, manifest sent, its pieces on their
//! way, receipt sent, receipt received. Twenty rounds; `cargo xtask test --soak` plays a thousand.

use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::large::document;
use crate::client::message::{AMINA, STRANGER, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site};

const ROUNDS: usize = 20;
const SOAK_ROUNDS: usize = 1_000;
/// A phase is reached within this, a restart's and a pause's time included.
const PHASE_SECONDS: u64 = 60;
const SETTLE_SECONDS: u64 = 120;
/// More than a connection takes to begin, and less than the manifest of a letter of `TEXT_BYTES`.
const BEGUN_BYTES: u64 = 24_000;
const TEXT_BYTES: usize = 40_000;
/// A letter that goes in pieces, and how much of it is on its way when the kill comes.
const LARGE_BYTES: usize = 2_000_000;
const ON_ITS_WAY_BYTES: u64 = 300_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The message was acknowledged.
    TakenIn,
    /// Its parcel is written, and nothing has left.
    Mapped,
    /// The manifest has left, and no answer has come.
    ManifestSent,
    /// Some of its pieces are there.
    Pieces,
    /// The receiver has stored it and answered; the answer is on its way.
    ReceiptSent,
    /// The sender has the receipt.
    ReceiptReceived,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Hospital,
    Practice,
}

/// What is killed when, in turn.
const KILLS: [(Phase, Killed); 10] = [
    (Phase::TakenIn, Killed::Hospital),
    (Phase::Mapped, Killed::Hospital),
    (Phase::ManifestSent, Killed::Hospital),
    (Phase::ManifestSent, Killed::Practice),
    (Phase::Pieces, Killed::Hospital),
    (Phase::Pieces, Killed::Practice),
    (Phase::ReceiptSent, Killed::Hospital),
    (Phase::ReceiptSent, Killed::Practice),
    (Phase::ReceiptReceived, Killed::Hospital),
    (Phase::ReceiptReceived, Killed::Practice),
];

#[test]
fn f01_a_kill_at_each_phase_loses_nothing_doubles_nothing_and_keeps_the_order() {
    let rounds = match std::env::var_os("HANDOVER_SOAK") {
        Some(_) => SOAK_ROUNDS,
        None => ROUNDS,
    };
    let mut nodes = Neighbourhood::start();
    nodes.register_patient();
    let mut sent = told_once(&nodes);
    for (round, (phase, killed)) in (0..rounds).zip(KILLS.into_iter().cycle()) {
        let id = format!("{phase:?}{round}");
        play(&mut nodes, &id, phase, killed);
        sent.push(id);
    }
    settle(&nodes, &sent);
    println!("{rounds} rounds, each killed at its phase");
    for site in [&mut nodes.hospital, &mut nodes.practice] {
        site.process.kill();
        site.rows.assert_sound();
    }
}

/// A letter about either patient, and what nodes tell each other once of whom a letter is about: later, a phase would hold
/// that up in the letter's place.
fn told_once(nodes: &Neighbourhood) -> Vec<String> {
    for (id, person) in [("BEFORE1", AMINA), ("BEFORE2", STRANGER)] {
        take_in(&nodes.hospital, &letter(HOSPITAL, PRACTICE, id, person));
    }
    let told = "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE direction = 0 \
                AND kind = 'record-pointer' AND state = 'delivered'";
    until("what is told once", SETTLE_SECONDS, || {
        nodes.hospital.rows.number(told) == 2
    });
    vec!["BEFORE1".to_owned(), "BEFORE2".to_owned()]
}

/// One letter up to the phase, and the kill.
fn play(nodes: &mut Neighbourhood, id: &str, phase: Phase, killed: Killed) {
    if matches!(
        phase,
        Phase::ManifestSent | Phase::Pieces | Phase::ReceiptSent
    ) {
        // What goes in pieces from an earlier round would be held as well, or taken for pieces of this one.
        let due = "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE direction = 0 AND due = 1";
        until(&format!("{id}: the rounds before"), PHASE_SECONDS, || {
            nodes.hospital.rows.number(due) == 0
        });
    }
    let way = &nodes.to_practice;
    match phase {
        Phase::TakenIn | Phase::Mapped => way.cut(),
        Phase::ManifestSent | Phase::ReceiptSent => way.hold_answers(Some(BEGUN_BYTES)),
        Phase::Pieces => way.delay(Duration::from_millis(4)),
        Phase::ReceiptReceived => {}
    }
    let before = way.carried_bytes();
    take_in(&nodes.hospital, &message(id, phase));
    let there = |site: &Site, sent: bool| site.rows.parcels(sent).remove(id);
    until(&format!("{id}: its phase"), PHASE_SECONDS, || match phase {
        Phase::TakenIn => true,
        Phase::Mapped => there(&nodes.hospital, true).is_some(),
        Phase::ManifestSent => nodes.to_practice.holds_an_answer(),
        Phase::Pieces => {
            nodes.to_practice.carried_bytes() > before + ON_ITS_WAY_BYTES
                && there(&nodes.hospital, true).is_some()
        }
        Phase::ReceiptSent => {
            nodes.to_practice.holds_an_answer() && there(&nodes.practice, false).is_some()
        }
        Phase::ReceiptReceived => {
            let parcel = there(&nodes.hospital, true);
            parcel.is_some_and(|rows| rows.iter().all(|row| row.state == "delivered"))
        }
    });
    let site = match killed {
        Killed::Hospital => &mut nodes.hospital,
        Killed::Practice => &mut nodes.practice,
    };
    site.process.kill();
    let (at_the_hospital, at_the_practice) =
        (there(&nodes.hospital, true), there(&nodes.practice, false));
    match phase {
        Phase::TakenIn | Phase::ManifestSent => {}
        Phase::Mapped => assert_eq!(at_the_practice, None, "{id}"),
        Phase::Pieces => assert_eq!(at_the_practice, None, "{id}: it was there as a whole"),
        Phase::ReceiptSent => {
            let sent = at_the_hospital.unwrap_or_default();
            assert!(
                sent.iter().all(|row| row.state != "delivered"),
                "{id}: {sent:?}"
            );
        }
        Phase::ReceiptReceived => assert!(at_the_practice.is_some(), "{id}"),
    }
    let way = &nodes.to_practice;
    way.mend();
    way.delay(Duration::ZERO);
    if matches!(phase, Phase::ManifestSent | Phase::ReceiptSent) {
        way.hold_answers(None);
    }
    let site = match killed {
        Killed::Hospital => &mut nodes.hospital,
        Killed::Practice => &mut nodes.practice,
    };
    site.process.start();
}

/// A letter of that many bytes of text, or with a PDF that goes in pieces.
fn message(id: &str, phase: Phase) -> String {
    // What goes in pieces is about somebody else, or the others would wait for it.
    let person = if phase == Phase::Pieces {
        STRANGER
    } else {
        AMINA
    };
    let whole = letter(HOSPITAL, PRACTICE, id, person);
    let text = format!("this is letter {id}.");
    assert!(whole.contains(&text));
    if phase != Phase::Pieces {
        let long = format!(
            "{text} {}",
            "Nothing more is to be said. ".repeat(TEXT_BYTES / 28)
        );
        return whole.replace(&text, &long);
    }
    // No two of them alike, or the second would be there already.
    let mut bytes = document(LARGE_BYTES);
    bytes.extend(id.as_bytes());
    let pdf = STANDARD.encode(&bytes);
    let place = format!("OBX|1|TX|DS^Letter {id}^L||Dear colleague, {text}|");
    assert!(whole.contains(&place));
    let document = format!("OBX|1|ED|DS^Letter {id}^L||^application^pdf^Base64^{pdf}|");
    whole.replace(&place, &document)
}

fn take_in(site: &Site, message: &str) {
    let sender = Sender::connect(site.mllp).unwrap();
    let answer = sender.waiting(60).unwrap().send(message).unwrap();
    assert_eq!(code(&answer), "AA", "{answer}");
}

/// Waits as `wait_for` does, but looks more often: a phase is short.
fn until(what: &str, seconds: u64, is_reached: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_reached() {
        assert!(began.elapsed().as_secs() < seconds, "{what}");
        thread::sleep(Duration::from_millis(3));
    }
}

/// Every letter is there once, taken in, with its receipt; all in the order in which they were sent.
fn settle(nodes: &Neighbourhood, sent: &[String]) {
    until(
        "every letter at the practice, with its receipt",
        SETTLE_SECONDS,
        || {
            thread::sleep(Duration::from_millis(100));
            let (ours, theirs) = (
                nodes.hospital.rows.parcels(true),
                nodes.practice.rows.parcels(false),
            );
            sent.iter().all(|id| {
                let delivered = ours
                    .get(id)
                    .is_some_and(|rows| rows.iter().all(|row| row.state == "delivered"));
                delivered
                    && theirs
                        .get(id)
                        .is_some_and(|rows| rows.iter().all(|row| row.taken_in || row.unmatched))
            })
        },
    );
    for (site, outwards) in [(&nodes.hospital, true), (&nodes.practice, false)] {
        let parcels = site.rows.parcels(outwards);
        assert_eq!(parcels.len(), sent.len(), "at {}", site.ods);
        for (id, rows) in &parcels {
            assert_eq!(rows.len(), 1, "{id} at {}: {rows:?}", site.ods);
        }
    }
    let order = |site: &Site, direction: u8| {
        let query = format!(
            "SELECT unique_id FROM parcel WHERE direction = {direction} AND kind = 'letter' ORDER BY pid"
        );
        let mut numbers: Vec<_> = site
            .rows
            .texts(&query)
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        numbers.retain(|it| !it.contains("Pieces"));
        numbers
    };
    assert_eq!(
        order(&nodes.hospital, 0),
        order(&nodes.practice, 1),
        "the order of one patient's"
    );
}
