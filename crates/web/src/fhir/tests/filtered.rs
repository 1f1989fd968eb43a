//! Filters of exports whose pages end with their bytes before they end with what matches.

use store::Store;
use store::testing::on_each_database;

use super::{Client, JANE, observation};
use crate::fhir::operations::bulk_worker::work;

/// More than what has room in one page of 20,000 bytes.
const ALL: usize = 12;

/// An observation with a long note.
fn long(id: &str) -> String {
    let note = format!(
        r#""note":[{{"text":"{}"}}],"status""#,
        "word ".repeat(1800).trim_end()
    );
    observation(id, "jane").replacen("\"status\"", &note, 1)
}

#[test]
fn a_filtered_export_has_all_that_matches_however_few_fit_a_page() {
    on_each_database(async |ground| {
        let mut settings = ground.settings.clone();
        settings.page_bytes_max = 20_000;
        let node = crate::testing::node_with(Store::open(settings).await.unwrap()).await;
        let sys = Client::system(&node).await;
        sys.put("/Patient/jane", JANE).await;
        let ids: Vec<String> = (0..ALL).map(|number| format!("o{number:02}")).collect();
        for id in &ids {
            let made = sys.put(&format!("/Observation/{id}"), &long(id)).await;
            assert!(made.status.is_success(), "{}", made.text());
        }
        let draft = observation("p", "jane").replace("final", "preliminary");
        sys.put("/Observation/p", &draft).await;
        for filter in ["status%3Dfinal", "status%3Dfinal%26_sort%3D-_lastUpdated"] {
            let path = format!("/$export?_type=Observation&_typeFilter=Observation%3F{filter}");
            let job = sys.started(&path).await;
            work(&node).await;
            let exported = sys.exported(&sys.manifest(&job).await).await;
            assert_eq!(exported, ids, "{filter}");
        }
        node.store.clone().close().await;
    });
}
