//! Code systems, value sets and maps (<https://hl7.org/fhir/R4/terminology-service.html>): what was
//! loaded from releases, and what CodeSystem, ValueSet and ConceptMap resources say.
//!
//! A set of concepts is ranges of numbers (`fhir::terminology::ranges`); filters, imports and ECL
//! are sums and differences of such sets, made in memory; the database is asked for the ranges of a
//! concept, for the concepts of a word or property, and for the rows of one page.
//!
//! Invariant: rows of a resource are written, replaced and removed in the commit of the resource.
//! Invariant: a release is live as a whole or not at all.

mod answers;
mod codes;
mod concept;
mod ecl;
mod evaluate;
mod expand;
mod filter;
mod load;
mod lookup;
mod members;
mod memory;
mod published;
mod refinement;
mod resource;
mod rows;
mod system;
mod targets;
mod text;
mod translate;
mod validate;
mod write;

pub use answers::Answers;
pub use codes::{CodeSet, SystemCodes};
pub use concept::{ConceptDetail, Shown};
pub use expand::{EXPANSION_MAX, Expansion, ExpansionOptions};
pub use load::{Loading, NewConcept, NewMap, ReleaseHead};
pub use lookup::Lookup;
pub(crate) use memory::Memory;
pub(crate) use resource::{Ready, follow};
pub use system::SystemRow;
pub use translate::{Translation, TranslationAsk};
pub use validate::{Coded, Validation};
pub(crate) use write::apply;
pub use write::{TerminologyDone, TerminologyWrite};

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::problem::{Kind, Problem};

use crate::store::Store;

/// What a terminology operation is asked about: a canonical address, or a resource handed in.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    Url(&'a str),
    Resource(&'a fhir::terminology::compose::ValueSet),
}

/// Whether rows of a resource that an organisation holds may be seen: what is from no resource is
/// everybody's.
pub(crate) fn is_seen(scope: &Scope, organisation: Option<&str>) -> bool {
    match (scope.reach(), organisation) {
        (_, None) | (Reach::Everything, _) => true,
        (Reach::Organisation(ods), Some(held)) => ods.as_str() == held,
        (Reach::Compartment { .. } | Reach::Mailbox(_), Some(_)) => false,
    }
}

impl Store {
    /// Ends an operation under a scope: its line in the audit log. A worker's own questions leave
    /// none: they show nobody anything.
    pub(crate) async fn terminology_traced(
        &self,
        scope: &Scope,
        ty: &'static str,
        about: &str,
    ) -> Result<(), Problem> {
        if !scope.may_look() {
            return Err(Problem::new(Kind::Forbidden, "This caller may not look."));
        }
        if scope.interaction() == Interaction::System {
            return Ok(());
        }
        let target = Target {
            ty: ty.into(),
            query: (!about.is_empty()).then(|| about.chars().take(300).collect::<String>().into()),
            ..Target::default()
        };
        self.traced(vec![scope.trace(
            scope.interaction(),
            Outcome::Success,
            target,
        )])
        .await
    }
}
