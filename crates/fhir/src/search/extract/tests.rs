use super::{Entry, Value, extract};
use crate::json::{Limits, parse};

fn entries(resource: &str) -> Vec<Entry> {
    let json = parse(resource.as_bytes(), &Limits::default()).unwrap();
    extract(json.text("resourceType").unwrap(), &json)
}

/// The entries of one code, each written shortly.
fn found(resource: &str, code: &str) -> Vec<String> {
    let entries = entries(resource)
        .into_iter()
        .filter(|entry| entry.code == code);
    entries
        .map(|entry| match entry.value {
            Value::Token { system, code } => format!("{}|{code}", system.unwrap_or_default()),
            Value::String { folded, exact } => format!("{folded} ({exact})"),
            Value::Reference { target } | Value::Uri(target) => target,
            Value::Date { low, high } => format!("{low}..{high}"),
            Value::Quantity {
                low,
                high,
                system,
                code,
            } => {
                format!("{low}..{high} {system:?} {code:?}")
            }
            Value::Composite(parts) => format!("{parts:?}"),
        })
        .collect()
}

const PATIENT: &str = r#"{"resourceType":"Patient","active":true,"gender":"female","birthDate":"1970-01-02",
    "meta":{"tag":[{"system":"http://example.org/tags","code":"t"},{"code":"u"}],"profile":["http://example.org/p"]},
    "identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9000000009"},{"value":"A1"}],
    "name":[{"family":"Ó Brién","given":["Mary  Ann","mary ann"]}],
    "telecom":[{"system":"phone","value":"01632 960001"},{"system":"email","value":"m@example.org"}],
    "generalPractitioner":[{"reference":"Organization/Y12345/_history/2"},{"reference":"Organization/Y12345"}],
    "maritalStatus":{"text":"no code"}}"#;

#[test]
fn a_patient_is_found_by_what_it_has() {
    assert_eq!(
        found(PATIENT, "identifier"),
        ["|A1", "https://fhir.nhs.uk/Id/nhs-number|9000000009"]
    );
    assert_eq!(
        found(PATIENT, "gender"),
        ["http://hl7.org/fhir/administrative-gender|female"]
    );
    assert_eq!(found(PATIENT, "active"), ["|true"]);
    assert_eq!(found(PATIENT, "deceased"), ["|false"]);
    assert_eq!(found(PATIENT, "family"), ["o brien (Ó Brién)"]);
    assert_eq!(
        found(PATIENT, "given"),
        ["mary ann (Mary  Ann)", "mary ann (mary ann)"]
    );
    assert_eq!(found(PATIENT, "birthdate"), ["86400000..172800000"]);
    assert_eq!(found(PATIENT, "email"), ["|m@example.org"]);
    assert_eq!(
        found(PATIENT, "general-practitioner"),
        ["Organization/Y12345"]
    );
    assert_eq!(found(PATIENT, "_tag"), ["|u", "http://example.org/tags|t"]);
    assert_eq!(found(PATIENT, "_profile"), ["http://example.org/p"]);
}

#[test]
fn an_observation_is_found_by_code_subject_date_and_value() {
    let observation = r##"{"resourceType":"Observation","status":"final",
        "code":{"coding":[{"system":"http://loinc.org","code":"8480-6"},{"system":"http://snomed.info/sct","code":"271649006"}]},
        "subject":{"reference":"Patient/1"},"performer":[{"reference":"#x"}],
        "effectivePeriod":{"start":"1970-01-01T00:00:00Z"},
        "valueQuantity":{"value":1.20e2,"unit":"mmHg","comparator":"<"}}"##;
    assert_eq!(
        found(observation, "code"),
        [
            "http://loinc.org|8480-6",
            "http://snomed.info/sct|271649006"
        ]
    );
    assert_eq!(found(observation, "subject"), ["Patient/1"]);
    assert_eq!(found(observation, "patient"), ["Patient/1"]);
    assert_eq!(found(observation, "performer"), [""; 0]);
    assert_eq!(
        found(observation, "date"),
        [format!("0..{}", crate::date::END)]
    );
    assert_eq!(
        found(observation, "value-quantity"),
        [format!("{}..120 None Some(\"mmHg\")", f64::MIN)]
    );
}

#[test]
fn a_unit_stands_by_its_code_and_by_its_text_where_that_is_another() {
    let of = |unit: &str| {
        let observation =
            format!(r#"{{"resourceType":"Observation","valueQuantity":{{"value":72{unit}}}}}"#);
        found(&observation, "value-quantity")
    };
    assert_eq!(
        of(r#","unit":"beats/minute","system":"urn:u","code":"/min""#),
        [
            r#"72..72 None Some("beats/minute")"#,
            r#"72..72 Some("urn:u") Some("/min")"#
        ]
    );
    assert_eq!(
        of(r#","unit":"kg","system":"urn:u","code":"kg""#),
        [r#"72..72 Some("urn:u") Some("kg")"#]
    );
    assert_eq!(of(r#","unit":"kg""#), [r#"72..72 None Some("kg")"#]);
    assert_eq!(of(""), ["72..72 None None"]);
}

#[test]
fn a_value_with_nothing_to_be_searched_by_is_marked_as_there() {
    let observation = r##"{"resourceType":"Observation","code":{"text":"Pulse"},
        "subject":{"reference":"#p"},"performer":[{"display":"X"},{"reference":"Patient/1"}],
        "effectiveDateTime":"2024","component":[{"code":{"coding":[{"code":"c"}]}}]}"##;
    for (code, expected) in [
        ("code#there", vec!["|"]),
        ("subject#there", vec!["|"]),
        ("combo-code#there", vec![]),
        ("performer#there", vec![]),
        ("date#there", vec![]),
        ("encounter#there", vec![]),
        ("code-value-quantity#there", vec![]),
    ] {
        assert_eq!(found(observation, code), expected, "{code}");
    }
}

#[test]
fn a_timing_counts_by_its_outer_limits() {
    let request = r#"{"resourceType":"ServiceRequest","occurrenceTiming":{"event":["1970-01-03","1970-01-02"],
        "repeat":{"boundsPeriod":{"start":"1970-01-02","end":"1970-01-05"}}}}"#;
    assert_eq!(found(request, "occurrence"), ["86400000..432000000"]);
}

#[test]
fn a_canonical_is_found_with_and_without_its_version() {
    let request =
        r#"{"resourceType":"ServiceRequest","instantiatesCanonical":["http://example.org/a|1.0"]}"#;
    assert_eq!(
        found(request, "instantiates-canonical"),
        ["http://example.org/a", "http://example.org/a|1.0"]
    );
}
