//! Sets of codes as conditions of a search: `:in`, `:not-in`, `:above`, `:below`.

use access::Scope;
use fhir::problem::{Kind, Problem};
use fhir::terminology::ranges::Ranges;

use super::Asked;
use super::evaluate::Evaluation;
use super::members::Members;
use super::system::not_loaded;
use crate::sql::{Bind, Sql};
use crate::store::Store;

/// Ranges and codes that one condition may hold: each takes two or one of the at most 32,766 values
/// that a statement can be given.
const VALUES_MAX: usize = 8000;

/// Codes by system. A token matches if its system is one of these and its code is among that
/// system's.
#[derive(Clone, Debug, Default)]
pub struct CodeSet {
    pub systems: Vec<SystemCodes>,
}

/// Codes of one system.
#[derive(Clone, Debug, Default)]
pub struct SystemCodes {
    /// The system's address.
    pub system: String,
    id: i64,
    ranges: Ranges,
    listed: Vec<String>,
}

impl SystemCodes {
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.listed.is_empty()
    }

    /// Adds `(SELECT …)` with one column, the codes: for `code IN` it.
    pub(crate) fn push<'a>(&self, sql: &mut Sql<'a>) {
        sql.push("(");
        if !self.ranges.is_empty() {
            sql.push("SELECT c.code FROM (VALUES ");
            for (at, (low, high)) in self.ranges.as_slice().iter().enumerate() {
                sql.push(if at == 0 { "(CAST(" } else { ", (CAST(" });
                sql.bind(*low)
                    .push(" AS BIGINT), CAST(")
                    .bind(*high)
                    .push(" AS BIGINT))");
            }
            sql.push(") AS r JOIN ts_concept c ON c.system = ")
                .bind(self.id);
            sql.push(" AND c.num BETWEEN r.column1 AND r.column2");
        }
        for (at, code) in self.listed.iter().enumerate() {
            if at > 0 || !self.ranges.is_empty() {
                sql.push(" UNION ALL ");
            }
            sql.push("SELECT CAST(")
                .bind(Bind::from(code.clone()))
                .push(" AS TEXT)");
        }
        if self.is_empty() {
            sql.push("SELECT '' WHERE 1 = 0");
        }
        sql.push(")");
    }
}

impl Store {
    /// The codes of a value set, for `:in` and `:not-in`.
    ///
    /// # Errors
    /// As `expand`; `TooCostly` for one that is too scattered.
    pub async fn codes_in(&self, scope: &Scope, value_set: &str) -> Result<CodeSet, Problem> {
        let evaluated = Evaluation::new(self, scope)
            .asked(Asked::Url(value_set))
            .await?;
        code_set(evaluated.members)
    }

    /// A code and all below it, for `:below`.
    ///
    /// # Errors
    /// `NotFound` if the system or the code is not here.
    pub async fn codes_below(
        &self,
        scope: &Scope,
        system: &str,
        code: &str,
    ) -> Result<CodeSet, Problem> {
        self.related(scope, system, code, false).await
    }

    /// A code and all above it, for `:above`.
    ///
    /// # Errors
    /// As `codes_below`.
    pub async fn codes_above(
        &self,
        scope: &Scope,
        system: &str,
        code: &str,
    ) -> Result<CodeSet, Problem> {
        self.related(scope, system, code, true).await
    }

    async fn related(
        &self,
        scope: &Scope,
        url: &str,
        code: &str,
        above: bool,
    ) -> Result<CodeSet, Problem> {
        let system = self
            .system(scope, url, None)
            .await?
            .ok_or_else(|| not_loaded(url, None))?;
        let num = Evaluation::new(self, scope).required(&system, code).await?;
        let ranges = match above {
            true => self
                .above(&system, &[num])
                .await?
                .or(&Ranges::span(num, num)),
            false => self.below(&system, num).await?,
        };
        code_set(Members::one(super::members::OfSystem::of(system, ranges)))
    }
}

fn code_set(members: Members) -> Result<CodeSet, Problem> {
    let systems: Vec<SystemCodes> = members
        .systems
        .into_iter()
        .map(|of| SystemCodes {
            system: of.system.url,
            id: of.system.id,
            ranges: of.ranges,
            listed: of.listed.into_iter().map(|it| it.code).collect(),
        })
        .collect();
    let values: usize = systems
        .iter()
        .map(|it| it.ranges.as_slice().len() + it.listed.len())
        .sum();
    if values > VALUES_MAX {
        let message = "This set of codes is too scattered to be searched by.";
        return Err(Problem::new(Kind::TooCostly, message));
    }
    Ok(CodeSet { systems })
}

#[cfg(test)]
mod tests {
    use access::{Scope, SystemPurpose};

    use super::*;
    use crate::terminology::{NewConcept, ReleaseHead};
    use crate::testing::on_each_database;

    #[test]
    fn a_set_of_codes_is_a_condition_that_both_databases_take() {
        on_each_database(async |ground| {
            let store = ground.open().await;
            let head = ReleaseHead {
                kind: "icd10".into(),
                url: "urn:icd".into(),
                ..ReleaseHead::default()
            };
            let mut loading = store.begin_release(head).await.unwrap();
            for (code, parents) in [
                ("A", vec![]),
                ("B", vec![0]),
                ("C", vec![1]),
                ("D", vec![0]),
            ] {
                let mut new = NewConcept {
                    parents,
                    ..NewConcept::default()
                };
                new.concept.code = code.into();
                loading.concept(&new).await.unwrap();
            }
            loading.range(0, &Ranges::span(0, 3)).await.unwrap();
            loading.range(1, &Ranges::span(1, 2)).await.unwrap();
            loading.finish().await.unwrap();
            let scope = Scope::system(SystemPurpose::Measure);
            let codes = async |set: CodeSet| {
                let mut sql = Sql::new("SELECT x.code FROM ts_concept x WHERE x.system > ");
                sql.bind(0i64).push(" AND x.code IN ");
                set.systems.first().unwrap().push(&mut sql);
                sql.push(" ORDER BY x.code");
                let rows = store.rows_apart(sql).await.unwrap();
                rows.iter()
                    .map(|row| row.text(0).unwrap())
                    .collect::<String>()
            };
            assert_eq!(
                codes(store.codes_below(&scope, "urn:icd", "B").await.unwrap()).await,
                "BC"
            );
            assert_eq!(
                codes(store.codes_above(&scope, "urn:icd", "c").await.unwrap()).await,
                "ABC"
            );
            let listed = SystemCodes {
                listed: vec!["D".into(), "Z".into()],
                ..SystemCodes::default()
            };
            assert_eq!(
                codes(CodeSet {
                    systems: vec![listed]
                })
                .await,
                "D"
            );
            let none = CodeSet {
                systems: vec![SystemCodes::default()],
            };
            assert_eq!(codes(none).await, "");
            let mixed = SystemCodes {
                listed: vec!["D".into()],
                ..store
                    .codes_below(&scope, "urn:icd", "B")
                    .await
                    .unwrap()
                    .systems
                    .remove(0)
            };
            assert_eq!(
                codes(CodeSet {
                    systems: vec![mixed]
                })
                .await,
                "BCD"
            );
            assert!(store.codes_below(&scope, "urn:icd", "Z").await.is_err());
        });
    }
}
