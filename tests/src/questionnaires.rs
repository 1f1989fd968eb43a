//! A questionnaire from the patient's page to staff's, over a practice's own process that is killed in between.

use std::net::SocketAddr;

use crate::client::http::Client;
use crate::node::demo::Demo;
use crate::node::neighbourhood::wait_for;
use crate::node::process::Process;

const SECONDS: u64 = 90;
const TASK: &str = "margaret-asthma-review";

/// Somebody with a browser.
struct Person {
    client: Client,
    page: String,
}

impl Person {
    fn signed_in(at: SocketAddr, door: &str, login: &str) -> Person {
        let mut person = Person {
            client: Client::new(at),
            page: String::new(),
        };
        person.get(door);
        person.post(door, &[("login", login), ("password", "handover-demo")]);
        person
    }

    fn get(&mut self, path: &str) {
        let answer = self.client.get(path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        // Pages escape slashes.
        self.page = answer.text().replace("&#x2f;", "/");
    }

    /// Sends a form of the page; where it leads.
    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let csrf = self.value("csrf");
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend(fields);
        let answer = self.client.post_form(path, &all).unwrap();
        assert_eq!(answer.status, 303, "{path}: {}", answer.text());
        answer.header("location").unwrap().to_owned()
    }

    /// The value of the page's first field of that name.
    fn value(&self, name: &str) -> String {
        let field = format!("name=\"{name}\" value=\"");
        let rest = self.page.split(&field).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

/// The demo's practice, in a process of its own.
fn practice() -> (Demo, Process, SocketAddr) {
    let mut demo = Demo::with(&["--people", "0", "--quiet"]);
    demo.process.start();
    let at = demo.practice();
    let at: SocketAddr = at.strip_prefix("http://").unwrap().parse().unwrap();
    wait_for("the demo's people", SECONDS, || {
        demo.process.log().contains("Ctrl-C ends it").then_some(())
    });
    demo.process.kill();
    let folder = demo.folder.path().join("demo-data").join("practice");
    let mut practice = Process::new(&folder, &["serve", "--config", "handover.toml"], at);
    practice.start();
    (demo, practice, at)
}

#[test]
fn answers_that_were_begun_and_handed_in_outlive_a_node_that_is_killed_and_are_there_once() {
    let (_demo, mut practice, at) = practice();
    let here = format!("/questionnaires/{TASK}");
    let mut margaret = Person::signed_in(at, "/login", "margaret");
    margaret.get("/");
    assert!(
        margaret.page.contains("2 questionnaires to answer"),
        "{}",
        margaret.page
    );
    margaret.get(&here);
    let of = margaret.value("of");
    let (of, shown) = (("of", of.as_str()), ("shown", "0,1,2,3,6,7,8,9,10"));
    let answers = [
        of,
        shown,
        ("do", "check"),
        ("q1", "0"),
        ("q2", "2"),
        ("q3", "no"),
        ("q6", "0"),
    ];
    assert_eq!(margaret.post(&here, &answers), format!("{here}/check"));

    practice.kill();
    practice.start();
    let mut margaret = Person::signed_in(at, "/login", "margaret");
    margaret.get(&format!("{here}/check"));
    assert!(
        margaret.page.contains("Once or twice") || margaret.page.contains("Never"),
        "{}",
        margaret.page
    );
    let handed_in = margaret.post(&format!("{here}/check"), &[of]);
    assert_eq!(handed_in, format!("{here}?done=handed-in"));

    practice.kill();
    practice.start();
    let mut margaret = Person::signed_in(at, "/login", "margaret");
    margaret.get(&here);
    let again = margaret.post(&format!("{here}/check"), &[of]);
    assert_eq!(again, format!("{here}?done=before"));
    let mut doctor = Person::signed_in(at, "/staff/login", "doctor");
    doctor.get("/staff/questionnaires");
    assert!(doctor.page.contains("HILL, Margaret"), "{}", doctor.page);
    let task = format!("/staff/questionnaires/tasks/{TASK}");
    doctor.get(&task);
    assert!(doctor.page.contains("Asthma review"), "{}", doctor.page);
    let answered_at = doctor.value("answered_at");
    let seen = doctor.post(&format!("{task}/seen"), &[("answered_at", &answered_at)]);
    assert_eq!(seen, format!("{task}?done=seen"));
    doctor.get("/staff/questionnaires");
    assert!(!doctor.page.contains("HILL, Margaret"), "{}", doctor.page);
}
