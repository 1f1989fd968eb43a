//! `$export`: each resource once, and what an export of records cannot bring.

use http::StatusCode;
use serde_json::{Value, json};
use store::testing::on_each_database;

use super::bulk::ready;
use super::{BASE, Client, observation};
use crate::fhir::operations::bulk_worker::work;

#[test]
fn what_is_named_twice_or_is_of_two_members_is_exported_once() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        let bo = Client::of(&node, "bo").await;
        let both = observation("both", "jane").replacen(
            "\"status\"",
            "\"performer\":[{\"reference\":\"Patient/john\"}],\"status\"",
            1,
        );
        let put = bo.put("/Observation/both", &both).await;
        assert_eq!(put.status, StatusCode::CREATED, "{}", put.text());
        let members = ["jane", "john", "jane", "john/_history/1", "jane"]
            .map(|id| json!({ "entity": { "reference": format!("Patient/{id}") } }));
        let group = json!({ "resourceType": "Group", "id": "g", "type": "person", "actual": true, "member": members });
        let put = bo.put("/Group/g", &group.to_string()).await;
        assert_eq!(put.status, StatusCode::CREATED, "{}", put.text());
        let types = "_type=Observation,Patient,Observation&_type=Patient";
        for operation in ["/$export", "/Patient/$export", "/Group/g/$export"] {
            let job = sys.started(&format!("{operation}?{types}")).await;
            work(&node).await;
            assert_eq!(
                sys.exported(&sys.manifest(&job).await).await,
                ["both", "jane", "john", "o1", "o2", "o3"],
                "{operation}"
            );
        }
        let everybody = sys.get(&format!("/Patient/$everything?{types}")).await;
        assert_eq!(everybody.json()["entry"].as_array().unwrap().len(), 6);
        node.store.clone().close().await;
    });
}

#[test]
fn an_export_of_records_says_which_types_are_in_none() {
    on_each_database(async |ground| {
        let (node, sys) = ready(ground).await;
        for (types, handling) in [
            ("Organization", ""),
            ("Organization,Medication", ", handling=strict"),
            ("Patient,Organization", ", handling=strict"),
        ] {
            let path = format!("/Patient/$export?_purpose=TREAT&_type={types}");
            let prefer = format!("respond-async{handling}");
            let refused = sys
                .send("GET", &path, &[("prefer", prefer.as_str())], "")
                .await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{types}{handling}");
            assert!(
                refused.text().contains("Organization"),
                "{}",
                refused.text()
            );
        }
        let mut jobs = vec![(
            sys.started("/Patient/$export?_type=Patient,Organization")
                .await,
            vec!["jane", "john"],
        )];
        let path = "/Patient/$export?_purpose=TREAT&_type=Organization";
        let prefer = [("prefer", "respond-async, handling=lenient")];
        let lenient = sys.send("GET", path, &prefer, "").await;
        assert_eq!(lenient.status, StatusCode::ACCEPTED, "{}", lenient.text());
        let place = lenient.header("content-location");
        jobs.push((place.strip_prefix(BASE).unwrap().to_string(), vec![]));
        work(&node).await;
        for (job, expected) in jobs {
            let manifest = sys.manifest(&job).await;
            assert_eq!(sys.exported(&manifest).await, expected);
            let error = manifest["error"].as_array().unwrap();
            assert_eq!(error.len(), 1, "{manifest}");
            assert_eq!(
                (&error[0]["type"], &error[0]["count"]),
                (&json!("OperationOutcome"), &json!(1))
            );
            let place = error[0]["url"].as_str().unwrap();
            let place = place.strip_prefix(BASE).unwrap();
            let (status, text) = sys.raw("GET", place, "", &[]).await;
            assert_eq!((status, text.lines().count()), (StatusCode::OK, 1));
            let outcome: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(outcome["resourceType"], "OperationOutcome");
            assert!(text.contains("Organization"), "{text}");
        }
        // All there is of a type is asked of the system.
        let job = sys.started("/$export?_type=Organization").await;
        work(&node).await;
        let manifest = sys.manifest(&job).await;
        assert_eq!(manifest["error"], json!([]));
        assert_eq!(sys.exported(&manifest).await, ["x"]);
        node.store.clone().close().await;
    });
}
