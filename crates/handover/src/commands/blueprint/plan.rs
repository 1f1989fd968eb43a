//! What applying a blueprint would add, change, leave and take away here, and what keeps it from being applied.

use fhir::members::text;
use serde_json::Value;
use store::blueprints::{Applied, Did, Part, PartKind};

use super::content::{Blueprint, Thing, template_body};
use super::form::{is_for, version};
use super::here::{Here, Now, same};
use super::seal::{Seal, Standing};

/// What would be done with one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Add,
    /// What the version before brought is written anew.
    Change,
    /// It is as the version before brought it.
    Stay,
    /// It is here just so, and not of any version of this blueprint.
    Leave,
    /// Somebody changed it here; it stays as they made it.
    Keep,
    /// The version before brought it, and this one does not.
    Remove,
    /// Something else is in its place; why nothing is applied.
    Conflict(String),
    /// It is for other kinds of organisation.
    NotForUs,
}

/// One thing, and what would be done with it.
#[derive(Clone, Debug)]
pub struct Planned {
    pub thing: Thing,
    pub action: Action,
    pub now: Now,
}

/// Something that must be here for it to be of use.
#[derive(Clone, Debug)]
pub struct Need {
    pub what: String,
    pub why: String,
    pub found: bool,
    /// Whether nothing is applied without it.
    pub stops: bool,
}

/// The whole of it.
pub struct Plan {
    /// What is in force under its name.
    pub over: Option<Applied>,
    pub things: Vec<Planned>,
    pub needs: Vec<Need>,
    /// Why it cannot be applied; empty if it can.
    pub stops: Vec<String>,
    /// It is applied just so: there is nothing to do.
    pub is_here: bool,
}

impl Plan {
    /// Makes the plan.
    ///
    /// # Errors
    /// If what is here cannot be read.
    pub async fn make(
        blueprint: &Blueprint,
        seal: &Seal,
        here: &Here<'_>,
        takes_strangers: bool,
    ) -> anyhow::Result<Plan> {
        let over = here.store.blueprint(&here.scope, &blueprint.name).await?;
        let before = match &over {
            Some(over) => here.store.blueprint_parts(&here.scope, &over.id).await?,
            None => Vec::new(),
        };
        let is_here = over.as_ref().is_some_and(|it| it.digest == seal.digest);
        let mut plan = Plan {
            over,
            things: Vec::new(),
            needs: Vec::new(),
            stops: Vec::new(),
            is_here,
        };
        plan.check_seal(seal, takes_strangers);
        plan.check_version(blueprint);
        for thing in &blueprint.things {
            let planned = plan.thing(thing, here, &before).await?;
            plan.things.push(planned);
        }
        plan.removals(here, &before).await?;
        plan.need(blueprint, here);
        plan.check_mapping(here)?;
        let conflicts = plan.things.iter().filter_map(|it| match &it.action {
            Action::Conflict(why) => Some(format!("{}: {why}", it.thing.title)),
            _ => None,
        });
        let conflicts: Vec<String> = conflicts.collect();
        plan.stops.extend(conflicts);
        Ok(plan)
    }

    fn check_seal(&mut self, seal: &Seal, takes_strangers: bool) {
        if seal.standing == Standing::Stranger && !takes_strangers {
            self.stops.push(
                "a stranger signed it. If you know by another way whose key that is, say --signed-by-a-stranger"
                    .to_owned(),
            );
        }
    }

    fn check_version(&mut self, blueprint: &Blueprint) {
        let Some(over) = &self.over else {
            return;
        };
        let (new, old) = (version(&blueprint.version), version(&over.version));
        if new < old {
            self.stops.push(format!(
                "version {} is applied here, which is newer; `handover blueprint undo {}` goes back",
                over.version, over.name
            ));
        } else if new == old && !self.is_here {
            self.stops.push(format!(
                "version {} is applied here with other content; whoever packs it must give it a new version",
                over.version
            ));
        }
    }

    async fn thing(
        &self,
        thing: &Thing,
        here: &Here<'_>,
        before: &[Part],
    ) -> anyhow::Result<Planned> {
        let mut thing = thing.clone();
        if !is_for(&thing.fors, &here.roles) {
            return Ok(Planned {
                thing,
                action: Action::NotForUs,
                now: Now::default(),
            });
        }
        if thing.kind == PartKind::Team
            && let Some(team) = here.team_named(&thing.title)
        {
            thing.target.clone_from(&team.id);
        }
        let mut no_team = None;
        if thing.kind == PartKind::Template {
            no_team = self.name_team(&mut thing, here);
        }
        let now = here.now(thing.kind, &thing.target).await?;
        let part = before
            .iter()
            .find(|it| it.target == thing.target && it.did != Did::Removed);
        let is_ours = part.is_some_and(|it| matches!(it.did, Did::Added | Did::Changed));
        let unchanged = part.is_some_and(|it| same(it.kind, &it.now, &now.body));
        let action = if let Some(why) = no_team {
            Action::Conflict(why)
        } else if same(thing.kind, &now.body, &thing.body) {
            if is_ours { Action::Stay } else { Action::Leave }
        } else if let Some(why) = conflict(&thing, here, &now, part.is_some()).await? {
            Action::Conflict(why)
        } else if part.is_none_or(|it| it.now.is_empty() && now.body.is_empty()) {
            Action::Add
        } else if unchanged {
            Action::Change
        } else {
            Action::Keep
        };
        Ok(Planned { thing, action, now })
    }

    /// Writes a text's team as this node knows it; why not, if there is none.
    fn name_team(&self, thing: &mut Thing, here: &Here<'_>) -> Option<String> {
        let read: Value = serde_json::from_str(&thing.body).unwrap_or_default();
        let name = text(&read, "/team");
        if name.is_empty() {
            return None;
        }
        let begun = self.things.iter().find(|it| {
            it.thing.kind == PartKind::Team
                && it.thing.title == name
                && it.action != Action::NotForUs
        });
        let begun = begun.map(|it| it.thing.target.clone());
        let Some(team) = here.team_named(name).map(|it| it.id.clone()).or(begun) else {
            return Some(format!("there is no team {name} here"));
        };
        thing.body = template_body(&team, text(&read, "/name"), text(&read, "/body"));
        None
    }

    /// What the version before brought and this one does not.
    async fn removals(&mut self, here: &Here<'_>, before: &[Part]) -> anyhow::Result<()> {
        let ours = before
            .iter()
            .filter(|it| matches!(it.did, Did::Added | Did::Changed));
        for part in ours {
            let stays =
                |it: &Planned| it.thing.target == part.target && it.action != Action::NotForUs;
            if self.things.iter().any(stays) {
                continue;
            }
            let now = here.now(part.kind, &part.target).await?;
            let uses = match part.kind {
                PartKind::Team => here.store.team_uses(&here.scope, &part.target).await?,
                _ => 0,
            };
            let action = match same(part.kind, &part.now, &now.body) && uses == 0 {
                _ if now.body.is_empty() => continue,
                true => Action::Remove,
                false => Action::Keep,
            };
            self.things.push(Planned {
                thing: Thing {
                    kind: part.kind,
                    file: String::new(),
                    target: part.target.clone(),
                    title: part.title.clone(),
                    body: String::new(),
                    url: String::new(),
                    fors: Vec::new(),
                },
                action,
                now,
            });
        }
        Ok(())
    }

    fn need(&mut self, blueprint: &Blueprint, here: &Here<'_>) {
        let needs = &blueprint.form.needs;
        for need in needs
            .teams
            .iter()
            .filter(|it| is_for(&it.fors, &here.roles))
        {
            let found = here.team_named(&need.name).is_some();
            self.needs.push(Need {
                what: match (found, need.begin) {
                    (false, true) => {
                        format!("the team {} (it is begun, with nobody in it)", need.name)
                    }
                    _ => format!("the team {}", need.name),
                },
                why: need.why.clone(),
                found: found || need.begin,
                stops: true,
            });
        }
        for need in needs
            .roles
            .iter()
            .filter(|it| is_for(&it.fors, &here.roles))
        {
            self.needs.push(Need {
                what: format!("somebody with the role {}", need.role),
                why: need.why.clone(),
                found: here.has_role(&need.role),
                stops: false,
            });
        }
        let maps =
            |it: &Planned| it.thing.kind == PartKind::Mapping && it.action != Action::NotForUs;
        if self.things.iter().any(maps) {
            let folder = here.mapping.as_ref();
            self.needs.push(Need {
                what: "a folder for mappings of HL7 v2 ([hl7v2] mapping in the settings)"
                    .to_owned(),
                why: "it changes how messages are read".to_owned(),
                found: folder.is_some_and(|it| it.is_dir()),
                stops: true,
            });
        }
        let missing = self.needs.iter().filter(|it| it.stops && !it.found);
        let missing: Vec<String> = missing
            .map(|it| format!("{} is not here", it.what))
            .collect();
        self.stops.extend(missing);
    }

    /// That the layers here read together with those that would come.
    fn check_mapping(&mut self, here: &Here<'_>) -> anyhow::Result<()> {
        let maps = |it: &&Planned| it.thing.kind == PartKind::Mapping;
        let layers = self.layers();
        let gone = self.things.iter().filter(maps);
        let gone = gone.filter(|it| it.action == Action::Remove);
        let gone: Vec<String> = gone.map(|it| it.thing.target.clone()).collect();
        let has_folder = here.mapping.as_ref().is_some_and(|it| it.is_dir());
        if !has_folder || (layers.is_empty() && gone.is_empty()) {
            return Ok(());
        }
        if let Err(why) = here.mapping_with(&layers, &gone)? {
            self.stops.push(format!(
                "the mappings here do not read together with it: {why}"
            ));
        }
        Ok(())
    }

    /// The layers that would be in place, of this blueprint: name and text.
    pub fn layers(&self) -> Vec<(String, String)> {
        let maps = self.things.iter().filter(|it| {
            it.thing.kind == PartKind::Mapping
                && matches!(
                    it.action,
                    Action::Add | Action::Change | Action::Stay | Action::Leave
                )
        });
        maps.map(|it| (it.thing.target.clone(), it.thing.body.clone()))
            .collect()
    }
}

/// What else is in a thing's place.
async fn conflict(
    thing: &Thing,
    here: &Here<'_>,
    now: &Now,
    was_ours: bool,
) -> anyhow::Result<Option<String>> {
    if was_ours {
        return Ok(None);
    }
    let read: Value = serde_json::from_str(&thing.body).unwrap_or_default();
    Ok(match thing.kind {
        PartKind::Rule | PartKind::Questionnaire => {
            let (ty, id) = thing.target.split_once('/').unwrap_or_default();
            match here.other_of(ty, id, &thing.url).await? {
                Some(other) => Some(format!(
                    "{ty}/{other} has the address {} already",
                    thing.url
                )),
                None if !now.body.is_empty() => Some(format!(
                    "{} is here with other content, and no version of this blueprint brought it",
                    thing.target
                )),
                None => None,
            }
        }
        PartKind::Template => {
            let (team, name) = (text(&read, "/team"), text(&read, "/name"));
            match here.other_text(&thing.target, team, name) {
                Some(other) => Some(format!(
                    "there is a text of that name already, which {} wrote; give it another name first",
                    other.changed_by
                )),
                None if !now.body.is_empty() => {
                    Some("it is here with other content from elsewhere".to_owned())
                }
                None => None,
            }
        }
        PartKind::Mapping if !now.body.is_empty() => Some(format!(
            "a file {} lies in the mapping's folder already",
            thing.target
        )),
        PartKind::Mapping | PartKind::Team => None,
    })
}
