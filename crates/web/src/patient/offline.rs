//! `/offline`: pages that a patient keeps on their device to read without a connection, each with the moment at which it was kept.
//! The browser keeps them, by the worker below; the node only says what may be kept, and until when: nothing outlives the
//! sign-in by which it was kept.

use std::sync::Arc;

use access::Who;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, assets, headers};
use crate::visit::Visit;

/// Pages that are kept with the list that leads to them.
const FOLLOWED_MAX: usize = 30;

/// `patient/offline.jinja`
#[derive(Serialize)]
pub struct Offline {
    /// What can be kept.
    pub pages: Vec<Keepable>,
    /// Until when, in milliseconds since 1970; none where nothing can be kept.
    pub until: Option<i64>,
    /// The same in words.
    pub until_said: String,
    pub followed_max: usize,
}

/// A page that can be kept.
#[derive(Serialize)]
pub struct Keepable {
    pub href: &'static str,
    pub text: &'static str,
    /// The page that lists what is kept, where that is no page to be kept itself.
    pub list: Option<&'static str>,
    /// How the addresses begin of the pages that are kept with it.
    pub follow: Option<&'static str>,
}

/// What may be kept: the patient's own, to be read. A list in the address of another page is not kept: without a connection the
/// browser tells pages apart by their paths.
const PAGES: [Keepable; 6] = [
    page_of("/record", "Your record"),
    Keepable {
        list: Some("/record?only=results"),
        follow: Some("/record/results/"),
        ..page_of("/record/results", "Your test results, each on its page")
    },
    Keepable {
        follow: Some("/record/letters/"),
        ..page_of("/record/letters", "Your letters")
    },
    Keepable {
        follow: Some("/referrals/"),
        ..page_of("/referrals", "Your referrals")
    },
    page_of("/appointments", "Your appointments"),
    page_of("/prescriptions", "Prescriptions"),
];

const fn page_of(href: &'static str, text: &'static str) -> Keepable {
    Keepable {
        href,
        text,
        list: None,
        follow: None,
    }
}

/// `GET /offline`: what is kept here, and what can be. It is the page that is shown when there is no connection, too.
pub async fn page(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    if !matches!(visit.known()?.who, Who::Patient { .. }) {
        return Err(Problem::new(Kind::Forbidden, "This page is the patient's own.").into());
    }
    let language = visit.reads();
    let until = match (visit.session(), visit.acting()) {
        // Nobody keeps what is somebody else's.
        (Some(secret), None) => {
            let session = node.store.session(&secret.digest()).await?;
            session.map(|it| node.sign_in.ends_at(it.began_at))
        }
        _ => None,
    };
    let is_practice = node.site.is_practice();
    let pages = PAGES
        .iter()
        .filter(|it| is_practice || it.href != "/prescriptions");
    let view = Offline {
        pages: pages
            .map(|it| Keepable {
                text: language.say(it.text),
                ..*it
            })
            .collect(),
        until,
        until_said: until.map_or_else(String::new, |at| language.when(at)),
        followed_max: FOLLOWED_MAX,
    };
    let page = Page::new("patient/offline.jinja", said(language, "offline"), view);
    let mut response = page.answer(&node.site, &visit);
    headers::allow_worker(response.headers_mut());
    Ok(response)
}

fn said(language: Language, id: &str) -> String {
    language.tell(id, &[])
}

const WORKER_POLICY: &str = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /offline/worker.js`: what answers for the node in the patient's browser while there is no connection.
pub async fn worker() -> Response {
    let Some(file) = assets::FILES
        .iter()
        .find(|it| it.name == "offline-worker.js")
    else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let mut response = Response::new(Body::from(file.plain));
    let headers = response.headers_mut();
    let given = [
        (CONTENT_TYPE, "text/javascript"),
        (HeaderName::from_static("service-worker-allowed"), "/"),
        // It asks this node alone, and runs nothing else.
        (CONTENT_SECURITY_POLICY, WORKER_POLICY),
    ];
    for (name, value) in given {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use store::testing::on_each_database;

    use crate::patient::people::tests::{acting, two};
    use crate::testing::Browser;

    #[test]
    fn pages_may_be_kept_by_the_patient_alone_and_until_the_sign_in_ends() {
        on_each_database(async |ground| {
            let (node, _) = two(ground).await;
            let mut jane = Browser::new(&node);
            jane.sign_in("/login", "jane").await;
            let page = jane.get("/offline").await;
            let policy = |it: &crate::testing::Answer| {
                let policy = it.headers["content-security-policy"].to_str().unwrap();
                policy.to_owned()
            };
            assert!(policy(&page).contains("worker-src 'self'"));
            assert!(!policy(&jane.get("/record").await).contains("worker-src"));
            let twelve_hours = node.store.now() + 12 * 3_600_000;
            let until = format!("data-until=\"{twelve_hours}\"");
            assert!(page.text.contains(&until), "{}", page.text);

            let plain = page.text.replace("&#x2f;", "/");
            for kept in [
                "value=\"/record/results\" data-list=\"/record?only=results\" data-follow=\"/record/results/\"",
                "value=\"/record/letters\" data-follow=\"/record/letters/\"",
                "value=\"/referrals\" data-follow=\"/referrals/\"",
            ] {
                assert!(plain.contains(kept), "{kept}: {plain}");
            }

            let (mut tom, _) = acting(&node, &[("see-letters", "yes")]).await;
            let page = tom.get("/offline").await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(!page.text.contains("data-until"), "{}", page.text);
            let mut ann = Browser::new(&node);
            ann.sign_in("/staff/login", "ann").await;
            assert_eq!(ann.get("/offline").await.status, StatusCode::FORBIDDEN);
            let mut nobody = Browser::new(&node);
            assert_eq!(nobody.get("/offline").await.status, StatusCode::SEE_OTHER);

            let worker = nobody.get("/offline/worker.js").await;
            assert_eq!(worker.headers["content-type"], "text/javascript");
            assert_eq!(worker.headers["service-worker-allowed"], "/");
            assert!(!policy(&worker).contains("sandbox"));

            jane.get("/").await;
            let out = jane.post("/sign-out", &[]).await;
            assert_eq!(out.headers["clear-site-data"], "\"storage\"");
        });
    }
}
