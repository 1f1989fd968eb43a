//! `GET /staff/inbox`: the team's queue of letters.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::Problem;
use serde::Deserialize;
use store::desk::{Assigned, Whose};
use store::parcels::{
    Counts, Letter, ListFilter, Notice, ParcelWrite, Show, Shown, State as Parcel, Work,
};
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{self, Done, Tab};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::staff::desk::views::{Choices, One};
use crate::staff::desk::whose::{self, People};
use crate::staff::desk::{self, filters};
use crate::staff::rules::acts;
use crate::staff::{self, subject, views};
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    urgent: String,
    /// Whose work: `me`, `none`, or a person or team.
    #[serde(default)]
    who: String,
    after: Option<String>,
    #[serde(default)]
    done: String,
    item: Option<i64>,
}

/// A list of the inbox: its word in addresses, its tab, and what to say when it is empty.
struct List {
    word: &'static str,
    show: Show,
    text: &'static str,
    empty: &'static str,
}

const LISTS: [List; 5] = [
    List {
        word: "open",
        show: Show::ToDo,
        text: "To work on",
        empty: "No letter is waiting to be filed.",
    },
    List {
        word: "unmatched",
        show: Show::Unmatched,
        text: "Unmatched",
        empty: "Every letter that came in has been matched to a patient.",
    },
    List {
        word: "done",
        show: Show::Done,
        text: "Filed",
        empty: "No letter has been filed yet.",
    },
    List {
        word: "ended",
        show: Show::Ended,
        text: "Returned or withdrawn",
        empty: "No letter was returned, withdrawn or replaced.",
    },
    List {
        word: "all",
        show: Show::AllIn,
        text: "All",
        empty: "No letter has come in yet.",
    },
];

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let [first, ..] = &LISTS;
    let list = LISTS
        .iter()
        .find(|list| list.word == asked.show)
        .unwrap_or(first);
    let interaction = match list.show {
        Show::Unmatched => Interaction::Unmatched,
        _ => Interaction::Inbox,
    };
    let scope = visit.scope(&node, interaction, "DocumentReference").await?;
    let me = desk::account(&visit);
    let filter = ListFilter {
        urgent_only: asked.urgent == "yes",
        other: (!asked.from.is_empty()).then(|| asked.from.clone()),
        work: work(&asked.who, me)?,
        after: asked.after.clone(),
        ..ListFilter::new(list.show)
    };
    let counts = node.store.letter_counts(&scope).await?;
    let waiting_faxes = match node.has_fax {
        true => Some(node.store.faxes_waiting(&scope).await?),
        false => None,
    };
    let found = node.store.letters(&scope, &filter).await?;
    let notices = node.store.notices(&scope).await?;
    let pids: Vec<i64> = found.letters.iter().map(|it| it.pid).collect();
    let assigned = node.store.assigned(&scope, &pids).await?;
    let by_rules = node.store.rule_acts_of_letters(&scope, &pids).await?;
    let people = People::of(&node, &scope).await?;
    let here = filters::query(&query(list, &asked, None));
    let view = views::Inbox {
        heading: "Inbox",
        show: list.word,
        tabs: tabs(list, &counts, waiting_faxes),
        senders: senders(&node, &found.letters, &asked.from),
        urgent: filter.urgent_only,
        whose: choices(&people, me, &asked.who),
        saved: filters::saved(&node, &visit, &here).await?,
        query: here,
        rows: found
            .letters
            .iter()
            .map(|letter| {
                let row = row(&node, letter, (assigned.get(&letter.pid), me), visit.now);
                let is_shown = letter.shown == Shown::Whole;
                let acts = by_rules.get(&letter.pid).filter(|_| is_shown);
                views::InboxRow {
                    rule: acts::filed_by(acts),
                    ..row
                }
            })
            .collect(),
        empty: match (asked.from.as_str(), asked.who.as_str()) {
            ("", "") => list.empty,
            ("", _) => "No letter on this list is theirs. Letters that are others’, or nobody’s, are not shown here.",
            _ => "No letter of this sender that is shown to you is on this list.",
        },
        narrowed: (!asked.from.is_empty()).then_some(
            "Letters that are withheld from you are left out here, since their sender is not shown.",
        ),
        older: found.next.map(|next| address(list, &asked, Some(&next))),
        newest: asked.after.as_ref().map(|_| address(list, &asked, None)),
        done: done(&asked, node.has_fax),
        notices: notices
            .iter()
            .map(|it| notice(&node, it, visit.now))
            .collect(),
    };
    let page = Page::new("staff/inbox.jinja", "Inbox", view).under("/staff/inbox");
    Ok(page.answer(&node.site, &visit))
}

fn tabs(open: &List, counts: &Counts, faxes: Option<u64>) -> Vec<Tab> {
    let faxes = faxes.map(|waiting| Tab {
        text: "Faxes",
        href: "/staff/fax-in".into(),
        count: Some(waiting),
        current: false,
    });
    LISTS
        .iter()
        .map(|list| Tab {
            text: list.text,
            href: format!("/staff/inbox?show={}", list.word),
            count: match list.show {
                Show::ToDo => Some(counts.to_do),
                Show::Unmatched => Some(counts.unmatched),
                _ => None,
            },
            current: list.word == open.word,
        })
        .chain(faxes)
        .collect()
}

/// Whose letters are asked for.
fn work(who: &str, me: i64) -> Result<Option<Work>, Problem> {
    Ok(match who {
        "" => None,
        "me" => Some(Work::Mine(me)),
        "none" => Some(Work::Nobodys),
        who => match whose::parse(who)? {
            Whose { account: 0, team } => Some(Work::Teams(team)),
            Whose { account, .. } => Some(Work::Persons(account)),
        },
    })
}

/// The choice of whose letters are shown.
fn choices(people: &People, me: i64, who: &str) -> Vec<Choices> {
    let mut groups = people.groups(me, who, "Anybody’s");
    if let Some(first) = groups.first_mut() {
        for (value, text) in [("me", "Mine and my teams’"), ("none", "Nobody’s")] {
            first.options.push(One {
                value: value.to_owned(),
                text: text.to_owned(),
                chosen: value == who,
            });
        }
    }
    groups
}

fn row(
    node: &Node,
    letter: &Letter,
    (assigned, me): (Option<&Assigned>, i64),
    now: Millis,
) -> views::InboxRow {
    views::InboxRow {
        pid: letter.pid,
        whose: assigned.map(|it| match it.whose.account == me {
            true => "You".to_owned(),
            false => whose::said(&it.person, &it.team),
        }),
        href: format!("/staff/item/{}", letter.pid),
        patient: staff::about(letter),
        subject: subject(letter),
        from: staff::other_end(node, letter, &letter.sender),
        urgency: parts::urgency(letter.urgent),
        received: words::moment(letter.stored_at, now),
        state: staff::state_here(letter),
        unread: letter.state == Parcel::Delivered,
        rule: None,
    }
}

/// The senders of the letters shown, to choose one of, and the one that was chosen.
fn senders(node: &Node, letters: &[Letter], chosen: &str) -> Vec<views::Sender> {
    let mut found: BTreeMap<String, &str> = letters
        .iter()
        .filter(|letter| letter.shown == Shown::Whole && !letter.by_fax)
        .map(|letter| {
            (
                (node.organisation_name)(&letter.sender),
                letter.sender.as_str(),
            )
        })
        .collect();
    if !chosen.is_empty() {
        found.insert((node.organisation_name)(chosen), chosen);
    }
    found
        .into_iter()
        .map(|(text, value)| views::Sender {
            text,
            value: value.into(),
            chosen: value == chosen,
        })
        .collect()
}

fn address(list: &List, asked: &Asked, after: Option<&str>) -> String {
    format!("/staff/inbox?{}", query(list, asked, after))
}

fn query(list: &List, asked: &Asked, after: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("show", list.word);
    for (name, value) in [
        ("from", Some(asked.from.as_str())),
        ("urgent", Some(&asked.urgent)),
        ("who", Some(&asked.who)),
    ] {
        query.extend_pairs(
            value
                .filter(|text| !text.is_empty())
                .map(|text| (name, text)),
        );
    }
    query.extend_pairs(after.map(|text| ("after", text)));
    query.finish()
}

fn done(asked: &Asked, has_fax: bool) -> Option<Done> {
    let text = match asked.done.as_str() {
        // Nobody is told of what came by fax, and here nobody knows by which way it came.
        "filed" if has_fax => "Letter filed. A sender with a node can see that it was.",
        "acted-on" if has_fax => "Recorded. A sender with a node can see what was done.",
        "filed" => "Letter filed. The sender can see that it was.",
        "acted-on" => "Recorded. The sender can see what was done.",
        "returned" => "Letter returned. The sender is told why.",
        "put-back" => "The fax is out of that record, and waits to be matched anew.",
        _ => return None,
    };
    let href = asked.item.map(|pid| format!("/staff/item/{pid}"));
    Some(Done {
        text,
        link: href.is_some().then_some("Look at it again"),
        href,
    })
}

fn notice(node: &Node, it: &Notice, now: Millis) -> views::Notice {
    let became = match it.state {
        Parcel::Superseded => "was replaced by a newer letter",
        _ => "was withdrawn by its sender",
    };
    let text = match it.shown {
        Shown::Whole if it.is_handover => {
            let sender = (node.organisation_name)(&it.sender);
            format!("An ambulance from {sender} whose handover you opened is not coming.")
        }
        Shown::Whole => {
            let sender = (node.organisation_name)(&it.sender);
            let title = &it.title;
            format!("A letter that you opened {became}: “{title}” from {sender}.")
        }
        Shown::Sealed | Shown::Withheld => {
            format!("A letter that you opened, and that is withheld from you by now, {became}.")
        }
    };
    views::Notice {
        text,
        href: match it.is_handover {
            true => "/staff/handover-board".to_owned(),
            false => format!("/staff/item/{}", it.pid),
        },
        when: words::moment(it.at, now),
        seen: format!("/staff/notices/{}/seen", it.pid),
    }
}

/// `POST /staff/notices/{pid}/seen`
pub async fn seen(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::OpenLetter, "DocumentReference")
        .await?;
    if let Some(account) = scope.agent().account {
        let write = ParcelWrite::NoticeSeen { account, pid };
        let job = Job {
            effects: vec![Effect::Parcel(write)],
            ..Job::default()
        };
        node.store.commit(&scope, job).await?;
    }
    Ok(see_other("/staff/inbox"))
}
