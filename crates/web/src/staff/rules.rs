//! `/staff/rules`: rules on events, in plain words: switched on and off, tried out over last month, and what each did, to be undone
//! (`docs/rules.md`).

pub mod acts;
mod said;
mod stuck;
mod trial;
pub mod views;

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, Target};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::prescriptions::written;
use fhir::problem::{Kind, Problem};
use fhir::rule::Rule;
use fhir::rule::examples::EXAMPLES;
use fhir::search::Search;
use serde::Deserialize;
use serde_json::Value;
use store::rules::{RuleWrite, Switch};
use store::{Effect, Expect, Job, Release};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Label};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::record::json;
use crate::staff::desk::tasks::today;
use crate::staff::desk::{is_theirs, me};
use crate::visit::Visit;
pub use stuck::{again, group};
use views::{RuleRow, Rules};

/// Rules that are listed at most.
const LISTED_MAX: u32 = 200;
const TYPE: &str = "PlanDefinition";

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
    /// `yes`: what the rule would have done over last month.
    #[serde(default, rename = "try")]
    tried: String,
    /// What undoing many came to.
    #[serde(default)]
    undone: String,
    #[serde(default)]
    stay: String,
}

/// `GET /staff/rules`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Rules, TYPE).await?;
    let switches = node.store.rule_switches(&scope).await?;
    let found = node
        .store
        .search(&scope, &Search::all(TYPE, LISTED_MAX))
        .await?;
    let mut rows = Vec::new();
    for version in &found.entries {
        let resource = json(version)?;
        if is_rule(&resource) {
            rows.push(row(
                &version.id,
                (&resource, version.version),
                &switches,
                &visit,
            ));
        }
    }
    rows.sort_by(|left, right| left.title.cmp(&right.title));
    let gone = switches.iter().filter(|it| it.on).filter(|it| {
        let href = href(&it.rule);
        rows.iter().all(|row| row.href != href)
    });
    let gone: Vec<String> = gone.map(|it| it.title.clone()).collect();
    let view = Rules {
        done: done(&asked.done),
        lacks_examples: example_ids()
            .iter()
            .any(|id| rows.iter().all(|row| row.href != href(id))),
        more: found.next.is_some(),
        gone,
        rows,
    };
    let page = Page::new("staff/rules.jinja", "Rules", view).under("/staff/worklist");
    Ok(page.answer(&node.site, &visit))
}

fn href(id: &str) -> String {
    format!("/staff/rules/{id}")
}

/// Whether a PlanDefinition says that it is a rule; others are not for this page.
fn is_rule(resource: &Value) -> bool {
    let mut codings = fhir::members::each(resource, "/type/coding");
    codings.any(|it| fhir::members::text(it, "/code") == "eca-rule")
}

fn row(
    id: &str,
    (resource, version): (&Value, u64),
    switches: &[Switch],
    visit: &Visit,
) -> RuleRow {
    let switch = switches.iter().find(|it| it.rule == id);
    let read = Rule::read(resource);
    let text = |place| fhir::members::text(resource, place).to_owned();
    RuleRow {
        href: href(id),
        title: match text("/title") {
            title if title.trim().is_empty() => "Rule without a title".to_owned(),
            title => title,
        },
        description: text("/description"),
        label: label(switch, version, read.as_ref().is_ok_and(|it| it.retired)),
        since: switch.map(|it| words::moment(it.at, visit.now)),
        who: switch.map(|it| it.who.clone()),
        fault: read.err().map(|problem| problem.to_string()),
    }
}

/// Whether it is on, and whether what is on is what it says now.
fn label(switch: Option<&Switch>, version: u64, retired: bool) -> Label {
    let (text, colour) = match switch.filter(|it| it.on) {
        None => ("Off", "grey"),
        Some(_) if retired => ("Retired: does nothing", "orange"),
        Some(it) if it.version != version => ("On, changed since", "orange"),
        Some(_) => ("On", "green"),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

fn done(word: &str) -> Option<Done> {
    let text = match word {
        "on" => "The rule is on. It judges what comes from now on.",
        "off" => "The rule is off. What it did stays as it is; it can be undone below.",
        "undone" => "Undone.",
        "examples" => "The examples are on the list. None of them is on.",
        "again" => "It is tried again. If it still does not work, it comes back to the work list.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

/// `GET /staff/rules/{id}`
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    show(&node, &visit, &id, (&asked, None)).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    id: &str,
    (asked, refused): (&Asked, Option<String>),
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Rules, TYPE).await?;
    let (resource, version) = stored(node, &scope, id).await?;
    let switches = node.store.rule_switches(&scope).await?;
    let switch = switches.iter().find(|it| it.rule == id);
    let on = switch.filter(|it| it.on);
    let now = Rule::read(&resource);
    let fault = now.as_ref().err().map(ToString::to_string);
    let beside = Beside::look(node, visit, &scope, (id, version), (&now, on, asked)).await?;
    let acts = acts::rows(node, &scope, id, visit).await?;
    let text = |place| fhir::members::text(&resource, place).to_owned();
    let view = views::One {
        done: done(&asked.done),
        undone: said::undone(&asked.undone, &asked.stay),
        title: text("/title"),
        description: text("/description"),
        href: href(id),
        label: label(switch, version, now.as_ref().is_ok_and(|it| it.retired)),
        since: switch.map(|it| words::moment(it.at, visit.now)),
        who: switch.map(|it| it.who.clone()),
        on: on.is_some(),
        changed: on.is_some_and(|it| it.version != version),
        version,
        parts: now
            .as_ref()
            .map_or_else(|_| Vec::new(), |it| said::parts(it, &beside.titles)),
        in_force: beside.in_force,
        retired: now.as_ref().is_ok_and(|it| it.retired),
        fault,
        lacks: beside.lacks,
        trial: beside.trial,
        acts: acts.rows,
        acts_more: acts.more,
        since_day: acts::day_of(today(visit.now)),
        refused,
    };
    let faulty = view.refused.is_some();
    let title = view.title.clone();
    let page = Page::new("staff/rule.jinja", title, view).under("/staff/worklist");
    Ok(page.with_faults(faulty).answer(&node.site, visit))
}

/// What a rule's page says beside what the rule says now.
struct Beside {
    titles: said::Titles,
    in_force: Vec<views::Part>,
    lacks: Option<String>,
    trial: Option<views::Trial>,
}

impl Beside {
    async fn look(
        node: &Node,
        visit: &Visit,
        scope: &Scope,
        (id, version): (&str, u64),
        (now, on, asked): (&Result<Rule, Problem>, Option<&Switch>, &Asked),
    ) -> Result<Beside, Problem> {
        // What is in force is what a person switched on, whatever the rule says by now.
        let in_force = match on {
            Some(it) if it.version != version => {
                let read = exchange::rules::read(&node.store, scope, id, Some(it.version)).await;
                read.ok().map(|(rule, _)| rule)
            }
            _ => None,
        };
        let now = now.as_ref().ok();
        let both: Vec<&Rule> = now.into_iter().chain(&in_force).collect();
        let titles = said::Titles::of(&node.store, &both).await?;
        let lacks = match now {
            Some(rule) => lacks(node, scope, rule).await?,
            None => None,
        };
        let trial = match now {
            Some(rule) if asked.tried == "yes" => {
                Some(trial::over_last_month(node, scope, (rule, &titles), visit).await?)
            }
            _ => None,
        };
        Ok(Beside {
            in_force: in_force
                .as_ref()
                .map_or_else(Vec::new, |it| said::parts(it, &titles)),
            lacks: lacks.map(|problem| problem.message),
            trial,
            titles,
        })
    }
}

async fn stored(node: &Node, scope: &Scope, id: &str) -> Result<(Value, u64), Problem> {
    match node.store.read(scope, TYPE, id).await? {
        store::Reading::Found(version) => {
            let resource = json(&version)?;
            match is_rule(&resource) {
                true => Ok((resource, version.version)),
                false => Err(gone()),
            }
        }
        _ => Err(gone()),
    }
}

fn gone() -> Problem {
    Problem::new(Kind::NotFound, "There is no such rule here.")
}

/// `POST /staff/rules/{id}`: switches it on or off, or undoes what it did since a day.
pub async fn change(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::KeepRules, TYPE).await?;
    let done = match fields.text("do") {
        "on" => switch_on(&node, &visit, &scope, (&id, fields.text("version"))).await,
        "off" => {
            let by = me(&visit)?;
            let write = RuleWrite::Off {
                rule: id.clone(),
                by,
            };
            commit(&node, &scope, write, format!("off rule={id}")).await
        }
        "undo" => return acts::undo_since(&node, &visit, &scope, &id, fields.text("since")).await,
        _ => return Err(Problem::new(Kind::Invalid, "There is no such button.").into()),
    };
    match done {
        Ok(()) => Ok(see_other(&format!(
            "{}?done={}",
            href(&id),
            fields.text("do")
        ))),
        Err(problem) if is_theirs(&problem) || problem.kind == Kind::NotSupported => {
            let said = Some(problem.to_string());
            show(&node, &visit, &id, (&Asked::default(), said)).await
        }
        Err(problem) => Err(problem.into()),
    }
}

async fn commit(node: &Node, scope: &Scope, write: RuleWrite, row: String) -> Result<(), Problem> {
    let target = Target {
        ty: TYPE.into(),
        query: Some(row.into()),
        ..Target::default()
    };
    let job = Job {
        traces: vec![scope.trace(Interaction::KeepRules, Outcome::Success, target)],
        ..Job::effect(Effect::Rule(write))
    };
    node.store.commit(scope, job).await.map(|_| ())
}

/// What the rule needs and is not here: a team, or a questionnaire that can be asked.
///
/// # Errors
/// Those of the store.
async fn lacks(node: &Node, scope: &Scope, rule: &Rule) -> Result<Option<Problem>, Problem> {
    let teams = node.store.teams(scope).await?;
    let is_here = |name: &str| name.is_empty() || teams.iter().any(|it| it.name == name);
    if let Some(step) = rule.steps().find(|step| !is_here(&step.team)) {
        let message = format!(
            "There is no team “{}” here, which the rule gives work to. Begin it under Teams first.",
            step.team
        );
        return Ok(Some(Problem::new(Kind::BusinessRule, message)));
    }
    match exchange::rules::check_asked(&node.store, rule.steps()).await {
        Ok(()) => Ok(None),
        Err(problem) if problem.kind == Kind::BusinessRule => Ok(Some(problem)),
        Err(problem) => Err(problem),
    }
}

/// Puts what the page showed into force: that version, and no other.
async fn switch_on(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    (id, seen): (&str, &str),
) -> Result<(), Problem> {
    let (rule, version) = exchange::rules::read(&node.store, scope, id, None).await?;
    if seen.parse() != Ok(version) {
        let message = "The rule was changed while you read it. Read it again, then switch it on.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    if rule.retired {
        let message = "Whoever wrote this rule has retired it, so it cannot be switched on.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    if let Some(problem) = lacks(node, scope, &rule).await? {
        return Err(problem);
    }
    let row = format!("on rule={id} version={version}");
    let write = RuleWrite::On {
        rule: id.to_owned(),
        version,
        title: rule.title.clone(),
        events: rule.events(),
        today: today(visit.now),
        by: me(visit)?,
    };
    commit(node, scope, write, row).await
}

fn examples() -> Vec<Value> {
    let read = |text: &&str| serde_json::from_str(text).ok();
    EXAMPLES.iter().filter_map(read).collect()
}

fn example_ids() -> Vec<String> {
    let id = |it: &Value| fhir::members::text(it, "/id").to_owned();
    examples().iter().map(id).collect()
}

/// `POST /staff/rules/examples`: puts the rules that the node brings along onto the list, those that are not there.
pub async fn take_examples(
    State(node): State<Arc<Node>>,
    visit: Visit,
    _: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::KeepRules, TYPE).await?;
    load_examples(&node, &scope).await?;
    Ok(see_other("/staff/rules?done=examples"))
}

/// Stores the examples that are not here yet; none of them is on.
///
/// # Errors
/// Those of the store.
pub async fn load_examples(node: &Node, scope: &Scope) -> Result<(), Problem> {
    for resource in examples() {
        let how = (Expect::Absent, Release::Keep);
        let change = written(&resource, &node.site.organisation, how)?;
        match node.store.commit(scope, Job::change(change)).await {
            Ok(_) => {}
            Err(problem) if problem.came_between() => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(())
}
