//! Index entries that no path finds: where a Location is, and whose record a Patient's continues.

use super::{Entry, Value};
use crate::json::Json;
use crate::resource::check_id;
use crate::search::near;

/// The code under which a Patient that replaces another (a merge of two records) names it.
pub const REPLACES: &str = "link#replaces";

pub(super) fn of(ty: &str, resource: &Json<'_>, entries: &mut Vec<Entry>) {
    match ty {
        "Location" => entries.extend(near::entry(resource)),
        "Patient" => replaced(resource, entries),
        _ => {}
    }
}

/// `Patient.link` of the type `replaces`, where it names a Patient of ours.
fn replaced(patient: &Json<'_>, entries: &mut Vec<Entry>) {
    for link in patient.items("link") {
        let other = link.get("other").and_then(|other| other.text("reference"));
        let is_ours = |it: &&str| {
            let id = it.strip_prefix("Patient/");
            id.is_some_and(|id| check_id(id).is_ok())
        };
        if link.text("type") == Some("replaces")
            && let Some(target) = other.filter(is_ours)
        {
            let target = target.to_string();
            let value = Value::Reference { target };
            if !entries
                .iter()
                .any(|it| it.code == REPLACES && it.value == value)
            {
                entries.push(Entry {
                    code: REPLACES,
                    value,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};
    use crate::search::extract;

    #[test]
    fn a_patient_names_the_records_that_it_replaces_each_once() {
        let text = r#"{"resourceType":"Patient","link":[
            {"type":"replaces","other":{"reference":"Patient/a"}},
            {"type":"replaces","other":{"reference":"Patient/a"}},
            {"type":"seealso","other":{"reference":"Patient/b"}},
            {"type":"replaced-by","other":{"reference":"Patient/c"}},
            {"type":"replaces","other":{"reference":"RelatedPerson/d"}},
            {"type":"replaces","other":{"reference":"https://other.example/Patient/e"}}]}"#;
        let patient = parse(text.as_bytes(), &Limits::default()).unwrap();
        let found = extract("Patient", &patient);
        let found: Vec<_> = found.iter().filter(|it| it.code == REPLACES).collect();
        let target = "Patient/a".to_string();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].value, Value::Reference { target });
    }
}
