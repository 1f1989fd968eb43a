//! A node's pages in process, and a browser of the simplest kind, for tests.

pub mod beside;
pub mod letters;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use access::{NhsNumber, Ods, Role, Scope, SystemPurpose};
use axum::Router;
use axum::body::Body;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use store::accounts::factors::FactorWrite;
use store::accounts::{Holder, NewAccount};
use store::care::CareWrite;
use store::opt_out::OptOutWrite;
use store::testing::Ground;
use store::{Effect, Job, Store};
use tower::ServiceExt;

use crate::node::{Node, Site};
use crate::sign_in::{code, password};

pub const PASSWORD: &str = "correct horse battery";

/// A node with a clerk `ann`, a clinician `bo`, an engineer `ed`, a privacy officer `olu` and a
/// patient `jane`.
pub async fn node(ground: &Ground) -> Arc<Node> {
    Arc::new(bare_node(ground).await)
}

/// The same, for tests that set it up further.
pub async fn bare_node(ground: &Ground) -> Node {
    bare_node_with(ground.open().await).await
}

/// The same over that store.
pub async fn node_with(store: Store) -> Arc<Node> {
    Arc::new(bare_node_with(store).await)
}

async fn bare_node_with(store: Store) -> Node {
    let hash = hashed();
    let organisation = || Ods::parse("A81001").unwrap();
    let staff = |role| Holder::Staff {
        role,
        organisation: organisation(),
    };
    let jane = Holder::Patient {
        patient: "jane".into(),
        nhs_number: NhsNumber::parse("9434765919").unwrap(),
    };
    let people = [
        ("ann", "Ann Secretary", staff(Role::Clerk)),
        ("bo", "Dr Bo Test", staff(Role::Clinician)),
        ("ed", "Ed Engineer", staff(Role::Engineer)),
        ("olu", "Olu Officer", staff(Role::PrivacyOfficer)),
        ("jane", "Jane Example", jane),
    ];
    for (login, name, holder) in people {
        open(&store, login, name, holder, hash).await;
    }
    let site = Site {
        organisation: organisation(),
        name: "Willow Road Surgery".into(),
        base_url: "http://127.0.0.1:8080".into(),
        roles: vec!["gp-practice".into()],
        look: std::sync::Arc::default(),
    };
    Node::new(store, site)
}

/// The hash of everybody's password, made once: it is slow by intent.
fn hashed() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| password::hash(PASSWORD).unwrap());
    HASH.as_str()
}

async fn open(store: &Store, login: &str, name: &str, holder: Holder, hash: &str) {
    let account = NewAccount {
        login: login.into(),
        name: name.into(),
        holder,
        password_hash: Some(hash.into()),
    };
    store.open_account(account).await.unwrap();
}

/// Another patient with a record here and an account: their user name, name, Patient id, NHS number and
/// date of birth.
pub async fn patient(store: &Store, [login, name, id, number, born]: [&str; 5]) {
    let holder = Holder::Patient {
        patient: id.into(),
        nhs_number: NhsNumber::parse(number).unwrap(),
    };
    open(store, login, name, holder, hashed()).await;
    record(store, [name, id, number, born]).await;
}

/// A patient with a record and no account.
pub async fn record(store: &Store, [name, id, number, born]: [&str; 4]) {
    let (given, family) = name.split_once(' ').unwrap();
    let text = format!(
        r#"{{"resourceType":"Patient","name":[{{"family":"{family}","given":["{given}"]}}],
        "birthDate":"{born}","identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number",
        "value":"{number}"}}]}}"#
    );
    letters::put(store, id, &text, store::Release::Keep).await;
}

/// The number of that user name's account.
pub async fn account(store: &Store, login: &str) -> i64 {
    let credentials = store.credentials(login).await.unwrap();
    credentials.unwrap().account.id
}

/// Puts a member of staff into a workgroup.
pub async fn join(store: &Store, login: &str, workgroup: &str) {
    let join = CareWrite::Join {
        account: account(store, login).await,
        workgroup: workgroup.into(),
    };
    let scope = Scope::system(SystemPurpose::Measure);
    let job = Job::effect(Effect::Care(join));
    store.commit(&scope, job).await.unwrap();
}

/// Gives the account codes as a second step; their secret.
pub async fn second_step(store: &Store, login: &str) -> Vec<u8> {
    let secret = code::new_secret();
    let write = FactorWrite::Confirm {
        account: account(store, login).await,
        secret: secret.clone(),
        step: 0,
        recovery: Vec::new(),
    };
    store.write_factor(write).await.unwrap();
    secret
}

/// Keeps cookies and fills in the token of the last page's form, as a browser would.
pub struct Browser {
    router: Router,
    pub cookies: BTreeMap<String, String>,
    pub token: String,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn location(&self) -> &str {
        self.headers
            .get(LOCATION)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Browser {
    pub fn new(node: &Arc<Node>) -> Browser {
        Browser {
            router: crate::router(node.clone()),
            cookies: BTreeMap::new(),
            token: String::new(),
        }
    }

    pub async fn get(&mut self, address: &str) -> Answer {
        let request = Request::get(address);
        self.send(request, Body::empty()).await
    }

    /// Posts a form with the token of the last page.
    pub async fn post(&mut self, address: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token.clone();
        self.post_with(address, fields, &token).await
    }

    pub async fn post_with(
        &mut self,
        address: &str,
        fields: &[(&str, &str)],
        csrf: &str,
    ) -> Answer {
        let mut all = vec![("csrf", csrf)];
        all.extend(fields);
        let text: Vec<String> = all
            .iter()
            .map(|(name, text)| format!("{name}={}", escaped(text)))
            .collect();
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(address).header(CONTENT_TYPE, kind);
        self.send(request, Body::from(text.join("&"))).await
    }

    pub async fn send(&mut self, request: http::request::Builder, body: Body) -> Answer {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request
            .header(COOKIE, cookies.join("; "))
            .body(body)
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.into(), value.into());
            }
        }
        let bytes = axum::body::to_bytes(body, 1 << 22).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((_, rest)) = text.split_once("name=\"csrf\" value=\"") {
            self.token = rest.split_once('"').unwrap().0.into();
        }
        Answer {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    /// Proves anew who they are, with password and code.
    pub async fn step_up(&mut self, store: &Store, secret: &[u8], next: &str) -> Answer {
        self.get(&format!("/staff/step-up?next={next}")).await;
        let code = code::code(secret, store.now() / 30_000);
        let fields = [("password", PASSWORD), ("code", &code), ("next", next)];
        self.post("/staff/step-up", &fields).await
    }

    /// Signs in at that door.
    pub async fn sign_in(&mut self, door: &str, login: &str) -> Answer {
        self.get(door).await;
        self.post(door, &[("login", login), ("password", PASSWORD)])
            .await
    }
}

/// A check for opt-outs with its answer, as the worker would have stored them.
pub async fn opt_outs_answered(store: &Store, number: i64, asked: &[&str], usable: &[&str]) {
    let read = |them: &[&str]| -> Vec<NhsNumber> {
        them.iter()
            .map(|it| NhsNumber::parse(it).unwrap())
            .collect()
    };
    let scope = Scope::system(SystemPurpose::CheckOptOuts);
    for write in [
        OptOutWrite::Begin {
            number,
            reference: format!("M-{number}"),
        },
        OptOutWrite::Ask {
            number,
            numbers: read(asked),
        },
        OptOutWrite::Sent {
            number,
            message: "id".into(),
        },
        OptOutWrite::Usable {
            number,
            numbers: read(usable),
        },
        OptOutWrite::InForce {
            number,
            usable: usable.len() as u64,
        },
    ] {
        let job = Job::effect(Effect::OptOut(write));
        store.commit(&scope, job).await.unwrap();
    }
}

fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
