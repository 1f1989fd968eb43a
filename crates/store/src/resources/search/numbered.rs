//! Searches by a patient's number, where records were merged. A number names a person, and a person whose
//! records were merged has several: who asks by a number asks of all of them, as far as they may be read,
//! whichever of them it stands in (decision 372). Every row found is under the search's own scope.

use access::Scope;
use fhir::json::{Limits, parse};
use fhir::problem::{Kind, Problem};
use fhir::search::{Clause, Criterion, Registry, Search, System};

use super::merged::{self, RECORDS_MAX};
use crate::resources::Version;
use crate::store::Store;

/// Numbers of other records of a person that are looked for, at most.
const NUMBERS_MAX: usize = 256;

/// What a parameter's code has behind it for the identifier in a reference.
const IDENTIFIER: &str = "#identifier";

/// The other records of the persons who have a number.
#[derive(Default)]
struct Others {
    ids: Vec<String>,
    /// Their numbers, as criteria.
    numbers: Vec<Criterion>,
}

/// Numbers that are asked for, and whose they are.
type Known = Vec<(Vec<Criterion>, Others)>;

/// The search with the other records of those who are asked for by a number; `None` if there are none.
///
/// # Errors
/// `TooCostly` if a number is that of more than 64 records.
pub(super) async fn widened(
    store: &Store,
    scope: &Scope,
    search: &Search,
) -> Result<Option<Search>, Problem> {
    let registry = store.registry();
    let mut asked = Vec::new();
    gather(&registry, &search.ty, &search.clauses, &mut asked);
    let mut known: Known = Vec::new();
    for numbers in asked {
        if known.iter().any(|(before, _)| *before == numbers) {
            continue;
        }
        let others = others(store, scope, search, &numbers).await?;
        if !others.ids.is_empty() {
            known.push((numbers, others));
        }
    }
    if known.is_empty() {
        return Ok(None);
    }
    let mut widened = search.clone();
    let base_url = &search.base_url;
    widen(
        &registry,
        &search.ty,
        (&mut widened.clauses, base_url),
        &known,
    );
    Ok(Some(widened))
}

/// Whether it is a number, and not only a system.
fn is_number(criterion: &Criterion) -> bool {
    matches!(criterion, Criterion::Token { code: Some(_), .. })
}

/// The numbers by which a chain asks for patients.
fn of_chain(criterion: &Criterion) -> Option<&[Criterion]> {
    let Criterion::Chain { ty, clause } = criterion else {
        return None;
    };
    let is_it = ty == "Patient" && clause.code == "identifier" && !clause.negated;
    (is_it && clause.criteria.iter().all(is_number)).then_some(clause.criteria.as_slice())
}

/// The number that a reference to a patient holds itself (`subject:identifier`).
fn of_reference<'c>(
    registry: &Registry,
    ty: &str,
    code: &str,
    criterion: &'c Criterion,
) -> Option<&'c [Criterion]> {
    let code = code.strip_suffix(IDENTIFIER)?;
    let leads_to_patients = registry
        .parameter(ty, code)
        .is_some_and(|it| it.targets.is_empty() || it.targets.contains(&"Patient"));
    (leads_to_patients && is_number(criterion)).then_some(std::slice::from_ref(criterion))
}

fn gather(registry: &Registry, ty: &str, clauses: &[Clause], asked: &mut Vec<Vec<Criterion>>) {
    for clause in clauses {
        for criterion in &clause.criteria {
            let number = of_chain(criterion);
            let number = number.or_else(|| of_reference(registry, ty, &clause.code, criterion));
            asked.extend(number.map(<[Criterion]>::to_vec));
            match criterion {
                Criterion::All(clauses) => gather(registry, ty, clauses, asked),
                Criterion::Chain { ty, clause }
                | Criterion::Has { ty, clause, .. }
                | Criterion::Typed { ty, clause } => {
                    gather(registry, ty, std::slice::from_ref(clause), asked);
                }
                _ => {}
            }
        }
    }
}

fn widen(registry: &Registry, ty: &str, (clauses, base_url): (&mut [Clause], &str), known: &Known) {
    let others = |number: &[Criterion]| {
        let found = known.iter().find(|(before, _)| before == number);
        found.map(|(_, others)| others)
    };
    for clause in clauses {
        let mut further = Vec::new();
        for criterion in &mut clause.criteria {
            if let Some(others) = of_chain(criterion).and_then(others) {
                further.push(references(others, base_url));
            }
            let held = of_reference(registry, ty, &clause.code, criterion).and_then(others);
            further.extend(held.into_iter().flat_map(|it| it.numbers.iter().cloned()));
            match criterion {
                Criterion::All(clauses) => widen(registry, ty, (clauses, base_url), known),
                Criterion::Chain { ty, clause }
                | Criterion::Has { ty, clause, .. }
                | Criterion::Typed { ty, clause } => {
                    let inner = std::slice::from_mut(&mut **clause);
                    widen(registry, ty, (inner, base_url), known);
                }
                _ => {}
            }
        }
        clause.criteria.extend(further);
    }
}

fn references(others: &Others, base_url: &str) -> Criterion {
    let both = |id: &String| {
        let relative = format!("Patient/{id}");
        [format!("{base_url}/{relative}"), relative]
    };
    Criterion::Reference {
        targets: others.ids.iter().flat_map(both).collect(),
    }
}

async fn others(
    store: &Store,
    scope: &Scope,
    search: &Search,
    numbers: &[Criterion],
) -> Result<Others, Problem> {
    let clause = Clause {
        code: "identifier".into(),
        negated: false,
        criteria: numbers.to_vec(),
    };
    let holders = patients(store, scope, search, clause).await?;
    let ids: Vec<String> = holders.into_iter().map(|it| it.id).collect();
    let all = merged::persons(store, scope, ids.clone()).await?;
    let ids: Vec<String> = all.into_iter().skip(ids.len()).collect();
    if ids.is_empty() {
        return Ok(Others::default());
    }
    let clause = Clause {
        code: "_id".into(),
        negated: false,
        criteria: ids.iter().cloned().map(Criterion::Id).collect(),
    };
    let mut numbers = Vec::new();
    for patient in patients(store, scope, search, clause).await? {
        numbers.extend(numbers_in(&patient.body)?);
    }
    if numbers.len() > NUMBERS_MAX {
        let message = format!("A person has more than {NUMBERS_MAX} numbers.");
        return Err(Problem::new(Kind::TooCostly, message));
    }
    Ok(Others { ids, numbers })
}

/// The Patients within the scope that the clause finds.
async fn patients(
    store: &Store,
    scope: &Scope,
    search: &Search,
    clause: Clause,
) -> Result<Vec<Version>, Problem> {
    let mut asked = Search::all(
        "Patient",
        u32::try_from(RECORDS_MAX + 1).unwrap_or(u32::MAX),
    );
    asked.base_url = search.base_url.clone();
    asked.clauses.push(clause);
    let (page, _) = store.page(scope, &asked, None).await?;
    if page.entries.len() > RECORDS_MAX || page.next.is_some() {
        let message = format!("This number is that of more than {RECORDS_MAX} records.");
        return Err(Problem::new(Kind::TooCostly, message));
    }
    Ok(page.entries)
}

fn numbers_in(patient: &[u8]) -> Result<Vec<Criterion>, Problem> {
    let patient = parse(patient, &Limits::default())?;
    let identifiers = patient.items("identifier").iter();
    let numbers = identifiers.filter_map(|it| {
        let system = match it.text("system") {
            Some(system) => System::Is(system.to_string()),
            None => System::None,
        };
        let code = Some(it.text("value")?.to_string());
        Some(Criterion::Token { system, code })
    });
    Ok(numbers.collect())
}
