//! `handover blueprint`: ways of working that one organisation packs and others adopt (`docs/blueprints.md`).

mod archive;
mod content;
mod doing;
mod form;
mod here;
mod plan;
mod seal;
mod shipped;
#[cfg(test)]
mod tests;
mod told;
mod trial;

use std::path::{Path, PathBuf};

use access::{Ods, Scope, SystemPurpose};
use anyhow::{Context as _, bail};
use exchange::blueprints::settle;
use exchange::{Book, Identity};
use hl7v2::to_fhir::Mapping;
use store::blueprints::{Applied, PartKind, State};
use store::{Clock, Store};

use crate::config::Config;
use crate::node::{open_book, open_store};
use archive::Files;
use content::Blueprint;
use doing::Back;
use here::Here;
use plan::Plan;
use seal::Seal;

/// Where a person switches rules on.
const RULES_PAGE: &str = "/staff/rules";

/// Packs, inspects, applies and undoes blueprints: ways of working (questionnaires, rules, letter texts, teams, mappings of HL7
/// v2) as one signed package.
///
/// Nothing that a blueprint brings is switched on by being applied.
#[derive(clap::Args)]
pub struct BlueprintCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Checks a folder, tries it on made-up people, and packs and signs it with this node's key.
    Pack {
        /// The folder: package.json, blueprint.json and the files that it names.
        folder: PathBuf,
        /// The package to write.
        #[arg(short, long)]
        out: PathBuf,
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
    /// Says who signed a blueprint, what is in it, and what it would do here. Ends with 1 if it cannot be applied here.
    Inspect {
        /// The package; or the name of one that comes with this program (`list --shipped`).
        file: PathBuf,
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
        /// Take it although no directory that we trust names the key.
        #[arg(long)]
        signed_by_a_stranger: bool,
    },
    /// Applies a blueprint; without --yes it only says what would be done.
    ///
    /// It is tried on made-up people at a temporary node first, and not applied if that fails. All of it is one commit. Rules
    /// come switched off. Stop the node first if its store is a SQLite file; beside PostgreSQL the node notices by itself.
    Apply {
        /// The package; or the name of one that comes with this program (`list --shipped`).
        file: PathBuf,
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// Say what would be done, and do nothing.
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Try it on made-up people, say what it would do, and apply nothing.
        #[arg(long = "try", conflicts_with = "yes")]
        only_try: bool,
        /// Really apply it.
        #[arg(long, requires = "by")]
        yes: bool,
        /// Who applies it; colleagues read it on the page Blueprints.
        #[arg(long)]
        by: Option<String>,
        /// Take it although no directory that we trust names the key: you know by another way whose it is.
        #[arg(long)]
        signed_by_a_stranger: bool,
    },
    /// Puts back what was there before a blueprint was applied; without --yes it only says what would be done.
    ///
    /// What people changed since stays as they made it, and is named. Refused while a rule of it is on.
    Undo {
        /// Its name; not needed if only one is applied.
        name: Option<String>,
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// Say what would be done, and do nothing.
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Really undo it.
        #[arg(long, requires = "by")]
        yes: bool,
        /// Who undoes it.
        #[arg(long)]
        by: Option<String>,
    },
    /// Lists what was applied here, by whom and when.
    List {
        /// List what comes with this program instead; needs no node.
        #[arg(long)]
        shipped: bool,
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
}

impl BlueprintCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Pack {
                folder,
                out,
                config,
            } => pack(&folder, &out, &Config::read(&config)?).await,
            Command::Inspect {
                file,
                config,
                json,
                signed_by_a_stranger,
            } => {
                let node = Node::open(&config).await?;
                let done = node.inspect(&file, json, signed_by_a_stranger).await;
                node.store.close().await;
                done
            }
            Command::Apply {
                file,
                config,
                dry_run: _,
                only_try,
                yes,
                by,
                signed_by_a_stranger,
            } => {
                let node = Node::open(&config).await?;
                let by = by.filter(|_| yes);
                let how = How {
                    tries: only_try || yes,
                    by: by.as_deref(),
                    takes_strangers: signed_by_a_stranger,
                };
                let done = node.apply(&file, how).await;
                node.store.close().await;
                done
            }
            Command::Undo {
                name,
                config,
                dry_run: _,
                yes,
                by,
            } => {
                let node = Node::open(&config).await?;
                let by = by.filter(|_| yes);
                let done = node.undo(name.as_deref(), by.as_deref()).await;
                node.store.close().await;
                done
            }
            Command::List { shipped: true, .. } => {
                print!("{}", shipped::list()?);
                Ok(())
            }
            Command::List { config, .. } => {
                let node = Node::open(&config).await?;
                let done = node.list().await;
                node.store.close().await;
                done
            }
        }
    }
}

/// All faults, each on its line.
fn faulty(what: &Path, faults: &[String]) -> anyhow::Error {
    anyhow::anyhow!("{}:\n  {}", what.display(), faults.join("\n  "))
}

async fn pack(folder: &Path, out: &Path, config: &Config) -> anyhow::Result<()> {
    let mut files = archive::folder(folder).with_context(|| folder.display().to_string())?;
    files.remove(form::SIGNATURE);
    let blueprint = Blueprint::read(&files).map_err(|faults| faulty(folder, &faults))?;
    let ods = Ods::parse(&config.organisation.ods)?;
    let identity = Identity::open(&config.exchange.keys, &ods);
    let identity =
        identity.with_context(|| format!("exchange.keys: {}", config.exchange.keys.display()))?;
    let layers = blueprint.of(PartKind::Mapping);
    let layers: Vec<_> = layers
        .map(|it| hl7v2::to_fhir::Layer {
            name: it.file.clone(),
            text: it.body.clone(),
        })
        .collect();
    let roles = all_roles(&blueprint);
    let now = Clock::system().now();
    let trial = trial::run(&blueprint, &roles, &Mapping::with(&layers)?, now).await?;
    print!("{}", told::trial(&trial));
    if !trial.faults.is_empty() {
        return Err(faulty(folder, &trial.faults));
    }
    let key = identity.signing();
    seal::sign(&mut files, &key, ods.as_str(), &config.organisation.name)?;
    let packed = archive::packed(&files)?;
    std::fs::write(out, &packed).with_context(|| out.display().to_string())?;
    println!(
        "Packed {} {} as {}, {} files.\nSigned as {} ({ods}) with the key {}.",
        blueprint.name,
        blueprint.version,
        out.display(),
        files.len(),
        config.organisation.name,
        key.public().kid()
    );
    Ok(())
}

/// Every kind of organisation that a part is for.
fn all_roles(blueprint: &Blueprint) -> Vec<String> {
    let mut roles: Vec<String> = blueprint
        .things
        .iter()
        .flat_map(|it| it.fors.iter().cloned())
        .collect();
    roles.sort();
    roles.dedup();
    roles
}

/// How a blueprint is applied.
struct How<'h> {
    tries: bool,
    /// Who applies it; `None` says only what would be done.
    by: Option<&'h str>,
    takes_strangers: bool,
}

/// This node, without its doors.
struct Node {
    config: Config,
    store: Store,
    book: Option<Book>,
    /// The thumbprint of this node's own key.
    own: Option<String>,
}

impl Node {
    async fn open(path: &Path) -> anyhow::Result<Node> {
        let config = Config::read(path)?;
        let store = open_store(&config).await?;
        let book = open_book(&config, &store).ok();
        let ods = store.organisation().clone();
        let keys = &config.exchange.keys;
        let own = Identity::exists(keys)
            .then(|| Identity::open(keys, &ods).ok())
            .flatten();
        Ok(Node {
            own: own.map(|it| it.signing().public().kid().to_owned()),
            config,
            store,
            book,
        })
    }

    async fn here(&self) -> anyhow::Result<Here<'_>> {
        let mapping = self.config.hl7v2.mapping.as_deref();
        Here::look(&self.store, &self.config.organisation.roles, mapping).await
    }

    /// Reads a package: who signed it first, and then what is in it.
    fn read(&self, file: &Path) -> anyhow::Result<(Blueprint, Seal)> {
        if let Some(files) = shipped::meant(file) {
            let blueprint = Blueprint::read(&files).map_err(|faults| faulty(file, &faults))?;
            return Ok((blueprint, Seal::shipped(&files)));
        }
        let files: Files = archive::read(file).with_context(|| file.display().to_string())?;
        let own = self.own.as_deref();
        let seal = seal::open(&files, own, self.book.as_ref(), self.store.now());
        let seal = seal.with_context(|| file.display().to_string())?;
        let blueprint = Blueprint::read(&files).map_err(|faults| faulty(file, &faults))?;
        Ok((blueprint, seal))
    }

    async fn planned(
        &self,
        (blueprint, seal): (&Blueprint, &Seal),
        here: &Here<'_>,
        takes_strangers: bool,
    ) -> anyhow::Result<Plan> {
        let mut plan = Plan::make(blueprint, seal, here, takes_strangers).await?;
        let on = self.rules_on(&here.scope).await?;
        let goes = |it: &&plan::Planned| {
            it.action == plan::Action::Remove && on.contains(&it.thing.target)
        };
        let stops = plan.things.iter().filter(goes).map(|it| {
            format!(
                "the rule “{}” is on, and this version does not have it; switch it off at {RULES_PAGE} first",
                it.thing.title
            )
        });
        let stops: Vec<String> = stops.collect();
        plan.stops.extend(stops);
        Ok(plan)
    }

    /// The rules that are on, as `PlanDefinition/id`.
    async fn rules_on(&self, scope: &Scope) -> anyhow::Result<Vec<String>> {
        let switches = self.store.rule_switches(scope).await?;
        let on = switches.into_iter().filter(|it| it.on);
        Ok(on.map(|it| format!("PlanDefinition/{}", it.rule)).collect())
    }

    async fn inspect(&self, file: &Path, json: bool, takes_strangers: bool) -> anyhow::Result<()> {
        let (blueprint, seal) = self.read(file)?;
        let here = self.here().await?;
        let plan = self
            .planned((&blueprint, &seal), &here, takes_strangers)
            .await?;
        match json {
            true => println!("{}", told::json(&blueprint, &seal, &plan)),
            false => print!("{}", told::plan(&blueprint, &seal, &plan, &self.config)),
        }
        if !plan.stops.is_empty() {
            bail!("it cannot be applied here: {}", plan.stops.join("; "));
        }
        Ok(())
    }

    async fn apply(&self, file: &Path, how: How<'_>) -> anyhow::Result<()> {
        let (blueprint, seal) = self.read(file)?;
        if how.by.is_some() {
            self.check_alone()?;
            self.settle().await?;
        }
        let here = self.here().await?;
        let plan = self
            .planned((&blueprint, &seal), &here, how.takes_strangers)
            .await?;
        print!("{}", told::plan(&blueprint, &seal, &plan, &self.config));
        if !plan.stops.is_empty() {
            bail!("it cannot be applied here: {}", plan.stops.join("; "));
        }
        if plan.is_here {
            println!("It is applied here just so; nothing is to be done.");
            return Ok(());
        }
        if how.tries {
            self.try_it(file, &blueprint, (&plan, &here)).await?;
        }
        let Some(by) = how.by else {
            println!("Nothing was changed. To apply it: --yes --by \"your name\"");
            return Ok(());
        };
        let job = doing::applying(&plan, &blueprint, &seal, &here, named(by)?)?;
        self.store.commit(&here.scope, job).await?;
        self.settle().await?;
        println!("{} {} is applied.", blueprint.name, blueprint.version);
        if blueprint.of(PartKind::Rule).next().is_some() {
            println!(
                "Its rules are off. A person switches them on, one by one, at {}{RULES_PAGE}",
                self.config.pages.public_url.trim_end_matches('/')
            );
        }
        println!(
            "`handover blueprint undo {}` puts back what was there before.",
            blueprint.name
        );
        Ok(())
    }

    async fn try_it(
        &self,
        file: &Path,
        blueprint: &Blueprint,
        (plan, here): (&Plan, &Here<'_>),
    ) -> anyhow::Result<()> {
        let layers = plan.layers();
        let mapping = match here.mapping.as_ref().is_some_and(|it| it.is_dir()) {
            true => here.mapping_with(&layers, &[])?,
            false => Ok(Mapping::built_in()),
        };
        let mapping = mapping.map_err(|why| anyhow::anyhow!("hl7v2.mapping: {why}"))?;
        let trial = trial::run(blueprint, &here.roles, &mapping, self.store.now()).await?;
        print!("{}", told::trial(&trial));
        match trial.faults.is_empty() {
            true => Ok(()),
            false => {
                Err(faulty(file, &trial.faults)
                    .context("the trial failed, and nothing was applied"))
            }
        }
    }

    async fn undo(&self, name: Option<&str>, by: Option<&str>) -> anyhow::Result<()> {
        if by.is_some() {
            self.check_alone()?;
            self.settle().await?;
        }
        let here = self.here().await?;
        let applied = self.one(name, &here).await?;
        let undone = doing::looked_back(&applied, &here).await?;
        print!("{}", told::undo(&applied, &undone));
        let on = self.rules_on(&here.scope).await?;
        let ours = undone
            .iter()
            .filter(|it| it.back != Back::Stays && on.contains(&it.part.target));
        let ours: Vec<&str> = ours.map(|it| it.part.title.as_str()).collect();
        if !ours.is_empty() {
            bail!(
                "it cannot be undone while its rules are on: {}. Switch them off at {RULES_PAGE} first",
                ours.join(", ")
            );
        }
        let Some(by) = by else {
            println!("Nothing was changed. To undo it: --yes --by \"your name\"");
            return Ok(());
        };
        let job = doing::undoing(&applied, &undone, &here, named(by)?)?;
        self.store.commit(&here.scope, job).await?;
        self.settle().await?;
        println!("{} {} is undone.", applied.name, applied.version);
        Ok(())
    }

    /// The application of that name, or the only one.
    async fn one(&self, name: Option<&str>, here: &Here<'_>) -> anyhow::Result<Applied> {
        let mut all = self.store.blueprints(&here.scope).await?;
        all.retain(|it| it.state == State::Applied && name.is_none_or(|name| it.name == name));
        match (all.pop(), all.is_empty(), name) {
            (Some(one), true, _) => Ok(one),
            (Some(_), _, _) => {
                bail!("several are applied here; say which: `handover blueprint list`")
            }
            (None, _, Some(name)) => {
                bail!("no blueprint {name} is applied here; `handover blueprint list`")
            }
            (None, _, None) => bail!("no blueprint is applied here"),
        }
    }

    async fn list(&self) -> anyhow::Result<()> {
        let scope = Scope::system(SystemPurpose::KeepBlueprints);
        let all = self.store.blueprints(&scope).await?;
        let due = self.store.blueprint_files_due().await?;
        print!("{}", told::list(&all, due.len()));
        Ok(())
    }

    /// On SQLite the node would not notice what another process writes.
    fn check_alone(&self) -> anyhow::Result<()> {
        if self.store.is_beside_another() {
            bail!(
                "this node runs, and its store is a SQLite file: stop it first, and start it again afterwards"
            );
        }
        Ok(())
    }

    /// Finishes what was cut off, or has just been written down: the mapping's files.
    async fn settle(&self) -> anyhow::Result<()> {
        if let Some(folder) = &self.config.hl7v2.mapping {
            settle(&self.store, folder).await?;
        }
        Ok(())
    }
}

/// A person's name, on a line.
fn named(by: &str) -> anyhow::Result<&str> {
    let by = by.trim();
    if by.is_empty() || by.chars().count() > 100 || by.chars().any(char::is_control) {
        bail!("--by: is a name of up to 100 characters");
    }
    Ok(by)
}
