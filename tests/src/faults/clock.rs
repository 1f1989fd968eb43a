//! F07: the clock of one node jumps by two hours, forward and back, while letters flow: nothing is lost or doubled, nothing is
//! given up early, what is told keeps its order, and staff are told that the clocks do not agree.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site, wait_for};
use crate::node::process::run;

const SECONDS: u64 = 90;
/// What both clocks say when they agree: some hours after the directory was signed, so that two hours before are after it too.
const RIGHT_HOURS: i64 = 3;
/// What is under way when a clock is set is over after this.
const READ_ANEW: Duration = Duration::from_millis(100);

/// The library that stands between a program and its clock, if it is installed.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let mut folders = folders.filter_map(Result::ok).map(|it| it.path());
    folders.find_map(|folder| {
        let file = folder.join("faketime/libfaketimeMT.so.1");
        file.exists().then_some(file)
    })
}

fn hand(site: &Site) -> PathBuf {
    site.folder.join("clock")
}

/// Sets a site's clock to so many hours after the right time.
fn set(site: &Site, hours: i64) {
    let next = site.folder.join("clock.next");
    std::fs::write(&next, format!("+{}h\n", RIGHT_HOURS + hours)).unwrap();
    std::fs::rename(next, hand(site)).unwrap();
    std::thread::sleep(READ_ANEW);
}

fn start(site: &mut Site, library: &Path) {
    set(site, 0);
    let file = hand(site);
    for (name, value) in [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // What waits and times out goes by the clock that no one sets.
        ("DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ] {
        site.process.set_environment(name, value);
    }
    site.process.start();
}

/// Sends a letter and waits until it is taken in and its receipt is back.
fn crosses(nodes: &Neighbourhood, id: &str) {
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let answer = sender.send(&letter(HOSPITAL, PRACTICE, id, AMINA)).unwrap();
    assert_eq!(code(&answer), "AA", "{answer}");
    wait_for(&format!("{id} to cross"), SECONDS, || {
        let sent = nodes.hospital.rows.parcels(true).remove(id)?;
        let there = nodes.practice.rows.parcels(false).remove(id)?;
        let is_over =
            sent.iter().all(|it| it.state == "delivered") && there.iter().all(|it| it.taken_in);
        is_over.then_some(())
    });
}

/// What staff at the hospital are told of clocks.
fn told(nodes: &Neighbourhood) -> Option<String> {
    let query = "SELECT what FROM audit_alarm WHERE kind = 'clock' AND about = 'A99998'";
    nodes.hospital.rows.texts(query).pop()?.pop()?
}

#[test]
fn f07_a_clock_that_jumps_two_hours_forward_and_back_loses_doubles_and_ends_nothing_and_staff_are_told()
 {
    let Some(library) = library() else {
        eprintln!("skipped: libfaketime is not installed");
        return;
    };
    let mut nodes = Neighbourhood::set_up(None);
    start(&mut nodes.practice, &library);
    start(&mut nodes.hospital, &library);
    nodes.register_patient();
    crosses(&nodes, "RIGHT");
    assert_eq!(told(&nodes), None);
    let steps = [
        ("THERE", 2, "ahead of"),
        ("THERE", -2, "behind"),
        ("HERE", 2, "behind"),
        ("HERE", -2, "ahead of"),
    ];
    let mut ids = vec!["RIGHT".to_owned()];
    for (n, (whose, hours, way)) in steps.into_iter().enumerate() {
        let site = if whose == "THERE" {
            &nodes.practice
        } else {
            &nodes.hospital
        };
        set(site, hours);
        let id = format!("{whose}{n}");
        crosses(&nodes, &id);
        ids.push(id);
        wait_for(&format!("the alarm: {way}"), SECONDS, || {
            told(&nodes).filter(|it| {
                it.contains(way) && (it.contains("2 h 0 min") || it.contains("1 h 59 min"))
            })
        });
        set(&nodes.practice, 0);
        set(&nodes.hospital, 0);
    }
    // What failed while a clock was ahead is not waited for until then.
    set(&nodes.hospital, 2);
    nodes.practice.process.kill();
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let answer = sender
        .send(&letter(HOSPITAL, PRACTICE, "WAITED", AMINA))
        .unwrap();
    assert_eq!(code(&answer), "AA", "{answer}");
    wait_for("a failure", SECONDS, || {
        let tries = "SELECT CAST(tries AS TEXT) FROM parcel_peer WHERE peer = 'A99998'";
        (nodes.hospital.rows.number(tries) > 1).then_some(())
    });
    set(&nodes.hospital, 0);
    nodes.practice.process.start();
    ids.push("WAITED".to_owned());
    wait_for("WAITED", SECONDS, || {
        let sent = nodes.hospital.rows.parcels(true).remove("WAITED")?;
        sent.iter().all(|it| it.state == "delivered").then_some(())
    });
    crosses(&nodes, "LAST");
    ids.push("LAST".to_owned());
    wait_for("the alarm's end", SECONDS, || {
        told(&nodes).is_none().then_some(())
    });
    holds(&mut nodes, &ids);
}

/// Nothing is lost, doubled or out of its order at either node.
fn holds(nodes: &mut Neighbourhood, ids: &[String]) {
    for (site, outwards) in [(&nodes.hospital, true), (&nodes.practice, false)] {
        let parcels = site.rows.parcels(outwards);
        assert_eq!(parcels.len(), ids.len(), "{parcels:?}");
        assert!(parcels.values().all(|rows| rows.len() == 1), "{parcels:?}");
        let query = format!(
            "SELECT unique_id FROM parcel WHERE direction = {} AND kind = 'letter' ORDER BY pid",
            u8::from(!outwards)
        );
        let order: Vec<_> = site
            .rows
            .texts(&query)
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        let in_order = order
            .iter()
            .zip(ids)
            .all(|(number, id)| number.contains(id.as_str()));
        assert!(in_order, "{order:?}");
        let given_up =
            "SELECT CAST(COUNT(*) AS TEXT) FROM parcel_event WHERE event = 'undeliverable'";
        assert_eq!(site.rows.number(given_up), 0);
    }
    // Each letter was accepted before it was delivered, by the numbers of its steps, whatever times they show.
    let query = "SELECT CAST(e.pid AS TEXT), e.event FROM parcel_event e JOIN parcel p ON p.pid = e.pid \
                 WHERE p.kind = 'letter' ORDER BY e.pid, e.seq";
    for steps in nodes
        .hospital
        .rows
        .texts(query)
        .chunk_by(|one, other| one[0] == other[0])
    {
        let events: Vec<_> = steps
            .iter()
            .filter_map(|it| it[1].as_deref())
            .filter(|it| *it != "waiting")
            .collect();
        assert_eq!(events, ["accepted", "delivered"]);
    }
    // The log is whole, and its checkpoints never say an earlier time than one before.
    for site in [&mut nodes.hospital, &mut nodes.practice] {
        site.process.kill();
        let told = run(&site.folder, &["audit", "verify"]);
        println!("{told}");
        let query = "SELECT CAST(at AS TEXT) FROM audit_checkpoint ORDER BY size";
        let times: Vec<i64> = site
            .rows
            .texts(query)
            .into_iter()
            .flatten()
            .flatten()
            .map(|it| it.parse().unwrap())
            .collect();
        assert!(times.is_sorted(), "{times:?}");
    }
}
