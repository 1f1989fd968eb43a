mod forms;

use std::sync::Arc;

use access::{Scope, SystemPurpose};
use http::StatusCode;
use serde_json::{Value, json};
use store::testing::{Ground, on_each_database};
use store::{Reading, Release};

use crate::node::Node;
use crate::testing::{Browser, bare_node, letters};

const INITIAL: &str =
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-initialExpression";

fn review() -> Value {
    json!({
        "resourceType": "Questionnaire", "status": "active", "title": "Asthma review",
        "url": "https://handover.example/Questionnaire/asthma", "version": "1",
        "item": [
            { "linkId": "sleep", "type": "integer", "text": "Nights awake", "required": true },
            { "linkId": "smokes", "type": "boolean", "text": "Do you smoke?", "required": true },
            { "linkId": "many", "type": "integer", "text": "How many a day?", "required": true,
              "enableWhen": [{ "question": "smokes", "operator": "=", "answerBoolean": true }] },
            { "linkId": "weight", "type": "decimal", "text": "Your weight", "extension": [{ "url": INITIAL,
              "valueExpression": { "language": "text/fhirpath",
                "expression": "%context.ofType(Observation).where(code.text = 'Weight').first().value.value" } }] },
        ],
    })
}

fn weight(value: f64, sealed: bool) -> String {
    let mut weight = json!({
        "resourceType": "Observation", "status": "final", "code": { "text": "Weight" },
        "subject": { "reference": "Patient/jane" }, "effectiveDateTime": "2026-05-03",
        "valueQuantity": { "value": value, "unit": "kg" },
    });
    if sealed {
        let label = json!([{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V" }]);
        weight["meta"] = json!({ "security": label });
    }
    weight.to_string()
}

async fn practice(ground: &Ground) -> Arc<Node> {
    let node = bare_node(ground).await;
    letters::patient(&node.store).await;
    letters::put(&node.store, "asthma", &review().to_string(), Release::Keep).await;
    letters::put(&node.store, "w1", &weight(71.5, false), Release::At(0)).await;
    Arc::new(node)
}

async fn signed_in(node: &Arc<Node>, door: &str, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    browser.sign_in(door, login).await;
    browser
}

/// The value of the first field of that name on a page.
fn field(page: &str, name: &str) -> String {
    let from = page
        .split(&format!("name=\"{name}\" value=\""))
        .nth(1)
        .unwrap();
    from.split('"').next().unwrap().replace("&#x2f;", "/")
}

/// Staff ask Jane; the Task's id.
async fn ask(node: &Arc<Node>, who: &str) -> String {
    let mut bo = signed_in(node, "/staff/login", "bo").await;
    let page = bo.get("/staff/patient/jane/questionnaires").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let task = field(&page.text, "attempt");
    let fields = [
        ("attempt", task.as_str()),
        ("form", "asthma"),
        ("who", who),
        ("due", ""),
        ("reason", "Your yearly review"),
    ];
    for _ in 0..2 {
        let asked = bo.post("/staff/patient/jane/questionnaires", &fields).await;
        assert_eq!(
            asked.location(),
            "/staff/patient/jane/questionnaires?done=asked",
            "{}",
            asked.text
        );
    }
    task
}

async fn response(node: &Node, id: &str) -> Option<(Value, u64)> {
    let scope = Scope::system(SystemPurpose::Measure);
    match node
        .store
        .read(&scope, "QuestionnaireResponse", id)
        .await
        .unwrap()
    {
        Reading::Found(found) => {
            Some((serde_json::from_slice(&found.body).unwrap(), found.version))
        }
        _ => None,
    }
}

/// Jane writes these answers and looks over them.
async fn write(jane: &mut Browser, task: &str, fields: &[(&str, &str)]) -> crate::testing::Answer {
    let here = format!("/questionnaires/{task}");
    let page = jane.get(&here).await.text;
    let of = field(&page, "of");
    let mut all = vec![("of", of.as_str()), ("do", "check"), ("shown", "0,1,2,3")];
    all.extend(fields);
    jane.post(&here, &all).await
}

#[test]
fn a_patient_is_asked_answers_once_and_staff_read_what_was_prefilled_and_not_changed() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let task = ask(&node, "patient").await;
        let mut jane = signed_in(&node, "/login", "jane").await;
        let home = jane.get("/").await.text;
        assert!(
            home.contains("There is a questionnaire to answer"),
            "{home}"
        );
        let here = format!("/questionnaires/{task}");
        let page = jane.get(&here).await.text;
        assert!(page.contains("value=\"71.5\""), "{page}");
        assert!(
            page.contains("a result or measurement, 3 May 2026"),
            "{page}"
        );

        let wrong = write(
            &mut jane,
            &task,
            &[("q0", "many"), ("q1", "yes"), ("q3", "71.5")],
        )
        .await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            wrong.text.contains("Nights awake: Enter a number"),
            "{}",
            wrong.text
        );
        assert!(
            wrong.text.contains("How many a day?: Answer this question"),
            "{}",
            wrong.text
        );
        let fields = [("q0", "3"), ("q1", "no"), ("q2", "20"), ("q3", "71.5")];
        let checked = write(&mut jane, &task, &fields).await;
        assert_eq!(
            checked.location(),
            format!("{here}/check"),
            "{}",
            checked.text
        );
        let check = jane.get(&format!("{here}/check")).await.text;
        assert!(
            !check.contains("How many a day"),
            "what is not asked is not handed in: {check}"
        );
        assert!(response(&node, &task).await.is_none());
        let of = field(&check, "of");
        for done in ["handed-in", "before"] {
            let sent = jane.post(&format!("{here}/check"), &[("of", &of)]).await;
            assert_eq!(
                sent.location(),
                format!("{here}?done={done}"),
                "{}",
                sent.text
            );
        }
        let (made, version) = response(&node, &task).await.unwrap();
        assert_eq!((made["status"].as_str(), version), (Some("completed"), 1));
        assert_eq!(made["author"]["reference"], "Patient/jane");
        assert_eq!(made["item"][2]["linkId"], "weight");
        let marked = made["item"][2]["extension"][0]["valueString"]
            .as_str()
            .unwrap();
        assert!(marked.contains("3 May 2026"), "{marked}");
        assert!(!jane.get("/").await.text.contains("to answer"));

        let mut bo = signed_in(&node, "/staff/login", "bo").await;
        let board = bo.get("/staff/questionnaires").await.text;
        assert!(
            board.contains("Answered, not read yet") && board.contains("EXAMPLE, Jane"),
            "{board}"
        );
        let at = format!("/staff/questionnaires/tasks/{task}");
        let answers = bo.get(&at).await.text;
        assert!(
            answers.contains("Filled in from the record, not changed"),
            "{answers}"
        );
        let seen = [("answered_at", field(&answers, "answered_at"))];
        let seen: Vec<(&str, &str)> = seen.iter().map(|(name, it)| (*name, it.as_str())).collect();
        let read = bo.post(&format!("{at}/seen"), &seen).await;
        assert_eq!(read.location(), format!("{at}?done=seen"), "{}", read.text);
        let board = bo.get("/staff/questionnaires").await.text;
        assert!(!board.contains("EXAMPLE, Jane"), "{board}");
        let timeline = bo.get("/staff/patient/jane/timeline").await.text;
        assert!(
            timeline.contains("Answers to a questionnaire"),
            "{timeline}"
        );
    });
}

#[test]
fn what_was_begun_is_kept_for_its_writer_alone_and_goes_on_later() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let task = ask(&node, "patient").await;
        let here = format!("/questionnaires/{task}");
        let mut jane = signed_in(&node, "/login", "jane").await;
        let of = field(&jane.get(&here).await.text, "of");
        let fields = [
            ("of", of.as_str()),
            ("do", "save"),
            ("q0", "not yet a number"),
        ];
        let saved = jane.post(&here, &fields).await;
        assert_eq!(
            saved.location(),
            "/questionnaires?done=saved",
            "{}",
            saved.text
        );
        let mut again = signed_in(&node, "/login", "jane").await;
        let page = again.get(&here).await.text;
        assert!(page.contains("not yet a number"), "{page}");
        let mut bo = signed_in(&node, "/staff/login", "bo").await;
        let answer = bo
            .get(&format!("/staff/questionnaires/tasks/{task}/answer"))
            .await
            .text;
        assert!(!answer.contains("not yet a number"), "{answer}");
        // Without scripts the button shows what follows.
        let fields = [("of", of.as_str()), ("do", "update"), ("q1", "yes")];
        let shown = jane.post(&here, &fields).await.text;
        assert!(shown.contains("data-question=\"2\">"), "{shown}");
        let hidden = jane
            .post(&here, &[("of", &of), ("do", "update"), ("q1", "no")])
            .await
            .text;
        assert!(hidden.contains("data-question=\"2\" hidden>"), "{hidden}");
        // What follows and was not shown is shown before anything is handed in.
        let fields = [
            ("of", of.as_str()),
            ("do", "check"),
            ("shown", "0,1,3"),
            ("q0", "1"),
            ("q1", "yes"),
            ("q2", "4"),
        ];
        let more = jane.post(&here, &fields).await;
        assert!(more.text.contains("More questions follow"), "{}", more.text);
    });
}

#[test]
fn answers_are_changed_only_as_amended_with_their_history_and_are_unread_again() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let task = ask(&node, "patient").await;
        let here = format!("/questionnaires/{task}");
        let mut jane = signed_in(&node, "/login", "jane").await;
        write(&mut jane, &task, &[("q0", "3"), ("q1", "no")]).await;
        let of = field(&jane.get(&format!("{here}/check")).await.text, "of");
        jane.post(&format!("{here}/check"), &[("of", &of)]).await;
        let page = jane.get(&format!("{here}?change=yes")).await.text;
        assert!(
            page.contains("You are changing answers that were handed in"),
            "{page}"
        );
        let fields = [
            ("of", of.as_str()),
            ("do", "check"),
            ("shown", "0,1,3"),
            ("q0", "5"),
            ("q1", "no"),
        ];
        let checked = jane.post(&here, &fields).await;
        assert_eq!(
            checked.location(),
            format!("{here}/check"),
            "{}",
            checked.text
        );
        jane.get(&format!("{here}/check")).await;
        let sent = jane.post(&format!("{here}/check"), &[("of", &of)]).await;
        assert_eq!(
            sent.location(),
            format!("{here}?done=handed-in"),
            "{}",
            sent.text
        );
        let (made, version) = response(&node, &task).await.unwrap();
        assert_eq!((made["status"].as_str(), version), (Some("amended"), 2));
        let scope = Scope::system(SystemPurpose::Measure);
        let unseen = node
            .store
            .asks(&scope, &store::forms::AskList::Unseen)
            .await
            .unwrap()
            .0;
        assert_eq!(unseen.len(), 1);
    });
}

/// What the patient may not see is not shown to them by way of a form.
#[test]
fn a_form_is_prefilled_only_from_what_its_reader_may_see() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        letters::put(&node.store, "w2", &weight(99.5, true), Release::Never).await;
        let later = weight(88.5, false).replace("2026-05-03", "2026-06-01");
        letters::put(&node.store, "w3", &later, Release::Never).await;
        let task = ask(&node, "patient").await;
        let mut jane = signed_in(&node, "/login", "jane").await;
        let page = jane.get(&format!("/questionnaires/{task}")).await.text;
        assert!(
            page.contains("71.5") && !page.contains("99.5") && !page.contains("88.5"),
            "{page}"
        );
    });
}

#[test]
fn what_was_not_asked_of_the_patient_is_not_theirs_to_answer_and_strangers_find_nothing() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let staff = ask(&node, "staff").await;
        let mut jane = signed_in(&node, "/login", "jane").await;
        let refused = jane.get(&format!("/questionnaires/{staff}")).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        let theirs = ask(&node, "patient").await;
        let john = ["john", "John Other", "john", "9990000018", "1970-01-01"];
        crate::testing::patient(&node.store, john).await;
        let mut john = signed_in(&node, "/login", "john").await;
        for path in [
            format!("/questionnaires/{theirs}"),
            format!("/questionnaires/{theirs}/check"),
            "/questionnaires/none".into(),
        ] {
            assert_eq!(
                john.get(&path).await.status,
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        let mut ed = signed_in(&node, "/staff/login", "ed").await;
        assert_eq!(
            ed.get("/staff/questionnaires").await.status,
            StatusCode::FORBIDDEN
        );
    });
}

#[test]
fn staff_answer_withdraw_and_look_at_a_preview() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let mut bo = signed_in(&node, "/staff/login", "bo").await;
        let preview = bo.get("/staff/questionnaires/asthma").await.text;
        assert!(
            preview.contains("The person is made up") && !preview.contains("71.5"),
            "{preview}"
        );
        let task = ask(&node, "staff").await;
        let at = format!("/staff/questionnaires/tasks/{task}");
        let of = field(&bo.get(&format!("{at}/answer")).await.text, "of");
        let fields = [
            ("of", of.as_str()),
            ("do", "check"),
            ("shown", "0,1,3"),
            ("q0", "2"),
            ("q1", "no"),
        ];
        let checked = bo.post(&format!("{at}/answer"), &fields).await;
        assert_eq!(
            checked.location(),
            format!("{at}/check"),
            "{}",
            checked.text
        );
        bo.get(&format!("{at}/check")).await;
        let sent = bo.post(&format!("{at}/check"), &[("of", &of)]).await;
        assert_eq!(
            sent.location(),
            format!("{at}?done=handed-in"),
            "{}",
            sent.text
        );
        let (made, _) = response(&node, &task).await.unwrap();
        assert_eq!(made["author"]["display"], "Dr Bo Test, clinician");

        let other = ask(&node, "patient").await;
        let at = format!("/staff/questionnaires/tasks/{other}");
        bo.get(&at).await;
        let gone = bo.post(&format!("{at}/withdraw"), &[]).await;
        assert_eq!(
            gone.location(),
            format!("{at}?done=withdrawn"),
            "{}",
            gone.text
        );
        let mut jane = signed_in(&node, "/login", "jane").await;
        let page = jane.get(&format!("/questionnaires/{other}")).await.text;
        assert!(
            page.contains("does not need to be answered any more"),
            "{page}"
        );
    });
}

const TOM: [&str; 5] = ["tom", "Tom Helper", "tom", "9990000018", "1970-02-03"];

#[test]
fn somebody_who_acts_for_the_patient_without_leave_to_answer_is_refused_by_name() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        crate::testing::patient(&node.store, TOM).await;
        let task = ask(&node, "patient").await;
        let letters = [("see-letters", "yes")];
        let (mut tom, _) = crate::patient::people::tests::acting(&node, &letters).await;
        let refused = tom.get(&format!("/questionnaires/{task}")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(
            refused.text.contains("not shown to people who act"),
            "{}",
            refused.text
        );
        assert!(!tom.get("/").await.text.contains("questionnaire to answer"));
    });
}

/// Who acts for Jane is named in the response, and sees no more of the record by the form.
#[test]
fn somebody_who_acts_for_the_patient_answers_by_leave_and_is_named() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        crate::testing::patient(&node.store, TOM).await;
        let task = ask(&node, "patient").await;
        let here = format!("/questionnaires/{task}");
        let leave = [("see-questionnaires", "yes")];
        let (mut tom, _) = crate::patient::people::tests::acting(&node, &leave).await;
        assert!(tom.get("/").await.text.contains("questionnaire to answer"));
        let page = tom.get(&here).await.text;
        assert!(!page.contains("71.5"), "{page}");
        assert!(
            page.contains("Not everything that could be filled in is shown to you"),
            "{page}"
        );
        // The Tasks of orders are not shown by it.
        let tasks = tom.get("/fhir/Task").await;
        assert_eq!(tasks.status, StatusCode::FORBIDDEN, "{}", tasks.text);
        let checked = write(&mut tom, &task, &[("q0", "1"), ("q1", "no")]).await;
        assert_eq!(
            checked.location(),
            format!("{here}/check"),
            "{}",
            checked.text
        );
        let of = field(&tom.get(&format!("{here}/check")).await.text, "of");
        let sent = tom.post(&format!("{here}/check"), &[("of", &of)]).await;
        assert_eq!(
            sent.location(),
            format!("{here}?done=handed-in"),
            "{}",
            sent.text
        );
        let (made, _) = response(&node, &task).await.unwrap();
        assert_eq!(made["source"]["display"], "Tom Helper, for Jane Example");
        assert_eq!(made["author"]["reference"], Value::Null);
    });
}
