//! ECL on a loaded SNOMED CT.

use fhir::problem::Problem;
use fhir::terminology::ecl::{Ecl, Relation};
use fhir::terminology::ranges::Ranges;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::evaluate::Evaluation;
use super::rows::kind;
use super::system::SystemRow;

/// Concepts whose relatives are asked for one by one.
pub(super) const EACH_MAX: u64 = 5000;

impl Evaluation<'_> {
    /// The concepts of a constraint.
    pub(super) fn constrained<'a>(
        &'a self,
        system: &'a SystemRow,
        ecl: &'a Ecl,
    ) -> BoxFuture<'a, Result<Ranges, Problem>> {
        async move {
            match ecl {
                Ecl::Any => Ok(system.all()),
                Ecl::Concept(id) => self
                    .required(system, id)
                    .await
                    .map(|num| Ranges::span(num, num)),
                Ecl::Related(relation, inner) => {
                    let inner = self.constrained(system, inner).await?;
                    self.related(system, *relation, &inner).await
                }
                Ecl::Members(inner) => self.members_of(system, inner).await,
                Ecl::And(parts) => {
                    let mut found = system.all();
                    for part in parts {
                        found = found.and(&self.constrained(system, part).await?);
                    }
                    Ok(found)
                }
                Ecl::Or(parts) => {
                    let mut found = Ranges::default();
                    for part in parts {
                        found = found.or(&self.constrained(system, part).await?);
                    }
                    Ok(found)
                }
                Ecl::Refined(focus, refinement) => {
                    let focus = self.constrained(system, focus).await?;
                    self.refined(system, focus, refinement).await
                }
                Ecl::Dotted(from, name) => self.dotted(system, from, name).await,
                Ecl::Minus(one, other) => {
                    let other = self.constrained(system, other).await?;
                    Ok(self.constrained(system, one).await?.minus(&other))
                }
            }
        }
        .boxed()
    }

    async fn members_of(&self, system: &SystemRow, sets: &Ecl) -> Result<Ranges, Problem> {
        let mut found = Ranges::default();
        let sets = self.constrained(system, sets).await?;
        bounded(&sets)?;
        let nums: Vec<u32> = sets.numbers().collect();
        for set in self.store.concepts(system, &nums).await? {
            found = found.or(&self.store.posting(system, kind::MEMBER, &set.code).await?);
        }
        Ok(found)
    }

    async fn related(
        &self,
        system: &SystemRow,
        relation: Relation,
        inner: &Ranges,
    ) -> Result<Ranges, Problem> {
        // All of it is below or above all of it.
        if *inner == system.all()
            && matches!(
                relation,
                Relation::DescendantsOrSelf | Relation::AncestorsOrSelf
            )
        {
            return Ok(inner.clone());
        }
        bounded(inner)?;
        let nums: Vec<u32> = inner.numbers().collect();
        match relation {
            Relation::Ancestors => self.store.above(system, &nums).await,
            Relation::AncestorsOrSelf => Ok(self.store.above(system, &nums).await?.or(inner)),
            Relation::Parents => self.store.parents(system, &nums).await,
            Relation::Children | Relation::Descendants | Relation::DescendantsOrSelf => {
                let mut found = Ranges::default();
                for num in nums {
                    let own = Ranges::span(num, num);
                    let more = match relation {
                        Relation::Children => {
                            self.store
                                .posting(system, kind::CHILD, &num.to_string())
                                .await?
                        }
                        Relation::Descendants => self.store.below(system, num).await?.minus(&own),
                        _ => self.store.below(system, num).await?,
                    };
                    found = found.or(&more);
                }
                Ok(found)
            }
        }
    }
}

pub(super) fn bounded(inner: &Ranges) -> Result<(), Problem> {
    if inner.count() <= EACH_MAX {
        return Ok(());
    }
    let message = format!("An operator of ECL is applied to more than {EACH_MAX} concepts.");
    Err(Problem::new(fhir::problem::Kind::TooCostly, message))
}
