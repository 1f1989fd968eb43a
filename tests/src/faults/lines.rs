//! F10, F11: lines that lose packets and lines that are thin, made by the kernel in a network of the test's own: the
//! test runs again inside it, with its nodes, and nothing of the machine's own network is touched.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::client::message::{AMINA, STRANGER, letter};
use crate::client::mllp::{Sender, code};
use crate::node::look::Parcel;
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, patient, wait_for};

/// Set for the run inside.
const INSIDE: &str = "HANDOVER_TEST_IN_A_NETWORK";
const LETTERS: usize = 20;
/// At 64 kbit/s ten minutes, which nobody waits for here.
const DOCUMENT_BYTES: usize = 5 << 20;
const BULK: usize = 12;
const BULK_BYTES: usize = 40_000;
const CROSSED_SECONDS: u64 = 150;

/// Whether this is the run inside the network. The other one starts it and waits for it, or says that it cannot.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        run("ip", &["link", "set", "lo", "up"]);
        return true;
    }
    let may = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let output = command.args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let tools = may("nft", &["--version"]) && may("tc", &["-Version"]);
    if !tools || !may("unshare", &["--net", "--", "ip", "link"]) {
        eprintln!(
            "\n*** SKIPPED: no network of its own (unshare --net, as root), or no nft, ip and tc ***\n"
        );
        return false;
    }
    let status = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg(format!("faults::lines::{test}"))
        .env(INSIDE, "1")
        .status();
    assert!(status.unwrap().success(), "it failed inside its network");
    false
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let words = arguments.join(" ");
    assert!(output.status.success(), "{program} {words}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Loses a third of the packets to and from that port of this machine.
fn lose_a_third(port: u16) {
    let lost = |end: &str| format!("tcp {end} {port} numgen random mod 100 < 33 counter drop");
    let rules = format!(
        "table inet lossy {{\nchain in {{\ntype filter hook input priority 0\n{}\n{}\n}}\n}}\n",
        lost("dport"),
        lost("sport")
    );
    let mut nft = Command::new("nft");
    let mut nft = nft.args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = nft.stdin.take().unwrap();
    input.write_all(rules.as_bytes()).unwrap();
    drop(input);
    assert!(nft.wait().unwrap().success(), "nft did not take {rules}");
}

fn lost_packets() -> u64 {
    let listed = run("nft", &["list", "ruleset"]);
    let counts = listed.split("counter packets ").skip(1);
    let number = |text: &str| text.split(' ').next().unwrap().parse::<u64>().unwrap();
    counts.map(number).sum()
}

/// Makes the way to and from that port 64 kbit/s thin, each direction by itself, and all else as wide as before.
fn make_thin(port: u16) {
    // As on a real line: packets of 1500 bytes.
    run("ip", &["link", "set", "lo", "mtu", "1500"]);
    let tc = |arguments: &str| run("tc", &arguments.split(' ').collect::<Vec<_>>());
    tc("qdisc add dev lo root handle 1: htb default 1");
    tc("class add dev lo parent 1: classid 1:1 htb rate 10gbit");
    for (class, end) in [("1:2", "dport"), ("1:3", "sport")] {
        tc(&format!(
            "class add dev lo parent 1: classid {class} htb rate 64kbit burst 3k"
        ));
        tc(&format!(
            "filter add dev lo parent 1: protocol ip u32 match ip {end} {port} 0xffff flowid {class}"
        ));
    }
}

fn make_wide() {
    run("tc", &["qdisc", "del", "dev", "lo", "root"]);
}

fn send(nodes: &Neighbourhood, message: &str) {
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let answer = sender.send(message).unwrap();
    assert_eq!(code(&answer), "AA", "{answer}");
}

/// What the practice has taken in as its own documents, by the letter's id.
fn taken_in(nodes: &Neighbourhood) -> BTreeMap<String, Vec<Parcel>> {
    let mut all = nodes.practice.rows.parcels(false);
    all.retain(|_, rows| rows.iter().any(|row| row.taken_in));
    all
}

/// The practice knows the other patient of the letters too.
fn register_walter(nodes: &Neighbourhood) {
    let mut walter = patient();
    walter["identifier"][0]["value"] = "9990000026".into();
    walter["name"][0] =
        serde_json::json!({ "use": "official", "family": "Unknown", "given": ["Walter"] });
    walter["gender"] = "male".into();
    walter["birthDate"] = "1948-08-09".into();
    let put = nodes
        .practice
        .client()
        .send_json("POST", "/fhir/Patient", &walter);
    assert_eq!(put.unwrap().status, 201);
}

/// All letters are there, and once.
fn assert_all_once(nodes: &Neighbourhood, count: usize) {
    let received = taken_in(nodes);
    assert_eq!(received.len(), count, "{received:?}");
    for (id, rows) in &received {
        assert_eq!(rows.len(), 1, "{id}: {rows:?}");
    }
    for (id, rows) in nodes.hospital.rows.parcels(true) {
        assert_eq!(rows.len(), 1, "{id}: {rows:?}");
    }
}

#[test]
fn f10_over_a_line_that_loses_a_third_of_its_packets_every_letter_crosses_once() {
    if !inside("f10_over_a_line_that_loses_a_third_of_its_packets_every_letter_crosses_once") {
        return;
    }
    let nodes = Neighbourhood::start();
    nodes.register_patient();
    lose_a_third(nodes.to_practice.address.port());
    for number in 0..LETTERS {
        send(
            &nodes,
            &letter(HOSPITAL, PRACTICE, &format!("LOSSY{number}"), AMINA),
        );
    }
    wait_for("every letter at the practice", CROSSED_SECONDS, || {
        (taken_in(&nodes).len() == LETTERS).then_some(())
    });
    wait_for("every receipt at the hospital", CROSSED_SECONDS, || {
        let sent = nodes.hospital.rows.parcels(true);
        let delivered = |rows: &Vec<Parcel>| rows.iter().all(|row| row.state != "waiting");
        sent.values().all(delivered).then_some(())
    });
    let lost = lost_packets();
    println!("{lost} packets were lost");
    assert!(lost > 0);
    assert_all_once(&nodes, LETTERS);
}

#[test]
fn f11_over_a_thin_line_what_is_urgent_goes_first_and_nothing_waits_for_a_large_document() {
    if !inside(
        "f11_over_a_thin_line_what_is_urgent_goes_first_and_nothing_waits_for_a_large_document",
    ) {
        return;
    }
    let nodes = Neighbourhood::start();
    nodes.register_patient();
    register_walter(&nodes);
    make_thin(nodes.to_practice.address.port());
    let large = |id: &str, about: &str, bytes: usize| {
        let text = "It goes on. ".repeat(bytes / 12);
        letter(HOSPITAL, PRACTICE, id, about).replace("Dear colleague", &text)
    };
    // About somebody else: what is about one patient keeps its order.
    send(&nodes, &large("LARGE", STRANGER, DOCUMENT_BYTES));
    wait_for("the large document on its way", 60, || {
        (nodes.to_practice.carried_bytes() > 100_000).then_some(())
    });
    for number in 0..BULK {
        send(&nodes, &large(&format!("BULK{number}"), AMINA, BULK_BYTES));
    }
    let urgent = letter(HOSPITAL, PRACTICE, "URGENT", AMINA);
    let urgent = urgent.replace("TXA|", "ORC|RE\rTQ1|1||||||||S\rOBR|1|||DS^Letter\rTXA|");
    send(&nodes, &urgent);
    let there = wait_for("the urgent letter", CROSSED_SECONDS, || {
        let there = taken_in(&nodes);
        there.contains_key("URGENT").then_some(there)
    });
    println!("before it: {:?}", there.keys().collect::<Vec<_>>());
    assert!(!there.contains_key("LARGE"), "{there:?}");
    assert!(there.len() < 1 + BULK, "{there:?}");
    // Letters that are not urgent do not wait for the whole of the large one either.
    let there = wait_for("a small letter", CROSSED_SECONDS, || {
        let there = taken_in(&nodes);
        there
            .keys()
            .any(|id| id.starts_with("BULK"))
            .then_some(there)
    });
    assert!(!there.contains_key("LARGE"), "{there:?}");
    make_wide();
    wait_for("everything at the practice", CROSSED_SECONDS, || {
        (taken_in(&nodes).len() == BULK + 2).then_some(())
    });
    assert_all_once(&nodes, BULK + 2);
}
