//! The pages over a neighbourhood that stands still.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;

#[derive(Default)]
struct Still {
    picture: Picture,
    acts: Mutex<Vec<Act>>,
}

impl Neighbourhood for Still {
    fn picture(&self) -> Answering<'_, Picture> {
        Box::pin(async { Ok(self.picture.clone()) })
    }

    fn act(&self, act: Act) -> Answering<'_, String> {
        Box::pin(async move {
            self.acts.lock().push(act);
            Ok("Done & <well>.".to_owned())
        })
    }

    fn pulse(&self) -> u64 {
        1
    }

    fn now(&self) -> Millis {
        1_764_392_400_000
    }
}

fn still() -> Arc<Still> {
    let organisation = |ods: &str, name: &str| Organisation {
        ods: ods.into(),
        name: name.into(),
        short: name.into(),
        is_up: ods != "B00",
        pages: format!("http://127.0.0.1/{ods}"),
        staff: vec![SignIn {
            username: "clerk".into(),
            name: "<b>Cy</b>".into(),
            about: "the inbox".into(),
        }],
        patients: Vec::new(),
    };
    let way = Way {
        sent: 5,
        arrived: 2,
        waiting: 2,
        lost: 1,
        lately: 9,
        ..Way::default()
    };
    let line = |a: &str, b: &str, ways| Line {
        between: (a.into(), b.into()),
        is_cut: b == "B00",
        ways,
    };
    Arc::new(Still {
        picture: Picture {
            organisations: vec![
                organisation("A00", "Ay"),
                organisation("B00", "Bee"),
                organisation("C00", "Sea"),
            ],
            lines: vec![
                line("A00", "B00", [way, Way::default()]),
                line("A00", "C00", [Way::default(); 2]),
                line("B00", "C00", [Way::default(); 2]),
            ],
            filled: (640, 2_000),
            ..Picture::default()
        },
        acts: Mutex::default(),
    })
}

async fn ask(site: &Router, request: Request<Body>) -> (StatusCode, String) {
    let answer = site.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn get_page(site: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("host", "127.0.0.1:8109");
    ask(site, request.body(Body::empty()).unwrap()).await
}

async fn post_form(site: &Router, body: String) -> (StatusCode, String) {
    let request = Request::post("/demo/act")
        .header("host", "127.0.0.1:8109")
        .header("content-type", "application/x-www-form-urlencoded");
    ask(site, request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn the_network_shows_what_waits_is_lost_cut_and_stopped_and_user_text_only_as_text() {
    let still = still();
    let site = neighbourhood_router(still.clone());
    let (status, page) = get_page(&site, "/demo").await;
    assert_eq!(status, StatusCode::OK);
    for words in [
        "640 of 2,000",
        "<dt>waiting</dt><dd>2",
        "<dt>lost</dt><dd>1",
        "net-line--cut",
        "net-node--stopped",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(
        !page.contains("Nothing waits and nothing is lost"),
        "{page}"
    );
    // Two ways of the cut line; the four that carried nothing are named by their number.
    assert_eq!(page.matches("data-of=\"Sent\"").count(), 2, "{page}");
    assert!(page.contains("4 ways that have carried nothing"), "{page}");
    let (_, start) = get_page(&site, "/").await;
    assert!(
        start.contains("&lt;b&gt;Cy&lt;") && !start.contains("<b>Cy"),
        "{start}"
    );
}

#[tokio::test]
async fn a_switch_is_thrown_with_the_page_s_token_only_and_what_is_missing_is_said() {
    let still = still();
    let site = neighbourhood_router(still.clone());
    let (_, page) = get_page(&site, "/demo").await;
    let token = page.split("name=\"csrf\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap().to_owned();
    let (status, said) = post_form(&site, "csrf=guessed&act=stop&node=B00".into()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        said.contains("Nothing was changed") && still.acts.lock().is_empty(),
        "{said}"
    );
    for (fields, missing) in [
        ("act=cut", "Choose a line."),
        ("act=stop", "Choose a node."),
        ("act=speed&speed=7", "Choose a speed."),
        ("act=x", "There is no such switch."),
    ] {
        let (status, said) = post_form(&site, format!("csrf={token}&{fields}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(said.contains(missing), "{said}");
    }
    let (status, _) = post_form(&site, format!("csrf={token}&act=cut&line=A00+B00")).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(*still.acts.lock(), [Act::Cut("A00".into(), "B00".into())]);
    let (_, page) = get_page(&site, "/demo?done=it").await;
    assert!(page.contains("Done &amp; &lt;well&gt;."), "{page}");
}

#[tokio::test]
async fn the_pages_answer_under_this_machine_s_name_only() {
    let site = neighbourhood_router(still());
    let request = Request::get("/demo").header("host", "rebound.example:8109");
    let (status, said) = ask(&site, request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    assert!(!said.contains("csrf"), "{said}");
}
