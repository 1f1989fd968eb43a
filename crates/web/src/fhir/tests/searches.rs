//! Searches through the door: what comes along, compartments, forms, `$reindex`.

use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use store::testing::on_each_database;

use super::{BASE, Client, JANE, linked, node, observation};

/// Each entry's id and mode.
fn entries(bundle: &Value) -> Vec<(String, String)> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    entries
        .iter()
        .map(|entry| {
            (
                text(&entry["resource"]["id"]),
                text(&entry["search"]["mode"]),
            )
        })
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(id, mode): &(&str, &str)| (id.to_string(), mode.to_string());
    expected.iter().map(own).collect()
}

#[test]
fn what_comes_along_is_marked_and_not_counted_and_a_compartment_is_searched_by_type_or_whole() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let patient = r#"{"resourceType":"Patient","id":"amy","name":[{"family":"Amis"}]}"#;
        assert_eq!(
            bo.put("/Patient/amy", patient).await.status,
            StatusCode::CREATED
        );
        for id in ["one", "two"] {
            let made = bo
                .put(&format!("/Observation/{id}"), &observation(id, "amy"))
                .await;
            assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        }
        let ask =
            "subject:Patient.name=amis&_include=Observation:subject&_total=accurate&_sort=_id";
        let found = bo.get(&format!("/Observation?{ask}")).await;
        found.is_valid();
        let bundle = found.json();
        let expected = pairs(&[("one", "match"), ("two", "match"), ("amy", "include")]);
        assert_eq!(entries(&bundle), expected);
        assert_eq!(bundle["total"], 2);

        let posted = bo.send("POST", "/Observation/_search", &FORM, ask).await;
        assert_eq!(entries(&posted.json()), expected);

        let first = bo.get("/Observation?_sort=-_id&_count=1").await.json();
        assert_eq!(entries(&first), pairs(&[("two", "match")]));
        let links = first["link"].as_array().unwrap();
        let next = links
            .iter()
            .find(|link| link["relation"] == "next")
            .unwrap();
        let next = next["url"].as_str().unwrap().strip_prefix(BASE).unwrap();
        let second = bo.get(next).await.json();
        assert_eq!(entries(&second), pairs(&[("one", "match")]));

        let within = bo.get("/Patient/amy/Observation?_sort=_id").await.json();
        assert_eq!(
            entries(&within),
            pairs(&[("one", "match"), ("two", "match")])
        );
        assert_eq!(
            within["link"][0]["url"],
            format!("{BASE}/Patient/amy/Observation?_sort=_id")
        );
        let all = bo.get("/Patient/amy/*?_total=accurate").await;
        all.is_valid();
        assert_eq!(all.json()["total"], 3);
        let posted = bo
            .send("POST", "/Patient/amy/Observation/_search", &FORM, "_id=two")
            .await;
        assert_eq!(entries(&posted.json()), pairs(&[("two", "match")]));
        for (path, status) in [
            ("/Patient/amy/Nothing", StatusCode::NOT_FOUND),
            ("/Observation?_filter=code", StatusCode::BAD_REQUEST),
            ("/Observation?_text=x", StatusCode::BAD_REQUEST),
            ("/Observation?_cursor=7~x", StatusCode::BAD_REQUEST),
        ] {
            let refused = bo.get(path).await;
            assert_eq!(refused.status, status, "{path}: {}", refused.text());
        }
        let typed = bo.get("/?_type=Patient&_id=amy").await;
        assert_eq!(entries(&typed.json()), pairs(&[("amy", "match")]));
    });
}

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

#[test]
fn a_form_says_how_it_is_answered_and_a_refusal_of_it_too() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        let search = "/Patient/_search";
        for (path, form, kind) in [
            (search, "_id=jane&_format=xml", "application/fhir+xml"),
            (
                search,
                "_format=application%2Ffhir%2Bxml&_id=jane",
                "application/fhir+xml",
            ),
            (
                "/Patient/_search?_format=xml",
                "_id=jane",
                "application/fhir+xml",
            ),
            (search, "_id=jane&_format=json", "application/fhir+json"),
            (search, "_id=jane", "application/fhir+json"),
            (
                "/Patient/jane/Patient/_search",
                "_format=xml",
                "application/fhir+xml",
            ),
        ] {
            let found = bo.send("POST", path, &FORM, form).await;
            assert_eq!(found.status, StatusCode::OK, "{form}: {}", found.text());
            assert_eq!(found.header(CONTENT_TYPE), kind, "{path} {form}");
            assert!(found.text().contains("1970-02-03"), "{}", found.text());
            assert!(!found.text().contains("_format"), "{}", found.text());
        }
        let pretty = bo
            .send("POST", search, &FORM, "_pretty=true&_id=jane")
            .await;
        assert!(pretty.text().contains("\n  \"entry\""), "{}", pretty.text());
        let refused = bo
            .send("POST", search, &FORM, "frobnicate=1&_format=xml")
            .await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.header(CONTENT_TYPE), "application/fhir+xml");
        let unknown = bo.send("POST", search, &FORM, "_id=jane&_format=ttl").await;
        assert_eq!(unknown.status, StatusCode::NOT_ACCEPTABLE);
        node.store.clone().close().await;
    });
}

#[test]
fn a_form_searches_all_types_and_a_whole_compartment_as_an_address_does() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        for (id, who) in [("one", "jane"), ("two", "john")] {
            bo.put(&format!("/Observation/{id}"), &observation(id, who))
                .await;
        }
        let list = r#"{"resourceType":"List","id":"l","status":"current","mode":"working","subject":{"reference":"Patient/jane"},"entry":[{"item":{"reference":"Observation/one"}},{"item":{"reference":"Observation/two"}}]}"#;
        let made = bo.put("/List/l", list).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let one = pairs(&[("one", "match")]);
        let both = pairs(&[("one", "match"), ("two", "match")]);
        for (path, form, expected) in [
            ("/", "_id=one", &one),
            ("/", "_list=l&_sort=_id", &both),
            ("/Patient/jane", "_id=one,two", &one),
            ("/Patient/jane", "_list=l", &one),
            ("/Patient/jane/Observation", "_list=l", &one),
        ] {
            let posted = format!("{}/_search", path.trim_end_matches('/'));
            let posted = bo.send("POST", &posted, &FORM, form).await;
            assert_eq!(posted.status, StatusCode::OK, "{path}: {}", posted.text());
            assert_eq!(&entries(&posted.json()), expected, "{path} {form}");
            let address = match path {
                "/Patient/jane" => format!("{path}/*?{form}"),
                path => format!("{path}?{form}"),
            };
            let found = bo.get(&address).await;
            assert_eq!(&entries(&found.json()), expected, "{address}");
            assert_eq!(found.json()["link"], posted.json()["link"], "{address}");
        }
        let entry = r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"POST","url":"_search?_id=one"}}]}"#;
        let batch = bo.post("", entry).await.json();
        assert_eq!(entries(&batch["entry"][0]["resource"]), one);
        let told = bo.get("/metadata").await.json();
        let all = told["rest"][0]["interaction"].to_string();
        assert_eq!(all.matches("search-system").count(), 1, "{all}");
        let addresses = bo.get("/openapi.json").await.json();
        for path in ["/_search", "/{ty}/{id}/_search"] {
            let body = &addresses["paths"][path]["post"]["requestBody"];
            assert!(body.is_object(), "{path}");
        }
        node.store.clone().close().await;
    });
}

#[test]
fn a_search_parameter_that_is_put_is_told_of_by_reindex_and_then_searched_by() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let patient = r#"{"resourceType":"Patient","id":"amy","maritalStatus":{"text":"Widowed"}}"#;
        bo.put("/Patient/amy", patient).await;
        let parameter = r#"{"resourceType":"SearchParameter","id":"status","url":"https://fhir.example/SearchParameter/status","name":"Status","status":"active","description":"Made up","code":"status-text","base":["Patient"],"type":"string","expression":"Patient.maritalStatus.text"}"#;
        let refused = bo.put("/SearchParameter/status", parameter).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        let entry = format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"request":{{"method":"PUT","url":"SearchParameter/status"}},"resource":{parameter}}}]}}"#
        );
        assert_eq!(bo.post("", &entry).await.status, StatusCode::FORBIDDEN);
        let sys = Client::system(&node).await;
        let made = sys.put("/SearchParameter/status", parameter).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        for _ in 0..400 {
            let told = bo.get("/$reindex").await;
            assert_eq!(told.status, StatusCode::OK, "{}", told.text());
            let job = told.json()["parameter"][0]["part"].clone();
            assert_eq!(job[0]["valueString"], "SearchParameter/status");
            let found = bo.get("/Patient?status-text=widow").await;
            if found.status == StatusCode::OK {
                assert_eq!(job[1]["valueCode"], "done");
                assert_eq!(entries(&found.json()), pairs(&[("amy", "match")]));
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "it is never indexed by: {}",
            bo.get("/$reindex").await.text()
        );
    });
}

#[test]
fn only_a_system_asks_for_everything_to_be_indexed_anew_and_the_log_knows() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let refused = bo.post("/$reindex", "").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        let sys = Client::system(&node).await;
        let begun = sys.post("/$reindex", "").await;
        assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
        let pat = Client::of(&node, "pat").await;
        let log = pat.get("/AuditEvent/$log?_count=5").await.text();
        assert!(log.contains("$reindex"), "{log}");
        node.store.clone().close().await;
    });
}

#[test]
fn the_door_searches_by_place_within_other_compartments_and_over_a_merge() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let plain = |id: &str| format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#);
        for (path, text) in [
            ("/Patient/new", plain("new")),
            ("/Patient/old", plain("old")),
            ("/Patient/new", linked("new", "replaces", "old")),
            ("/Patient/old", linked("old", "replaced-by", "new")),
            ("/Observation/one", observation("one", "new")),
            ("/Observation/two", observation("two", "old")),
            (
                "/Encounter/visit",
                r#"{"resourceType":"Encounter","id":"visit","status":"finished","class":{"code":"AMB"}}"#.into(),
            ),
            (
                "/Observation/three",
                r#"{"resourceType":"Observation","id":"three","status":"final","code":{"text":"x"},"encounter":{"reference":"Encounter/visit"}}"#.into(),
            ),
            (
                "/Location/leeds",
                r#"{"resourceType":"Location","id":"leeds","position":{"latitude":53.8,"longitude":-1.54}}"#.into(),
            ),
        ] {
            let made = bo.put(path, &text).await;
            assert!(made.status.is_success(), "{path}: {}", made.text());
        }
        for (path, expected) in [
            ("/Observation?patient=new&_sort=_id", vec!["one", "two"]),
            ("/Observation?patient=old", vec!["two"]),
            ("/Patient/new/Observation?_sort=_id", vec!["one", "two"]),
            ("/Encounter/visit/Observation", vec!["three"]),
            ("/Encounter/visit/*?_sort=_id", vec!["three", "visit"]),
            ("/Location?near=53.8|-1.55|2|km", vec!["leeds"]),
            ("/Location?near=53.8|-1.55|200|m", vec![]),
        ] {
            let found = bo.get(&path.replace('|', "%7C")).await;
            assert_eq!(found.status, StatusCode::OK, "{path}: {}", found.text());
            found.is_valid();
            let ids: Vec<String> = entries(&found.json()).into_iter().map(|it| it.0).collect();
            assert_eq!(ids, expected, "{path}");
        }
        for (path, told) in [
            ("/Location/leeds/Encounter", "Compartments are those of"),
            ("/Encounter/visit/Patient", "in no compartment"),
            ("/Location?near=1", "near "),
            (
                "/Observation?_query=current-high-risk",
                "No named query is defined here",
            ),
            ("/Observation?_content=x", "[fhir] text_search"),
            ("/Observation?date:exact=2024", "modifier"),
        ] {
            let refused = bo.get(path).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
            assert!(refused.text().contains(told), "{path}: {}", refused.text());
        }
        let told = bo.get("/metadata").await.json();
        let rest = &told["rest"][0];
        assert_eq!(rest["compartment"].as_array().unwrap().len(), 5);
        let resources = rest["resource"].as_array().unwrap();
        let location = resources
            .iter()
            .find(|it| it["type"] == "Location")
            .unwrap();
        let parameters = location["searchParam"].as_array().unwrap();
        assert!(
            parameters
                .iter()
                .any(|it| it["name"] == "near" && it["type"] == "special")
        );
        assert!(!parameters.iter().any(|it| it["name"] == "_content"));
    });
}
