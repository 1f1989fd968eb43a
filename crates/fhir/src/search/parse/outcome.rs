//! Parameters that shape the answer: order, pages, totals, includes
//! (<https://hl7.org/fhir/R4/search.html#return>).

use super::{Context, unsupported};
use crate::definitions::Definitions;
use crate::problem::{Kind, Problem};
use crate::search::parameter::{Parameter, ParameterKind};
use crate::search::query::{ALL_TYPES, Include, Included, Sort, Total};

/// A cursor's length in bytes, at most: it holds the values that the last result is sorted by.
const CURSOR_BYTES_MAX: usize = 4096;

pub(super) fn count(value: &str) -> Result<u32, Problem> {
    let message = "_count is a whole number from 0.";
    value
        .parse()
        .map_err(|_| Problem::new(Kind::Value, message))
}

pub(super) fn total(value: &str) -> Result<Total, Problem> {
    match value {
        "none" => Ok(Total::None),
        "estimate" => Ok(Total::Estimate),
        "accurate" => Ok(Total::Accurate),
        _ => Err(Problem::new(
            Kind::Value,
            "_total is none, estimate or accurate.",
        )),
    }
}

pub(super) fn cursor(value: &str) -> Result<String, Problem> {
    if value.is_empty() || value.len() > CURSOR_BYTES_MAX {
        let message = "_cursor comes from the links of a page before and must be left as it is.";
        return Err(Problem::new(Kind::Value, message));
    }
    Ok(value.to_string())
}

/// `_sort=-date,_id`
pub(super) fn sort(
    context: Context<'_>,
    ty: &str,
    value: &str,
    sort: &mut Vec<Sort>,
) -> Result<(), Problem> {
    for key in value.split(',') {
        let (code, descending) = match key.strip_prefix('-') {
            Some(code) => (code, true),
            None => (key, false),
        };
        let (code, kind) = match code {
            "_id" | "_lastUpdated" => (code, None),
            _ => sortable(context, ty, code).map(|known| (known.code, Some(known.kind)))?,
        };
        // A key that stands there again orders nothing.
        if sort.iter().any(|known| known.code == code) {
            continue;
        }
        if sort.len() >= context.limits.keys_max {
            let message = format!("More than {} sort keys.", context.limits.keys_max);
            return Err(Problem::new(Kind::TooCostly, message));
        }
        sort.push(Sort {
            code: code.to_string(),
            kind,
            descending,
        });
    }
    Ok(())
}

fn sortable<'c>(context: Context<'c>, ty: &str, code: &str) -> Result<&'c Parameter, Problem> {
    if ty == ALL_TYPES {
        let message = "Resources of all types are sorted by _id and _lastUpdated only.";
        return Err(unsupported(message));
    }
    let known = super::clause::known(context, ty, code)?;
    match known.kind {
        ParameterKind::Composite | ParameterKind::Special => Err(unsupported(format!(
            "Results cannot be sorted by {}.",
            known.code
        ))),
        _ => Ok(known),
    }
}

/// `_include=Observation:subject:Patient`, `_include:iterate=*`.
pub(super) fn include(
    context: Context<'_>,
    ty: &str,
    name: &str,
    value: &str,
) -> Result<Include, Problem> {
    let (name, modifier) = match name.split_once(':') {
        Some((name, modifier)) => (name, Some(modifier)),
        None => (name, None),
    };
    let iterate = match modifier {
        None => false,
        // `recurse` is what it was called in STU3.
        Some("iterate" | "recurse") => true,
        Some(_) => return Err(unsupported("Includes have the modifier :iterate only.")),
    };
    let direction = match name {
        "_include" => Included::Target,
        _ => Included::Source,
    };
    let mut parts = value.split(':');
    let (source, code, target) = (parts.next(), parts.next(), parts.next());
    let message = "An include is *, Type:*, Type:parameter or Type:parameter:TargetType.";
    let refused = || Problem::new(Kind::Value, message);
    let source = source
        .filter(|_| parts.next().is_none())
        .ok_or_else(refused)?;
    if source == "*" && code.is_none() {
        if direction == Included::Source {
            return Err(unsupported(
                "_revinclude needs a type, such as Observation:*.",
            ));
        }
        let (source, code, target) = (None, None, None);
        return Ok(Include {
            direction,
            source,
            code,
            target,
            iterate,
        });
    }
    let is_type = |ty: &str| Definitions::r4().is_resource(ty);
    let code = code.ok_or_else(refused)?;
    if !is_type(source) || target.is_some_and(|target| !is_type(target)) {
        return Err(refused());
    }
    if code != "*" && super::clause::known(context, source, code)?.kind != ParameterKind::Reference
    {
        let message = format!("{source}:{code} is not a reference.");
        return Err(Problem::new(Kind::Value, message));
    }
    let is_found = source == ty || ty == ALL_TYPES;
    if direction == Included::Target && !is_found && !iterate {
        let message = format!("{source} is not what is searched for; say _include:iterate.");
        return Err(Problem::new(Kind::Value, message));
    }
    Ok(Include {
        direction,
        source: Some(source.to_string()),
        code: (code != "*").then(|| code.to_string()),
        target: target.map(str::to_string),
        iterate,
    })
}

/// Adds an include, up to a bound.
pub(super) fn add(
    context: Context<'_>,
    includes: &mut Vec<Include>,
    include: Include,
) -> Result<(), Problem> {
    if includes.contains(&include) {
        return Ok(());
    }
    if includes.len() >= context.limits.keys_max {
        let message = format!("More than {} includes.", context.limits.keys_max);
        return Err(Problem::new(Kind::TooCostly, message));
    }
    includes.push(include);
    Ok(())
}
