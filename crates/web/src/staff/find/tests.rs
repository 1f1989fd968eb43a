//! Who is found here, without PDS. What PDS adds is tested in `staff/tests/pds.rs`.

use http::StatusCode;
use serde_json::json;
use store::testing::on_each_database;

use crate::testing::{Browser, letters, node, record};

const JANE: &str = "9434765919";

#[test]
fn somebody_is_found_here_with_a_score_and_what_agreed_though_there_is_no_pds() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let twin = ["Kim Example", "kim", "9990000018", "1961-02-03"];
        record(&node.store, twin).await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let form = ann.get("/staff/patients").await;
        assert!(
            form.text.contains("PDS is not set up here"),
            "{}",
            form.text
        );
        let fields = [
            ("nhs_number", "943 476 5919"),
            ("family", "Example"),
            ("given", "Jane"),
            ("birth_date", "1961-02-03"),
        ];
        let found = ann.post("/staff/patients", &fields).await;
        assert_eq!(found.status, StatusCode::OK, "{}", found.text);
        let (jane, text) = ("&#x2f;staff&#x2f;patient&#x2f;jane", &found.text);
        for shown in [jane, "EXAMPLE, Jane", "100 %", "Certain", "(same)"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        // The other's number is another: the name and the birthday that they share are not enough.
        assert!(!text.contains("EXAMPLE, Kim"), "{text}");
        // By name and birthday both are possible; which is which is for a person to see.
        ann.get("/staff/patients").await;
        let fields = [
            ("family", "Exampel"),
            ("birth_date", "1961-02-03"),
            ("given", "Jane"),
        ];
        let both = ann.post("/staff/patients", &fields).await.text;
        assert!(
            both.contains("EXAMPLE, Jane") && both.contains("(alike)"),
            "{both}"
        );
        assert!(
            !both.contains("EXAMPLE, Kim"),
            "a third is not enough: {both}"
        );
        let kim = [("family", "Example"), ("birth_date", "1961-02-03")];
        ann.get("/staff/patients").await;
        let both = ann.post("/staff/patients", &kim).await.text;
        assert!(
            both.contains("EXAMPLE, Jane") && both.contains("EXAMPLE, Kim"),
            "{both}"
        );
        assert!(both.contains("45 %") && both.contains("Possible"), "{both}");
    });
}

#[test]
fn a_hospital_number_finds_with_a_name_or_a_birthday_and_no_number_finds_alone() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let text = json!({
            "resourceType": "Patient", "birthDate": "1961-02-03",
            "name": [{ "family": "Example", "given": ["Jane"] }],
            "identifier": [{ "system": "urn:ward", "value": "RX123" }],
        });
        letters::put(&node.store, "jane", &text.to_string(), store::Release::Keep).await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        for alone in [("number", "RX123"), ("nhs_number", JANE)] {
            ann.get("/staff/patients").await;
            let refused = ann.post("/staff/patients", &[alone]).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(refused.text.contains("A number alone finds nobody"));
            assert!(!refused.text.contains("EXAMPLE, Jane"));
        }
        let misread = [("nhs_number", "9434765918"), ("family", "Example")];
        let refused = ann.post("/staff/patients", &misread).await;
        assert!(
            refused.text.contains("a digit is wrong"),
            "{}",
            refused.text
        );
        for other in [("birth_date", "1961-02-03"), ("family", "Example")] {
            ann.get("/staff/patients").await;
            let found = ann
                .post("/staff/patients", &[("number", "rx123"), other])
                .await;
            assert!(found.text.contains("EXAMPLE, Jane"), "{}", found.text);
            assert!(found.text.contains("hospital number"), "{}", found.text);
        }
        // Somebody else's number with her name and birthday is told apart, and a stranger's finds nobody.
        ann.get("/staff/patients").await;
        let wrong = [
            ("number", "RX124"),
            ("family", "Other"),
            ("birth_date", "1961-02-03"),
        ];
        let nobody = ann.post("/staff/patients", &wrong).await.text;
        assert!(
            nobody.contains("Nobody whom you can see here is like this"),
            "{nobody}"
        );
    });
}

#[test]
fn who_runs_the_node_and_who_watches_over_privacy_look_for_nobody() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        for login in ["ed", "olu"] {
            let mut browser = Browser::new(&node);
            browser.sign_in("/staff/login", login).await;
            let page = browser.get("/staff/patients").await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{login}");
            let fields = [("family", "Example"), ("birth_date", "1961-02-03")];
            let refused = browser.post("/staff/patients", &fields).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{login}");
            assert!(!refused.text.contains("Jane"), "{login}");
        }
    });
}

#[test]
fn where_a_restricted_patient_lives_is_not_shown_nor_found_by() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let text = json!({
            "resourceType": "Patient", "birthDate": "1961-02-03",
            "name": [{ "family": "Example", "given": ["Jane"] }],
            "address": [{ "line": ["7 Canary Row"], "postalCode": "LS1 9ZZ" }],
            "meta": { "security": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R",
            }] },
        });
        letters::put(&node.store, "jane", &text.to_string(), store::Release::Keep).await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        ann.get("/staff/patients").await;
        let fields = [
            ("family", "Example"),
            ("birth_date", "1961-02-03"),
            ("postcode", "LS1 9ZZ"),
        ];
        let found = ann.post("/staff/patients", &fields).await.text;
        assert!(found.contains("EXAMPLE, Jane"), "{found}");
        assert!(found.contains("Withheld: restricted"), "{found}");
        assert!(!found.contains("Canary"), "{found}");
        assert!(
            found.contains("45 %"),
            "the postcode tells nothing: {found}"
        );
    });
}

#[test]
fn what_was_looked_for_stands_in_the_audit_log() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        ann.get("/staff/patients").await;
        let fields = [("family", "Example"), ("birth_date", "1961-02-03")];
        ann.post("/staff/patients", &fields).await;
        let scope = access::Scope::system(access::SystemPurpose::Measure);
        let filter = store::AuditFilter {
            count: 100,
            ..store::AuditFilter::default()
        };
        let page = node.store.audit_page(&scope, &filter).await.unwrap();
        let line = page.entries.iter().find(|it| {
            let query = it.target.query.as_deref().unwrap_or_default();
            it.target.patient.as_deref() == Some("jane") && query.contains("family")
        });
        assert_eq!(line.unwrap().agent.name, "Ann Secretary");
    });
}
