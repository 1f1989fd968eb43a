//! <https://hl7.org/fhir/R4/codesystem-operation-lookup.html>,
//! <https://hl7.org/fhir/R4/codesystem-operation-subsumes.html>

use access::Scope;
use fhir::problem::{Kind, Problem};
use fhir::terminology::Subsumption;

use super::concept::{ConceptDetail, in_language};
use super::rows::kind;
use super::system::{SystemRow, not_loaded, short};
use crate::store::Store;

/// Children that are told.
const CHILDREN_MAX: usize = 1000;

/// A concept with all that is known of it.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    pub system: SystemRow,
    pub code: String,
    pub display: String,
    pub detail: ConceptDetail,
    /// Codes and displays.
    pub parents: Vec<(String, String)>,
    /// At most 1,000.
    pub children: Vec<(String, String)>,
}

impl Store {
    /// What is known of a code.
    ///
    /// # Errors
    /// `NotFound` if system or code are not here.
    pub async fn lookup(
        &self,
        scope: &Scope,
        url: &str,
        version: Option<&str>,
        code: &str,
        language: Option<&str>,
    ) -> Result<Lookup, Problem> {
        let system = self.system(scope, url, version).await?;
        let system = system.ok_or_else(|| not_loaded(url, version))?;
        let concept = self.concept(&system, code).await?;
        self.terminology_traced(scope, "CodeSystem", url).await?;
        let concept = concept.ok_or_else(|| no_code(&system, code))?;
        let parents = self.named(&system, &concept.detail.parents).await?;
        let children = self
            .posting(&system, kind::CHILD, &concept.num.to_string())
            .await?;
        let children: Vec<u32> = children.numbers().take(CHILDREN_MAX).collect();
        let children = self.named(&system, &children).await?;
        let translated =
            language.and_then(|language| in_language(&concept.detail.designations, language));
        let display = translated.map_or_else(|| concept.display.clone(), str::to_string);
        Ok(Lookup {
            code: concept.code,
            display,
            detail: concept.detail,
            parents,
            children,
            system,
        })
    }

    async fn named(
        &self,
        system: &SystemRow,
        nums: &[u32],
    ) -> Result<Vec<(String, String)>, Problem> {
        let concepts = self.concepts(system, nums).await?;
        Ok(concepts
            .into_iter()
            .map(|it| (it.code, it.display))
            .collect())
    }

    /// How two codes of a system stand to each other.
    ///
    /// # Errors
    /// `NotFound` if the system or a code is not here.
    pub async fn subsumes(
        &self,
        scope: &Scope,
        url: &str,
        version: Option<&str>,
        a: &str,
        b: &str,
    ) -> Result<Subsumption, Problem> {
        let system = self.system(scope, url, version).await?;
        let system = system.ok_or_else(|| not_loaded(url, version))?;
        let num_a = self
            .num_of(&system, a)
            .await?
            .ok_or_else(|| no_code(&system, a))?;
        let num_b = self
            .num_of(&system, b)
            .await?
            .ok_or_else(|| no_code(&system, b))?;
        self.terminology_traced(scope, "CodeSystem", url).await?;
        if num_a == num_b {
            return Ok(Subsumption::Equivalent);
        }
        if self.below(&system, num_a).await?.contains(num_b) {
            return Ok(Subsumption::Subsumes);
        }
        match self.below(&system, num_b).await?.contains(num_a) {
            true => Ok(Subsumption::SubsumedBy),
            false => Ok(Subsumption::NotSubsumed),
        }
    }
}

fn no_code(system: &SystemRow, code: &str) -> Problem {
    let message = format!(
        "The code system {} has no code {}.",
        short(&system.url),
        short(code)
    );
    Problem::new(Kind::NotFound, message)
}
