//! GP Connect between two real nodes: the hospital's stands for the practice's own system, which holds the diary; the practice's
//! patient books, moves and cancels in it from her own pages, while processes are killed.

use std::fs::OpenOptions;
use std::io::Write;
use std::thread;
use std::time::Duration;

use crate::appointments::{amina, publish, register, says, send, states};
use crate::client::http::Client;
use crate::faults::people::{form_token, hidden};
use crate::node::neighbourhood::{Neighbourhood, PRACTICE, Site, wait_for};

const ANSWER_SECONDS: u64 = 60;
const BUSY: &str = "SELECT CAST(COUNT(*) AS TEXT) FROM diary_slot WHERE status = 'busy'";

fn append(site: &Site, more: &str) {
    let settings = site.folder.join("handover.toml");
    let mut file = OpenOptions::new().append(true).open(settings).unwrap();
    let ways = "\n[sign_in]\nstaff = [\"passkey\", \"password\"]\npatients = [\"passkey\", \"password\"]\n";
    file.write_all(format!("{ways}{more}").as_bytes()).unwrap();
}

/// The practice started, with the hospital's node as its own system, which is not started yet and knows its keys.
fn set_up() -> Neighbourhood {
    let mut nodes = Neighbourhood::set_up(None);
    append(
        &nodes.practice,
        &format!(
            "\n[appointments]\ndiary = \"another-system\"\n[sharing]\nask_milliseconds = 20000\n\
             [gp_connect]\nasid = \"2\"\nsystem = \"http://{}/gpconnect/stu3/1\"\nsystem_asid = \"1\"\n\
             telephone = \"0300 000 0000\"\n",
            nodes.hospital.pages
        ),
    );
    nodes.practice.process.start();
    let keys = Client::new(nodes.practice.pages)
        .get("/oauth2/jwks")
        .unwrap();
    assert_eq!(keys.status, 200, "{}", keys.text());
    std::fs::write(nodes.hospital.folder.join("practice.jwks"), keys.text()).unwrap();
    append(
        &nodes.hospital,
        &format!(
            "\n[gp_connect]\nasid = \"1\"\n\
             consumer = [{{ asid = \"2\", ods = \"{PRACTICE}\", keys = \"practice.jwks\" }}]\n"
        ),
    );
    nodes
}

/// The form of the check page for the first time that is offered at that address, as fields to send.
fn chosen(client: &mut Client, from: &str, instead_of: &str) -> Vec<(&'static str, String)> {
    let page = client.get(from).unwrap();
    let choice = hidden(&page, "choice");
    assert!(choice.starts_with("system~"), "{choice}");
    let csrf = form_token(&page);
    let fields = [
        ("csrf", csrf.as_str()),
        ("choice", choice.as_str()),
        ("reason", "Sore foot"),
        ("instead_of", instead_of),
    ];
    let check = client
        .post_form("/appointments/book/check", &fields)
        .unwrap();
    assert_eq!(check.status, 200, "{}", check.text());
    let names = ["csrf", "choice", "reason", "attempt", "instead_of"];
    names.map(|name| (name, hidden(&check, name))).into()
}

fn becomes(client: &mut Client, address: &str, words: &str) {
    wait_for(words, ANSWER_SECONDS, || {
        says(client, address, words).then_some(())
    });
}

#[test]
fn f01_a_booking_in_the_practices_own_system_is_made_once_moved_and_cancelled_whatever_is_killed() {
    let mut nodes = set_up();
    nodes.hospital.process.start();
    register(&nodes.hospital);
    publish(&nodes.hospital);
    let mut amina = amina(&nodes.practice);

    let form = chosen(&mut amina, "/appointments/book", "");
    let twice = chosen(&mut amina, "/appointments/book", "");
    nodes.hospital.process.kill();
    let address = send(&mut amina, &form);
    assert!(says(&mut amina, &address, "Asked for, not yet confirmed"));
    let silent = amina.get("/appointments/book").unwrap().text();
    assert!(silent.contains("We could not ask"), "{silent}");
    nodes.practice.process.kill();
    nodes.practice.process.start();
    assert_eq!(send(&mut amina, &form), address, "the same form books once");
    assert_eq!(
        states(&nodes.practice, "booked"),
        0,
        "never before it said so"
    );
    nodes.hospital.process.start();
    becomes(&mut amina, &address, ">Booked<");
    let again = send(&mut amina, &twice);
    becomes(&mut amina, &again, ">Not booked");
    assert_eq!(nodes.hospital.rows.number(BUSY), 1);

    // Killed while it is asked, and while it answers.
    for (number, millis) in (2..).zip([0, 150, 600]) {
        let form = chosen(&mut amina, "/appointments/book", "");
        let address = send(&mut amina, &form);
        thread::sleep(Duration::from_millis(millis));
        nodes.practice.process.kill();
        nodes.hospital.process.kill();
        nodes.practice.process.start();
        nodes.hospital.process.start();
        becomes(&mut amina, &address, ">Booked<");
        assert_eq!(states(&nodes.hospital, "booked"), number, "once each");
        assert_eq!(states(&nodes.practice, "booked"), number);
    }
    assert_eq!(nodes.hospital.rows.number(BUSY), 4);

    let old = address.trim_start_matches("/appointments/").to_owned();
    let form = chosen(&mut amina, &address, &old);
    let moved = send(&mut amina, &form);
    becomes(&mut amina, &moved, ">Booked<");
    becomes(&mut amina, &address, ">Cancelled<");
    assert_eq!(
        nodes.hospital.rows.number(BUSY),
        4,
        "the old time is free again"
    );

    let csrf = form_token(&amina.get(&moved).unwrap());
    let fields = [("csrf", csrf.as_str()), ("why", "better")];
    nodes.hospital.process.kill();
    let ended = amina
        .post_form(&format!("{moved}/cancel"), &fields)
        .unwrap();
    assert_eq!(ended.status, 303, "{}", ended.text());
    assert!(
        !says(&mut amina, &moved, ">Cancelled<"),
        "not before it said so"
    );
    nodes.hospital.process.start();
    becomes(&mut amina, &moved, ">Cancelled<");
    assert_eq!(nodes.hospital.rows.number(BUSY), 3);
    for site in [&nodes.hospital, &nodes.practice] {
        site.rows.assert_sound();
    }
}
