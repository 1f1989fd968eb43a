//! Faults of a FHIR door that is written to.

use serde_json::{Value, json};

use super::door::{Asked, Door, drop_header, instead};
use super::fhir_faults::{Fault, answers, asks, each_of, outcome};
use super::{check, fhir};
use crate::node::neighbourhood::Neighbourhood;

#[test]
fn each_fault_of_a_fhir_system_that_is_written_to_is_named_and_no_other() {
    fn body_id(asked: &Asked) -> Option<String> {
        let body: Value = serde_json::from_slice(&asked.body).ok()?;
        Some(body["id"].as_str()?.to_owned())
    }
    fn good(asked: &mut Asked) {
        let body = json!({ "resourceType": "Basic", "code": { "text": "Made up" } });
        asked.body = body.to_string().into_bytes();
    }
    let faults = [
        answers("no Location", &["fhir-create"], |asked, answer| {
            if asked.is("POST", "/fhir/Basic") {
                drop_header(answer, "location");
            }
        }),
        asks(
            "the client's id is taken over",
            &["fhir-create-id"],
            |asked| {
                if let (true, Some(id)) = (asked.is("POST", "/fhir/Basic"), body_id(asked)) {
                    asked.method = "PUT".into();
                    asked.path = format!("/fhir/Basic/{id}");
                }
            },
        ),
        asks(
            "what does not read is mended",
            &["fhir-malformed"],
            |asked| {
                if asked.is("POST", "/fhir/Basic") && asked.text().ends_with(", ") {
                    good(asked);
                }
            },
        ),
        asks("what is not valid is taken", &["fhir-invalid"], |asked| {
            if asked.text().contains("noSuchElement") {
                good(asked);
            }
        }),
        asks("an update that is lost", &["fhir-update"], |asked| {
            let own = body_id(asked).is_some_and(|id| asked.path.ends_with(&id));
            if asked.method == "PUT" && own && asked.header("if-match").is_none() {
                asked.method = "GET".into();
                asked.body.clear();
            }
        }),
        asks("If-Match ignored", &["fhir-if-match"], |asked| {
            asked.drop_header("if-match")
        }),
        asks(
            "the address of a PUT ignored",
            &["fhir-id-mismatch"],
            |asked| {
                if let ("PUT", Some(id)) = (asked.method.as_str(), body_id(asked)) {
                    asked.path = format!("/fhir/Basic/{id}");
                }
            },
        ),
        asks(
            "If-None-Exist ignored",
            &["fhir-conditional-create", "fhir-conditional-race"],
            |asked| asked.drop_header("if-none-exist"),
        ),
        asks(
            "a transaction that is not undone",
            &["fhir-transaction"],
            |asked| {
                let text = asked.text();
                if text.contains("\"transaction\"") {
                    asked.body = text.replace("\"transaction\"", "\"batch\"").into_bytes();
                }
            },
        ),
        Fault {
            name: "a delete that is none",
            breaks: &["fhir-delete", "fhir-gone"],
            asks: |asked| {
                if asked.method == "DELETE" {
                    asked.method = "GET".into();
                }
            },
            answers: |asked, answer| {
                if asked.method == "DELETE" {
                    answer.status = 204;
                    answer.body.clear();
                }
            },
        },
        answers(
            "what was deleted was never there",
            &["fhir-gone"],
            |_, answer| {
                if answer.status == 410 {
                    answer.status = 404;
                }
            },
        ),
        answers(
            "a server that fails on depth",
            &["fhir-no-server-error"],
            |asked, answer| {
                if asked.text().matches("extension").count() > 100 {
                    instead(answer, 500, &outcome("exception"));
                }
            },
        ),
    ];
    each_of(&faults, "fhir", true);
}

#[test]
fn what_could_not_be_removed_is_listed() {
    let nodes = Neighbourhood::start();
    fhir::fill(&nodes.practice);
    let asking = |asked: &mut Asked| {
        if asked.method == "DELETE" {
            asked.path = "/fhir/NoSuchType/1".into();
        }
    };
    let door = Door::open(nodes.practice.pages, Box::new(asking), Box::new(|_, _| {}));
    let base = format!("http://{}/fhir", door.address);
    let token = fhir::token(&nodes.practice);
    let checked = check(&[&base, "--token", &token, "--only", "fhir", "--write"]);
    // 404 says that it is not there; here the resources are, under another address.
    assert!(
        checked.with("not-met").contains("fhir-delete"),
        "{}",
        checked.said
    );
    let mut client = nodes.practice.client();
    let left = client.get("/fhir/Basic?_summary=count").unwrap().json()["total"]
        .as_u64()
        .unwrap();
    let told = checked.report()["notRemoved"].as_array().unwrap().len() as u64;
    assert!(left > 0);
    assert_eq!(told, left, "{}", checked.said);
}
