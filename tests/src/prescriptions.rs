//! A repeat prescription from the patient's page to the pharmacy and back, over two nodes and a stand-in of EPS,
//! each a process of its own that can be killed.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::http::Client;
use crate::node::demo::Demo;
use crate::node::look::Rows;
use crate::node::neighbourhood::{token, wait_for};
use crate::node::process::Process;

const SECONDS: u64 = 90;

/// The demo's practice and pharmacy and its stand-in of EPS, each in a process of its own.
struct Street {
    practice: Process,
    pharmacy: Process,
    eps: Process,
    at: [SocketAddr; 3],
    data: PathBuf,
    _folder: TempDir,
}

impl Street {
    fn open() -> Street {
        let mut demo = Demo::with(&["--people", "0", "--quiet"]);
        demo.process.start();
        let address =
            |text: String| -> SocketAddr { text.strip_prefix("http://").unwrap().parse().unwrap() };
        let practice_at = address(demo.practice());
        let pharmacy_at = address(demo.pharmacy());
        wait_for("the demo's people", SECONDS, || {
            demo.process.log().contains("Ctrl-C ends it").then_some(())
        });
        demo.process.kill();
        let data = demo.folder.path().join("demo-data");
        let eps_at = SocketAddr::new(practice_at.ip(), practice_at.port() + 6);
        let serve = |name: &str, at| {
            let folder = data.join(name);
            Process::new(&folder, &["serve", "--config", "handover.toml"], at)
        };
        let listen = eps_at.to_string();
        let arguments = ["stand-in", "eps", "--listen", &listen, "--file", "eps.json"];
        let eps = Process::new(&data.join("steward"), &arguments, eps_at);
        let mut street = Street {
            practice: serve("practice", practice_at),
            pharmacy: serve("pharmacy", pharmacy_at),
            eps,
            at: [practice_at, pharmacy_at, eps_at],
            data,
            _folder: demo.folder,
        };
        street.start_eps();
        street.practice.start();
        street.pharmacy.start();
        street
    }

    fn start_eps(&mut self) {
        self.eps.start_only();
        wait_for("the stand-in", SECONDS, || {
            TcpStream::connect(self.at[2]).ok()
        });
    }

    fn rows(&self, node: &str) -> Rows {
        Rows::Sqlite(self.data.join(node).join("handover.sqlite"))
    }

    fn signed_in(&self, at: SocketAddr, door: &str, login: &str) -> Person {
        let mut person = Person {
            client: Client::new(at),
            page: String::new(),
        };
        person.get(door);
        let fields = [("login", login), ("password", "handover-demo")];
        person.post(door, &fields);
        person
    }

    fn margaret(&self) -> Person {
        self.signed_in(self.at[0], "/login", "margaret")
    }

    fn doctor(&self) -> Person {
        self.signed_in(self.at[0], "/staff/login", "doctor")
    }

    fn pharmacist(&self) -> Person {
        self.signed_in(self.at[1], "/staff/login", "pharmacist")
    }

    /// What the stand-in tells of its shelf.
    fn shelf(&self) -> Value {
        Client::new(self.at[2]).get("/stand-in").unwrap().json()
    }

    fn lose_answers(&self, times: u32) {
        let path = "/stand-in/lose-answers";
        let asked = json!({ "times": times });
        let answer = Client::new(self.at[2]).send_json("POST", path, &asked);
        assert_eq!(answer.unwrap().status, 204);
    }

    /// Margaret orders all that is due; the address of her order.
    fn order(&self) -> String {
        let mut margaret = self.margaret();
        margaret.get("/prescriptions/order");
        let items = margaret.values("item");
        let fields: Vec<(&str, &str)> = items.iter().map(|it| ("item", it.as_str())).collect();
        margaret.post("/prescriptions/order", &fields)
    }

    fn approve(&self) {
        let mut doctor = self.doctor();
        doctor.get("/staff/prescriptions");
        let (seen, to) = (doctor.values("seen"), doctor.after("action=\"", "/approve"));
        let path = format!("{to}/approve");
        let to = doctor.post(&path, &[("seen", &seen[0])]);
        assert_eq!(to, "/staff/prescriptions?done=approved");
    }

    /// Waits until Margaret's page of that order says this.
    fn page_says(&self, order: &str, said: &str) {
        let mut margaret = self.margaret();
        wait_for(said, SECONDS, || {
            margaret.get(order);
            margaret.page.contains(said).then_some(())
        });
    }
}

/// Somebody with a browser.
struct Person {
    client: Client,
    page: String,
}

impl Person {
    fn get(&mut self, path: &str) {
        let path = path.split('?').next().unwrap();
        let answer = self.client.get(path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        // Pages escape slashes.
        self.page = answer.text().replace("&#x2f;", "/");
    }

    /// Sends a form of the page; where it leads.
    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let csrf = self.values("csrf")[0].clone();
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend(fields);
        let answer = self.client.post_form(path, &all).unwrap();
        assert_eq!(answer.status, 303, "{path}: {}", answer.text());
        answer.header("location").unwrap().to_owned()
    }

    /// The values of the page's fields of that name.
    fn values(&self, name: &str) -> Vec<String> {
        let field = format!("name=\"{name}\" value=\"");
        let rest = self.page.split(&field).skip(1);
        rest.map(|it| it.split('"').next().unwrap().to_owned())
            .collect()
    }

    /// What stands on the page between two texts.
    fn after(&self, before: &str, behind: &str) -> String {
        let found = self.page.split(before).skip(1);
        let found = found.filter_map(|it| it.split_once(behind).map(|(found, _)| found));
        let mut found = found.filter(|it| !it.contains('"'));
        found
            .next()
            .unwrap_or_else(|| panic!("{before}: {}", self.page))
            .to_owned()
    }

    /// Does something with items of the dispensing page.
    fn dispense(&mut self, act: &str, items: &[&str], reason: &str) {
        self.get("/staff/dispensing");
        let mut fields = vec![("act", act), ("reason", reason)];
        fields.extend(items.iter().map(|it| ("item", *it)));
        let to = self.post("/staff/dispensing/act", &fields);
        assert_eq!(to, "/staff/dispensing?done=noted");
    }

    /// Fetches from EPS; the items that are here then, each once.
    fn fetch(&mut self) -> Vec<String> {
        self.get("/staff/dispensing");
        self.post("/staff/dispensing/fetch", &[]);
        self.get("/staff/dispensing");
        let mut items = self.values("item");
        items.sort();
        items.dedup();
        items
    }
}

#[test]
fn a_prescription_is_ordered_approved_dispensed_and_followed_through_kills_and_lost_answers() {
    let mut street = Street::open();
    let order = street.order();
    // The same form again, and another tab: nothing is ordered twice.
    let mut tab = street.margaret();
    tab.get("/prescriptions");
    assert!(
        tab.page.contains("You have asked for it already."),
        "{}",
        tab.page
    );
    street.lose_answers(2);
    street.approve();
    street.page_says(&order, "Approved: the pharmacy can fetch it");
    let shelf = street.shelf();
    assert_eq!(
        shelf["prescriptions"].as_array().unwrap().len(),
        1,
        "{shelf}"
    );
    assert_eq!(
        shelf["cameAgain"], 1,
        "the same message came again: {shelf}"
    );

    // EPS's answer to the pharmacy is lost, and the pharmacy dies: what was handed over comes all the same.
    street.lose_answers(1);
    let mut pharmacist = street.pharmacist();
    pharmacist.get("/staff/dispensing");
    let csrf = pharmacist.values("csrf")[0].clone();
    let lost = pharmacist
        .client
        .post_form("/staff/dispensing/fetch", &[("csrf", &csrf)]);
    assert_eq!(lost.unwrap().status, 422);
    street.pharmacy.kill();
    street.pharmacy.start();
    let mut pharmacist = street.pharmacist();
    let items = pharmacist.fetch();
    assert_eq!(items.len(), 2, "{}", pharmacist.page);
    street.page_says(&order, "With the pharmacy");

    // The practice is down: the statuses wait, through a kill of the pharmacy too.
    street.practice.kill();
    pharmacist.dispense("part", &[&items[0]], "14 tablets are owed");
    pharmacist.dispense("not-supplied", &[&items[1]], "Out of stock everywhere");
    street.pharmacy.kill();
    street.pharmacy.start();
    let mut pharmacist = street.pharmacist();
    pharmacist.dispense("collected", &[&items[0]], "");
    street.practice.start();
    street.page_says(&order, "Part collected, the rest to come");
    street.page_says(&order, "Not supplied by the pharmacy");
    street.page_says(&order, "Still owed to you: 14 tablets are owed");
    street.page_says(&order, "Why: Out of stock everywhere");
    pharmacist.dispense("ready", &[&items[0]], "");
    pharmacist.dispense("collected", &[&items[0]], "");
    street.page_says(&order, "journey__what\">Collected");

    // Every status once, taken in, in its order, and receipted.
    let taken = street.rows("practice").texts(
        "SELECT state, CAST(due AS TEXT), CAST(unmatched AS TEXT) FROM parcel \
         WHERE kind = 'prescription-status' ORDER BY pid",
    );
    assert_eq!(taken.len(), 6, "{taken:?}");
    let sent =
        "SELECT state FROM parcel WHERE kind = 'prescription-status' AND state <> 'delivered'";
    wait_for("a receipt for each", SECONDS, || {
        street.rows("pharmacy").texts(sent).is_empty().then_some(())
    });
    // What EPS was told: two items were dispensed in some way.
    wait_for("EPS told of it", SECONDS, || {
        let shelf = street.shelf();
        let items = shelf["prescriptions"][0]["items"]
            .as_object()
            .unwrap()
            .clone();
        let said: Vec<String> = items
            .values()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect();
        let is_all = said.contains(&"Item fully dispensed".to_owned())
            && said.contains(&"Item not dispensed".to_owned());
        is_all.then_some(())
    });
    // Nothing in a log names her, her medicines or her number.
    for process in [&street.practice, &street.pharmacy, &street.eps] {
        for secret in ["9990000107", "Amlodipine", "Margaret"] {
            assert!(!process.log().contains(secret), "{secret}");
        }
    }
    street.practice.kill();
    street.pharmacy.kill();
    street.rows("practice").assert_sound();
    street.rows("pharmacy").assert_sound();
}

#[test]
fn a_returned_prescription_and_a_status_that_fits_nothing_are_shown_and_can_be_put_right() {
    let street = Street::open();
    let order = street.order();
    street.approve();
    street.page_says(&order, "Approved: the pharmacy can fetch it");
    // The practice's own system takes the requests away, and puts them back later.
    let token = token(&street.data.join("practice"));
    let mut system = Client::with_token(street.at[0], &token);
    let tasks = system.get("/fhir/Task?status=in-progress").unwrap().json();
    let tasks: Vec<Value> = tasks["entry"].as_array().unwrap().clone();
    assert_eq!(tasks.len(), 2);
    for task in &tasks {
        let path = format!("/fhir/Task/{}", task["resource"]["id"].as_str().unwrap());
        let gone = system.request("DELETE", &path, &[], &[]).unwrap();
        assert!(gone.status < 300, "{}", gone.text());
    }
    let mut pharmacist = street.pharmacist();
    let items = pharmacist.fetch();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let mut keeper = street.doctor();
    let listed = "No request here has an item of that number.";
    wait_for("the status on the work list", SECONDS, || {
        keeper.get("/staff/worklist");
        keeper.page.contains(listed).then_some(())
    });
    for task in &tasks {
        let resource = &task["resource"];
        let path = format!("/fhir/Task/{}", resource["id"].as_str().unwrap());
        let back = system.send_json("PUT", &path, resource).unwrap();
        assert!(back.status < 300, "{}", back.text());
    }
    let again = keeper.after("action=\"/staff/worklist/status/", "/again");
    keeper.post(&format!("/staff/worklist/status/{again}/again"), &[]);
    let doctors = format!("/staff{order}");
    let mut doctor = street.doctor();
    wait_for("With the pharmacy", SECONDS, || {
        doctor.get(&doctors);
        doctor.page.contains("With the pharmacy").then_some(())
    });
    pharmacist.dispense("return", &items, "We close for good");
    wait_for("the return at the GP's", SECONDS, || {
        doctor.get(&doctors);
        doctor
            .page
            .contains("Given back by the pharmacy")
            .then_some(())
    });
    wait_for("the return at EPS", SECONDS, || {
        let shelf = street.shelf();
        (shelf["prescriptions"][0]["releasedTo"] == "").then_some(())
    });
    keeper.get("/staff/worklist");
    assert!(!keeper.page.contains(listed), "{}", keeper.page);
    street.rows("practice").assert_sound();
}
