//! From a query string's pairs to clauses (<https://hl7.org/fhir/R4/search.html>).

mod above;
mod chain;
mod clause;
mod composite;
mod criteria;
mod dates;
mod filter;
mod numbers;
mod outcome;
mod split;
mod texts;
mod values;

use super::query::{ALL_TYPES, Limits, Search};
use super::registry::Registry;
use crate::definitions::Definitions;
use crate::problem::{Kind, Problem};

use clause::clause;

/// The name of our own parameter that says where a page starts. Only links that the node made hold
/// it.
pub(super) const CURSOR: &str = "_cursor";

/// What reading a query needs to know of the node.
#[derive(Clone, Copy)]
struct Context<'c> {
    registry: &'c Registry,
    base_url: &'c str,
    limits: &'c Limits,
}

impl Search {
    /// Reads a query that uses R4's parameters only; see `parse_with`.
    ///
    /// # Errors
    /// As `parse_with`.
    pub fn parse(
        ty: &str,
        query: &[(String, String)],
        base_url: &str,
        limits: &Limits,
    ) -> Result<Search, Problem> {
        Search::parse_with(&Registry::r4(), ty, query, base_url, limits)
    }

    /// Reads a query. `base_url` is the node's own FHIR address, such as
    /// `https://gp.example/fhir`: references to it are taken as relative. A search over `ALL_TYPES`
    /// knows `_type` and what every type has: `_id`, `_lastUpdated`, `_list`, `_filter` and
    /// `parameter_of_all`.
    ///
    /// # Errors
    /// `NotFound` for a type that R4 does not know; `NotSupported` for a parameter, modifier or form
    /// that the node does not have (never silently ignored; under `lenient` left out and named in
    /// `ignored`); `Value` for what does not read; `TooCostly` for more than `limits` allow;
    /// `Transient` for a parameter by which not all resources are indexed yet.
    pub fn parse_with(
        registry: &Registry,
        ty: &str,
        query: &[(String, String)],
        base_url: &str,
        limits: &Limits,
    ) -> Result<Search, Problem> {
        if ty != ALL_TYPES && !Definitions::r4().is_resource(ty) {
            let message = "This is not a resource type of FHIR R4.";
            return Err(Problem::new(Kind::NotFound, message));
        }
        let context = Context {
            registry,
            base_url,
            limits,
        };
        let mut search = Search::all(ty, limits.count_default);
        search.base_url = base_url.trim_end_matches('/').to_string();
        for (name, value) in query {
            match search.take(context, name, value) {
                Ok(()) => search.understood.push((name.clone(), value.clone())),
                Err(problem) if limits.lenient && problem.kind == Kind::NotSupported => {
                    search.ignored.push(name.clone());
                }
                Err(problem) => return Err(problem),
            }
        }
        if search.clauses.iter().map(clause::weight).sum::<usize>() > limits.clauses_max {
            let message = format!("More than {} conditions.", limits.clauses_max);
            return Err(Problem::new(Kind::TooCostly, message));
        }
        Ok(search)
    }

    fn take(&mut self, context: Context<'_>, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "_count" => self.count = outcome::count(value)?.min(context.limits.count_max),
            "_total" => self.total = outcome::total(value)?,
            "_summary" => self.summary(value)?,
            "_sort" => outcome::sort(context, &self.ty, value, &mut self.sort)?,
            CURSOR => self.after = Some(outcome::cursor(value)?),
            // How the answer is written is not the search's business.
            "_format" | "_pretty" => {}
            _ if name == "_include" || name.starts_with("_include:") => {
                let include = outcome::include(context, &self.ty, name, value)?;
                outcome::add(context, &mut self.includes, include)?;
            }
            _ if name == "_revinclude" || name.starts_with("_revinclude:") => {
                let include = outcome::include(context, &self.ty, name, value)?;
                outcome::add(context, &mut self.includes, include)?;
            }
            _ => {
                if self.clauses.len() >= context.limits.clauses_max {
                    let message = format!("More than {} conditions.", context.limits.clauses_max);
                    return Err(Problem::new(Kind::TooCostly, message));
                }
                self.clauses.push(clause(context, &self.ty, name, value)?);
            }
        }
        Ok(())
    }

    fn summary(&mut self, value: &str) -> Result<(), Problem> {
        match value {
            "false" => Ok(()),
            "count" => {
                self.count = 0;
                Ok(())
            }
            _ => Err(unsupported(
                "Only _summary=count and _summary=false are supported.",
            )),
        }
    }
}

pub(super) fn unsupported(message: impl Into<String>) -> Problem {
    Problem::new(Kind::NotSupported, message)
}

/// A query parameter's name, taken apart: `subject:Patient`.
#[derive(Clone, Copy)]
struct Asked<'q> {
    code: &'q str,
    modifier: Option<&'q str>,
}

impl<'q> Asked<'q> {
    fn of(name: &'q str) -> Asked<'q> {
        match name.split_once(':') {
            Some((code, modifier)) => Asked {
                code,
                modifier: Some(modifier),
            },
            None => Asked {
                code: name,
                modifier: None,
            },
        }
    }
}

/// A `Value` problem that names the parameter, which has been found to be one of R4's.
fn wrong(asked: &Asked<'_>, what: &str) -> Problem {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let code = if asked.code.chars().all(plain) {
        asked.code
    } else {
        "A parameter"
    };
    Problem::new(Kind::Value, format!("{code} {what}."))
}

fn no_modifier(asked: &Asked<'_>) -> Result<(), Problem> {
    match asked.modifier {
        None => Ok(()),
        Some(_) => Err(unsupported(
            "This modifier is not supported for this parameter.",
        )),
    }
}

#[cfg(test)]
mod tests;
