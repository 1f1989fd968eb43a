//! The pages in a real headless Chromium: each file in `tests/browser` is run by node against a demo of its own.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::node::demo::Demo;
use crate::setting::{assets, handover, python_program, root};

const SCRIPT_SECONDS: u64 = 400;
/// What tests share, not a test.
const SHARED: [&str; 2] = ["people", "setting"];

/// A test for each script, so that one that fails hides none.
macro_rules! scripts {
    ($($test:ident = $script:literal;)*) => {
        const SCRIPTS: &[&str] = &[$($script),*];

        $(
            #[test]
            fn $test() {
                run($script);
            }
        )*
    };
}

scripts! {
    a13_a_letter_is_filed = "a-letter-is-filed";
    a13_a_line_is_cut_and_nothing_is_lost = "a-line-is-cut-and-nothing-is-lost";
    a13_a_nurse_takes_the_day_along = "a-nurse-takes-the-day-along";
    a13_a_patient_moves = "a-patient-moves";
    a13_a_patient_reads_asks_and_writes_in_few_clicks = "a-patient-reads-asks-and-writes-in-few-clicks";
    a13_a_patient_reads_without_a_connection = "a-patient-reads-without-a-connection";
    a13_a_prescription_is_ordered_and_dispensed = "a-prescription-is-ordered-and-dispensed";
    a13_a_questionnaire_is_answered = "a-questionnaire-is-answered";
    a13_a_questionnaire_without_javascript = "a-questionnaire-without-javascript";
    a13_a_rule_does_routine_work_and_is_undone = "a-rule-does-routine-work-and-is-undone";
    a13_an_ambulance_hands_over = "an-ambulance-hands-over";
    a13_an_app_is_allowed = "an-app-is-allowed";
    a13_an_appointment_is_booked = "an-appointment-is-booked";
    a13_every_journey_works_without_scripts = "every-journey-works-without-scripts";
    a13_every_page_is_accessible = "every-page-is-accessible";
    a13_javascript_is_not_needed = "javascript-is-not-needed";
    a13_nothing_from_outside_runs = "nothing-from-outside-runs";
    a13_people_act_for_others = "people-act-for-others";
    a13_seldom_pages_are_accessible = "seldom-pages-are-accessible";
    a13_the_workbench = "the-workbench";
}

#[test]
fn every_script_has_its_test() {
    let listed = std::fs::read_dir(root().join("tests/browser")).unwrap();
    let names = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let scripts = names.filter_map(|name| name.strip_suffix(".mjs").map(str::to_owned));
    let mut scripts: Vec<String> = scripts
        .filter(|it| !SHARED.contains(&it.as_str()))
        .collect();
    scripts.sort();
    assert_eq!(scripts, SCRIPTS);
}

fn run(script: &str) {
    let mut demo = Demo::new();
    demo.process.start();
    demo.wait_for_the_day();
    demo.wait_until_calm();
    let began = Instant::now();
    let mut node = Command::new("node")
        .arg(root().join("tests/browser").join(format!("{script}.mjs")))
        .env("HANDOVER_ASSETS", assets())
        .env("HANDOVER_TEST_ROOT", root())
        .env("HANDOVER_TEST_PYTHON", python_program("python"))
        .env("HANDOVER_TEST_PROGRAM", handover())
        .env("HANDOVER_TEST_DATA", demo.folder.path().join("demo-data"))
        .env("HANDOVER_TEST_HOSPITAL", demo.hospital())
        .env("HANDOVER_TEST_PRACTICE", demo.practice())
        .env("HANDOVER_TEST_PHARMACY", demo.pharmacy())
        .env("HANDOVER_TEST_NETWORK", demo.network())
        .env("HANDOVER_TEST_MLLP", demo.mllp().port().to_string())
        .spawn()
        .unwrap();
    let status = loop {
        if let Some(status) = node.try_wait().unwrap() {
            break status;
        }
        if began.elapsed().as_secs() > SCRIPT_SECONDS {
            node.kill().unwrap();
            panic!("{script} is not done after {SCRIPT_SECONDS} s");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(
        status.success(),
        "{script} failed; the demo said:\n{}",
        demo.process.log()
    );
}
