//! Messages that no node should have to take: they are refused with a reason, a person sees them, and what comes after
//! them is taken.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};

const LARGE_BYTES: usize = 50 << 20;
/// What the process may take more at any time for a message three times as large as it takes: one that it would take,
/// while it is read and kept, and what it takes for anything else.
const MORE_KIB: u64 = 96 << 10;

/// The most memory that the process held at any time, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

fn refused(nodes: &Neighbourhood, id: &str, answer: &str, why: &str) {
    assert!(matches!(code(answer), "AE" | "AR"), "{answer}");
    assert!(answer.contains(why), "{answer}");
    wait_for(&format!("{id} before a person"), 30, || {
        let query = "SELECT CAST(work AS TEXT), reason FROM hl7_message ORDER BY number DESC";
        let rows = nodes.hospital.rows.texts(query);
        let [Some(work), Some(reason)] = rows.first()?.as_slice() else {
            return None;
        };
        (work == "1" && !reason.is_empty()).then_some(())
    });
}

#[test]
fn a_message_that_is_far_too_large_or_in_no_known_letters_is_refused_and_the_next_is_taken() {
    let nodes = Neighbourhood::start();
    nodes.register_patient();
    let before = peak(nodes.hospital.process.id());

    let text = "A page of a scan. ".repeat(LARGE_BYTES / 18);
    let large = letter(HOSPITAL, PRACTICE, "LARGE", AMINA).replace("Dear colleague", &text);
    assert!(large.len() > LARGE_BYTES - 1000);
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let answer = sender.send(&large).unwrap();
    refused(&nodes, "the large one", &answer, "16777216");
    let grown = peak(nodes.hospital.process.id()).saturating_sub(before);
    println!("{} MiB more memory at its peak", grown >> 10);
    assert!(grown < MORE_KIB, "{grown} KiB");

    // Letters of a set that the header does not name.
    let odd = letter(HOSPITAL, PRACTICE, "ODD", AMINA).replace("|P|2.4\r", "|P|2.4||||||KLINGON\r");
    let mut stream = TcpStream::connect(nodes.hospital.mllp).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let frame = [b"\x0b", odd.as_bytes(), b"\x1c\r"].concat();
    stream.write_all(&frame).unwrap();
    let mut answer = vec![0; 4096];
    let count = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    refused(&nodes, "the odd one", &answer, "MSH");

    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let good = letter(HOSPITAL, PRACTICE, "GOOD", AMINA);
    assert_eq!(code(&sender.send(&good).unwrap()), "AA");
    wait_for("the good letter at the practice", 60, || {
        let there = nodes.practice.rows.parcels(false);
        there.contains_key("GOOD").then_some(())
    });
    assert_eq!(nodes.practice.rows.parcels(false).len(), 1);
}
