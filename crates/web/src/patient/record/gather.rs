//! What there is of the patient, here and at other organisations, as far as it is released to them.

use access::{Interaction, Scope, Who};
use exchange::ask::{Person, SharedRecord};
use fhir::problem::Problem;
use fhir::search::Search;
use futures_util::future::try_join_all;

use super::entries::{Entry, SECTIONS, Section};
use crate::node::Node;
use crate::record::{json, letter};
use crate::visit::Visit;

/// Entries of one type looked through, in steps of a page.
const ENTRIES_MAX: usize = 1_000;
const PAGE: u32 = 200;

/// An entry of this node's.
pub struct Here {
    pub entry: Entry,
    /// Of a letter: the ODS code of who sent it.
    pub sender: Option<String>,
}

/// An entry of other organisations'.
pub struct There {
    pub entry: Entry,
    /// The ODS codes of who holds it.
    pub sources: Vec<String>,
}

/// What came of asking others.
pub enum Others {
    /// Nobody was asked: the id of the text that says why.
    NotAsked(&'static str),
    Asked(Box<SharedRecord>),
}

/// All of it.
pub struct Gathered {
    pub here: Vec<Here>,
    pub there: Vec<There>,
    pub others: Others,
    /// Codes of sections of which there is more here than was looked through.
    pub cut: Vec<&'static str>,
    /// The types that are shown to who acts for the patient.
    shows: Option<Vec<&'static str>>,
}

impl Gathered {
    /// Whether a section is kept from who acts for the patient.
    pub fn hides(&self, section: &Section) -> bool {
        hides(self.shows.as_deref(), section)
    }
}

fn hides(shows: Option<&[&str]>, section: &Section) -> bool {
    shows.is_some_and(|it| !section.types.iter().any(|ty| it.contains(ty)))
}

/// Reads what is here and asks the others; ends within the time that is set for asking.
///
/// # Errors
/// `Forbidden`, `Suppressed` for who may not see it; those of the store.
pub async fn all(node: &Node, visit: &Visit) -> Result<Gathered, Problem> {
    let scope = visit.scope(node, Interaction::Record, "Resource").await?;
    let shows = scope.shows();
    let shown = SECTIONS.iter().filter(|it| !hides(shows, it));
    let types: Vec<(&str, &str)> = shown
        .flat_map(|section| section.types.iter().map(|ty| (section.code, *ty)))
        .collect();
    // All at once: each reading waits for its line in the log, and they share the waiting.
    let here = try_join_all(types.iter().map(|(_, ty)| of_type(node, &scope, ty)));
    let (others, here) = tokio::try_join!(others(node, visit), here)?;
    let mut gathered = Gathered {
        here: Vec::new(),
        there: Vec::new(),
        others,
        cut: Vec::new(),
        shows: shows.map(<[_]>::to_vec),
    };
    for ((code, _), (found, is_cut)) in types.iter().zip(here) {
        gathered.here.extend(found);
        if is_cut {
            gathered.cut.push(code);
        }
    }
    if let Others::Asked(shared) = &gathered.others {
        let name = |number: &usize| {
            let source = shared.sources.get(*number)?;
            Some(source.organisation.to_string())
        };
        gathered.there = shared
            .items
            .iter()
            .map(|item| There {
                entry: Entry::read(&item.resource),
                sources: item.sources.iter().filter_map(name).collect(),
            })
            .collect();
    }
    Ok(gathered)
}

/// The patient's entries of a type here; whether there are more than were looked through.
///
/// # Errors
/// Those of the store.
pub async fn of_type(node: &Node, scope: &Scope, ty: &str) -> Result<(Vec<Here>, bool), Problem> {
    let mut search = Search::all(ty, PAGE);
    let mut found = Vec::new();
    loop {
        let page = node.store.search(scope, &search).await?;
        for version in &page.entries {
            let resource = json(version)?;
            let sender = match ty {
                "DocumentReference" => letter(&resource).from,
                _ => None,
            };
            found.push(Here {
                entry: Entry::read(&resource),
                sender,
            });
        }
        search.after = page.next;
        if search.after.is_none() || found.len() >= ENTRIES_MAX {
            return Ok((found, search.after.is_some()));
        }
    }
}

/// Asks the others in the patient's own name.
///
/// # Errors
/// Those of the decision and the store.
pub async fn others(node: &Node, visit: &Visit) -> Result<Others, Problem> {
    let Some(exchange) = &node.exchange else {
        return Ok(Others::NotAsked("sources-alone"));
    };
    if visit.acting().is_some() {
        return Ok(Others::NotAsked("sources-acting"));
    }
    let Who::Patient { patient, name, .. } = &visit.known()?.who else {
        return Ok(Others::NotAsked("sources-alone"));
    };
    let scope = visit
        .scope(node, Interaction::AskForOneself, "Patient")
        .await?;
    let person = Person {
        name: name.clone(),
        role: None,
    };
    match exchange.shared_record(&scope, patient, person).await {
        Ok(shared) => Ok(Others::Asked(Box::new(shared))),
        // What is here is shown all the same, and that nobody was asked is said.
        Err(problem) => {
            tracing::warn!(?problem, "others could not be asked for a patient");
            Ok(Others::NotAsked("sources-failed"))
        }
    }
}
