//! Ten searches by name, over a store and over one ten times its size: what they grow by, and what
//! the first is against reading by id.
//!
//! The larger stores are made by sending the same made-up records again under other ids: every UUID
//! of a Bundle is moved, so that each copy is other patients with records of their own.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::http::Connection;
use crate::import::{Transaction, import_each, shared_data, unpack};
use crate::load::{self, Get};
use crate::node::{Node, Store};
use crate::report::{Report, Wanted};

/// How much larger the second store is.
const GROWTH: usize = 10;
const GROWN_MAX: f64 = 1.3;
const READ_MIN: f64 = 0.3;
const CONNECTIONS: usize = 2;

/// Name and query; `{patient}` stands for a patient's id.
const NAMED: [(&str, &str); 10] = [
    (
        "patient and code",
        "/fhir/Observation?subject=Patient/{patient}&code=http://loinc.org%7C8302-2",
    ),
    (
        "patient's page by date",
        "/fhir/Observation?subject=Patient/{patient}&_sort=-date&_count=20",
    ),
    ("name", "/fhir/Patient?name=smith&_count=20"),
    ("identifier", "/fhir/Patient?identifier={patient}"),
    (
        "code, newest first",
        "/fhir/Observation?code=8302-2&_sort=-date&_count=20",
    ),
    (
        "chained",
        "/fhir/Observation?subject:Patient._id={patient}&_count=20",
    ),
    (
        "_has",
        "/fhir/Patient?_has:Observation:subject:code=8302-2&_count=20",
    ),
    (
        "_include",
        "/fhir/Observation?code=8302-2&_include=Observation:subject&_count=20",
    ),
    (
        "code and value",
        "/fhir/Observation?code-value-quantity=8302-2$gt150&_count=20",
    ),
    (
        "a patient's count",
        "/fhir/Observation?subject=Patient/{patient}&_summary=count",
    ),
];

/// `resources`: how many the larger store holds, about.
pub fn measure(report: &mut Report, seconds: f64, resources: usize) -> Result<()> {
    for store in std::iter::once(Store::Sqlite).chain(Store::postgres()) {
        measure_in(report, seconds, resources, &store)?;
    }
    Ok(())
}

fn measure_in(report: &mut Report, seconds: f64, resources: usize, store: &Store) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let transactions = unpack(&shared_data()?.join("synthea/transactions-50.tar.xz"))?;
    let once: usize = transactions.iter().map(|it| it.entries).sum();
    let copies = (resources / once.max(1)).max(GROWTH);
    let node = Node::start_in(store, "A99997", "gp-practice", "within-one-second")?;
    let on = store.name();
    let mut sent = 0;
    let mut rates: Vec<Vec<f64>> = Vec::new();
    for wanted in [copies / GROWTH, copies] {
        while sent < wanted {
            import_each(&node, |at| {
                let it = transactions.get(at);
                Ok(it.map(|it| Cow::Owned(moved(it, sent))))
            })?;
            sent += 1;
        }
        let patient = patient(&node)?;
        let rate = |path: &str| {
            let path = path.replace("{patient}", &patient);
            let get = Arc::new(Get::new(&path, Some(&node.token)));
            load::run(&runtime, node.pages, CONNECTIONS, seconds, &get)
        };
        let searched: Result<Vec<f64>> = NAMED.iter().map(|(_, path)| rate(path)).collect();
        let read = rate("/fhir/Patient/{patient}")?;
        let searched = searched?;
        let first = searched.first().copied().unwrap_or_default();
        report.ratio(
            &format!(
                "patient and code against read by id, {} resources, {on}",
                sent * once
            ),
            "searches/s",
            (first, read),
            Wanted::AtLeast(READ_MIN),
        );
        rates.push(searched);
    }
    if let [small, large] = rates.as_slice() {
        for (((name, _), small), large) in NAMED.iter().zip(small).zip(large) {
            let what = format!("search by {name}, the smaller store against the larger, {on}");
            let both = (*small, *large);
            report.ratio(&what, "searches/s", both, Wanted::Below(GROWN_MAX));
        }
    }
    Ok(())
}

/// A patient who is in every store.
fn patient(node: &Node) -> Result<String> {
    let mut connection = Connection::open(node.pages)?;
    let path = "/fhir/Patient?_count=1";
    let (status, body) = connection.send("GET", path, Some(&node.token), &[])?;
    ensure!(
        status == 200,
        "searching for a patient was answered {status}"
    );
    let found: serde_json::Value = serde_json::from_slice(&body)?;
    let id = found.pointer("/entry/0/resource/id");
    let id = id.and_then(serde_json::Value::as_str);
    Ok(id.context("no patient was imported")?.to_string())
}

/// The same records as other people's: each UUID's first eight digits are changed alike.
fn moved(transaction: &Transaction, copy: usize) -> Vec<u8> {
    let mut body = transaction.body.clone();
    let shift = u32::try_from(copy)
        .unwrap_or(u32::MAX)
        .wrapping_mul(0x9e37_79b9);
    let mut at = 0;
    while let Some(window) = body.get_mut(at..at + 36) {
        if !is_uuid(window) {
            at += 1;
            continue;
        }
        if let Some(head) = window.get_mut(..8) {
            let number = std::str::from_utf8(head).ok();
            let number = number.and_then(|text| u32::from_str_radix(text, 16).ok());
            if let Some(number) = number {
                head.copy_from_slice(format!("{:08x}", number ^ shift).as_bytes());
            }
        }
        at += 36;
    }
    body
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_alike_but_for_its_ids() {
        let body = br#"{"a":"urn:uuid:0190aaaa-1111-7222-8333-444455556666","b":"Patient/0190aaaa-1111-7222-8333-444455556666"}"#;
        let transaction = Transaction {
            body: body.to_vec(),
            entries: 1,
        };
        assert_eq!(moved(&transaction, 0), body);
        let copy = String::from_utf8(moved(&transaction, 1)).unwrap();
        let ids: Vec<&str> = copy
            .match_indices("-1111-")
            .map(|(at, _)| &copy[at - 8..at])
            .collect();
        assert_eq!(ids.len(), 2);
        assert_eq!(ids[0], ids[1]);
        assert_ne!(ids[0], "0190aaaa");
        assert_eq!(copy.len(), body.len());
    }
}
