//! One pair of a query as one clause.

use super::split::split;
use super::{
    Asked, Context, chain, criteria, dates, filter, no_modifier, texts, unsupported, wrong,
};
use crate::definitions::Definitions;
use crate::problem::{Kind, Problem};
use crate::resource::check_id;
use crate::search::clause::{Clause, Criterion};
use crate::search::parameter::Parameter;
use crate::search::query::ALL_TYPES;

pub(super) fn clause(
    context: Context<'_>,
    ty: &str,
    name: &str,
    value: &str,
) -> Result<Clause, Problem> {
    clause_within(context, ty, name, value, context.limits.chain_max)
}

/// `steps` is how many chains may still stand inside each other.
pub(super) fn clause_within(
    context: Context<'_>,
    ty: &str,
    name: &str,
    value: &str,
    steps: usize,
) -> Result<Clause, Problem> {
    if let Some(rest) = name.strip_prefix("_has:") {
        return chain::has(context, ty, rest, value, steps);
    }
    if let Some((head, rest)) = name.split_once('.') {
        return chain::chain(context, ty, head, rest, value, steps);
    }
    if name == "_filter" {
        return filter::filter(context, ty, value, steps);
    }
    let asked = Asked::of(name);
    refuse_what_is_not_here(&asked)?;
    let values = values(context, &asked, value)?;
    of_values(context, ty, &asked, &values)
}

/// A clause of values that are taken apart already.
pub(super) fn of_values(
    context: Context<'_>,
    ty: &str,
    asked: &Asked<'_>,
    values: &[String],
) -> Result<Clause, Problem> {
    let mut criteria = Vec::with_capacity(values.len());
    let mut negated = false;
    match asked.code {
        "_id" => {
            negated = asked.modifier == Some("not");
            if !negated {
                no_modifier(asked)?;
            }
            for value in values {
                check_id(value)?;
                criteria.push(Criterion::Id(value.clone()));
            }
        }
        "_lastUpdated" => {
            no_modifier(asked)?;
            for value in values {
                criteria.extend(dates::last_updated(value)?);
            }
        }
        "_type" if ty == ALL_TYPES => {
            no_modifier(asked)?;
            for value in values {
                if !Definitions::r4().is_resource(value) {
                    return Err(wrong(asked, "names what is no resource type of FHIR R4"));
                }
                criteria.push(Criterion::Type(value.clone()));
            }
        }
        "_text" | "_content" => {
            no_modifier(asked)?;
            return texts::clause(context, ty, asked.code, values);
        }
        "_list" => {
            no_modifier(asked)?;
            for value in values {
                criteria.push(listed(value)?);
            }
        }
        _ => {
            let known = known(context, ty, asked.code)?;
            return criteria::clause(context, known, asked, values);
        }
    }
    Ok(Clause {
        code: asked.code.to_string(),
        negated,
        criteria,
    })
}

/// On the List of that id (<https://hl7.org/fhir/R4/search.html#list>).
fn listed(value: &str) -> Result<Criterion, Problem> {
    if value.starts_with('$') {
        let message = "Functional lists, such as $current-problems, are not supported.";
        return Err(unsupported(message));
    }
    let id = value.strip_prefix("List/").unwrap_or(value);
    check_id(id)?;
    let clause = Clause::one("_id", Criterion::Id(id.to_string()));
    Ok(Criterion::Has {
        ty: "List".to_string(),
        reference: "item".to_string(),
        clause: Box::new(clause),
    })
}

/// Forms of a name that the node does not have, whatever the type.
fn refuse_what_is_not_here(asked: &Asked<'_>) -> Result<(), Problem> {
    let message = match asked.code {
        "_elements" | "_contained" | "_containedType" => "This result parameter is not supported.",
        "_query" => "No named query is defined here, so that _query can name none.",
        "_has" => "_has is _has:Type:reference:parameter.",
        _ => return Ok(()),
    };
    Err(unsupported(message))
}

/// The values between commas.
fn values(context: Context<'_>, asked: &Asked<'_>, value: &str) -> Result<Vec<String>, Problem> {
    let values = split(value, ',');
    let most = context.limits.values_max;
    if values.len() > most {
        let message = format!("More than {most} values in one parameter.");
        return Err(Problem::new(Kind::TooCostly, message));
    }
    if values.iter().any(String::is_empty) {
        return Err(wrong(asked, "has an empty value"));
    }
    Ok(values)
}

/// The parameter of that code, if resources of the type are indexed by it.
pub(super) fn known<'c>(
    context: Context<'c>,
    ty: &str,
    code: &str,
) -> Result<&'c Parameter, Problem> {
    if let Some(known) = context.registry.parameter(ty, code) {
        if context.registry.is_ready(ty, code) {
            return Ok(known);
        }
        let message = format!(
            "Resources are still being indexed by {}; see its job, or try again later.",
            known.code
        );
        return Err(Problem::new(Kind::Transient, message));
    }
    if ty == ALL_TYPES {
        let message = "Resources of all types have no search parameter of this name in common.";
        return Err(unsupported(message));
    }
    Err(unsupported(match crate::search::parameter(ty, code) {
        Some(known) => format!("The search parameter {} is not supported.", known.code),
        None => format!("{ty} has no search parameter of this name."),
    }))
}

/// How many conditions a clause is, those inside it included.
pub(super) fn weight(clause: &Clause) -> usize {
    let inner = clause.criteria.iter().map(|criterion| match criterion {
        Criterion::All(clauses) => clauses.iter().map(weight).sum(),
        Criterion::Chain { clause, .. }
        | Criterion::Has { clause, .. }
        | Criterion::Typed { clause, .. } => weight(clause),
        _ => 0,
    });
    1 + inner.sum::<usize>()
}
