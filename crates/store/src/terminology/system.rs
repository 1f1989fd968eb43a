//! Code systems that are there, and the sets that their rows hold.

use access::Scope;
use fhir::problem::{Kind, Problem};
use fhir::terminology::ranges::{Ranges, Upward};

use super::concept::number;
use super::rows::kind;
use super::{is_seen, published};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Versions of one system that are looked at.
const VERSIONS_MAX: i64 = 50;
/// Codes asked for in one statement.
const AT_ONCE: usize = 500;

/// A code system of the store, or one that is not: then `id` is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemRow {
    pub id: i64,
    /// `snomed`, `dmd`, `icd10`, `loinc`, `resource`, or `r4` for what R4 itself defines.
    pub kind: String,
    pub url: String,
    pub version: String,
    pub name: String,
    pub title: String,
    pub content: String,
    /// `loading`, `live` or `gone`.
    pub state: String,
    /// Upper and lower case are the same.
    pub is_folded: bool,
    /// Concepts; their numbers are below it.
    pub total: u32,
    /// When it became what it is, in milliseconds since the Unix epoch.
    pub at: i64,
    org: Option<String>,
}

const COLUMNS: &str = "SELECT id, kind, url, version, name, title, content, folded, total, org, state, at FROM ts_system ";

impl SystemRow {
    fn from_row(row: &Row) -> Result<SystemRow, Problem> {
        let text = |column| row.text(column).map(str::to_string);
        Ok(SystemRow {
            id: row.int(0)?,
            kind: text(1)?,
            url: text(2)?,
            version: text(3)?,
            name: text(4)?,
            title: text(5)?,
            content: text(6)?,
            is_folded: row.flag(7)?,
            total: number(row, 8)?,
            org: row.text_opt(9)?.map(str::to_string),
            state: text(10)?,
            at: row.int(11)?,
        })
    }

    /// One that is not here.
    pub(super) fn absent(url: &str, version: Option<&str>) -> SystemRow {
        SystemRow {
            url: url.to_string(),
            version: version.unwrap_or_default().to_string(),
            ..SystemRow::default()
        }
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.id != 0
    }

    /// Whether it holds all codes of the system, so that others are wrong.
    pub(super) fn is_whole(&self) -> bool {
        self.is_loaded() && (self.content == "complete" || self.kind != "resource")
    }

    /// Whether it is that version; an edition of SNOMED CT stands for all its dates.
    fn is_version(&self, version: &str) -> bool {
        self.version == version
            || self
                .version
                .strip_prefix(version)
                .is_some_and(|rest| rest.starts_with("/version/"))
    }

    /// All its concepts.
    pub(super) fn all(&self) -> Ranges {
        Ranges::all(self.total)
    }
}

impl Store {
    /// All code systems that are there, also those that are still loading, newest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn code_systems(&self) -> Result<Vec<SystemRow>, Problem> {
        let sql = Sql::new(
            "SELECT id, kind, url, version, name, title, content, folded, total, org, state, at FROM ts_system ORDER BY id DESC LIMIT 10000",
        );
        self.rows(&sql)
            .await?
            .iter()
            .map(SystemRow::from_row)
            .collect()
    }

    /// The live code system of that address, in that version or in any: a release first, then what
    /// is complete, then the newest, then what R4 defines.
    pub(super) async fn system(
        &self,
        scope: &Scope,
        url: &str,
        version: Option<&str>,
    ) -> Result<Option<SystemRow>, Problem> {
        let found = self.system_here(scope, url, version).await?;
        if found.is_none() && self.publish(url, version).await? {
            return self.system_here(scope, url, version).await;
        }
        Ok(found)
    }

    async fn system_here(
        &self,
        scope: &Scope,
        url: &str,
        version: Option<&str>,
    ) -> Result<Option<SystemRow>, Problem> {
        let mut sql = Sql::new(COLUMNS);
        sql.push("WHERE url = ")
            .bind(url)
            .push(" AND state = 'live' ORDER BY id DESC LIMIT ")
            .bind(VERSIONS_MAX);
        let mut found: Vec<SystemRow> = self
            .rows(&sql)
            .await?
            .iter()
            .map(SystemRow::from_row)
            .collect::<Result<_, _>>()?;
        found.retain(|system| {
            is_seen(scope, system.org.as_deref())
                && version.is_none_or(|version| system.is_version(version))
                && !matches!(system.content.as_str(), "not-present" | "supplement")
        });
        found.sort_by_key(|system| {
            let (is_r4, is_resource) = (system.kind == published::KIND, system.kind == "resource");
            (is_r4, is_resource, system.content != "complete")
        });
        Ok(found.into_iter().next())
    }

    /// The live code system whose whole is the value set of that address.
    pub(super) async fn system_of_value_set(
        &self,
        scope: &Scope,
        url: &str,
    ) -> Result<Option<SystemRow>, Problem> {
        if url.is_empty() {
            return Ok(None);
        }
        let mut sql = Sql::new(COLUMNS);
        sql.push("WHERE value_set = ")
            .bind(url)
            .push(" AND state = 'live' ORDER BY id DESC LIMIT ")
            .bind(VERSIONS_MAX);
        let found: Vec<SystemRow> = self
            .rows(&sql)
            .await?
            .iter()
            .map(SystemRow::from_row)
            .collect::<Result<_, _>>()?;
        Ok(found
            .into_iter()
            .find(|system| is_seen(scope, system.org.as_deref())))
    }

    /// The number of a code.
    pub(super) async fn num_of(
        &self,
        system: &SystemRow,
        code: &str,
    ) -> Result<Option<u32>, Problem> {
        let sql = Sql::new("SELECT num FROM ts_concept WHERE system = $1 AND code = $2");
        if let Some(row) = self.rows(&sql.with(system.id).with(code)).await?.first() {
            return number(row, 0).map(Some);
        }
        if !system.is_folded {
            return Ok(None);
        }
        let found = self
            .posting(system, kind::FOLDED_CODE, &code.to_lowercase())
            .await?;
        Ok(found.numbers().next())
    }

    /// The numbers of many codes; those that are not there are left out.
    pub(super) async fn nums_of(
        &self,
        system: &SystemRow,
        codes: &[&str],
    ) -> Result<Vec<(String, u32)>, Problem> {
        let mut found = Vec::with_capacity(codes.len());
        if system.is_folded {
            for code in codes {
                found.extend(
                    self.num_of(system, code)
                        .await?
                        .map(|num| ((*code).to_string(), num)),
                );
            }
            return Ok(found);
        }
        for some in codes.chunks(AT_ONCE) {
            let mut sql = Sql::new("SELECT code, num FROM ts_concept WHERE system = ");
            sql.bind(system.id).push(" AND code IN (");
            for (at, code) in some.iter().enumerate() {
                if at > 0 {
                    sql.push(", ");
                }
                sql.bind((*code).to_string());
            }
            sql.push(")");
            for row in self.rows_apart(sql).await? {
                found.push((row.text(0)?.to_string(), number(&row, 1)?));
            }
        }
        Ok(found)
    }

    /// A concept and all below it.
    pub(super) async fn below(&self, system: &SystemRow, num: u32) -> Result<Ranges, Problem> {
        let sql = Sql::new("SELECT ranges FROM ts_range WHERE system = $1 AND num = $2");
        let rows = self.rows(&sql.with(system.id).with(num)).await?;
        match rows.first() {
            Some(row) => Ok(Ranges::from_bytes(row.bytes(0)?)),
            None => Ok(Ranges::span(num, num)),
        }
    }

    /// All above these concepts, themselves not counted. A hierarchy has no ring and few levels;
    /// each concept is looked at once.
    pub(super) async fn above(&self, system: &SystemRow, nums: &[u32]) -> Result<Ranges, Problem> {
        let mut found = Ranges::default();
        let mut level = nums.to_vec();
        while !level.is_empty() {
            let parents = self.parents(system, &level).await?.minus(&found);
            level = parents.numbers().collect();
            found = found.or(&parents);
        }
        Ok(found)
    }

    /// The parents of these concepts.
    pub(super) async fn parents(
        &self,
        system: &SystemRow,
        nums: &[u32],
    ) -> Result<Ranges, Problem> {
        let concepts = self.concepts(system, nums).await?;
        Ok(Ranges::of(
            concepts
                .into_iter()
                .flat_map(|concept| concept.detail.parents)
                .collect(),
        ))
    }

    /// Which concepts have that, exactly.
    pub(super) async fn posting(
        &self,
        system: &SystemRow,
        kind: i64,
        key: &str,
    ) -> Result<Ranges, Problem> {
        let sql =
            Sql::new("SELECT nums FROM ts_posting WHERE system = $1 AND kind = $2 AND key = $3");
        let mut nums = Vec::new();
        for row in self.rows(&sql.with(system.id).with(kind).with(key)).await? {
            Upward::read(row.bytes(0)?, &mut nums);
        }
        Ok(Ranges::of(nums))
    }

    /// Those that are no longer in use.
    pub(super) async fn inactive(&self, system: &SystemRow) -> Result<Ranges, Problem> {
        self.posting(system, kind::INACTIVE, "").await
    }
}

/// What a system that is not here is answered with.
pub(super) fn not_loaded(url: &str, version: Option<&str>) -> Problem {
    let message = match version {
        Some(version) => format!(
            "The code system {} in version {} is not loaded here.",
            short(url),
            short(version)
        ),
        None => format!("The code system {} is not loaded here.", short(url)),
    };
    Problem::new(Kind::NotFound, message)
}

/// An address as a message may repeat it.
pub(super) fn short(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(200)
        .collect()
}
