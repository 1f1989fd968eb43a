//! The HL7 v2 door of a node of ours, and the same with faults.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Checked, check, each};
use crate::client::mllp::Sender;
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood};

const END: [u8; 2] = [0x1c, 0x0d];

fn run(address: SocketAddr, more: &[&str]) -> Checked {
    let url = format!("mllp://{address}");
    let arguments = [
        &[url.as_str(), "--receiver", HOSPITAL, "--timeout", "4"][..],
        more,
    ]
    .concat();
    check(&arguments)
}

#[test]
fn a_checked_receiver_of_a_node_meets_hl7_v2() {
    let nodes = Neighbourhood::start();
    let checked = run(nodes.hospital.mllp, &["--write"]);
    println!("{}", checked.said);
    assert_eq!(
        (checked.told().as_str(), checked.code),
        ("", 0),
        "{}",
        checked.said
    );
    let untold = checked.with("could-not-be-told");
    assert!(untold.is_empty(), "{untold:?}\n{}", checked.said);
    // Without --write it is connected to and sent nothing.
    let checked = run(nodes.hospital.mllp, &[]);
    assert_eq!(
        (checked.told().as_str(), checked.code),
        ("", 0),
        "{}",
        checked.said
    );
    let met: Vec<String> = checked.with("met").into_iter().collect();
    assert_eq!(met, ["hl7-connects", "hl7-silent"]);
}

/// What a fault does to a message and its answer: `None` closes the connection, an empty text says nothing.
type Change = fn(&Seen, String) -> Option<String>;

/// A message, and what is known of those before it.
struct Seen {
    message: String,
    again: bool,
    /// Whether it came with another one in one go.
    crowded: bool,
    /// Whether it came whole.
    whole: bool,
}

struct Fault {
    name: &'static str,
    breaks: &'static [&'static str],
    change: Change,
    greets: bool,
}

fn fault(name: &'static str, breaks: &'static [&'static str], change: Change) -> Fault {
    Fault {
        name,
        breaks,
        change,
        greets: false,
    }
}

fn open(node: SocketAddr, fault: &Fault) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let known = Arc::new(Mutex::new(HashSet::new()));
    let (change, mut greets) = (fault.change, fault.greets);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            if std::mem::take(&mut greets) {
                let _ = stream.write_all(b"\x0bWelcome\x1c\x0d");
            }
            let known = known.clone();
            thread::spawn(move || carry(stream, node, change, &known));
        }
    });
    address
}

fn carry(mut stream: TcpStream, node: SocketAddr, change: Change, known: &Mutex<HashSet<String>>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let mut node = Sender::connect(node).unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let mut reads = 0;
        while !bytes.windows(2).any(|it| it == END) {
            match stream.read(&mut buffer) {
                Ok(count) if count > 0 => bytes.extend(&buffer[..count]),
                _ => return,
            }
            reads += 1;
        }
        let at = bytes.windows(2).position(|it| it == END).unwrap();
        let message = String::from_utf8_lossy(&bytes[1..at]).into_owned();
        bytes.drain(..at + 2);
        let seen = Seen {
            again: !known.lock().unwrap().insert(message.clone()),
            crowded: !bytes.is_empty(),
            whole: reads <= 1,
            message,
        };
        let answer = node.send(&seen.message).unwrap();
        match change(&seen, answer) {
            None => return,
            Some(text) if text.is_empty() => {}
            Some(text) => {
                let framed = [b"\x0b", text.as_bytes(), &END].concat();
                if stream.write_all(&framed).is_err() {
                    return;
                }
                if text.ends_with("BYE\r") {
                    return;
                }
            }
        }
    }
}

fn is_garbage(seen: &Seen) -> bool {
    !seen.message.starts_with("MSH")
}

fn is_odd(seen: &Seen) -> bool {
    seen.message.contains("ZZZ^Z99")
}

fn accepted(answer: &str) -> String {
    answer
        .replace("MSA|AR", "MSA|AA")
        .replace("MSA|AE", "MSA|AA")
}

/// The answer with another field of its MSH.
fn header(answer: &str, place: usize, with: &str) -> String {
    let (first, rest) = answer.split_once('\r').unwrap();
    let mut fields: Vec<&str> = first.split('|').collect();
    fields[place] = with;
    format!("{}\r{rest}", fields.join("|"))
}

#[test]
fn each_fault_of_a_receiver_is_named_and_no_other() {
    let nodes = Neighbourhood::start();
    let faults = [
        Fault {
            greets: true,
            ..fault("a greeting", &["hl7-silent"], |_, answer| Some(answer))
        },
        fault("garbage is accepted", &["hl7-garbage"], |seen, answer| {
            Some(if is_garbage(seen) {
                accepted(&answer)
            } else {
                answer
            })
        }),
        fault("NAK missing", &["hl7-garbage"], |seen, answer| {
            Some(if is_garbage(seen) {
                String::new()
            } else {
                answer
            })
        }),
        fault(
            "garbage ends the connection",
            &["hl7-garbage-goes-on"],
            |seen, answer| {
                Some(if is_garbage(seen) {
                    format!("{answer}NTE|BYE\r")
                } else {
                    answer
                })
            },
        ),
        fault(
            "an unknown type is accepted",
            &["hl7-unknown-type"],
            |seen, answer| {
                Some(if is_odd(seen) {
                    accepted(&answer)
                } else {
                    answer
                })
            },
        ),
        fault("wrong MSA-2", &["hl7-msa2"], |seen, answer| {
            Some(if is_odd(seen) {
                answer.replace("|HC", "|XX")
            } else {
                answer
            })
        }),
        fault(
            "wrong MSA-2 of what was taken",
            &["hl7-accepts"],
            |seen, answer| {
                Some(if is_odd(seen) {
                    answer
                } else {
                    answer.replace("|HC", "|XX")
                })
            },
        ),
        fault(
            "an answer that is no ACK",
            &["hl7-ack-shape"],
            |_, answer| Some(header(&answer, 8, "ADT^A01")),
        ),
        fault(
            "an answer to nobody",
            &["hl7-ack-addressed"],
            |_, answer| Some(header(&answer, 4, "NOBODY")),
        ),
        fault("line feeds", &["hl7-ack-terminators"], |_, answer| {
            Some(answer.replace('\r', "\r\n"))
        }),
        fault("a name as facility", &["hl7-ods"], |_, answer| {
            Some(header(&answer, 3, "General Hospital"))
        }),
        fault(
            "one answer for two messages",
            &["hl7-two-frames"],
            |seen, answer| Some(if seen.crowded { String::new() } else { answer }),
        ),
        fault("packets for frames", &["hl7-split"], |seen, answer| {
            (seen.whole || seen.message.len() > 10_000).then_some(answer)
        }),
        fault(
            "long messages are cut off",
            &["hl7-long"],
            |seen, answer| (seen.message.len() < 100_000).then_some(answer),
        ),
        fault("a repeat is refused", &["hl7-repeat"], |seen, answer| {
            Some(if seen.again {
                answer.replace("MSA|AA", "MSA|AE")
            } else {
                answer
            })
        }),
        fault("any character set", &["hl7-charset"], |seen, answer| {
            let odd = seen.message.contains("|HANDOVER-CHECK\r");
            Some(if odd { accepted(&answer) } else { answer })
        }),
    ];
    let run = |fault: &Fault| {
        run(
            open(nodes.hospital.mllp, fault),
            &["--write", "--only", "hl7v2"],
        )
    };
    let none = run(&fault("none", &[], |_, answer| Some(answer)));
    assert_eq!((none.told().as_str(), none.code), ("", 0), "{}", none.said);
    each(&faults, |fault| (fault.name, fault.breaks), run);
}
