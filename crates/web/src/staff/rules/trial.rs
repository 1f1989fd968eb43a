//! What a rule would have done over last month, in the name of who asks: nothing is done, and what is withheld from them is only
//! counted.

use access::{Interaction, Scope};
use exchange::rules::weigh::{Occasion, Planned, Weighed, weigh};
use fhir::date::Millis;
use fhir::problem::Problem;
use fhir::rule::{Event, Rule, StepKind};
use fhir::search::{Search, Sort};
use futures_util::future::join_all;
use store::parcels::{Left, Letter, ListFilter, Show, Shown};

use super::said;
use super::views::{Trial, TrialRow};
use crate::node::Node;
use crate::page::parts::Person;
use crate::page::words;
use crate::record::{self, json};
use crate::staff::{self, NOT_SHOWN, subject};
use crate::visit::Visit;

const DAY: Millis = 86_400_000;
const DAYS: Millis = 31;
/// Letters, and resources of each event, that are looked at.
const LOOKED_MAX: usize = 300;
const PAGE: u32 = 100;
/// Those listed.
const LISTED_MAX: usize = 50;
/// Judged side by side.
const AT_ONCE: usize = 20;

/// Something that came, to be judged.
struct Came {
    occasion: Occasion,
    at: Millis,
    letter: Option<Letter>,
}

#[derive(Default)]
struct Count {
    looked: u64,
    hidden: u64,
    none: u64,
    failed: u64,
    would: Vec<(StepKind, u64)>,
    left: Vec<(Left, u64)>,
}

/// Tries the rule out.
pub async fn over_last_month(
    node: &Node,
    scope: &Scope,
    (rule, titles): (&Rule, &said::Titles),
    visit: &Visit,
) -> Result<Trial, Problem> {
    let since = visit.now - DAYS * DAY;
    let mut count = Count::default();
    let mut rows = Vec::new();
    let mut cut = false;
    for event in rule.events() {
        let (came, more) = came(node, visit, event, since, &mut count).await?;
        cut |= more;
        for some in came.chunks(AT_ONCE) {
            let judged = some
                .iter()
                .map(|it| weigh(&node.store, scope, rule, &it.occasion, visit.now));
            for (it, weighed) in some.iter().zip(join_all(judged).await) {
                let Some((planned, patient)) = counted(&mut count, weighed)? else {
                    continue;
                };
                if rows.len() < LISTED_MAX {
                    let shown = (planned.as_slice(), patient.as_str(), titles);
                    rows.push(row(node, scope, it, shown, visit).await?);
                } else {
                    cut = true;
                }
            }
        }
    }
    Ok(Trial {
        since: words::moment(since, visit.now),
        said: count.said(),
        cut: cut.then(|| {
            format!("At most {LOOKED_MAX} of each kind of event are looked at, the latest first, and {LISTED_MAX} are listed.")
        }),
        rows,
    })
}

/// What came since then, the latest first, and whether there is more than is looked at.
async fn came(
    node: &Node,
    visit: &Visit,
    event: Event,
    since: Millis,
    count: &mut Count,
) -> Result<(Vec<Came>, bool), Problem> {
    match event {
        Event::LetterReceived => letters(node, visit, since, count).await,
        _ => resources(node, visit, event, since, count).await,
    }
}

async fn letters(
    node: &Node,
    visit: &Visit,
    since: Millis,
    count: &mut Count,
) -> Result<(Vec<Came>, bool), Problem> {
    let scope = visit
        .scope(node, Interaction::Inbox, "DocumentReference")
        .await?;
    let mut filter = ListFilter {
        count: PAGE,
        ..ListFilter::new(Show::AllIn)
    };
    let mut came = Vec::new();
    loop {
        let page = node.store.letters(&scope, &filter).await?;
        for letter in page.letters {
            if letter.stored_at < since {
                return Ok((came, false));
            }
            if came.len() >= LOOKED_MAX {
                return Ok((came, true));
            }
            let document = match (&letter.made.document, letter.shown) {
                (Some(document), Shown::Whole) if !letter.unmatched => document.clone(),
                (_, Shown::Whole) => continue,
                _ => {
                    count.looked += 1;
                    count.hidden += 1;
                    continue;
                }
            };
            came.push(Came {
                occasion: Occasion {
                    event: Event::LetterReceived,
                    resource: document,
                    pid: letter.pid,
                },
                at: letter.stored_at,
                letter: Some(letter),
            });
        }
        match page.next {
            Some(next) => filter.after = Some(next),
            None => return Ok((came, false)),
        }
    }
}

async fn resources(
    node: &Node,
    visit: &Visit,
    event: Event,
    since: Millis,
    _count: &mut Count,
) -> Result<(Vec<Came>, bool), Problem> {
    let ty = event.resource();
    let scope = visit.scope(node, Interaction::Search, ty).await?;
    let mut search = Search::all(ty, PAGE);
    search.sort.push(Sort {
        code: "_lastUpdated".to_owned(),
        kind: None,
        descending: true,
    });
    let mut came = Vec::new();
    loop {
        let page = node.store.search(&scope, &search).await?;
        for version in page.entries {
            if version.last_updated < since {
                return Ok((came, false));
            }
            if came.len() >= LOOKED_MAX {
                return Ok((came, true));
            }
            came.push(Came {
                occasion: Occasion {
                    event,
                    resource: version.id,
                    pid: 0,
                },
                at: version.last_updated,
                letter: None,
            });
        }
        match page.next {
            Some(next) => search.after = Some(next),
            None => return Ok((came, false)),
        }
    }
}

/// Counts what came of one; what would be done about it, and about whom.
fn counted(
    count: &mut Count,
    weighed: Result<Weighed, Problem>,
) -> Result<Option<(Vec<Planned>, String)>, Problem> {
    count.looked += 1;
    let (mut planned, subject) = match weighed {
        Ok(Weighed::Nothing) => {
            count.none += 1;
            return Ok(None);
        }
        Ok(Weighed::Hidden) => {
            count.hidden += 1;
            return Ok(None);
        }
        Ok(Weighed::Steps(planned, subject)) => (planned, subject),
        Err(problem) if super::is_theirs(&problem) => {
            count.failed += 1;
            return Ok(None);
        }
        Err(problem) => return Err(problem),
    };
    for it in &mut planned {
        // People have worked on it since; when it came nobody had.
        it.left = it.left.filter(|left| *left != Left::Touched);
        match it.left {
            Some(left) => add(&mut count.left, left),
            None => add(&mut count.would, it.step.kind),
        }
    }
    Ok(Some((planned, subject.patient)))
}

fn add<T: PartialEq>(counts: &mut Vec<(T, u64)>, of: T) {
    match counts.iter_mut().find(|(known, _)| *known == of) {
        Some((_, count)) => *count += 1,
        None => counts.push((of, 1)),
    }
}

async fn row(
    node: &Node,
    scope: &Scope,
    came: &Came,
    (planned, patient, titles): (&[Planned], &str, &said::Titles),
    visit: &Visit,
) -> Result<TrialRow, Problem> {
    let would = planned.iter().map(|it| match it.left {
        Some(left) => format!("Left for a person: {}", said::left(left)),
        None => said::would(&it.step, titles),
    });
    let would: Vec<String> = would.collect();
    let who = match &came.letter {
        Some(letter) => staff::about(letter),
        None => person(node, scope, patient).await?,
    };
    Ok(TrialRow {
        patient: who,
        what: match &came.letter {
            Some(letter) => subject(letter),
            None => came.occasion.event.resource().to_owned(),
        },
        href: came
            .letter
            .as_ref()
            .map(|it| format!("/staff/item/{}", it.pid)),
        when: words::moment(came.at, visit.now),
        would: would.join("; "),
    })
}

/// A patient's name, as far as it is shown.
pub(super) async fn person(node: &Node, scope: &Scope, patient: &str) -> Result<Person, Problem> {
    let hidden = Person::new(NOT_SHOWN, None, None);
    if patient.is_empty() {
        return Ok(hidden);
    }
    Ok(match node.store.read(scope, "Patient", patient).await? {
        store::Reading::Found(version) => {
            let who = record::patient(&json(&version)?);
            let born = who.birth_date.as_deref();
            Person::new(&who.name, born, who.nhs_number.as_deref())
        }
        _ => hidden,
    })
}

impl Count {
    fn said(&self) -> Vec<String> {
        let mut said = vec![match self.looked {
            0 => "Nothing that the rule is about came in that time.".to_owned(),
            1 => "1 event was looked at.".to_owned(),
            more => format!("{more} events were looked at."),
        }];
        for (kind, count) in &self.would {
            said.push(format!("{}: {count}.", said::short(*kind)));
        }
        for (left, count) in &self.left {
            said.push(format!(
                "Left for a person since {}: {count}.",
                said::left(*left)
            ));
        }
        for (count, text) in [
            (self.none, "The rule would not have applied to"),
            (self.failed, "The rule could not have judged"),
            (self.hidden, "Withheld from you, and so not judged:"),
        ] {
            if count > 0 {
                said.push(format!("{text} {count}."));
            }
        }
        said
    }
}
