//! A page that ends with its bytes: what lies behind is not even fetched, and comes with the pages
//! that follow.

use access::{Ods, Scope, SystemPurpose};
use fhir::json::{Limits as JsonLimits, parse};
use fhir::search::{Limits, Search};

use super::compile::{self, Making, Rows};
use super::numbers::Numbers;
use crate::resources::{HistoryQuery, Past, Prepared, Release};
use crate::store::Store;
use crate::testing::on_each_database;
use crate::write::{Change, Expect, Job};

/// Letters that do not compress to nothing.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + u8::try_from(state % 26).unwrap())
    };
    (0..length).map(|_| letter()).collect()
}

#[test]
fn a_page_fetches_one_body_more_than_it_has_room_for_and_the_rest_comes_with_the_next() {
    const ALL: usize = 12;
    on_each_database(async |ground| {
        let mut settings = ground.settings.clone();
        settings.page_bytes_max = 100_000;
        let store = Store::open(settings).await.unwrap();
        let scope = Scope::system(SystemPurpose::Measure);
        let ods = Ods::parse("A81001").unwrap();
        for number in 0..ALL {
            let text = format!(
                r#"{{"resourceType":"Basic","code":{{"text":"{}"}}}}"#,
                noise(u64::try_from(number).unwrap() + 1, 60_000)
            );
            let json = parse(text.as_bytes(), &JsonLimits::default()).unwrap();
            let change = Change::Put {
                resource: Prepared::new(&json, &format!("b{number:02}"), &ods).unwrap(),
                expect: Expect::Anything,
                release: Release::Keep,
            };
            store.commit(&scope, Job::change(change)).await.unwrap();
        }
        for sort in ["", "-_id"] {
            let mut query = vec![("_count".to_string(), "100".to_string())];
            if !sort.is_empty() {
                query.push(("_sort".to_string(), sort.to_string()));
            }
            let mut search = Search::parse("Basic", &query, "", &Limits::default()).unwrap();
            let numbers = Numbers::of(&store, &scope, &search).await.unwrap();
            let making = Making {
                scope: &scope,
                numbers: &numbers,
                base_url: "",
                sizes: &[],
                rows: Rows::Whole,
            };
            let rows = store.page_rows(&making, &search, None, 100).await.unwrap();
            assert!(rows.len() < 8, "{} bodies were fetched", rows.len());
            if sort.is_empty() {
                let whole = compile::page(&making, &search, None);
                assert_eq!(store.rows_apart(whole).await.unwrap().len(), ALL);
            }
            let (mut found, mut pages) = (Vec::new(), 0);
            loop {
                let page = store.search(&scope, &search).await.unwrap();
                found.extend(page.entries.into_iter().map(|it| it.id));
                pages += 1;
                search.after = page.next;
                if search.after.is_none() {
                    break;
                }
            }
            let mut expected: Vec<String> = (0..ALL).map(|it| format!("b{it:02}")).collect();
            if !sort.is_empty() {
                expected.reverse();
            }
            assert_eq!(found, expected, "{sort}");
            assert!((ALL / 4..=ALL).contains(&pages), "{pages} pages");
        }
        let (mut query, mut found) = (HistoryQuery::default(), Vec::new());
        (query.ty, query.count) = (Some("Basic".into()), 100);
        loop {
            let page = store.past(&scope, &query).await.unwrap().unwrap();
            assert!(
                page.entries.len() < 8,
                "{} versions at once",
                page.entries.len()
            );
            found.extend(page.entries.into_iter().map(|past| match past {
                Past::Version(version) => version.id,
                Past::Deletion { id, .. } => id,
            }));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), ALL);
        store.close().await;
    });
}
