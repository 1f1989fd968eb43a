//! `/staff/inbox/bulk`: letters that were chosen together: what will be done with each, the act, and its undoing.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, Query, RawQuery, State};
use axum::response::Response;
use fhir::problem::Kind;
use serde::Deserialize;
use store::parcels::{BULK_MAX, Filing, Stays, UNDO_MILLIS, Weighed};

use super::views::{Bulk, BulkDone, BulkRow};
use super::whose::{self, People};
use super::{account, attempt, is_theirs, new_attempt};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Label, state};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::staff::{self, subject};
use crate::visit::Visit;

/// What the address may ask for, beside letters.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// The numbers of letters in an address or a form, each once.
fn numbers<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<i64> {
    let mut found: Vec<i64> = texts.filter_map(|it| it.parse().ok()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// `GET /staff/inbox/bulk?pid=…&pid=…`: what would be done; without a letter, what was filed together lately.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let given = pairs.iter().filter(|(name, _)| name == "pid");
    let chosen = numbers(given.map(|(_, value)| value.as_str()));
    show(&node, &visit, &chosen, &asked.done, None).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    chosen: &[i64],
    done: &str,
    refused: Option<String>,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(node, Interaction::Inbox, "DocumentReference")
        .await?;
    let too_many = (chosen.len() > BULK_MAX).then(|| {
        format!(
            "{} letters were chosen; at most {BULK_MAX} go together, and these are the newest of them.",
            chosen.len()
        )
    });
    let start = chosen.len().saturating_sub(BULK_MAX);
    let chosen = chosen.get(start..).unwrap_or_default();
    let weighed = node.store.weigh(&scope, chosen).await?;
    let (files, stays): (Vec<&Weighed>, Vec<&Weighed>) =
        weighed.iter().partition(|it| it.stays.is_none());
    let row = |it: &&Weighed| row(node, it, visit);
    let people = People::of(node, &scope).await?;
    let filings = node.store.filings(&scope).await?;
    let view = Bulk {
        done: said_done(done),
        refused: refused.or(too_many),
        said: said(&weighed),
        files: files.iter().map(row).collect(),
        stays: stays.iter().map(row).collect(),
        chosen: weighed.iter().map(|it| it.letter.pid).collect(),
        attempt: new_attempt(),
        minutes: UNDO_MILLIS / 60_000,
        whose: people.groups(account(visit), "", "Nobody"),
        filings: filings.iter().map(|it| filing(it, visit)).collect(),
    };
    let faulty = view.refused.is_some() && !visit.is_look();
    let page = Page::new("staff/bulk.jinja", "Letters together", view).under("/staff/inbox");
    Ok(page.with_faults(faulty).answer(&node.site, visit))
}

fn row(node: &Node, it: &Weighed, visit: &Visit) -> BulkRow {
    let letter = &it.letter;
    BulkRow {
        href: format!("/staff/item/{}", letter.pid),
        patient: staff::about(letter),
        subject: subject(letter),
        from: staff::other_end(node, letter, &letter.sender),
        received: words::moment(letter.stored_at, visit.now),
        label: match it.stays {
            None => staff::state_here(letter),
            Some(why) => stays(why),
        },
    }
}

fn stays(why: Stays) -> Label {
    let (text, colour) = match why {
        Stays::Withheld => ("Withheld from you", "grey"),
        Stays::Unmatched => ("Unmatched", "red"),
        Stays::BeingTakenIn => ("Being taken in", "grey"),
        Stays::Unopened => ("Nobody has opened it", "blue"),
        Stays::Urgent => ("Urgent", "red"),
        Stays::ByMesh => ("By MESH: file it by itself", "grey"),
        Stays::Over(over) => return state(over),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

/// What will happen, in a sentence: "10 letters will be filed; 2 stay: 1 is urgent, 1 was not opened by anybody."
fn said(weighed: &[Weighed]) -> String {
    let count = |which: &dyn Fn(Stays) -> bool| {
        weighed
            .iter()
            .filter_map(|it| it.stays)
            .filter(|it| which(*it))
            .count()
    };
    let stay = count(&|_| true);
    let file = weighed.len() - stay;
    let files = match file {
        0 => "No letter will be filed".to_owned(),
        1 => "1 letter will be filed".to_owned(),
        more => format!("{more} letters will be filed"),
    };
    if stay == 0 {
        return format!("{files}.");
    }
    let why: Vec<String> = [
        (count(&|it| it == Stays::Urgent), "urgent"),
        (
            count(&|it| it == Stays::Unopened),
            "not opened by anybody yet",
        ),
        (
            count(&|it| matches!(it, Stays::Unmatched | Stays::BeingTakenIn)),
            "not in a record yet",
        ),
        (count(&|it| it == Stays::Withheld), "withheld from you"),
        (
            count(&|it| it == Stays::ByMesh),
            "answered over MESH at once",
        ),
        (
            count(&|it| matches!(it, Stays::Over(_))),
            "done with already",
        ),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, why)| format!("{count} {} {why}", if count == 1 { "is" } else { "are" }))
    .collect();
    let stay_word = if stay == 1 { "stays" } else { "stay" };
    format!("{files}; {stay} {stay_word}: {}.", why.join(", "))
}

fn filing(it: &Filing, visit: &Visit) -> BulkDone {
    let letters = |count: u64| match count {
        1 => "1 letter".to_owned(),
        more => format!("{more} letters"),
    };
    let can_undo = it.undone_by.is_empty() && visit.now < it.until;
    let (label, colour) = match (it.undone_by.as_str(), can_undo) {
        ("", true) => ("Can be undone", "yellow"),
        ("", false) => ("Filed", "green"),
        _ => ("Undone", "grey"),
    };
    BulkDone {
        when: words::moment(it.at, visit.now),
        who: it.who.clone(),
        said: match it.undone_by.as_str() {
            "" => letters(it.letters),
            by => format!(
                "{}, of which {by} put {} back",
                letters(it.letters),
                it.put_back
            ),
        },
        label: Label {
            text: label,
            colour: Some(colour),
        },
        until: words::moment(it.until, visit.now),
        undo: can_undo.then(|| format!("/staff/inbox/bulk/{}/undo", it.id)),
    }
}

fn said_done(word: &str) -> Option<Done> {
    let text = match word {
        "filed" => {
            "Filed. The senders and the patients are told once it cannot be undone any more; until then it can be, below."
        }
        "undone" => {
            "Undone. The letters are back in the inbox, but for those that somebody has worked on since. No sender was told."
        }
        "assigned" => "Given to them. What was filed or opened before stays so.",
        _ => return None,
    };
    Some(Done {
        text,
        href: Some("/staff/inbox".into()),
        link: Some("Back to the inbox"),
    })
}

/// `POST /staff/inbox/bulk`: files them, or gives them to somebody.
pub async fn take(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let chosen = numbers(fields.each("pid"));
    let done = match fields.text("do") {
        "assign" => {
            let scope = visit
                .scope(&node, Interaction::WorkTask, "DocumentReference")
                .await?;
            let to = whose::parse(fields.text("to"))?;
            let done = node.store.assign(&scope, &chosen, &to).await;
            done.map(|()| "assigned")
        }
        _ => {
            let scope = visit
                .scope(&node, Interaction::FileLetter, "DocumentReference")
                .await?;
            let id = attempt(fields.text("attempt"))?;
            let done = Box::pin(node.store.file_many(&scope, &id, &chosen)).await;
            done.map(|_| "filed")
        }
    };
    match done {
        Ok(done) => Ok(see_other(&format!("/staff/inbox/bulk?done={done}"))),
        Err(problem) if is_theirs(&problem) => {
            let said = problem.message.to_string();
            show(&node, &visit, &chosen, "", Some(said)).await
        }
        Err(problem) => Err(problem.into()),
    }
}

/// `POST /staff/inbox/bulk/{id}/undo`
pub async fn undo(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::FileLetter, "DocumentReference")
        .await?;
    match Box::pin(node.store.undo_filing(&scope, &id)).await {
        Ok(_) => Ok(see_other("/staff/inbox/bulk?done=undone")),
        Err(problem) if problem.kind == Kind::BusinessRule => {
            let said = problem.message.to_string();
            show(&node, &visit, &[], "", Some(said)).await
        }
        Err(problem) => Err(problem.into()),
    }
}
