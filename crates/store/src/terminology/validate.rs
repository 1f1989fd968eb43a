//! <https://hl7.org/fhir/R4/valueset-operation-validate-code.html>,
//! <https://hl7.org/fhir/R4/codesystem-operation-validate-code.html>

use access::Scope;
use fhir::problem::{Kind, Problem};
use fhir::terminology::compose::Listed;

use super::Asked;
use super::concept::ConceptRow;
use super::evaluate::Evaluation;
use super::members::OfSystem;
use super::system::{not_loaded, short};
use crate::store::Store;

/// What came of checking a code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    pub result: bool,
    /// Why not, or what to mind.
    pub message: Option<String>,
    pub display: Option<String>,
    /// Where it was found.
    pub system: Option<String>,
    pub version: Option<String>,
    pub inactive: bool,
}

/// A code as it is asked about; without a system any of the value set's will do.
#[derive(Clone, Copy, Debug)]
pub struct Coded<'a> {
    pub system: Option<&'a str>,
    pub version: Option<&'a str>,
    pub code: &'a str,
    pub display: Option<&'a str>,
}

impl Store {
    /// Whether a code is in a value set, and its display one of the code's names.
    ///
    /// # Errors
    /// As `expand`.
    pub async fn validate_code(
        &self,
        scope: &Scope,
        asked: Asked<'_>,
        coded: Coded<'_>,
    ) -> Result<Validation, Problem> {
        let evaluated = Evaluation::new(self, scope).asked(asked).await?;
        let mut found = Validation::default();
        for of in &evaluated.members.systems {
            if coded.system.is_some_and(|system| system != of.system.url) {
                continue;
            }
            if let Some(validation) = self.within(of, coded).await? {
                found = validation;
                break;
            }
        }
        if !found.result && found.message.is_none() {
            let system = coded
                .system
                .map(|system| format!(" of {}", short(system)))
                .unwrap_or_default();
            found.message = Some(format!(
                "The code {}{system} is not in the value set.",
                short(coded.code)
            ));
        }
        self.terminology_traced(scope, "ValueSet", &evaluated.definition.url)
            .await?;
        Ok(found)
    }

    async fn within(&self, of: &OfSystem, coded: Coded<'_>) -> Result<Option<Validation>, Problem> {
        if let Some(listed) = of.listed.iter().find(|it| it.code == coded.code) {
            return Ok(Some(named(of, listed, coded)));
        }
        if !of.system.is_loaded() {
            return Ok(None);
        }
        let Some(concept) = self.concept(&of.system, coded.code).await? else {
            return Ok(None);
        };
        if !of.ranges.contains(concept.num) {
            return Ok(None);
        }
        let own = of.shown.get(&concept.num).and_then(|it| it.display.clone());
        Ok(Some(checked(concept, of, own, coded.display)))
    }

    /// Whether a code is in a code system.
    ///
    /// # Errors
    /// `NotFound` if the system is not here.
    pub async fn validate_in_system(
        &self,
        scope: &Scope,
        coded: Coded<'_>,
    ) -> Result<Validation, Problem> {
        let url = coded
            .system
            .ok_or_else(|| Problem::new(Kind::Required, "Name the code system by its url."))?;
        let system = self.system(scope, url, coded.version).await?;
        let system = system.ok_or_else(|| not_loaded(url, coded.version))?;
        self.terminology_traced(scope, "CodeSystem", url).await?;
        match self.concept(&system, coded.code).await? {
            Some(concept) => Ok(checked(
                concept,
                &OfSystem {
                    system,
                    ..OfSystem::default()
                },
                None,
                coded.display,
            )),
            None => {
                let part = if system.is_whole() {
                    ""
                } else {
                    ", of which only a part is loaded here"
                };
                let message = format!(
                    "The code {} is not in {}{part}.",
                    short(coded.code),
                    short(url)
                );
                Ok(Validation {
                    message: Some(message),
                    system: Some(url.to_string()),
                    ..Validation::default()
                })
            }
        }
    }
}

fn named(of: &OfSystem, listed: &Listed, coded: Coded<'_>) -> Validation {
    let names = listed
        .display
        .iter()
        .chain(listed.designations.iter().map(|it| &it.value));
    let names: Vec<&str> = names.map(String::as_str).collect();
    judged(&names, listed.display.clone(), of, coded.display)
}

fn checked(
    concept: ConceptRow,
    of: &OfSystem,
    own: Option<String>,
    display: Option<&str>,
) -> Validation {
    let designations = concept
        .detail
        .designations
        .iter()
        .map(|it| it.value.as_str());
    let names: Vec<&str> = own
        .as_deref()
        .into_iter()
        .chain([concept.display.as_str()])
        .chain(designations)
        .collect();
    let shown = own.clone().unwrap_or_else(|| concept.display.clone());
    let mut found = judged(&names, (!shown.is_empty()).then_some(shown), of, display);
    found.inactive = concept.detail.inactive;
    if found.inactive && found.message.is_none() {
        found.message = Some("The code is no longer in use.".into());
    }
    found
}

/// Whether the display that was given is one of the names, case and accents aside.
fn judged(
    names: &[&str],
    shown: Option<String>,
    of: &OfSystem,
    display: Option<&str>,
) -> Validation {
    let fold = fhir::search::fold;
    let is_name =
        |display: &str| names.is_empty() || names.iter().any(|name| fold(name) == fold(display));
    let result = display.is_none_or(is_name);
    Validation {
        result,
        message: (!result).then(|| "The display given is no name of the code.".to_string()),
        display: shown,
        system: Some(of.system.url.clone()),
        version: Some(of.system.version.clone()).filter(|version| !version.is_empty()),
        inactive: false,
    }
}
