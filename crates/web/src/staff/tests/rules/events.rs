//! Each event that rules are on happens through its door, the worker judges it, and what the rule did is seen by people. A letter's
//! and a referral's, which come from other organisations, are in `exchange`'s tests.

use std::sync::Arc;

use fhir::date;
use http::StatusCode;
use serde_json::{Value, json};
use store::testing::{Ground, on_each_database};

use super::super::discharges::{hospital, staff};
use crate::Node;
use crate::fhir::tests::Client;
use crate::testing::Browser;

const DAY: i64 = 86_400_000;
const RULE: &str = "/staff/rules/r";

/// A step of a rule, with what is due in a day.
fn step(code: &str, more: Value) -> Value {
    let mut step = json!({
        "code": [{ "coding": [{ "system": "urn:handover:rule-step", "code": code }] }],
        "description": "Ring Jane about it.",
        "extension": [{ "url": "urn:handover:rule-days", "valuePositiveInt": 1 }],
    });
    for (name, value) in more.as_object().unwrap() {
        match (name.as_str(), step[name].as_array_mut()) {
            ("extension", Some(all)) => all.extend(value.as_array().unwrap().iter().cloned()),
            _ => step[name] = value.clone(),
        }
    }
    step
}

fn assign() -> Value {
    step("assign", json!({}))
}

fn plan(event: &str, condition: &str, step: &Value) -> String {
    json!({
        "resourceType": "PlanDefinition", "id": "r", "status": "active",
        "url": "urn:example:rule", "title": "Work of itself", "description": "What it is for.",
        "type": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/plan-definition-type", "code": "eca-rule"
        }] },
        "action": [{
            "trigger": [{ "type": "named-event", "name": event }],
            "condition": [{ "kind": "applicability", "expression": {
                "language": "text/fhirpath", "expression": condition
            } }],
            "action": [step],
        }],
    })
    .to_string()
}

/// A node, its own system, and a clerk.
struct Scene {
    node: Arc<Node>,
    system: Client,
    ann: Browser,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new(ground: &Ground) -> Scene {
        let (folder, node) = hospital(ground).await;
        Scene {
            system: Client::system(&node).await,
            ann: staff(&node, "ann").await,
            node,
            _folder: folder,
        }
    }

    async fn put(&self, path: &str, body: &str) {
        let put = self.system.put(path, body).await;
        let status = put.status;
        assert!(status.is_success(), "{path}: {}", put.text());
    }

    /// The rule is there, and a person switches it on.
    async fn switched_on(&mut self, rule: &str) {
        self.put("/PlanDefinition/r", rule).await;
        self.ann.get(RULE).await;
        let on = [("do", "on"), ("version", "1")];
        let on = self.ann.post(RULE, &on).await;
        assert_eq!(on.location(), format!("{RULE}?done=on"), "{}", on.text);
    }

    /// What the node's worker does by itself.
    async fn follow(&self) {
        let exchange = self.node.exchange.as_ref().unwrap();
        for _ in 0..5 {
            exchange.follow_rules().await.unwrap();
        }
    }

    /// How often the rule made a task, as its page says.
    async fn made(&mut self) -> usize {
        let page = self.ann.get(RULE).await.text;
        page.matches("data-of=\"It did\" class=\"why\">").count()
    }

    async fn tasks(&mut self) -> String {
        self.ann.get("/staff/tasks?show=all").await.text
    }
}

#[test]
fn a_result_is_an_event_once_it_is_final_and_once_only() {
    on_each_database(async |ground| {
        let mut scene = Scene::new(ground).await;
        let rule = plan(
            "result-received",
            "code.text = 'Full blood count'",
            &assign(),
        );
        scene.switched_on(&rule).await;
        let report = |status: &str| {
            json!({
                "resourceType": "DiagnosticReport", "id": "d1", "status": status,
                "code": { "text": "Full blood count" }, "subject": { "reference": "Patient/jane" },
            })
            .to_string()
        };
        scene
            .put("/DiagnosticReport/d1", &report("preliminary"))
            .await;
        scene.follow().await;
        assert_eq!(scene.made().await, 0, "it is no result yet");
        for _ in 0..2 {
            scene.put("/DiagnosticReport/d1", &report("final")).await;
            scene.follow().await;
        }
        assert_eq!(scene.made().await, 1);
        let tasks = scene.tasks().await;
        assert!(
            tasks.contains("Ring Jane about it.") && tasks.contains("Rule: Work of itself"),
            "{tasks}"
        );
    });
}

/// A session of the diary on the next day, published by a person; the way to book its first slot.
async fn first_slot(scene: &mut Scene, task: &str) -> String {
    let day = date::date(scene.node.store.now() + DAY);
    scene.ann.get("/staff/slots").await;
    let session = [
        ("date", day.as_str()),
        ("from", "10:00"),
        ("until", "10:20"),
        ("minutes", "10"),
        ("with", "Nurse Li"),
        ("kind", "Blood test"),
        ("who_may", "patients"),
    ];
    let published = scene.ann.post("/staff/slots", &session).await;
    assert!(
        published.location().contains("done=published"),
        "{}",
        published.text
    );
    let address = format!("/staff/slots?day={day}{task}");
    let page = scene.ann.get(&address).await.text;
    let page = page.replace("&#x2f;", "/").replace("&amp;", "&");
    let at = page.find("/book").unwrap_or_else(|| panic!("{page}"));
    let from = page[..at].rfind("href=\"").unwrap() + 6;
    page[from..].split('"').next().unwrap().to_owned()
}

#[test]
fn an_appointment_is_an_event_once_it_is_booked() {
    on_each_database(async |ground| {
        let mut scene = Scene::new(ground).await;
        let rule = plan("appointment-booked", "true", &assign());
        scene.switched_on(&rule).await;
        let book = first_slot(&mut scene, "").await;
        scene.follow().await;
        assert_eq!(scene.made().await, 0, "nobody has booked");
        scene.ann.get(&book).await;
        let fields = [
            ("attempt", "7d4a6a0e-0000-4000-8000-000000000001"),
            ("nhs_number", "9434765919"),
            ("born", "1961-02-03"),
            ("family", "Example"),
            ("reason", ""),
        ];
        let booked = scene.ann.post(&book, &fields).await;
        assert!(booked.location().contains("done=booked"), "{}", booked.text);
        scene.follow().await;
        assert_eq!(scene.made().await, 1);
    });
}

#[test]
fn an_appointment_is_an_event_once_more_if_it_is_missed() {
    on_each_database(async |ground| {
        let mut scene = Scene::new(ground).await;
        scene
            .switched_on(&plan("appointment-missed", "true", &assign()))
            .await;
        let appointment = |status: &str| {
            json!({
                "resourceType": "Appointment", "id": "a1", "status": status,
                "start": "2026-01-05T10:00:00Z", "end": "2026-01-05T10:10:00Z",
                "participant": [{ "actor": { "reference": "Patient/jane" }, "status": "accepted" }],
            })
            .to_string()
        };
        scene.put("/Appointment/a1", &appointment("booked")).await;
        scene.follow().await;
        assert_eq!(scene.made().await, 0, "nobody has missed it");
        scene.put("/Appointment/a1", &appointment("noshow")).await;
        scene.follow().await;
        assert_eq!(scene.made().await, 1);
    });
}

#[test]
fn a_task_is_an_event_on_the_day_after_the_one_by_which_it_was_due() {
    on_each_database(async |ground| {
        let mut scene = Scene::new(ground).await;
        let rule = plan("task-overdue", "description.contains('clinic')", &assign());
        scene.switched_on(&rule).await;
        let page = scene.ann.get("/staff/tasks/new?patient=jane").await.text;
        let attempt = page.split("name=\"attempt\" value=\"").nth(1).unwrap();
        let attempt = attempt.split('"').next().unwrap().to_owned();
        let today = date::date(scene.node.store.now());
        let fields = [
            ("attempt", attempt.as_str()),
            ("patient", "jane"),
            ("letter", ""),
            ("what", "Ask the clinic"),
            ("due", today.as_str()),
            ("to", ""),
        ];
        let begun = scene.ann.post("/staff/tasks/new", &fields).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
        scene.follow().await;
        assert_eq!(scene.made().await, 0, "the day is not over");
        ground.clock().advance(3 * DAY);
        scene.ann = staff(&scene.node, "ann").await;
        scene.follow().await;
        assert_eq!(scene.made().await, 1);
        ground.clock().advance(DAY);
        scene.ann = staff(&scene.node, "ann").await;
        scene.follow().await;
        assert_eq!(scene.made().await, 1, "the rule's own task is another");
    });
}

fn questionnaire(status: &str) -> String {
    json!({
        "resourceType": "Questionnaire", "id": "sleep", "status": status, "title": "How you sleep",
        "url": "https://example.org/Questionnaire/sleep", "version": "1",
        "item": [{ "linkId": "nights", "type": "integer", "text": "Nights awake", "required": true }],
    })
    .to_string()
}

fn ask(by: &str) -> Value {
    let more = json!({
        "definitionCanonical": "https://example.org/Questionnaire/sleep",
        "extension": [{ "url": "urn:handover:rule-answered-by", "valueCode": by }],
    });
    step("ask", more)
}

/// The value of the first field of that name on a page.
fn field(page: &str, name: &str) -> String {
    let from = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    let from = from.unwrap_or_else(|| panic!("{name}: {page}"));
    from.split('"').next().unwrap().replace("&#x2f;", "/")
}

/// Somebody answers that one question and hands it in.
async fn answers(browser: &mut Browser, form: &str, check: &str) {
    let page = browser.get(form).await.text;
    let of = field(&page, "of");
    let fields = [
        ("of", of.as_str()),
        ("shown", "0"),
        ("q0", "3"),
        ("do", "check"),
    ];
    let written = browser.post(form, &fields).await;
    assert_eq!(written.location(), check, "{}", written.text);
    let page = browser.get(check).await.text;
    let of = field(&page, "of");
    let done = browser.post(check, &[("of", &of)]).await;
    assert!(done.location().contains("done=handed-in"), "{}", done.text);
}

#[test]
fn answers_are_an_event_once_they_are_handed_in() {
    on_each_database(async |ground| {
        let mut scene = Scene::new(ground).await;
        scene
            .put("/Questionnaire/sleep", &questionnaire("active"))
            .await;
        let often = "item.where(linkId = 'nights').answer.value > 2";
        scene
            .switched_on(&plan("questionnaire-answered", often, &assign()))
            .await;
        let at = "/staff/patient/jane/questionnaires";
        let attempt = field(&scene.ann.get(at).await.text, "attempt");
        let fields = [
            ("attempt", attempt.as_str()),
            ("form", "sleep"),
            ("who", "patient"),
            ("due", ""),
            ("reason", ""),
        ];
        let asked = scene.ann.post(at, &fields).await;
        assert!(asked.location().contains("done=asked"), "{}", asked.text);
        scene.follow().await;
        assert_eq!(scene.made().await, 0, "it is asked, not answered");
        let mut jane = Browser::new(&scene.node);
        jane.sign_in("/login", "jane").await;
        let form = format!("/questionnaires/{attempt}");
        answers(&mut jane, &form, &format!("{form}/check")).await;
        scene.follow().await;
        assert_eq!(scene.made().await, 1);
    });
}

/// What a rule asked the patient is reminded of once, on the day after, and stands as not opened until they open it.
#[test]
fn a_patient_who_has_not_answered_by_the_day_is_reminded_once() {
    on_each_database(async |ground| {
        let mut scene = Scene::new(ground).await;
        scene
            .put("/Questionnaire/sleep", &questionnaire("active"))
            .await;
        scene
            .switched_on(&plan("result-received", "true", &ask("patient")))
            .await;
        scene.put("/DiagnosticReport/d1", REPORT).await;
        scene.follow().await;
        let exchange = scene.node.exchange.clone().unwrap();
        assert_eq!(exchange.remind_patients().await.unwrap(), 0);
        ground.clock().advance(DAY);
        assert_eq!(
            exchange.remind_patients().await.unwrap(),
            0,
            "it is the day"
        );
        let mut jane = Browser::new(&scene.node);
        jane.sign_in("/login", "jane").await;
        let home = jane.get("/").await.text;
        assert!(
            home.contains("There is a questionnaire to answer"),
            "{home}"
        );
        ground.clock().advance(DAY);
        assert_eq!(exchange.remind_patients().await.unwrap(), 1);
        assert_eq!(exchange.remind_patients().await.unwrap(), 0);
        jane.sign_in("/login", "jane").await;
        let home = jane.get("/").await.text;
        assert!(
            home.contains("Reminder, not opened yet: a questionnaire was due by"),
            "{home}"
        );
        let list = jane.get("/questionnaires").await.text;
        for shown in ["Overdue", "Reminder, not opened yet", "We reminded you on"] {
            assert!(list.contains(shown), "{shown}: {list}");
        }
        scene.ann = staff(&scene.node, "ann").await;
        let overdue = scene.ann.get("/staff/questionnaires?show=overdue").await;
        assert!(overdue.text.contains("reminded"), "{}", overdue.text);
        let form = list.replace("&#x2f;", "/");
        let form = form.split("/questionnaires/rule-").nth(1).unwrap();
        let form = format!("/questionnaires/rule-{}", form.split('"').next().unwrap());
        jane.get(&form).await;
        let list = jane.get("/questionnaires").await.text;
        assert!(!list.contains("Reminder, not opened yet"), "{list}");
        let home = jane.get("/").await.text;
        assert!(
            home.contains("A questionnaire to answer is overdue"),
            "{home}"
        );
        answers(&mut jane, &form, &format!("{form}/check")).await;
        ground.clock().advance(DAY);
        assert_eq!(exchange.remind_patients().await.unwrap(), 0);
    });
}

const REPORT: &str = r#"{"resourceType":"DiagnosticReport","id":"d1","status":"final",
    "code":{"text":"Full blood count"},"subject":{"reference":"Patient/jane"}}"#;

#[test]
fn a_rule_that_asks_by_what_is_not_here_is_not_switched_on_and_later_stands_on_the_work_list() {
    on_each_database(async |ground| {
        let mut scene = Scene::new(ground).await;
        let rule = plan("result-received", "true", &ask("staff"));
        scene.put("/PlanDefinition/r", &rule).await;
        let on = [("do", "on"), ("version", "1")];
        for (status, why) in [
            (None, "sleep is not here. Put it here first"),
            (Some("draft"), "its status is “draft”"),
            (Some("retired"), "its status is “retired”"),
        ] {
            if let Some(status) = status {
                scene
                    .put("/Questionnaire/sleep", &questionnaire(status))
                    .await;
            }
            let page = scene.ann.get(RULE).await.text;
            assert!(
                page.contains("cannot be switched on yet") && page.contains(why),
                "{page}"
            );
            let refused = scene.ann.post(RULE, &on).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(refused.text.contains(why), "{}", refused.text);
        }
        let unfit = questionnaire("active").replace("\"integer\"", "\"attachment\"");
        scene.put("/Questionnaire/sleep", &unfit).await;
        scene.ann.get(RULE).await;
        let refused = scene.ann.post(RULE, &on).await;
        assert!(
            refused
                .text
                .contains("“How you sleep” cannot be answered here"),
            "{}",
            refused.text
        );
        // It can be asked: the page names it by its title, and has its address one press away.
        scene
            .put("/Questionnaire/sleep", &questionnaire("active"))
            .await;
        scene.put("/DiagnosticReport/d1", REPORT).await;
        let page = scene.ann.get(&format!("{RULE}?try=yes")).await.text;
        for shown in [
            "the questionnaire “How you sleep”",
            "href=\"&#x2f;staff&#x2f;questionnaires&#x2f;sleep\"",
            "<code>https:&#x2f;&#x2f;example.org&#x2f;Questionnaire&#x2f;sleep</code>",
            "Questionnaire asked for: “How you sleep”",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        let switched = scene.ann.post(RULE, &on).await;
        assert_eq!(switched.location(), format!("{RULE}?done=on"));
        // Retired since: nothing is asked, and a person is told what to do.
        scene
            .put("/Questionnaire/sleep", &questionnaire("retired"))
            .await;
        scene.put("/DiagnosticReport/d1", REPORT).await;
        scene.follow().await;
        assert_eq!(scene.made().await, 0);
        let list = scene.ann.get("/staff/worklist").await.text;
        assert!(
            list.contains("“How you sleep” cannot be asked") && list.contains("Try again"),
            "{list}"
        );
        scene
            .put("/Questionnaire/sleep", &questionnaire("active"))
            .await;
        let list = list.replace("&#x2f;", "/");
        let again = list.split("/again\"").next().unwrap();
        let again = again.rsplit('"').next().unwrap();
        let again = scene.ann.post(&format!("{again}/again"), &[]).await;
        assert_eq!(again.location(), "/staff/worklist?done=rule-again");
        scene.follow().await;
        assert_eq!(scene.made().await, 1);
    });
}

/// The address of the only open task.
fn task(tasks: &str) -> String {
    let tasks = tasks.replace("&#x2f;", "/");
    let from = tasks.find("/staff/tasks/rule-").unwrap();
    tasks[from..].split('"').next().unwrap().to_owned()
}

#[test]
fn what_a_rule_asks_staff_is_answered_from_their_task_which_is_over_with_it() {
    on_each_database(async |ground| {
        let mut scene = Scene::new(ground).await;
        scene
            .put("/Questionnaire/sleep", &questionnaire("active"))
            .await;
        scene
            .switched_on(&plan("result-received", "true", &ask("staff")))
            .await;
        scene.put("/DiagnosticReport/d1", REPORT).await;
        scene.follow().await;
        let task = task(&scene.tasks().await);
        let page = scene.ann.get(&task).await.text;
        assert!(page.contains("Answer the questionnaire"), "{page}");
        let done = [("do", "done"), ("version", "1"), ("note", "")];
        let refused = scene.ann.post(&task, &done).await;
        assert!(
            refused.text.contains("done by answering the questionnaire"),
            "{}",
            refused.text
        );
        let id = task.rsplit('/').next().unwrap();
        let form = format!("/staff/questionnaires/tasks/{id}/answer");
        let check = format!("/staff/questionnaires/tasks/{id}/check");
        answers(&mut scene.ann, &form, &check).await;
        let open = scene.tasks().await;
        assert!(open.contains("No task is open."), "{open}");
    });
}

#[test]
fn a_task_to_book_leads_to_the_diary_with_its_patient_and_is_done_with_the_booking() {
    on_each_database(async |ground| {
        let mut scene = Scene::new(ground).await;
        let service = json!({ "extension": [
            { "url": "urn:handover:rule-service", "valueString": "blood test" }
        ] });
        scene
            .switched_on(&plan("result-received", "true", &step("book", service)))
            .await;
        scene.put("/DiagnosticReport/d1", REPORT).await;
        scene.follow().await;
        let task = task(&scene.tasks().await);
        let id = task.rsplit('/').next().unwrap().to_owned();
        let page = scene.ann.get(&task).await.text.replace("&#x2f;", "/");
        let way = format!("/staff/slots?task={id}");
        assert!(page.contains(&way), "{page}");
        let book = first_slot(&mut scene, &format!("&task={id}")).await;
        assert!(book.ends_with(&format!("/book?task={id}")), "{book}");
        let other = scene.ann.get(&way).await.text;
        assert!(other.contains("EXAMPLE, Jane"), "{other}");
        let form = scene.ann.get(&book).await.text;
        let mut fields = Vec::new();
        for (name, value) in [
            ("nhs_number", "9434765919"),
            ("born", "1961-02-03"),
            ("family", "EXAMPLE"),
            ("reason", "blood test"),
        ] {
            let shown = format!("name=\"{name}\" type=\"text\" value=\"{value}\"");
            let is_shown = form.contains(&shown) || form.contains(&format!("value=\"{value}\""));
            assert!(is_shown, "{name}: {form}");
            fields.push((name, value));
        }
        let attempt = field(&form, "attempt");
        fields.push(("attempt", attempt.as_str()));
        fields.push(("task", id.as_str()));
        let address = book.split('?').next().unwrap();
        let booked = scene.ann.post(address, &fields).await;
        assert_eq!(
            booked.location(),
            "/staff/tasks?done=booked",
            "{}",
            booked.text
        );
        let open = scene.tasks().await;
        assert!(open.contains("No task is open."), "{open}");
        let page = scene.ann.get(&task).await.text;
        assert!(page.contains("Done: Booked:"), "{page}");
        // Once it is over it leads nowhere.
        let over = scene.ann.get(&way).await;
        assert_eq!(over.status, StatusCode::UNPROCESSABLE_ENTITY);
    });
}
