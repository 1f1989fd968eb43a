//! Appointments between two real nodes: the hospital's clinic, booked by the practice's patient in her own pages, while
//! processes are killed.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::client::http::Client;
use crate::faults::people::{PASSWORD, account, form_token, hidden};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, Site, patient, wait_for};
use crate::setting::handover;

const ANSWER_SECONDS: u64 = 60;

/// Two nodes on which made-up people sign in by a password, the practice offering the hospital's clinic.
fn set_up() -> Neighbourhood {
    let nodes = Neighbourhood::set_up(None);
    let ways = "\n[sign_in]\nstaff = [\"passkey\", \"password\"]\npatients = [\"passkey\", \"password\"]\n";
    for (site, more) in [
        (&nodes.hospital, String::new()),
        (
            &nodes.practice,
            format!("\n[appointments]\nclinics = [\"{HOSPITAL}\"]\n"),
        ),
    ] {
        let settings = site.folder.join("handover.toml");
        let mut file = OpenOptions::new().append(true).open(settings).unwrap();
        file.write_all(format!("{ways}{more}").as_bytes()).unwrap();
    }
    nodes
}

/// Puts Amina on record there; her id.
pub(crate) fn register(site: &Site) -> String {
    let answer = site.client().send_json("POST", "/fhir/Patient", &patient());
    let answer = answer.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Amina's account at the practice, signed in.
pub(crate) fn amina(site: &Site) -> Client {
    let id = register(site);
    let mut command = Command::new(handover())
        .args(["account", "add-patient", "--username", "amina"])
        .args(["--name", "Amina Tester", "--patient", &id])
        .args(["--nhs-number", "9990000018"])
        .current_dir(&site.folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed = command.stdin.take().unwrap();
    typed.write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    drop(typed);
    assert!(command.wait().unwrap().success());
    let mut client = Client::new(site.pages);
    sign_in(&mut client, "/login", "amina");
    client
}

pub(crate) fn sign_in(client: &mut Client, door: &str, login: &str) {
    let csrf = form_token(&client.get(door).unwrap());
    let fields = [
        ("csrf", csrf.as_str()),
        ("login", login),
        ("password", PASSWORD),
    ];
    let answer = client.post_form(door, &fields).unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
}

/// A clinic of twelve appointments at the hospital, in two days.
pub(crate) fn publish(site: &Site) {
    account(site, "carol", "Carol Ward", "clerk");
    let mut carol = Client::new(site.pages);
    sign_in(&mut carol, "/staff/login", "carol");
    let mut page = carol.get("/staff/slots").unwrap();
    for _ in 0..2 {
        let text = page.text().replace("&#x2f;", "/");
        let (before, _) = text.split_once(">Next day<").unwrap();
        let href = before.rsplit("href=\"").next().unwrap();
        let href = href.trim_end_matches('"');
        page = carol.get(href).unwrap();
    }
    let text = page.text();
    let (_, rest) = text.split_once("name=\"date\"").unwrap();
    let (_, rest) = rest.split_once("value=\"").unwrap();
    let day = rest.split('"').next().unwrap();
    let csrf = form_token(&page);
    let fields = [
        ("csrf", csrf.as_str()),
        ("date", day),
        ("from", "09:00"),
        ("until", "11:00"),
        ("minutes", "10"),
        ("with", "Foot clinic"),
        ("kind", "First visit"),
        ("who_may", "organisations"),
    ];
    let answer = carol.post_form("/staff/slots", &fields).unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
}

/// The form of the check page for the first time that is offered, as fields to send.
pub(crate) fn chosen(client: &mut Client) -> Vec<(&'static str, String)> {
    let page = client.get("/appointments/book").unwrap();
    let choice = hidden(&page, "choice");
    assert!(choice.starts_with(HOSPITAL), "{choice}");
    let csrf = form_token(&page);
    let fields = [
        ("csrf", csrf.as_str()),
        ("choice", choice.as_str()),
        ("reason", "Sore foot"),
    ];
    let check = client
        .post_form("/appointments/book/check", &fields)
        .unwrap();
    assert_eq!(check.status, 200, "{}", check.text());
    let names = ["csrf", "choice", "reason", "attempt", "instead_of"];
    names.map(|name| (name, hidden(&check, name))).into()
}

/// Sends the form; the appointment's address.
pub(crate) fn send(client: &mut Client, form: &[(&'static str, String)]) -> String {
    let fields: Vec<(&str, &str)> = form.iter().map(|(name, it)| (*name, it.as_str())).collect();
    let answer = client.post_form("/appointments/book", &fields).unwrap();
    if answer.status == 409 {
        // Somebody else was faster, which is told at once: the page leads to where it stands.
        let text = answer.text().replace("&#x2f;", "/");
        let mut links = text.split("href=\"/appointments/").skip(1);
        let link = links.find(|it| !it.starts_with("book")).unwrap();
        return format!("/appointments/{}", link.split('"').next().unwrap());
    }
    assert_eq!(answer.status, 303, "{}", answer.text());
    let address = answer.header("location").unwrap();
    address.split('?').next().unwrap().to_owned()
}

pub(crate) fn says(client: &mut Client, address: &str, words: &str) -> bool {
    let page = client.get(address);
    page.is_ok_and(|page| page.text().contains(words))
}

/// How the bookings stand there, by their states.
pub(crate) fn states(site: &Site, state: &str) -> i64 {
    let sql = format!("SELECT CAST(COUNT(*) AS TEXT) FROM diary_booking WHERE state = '{state}'");
    site.rows.number(&sql)
}

#[test]
fn f01_a_booking_made_while_the_hospital_is_down_is_confirmed_when_it_is_back_whatever_is_killed() {
    let mut nodes = set_up();
    nodes.practice.process.start();
    nodes.hospital.process.start();
    register(&nodes.hospital);
    publish(&nodes.hospital);
    let mut amina = amina(&nodes.practice);

    let form = chosen(&mut amina);
    nodes.hospital.process.kill();
    let address = send(&mut amina, &form);
    let page = amina.get(&address).unwrap().text();
    assert!(page.contains("Asked for, not yet confirmed"), "{page}");
    assert!(page.contains("It is not booked."), "{page}");
    let silent = amina.get("/appointments/book").unwrap().text();
    assert!(
        silent.contains("We could not ask Anytown hospital"),
        "{silent}"
    );
    nodes.practice.process.kill();
    nodes.practice.process.start();
    assert_eq!(send(&mut amina, &form), address, "the same form books once");
    assert!(says(&mut amina, &address, "Asked for, not yet confirmed"));
    assert_eq!(
        states(&nodes.practice, "booked"),
        0,
        "never before the hospital said so"
    );
    nodes.hospital.process.start();
    wait_for("the hospital's answer", ANSWER_SECONDS, || {
        says(&mut amina, &address, ">Booked<").then_some(())
    });

    // Killed at other moments: before it takes the booking in, and before its answer is on its way.
    for (number, millis) in (2..).zip([0, 40, 150, 400]) {
        let form = chosen(&mut amina);
        let address = send(&mut amina, &form);
        thread::sleep(Duration::from_millis(millis));
        nodes.hospital.process.kill();
        nodes.hospital.process.start();
        wait_for("the hospital's answer", ANSWER_SECONDS, || {
            says(&mut amina, &address, ">Booked<").then_some(())
        });
        assert_eq!(states(&nodes.hospital, "booked"), number, "once each");
        assert_eq!(states(&nodes.practice, "booked"), number);
    }
    let busy = "SELECT CAST(COUNT(*) AS TEXT) FROM diary_slot WHERE status = 'busy'";
    assert_eq!(nodes.hospital.rows.number(busy), 5);

    let csrf = form_token(&amina.get(&address).unwrap());
    let fields = [("csrf", csrf.as_str()), ("why", "better")];
    let ended = amina
        .post_form(&format!("{address}/cancel"), &fields)
        .unwrap();
    assert_eq!(ended.status, 303, "{}", ended.text());
    nodes.hospital.process.kill();
    nodes.hospital.process.start();
    wait_for(
        "the hospital's word that it is cancelled",
        ANSWER_SECONDS,
        || says(&mut amina, &address, ">Cancelled<").then_some(()),
    );
    assert_eq!(
        nodes.hospital.rows.number(busy),
        4,
        "its slot is free again"
    );
    for site in [&nodes.hospital, &nodes.practice] {
        site.rows.assert_sound();
    }
}
