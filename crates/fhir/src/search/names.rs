//! Names that are made once and borrowed for as long as the process runs: the codes of search
//! parameters that are not in R4's own table, and of the sides of those that are.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Names kept at most; R4's own take a few thousand.
const NAMES_MAX: usize = 20_000;

/// The name for good; `None` once there are too many.
pub(crate) fn kept(name: &str) -> Option<&'static str> {
    static NAMES: OnceLock<Mutex<HashSet<&'static str>>> = OnceLock::new();
    let names = NAMES.get_or_init(Mutex::default);
    let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() >= NAMES_MAX {
        return None;
    }
    let name: &'static str = name.to_string().leak();
    names.insert(name);
    Some(name)
}
