//! The code systems and value sets that R4 defines (<https://hl7.org/fhir/R4/terminologies-systems.html>),
//! without their descriptions: made by `cargo xtask definitions`, compiled in, unpacked at the first
//! question about one that nobody has loaded.

use std::collections::HashMap;
use std::sync::OnceLock;

const TABLE: &[u8] = include_bytes!("../../definitions/systems.txt.zst");

/// What the table unpacks to, at most.
const TABLE_BYTES_MAX: usize = 8 << 20;

/// The resources as text, by address.
#[derive(Default)]
struct Published {
    systems: HashMap<&'static str, &'static str>,
    sets: HashMap<&'static str, &'static str>,
    /// The system whose codes are all that is in a value set.
    wholes: HashMap<&'static str, &'static str>,
}

fn published() -> &'static Published {
    static PUBLISHED: OnceLock<Published> = OnceLock::new();
    PUBLISHED.get_or_init(|| read().unwrap_or_default())
}

/// `None` if the table is not as it was made; a test holds that it is.
fn read() -> Option<Published> {
    let bytes = zstd::bulk::decompress(TABLE, TABLE_BYTES_MAX).ok()?;
    let text: &'static str = String::from_utf8(bytes).ok()?.leak();
    let mut published = Published::default();
    for line in text.lines() {
        let mut parts = line.splitn(4, '\t');
        let (kind, address, whole) = (parts.next()?, parts.next()?, parts.next()?);
        let json = parts.next()?;
        if kind == "v" {
            published.sets.insert(address, json);
            continue;
        }
        published.systems.insert(address, json);
        if !whole.is_empty() {
            published.wholes.insert(whole, address);
        }
    }
    Some(published)
}

/// The code system of that address, as a CodeSystem resource in JSON.
pub fn code_system(address: &str) -> Option<&'static str> {
    published().systems.get(address).copied()
}

/// The value set of that address, as a ValueSet resource in JSON.
pub fn value_set(address: &str) -> Option<&'static str> {
    published().sets.get(address).copied()
}

/// The address of the code system whose codes are all that is in that value set.
pub fn whole_of(value_set: &str) -> Option<&'static str> {
    published().wholes.get(value_set).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};
    use crate::terminology::code_system::CodeSystem;
    use crate::terminology::compose::ValueSet;

    #[test]
    fn every_code_system_and_value_set_that_r4_defines_reads() {
        let published = published();
        assert!(
            published.systems.len() > 1000,
            "{}",
            published.systems.len()
        );
        assert!(published.sets.len() > 1000, "{}", published.sets.len());
        for (address, text) in &published.systems {
            let json = parse(text.as_bytes(), &Limits::default()).unwrap();
            let system = CodeSystem::read(&json).unwrap();
            assert_eq!(system.url, *address);
            assert!(system.hierarchy().is_ok(), "{address}");
        }
        for text in published.sets.values() {
            ValueSet::read(&parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap();
        }
    }

    #[test]
    fn they_are_found_by_address_and_others_are_not() {
        let gender = code_system("http://hl7.org/fhir/administrative-gender").unwrap();
        assert!(gender.contains("Female"));
        assert!(code_system("http://snomed.info/sct").is_none());
        assert!(value_set("http://hl7.org/fhir/ValueSet/observation-category").is_some());
        let all = "http://terminology.hl7.org/ValueSet/v3-ActCode";
        let system = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
        assert_eq!(whole_of(all), Some(system));
    }
}
