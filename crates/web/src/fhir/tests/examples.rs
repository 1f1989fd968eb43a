//! Every official example of R4 through the door and the store, and back.

use std::path::{Path, PathBuf};

use fhir::json::{Json, Limits, parse};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use store::testing::on_each_database;

use super::{Client, node};

const LIMITS: Limits = Limits {
    depth: 64,
    bytes: 64 << 20,
    nodes: 8_000_000,
};
/// Examples that break a rule of R4; crates/fhir/tests/examples.rs names each.
const BREAK_R4: usize = 23;

fn examples() -> Vec<PathBuf> {
    let assets = std::env::var_os("HANDOVER_ASSETS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/assets"),
        PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(assets.join("node_modules/hl7.fhir.r4.examples")) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "the R4 examples must be here in CI"
        );
        println!("SKIPPED: the R4 examples are not here; `cargo xtask test` brings them");
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_example = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".json") && name != "package.json" && !name.starts_with('.')
    };
    paths.filter(is_example).collect()
}

/// The members in their order, without what the server sets.
fn kept(json: &Json<'_>) -> Vec<(String, Vec<u8>)> {
    let mut members = Vec::new();
    for (name, value) in json.as_object().unwrap() {
        if name != "meta" {
            members.push((name.to_string(), value.to_bytes()));
            continue;
        }
        let mut meta = value.as_object().unwrap().to_vec();
        meta.retain(|(name, _)| name != "versionId" && name != "lastUpdated");
        if !meta.is_empty() {
            members.push((name.to_string(), Json::Object(meta).to_bytes()));
        }
    }
    members
}

/// Whether it went in and came out the same; false if it was refused.
async fn goes_through(client: &Client, path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap();
    let came = parse(text.as_bytes(), &LIMITS).unwrap();
    let (ty, id) = (came.text("resourceType").unwrap(), came.text("id").unwrap());
    let address = format!("/{ty}/{id}");
    let put = client.put(&address, &text).await;
    if matches!(
        put.status,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
    ) {
        return false;
    }
    assert_eq!(
        put.status,
        StatusCode::CREATED,
        "{}: {}",
        path.display(),
        put.text()
    );
    let got = client.get(&address).await;
    let went = parse(&got.bytes, &LIMITS).unwrap();
    assert!(
        kept(&went) == kept(&came),
        "{} comes out different",
        path.display()
    );
    true
}

#[test]
fn every_official_example_goes_in_and_comes_out_the_same() {
    on_each_database(async |ground| {
        let paths = examples();
        let node = node(ground).await;
        let client = Client::system(&node).await;
        let through = stream::iter(&paths).map(|path| {
            let (client, path) = (client.clone(), path.clone());
            async move {
                tokio::spawn(async move { goes_through(&client, &path).await })
                    .await
                    .unwrap()
            }
        });
        let through: Vec<bool> = through.buffer_unordered(16).collect().await;
        let same = through.iter().filter(|same| **same).count();
        println!(
            "{same} of {} examples of R4 went through the door and came back the same",
            paths.len()
        );
        assert_eq!(same, paths.len().saturating_sub(BREAK_R4));
        node.store.clone().close().await;
    });
}
