//! The requirements, as data: a table for each standard, in the folder `requirements`.

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// The tables and their text.
const TABLES: [(&str, &str); 7] = [
    ("tls", include_str!("requirements/tls.toml")),
    ("web", include_str!("requirements/web.toml")),
    ("fhir", include_str!("requirements/fhir.toml")),
    ("smart", include_str!("requirements/smart.toml")),
    ("uk", include_str!("requirements/uk.toml")),
    ("mesh", include_str!("requirements/mesh.toml")),
    ("hl7v2", include_str!("requirements/hl7v2.toml")),
];

/// How binding a requirement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Level {
    #[serde(rename = "SHALL")]
    Shall,
    #[serde(rename = "SHOULD")]
    Should,
}

impl Level {
    pub(super) fn word(self) -> &'static str {
        match self {
            Level::Shall => "SHALL",
            Level::Should => "SHOULD",
        }
    }
}

/// What a system is to do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Requirement {
    pub(super) id: String,
    /// The table that it is in.
    #[serde(skip)]
    pub(super) table: &'static str,
    pub(super) level: Level,
    /// In our own words.
    pub(super) says: String,
    pub(super) specification: String,
    pub(super) section: String,
    pub(super) link: String,
    /// How it is tested.
    pub(super) check: String,
    /// What to do where it is not met.
    pub(super) remedy: String,
    /// It is tested with --write only.
    #[serde(default)]
    pub(super) write: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    requirement: Vec<Requirement>,
}

/// The requirements of these tables, or of those of them that are in `only`.
///
/// # Errors
/// Names a table in `only` that there is not, or that does not apply.
pub(super) fn tables(of: &[&str], only: &[String]) -> anyhow::Result<Vec<Requirement>> {
    for name in only {
        ensure!(
            of.contains(&name.as_str()),
            "--only {name}: for this address there are {}",
            of.join(", ")
        );
    }
    let mut all = Vec::new();
    for (name, text) in TABLES {
        let wanted = of.contains(&name) && (only.is_empty() || only.iter().any(|it| it == name));
        if wanted {
            let table: Table =
                toml::from_str(text).with_context(|| format!("requirements/{name}.toml"))?;
            all.extend(
                table
                    .requirement
                    .into_iter()
                    .map(|it| Requirement { table: name, ..it }),
            );
        }
    }
    Ok(all)
}

#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    TABLES.iter().map(|(name, _)| *name).collect()
}
