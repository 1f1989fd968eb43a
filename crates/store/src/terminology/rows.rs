//! From concepts to rows: what is written for a code system, wherever it came from.

use std::collections::BTreeMap;

use fhir::problem::Problem;
use fhir::terminology::code_system::Concept;
use fhir::terminology::ranges::Upward;
use fhir::terminology::words::words;

use super::concept::packed;
use crate::sql::Bind;
use crate::table::{Table, Type};

/// The kinds of `ts_posting`.
pub(super) mod kind {
    pub const WORD: i64 = 1;
    /// `code=value`, and `code` for those that have it at all.
    pub const PROPERTY: i64 = 2;
    /// The key, as a property, of those that have relationships.
    pub const RELATED: &str = "#relationships";
    /// A reference set's code.
    pub const MEMBER: i64 = 3;
    pub const FOLDED_CODE: i64 = 4;
    pub const INACTIVE: i64 = 5;
    /// The number of a parent.
    pub const CHILD: i64 = 6;
}

/// Values longer than this are kept, but cannot be filtered by.
const VALUE_BYTES_MAX: usize = 200;
/// Bytes of a row of `ts_length`.
const PART: usize = 65_536;

pub(super) static CONCEPTS: Table = Table::new(
    "ts_concept",
    &[
        ("system", Type::Int),
        ("num", Type::Int),
        ("code", Type::Text),
        ("display", Type::Text),
        ("detail", Type::Text),
    ],
);
pub(super) static RANGES: Table = Table::new(
    "ts_range",
    &[
        ("system", Type::Int),
        ("num", Type::Int),
        ("ranges", Type::Bytes),
    ],
);
pub(super) static POSTINGS: Table = Table::new(
    "ts_posting",
    &[
        ("system", Type::Int),
        ("kind", Type::Int),
        ("key", Type::Text),
        ("nums", Type::Bytes),
    ],
);
pub(super) static LENGTHS: Table = Table::new(
    "ts_length",
    &[
        ("system", Type::Int),
        ("part", Type::Int),
        ("bytes", Type::Bytes),
    ],
);
pub(super) static MAPPINGS: Table = Table::new(
    "ts_mapping",
    &[
        ("map", Type::Int),
        ("source_code", Type::Text),
        ("seq", Type::Int),
        ("source_system", Type::Text),
        ("target_system", Type::Text),
        ("target_code", Type::Text),
        ("target_display", Type::Text),
        ("equivalence", Type::Text),
        ("comment", Type::Text),
    ],
);

/// Rows of one table, without the first column, which is the system's number.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(super) table: &'static Table,
    pub(super) rest: Vec<Bind<'static>>,
}

impl Rows {
    pub(super) fn of(table: &'static Table) -> Rows {
        Rows {
            table,
            rest: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rest.len() / (self.table.columns().len() - 1).max(1)
    }

    /// With the first column filled in.
    pub(super) fn values(&self, first: i64) -> Vec<Bind<'static>> {
        let width = (self.table.columns().len() - 1).max(1);
        let mut values = Vec::with_capacity(self.rest.len() + self.len());
        for row in self.rest.chunks(width) {
            values.push(Bind::Int(first));
            values.extend(row.iter().cloned());
        }
        values
    }
}

/// Takes concepts in the order of their numbers and gathers what is found by word and property.
/// Holds a few bytes for each word of each concept.
#[derive(Debug, Default)]
pub(super) struct Builder {
    next: u32,
    postings: BTreeMap<(i64, String), Upward>,
    lengths: Vec<u8>,
    is_folded: bool,
}

impl Builder {
    pub(super) fn new(is_folded: bool) -> Builder {
        Builder {
            is_folded,
            ..Builder::default()
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.next
    }

    /// The next concept; its row goes into `rows`, which are of `CONCEPTS`.
    pub(super) fn add(
        &mut self,
        concept: &Concept,
        parents: &[u32],
        member_of: &[String],
        rows: &mut Rows,
    ) -> Result<(), Problem> {
        let num = self.next;
        self.next += 1;
        let length = concept.display.chars().count();
        self.lengths.push(u8::try_from(length).unwrap_or(u8::MAX));
        let names = concept.designations.iter().map(|it| it.value.as_str());
        for name in names.chain([concept.display.as_str()]) {
            for word in words(name) {
                self.note(kind::WORD, word, num);
            }
        }
        for property in &concept.properties {
            if property.value.len() <= VALUE_BYTES_MAX {
                self.note(
                    kind::PROPERTY,
                    format!("{}={}", property.code, property.value),
                    num,
                );
            }
            self.note(kind::PROPERTY, property.code.clone(), num);
        }
        if !concept.relationships.is_empty() {
            self.note(kind::PROPERTY, kind::RELATED.into(), num);
        }
        for it in &concept.relationships {
            if it.value.len() <= VALUE_BYTES_MAX {
                self.note(
                    kind::PROPERTY,
                    format!("{}={}", it.attribute, it.value),
                    num,
                );
            }
            self.note(kind::PROPERTY, it.attribute.clone(), num);
        }
        for parent in parents {
            self.note(kind::CHILD, parent.to_string(), num);
        }
        for set in member_of {
            self.note(kind::MEMBER, set.clone(), num);
        }
        if concept.inactive {
            self.note(kind::INACTIVE, String::new(), num);
        }
        if self.is_folded {
            self.note(kind::FOLDED_CODE, concept.code.to_lowercase(), num);
        }
        rows.rest.extend([
            Bind::from(num),
            Bind::from(concept.code.clone()),
            Bind::from(concept.display.clone()),
            Bind::from(packed(concept, parents)?),
        ]);
        Ok(())
    }

    fn note(&mut self, kind: i64, key: String, num: u32) {
        self.postings.entry((kind, key)).or_default().push(num);
    }

    /// The rows of `POSTINGS` and `LENGTHS`, some at a time.
    pub(super) fn finish(self, at_once: usize) -> impl Iterator<Item = Rows> {
        let mut postings = self.postings.into_iter().peekable();
        let parts: Vec<Rows> = (0u32..)
            .zip(self.lengths.chunks(PART))
            .map(|(part, bytes)| Rows {
                table: &LENGTHS,
                rest: vec![Bind::from(part), Bind::from(bytes.to_vec())],
            })
            .collect();
        let some = std::iter::from_fn(move || {
            postings.peek()?;
            let mut rows = Rows::of(&POSTINGS);
            for ((kind, key), nums) in postings.by_ref().take(at_once) {
                rows.rest.extend([
                    Bind::Int(kind),
                    Bind::from(key),
                    Bind::from(nums.into_bytes()),
                ]);
            }
            Some(rows)
        });
        some.chain(parts)
    }
}
