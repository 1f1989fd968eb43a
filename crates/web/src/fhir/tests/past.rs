//! Histories of a type and of all.

use http::StatusCode;
use serde_json::Value;
use store::testing::on_each_database;

use super::{BASE, Client, JANE, node, observation};

/// `Type/id/version`, and a cross for a deletion.
fn lines(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let line = |entry: &Value| {
        let url = entry["request"]["url"].as_str().unwrap();
        let version = entry["response"]["etag"].as_str().unwrap();
        let version = version.trim_matches(['W', '/', '"']);
        let cross = if entry["resource"].is_null() { "x" } else { "" };
        format!("{url}/{version}{cross}")
    };
    entries.iter().map(line).collect()
}

fn next(bundle: &Value) -> Option<String> {
    let links = bundle["link"].as_array().unwrap();
    let next = links.iter().find(|link| link["relation"] == "next")?;
    Some(next["url"].as_str()?.strip_prefix(BASE)?.to_string())
}

#[test]
fn a_history_runs_backwards_over_all_that_the_caller_may_read() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let clock = ground.clock();
        bo.put("/Patient/jane", JANE).await;
        for id in ["a", "b"] {
            clock.advance(1000);
            bo.put(&format!("/Observation/{id}"), &observation(id, "jane"))
                .await;
        }
        clock.advance(1000);
        let amended = observation("a", "jane").replace("final", "amended");
        bo.put("/Observation/a", &amended).await;
        clock.advance(1000);
        bo.send("DELETE", "/Observation/b", &[], "").await;

        let of_type = [
            "Observation/b/2x",
            "Observation/a/2",
            "Observation/b/1",
            "Observation/a/1",
        ];
        assert_eq!(
            lines(&bo.get("/Observation/_history").await.json()),
            of_type
        );
        let mut all = of_type.map(str::to_string).to_vec();
        all.push("Patient/jane/1".to_string());
        assert_eq!(lines(&bo.get("/_history").await.json()), all);
        assert!(lines(&bo.get("/Group/_history").await.json()).is_empty());

        // Pages meet, whatever is written meanwhile.
        let mut paged = Vec::new();
        let mut address = Some("/_history?_count=2".to_string());
        while let Some(at) = address {
            let page = bo.get(&at).await.json();
            paged.extend(lines(&page));
            address = next(&page);
            clock.advance(1000);
            bo.put("/Patient/late", &JANE.replace("jane", "late")).await;
        }
        assert_eq!(paged, all);

        let since = bo
            .get("/Observation/_history?_since=2026-01-05T09:00:03Z")
            .await;
        assert_eq!(lines(&since.json()), of_type[..2]);
        let at = bo
            .get("/Observation/_history?_at=2026-01-05T09:00:02Z")
            .await;
        assert_eq!(lines(&at.json()), ["Observation/b/1", "Observation/a/1"]);
        let at = bo
            .get("/Observation/a/_history?_at=2026-01-05T09:00:03.500Z")
            .await;
        assert_eq!(lines(&at.json()), ["Observation/a/2"]);
        let none = bo.get("/Observation/a/_history?_since=2027").await;
        assert_eq!(
            (none.status, lines(&none.json()).len()),
            (StatusCode::OK, 0)
        );

        for wrong in ["_since=soon", "_count=0", "_cursor=x", "name=x"] {
            let refused = bo.get(&format!("/_history?{wrong}")).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
        }
        let jane = Client::of(&node, "jane").await;
        for address in ["/_history", "/Observation/_history"] {
            assert_eq!(jane.get(address).await.status, StatusCode::FORBIDDEN);
        }
        node.store.clone().close().await;
    });
}
