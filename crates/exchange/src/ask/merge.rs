//! Several organisations' answers as one list. What two of them hold is one thing only where a business identifier and
//! what tells such things apart agree: laboratories put one order number on each report of the order, and
//! prescribers one on each item. Within one source nothing is ever merged away, and in doubt both are shown.

use std::collections::{BTreeSet, HashMap, HashSet};

use fhir::date::{self, Millis};
use serde_json::Value;

/// Identifiers of one resource that are looked at; with more it is shown beside its like.
const IDENTIFIERS_MAX: usize = 16;

/// One thing that is known of the patient, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// A resource type.
    pub ty: String,
    /// The newest, as its source gave it.
    pub resource: Value,
    /// When its source last changed it; 0 if it does not say.
    pub updated: Millis,
    /// Whose it is, then who else holds it: places in the list of sources.
    pub sources: Vec<usize>,
}

/// System and value.
type Identifier = (String, String);

/// What two must share to be one thing.
struct Name {
    /// The identifier with what tells apart those that bear it.
    whole: String,
    /// As a source may have it once only, for it to name anything.
    once: String,
}

/// All of them, the newest first.
pub(super) fn merge(answers: Vec<(usize, Vec<Value>)>) -> Vec<Item> {
    let twice = twice(&answers);
    let mut items: Vec<Item> = Vec::new();
    // For each item, the identifiers of all that it is made of.
    let mut borne: Vec<Vec<Identifier>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (source, resources) in answers {
        for resource in resources {
            let identifiers = identifiers(&resource);
            let mut names = named(&resource, &identifiers);
            names.retain(|name| !twice.contains(&name.once));
            let is_same = |at: &usize| {
                let is_others = items
                    .get(*at)
                    .is_some_and(|it| !it.sources.contains(&source));
                is_others && borne.get(*at).is_some_and(|its| agree(its, &identifiers))
            };
            let found = names.iter().filter_map(|name| known.get(&name.whole));
            let number = found.copied().find(is_same).unwrap_or(items.len());
            match items.get_mut(number) {
                Some(item) => add(item, source, resource),
                None => items.push(Item {
                    ty: text(&resource, "resourceType").to_owned(),
                    updated: updated(&resource),
                    sources: vec![source],
                    resource,
                }),
            }
            match borne.get_mut(number) {
                Some(its) => its.extend(identifiers),
                None => borne.push(identifiers),
            }
            for name in names {
                known.entry(name.whole).or_insert(number);
            }
        }
    }
    items.sort_by_key(|item| std::cmp::Reverse(item.updated));
    items
}

/// By what a resource is the same as another organisation's, each as one text: its business identifiers with what tells
/// apart those that bear one. None where that is not said.
pub fn names(resource: &Value) -> Vec<String> {
    let named = named(resource, &identifiers(resource));
    named.into_iter().map(|name| name.whole).collect()
}

/// The same thing by another source: the newer of the two is shown, and both are named.
fn add(item: &mut Item, source: usize, resource: Value) {
    let at = updated(&resource);
    if at > item.updated {
        item.updated = at;
        item.resource = resource;
        item.sources.insert(0, source);
    } else {
        item.sources.push(source);
    }
}

/// What one source has more than once, and what therefore names nothing.
fn twice(answers: &[(usize, Vec<Value>)]) -> HashSet<String> {
    let mut seen: HashSet<(usize, String)> = HashSet::new();
    let mut twice = HashSet::new();
    for (source, resources) in answers {
        for resource in resources {
            let names = named(resource, &identifiers(resource));
            for once in names.into_iter().map(|name| name.once) {
                if !seen.insert((*source, once.clone())) {
                    twice.insert(once);
                }
            }
        }
    }
    twice
}

fn named(resource: &Value, identifiers: &[Identifier]) -> Vec<Name> {
    let ty = text(resource, "resourceType");
    let Some(apart) = told_apart(ty, resource) else {
        return Vec::new();
    };
    let name = |(system, value): &Identifier| {
        let borne = format!("{ty}\n{system}\n{value}");
        let whole = format!("{borne}\n{apart}");
        let once = match ty {
            // A laboratory's number names one report for each service of the order.
            "DiagnosticReport" | "Observation" => whole.clone(),
            _ => borne,
        };
        Name { whole, once }
    };
    identifiers.iter().map(name).collect()
}

/// What tells apart resources of that type that bear one number: what they are of, and when it was. `None` where it is not
/// said, or only in words of its source: then they cannot be told apart.
fn told_apart(ty: &str, resource: &Value) -> Option<String> {
    let concept = match ty {
        "DiagnosticReport" | "Observation" | "ServiceRequest" | "Procedure" | "Condition"
        | "AllergyIntolerance" => "code",
        "MedicationRequest" | "MedicationStatement" => "medicationCodeableConcept",
        "Immunization" => "vaccineCode",
        "FamilyMemberHistory" => "relationship",
        _ => return Some(String::new()),
    };
    let of = meaning(resource.get(concept)?)?;
    Some(format!("{of}\n{}", moment(resource)))
}

/// The codes of a concept in order, else its words.
fn meaning(concept: &Value) -> Option<String> {
    let codings = concept.get("coding").and_then(Value::as_array);
    let codings = codings.map_or(&[][..], Vec::as_slice).iter();
    let codes: BTreeSet<(&str, &str)> = codings
        .map(|it| (text(it, "system"), text(it, "code")))
        .filter(|(_, code)| !code.is_empty())
        .collect();
    if codes.is_empty() {
        let words = text(concept, "text").trim().to_lowercase();
        return (!words.is_empty()).then_some(words);
    }
    let codes: Vec<String> = codes
        .into_iter()
        .map(|(system, code)| format!("{system}|{code}"))
        .collect();
    Some(codes.join("\n"))
}

/// When it was, so that a number that is used again years later names another; empty if it is not said.
fn moment(resource: &Value) -> String {
    let places = [
        "/effectiveDateTime",
        "/effectiveInstant",
        "/effectivePeriod/start",
        "/authoredOn",
        "/occurrenceDateTime",
        "/performedDateTime",
        "/performedPeriod/start",
    ];
    let mut said = places
        .iter()
        .filter_map(|at| resource.pointer(at).and_then(Value::as_str));
    let Some(said) = said.next() else {
        return String::new();
    };
    // The same moment is written in more than one zone.
    date::span(said).map_or_else(|| said.to_owned(), |it| format!("{}-{}", it.low, it.high))
}

/// Its business identifiers, each once; one without a system names nothing beyond its source.
fn identifiers(resource: &Value) -> Vec<Identifier> {
    let listed = resource.get("identifier").and_then(Value::as_array);
    let listed = listed.map_or(&[][..], Vec::as_slice).iter();
    let all = listed.chain(resource.get("masterIdentifier"));
    let named = all.filter_map(|identifier| {
        let (system, value) = (text(identifier, "system"), text(identifier, "value"));
        let is_whole = !system.is_empty() && !value.is_empty();
        is_whole.then(|| (system.to_owned(), value.to_owned()))
    });
    let named: BTreeSet<Identifier> = named.collect();
    named.into_iter().take(IDENTIFIERS_MAX).collect()
}

/// Whether two say the same in each system that both use: one order may be filled twice, under two numbers.
fn agree(a: &[Identifier], b: &[Identifier]) -> bool {
    let lacks = |of: &[Identifier], (system, value): &Identifier| {
        let mut uses = false;
        let has = of.iter().filter(|it| it.0 == *system).any(|it| {
            uses = true;
            it.1 == *value
        });
        uses && !has
    };
    !a.iter().any(|it| lacks(b, it)) && !b.iter().any(|it| lacks(a, it))
}

fn updated(resource: &Value) -> Millis {
    let at = resource
        .pointer("/meta/lastUpdated")
        .and_then(Value::as_str);
    at.and_then(date::span).map_or(0, |span| span.low)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(id: &str, number: Option<&str>, day: u8) -> Value {
        let mut resource = json!({
            "resourceType": "Observation",
            "id": id,
            "code": { "coding": [{ "system": "urn:tests", "code": "K" }] },
            "meta": { "lastUpdated": format!("2026-01-{day:02}T09:00:00Z") },
        });
        if let Some(number) = number {
            resource["identifier"] = json!([{ "system": "urn:lab", "value": number }]);
        }
        resource
    }

    /// A report of that service under that number of the laboratory's.
    fn report(id: &str, number: &str, service: &str) -> Value {
        json!({
            "resourceType": "DiagnosticReport",
            "id": id,
            "identifier": [{ "system": "urn:lab", "value": number }],
            "code": { "coding": [{ "system": "urn:tests", "code": service }] },
            "effectiveDateTime": "2026-01-05T09:00:00Z",
        })
    }

    /// Ids of what is shown, each with its sources, by id.
    fn shown(answers: Vec<(usize, Vec<Value>)>) -> Vec<(String, Vec<usize>)> {
        let items = merge(answers).into_iter();
        let told = items.map(|it| (text(&it.resource, "id").to_owned(), it.sources));
        let mut told: Vec<_> = told.collect();
        told.sort();
        told
    }

    fn told(ids: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
        let owned = ids.iter().map(|(id, of)| ((*id).to_owned(), of.to_vec()));
        owned.collect()
    }

    #[test]
    fn what_two_hold_under_one_identifier_is_one_thing_of_both_and_the_newest() {
        let items = merge(vec![
            (0, vec![result("a", Some("1"), 3), result("b", None, 9)]),
            (1, vec![result("c", Some("1"), 5)]),
            (
                2,
                vec![result("d", Some("1"), 4), result("e", Some("2"), 1)],
            ),
        ]);
        let told: Vec<(&str, &[usize])> = items
            .iter()
            .map(|it| (it.resource["id"].as_str().unwrap(), it.sources.as_slice()))
            .collect();
        assert_eq!(
            told,
            [("b", &[0][..]), ("c", &[1, 0, 2][..]), ("e", &[2][..])]
        );
    }

    #[test]
    fn the_same_value_of_another_system_or_type_or_of_none_is_another_thing() {
        let mut other = result("x", Some("1"), 1);
        other["identifier"][0]["system"] = json!("urn:other");
        let mut bare = result("y", Some("1"), 1);
        bare["identifier"][0]
            .as_object_mut()
            .unwrap()
            .remove("system");
        let mut report = result("z", Some("1"), 1);
        report["resourceType"] = json!("DiagnosticReport");
        let own = result("a", Some("1"), 1);
        let items = merge(vec![(0, vec![own]), (1, vec![other, bare, report])]);
        assert_eq!(items.len(), 4);
    }

    #[test]
    fn two_reports_of_one_order_from_one_hospital_are_both_shown() {
        let both = vec![report("fbc", "L123", "FBC"), report("u-e", "L123", "U&E")];
        let expected = told(&[("fbc", &[0]), ("u-e", &[0])]);
        assert_eq!(shown(vec![(0, both)]), expected);
        // Not even the same report twice: who holds it knows why there are two.
        let twice = vec![report("a", "L123", "FBC"), report("b", "L123", "FBC")];
        let elsewhere = vec![report("c", "L123", "FBC")];
        let expected = told(&[("a", &[0]), ("b", &[0]), ("c", &[1])]);
        assert_eq!(shown(vec![(0, twice), (1, elsewhere)]), expected);
    }

    #[test]
    fn each_report_of_an_order_is_one_with_its_like_elsewhere_and_with_no_other() {
        let here = vec![report("fbc", "L123", "FBC"), report("u-e", "L123", "U&E")];
        let there = vec![report("copy", "L123", "U&E")];
        let expected = told(&[("fbc", &[0]), ("u-e", &[0, 1])]);
        assert_eq!(shown(vec![(0, here), (1, there)]), expected);
        // Only the number is shared.
        let one = |id: &str, service: &str| vec![report(id, "L123", service)];
        let expected = told(&[("fbc", &[0]), ("u-e", &[1])]);
        let answers = vec![(0, one("fbc", "FBC")), (1, one("u-e", "U&E"))];
        assert_eq!(shown(answers), expected);
        // The number is used again.
        let mut later = report("later", "L123", "FBC");
        later["effectiveDateTime"] = json!("2029-01-05T09:00:00Z");
        let expected = told(&[("fbc", &[0]), ("later", &[1])]);
        assert_eq!(
            shown(vec![(0, one("fbc", "FBC")), (1, vec![later])]),
            expected
        );
        // The same moment, as another zone writes it.
        let mut summer = report("zone", "L123", "FBC");
        summer["effectiveDateTime"] = json!("2026-01-05T10:00:00+01:00");
        let expected = told(&[("fbc", &[0, 1])]);
        assert_eq!(
            shown(vec![(0, one("fbc", "FBC")), (1, vec![summer])]),
            expected
        );
    }

    #[test]
    fn a_number_that_several_requests_of_one_source_share_names_none_of_them() {
        let request = |id: &str, medicine: &str| {
            json!({
                "resourceType": "MedicationRequest",
                "id": id,
                "identifier": [{ "system": "urn:group", "value": "G1" }],
                "medicationCodeableConcept": { "text": medicine },
            })
        };
        let group = vec![request("a", "Amoxicillin"), request("b", "Ibuprofen")];
        let there = vec![request("c", "Amoxicillin")];
        let expected = told(&[("a", &[0]), ("b", &[0]), ("c", &[1])]);
        assert_eq!(shown(vec![(0, group), (1, there)]), expected);
        // Nothing says what it is for.
        let bare = |id: &str| {
            let mut order = report(id, "O1", "FBC");
            order["resourceType"] = json!("ServiceRequest");
            order.as_object_mut().unwrap().remove("code");
            vec![order]
        };
        let expected = told(&[("x", &[0]), ("y", &[1])]);
        assert_eq!(shown(vec![(0, bare("x")), (1, bare("y"))]), expected);
    }

    #[test]
    fn an_order_that_was_filled_twice_is_two_reports() {
        let filled = |id: &str, number: &str| {
            let mut report = report(id, number, "FBC");
            let order = json!({ "system": "urn:orders", "value": "P1" });
            report["identifier"].as_array_mut().unwrap().push(order);
            vec![report]
        };
        let expected = told(&[("a", &[0]), ("b", &[1])]);
        assert_eq!(
            shown(vec![(0, filled("a", "L1")), (1, filled("b", "L2"))]),
            expected
        );
        let expected = told(&[("a", &[0, 1])]);
        assert_eq!(
            shown(vec![(0, filled("a", "L1")), (1, filled("b", "L1"))]),
            expected
        );
    }
}
