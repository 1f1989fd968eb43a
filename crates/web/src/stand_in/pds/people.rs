//! Whom the stand-in knows, and who is like whom.

use access::NhsNumber;
use exchange::pds::said;
use fhir::members::{each, text};
use fhir::search::fold;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Refusal, SPINE};

/// People in one answer at most.
const FOUND_MAX: usize = 50;
/// The search parameters of PDS.
const PARAMETERS: [&str; 14] = [
    "_fuzzy-match",
    "_exact-match",
    "_history",
    "_max-results",
    "family",
    "given",
    "gender",
    "birthdate",
    "death-date",
    "address-postalcode",
    "address-postcode",
    "general-practitioner",
    "email",
    "phone",
];
/// How like somebody is who was found by a search that is not exact.
const SCORE: f64 = 0.9;

/// The made-up people.
#[derive(Debug)]
pub(super) struct People {
    persons: Vec<Value>,
    /// A number, and what stands for it; nothing, if it was taken out of use.
    gone: Vec<(String, Option<String>)>,
}

/// The NHS number that a Patient has.
fn number(person: &Value) -> Option<String> {
    let mut all = each(person, "/identifier");
    let found = all.find(|it| text(it, "/system") == NhsNumber::SYSTEM);
    let found = found.map_or(text(person, "/id"), |it| text(it, "/value"));
    NhsNumber::parse(found)
        .ok()
        .map(|it| it.digits().to_owned())
}

fn refuse<T>(word: &'static str, said: impl Into<String>) -> Result<T, Refusal> {
    Err((StatusCode::BAD_REQUEST, "value", word, said.into()))
}

impl People {
    pub(super) fn read(text_of: &str) -> Result<People, String> {
        let list: Value = serde_json::from_str(text_of).map_err(|cause| cause.to_string())?;
        let list = list.as_array().ok_or("the people are a JSON list")?;
        let mut people = People {
            persons: Vec::new(),
            gone: Vec::new(),
        };
        for (at, entry) in list.iter().enumerate() {
            if text(entry, "/resourceType") == "Patient" {
                let number = number(entry).ok_or(format!("person {at} has no NHS number"))?;
                let mut person = said::kept(entry, false);
                if let Some(members) = person.as_object_mut() {
                    members.insert("id".to_owned(), number.into());
                }
                people.persons.push(person);
                continue;
            }
            let by = text(entry, "/supersededBy");
            let by = (!by.is_empty()).then(|| by.to_owned());
            people.gone.push((text(entry, "/number").to_owned(), by));
        }
        Ok(people)
    }

    fn of(&self, number: &str) -> Option<&Value> {
        self.persons.iter().find(|it| text(it, "/id") == number)
    }

    pub(super) fn read_one(&self, asked: &str) -> Result<Value, Refusal> {
        if asked.len() != 10 || NhsNumber::parse(asked).is_err() {
            return refuse("INVALID_RESOURCE_ID", "Resource Id is invalid");
        }
        let absent = |word| Err((StatusCode::NOT_FOUND, "not-found", word, String::new()));
        let gone = self.gone.iter().find(|(number, _)| number == asked);
        let now = match gone {
            Some((_, None)) => return absent("INVALIDATED_RESOURCE"),
            Some((_, Some(by))) => by.as_str(),
            None => asked,
        };
        match self.of(now) {
            Some(person) => Ok(person.clone()),
            None => absent("RESOURCE_NOT_FOUND"),
        }
    }

    pub(super) fn search(&self, pairs: &[(String, String)]) -> Result<Value, Refusal> {
        if let Some((name, _)) = pairs
            .iter()
            .find(|(name, _)| !PARAMETERS.contains(&name.as_str()))
        {
            let said = format!(
                "Invalid request with error - Additional properties are not allowed ('{name}' was unexpected)"
            );
            return refuse("ADDITIONAL_PROPERTIES", said);
        }
        if pairs.is_empty() {
            return refuse("UNSUPPORTED_SERVICE", "Unsupported Service");
        }
        let of = |name: &str| {
            let mut all = pairs.iter();
            all.find(|(known, _)| known == name)
                .map_or("", |it| it.1.trim())
        };
        if of("birthdate").is_empty() {
            let said = "Missing value - 'birth_date/birth_date_range_start/birth_date_range_end'";
            return refuse("MISSING_VALUE", said);
        }
        if of("family").is_empty() {
            let said = "Not enough search parameters were provided to be able to make a search";
            return refuse("TOO_FEW_VALUES_SUBMITTED", said);
        }
        for (_, value) in pairs.iter().filter(|(name, _)| name == "birthdate") {
            let day = value.trim_start_matches(|it: char| it.is_ascii_lowercase());
            let is_known = ["eq", "ge", "le", "2", "1"]
                .iter()
                .any(|it| value.starts_with(it));
            if !is_known || day.len() != 10 || fhir::date::span(day).is_none() {
                let said = format!("Invalid value - '{value}' in field 'birthdate'");
                return refuse("INVALID_VALUE", said);
            }
        }
        let places = [
            "address-postalcode",
            "address-postcode",
            "general-practitioner",
        ];
        let by_place = places.iter().any(|it| !of(it).is_empty());
        let mut found: Vec<(f64, &Value)> = Vec::new();
        for person in &self.persons {
            // By where somebody lives no restricted patient is found.
            if by_place && said::is_restricted(person) {
                continue;
            }
            if let Some(score) = likeness(person, pairs) {
                found.push((score, person));
            }
        }
        let most = of("_max-results")
            .parse()
            .unwrap_or(FOUND_MAX)
            .min(FOUND_MAX);
        if found.len() > most {
            return Ok(too_many());
        }
        found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let entries: Vec<Value> = found
            .iter()
            .map(|(score, person)| {
                let url = format!("https://stand-in.invalid/Patient/{}", text(person, "/id"));
                json!({ "fullUrl": url, "search": { "score": score }, "resource": person })
            })
            .collect();
        Ok(json!({
            "resourceType": "Bundle", "type": "searchset",
            "total": entries.len(), "entry": entries,
        }))
    }
}

fn too_many() -> Value {
    let coding = json!({
        "system": SPINE, "version": "1", "code": "TOO_MANY_MATCHES", "display": "Too Many Matches",
    });
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": "information", "code": "multiple-matches", "details": { "coding": [coding] },
        }],
    })
}

/// Whether a text is the wanted one; a wanted one that ends with `*` is the beginning of it.
fn is_like(known: &str, wanted: &str) -> bool {
    let (known, wanted) = (fold(known), wanted.trim());
    match wanted.strip_suffix('*') {
        Some(start) => known.starts_with(&fold(start)),
        None => known == fold(wanted),
    }
}

/// How like a person is: 1 if all that is asked for is theirs; less if a name was given with `*`; none if anything
/// is not.
fn likeness(person: &Value, pairs: &[(String, String)]) -> Option<f64> {
    let names: Vec<&Value> = each(person, "/name").collect();
    let plain = |text: &str| {
        text.chars()
            .filter(|it| !it.is_whitespace())
            .collect::<String>()
    };
    let mut exact = true;
    for (name, wanted) in pairs {
        exact &= !wanted.contains('*');
        let fits = match name.as_str() {
            "family" => names.iter().any(|it| is_like(text(it, "/family"), wanted)),
            "given" => names.iter().any(|it| {
                each(it, "/given").any(|given| is_like(given.as_str().unwrap_or_default(), wanted))
            }),
            "gender" => text(person, "/gender") == wanted,
            "birthdate" => born(text(person, "/birthDate"), wanted),
            "address-postalcode" | "address-postcode" => each(person, "/address")
                .any(|it| is_like(&plain(text(it, "/postalCode")), &plain(wanted))),
            "general-practitioner" => said::practice(person) == Some(wanted.as_str()),
            "email" | "phone" => {
                each(person, "/telecom").any(|it| text(it, "/value").eq_ignore_ascii_case(wanted))
            }
            "death-date" => false,
            _ => true,
        };
        if !fits {
            return None;
        }
    }
    Some(if exact { 1.0 } else { SCORE })
}

fn born(known: &str, wanted: &str) -> bool {
    let day = wanted.trim_start_matches(|it: char| it.is_ascii_lowercase());
    match wanted.get(..2) {
        Some("ge") => known >= day,
        Some("le") => known <= day,
        _ => known == day,
    }
}
