//! Whom an unmatched letter may be about. A person decides: nobody is matched by a number alone.

use access::{Interaction, NhsNumber};
use fhir::problem::Problem;
use fhir::search::{Clause, Criterion, Search, fold};
use store::parcels::{Letter, Named};

use crate::node::Node;
use crate::page::words;
use crate::record;
use crate::staff::views::{Candidate, Matching};
use crate::visit::Visit;

/// The most candidates shown.
const CANDIDATES_MAX: u32 = 10;

/// Looks for patients by what was asked for, or else by what the letter says.
pub(super) async fn find(
    node: &Node,
    visit: &Visit,
    letter: &Letter,
    asked: Option<&str>,
) -> Result<Matching, Problem> {
    let sought = asked.map(str::trim).filter(|text| !text.is_empty());
    let candidates = for_named(node, visit, &letter.named, sought).await?;
    let why = letter.reason.clone().unwrap_or_else(|| {
        "Nobody here has this NHS number, date of birth and family name together.".to_owned()
    });
    Ok(Matching {
        why,
        sought: sought.unwrap_or_default().to_owned(),
        candidates,
    })
}

/// Looks for patients by what was asked for, or else by who is named.
pub(super) async fn for_named(
    node: &Node,
    visit: &Visit,
    named: &Named,
    asked: Option<&str>,
) -> Result<Vec<Candidate>, Problem> {
    let sought = asked.map(str::trim).filter(|text| !text.is_empty());
    let mut candidates = Vec::new();
    if let Some(text) = sought {
        look(node, visit, named, by(text), &mut candidates).await?;
        return Ok(candidates);
    }
    if let Some(number) = &named.nhs_number {
        look(node, visit, named, by_number(number), &mut candidates).await?;
    }
    if candidates.is_empty() && !named.family.is_empty() {
        let family = by_family(&named.family);
        look(node, visit, named, family, &mut candidates).await?;
    }
    Ok(candidates)
}

fn by(text: &str) -> Clause {
    match access::NhsNumber::parse(text) {
        Ok(number) => by_number(number.digits()),
        Err(_) => by_family(text),
    }
}

fn by_number(digits: &str) -> Clause {
    Clause::identifier(NhsNumber::SYSTEM, digits)
}

fn by_family(name: &str) -> Clause {
    let criterion = Criterion::StringStarts(fold(name));
    Clause {
        code: "family".into(),
        negated: false,
        criteria: vec![criterion],
    }
}

async fn look(
    node: &Node,
    visit: &Visit,
    named: &Named,
    clause: Clause,
    candidates: &mut Vec<Candidate>,
) -> Result<(), Problem> {
    let scope = visit.scope(node, Interaction::Search, "Patient").await?;
    let mut search = Search::all("Patient", CANDIDATES_MAX);
    search.clauses.push(clause);
    for version in node.store.search(&scope, &search).await?.entries {
        let patient = record::patient(&record::json(&version)?);
        candidates.push(Candidate {
            value: version.id.clone(),
            name: patient.name,
            same_name: !named.family.is_empty() && patient.family == fold(&named.family),
            same_born: patient.birth_date.is_some() && patient.birth_date == named.birth_date,
            same_number: patient.nhs_number.is_some() && patient.nhs_number == named.nhs_number,
            born: patient.birth_date.as_deref().map(words::day),
            nhs_number: patient.nhs_number.as_deref().map(words::nhs_number),
        });
    }
    Ok(())
}
