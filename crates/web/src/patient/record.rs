//! `GET /record`: the patient's record in plain words, with what other organisations hold and have released, each entry with
//! its source. Who did not answer is named, and nothing that is not shown looks like nothing.

pub mod entries;
pub mod gather;
pub mod plain;
pub mod result;
pub mod results;
#[cfg(test)]
mod tests;
pub mod there;
pub mod trend;
pub mod views;

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES};
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::ask::{Closed, SharedRecord, Source, SourceState};
use fhir::date::Millis;
use fhir::problem::Problem;
use serde::Deserialize;

use crate::node::Node;
use crate::page::Page;
use crate::page::parts::Label;
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::patient::appointments::text;
use crate::patient::questions::{self, Asked as Questions};
use crate::visit::Visit;
use entries::{Entry, Section, shown};
use gather::{Gathered, Others, There};
use plain::Plain;
use results::Position;

/// Rows of a section on the overview, and where it stands alone.
const SHORT: usize = 6;
const LONG: usize = 200;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    /// The one section that is wanted, with more of its rows.
    #[serde(default)]
    only: String,
}

/// What the rows of a page are told with.
pub(super) struct Teller<'t> {
    pub node: &'t Node,
    pub language: Language,
    pub plain: &'t Plain,
    pub questions: &'t Questions,
    /// Whether the reader may ask about entries: the patient themselves.
    pub may_ask: bool,
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let gathered = Box::pin(gather::all(&node, &visit)).await?;
    let plain = Plain::read(&node).await?;
    let questions = questions::asked(&node, &visit).await?;
    let teller = Teller {
        node: &node,
        language,
        plain: &plain,
        questions: &questions,
        may_ask: visit.acting().is_none(),
    };
    let only = shown().find(|it| it.code == asked.only);
    let wanted = shown().filter(|it| only.is_none_or(|only| only == *it));
    let sections: Vec<views::Section> = wanted
        .map(|it| section(&teller, &gathered, it, only.is_some()))
        .collect();
    let heading = match visit.acting() {
        Some(acting) => language.tell("record-of", &[("name", &acting.name)]),
        None => text(language, "record-yours").to_owned(),
    };
    let view = views::Record {
        t: language.texts(),
        lang: language.code(),
        heading: heading.clone(),
        whole: only.map(|_| "/record"),
        sections,
        sources: sources(&node, language, &gathered.others, visit.now),
        not_shown: not_shown(&node, &visit, language),
        may_ask: teller.may_ask,
    };
    let page = Page::new("patient/record.jinja", heading, view).under("/record");
    Ok(page.said_in(language).answer(&node.site, &visit))
}

/// An entry with where it is from.
pub(super) struct Placed<'g> {
    pub entry: &'g Entry,
    /// Its name in addresses of this node.
    pub key: String,
    pub from: String,
}

fn placed<'g>(node: &Node, gathered: &'g Gathered, section: &Section) -> Vec<Placed<'g>> {
    let of = |entry: &Entry| section.types.contains(&entry.ty.as_str());
    let name = |ods: &String| (node.organisation_name)(ods);
    let here = gathered.here.iter().filter(|it| of(&it.entry));
    let mut rows: Vec<Placed<'g>> = here
        .map(|it| Placed {
            key: it.entry.key(),
            from: match &it.sender {
                Some(sender) => name(sender),
                None => node.site.name.clone(),
            },
            entry: &it.entry,
        })
        .collect();
    let there: Vec<&There> = gathered.there.iter().filter(|it| of(&it.entry)).collect();
    let count_here = rows.len();
    for it in &there {
        let names: Vec<String> = it.sources.iter().map(name).collect();
        let known = rows.iter_mut().take(count_here);
        let mut same = known.filter(|row| row.entry.is_same(&it.entry));
        let one = same.next();
        let is_only = same.next().is_none();
        let like = there.iter().filter(|other| other.entry.is_same(&it.entry));
        // What is here too stands once, with all who hold it; where several bear its number, none stands for another.
        if let Some(row) = one.filter(|_| is_only && like.count() == 1) {
            let others = names.into_iter().filter(|it| *it != row.from);
            let all: Vec<String> = std::iter::once(row.from.clone()).chain(others).collect();
            row.from = all.join(", ");
            continue;
        }
        let first = it.sources.first().map_or("", String::as_str);
        rows.push(Placed {
            key: format!("{first}~{}", it.entry.key()),
            from: names.join(", "),
            entry: &it.entry,
        });
    }
    rows.sort_by(|a, b| b.entry.at.cmp(&a.entry.at).then_with(|| a.key.cmp(&b.key)));
    rows
}

fn section(
    teller: &Teller<'_>,
    gathered: &Gathered,
    section: &Section,
    alone: bool,
) -> views::Section {
    let language = teller.language;
    let rows = placed(teller.node, gathered, section);
    let most = if alone { LONG } else { SHORT };
    let hidden = gathered.hides(section);
    let missing = missing(teller, gathered, section);
    let empty = match (rows.is_empty() && !hidden, missing.is_empty()) {
        (false, _) => None,
        // That something is missing is no "none".
        (true, false) => Some(text(language, "record-none-came")),
        (true, true) => Some(empty(language, section)),
    };
    views::Section {
        code: section.code,
        heading: text(language, heading(section)),
        count: rows.len(),
        rows: rows.iter().take(most).map(|it| row(teller, it)).collect(),
        empty,
        hidden: hidden.then_some(text(language, "record-hidden")),
        missing,
        more: (rows.len() > most && !alone).then(|| views::More {
            href: format!("/record?only={}", section.code),
            text: language.tell("record-all", &[("count", &rows.len().to_string())]),
        }),
        cut: ((rows.len() > most && alone) || gathered.cut.contains(&section.code))
            .then_some(text(language, "record-cut")),
    }
}

pub(super) fn heading(section: &Section) -> &'static str {
    match section.code {
        "results" => "record-results",
        "medicines" => "record-medicines",
        "allergies" => "record-allergies",
        "problems" => "record-problems",
        "vaccinations" => "record-vaccinations",
        "procedures" => "record-procedures",
        "referrals" => "referrals",
        _ => "record-letters",
    }
}

/// What is said where there is nothing to show. That no allergy is recorded is not that there is none.
pub(super) fn empty(language: Language, section: &Section) -> &'static str {
    let id = match section.code {
        "allergies" => "record-no-allergies",
        "letters" => "record-no-letters",
        "referrals" => "referrals-none",
        _ => "record-empty",
    };
    text(language, id)
}

/// What may be missing from a section, a sentence each.
fn missing(teller: &Teller<'_>, gathered: &Gathered, section: &Section) -> Vec<String> {
    match gathered.others_of(section) {
        Others::Asked(shared) => missing_of(teller.node, teller.language, shared, section.types),
        Others::NotAsked(_) => Vec::new(),
    }
}

/// What others hold of these types and have not given, a sentence each.
pub(super) fn missing_of(
    node: &Node,
    language: Language,
    shared: &SharedRecord,
    types: &[&str],
) -> Vec<String> {
    let named = |list: &[String]| list.iter().any(|ty| types.contains(&ty.as_str()));
    let mut missing = Vec::new();
    if named(&shared.without) {
        missing.push(text(language, "record-unwanted").to_owned());
    }
    for source in &shared.sources {
        let name = (node.organisation_name)(source.organisation.as_str());
        let with = [("place", name.as_str())];
        if let SourceState::Silent { .. } = source.state {
            missing.push(language.tell("record-silent", &with));
        }
        if named(&source.withheld) {
            missing.push(language.tell("record-withheld", &with));
        }
        if named(&source.cut) {
            missing.push(language.tell("record-more-there", &with));
        }
    }
    missing
}

/// How an entry stands, where that is out of the ordinary.
pub(super) fn marks(entry: &Entry, language: Language) -> Vec<Label> {
    let is_medicine = entry.ty.starts_with("Medication");
    let label = |id, colour| Label {
        text: text(language, id),
        colour: Some(colour),
    };
    let mut marks = Vec::new();
    marks.extend(match entry.status.as_str() {
        "entered-in-error" => Some(label("entry-error", "red")),
        "refuted" => Some(label("entry-refuted", "grey")),
        "resolved" | "inactive" | "remission" => Some(label("entry-past", "grey")),
        "completed" if is_medicine => Some(label("entry-past", "grey")),
        "stopped" | "revoked" => Some(label("entry-stopped", "grey")),
        "cancelled" | "not-done" => Some(label("entry-not-done", "grey")),
        "on-hold" => Some(label("entry-on-hold", "grey")),
        "superseded" => Some(label("entry-replaced", "grey")),
        _ => None,
    });
    let Some(result) = &entry.result else {
        return marks;
    };
    if result.is_corrected {
        marks.push(label("entry-corrected", "orange"));
    }
    if result.is_preliminary {
        marks.push(label("entry-preliminary", "yellow"));
    }
    if let (false, Some(position)) = (result.is_void, result.position) {
        marks.extend(lies(position, language));
    }
    marks
}

/// Where a value lies by the range that the laboratory gave; within it is nothing to remark on.
pub(super) fn lies(position: Position, language: Language) -> Option<Label> {
    let id = match position {
        Position::Below => "result-below",
        Position::Above => "result-above",
        Position::Within => return None,
    };
    Some(Label {
        text: text(language, id),
        colour: Some("blue"),
    })
}

pub(super) fn row(teller: &Teller<'_>, placed: &Placed<'_>) -> views::Row {
    let language = teller.language;
    let entry = placed.entry;
    let plain = teller.plain.say(&entry.term, &entry.codes, language);
    let unnamed = || text(language, "entry-unnamed").to_owned();
    let term = match entry.term.is_empty() {
        true => unnamed(),
        false => entry.term.clone(),
    };
    let is_letter = entry.ty == "DocumentReference";
    let code = entry.codes.first().map(|it| match it.system.is_empty() {
        true => it.code.clone(),
        false => format!("{} ({})", it.code, it.system),
    });
    let (value, range, parts) = match &entry.result {
        Some(result) => (
            result.said.clone(),
            result.range.as_ref().map(|it| it.said.clone()),
            result
                .parts
                .iter()
                .map(|(name, said)| format!("{name}: {said}"))
                .collect(),
        ),
        None => (String::new(), None, Vec::new()),
    };
    let details: Vec<String> = entry.details.iter().cloned().chain(parts).collect();
    let asked = teller.questions.about(&placed.key);
    views::Row {
        title: plain.map_or_else(|| term.clone(), str::to_owned),
        clinical: (!is_letter).then_some(term),
        code,
        value,
        range: range.map(|it| language.tell("result-range", &[("range", &it)])),
        marks: marks(entry, language),
        details,
        date: entry.at.map(|at| language.date(at)),
        from: placed.from.clone(),
        href: entry.address(),
        ask: (teller.may_ask && !is_letter && entry.ty != "ServiceRequest")
            .then(|| format!("/record/query/{}", placed.key)),
        asked: asked.map(|it| {
            let day = language.date(it.asked_at).short;
            language.tell("entry-asked", &[("day", &day)])
        }),
    }
}

/// Everybody whose record is shown or is not, with the time of the answer.
pub(super) fn sources(
    node: &Node,
    language: Language,
    others: &Others,
    now: Millis,
) -> views::Sources {
    let label = |id, colour| Label {
        text: text(language, id),
        colour: Some(colour),
    };
    let mut rows = vec![views::SourceRow {
        name: node.site.name.clone(),
        state: label("source-here", "green"),
        said: String::new(),
        when: language.when(now),
    }];
    let said = match others {
        Others::NotAsked(id) => Some(text(language, id)),
        Others::Asked(shared) => {
            rows.extend(shared.sources.iter().map(|it| source(node, language, it)));
            let why = shared.closed.map(|why| match why {
                Closed::Unwanted => "sources-unwanted",
                Closed::Unconfirmed => "sources-unconfirmed",
                Closed::Unidentified => "sources-unidentified",
            });
            let why = why.or(shared.is_cut.then_some("sources-cut"));
            why.map(|id| text(language, id))
        }
    };
    views::Sources { rows, said }
}

pub(super) fn source(node: &Node, language: Language, source: &Source) -> views::SourceRow {
    let (id, colour, said) = match &source.state {
        SourceState::Answered => ("source-answered", "green", String::new()),
        SourceState::Unknown => (
            "source-unknown",
            "grey",
            text(language, "source-unknown-explain").to_owned(),
        ),
        SourceState::Silent { .. } => (
            "source-silent",
            "red",
            text(language, "source-silent-explain").to_owned(),
        ),
    };
    views::SourceRow {
        name: (node.organisation_name)(source.organisation.as_str()),
        state: Label {
            text: text(language, id),
            colour: Some(colour),
        },
        said,
        when: source
            .heard_at
            .map_or_else(String::new, |at| language.when(at)),
    }
}

fn not_shown(node: &Node, visit: &Visit, language: Language) -> Vec<String> {
    let days = node.release_after_days.to_string();
    let with = [("place", node.site.name.as_str()), ("days", days.as_str())];
    let mut sentences = vec![
        language.tell("not-shown-released", &with),
        language.tell("not-shown-held-back", &with),
        language.tell("not-shown-elsewhere", &with),
    ];
    if visit.acting().is_some() {
        sentences.insert(0, NOT_FOR_PROXIES.to_owned());
    }
    sentences
}

/// The newest result here, for the home page.
pub(super) async fn newest(
    node: &Node,
    visit: &Visit,
    language: Language,
) -> Result<Option<views::Newest>, Problem> {
    let scope = visit.scope(node, Interaction::Record, "Observation").await;
    let scope = match scope {
        Ok(scope) => scope,
        // Who acts for somebody may not be shown them.
        Err(problem) if problem.message == NOT_FOR_PROXIES => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let (found, _) = gather::of_type(node, &scope, "Observation").await?;
    let newest = found
        .iter()
        .filter(|it| it.entry.at.is_some())
        .max_by_key(|it| it.entry.at);
    let Some(newest) = newest else {
        return Ok(None);
    };
    let entry = &newest.entry;
    let plain = Plain::read(node).await?;
    let words = plain.say(&entry.term, &entry.codes, language);
    let value = entry.result.as_ref().map_or("", |it| it.said.as_str());
    Ok(Some(views::Newest {
        href: format!("/record/results/{}", entry.id),
        title: words.unwrap_or(&entry.term).to_owned(),
        value: value.to_owned(),
        date: entry.at.map(|at| language.date(at)),
    }))
}
