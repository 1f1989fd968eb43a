//! Labels on what messages are about: a message adds them, and takes none away.

use store::{Change, Expect, Prepared, Release};

use super::*;

/// Puts a label on a resource, as a clinician does.
async fn label(hospital: &Hospital, mut resource: Value, system: &str, code: &str) {
    resource["meta"] = serde_json::json!({"security": [{"system": system, "code": code}]});
    let bytes = serde_json::to_vec(&resource).unwrap();
    let resource = fhir::json::parse(&bytes, &fhir::json::Limits::default()).unwrap();
    let id = resource.text("id").unwrap().to_owned();
    let job = Job {
        changes: vec![Change::Put {
            resource: Prepared::new(&resource, &id, hospital.store.organisation()).unwrap(),
            expect: Expect::Anything,
            release: Release::Keep,
        }],
        ..Job::default()
    };
    let scope = Scope::system(SystemPurpose::Import);
    hospital.store.commit(&scope, job).await.unwrap();
}

fn codes(resource: &Value) -> Vec<&str> {
    let labels = resource["meta"]["security"].as_array();
    let labels = labels.into_iter().flatten();
    labels.filter_map(|label| label["code"].as_str()).collect()
}

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

#[test]
fn p13_a_flag_comes_with_a_message_and_no_message_takes_it_away() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        let protected = admission("1").replace("A99999^^^^^^^^ODS", "A99999^^^^^^^^ODS||||||||Y");
        hospital.take(&protected).await;
        let patient = hospital.one("Patient").await;
        assert!(codes(&patient).contains(&"R"), "{patient}");
        assert!(!patient.to_string().contains("ANY STREET"), "{patient}");
        // The next says nothing of it, or that nobody is protected: that is for a person to say.
        for (id, indicator) in [("2", ""), ("3", "||||||||N")] {
            let next = admission(id).replace("A01", "A31");
            let next = next.replace(
                "A99999^^^^^^^^ODS",
                &format!("A99999^^^^^^^^ODS{indicator}"),
            );
            hospital
                .take(&next.replace("AMINA", &format!("AMINA{id}")))
                .await;
            let patient = hospital.one("Patient").await;
            assert_eq!(patient["name"][0]["given"][0], format!("AMINA{id}"));
            assert!(codes(&patient).contains(&"R"), "{patient}");
            assert!(!patient.to_string().contains("ANY STREET"), "{patient}");
        }
        assert!(hospital.stuck().await.is_empty());
        hospital.store.close().await;
    });
}

#[test]
fn p12_a_result_that_was_labelled_keeps_its_label_when_it_is_corrected() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        let report = |id: &str, value: &str| {
            let rest = format!(
                "{PATIENT}OBR|1|P1^LAB|F1^LAB|FBC^Full blood count^L|||20260104090000\n\
                 OBX|1|NM|HB^Haemoglobin^L||{value}|g/L|||||F\n"
            );
            message("ORU^R01", id, &rest)
        };
        hospital.take(&report("1", "131")).await;
        let result = hospital.one("Observation").await;
        label(&hospital, result, CONFIDENTIALITY, "V").await;
        hospital.take(&report("2", "119")).await;
        let result = hospital.one("Observation").await;
        assert_eq!(result["valueQuantity"]["value"], 119);
        assert_eq!(codes(&result), ["V"]);
        assert!(hospital.stuck().await.is_empty());
        hospital.store.close().await;
    });
}
