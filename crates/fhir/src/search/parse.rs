//! From a query string's pairs to clauses (<https://hl7.org/fhir/R4/search.html>).

mod dates;
mod numbers;
mod split;
mod values;

use super::clause::{Clause, Criterion};
use super::parameter::{Parameter, ParameterKind, parameter};
use super::query::{Limits, Search, Total};
use crate::definitions::Definitions;
use crate::problem::{Kind, Problem};

use split::split;

/// The name of our own parameter that says where a page starts. Only links that the node made hold
/// it.
pub(super) const CURSOR: &str = "_cursor";

/// A cursor's length in bytes, at most.
const CURSOR_BYTES_MAX: usize = 512;

impl Search {
    /// Reads a query. `base_url` is the node's own FHIR address, such as
    /// `https://gp.example/fhir`: references to it are taken as relative.
    ///
    /// # Errors
    /// `NotFound` for a type that R4 does not know; `NotSupported` for a parameter, modifier or form
    /// that the node does not have (never silently ignored; under `lenient` left out and named in
    /// `ignored`); `Value` for what does not read; `TooCostly` for more than `limits` allow.
    pub fn parse(
        ty: &str,
        query: &[(String, String)],
        base_url: &str,
        limits: &Limits,
    ) -> Result<Search, Problem> {
        if !Definitions::r4().is_resource(ty) {
            let message = "This is not a resource type of FHIR R4.";
            return Err(Problem::new(Kind::NotFound, message));
        }
        let mut search = Search::all(ty, limits.count_default);
        for (name, value) in query {
            match search.take(name, value, base_url, limits) {
                Ok(()) => search.understood.push((name.clone(), value.clone())),
                Err(problem) if limits.lenient && problem.kind == Kind::NotSupported => {
                    search.ignored.push(name.clone());
                }
                Err(problem) => return Err(problem),
            }
        }
        Ok(search)
    }

    fn take(
        &mut self,
        name: &str,
        value: &str,
        base_url: &str,
        limits: &Limits,
    ) -> Result<(), Problem> {
        match name {
            "_count" => self.count = count(value)?.min(limits.count_max),
            "_total" => self.total = total(value)?,
            "_summary" => self.summary(value)?,
            CURSOR => self.after = Some(cursor(value)?),
            // How the answer is written is not the search's business.
            "_format" | "_pretty" => {}
            _ => {
                if self.clauses.len() >= limits.clauses_max {
                    let message = format!("More than {} conditions.", limits.clauses_max);
                    return Err(Problem::new(Kind::TooCostly, message));
                }
                let clause = clause(&self.ty, name, value, base_url, limits)?;
                self.clauses.push(clause);
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

fn count(value: &str) -> Result<u32, Problem> {
    let message = "_count is a whole number from 0.";
    value
        .parse()
        .map_err(|_| Problem::new(Kind::Value, message))
}

fn total(value: &str) -> Result<Total, Problem> {
    match value {
        "none" => Ok(Total::None),
        // An exact number is a good estimate too.
        "accurate" | "estimate" => Ok(Total::Accurate),
        _ => Err(Problem::new(
            Kind::Value,
            "_total is none, estimate or accurate.",
        )),
    }
}

fn cursor(value: &str) -> Result<String, Problem> {
    if value.is_empty() || value.len() > CURSOR_BYTES_MAX {
        let message = "_cursor comes from the links of a page before and must be left as it is.";
        return Err(Problem::new(Kind::Value, message));
    }
    Ok(value.to_string())
}

pub(super) fn unsupported(message: impl Into<String>) -> Problem {
    Problem::new(Kind::NotSupported, message)
}

/// A query parameter's name, taken apart: `subject:Patient`.
struct Asked<'q> {
    code: &'q str,
    modifier: Option<&'q str>,
}

fn clause(
    ty: &str,
    name: &str,
    value: &str,
    base_url: &str,
    limits: &Limits,
) -> Result<Clause, Problem> {
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    let asked = Asked { code, modifier };
    refuse_what_is_not_here(&asked)?;
    let values = values(&asked, value, limits)?;
    let mut criteria = Vec::with_capacity(values.len());
    match code {
        "_id" => {
            no_modifier(&asked)?;
            for value in values {
                crate::resource::check_id(&value)?;
                criteria.push(Criterion::Id(value));
            }
        }
        "_lastUpdated" => {
            no_modifier(&asked)?;
            for value in values {
                criteria.extend(dates::last_updated(&value)?);
            }
        }
        _ => {
            let known = known(ty, &asked)?;
            for value in &values {
                criteria.extend(criteria_of(known, &asked, value, base_url)?);
            }
        }
    }
    let negated = modifier == Some("not");
    Ok(Clause {
        code: code.to_string(),
        negated,
        criteria,
    })
}

/// Forms of a name that the node does not have, whatever the type.
fn refuse_what_is_not_here(asked: &Asked<'_>) -> Result<(), Problem> {
    let message = match asked.code {
        "_include" | "_revinclude" => "Including further resources is not supported.",
        "_sort" => "Sorting is not supported.",
        "_elements" | "_contained" | "_containedType" => "This result parameter is not supported.",
        "_has" => "Reverse chaining (_has) is not supported.",
        _ if asked.code.contains('.') => "Chained parameters are not supported.",
        _ if asked
            .modifier
            .is_some_and(|modifier| modifier.contains('.')) =>
        {
            "Chained parameters are not supported."
        }
        _ => return Ok(()),
    };
    Err(unsupported(message))
}

/// The values between commas.
fn values(asked: &Asked<'_>, value: &str, limits: &Limits) -> Result<Vec<String>, Problem> {
    let values = split(value, ',');
    if values.len() > limits.values_max {
        let message = format!("More than {} values in one parameter.", limits.values_max);
        return Err(Problem::new(Kind::TooCostly, message));
    }
    if values.iter().any(String::is_empty) {
        return Err(wrong(asked, "has an empty value"));
    }
    Ok(values)
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

fn known(ty: &str, asked: &Asked<'_>) -> Result<&'static Parameter, Problem> {
    match parameter(ty, asked.code) {
        Some(known) if known.is_indexed() => Ok(known),
        Some(known) => Err(unsupported(format!(
            "The search parameter {} is not supported.",
            known.code
        ))),
        None => Err(unsupported(format!(
            "{ty} has no search parameter of this name."
        ))),
    }
}

fn no_modifier(asked: &Asked<'_>) -> Result<(), Problem> {
    match asked.modifier {
        None => Ok(()),
        Some(_) => Err(unsupported(
            "This modifier is not supported for this parameter.",
        )),
    }
}

/// What one value accepts: usually one criterion, two for a comparison that needs an "or".
fn criteria_of(
    known: &Parameter,
    asked: &Asked<'_>,
    value: &str,
    base_url: &str,
) -> Result<Vec<Criterion>, Problem> {
    if asked.modifier == Some("missing") {
        return match value {
            "true" => Ok(vec![Criterion::Missing(true)]),
            "false" => Ok(vec![Criterion::Missing(false)]),
            _ => Err(wrong(asked, "with :missing is true or false")),
        };
    }
    match known.kind {
        ParameterKind::Token => {
            if asked.modifier != Some("not") {
                no_modifier(asked)?;
            }
            Ok(vec![values::token(value, asked)?])
        }
        ParameterKind::String => Ok(vec![values::string(value, asked)?]),
        ParameterKind::Reference => Ok(vec![values::reference(value, known, asked, base_url)?]),
        ParameterKind::Date => {
            no_modifier(asked)?;
            dates::date(value)
        }
        ParameterKind::Number => {
            no_modifier(asked)?;
            numbers::number(value)
        }
        ParameterKind::Quantity => {
            no_modifier(asked)?;
            numbers::quantity(value)
        }
        ParameterKind::Uri => {
            no_modifier(asked)?;
            Ok(vec![Criterion::Uri(split::unescaped(value))])
        }
        ParameterKind::Composite | ParameterKind::Special => Err(unsupported(
            "Composite and special parameters are not supported.",
        )),
    }
}

#[cfg(test)]
mod tests;
