//! F13: the same message again and again; and its id with something else in it.

use std::collections::BTreeSet;
use std::thread;

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};

const TIMES: usize = 1000;
const CONNECTIONS: usize = 8;

#[test]
fn f13_a_thousand_copies_have_one_effect_and_one_answer() {
    let nodes = Neighbourhood::start();
    let message = letter(HOSPITAL, PRACTICE, "COPY1", AMINA);
    let to = nodes.hospital.mllp;
    let answers: BTreeSet<String> = thread::scope(|scope| {
        let send = || {
            let mut sender = Sender::connect(to).unwrap();
            let answer = |_| said(&sender.send(&message).unwrap());
            (0..TIMES / CONNECTIONS).map(answer).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(send)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        answers.iter().collect::<Vec<_>>(),
        ["MSA|AA|COPY1"],
        "one answer"
    );
    wait_for("the letter at the practice", 20, || {
        nodes.practice.rows.parcels(false).remove("COPY1")
    });
    for (site, sent) in [(&nodes.hospital, true), (&nodes.practice, false)] {
        let parcels = site.rows.parcels(sent);
        assert_eq!(parcels.len(), 1, "{}: {parcels:?}", site.ods);
        assert_eq!(parcels["COPY1"].len(), 1, "{}", site.ods);
    }
}

#[test]
fn an_id_that_comes_again_with_another_body_is_refused_and_has_no_effect() {
    let nodes = Neighbourhood::start();
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let first = letter(HOSPITAL, PRACTICE, "SAME1", AMINA);
    let second = first.replace("Dear colleague", "Dear somebody else");
    assert_eq!(code(&sender.send(&first).unwrap()), "AA");
    let answer = sender.send(&second).unwrap();
    assert_eq!(code(&answer), "AE", "{answer}");
    assert_eq!(
        code(&sender.send(&first).unwrap()),
        "AA",
        "the first stays what it was"
    );
    wait_for("the letter at the practice", 20, || {
        nodes.practice.rows.parcels(false).remove("SAME1")
    });
    assert_eq!(nodes.hospital.rows.parcels(true).len(), 1);
}

#[test]
fn what_is_no_message_is_refused_with_a_reason_and_the_connection_stays() {
    let nodes = Neighbourhood::start();
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let good = letter(HOSPITAL, PRACTICE, "GOOD1", AMINA);
    for bad in ["hello", "PID|1\r", &good.replace("GOOD1", "")] {
        let answer = sender.send(bad).unwrap();
        assert!(
            ["AE", "AR"].contains(&code(&answer)),
            "{bad:?} was answered {answer}"
        );
        let reason = answer.split('\r').any(|segment| {
            segment.starts_with("ERR|")
                || segment
                    .strip_prefix("MSA|")
                    .is_some_and(|msa| msa.split('|').count() > 2)
        });
        assert!(reason, "no reason in {answer}");
    }
    assert_eq!(code(&sender.send(&good).unwrap()), "AA");
}

#[test]
fn a_message_that_says_nothing_of_its_patient_is_kept_and_stands_on_the_work_list() {
    let nodes = Neighbourhood::start();
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let nobody = letter(HOSPITAL, PRACTICE, "NOBODY1", AMINA).replace("\rPID|", "\rZID|");
    assert_eq!(
        code(&sender.send(&nobody).unwrap()),
        "AA",
        "it is a message, and it is kept"
    );
    let query =
        "SELECT reason, next_step FROM hl7_message WHERE control_id = 'NOBODY1' AND work = 1";
    let row = wait_for("its line on the work list", 10, || {
        nodes.hospital.rows.texts(query).pop()
    });
    assert!(
        row.iter()
            .all(|text| text.as_ref().is_some_and(|text| !text.is_empty())),
        "{row:?}"
    );
    assert!(nodes.hospital.rows.parcels(true).is_empty());
}

/// The first three fields of the acknowledgement: what it says, without when.
fn said(answer: &str) -> String {
    let msa = answer
        .split('\r')
        .find(|segment| segment.starts_with("MSA|"))
        .unwrap_or(answer);
    msa.splitn(4, '|').take(3).collect::<Vec<_>>().join("|")
}
