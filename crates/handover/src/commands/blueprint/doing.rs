//! Doing it: one commit that applies a blueprint, or undoes it.

use access::{Outcome, Target};
use anyhow::Context as _;
use fhir::json::{self, Limits};
use fhir::members::text;
use serde_json::Value;
use store::blueprints::{Applied, BlueprintWrite, Did, DueFile, Part, PartKind, State};
use store::desk::{DeskWrite, Template};
use store::{Change, Effect, Expect, Job, Prepared, Release};

use super::content::Blueprint;
use super::here::{Here, Now, same};
use super::plan::{Action, Plan};
use super::seal::{Seal, Standing};

/// The commit that does what the plan says.
///
/// # Errors
/// If a resource cannot be stored.
pub fn applying(
    plan: &Plan,
    blueprint: &Blueprint,
    seal: &Seal,
    here: &Here<'_>,
    by: &str,
) -> anyhow::Result<Job> {
    let mut job = Job::default();
    let mut parts = Vec::new();
    for it in &plan.things {
        let did = match &it.action {
            Action::NotForUs | Action::Conflict(_) => continue,
            Action::Add => Did::Added,
            Action::Change | Action::Stay => Did::Changed,
            Action::Remove => Did::Removed,
            Action::Leave => Did::Left,
            Action::Keep => Did::Kept,
        };
        let writes = matches!(it.action, Action::Add | Action::Change | Action::Remove);
        if writes {
            let put = Put {
                kind: it.thing.kind,
                target: &it.thing.target,
                title: &it.thing.title,
                body: &it.thing.body,
                now: &it.now,
            };
            let by = format!("{} {} ({by})", blueprint.name, blueprint.version);
            put.add(&mut job, here, &by)?;
        }
        parts.push(Part {
            kind: it.thing.kind,
            target: it.thing.target.clone(),
            title: it.thing.title.clone(),
            did,
            was: it.now.body.clone(),
            now: match writes {
                true => it.thing.body.clone(),
                false => it.now.body.clone(),
            },
        });
    }
    let over = plan.over.as_ref().map(|it| it.id.clone());
    let applied = Applied {
        id: uuid::Uuid::new_v4().to_string(),
        name: blueprint.name.clone(),
        version: blueprint.version.clone(),
        title: blueprint.form.title.clone(),
        about: blueprint.form.about.clone(),
        digest: seal.digest.clone(),
        signer: seal.ods.clone(),
        signer_name: seal.name.clone(),
        known: seal.standing != Standing::Stranger,
        over: over.unwrap_or_default(),
        state: State::Applied,
        at: 0,
        by: by.to_owned(),
        undone_at: 0,
        undone_by: String::new(),
    };
    let query = format!(
        "blueprint={}&version={}&change=apply&by={by}",
        applied.name, applied.version
    );
    job.effects.push(Effect::Blueprint(BlueprintWrite::Apply {
        applied: Box::new(applied),
        parts,
    }));
    trace(&mut job, here, query);
    Ok(job)
}

fn trace(job: &mut Job, here: &Here<'_>, query: String) {
    let target = Target {
        query: Some(query.into()),
        ..Target::default()
    };
    let scope = &here.scope;
    job.traces
        .push(scope.trace(scope.interaction(), Outcome::Success, target));
}

/// A thing that is to be as `body` says; empty: it is to be gone.
struct Put<'p> {
    kind: PartKind,
    target: &'p str,
    title: &'p str,
    body: &'p str,
    now: &'p Now,
}

impl Put<'_> {
    fn add(&self, job: &mut Job, here: &Here<'_>, by: &str) -> anyhow::Result<()> {
        match self.kind {
            PartKind::Rule | PartKind::Questionnaire => self.resource(job, here),
            PartKind::Template => {
                job.effects.push(Effect::Desk(self.template(by)?));
                Ok(())
            }
            PartKind::Team => {
                let id = self.target.to_owned();
                job.effects.push(match self.body.is_empty() {
                    true => Effect::Blueprint(BlueprintWrite::DropTeam { id }),
                    false => Effect::Desk(DeskWrite::Team {
                        id,
                        name: self.title.to_owned(),
                        by: by.to_owned(),
                    }),
                });
                Ok(())
            }
            PartKind::Mapping => {
                let file = DueFile {
                    name: self.target.to_owned(),
                    body: self.body.to_owned(),
                    over: self.now.body.clone(),
                };
                job.effects
                    .push(Effect::Blueprint(BlueprintWrite::File(file)));
                Ok(())
            }
        }
    }

    fn resource(&self, job: &mut Job, here: &Here<'_>) -> anyhow::Result<()> {
        let (ty, id) = self
            .target
            .split_once('/')
            .context("a target without a type")?;
        let expect = match self.now.body.is_empty() {
            true => Expect::Absent,
            false => Expect::Version(self.now.version),
        };
        job.changes.push(match self.body.is_empty() {
            true => Change::Delete {
                ty: ty.to_owned(),
                id: id.to_owned(),
                expect,
            },
            false => {
                let parsed = json::parse(self.body.as_bytes(), &Limits::default())?;
                Change::Put {
                    resource: Prepared::new(&parsed, id, here.store.organisation())?,
                    expect,
                    release: Release::Keep,
                }
            }
        });
        Ok(())
    }

    fn template(&self, by: &str) -> anyhow::Result<DeskWrite> {
        let version = i64::try_from(self.now.version)?;
        if self.body.is_empty() {
            return Ok(DeskWrite::DropTemplate {
                id: self.target.to_owned(),
                version,
            });
        }
        let read: Value = serde_json::from_str(self.body)?;
        let was = if self.now.body.is_empty() { 0 } else { version };
        let changed_at = read.get("changed_at").and_then(Value::as_i64);
        let template = Box::new(Template {
            id: self.target.to_owned(),
            team: text(&read, "/team").to_owned(),
            name: text(&read, "/name").to_owned(),
            body: text(&read, "/body").to_owned(),
            version: was,
            changed_at: changed_at.unwrap_or_default(),
            changed_by: match text(&read, "/changed_by") {
                "" => by.to_owned(),
                before => before.to_owned(),
            },
        });
        // What is put back is put back with who wrote it, and when.
        Ok(match changed_at {
            Some(_) => DeskWrite::PutBackTemplate { template, was },
            None => DeskWrite::Template { template, was },
        })
    }
}

/// What undoing would do with one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// It was brought, and goes.
    Goes,
    /// What was there before is put back.
    Returns,
    /// Nothing is to be done.
    Stays,
    /// Somebody changed it since: it stays as they made it.
    Kept,
}

/// A part, and what would be done with it.
pub struct Undone {
    pub part: Part,
    pub back: Back,
    now: Now,
}

/// What undoing an application would do.
///
/// # Errors
/// If what is here cannot be read.
pub async fn looked_back(applied: &Applied, here: &Here<'_>) -> anyhow::Result<Vec<Undone>> {
    let mut undone: Vec<Undone> = Vec::new();
    let mut parts = here.store.blueprint_parts(&here.scope, &applied.id).await?;
    // Texts before the teams that keep them; teams that come back before their texts.
    parts.sort_by_key(|it| match (it.kind, it.did) {
        (PartKind::Team, Did::Removed) => 0,
        (PartKind::Team, _) => 2,
        _ => 1,
    });
    for part in parts {
        let now = here.now(part.kind, &part.target).await?;
        let unchanged = same(part.kind, &part.now, &now.body);
        let back = match part.did {
            Did::Left | Did::Kept => Back::Stays,
            _ if same(part.kind, &part.was, &now.body) => Back::Stays,
            Did::Added if unchanged && part.kind == PartKind::Team => {
                let uses = here.store.team_uses(&here.scope, &part.target).await?;
                let going = undone.iter().filter(|it| is_text_of(it, &part.target));
                match uses > i64::try_from(going.count())? {
                    true => Back::Kept,
                    false => Back::Goes,
                }
            }
            Did::Added if unchanged => Back::Goes,
            Did::Changed | Did::Removed if unchanged => Back::Returns,
            _ => Back::Kept,
        };
        undone.push(Undone { part, back, now });
    }
    Ok(undone)
}

/// Whether that is a text of this team that goes.
fn is_text_of(it: &Undone, team: &str) -> bool {
    let read: Value = serde_json::from_str(&it.now.body).unwrap_or_default();
    it.part.kind == PartKind::Template && it.back == Back::Goes && text(&read, "/team") == team
}

/// The commit that undoes it.
///
/// # Errors
/// If a resource cannot be stored.
pub fn undoing(
    applied: &Applied,
    undone: &[Undone],
    here: &Here<'_>,
    by: &str,
) -> anyhow::Result<Job> {
    let mut job = Job::default();
    for it in undone {
        if !matches!(it.back, Back::Goes | Back::Returns) {
            continue;
        }
        let put = Put {
            kind: it.part.kind,
            target: &it.part.target,
            title: &it.part.title,
            body: match it.back {
                Back::Goes => "",
                _ => &it.part.was,
            },
            now: &it.now,
        };
        put.add(&mut job, here, by)?;
    }
    job.effects.push(Effect::Blueprint(BlueprintWrite::Undo {
        id: applied.id.clone(),
        by: by.to_owned(),
    }));
    let query = format!(
        "blueprint={}&version={}&change=undo&by={by}",
        applied.name, applied.version
    );
    trace(&mut job, here, query);
    Ok(job)
}
