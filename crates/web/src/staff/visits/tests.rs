//! A nurse's day: planned, taken along, written offline, brought back.

mod telling;

use std::sync::Arc;

use access::{AuditEntry, Scope, SystemPurpose};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use store::testing::on_each_database;
use store::{AuditFilter, Reading, Release};

use crate::Node;
use crate::carried::{seal, sheet};
use crate::testing::letters::{self, put};
use crate::testing::{Answer, Browser, account, node};

const PASSPHRASE: &str = "four words do not belong";
const DAY: &str = "2026-11-30";

async fn staff(node: &Arc<Node>, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    browser.sign_in("/staff/login", login).await;
    browser
}

fn hidden<'t>(page: &'t str, name: &str) -> &'t str {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&mark).unwrap();
    rest.split_once('"').unwrap().0
}

/// Plans a visit to Jane for bo, and gives its id.
async fn planned(node: &Arc<Node>, who: &mut Browser) -> String {
    planned_with(node, who, "Canary-key-safe").await
}

async fn planned_with(node: &Arc<Node>, who: &mut Browser, access: &str) -> String {
    let form = who.get("/staff/visits/new?patient=jane").await;
    assert_eq!(form.status, StatusCode::OK, "{}", form.text);
    let bo = account(&node.store, "bo").await.to_string();
    let attempt = hidden(&form.text, "attempt").to_owned();
    let fields = [
        ("patient", "jane"),
        ("attempt", &attempt),
        ("account", &bo),
        ("day", DAY),
        ("time", "09:30"),
        ("what", "Canary-dressing"),
        ("access", access),
    ];
    let answer = who.post("/staff/visits/new", &fields).await;
    assert_eq!(
        answer.location(),
        format!("/staff/visits/{attempt}?done=planned")
    );
    attempt
}

/// A day pack, opened as its script would.
struct Pack {
    file: String,
    html: String,
    id: String,
    key: [u8; 32],
}

async fn taken(bo: &mut Browser) -> Pack {
    let page = bo.get(&format!("/staff/visits?day={DAY}")).await;
    assert!(page.text.contains("Take along"), "{}", page.text);
    let fields = [
        ("day", DAY),
        ("passphrase", PASSPHRASE),
        ("again", PASSPHRASE),
        ("hours", "12"),
    ];
    let answer = bo.post("/staff/visits/pack", &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let disposition = answer.headers[CONTENT_DISPOSITION].to_str().unwrap();
    assert!(disposition.starts_with("attachment"), "{disposition}");
    let sealed = seal::in_file(&answer.text).unwrap();
    let (facts, text) = seal::open(sealed, PASSPHRASE).unwrap();
    let inside: Value = serde_json::from_slice(&text).unwrap();
    let key = STANDARD.decode(inside["more"]["key"].as_str().unwrap());
    Pack {
        html: inside["html"].as_str().unwrap().to_owned(),
        key: key.unwrap().try_into().unwrap(),
        id: facts.id,
        file: answer.text,
    }
}

fn written(node: &Node, (number, visit): (u8, &str), note: &str) -> Value {
    let at = |ago: i64| date::instant(node.store.now() - ago * 60_000);
    json!({
        "id": format!("0d6c3f4e-0000-4000-8000-{number:012}"), "visit": visit, "outcome": "done", "reason": "",
        "happened": at(90), "written": at(60 - i64::from(number)),
        "observations": {"pulse": 72}, "note": note, "next": null,
    })
}

impl Pack {
    /// The file that the pack saves.
    fn saves(&self, entries: &[Value]) -> String {
        let text = json!({ "v": 1, "entries": entries, "opened": ["2026-01-05T08:00:00.000Z"] });
        let bound = format!("handover visits {}", self.id);
        let text = text.to_string();
        let (iv, data) = seal::shut(&self.key, bound.as_bytes(), text.as_bytes()).unwrap();
        json!({ "handover": "visits", "v": 1, "pack": self.id, "iv": iv, "data": data }).to_string()
    }
}

/// Brings a file as a browser's form does.
async fn brings(who: &mut Browser, file: &str) -> Answer {
    who.get("/staff/visits/sync").await;
    let token = who.token.clone();
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.json\"\r\n\r\n{file}\r\n--b--\r\n"
    );
    let request =
        Request::post("/staff/visits/sync").header(CONTENT_TYPE, "multipart/form-data; boundary=b");
    who.send(request, Body::from(body)).await
}

async fn log(node: &Node) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        count: 1000,
        ..AuditFilter::default()
    };
    let scope = Scope::system(SystemPurpose::Measure);
    let page = node.store.audit_page(&scope, &filter).await.unwrap();
    page.entries
}

async fn stored(node: &Node, ty: &str, id: &str) -> Option<Value> {
    let scope = Scope::system(SystemPurpose::Measure);
    match node.store.read(&scope, ty, id).await.unwrap() {
        Reading::Found(version) => Some(crate::record::json(&version).unwrap()),
        _ => None,
    }
}

#[test]
fn a_day_is_taken_along_written_offline_and_in_the_record_once_with_both_times() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut ann = staff(&node, "ann").await;
        let visit = planned(&node, &mut ann).await;
        let mut bo = staff(&node, "bo").await;
        let pack = taken(&mut bo).await;
        // Nothing of the patient is readable in the file; all is inside.
        for word in [
            "Canary",
            "EXAMPLE",
            "Example",
            "EXAMPLE, Jane",
            "943 476",
            "9434765919",
            "1961-02-03",
            "3 Feb 1961",
        ] {
            assert!(!pack.file.contains(word), "{word} is in the file");
        }
        for word in [
            "Canary-dressing",
            "Canary-key-safe",
            "EXAMPLE, Jane",
            "943 476 5919",
        ] {
            assert!(pack.html.contains(word), "{word}: {}", pack.html);
        }
        let list = ann.get(&format!("/staff/visits?day={DAY}&whose=all")).await;
        assert!(
            list.text.contains("Taken along by Dr Bo Test, not back"),
            "{}",
            list.text
        );

        let first = written(&node, (1, &visit), "Canary-note");
        let answer = brings(&mut bo, &pack.saves(std::slice::from_ref(&first))).await;
        assert!(
            answer
                .text
                .contains("1 put into the record, 0 were here before, 0 wait"),
            "{}",
            answer.text
        );
        // Sent again with another behind it: the first is known.
        let second = written(&node, (2, &visit), "Canary-more");
        let answer = brings(&mut bo, &pack.saves(&[second, first.clone()])).await;
        assert!(
            answer
                .text
                .contains("1 put into the record, 1 were here before, 0 wait"),
            "{}",
            answer.text
        );
        let task = stored(&node, "Task", &visit).await.unwrap();
        assert_eq!(task["status"], "completed");
        let notes: Vec<&str> = task["note"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["text"].as_str().unwrap())
            .collect();
        assert_eq!(notes, ["Canary-note", "Canary-more"]);
        let id = first["id"].as_str().unwrap();
        let pulse = stored(&node, "Observation", &format!("{id}-pulse"))
            .await
            .unwrap();
        assert_eq!(pulse["effectiveDateTime"], first["happened"]);
        let provenance = stored(&node, "Provenance", id).await.unwrap();
        assert_eq!(provenance["agent"][0]["who"]["display"], "Dr Bo Test");
        assert_ne!(provenance["occurredDateTime"], provenance["recorded"]);
        let list = ann.get(&format!("/staff/visits?day={DAY}&whose=all")).await;
        assert!(
            list.text.contains("All that was taken along is back"),
            "{}",
            list.text
        );

        let lines = log(&node).await;
        let has = |code: &str, words: &str| {
            lines.iter().any(|it| {
                it.interaction == code
                    && it
                        .target
                        .query
                        .as_deref()
                        .is_some_and(|it| it.contains(words))
            })
        };
        assert!(has("take-along", "day pack"));
        assert!(has("bring-back", "opened offline at 2026-01-05T08:00:00"));
        assert!(has("bring-back", "brought back: 1 new"));
    });
}

#[test]
fn what_the_office_or_another_device_changed_meanwhile_is_kept_beside_it_and_a_person_decides() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut ann = staff(&node, "ann").await;
        let visit = planned(&node, &mut ann).await;
        let mut bo = staff(&node, "bo").await;
        let (tablet, laptop) = (taken(&mut bo).await, taken(&mut bo).await);
        let on_tablet = written(&node, (1, &visit), "Canary-tablet");
        let on_laptop = written(&node, (2, &visit), "Canary-laptop");
        brings(&mut bo, &tablet.saves(std::slice::from_ref(&on_tablet))).await;
        let answer = brings(&mut bo, &laptop.saves(std::slice::from_ref(&on_laptop))).await;
        assert!(
            answer
                .text
                .contains("0 put into the record, 0 were here before, 1 wait"),
            "{}",
            answer.text
        );
        // The same id with other words is no repeat.
        let mut altered = on_tablet.clone();
        altered["note"] = "Canary-altered".into();
        let answer = brings(&mut bo, &tablet.saves(&[altered])).await;
        assert!(
            answer.text.contains("1 wait for a decision"),
            "{}",
            answer.text
        );
        let task = stored(&node, "Task", &visit).await.unwrap();
        assert_eq!(task["note"].as_array().unwrap().len(), 1);

        let id = on_laptop["id"].as_str().unwrap();
        let page = ann.get(&format!("/staff/visits/entry/{id}")).await;
        for word in ["Canary-laptop", "Canary-tablet", "Canary-dressing"] {
            assert!(page.text.contains(word), "{word}: {}", page.text);
        }
        let version = hidden(&page.text, "version").to_owned();
        let decide = format!("/staff/visits/entry/{id}/decide");
        let short = ann
            .post(
                &decide,
                &[("version", &version), ("then", "put-in"), ("why", "")],
            )
            .await;
        assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
        let stale = [
            ("version", "77"),
            ("then", "put-in"),
            ("why", "Both went there"),
        ];
        assert!(
            ann.post(&decide, &stale)
                .await
                .location()
                .ends_with("done=moved")
        );
        let good = [
            ("version", version.as_str()),
            ("then", "put-in"),
            ("why", "Both went there"),
        ];
        assert!(
            ann.post(&decide, &good)
                .await
                .location()
                .ends_with("done=put-in")
        );
        let task = stored(&node, "Task", &visit).await.unwrap();
        assert_eq!(task["note"].as_array().unwrap().len(), 2);
        assert!(stored(&node, "Encounter", id).await.is_some());
        let provenance = stored(&node, "Provenance", id).await.unwrap();
        assert_eq!(provenance["agent"][0]["who"]["display"], "Dr Bo Test");
        assert_eq!(provenance["agent"][1]["who"]["display"], "Ann Secretary");
        assert!(
            ann.post(&decide, &good)
                .await
                .location()
                .ends_with("done=moved"),
            "decided once"
        );
    });
}

#[test]
fn what_was_done_on_a_cancelled_visit_is_held_and_can_stay_out_of_the_record() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut ann = staff(&node, "ann").await;
        let visit = planned(&node, &mut ann).await;
        let mut bo = staff(&node, "bo").await;
        let pack = taken(&mut bo).await;
        let page = ann.get(&format!("/staff/visits/{visit}")).await;
        assert!(
            page.text
                .contains("not back. What you change here is not in that pack"),
            "{}",
            page.text
        );
        let version = hidden(&page.text, "version").to_owned();
        let change = format!("/staff/visits/{visit}/change");
        let fields = [
            ("version", version.as_str()),
            ("then", "cancel"),
            ("why", "In hospital"),
        ];
        assert!(
            ann.post(&change, &fields)
                .await
                .location()
                .ends_with("done=cancelled")
        );
        let answer = brings(
            &mut bo,
            &pack.saves(&[written(&node, (1, &visit), "Canary-note")]),
        )
        .await;
        assert!(
            answer.text.contains("1 wait for a decision"),
            "{}",
            answer.text
        );
        let id = "0d6c3f4e-0000-4000-8000-000000000001";
        let page = ann.get(&format!("/staff/visits/entry/{id}")).await;
        assert!(
            page.text
                .contains("The office cancelled this visit meanwhile"),
            "{}",
            page.text
        );
        let version = hidden(&page.text, "version").to_owned();
        let out = [
            ("version", version.as_str()),
            ("then", "keep-out"),
            ("why", "Wrong house"),
        ];
        let decide = format!("/staff/visits/entry/{id}/decide");
        assert!(
            ann.post(&decide, &out)
                .await
                .location()
                .ends_with("done=kept-out")
        );
        assert!(stored(&node, "Encounter", id).await.is_none());
        let page = ann.get(&format!("/staff/visits/{visit}")).await;
        assert!(
            page.text.contains("Canary-note") && page.text.contains("Wrong house"),
            "{}",
            page.text
        );
    });
}

#[test]
fn where_a_restricted_patient_lives_is_in_no_pack_without_a_release() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let text = r#"{"resourceType":"Patient","name":[{"family":"Example","given":["Jane"]}],"birthDate":"1961-02-03",
            "address":[{"line":["1 Canary-street"],"postalCode":"CA1 1AA"}],
            "contact":[{"name":{"family":"Canary-friend"},"telecom":[{"value":"07700 900123"}]}],
            "meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}}"#;
        put(&node.store, "jane", text, Release::Keep).await;
        let mut ann = staff(&node, "ann").await;
        let form = ann.get("/staff/visits/new?patient=jane").await;
        let bo = account(&node.store, "bo").await.to_string();
        let attempt = hidden(&form.text, "attempt").to_owned();
        let fields = [
            ("patient", "jane"),
            ("attempt", &attempt),
            ("account", &bo),
            ("day", DAY),
            ("time", "09:30"),
            ("what", "Canary"),
            ("access", "Canary-street, round the back"),
        ];
        let refused = ann.post("/staff/visits/new", &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            refused.text.contains("do not write here how one gets in"),
            "{}",
            refused.text
        );
        let visit = planned_with(&node, &mut ann, "").await;
        let mut bo = staff(&node, "bo").await;
        let pack = taken(&mut bo).await;
        let page = bo.get(&format!("/staff/visits/{visit}")).await;
        for text in [&pack.file, &pack.html, &page.text] {
            for word in ["Canary-street", "CA1 1AA", "Canary-friend", "07700"] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
        assert!(
            pack.html
                .contains("Withheld: where this patient lives is restricted"),
            "{}",
            pack.html
        );
    });
}

#[test]
fn a_pack_asks_for_a_passphrase_that_holds_and_a_file_from_elsewhere_is_refused() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut bo = staff(&node, "bo").await;
        let visit = planned(&node, &mut bo).await;
        bo.get(&format!("/staff/visits?day={DAY}")).await;
        let ask = async |bo: &mut Browser, passphrase: &str, again: &str, hours: &str| {
            let fields = [
                ("day", DAY),
                ("passphrase", passphrase),
                ("again", again),
                ("hours", hours),
            ];
            bo.post("/staff/visits/pack", &fields).await
        };
        for (passphrase, again, hours, said) in [
            ("short", "short", "12", "at least 12 characters"),
            (PASSPHRASE, "another one, here", "12", "not the same"),
            (PASSPHRASE, PASSPHRASE, "25", "1 to 24"),
        ] {
            let answer = ask(&mut bo, passphrase, again, hours).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(answer.text.contains(said), "{}", answer.text);
            assert!(
                !answer.text.contains(PASSPHRASE),
                "a passphrase is not shown again"
            );
        }
        let pack = taken(&mut bo).await;
        let file = pack.saves(&[written(&node, (1, &visit), "x")]);
        for bad in [
            "",
            "x",
            "{}",
            &file.replace(&pack.id, "0"),
            &file.replace("\"iv\":\"", "\"iv\":\"A"),
            &file[..file.len() - 9],
        ] {
            let answer = brings(&mut bo, bad).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
            assert!(
                answer.text.contains("The file was not taken"),
                "{}",
                answer.text
            );
        }
        let unsent = stored(&node, "Task", &visit).await.unwrap();
        assert_eq!(unsent["status"], "requested");
        // Who made the file can say what became of it; a clerk takes none along.
        let mut ann = staff(&node, "ann").await;
        ann.get("/staff/visits").await;
        let end = format!("/staff/visits/pack/{}/end", pack.id);
        assert_eq!(
            ann.post(&end, &[("why", "")]).await.status,
            StatusCode::BAD_REQUEST
        );
        assert!(
            ann.post(&end, &[("why", "The tablet was stolen")])
                .await
                .location()
                .ends_with("ended")
        );
        assert_eq!(
            ask(&mut ann, PASSPHRASE, PASSPHRASE, "12").await.status,
            StatusCode::FORBIDDEN
        );
        // What comes of it all the same is not lost.
        assert!(
            brings(&mut bo, &file)
                .await
                .text
                .contains("1 put into the record")
        );
        assert!(sheet::open(&pack.file, "another passphrase").is_err());
    });
}
