//! Medicines that another system holds, between two real nodes: the hospital's stands for the practice's own system; the
//! practice's patient sees them and orders on her own page, while processes are killed.

use std::fs::OpenOptions;
use std::io::Write;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::appointments::{amina, register, says, sign_in};
use crate::client::http::Client;
use crate::faults::people::{account, form_token};
use crate::node::neighbourhood::{Neighbourhood, PRACTICE, Site, wait_for};

const ANSWER_SECONDS: u64 = 90;
const CONFIRMED: &str = "Your practice’s system has it";
const SILENT: &str = "did not answer, so it is not known what you can order";
const ASKED: &str =
    "SELECT CAST(COUNT(*) AS TEXT) FROM place l JOIN word w ON w.id = l.ty WHERE w.text = 'Task'";
const DRUGS: [&str; 3] = ["amlodipine", "atorvastatin", "ramipril"];

fn append(site: &Site, more: &str) {
    let settings = site.folder.join("handover.toml");
    let mut file = OpenOptions::new().append(true).open(settings).unwrap();
    let ways = "\n[sign_in]\nstaff = [\"passkey\", \"password\"]\npatients = [\"passkey\", \"password\"]\n";
    file.write_all(format!("{ways}{more}").as_bytes()).unwrap();
}

/// Both nodes, the practice's started, the hospital's as its own system with its keys.
fn set_up() -> Neighbourhood {
    let mut nodes = Neighbourhood::set_up(None);
    let path = nodes.hospital.folder.join("handover.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        settings.replace("roles = [\"hospital\"]", "roles = [\"gp-practice\"]"),
    )
    .unwrap();
    append(
        &nodes.practice,
        &format!(
            "\n[gp_connect]\nasid = \"2\"\nmedicines = \"http://{}/gpconnect/pfs/FHIR/R4\"\n",
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
            "\n[letters]\nrelease_after_days = 0\n[gp_connect]\nasid = \"1\"\n\
             consumer = [{{ asid = \"2\", ods = \"{PRACTICE}\", keys = \"practice.jwks\", patients = true }}]\n"
        ),
    );
    nodes
}

/// The patient's repeat medicines at the system that holds them; their ids there.
fn prescribe(site: &Site, patient: &str) -> [String; 3] {
    DRUGS.map(|drug| {
        let request = json!({
            "resourceType": "MedicationRequest", "status": "active", "intent": "plan",
            "medicationCodeableConcept": { "text": drug },
            "subject": { "reference": format!("Patient/{patient}") },
            "courseOfTherapyType": { "coding": [{ "code": "continuous" }] },
            "dispenseRequest": { "quantity": { "value": 28, "unit": "tablet" } },
        });
        let mut client = site.client();
        let answer = client.send_json("POST", "/fhir/MedicationRequest", &request);
        let answer = answer.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    })
}

/// Orders one medicine from the form as it was; the address of the order.
fn order(client: &mut Client, csrf: &str, item: &str) -> String {
    let fields = [("csrf", csrf), ("item", item)];
    let answer = client.post_form("/prescriptions/order", &fields).unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
    let location = answer.header("location").unwrap();
    location.split('?').next().unwrap().to_owned()
}

#[test]
fn medicines_of_the_practices_own_system_are_ordered_there_once_and_confirmed_only_by_it() {
    let mut nodes = set_up();
    nodes.hospital.process.start();
    let patient = register(&nodes.hospital);
    let items = prescribe(&nodes.hospital, &patient);
    let mut amina = amina(&nodes.practice);
    let form = amina.get("/prescriptions/order").unwrap();
    let csrf = form_token(&form);
    for drug in DRUGS {
        assert!(form.text().contains(drug), "{}", form.text());
    }
    // Where that system does not answer the page says so, and nothing is ordered.
    nodes.hospital.process.kill();
    for page in ["/prescriptions", "/prescriptions/order", "/"] {
        let silent = amina.get(page).unwrap().text();
        assert!(silent.contains(SILENT), "{page}: {silent}");
    }
    let fields = [("csrf", csrf.as_str()), ("item", items[0].as_str())];
    let refused = amina.post_form("/prescriptions/order", &fields).unwrap();
    assert!(
        refused.status == 200 && refused.text().contains(SILENT),
        "{}",
        refused.text()
    );
    assert_eq!(nodes.practice.rows.number(ASKED), 0);
    nodes.hospital.process.start();
    // Killed at once, while it is asked, and while it answers.
    for (count, (item, millis)) in (1..).zip(items.iter().zip([0, 150, 600])) {
        let address = order(&mut amina, &csrf, item);
        let page = amina.get(&address).unwrap().text();
        assert!(
            page.contains("not yet confirmed") || page.contains(CONFIRMED),
            "{page}"
        );
        thread::sleep(Duration::from_millis(millis));
        nodes.hospital.process.kill();
        nodes.practice.process.kill();
        nodes.practice.process.start();
        let fields = [("csrf", csrf.as_str()), ("item", item)];
        let again = amina.post_form("/prescriptions/order", &fields).unwrap();
        assert!([200, 303].contains(&again.status), "{}", again.text());
        nodes.hospital.process.start();
        wait_for(CONFIRMED, ANSWER_SECONDS, || {
            says(&mut amina, &address, CONFIRMED).then_some(())
        });
        assert_eq!(nodes.hospital.rows.number(ASKED), count, "once each");
        assert_eq!(nodes.practice.rows.number(ASKED), count);
    }
    let list = amina.get("/prescriptions").unwrap().text();
    assert_eq!(
        list.matches("You have asked for it already.").count(),
        3,
        "{list}"
    );
    for site in [&nodes.hospital, &nodes.practice] {
        site.rows.assert_sound();
    }
}

#[test]
fn a_request_that_the_own_system_does_not_take_stands_on_the_work_list_until_it_does() {
    let mut nodes = set_up();
    nodes.hospital.process.start();
    let patient = register(&nodes.hospital);
    let items = prescribe(&nodes.hospital, &patient);
    let mut amina = amina(&nodes.practice);
    account(&nodes.practice, "ed", "Ed Engineer", "engineer");
    let mut ed = Client::new(nodes.practice.pages);
    sign_in(&mut ed, "/staff/login", "ed");
    let list = "/staff/worklist";
    assert!(says(&mut ed, list, "All requests were taken."));
    let csrf = form_token(&amina.get("/prescriptions/order").unwrap());
    let address = order(&mut amina, &csrf, &items[0]);
    wait_for(CONFIRMED, ANSWER_SECONDS, || {
        says(&mut amina, &address, CONFIRMED).then_some(())
    });
    // As after the seventh try in vain, some minutes later; that system is still down.
    let rows = &nodes.practice.rows;
    nodes.hospital.process.kill();
    nodes.practice.process.kill();
    let untaken = "UPDATE order_there SET remote = '', tries = 7, due_at = 0";
    assert_eq!(rows.change(untaken), 1);
    nodes.practice.process.start();
    let told = "1 requests for medicines have not been taken by the organisation";
    wait_for("the request on the work list", ANSWER_SECONDS, || {
        says(&mut ed, list, told).then_some(())
    });
    let page = ed.get(list).unwrap().text();
    for words in ["Not taken", "knows this node’s keys"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(
        !page.contains("TESTER") && !page.contains("Amina"),
        "{page}"
    );
    nodes.hospital.process.start();
    nodes.practice.process.kill();
    assert_eq!(rows.change("UPDATE order_there SET due_at = 0"), 1);
    nodes.practice.process.start();
    wait_for("the work list without it", ANSWER_SECONDS, || {
        says(&mut ed, list, "All requests were taken.").then_some(())
    });
    assert_eq!(
        nodes.hospital.rows.number(ASKED),
        1,
        "it was asked for once"
    );
}
