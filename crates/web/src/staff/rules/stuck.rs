//! Rules that could not judge what happened, or do what they say, on the work list.

use std::sync::Arc;

use access::Scope;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::Problem;
use store::Effect;
use store::rules::{RuleWrite, StuckRule};

use super::href;
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Label, Link};
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::staff::{views, worklist};
use crate::visit::Visit;

/// The group of the work list.
pub async fn group(
    node: &Node,
    scope: &Scope,
    sees_letters: bool,
    now: Millis,
) -> Result<views::Group, Problem> {
    let stuck = node.store.stuck_rules(scope, worklist::ROWS_MAX).await?;
    let rows = stuck.iter().map(|it| row(it, sees_letters, now)).collect();
    let empty = "Every rule that is on has judged all that came.";
    let title = "Rules that did not work";
    Ok(worklist::group("rules", title, rows, empty))
}

fn row(it: &StuckRule, sees_letters: bool, now: Millis) -> views::Work {
    let link = |text, what: &str| Link {
        text,
        href: format!("/staff/worklist/rules/{}/{what}", it.seq),
    };
    views::Work {
        when: words::moment(it.since, now),
        what: format!("“{}”, when {}", it.title, it.event.said()),
        href: sees_letters.then(|| match it.pid {
            0 => href(&it.rule),
            pid => format!("/staff/item/{pid}"),
        }),
        state: Label {
            text: "Not judged",
            colour: Some("orange"),
        },
        why: it.reason.clone(),
        next: "Nothing was done: what came waits for a person as if there were no rule. Put right what is said, then try it again."
            .to_owned(),
        actions: vec![link("Try again", "again"), link("Settled", "settled")],
    }
}

/// `POST /staff/worklist/rules/{seq}/{what}`: it is tried again, or taken off the list.
pub async fn again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path((seq, what)): Path<(i64, String)>,
    _: Fields,
) -> Result<Response, Refusal> {
    let (write, done) = match what.as_str() {
        "again" => (RuleWrite::Again { seq }, "rule-again"),
        "settled" => (RuleWrite::Settled { seq }, "rule-settled"),
        _ => {
            let problem = Problem::new(
                fhir::problem::Kind::NotFound,
                "There is no page at this address.",
            );
            return Err(problem.into());
        }
    };
    let row = format!("rule-event={seq} {what}");
    worklist::decide(&node, &visit, row, Effect::Rule(write)).await?;
    Ok(see_other(&format!("/staff/worklist?done={done}")))
}
