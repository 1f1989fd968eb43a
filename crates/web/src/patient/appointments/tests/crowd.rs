//! Many who want one slot, over real connections.

use std::net::SocketAddr;
use std::sync::Arc;

use access::{Scope, SystemPurpose};
use fhir::search::Search;
use futures_util::future::join_all;
use store::Store;
use store::testing::on_each_database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, watch};

use super::elsewhere::{OwnSystem, clinic, clinics};
use super::{checked, publish, send, signed_in, values};
use crate::node::Node;
use crate::serve::{Limits, serve};
use crate::testing::beside::{self, beside_a_hospital};
use crate::testing::{Browser, letters, node, patient};

const CROWD: usize = 200;
const TOM: [&str; 5] = ["tom", "Tom Helper", "tom", "9990000018", "1970-02-03"];

/// The whole answer to a form that is sent on a connection of its own.
async fn post(
    address: SocketAddr,
    browser: &(String, String),
    body: &str,
    start: &Barrier,
) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (cookies, token) = browser;
    let body = format!("csrf={token}&{body}");
    let request = format!(
        "POST /appointments/book HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         cookie: {cookies}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    start.wait().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn carried(browser: &Browser) -> (String, String) {
    let cookies: Vec<String> = browser
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    (cookies.join("; "), browser.token.clone())
}

/// Made-up people, each on record and with an account; their user names.
async fn people(node: &Node) -> Vec<String> {
    let mut logins = Vec::new();
    for serial in 0.. {
        if logins.len() == CROWD {
            break;
        }
        let Some(number) = nhs_number(999_100_000 + serial) else {
            continue;
        };
        let login = format!("one{serial}");
        let name = format!("Una Number{serial}");
        let one = [login.as_str(), &name, &login, &number, "1970-02-03"];
        patient(&node.store, one).await;
        logins.push(login);
    }
    logins
}

/// Nine digits with the one that checks them, if there is one.
fn nhs_number(digits: u32) -> Option<String> {
    let text = digits.to_string();
    let weighed = text.bytes().zip((2..=10).rev());
    let sum: u32 = weighed
        .map(|(digit, by)| u32::from(digit - b'0') * by)
        .sum();
    match 11 - sum % 11 {
        10 => None,
        11 => Some(text + "0"),
        check => Some(text + &check.to_string()),
    }
}

/// Sends a form from each of the crowd at one moment; all answers.
async fn rush(node: &Arc<Node>, people: &[String], body: impl Fn(usize) -> String) -> Vec<String> {
    rush_of(CROWD, node, people, body).await
}

/// The same of so many.
async fn rush_of(
    count: usize,
    node: &Arc<Node>,
    people: &[String],
    body: impl Fn(usize) -> String,
) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let router = crate::router(node.clone());
    let serving = tokio::spawn(serve(listener, router, None, Limits::of(512), stopped));
    let mut browsers = Vec::new();
    for login in people {
        let mut browser = signed_in(node, login).await;
        browser.get("/appointments/book").await;
        browsers.push(carried(&browser));
    }
    let start = Barrier::new(count);
    let bodies: Vec<String> = (0..count).map(body).collect();
    let sent = bodies.iter().enumerate().map(|(number, body)| {
        let browser = &browsers[number % browsers.len()];
        post(address, browser, body, &start)
    });
    let answers = join_all(sent).await;
    stop.send(true).unwrap();
    let _ = serving.await;
    answers
}

async fn appointments(store: &Store) -> usize {
    let scope = Scope::system(SystemPurpose::Measure);
    let search = Search::all("Appointment", 1_000);
    store.search(&scope, &search).await.unwrap().entries.len()
}

#[test]
fn of_200_people_who_want_one_slot_at_once_one_has_it_and_all_others_are_shown_the_next() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let people = people(&node).await;
        publish(&node, &[]).await;
        let mut jane = signed_in(&node, "jane").await;
        let page = jane.get("/appointments/book").await.text;
        let choice = values(&page, "choice")[0].to_owned();
        let chosen = choice.replace('~', "%7E");
        // The same attempt of each: whose it is is what tells them apart.
        let body = |_: usize| format!("choice={chosen}&attempt=one&reason=x");
        let answers = rush(&node, &people, body).await;
        let won = answers.iter().filter(|it| it.starts_with("HTTP/1.1 303"));
        let lost = answers.iter().filter(|it| it.starts_with("HTTP/1.1 409"));
        assert_eq!((won.count(), lost.clone().count()), (1, CROWD - 1));
        for answer in lost {
            assert!(answer.contains("Somebody else was faster"), "{answer}");
            let offered = values(answer, "choice");
            assert_eq!(offered.len(), 5, "the next that are free: {answer}");
            assert!(!offered.contains(&choice.as_str()), "{answer}");
        }
        assert_eq!(appointments(&node.store).await, 1);
        let page = jane.get("/appointments/book").await.text;
        assert!(!page.contains(&choice), "it is not offered any more");
        assert_eq!(values(&page, "choice").len(), 5);
    });
}

#[test]
fn who_was_slower_books_the_next_time_from_the_page_that_says_so() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        patient(&node.store, TOM).await;
        // One time with the doctor, and some with the nurse.
        publish(&node, &[("until", "09:10")]).await;
        let nurse = [("with", "Nurse Nora"), ("kind", "Dressing")];
        publish(&node, &nurse).await;
        let mut tom = signed_in(&node, "tom").await;
        let mut jane = signed_in(&node, "jane").await;
        let page = jane.get("/appointments/book").await.text;
        let all = values(&page, "choice");
        let mut doctors = None;
        for choice in &all {
            let (_, after) = page.split_once(&format!("value=\"{choice}\"")).unwrap();
            let (button, _) = after.split_once("</button>").unwrap();
            if button.contains("Dr Bo Test") {
                doctors = Some((*choice).to_owned());
            }
        }
        let doctors = doctors.unwrap();
        tom.get("/appointments/book").await;
        let first = checked(&mut tom, &doctors, "").await;
        let second = checked(&mut jane, &doctors, "").await;
        let won = send(&mut tom, &first).await;
        assert_eq!(won.status, http::StatusCode::SEE_OTHER, "{}", won.text);
        let lost = send(&mut jane, &second).await;
        assert_eq!(lost.status, http::StatusCode::CONFLICT, "{}", lost.text);
        let says = "these are the next of other kinds";
        assert!(lost.text.contains(says), "{}", lost.text);
        let next = values(&lost.text, "choice")[0].to_owned();
        let form = checked(&mut jane, &next, "").await;
        let done = send(&mut jane, &form).await;
        assert_eq!(done.status, http::StatusCode::SEE_OTHER, "{}", done.text);
        assert_eq!(appointments(&node.store).await, 2);
    });
}

#[test]
fn f13_the_same_form_sent_200_times_at_once_books_once_and_shows_the_same_appointment() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        publish(&node, &[]).await;
        let mut jane = signed_in(&node, "jane").await;
        let page = jane.get("/appointments/book").await.text;
        let chosen = values(&page, "choice")[0].replace('~', "%7E");
        let body = |_: usize| format!("choice={chosen}&attempt=same&reason=x");
        let answers = rush(&node, &["jane".to_owned()], body).await;
        let mut places: Vec<&str> = answers
            .iter()
            .map(|answer| {
                let mut lines = answer.lines();
                let found = lines.find_map(|line| line.strip_prefix("location: "));
                found.unwrap_or_else(|| panic!("{answer}"))
            })
            .collect();
        places.dedup();
        assert_eq!(places.len(), 1, "{places:?}");
        assert_eq!(appointments(&node.store).await, 1);
    });
}

/// Who want one time of the hospital's at once.
const AT_THE_CLINIC: usize = 60;

/// Made-up people who are on record here and at the hospital; their user names.
async fn known_to_both(node: &Node, hospital: &Store) -> Vec<String> {
    let mut logins = Vec::new();
    let numbers = (0..).filter_map(|serial| nhs_number(999_200_000 + serial));
    for (serial, number) in numbers.take(AT_THE_CLINIC).enumerate() {
        let login = format!("two{serial}");
        let family = format!("Number{serial}");
        let name = format!("Una {family}");
        let one = [login.as_str(), &name, &login, &number, "1970-02-03"];
        patient(&node.store, one).await;
        let there = format!("there{serial}");
        beside::person(hospital, [&there, "Una", &family, &number, "1970-02-03"]).await;
        logins.push(login);
    }
    logins
}

#[test]
fn of_60_people_who_want_one_time_of_another_organisation_one_has_it_and_the_others_are_told_at_once()
 {
    let settings = exchange::Settings {
        ask_millis: 60_000,
        poll_millis: 50,
        ..clinics()
    };
    beside_a_hospital(settings, async |node, beside| {
        let node = Arc::new(node);
        let people = known_to_both(&node, beside.hospital.store()).await;
        clinic(beside).await;
        let workers = [beside.practice.start(), beside.hospital.start()];
        let mut jane = signed_in(&node, "jane").await;
        let page = jane.get("/appointments/book").await.text;
        let choice = values(&page, "choice")
            .into_iter()
            .find(|it| it.starts_with("RZZ01"))
            .unwrap()
            .to_owned();
        let chosen = choice.replace('~', "%7E");
        let body = |_: usize| format!("choice={chosen}&attempt=one&reason=x");
        let answers = rush_of(AT_THE_CLINIC, &node, &people, body).await;
        let won = answers.iter().filter(|it| it.starts_with("HTTP/1.1 303"));
        let won: Vec<&String> = won.collect();
        let lost = answers.iter().filter(|it| it.starts_with("HTTP/1.1 409"));
        assert_eq!((won.len(), lost.clone().count()), (1, AT_THE_CLINIC - 1));
        assert!(won[0].contains("?done=booked"), "{}", won[0]);
        for answer in lost {
            assert!(answer.contains("Somebody else was faster"), "{answer}");
            let offered = values(answer, "choice");
            assert_eq!(offered.len(), 2, "the next that are free there: {answer}");
            assert!(!offered.contains(&choice.as_str()), "{answer}");
        }
        for worker in workers {
            worker.stop().await;
        }
    });
}

#[test]
fn of_60_people_who_want_one_time_of_the_practices_own_system_one_has_it_and_the_others_are_told_at_once()
 {
    let system = OwnSystem::new();
    beside_a_hospital(system.settings(60_000), async |mut node, beside| {
        node.diary.kept_here = false;
        let node = Arc::new(node);
        let stop = system.start(beside).await;
        let people = known_to_both(&node, beside.hospital.store()).await;
        clinic(beside).await;
        let workers = beside.practice.start();
        let mut jane = signed_in(&node, "jane").await;
        let page = jane.get("/appointments/book").await.text;
        let choice = values(&page, "choice")[0].to_owned();
        assert!(choice.starts_with("system~"), "{choice}");
        let chosen = choice.replace('~', "%7E");
        let body = |_: usize| format!("choice={chosen}&attempt=one&reason=x");
        let answers = rush_of(AT_THE_CLINIC, &node, &people, body).await;
        let won = answers.iter().filter(|it| it.starts_with("HTTP/1.1 303"));
        let won: Vec<&String> = won.collect();
        let lost = answers.iter().filter(|it| it.starts_with("HTTP/1.1 409"));
        assert_eq!((won.len(), lost.clone().count()), (1, AT_THE_CLINIC - 1));
        assert!(won[0].contains("?done=booked"), "{}", won[0]);
        for answer in lost {
            assert!(answer.contains("Somebody else was faster"), "{answer}");
            let offered = values(answer, "choice");
            assert_eq!(offered.len(), 2, "the next that are free there: {answer}");
            assert!(!offered.contains(&choice.as_str()), "{answer}");
        }
        assert_eq!(appointments(beside.hospital.store()).await, 1);
        let page = jane.get("/appointments/book").await.text;
        assert!(!page.contains(&choice), "it is not offered any more");
        workers.stop().await;
        stop.send(true).unwrap();
    });
}

#[test]
fn what_its_holder_does_not_answer_in_the_set_time_is_asked_for_as_before() {
    let settings = exchange::Settings {
        ask_millis: 300,
        ..clinics()
    };
    beside_a_hospital(settings, async |node, beside| {
        let node = Arc::new(node);
        clinic(beside).await;
        let mut jane = signed_in(&node, "jane").await;
        let page = jane.get("/appointments/book").await.text;
        let choice = values(&page, "choice")[0].to_owned();
        assert!(
            choice.starts_with("RZZ01") || values(&page, "choice").len() == 3,
            "{page}"
        );
        // Nobody carries it.
        let form = checked(&mut jane, &choice, "").await;
        let done = send(&mut jane, &form).await;
        assert!(done.location().ends_with("?done=asked"), "{}", done.text);
        beside.carry().await;
        let address = done.location().split('?').next().unwrap();
        let page = jane.get(address).await.text;
        assert!(page.contains(">Booked<"), "{page}");
    });
}
