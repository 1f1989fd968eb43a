//! What there is of the patient, here and at other organisations, as far as it is released to them.

use access::{Interaction, Scope, Who};
use exchange::ask::{Item, Person, SharedRecord};
use fhir::problem::Problem;
use fhir::search::Search;
use futures_util::future::try_join_all;

use super::entries::{Entry, REFERRALS, Section, shown};
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
    /// The same for referrals, which are asked for apart.
    pub plans: Others,
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

    /// What came of asking others for a section.
    pub fn others_of(&self, section: &Section) -> &Others {
        match section.code == REFERRALS.code {
            true => &self.plans,
            false => &self.others,
        }
    }
}

impl Others {
    /// What of theirs is shown.
    pub fn there(&self) -> Vec<There> {
        let Others::Asked(shared) = self else {
            return Vec::new();
        };
        let name = |number: &usize| {
            let source = shared.sources.get(*number)?;
            Some(source.organisation.to_string())
        };
        let read = |item: &Item| {
            let sources: Vec<String> = item.sources.iter().filter_map(name).collect();
            let mut entry = Entry::read(&item.resource);
            entry.source = sources.first().cloned();
            There { entry, sources }
        };
        shared.items.iter().map(read).collect()
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
    let open = shown().filter(|it| !hides(shows, it));
    let types: Vec<(&str, &str)> = open
        .flat_map(|section| section.types.iter().map(|ty| (section.code, *ty)))
        .collect();
    // All at once: each reading waits for its line in the log, and they share the waiting.
    let here = try_join_all(types.iter().map(|(_, ty)| of_type(node, &scope, ty)));
    let plans = plans(node, visit, REFERRALS.types);
    let (others, plans, here) = tokio::try_join!(others(node, visit), plans, here)?;
    let mut there = others.there();
    there.extend(plans.there());
    let mut gathered = Gathered {
        here: Vec::new(),
        there,
        others,
        plans,
        cut: Vec::new(),
        shows: shows.map(<[_]>::to_vec),
    };
    for ((code, _), (found, is_cut)) in types.iter().zip(here) {
        gathered.here.extend(found);
        if is_cut {
            gathered.cut.push(code);
        }
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

/// Asks the others in the patient's own name for what is in the record.
///
/// # Errors
/// Those of the decision and the store.
pub async fn others(node: &Node, visit: &Visit) -> Result<Others, Problem> {
    asked(node, visit, None).await
}

/// The same for appointments and referrals: those types that are named.
///
/// # Errors
/// As `others`.
pub async fn plans(node: &Node, visit: &Visit, types: &[&str]) -> Result<Others, Problem> {
    asked(node, visit, Some(types)).await
}

async fn asked(node: &Node, visit: &Visit, plans: Option<&[&str]>) -> Result<Others, Problem> {
    let Some(exchange) = &node.exchange else {
        return Ok(Others::NotAsked("sources-alone"));
    };
    if visit.acting().is_some() {
        return Ok(Others::NotAsked("sources-acting"));
    }
    let Some((patient, person)) = oneself(visit)? else {
        return Ok(Others::NotAsked("sources-alone"));
    };
    let scope = visit
        .scope(node, Interaction::AskForOneself, "Patient")
        .await?;
    let asked = match plans {
        None => exchange.shared_record(&scope, patient, person).await,
        Some(types) => {
            let about = (patient, person);
            exchange.shared_plans(&scope, about, types).await
        }
    };
    match asked {
        Ok(shared) => Ok(Others::Asked(Box::new(shared))),
        // What is here is shown all the same, and that nobody was asked is said.
        Err(problem) => {
            tracing::warn!(?problem, "others could not be asked for a patient");
            Ok(Others::NotAsked("sources-failed"))
        }
    }
}

/// The patient who reads, and in whose name others are asked; none for who is no patient.
///
/// # Errors
/// `Login` for who is not signed in.
pub fn oneself(visit: &Visit) -> Result<Option<(&str, Person)>, Problem> {
    let Who::Patient { patient, name, .. } = &visit.known()?.who else {
        return Ok(None);
    };
    let person = Person {
        name: name.clone(),
        role: None,
    };
    Ok(Some((patient, person)))
}
