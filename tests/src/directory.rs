//! The network's directory while nodes run: two stewards sign it, and one member's file is enough for it to reach
//! all of them.

use std::fs;
use std::path::Path;

use crate::client::http::Client;
use crate::client::message::letter;
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};
use crate::node::ports::free_address;
use crate::node::process::{Process, outcome, run};

const PID: &str = "H100001^^^RZZ98^MR~9990000018^^^NHS^NH||TESTER^AMINA||19510304|F";

/// Gives both nodes two stewards, both of whom must sign, and starts them.
fn two_stewards() -> Neighbourhood {
    let mut nodes = Neighbourhood::set_up(None);
    let root = nodes.hospital.folder.parent().unwrap().to_owned();
    run(&root, &["directory", "steward", "--folder", "other"]);
    let public = |folder: &str| fs::read_to_string(root.join(folder).join("steward.pub")).unwrap();
    let keys = format!("{}\n{}\n", public("steward"), public("other"));
    fs::write(root.join("stewards.pub"), &keys).unwrap();
    countersign(&root);
    for site in [&nodes.hospital, &nodes.practice] {
        fs::write(site.folder.join("steward.pub"), &keys).unwrap();
        let settings = site.folder.join("handover.toml");
        let text = fs::read_to_string(&settings).unwrap();
        let text = text.replace("[exchange]\n", "[exchange]\nsignatures_needed = 2\n");
        assert!(text.contains("signatures_needed"));
        fs::write(settings, text).unwrap();
        put(&root, &site.folder);
    }
    nodes.practice.process.start();
    nodes.hospital.process.start();
    nodes
}

/// Puts the signed directory into a node's place.
fn put(root: &Path, folder: &Path) {
    fs::copy(root.join("directory.jws"), folder.join("directory.new")).unwrap();
    fs::rename(folder.join("directory.new"), folder.join("directory.jws")).unwrap();
}

fn countersign(root: &Path) {
    let with = ["directory", "countersign", "--steward", "other"];
    run(
        root,
        &[&with[..], &["--steward-key", "stewards.pub"]].concat(),
    );
}

#[test]
fn a_newer_directory_needs_all_its_signatures_and_spreads_without_a_restart() {
    let nodes = two_stewards();
    let root = nodes.hospital.folder.parent().unwrap().to_owned();
    let of = "SELECT what FROM audit_alarm WHERE kind = 'directory'";
    let alarms = || nodes.hospital.rows.texts(of);
    assert_eq!(alarms(), Vec::<Vec<Option<String>>>::new());
    let with = ["directory", "sign", "--steward", "steward", "--keep"];
    run(&root, &[&with[..], &["--days", "10"]].concat());
    put(&root, &nodes.hospital.folder);
    let alarm = wait_for("the alarm", 60, || alarms().pop());
    let alarm = alarm[0].clone().unwrap();
    assert!(
        alarm.contains("1 of the network's stewards have signed it, and 2 must have"),
        "{alarm}"
    );
    countersign(&root);
    put(&root, &nodes.hospital.folder);
    // The practice takes it from the hospital, and keeps it for its next start.
    let show = ["directory", "show", "--signatures-needed", "2"];
    wait_for("the practice's directory", 60, || {
        run(&nodes.practice.folder, &show)
            .contains("Version 2,")
            .then_some(())
    });
    // It ends in ten days, of which everybody is warned in time.
    for site in [&nodes.hospital, &nodes.practice] {
        wait_for("the warning that it ends soon", 60, || {
            let told = site.rows.texts(of).pop()?.pop()??;
            told.contains("The directory ends on").then_some(())
        });
    }
    let told = "SELECT query FROM audit WHERE query LIKE 'directory-version=2%'";
    let lines = wait_for("the log's line", 60, || {
        nodes.practice.rows.texts(told).pop()
    });
    assert_eq!(lines[0].as_deref(), Some("directory-version=2&from=RZZ98"));

    // Who is struck off is refused from then on, by whoever has that version.
    let with = ["directory", "sign", "--steward", "steward", "--keep"];
    run(&root, &[&with[..], &["--strike", PRACTICE]].concat());
    countersign(&root);
    put(&root, &nodes.hospital.folder);
    wait_for("the hospital's directory", 60, || {
        let told = "SELECT query FROM audit WHERE query LIKE 'directory-version=3%'";
        nodes.hospital.rows.texts(told).pop()
    });
    let listed = run(&nodes.hospital.folder, &show);
    assert!(!listed.contains(PRACTICE), "{listed}");
    wait_for("the alarm's end", 60, || alarms().is_empty().then_some(()));
}

#[test]
fn a_node_starts_with_a_directory_that_has_ended_and_takes_up_a_newer_one_by_itself() {
    let mut nodes = Neighbourhood::set_up(None);
    let root = nodes.hospital.folder.parent().unwrap().to_owned();
    let sign = ["directory", "sign", "--steward", "steward", "--keep"];
    run(&root, &[&sign[..], &["--days", "0"]].concat());
    for site in [&mut nodes.practice, &mut nodes.hospital] {
        put(&root, &site.folder);
        site.process.start();
    }
    let of = "SELECT what FROM audit_alarm WHERE kind = 'directory'";
    for site in [&nodes.hospital, &nodes.practice] {
        wait_for("the alarm", 60, || {
            let told = site.rows.texts(of).pop()?.pop()??;
            told.contains("The directory ended on").then_some(())
        });
        assert!(site.process.log().contains("the directory has ended"));
        let page = Client::new(site.pages).get("/staff/login").unwrap();
        assert_eq!(page.status, 200, "{}", page.text());
        let people = site.client().get("/fhir/Patient").unwrap();
        assert_eq!(people.status, 200, "{}", people.text());
    }
    // What its own systems send is taken, and waits.
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let message = letter(HOSPITAL, PRACTICE, "WAITS", PID);
    assert_eq!(code(&sender.send(&message).unwrap()), "AA");
    let why = "SELECT last_error FROM parcel_peer WHERE last_error IS NOT NULL";
    wait_for("the reason", 60, || {
        let told = nodes.hospital.rows.texts(why).pop()?.pop()??;
        told.contains("directory has ended").then_some(())
    });
    let sent = nodes.hospital.rows.parcels(true);
    assert_eq!(sent["WAITS"][0].state, "waiting");
    assert!(nodes.practice.rows.parcels(false).is_empty());

    // The newer one reaches the practice by hand, and the hospital from there.
    run(&root, &sign);
    put(&root, &nodes.practice.folder);
    let told = "SELECT query FROM audit WHERE query LIKE 'directory-version=3%'";
    let lines = wait_for("the hospital's directory", 60, || {
        nodes.hospital.rows.texts(told).pop()
    });
    let expected = format!("directory-version=3&from={PRACTICE}");
    assert_eq!(lines[0].as_deref(), Some(expected.as_str()));
    wait_for("the letter", 150, || {
        nodes.practice.rows.parcels(false).remove("WAITS")
    });
    for site in [&nodes.hospital, &nodes.practice] {
        wait_for("the alarm's end", 60, || {
            site.rows.texts(of).is_empty().then_some(())
        });
        let show = run(&site.folder, &["directory", "show"]);
        assert!(show.contains("Version 3,"), "{show}");
    }
}

/// How many certificates the hospital has in that directory.
fn certificates(card: &Path) -> usize {
    let card: serde_json::Value = serde_json::from_slice(&fs::read(card).unwrap()).unwrap();
    card["certificates"].as_array().unwrap().len()
}

#[test]
fn a_node_takes_up_new_keys_while_it_runs_and_its_letters_go_on() {
    let nodes = Neighbourhood::start();
    let root = nodes.hospital.folder.parent().unwrap().to_owned();
    let folder = &nodes.hospital.folder;
    let sign = [
        "directory",
        "sign",
        "--steward",
        "steward",
        "--keep",
        "RZZ98/card.json",
    ];
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let mut arrives = |id: &str| {
        let message = letter(HOSPITAL, PRACTICE, id, PID);
        assert_eq!(code(&sender.send(&message).unwrap()), "AA");
        wait_for(id, 60, || nodes.practice.rows.parcels(false).remove(id));
    };
    arrives("BEFORE");
    let key = || fs::read(folder.join("keys/signing.key")).unwrap();
    let before = key();
    run(folder, &["directory", "renew-keys"]);
    assert_eq!(certificates(&folder.join("card.json")), 2);
    assert_eq!(key(), before, "nobody believes the next ones yet");
    arrives("MADE");
    run(&root, &sign);
    // It reaches the hospital from its neighbour.
    put(&root, &nodes.practice.folder);
    wait_for("the next keys", 60, || {
        (!folder.join("keys/next").exists()).then_some(())
    });
    assert_ne!(key(), before);
    arrives("TAKEN-UP");
    // The old ones are struck off.
    run(folder, &["directory", "card"]);
    assert_eq!(certificates(&folder.join("card.json")), 1);
    run(&root, &sign);
    put(&root, &nodes.practice.folder);
    wait_for("the directory without the old keys", 60, || {
        run(folder, &["directory", "show"])
            .contains("Version 3,")
            .then_some(())
    });
    arrives("ALONE");
    let told = "SELECT query FROM audit WHERE query LIKE 'keys-taken-up=%'";
    wait_for("the log's line", 60, || {
        nodes.hospital.rows.texts(told).pop()
    });
}

/// What follows those words, up to the end of its sentence.
fn after<'t>(text: &'t str, words: &str) -> &'t str {
    let (_, rest) = text
        .split_once(words)
        .unwrap_or_else(|| panic!("{words}: {text}"));
    rest.lines().next().unwrap().trim_end_matches('.').trim()
}

#[test]
fn an_invited_organisation_joins_once_a_steward_has_signed_and_nobody_joins_in_its_place() {
    let nodes = Neighbourhood::start();
    let root = nodes.hospital.folder.parent().unwrap().to_owned();
    let invite = [
        "directory",
        "invite",
        "--steward",
        "steward",
        "--steward-key",
        "steward/steward.pub",
        "--ods",
        "FZZ98",
        "--name",
        "Elm Pharmacy",
        "--role",
        "pharmacy",
        "--at",
        HOSPITAL,
    ];
    let invited = run(&root, &invite);
    let [exchange, pages] = [free_address(), free_address()];
    let (exchange, pages_url) = (format!("https://{exchange}"), format!("http://{pages}"));
    let join = |folder: &str| {
        let with = ["join", "invitation.jws", "--no-wait", "--folder", folder];
        let reached = ["--exchange-url", &exchange, "--pages-url", &pages_url];
        outcome(&root, &[&with[..], &reached].concat())
    };
    let (done, told) = join("FZZ98");
    assert!(done && told.contains("A steward has yet to sign"), "{told}");
    // Both ends read the same digits out to each other.
    let stewards = after(&invited, "by telephone:");
    assert_eq!(after(&told, "The stewards' fingerprint is"), stewards);
    let alarms = || {
        let rows = &nodes.hospital.rows;
        rows.texts("SELECT what FROM audit_alarm WHERE kind = 'joining'")
    };
    let alarm = alarms().pop().unwrap()[0].clone().unwrap();
    assert!(
        alarm.contains("Elm Pharmacy (FZZ98) asks to join"),
        "{alarm}"
    );
    let print = after(&told, "This node's card has the fingerprint");
    assert!(alarm.contains(print), "{alarm}");
    // Whoever else got hold of the invitation comes too late, and is told that somebody did come.
    let (done, told) = join("thief");
    assert!(
        !done && told.contains("Another card of FZZ98 waits"),
        "{told}"
    );
    // It cannot be answered with a card that is not its own.
    forged(&nodes, &root);

    let sign = ["directory", "sign", "--steward", "steward", "--keep"];
    let card = nodes.hospital.folder.join("joining/FZZ98.json");
    run(&root, &[&sign[..], &[card.to_str().unwrap()]].concat());
    put(&root, &nodes.hospital.folder);
    let told = wait_for("the directory", 60, || {
        let (done, told) = join("FZZ98");
        assert!(done, "{told}");
        told.contains("Joined: the directory, version 2, lists 3 members")
            .then_some(told)
    });
    assert!(told.contains("handover serve"), "{told}");
    wait_for("the alarm's end", 60, || alarms().is_empty().then_some(()));
    assert!(!card.exists());
    let (done, told) = join("thief");
    assert!(
        !done && told.contains("a member already, with other keys"),
        "{told}"
    );

    // What was made serves, and is a member: the hospital's newest directory reaches it.
    let folder = root.join("FZZ98");
    let settings = folder.join("handover.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let listens = [
        ("[pages]\n", pages_url.trim_start_matches("http://")),
        ("[exchange]\n", exchange.trim_start_matches("https://")),
    ];
    let text = listens
        .iter()
        .fold(text, |text, (section, at)| listening(&text, section, at));
    fs::write(&settings, text).unwrap();
    let mut pharmacy = Process::new(&folder, &["serve", "--config", "handover.toml"], pages);
    pharmacy.start();
    run(&root, &[&sign[..], &["--days", "70"]].concat());
    put(&root, &nodes.hospital.folder);
    wait_for("the pharmacy's directory", 60, || {
        run(&folder, &["directory", "show"])
            .contains("Version 3,")
            .then_some(())
    });
}

/// The settings with that section listening there.
fn listening(text: &str, section: &str, at: &str) -> String {
    let (before, rest) = text.split_once(section).unwrap();
    let lines: Vec<String> = rest.lines().map(str::to_owned).collect();
    let first = lines
        .iter()
        .position(|line| line.trim_start_matches("# ").starts_with("listen = "));
    let mut lines = lines;
    lines[first.unwrap()] = format!("listen = \"{at}\"");
    format!("{before}{section}{}\n", lines.join("\n"))
}

/// The invitation with the practice's card, whose key is not at hand, and one that no steward has signed.
fn forged(nodes: &Neighbourhood, root: &Path) {
    let invitation = fs::read_to_string(root.join("invitation.jws")).unwrap();
    let invitation = invitation.trim();
    let card = fs::read_to_string(nodes.practice.folder.join("card.json")).unwrap();
    let other = format!("{}A", &invitation[..invitation.len() - 1]);
    for invitation in [invitation, &other] {
        let body =
            serde_json::json!({ "invitation": invitation, "card": card, "proof": invitation });
        let mut client = Client::new(nodes.hospital.pages);
        let answer = client.send_json("POST", "/network/join", &body).unwrap();
        assert!(
            matches!(answer.status, 400..=499),
            "{} {}",
            answer.status,
            answer.text()
        );
    }
    let mut client = Client::new(nodes.hospital.pages);
    let long = serde_json::json!({ "invitation": "x".repeat(70_000) });
    let answer = client.send_json("POST", "/network/join", &long).unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());
}
