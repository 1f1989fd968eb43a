//! From a value set's definition to its members.

use access::Scope;
use fhir::json::{Limits, parse};
use fhir::problem::{Kind, Problem};
use fhir::terminology::compose::{Filter, FilterOp, Listed, Part, ValueSet};
use fhir::terminology::ranges::Ranges;
use fhir::terminology::{base_value_set, unversioned};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::members::{Members, OfSystem};
use super::system::{SystemRow, not_loaded, short};
use super::{Asked, is_seen, published};
use crate::sql::Sql;
use crate::store::Store;

/// Value sets within each other, and parts in all.
const DEPTH_MAX: u32 = 12;
const PARTS_MAX: u32 = 2000;
/// Versions of one value set that are looked at.
const VERSIONS_MAX: i64 = 50;

const SNOMED: &str = "http://snomed.info/sct";

/// One evaluation, which is bounded as a whole.
pub(super) struct Evaluation<'s> {
    pub store: &'s Store,
    pub scope: &'s Scope,
    depth: u32,
    parts: u32,
}

/// A value set as it was found: its definition, if it is one of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evaluated {
    pub definition: ValueSet,
    pub members: Members,
}

impl<'s> Evaluation<'s> {
    pub(super) fn new(store: &'s Store, scope: &'s Scope) -> Evaluation<'s> {
        Evaluation {
            store,
            scope,
            depth: 0,
            parts: 0,
        }
    }

    pub(super) async fn asked(&mut self, asked: Asked<'_>) -> Result<Evaluated, Problem> {
        match asked {
            Asked::Url(url) => self.address(url).await,
            Asked::Resource(set) => Ok(Evaluated {
                definition: headed(set),
                members: self.set(set).await?,
            }),
        }
    }

    /// The value set of a canonical address: one that is stored, all of a code system, a part of
    /// SNOMED CT, or one that R4 requires.
    async fn address(&mut self, canonical: &str) -> Result<Evaluated, Problem> {
        let (url, version) = match canonical.split_once('|') {
            // In ECL, terms stand between such lines.
            Some((url, version)) if !url.contains("?fhir_vs=ecl/") => (url, Some(version)),
            _ => (canonical, None),
        };
        if let Some(set) = self.store.value_set(self.scope, url, version).await? {
            return Ok(Evaluated {
                members: self.set(&set).await?,
                definition: headed(&set),
            });
        }
        let definition = ValueSet {
            url: url.to_string(),
            version: version.unwrap_or_default().to_string(),
            ..ValueSet::default()
        };
        if let Some(part) = implicit(url)? {
            return Ok(Evaluated {
                members: self.part(&part).await?,
                definition,
            });
        }
        if let Some(system) = self.store.system_of_value_set(self.scope, url).await? {
            let definition = ValueSet {
                title: system.title.clone(),
                name: system.name.clone(),
                ..definition
            };
            let all = system.all();
            return Ok(Evaluated {
                members: Members::one(OfSystem::of(system, all)),
                definition,
            });
        }
        if let Some(set) = published::value_set(url, version)? {
            return Ok(Evaluated {
                members: Box::pin(self.set(&set)).await?,
                definition: headed(&set),
            });
        }
        if let Some(whole) = fhir::terminology::published::whole_of(url)
            && let Some(system) = self.store.system(self.scope, whole, None).await?
        {
            let all = system.all();
            return Ok(Evaluated {
                members: Members::one(OfSystem::of(system, all)),
                definition,
            });
        }
        match base_value_set(url) {
            Some(codes) => Ok(Evaluated {
                members: self.base(&codes).await?,
                definition,
            }),
            None => {
                let message = format!("The value set {} is not loaded here.", short(canonical));
                Err(Problem::new(Kind::NotFound, message))
            }
        }
    }

    async fn base(&mut self, codes: &[(&str, &str)]) -> Result<Members, Problem> {
        let mut members = Members::default();
        for group in codes.chunk_by(|a, b| a.0 == b.0) {
            let Some((system, _)) = group.first() else {
                continue;
            };
            let listed = group.iter().map(|(_, code)| Listed {
                code: (*code).to_string(),
                ..Listed::default()
            });
            let part = Part {
                system: Some((*system).to_string()),
                listed: listed.collect(),
                ..Part::default()
            };
            members = members.or(self.part(&part).await?);
        }
        Ok(members)
    }

    async fn set(&mut self, set: &ValueSet) -> Result<Members, Problem> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = "The value set imports itself, or others too deep.";
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let mut members = Members::default();
        for part in &set.includes {
            members = members.or(self.part(part).await?);
        }
        for part in &set.excludes {
            members = members.minus(&self.part(part).await?);
        }
        if set.inactive == Some(false) {
            members = self.active(members).await?;
        }
        self.depth -= 1;
        Ok(members)
    }

    /// Without those that are no longer in use.
    pub(super) async fn active(&self, mut members: Members) -> Result<Members, Problem> {
        for of in members
            .systems
            .iter_mut()
            .filter(|of| of.system.is_loaded())
        {
            of.ranges = of.ranges.minus(&self.store.inactive(&of.system).await?);
        }
        Ok(members)
    }

    /// What all that a part says agrees on.
    fn part<'a>(&'a mut self, part: &'a Part) -> BoxFuture<'a, Result<Members, Problem>> {
        async move {
            self.parts += 1;
            if self.parts > PARTS_MAX {
                return Err(Problem::new(
                    Kind::TooCostly,
                    "The value set has too many parts.",
                ));
            }
            let mut found = match &part.system {
                Some(system) => Some(self.of_system(part, system).await?),
                None => None,
            };
            for url in &part.value_sets {
                let imported = self.address(url).await?.members;
                found = Some(match found {
                    Some(found) => found.and(&imported),
                    None => imported,
                });
            }
            Ok(found.unwrap_or_default())
        }
        .boxed()
    }

    async fn of_system(&mut self, part: &Part, url: &str) -> Result<Members, Problem> {
        let version = part.version.as_deref();
        let Some(system) = self.store.system(self.scope, url, version).await? else {
            if part.listed.is_empty() || !part.filters.is_empty() {
                return Err(not_loaded(url, version));
            }
            let system = SystemRow::absent(url, version);
            return Ok(Members::one(OfSystem {
                system,
                listed: part.listed.clone(),
                ..OfSystem::default()
            }));
        };
        let mut of = match part.listed.is_empty() {
            true => OfSystem {
                ranges: system.all(),
                system,
                ..OfSystem::default()
            },
            false => self.named(system, &part.listed).await?,
        };
        for filter in &part.filters {
            let kept = self.filtered(&of.system, filter).await?;
            of.ranges = of.ranges.and(&kept);
            of.listed.clear();
        }
        Ok(Members::one(of))
    }

    /// Codes by name. A code that a whole system does not have is no code; a system of which only a
    /// part is here may have it.
    async fn named(&self, system: SystemRow, listed: &[Listed]) -> Result<OfSystem, Problem> {
        let codes: Vec<&str> = listed.iter().map(|it| it.code.as_str()).collect();
        let known: std::collections::HashMap<String, u32> = self
            .store
            .nums_of(&system, &codes)
            .await?
            .into_iter()
            .collect();
        let mut of = OfSystem {
            ranges: Ranges::of(known.values().copied().collect()),
            ..OfSystem::default()
        };
        for it in listed {
            match known.get(&it.code) {
                Some(num) if it.display.is_some() || !it.designations.is_empty() => {
                    of.shown.insert(*num, it.clone());
                }
                Some(_) => {}
                None if system.is_whole() => {}
                None => of.listed.push(it.clone()),
            }
        }
        of.system = system;
        Ok(of)
    }
}

fn headed(set: &ValueSet) -> ValueSet {
    ValueSet {
        includes: Vec::new(),
        excludes: Vec::new(),
        ..set.clone()
    }
}

/// The implicit value sets of SNOMED CT (<https://hl7.org/fhir/R4/snomedct.html#implicit>) and of
/// LOINC.
fn implicit(url: &str) -> Result<Option<Part>, Problem> {
    if url == "http://loinc.org/vs" {
        return Ok(Some(Part {
            system: Some("http://loinc.org".into()),
            ..Part::default()
        }));
    }
    let Some((base, set)) = url
        .split_once("?fhir_vs")
        .filter(|(base, _)| base.starts_with(SNOMED))
    else {
        return Ok(None);
    };
    let filter = |property: &str, op, value: &str| {
        vec![Filter {
            property: property.into(),
            op,
            value: value.into(),
        }]
    };
    let filters = match set.strip_prefix('=') {
        None if set.is_empty() => Vec::new(),
        Some("refset") => filter("concept", FilterOp::IsA, "900000000000455006"),
        Some(set) => match set.split_once('/') {
            Some(("isa", id)) => filter("concept", FilterOp::IsA, id),
            Some(("refset", id)) => filter("concept", FilterOp::In, id),
            Some(("ecl", text)) => filter("constraint", FilterOp::Equals, text),
            _ => return Err(unknown_implicit()),
        },
        None => return Err(unknown_implicit()),
    };
    let version = (base != SNOMED).then(|| base.to_string());
    Ok(Some(Part {
        system: Some(SNOMED.into()),
        version,
        filters,
        ..Part::default()
    }))
}

fn unknown_implicit() -> Problem {
    let message = "An implicit value set of SNOMED CT ends in ?fhir_vs, ?fhir_vs=isa/…, =refset/…, =refset or =ecl/….";
    Problem::new(Kind::Value, message)
}

impl Store {
    /// The value set of that address, in that version or in the newest.
    pub(super) async fn value_set(
        &self,
        scope: &Scope,
        url: &str,
        version: Option<&str>,
    ) -> Result<Option<ValueSet>, Problem> {
        let sql = Sql::new(
            "SELECT id, version, org FROM ts_value_set WHERE url = $1 ORDER BY id DESC LIMIT $2",
        );
        for row in self
            .rows(&sql.with(unversioned(url)).with(VERSIONS_MAX))
            .await?
        {
            let is_wanted =
                version.is_none_or(|version| row.text(1).is_ok_and(|known| known == version));
            if !is_wanted || !is_seen(scope, row.text_opt(2)?) {
                continue;
            }
            let body = Sql::new("SELECT body FROM ts_value_set WHERE id = $1").with(row.int(0)?);
            if let Some(row) = self.rows(&body).await?.first() {
                let limits = Limits {
                    bytes: 1 << 30,
                    nodes: u32::MAX,
                    ..Limits::default()
                };
                return ValueSet::read(&parse(row.bytes(0)?, &limits)?).map(Some);
            }
        }
        Ok(None)
    }
}
