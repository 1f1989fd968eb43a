//! Values of a composite: `code$value` (<https://hl7.org/fhir/R4/search.html#composite>).

use super::criteria::{Under, plain};
use super::split::{split, unescaped};
use super::{Asked, Context, numbers, wrong};
use crate::problem::Problem;
use crate::search::clause::Criterion;
use crate::search::parameter::{Parameter, ParameterKind};

pub(super) fn composite(
    context: Context<'_>,
    known: &Parameter,
    asked: &Asked<'_>,
    value: &str,
) -> Result<Under, Problem> {
    let parts = split(value, '$');
    if parts.len() != known.components.len() || parts.iter().any(String::is_empty) {
        let wanted = known.components.len();
        return Err(wrong(
            asked,
            &format!("has {wanted} parts with $ between them"),
        ));
    }
    let mut code = known.code;
    let mut all: Vec<Vec<Criterion>> = vec![Vec::new()];
    for (part, component) in parts.iter().zip(&known.components) {
        let criteria = match component.kind {
            ParameterKind::Quantity => {
                let (side, criteria) = numbers::quantity(part, known)?;
                code = side;
                criteria
            }
            ParameterKind::Uri => vec![Criterion::Uri(unescaped(part))],
            kind => plain(context, kind, known, asked, part)?,
        };
        all = all
            .iter()
            .flat_map(|start| {
                criteria.iter().map(|criterion| {
                    let mut longer = start.clone();
                    longer.push(criterion.clone());
                    longer
                })
            })
            .collect();
    }
    Ok((code, all.into_iter().map(Criterion::Composite).collect()))
}
