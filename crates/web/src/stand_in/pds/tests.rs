//! The client against the stand-in, and both against what NHS England published.

use std::net::SocketAddr;
use std::path::PathBuf;

use access::NhsNumber;
use exchange::access_token::SignedIn;
use exchange::jwt::ClientKey;
use exchange::pds::{Answer, Pds};
use tokio::net::TcpListener;

use super::*;

const NOW: i64 = 1_800_000_000_000;

/// The folder of what was published, if it is here: it is not part of the project.
fn published() -> Option<PathBuf> {
    let shared = std::env::var_os("HANDOVER_SHARED").map(PathBuf::from);
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let folder = shared.unwrap_or_else(beside).join("data/nhs/pds");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {} is not here", folder.display());
    None
}

fn json_of(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn listen(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn person(number: &str, family: &str, code: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{ "system": NhsNumber::SYSTEM, "value": number }],
        "meta": { "versionId": "2", "security": [{ "code": code }] },
        "birthDate": "1970-01-02", "gender": "female",
        "name": [{ "family": family, "given": ["Jane"] }],
        "address": [{ "postalCode": "LS1 6AE" }],
    })
}

fn people() -> String {
    json!([
        person("9990000018", "Fern", "U"),
        person("9990000026", "Fernley", "R"),
        { "number": "9990000034", "supersededBy": "9990000018" },
        { "number": "9990000042", "invalidated": true },
    ])
    .to_string()
}

fn number(text: &str) -> NhsNumber {
    NhsNumber::parse(text).unwrap()
}

const REQUEST: &str = "60e0b220-8136-4ca5-ae46-1d97ef59d068";

async fn client() -> (Pds, SocketAddr) {
    let stand_in = Arc::new(StandIn::of(&people(), None).unwrap());
    let at = listen(stand_in.router()).await;
    (Pds::new(&format!("http://{at}"), None).unwrap(), at)
}

#[tokio::test]
async fn pds_answers_are_told_apart_and_a_replaced_number_gives_the_other_one() {
    let (pds, at) = client().await;
    let read = async |text: &str| pds.read(&number(text), REQUEST, NOW).await;
    let Answer::Said(said) = read("9990000034").await else {
        panic!("the number was replaced");
    };
    assert_eq!(said["id"], "9990000018");
    assert_eq!(read("9990000042").await, Answer::Invalidated);
    assert_eq!(read("9990000050").await, Answer::Unknown);
    let Answer::Said(said) = read("9990000026").await else {
        panic!("a restricted patient is known");
    };
    assert!(said.get("address").is_none(), "{said}");
    let pairs = |postcode: &str| {
        let mut pairs = vec![
            ("family", "Fern*".to_string()),
            ("birthdate", "eq1970-01-02".into()),
        ];
        if !postcode.is_empty() {
            pairs.push(("address-postalcode", postcode.to_string()));
        }
        pairs
    };
    let count = async |postcode: &str| match pds.search(&pairs(postcode), REQUEST, NOW).await {
        Answer::Said(bundle) => bundle["total"].as_u64().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(count("").await, 2);
    assert_eq!(
        count("LS1 6AE").await,
        1,
        "nobody restricted is found by where they live"
    );
    let few = pds
        .search(&[("birthdate", "eq1970-01-02".into())], REQUEST, NOW)
        .await;
    assert_eq!(
        few,
        Answer::Refused("PDS answered 400. TOO_FEW_VALUES_SUBMITTED".into())
    );
    let _ = at;
}

#[tokio::test]
async fn a_busy_pds_says_when_to_ask_again_and_the_same_request_id_comes_again() {
    let stand_in = Arc::new(StandIn::of(&people(), None).unwrap());
    let at = listen(stand_in.clone().router()).await;
    let pds = Pds::new(&format!("http://{at}"), None).unwrap();
    stand_in.seen.lock().busy = (1, 7);
    let one = number("9990000018");
    let later = pds.read(&one, REQUEST, NOW).await;
    assert!(matches!(later, Answer::NotNow(_, Some(7))), "{later:?}");
    assert!(matches!(
        pds.read(&one, REQUEST, NOW).await,
        Answer::Said(_)
    ));
    assert_eq!(stand_in.seen.lock().requests, [REQUEST, REQUEST]);
    let nobody = Pds::new("http://127.0.0.1:1", None).unwrap();
    assert!(matches!(
        nobody.read(&one, REQUEST, NOW).await,
        Answer::NotNow(..)
    ));
}

#[tokio::test]
async fn a_client_signs_in_with_rs512_once_and_anew_when_its_token_counts_no_more() {
    let key = ClientKey::generate("anytown-1").unwrap();
    let keys = Jwks(vec![key.public()]);
    let stand_in = Arc::new(StandIn::of(&people(), Some(keys)).unwrap());
    let at = listen(stand_in.clone().router()).await;
    let base = format!("http://{at}");
    let sign_in = |key| SignedIn {
        token_url: format!("{base}/oauth2/token"),
        client: "key".into(),
        key,
    };
    let pds = Pds::new(&base, Some(sign_in(key))).unwrap();
    let now = Clock::system().now();
    let one = number("9990000018");
    for _ in 0..3 {
        assert!(matches!(
            pds.read(&one, REQUEST, now).await,
            Answer::Said(_)
        ));
    }
    assert_eq!(
        stand_in.tokens.as_ref().unwrap().count(),
        1,
        "one token served for all"
    );
    stand_in.tokens.as_ref().unwrap().end_all();
    assert!(matches!(
        pds.read(&one, REQUEST, now).await,
        Answer::NotNow(..)
    ));
    assert!(matches!(
        pds.read(&one, REQUEST, now).await,
        Answer::Said(_)
    ));
    let stranger = ClientKey::generate("anytown-1").unwrap();
    let stranger = Pds::new(&base, Some(sign_in(stranger))).unwrap();
    assert!(matches!(
        stranger.read(&one, REQUEST, now).await,
        Answer::NotNow(..)
    ));
    let bare = Pds::new(&base, None).unwrap();
    assert!(matches!(
        bare.read(&one, REQUEST, now).await,
        Answer::Refused(_)
    ));
}

#[tokio::test]
async fn the_stand_in_refuses_as_the_published_stubs_do() {
    let Some(folder) = published() else { return };
    let stubs = folder.join("karate-tests/src/test/java/mocks/stubs/errorResponses");
    let (_, at) = client().await;
    let outgoing = exchange::outgoing::Outgoing::new(&["127.0.0.1".to_owned()]).unwrap();
    let day = "birthdate=eq1970-01-02";
    for (path, id, status, name) in [
        (
            "/Patient/9000000000".to_owned(),
            Some(REQUEST),
            400,
            "INVALID_RESOURCE_ID",
        ),
        (
            "/Patient/9111231130".to_owned(),
            Some(REQUEST),
            404,
            "RESOURCE_NOT_FOUND",
        ),
        (
            "/Patient/9990000042".to_owned(),
            Some(REQUEST),
            404,
            "INVALIDATED_RESOURCE",
        ),
        ("/Patient/9990000018".to_owned(), None, 400, "MISSING_VALUE"),
        (
            "/Patient/9990000018".to_owned(),
            Some("1234"),
            400,
            "INVALID_VALUE",
        ),
        (
            format!("/Patient?family=Fern&{day}&invalidParam=1"),
            Some(REQUEST),
            400,
            "ADDITIONAL_PROPERTIES",
        ),
        (
            format!("/Patient?{day}"),
            Some(REQUEST),
            400,
            "TOO_FEW_VALUES_SUBMITTED",
        ),
        (
            "/Patient?family=Fern&birthdate=eq19700102".to_owned(),
            Some(REQUEST),
            400,
            "INVALID_VALUE",
        ),
        (
            "/Patient".to_owned(),
            Some(REQUEST),
            400,
            "UNSUPPORTED_SERVICE",
        ),
    ] {
        let headers = id.map(|id| ("x-request-id".to_owned(), id.to_owned()));
        let call = exchange::outgoing::Call {
            method: http::Method::GET,
            url: format!("http://{at}{path}"),
            headers: headers.into_iter().collect(),
            body: Bytes::new(),
        };
        let (got, body) = outgoing.answer(call).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let stub = json_of(&stubs.join(format!("{name}.json")));
        let code = |it: &Value| it.pointer("/issue/0/details/coding/0/code").cloned();
        assert_eq!((got, code(&body)), (status, code(&stub)), "{path}");
    }
}

/// Every answer of the published stubs is understood: a person is a person, and a list is one.
#[tokio::test]
async fn the_client_understands_every_published_answer() {
    let Some(folder) = published() else { return };
    let stubs = folder.join("karate-tests/src/test/java/mocks/stubs");
    let mut count = 0;
    for kind in ["patientResponses", "searchResponses"] {
        for entry in std::fs::read_dir(stubs.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let body = std::fs::read(&path).unwrap();
            let router = Router::new().fallback(move || {
                let body = body.clone();
                async move { body }
            });
            let at = listen(router).await;
            let pds = Pds::new(&format!("http://{at}"), None).unwrap();
            let answer = pds.read(&number("9990000018"), REQUEST, NOW).await;
            let Answer::Said(said) = answer else {
                panic!("{}: {answer:?}", path.display());
            };
            for entry in said["entry"].as_array().into_iter().flatten() {
                let score = entry.pointer("/search/score").and_then(Value::as_f64);
                assert!(
                    score.is_some_and(|it| (0.0..=1.0).contains(&it)),
                    "{}",
                    path.display()
                );
            }
            let kept = exchange::pds::said::kept(&said, false);
            if exchange::pds::said::is_restricted(&said) {
                assert!(kept.get("address").is_none() && kept.get("generalPractitioner").is_none());
            }
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}
