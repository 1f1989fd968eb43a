//! F01: SIGKILL of sender and receiver at random points while letters flow.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::Chance;
use crate::client::message::{AMINA, STRANGER, letter};
use crate::client::mllp::{Sender, code};
use crate::node::look::Parcel;
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};

/// How long letters flow and processes die: what is killed at each phase by name is in `phases`.
const STORM: Duration = Duration::from_secs(8);
const KILLS_MIN: u32 = 3;
const SENDERS: u64 = 3;
/// After the storm, everything that was acknowledged arrives within this.
const SETTLE_SECONDS: u64 = 150;
const RESTART_MAX: Duration = Duration::from_secs(5);

#[test]
fn f01_kills_at_any_point_lose_no_letter_and_take_none_in_twice() {
    storm_and_settle(None, STORM);
}

#[test]
fn f01_kills_at_any_point_lose_and_double_nothing_on_postgresql() {
    if let Some(url) = store::testing::postgres_url() {
        storm_and_settle(Some(&url), STORM);
    }
}

fn storm_and_settle(postgres: Option<&str>, length: Duration) {
    let mut nodes = Neighbourhood::start_on(postgres);
    nodes.register_patient();
    let feed = Feed::start(nodes.hospital.mllp);
    let kills = storm(&mut nodes, length);
    let acknowledged = feed.stop();
    println!("{kills} kills, {} letters acknowledged", acknowledged.len());
    assert!(kills >= KILLS_MIN, "only {kills} kills: the storm was none");
    assert!(
        acknowledged.len() > 20,
        "only {} letters flowed",
        acknowledged.len()
    );
    settle(&nodes, &acknowledged);
    for site in [&mut nodes.hospital, &mut nodes.practice] {
        site.process.kill();
        site.rows.assert_sound();
    }
}

/// Kills one or the other and starts it again, until the time is up.
fn storm(nodes: &mut Neighbourhood, length: Duration) -> u32 {
    let mut chance = Chance::new();
    let began = Instant::now();
    let mut kills = 0;
    while began.elapsed() < length {
        thread::sleep(Duration::from_millis(chance.below(900)));
        match chance.below(4) {
            0 => nodes.to_practice.break_connections(),
            1 => nodes.to_hospital.break_connections(),
            _ => {}
        }
        let site = if chance.below(2) == 0 {
            &mut nodes.hospital
        } else {
            &mut nodes.practice
        };
        site.process.kill();
        kills += 1;
        let took = site.process.start();
        assert!(
            took < RESTART_MAX,
            "{} took {took:?} to start again",
            site.ods
        );
    }
    kills
}

/// Waits until every acknowledged letter is at the practice, then holds that each is there once and is on a list.
fn settle(nodes: &Neighbourhood, acknowledged: &BTreeSet<String>) {
    let (sent, received) = (&nodes.hospital.rows, &nodes.practice.rows);
    wait_for(
        "every acknowledged letter on the practice's lists",
        SETTLE_SECONDS,
        || {
            let there = received.parcels(false);
            let missing: Vec<_> = acknowledged
                .iter()
                .filter(|id| !is_on_a_list(there.get(*id)))
                .collect();
            if !missing.is_empty() {
                eprintln!("{} still missing, such as {}", missing.len(), missing[0]);
                thread::sleep(Duration::from_secs(1));
            }
            missing.is_empty().then_some(())
        },
    );
    wait_for("a receipt at the hospital for each", SETTLE_SECONDS, || {
        sent.parcels(true)
            .values()
            .flatten()
            .all(|row| row.state == "delivered")
            .then_some(())
    });
    for (side, parcels) in [
        ("hospital", sent.parcels(true)),
        ("practice", received.parcels(false)),
    ] {
        let doubled: Vec<_> = parcels.iter().filter(|(_, rows)| rows.len() != 1).collect();
        assert!(
            doubled.is_empty(),
            "more than once at the {side}: {doubled:?}"
        );
        assert_eq!(parcels.len(), acknowledged.len(), "at the {side}");
    }
    let unmatched = received
        .parcels(false)
        .into_values()
        .flatten()
        .filter(|row| row.unmatched)
        .count();
    assert!(
        unmatched > 0,
        "the stranger's letters are on the unmatched list"
    );
}

fn is_on_a_list(rows: Option<&Vec<Parcel>>) -> bool {
    rows.is_some_and(|rows| rows.iter().all(|row| row.taken_in || row.unmatched))
}

/// Systems that send letters, each until it is acknowledged, whatever happens to the node.
struct Feed {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Feed {
    fn start(to: SocketAddr) -> Feed {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let next = Arc::new(AtomicU64::new(0));
        let send = || {
            let (stop, acknowledged, next) = (stop.clone(), acknowledged.clone(), next.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let id = format!("STORM{number}");
                    let person = if number.is_multiple_of(4) {
                        STRANGER
                    } else {
                        AMINA
                    };
                    send_until_acknowledged(to, &letter(HOSPITAL, PRACTICE, &id, person));
                    acknowledged.lock().unwrap().insert(id);
                    thread::sleep(Duration::from_millis(50));
                }
            })
        };
        let threads = (0..SENDERS).map(|_| send()).collect();
        Feed {
            stop,
            acknowledged,
            threads,
        }
    }

    /// Each ends with its last letter acknowledged.
    fn stop(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.acknowledged.lock().unwrap().clone()
    }
}

fn send_until_acknowledged(to: SocketAddr, message: &str) {
    let began = Instant::now();
    loop {
        match Sender::connect(to).and_then(|mut sender| sender.send(message)) {
            Ok(answer) => {
                assert_eq!(code(&answer), "AA", "{answer}");
                return;
            }
            Err(_) => thread::sleep(Duration::from_millis(30)),
        }
        assert!(
            began.elapsed().as_secs() < 60,
            "no acknowledgement in a minute"
        );
    }
}
