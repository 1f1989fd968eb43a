//! The numbers under which a search's words stand in rows, looked up before its SQL is made.

use std::collections::{BTreeSet, HashMap};

use fhir::problem::Problem;
use fhir::search::{Criterion, Search, System};

use crate::database::Tx;
use crate::store::Store;
use crate::words::{self, UNKNOWN};
use crate::writer::Core;

#[derive(Debug, Default)]
pub(crate) struct Numbers {
    known: HashMap<String, i64>,
}

impl Numbers {
    pub(crate) async fn of(store: &Store, search: &Search) -> Result<Numbers, Problem> {
        let mut numbers = Numbers::default();
        for word in words_of(search) {
            let number = store.word(&word).await?;
            numbers.known.insert(word, number);
        }
        Ok(numbers)
    }

    /// The same inside the writer's transaction, where words are known that are not committed yet.
    pub(crate) async fn within(
        core: &Core,
        tx: &mut Tx<'_>,
        search: &Search,
    ) -> Result<Numbers, Problem> {
        let mut numbers = Numbers::default();
        for word in words_of(search) {
            let number = core.word_if_any(tx, &word).await?;
            numbers.known.insert(word, number.unwrap_or(UNKNOWN));
        }
        Ok(numbers)
    }

    /// The number of a word, or one that no row has.
    pub(crate) fn word(&self, word: &str) -> i64 {
        self.known.get(word).copied().unwrap_or(UNKNOWN)
    }

    /// The number of a search parameter.
    pub(crate) fn parameter(&self, ty: &str, code: &str) -> i64 {
        self.word(words::parameter(&mut String::new(), ty, code))
    }
}

/// The words that a search's rows hold as numbers, each once.
fn words_of(search: &Search) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut buffer = String::new();
    for clause in &search.clauses {
        let word = words::parameter(&mut buffer, &search.ty, &clause.code);
        words.insert(word.to_string());
        let systems = clause.criteria.iter().filter_map(system);
        words.extend(systems.map(str::to_string));
    }
    // A word with a NUL is in no row, and PostgreSQL would not even be asked about it.
    words.retain(|word| !word.contains('\0'));
    words
}

fn system(criterion: &Criterion) -> Option<&str> {
    match criterion {
        Criterion::Token {
            system: System::Is(system),
            ..
        }
        | Criterion::Quantity {
            system: System::Is(system),
            ..
        } => Some(system),
        _ => None,
    }
}
