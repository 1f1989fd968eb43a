//! The numbers under which a search's words stand in rows, looked up before its SQL is made.

use std::collections::HashMap;

use fhir::problem::Problem;
use fhir::search::{Criterion, Search, System};

use crate::store::Store;
use crate::words::{self, UNKNOWN};

#[derive(Debug, Default)]
pub(crate) struct Numbers {
    known: HashMap<String, i64>,
}

impl Numbers {
    pub(crate) async fn of(store: &Store, search: &Search) -> Result<Numbers, Problem> {
        let mut numbers = Numbers::default();
        let mut buffer = String::new();
        for clause in &search.clauses {
            let word = words::parameter(&mut buffer, &search.ty, &clause.code);
            let word = word.to_string();
            numbers.add(store, &word).await?;
            for criterion in &clause.criteria {
                if let Some(system) = system(criterion) {
                    numbers.add(store, system).await?;
                }
            }
        }
        Ok(numbers)
    }

    async fn add(&mut self, store: &Store, word: &str) -> Result<(), Problem> {
        // A word with a NUL is in no row, and PostgreSQL would not even be asked about it.
        if !self.known.contains_key(word) && !word.contains('\0') {
            self.known.insert(word.to_string(), store.word(word).await?);
        }
        Ok(())
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
