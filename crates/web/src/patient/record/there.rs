//! `GET /record/there?from=…&entry=…`: an entry that another organisation holds, asked for now in the patient's own name. A letter
//! comes with its content; each opening is a question of its own and stands in both logs. Nothing of it is kept here.

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES, Ods, Scope};
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::ask::{Closed, LetterState, SharedLetter, SourceState};
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use http::HeaderMap;
use serde::Deserialize;

use super::gather::{self, Others};
use super::result::{self, Known};
use super::{Placed, Teller, entries, row, source, views};
use crate::node::Node;
use crate::page::parts::{Content, Label};
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::page::{Page, elsewhere};
use crate::patient::appointments::text;
use crate::patient::questions;
use crate::patient::record::plain::Plain;
use crate::record;
use crate::visit::Visit;

const LETTER: &str = "DocumentReference";

/// What the address says.
#[derive(Deserialize)]
pub struct Which {
    /// Who holds it: an ODS code.
    #[serde(default)]
    from: String,
    /// Type and id there, with `~` between them.
    #[serde(default)]
    entry: String,
    /// Of a letter: the part to be fetched.
    #[serde(default)]
    part: usize,
}

impl Which {
    fn read(&self) -> Result<(Ods, &str, &str), Problem> {
        let from = Ods::parse(&self.from).map_err(|_| absent())?;
        let (ty, id) = self.entry.split_once('~').ok_or_else(absent)?;
        check_id(id).map_err(|_| absent())?;
        let mut types = entries::shown().flat_map(|it| it.types);
        if !types.any(|it| *it == ty) {
            return Err(absent());
        }
        Ok((from, ty, id))
    }
}

fn absent() -> Problem {
    Problem::new(
        Kind::NotFound,
        "There is no such entry for you there, or not any more.",
    )
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    if visit.acting().is_some() {
        return Err(Problem::new(Kind::Suppressed, NOT_FOR_PROXIES).into());
    }
    let (from, ty, id) = which.read()?;
    if ty == LETTER {
        let (_, letter) = opened(&node, &visit, (&from, id)).await?;
        return Ok(letter_page(&node, &visit, tongue, (&letter, &which)));
    }
    let of_plans = entries::REFERRALS.types.contains(&ty);
    let others = match of_plans {
        true => Box::pin(gather::plans(&node, &visit, entries::REFERRALS.types)).await?,
        false => Box::pin(gather::others(&node, &visit)).await?,
    };
    Box::pin(entry_page(&node, &visit, tongue, (&from, ty, id), others)).await
}

async fn entry_page(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    (from, ty, id): (&Ods, &str, &str),
    others: Others,
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let there = others.there();
    let code = from.as_str();
    let is_it = |it: &&gather::There| {
        it.entry.ty == ty && it.entry.id == id && it.sources.first().is_some_and(|it| it == code)
    };
    let Some(one) = there.iter().find(is_it) else {
        return not_come(node, visit, language, (from, ty), &others);
    };
    let name = |ods: &String| (node.organisation_name)(ods);
    let names: Vec<String> = one.sources.iter().map(name).collect();
    let placed = Placed {
        key: format!("{code}~{}", one.entry.key()),
        from: names.join(", "),
        entry: &one.entry,
    };
    if ty == "Observation" {
        let scope = visit.scope(node, Interaction::Record, ty).await?;
        let (here, is_cut) = gather::of_type(node, &scope, ty).await?;
        let known = Known {
            here: &here,
            there: &there,
            others: &others,
            is_cut,
        };
        return result::show(node, visit, tongue, (&placed, &known)).await;
    }
    let plain = Plain::read(node).await?;
    let questions = questions::asked(node, visit).await?;
    let teller = Teller {
        node,
        language,
        plain: &plain,
        questions: &questions,
        may_ask: true,
    };
    let mut row = row(&teller, &placed);
    // It is this page.
    row.href = None;
    let heading = row.title.clone();
    let Some(told) = said_by(node, language, from, &others) else {
        return Err(absent().into());
    };
    let view = views::There {
        t: language.texts(),
        lang: language.code(),
        heading: heading.clone(),
        back: back(ty),
        row: Some(row),
        source: told,
        said: Vec::new(),
        content: Vec::new(),
    };
    let page = Page::new("patient/there.jinja", heading, view).under("/record");
    Ok(page.said_in(language).answer(&node.site, visit))
}

/// The section of the record to which one goes back.
fn back(ty: &str) -> String {
    let mut all = entries::shown();
    let section = all.find(|it| it.types.contains(&ty));
    section.map_or("/record".into(), |it| format!("/record#{}", it.code))
}

/// What came of asking that organisation, as a row.
fn said_by(
    node: &Node,
    language: Language,
    from: &Ods,
    others: &Others,
) -> Option<views::SourceRow> {
    let Others::Asked(shared) = others else {
        return None;
    };
    let mut sources = shared.sources.iter();
    let found = sources.find(|it| it.organisation == *from)?;
    Some(source(node, language, found))
}

/// That it did not come, and why; an entry that is not there is absent.
fn not_come(
    node: &Node,
    visit: &Visit,
    language: Language,
    (from, ty): (&Ods, &str),
    others: &Others,
) -> Result<Response, Refusal> {
    let place = (node.organisation_name)(from.as_str());
    let with = [("place", place.as_str())];
    let (told, said) = match others {
        Others::NotAsked(id) => {
            let told = unasked(language, &place);
            (told, vec![text(language, id).to_owned()])
        }
        Others::Asked(shared) => {
            let mut sources = shared.sources.iter();
            let found = sources.find(|it| it.organisation == *from);
            let is_silent =
                |it: &exchange::ask::Source| matches!(it.state, SourceState::Silent { .. });
            let unwanted = shared.without.iter().any(|it| it == ty);
            match found {
                Some(it) if is_silent(it) => (source(node, language, it), Vec::new()),
                Some(it) if it.withheld.iter().any(|it| it == ty) => {
                    let said = language.tell("record-withheld", &with);
                    (source(node, language, it), vec![said])
                }
                _ if unwanted || shared.closed.is_some() => {
                    let said = match (unwanted, shared.closed) {
                        (false, Some(why)) => closed(why),
                        _ => "record-unwanted",
                    };
                    let told = unasked(language, &place);
                    (told, vec![text(language, said).to_owned()])
                }
                _ => return Err(absent().into()),
            }
        }
    };
    let heading = language.tell("there-entry", &with);
    let view = views::There {
        t: language.texts(),
        lang: language.code(),
        heading: heading.clone(),
        back: back(ty),
        row: None,
        source: told,
        said,
        content: Vec::new(),
    };
    let page = Page::new("patient/there.jinja", heading, view).under("/record");
    Ok(page.said_in(language).answer(&node.site, visit))
}

fn closed(why: Closed) -> &'static str {
    match why {
        Closed::Unwanted => "sources-unwanted",
        Closed::Unconfirmed => "sources-unconfirmed",
        Closed::Unidentified => "sources-unidentified",
    }
}

fn label(language: Language, id: &str, colour: &'static str) -> Label {
    Label {
        text: text(language, id),
        colour: Some(colour),
    }
}

fn unasked(language: Language, place: &str) -> views::SourceRow {
    views::SourceRow {
        name: place.to_owned(),
        state: label(language, "there-not-asked", "yellow"),
        said: String::new(),
        when: String::new(),
    }
}

/// Asks for a letter.
async fn opened(
    node: &Node,
    visit: &Visit,
    (from, id): (&Ods, &str),
) -> Result<(Scope, SharedLetter), Problem> {
    let Some(exchange) = &node.exchange else {
        return Err(absent());
    };
    let (patient, person) = gather::oneself(visit)?.ok_or_else(absent)?;
    let scope = visit
        .scope(node, Interaction::AskForOneself, "Patient")
        .await?;
    let asked = exchange.shared_letter(&scope, (patient, person), (from, id));
    let letter = Box::pin(asked).await?;
    match letter.state {
        LetterState::Gone => Err(absent()),
        _ => Ok((scope, letter)),
    }
}

fn letter_page(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    (letter, which): (&SharedLetter, &Which),
) -> Response {
    let language = tongue.language;
    let place = (node.organisation_name)(letter.source.as_str());
    let entry = letter.entry.as_ref().map(record::letter);
    let title = entry.as_ref().map(|it| it.title.clone());
    let title = title.filter(|it| !it.is_empty());
    let heading = title.unwrap_or_else(|| language.tell("there-letter", &[("place", &place)]));
    let mut said = Vec::new();
    if let Some(it) = &entry {
        let who = it
            .author
            .as_deref()
            .map_or_else(String::new, |it| format!(", {it}"));
        let from = language.tell("letter-from", &[("who", &format!("{place}{who}"))]);
        let dated = it.dated.map(|at| language.date(at).short);
        let dated = dated.map(|it| language.tell("letter-written", &[("when", &it)]));
        said.push(
            [Some(from), dated]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "),
        );
        if !it.is_current {
            said.push(text(language, "there-not-current").to_owned());
        }
    }
    if elsewhere::has_more(letter) {
        said.push(language.tell("there-more", &[("place", &place)]));
    }
    let content = elsewhere::shown(letter, |number| {
        format!(
            "/record/there/content?from={}&entry={}&part={number}",
            letter.source, which.entry
        )
    });
    let content = content.map(|it| in_language(it, language));
    let view = views::There {
        t: language.texts(),
        lang: language.code(),
        heading: heading.clone(),
        back: back(LETTER),
        row: None,
        content: content.collect(),
        source: told(letter, &place, language),
        said,
    };
    let page = Page::new("patient/there.jinja", heading, view).under("/record");
    page.said_in(language).answer(&node.site, visit)
}

/// A part with the words around it in that language.
fn in_language(part: Content, language: Language) -> Content {
    Content {
        title: language.say_of(&part.title),
        kind: language.say(part.kind),
        ..part
    }
}

/// What came of asking for a letter.
fn told(letter: &SharedLetter, place: &str, language: Language) -> views::SourceRow {
    let (state, colour, said) = match &letter.state {
        LetterState::Answered => ("source-answered", "green", ""),
        LetterState::Gone => ("source-answered", "grey", ""),
        LetterState::Closed(Closed::Unwanted) => ("there-not-asked", "yellow", "record-unwanted"),
        LetterState::Closed(why) => ("there-not-asked", "yellow", closed(*why)),
        LetterState::Restricted => ("there-not-asked", "yellow", "there-restricted"),
        LetterState::Withheld => ("there-withheld", "yellow", "there-withheld-explain"),
        LetterState::Silent { .. } => ("source-silent", "red", "source-silent-explain"),
    };
    views::SourceRow {
        name: place.to_owned(),
        state: label(language, state, colour),
        said: match said {
            "" => String::new(),
            id => text(language, id).to_owned(),
        },
        when: language.when(letter.asked_at),
    }
}

/// `GET /record/there/content?from=…&entry=…&part=…`: one part of a letter, as a file. It is asked for anew.
pub async fn file(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if visit.acting().is_some() {
        return Err(Problem::new(Kind::Suppressed, NOT_FOR_PROXIES).into());
    }
    let (from, ty, id) = which.read()?;
    if ty != LETTER {
        return Err(absent().into());
    }
    let (scope, letter) = opened(&node, &visit, (&from, id)).await?;
    let wanted = (letter, which.part);
    Ok(elsewhere::fetched((&node, &scope), &headers, wanted)?)
}
