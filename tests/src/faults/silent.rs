//! A system that takes HL7 v2 messages and never answers: it stands on the work list, nobody else waits for it, and what it was
//! not heard to take is told to it again when it is back.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::node::neighbourhood::{Neighbourhood, patient, wait_for};

const SECONDS: u64 = 60;

/// A system that answers when it is told to; what it has acknowledged.
struct Consumer {
    address: SocketAddr,
    answers: Arc<AtomicBool>,
    took: Arc<Mutex<Vec<String>>>,
}

impl Consumer {
    fn start() -> Consumer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (answers, took) = (
            Arc::<AtomicBool>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let (shared, kept) = (answers.clone(), took.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, took) = (shared.clone(), kept.clone());
                thread::spawn(move || serve(stream, &answers, &took));
            }
        });
        Consumer {
            address,
            answers,
            took,
        }
    }
}

fn serve(stream: TcpStream, answers: &AtomicBool, took: &Mutex<Vec<String>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut frame = Vec::new();
        if stream
            .read_until(0x1c, &mut frame)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&frame).into_owned();
            let Some(id) = text.split('|').nth(9).map(str::to_owned) else {
                continue;
            };
            if !answers.load(Ordering::SeqCst) {
                continue;
            }
            took.lock().unwrap().push(id.clone());
            let answer = format!(
                "\u{b}MSH|^~\\&|LAB|X|||20260101000000||ACK|A{id}|P|2.4\rMSA|AA|{id}\r\u{1c}\r"
            );
            if stream.get_mut().write_all(answer.as_bytes()).is_ok() {
                continue;
            }
        }
        return;
    }
}

#[test]
fn a_system_that_never_answers_stands_on_the_work_list_and_holds_up_nobody_else() {
    let (silent, other) = (Consumer::start(), Consumer::start());
    other.answers.store(true, Ordering::SeqCst);
    let mut nodes = Neighbourhood::set_up(None);
    let site = &mut nodes.hospital;
    let settings = OpenOptions::new()
        .append(true)
        .open(site.folder.join("handover.toml"));
    let destination = |name: &str, consumer: &Consumer| {
        let address = consumer.address;
        format!(
            "\n[[hl7v2.destination]]\nname = \"{name}\"\naddress = \"{address}\"\nsends = [\"ADT\"]\nanswer_seconds = 1\n"
        )
    };
    let both = destination("silent", &silent) + &destination("other", &other);
    settings.unwrap().write_all(both.as_bytes()).unwrap();
    site.process.start();
    for number in ["9990000018", "9990000026"] {
        let mut person = patient();
        person["identifier"][0]["value"] = number.into();
        let made = site.client().send_json("POST", "/fhir/Patient", &person);
        assert_eq!(made.unwrap().status, 201);
    }
    let query = "SELECT reason, next_step FROM hl7_out WHERE destination = 'silent' AND work = 1";
    let note = wait_for("the silent one on the work list", SECONDS, || {
        site.rows.texts(query).pop()
    });
    assert!(
        note[0].as_ref().unwrap().contains("did not answer"),
        "{note:?}"
    );
    assert!(note[1].is_some());
    let sent = |to: &str| {
        let query = format!(
            "SELECT CAST(COUNT(*) AS TEXT) FROM hl7_out WHERE destination = '{to}' AND state = 'sent'"
        );
        site.rows.number(&query)
    };
    wait_for("the other", SECONDS, || (sent("other") == 2).then_some(()));
    assert_eq!(sent("silent"), 0);
    assert_eq!(other.took.lock().unwrap().len(), 2);
    silent.answers.store(true, Ordering::SeqCst);
    wait_for("the silent one, which is back", SECONDS, || {
        (sent("silent") == 2).then_some(())
    });
    let took = silent.took.lock().unwrap().clone();
    assert_eq!(took.len(), 2, "each is acknowledged once: {took:?}");
    assert!(site.rows.texts(query).is_empty(), "it is off the work list");
}
