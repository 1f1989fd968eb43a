//! The shape of `tables/ours.json`.

use super::{Code, Place, Row, Structure, Target};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};

/// A layer over the published tables: ours, and that of a site for one sender or for all.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ours {
    /// What this file is.
    pub about: String,
    /// Whose messages it is for; left out, everybody's.
    pub sender: Option<Sender>,
    /// Message structures that HL7 does not publish a mapping for.
    pub messages: BTreeMap<String, Structure>,
    /// Message types that are taken: `ADT^A01` to the published structure that describes it.
    pub structures: BTreeMap<String, String>,
    /// Segments that senders send where the published structures have none.
    pub places: Vec<PlaceAdded>,
    /// Corrections of what segments are mapped to.
    pub targets: Vec<TargetChange>,
    /// Segment maps that are interpreted; targets by other maps are not made.
    pub taken: HashSet<String>,
    /// By what a resource of a type is known, best first: what the number is, then the fields that
    /// must all hold something (`["placer", "ORC-2"]`).
    pub keys: BTreeMap<String, Vec<Vec<String>>>,
    /// Published rows that are not taken, or taken although their condition is prose.
    pub changes: Vec<RowChange>,
    /// Our own rows, by map; they come before the published ones.
    pub rows: BTreeMap<String, Vec<Row>>,
    /// Our own concept maps, added to or standing before the published ones.
    pub codes: BTreeMap<String, Vec<Code>>,
    /// Identifier systems known by the assigning authority's or identifier type's v2 names.
    pub identifier_systems: Vec<IdentifierSystem>,
    /// Code systems by the names of HL7 table 0396.
    pub code_systems: BTreeMap<String, String>,
    /// Elements that FHIR requires, and what they hold when the message says nothing usable.
    pub defaults: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// Segments whose fields are accounted for by a rule, by name.
    pub segments: BTreeMap<String, String>,
    /// Fields that are accounted for by a rule, such as `PID-1`.
    pub fields: BTreeMap<String, String>,
}

/// Whose messages a layer is for. What is named must be as in the message's header.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sender {
    /// MSH-3 as sent, components included.
    pub application: Option<String>,
    /// MSH-4 as sent, components included.
    pub facility: Option<String>,
}

/// A place for a segment that a published message structure lacks, outside any group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceAdded {
    /// The structure.
    pub structure: String,
    /// The segment behind which it stands.
    pub after: String,
    /// The segment, and what it is mapped to.
    pub place: Place,
    /// Why.
    pub why: String,
}

/// A correction of a published message structure.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetChange {
    /// The structure.
    pub structure: String,
    /// The segment.
    pub segment: String,
    /// The innermost group; absent: outside any group.
    pub group: Option<String>,
    /// The targets that replace the published ones.
    pub targets: Vec<Target>,
    /// Why.
    pub why: String,
}

/// A published row that is treated differently.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowChange {
    /// The segment or data type map.
    pub map: String,
    /// The field or component.
    pub from: u16,
    /// How the row's element starts; empty for every row of the field.
    #[serde(default)]
    pub to: String,
    /// Whether it is taken.
    pub take: bool,
    /// Why.
    pub why: String,
}

/// A known identifier system.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentifierSystem {
    /// Its URI.
    pub system: String,
    /// Assigning authorities (HD.1 or HD.2) that mean it.
    #[serde(default)]
    pub authorities: Vec<String>,
    /// Identifier type codes that mean it.
    #[serde(default)]
    pub types: Vec<String>,
    /// Whether the number is the same whoever sends it.
    #[serde(default)]
    pub everywhere: bool,
    /// Why.
    pub why: String,
}
