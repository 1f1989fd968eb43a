//! Values under a parameter, by its kind and the modifier.

use super::split::{split, unescaped};
use super::{
    Asked, Context, above, composite, dates, no_modifier, numbers, unsupported, values, wrong,
};
use crate::problem::{Kind, Problem};
use crate::search::clause::{Clause, Concept, Criterion, System};
use crate::search::fold::fold;
use crate::search::near;
use crate::search::parameter::{Parameter, ParameterKind};

/// Criteria under the code that they are asked of.
pub(super) type Under = (&'static str, Vec<Criterion>);

pub(super) fn clause(
    context: Context<'_>,
    known: &Parameter,
    asked: &Asked<'_>,
    values: &[String],
) -> Result<Clause, Problem> {
    if asked.modifier == Some("missing") && !known.asides.there.is_empty() {
        return missing(context, known, asked, values);
    }
    let mut groups: Vec<Under> = Vec::new();
    for value in values {
        let (code, criteria) = of_value(context, known, asked, value)?;
        match groups.iter_mut().find(|(known, _)| *known == code) {
            Some((_, group)) => group.extend(criteria),
            None => groups.push((code, criteria)),
        }
    }
    let is_new = |(code, criteria): &Under| {
        let is_special = known.kind == ParameterKind::Special;
        let is_composite = known.kind == ParameterKind::Composite;
        code.contains('#') || is_special || is_composite || criteria.iter().any(is_of_unit)
    };
    if context.registry.is_behind() && groups.iter().any(is_new) {
        return Err(being_indexed());
    }
    let negated = matches!(asked.modifier, Some("not" | "not-in"));
    let mut clauses = groups.into_iter().map(|(code, criteria)| Clause {
        code: code.to_string(),
        negated: false,
        criteria,
    });
    let clause = match (clauses.next(), clauses.next()) {
        (Some(only), None) => only,
        // Values of different sides: one of the groups has to hold.
        (first, second) => {
            let all = first.into_iter().chain(second).chain(clauses);
            Clause {
                code: String::new(),
                negated: false,
                criteria: all.map(|clause| Criterion::All(vec![clause])).collect(),
            }
        }
    };
    Ok(Clause { negated, ..clause })
}

/// Whether it asks for a unit by its code or its text.
fn is_of_unit(criterion: &Criterion) -> bool {
    let Criterion::Quantity { system, code, .. } = criterion else {
        return false;
    };
    *system == System::Any && code.is_some()
}

fn being_indexed() -> Problem {
    let message = "Resources are still being indexed for this; see $reindex, or try again later.";
    Problem::new(Kind::Transient, message)
}

/// Whether there is no value at all: none to be searched by, and none that only stands there.
fn missing(
    context: Context<'_>,
    known: &Parameter,
    asked: &Asked<'_>,
    values: &[String],
) -> Result<Clause, Problem> {
    if context.registry.is_behind() {
        return Err(being_indexed());
    }
    let mut criteria = Vec::with_capacity(values.len());
    for value in values {
        let is_missing = is_true(asked, value)?;
        let found = Clause::one(known.code, Criterion::Missing(is_missing));
        let mark = Criterion::Token {
            system: System::None,
            code: Some(String::new()),
        };
        let there = Clause {
            negated: is_missing,
            ..Clause::one(known.asides.there, mark)
        };
        match is_missing {
            true => criteria.push(Criterion::All(vec![found, there])),
            false => criteria.extend([found, there].map(|one| Criterion::All(vec![one]))),
        }
    }
    Ok(Clause {
        code: String::new(),
        negated: false,
        criteria,
    })
}

fn is_true(asked: &Asked<'_>, value: &str) -> Result<bool, Problem> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong(asked, "with :missing is true or false")),
    }
}

/// What one value accepts: usually one criterion, two for a comparison that needs an "or".
fn of_value(
    context: Context<'_>,
    known: &Parameter,
    asked: &Asked<'_>,
    value: &str,
) -> Result<Under, Problem> {
    if asked.modifier == Some("missing") {
        let is_missing = is_true(asked, value)?;
        return Ok((known.code, vec![Criterion::Missing(is_missing)]));
    }
    match known.kind {
        ParameterKind::Token => token(known, asked, value),
        ParameterKind::Reference if asked.modifier == Some("identifier") => {
            let criterion = values::token(value, asked)?;
            Ok((known.asides.identifier, vec![criterion]))
        }
        ParameterKind::Reference if matches!(asked.modifier, Some("above" | "below")) => {
            Ok((known.code, above::reference(context, known, asked, value)?))
        }
        ParameterKind::Uri => Ok((known.code, above::uri(asked, value)?)),
        ParameterKind::Quantity => {
            no_modifier(asked)?;
            numbers::quantity(value, known)
        }
        ParameterKind::Special if known.code == "near" => {
            no_modifier(asked)?;
            let parts = split(value, '|');
            let parts: Vec<String> = parts.iter().map(|part| unescaped(part)).collect();
            Ok((known.code, vec![near::criterion(&parts)?]))
        }
        ParameterKind::Composite => {
            no_modifier(asked)?;
            composite::composite(context, known, asked, value)
        }
        _ => Ok((known.code, plain(context, known.kind, known, asked, value)?)),
    }
}

/// The kinds whose values stand under the parameter's own code.
pub(super) fn plain(
    context: Context<'_>,
    kind: ParameterKind,
    known: &Parameter,
    asked: &Asked<'_>,
    value: &str,
) -> Result<Vec<Criterion>, Problem> {
    match kind {
        ParameterKind::Token => Ok(vec![values::token(value, asked)?]),
        ParameterKind::String => Ok(vec![values::string(value, asked)?]),
        ParameterKind::Reference => {
            let types = &known.targets;
            Ok(vec![values::reference(
                value,
                types,
                asked,
                context.base_url,
            )?])
        }
        ParameterKind::Date => {
            no_modifier(asked)?;
            dates::date(value)
        }
        ParameterKind::Number => {
            no_modifier(asked)?;
            numbers::number(value)
        }
        _ => Err(unsupported("This parameter is not supported.")),
    }
}

fn token(known: &Parameter, asked: &Asked<'_>, value: &str) -> Result<Under, Problem> {
    let concept = |concept| Ok((known.code, vec![Criterion::Concept(concept)]));
    match asked.modifier {
        None | Some("not") => Ok((known.code, vec![values::token(value, asked)?])),
        Some("text") => {
            let folded = fold(&unescaped(value));
            if folded.is_empty() {
                return Err(wrong(asked, "has no letter to look for"));
            }
            Ok((known.asides.text, vec![Criterion::StringStarts(folded)]))
        }
        Some("of-type") => Ok((known.asides.of_type, vec![of_type(value, asked)?])),
        Some("in" | "not-in") => concept(Concept::In(unescaped(value))),
        Some(modifier @ ("above" | "below")) => {
            let Criterion::Token {
                system: System::Is(system),
                code: Some(code),
            } = values::token(value, asked)?
            else {
                return Err(wrong(asked, "with :above and :below is system|code"));
            };
            concept(match modifier {
                "above" => Concept::Above { system, code },
                _ => Concept::Below { system, code },
            })
        }
        Some(_) => no_modifier(asked).map(|()| (known.code, Vec::new())),
    }
}

/// `system|code|value`
fn of_type(value: &str, asked: &Asked<'_>) -> Result<Criterion, Problem> {
    let parts: Vec<String> = split(value, '|')
        .iter()
        .map(|part| unescaped(part))
        .collect();
    match parts.as_slice() {
        [system, code, value] if parts.iter().all(|part| !part.is_empty()) => {
            Ok(Criterion::Token {
                system: System::Is(system.clone()),
                code: Some(format!("{code}|{value}")),
            })
        }
        _ => Err(wrong(asked, "with :of-type is system|code|value")),
    }
}
