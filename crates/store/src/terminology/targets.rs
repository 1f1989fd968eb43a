//! Where attributes of SNOMED CT lead: the dots and the reversed attributes of ECL.

use std::collections::{BTreeMap, HashMap, HashSet};

use fhir::problem::{Kind, Problem};
use fhir::terminology::ecl::{Attribute, Ecl, Wanted, is_concrete};
use fhir::terminology::ranges::Ranges;

use super::ecl::EACH_MAX;
use super::evaluate::Evaluation;
use super::rows::kind;
use super::system::SystemRow;

/// Kinds of attributes that one part of an expression may name.
const NAMES_MAX: u64 = 200;

impl Evaluation<'_> {
    /// # Errors
    /// `NotSupported` if the release came without relationships.
    pub(super) async fn with_relationships(&self, system: &SystemRow) -> Result<(), Problem> {
        let related = self.store.posting(system, kind::PROPERTY, kind::RELATED);
        if related.await?.is_empty() {
            let message = "The release here has no relationships, so that refinements and dots \
                           cannot be answered; load it again.";
            return Err(Problem::new(Kind::NotSupported, message));
        }
        Ok(())
    }

    /// The codes of the attributes that an expression names.
    pub(super) async fn attributes(
        &self,
        system: &SystemRow,
        name: &Ecl,
    ) -> Result<HashSet<String>, Problem> {
        let names = self.constrained(system, name).await?;
        if names.count() > NAMES_MAX {
            let message = format!("An expression names {NAMES_MAX} attributes at most.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let nums: Vec<u32> = names.numbers().collect();
        let names = self.store.concepts(system, &nums).await?;
        Ok(names.into_iter().map(|name| name.code).collect())
    }

    /// The concepts to which these attributes of those lead.
    pub(super) async fn dotted(
        &self,
        system: &SystemRow,
        from: &Ecl,
        name: &Ecl,
    ) -> Result<Ranges, Problem> {
        self.with_relationships(system).await?;
        let names = self.attributes(system, name).await?;
        let from = self.constrained(system, from).await?;
        let targets = self.targets(system, &names, &from).await?;
        Ok(Ranges::of(targets.into_keys().collect()))
    }

    /// The concepts to which such an attribute leads from so many others.
    pub(super) async fn reversed(
        &self,
        system: &SystemRow,
        attribute: &Attribute,
    ) -> Result<Ranges, Problem> {
        let names = self.attributes(system, &attribute.name).await?;
        let from = match &attribute.value {
            Wanted::Is(from) => self.constrained(system, from).await?,
            Wanted::IsNot(other) => system.all().minus(&self.constrained(system, other).await?),
            Wanted::Concrete(_) => Ranges::default(),
        };
        let targets = self.targets(system, &names, &from).await?;
        let is_right = |(_, count): &(&u32, &usize)| attribute.times.has(**count);
        let right = targets.iter().filter(is_right).map(|(num, _)| *num);
        let right = Ranges::of(right.collect());
        Ok(match attribute.times.has(0) {
            true => system
                .all()
                .minus(&Ranges::of(targets.into_keys().collect()))
                .or(&right),
            false => right,
        })
    }

    /// Where attributes of these names lead from these concepts: each concept's number, and from how
    /// many.
    async fn targets(
        &self,
        system: &SystemRow,
        names: &HashSet<String>,
        from: &Ranges,
    ) -> Result<BTreeMap<u32, usize>, Problem> {
        let found = match from.count() <= EACH_MAX {
            true => self.targets_of_each(system, names, from).await?,
            false => self.targets_of_many(system, names, from).await?,
        };
        let codes: Vec<&str> = found.keys().map(String::as_str).collect();
        let nums = self.store.nums_of(system, &codes).await?;
        let count = |code: &String| found.get(code).copied().unwrap_or_default();
        let counted = nums.into_iter().map(|(code, num)| (num, count(&code)));
        Ok(counted.collect())
    }

    /// By what each concept says of itself.
    async fn targets_of_each(
        &self,
        system: &SystemRow,
        names: &HashSet<String>,
        from: &Ranges,
    ) -> Result<HashMap<String, usize>, Problem> {
        let mut found: HashMap<String, usize> = HashMap::new();
        let nums: Vec<u32> = from.numbers().collect();
        for concept in self.store.concepts(system, &nums).await? {
            let all = concept.detail.relationships.into_iter();
            let own = all.filter(|it| names.contains(&it.attribute) && !is_concrete(&it.value));
            // From one concept to another counts once, in however many groups it stands.
            let own: HashSet<String> = own.map(|it| it.value).collect();
            for value in own {
                *found.entry(value).or_default() += 1;
            }
        }
        Ok(found)
    }

    /// By all values that the attributes have anywhere.
    async fn targets_of_many(
        &self,
        system: &SystemRow,
        names: &HashSet<String>,
        from: &Ranges,
    ) -> Result<HashMap<String, usize>, Problem> {
        let mut sources: HashMap<String, Ranges> = HashMap::new();
        for name in names {
            let prefix = format!("{name}=");
            for (key, nums) in self.postings(system, kind::PROPERTY, &prefix).await? {
                let value = key.strip_prefix(&prefix).unwrap_or_default();
                let nums = nums.and(from);
                if !nums.is_empty() && !is_concrete(value) {
                    let known = sources.entry(value.to_string()).or_default();
                    *known = known.or(&nums);
                }
            }
        }
        let count = |nums: Ranges| usize::try_from(nums.count()).unwrap_or(usize::MAX);
        Ok(sources
            .into_iter()
            .map(|(value, nums)| (value, count(nums)))
            .collect())
    }
}
