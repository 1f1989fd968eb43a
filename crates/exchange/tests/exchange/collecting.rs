//! What comes from MESH.

use fhir::problem::Kind;
use store::Clock;

use crate::service::{MAILBOX, Said, Service};

#[tokio::test]
async fn a_list_is_followed_to_its_end_past_pages_that_hold_nothing() {
    let service = Service::start(|asked| {
        let page = |ids: &str, next: Option<&str>| {
            let next =
                next.map(|from| format!("/messageexchange/{MAILBOX}/inbox?continue_from={from}"));
            let body = format!(
                r#"{{"messages":[{ids}],"links":{}}}"#,
                serde_json::json!({ "next": next })
            );
            Said::of(200, &body)
        };
        let from = asked.call.rsplit_once("continue_from=");
        match (asked.call.contains("workflow_filter=W"), from) {
            (false, _) => page("", Some("a")),
            (true, None) => page("", Some("a")),
            (true, Some((_, "a"))) => page(r#""M1""#, Some("b")),
            (true, Some(_)) => page(r#""M2""#, None),
        }
    });
    let service = service.await;
    let mesh = service.mesh(&Clock::system());
    assert_eq!(mesh.inbox("W").await.unwrap(), ["M1", "M2"]);
    assert_eq!(service.asked("GET /inbox").len(), 3);
    // One that never ends is left at its bound, and a person is told.
    let endless = mesh.inbox("NONE").await.unwrap_err();
    assert_eq!(endless.kind, Kind::TooCostly);
    assert_eq!(service.asked("GET /inbox").len(), 103);
    assert_eq!(mesh.whole_inbox().await.unwrap(), (Vec::new(), true));
}
