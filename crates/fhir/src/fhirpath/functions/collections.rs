//! Existence, filtering, subsetting, combining, navigation, utility
//! (<http://hl7.org/fhirpath/N1/#functions>).

use std::cmp::Ordering;

use super::{Function, On, maybe, truth};
use crate::fhirpath::Fault;
use crate::fhirpath::compare;
use crate::fhirpath::eval::{Answer, Frame, Run, one};
use crate::fhirpath::tree::Expr;
use crate::fhirpath::value::{Items, Value};

const fn of(
    name: &'static str,
    least: usize,
    most: usize,
    moves_this: bool,
    run: for<'r> fn(&Run<'r>, On<'_, 'r>) -> Answer<'r>,
) -> Function {
    Function {
        name,
        least,
        most,
        moves_this,
        run,
    }
}

pub(super) const FUNCTIONS: &[Function] = &[
    of("empty", 0, 0, false, |_, on| truth(on.input.is_empty())),
    of("exists", 0, 1, true, exists),
    of("all", 1, 1, true, all),
    of("allTrue", 0, 0, false, |run, on| {
        tally(run, &on, |all| all.iter().all(|one| *one))
    }),
    of("anyTrue", 0, 0, false, |run, on| {
        tally(run, &on, |all| all.iter().any(|one| *one))
    }),
    of("allFalse", 0, 0, false, |run, on| {
        tally(run, &on, |all| all.iter().all(|one| !*one))
    }),
    of("anyFalse", 0, 0, false, |run, on| {
        tally(run, &on, |all| all.iter().any(|one| !*one))
    }),
    of("subsetOf", 1, 1, false, |run, on| {
        let other = on.argument(run, 0)?;
        within(run, &on.input, &other)
    }),
    of("supersetOf", 1, 1, false, |run, on| {
        let other = on.argument(run, 0)?;
        within(run, &other, &on.input)
    }),
    of("count", 0, 0, false, |_, on| count(on.input.len())),
    of("distinct", 0, 0, false, |run, on| run.distinct(on.input)),
    of("isDistinct", 0, 0, false, |run, on| {
        let before = on.input.len();
        truth(run.distinct(on.input)?.len() == before)
    }),
    of("where", 1, 1, true, filter),
    of("select", 1, 1, true, select),
    of("repeat", 1, 1, true, repeat),
    of("aggregate", 1, 2, true, aggregate),
    of("single", 0, 0, false, |_, on| {
        Ok(one(&on.input)?.cloned().into_iter().collect())
    }),
    of("first", 0, 0, false, |_, on| {
        Ok(on.input.into_iter().take(1).collect())
    }),
    of("last", 0, 0, false, |_, on| {
        Ok(on.input.into_iter().next_back().into_iter().collect())
    }),
    of("tail", 0, 0, false, |_, on| {
        Ok(on.input.into_iter().skip(1).collect())
    }),
    of("skip", 1, 1, false, |run, on| {
        let number = bounded(on.integer(run, 0)?);
        Ok(on.input.into_iter().skip(number).collect())
    }),
    of("take", 1, 1, false, |run, on| {
        let number = bounded(on.integer(run, 0)?);
        Ok(on.input.into_iter().take(number).collect())
    }),
    of("intersect", 1, 1, false, intersect),
    of("exclude", 1, 1, false, exclude),
    of("union", 1, 1, false, |run, on| {
        let other = on.argument(run, 0)?;
        run.distinct(on.input.into_iter().chain(other).collect())
    }),
    of("combine", 1, 1, false, |run, on| {
        let other = on.argument(run, 0)?;
        Ok(on.input.into_iter().chain(other).collect())
    }),
    of("iif", 2, 3, true, iif),
    of("not", 0, 0, false, |run, on| {
        maybe(run.truth(&on.input)?.map(|value| Value::Bool(!value)))
    }),
    of("children", 0, 0, false, children),
    of("descendants", 0, 0, false, descendants),
    // There is no log here, so nothing is traced; the values pass.
    of("trace", 1, 2, true, |_, on| Ok(on.input)),
    of("sort", 0, 8, true, sort),
];

fn bounded(number: Option<i64>) -> usize {
    usize::try_from(number.unwrap_or(0)).unwrap_or(0)
}

fn count<'r>(number: usize) -> Answer<'r> {
    Ok(vec![Value::Integer(
        i64::try_from(number).unwrap_or(i64::MAX),
    )])
}

fn exists<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    if !on.is_given(0) {
        return truth(!on.input.is_empty());
    }
    for (index, item) in on.input.iter().enumerate() {
        if run.truth(&on.with(run, 0, item, index)?)? == Some(true) {
            return truth(true);
        }
    }
    truth(false)
}

fn all<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    for (index, item) in on.input.iter().enumerate() {
        if run.truth(&on.with(run, 0, item, index)?)? != Some(true) {
            return truth(false);
        }
    }
    truth(true)
}

fn tally<'r>(run: &Run<'r>, on: &On<'_, 'r>, decide: fn(&[bool]) -> bool) -> Answer<'r> {
    let mut found = Vec::with_capacity(on.input.len());
    for item in &on.input {
        match item.clone().plain(run.definitions) {
            Some(Value::Bool(value)) => found.push(value),
            _ => return Err(Fault::invalid("Only true and false can be counted so")),
        }
    }
    truth(decide(&found))
}

fn within<'r>(run: &Run<'r>, small: &[Value<'r>], large: &[Value<'r>]) -> Answer<'r> {
    for item in small {
        if !run.holds(large, item)? {
            return truth(false);
        }
    }
    truth(true)
}

fn filter<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let mut kept = Vec::new();
    for (index, item) in on.input.iter().enumerate() {
        if run.truth(&on.with(run, 0, item, index)?)? == Some(true) {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

fn select<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let mut found = Vec::new();
    for (index, item) in on.input.iter().enumerate() {
        found.extend(on.with(run, 0, item, index)?);
    }
    Ok(found)
}

/// The projection of the input, of what that gives, and so on, each item once.
fn repeat<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let mut found: Items<'r> = Vec::new();
    let mut fresh = on.input.clone();
    while !fresh.is_empty() {
        let mut next = Vec::new();
        for (index, item) in fresh.iter().enumerate() {
            for item in on.with(run, 0, item, index)? {
                run.step()?;
                if !has_met(run, &found, &item)? {
                    found.push(item.clone());
                    next.push(item);
                }
            }
        }
        fresh = next;
    }
    Ok(found)
}

/// The same place of the resource counts as met, and equal System values do.
fn has_met<'r>(run: &Run<'r>, found: &[Value<'r>], item: &Value<'r>) -> Result<bool, Fault> {
    match item {
        Value::Node(node) => {
            Ok(found
                .iter()
                .filter_map(Value::as_node)
                .any(|known| match (known.json, node.json) {
                    (Some(known), Some(json)) => std::ptr::eq(known, json),
                    _ => false,
                }))
        }
        item => run.holds(found, item),
    }
}

fn aggregate<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let mut total = on.argument(run, 1)?;
    let Some(step) = on.call.arguments.first() else {
        return Ok(total);
    };
    for (index, item) in on.input.iter().enumerate() {
        let frame = Frame {
            this: Some(item.clone()),
            index,
            total,
        };
        total = run.eval(step, &frame)?;
    }
    Ok(total)
}

fn intersect<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let other = on.argument(run, 0)?;
    let mut kept = Vec::new();
    for item in on.input {
        if run.holds(&other, &item)? && !run.holds(&kept, &item)? {
            kept.push(item);
        }
    }
    Ok(kept)
}

fn exclude<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let other = on.argument(run, 0)?;
    let mut kept = Vec::new();
    for item in on.input {
        if !run.holds(&other, &item)? {
            kept.push(item);
        }
    }
    Ok(kept)
}

fn iif<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let at = one(&on.input)?.cloned();
    let branch = |index: usize| match &at {
        // At the start of an expression the input is `$this`, whose `$index` still counts.
        Some(item) if !matches!(on.call.of, Expr::This) => on.with(run, index, item, 0),
        _ => on.argument(run, index),
    };
    let criterion = branch(0)?;
    let decided = match one(&criterion)?.map(|item| item.clone().plain(run.definitions)) {
        None | Some(None) => false,
        Some(Some(Value::Bool(value))) => value,
        Some(Some(_)) => return Err(Fault::invalid("The criterion of iif is true or false")),
    };
    branch(if decided { 1 } else { 2 })
}

fn children<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let mut found = Vec::new();
    for node in on.input.iter().filter_map(Value::as_node) {
        node.children(run.definitions, &mut |child| found.push(Value::Node(child)));
    }
    Ok(found)
}

fn descendants<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let mut found = Vec::new();
    for node in on.input.iter().filter_map(Value::as_node) {
        run.descendants(node, &mut found)?;
    }
    Ok(found)
}

/// Sorted by each argument in turn; one that starts with `-` counts downwards.
fn sort<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let keys: Vec<(&'r Expr, bool)> = on
        .call
        .arguments
        .iter()
        .map(|key| match key {
            Expr::Negated(inner) => (&**inner, true),
            key => (key, false),
        })
        .collect();
    let mut rows = Vec::with_capacity(on.input.len());
    for (index, item) in on.input.iter().enumerate() {
        let frame = Frame {
            this: Some(item.clone()),
            index,
            total: Vec::new(),
        };
        let mut row = Vec::new();
        for (key, _) in &keys {
            row.push(run.system(&run.eval(key, &frame)?)?);
        }
        if keys.is_empty() {
            row.push(item.clone().plain(run.definitions));
        }
        rows.push((row, item.clone()));
    }
    rows.sort_by(|(left, _), (right, _)| {
        let pairs = left.iter().zip(right).enumerate();
        pairs
            .map(|(at, (left, right))| {
                let is_down = keys.get(at).is_some_and(|(_, is_down)| *is_down);
                key_order(run, left.as_ref(), right.as_ref(), is_down)
            })
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    });
    Ok(rows.into_iter().map(|(_, item)| item).collect())
}

/// What has no value comes first, up or down.
fn key_order<'r>(
    run: &Run<'r>,
    left: Option<&Value<'r>>,
    right: Option<&Value<'r>>,
    is_down: bool,
) -> Ordering {
    let (Some(left), Some(right)) = (left, right) else {
        return left.is_some().cmp(&right.is_some());
    };
    let order = compare::order(left, right, run.definitions).ok().flatten();
    match order.unwrap_or(Ordering::Equal) {
        order if is_down => order.reverse(),
        order => order,
    }
}
