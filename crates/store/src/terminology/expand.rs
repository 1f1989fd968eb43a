//! <https://hl7.org/fhir/R4/valueset-operation-expand.html>

use access::Scope;
use fhir::problem::{Kind, Problem};
use fhir::terminology::compose::{Designation, Listed, ValueSet};

use super::Asked;
use super::concept::{Shown, in_language};
use super::evaluate::Evaluation;
use super::members::{Members, OfSystem};
use super::text::holds;
use crate::store::Store;

/// Codes in one answer, at most.
pub const EXPANSION_MAX: u64 = 10_000;

/// What is wanted of an expansion.
#[derive(Clone, Debug, Default)]
pub struct ExpansionOptions {
    /// Words that each begin a word of a name, or a code.
    pub filter: Option<String>,
    pub offset: u64,
    /// A page's length; all if not given, as long as that is not more than 10,000.
    pub count: Option<u64>,
    pub active_only: bool,
    pub with_designations: bool,
    /// BCP 47; displays are in it where known.
    pub language: Option<String>,
}

/// An expansion, or a page of it.
#[derive(Clone, Debug, Default)]
pub struct Expansion {
    /// The value set's own address, version, name and title, where it has them.
    pub definition: ValueSet,
    pub total: u64,
    pub codes: Vec<Shown>,
    /// Systems that it draws on, with versions.
    pub systems: Vec<(String, String)>,
}

/// What of one system passes the filter, in order.
struct Chosen {
    of: OfSystem,
    /// `None`: all of its ranges, in order.
    nums: Option<Vec<u32>>,
}

impl Chosen {
    fn count(&self) -> u64 {
        let nums = self
            .nums
            .as_ref()
            .map_or_else(|| self.of.ranges.count(), |nums| nums.len() as u64);
        self.of.listed.len() as u64 + nums
    }
}

impl Store {
    /// Expands a value set.
    ///
    /// # Errors
    /// `NotFound` for a value set or system that is not here, `TooCostly` if it is too large to be
    /// answered at once, what the definition does wrong.
    pub async fn expand(
        &self,
        scope: &Scope,
        asked: Asked<'_>,
        options: &ExpansionOptions,
    ) -> Result<Expansion, Problem> {
        if options.count.is_some_and(|count| count > EXPANSION_MAX) {
            let message =
                format!("A page has {EXPANSION_MAX} codes at most: ask for a smaller count.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let mut evaluation = Evaluation::new(self, scope);
        let evaluated = evaluation.asked(asked).await?;
        let mut members = evaluated.members;
        if options.active_only {
            members = evaluation.active(members).await?;
        }
        let systems = members
            .systems
            .iter()
            .map(|of| (of.system.url.clone(), of.system.version.clone()))
            .collect();
        let chosen = self.chosen(members, options.filter.as_deref()).await?;
        let total: u64 = chosen.iter().map(Chosen::count).sum();
        if options.count.is_none() && total.saturating_sub(options.offset) > EXPANSION_MAX {
            let message = format!(
                "The expansion has {total} codes: ask for a page with count and offset, or for less with filter."
            );
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let codes = self.expansion_page(&chosen, options).await?;
        let about = evaluated.definition.url.clone();
        self.terminology_traced(scope, "ValueSet", &about).await?;
        Ok(Expansion {
            definition: evaluated.definition,
            total,
            codes,
            systems,
        })
    }

    async fn chosen(&self, members: Members, filter: Option<&str>) -> Result<Vec<Chosen>, Problem> {
        let mut chosen = Vec::with_capacity(members.systems.len());
        for mut of in members.systems {
            let Some(filter) = filter.filter(|filter| !filter.trim().is_empty()) else {
                chosen.push(Chosen { of, nums: None });
                continue;
            };
            of.listed.retain(|it| {
                let names: Vec<&str> = it
                    .display
                    .as_deref()
                    .into_iter()
                    .chain(it.designations.iter().map(|it| it.value.as_str()))
                    .collect();
                holds(&names, &it.code, filter)
            });
            let nums = if of.ranges.is_empty() {
                Vec::new()
            } else {
                self.matching(&of, filter).await?
            };
            chosen.push(Chosen {
                of,
                nums: Some(nums),
            });
        }
        Ok(chosen)
    }

    async fn expansion_page(
        &self,
        chosen: &[Chosen],
        options: &ExpansionOptions,
    ) -> Result<Vec<Shown>, Problem> {
        let mut skip = usize::try_from(options.offset).unwrap_or(usize::MAX);
        let mut left =
            usize::try_from(options.count.unwrap_or(EXPANSION_MAX)).unwrap_or(usize::MAX);
        let mut codes = Vec::new();
        for chosen in chosen {
            let named = chosen
                .of
                .listed
                .iter()
                .skip(skip)
                .take(left)
                .map(|it| bare(&chosen.of, it, options));
            let before = codes.len();
            codes.extend(named);
            left -= codes.len() - before;
            skip = skip.saturating_sub(chosen.of.listed.len());
            let nums: Vec<u32> = match &chosen.nums {
                Some(nums) => nums.iter().copied().skip(skip).take(left).collect(),
                None => chosen.of.ranges.numbers().skip(skip).take(left).collect(),
            };
            let there =
                usize::try_from(chosen.count()).unwrap_or(usize::MAX) - chosen.of.listed.len();
            skip = skip.saturating_sub(there);
            left -= nums.len();
            codes.extend(self.shown(&chosen.of, &nums, options).await?);
        }
        Ok(codes)
    }

    async fn shown(
        &self,
        of: &OfSystem,
        nums: &[u32],
        options: &ExpansionOptions,
    ) -> Result<Vec<Shown>, Problem> {
        let concepts = self.concepts(&of.system, nums).await?;
        let one = |concept: super::concept::ConceptRow| {
            let own = of.shown.get(&concept.num);
            let mut shown = concept.shown(
                &of.system,
                options.language.as_deref(),
                options.with_designations,
            );
            if let Some(own) = own {
                said(&mut shown, own, options);
            }
            shown
        };
        Ok(concepts.into_iter().map(one).collect())
    }
}

/// What the value set itself says of a code goes before what the system says.
fn said(shown: &mut Shown, own: &Listed, options: &ExpansionOptions) {
    let translated = options
        .language
        .as_deref()
        .and_then(|language| in_language(&own.designations, language));
    let plain = own
        .display
        .as_deref()
        .filter(|_| options.language.is_none());
    if let Some(display) = translated.or(plain) {
        shown.display = display.to_string();
    }
    if options.with_designations {
        let more = own
            .designations
            .iter()
            .filter(|it| !shown.designations.contains(it));
        let more: Vec<Designation> = more.cloned().collect();
        shown.designations.extend(more);
    }
}

/// A code that is in no system here.
fn bare(of: &OfSystem, it: &Listed, options: &ExpansionOptions) -> Shown {
    let mut shown = Shown {
        system: of.system.url.clone(),
        version: of.system.version.clone(),
        code: it.code.clone(),
        display: it.display.clone().unwrap_or_default(),
        ..Shown::default()
    };
    said(&mut shown, it, options);
    shown
}
