//! `$import`: what is taken in again, and the bounds of a resource.

use std::sync::Arc;

use access::{Ods, Scope, SystemPurpose};
use bytes::Bytes;
use http::StatusCode;
use store::Job;
use store::testing::on_each_database;

use super::bulk::{NDJSON, ready};
use super::{BASE, Client};
use crate::fhir::Bounds;
use crate::fhir::operations::bulk_worker::work;
use crate::fhir::operations::import::{Intake, numbered, read};
use crate::node::Node;

impl Client {
    /// Where to ask after an import of these lines.
    async fn import(&self, lines: &[&str]) -> String {
        let answer = self
            .send("POST", "/$import", NDJSON, &lines.join("\n"))
            .await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        let place = answer.header("content-location");
        place.strip_prefix(BASE).unwrap().to_string()
    }
}

#[test]
fn a_step_of_an_import_that_is_made_again_makes_nothing_twice() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let bo = Client::of(&node, "bo").await;
        let lines = [
            r#"{"resourceType":"Organization","name":"without an id"}"#,
            r#"{"resourceType":"Organization","name":"without an id either"}"#,
            // One commit cannot hold both of these, so that each line is written by itself.
            r#"{"resourceType":"Patient","id":"new","birthDate":"1980-01-01"}"#,
            r#"{"resourceType":"Patient","id":"new","birthDate":"1980-01-02"}"#,
        ];
        let job = sys.import(&lines).await;
        let id = job.rsplit('/').next().unwrap();
        // As the process leaves it that ends after the first line, before the step is noted.
        let (first, chunk) = node.store.bulk_chunk(id, 0).await.unwrap().unwrap();
        let intake = Intake {
            import: id.to_string(),
            organisation: Ods::parse("A81001").unwrap(),
            limits: Bounds::default().of_resource(),
            now: node.store.now(),
        };
        let found = read(&numbered(&Bytes::from(chunk), first), &intake);
        let scope = Scope::system(SystemPurpose::Import);
        let one = Job::change(found.good[0].change());
        node.store.commit(&scope, one).await.unwrap();
        work(&node).await;
        let manifest = sys.manifest(&job).await;
        assert_eq!(manifest["extension"]["imported"], 4, "{manifest}");
        let found = bo.get("/Organization?name=without&_sort=name").await.json();
        let entries = found["entry"].as_array().unwrap();
        assert_eq!(entries.len(), 2, "{found}");
        assert_eq!(entries[0]["resource"]["meta"]["versionId"], "2");
        // Another import of the same is another's.
        sys.import(&lines[..1]).await;
        work(&node).await;
        let found = bo.get("/Organization?name=without").await.json();
        assert_eq!(found["entry"].as_array().unwrap().len(), 3);
        node.store.clone().close().await;
    });
}

#[test]
fn an_import_holds_to_the_settings_for_a_resources_size_and_depth() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let mut small = Node::new(node.store.clone(), node.site.clone());
        small.fhir.bounds.resource_bytes_max = 2000;
        small.fhir.bounds.depth_max = 8;
        let small = Arc::new(small);
        let sys = Client {
            router: crate::router(small.clone()),
            ..sys
        };
        let long = format!(
            r#"{{"resourceType":"Basic","id":"long","code":{{"text":"{}"}}}}"#,
            "x".repeat(2000)
        );
        let deep = r#"{"resourceType":"Basic","id":"deep","code":{"text":"x"},"extension":[{"url":"urn:a","extension":[{"url":"urn:b","extension":[{"url":"urn:c","extension":[{"url":"urn:d","extension":[{"url":"urn:e","valueString":"x"}]}]}]}]}]}"#;
        let good = r#"{"resourceType":"Basic","id":"good","code":{"text":"x"}}"#;
        let job = sys.import(&[long.as_str(), deep, good]).await;
        work(&small).await;
        let manifest = sys.manifest(&job).await;
        assert_eq!(manifest["extension"]["imported"], 1, "{manifest}");
        assert_eq!(manifest["extension"]["refused"], 2, "{manifest}");
        let bo = Client::of(&node, "bo").await;
        assert_eq!(bo.get("/Basic/good").await.status, StatusCode::OK);
        for id in ["long", "deep"] {
            let absent = bo.get(&format!("/Basic/{id}")).await;
            assert_eq!(absent.status, StatusCode::NOT_FOUND, "{id}");
        }
        // Many lines that come at once are not one long line.
        let many = vec![good; 30_000];
        sys.import(&many).await;
        // What is long without an end of a line is not kept at all.
        let endless = "x".repeat(2 << 20);
        let refused = sys.send("POST", "/$import", NDJSON, &endless).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        node.store.clone().close().await;
    });
}
