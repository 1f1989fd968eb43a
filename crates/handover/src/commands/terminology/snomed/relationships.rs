//! What concepts are defined by, beside what they are below: attributes and their values, in groups.

use anyhow::ensure;
use fhir::terminology::code_system::Relationship;
use fhir::terminology::ecl::is_concrete;

use super::components::{Components, NamesOf, STATED};
use super::rf2::{self, Files, Line};
use crate::commands::terminology::source::Place;

/// The columns of a line, but for that of its value.
const COLUMNS: [&str; 7] = [
    "id",
    "effectiveTime",
    "active",
    "sourceId",
    "relationshipGroup",
    "typeId",
    "characteristicTypeId",
];
/// Where its value stands among the columns that are asked for.
const VALUE: usize = COLUMNS.len();

/// A line of the relationship files.
struct Found {
    id: u64,
    time: u32,
    is_active: bool,
    /// Where its concept stands among those that are read.
    at: usize,
    relationship: Relationship,
}

/// Adds the relationships that are in use, by the latest line of each, to those of the concepts that
/// `place` knows: to other concepts, and to concrete values. Relationships to or by concepts that are no
/// longer in use are left out.
///
/// # Errors
/// As `rf2::each`; if a concrete value is neither number, text nor truth.
pub fn read(
    files: &Files<'_>,
    components: &Components,
    place: impl Fn(u64) -> Option<usize>,
    names: &mut [NamesOf],
) -> anyhow::Result<()> {
    let count = names.len();
    let place = |id: u64| place(id).filter(|at| *at < count);
    let mut all: Vec<Found> = Vec::new();
    gather(
        &files.relationships,
        "destinationId",
        place,
        &mut all,
        |line| {
            let value = line.id(VALUE)?;
            let known = components.place(value);
            let is_known = known.is_some_and(|place| components.is_active(place));
            Ok(is_known.then(|| value.to_string()))
        },
    )?;
    gather(&files.concrete, "value", place, &mut all, |line| {
        let value = line.text(VALUE);
        ensure!(
            is_concrete(value),
            "{value:?} is neither a number (#5), a text (\"a\") nor true or false"
        );
        Ok(Some(value.to_owned()))
    })?;
    all.sort_unstable_by_key(|it| (it.id, std::cmp::Reverse(it.time)));
    all.dedup_by_key(|it| it.id);
    for found in all.into_iter().filter(|it| it.is_active) {
        if let Some(of) = names.get_mut(found.at) {
            of.relationships.push(found.relationship);
        }
    }
    for of in names {
        of.relationships
            .sort_unstable_by(|a, b| (a.group, &a.attribute).cmp(&(b.group, &b.attribute)));
    }
    Ok(())
}

/// The lines of files of one kind, whose value stands in that column; `value` gives it, or `None` where
/// the line is of no use.
fn gather(
    places: &[&Place],
    column: &str,
    place: impl Fn(u64) -> Option<usize>,
    all: &mut Vec<Found>,
    value: impl Fn(&Line<'_>) -> anyhow::Result<Option<String>>,
) -> anyhow::Result<()> {
    let mut columns = COLUMNS.to_vec();
    columns.push(column);
    // One file has each relationship once, so that what is not in use need not be remembered.
    let alone = places.len() == 1;
    rf2::each(places, &columns, |line| {
        if line.text(5) == "116680003" || line.text(6) == STATED || (alone && !line.is_active(2)) {
            return Ok(());
        }
        let Some(at) = place(line.id(3)?) else {
            return Ok(());
        };
        let Some(value) = value(line)? else {
            return Ok(());
        };
        all.push(Found {
            id: line.id(0)?,
            time: line.text(1).parse().unwrap_or_default(),
            is_active: line.is_active(2),
            at,
            relationship: Relationship {
                group: line.text(4).parse().unwrap_or_default(),
                attribute: line.id(5)?.to_string(),
                value,
            },
        });
        Ok(())
    })
}
