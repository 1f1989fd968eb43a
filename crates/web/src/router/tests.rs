//! Every route there is, walked by people of every kind.

use std::sync::Arc;

use access::{AuditEntry, Outcome, Scope, SystemPurpose};
use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{Method, Request, StatusCode};
use store::AuditFilter;
use store::testing::on_each_database;
use tower::ServiceExt;

use super::FHIR;
use crate::fhir::route::{Does, Route, Takes};
use crate::node::Node;
use crate::secret::Secret;
use crate::testing::{Browser, letters, node};

/// The routes of the pages and of the authorization server, as their files write them.
fn addresses() -> Vec<String> {
    let files = super::album::tables();
    let mut all: Vec<String> = files
        .iter()
        .flat_map(|file| file.split(".route(").skip(1))
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .filter(|path| path.starts_with('/'))
        .map(str::to_owned)
        .collect();
    all.sort();
    all.dedup();
    assert!(all.len() > 200, "{all:?}");
    all
}

/// An address with something in each of its places.
fn filled(path: &str, pid: i64) -> String {
    let pid = pid.to_string();
    let places = [
        ("{ty}", "Patient"),
        ("{id}", "jane"),
        ("{inner}", "Observation"),
        ("{version}", "1"),
        ("{pid}", &pid),
        ("{number}", "0"),
        ("{page}", "1"),
        ("{file}", "handover.css"),
        ("{icon}", "x.svg"),
        ("{ask}", "x"),
        ("{name}", "x"),
        ("{key}", "Observation~x"),
        ("{kind}", "pdf"),
        ("{task}", "x"),
        ("{order}", "x"),
        ("{what}", "x"),
        ("{seq}", "1"),
    ];
    let mut filled = path.to_owned();
    for (place, with) in places {
        filled = filled.replace(place, with);
    }
    let rest = filled.find('{').map(|at| &filled[at..]);
    assert_eq!(rest, None, "{path}: what stands there?");
    filled
}

/// What a request is sent with.
#[derive(Clone, Default)]
struct Bearing {
    cookie: String,
    token: String,
}

async fn ask(
    router: &Router,
    method: &Method,
    path: &str,
    bearing: &Bearing,
) -> http::Response<Body> {
    send(router, method, path, bearing, ("", "")).await
}

/// As `ask`, with a body of that content type.
async fn send(
    router: &Router,
    method: &Method,
    path: &str,
    bearing: &Bearing,
    (content_type, body): (&str, &str),
) -> http::Response<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("sec-fetch-site", "same-origin");
    if !bearing.token.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {}", bearing.token));
    }
    if !bearing.cookie.is_empty() {
        request = request.header(COOKIE, &bearing.cookie);
    }
    if !content_type.is_empty() {
        request = request.header(CONTENT_TYPE, content_type);
    }
    router
        .clone()
        .oneshot(request.body(Body::from(body.to_owned())).unwrap())
        .await
        .unwrap()
}

async fn session(node: &Arc<Node>, door: &str, login: &str) -> Bearing {
    let mut browser = Browser::new(node);
    browser.sign_in(door, login).await;
    let cookies = browser.cookies.iter();
    let cookies: Vec<String> = cookies
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Bearing {
        cookie: cookies.join("; "),
        ..Bearing::default()
    }
}

async fn token(node: &Arc<Node>, login: &str) -> Bearing {
    let account = node
        .store
        .credentials(login)
        .await
        .unwrap()
        .unwrap()
        .account
        .id;
    let token = Secret::random();
    node.store
        .add_token(token.digest(), account, "test")
        .await
        .unwrap();
    Bearing {
        token: token.reveal().to_owned(),
        ..Bearing::default()
    }
}

#[test]
fn p30_no_answer_of_any_route_may_be_kept_framed_or_guessed_at() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let pid = letters::receive(&node.store, &letters::Letter::default()).await;
        let router = crate::router(node.clone());
        let everybody = [
            Bearing::default(),
            session(&node, "/staff/login", "ann").await,
            session(&node, "/login", "jane").await,
            token(&node, "bo").await,
        ];
        let mut paths: Vec<(Method, String)> = FHIR
            .iter()
            .map(|route| {
                (
                    route.method.clone(),
                    format!("/fhir{}", filled(route.path, pid)),
                )
            })
            .collect();
        for path in addresses() {
            let path = filled(&path, pid);
            paths.extend([Method::GET, Method::POST].map(|method| (method, path.clone())));
        }
        for (method, path) in paths {
            // It goes on for as long as somebody listens.
            if path == "/staff/sent/events" || path.starts_with("/assets/") {
                continue;
            }
            for bearing in &everybody {
                let answer = ask(&router, &method, &path, bearing).await;
                let header = |name: &str| {
                    let value = answer.headers().get(name);
                    value.map_or("", |it| it.to_str().unwrap()).to_owned()
                };
                let told = format!("{method} {path}: {}", answer.status());
                assert!(header("cache-control").contains("no-store"), "{told}");
                assert_eq!(header("x-content-type-options"), "nosniff", "{told}");
                let policy = header("content-security-policy");
                assert!(
                    policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
                    "{told}: {policy}"
                );
                assert!(
                    policy.contains("frame-ancestors 'none'"),
                    "{told}: {policy}"
                );
                assert_ne!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{told}");
            }
        }
    });
}

async fn log(node: &Node) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        count: 1000,
        ..AuditFilter::default()
    };
    let scope = Scope::system(SystemPurpose::Measure);
    node.store
        .audit_page(&scope, &filter)
        .await
        .unwrap()
        .entries
}

/// A resource of each kind that the routes are walked with.
async fn record(router: &Router, bo: &Bearing) {
    for (path, body) in [
        (
            "/fhir/Patient/jane",
            r#"{"resourceType":"Patient","id":"jane","birthDate":"1970-02-03"}"#,
        ),
        (
            "/fhir/Observation/jane",
            r#"{"resourceType":"Observation","id":"jane","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/jane"}}"#,
        ),
    ] {
        let request = Request::put(path)
            .header(AUTHORIZATION, format!("Bearer {}", bo.token))
            .header("content-type", "application/fhir+json");
        let answer = router
            .clone()
            .oneshot(request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }
}

/// Whether what it does is about patients whom the node holds.
fn is_about_patients(route: &Route) -> bool {
    match route.does {
        Does::Facts => false,
        // What the node knows of codes is nobody's; what is indexed is the node's own affair; and what is
        // only looked over or written otherwise is the caller's own.
        Does::Operation(name, _) => ![
            "convert",
            "expand",
            "lookup",
            "subsumes",
            "translate",
            "validate",
            "validate-code",
            "reindex",
        ]
        .contains(&name),
        Does::Interactions(_) => true,
    }
}

#[test]
fn p28_each_look_and_each_refusal_at_the_fhir_door_leaves_one_line() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let router = crate::router(node.clone());
        let bo = token(&node, "bo").await;
        record(&router, &bo).await;
        let (mut looks, mut refusals) = (0, 0);
        for (who, bearing) in [
            ("bo", bo),
            ("ed", token(&node, "ed").await),
            ("jane", token(&node, "jane").await),
        ] {
            for route in FHIR.iter().filter(|route| route.method == Method::GET) {
                if !is_about_patients(route) {
                    continue;
                }
                let path = format!("/fhir{}", filled(route.path, 0));
                let answer = ask(&router, &Method::GET, &path, &bearing).await;
                let id = answer.headers()["x-request-id"]
                    .to_str()
                    .unwrap()
                    .to_owned();
                let status = answer.status();
                let body = axum::body::to_bytes(answer.into_body(), 1 << 24)
                    .await
                    .unwrap();
                let lines = log(&node).await;
                let lines: Vec<&AuditEntry> = lines
                    .iter()
                    .filter(|line| *line.request_id == *id)
                    .collect();
                let told = format!(
                    "{who} {path} {status}: {lines:?} {}",
                    String::from_utf8_lossy(&body)
                );
                if status.is_success() {
                    looks += 1;
                    assert_eq!(lines.len(), 1, "{told}");
                    assert_eq!(lines[0].outcome, Outcome::Success, "{told}");
                } else if status == StatusCode::FORBIDDEN {
                    refusals += 1;
                    assert_eq!(lines.len(), 1, "{told}");
                    assert_eq!(lines[0].outcome, Outcome::Refused, "{told}");
                } else {
                    assert!(lines.len() <= 1, "{told}");
                }
            }
        }
        assert!(
            looks > 15 && refusals > 10,
            "{looks} looks, {refusals} refusals"
        );
    });
}

/// What the route takes, as a client would send it.
fn body_of(route: &Route) -> (&'static str, &'static str) {
    const FHIR_JSON: &str = "application/fhir+json";
    match route.takes {
        Takes::Nothing => ("", ""),
        Takes::Resource => (
            FHIR_JSON,
            r#"{"resourceType":"Patient","id":"jane","birthDate":"1970-02-03","active":true}"#,
        ),
        Takes::Bundle => (
            FHIR_JSON,
            r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"PUT","url":"Patient/jane"},
                "resource":{"resourceType":"Patient","id":"jane","birthDate":"1970-02-03"}}]}"#,
        ),
        Takes::Patch => (
            "application/json-patch+json",
            r#"[{"op":"add","path":"/active","value":false}]"#,
        ),
        Takes::Form => ("application/x-www-form-urlencoded", "birthdate=1970-02-03"),
        Takes::Parameters => (FHIR_JSON, r#"{"resourceType":"Parameters"}"#),
    }
}

#[test]
fn p28_each_write_and_each_refusal_of_one_at_the_fhir_door_leaves_its_lines() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let router = crate::router(node.clone());
        let bo = token(&node, "bo").await;
        let (mut done, mut refused, mut absent) = (0, 0, 0);
        for (who, bearing) in [
            ("bo", bo.clone()),
            ("ed", token(&node, "ed").await),
            ("jane", token(&node, "jane").await),
        ] {
            let writes = |route: &&Route| route.method != Method::GET && is_about_patients(route);
            for (route, id) in FHIR
                .iter()
                .filter(writes)
                .flat_map(|route| [(route, "jane"), (route, "nobody")])
            {
                // One of them has deleted it.
                record(&router, &bo).await;
                let path = format!("/fhir{}", filled(route.path, 0).replace("jane", id));
                let (content_type, body) = body_of(route);
                let body = body.replace("jane", id);
                let sent = (content_type, body.as_str());
                let answer = send(&router, &route.method, &path, &bearing, sent).await;
                let request = answer.headers()["x-request-id"].to_str().unwrap();
                let lines = log(&node).await.into_iter();
                let lines = lines.filter(|line| *line.request_id == *request);
                let lines: Vec<AuditEntry> = lines.collect();
                let status = answer.status();
                let told = format!("{who} {} {path} {status}: {lines:?}", route.method);
                let of = |outcome| lines.iter().filter(|it| it.outcome == outcome).count();
                match status {
                    StatusCode::FORBIDDEN => {
                        refused += 1;
                        assert_eq!((of(Outcome::Refused), lines.len()), (1, 1), "{told}");
                    }
                    // A job is its account's own, and one that is not there is about nobody.
                    StatusCode::NOT_FOUND if route.path.starts_with("/$bulk/") => {}
                    StatusCode::NOT_FOUND => {
                        absent += 1;
                        assert!(of(Outcome::Success) == 0 && !lines.is_empty(), "{told}");
                    }
                    StatusCode::GONE => {
                        absent += 1;
                        assert!(!lines.is_empty(), "{told}");
                    }
                    status if status.is_success() => {
                        done += 1;
                        assert!(!lines.is_empty(), "{told}");
                    }
                    _ => {}
                }
            }
        }
        assert!(
            done > 8 && refused > 10 && absent > 0,
            "{done} {refused} {absent}"
        );
    });
}

#[test]
fn p28_each_page_about_a_patient_and_each_refusal_of_one_leaves_its_line() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let pid = letters::receive(&node.store, &letters::Letter::default()).await;
        let router = crate::router(node.clone());
        record(&router, &token(&node, "bo").await).await;
        let ann = session(&node, "/staff/login", "ann").await;
        let ed = session(&node, "/staff/login", "ed").await;
        let jane = session(&node, "/login", "jane").await;
        let item = format!("/staff/item/{pid}");
        let cases = [
            ("/staff/patient/jane", &ann, StatusCode::OK),
            (item.as_str(), &ann, StatusCode::OK),
            ("/staff/inbox", &ann, StatusCode::OK),
            ("/staff/patient/jane", &ed, StatusCode::FORBIDDEN),
            ("/staff/patient/jane/shared", &ed, StatusCode::FORBIDDEN),
            ("/staff/patient/jane/results", &ann, StatusCode::OK),
            ("/staff/patient/jane/timeline", &ann, StatusCode::OK),
            ("/staff/patient/jane/results", &ed, StatusCode::FORBIDDEN),
            (item.as_str(), &ed, StatusCode::FORBIDDEN),
            ("/staff/inbox", &ed, StatusCode::FORBIDDEN),
            ("/record", &jane, StatusCode::OK),
            ("/access-log", &jane, StatusCode::OK),
        ];
        for (path, bearing, expected) in cases {
            let before = log(&node).await.len();
            let answer = ask(&router, &Method::GET, path, bearing).await;
            assert_eq!(answer.status(), expected, "{path}");
            let lines = log(&node).await;
            let added = lines.len() - before;
            // A page may look at several things: one line each, and never none.
            assert!(added >= 1, "{path}");
            let refused = lines
                .iter()
                .take(added)
                .filter(|line| line.outcome == Outcome::Refused)
                .count();
            assert_eq!(
                refused,
                usize::from(expected == StatusCode::FORBIDDEN),
                "{path}: {lines:?}"
            );
        }
    });
}
