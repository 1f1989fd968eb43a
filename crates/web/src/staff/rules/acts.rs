//! What rules did: on a rule's own page, as a mark on letters and tasks, and undone.

use std::collections::HashMap;
use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::rules::undo;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::rule::StepKind;
use store::parcels::{BULK_MAX, Letter, Shown};
use store::rules::{Act, ActState};

use super::views::{ActRow, RuleMark};
use super::{Asked, TYPE, href, said, show, trial};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Label;
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::staff::desk::is_theirs;
use crate::staff::{self, NOT_SHOWN, subject};
use crate::visit::Visit;

/// Acts that are listed.
const LISTED_MAX: u32 = 50;

pub struct Rows {
    pub rows: Vec<ActRow>,
    pub more: bool,
}

/// A day as forms have it.
pub(super) fn day_of(at: Millis) -> String {
    let text = fhir::date::instant(at);
    text.get(..10).unwrap_or_default().to_owned()
}

/// What a rule did lately, each as far as it is shown to who looks.
pub(super) async fn rows(
    node: &Node,
    scope: &Scope,
    rule: &str,
    visit: &Visit,
) -> Result<Rows, Problem> {
    let mut acts = node
        .store
        .rule_acts(scope, (rule, 0), LISTED_MAX + 1)
        .await?;
    let more = acts.len() > LISTED_MAX as usize;
    acts.truncate(LISTED_MAX as usize);
    let mut pids: Vec<i64> = acts.iter().map(|it| it.pid).filter(|it| *it != 0).collect();
    pids.sort_unstable();
    pids.dedup();
    pids.truncate(BULK_MAX);
    let weighed = node.store.weigh(scope, &pids).await?;
    let letters: HashMap<i64, Letter> = weighed
        .into_iter()
        .map(|it| (it.letter.pid, it.letter))
        .collect();
    let mut rows = Vec::new();
    for act in &acts {
        rows.push(row(node, scope, act, letters.get(&act.pid), visit).await?);
    }
    Ok(Rows { rows, more })
}

async fn row(
    node: &Node,
    scope: &Scope,
    act: &Act,
    letter: Option<&Letter>,
    visit: &Visit,
) -> Result<ActRow, Problem> {
    let (patient, what, link, shown) = match (act.pid, letter) {
        (0, _) => {
            let who = trial::person(node, scope, &act.patient).await?;
            let shown = who.name != NOT_SHOWN;
            let link = (shown && !act.task.is_empty()).then(|| task_href(act));
            (who, "Task".to_owned(), link, shown)
        }
        (pid, Some(letter)) => {
            let link = format!("/staff/item/{pid}");
            let shown = letter.shown == Shown::Whole;
            (staff::about(letter), subject(letter), Some(link), shown)
        }
        (_, None) => {
            let who = crate::page::parts::Person::new(NOT_SHOWN, None, None);
            (who, "Withheld from you".to_owned(), None, false)
        }
    };
    let (label, more) = state(act, visit.now);
    Ok(ActRow {
        when: words::moment(act.at, visit.now),
        patient,
        what,
        href: link,
        did: said::did(act),
        label,
        more,
        undo: (shown && act.may_be_undone(visit.now)).then(|| undo_href(act)),
    })
}

fn task_href(act: &Act) -> String {
    match act.kind {
        StepKind::Ask => format!("/staff/patient/{}", act.patient),
        _ => format!("/staff/tasks/{}", act.task),
    }
}

fn undo_href(act: &Act) -> String {
    format!("/staff/rules/acts/{}/undo", act.number)
}

fn state(act: &Act, now: Millis) -> (Label, String) {
    let (text, colour, more) = match act.state {
        ActState::Left => ("Left", "grey", String::new()),
        ActState::Undone => (
            "Undone",
            "orange",
            format!(
                "by {}, {}",
                act.ended_by,
                words::moment(act.ended_at, now).short
            ),
        ),
        ActState::Done if act.kind == StepKind::File && now < act.until => (
            "Done",
            "green",
            format!(
                "can be put back until {}",
                words::moment(act.until, now).short
            ),
        ),
        ActState::Done if act.kind == StepKind::File => {
            ("Done", "green", "the sender has been told".to_owned())
        }
        ActState::Done => ("Done", "green", String::new()),
    };
    let label = Label {
        text,
        colour: Some(colour),
    };
    (label, more)
}

/// The marks of a letter or task: what rules did with it, also what was undone since.
pub(crate) fn marks(acts: &[Act], back: &'static str, now: Millis) -> Vec<RuleMark> {
    let mark = |act: &Act| {
        let (_, more) = state(act, now);
        let at = words::moment(act.at, now).short;
        let did = said::did(act);
        let ended = match (act.state, more.as_str()) {
            (ActState::Undone, more) => format!(" Undone {more}."),
            (_, "") => String::new(),
            (_, more) => format!(" It {more}."),
        };
        RuleMark {
            said: format!("{did} by the rule “{}”, {at}.{ended}", act.title),
            rule: href(&act.rule),
            undo: act.may_be_undone(now).then(|| undo_href(act)),
            back,
        }
    };
    acts.iter().map(mark).collect()
}

/// What stands beside a letter in a list: the rule that filed it.
pub(crate) fn filed_by(acts: Option<&Vec<Act>>) -> Option<String> {
    let is_filed = |it: &&Act| it.kind == StepKind::File && it.state == ActState::Done;
    let act = acts?.iter().find(is_filed)?;
    Some(format!("Filed by the rule “{}”", act.title))
}

/// `POST /staff/rules/acts/{number}/undo`
pub async fn undo_one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::KeepRules, TYPE).await?;
    let act = node.store.rule_act(&scope, number).await?;
    match Box::pin(undo::one(&node.store, &scope, number, visit.now)).await {
        Ok(act) => Ok(see_other(&match fields.text("back") {
            "item" if act.pid != 0 => format!("/staff/item/{}?done=undone", act.pid),
            "task" => "/staff/tasks?done=undone".to_owned(),
            _ => format!("{}?done=undone", href(&act.rule)),
        })),
        Err(problem) if is_theirs(&problem) => {
            let said = Some(problem.message.clone());
            show(&node, &visit, &act.rule, (&Asked::default(), said)).await
        }
        Err(problem) => Err(problem.into()),
    }
}

/// Undoes all that a rule did since that day.
pub(super) async fn undo_since(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    rule: &str,
    day: &str,
) -> Result<Response, Refusal> {
    let Some(since) = words::moment_of(day, "00:00") else {
        let said =
            Some("Enter the day from which on all is to be undone, such as 2026-03-31".to_owned());
        return show(node, visit, rule, (&Asked::default(), said)).await;
    };
    let came = Box::pin(undo::all(&node.store, scope, (rule, since), visit.now)).await?;
    if came.undone == 0 && came.stay == 0 {
        let problem = Problem::new(
            Kind::Required,
            "The rule did nothing since then that could be undone.",
        );
        let said = Some(problem.message);
        return show(node, visit, rule, (&Asked::default(), said)).await;
    }
    let address = format!("{}?undone={}&stay={}", href(rule), came.undone, came.stay);
    Ok(see_other(&address))
}
