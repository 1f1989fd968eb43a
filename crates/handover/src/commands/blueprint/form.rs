//! What a blueprint says of itself: `package.json` and `blueprint.json` (`docs/blueprints.md`).

use exchange::PublicKey;
use serde::{Deserialize, Serialize};

/// What an npm-like package must say; the rest of it is its writer's.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    #[serde(rename = "fhirVersions", default)]
    pub fhir_versions: Vec<String>,
    #[serde(rename = "type", default)]
    pub kind: String,
}

/// What `type` says in `package.json`.
pub const PACKAGE_TYPE: &str = "handover.blueprint";
/// What `blueprint` says in `blueprint.json`: the form of these files.
pub const FORM: u32 = 1;
/// The files that every blueprint has, beside its parts.
pub const PACKAGE: &str = "package.json";
pub const BLUEPRINT: &str = "blueprint.json";
pub const SIGNATURE: &str = "signature.jws";
pub const README: &str = "README.md";

/// `blueprint.json`. Members are written in this order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    pub blueprint: u32,
    pub title: String,
    /// In plain words, what it is for.
    pub about: String,
    /// Who packed it; written by `pack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    pub contains: Vec<Contained>,
    #[serde(default)]
    pub needs: Needs,
    #[serde(default)]
    pub samples: Vec<Sample>,
}

/// Who packed and signed it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    pub ods: String,
    pub name: String,
    /// The key that it is signed with. That it is this organisation's, only a directory says.
    pub key: PublicKey,
}

/// One part.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Contained {
    pub file: String,
    /// rule, questionnaire, template or mapping.
    pub kind: String,
    /// Roles of organisations (`hospital`, `gp-practice`) that it is for; all if there are none.
    #[serde(rename = "for", default, skip_serializing_if = "Vec::is_empty")]
    pub fors: Vec<String>,
}

/// What must be here for it to be of use.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    #[serde(default)]
    pub teams: Vec<TeamNeed>,
    #[serde(default)]
    pub roles: Vec<RoleNeed>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TeamNeed {
    pub name: String,
    pub why: String,
    /// Whether it is begun, empty, where there is none of that name.
    #[serde(default)]
    pub begin: bool,
    #[serde(rename = "for", default, skip_serializing_if = "Vec::is_empty")]
    pub fors: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoleNeed {
    /// clinician or clerk.
    pub role: String,
    pub why: String,
    #[serde(rename = "for", default, skip_serializing_if = "Vec::is_empty")]
    pub fors: Vec<String>,
}

/// Something to try a part with. Only made-up people may be in it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    pub file: String,
    /// The part's file: a mapping (the sample is HL7 v2) or a rule (the sample is the event's resource).
    pub of: String,
    /// Of a rule: what happens.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub event: String,
    /// Of a rule: the codes of the steps that must follow; none if it must not apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub does: Vec<String>,
    /// Of a mapping: types of the resources that must come of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub becomes: Vec<String>,
}

/// Whether something for these kinds of organisation is for one of those.
pub fn is_for(fors: &[String], organisation: &[String]) -> bool {
    fors.is_empty() || fors.iter().any(|it| organisation.contains(it))
}

/// Whether a name is one: lower-case letters, digits, hyphens and full stops, beginning with a letter.
pub fn is_name(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    name.len() <= 60
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(plain)
}

/// A version's numbers: one to four, with full stops between them.
pub fn version(text: &str) -> Option<Vec<u32>> {
    let numbers = text.split('.').map(|part| {
        let plain = part.len() <= 6 && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse().ok()).flatten()
    });
    let numbers: Vec<u32> = numbers.collect::<Option<_>>()?;
    (1..=4).contains(&numbers.len()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_and_are_ordered_by_them() {
        assert!(version("1.10") > version("1.9.3"));
        for wrong in ["", "1.", "1.x", "1.2.3.4.5", "-1", "1.0000001"] {
            assert_eq!(version(wrong), None, "{wrong}");
        }
        assert!(is_name("nhs.discharge-1") && !is_name("1st") && !is_name("Up") && !is_name("a/b"));
    }
}
