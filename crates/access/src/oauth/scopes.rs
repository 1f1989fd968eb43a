//! SMART scopes, versions 1 and 2, with search restrictions
//! (<https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>).

use fhir::definitions::Definitions;
use fhir::search::{ParameterKind, parameter};

use super::granted::{Granted, Letters, Only, Rule, TokenIs};

/// The longest list of scopes, in bytes, and the most in it.
const BYTES_MAX: usize = 4000;
const SCOPES_MAX: usize = 64;
/// The most restrictions of one scope, and values of one restriction.
const RESTRICTIONS_MAX: usize = 4;
const VALUES_MAX: usize = 16;

/// Whose records a resource scope is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// One patient's, the one of the launch.
    Patient,
    /// What the user may see.
    User,
    /// A system's own, with nobody signed in.
    System,
}

/// `patient/Observation.rs?category=laboratory`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceScope {
    pub level: Level,
    pub ty: Option<String>,
    pub letters: Letters,
    pub only: Vec<Only>,
    text: String,
}

/// What an app asks for, as far as this server knows it: the rest is left out, as OAuth has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    pub openid: bool,
    pub fhir_user: bool,
    /// An EHR launch.
    pub launch: bool,
    pub launch_patient: bool,
    pub offline: bool,
    pub online: bool,
    pub resources: Vec<ResourceScope>,
}

impl Level {
    fn text(self) -> &'static str {
        match self {
            Level::Patient => "patient",
            Level::User => "user",
            Level::System => "system",
        }
    }
}

impl Scopes {
    /// Reads a list. What is unknown, or would allow more than can be held to (a restriction by
    /// another than a token parameter, changes within one patient's records), is left out or
    /// narrowed; `text` says what is left.
    pub fn parse(text: &str) -> Scopes {
        let mut scopes = Scopes::default();
        if text.len() > BYTES_MAX {
            return scopes;
        }
        for word in text.split_ascii_whitespace().take(SCOPES_MAX) {
            match word {
                "openid" => scopes.openid = true,
                "fhirUser" | "profile" => scopes.fhir_user = true,
                "launch" => scopes.launch = true,
                "launch/patient" => scopes.launch_patient = true,
                "offline_access" => scopes.offline = true,
                "online_access" => scopes.online = true,
                _ => {
                    let found = resource_scope(word);
                    scopes.resources.extend(found);
                }
            }
        }
        scopes
    }

    /// As it stands in tokens' answers and rows.
    pub fn text(&self) -> String {
        let words = [
            (self.openid, "openid"),
            (self.fhir_user, "fhirUser"),
            (self.launch, "launch"),
            (self.launch_patient, "launch/patient"),
            (self.offline, "offline_access"),
            (self.online, "online_access"),
        ];
        let words = words.into_iter().filter(|(has, _)| *has);
        let words = words.map(|(_, word)| word);
        let resources = self.resources.iter().map(|scope| scope.text.as_str());
        words.chain(resources).collect::<Vec<_>>().join(" ")
    }

    /// What of this a client may have that was approved for `allowed`.
    #[must_use]
    pub fn within(&self, allowed: &Scopes) -> Scopes {
        let covered = |asked: &ResourceScope| {
            let mut allowed = allowed.resources.iter();
            allowed.any(|other| other.covers(asked))
        };
        let resources = self.resources.iter().filter(|asked| covered(asked));
        Scopes {
            openid: self.openid && allowed.openid,
            fhir_user: self.fhir_user && allowed.fhir_user,
            launch: self.launch && allowed.launch,
            launch_patient: self.launch_patient && allowed.launch_patient,
            offline: self.offline && allowed.offline,
            online: self.online && allowed.online,
            resources: resources.cloned().collect(),
        }
    }

    /// Only those of these levels.
    #[must_use]
    pub fn of(mut self, levels: &[Level]) -> Scopes {
        let is_of = |scope: &ResourceScope| levels.contains(&scope.level);
        self.resources.retain(is_of);
        self
    }

    pub fn has_level(&self, level: Level) -> bool {
        self.resources.iter().any(|scope| scope.level == level)
    }

    /// What a token with these scopes allows. Without a patient, `patient/` scopes allow nothing.
    pub fn granted(&self, client: &str, app: &str, patient: Option<&str>) -> Granted {
        let rules = self.resources.iter().filter_map(|scope| {
            let patient = match (scope.level, patient) {
                (Level::Patient, Some(patient)) => Some(patient.to_string()),
                (Level::Patient, None) => return None,
                _ => None,
            };
            Some(Rule {
                ty: scope.ty.clone(),
                letters: scope.letters,
                patient,
                only: scope.only.clone(),
            })
        });
        Granted {
            app: app.to_string(),
            client: client.to_string(),
            rules: rules.collect(),
        }
    }
}

impl ResourceScope {
    /// Whether all that the other allows is allowed by this one.
    fn covers(&self, other: &ResourceScope) -> bool {
        let wider_level = self.level == other.level;
        let ty = self.ty.is_none() || self.ty == other.ty;
        let only = self.only.is_empty() || self.only == other.only;
        wider_level && ty && only && self.letters.covers(other.letters)
    }
}

fn resource_scope(word: &str) -> Option<ResourceScope> {
    let (level, rest) = word.split_once('/')?;
    let level = match level {
        "patient" => Level::Patient,
        "user" => Level::User,
        "system" => Level::System,
        _ => return None,
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (ty, letters) = rest.split_once('.')?;
    let letters = match letters {
        // Version 1's words.
        "read" => Letters::parse("rs")?,
        "write" => Letters::parse("cud")?,
        "*" => Letters::parse("cruds")?,
        letters => Letters::parse(letters)?,
    };
    let ty = match ty {
        "*" => None,
        ty if Definitions::r4().is_resource(ty) => Some(ty.to_string()),
        _ => return None,
    };
    let only = match query {
        None => Vec::new(),
        Some(query) => restrictions(ty.as_deref()?, query)?,
    };
    // Changes are held to a type only; within one patient or a part of a type they are not allowed.
    let narrow = level == Level::Patient || !only.is_empty();
    let letters = if narrow { letters.to_look() } else { letters };
    if letters.is_empty() {
        return None;
    }
    let name = ty.as_deref().unwrap_or("*");
    let mut text = format!("{}/{name}.{}", level.text(), letters.text());
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    Some(ResourceScope {
        level,
        ty,
        letters,
        only,
        text,
    })
}

/// The restrictions of a query; `None` if there is one that cannot be held to.
fn restrictions(ty: &str, query: &str) -> Option<Vec<Only>> {
    let pairs: Vec<&str> = query.split('&').collect();
    if pairs.len() > RESTRICTIONS_MAX {
        return None;
    }
    pairs.into_iter().map(|pair| only(ty, pair)).collect()
}

fn only(ty: &str, pair: &str) -> Option<Only> {
    let (name, values) = pair.split_once('=')?;
    let known = parameter(ty, name)?;
    if known.kind != ParameterKind::Token || !known.is_indexed() {
        return None;
    }
    let values: Vec<&str> = values.split(',').collect();
    if values.len() > VALUES_MAX {
        return None;
    }
    let any_of = values.into_iter().map(token).collect::<Option<_>>()?;
    let parameter = name.to_string();
    Some(Only { parameter, any_of })
}

fn token(value: &str) -> Option<TokenIs> {
    // No escape has a place in it: `%`, `\`, `$` and a second `|` would each mean something else.
    if value.contains(['%', '\\', '$', '\0', '+']) {
        return None;
    }
    let (system, code) = match value.split_once('|') {
        Some((system, code)) if !system.is_empty() => (Some(system.to_string()), code),
        Some(_) => return None,
        None => (None, value),
    };
    if code.is_empty() || code.contains('|') {
        return None;
    }
    let code = code.to_string();
    Some(TokenIs { system, code })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Letter;

    #[test]
    fn scopes_of_both_versions_are_read_and_written_in_the_second() {
        let text = "openid fhirUser launch/patient offline_access patient/Observation.rs?category=laboratory \
                    user/*.read system/Patient.cruds nonsense patient/Nothing.rs patient/Patient.sr";
        let scopes = Scopes::parse(text);
        assert_eq!(
            scopes.text(),
            "openid fhirUser launch/patient offline_access \
             patient/Observation.rs?category=laboratory user/*.rs system/Patient.cruds"
        );
        assert_eq!(Scopes::parse(&scopes.text()), scopes);
    }

    #[test]
    fn a02_what_cannot_be_held_to_is_not_granted() {
        for (asked, left) in [
            ("patient/Observation.cruds", "patient/Observation.rs"),
            ("patient/*.write", ""),
            ("user/Observation.u?category=laboratory", ""),
            ("patient/Observation.rs?date=gt2020", ""),
            ("patient/Observation.rs?category:not=laboratory", ""),
            ("patient/Observation.rs?nonsense=x", ""),
            ("patient/Observation.rs?category=", ""),
            ("patient/*.rs?category=x", ""),
            ("patient/Observation.rs?category=a%2Cb", ""),
        ] {
            assert_eq!(Scopes::parse(asked).text(), left, "{asked}");
        }
        assert_eq!(Scopes::parse(&"patient/*.rs ".repeat(1000)).text(), "");
    }

    #[test]
    fn a02_a_client_has_no_more_than_it_was_approved_for() {
        let allowed = Scopes::parse("openid patient/Observation.rs?category=laboratory user/*.rs");
        let asked = Scopes::parse(
            "openid fhirUser offline_access patient/Observation.rs patient/Observation.r?category=laboratory \
             user/Patient.rs user/Patient.cruds",
        );
        assert_eq!(
            asked.within(&allowed).text(),
            "openid patient/Observation.r?category=laboratory user/Patient.rs"
        );
    }

    #[test]
    fn a_patients_scopes_allow_nothing_without_a_patient() {
        let scopes = Scopes::parse("patient/*.rs user/Patient.r");
        assert_eq!(scopes.granted("c", "C", None).rules.len(), 1);
        let granted = scopes.granted("c", "C", Some("jane"));
        assert!(granted.may_change("Patient", Letter::Update).is_err());
        assert_eq!(granted.rules[0].patient.as_deref(), Some("jane"));
    }
}
