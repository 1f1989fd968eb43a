//! Appointments that are booked by the Booking and Referral Standard between two real nodes that are in no network together: the
//! practice's patient, and its staff, book in the hospital's diary through its door for BaRS. Processes are killed, answers are
//! lost, and somebody else is faster.

use std::fs::{OpenOptions, Permissions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use crate::appointments::{amina, chosen, publish, says, send, states};
use crate::bars::{Losing, apart, booking, count};
use crate::client::http::Client;
use crate::faults::people::{account, form_token, hidden};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, Site, wait_for};
use crate::node::process::run;
use crate::referrals::{post, process, set_up, sign_in};

const ANSWER_SECONDS: u64 = 60;
const BUSY: &str = "diary_slot WHERE status = 'busy'";
const WAITS: &str = "Asked for, not yet confirmed";

/// The two nodes, the practice offering the hospital's clinic; both started, with a clinic published.
fn clinic(postgres: Option<&str>) -> (Neighbourhood, Losing) {
    let (mut nodes, way) = apart(postgres);
    // No answer is lost before a test says so.
    way.lost.store(1, Ordering::SeqCst);
    let clinics = format!("\n[appointments]\nclinics = [\"{HOSPITAL}\"]\n");
    append(&nodes.practice, &clinics);
    nodes.practice.process.start();
    nodes.hospital.process.start();
    publish(&nodes.hospital);
    (nodes, way)
}

/// Writes more settings of that node.
fn append(site: &Site, settings: &str) {
    let file = site.folder.join("handover.toml");
    let mut file = OpenOptions::new().append(true).open(file).unwrap();
    file.write_all(settings.as_bytes()).unwrap();
}

fn becomes(client: &mut Client, address: &str, words: &str) {
    wait_for(words, ANSWER_SECONDS, || {
        says(client, address, words).then_some(())
    });
}

fn cancel(client: &mut Client, address: &str) {
    let csrf = form_token(&client.get(address).unwrap());
    let fields = [("csrf", csrf), ("why", "better".to_owned())];
    let ended = post(client, &format!("{address}/cancel"), &fields);
    assert_eq!(ended.status, 303, "{}", ended.text());
}

#[test]
fn f01_a_booking_by_bars_is_made_once_and_ended_whatever_is_killed_or_lost() {
    booked_while_killed(None);
}

#[test]
fn f01_a_booking_by_bars_is_made_once_and_ended_whatever_is_killed_on_postgresql() {
    if let Some(url) = store::testing::postgres_url() {
        booked_while_killed(Some(&url));
    }
}

fn booked_while_killed(postgres: Option<&str>) {
    let (mut nodes, way) = clinic(postgres);
    let mut amina = amina(&nodes.practice);
    let form = chosen(&mut amina);
    let twice = chosen(&mut amina);
    nodes.hospital.process.kill();
    let address = send(&mut amina, &form);
    assert!(says(&mut amina, &address, WAITS));
    let silent = amina.get("/appointments/book").unwrap().text();
    assert!(
        silent.contains("We could not ask Far Away RZZ98"),
        "{silent}"
    );
    nodes.practice.process.kill();
    nodes.practice.process.start();
    assert_eq!(send(&mut amina, &form), address, "the same form books once");
    assert_eq!(
        states(&nodes.practice, "booked"),
        0,
        "never before the hospital said so"
    );
    // What the hospital answers first is lost.
    way.lost.store(0, Ordering::SeqCst);
    nodes.hospital.process.start();
    becomes(&mut amina, &address, ">Booked<");
    assert!(way.lost.load(Ordering::SeqCst) > 1, "it was sent again");
    assert_eq!(count(&nodes.hospital, BUSY), 1);
    assert_eq!(count(&nodes.hospital, "bars_message"), 1, "taken once");
    // The same slot by another form is hers already, and is not booked twice.
    let again = send(&mut amina, &twice);
    becomes(&mut amina, &again, "Not booked: somebody else has it");
    assert!(says(&mut amina, &again, "Times that were free instead"));
    assert_eq!(count(&nodes.hospital, BUSY), 1);

    // Killed while it is asked, and while it answers.
    for (number, millis) in (2..).zip([0, 60, 250]) {
        let form = chosen(&mut amina);
        let address = send(&mut amina, &form);
        std::thread::sleep(std::time::Duration::from_millis(millis));
        nodes.hospital.process.kill();
        nodes.hospital.process.start();
        becomes(&mut amina, &address, ">Booked<");
        assert_eq!(count(&nodes.hospital, BUSY), number, "once each");
    }

    // Cancelled while the hospital is down: it is ended when that has said so, and its slot is free.
    nodes.hospital.process.kill();
    cancel(&mut amina, &address);
    assert_eq!(states(&nodes.practice, "cancelling"), 1);
    nodes.practice.process.kill();
    nodes.practice.process.start();
    nodes.hospital.process.start();
    wait_for("the cancellation", ANSWER_SECONDS, || {
        (states(&nodes.practice, "cancelled") == 1).then_some(())
    });
    assert_eq!(count(&nodes.hospital, BUSY), 3);
    let reason = "diary_booking WHERE state = 'cancelled' AND reason <> ''";
    assert_eq!(count(&nodes.hospital, reason), 1, "they read why");
    wait_for("all messages to be there", ANSWER_SECONDS, || {
        (count(&nodes.practice, "bars_out WHERE state <> 'sent'") == 0).then_some(())
    });
    for site in [&nodes.hospital, &nodes.practice] {
        site.rows.assert_sound();
    }
}

#[test]
fn staff_read_at_once_that_it_is_booked_or_that_somebody_else_was_faster_and_what_is_free_instead()
{
    let (mut nodes, _way) = clinic(None);
    crate::referrals::register(&nodes.practice);
    account(&nodes.practice, "dora", "Dora Bell", "clerk");
    let mut dora = sign_in(&nodes.practice, "/staff/login", "dora");
    let there = "/staff/slots/there";
    let links = |client: &mut Client| {
        let text = client.get(there).unwrap().text().replace("&#x2f;", "/");
        let parts = text.split("href=\"/staff/slots/RZZ98~").skip(1);
        let links = parts.map(|it| format!("/staff/slots/RZZ98~{}", it.split('"').next().unwrap()));
        links.collect::<Vec<_>>()
    };
    let book = |client: &mut Client, page: &str| {
        let form = client.get(page).unwrap();
        assert_eq!(form.status, 200, "{}", form.text());
        let mut fields: Vec<_> = ["csrf", "attempt"]
            .map(|name| (name, hidden(&form, name)))
            .into();
        for (name, value) in [
            ("nhs_number", "9990000018"),
            ("born", "1951-03-04"),
            ("family", "Tester"),
            ("reason", "Sore foot"),
        ] {
            fields.push((name, value.to_owned()));
        }
        let sent = post(client, page, &fields);
        assert_eq!(sent.status, 303, "{}", sent.text());
        sent.header("location").unwrap().to_owned()
    };
    let offered = links(&mut dora);
    assert_eq!(offered.len(), 12);
    let goes = book(&mut dora, &offered[0]);
    assert!(goes.ends_with("done=booked"), "{goes}");
    assert_eq!(states(&nodes.practice, "booked"), 1);

    // Somebody else books what she has before her.
    let sql = "SELECT id FROM diary_slot WHERE status = 'free' ORDER BY starts_at, id LIMIT 1";
    let slot = nodes.hospital.rows.texts(sql)[0][0].clone().unwrap();
    let ids = [("X-Request-ID", "r-1"), ("X-Correlation-ID", "c-1")];
    let other = booking("b-1", ("appointment-1", "booked", &slot));
    let mut other = other.to_string();
    other = other.replace("9990000018", "9990000026");
    let other = serde_json::from_str(&other.replace("Tester", "Other")).unwrap();
    let taken = process(&nodes.hospital, &other, &ids);
    assert_eq!(taken.status, 200, "{}", taken.text());
    let goes = book(&mut dora, &offered[1]);
    assert!(goes.starts_with("/staff/slots/there?taken="), "{goes}");
    let page = dora.get(&goes).unwrap().text();
    for words in [
        "Somebody else had booked",
        "What was free instead",
        "Foot clinic",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!(states(&nodes.practice, "taken"), 1);

    // The hospital's staff cancel it: the practice's next look finds that.
    let mut carol = sign_in(&nodes.hospital, "/staff/login", "carol");
    let sql = "SELECT slot FROM diary_booking WHERE state = 'booked' AND patient IN \
               (SELECT b.patient FROM diary_booking b WHERE b.slot <> '') ORDER BY starts_at LIMIT 1";
    let slot = nodes.hospital.rows.texts(sql)[0][0].clone().unwrap();
    let csrf = form_token(&carol.get("/staff/slots").unwrap());
    let fields = [("csrf", csrf), ("reason", "Dr Shah is ill".to_owned())];
    let ended = post(&mut carol, &format!("/staff/slots/{slot}/cancel"), &fields);
    assert_eq!(ended.status, 303, "{}", ended.text());
    nodes.practice.process.interrupt();
    nodes
        .practice
        .rows
        .change("UPDATE system_booking SET due_at = 0 WHERE due_at < 9000000000000000000");
    nodes.practice.process.start();
    wait_for("that it is cancelled", ANSWER_SECONDS, || {
        let sql = "diary_booking WHERE state = 'cancelled' AND reason = 'Dr Shah is ill'";
        (count(&nodes.practice, sql) == 1).then_some(())
    });
}

#[test]
fn a_booking_that_the_receiver_refuses_is_on_the_work_list_and_never_booked() {
    let (mut nodes, _way) = clinic(None);
    let mut amina = amina(&nodes.practice);
    let form = chosen(&mut amina);
    nodes.hospital.process.kill();
    let refusing = TcpListener::bind(nodes.hospital.pages).unwrap();
    std::thread::spawn(move || {
        for mut near in refusing.incoming().flatten() {
            let mut read = vec![0u8; 64 << 10];
            let _ = near.read(&mut read);
            let body = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}"#;
            let answer = format!(
                "HTTP/1.1 422 Unprocessable Entity\r\ncontent-type: application/fhir+json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = near.write_all(answer.as_bytes());
        }
    });
    let address = send(&mut amina, &form);
    account(&nodes.practice, "dora", "Dora Bell", "clerk");
    let mut dora = sign_in(&nodes.practice, "/staff/login", "dora");
    let page = wait_for("the work list", ANSWER_SECONDS, || {
        let page = dora.get("/staff/worklist").ok()?;
        page.text().contains("answered 422").then_some(page)
    });
    let text = page.text().replace("&#x2f;", "/");
    assert!(text.contains("Booking at Far Away RZZ98"), "{text}");
    assert!(!says(&mut amina, &address, ">Booked<"));
    let (_, rest) = text.split_once("/staff/worklist/bookings/").unwrap();
    let id = rest.split('/').next().unwrap().to_owned();
    let csrf = form_token(&page);
    let act = |client: &mut Client, act: &str| {
        let path = format!("/staff/worklist/bookings/{id}/{act}");
        let done = post(client, &path, &[("csrf", csrf.clone())]);
        assert_eq!(done.status, 303, "{}", done.text());
    };
    act(&mut dora, "again");
    wait_for("it to be refused anew", ANSWER_SECONDS, || {
        let tried = "bars_out WHERE state = 'undeliverable' AND tries = 1";
        (count(&nodes.practice, tried) == 1).then_some(())
    });
    act(&mut dora, "settled");
    becomes(&mut amina, &address, ">Cancelled<");
    // That it ended is told all the same, should they come to hear of the booking; what is refused of that is shown.
    wait_for("the cancellation on the work list", ANSWER_SECONDS, || {
        let text = dora.get("/staff/worklist").ok()?.text();
        let is_there = text.contains("Booking or cancellation of one, by BaRS");
        (is_there && !text.contains("Booking at Far Away")).then_some(())
    });
}

#[test]
fn an_organisation_that_the_signed_directory_lists_is_reached_by_bars_and_a_setting_goes_before_it()
{
    let mut nodes = set_up();
    let practice = &nodes.practice;
    let root = practice.folder.parent().unwrap();
    let entry = serde_json::json!({
        "ods": HOSPITAL, "name": "Listed Hospital", "service": "2000099999",
        "url": format!("http://{}/bars/FHIR/R4", nodes.hospital.pages),
    });
    std::fs::write(root.join("listed.json"), entry.to_string()).unwrap();
    let out = format!("{}/directory.jws", practice.ods);
    let card = format!("{}/card.json", practice.ods);
    let sign = ["directory", "sign", "--steward", "steward", "--out", &out];
    let said = run(root, &[sign.as_slice(), &[&card, "listed.json"]].concat());
    assert!(said.contains("Listed Hospital (by BaRS)"), "{said}");
    // The next version keeps it.
    let said = run(root, &[sign.as_slice(), &["--keep", &card]].concat());
    assert!(said.contains("Listed Hospital (by BaRS)"), "{said}");
    let tokens = practice.folder.join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let token = tokens.join("127.0.0.1.token");
    std::fs::write(&token, &nodes.hospital.token).unwrap();
    std::fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
    append(
        practice,
        &format!("\n[appointments]\nclinics = [\"{HOSPITAL}\"]\n"),
    );
    append(practice, "\n[bars]\ntokens = \"tokens\"\n");
    nodes.practice.process.start();
    nodes.hospital.process.start();
    publish(&nodes.hospital);
    let mut amina = amina(&nodes.practice);
    let page = amina.get("/appointments/book").unwrap().text();
    assert!(page.contains("Listed Hospital"), "{page}");
    let form = chosen(&mut amina);
    let address = send(&mut amina, &form);
    becomes(&mut amina, &address, ">Booked<");
    let mut gp = crate::referrals::doctor(&nodes.practice, "ann", "Dr Ann Bell");
    let new = "/staff/referrals/new";
    assert!(says(&mut gp, new, "Listed Hospital, by BaRS"));

    // A service that the settings name is asked in its stead: here one whose address is nobody's.
    nodes.practice.process.interrupt();
    let service = format!(
        "service = [{{ ods = \"{HOSPITAL}\", name = \"Set By Hand\", url = \"http://127.0.0.1:9/FHIR\", \
         service = \"1\", token = \"tokens/127.0.0.1.token\" }}]\n"
    );
    append(&nodes.practice, &service);
    nodes.practice.process.start();
    assert!(says(&mut gp, new, "Set By Hand, by BaRS"));
    assert!(says(&mut amina, "/appointments/book", "We could not ask"));
}
