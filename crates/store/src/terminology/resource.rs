//! CodeSystem, ValueSet and ConceptMap resources, made live in the commit that writes them.

use std::sync::Arc;

use fhir::date::Millis;
use fhir::json::Json;
use fhir::problem::{Kind, Problem};
use fhir::terminology::code_system::CodeSystem;
use fhir::terminology::compose::ValueSet;
use fhir::terminology::concept_map::{ConceptMap, Mapping, Unmapped};

use super::rows::{Builder, CONCEPTS, MAPPINGS, RANGES, Rows};
use super::write::changed;
use crate::database::Tx;
use crate::failure;
use crate::sql::{Bind, Sql};
use crate::write::Change;

/// Rows written at once.
const AT_ONCE: usize = 2000;
/// Concepts of a resource, and mappings: all of them are written in one commit, for which everybody
/// else waits.
const CONCEPTS_MAX: usize = 20_000;

fn check(what: &str, count: usize) -> Result<(), Problem> {
    if count <= CONCEPTS_MAX {
        return Ok(());
    }
    let message = format!(
        "A resource brings at most {CONCEPTS_MAX} {what}; load larger ones with `handover terminology load`."
    );
    Err(Problem::new(Kind::TooCostly, message))
}

/// What such a resource becomes, made before the writer sees it.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    System(Arc<SystemReady>),
    Set(Arc<SetReady>),
    Map(Arc<MapReady>),
}

/// Opaque outside the store.
#[derive(Debug)]
pub struct SystemReady {
    system: CodeSystem,
    rows: Vec<Rows>,
}

#[derive(Debug)]
pub(crate) struct SetReady {
    url: String,
    version: String,
    body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct MapReady {
    map: ConceptMap,
    unmapped: String,
    rows: Rows,
}

impl Ready {
    /// `None` for a resource of another type, and for one without a `url`, which nobody can ask for.
    ///
    /// # Errors
    /// What `CodeSystem::hierarchy` and `ValueSet::read` refuse; `TooCostly` for more than 20,000
    /// concepts or mappings.
    pub(crate) fn of(ty: &str, resource: &Json<'_>) -> Result<Option<Ready>, Problem> {
        if resource.text("url").is_none() {
            return Ok(None);
        }
        Ok(match ty {
            "CodeSystem" => Some(Ready::System(Arc::new(SystemReady::of(resource)?))),
            "ValueSet" => {
                if resource.get("compose").is_none() && resource.get("expansion").is_none() {
                    return Ok(None);
                }
                let set = ValueSet::read(resource)?;
                let body = resource.to_bytes();
                Some(Ready::Set(Arc::new(SetReady {
                    url: set.url,
                    version: set.version,
                    body,
                })))
            }
            "ConceptMap" => Some(Ready::Map(Arc::new(MapReady::of(resource)?))),
            _ => None,
        })
    }
}

impl SystemReady {
    pub(super) fn url(&self) -> &str {
        &self.system.url
    }

    pub(super) fn version(&self) -> &str {
        &self.system.version
    }

    /// As `Ready::of`.
    pub(super) fn of(resource: &Json<'_>) -> Result<SystemReady, Problem> {
        let mut system = CodeSystem::read(resource)?;
        check("concepts", system.concepts.len()).map_err(|it| it.at("CodeSystem.concept"))?;
        let hierarchy = system.hierarchy()?;
        let mut builder = Builder::new(!system.is_case_sensitive);
        let mut parents = vec![Vec::new(); system.concepts.len()];
        let number = |place: &u32| hierarchy.number.get(*place as usize).copied();
        for (child, parent) in &system.edges {
            if let (Some(known), Some(parent)) = (parents.get_mut(*child as usize), number(parent))
            {
                known.push(parent);
            }
        }
        let mut concepts = Rows::of(&CONCEPTS);
        for place in &hierarchy.place {
            let place = *place as usize;
            if let (Some(concept), Some(parents)) =
                (system.concepts.get(place), parents.get_mut(place))
            {
                parents.sort_unstable();
                parents.dedup();
                builder.add(concept, parents, &[], &mut concepts)?;
            }
        }
        let mut ranges = Rows::of(&RANGES);
        for (num, below) in (0u32..)
            .zip(&hierarchy.below)
            .filter(|(_, below)| !below.is_empty())
        {
            ranges
                .rest
                .extend([Bind::from(num), Bind::from(below.to_bytes())]);
        }
        let mut rows = vec![concepts, ranges];
        rows.extend(builder.finish(AT_ONCE));
        system.edges = Vec::new();
        Ok(SystemReady { system, rows })
    }
}

impl MapReady {
    fn of(resource: &Json<'_>) -> Result<MapReady, Problem> {
        let map = ConceptMap::read(resource);
        check("mappings", map.mappings.len()).map_err(|it| it.at("ConceptMap.group"))?;
        let one = |it: &Unmapped| {
            serde_json::json!([
                it.source_system,
                it.target_system,
                it.mode,
                it.code,
                it.display,
                it.url
            ])
        };
        let unmapped =
            serde_json::Value::from(map.unmapped.iter().map(one).collect::<Vec<_>>()).to_string();
        let mut rows = Rows::of(&MAPPINGS);
        for (seq, mapping) in (0u32..).zip(&map.mappings) {
            push_mapping(&mut rows, seq, mapping);
        }
        Ok(MapReady {
            map,
            unmapped,
            rows,
        })
    }
}

/// A row of `MAPPINGS`.
pub(super) fn push_mapping(rows: &mut Rows, seq: u32, it: &Mapping) {
    rows.rest.extend([
        Bind::from(it.source_code.clone()),
        Bind::from(seq),
        Bind::from(it.source_system.clone()),
        Bind::from(it.target_system.clone()),
        Bind::from(it.target_code.clone()),
        Bind::from(it.target_display.clone()),
        Bind::from(it.equivalence.clone()),
        Bind::from(it.comment.clone()),
    ]);
}

/// Follows changes that were applied: what such resources said before goes, what they say now comes.
pub(crate) async fn follow(
    tx: &mut Tx<'_>,
    now: Millis,
    changes: &[Change],
) -> Result<(), Problem> {
    let mut any = false;
    for change in changes {
        let (ty, id) = change.names();
        if !matches!(ty, "CodeSystem" | "ValueSet" | "ConceptMap")
            || matches!(change, Change::Release { .. } | Change::Veil { .. })
        {
            continue;
        }
        any = true;
        remove(tx, ty, id).await?;
        if let Change::Put { resource, .. } = change
            && let Some(ready) = &resource.terms
        {
            add(tx, now, ready, id, resource.organisation.as_str()).await?;
        }
    }
    if any { changed(tx).await } else { Ok(()) }
}

async fn remove(tx: &mut Tx<'_>, ty: &str, id: &str) -> Result<(), Problem> {
    let texts: &[&'static str] = match ty {
        "CodeSystem" => &[
            "DELETE FROM ts_concept WHERE system IN (SELECT id FROM ts_system WHERE res = $1)",
            "DELETE FROM ts_range WHERE system IN (SELECT id FROM ts_system WHERE res = $1)",
            "DELETE FROM ts_posting WHERE system IN (SELECT id FROM ts_system WHERE res = $1)",
            "DELETE FROM ts_length WHERE system IN (SELECT id FROM ts_system WHERE res = $1)",
            "DELETE FROM ts_system WHERE res = $1",
        ],
        "ValueSet" => &["DELETE FROM ts_value_set WHERE res = $1"],
        _ => &[
            "DELETE FROM ts_mapping WHERE map IN (SELECT id FROM ts_map WHERE res = $1)",
            "DELETE FROM ts_map WHERE res = $1",
        ],
    };
    for text in texts {
        tx.execute(&Sql::new(text).with(id)).await?;
    }
    Ok(())
}

async fn add(
    tx: &mut Tx<'_>,
    now: Millis,
    ready: &Ready,
    id: &str,
    organisation: &str,
) -> Result<(), Problem> {
    match ready {
        Ready::Set(set) => {
            let sql = Sql::new(
                "INSERT INTO ts_value_set (url, version, body, at, org, res) VALUES ($1, $2, $3, $4, $5, $6)",
            );
            let sql = sql
                .with(&set.url)
                .with(&set.version)
                .with(set.body.as_slice())
                .with(now);
            tx.execute(&sql.with(organisation).with(id)).await?;
        }
        Ready::System(ready) => {
            let head = Head {
                kind: "resource",
                organisation: Some(organisation),
                id: Some(id),
            };
            add_system(tx, now, ready, head).await?;
        }
        Ready::Map(ready) => {
            let it = &ready.map;
            let sql = Sql::new(
                "INSERT INTO ts_map (url, version, source, target, unmapped, org, res) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
            );
            let sql = sql
                .with(&it.url)
                .with(&it.version)
                .with(&it.source)
                .with(&it.target)
                .with(&ready.unmapped);
            let number = number(tx, &sql.with(organisation).with(id)).await?;
            tx.insert_many(ready.rows.table, &ready.rows.values(number))
                .await?;
        }
    }
    Ok(())
}

/// Where a code system's rows are from.
pub(super) struct Head<'h> {
    pub(super) kind: &'static str,
    /// Who holds the resource, and its id, where there is one.
    pub(super) organisation: Option<&'h str>,
    pub(super) id: Option<&'h str>,
}

pub(super) async fn add_system(
    tx: &mut Tx<'_>,
    now: Millis,
    ready: &SystemReady,
    head: Head<'_>,
) -> Result<(), Problem> {
    let it = &ready.system;
    let sql = Sql::new(
        "INSERT INTO ts_system (kind, url, version, name, title, content, value_set, folded, state, total, at, org, res) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'live', $9, $10, $11, $12) RETURNING id",
    );
    let sql = sql
        .with(head.kind)
        .with(&it.url)
        .with(&it.version)
        .with(&it.name)
        .with(&it.title)
        .with(&it.content);
    let count = i64::try_from(it.concepts.len()).unwrap_or(i64::MAX);
    let sql = sql
        .with(&it.value_set)
        .with(!it.is_case_sensitive)
        .with(count)
        .with(now);
    let number = number(tx, &sql.with(head.organisation).with(head.id)).await?;
    for rows in &ready.rows {
        tx.insert_many(rows.table, &rows.values(number)).await?;
    }
    Ok(())
}

async fn number(tx: &mut Tx<'_>, sql: &Sql<'_>) -> Result<i64, Problem> {
    tx.row(sql)
        .await?
        .ok_or_else(|| failure::internal("no number came back"))?
        .int(0)
}

#[cfg(test)]
mod tests {
    use fhir::json::{Limits, parse};

    use super::*;

    #[test]
    fn a_resource_too_large_for_one_commit_is_sent_to_the_loader() {
        let system = |count: usize| {
            let concepts: Vec<_> = (0..count)
                .map(|code| format!("{{\"code\":\"{code}\"}}"))
                .collect();
            format!(
                r#"{{"resourceType":"CodeSystem","url":"urn:s","content":"complete","concept":[{}]}}"#,
                concepts.join(",")
            )
        };
        let ready = |count: usize| {
            let text = system(count);
            Ready::of(
                "CodeSystem",
                &parse(text.as_bytes(), &Limits::default()).unwrap(),
            )
        };
        assert!(ready(CONCEPTS_MAX).unwrap().is_some());
        let refused = ready(CONCEPTS_MAX + 1).unwrap_err();
        assert_eq!(refused.kind, Kind::TooCostly);
        assert!(refused.message.contains("`handover terminology load`"));
    }
}
