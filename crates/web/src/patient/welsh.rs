//! Every page for patients, read in English and in Welsh: what stands word for word in both is somebody's name or words, or it
//! was left in English.

mod forms;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::StatusCode;
use store::Release;
use store::testing::on_each_database;

use crate::node::Node;
use crate::page::tongue::Language;
use crate::testing::{Browser, letters, node, patient};

/// What is nobody's to translate: names, words that people wrote, and words that both languages have.
const DATA: [&str; 41] = [
    "Willow Road Surgery",
    "Northern General",
    "Jane Example",
    "Tom Helper",
    "Dr Bo Test",
    "Bo Test",
    "Ann Secretary",
    "Olu Officer",
    "Handover",
    "Discharge summary",
    "Dear colleague,",
    "this is the letter.",
    "Dr A. Writer",
    "Haemoglobin",
    "g/L",
    "Appointment with a doctor",
    "My tablets",
    "May I take them in the evening?",
    "Amlodipine 5mg tablets",
    "English",
    "Cymraeg",
    "NHS login",
    "Growth Chart",
    "A81001",
    "RX101",
    "RZZ01",
    // The tests' own purpose, which has no words.
    "measure",
    "http://127.0.0.1:8080/people",
    "Sore knee",
    "jane",
    "nhs.uk/your-nhs-data-matters",
    "Asthma review",
    "Nights awake",
    "Your yearly review",
    "Heart clinic",
    "Breathless on the stairs",
    "Knee clinic",
    "You may walk.",
    "Corner Pharmacy",
    "app.example",
    "tablet",
];
/// Pages taken of each route with places.
const OF_EACH_MAX: usize = 2;

/// The routes of patients' pages, as the album lists them.
fn routes() -> BTreeSet<String> {
    let list = include_str!("../../../../xtask/album/pages.json");
    let list: serde_json::Value = serde_json::from_str(list).unwrap();
    let all = list["pages"].as_array().unwrap().iter();
    let route = |it: &serde_json::Value| it["route"].as_str().unwrap().to_owned();
    let of_patients = |it: &&serde_json::Value| it["at"] != "network";
    let routes = all.filter(of_patients).map(route);
    let routes: BTreeSet<String> = routes.filter(|it| !it.starts_with("/staff")).collect();
    assert!(routes.len() > 25, "{routes:?}");
    routes
}

/// What a person reads or hears of a page: its texts, and the texts of attributes.
fn read(page: &str) -> Vec<String> {
    let (_, body) = page.split_once("<body").unwrap();
    let title = page.split_once("<title").unwrap().1;
    let mut texts = vec![
        title
            .split_once('>')
            .unwrap()
            .1
            .split_once("</title>")
            .unwrap()
            .0,
    ];
    for part in body.split('<').skip(1) {
        let Some((tag, text)) = part.split_once('>') else {
            continue;
        };
        // What is marked as English on a Welsh page is no oversight.
        if !tag.starts_with("script") && !tag.ends_with(" lang=\"en\"") {
            texts.push(text);
        }
        for name in ["aria-label=\"", "data-of=\"", "placeholder=\"", "alt=\""] {
            texts.extend(
                tag.split(name)
                    .skip(1)
                    .filter_map(|it| it.split('"').next()),
            );
        }
    }
    texts
        .into_iter()
        .map(plain)
        .filter(|it| has_words(it))
        .collect()
}

fn plain(text: &str) -> String {
    let text = text.replace("&#x27;", "'").replace("&#x2f;", "/");
    let text = text.replace("&quot;", "\"").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether there is a word in it once names and what people wrote are left out.
fn has_words(text: &str) -> bool {
    let mut rest = text.to_owned();
    for known in DATA {
        rest = rest.replace(known, "");
    }
    let words = rest.split(|it: char| !it.is_alphabetic());
    words.into_iter().any(|it| it.chars().count() > 2)
}

/// English sentences of the pages that stand on a Welsh one, where the Welsh says something else.
fn known_english(page: &[String]) -> Vec<&'static str> {
    let (english, welsh) = (Language::English.texts(), Language::Welsh.texts());
    let differ = english.iter().filter(|(id, text)| welsh[*id] != **text);
    let long = differ.filter(|(_, text)| text.len() > 3);
    let welsh: BTreeSet<&str> = welsh.values().map(String::as_str).collect();
    let found = long.filter(|(_, text)| !welsh.contains(text.as_str()));
    found
        .filter(|(_, text)| page.iter().any(|it| it == *text))
        .map(|(_, text)| text.as_str())
        .collect()
}

/// What stands on the Welsh page as it does on the English one, or is English there.
fn left_in_english(address: &str, english: &str, welsh: &str) -> Vec<String> {
    assert!(welsh.contains("<html lang=\"cy\""), "{address}: {welsh}");
    let (english, welsh) = (read(english), read(welsh));
    let same = welsh.iter().filter(|it| english.contains(it));
    let mut left: Vec<String> = same.map(|it| format!("{address}: {it}")).collect();
    let known = known_english(&welsh);
    left.extend(known.iter().map(|it| format!("{address}: {it}")));
    left
}

async fn in_language(browser: &mut Browser, code: &str, address: &str) -> (StatusCode, String) {
    let cookie = "handover-language".to_owned();
    browser.cookies.insert(cookie, code.to_owned());
    let answer = browser.get(address).await;
    (answer.status, answer.text)
}

/// Somebody with something on every page: letters, results, medicines, an appointment, a message, a question, somebody who acts.
async fn everything(node: &Arc<Node>) -> Browser {
    letters::patient(&node.store).await;
    patient(
        &node.store,
        ["tom", "Tom Helper", "tom", "9990000018", "1970-02-03"],
    )
    .await;
    let put =
        async |id: &str, text: &str| letters::put(&node.store, id, text, Release::At(1)).await;
    put(
        "hb",
        r#"{"resourceType":"Observation","status":"final","code":{"text":"Haemoglobin"},"subject":{"reference":"Patient/jane"},
        "effectiveDateTime":"2026-01-02","valueQuantity":{"value":121,"unit":"g/L"},
        "referenceRange":[{"low":{"value":115,"unit":"g/L"},"high":{"value":165,"unit":"g/L"}}]}"#,
    )
    .await;
    put(
        "amlodipine",
        r#"{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"Patient/jane"},
        "medicationCodeableConcept":{"text":"Amlodipine 5mg tablets"},"authoredOn":"2025-12-01"}"#,
    )
    .await;
    let pid = letters::receive(&node.store, &letters::Letter::default()).await;
    let mut clerk = Browser::new(node);
    clerk.sign_in("/staff/login", "ann").await;
    clerk.get(&format!("/staff/item/{pid}")).await;
    clerk.post(&format!("/staff/item/{pid}/file"), &[]).await;
    clerk.get("/staff/slots").await;
    let session = [
        ("date", "2026-01-06"),
        ("from", "09:00"),
        ("until", "10:00"),
        ("minutes", "10"),
        ("with", "Dr Bo Test"),
        ("kind", "Appointment with a doctor"),
        ("who_may", "patients"),
    ];
    clerk.post("/staff/slots", &session).await;
    let mut jane = Browser::new(node);
    jane.sign_in("/login", "jane").await;
    let book = jane.get("/appointments/book").await.text;
    let (_, choice) = book.split_once("name=\"choice\" value=\"").unwrap();
    let choice = choice.split('"').next().unwrap().to_owned();
    let form = [
        ("choice", choice.as_str()),
        ("attempt", "a"),
        ("reason", "Sore knee"),
    ];
    jane.post("/appointments/book", &form).await;
    jane.get("/messages/new").await;
    let message = [
        ("subject", "My tablets"),
        ("words", "May I take them in the evening?"),
    ];
    jane.post("/messages/new", &message).await;
    jane.get("/people").await;
    let offer = [("name", "Tom Helper"), ("see-letters", "yes")];
    jane.post("/people/offer", &offer).await;
    jane.get("/sharing").await;
    jane.post("/sharing", &[("set", "stop letters RX101"), ("until", "")])
        .await;
    jane
}

/// The addresses of the routes: those without places, and what they lead to.
async fn addresses(jane: &mut Browser) -> BTreeMap<String, Vec<String>> {
    let routes = routes();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let fixed: Vec<&String> = routes.iter().filter(|it| !it.contains('{')).collect();
    for route in &fixed {
        found.insert((*route).clone(), vec![(*route).clone()]);
    }
    for address in fixed {
        let page = jane.get(address).await.text.replace("&#x2f;", "/");
        for link in page.split("href=\"").skip(1) {
            let link = link.split(['"', '?', '#']).next().unwrap();
            let fits = |it: &&String| {
                let (pattern, link) = (it.split('/'), link.split('/'));
                let same = |(a, b): (&str, &str)| a == b || (a.starts_with('{') && !b.is_empty());
                pattern.clone().count() == link.clone().count() && pattern.zip(link).all(same)
            };
            let of_place = routes.iter().filter(|it| it.contains('{'));
            let is_fixed = routes.contains(link);
            for route in of_place.filter(fits).filter(|_| !is_fixed) {
                let all = found.entry(route.clone()).or_default();
                if all.len() < OF_EACH_MAX && !all.iter().any(|it| it == link) {
                    all.push(link.to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn every_page_for_patients_is_in_welsh_but_for_names_and_what_people_wrote() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut jane = everything(&node).await;
        let addresses = addresses(&mut jane).await;
        let places: Vec<&String> = addresses.keys().filter(|it| it.contains('{')).collect();
        assert!(places.len() >= 5, "{places:?}");
        let mut stranger = Browser::new(&node);
        let mut left = Vec::new();
        for address in addresses.values().flatten() {
            let is_strangers = address.starts_with("/login");
            let reader = if is_strangers {
                &mut stranger
            } else {
                &mut jane
            };
            let (status, english) = in_language(reader, "en", address).await;
            let (_, welsh) = in_language(reader, "cy", address).await;
            assert!(!status.is_server_error(), "{address}: {english}");
            if status.is_redirection() {
                continue;
            }
            left.extend(left_in_english(address, &english, &welsh));
        }
        left.sort();
        left.dedup();
        assert!(left.is_empty(), "left in English:\n{}", left.join("\n"));
    });
}

#[test]
fn a_page_that_cannot_be_shown_says_so_in_welsh_too() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let (status, page) = in_language(&mut jane, "cy", "/record/letters/nothing").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(page.contains("Ni chafwyd hyd i&#x27;r dudalen"), "{page}");
        // What only code says is English, and marked so.
        assert!(
            page.contains("<p lang=\"en\">There is no such letter"),
            "{page}"
        );
        let (_, page) = in_language(&mut jane, "en", "/record/letters/nothing").await;
        assert!(page.contains("Page not found"), "{page}");
    });
}

#[test]
fn staff_read_english_whatever_their_browser_wants() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let (_, page) = in_language(&mut ann, "cy", "/staff/inbox").await;
        assert!(
            page.contains("Sign out") && page.contains("<html lang=\"en\""),
            "{page}"
        );
    });
}
