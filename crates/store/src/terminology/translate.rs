//! <https://hl7.org/fhir/R4/conceptmap-operation-translate.html>

use access::Scope;
use fhir::problem::Problem;
use fhir::terminology::concept_map::Mapping;
use fhir::terminology::unversioned;

use super::is_seen;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Mappings of one code that are looked at.
const MAPPINGS_MAX: i64 = 500;

/// What is to be translated.
#[derive(Clone, Debug, Default)]
pub struct TranslationAsk {
    /// The ConceptMap's canonical address, or any.
    pub map: Option<String>,
    pub system: Option<String>,
    pub code: String,
    /// Canonical addresses of the value sets that the map must be from and to.
    pub source: Option<String>,
    pub target: Option<String>,
    pub target_system: Option<String>,
    /// From target to source.
    pub reverse: bool,
}

/// A code that it is translated into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    pub system: String,
    /// Empty for one that is known to have no equal.
    pub code: String,
    pub display: String,
    pub equivalence: String,
    /// The address of the map.
    pub map: String,
}

struct Found {
    map: String,
    mapping: Mapping,
}

const FORTH: &str = "SELECT m.url, m.version, m.source, m.target, m.org, s.state, p.source_system, p.source_code, \
     p.target_system, p.target_code, p.target_display, p.equivalence FROM ts_mapping p \
     JOIN ts_map m ON m.id = p.map LEFT JOIN ts_system s ON s.id = m.system \
     WHERE p.source_code = $1 ORDER BY p.map DESC, p.seq LIMIT $2";
const BACK: &str = "SELECT m.url, m.version, m.source, m.target, m.org, s.state, p.source_system, p.source_code, \
     p.target_system, p.target_code, p.target_display, p.equivalence FROM ts_mapping p \
     JOIN ts_map m ON m.id = p.map LEFT JOIN ts_system s ON s.id = m.system \
     WHERE p.target_code = $1 ORDER BY p.map DESC, p.seq LIMIT $2";

impl Store {
    /// Whether a map of that address is here.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn has_concept_map(&self, scope: &Scope, url: &str) -> Result<bool, Problem> {
        let sql = Sql::new("SELECT org FROM ts_map WHERE url = $1").with(unversioned(url));
        let rows = self.rows(&sql).await?;
        Ok(rows
            .iter()
            .any(|row| row.text_opt(0).is_ok_and(|org| is_seen(scope, org))))
    }

    /// Translates a code by all maps that fit.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn translate(
        &self,
        scope: &Scope,
        ask: &TranslationAsk,
    ) -> Result<Vec<Translation>, Problem> {
        let text = if ask.reverse { BACK } else { FORTH };
        let sql = Sql::new(text).with(&ask.code).with(MAPPINGS_MAX);
        let mut found = Vec::new();
        for row in self.rows(&sql).await? {
            found.extend(wanted(scope, ask, &row)?);
        }
        if found.is_empty() && !ask.reverse {
            found.extend(self.unmapped(scope, ask).await?);
        }
        self.terminology_traced(scope, "ConceptMap", ask.map.as_deref().unwrap_or_default())
            .await?;
        let translations: Vec<Translation> = found
            .into_iter()
            .map(|it| translated(it, ask.reverse))
            .collect();
        let mut each: Vec<Translation> = Vec::with_capacity(translations.len());
        for translation in translations {
            if !each.contains(&translation) {
                each.push(translation);
            }
        }
        Ok(each)
    }

    /// What the maps say of codes that they do not name: `provided` or `fixed`.
    async fn unmapped(&self, scope: &Scope, ask: &TranslationAsk) -> Result<Vec<Found>, Problem> {
        let Some(map) = ask.map.as_deref() else {
            return Ok(Vec::new());
        };
        let sql = Sql::new(
            "SELECT url, version, unmapped, org FROM ts_map WHERE url = $1 ORDER BY id DESC",
        );
        let mut found = Vec::new();
        for row in self.rows(&sql.with(unversioned(map))).await? {
            if !is_seen(scope, row.text_opt(3)?) {
                continue;
            }
            let rest: Vec<[String; 6]> = serde_json::from_str(row.text(2)?).unwrap_or_default();
            for [from, to, mode, code, display, _] in rest {
                if ask
                    .system
                    .as_ref()
                    .is_some_and(|system| !from.is_empty() && *system != from)
                {
                    continue;
                }
                let (code, equivalence) = match mode.as_str() {
                    "provided" => (ask.code.clone(), "equal"),
                    "fixed" => (code, "inexact"),
                    _ => continue,
                };
                let mapping = Mapping {
                    target_system: to,
                    target_code: code,
                    target_display: display,
                    equivalence: equivalence.into(),
                    ..Mapping::default()
                };
                found.push(Found {
                    map: row.text(0)?.to_string(),
                    mapping,
                });
            }
        }
        Ok(found)
    }
}

/// A row, if its map is live, seen and the one asked for.
fn wanted(scope: &Scope, ask: &TranslationAsk, row: &Row) -> Result<Option<Found>, Problem> {
    let text = |column| row.text(column).map(str::to_string);
    let mapping = Mapping {
        source_system: text(6)?,
        source_code: text(7)?,
        target_system: text(8)?,
        target_code: text(9)?,
        target_display: text(10)?,
        equivalence: text(11)?,
        comment: String::new(),
    };
    let (url, version, source, target) = (text(0)?, text(1)?, text(2)?, text(3)?);
    let is_live = row.text_opt(5)?.is_none_or(|state| state == "live");
    let is_named = ask
        .map
        .as_ref()
        .is_none_or(|map| match map.split_once('|') {
            Some((address, wanted)) => address == url && wanted == version,
            None => *map == url,
        });
    let fits = |wanted: &Option<String>, known: &str| {
        wanted
            .as_deref()
            .is_none_or(|it| unversioned(it) == unversioned(known))
    };
    let (from, to) = match ask.reverse {
        true => (&mapping.target_system, &mapping.source_system),
        false => (&mapping.source_system, &mapping.target_system),
    };
    let systems = ask.system.as_ref().is_none_or(|it| it == from)
        && ask.target_system.as_ref().is_none_or(|it| it == to);
    let passes =
        is_live && is_named && systems && fits(&ask.source, &source) && fits(&ask.target, &target);
    Ok((passes && is_seen(scope, row.text_opt(4)?)).then_some(Found { map: url, mapping }))
}

fn translated(found: Found, reverse: bool) -> Translation {
    let Found { map, mapping: it } = found;
    match reverse {
        true => Translation {
            system: it.source_system,
            code: it.source_code,
            display: String::new(),
            equivalence: turned(&it.equivalence),
            map,
        },
        false => Translation {
            system: it.target_system,
            code: it.target_code,
            display: it.target_display,
            equivalence: it.equivalence,
            map,
        },
    }
}

/// An equivalence seen from the other side.
fn turned(equivalence: &str) -> String {
    match equivalence {
        "wider" => "narrower",
        "narrower" => "wider",
        "subsumes" => "specializes",
        "specializes" => "subsumes",
        other => other,
    }
    .to_string()
}
