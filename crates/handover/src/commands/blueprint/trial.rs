//! Trying a blueprint on made-up people: a node of its own in a temporary folder, where it is applied, played through and
//! undone. Nobody's record is touched, and nothing of this node's.

mod play;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use access::{Ods, Scope, SystemPurpose};
use anyhow::{Context as _, bail};
use exchange::blueprints::settle;
use fhir::date::Millis;
use fhir::json::{self, Limits};
use hl7v2::to_fhir::Mapping;
use serde_json::Value;
use store::blueprints::PartKind;
use store::desk::DeskWrite;
use store::{Change, Database, Effect, Expect, Job, Prepared, Release, Store};

use super::content::Blueprint;
use super::doing::{Back, applying, looked_back, undoing};
use super::here::{Here, same};
use super::plan::{Action, Plan};
use super::seal::{Seal, Standing};
use crate::commands::demo::population::stories::tell;
use crate::commands::demo::population::{Person, SEED, people};

/// Made-up people that it is tried on.
pub const PEOPLE: u32 = 24;
const DAY_MS: Millis = 86_400_000;

/// What came of it.
#[derive(Default)]
pub struct Trial {
    /// What was tried, and what it did, in words.
    pub said: Vec<String>,
    /// What went wrong.
    pub faults: Vec<String>,
}

/// A made-up person, and what is known of them.
pub struct Somebody {
    pub person: Person,
    /// Their Patient first, then all that is held of them anywhere.
    pub record: Vec<Value>,
}

/// Tries it at a node of an organisation of these roles. `mapping` is how messages are read with it.
///
/// # Errors
/// If there is no room for a temporary node.
pub async fn run(
    blueprint: &Blueprint,
    roles: &[String],
    mapping: &Mapping,
    now: Millis,
) -> anyhow::Result<Trial> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let ods = Ods::parse("RZZ99")?;
    let database = Database::Sqlite(folder.path().join("trial.sqlite"));
    let store = Store::open(store::Settings::new(database, ods)).await?;
    let done = played(blueprint, roles, mapping, (&store, folder.path(), now)).await;
    store.close().await;
    done
}

async fn played(
    blueprint: &Blueprint,
    roles: &[String],
    mapping: &Mapping,
    (store, folder, now): (&Store, &Path, Millis),
) -> anyhow::Result<Trial> {
    let mut trial = Trial::default();
    let population = fill(store, now).await?;
    let layers = folder.join("mapping");
    std::fs::create_dir(&layers)?;
    begin_teams(store, blueprint).await?;
    let node = Ground {
        store,
        roles,
        layers,
    };
    if node.apply(blueprint, &mut trial).await? {
        play::rules(blueprint, roles, (&population, now), &mut trial)?;
        play::questionnaires(blueprint, roles, (&population, now), &mut trial)?;
        play::templates(blueprint, roles, &population, &mut trial);
        play::mappings(blueprint, roles, (mapping, now), &mut trial);
        node.undo(blueprint, &mut trial).await?;
    }
    Ok(trial)
}

/// The made-up people, with what is known of each, stored in the temporary node.
async fn fill(store: &Store, now: Millis) -> anyhow::Result<Vec<Somebody>> {
    let today = now / DAY_MS;
    let told = tokio::task::spawn_blocking(move || {
        let people = people(SEED, PEOPLE, today);
        let told = people.into_iter().map(|person| {
            let kept = tell(&person, today).kept;
            let own = kept.get(person.practice).cloned().unwrap_or_default();
            let elsewhere = kept.into_iter().filter(|(ods, _)| *ods != person.practice);
            let mut record = own;
            record.extend(elsewhere.flat_map(|(_, kept)| kept));
            Somebody { person, record }
        });
        told.collect::<Vec<_>>()
    })
    .await?;
    let scope = Scope::system(SystemPurpose::Demo);
    for somebody in &told {
        let mut resources = BTreeMap::new();
        for resource in &somebody.record {
            let id = resource
                .get("id")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let ty = resource.get("resourceType").and_then(Value::as_str);
            resources.insert((ty.unwrap_or_default(), id), resource);
        }
        let mut job = Job::default();
        for ((_, id), resource) in resources {
            let text = resource.to_string();
            let parsed = json::parse(text.as_bytes(), &Limits::default())?;
            job.changes.push(Change::Put {
                resource: Prepared::new(&parsed, id, store.organisation())?,
                expect: Expect::Anything,
                release: Release::Keep,
            });
        }
        store.commit(&scope, job).await?;
    }
    Ok(told)
}

/// Teams that must be there before a blueprint comes are there.
async fn begin_teams(store: &Store, blueprint: &Blueprint) -> anyhow::Result<()> {
    let scope = Scope::system(SystemPurpose::KeepBlueprints);
    let needed = blueprint.form.needs.teams.iter().filter(|it| !it.begin);
    for need in needed {
        let team = DeskWrite::Team {
            id: uuid::Uuid::new_v4().to_string(),
            name: need.name.clone(),
            by: "the trial".to_owned(),
        };
        store
            .commit(&scope, Job::effect(Effect::Desk(team)))
            .await?;
    }
    Ok(())
}

/// The temporary node.
struct Ground<'t> {
    store: &'t Store,
    roles: &'t [String],
    layers: PathBuf,
}

impl Ground<'_> {
    async fn here(&self) -> anyhow::Result<Here<'_>> {
        Here::look(self.store, self.roles, Some(&self.layers)).await
    }

    /// Applies it; whether it went.
    async fn apply(&self, blueprint: &Blueprint, trial: &mut Trial) -> anyhow::Result<bool> {
        let here = self.here().await?;
        let seal = Seal {
            ods: "RZZ99".to_owned(),
            name: "the trial".to_owned(),
            kid: String::new(),
            standing: Standing::Own,
            digest: String::new(),
        };
        let plan = Plan::make(blueprint, &seal, &here, false).await?;
        trial.faults.extend(plan.stops.iter().cloned());
        if !plan.stops.is_empty() {
            return Ok(false);
        }
        let job = applying(&plan, blueprint, &seal, &here, "the trial")?;
        if let Err(problem) = self.store.commit(&here.scope, job).await {
            trial
                .faults
                .push(format!("it cannot be applied: {}", problem.message));
            return Ok(false);
        }
        settle(self.store, &self.layers).await?;
        let after = self.here().await?;
        let mut count = 0;
        for planned in plan.things.iter().filter(|it| it.action == Action::Add) {
            let (kind, target) = (planned.thing.kind, &planned.thing.target);
            let now = after.now(kind, target).await?;
            if !same(kind, &now.body, &planned.thing.body) {
                let what = format!("{}: is not what was applied", planned.thing.title);
                trial.faults.push(what);
            }
            count += 1;
        }
        let switches = self.store.rule_switches(&here.scope).await?;
        if switches.iter().any(|it| it.on) {
            trial
                .faults
                .push("a rule was switched on by being applied".to_owned());
        }
        trial.said.push(format!(
            "Applied at a temporary node with {PEOPLE} made-up people: {count} things, every rule off."
        ));
        Ok(true)
    }

    /// Undoes it, and looks whether all is as before.
    async fn undo(&self, blueprint: &Blueprint, trial: &mut Trial) -> anyhow::Result<()> {
        let here = self.here().await?;
        let Some(applied) = self.store.blueprint(&here.scope, &blueprint.name).await? else {
            bail!("what was applied at the temporary node is not there");
        };
        let undone = looked_back(&applied, &here).await?;
        let kept = undone.iter().filter(|it| it.back == Back::Kept);
        let kept: Vec<String> = kept.map(|it| it.part.title.clone()).collect();
        let job = undoing(&applied, &undone, &here, "the trial")?;
        self.store.commit(&here.scope, job).await?;
        settle(self.store, &self.layers).await?;
        let after = self.here().await?;
        let mut left = kept;
        for it in &undone {
            let now = after.now(it.part.kind, &it.part.target).await?;
            if !same(it.part.kind, &now.body, &it.part.was) {
                left.push(it.part.title.clone());
            }
        }
        match left.is_empty() {
            true => trial
                .said
                .push("Undone there: all is as it was before.".to_owned()),
            false => trial.faults.push(format!(
                "undone, this is not as it was before: {}",
                left.join(", ")
            )),
        }
        Ok(())
    }
}

/// A file of HL7 v2 as it would be sent: segments end in a carriage return, whatever the file has.
pub fn segments(content: &[u8]) -> Vec<u8> {
    let lines = content.split(|byte| matches!(byte, b'\r' | b'\n'));
    let mut message = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        message.extend_from_slice(line);
        message.push(b'\r');
    }
    message
}

/// What a kind of part is called.
pub fn kind(kind: PartKind) -> &'static str {
    match kind {
        PartKind::Team => "Team",
        PartKind::Questionnaire => "Questionnaire",
        PartKind::Rule => "Rule",
        PartKind::Template => "Letter text",
        PartKind::Mapping => "Mapping",
    }
}
