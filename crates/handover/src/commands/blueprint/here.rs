//! What is here already of what a blueprint would bring.

use std::path::{Path, PathBuf};

use access::{Role, Scope, SystemPurpose};
use anyhow::Context as _;
use exchange::blueprints::lying;
use fhir::members::{set, text};
use fhir::search::{Limits, Search};
use hl7v2::to_fhir::{Layer, Mapping};
use serde_json::{Value, json};
use store::blueprints::PartKind;
use store::desk::{Team, Template};
use store::{Reading, Store};

use super::content::template_body;

/// Files of the mapping's folder that are read together with a blueprint's.
const LAYERS_MAX: usize = 200;

/// What is here, at one moment.
pub struct Here<'s> {
    pub store: &'s Store,
    pub scope: Scope,
    /// What the organisation is.
    pub roles: Vec<String>,
    pub mapping: Option<PathBuf>,
    pub teams: Vec<Team>,
    pub templates: Vec<Template>,
    staff: Vec<Role>,
}

/// A thing as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Empty: it is not there.
    pub body: String,
    /// Of a resource or text.
    pub version: u64,
}

impl<'s> Here<'s> {
    /// Looks.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn look(
        store: &'s Store,
        roles: &[String],
        mapping: Option<&Path>,
    ) -> anyhow::Result<Here<'s>> {
        let scope = Scope::system(SystemPurpose::KeepBlueprints);
        let staff = store.colleagues(&scope).await?;
        Ok(Here {
            teams: store.teams(&scope).await?,
            templates: store.templates(&scope).await?,
            staff: staff.into_iter().map(|it| it.role).collect(),
            roles: roles.to_vec(),
            mapping: mapping.map(Path::to_owned),
            store,
            scope,
        })
    }

    /// Whether anybody here has that role.
    pub fn has_role(&self, role: &str) -> bool {
        self.staff.iter().any(|it| it.code() == role)
    }

    pub fn team_named(&self, name: &str) -> Option<&Team> {
        self.teams.iter().find(|it| it.name == name)
    }

    /// The thing of that kind under that target, as it is now.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn now(&self, kind: PartKind, target: &str) -> anyhow::Result<Now> {
        Ok(match kind {
            PartKind::Team => match self.teams.iter().find(|it| it.id == target) {
                Some(team) => Now {
                    body: json!({ "name": team.name }).to_string(),
                    version: 0,
                },
                None => Now::default(),
            },
            PartKind::Template => match self.templates.iter().find(|it| it.id == target) {
                Some(it) => Now {
                    body: kept(it),
                    version: u64::try_from(it.version).unwrap_or_default(),
                },
                None => Now::default(),
            },
            PartKind::Mapping => match &self.mapping {
                Some(folder) => Now {
                    body: lying(folder, target)?.unwrap_or_default(),
                    version: 0,
                },
                None => Now::default(),
            },
            PartKind::Rule | PartKind::Questionnaire => {
                let (ty, id) = target.split_once('/').context("a target without a type")?;
                match self.store.read(&self.scope, ty, id).await? {
                    Reading::Found(version) => Now {
                        body: plain(&version.body)?,
                        version: version.version,
                    },
                    Reading::Deleted { .. } | Reading::Absent => Now::default(),
                }
            }
        })
    }

    /// The id of a resource of that type and address that is not that one.
    ///
    /// # Errors
    /// If it cannot be searched for.
    pub async fn other_of(&self, ty: &str, id: &str, url: &str) -> anyhow::Result<Option<String>> {
        let mut escaped = String::new();
        for letter in url.chars() {
            if matches!(letter, '\\' | ',' | '$' | '|') {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
        let pairs = [("url".to_owned(), escaped)];
        let base = "http://localhost/fhir";
        let mut search = Search::parse(ty, &pairs, base, &Limits::default())?;
        search.count = 2;
        let found = self.store.search(&self.scope, &search).await?.entries;
        Ok(found.into_iter().map(|it| it.id).find(|it| it != id))
    }

    /// The text of that name for that team that is not that one.
    pub fn other_text(&self, target: &str, team: &str, name: &str) -> Option<&Template> {
        let same = |it: &&Template| {
            it.id != target && it.team == team && it.name.to_lowercase() == name.to_lowercase()
        };
        self.templates.iter().find(same)
    }

    /// Why the layers that lie in the folder cannot be read together with those; `gone` are taken away first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn mapping_with(
        &self,
        layers: &[(String, String)],
        gone: &[String],
    ) -> anyhow::Result<Result<Mapping, String>> {
        let mut all: Vec<(String, String)> = layers.to_vec();
        if let Some(folder) = &self.mapping {
            let entries = std::fs::read_dir(folder);
            let entries =
                entries.with_context(|| format!("hl7v2.mapping: {}", folder.display()))?;
            for entry in entries.take(LAYERS_MAX) {
                let name = entry?.file_name().to_string_lossy().into_owned();
                let is_layer = name.ends_with(".json") && !name.starts_with('.');
                let is_new = layers.iter().any(|(it, _)| *it == name);
                if is_layer && !is_new && !gone.contains(&name) {
                    let text = lying(folder, &name)?.unwrap_or_default();
                    all.push((name, text));
                }
            }
        }
        all.sort();
        let all: Vec<Layer> = all
            .into_iter()
            .map(|(name, text)| Layer { name, text })
            .collect();
        Ok(Mapping::with(&all).map_err(|problem| problem.message))
    }
}

/// A text as it is kept, with who changed it last.
pub fn kept(it: &Template) -> String {
    let mut body: Value =
        serde_json::from_str(&template_body(&it.team, &it.name, &it.body)).unwrap_or_default();
    set(&mut body, "changed_at", it.changed_at.into());
    set(&mut body, "changed_by", it.changed_by.as_str().into());
    body.to_string()
}

/// A resource without what the store adds.
fn plain(body: &[u8]) -> anyhow::Result<String> {
    let mut read: Value = serde_json::from_slice(body)?;
    if let Some(meta) = read.get_mut("meta").and_then(Value::as_object_mut) {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
        if meta.is_empty()
            && let Some(all) = read.as_object_mut()
        {
            all.shift_remove("meta");
        }
    }
    Ok(read.to_string())
}

/// Whether two of a kind say the same.
pub fn same(kind: PartKind, one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    if kind == PartKind::Mapping || one.is_empty() || other.is_empty() {
        return false;
    }
    let read = |body: &str| serde_json::from_str::<Value>(body).unwrap_or_default();
    let (one, other) = (read(one), read(other));
    match kind {
        PartKind::Template => ["/team", "/name", "/body"]
            .iter()
            .all(|place| text(&one, place) == text(&other, place)),
        _ => one == other,
    }
}
