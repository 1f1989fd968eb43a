//! An International Patient Summary (<https://hl7.org/fhir/uv/ips/>): a document Bundle with a Composition. Of what is not
//! recorded it says that there is no information, never that there is none.

use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde_json::{Map, Value, json};

use super::Taken;
use crate::node::Site;

/// Codes for what is not known
/// (<https://hl7.org/fhir/uv/ips/CodeSystem-absent-unknown-uv-ips.html>).
const ABSENT: &str = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips";

/// A section of a summary.
struct Part {
    title: &'static str,
    /// A code of LOINC, as the specification names it.
    code: &'static str,
    types: &'static [&'static str],
    /// Of one that must be there: the code of "no information".
    absent: Option<(&'static str, &'static str)>,
}

const PARTS: [Part; 6] = [
    Part {
        title: "Allergies and Intolerances",
        code: "48765-2",
        types: &["AllergyIntolerance"],
        absent: Some(("no-allergy-info", "No information about allergies")),
    },
    Part {
        title: "Medication Summary",
        code: "10160-0",
        types: &["MedicationRequest", "MedicationStatement"],
        absent: Some(("no-medication-info", "No information about medications")),
    },
    Part {
        title: "Problem List",
        code: "11450-4",
        types: &["Condition"],
        absent: Some(("no-problem-info", "No information about problems")),
    },
    Part {
        title: "Immunizations",
        code: "11369-6",
        types: &["Immunization"],
        absent: None,
    },
    Part {
        title: "History of Procedures",
        code: "47519-4",
        types: &["Procedure"],
        absent: None,
    },
    Part {
        title: "Results",
        code: "30954-2",
        types: &["Observation", "DiagnosticReport"],
        absent: None,
    },
];

/// The summary.
///
/// # Errors
/// `Exception` if the patient's own record has no id.
pub fn bundle(site: &Site, taken: &Taken, now: Millis) -> Result<Value, Problem> {
    let patient = taken
        .patient
        .get("id")
        .and_then(Value::as_str)
        .ok_or_else(|| Problem::new(Kind::Exception, "The record of the patient has no id."))?;
    let base = site.fhir_url();
    let subject = json!({"reference": format!("Patient/{patient}")});
    let author = json!({"reference": "Organization/author"});
    let mut entries = vec![
        entry(&base, taken.patient.clone()),
        entry(&base, organisation(site)),
    ];
    let mut sections = Vec::new();
    for part in &PARTS {
        sections.push(section(part, taken, (&base, &subject), &mut entries));
    }
    let instant = date::instant(now);
    let composition = json!({
        "resourceType": "Composition",
        "id": "summary",
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": subject,
        "date": instant,
        "author": [author],
        "title": "International Patient Summary",
        "custodian": author,
        "section": sections,
    });
    entries.insert(0, entry(&base, composition));
    Ok(json!({
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{}", uuid::Uuid::new_v4())},
        "type": "document",
        "timestamp": instant,
        "entry": entries,
    }))
}

fn entry(base: &str, resource: Value) -> Value {
    let text = |name: &str| {
        let found = resource.get(name).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let full = format!("{base}/{}/{}", text("resourceType"), text("id"));
    json!({"fullUrl": full, "resource": resource})
}

fn organisation(site: &Site) -> Value {
    json!({
        "resourceType": "Organization",
        "id": "author",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": site.organisation.as_str()}],
        "name": site.name,
    })
}

fn section(
    part: &Part,
    taken: &Taken,
    (base, subject): (&str, &Value),
    entries: &mut Vec<Value>,
) -> Value {
    let mut references = Vec::new();
    let mut lines = Vec::new();
    // What was entered in error is no part of a summary.
    for resource in taken.of(part.types).filter(|it| !is_error(it)) {
        let text = |name: &str| resource[name].as_str().unwrap_or_default();
        references.push(json!({"reference": format!("{}/{}", text("resourceType"), text("id"))}));
        let read = super::Entry::read(resource);
        let value = read.result.map(|it| it.said).unwrap_or_default();
        lines.push(
            format!("{} {value} {}", read.term, read.status)
                .trim()
                .to_owned(),
        );
        entries.push(entry(base, resource.clone()));
    }
    let mut section = Map::new();
    section.insert("title".into(), part.title.into());
    let code = json!({"coding": [{"system": "http://loinc.org", "code": part.code}]});
    section.insert("code".into(), code);
    if references.is_empty() {
        lines.push(match part.absent {
            Some((_, words)) => words.to_owned(),
            None => "No information available".to_owned(),
        });
        match part.absent {
            Some(absent) => {
                let resource = unknown(part, absent, subject);
                references.push(json!({"reference": format!("{}/{}", resource.get("resourceType").and_then(Value::as_str).unwrap_or_default(), absent.0)}));
                entries.push(entry(base, resource));
            }
            None => {
                let reason = json!({"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/list-empty-reason",
                    "code": "unavailable", "display": "Unavailable"}]});
                section.insert("emptyReason".into(), reason);
            }
        }
    }
    if part.types.iter().any(|ty| taken.cut.contains(ty)) {
        lines.push("There is more than is in this summary.".to_owned());
    }
    if !references.is_empty() {
        section.insert("entry".into(), Value::Array(references));
    }
    let text = json!({"status": "generated", "div": narrative(&lines)});
    section.insert("text".into(), text);
    Value::Object(section)
}

fn is_error(resource: &Value) -> bool {
    let verified = resource.pointer("/verificationStatus/coding/0/code");
    resource["status"] == "entered-in-error" || verified.is_some_and(|it| it == "entered-in-error")
}

/// A resource that says that nothing is known.
fn unknown(part: &Part, (code, words): (&str, &str), subject: &Value) -> Value {
    let concept =
        json!({"coding": [{"system": ABSENT, "code": code, "display": words}], "text": words});
    let status = |system: &str| json!({"coding": [{"system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": "active"}]});
    match part.types.first() {
        Some(&"AllergyIntolerance") => json!({
            "resourceType": "AllergyIntolerance", "id": code,
            "clinicalStatus": status("allergyintolerance-clinical"), "code": concept, "patient": subject}),
        Some(&"Condition") => json!({
            "resourceType": "Condition", "id": code,
            "clinicalStatus": status("condition-clinical"), "code": concept, "subject": subject}),
        _ => json!({
            "resourceType": "MedicationStatement", "id": code, "status": "unknown",
            "medicationCodeableConcept": concept, "subject": subject,
            "_effectiveDateTime": {"extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}}),
    }
}

/// The lines as XHTML; what stands in them is text.
fn narrative(lines: &[String]) -> String {
    let items: Vec<String> = lines
        .iter()
        .map(|it| format!("<li>{}</li>", escaped(it)))
        .collect();
    format!(
        "<div xmlns=\"http://www.w3.org/1999/xhtml\"><ul>{}</ul></div>",
        items.concat()
    )
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use access::Ods;
    use fhir::definitions::Definitions;
    use fhir::json::{self as strict, Limits};

    use super::*;

    fn site() -> Site {
        Site {
            organisation: Ods::parse("A81001").unwrap(),
            name: "Willow Road Surgery".into(),
            base_url: "http://127.0.0.1:8080".into(),
            roles: vec!["gp-practice".into()],
            look: std::sync::Arc::default(),
        }
    }

    fn taken(resources: Vec<Value>) -> Taken {
        Taken {
            patient: json!({"resourceType": "Patient", "id": "jane", "name": [{"family": "Example"}]}),
            resources,
            cut: Vec::new(),
        }
    }

    fn checked(resources: Vec<Value>) -> Value {
        let bundle = bundle(&site(), &taken(resources), 1_767_605_400_000).unwrap();
        let text = bundle.to_string();
        let read = strict::parse(text.as_bytes(), &Limits::default()).unwrap();
        fhir::validate::validate(&read, Definitions::r4()).unwrap();
        bundle
    }

    fn words(bundle: &Value) -> String {
        bundle["entry"][0]["resource"]["section"].to_string()
    }

    #[test]
    fn where_no_allergy_was_recorded_the_summary_says_no_information_and_never_none_known() {
        let empty = checked(Vec::new());
        let text = empty.to_string();
        assert_eq!(
            text.matches("No information about allergies").count(),
            3,
            "{text}"
        );
        for code in ["no-allergy-info", "no-medication-info", "no-problem-info"] {
            assert!(text.contains(code), "{code}");
        }
        assert!(
            !text.contains("no-known") && !text.contains("No known"),
            "{text}"
        );
        assert!(
            words(&empty).contains("unavailable"),
            "what may be left out says so too"
        );
    }

    #[test]
    fn what_is_recorded_is_in_the_summary_and_what_was_a_mistake_is_not() {
        let of = |id: &str, verified: &str| {
            json!({"resourceType": "AllergyIntolerance", "id": id, "code": {"text": "Penicillin <b>"},
                "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
                "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": verified}]},
                "patient": {"reference": "Patient/jane"}})
        };
        let mut mistake = of("b", "entered-in-error");
        mistake.as_object_mut().unwrap().remove("clinicalStatus");
        let bundle = checked(vec![of("a", "confirmed"), mistake]);
        let text = bundle.to_string();
        assert!(text.contains("AllergyIntolerance/a") && !text.contains("AllergyIntolerance/b"));
        assert!(!text.contains("no-allergy-info"));
        assert!(
            words(&bundle).contains("Penicillin &lt;b&gt;"),
            "{}",
            words(&bundle)
        );
    }
}
