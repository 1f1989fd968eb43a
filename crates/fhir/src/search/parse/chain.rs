//! Chains, forward (`subject:Patient.name`) and backward (`_has:Observation:subject:code`)
//! (<https://hl7.org/fhir/R4/search.html#chaining>).

use super::clause::{clause_within, known};
use super::{Asked, Context, unsupported};
use crate::definitions::Definitions;
use crate::problem::{Kind, Problem};
use crate::search::clause::{Clause, Criterion};
use crate::search::parameter::ParameterKind;

/// Types that a chain may lead to when it does not say which.
pub(super) const TYPES_MAX: usize = 12;

pub(super) fn too_deep(context: Context<'_>) -> Problem {
    let most = context.limits.chain_max;
    let message = format!("More than {most} chains inside each other.");
    Problem::new(Kind::TooCostly, message)
}

pub(super) fn chain(
    context: Context<'_>,
    ty: &str,
    head: &str,
    rest: &str,
    value: &str,
    steps: usize,
) -> Result<Clause, Problem> {
    let steps = steps.checked_sub(1).ok_or_else(|| too_deep(context))?;
    let asked = Asked::of(head);
    let reference = known(context, ty, asked.code)?;
    if reference.kind != ParameterKind::Reference {
        let message = format!(
            "{} is not a reference, so that no chain can start there.",
            reference.code
        );
        return Err(Problem::new(Kind::Value, message));
    }
    let types: Vec<&str> = match asked.modifier {
        Some(ty) if Definitions::r4().is_resource(ty) => vec![ty],
        Some(_) => {
            return Err(unsupported(
                "A chain's type is not a resource type of FHIR R4.",
            ));
        }
        None => reference.targets.clone(),
    };
    let mut criteria = Vec::new();
    let mut refused = None;
    for ty in types {
        match clause_within(context, ty, rest, value, steps) {
            Ok(clause) => criteria.push(Criterion::Chain {
                ty: ty.to_string(),
                clause: Box::new(clause),
            }),
            // Not every type has the parameter; at least one must.
            Err(problem) if problem.kind == Kind::NotSupported => refused = Some(problem),
            Err(problem) => return Err(problem),
        }
    }
    if criteria.len() > TYPES_MAX {
        let message = format!(
            "Say which type is meant, such as {}:Patient.",
            reference.code
        );
        return Err(Problem::new(Kind::TooCostly, message));
    }
    match (criteria.is_empty(), refused) {
        (false, _) => Ok(Clause {
            code: reference.code.to_string(),
            negated: false,
            criteria,
        }),
        (true, Some(problem)) => Err(problem),
        (true, None) => Err(unsupported("Say which type the chain leads to.")),
    }
}

/// `rest` is what stands behind `_has:`.
pub(super) fn has(
    context: Context<'_>,
    ty: &str,
    rest: &str,
    value: &str,
    steps: usize,
) -> Result<Clause, Problem> {
    let steps = steps.checked_sub(1).ok_or_else(|| too_deep(context))?;
    let mut parts = rest.splitn(3, ':');
    let (Some(from), Some(reference), Some(inner)) = (parts.next(), parts.next(), parts.next())
    else {
        let message = "_has is _has:Type:reference:parameter.";
        return Err(Problem::new(Kind::Value, message));
    };
    if !Definitions::r4().is_resource(from) {
        return Err(unsupported(
            "The type in _has is not a resource type of FHIR R4.",
        ));
    }
    let reference = known(context, from, reference)?;
    let leads_here = reference.targets.is_empty() || reference.targets.contains(&ty);
    if reference.kind != ParameterKind::Reference || !leads_here {
        let message = format!("{from}:{} is not a reference to {ty}.", reference.code);
        return Err(Problem::new(Kind::Value, message));
    }
    let clause = clause_within(context, from, inner, value, steps)?;
    Ok(Clause::one(
        "_has",
        Criterion::Has {
            ty: from.to_string(),
            reference: reference.code.to_string(),
            clause: Box::new(clause),
        },
    ))
}
