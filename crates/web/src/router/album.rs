//! Every page that can be opened is in the album of `cargo xtask album`, or has its reason not to be.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// What leads to a page but is no page of ours by itself.
const NO_PAGES: [&str; 4] = ["/fhir", "/.well-known", "/oauth2/jwks", "/assets"];
/// What the sign-in's table names its reading routes, beside `get`.
const READS: [&str; 4] = ["get(", "sign_in()", "step_up()", "add()"];

/// How the reason begins of what is no page.
const NO_PAGE: [&str; 7] = [
    "a file",
    "a picture",
    "a script",
    "a stream",
    "keeps ",
    "leads to ",
    "where ",
];

/// Whether that test of a browser's goes to the page.
fn is_seen_in(test: &str, route: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join(test)).unwrap();
    text.contains(&format!("`${{node}}{route}`"))
}

/// The source of each table of routes.
pub(super) fn tables() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![folder.join("router.rs")];
    for entry in std::fs::read_dir(folder.join("router")).unwrap() {
        files.push(entry.unwrap().path());
    }
    let is_table = |it: &&std::path::PathBuf| {
        let name = it.file_name().unwrap().to_str().unwrap();
        name.ends_with(".rs") && !["tests.rs", "album.rs", "fhir.rs", "menu.rs"].contains(&name)
    };
    let tables = files.iter().filter(is_table);
    tables
        .map(|it| std::fs::read_to_string(it).unwrap())
        .collect()
}

/// What stands in the brackets that begin before `text`.
fn bracketed(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|it| {
        depth += match it {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

/// The routes that answer GET with a page.
fn pages() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for table in tables() {
        for route in table.split(".route(").skip(1).map(bracketed) {
            let mut parts = route.trim_start().splitn(3, '"').skip(1);
            let (Some(path), Some(calls)) = (parts.next(), parts.next()) else {
                continue;
            };
            let is_read = READS.iter().any(|it| calls.contains(it));
            if is_read && !NO_PAGES.iter().any(|it| path.starts_with(it)) {
                found.insert(path.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_page_is_in_the_album_or_has_its_reason_not_to_be() {
    let list = include_str!("../../../../xtask/album/pages.json");
    let list: Value = serde_json::from_str(list).unwrap();
    let entries = |name: &str| list[name].as_array().unwrap().clone();
    let route = |it: &Value| it["route"].as_str().unwrap().to_owned();
    // The neighbourhood's own pages are no node's.
    let of_a_node = |it: &Value| it["at"] != "network";
    let taken: BTreeSet<String> = entries("pages")
        .iter()
        .filter(|it| of_a_node(it))
        .map(route)
        .collect();
    let left_out: BTreeSet<String> = entries("left_out").iter().map(route).collect();
    let both: Vec<_> = taken.intersection(&left_out).collect();
    assert!(both.is_empty(), "taken, and left out: {both:?}");
    for entry in entries("left_out") {
        let why = entry["why"].as_str().unwrap();
        match entry["seen_in"].as_str() {
            Some(test) => assert!(is_seen_in(test, &route(&entry)), "{entry}: not there"),
            None => assert!(
                NO_PAGE.iter().any(|it| why.starts_with(it)),
                "{entry}: why?"
            ),
        }
    }
    assert!(left_out.len() < 40, "a short list of reasons");
    let listed: BTreeSet<String> = taken.union(&left_out).cloned().collect();
    let pages = pages();
    assert!(pages.len() > 100, "{pages:?}");
    let missing: Vec<_> = pages.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&pages).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "xtask/album/pages.json lacks {missing:?}, and names {gone:?}, which are no pages"
    );
}
