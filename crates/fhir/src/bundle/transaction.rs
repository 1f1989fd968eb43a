//! Transactions and batches (<https://hl7.org/fhir/R4/http.html#transaction>).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::inside::Made;
use super::links::Links;
use super::moved::{Moved, root};
use super::question::Question;
use super::request::{Condition, Method, Named, Request};
use super::settle::{doubled, settle};
use crate::json::Json;
use crate::problem::{Kind, Problem};

/// Entries in one Bundle, at most.
pub const ENTRIES_MAX: usize = 20_000;

/// Whether all entries are done together or each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Transaction,
    Batch,
}

/// One entry, ready to be done.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Where it stood in the Bundle: its answer stands there too.
    pub index: usize,
    pub method: Method,
    /// Empty where it only looks.
    pub ty: String,
    /// The id asked for; for a POST the new one, or that of the resource that is there already.
    pub id: String,
    /// The address as it came, relative, where it only looks.
    pub url: String,
    pub condition: Condition,
    /// `ifNoneMatch` and `ifModifiedSince` of a look, as they came.
    pub known: Known,
    /// With links rewritten: the resource, the patch of a PATCH, or what an operation is given. `None`
    /// for DELETE and a look.
    pub resource: Option<Json<'a>>,
}

/// What the caller has already, as an entry says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub none_match: Option<String>,
    pub modified_since: Option<String>,
}

/// A transaction, ready to be done.
#[derive(Clone, Debug)]
pub struct Transaction<'a> {
    /// DELETE, then POST, then PUT and PATCH, then operations, then GET and HEAD; within these as they
    /// came.
    pub entries: Vec<Entry<'a>>,
}

/// A transaction that was read, with questions still open.
#[derive(Debug)]
pub struct Draft<'a> {
    entries: Vec<Read<'a>>,
    questions: Vec<Question>,
}

#[derive(Debug)]
pub(super) struct Read<'a> {
    full_url: Option<String>,
    pub(super) request: Request,
    pub(super) resource: Option<Json<'a>>,
}

/// Whether a Bundle is a transaction or a batch.
///
/// # Errors
/// `Invalid` if it is neither.
pub fn mode(bundle: &Json<'_>) -> Result<Mode, Problem> {
    let is_bundle = bundle.text("resourceType") == Some("Bundle");
    match bundle.text("type").filter(|_| is_bundle) {
        Some("transaction") => Ok(Mode::Transaction),
        Some("batch") => Ok(Mode::Batch),
        _ => {
            let message = "A Bundle of type transaction or batch was expected.";
            Err(Problem::new(Kind::Invalid, message).at("Bundle.type"))
        }
    }
}

/// The entries of a batch, each as a transaction of its own.
///
/// # Errors
/// `TooCostly` for more than `ENTRIES_MAX` entries.
pub fn split(bundle: Json<'_>) -> Result<Vec<Json<'_>>, Problem> {
    let text = |text| Json::String(Cow::Borrowed(text));
    let single = |entry| {
        Json::Object(vec![
            (Cow::Borrowed("resourceType"), text("Bundle")),
            (Cow::Borrowed("type"), text("transaction")),
            (Cow::Borrowed("entry"), Json::Array(vec![entry])),
        ])
    };
    Ok(entries(bundle)?.into_iter().map(single).collect())
}

fn entries(bundle: Json<'_>) -> Result<Vec<Json<'_>>, Problem> {
    let entries = match take(bundle, "entry") {
        (Some(Json::Array(entries)), _) => entries,
        _ => Vec::new(),
    };
    if entries.len() > ENTRIES_MAX {
        let message = format!("A Bundle has at most {ENTRIES_MAX} entries.");
        return Err(Problem::new(Kind::TooCostly, message).at("Bundle.entry"));
    }
    Ok(entries)
}

/// Takes a member out of an object; what is left of the object.
fn take<'a>(json: Json<'a>, name: &str) -> (Option<Json<'a>>, Json<'a>) {
    let Json::Object(mut members) = json else {
        return (None, json);
    };
    let position = members.iter().position(|(known, _)| known == name);
    let taken = position.map(|position| members.remove(position).1);
    (taken, Json::Object(members))
}

/// Reads a transaction. `base_url` is the node's own FHIR address.
///
/// # Errors
/// Names the entry: what is not a transaction, a duplicate `fullUrl`, two entries for one resource, a
/// method or form that is not supported.
pub fn parse<'a>(bundle: Json<'a>, base_url: &str) -> Result<Draft<'a>, Problem> {
    if mode(&bundle)? != Mode::Transaction {
        return Err(Problem::new(Kind::Invalid, "A transaction was expected.").at("Bundle.type"));
    }
    let mut draft = Draft {
        entries: Vec::new(),
        questions: Vec::new(),
    };
    for (index, entry) in entries(bundle)?.into_iter().enumerate() {
        let request =
            Request::read(&entry, base_url).map_err(|problem| in_entry(problem, index))?;
        let full_url = entry.text("fullUrl").map(str::to_string);
        let (resource, _) = take(entry, "resource");
        draft.entries.push(Read {
            full_url,
            request,
            resource,
        });
    }
    draft.refuse_doubles()?;
    draft.ask();
    Ok(draft)
}

/// A problem of an entry, named within the Bundle.
fn in_entry(mut problem: Problem, index: usize) -> Problem {
    problem.expression = Some(match problem.expression {
        Some(inner) => format!("Bundle.entry[{index}].{inner}"),
        None => format!("Bundle.entry[{index}]"),
    });
    problem
}

impl<'a> Draft<'a> {
    fn refuse_doubles(&self) -> Result<(), Problem> {
        let (mut urls, mut targets) = (HashSet::new(), HashSet::new());
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.full_url.as_ref().is_some_and(|url| !urls.insert(url)) {
                let problem = Problem::new(Kind::Duplicate, "Two entries have the same fullUrl.");
                return Err(in_entry(problem.at("fullUrl"), index));
            }
            let Request { ty, named, .. } = &entry.request;
            if let Named::Id(id) = named
                && !targets.insert((ty, id))
            {
                return Err(in_entry(doubled(), index));
            }
        }
        Ok(())
    }

    fn ask(&mut self) {
        let mut known = HashSet::new();
        let mut ask = |question: Question| {
            if known.insert(question.clone()) {
                self.questions.push(question);
            }
        };
        for entry in &mut self.entries {
            if let Some(question) = entry.request.question() {
                ask(question);
            }
            if let Some(resource) = &mut entry.resource {
                Links::each(resource, &mut |link| {
                    if let Some((ty, query)) = link.conditional() {
                        ask(Question::new(ty, query));
                    }
                    None
                });
            }
        }
    }

    /// What must be known before `resolve`, each once.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// Settles ids and rewrites links. `answers` are the ids found, one a question, in order;
    /// `new_id` makes the id of each resource that is created.
    ///
    /// # Errors
    /// `NotFound` for a conditional reference or patch that finds nothing, `Duplicate` where an
    /// answer makes two entries be about one resource, `Invalid` where it found another than the
    /// entry's resource.
    pub fn resolve(
        self,
        answers: &[Option<String>],
        new_id: &mut dyn FnMut() -> String,
    ) -> Result<Transaction<'a>, Problem> {
        let mut answered: HashMap<Question, Option<String>> = self
            .questions
            .into_iter()
            .zip(answers.iter().cloned())
            .collect();
        let mut settled: Vec<Entry<'a>> = Vec::with_capacity(self.entries.len());
        let mut moved = Moved::default();
        let mut roots: Vec<Option<String>> = Vec::with_capacity(self.entries.len());
        let mut changed = HashSet::new();
        for (index, mut read) in self.entries.into_iter().enumerate() {
            let full_url = read.full_url.take();
            let question = read.request.question();
            let entry = settle(read, index, &answered, new_id)
                .map_err(|problem| in_entry(problem, index))?;
            let is_change = !entry.method.is_look()
                && !matches!(
                    entry.condition,
                    Condition::AlreadyThere | Condition::NothingThere
                );
            if is_change && !changed.insert((entry.ty.clone(), entry.id.clone())) {
                return Err(in_entry(doubled(), index));
            }
            // What this entry makes is there for those that ask the same.
            if let (Method::Post | Method::Put, Some(question)) = (entry.method, question) {
                answered.insert(question, Some(entry.id.clone()));
            }
            roots.push(full_url.as_deref().and_then(root).map(str::to_string));
            if let Some(full_url) = full_url.filter(|_| !entry.method.is_look()) {
                moved.note(full_url, format!("{}/{}", entry.ty, entry.id));
            }
            settled.push(entry);
        }
        let made = Made::of(&settled);
        for (question, answer) in &mut answered {
            if answer.is_none() {
                *answer = made.find(question);
            }
        }
        for (entry, root) in settled.iter_mut().zip(&roots) {
            let Some(resource) = &mut entry.resource else {
                continue;
            };
            rewrite(resource, root.as_deref(), &moved, &answered)
                .map_err(|problem| in_entry(problem, entry.index))?;
        }
        settled.sort_by_key(|entry| entry.method);
        Ok(Transaction { entries: settled })
    }
}

/// Rewrites the links of an entry's resource; `root` is the server that the entry comes from.
fn rewrite(
    resource: &mut Json<'_>,
    root: Option<&str>,
    moved: &Moved,
    answered: &HashMap<Question, Option<String>>,
) -> Result<(), Problem> {
    let mut lost = false;
    Links::each(resource, &mut |link| {
        let Some((ty, query)) = link.conditional() else {
            return moved.find(link.text(), root);
        };
        let id = answered
            .get(&Question::new(ty, query))
            .and_then(Option::as_ref);
        lost |= id.is_none();
        id.map(|id| format!("{ty}/{id}"))
    });
    if lost {
        let message = "A conditional reference finds no resource.";
        return Err(Problem::new(Kind::NotFound, message).at("resource"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
