//! Searches that find so many that the way of finding them changes: an index is walked before its results would be
//! put in order.

use fhir::search::{Limits, Search};
use store::testing::{START, on_each_database};
use store::{Change, Expect, Release, Store};

use crate::people::{commit, observation, put_as, system};

/// Enough for a walk to be tried.
const FOUND: usize = 700;
/// As many of another code, between them.
const OTHERS: usize = 200;
/// Days on which something was seen; several share one.
const DAYS: usize = 350;

/// When the observation of that number was made; each tenth does not say.
fn day(number: usize) -> Option<String> {
    let day = number * 37 % DAYS;
    (number % 10 != 3).then(|| {
        format!(
            "20{:02}-{:02}-{:02}",
            day / 12 % 30,
            day % 12 + 1,
            day % 28 + 1
        )
    })
}

fn put(number: usize, code: &str) -> Change {
    let mut text = observation("p", code, "when");
    text = match day(number) {
        Some(day) => text.replace("when", &day),
        None => text.replace(r#""effectiveDateTime":"when","#, ""),
    };
    put_as(
        &text,
        &format!("{code}{number:04}"),
        Expect::Absent,
        Release::At(START),
    )
}

async fn pages(store: &Store, query: &[(&str, &str)]) -> Vec<String> {
    let own = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let query: Vec<(String, String)> = query.iter().map(own).collect();
    let mut search = Search::parse("Observation", &query, "", &Limits::default()).unwrap();
    let mut found = Vec::new();
    loop {
        let page = store.search(&system(), &search).await.unwrap();
        found.extend(page.entries.into_iter().map(|it| it.id));
        search.after = page.next;
        if search.after.is_none() {
            return found;
        }
    }
}

#[test]
fn hundreds_of_results_come_in_their_order_page_after_page_and_those_without_a_value_last() {
    on_each_database(async |ground| {
        let store = Store::open(ground.settings.clone()).await.unwrap();
        let mut changes: Vec<Change> = (0..FOUND).map(|number| put(number, "c")).collect();
        changes.extend((0..OTHERS).map(|number| put(number, "d")));
        commit(&store, changes).await.unwrap();
        let mut dated: Vec<(String, usize)> = Vec::new();
        let mut undated = Vec::new();
        for number in 0..FOUND {
            match day(number) {
                Some(day) => dated.push((day, number)),
                None => undated.push(number),
            }
        }
        for sort in ["date", "-date"] {
            match sort {
                "date" => dated.sort(),
                _ => dated
                    .sort_by(|(day, number), (other, next)| other.cmp(day).then(number.cmp(next))),
            }
            let numbers = dated.iter().map(|(_, number)| number).chain(&undated);
            let expected: Vec<String> = numbers.map(|it| format!("c{it:04}")).collect();
            for count in ["60", "1000"] {
                let query = [("code", "c"), ("_sort", sort), ("_count", count)];
                assert_eq!(pages(&store, &query).await, expected, "{sort} {count}");
            }
        }
        store.close().await;
    });
}
