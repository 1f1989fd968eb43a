//! What other organisations hold, opened by the patient.

use std::sync::Arc;

use exchange::Settings;
use http::StatusCode;
use store::{AuditFilter, Release};

use super::seen;
use crate::testing::beside::{Beside, beside_a_hospital};
use crate::testing::{Browser, letters};

fn result(id: &str, patient: &str, (day, value, unit): (&str, f64, &str), number: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","status":"final","id":"{id}","code":{{"text":"Haemoglobin",
        "coding":[{{"system":"http://snomed.info/sct","code":"1022431000000105"}}]}},
        "identifier":[{{"system":"urn:lab","value":"{number}"}}],
        "subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"{day}",
        "valueQuantity":{{"value":{value},"unit":"{unit}"}}}}"#
    )
}

async fn letter(beside: &Beside, id: &str, title: &str, words: &str, release: Release) {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(words);
    for (part, kind) in [("text", "text/plain"), ("pdf", "application/pdf")] {
        let binary = format!(
            r#"{{"resourceType":"Binary","contentType":"{kind}","securityContext":{{"reference":"Patient/jane-there"}},
            "data":"{data}"}}"#
        );
        beside
            .put_there(&format!("{id}-{part}"), &binary, release)
            .await;
    }
    let text = format!(
        r#"{{"resourceType":"DocumentReference","status":"current","subject":{{"reference":"Patient/jane-there"}},
        "date":"2026-01-02T03:04:05Z","description":"{title}","content":[
        {{"attachment":{{"url":"Binary/{id}-text"}}}},{{"attachment":{{"url":"Binary/{id}-pdf"}}}}]}}"#
    );
    beside.put_there(id, &text, release).await;
}

async fn jane(node: &Arc<crate::node::Node>) -> Browser {
    let mut jane = Browser::new(node);
    jane.sign_in("/login", "jane").await;
    jane
}

/// The log's lines of the hospital about being asked.
async fn asked_there(beside: &Beside) -> usize {
    let scope = access::Scope::system(access::SystemPurpose::Measure);
    let filter = AuditFilter {
        patient: None,
        before: None,
        count: 500,
    };
    let store = beside.hospital.store();
    let page = store.audit_page(&scope, &filter).await.unwrap();
    let mine = page.entries.iter();
    mine.filter(|it| &*it.interaction == "ask" && it.agent.name == "Jane Example")
        .count()
}

#[test]
fn a_letter_that_another_organisation_holds_is_opened_with_its_parts_and_its_release_holds() {
    beside_a_hospital(Settings::default(), async |node, beside| {
        let node = Arc::new(node);
        letter(
            beside,
            "clinic",
            "Knee clinic",
            "You may walk.",
            Release::At(1),
        )
        .await;
        letter(
            beside,
            "secret",
            "Secret marker",
            "Nothing.",
            Release::Never,
        )
        .await;
        beside.point().await;
        let mut jane = jane(&node).await;
        let page = seen(&mut jane, "/record").await.replace("&amp;", "&");
        let address = "/record/there?from=RZZ01&entry=DocumentReference~clinic";
        assert!(page.contains(&format!("href=\"{address}\"")), "{page}");
        assert!(!page.contains("Secret"), "{page}");
        let before = asked_there(beside).await;
        let page = seen(&mut jane, address).await.replace("&amp;", "&");
        assert!(
            page.contains("<h1 class=\"nhsuk-heading-l\">Knee clinic"),
            "{page}"
        );
        assert!(
            page.contains("You may walk.") && page.contains("Northern General"),
            "{page}"
        );
        assert!(
            asked_there(beside).await > before,
            "each opening is in the log there"
        );
        let file = "/record/there/content?from=RZZ01&entry=DocumentReference~clinic&part=1";
        assert!(page.contains(&format!("href=\"{file}\"")), "{page}");
        let file = jane.get(file).await;
        assert_eq!(
            (file.status, file.text.as_str()),
            (StatusCode::OK, "You may walk.")
        );
        // What is not released is as if it were not there.
        let secret = "/record/there?from=RZZ01&entry=DocumentReference~secret";
        let hidden = jane.get(secret).await;
        let absent = jane
            .get("/record/there?from=RZZ01&entry=DocumentReference~none")
            .await;
        assert_eq!(
            (hidden.status, absent.status),
            (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
        );
        assert!(!hidden.text.contains("Secret"));
        let welsh = seen(&mut jane, &format!("{address}&lang=cy")).await;
        assert!(welsh.contains("ni chedwir ef yma"), "{welsh}");
        jane.get("/record?lang=en").await;
        beside.cut(true);
        let silent = seen(&mut jane, address).await;
        assert!(silent.contains("Did not answer"), "{silent}");
        assert!(
            !silent.contains("You may walk."),
            "nothing was kept: {silent}"
        );
    });
}

#[test]
fn a_letter_that_is_kept_from_this_practice_is_shown_as_held_back() {
    beside_a_hospital(Settings::default(), async |node, beside| {
        let node = Arc::new(node);
        letter(
            beside,
            "clinic",
            "Knee clinic",
            "You may walk.",
            Release::At(1),
        )
        .await;
        beside.point().await;
        let rule = store::sharing::Rule {
            organisation: "A81001".into(),
            types: vec!["DocumentReference".into()],
            starts_at: 0,
            ends_at: i64::MAX,
        };
        let consent = store::sharing::consent("c", "jane-there", &[rule], beside.clock.now());
        beside
            .put_there("c", &consent.to_string(), Release::At(1))
            .await;
        let mut jane = jane(&node).await;
        let page = seen(&mut jane, "/record").await;
        assert!(page.contains("holds back some because you asked"), "{page}");
        let address = "/record/there?from=RZZ01&entry=DocumentReference~clinic";
        let page = seen(&mut jane, address).await;
        assert!(page.contains("Held back"), "{page}");
        assert!(!page.contains("You may walk."), "{page}");
    });
}

#[test]
fn a_trend_has_the_results_of_others_of_the_same_code_and_unit_each_once() {
    beside_a_hospital(Settings::default(), async |node, beside| {
        let node = Arc::new(node);
        let store = &node.store;
        let here = result("r1", "jane", ("2026-01-02", 112.0, "g/L"), "1");
        letters::put(store, "r1", &here, Release::At(1)).await;
        for (id, day, value, unit, number) in [
            ("h1", "2026-01-03", 131.0, "g/L", "2"),
            ("h2", "2026-01-03", 13.3, "g/dL", "3"),
            // The practice's own, as the hospital was sent it.
            ("h3", "2026-01-02", 112.0, "g/L", "1"),
        ] {
            let text = result(id, "jane-there", (day, value, unit), number);
            beside.put_there(id, &text, Release::At(1)).await;
        }
        let other = result("h4", "jane-there", ("2026-01-03", 55.5, "g/L"), "4");
        let other = other.replace("1022431000000105", "1");
        beside.put_there("h4", &other, Release::At(1)).await;
        let referral = r#"{"resourceType":"ServiceRequest","status":"active","intent":"order",
            "code":{"text":"Cardiology clinic"},"subject":{"reference":"Patient/jane-there"},
            "authoredOn":"2026-01-03","note":[{"text":"Words between clinicians"}]}"#;
        beside.put_there("ref", referral, Release::At(1)).await;
        beside.point().await;
        let mut jane = jane(&node).await;
        let record = seen(&mut jane, "/record").await.replace("&amp;", "&");
        assert_eq!(record.matches(">112 g/L<").count(), 1, "{record}");
        assert!(
            record.contains("Willow Road Surgery, Northern General"),
            "{record}"
        );
        assert!(record.contains("Cardiology clinic"), "{record}");
        assert!(!record.contains("Words between clinicians"), "{record}");
        let address = "/record/there?from=RZZ01&entry=ServiceRequest~ref";
        assert!(record.contains(address), "{record}");
        let page = seen(&mut jane, address).await;
        assert!(
            page.contains("Cardiology clinic") && page.contains("Northern General"),
            "{page}"
        );
        for address in [
            "/record/results/r1",
            "/record/there?from=RZZ01&entry=Observation~h1",
        ] {
            let page = seen(&mut jane, address).await.replace("&amp;", "&");
            let drawing = page.split("<svg class=\"trend\"").nth(1).unwrap();
            let drawing = drawing.split("</svg>").next().unwrap();
            assert_eq!(
                drawing.matches("<circle").count(),
                2,
                "{address}: {drawing}"
            );
            assert!(
                page.contains("131 g/L") && page.contains("13.3 g/dL"),
                "{page}"
            );
            assert!(!page.contains("55.5"), "another code: {page}");
            assert!(
                page.contains("<span class=\"quiet\"> Northern General</span>"),
                "{page}"
            );
        }
        beside.cut(true);
        let page = seen(&mut jane, "/record/results/r1").await;
        assert!(page.contains("Northern General did not answer."), "{page}");
        assert!(!page.contains("131 g/L"), "{page}");
    });
}

#[test]
fn two_reports_of_one_order_elsewhere_are_both_on_the_patients_record() {
    beside_a_hospital(Settings::default(), async |node, beside| {
        let node = Arc::new(node);
        let report = |patient: &str, service: &str| {
            format!(
                r#"{{"resourceType":"DiagnosticReport","status":"final","code":{{"text":"{service}"}},
                "identifier":[{{"system":"urn:lab","value":"L123"}}],"effectiveDateTime":"2026-01-02",
                "subject":{{"reference":"Patient/{patient}"}}}}"#
            )
        };
        let own = report("jane", "Full blood count");
        letters::put(&node.store, "own", &own, Release::At(1)).await;
        for (id, service) in [
            ("fbc", "Full blood count"),
            ("u-e", "Urea and electrolytes"),
        ] {
            let text = report("jane-there", service);
            beside.put_there(id, &text, Release::At(1)).await;
        }
        beside.point().await;
        let mut jane = jane(&node).await;
        let record = seen(&mut jane, "/record").await.replace("&amp;", "&");
        let of = |id: &str| format!("entry=DiagnosticReport~{id}\"");
        assert!(record.contains(&of("u-e")), "{record}");
        // The other is the one that is here.
        assert!(!record.contains(&of("fbc")), "{record}");
        assert!(
            record.contains("Willow Road Surgery, Northern General"),
            "{record}"
        );
    });
}
