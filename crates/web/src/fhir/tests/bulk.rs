//! `$export` and `$import`, through the door and their worker.

use std::sync::Arc;

use access::{Ods, Role};
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use serde_json::Value;
use store::accounts::{Holder, NewAccount};
use store::testing::{Ground, on_each_database};
use tower::ServiceExt;

use super::{BASE, Client, JANE, node, observation, release};
use crate::fhir::operations::bulk_worker::{ended, round, work};
use crate::node::Node;
use fhir::problem::{Kind, Problem};

pub(super) const ASYNC: &[(&str, &str)] = &[("prefer", "respond-async")];

/// A node with a system's account `sys`, and some records.
pub(super) async fn ready(ground: &Ground) -> (Arc<Node>, Client) {
    let node = node(ground).await;
    let holder = Holder::Staff {
        role: Role::System,
        organisation: Ods::parse("A81001").unwrap(),
    };
    for login in ["sys", "other"] {
        let account = NewAccount {
            login: login.into(),
            name: "Lab".into(),
            holder: holder.clone(),
            password_hash: None,
        };
        node.store.open_account(account).await.unwrap();
    }
    let bo = Client::of(&node, "bo").await;
    bo.put("/Patient/jane", JANE).await;
    bo.put("/Patient/john", &JANE.replace("jane", "john")).await;
    for (id, who) in [("o1", "jane"), ("o2", "jane"), ("o3", "john")] {
        bo.put(&format!("/Observation/{id}"), &observation(id, who))
            .await;
    }
    bo.put(
        "/Organization/x",
        r#"{"resourceType":"Organization","id":"x","name":"X"}"#,
    )
    .await;
    let sys = Client::of(&node, "sys").await;
    (node, sys)
}

/// An export's address with a purpose.
fn for_care(path: &str) -> String {
    match (path.contains("_purpose="), path.contains('?')) {
        (true, _) => path.to_string(),
        (false, true) => format!("{path}&_purpose=TREAT"),
        (false, false) => format!("{path}?_purpose=TREAT"),
    }
}

impl Client {
    /// What is no FHIR JSON.
    pub(super) async fn raw(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, String) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/fhir{path}"))
            .header(AUTHORIZATION, format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 24)
            .await
            .unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// Starts a job, for care where nothing else is said; where to ask after it.
    pub(super) async fn started(&self, path: &str) -> String {
        let answer = self.send("GET", &for_care(path), ASYNC, "").await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        answer
            .header("content-location")
            .strip_prefix(BASE)
            .unwrap()
            .to_string()
    }

    pub(super) async fn manifest(&self, job: &str) -> Value {
        let (status, text) = self.raw("GET", job, "", &[]).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The ids in all the files of a manifest, sorted.
    pub(super) async fn exported(&self, manifest: &Value) -> Vec<String> {
        let mut ids = Vec::new();
        for file in manifest["output"].as_array().unwrap() {
            let place = file["url"].as_str().unwrap().strip_prefix(BASE).unwrap();
            let accept = [("accept", "application/fhir+ndjson")];
            let (status, text) = self.raw("GET", place, "", &accept).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(text.lines().count() as u64, file["count"].as_u64().unwrap());
            for line in text.lines() {
                let resource: Value = serde_json::from_str(line).unwrap();
                assert_eq!(resource["resourceType"], file["type"]);
                ids.push(resource["id"].as_str().unwrap().to_string());
            }
        }
        ids.sort();
        ids
    }
}

#[test]
fn an_export_gives_what_there_was_when_it_was_asked_for() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let bo = Client::of(&node, "bo").await;
        let job = sys.started("/$export").await;
        let (status, _) = sys.raw("GET", &job, "", &[]).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        // What is changed, deleted or made later is not in it.
        ground.clock().advance(1000);
        bo.put("/Observation/o9", &observation("o9", "jane")).await;
        bo.put(
            "/Observation/o1",
            &observation("o1", "jane").replace("1.50", "9.9"),
        )
        .await;
        bo.send("DELETE", "/Observation/o3", &[], "").await;
        work(&node).await;
        let manifest = sys.manifest(&job).await;
        assert_eq!(manifest["requiresAccessToken"], true);
        assert_eq!(
            manifest["request"],
            format!("{BASE}/$export?_purpose=TREAT")
        );
        assert_eq!(manifest["transactionTime"], "2026-01-05T09:00:00.000Z");
        assert_eq!(
            sys.exported(&manifest).await,
            ["jane", "john", "o1", "o2", "o3", "x"]
        );
        let file = format!("{job}/Observation");
        let (_, text) = sys.raw("GET", &file, "", &[]).await;
        assert!(!text.contains("9.9"), "{text}");
        // Since then.
        let job = sys
            .started("/$export?_since=2026-01-05T09:00:00.500Z")
            .await;
        work(&node).await;
        assert_eq!(sys.exported(&sys.manifest(&job).await).await, ["o1", "o9"]);
        node.store.clone().close().await;
    });
}

#[test]
fn an_export_is_of_all_patients_or_a_group_and_of_what_is_asked_for() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Group/g", r#"{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/john"}},{"entity":{"reference":"Patient/jane"},"inactive":true}]}"#).await;
        for (path, expected) in [
            (
                "/Patient/$export",
                vec!["g", "jane", "john", "o1", "o2", "o3"],
            ),
            ("/Group/g/$export", vec!["g", "john", "o3"]),
            (
                "/Patient/$export?_type=Observation&_outputFormat=ndjson",
                vec!["o1", "o2", "o3"],
            ),
            ("/$export?_type=Organization", vec!["x"]),
            (
                "/$export?_type=Observation,Patient&_typeFilter=Observation%3Fsubject%3DPatient%2Fjane",
                vec!["jane", "john", "o1", "o2"],
            ),
            ("/$export?_type=Medication", vec![]),
        ] {
            let job = sys.started(path).await;
            work(&node).await;
            assert_eq!(
                sys.exported(&sys.manifest(&job).await).await,
                expected,
                "{path}"
            );
        }
        for (path, status) in [
            ("/$export?_elements=id", StatusCode::BAD_REQUEST),
            ("/$export?_outputFormat=csv", StatusCode::BAD_REQUEST),
            ("/$export?_since=x", StatusCode::BAD_REQUEST),
            ("/$export?_typeFilter=Patient", StatusCode::BAD_REQUEST),
            (
                "/$export?_typeFilter=Patient%3Ffrob%3D1",
                StatusCode::BAD_REQUEST,
            ),
            ("/Group/none/$export", StatusCode::NOT_FOUND),
        ] {
            assert_eq!(
                sys.send("GET", &for_care(path), ASYNC, "").await.status,
                status,
                "{path}"
            );
        }
        let at_once = sys.get("/$export?_purpose=TREAT").await;
        assert_eq!(at_once.status, StatusCode::BAD_REQUEST);
        assert_eq!(
            bo.send("GET", "/$export", ASYNC, "").await.status,
            StatusCode::FORBIDDEN
        );
        node.store.clone().close().await;
    });
}

async fn bo_moves_an_observation(node: &Arc<Node>, ground: &Ground, jane: &Client) {
    let bo = Client::of(node, "bo").await;
    let asked = jane.started("/Patient/$export?_purpose=PATRQT").await;
    ground.clock().advance(1000);
    bo.put("/Observation/o3", &observation("o3", "jane")).await;
    work(node).await;
    let (status, text) = jane
        .raw("GET", &format!("{asked}/Observation"), "", &[])
        .await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert!(text.contains("\"o1\"") && !text.contains("john"), "{text}");
    bo.put("/Observation/o3", &observation("o3", "john")).await;
}

#[test]
fn a_patient_exports_exactly_what_they_may_read_and_nobody_else_sees_the_job() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        release(&node, "Observation", "o1").await;
        release(&node, "Observation", "o3").await;
        let jane = Client::of(&node, "jane").await;
        for path in [
            "/$export?_purpose=PATRQT",
            "/Patient/$export?_purpose=PATRQT",
        ] {
            let job = jane.started(path).await;
            work(&node).await;
            let manifest = jane.manifest(&job).await;
            assert_eq!(jane.exported(&manifest).await, ["jane", "o1"], "{path}");
            for other in [
                &sys,
                &Client::of(&node, "other").await,
                &Client::of(&node, "bo").await,
            ] {
                for place in [job.clone(), format!("{job}/Patient")] {
                    assert_eq!(other.get(&place).await.status, StatusCode::NOT_FOUND);
                }
                assert_eq!(
                    other.send("DELETE", &job, &[], "").await.status,
                    StatusCode::NOT_FOUND
                );
            }
        }
        // A version from before it was about this patient stays the other's.
        bo_moves_an_observation(&node, ground, &jane).await;
        // What is withheld later is withheld from the file as well.
        let job = jane.started("/Patient/$export?_purpose=PATRQT").await;
        work(&node).await;
        let label = r#"{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"security":[{"code":"x"}]}}]}"#;
        let bo = Client::of(&node, "bo").await;
        assert_eq!(
            bo.post("/Observation/o1/$meta-add", label).await.status,
            StatusCode::OK
        );
        let (_, text) = jane
            .raw("GET", &format!("{job}/Observation"), "", &[])
            .await;
        assert_eq!(text, "");
        let log = Client::of(&node, "pat").await;
        let log = log.get("/AuditEvent/$log?patient=john").await.text();
        assert!(!log.contains("\"export\""), "{log}");
        node.store.clone().close().await;
    });
}

#[test]
fn a_job_outlives_the_process_is_cancelled_bounded_and_expires() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let job = sys.started("/$export").await;
        // The process ends before anything was done; another takes over.
        node.store.clone().close().await;
        let again = Arc::new(Node::new(ground.open().await, node.site.clone()));
        let mut sys = Client {
            router: crate::router(again.clone()),
            ..sys
        };
        work(&again).await;
        let manifest = sys.manifest(&job).await;
        assert_eq!(sys.exported(&manifest).await.len(), 6);
        let gone = sys.send("DELETE", &job, &[], "").await;
        assert_eq!(gone.status, StatusCode::ACCEPTED);
        assert_eq!(sys.get(&job).await.status, StatusCode::NOT_FOUND);
        let mut jobs = Vec::new();
        for _ in 0..3 {
            jobs.push(sys.started("/$export").await);
        }
        let refused = sys.send("GET", &for_care("/$export"), ASYNC, "").await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        sys.send("DELETE", &jobs[0], &[], "").await;
        work(&again).await;
        assert_eq!(sys.get(&jobs[0]).await.status, StatusCode::NOT_FOUND);
        sys.manifest(&jobs[1]).await;
        ground.clock().advance(25 * 3_600_000);
        work(&again).await;
        assert_eq!(sys.get(&jobs[1]).await.status, StatusCode::NOT_FOUND);
        // An account that is closed meanwhile gets nothing, and the job says so.
        let job = sys.started("/$export").await;
        let token = sys.token.clone();
        again.store.close_account("sys").await.unwrap();
        work(&again).await;
        let id = job.rsplit('/').next().unwrap();
        let kept = again.store.bulk_job(id).await.unwrap().unwrap();
        assert_eq!(
            kept.reason.as_deref(),
            Some("The account that started it is closed.")
        );
        sys.token = token;
        again.store.clone().close().await;
    });
}

pub(super) const NDJSON: &[(&str, &str)] = &[
    ("prefer", "respond-async"),
    ("content-type", "application/fhir+ndjson"),
];

#[test]
fn an_import_takes_in_every_good_line_and_lists_the_others() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let lines = [
            r#"{"resourceType":"Patient","id":"new","birthDate":"1980-01-01"}"#,
            "",
            r#"{"resourceType":"Patient","birthDate":"yesterday"}"#,
            "not json",
            r#"{"resourceType":"Observation","id":"i1","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/new"}}"#,
            // The same again: one commit cannot hold both.
            r#"{"resourceType":"Patient","id":"new","birthDate":"1980-01-02"}"#,
            r#"{"resourceType":"Organization","name":"without an id"}"#,
        ];
        let (status, _) = sys
            .raw(
                "POST",
                "/$import",
                &lines.join("\n"),
                &[("prefer", "respond-async")],
            )
            .await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let answer = sys
            .send("POST", "/$import", NDJSON, &lines.join("\n"))
            .await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        let job = answer
            .header("content-location")
            .strip_prefix(BASE)
            .unwrap()
            .to_string();
        // Not in this process.
        node.store.clone().close().await;
        let again = Arc::new(Node::new(ground.open().await, node.site.clone()));
        let sys = Client {
            router: crate::router(again.clone()),
            ..sys
        };
        work(&again).await;
        let manifest = sys.manifest(&job).await;
        assert_eq!(manifest["extension"]["imported"], 4, "{manifest}");
        assert_eq!(manifest["error"][0]["count"], 2);
        let place = manifest["error"][0]["url"]
            .as_str()
            .unwrap()
            .strip_prefix(BASE)
            .unwrap();
        let (_, refused) = sys.raw("GET", place, "", &[]).await;
        let refused: Vec<&str> = refused.lines().collect();
        assert!(
            refused[0].contains("line 3") && refused[0].contains("birthDate"),
            "{refused:?}"
        );
        assert!(refused[1].contains("line 4"), "{refused:?}");
        let bo = Client {
            router: crate::router(again.clone()),
            ..Client::of(&again, "bo").await
        };
        assert_eq!(
            bo.get("/Patient/new").await.json()["birthDate"],
            "1980-01-02"
        );
        assert_eq!(bo.get("/Observation/i1").await.status, StatusCode::OK);
        let refused = bo.send("POST", "/$import", NDJSON, lines[0]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        again.store.clone().close().await;
    });
}

#[test]
fn an_import_of_many_lines_is_cut_between_them_and_one_too_large_is_refused_whole() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let text = "x".repeat(4000);
        let lines: Vec<String> = (0..700)
            .map(|number| {
                format!(r#"{{"resourceType":"Basic","id":"b{number}","code":{{"text":"{text}"}}}}"#)
            })
            .collect();
        let answer = sys
            .send("POST", "/$import", NDJSON, &lines.join("\r\n"))
            .await;
        let job = answer
            .header("content-location")
            .strip_prefix(BASE)
            .unwrap()
            .to_string();
        work(&node).await;
        assert_eq!(sys.manifest(&job).await["extension"]["imported"], 700);
        let bo = Client::of(&node, "bo").await;
        assert_eq!(bo.get("/Basic/b699").await.status, StatusCode::OK);
        let mut small = Node::new(node.store.clone(), node.site.clone());
        small.bulk.import_bytes_max = 100_000;
        let sys = Client {
            router: crate::router(Arc::new(small)),
            ..sys
        };
        let refused = sys
            .send("POST", "/$import", NDJSON, &lines.join("\n"))
            .await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(node.store.bulk_jobs_open().await.unwrap().is_empty());
        node.store.clone().close().await;
    });
}

/// Waits until no import is coming in.
async fn settled(node: &Arc<Node>) {
    while node.store.bulk_jobs_receiving().await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn an_import_that_breaks_off_gives_its_place_back() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        // More often than there are places.
        for _ in 0..4 {
            let (to, body) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
            let body = futures_util::stream::unfold(body, async |mut body| {
                Some((body.recv().await?, body))
            });
            let request = Request::post("/fhir/$import")
                .header(AUTHORIZATION, format!("Bearer {}", sys.token))
                .header(CONTENT_TYPE, "application/fhir+ndjson")
                .header("prefer", "respond-async")
                .body(Body::from_stream(body))
                .unwrap();
            let router = sys.router.clone();
            let import = tokio::spawn(async move { router.oneshot(request).await.unwrap() });
            // Once that is taken, the job is there, and its lines are waited for.
            to.send(Ok(b"{\"resourceType\"".to_vec())).await.unwrap();
            let place = to.reserve().await.unwrap();
            // The client goes away, and with it the request.
            import.abort();
            assert!(import.await.unwrap_err().is_cancelled());
            drop(place);
            settled(&node).await;
        }
        node.store.clone().close().await;
    });
}

#[test]
fn what_passes_does_not_end_a_job_and_what_does_not_pass_does() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let job = sys.started("/$export").await;
        let id = job.rsplit('/').next().unwrap();
        for _ in 0..20 {
            let busy = Problem::new(Kind::Throttled, "The store has too much to do.");
            ended(&node, id, Err(busy)).await;
        }
        // Not before its time.
        work(&node).await;
        assert_eq!(sys.get(&job).await.status, StatusCode::ACCEPTED);
        ground.clock().advance(300_001);
        work(&node).await;
        let manifest = sys.manifest(&job).await;
        assert_eq!(sys.exported(&manifest).await.len(), 6);
        let job = sys.started("/$export").await;
        let id = job.rsplit('/').next().unwrap();
        let broken = Problem::new(Kind::Processing, "It cannot be done.");
        ended(&node, id, Err(broken)).await;
        work(&node).await;
        let kept = node.store.bulk_job(id).await.unwrap().unwrap();
        assert_eq!(kept.reason.as_deref(), Some("It cannot be done."));
        node.store.clone().close().await;
    });
}

#[test]
fn jobs_run_side_by_side_within_a_bound() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let other = Client::of(&node, "other").await;
        let mut jobs = Vec::new();
        for _ in 0..3 {
            jobs.push((&sys, sys.started("/$export").await));
            jobs.push((&other, other.started("/$export").await));
        }
        let mut working = tokio::task::JoinSet::new();
        round(&node, &mut working).await;
        assert_eq!(working.len(), 4);
        // Those that are worked on are not begun with again.
        round(&node, &mut working).await;
        assert!(working.len() <= 6);
        while working.join_next().await.is_some() {}
        work(&node).await;
        for (client, job) in &jobs {
            client.manifest(job).await;
        }
        node.store.clone().close().await;
    });
}

/// `CONTENT_TYPE` is what tells a file from a resource.
#[test]
fn a_file_says_what_it_is() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let job = sys.started("/$export?_type=Patient").await;
        work(&node).await;
        let request = Request::get(format!("/fhir{job}/Patient"))
            .header(AUTHORIZATION, format!("Bearer {}", sys.token))
            .body(Body::empty())
            .unwrap();
        let answer = sys.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/fhir+ndjson");
        node.store.clone().close().await;
    });
}
