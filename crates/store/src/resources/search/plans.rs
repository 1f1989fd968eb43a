//! The plans of the searches that a node is asked for most: each condition is found by an index, on
//! both databases, so that none grows with the store.

use access::{Scope, SystemPurpose};
use fhir::search::{Limits, Search};

use super::compile::{self, Making, Rows};
use super::numbers::Numbers;
use super::sorted;
use crate::sql::Sql;
use crate::store::Store;
use crate::testing::on_each_database;

/// The searches that the benchmarks name.
const NAMED: [(&str, &str); 14] = [
    ("Observation", "subject=Patient/p&code=http://loinc.org|c"),
    ("Observation", "subject=Patient/p&date=ge2024&_sort=-date"),
    ("Patient", "name=smith"),
    ("Patient", "identifier=urn:s|1"),
    ("Observation", "code=c&_sort=-date"),
    ("Observation", "_sort=-_lastUpdated"),
    ("Observation", "subject:Patient.identifier=1"),
    ("Patient", "_has:Observation:subject:code=c"),
    ("Observation", "code-value-quantity=c$gt5"),
    (
        "Observation",
        "subject=Patient/p&subject:Patient.gender=male",
    ),
    ("Patient", "_id=p&_has:Observation:subject:code=c"),
    ("Encounter", "_list=l"),
    ("*", "_list=l"),
    ("*", "_tag=urn:s|t"),
];

async fn statements(store: &Store, ty: &str, text: &str) -> Vec<Sql<'static>> {
    let pairs: Vec<(String, String)> = text
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    let base = "https://gp.example/fhir";
    let search = Search::parse(ty, &pairs, base, &Limits::default()).unwrap();
    let scope = Scope::system(SystemPurpose::Measure);
    let numbers = Numbers::of(store, &scope, &search).await.unwrap();
    // Once as where each condition finds few, once as where each finds many.
    let mut all = Vec::new();
    for size in [Some(10), Some(1_000_000)] {
        let sizes = vec![size; search.clauses.len()];
        let making = Making {
            scope: &scope,
            numbers: &numbers,
            base_url: &search.base_url,
            sizes: &sizes,
            rows: Rows::Whole,
        };
        if search.sort.is_empty() {
            all.push(compile::page(&making, &search, None));
        } else if sorted::is_walked(&making, &search) {
            all.extend(sorted::walk(&making, &search, None));
            all.extend(sorted::rest(&making, &search, None));
        } else {
            all.push(sorted::few(&making, &search, None));
        }
    }
    all
}

#[test]
fn every_named_search_is_answered_by_indexes() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let explain = match ground.is_sqlite() {
            true => "EXPLAIN QUERY PLAN ",
            false => "EXPLAIN ",
        };
        for (ty, text) in NAMED {
            for sql in statements(&store, ty, text).await {
                if !ground.is_sqlite() {
                    // The tables are empty, so that reading them whole would cost least. Each
                    // connection of the pool is told.
                    for _ in 0..16 {
                        let off = "SELECT set_config('enable_seqscan', 'off', false)";
                        store.rows_apart(Sql::new(off)).await.unwrap();
                    }
                }
                let statement = sql.text().to_string();
                let rows = store.rows_apart(sql.explained(explain)).await.unwrap();
                for row in rows {
                    let column = if ground.is_sqlite() { 3 } else { 0 };
                    let line = row.text(column).unwrap();
                    let whole = [
                        "SCAN i", "SCAN r", "SCAN s", "SCAN x", "SCAN v", "SCAN c", "SCAN w",
                    ];
                    let scans = whole.iter().any(|scan| line.starts_with(scan));
                    let reads_all = line.contains("Seq Scan on");
                    assert!(!scans && !reads_all, "{ty}?{text}: {line}\n{statement}");
                }
            }
        }
        store.close().await;
    });
}
