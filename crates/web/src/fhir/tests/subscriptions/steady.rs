//! Subscriptions go on, or say why they do not.

use std::sync::Arc;

use store::testing::{Ground, on_each_database};
use store::{Settings, Store};

use super::{Client, FULL, Hook, JANE, StatusCode, observation, subscription, wired, work};
use crate::node::Node;

/// As `ready`, over a store with other bounds.
async fn bounded(ground: &Ground, bounds: impl FnOnce(&mut Settings)) -> (Arc<Node>, Client) {
    let mut settings = ground.settings.clone();
    bounds(&mut settings);
    let plain = crate::testing::node_with(Store::open(settings).await.unwrap()).await;
    let node = wired(&plain, plain.store.clone());
    let bo = Client::system(&node).await;
    bo.put("/Patient/jane", JANE).await;
    (node, bo)
}

#[test]
fn a_subscriber_hears_of_all_large_changes_that_were_made_at_once() {
    const ALL: usize = 12;
    on_each_database(async |ground| {
        let (node, bo) = bounded(ground, |it| it.page_bytes_max = 20_000).await;
        let hook = Hook::open(&[]).await;
        let asked = subscription("Observation?subject=Patient/jane", &hook.url, FULL);
        let made = bo.put("/Subscription/s", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        let note = format!(
            r#""note":[{{"text":"{}"}}],"status""#,
            "word ".repeat(1800).trim_end()
        );
        for number in 0..ALL {
            let id = format!("o{number:02}");
            let long = observation(&id, "jane").replacen("\"status\"", &note, 1);
            let made = bo.put(&format!("/Observation/{id}"), &long).await;
            assert!(made.status.is_success(), "{}", made.text());
        }
        work(&node).await;
        let heard = hook.heard();
        assert_eq!(heard.len(), ALL);
        for (number, heard) in heard.iter().enumerate() {
            let put = format!("PUT /hook/Observation/o{number:02} ");
            assert!(heard.starts_with(&put), "{put}");
        }
        node.store.clone().close().await;
    });
}
