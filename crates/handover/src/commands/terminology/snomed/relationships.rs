//! What concepts are defined by, beside what they are below: attributes and their values, in groups.

use fhir::terminology::code_system::Relationship;

use super::components::{Components, NamesOf, STATED};
use super::rf2::{self, Files};

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
/// `place` knows. Relationships to or by concepts that are no longer in use are left out.
///
/// # Errors
/// As `rf2::each`.
pub fn read(
    files: &Files<'_>,
    components: &Components,
    place: impl Fn(u64) -> Option<usize>,
    names: &mut [NamesOf],
) -> anyhow::Result<()> {
    let mut all: Vec<Found> = Vec::new();
    let columns = [
        "id",
        "effectiveTime",
        "active",
        "sourceId",
        "destinationId",
        "relationshipGroup",
        "typeId",
        "characteristicTypeId",
    ];
    // One file has each relationship once, so that what is not in use need not be remembered.
    let count = names.len();
    let alone = files.relationships.len() == 1;
    rf2::each(&files.relationships, &columns, |line| {
        if line.text(6) == "116680003" || line.text(7) == STATED || (alone && !line.is_active(2)) {
            return Ok(());
        }
        let Some(at) = place(line.id(3)?).filter(|at| *at < count) else {
            return Ok(());
        };
        let (value, attribute) = (line.id(4)?, line.id(6)?);
        let is_known = components
            .place(value)
            .is_some_and(|place| components.is_active(place));
        if is_known {
            all.push(Found {
                id: line.id(0)?,
                time: line.text(1).parse().unwrap_or_default(),
                is_active: line.is_active(2),
                at,
                relationship: Relationship {
                    group: line.text(5).parse().unwrap_or_default(),
                    attribute: attribute.to_string(),
                    value: value.to_string(),
                },
            });
        }
        Ok(())
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
