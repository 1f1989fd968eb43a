//! Exports and the national data opt-out: what they are for, and whom they leave out.

use std::sync::Arc;

use access::{NhsNumber, Ods, Role, Scope, SystemPurpose};
use http::StatusCode;
use serde_json::json;
use store::accounts::{Holder, NewAccount};
use store::opt_out::OptOutWrite;
use store::testing::{Ground, on_each_database};
use store::{Effect, Job};

use super::bulk::ASYNC;
use super::{Client, node};
use crate::fhir::operations::bulk_worker::work;
use crate::node::Node;
use crate::testing::opt_outs_answered;

/// Made up, with numbers from the range for tests.
const JANE: &str = "9990000018";
const MARY: &str = "9990000026";
const JOHN: &str = "9990000034";
const RESEARCH: &str = "/$export?_purpose=HRESCH";
/// What of Mary's must be nowhere: her number, however it is written, her name and her words.
const CANARIES: [&str; 5] = [MARY, "999 000 0026", "Zyxwander", "Quillemina", "warbling"];

fn patient(id: &str, number: Option<&str>, family: &str, given: &str) -> String {
    let mut patient = json!({
        "resourceType": "Patient", "id": id, "birthDate": "1970-02-03",
        "name": [{ "family": family, "given": [given] }],
    });
    if let Some(number) = number {
        let system = NhsNumber::SYSTEM;
        patient["identifier"] = json!([{ "system": system, "value": number }]);
    }
    patient.to_string()
}

fn observation(id: &str, subject: serde_json::Value, note: &str) -> String {
    json!({
        "resourceType": "Observation", "id": id, "status": "final", "code": { "text": "pulse" },
        "subject": subject, "note": [{ "text": note }],
    })
    .to_string()
}

fn of(id: &str) -> serde_json::Value {
    json!({ "reference": format!("Patient/{id}") })
}

/// A node with Jane, Mary and John, who have numbers, Nell, who has none, and what names them.
async fn ready(ground: &Ground) -> (Arc<Node>, Client) {
    let node = node(ground).await;
    let account = NewAccount {
        login: "sys".into(),
        name: "Lab".into(),
        holder: Holder::Staff {
            role: Role::System,
            organisation: Ods::parse("A81001").unwrap(),
        },
        password_hash: None,
    };
    node.store.open_account(account).await.unwrap();
    let bo = Client::of(&node, "bo").await;
    for (id, number, family, given) in [
        ("jane", Some(JANE), "Example", "Jane"),
        ("mary", Some("999 000 0026"), "Zyxwander", "Quillemina"),
        ("john", Some(JOHN), "Example", "John"),
        ("nell", None, "Without", "Nell"),
    ] {
        let stored = bo
            .put(
                &format!("/Patient/{id}"),
                &patient(id, number, family, given),
            )
            .await;
        assert_eq!(stored.status, StatusCode::CREATED, "{}", stored.text());
    }
    for (id, subject, note) in [
        ("o-jane", of("jane"), "well"),
        ("o-john", of("john"), "well"),
        ("o-mary", of("mary"), "warbling"),
        ("o-nell", of("nell"), "well"),
        // Jane's, but it names Mary: by a reference, by her number, by somebody nobody can tell.
        ("o-sister", of("jane"), "her sister: Patient/mary"),
        ("o-number", of("jane"), "her sister has 999-000-0026"),
        (
            "o-nobody",
            json!({ "display": "the lady in bed 7" }),
            "well",
        ),
    ] {
        let path = format!("/Observation/{id}");
        let stored = bo.put(&path, &observation(id, subject, note)).await;
        assert_eq!(stored.status, StatusCode::CREATED, "{}", stored.text());
    }
    let member = |id: &str| json!({ "entity": of(id) });
    for (path, resource) in [
        (
            "/Group/both",
            json!({ "resourceType": "Group", "id": "both", "type": "person", "actual": true,
            "member": [member("jane"), member("mary")] }),
        ),
        (
            "/Group/one",
            json!({ "resourceType": "Group", "id": "one", "type": "person", "actual": true,
            "member": [member("jane")] }),
        ),
        (
            "/Organization/x",
            json!({ "resourceType": "Organization", "id": "x", "name": "X" }),
        ),
        (
            "/Binary/loose",
            json!({ "resourceType": "Binary", "id": "loose", "contentType": "text/plain",
            "data": "d2FyYmxpbmc=" }),
        ),
        (
            "/RelatedPerson/sister",
            json!({ "resourceType": "RelatedPerson", "id": "sister", "patient": of("jane"),
            "identifier": [{ "system": NhsNumber::SYSTEM, "value": MARY }] }),
        ),
    ] {
        let stored = bo.put(path, &resource.to_string()).await;
        assert_eq!(stored.status, StatusCode::CREATED, "{}", stored.text());
    }
    let sys = Client::of(&node, "sys").await;
    (node, sys)
}

const ALL: &[&str] = &[JANE, MARY, JOHN];

/// The lines of all files of an export, with the types and ids in them.
async fn fetched(sys: &Client, manifest: &serde_json::Value) -> (String, Vec<String>) {
    let mut text = String::new();
    for file in manifest["output"].as_array().unwrap() {
        let place = file["url"]
            .as_str()
            .unwrap()
            .strip_prefix(super::BASE)
            .unwrap();
        let (status, lines) = sys.raw("GET", place, "", &[]).await;
        assert_eq!(status, StatusCode::OK, "{lines}");
        text.push_str(&lines);
    }
    let ids = sys.exported(manifest).await;
    (text, ids)
}

#[test]
fn p20_what_an_export_is_for_must_be_said_and_known() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        opt_outs_answered(&node.store, 1, ALL, ALL).await;
        for (path, status, named) in [
            ("/$export", StatusCode::BAD_REQUEST, "_purpose is required"),
            (
                "/Patient/$export",
                StatusCode::BAD_REQUEST,
                "_purpose is required",
            ),
            (
                "/Group/one/$export",
                StatusCode::BAD_REQUEST,
                "_purpose is required",
            ),
            (
                "/$export?_purpose=RESEARCH",
                StatusCode::BAD_REQUEST,
                "HRESCH",
            ),
            (
                "/$export?_purpose=PATRQT",
                StatusCode::BAD_REQUEST,
                "PATRQT",
            ),
            (
                "/$export?_purpose=TREAT&_purpose=HRESCH",
                StatusCode::BAD_REQUEST,
                "once",
            ),
            (
                "/$export?_purpose=HRESCH&_optOutExemption=consented",
                StatusCode::BAD_REQUEST,
                "_optOutBy",
            ),
            (
                "/$export?_purpose=HRESCH&_optOutExemption=no&_optOutBy=Bo&_optOutReason=they+all+said+yes",
                StatusCode::BAD_REQUEST,
                "legal-duty",
            ),
            (
                "/$export?_purpose=HRESCH&_optOutReason=they+all+said+yes",
                StatusCode::BAD_REQUEST,
                "_optOutExemption",
            ),
        ] {
            let answer = sys.send("GET", path, ASYNC, "").await;
            assert_eq!(answer.status, status, "{path} {}", answer.text());
            assert!(answer.text().contains(named), "{path} {}", answer.text());
        }
        // No patient takes out their own record for research.
        let jane = Client::of(&node, "jane").await;
        let refused = jane.send("GET", RESEARCH, ASYNC, "").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        node.store.clone().close().await;
    });
}

#[test]
fn p20_p21_who_opted_out_is_left_out_whole_with_all_that_names_them() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        opt_outs_answered(&node.store, 1, ALL, &[JANE, JOHN]).await;
        let job = sys.started(RESEARCH).await;
        work(&node).await;
        let manifest = sys.manifest(&job).await;
        let (text, ids) = fetched(&sys, &manifest).await;
        assert_eq!(ids, ["jane", "john", "o-jane", "o-john", "one", "x"]);
        for canary in CANARIES {
            assert!(!text.contains(canary), "{canary}");
            assert!(!manifest.to_string().contains(canary), "{canary}");
        }
        assert_eq!(manifest["extension"]["purpose"], "HRESCH");
        assert_eq!(manifest["extension"]["optOutApplied"], true);
        // For care everything is there.
        let job = sys.started("/$export?_purpose=TREAT").await;
        work(&node).await;
        let manifest = sys.manifest(&job).await;
        let (text, ids) = fetched(&sys, &manifest).await;
        assert_eq!(ids.len(), 16, "{ids:?}");
        assert!(
            CANARIES.iter().all(|it| text.contains(it) || *it == MARY),
            "{text}"
        );
        assert_eq!(manifest["extension"]["optOutApplied"], false);
        // Members of a group likewise, and the group itself when it names one of them.
        let job = sys.started("/Group/both/$export?_purpose=HQUALIMP").await;
        work(&node).await;
        let (text, ids) = fetched(&sys, &sys.manifest(&job).await).await;
        assert_eq!(ids, ["jane", "o-jane", "one"], "{text}");
        node.store.clone().close().await;
    });
}

#[test]
fn p20_a_stated_exemption_leaves_nobody_out_and_is_in_the_log() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        // Without any check: it does not apply.
        let path = "/Patient/$export?_purpose=HRESCH&_optOutExemption=consented&_optOutBy=Dr+Bo+Test&_optOutReason=each+signed+form+12";
        let job = sys.started(path).await;
        work(&node).await;
        let manifest = sys.manifest(&job).await;
        let (text, _) = fetched(&sys, &manifest).await;
        assert!(text.contains("Zyxwander"));
        assert_eq!(manifest["extension"]["optOutExemption"], "consented");
        let log = Client::of(&node, "pat").await;
        let log = log.get("/AuditEvent/$log").await.text();
        assert!(log.contains("HRESCH"), "{log}");
        let told = base64_of("exempt: consented, by Dr Bo Test: each signed form 12");
        assert!(
            told.iter().any(|it| log.contains(it)) || log.contains("each signed form 12"),
            "{log}"
        );
        node.store.clone().close().await;
    });
}

/// A text as it stands inside base64, at each of its three alignments.
fn base64_of(text: &str) -> Vec<String> {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let inner = |skip: usize| {
        let text = text
            .get(skip..skip + (text.len() - skip) / 3 * 3)
            .unwrap_or_default();
        encode(text)
    };
    vec![inner(0), inner(1), inner(2)]
}

#[test]
fn p20_without_a_fresh_answer_about_everybody_nothing_is_exported() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let blocked = async |named: &str| {
            let answer = sys.send("GET", RESEARCH, ASYNC, "").await;
            assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text());
            let text = answer.text();
            assert!(
                text.contains(named) && text.contains("handover opt-out check"),
                "{text}"
            );
            assert!(CANARIES.iter().all(|it| !text.contains(it)), "{text}");
        };
        blocked("Nobody here has been checked").await;
        // Somebody who came after the question.
        opt_outs_answered(&node.store, 1, &[JANE, JOHN], &[JANE, JOHN]).await;
        blocked("One patient has an NHS number").await;
        // Who is not of the group does not block it.
        let answer = sys
            .send("GET", "/Group/one/$export?_purpose=HRESCH", ASYNC, "")
            .await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        opt_outs_answered(&node.store, 2, ALL, &[JANE, JOHN]).await;
        let job = sys.started(RESEARCH).await;
        work(&node).await;
        let manifest = sys.manifest(&job).await;
        ground.clock().advance(12 * 3_600_000);
        let (_, ids) = fetched(&sys, &manifest).await;
        assert_eq!(ids.len(), 6);
        // On the last day it counts, and then no more: neither begun nor gone on with.
        ground.clock().advance(21 * 86_400_000 - 12 * 3_600_000);
        let job = sys.started(RESEARCH).await;
        ground.clock().advance(1);
        blocked("more than 21 days old").await;
        work(&node).await;
        let (status, text) = sys.raw("GET", &job, "", &[]).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        assert!(text.contains("more than 21 days old"), "{text}");
        // Care goes on.
        let care = sys.send("GET", "/$export?_purpose=TREAT", ASYNC, "").await;
        assert_eq!(care.status, StatusCode::ACCEPTED);
        node.store.clone().close().await;
    });
}

#[test]
fn p20_who_opts_out_after_the_list_was_made_is_not_in_the_file() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        opt_outs_answered(&node.store, 1, ALL, ALL).await;
        let job = sys.started(RESEARCH).await;
        work(&node).await;
        opt_outs_answered(&node.store, 2, ALL, &[JANE, JOHN]).await;
        let (_, text) = sys.raw("GET", &format!("{job}/Patient"), "", &[]).await;
        assert!(
            text.contains("\"jane\"") && text.contains("\"john\""),
            "{text}"
        );
        assert!(CANARIES.iter().all(|it| !text.contains(it)), "{text}");
        // An answer that names another's number is none.
        let scope = Scope::system(SystemPurpose::CheckOptOuts);
        let begin = OptOutWrite::Begin {
            number: 3,
            reference: "M-3".into(),
        };
        let strange = NhsNumber::parse("9434765919").unwrap();
        for (write, is_taken) in [
            (begin, true),
            (
                OptOutWrite::Begin {
                    number: 4,
                    reference: "M-4".into(),
                },
                false,
            ),
            (
                OptOutWrite::Sent {
                    number: 3,
                    message: "id".into(),
                },
                true,
            ),
            (
                OptOutWrite::Usable {
                    number: 3,
                    numbers: vec![strange],
                },
                false,
            ),
            (
                OptOutWrite::Fail {
                    number: 3,
                    reason: "x".into(),
                },
                true,
            ),
            (
                OptOutWrite::InForce {
                    number: 3,
                    usable: 0,
                },
                false,
            ),
            (OptOutWrite::Forget { number: 2 }, false),
            (OptOutWrite::Tidy, true),
        ] {
            let told = format!("{write:?}");
            let done = node
                .store
                .commit(&scope, Job::effect(Effect::OptOut(write)))
                .await;
            assert_eq!(done.is_ok(), is_taken, "{told}");
        }
        // What is in force stays so, and of what was before only counts are kept.
        let standing = node.store.opt_out_standing().await.unwrap();
        assert_eq!(
            standing.in_force.map(|it| (it.number, it.usable)),
            Some((2, 2))
        );
        assert_eq!(node.store.opt_out_count(1).await.unwrap(), 0);
        assert_eq!(node.store.opt_out_count(2).await.unwrap(), 3);
        node.store.clone().close().await;
    });
}

#[test]
fn p21_the_log_counts_who_was_left_out_and_says_of_nobody_that_it_was_them() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        opt_outs_answered(&node.store, 1, ALL, &[JANE, JOHN]).await;
        sys.started(RESEARCH).await;
        work(&node).await;
        let log = Client::of(&node, "pat").await;
        let all = log.get("/AuditEvent/$log").await.text();
        let counted = "4 patients checked, 2 left out";
        assert!(
            all.contains(counted) || base64_of(counted).iter().any(|it| all.contains(it)),
            "{all}"
        );
        for canary in CANARIES {
            assert!(!all.contains(canary), "{canary}");
            assert!(
                base64_of(canary)
                    .iter()
                    .all(|it| it.len() < 8 || !all.contains(it)),
                "{canary}"
            );
        }
        // Nothing of Mary's was taken out, so that no line says so.
        let hers = log.get("/AuditEvent/$log?patient=mary").await.text();
        assert!(
            !hers.contains("\"export\"") && !hers.contains("110106"),
            "{hers}"
        );
        let janes = log.get("/AuditEvent/$log?patient=jane").await.text();
        assert!(
            janes.contains("110106") && janes.contains("HRESCH"),
            "{janes}"
        );
        node.store.clone().close().await;
    });
}
