//! Pieces of a record.

use access::Ods;
use serde_json::{Value, json};
use store::Version;
use store::moving::Given;

use super::record::{pieces, read};

fn version(ty: &str, id: &str, mut resource: Value) -> (Version, Option<i64>) {
    resource["resourceType"] = ty.into();
    resource["id"] = id.into();
    let version = Version {
        ty: ty.into(),
        id: id.into(),
        version: 3,
        last_updated: 5,
        body: resource.to_string().into(),
    };
    (version, Some(7))
}

fn old() -> Ods {
    Ods::parse("A81001").unwrap()
}

#[test]
fn references_of_a_record_that_moves_lead_to_what_came_along_and_what_stays_is_only_named() {
    let report = json!({
        "meta": { "versionId": "3", "security": [{ "code": "N" }] },
        "subject": { "reference": "Patient/una" },
        "result": [{ "reference": "Observation/o" }, { "reference": "Observation/sealed" }],
        "performer": [{ "reference": "Patient/otto", "display": "Otto" }],
        "presentedForm": [{ "url": "Binary/b" }, { "url": "https://example.org/x" }],
    });
    let given = Given {
        entries: vec![
            version("DiagnosticReport", "d", report),
            version(
                "Observation",
                "o",
                json!({ "subject": { "reference": "Patient/una" } }),
            ),
            version("Binary", "b", json!({})),
        ],
        ..Given::default()
    };
    let (pieces, left_out) = pieces(&given, &old(), "una");
    assert_eq!((pieces.len(), left_out), (1, 0));
    let entries = read(&pieces[0], "una-here").unwrap();
    let [report, result, binary] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    let name = |entry: &super::record::Entry| entry.resource["id"].as_str().unwrap().to_string();
    let said = &report.resource;
    assert_eq!(said["subject"]["reference"], "Patient/una-here");
    assert_eq!(
        said["result"][0]["reference"],
        format!("Observation/{}", name(result))
    );
    assert_eq!(said["result"][1].get("reference"), None);
    assert_eq!(
        said["result"][1]["identifier"]["value"],
        "A81001/Observation/sealed"
    );
    assert_eq!(said["performer"][0].get("reference"), None);
    assert_eq!(
        said["presentedForm"][0]["url"],
        format!("Binary/{}", name(binary))
    );
    assert_eq!(said["presentedForm"][1]["url"], "https://example.org/x");
    assert_eq!(said["meta"]["source"], "urn:handover:moved:A81001");
    assert_eq!(said["meta"].get("versionId"), None);
    assert_eq!(said["meta"]["security"][0]["code"], "N");
    assert_eq!(report.released, Some(7));
}

#[test]
fn a_large_record_goes_in_pieces_of_bounded_size_and_what_fits_into_none_is_counted() {
    let long = |letters: usize| json!({ "note": "x".repeat(letters) });
    let mut given = Given::default();
    for number in 0..700 {
        given
            .entries
            .push(version("Observation", &format!("o{number}"), long(10_000)));
    }
    given
        .entries
        .push(version("Binary", "huge", long(11 << 20)));
    let (pieces, left_out) = pieces(&given, &old(), "una");
    assert_eq!(left_out, 1);
    let entries: usize = pieces.iter().map(|it| read(it, "u").unwrap().len()).sum();
    assert_eq!(entries, 700);
    assert!(pieces.len() > 2 && pieces.iter().all(|it| it.len() <= 5 << 20));
}

#[test]
fn a_piece_writes_over_nothing_that_is_of_another_origin() {
    for entry in [
        json!({ "released": null, "resource": { "resourceType": "Observation", "id": "mine" } }),
        json!({ "released": null, "resource": { "resourceType": "Patient", "id": "m-1" } }),
        json!({ "released": null, "resource": { "resourceType": "Consent", "id": "m-1" } }),
    ] {
        let piece = json!([entry]).to_string();
        assert!(read(piece.as_bytes(), "una").is_err(), "{piece}");
    }
}
