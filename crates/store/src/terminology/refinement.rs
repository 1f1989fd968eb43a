//! Refinements of ECL on a loaded SNOMED CT: which concepts could pass is asked of the rows by
//! attribute and value; where relationships have to be counted, or to stand in one group, those that
//! could are looked at one by one.

use std::collections::{BTreeMap, HashMap, HashSet};

use fhir::problem::Problem;
use fhir::terminology::code_system::Relationship;
use fhir::terminology::ecl::{Attribute, Concrete, Refinement, Times, Wanted, is_concrete};
use fhir::terminology::ranges::Ranges;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::ecl::bounded;
use super::evaluate::Evaluation;
use super::rows::kind;
use super::system::SystemRow;

/// Values that are looked up one by one; more are picked from all that the attribute has.
const VALUES_MAX: u64 = 100;

/// A refinement with its sets of concepts found.
enum Asked {
    Attribute {
        times: Times,
        names: HashSet<String>,
        value: Sought,
    },
    /// For these it holds.
    Of(Ranges),
    Group(Times, Box<Asked>),
    And(Vec<Asked>),
    Or(Vec<Asked>),
}

/// What a relationship is to lead to.
#[derive(Clone)]
enum Sought {
    /// Anything, a concrete value too.
    Any,
    Among(Ranges),
    /// A concept that is none of these.
    Beside(Ranges),
    Concrete(Concrete),
}

impl Sought {
    fn is(&self, value: &str, num: Option<u32>) -> bool {
        match self {
            Sought::Any => true,
            Sought::Among(values) => num.is_some_and(|num| values.contains(num)),
            Sought::Beside(values) => {
                !is_concrete(value) && num.is_none_or(|num| !values.contains(num))
            }
            Sought::Concrete(concrete) => concrete.holds(value),
        }
    }
}

impl Evaluation<'_> {
    /// Those of these concepts for which the refinement holds.
    pub(super) async fn refined(
        &self,
        system: &SystemRow,
        focus: Ranges,
        refinement: &Refinement,
    ) -> Result<Ranges, Problem> {
        self.with_relationships(system).await?;
        let asked = self.looked_up(system, refinement).await?;
        let could = focus.and(&self.could(system, &asked).await?);
        if is_told_by_rows(&asked) {
            return Ok(could);
        }
        bounded(&could)?;
        let nums: Vec<u32> = could.numbers().collect();
        let concepts = self.store.concepts(system, &nums).await?;
        let mut codes: Vec<&str> = Vec::new();
        for concept in &concepts {
            let all = concept.detail.relationships.iter();
            let values = all.map(|it| it.value.as_str());
            codes.extend(values.filter(|value| !is_concrete(value)));
        }
        codes.sort_unstable();
        codes.dedup();
        let known = self.store.nums_of(system, &codes).await?;
        let known: HashMap<String, u32> = known.into_iter().collect();
        let passing = concepts.iter().filter(|concept| {
            let all: Vec<&Relationship> = concept.detail.relationships.iter().collect();
            holds(&asked, (concept.num, &all), &known)
        });
        Ok(Ranges::of(passing.map(|concept| concept.num).collect()))
    }

    fn looked_up<'a>(
        &'a self,
        system: &'a SystemRow,
        refinement: &'a Refinement,
    ) -> BoxFuture<'a, Result<Asked, Problem>> {
        async move {
            Ok(match refinement {
                Refinement::Attribute(attribute) => self.attribute(system, attribute).await?,
                Refinement::Group(times, inner) => {
                    Asked::Group(*times, Box::new(self.looked_up(system, inner).await?))
                }
                Refinement::And(parts) => Asked::And(self.parts(system, parts).await?),
                Refinement::Or(parts) => Asked::Or(self.parts(system, parts).await?),
            })
        }
        .boxed()
    }

    async fn parts(&self, system: &SystemRow, parts: &[Refinement]) -> Result<Vec<Asked>, Problem> {
        let mut asked = Vec::with_capacity(parts.len());
        for part in parts {
            asked.push(self.looked_up(system, part).await?);
        }
        Ok(asked)
    }

    async fn attribute(&self, system: &SystemRow, attribute: &Attribute) -> Result<Asked, Problem> {
        if attribute.is_reversed {
            return Ok(Asked::Of(self.reversed(system, attribute).await?));
        }
        let value = match &attribute.value {
            Wanted::Is(value) => match self.constrained(system, value).await? {
                values if values == system.all() => Sought::Any,
                values => Sought::Among(values),
            },
            Wanted::IsNot(value) => Sought::Beside(self.constrained(system, value).await?),
            Wanted::Concrete(concrete) => Sought::Concrete(concrete.clone()),
        };
        Ok(Asked::Attribute {
            times: attribute.times,
            names: self.attributes(system, &attribute.name).await?,
            value,
        })
    }

    /// All that could pass, and perhaps more.
    fn could<'a>(
        &'a self,
        system: &'a SystemRow,
        asked: &'a Asked,
    ) -> BoxFuture<'a, Result<Ranges, Problem>> {
        async move {
            match asked {
                Asked::Attribute { times, .. } if times.least == 0 && times.most.is_none() => {
                    Ok(system.all())
                }
                Asked::Attribute { times, .. } => {
                    let some = self.having_some(system, asked).await?;
                    Ok(match (times.least, times.most) {
                        (0, Some(0)) => system.all().minus(&some),
                        (0, _) => system.all(),
                        _ => some,
                    })
                }
                Asked::Of(found) => Ok(found.clone()),
                Asked::Group(times, _) if times.least == 0 => Ok(system.all()),
                Asked::Group(_, inner) => self.could(system, &whole(inner)).await,
                Asked::And(parts) => {
                    let mut found = system.all();
                    for part in parts {
                        found = found.and(&self.could(system, part).await?);
                    }
                    Ok(found)
                }
                Asked::Or(parts) => {
                    let mut found = Ranges::default();
                    for part in parts {
                        found = found.or(&self.could(system, part).await?);
                    }
                    Ok(found)
                }
            }
        }
        .boxed()
    }

    /// The concepts with any such relationship.
    async fn having_some(&self, system: &SystemRow, asked: &Asked) -> Result<Ranges, Problem> {
        let Asked::Attribute { names, value, .. } = asked else {
            return Ok(system.all());
        };
        let mut found = Ranges::default();
        for name in names {
            let more = match value {
                Sought::Any => self.store.posting(system, kind::PROPERTY, name).await?,
                Sought::Among(values) if values.count() <= VALUES_MAX => {
                    self.of_each(system, name, values).await?
                }
                _ => self.of_all(system, name, value).await?,
            };
            found = found.or(&more);
        }
        Ok(found)
    }

    /// The concepts whose attribute leads to one of these.
    async fn of_each(
        &self,
        system: &SystemRow,
        name: &str,
        values: &Ranges,
    ) -> Result<Ranges, Problem> {
        let mut found = Ranges::default();
        let nums: Vec<u32> = values.numbers().collect();
        for value in self.store.concepts(system, &nums).await? {
            let key = format!("{name}={}", value.code);
            found = found.or(&self.store.posting(system, kind::PROPERTY, &key).await?);
        }
        Ok(found)
    }

    /// The same, picked from all values that the attribute has anywhere.
    async fn of_all(
        &self,
        system: &SystemRow,
        name: &str,
        value: &Sought,
    ) -> Result<Ranges, Problem> {
        let prefix = format!("{name}=");
        let start = match value {
            Sought::Concrete(concrete) => concrete.start(),
            _ => "",
        };
        let from = format!("{prefix}{start}");
        let all = self.postings(system, kind::PROPERTY, &from).await?;
        let code = |key: &str| key.strip_prefix(&prefix).unwrap_or_default().to_string();
        let codes: Vec<String> = all.iter().map(|(key, _)| code(key)).collect();
        let concepts = codes.iter().map(String::as_str);
        let concepts: Vec<&str> = concepts.filter(|code| !is_concrete(code)).collect();
        let known = self.store.nums_of(system, &concepts).await?;
        let known: HashMap<String, u32> = known.into_iter().collect();
        let mut found = Ranges::default();
        for (code, (_, nums)) in codes.iter().zip(all) {
            if value.is(code, known.get(code).copied()) {
                found = found.or(&nums);
            }
        }
        Ok(found)
    }
}

/// What of a group can be said of the concept as a whole: an attribute that the group must not have
/// may stand in another.
fn whole(inner: &Asked) -> Asked {
    match inner {
        Asked::Attribute {
            times,
            names,
            value,
        } => Asked::Attribute {
            times: Times {
                least: times.least,
                most: None,
            },
            names: names.clone(),
            value: value.clone(),
        },
        Asked::Of(found) => Asked::Of(found.clone()),
        Asked::Group(times, inner) => Asked::Group(*times, Box::new(whole(inner))),
        Asked::And(parts) => Asked::And(parts.iter().map(whole).collect()),
        Asked::Or(parts) => Asked::Or(parts.iter().map(whole).collect()),
    }
}

/// Whether the rows by attribute and value say all: nothing is counted, and no two things have to
/// stand in one group.
fn is_told_by_rows(asked: &Asked) -> bool {
    match asked {
        Asked::Attribute { times, .. } => {
            *times == Times::default() || (times.least, times.most) == (0, Some(0))
        }
        Asked::Of(_) => true,
        Asked::Group(times, inner) => {
            let is_one =
                matches!(&**inner, Asked::Attribute { times, .. } if *times == Times::default());
            *times == Times::default() && is_one
        }
        Asked::And(parts) | Asked::Or(parts) => parts.iter().all(is_told_by_rows),
    }
}

/// Whether it holds for a concept, its number given, and these of its relationships.
fn holds(asked: &Asked, (num, all): (u32, &[&Relationship]), known: &HashMap<String, u32>) -> bool {
    match asked {
        Asked::Attribute {
            times,
            names,
            value,
        } => {
            let is_among = |it: &&&Relationship| {
                let target = known.get(&it.value).copied();
                names.contains(&it.attribute) && value.is(&it.value, target)
            };
            times.has(all.iter().filter(is_among).count())
        }
        Asked::Of(found) => found.contains(num),
        Asked::Group(times, inner) => {
            let groups = groups(all);
            let is_right = |it: &&Vec<&Relationship>| holds(inner, (num, it), known);
            times.has(groups.iter().filter(is_right).count())
        }
        Asked::And(parts) => parts.iter().all(|part| holds(part, (num, all), known)),
        Asked::Or(parts) => parts.iter().any(|part| holds(part, (num, all), known)),
    }
}

/// Each of group 0 stands alone.
fn groups<'r>(all: &[&'r Relationship]) -> Vec<Vec<&'r Relationship>> {
    let mut groups: BTreeMap<u32, Vec<&Relationship>> = BTreeMap::new();
    let mut alone = Vec::new();
    for it in all {
        match it.group {
            0 => alone.push(vec![*it]),
            group => groups.entry(group).or_default().push(it),
        }
    }
    alone.extend(groups.into_values());
    alone
}
