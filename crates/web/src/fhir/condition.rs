//! Conditional interactions (<https://hl7.org/fhir/R4/http.html#cond-update>): what a query matches,
//! found out first and held to when the change is made.
//!
//! The search runs beside the writer; the writer looks again inside its transaction, and refuses
//! with `LockError` what came too late. Whoever asked then searches anew, so that of many clients
//! that create the same one, one creates and the others find it.

use std::time::Duration;

use access::Scope;
use fhir::problem::{Kind, Problem};
use fhir::search::Search;
use store::{Expected, Version};

use crate::node::Node;

/// How long a condition's search may take: the writer makes it again while all others wait.
const SEARCH_SECONDS_MAX: u64 = 3;
/// How often one request finds out anew, at most. Each time another's change has come through.
const TRIES_MAX: u32 = 64;

/// Resources found at a time, where all are wanted.
const PAGE: u32 = 500;

/// What a query matches.
pub struct Matched {
    pub found: Option<Version>,
    /// For the job that rests on it.
    pub expected: Expected,
}

/// Finds the one resource that matches, if one does.
///
/// # Errors
/// `Invalid` for a query without a condition, `MultipleMatches` if several match, `TooCostly` if it
/// takes too long to be asked twice; what `Search::parse` and the store refuse.
pub async fn matched(
    node: &Node,
    scope: &Scope,
    ty: &str,
    query: &[(String, String)],
) -> Result<Matched, Problem> {
    let search = condition(node, ty, query, 2)?;
    let found = in_time(at_least(node, scope, &search, 2)).await?;
    let mut found = found.into_iter();
    let first = found.next();
    if found.next().is_some() {
        let message = "The condition matches several resources.";
        return Err(Problem::new(Kind::MultipleMatches, message));
    }
    let id = first.as_ref().map(|found| found.id.clone());
    Ok(Matched {
        found: first,
        expected: Expected::Match { search, id },
    })
}

/// All that a query matches.
///
/// # Errors
/// `TooCostly` if it is more than `at_most`; else as `matched`.
pub async fn all_matched(
    node: &Node,
    scope: &Scope,
    ty: &str,
    query: &[(String, String)],
    at_most: usize,
) -> Result<Vec<Version>, Problem> {
    let search = condition(node, ty, query, PAGE)?;
    let found = in_time(at_least(node, scope, &search, at_most.saturating_add(1))).await?;
    if found.len() > at_most {
        let message = format!("The condition matches more than {at_most} resources.");
        return Err(Problem::new(Kind::TooCostly, message));
    }
    Ok(found)
}

/// The search for a condition.
fn condition(
    node: &Node,
    ty: &str,
    query: &[(String, String)],
    count: u32,
) -> Result<Search, Problem> {
    let (registry, limits) = (node.store.registry(), node.fhir.bounds.of_search());
    let base_url = node.site.fhir_url();
    let mut search = Search::parse_with(&registry, ty, query, &base_url, &limits)?;
    if search.clauses.is_empty() {
        let message = "A conditional interaction or reference needs at least one condition.";
        return Err(Problem::new(Kind::Invalid, message));
    }
    search.count = count;
    search.after = None;
    search.sort.clear();
    search.includes.clear();
    Ok(search)
}

async fn in_time(
    looking: impl Future<Output = Result<Vec<Version>, Problem>>,
) -> Result<Vec<Version>, Problem> {
    let limit = Duration::from_secs(SEARCH_SECONDS_MAX);
    let found = tokio::time::timeout(limit, looking).await;
    found.unwrap_or_else(|_| {
        let message = "The condition takes too long to look for; ask by an identifier.";
        Err(Problem::new(Kind::TooCostly, message))
    })
}

/// What matches, so many at least if there are so many. A page may hold one resource alone and have
/// a next one: what is found by several rows, under several systems, fills it.
async fn at_least(
    node: &Node,
    scope: &Scope,
    search: &Search,
    wanted: usize,
) -> Result<Vec<Version>, Problem> {
    let (mut asked, mut found) = (search.clone(), Vec::new());
    loop {
        let page = node.store.search(scope, &asked).await?;
        found.extend(page.entries);
        if found.len() >= wanted || page.next.is_none() {
            return Ok(found);
        }
        asked.after = page.next;
    }
}

/// Counts how often a request has been tried.
#[derive(Debug, Default)]
pub struct Tries(u32);

impl Tries {
    /// Whether it is to be tried again: another's change came between, and not too often yet.
    pub fn again(&mut self, problem: &Problem) -> bool {
        self.0 += 1;
        problem.kind == Kind::LockError && self.0 < TRIES_MAX
    }
}
