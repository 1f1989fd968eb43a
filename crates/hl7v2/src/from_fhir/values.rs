//! FHIR's data types as fields.

use super::segment::{components, part, repetitions};
use super::{list, text};
use crate::to_fhir::names::NHS_NUMBER;
use serde_json::Value;

/// How our own identifier systems begin: `urn:handover:hl7v2:identifier:<facility>:<authority>`.
const OWN: &str = "urn:handover:hl7v2:identifier:";
/// The most identifiers, names and the like of one field.
const REPEATS_MAX: usize = 20;

/// A `date`, `dateTime` or `instant` as DTM: `2024-06-01T09:00:00+01:00` is `20240601090000+0100`.
pub(super) fn dtm(text: &str) -> String {
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let zone_at = time.find(['+', '-', 'Z']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut out = digits(date) + &digits(clock);
    if !fraction.is_empty() {
        out.push('.');
        // DTM has four digits of a second at most.
        out.extend(digits(fraction).chars().take(4));
    }
    match zone.chars().next() {
        Some('Z') => out.push_str("+0000"),
        Some(sign) => {
            out.push(sign);
            out.push_str(&digits(zone));
        }
        None => {}
    }
    out
}

/// The DTM at a pointer; empty where there is none.
pub(super) fn dtm_at(value: &Value, pointer: &str) -> String {
    text(value, pointer).map(dtm).unwrap_or_default()
}

/// Identifiers as CX, repeated.
pub(super) fn identifiers(resource: &Value) -> String {
    repetitions(
        list(resource, "identifier")
            .iter()
            .take(REPEATS_MAX)
            .map(cx),
    )
}

/// One identifier as CX: number, authority, kind.
pub(super) fn cx(identifier: &Value) -> String {
    let Some(value) = text(identifier, "/value") else {
        return String::new();
    };
    let system = text(identifier, "/system").unwrap_or_default();
    let kind = text(identifier, "/type/coding/0/code");
    if system == NHS_NUMBER {
        return components(&[value, "", "", "NHS", "NH"]);
    }
    let authority = authority(system);
    let kind = part(kind.unwrap_or("PI"));
    format!("{}^^^{authority}^{kind}", part(value))
}

/// A system as an authority (HD): the sender's own name for it, an OID, or the address itself.
fn authority(system: &str) -> String {
    if let Some(own) = system.strip_prefix(OWN) {
        let name = own.split_once(':').map_or(own, |(_, name)| name);
        return part(name);
    }
    if let Some(oid) = system.strip_prefix("urn:oid:") {
        return format!("&{}&ISO", part(oid));
    }
    if system.is_empty() {
        return String::new();
    }
    format!("&{}&URI", part(system))
}

/// An identifier as EI: number and authority.
pub(super) fn ei(identifier: &Value) -> String {
    let value = text(identifier, "/value").unwrap_or_default();
    let system = text(identifier, "/system").unwrap_or_default();
    if let Some(oid) = system.strip_prefix("urn:oid:") {
        return components(&[value, "", oid, "ISO"]);
    }
    match system.strip_prefix(OWN).and_then(|own| own.split_once(':')) {
        Some((_, name)) => components(&[value, name]),
        None => components(&[value]),
    }
}

/// The identifier of that type among a resource's, as EI.
pub(super) fn ei_of(resource: &Value, kind: &str) -> Option<String> {
    let of_kind = |it: &&Value| text(it, "/type/coding/0/code") == Some(kind);
    list(resource, "identifier").iter().find(of_kind).map(ei)
}

/// Names as XPN, repeated.
pub(super) fn names(resource: &Value) -> String {
    let name = |name: &Value| {
        let joined = |part: &str| -> String {
            let parts = list(name, part).iter().filter_map(Value::as_str);
            parts.collect::<Vec<_>>().join(" ")
        };
        let given: Vec<&str> = list(name, "given")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let (first, others) = match given.split_first() {
            Some((first, others)) => (*first, others.join(" ")),
            None => ("", String::new()),
        };
        let kind = match text(name, "/use") {
            Some("nickname") => "N",
            Some("maiden") => "M",
            Some("usual") => "D",
            Some("temp" | "old" | "anonymous") => "A",
            _ => "L",
        };
        let family = text(name, "/family").unwrap_or_default();
        let (suffix, prefix) = (joined("suffix"), joined("prefix"));
        if family.is_empty() && first.is_empty() {
            return part(text(name, "/text").unwrap_or_default());
        }
        components(&[family, first, &others, &suffix, &prefix, "", kind])
    };
    repetitions(list(resource, "name").iter().take(REPEATS_MAX).map(name))
}

/// Addresses as XAD, repeated.
pub(super) fn addresses(resource: &Value) -> String {
    let address = |address: &Value| {
        let lines: Vec<&str> = list(address, "line")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let (first, others) = match lines.split_first() {
            Some((first, others)) => (*first, others.join(", ")),
            None => ("", String::new()),
        };
        let at = |pointer: &str| text(address, pointer).unwrap_or_default();
        let kind = match at("/use") {
            "work" => "B",
            "temp" => "C",
            "old" => "BA",
            _ => "H",
        };
        let state = match at("/state") {
            "" => at("/district"),
            state => state,
        };
        let parts = [
            first,
            &others,
            at("/city"),
            state,
            at("/postalCode"),
            at("/country"),
        ];
        let said = parts.iter().any(|part| !part.is_empty());
        let [a, b, c, d, e, f] = parts;
        if said {
            components(&[a, b, c, d, e, f, kind])
        } else {
            String::new()
        }
    };
    repetitions(
        list(resource, "address")
            .iter()
            .take(REPEATS_MAX)
            .map(address),
    )
}

/// Ways to reach somebody as XTN, repeated: those at work, or all others.
pub(super) fn telecoms(resource: &Value, at_work: bool) -> String {
    let wanted = |it: &&Value| (text(it, "/use") == Some("work")) == at_work;
    let one = |it: &Value| {
        let value = text(it, "/value").unwrap_or_default();
        let place = if at_work { "WPN" } else { "PRN" };
        match (value, text(it, "/system"), text(it, "/use")) {
            ("", ..) => String::new(),
            (_, Some("email"), _) => components(&["", "NET", "Internet", value]),
            (_, Some("fax"), _) => components(&[value, place, "FX"]),
            (_, _, Some("mobile")) => components(&[value, place, "CP"]),
            _ => components(&[value, place, "PH"]),
        }
    };
    let telecoms = list(resource, "telecom").iter().filter(wanted);
    repetitions(telecoms.take(REPEATS_MAX).map(one))
}

/// A CodeableConcept as CWE: at most two codings, and the words.
pub(super) fn cwe(concept: Option<&Value>) -> String {
    let Some(concept) = concept else {
        return String::new();
    };
    let codings = list(concept, "coding");
    let mut parts: Vec<String> = Vec::new();
    for n in 0..2 {
        let coding = codings.get(n);
        let at = |name: &str| coding.and_then(|c| c.get(name)).and_then(Value::as_str);
        parts.push(at("code").unwrap_or_default().to_owned());
        parts.push(at("display").unwrap_or_default().to_owned());
        parts.push(at("system").map(coding_system).unwrap_or_default());
    }
    let words = text(concept, "/text").unwrap_or_default();
    if parts.iter().all(String::is_empty) {
        // Words alone stand where their code's would.
        return components(&["", words]);
    }
    parts.extend([String::new(), String::new(), words.to_owned()]);
    components(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A code system by its name in HL7 table 0396, else by its OID or the last part of its address.
fn coding_system(system: &str) -> String {
    let known = [
        ("http://loinc.org", "LN"),
        ("http://snomed.info/sct", "SCT"),
        ("http://unitsofmeasure.org", "UCUM"),
        ("http://hl7.org/fhir/sid/icd-10", "I10"),
        ("https://dmd.nhs.uk", "DMD"),
    ];
    if let Some((_, name)) = known.iter().find(|(uri, _)| *uri == system) {
        return (*name).to_owned();
    }
    let table = system.strip_prefix("http://terminology.hl7.org/CodeSystem/v2-");
    if let Some(table) = table.filter(|t| t.len() == 4) {
        return format!("HL7{table}");
    }
    let last = system.rsplit([':', '/']).next().unwrap_or(system);
    last.to_owned()
}

/// A person or place that a reference shows, as a name in the second component (XCN, PL).
pub(super) fn shown(reference: Option<&Value>) -> &str {
    reference
        .and_then(|r| text(r, "/display"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_keep_their_zone_and_their_precision() {
        for (fhir, v2) in [
            ("2024-06-01T09:00:00+01:00", "20240601090000+0100"),
            ("2024-06-01T09:00:00.25Z", "20240601090000.25+0000"),
            ("2024-06-01", "20240601"),
            ("2024-06", "202406"),
            ("", ""),
        ] {
            assert_eq!(dtm(fhir), v2);
        }
    }

    #[test]
    fn identifiers_go_out_as_they_came_in() {
        let cx_of = |system: &str, kind: &str| {
            cx(&json!({"system": system, "value": "7", "type": {"coding": [{"code": kind}]}}))
        };
        assert_eq!(cx_of(NHS_NUMBER, "x"), "7^^^NHS^NH");
        assert_eq!(
            cx_of("urn:handover:hl7v2:identifier:RXX01:PAS", "MR"),
            "7^^^PAS^MR"
        );
        assert_eq!(cx_of("urn:oid:1.2", "MR"), "7^^^&1.2&ISO^MR");
        assert_eq!(cx_of("https://a&b", "MR"), "7^^^&https://a\\T\\b&URI^MR");
    }

    #[test]
    fn concepts_keep_two_codings_and_their_words() {
        let concept = json!({"coding": [
            {"system": "http://snomed.info/sct", "code": "1", "display": "One"},
            {"system": "urn:handover:hl7v2:codes:RXX01:L", "code": "2"}
        ], "text": "Eins"});
        assert_eq!(cwe(Some(&concept)), "1^One^SCT^2^^L^^^Eins");
        assert_eq!(cwe(Some(&json!({"text": "x"}))), "^x");
        assert_eq!(cwe(None), "");
    }
}
