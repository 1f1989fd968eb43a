//! Filters of a value set (<https://hl7.org/fhir/R4/valueset.html#compositions>) on a loaded system.

use fhir::problem::{Kind, Problem};
use fhir::terminology::compose::{Filter, FilterOp};
use fhir::terminology::ecl;
use fhir::terminology::ranges::{Ranges, Upward};
use fhir::terminology::words::end_of_prefix;
use regex::{Regex, RegexBuilder};

use super::evaluate::Evaluation;
use super::rows::kind;
use super::system::{SystemRow, short};
use crate::sql::Sql;

/// Size of a compiled regular expression, and of its text.
const REGEX_BYTES_MAX: usize = 1 << 20;
const REGEX_TEXT_MAX: usize = 500;
/// Codes, displays or values that one filter looks at, at most.
const LOOKED_AT_MAX: u32 = 1_000_000;
/// Rows of them in one statement.
const PAGE: i64 = 20_000;
/// Codes that `in` and `not-in` may name.
const NAMED_MAX: usize = 1000;

impl Evaluation<'_> {
    /// The concepts that pass a filter.
    pub(super) async fn filtered(
        &self,
        system: &SystemRow,
        filter: &Filter,
    ) -> Result<Ranges, Problem> {
        let Filter {
            property,
            op,
            value,
        } = filter;
        let is_concept = matches!(property.as_str(), "concept" | "code");
        match op {
            FilterOp::IsA if is_concept => self.below_code(system, value).await,
            FilterOp::DescendentOf if is_concept => {
                let own = self.required(system, value).await?;
                Ok(self
                    .store
                    .below(system, own)
                    .await?
                    .minus(&Ranges::span(own, own)))
            }
            FilterOp::IsNotA if is_concept => {
                Ok(system.all().minus(&self.below_code(system, value).await?))
            }
            FilterOp::Generalizes if is_concept => {
                let own = self.required(system, value).await?;
                Ok(self
                    .store
                    .above(system, &[own])
                    .await?
                    .or(&Ranges::span(own, own)))
            }
            FilterOp::Equals if matches!(property.as_str(), "constraint" | "expression") => {
                let expression = ecl::parse(value)?;
                self.constrained(system, &expression).await
            }
            FilterOp::Equals => self.having(system, property, &[value]).await,
            FilterOp::In | FilterOp::NotIn => {
                let found = self.among(system, property, value).await?;
                Ok(if *op == FilterOp::In {
                    found
                } else {
                    system.all().minus(&found)
                })
            }
            FilterOp::Exists => self.existing(system, property, value).await,
            FilterOp::Regex => self.matching(system, property, value).await,
            FilterOp::IsA | FilterOp::DescendentOf | FilterOp::IsNotA | FilterOp::Generalizes => {
                let message = "The operators of the hierarchy filter by the property concept.";
                Err(Problem::new(Kind::NotSupported, message))
            }
        }
    }

    /// The number of a code that must be there: a filter by a code that is not would be empty
    /// silently.
    pub(super) async fn required(&self, system: &SystemRow, code: &str) -> Result<u32, Problem> {
        let found = self.store.num_of(system, code.trim()).await?;
        found.ok_or_else(|| {
            let message = format!(
                "The code system {} has no code {}.",
                short(&system.url),
                short(code)
            );
            Problem::new(Kind::CodeInvalid, message)
        })
    }

    async fn below_code(&self, system: &SystemRow, code: &str) -> Result<Ranges, Problem> {
        let own = self.required(system, code).await?;
        self.store.below(system, own).await
    }

    async fn among(
        &self,
        system: &SystemRow,
        property: &str,
        value: &str,
    ) -> Result<Ranges, Problem> {
        // SNOMED CT: `concept in` a reference set.
        if property == "concept" && system.kind == "snomed" && !value.contains(',') {
            return self.store.posting(system, kind::MEMBER, value.trim()).await;
        }
        let values: Vec<&str> = value
            .split(',')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .collect();
        if values.len() > NAMED_MAX {
            let message = format!("A filter names {NAMED_MAX} values at most.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        self.having(system, property, &values).await
    }

    /// The concepts whose property is one of these values.
    async fn having(
        &self,
        system: &SystemRow,
        property: &str,
        values: &[&str],
    ) -> Result<Ranges, Problem> {
        let mut found = Ranges::default();
        match property {
            "concept" | "code" => {
                let known = self.store.nums_of(system, values).await?;
                found = Ranges::of(known.into_iter().map(|(_, num)| num).collect());
            }
            "parent" => {
                for value in values {
                    let own = self.required(system, value).await?;
                    found = found.or(&self
                        .store
                        .posting(system, kind::CHILD, &own.to_string())
                        .await?);
                }
            }
            "child" => {
                for value in values {
                    let own = self.required(system, value).await?;
                    found = found.or(&self.store.parents(system, &[own]).await?);
                }
            }
            "inactive" => {
                let inactive = self.store.inactive(system).await?;
                for value in values {
                    let chosen = if *value == "true" {
                        inactive.clone()
                    } else {
                        system.all().minus(&inactive)
                    };
                    found = found.or(&chosen);
                }
            }
            "display" => {
                let wanted = |text: &str| values.contains(&text);
                found = self.scanned(system, "display", wanted).await?;
            }
            _ => {
                for value in values {
                    let key = format!("{property}={value}");
                    found = found.or(&self.store.posting(system, kind::PROPERTY, &key).await?);
                }
            }
        }
        Ok(found)
    }

    async fn existing(
        &self,
        system: &SystemRow,
        property: &str,
        value: &str,
    ) -> Result<Ranges, Problem> {
        let there = match property {
            "concept" | "code" | "display" => system.all(),
            "parent" => {
                let mut roots = system.all();
                for (_, nums) in self.postings(system, kind::CHILD, "").await? {
                    roots = roots.minus(&nums);
                }
                system.all().minus(&roots)
            }
            _ => self.store.posting(system, kind::PROPERTY, property).await?,
        };
        match value {
            "true" => Ok(there),
            "false" => Ok(system.all().minus(&there)),
            _ => Err(Problem::new(
                Kind::Value,
                "The value of an exists filter is true or false.",
            )),
        }
    }

    async fn matching(
        &self,
        system: &SystemRow,
        property: &str,
        value: &str,
    ) -> Result<Ranges, Problem> {
        let regex = regex(value)?;
        if matches!(property, "concept" | "code" | "display") {
            return self
                .scanned(system, property, |text| regex.is_match(text))
                .await;
        }
        let prefix = format!("{property}=");
        let mut found = Ranges::default();
        for (key, nums) in self.postings(system, kind::PROPERTY, &prefix).await? {
            if key
                .strip_prefix(&prefix)
                .is_some_and(|value| regex.is_match(value))
            {
                found = found.or(&nums);
            }
        }
        Ok(found)
    }

    /// All keys that begin so.
    pub(super) async fn postings(
        &self,
        system: &SystemRow,
        kind: i64,
        prefix: &str,
    ) -> Result<Vec<(String, Ranges)>, Problem> {
        let end = end_of_prefix(prefix).unwrap_or_else(|| "\u{10ffff}".into());
        let sql = Sql::new(
            "SELECT key, nums FROM ts_posting WHERE system = $1 AND kind = $2 AND key >= $3 AND key < $4 LIMIT $5",
        );
        let sql = sql
            .with(system.id)
            .with(kind)
            .with(prefix.to_string())
            .with(end)
            .with(i64::from(LOOKED_AT_MAX) / 4);
        let rows = self.store.rows_apart(sql).await?;
        if rows.len() >= LOOKED_AT_MAX as usize / 4 {
            return Err(too_many());
        }
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let mut nums = Vec::new();
            Upward::read(row.bytes(1)?, &mut nums);
            found.push((row.text(0)?.to_string(), Ranges::of(nums)));
        }
        Ok(found)
    }

    /// Looks at every code or display of a system.
    async fn scanned(
        &self,
        system: &SystemRow,
        column: &str,
        passes: impl Fn(&str) -> bool,
    ) -> Result<Ranges, Problem> {
        if system.total > LOOKED_AT_MAX {
            return Err(too_many());
        }
        let text = match column {
            "display" => {
                "SELECT num, display FROM ts_concept WHERE system = $1 AND num >= $2 ORDER BY num LIMIT $3"
            }
            _ => {
                "SELECT num, code FROM ts_concept WHERE system = $1 AND num >= $2 ORDER BY num LIMIT $3"
            }
        };
        let (mut found, mut next) = (Vec::new(), 0u32);
        loop {
            let rows = self
                .store
                .rows_apart(Sql::new(text).with(system.id).with(next).with(PAGE))
                .await?;
            let Some(last) = rows.last() else {
                return Ok(Ranges::of(found));
            };
            next = super::concept::number(last, 0)? + 1;
            for row in &rows {
                if passes(row.text(1)?) {
                    found.push(super::concept::number(row, 0)?);
                }
            }
        }
    }
}

/// A regular expression that must match the whole value. It runs in linear time and bounded space.
fn regex(text: &str) -> Result<Regex, Problem> {
    if text.len() > REGEX_TEXT_MAX {
        return Err(Problem::new(
            Kind::TooCostly,
            "The regular expression is too long.",
        ));
    }
    RegexBuilder::new(&format!("^(?:{text})$"))
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| {
            let message = "The regular expression does not read, or is too large.";
            Problem::new(Kind::Value, message).because(error)
        })
}

fn too_many() -> Problem {
    Problem::new(
        Kind::TooCostly,
        "The code system is too large for this filter.",
    )
}
