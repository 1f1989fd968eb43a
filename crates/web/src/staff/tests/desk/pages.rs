//! Tasks, teams, neighbours, and what is held of one patient.

use http::StatusCode;
use store::Release;
use store::testing::on_each_database;

use super::super::discharges::{hidden, hospital, staff};
use super::{clerk, signed_in, titled};
use crate::testing::{account, letters};

const TASKS: &str = "/staff/tasks";

#[test]
fn a_task_of_a_letter_is_given_done_once_or_not_done_and_said_why() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        let pid = titled(&node, "Letter a", false).await;
        let bo = account(&node.store, "bo").await;
        let address = format!("/staff/tasks/new?letter={pid}");
        let form = ann.get(&address).await.text;
        assert!(form.contains("From the letter “Letter a”."), "{form}");
        let attempt = hidden(&form, "attempt").to_owned();
        let (pid_text, to) = (pid.to_string(), format!("a:{bo}"));
        let mut fields = vec![
            ("attempt", attempt.as_str()),
            ("letter", pid_text.as_str()),
            ("to", to.as_str()),
            ("due", "2026-01-01"),
        ];
        let wrong = ann.post("/staff/tasks/new", &fields).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(wrong.text.contains("Enter what is to be done") && wrong.text.contains("is over"));
        fields[3] = ("due", "2026-01-05");
        fields.push(("what", "Check <b>kidneys</b>"));
        let made = ann.post("/staff/tasks/new", &fields).await;
        assert_eq!(
            made.location(),
            format!("/staff/item/{pid}?done=task"),
            "{}",
            made.text
        );
        // The same press again makes no second one.
        ann.get(&address).await;
        ann.post("/staff/tasks/new", &fields).await;
        let item = ann.get(&format!("/staff/item/{pid}")).await.text;
        assert_eq!(item.matches("class=\"todo\"").count(), 1, "{item}");
        assert!(
            item.contains("Dr Bo Test") && item.contains("Due today"),
            "{item}"
        );
        assert!(ann.get(TASKS).await.text.contains("No task is yours"));
        let mut bo = signed_in(&node, "bo").await;
        let mine = bo.get(TASKS).await.text;
        assert!(
            mine.contains("Check &lt;b&gt;kidneys") && mine.contains("Tasks (1)"),
            "{mine}"
        );
        ground.clock().advance(86_400_000);
        // The session has ended with the day.
        let mut bo = signed_in(&node, "bo").await;
        let late = bo.get(TASKS).await.text;
        assert!(
            late.contains("1 is overdue.") && late.contains("Overdue"),
            "{late}"
        );
        let one = format!("{TASKS}/{attempt}");
        bo.get(&one).await;
        let mute = [("do", "not-done"), ("version", "1")];
        let mute = bo.post(&one, &mute).await;
        assert!(
            mute.text.contains("Enter why it was not done"),
            "{}",
            mute.text
        );
        let mut ann = signed_in(&node, "ann").await;
        ann.get(&one).await;
        let done = [("do", "done"), ("version", "1"), ("note", "eGFR is fine")];
        let done = bo.post(&one, &done).await;
        assert_eq!(done.location(), "/staff/tasks?done=done", "{}", done.text);
        // Who was later is told who was faster.
        let late = [("do", "not-done"), ("version", "1"), ("why", "moved away")];
        let late = ann.post(&one, &late).await;
        assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            late.text.contains("Dr Bo Test changed this task on"),
            "{}",
            late.text
        );
        let over = ann.get("/staff/tasks?show=over").await.text;
        assert!(
            over.contains("Done") && over.contains("Dr Bo Test"),
            "{over}"
        );
        assert!(ann.get(&one).await.text.contains("Done: eGFR is fine"));
        let task = ann.get(&format!("{TASKS}/nothing")).await;
        assert_eq!(task.status, StatusCode::NOT_FOUND);
    });
}

async fn observation(node: &crate::Node, id: &str, rest: &str) {
    let text = format!(
        r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/jane"}},{rest}}}"#
    );
    letters::put(&node.store, id, &text, Release::Keep).await;
}

fn potassium(day: &str, value: &str, status: &str) -> String {
    format!(
        r#""status":"{status}","effectiveDateTime":"{day}","code":{{"coding":[{{"system":"http://loinc.org","code":"2823-3"}}],
        "text":"Potassium"}},"valueQuantity":{{"value":{value},"unit":"mmol/L"}},"referenceRange":[{{"low":{{"value":3.5,
        "unit":"mmol/L"}},"high":{{"value":5.3,"unit":"mmol/L"}}}}],"performer":[{{"display":"Anytown laboratory"}}]"#
    )
}

#[test]
fn results_are_by_test_and_unit_with_the_laboratorys_own_range_and_a_trend() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        for (number, (day, value, status)) in [
            ("2025-06-01", "4.10", "final"),
            ("2025-09-01", "4.9", "corrected"),
            ("2025-12-01", "6.1", "final"),
        ]
        .into_iter()
        .enumerate()
        {
            observation(&node, &format!("o{number}"), &potassium(day, value, status)).await;
        }
        let other = potassium("2025-11-01", "19.2", "final").replace("mmol/L", "mg/dL");
        observation(&node, "o9", &other).await;
        let page = ann.get("/staff/patient/jane/results").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let page = page.text;
        // To the digit as it was measured.
        for shown in [
            "4.10 mmol",
            "6.1 mmol",
            "19.2 mg",
            "Corrected",
            "High",
            "3.5 to 5.3",
            "Anytown laboratory",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        assert_eq!(
            page.matches("<svg viewBox").count(),
            1,
            "one figure is no trend, and units are not mixed"
        );
        assert!(
            page.contains("3 figures from 1 Jun 2025 to 1 Dec 2025"),
            "{page}"
        );
        let timeline = ann.get("/staff/patient/jane/timeline").await.text;
        assert!(
            timeline.contains("Potassium: 6.1 mmol") && timeline.contains("1 Dec 2025"),
            "{timeline}"
        );
        let some = ann
            .get("/staff/patient/jane/timeline?show=letters")
            .await
            .text;
        assert!(
            some.contains("Nothing of this kind is held here."),
            "{some}"
        );
        for page in ["results", "timeline"] {
            let stranger = ann.get(&format!("/staff/patient/nobody/{page}")).await;
            assert_eq!(stranger.status, StatusCode::NOT_FOUND);
        }
    });
}

#[test]
fn what_is_sealed_is_said_and_never_shown_as_nothing() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        let seal = r#""meta":{"security":[{"system":"urn:handover:seal","code":"sealed"},
            {"system":"urn:handover:workgroup","code":"gum"}]},"#;
        let rest = format!("{seal}{}", potassium("2025-12-01", "6.1", "final"));
        observation(&node, "o1", &rest).await;
        for page in ["results", "timeline"] {
            let page = ann.get(&format!("/staff/patient/jane/{page}")).await.text;
            assert!(page.contains("Sealed items exist."), "{page}");
            assert!(
                !page.contains("Potassium") && !page.contains("is held here.</p>"),
                "{page}"
            );
        }
    });
}

#[test]
fn teams_are_kept_and_somebody_leaves_by_the_word_of_two() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        const AT: &str = "/staff/admin/teams";
        let page = ann.get(AT).await.text;
        let id = hidden(&page, "id").to_owned();
        let made = [("do", "team"), ("id", id.as_str()), ("name", "Results")];
        let done = ann.post(AT, &made).await;
        assert_eq!(done.location(), format!("{AT}?done=team"), "{}", done.text);
        let twice = uuid::Uuid::new_v4().to_string();
        let same = [("do", "team"), ("id", twice.as_str()), ("name", "Results")];
        let same = ann.post(AT, &same).await;
        assert!(
            same.text.contains("There is a team of that name already."),
            "{}",
            same.text
        );
        let bo = account(&node.store, "bo").await.to_string();
        let join = [
            ("do", "join"),
            ("team", id.as_str()),
            ("account", bo.as_str()),
        ];
        ann.post(AT, &join).await;
        let page = ann.get(AT).await.text;
        assert!(
            page.contains("Nobody leads it") && page.contains("Dr Bo Test"),
            "{page}"
        );
        let ask = uuid::Uuid::new_v4().to_string();
        let leave = [
            ("do", "leave"),
            ("id", ask.as_str()),
            ("account", bo.as_str()),
        ];
        let asked = ann.post(AT, &leave).await;
        assert_eq!(
            asked.location(),
            format!("{AT}?done=leave"),
            "{}",
            asked.text
        );
        let confirm = [("do", "confirm"), ("id", ask.as_str())];
        let own = ann.post(AT, &confirm).await;
        assert!(
            own.text.contains("Another person must confirm this"),
            "{}",
            own.text
        );
        let mut bo = signed_in(&node, "bo").await;
        bo.get(AT).await;
        let own = bo.post(AT, &confirm).await;
        assert_eq!(
            own.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "nor whom it is about"
        );
        let mut ed = signed_in(&node, "ed").await;
        ed.get(AT).await;
        let done = ed.post(AT, &confirm).await;
        assert_eq!(
            done.location(),
            format!("{AT}?done=confirm"),
            "{}",
            done.text
        );
        let gone = bo.get("/staff/inbox").await;
        assert_eq!(gone.status, StatusCode::SEE_OTHER, "the session has ended");
        let mut olu = signed_in(&node, "olu").await;
        assert_eq!(olu.get(AT).await.status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn each_neighbour_is_shown_with_its_health_queue_and_certificate_and_no_patient() {
    on_each_database(async |ground| {
        let (_folder, node) = hospital(ground).await;
        letters::send(&node.store, &letters::Letter::default()).await;
        letters::fail_to_send(&node.store, node.store.now() + 60_000).await;
        let mut ed = staff(&node, "ed").await;
        let page = ed.get("/staff/neighbours").await.text;
        for shown in [
            "The gp-practice",
            "Not tried yet",
            "Directory version 1",
            "FZZ99",
            "Not in the directory",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        assert!(
            !page.contains("EXAMPLE") && !page.contains("943 476"),
            "{page}"
        );
        let mut ann = staff(&node, "ann").await;
        assert_eq!(ann.get("/staff/neighbours").await.status, StatusCode::OK);
    });
}
