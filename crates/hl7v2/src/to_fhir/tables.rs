//! The mapping tables as data: the shape in which `cargo xtask v2-tables` writes HL7's published
//! ones, and in which `tables/ours.json` adds to them.

mod layer;
mod ours;

use super::draft::Walk;
use super::path::{Step, steps};
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

pub use ours::{IdentifierSystem, Ours, PlaceAdded, RowChange, Sender, TargetChange};

static PUBLISHED: &[u8] = include_bytes!("../../tables/v2-to-fhir.json.zst");
static OURS: &str = include_str!("../../tables/ours.json");

/// The most that the compressed table may grow to.
const TABLE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// HL7's published tables, distilled to facts.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Published {
    /// Where they come from, and their licence.
    pub source: String,
    /// Message structures by name, such as `ADT_A01`.
    pub messages: BTreeMap<String, Structure>,
    /// Segment maps by name, such as `PID[Patient]`; names are folded by [`fold`].
    pub segments: BTreeMap<String, Vec<Row>>,
    /// Data type maps by name, such as `CX[Identifier]`; names are folded by [`fold`].
    pub datatypes: BTreeMap<String, Vec<Row>>,
    /// Concept maps by name, such as `AdministrativeSex`; names are folded by [`fold`].
    pub codes: BTreeMap<String, Vec<Code>>,
}

/// A message structure: its groups and, in order, its segments with what they are mapped to.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Structure {
    /// The segment groups; a group's parent comes before it.
    pub groups: Vec<Group>,
    /// The places where segments may stand, in order.
    pub places: Vec<Place>,
}

/// A group of segments that may repeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    /// Its name, such as `ORDER_OBSERVATION`.
    pub name: String,
    /// The index of the group it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// Whether it repeats.
    #[serde(default, skip_serializing_if = "is_default")]
    pub repeats: bool,
}

/// A place for a segment in a structure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    /// The segment's name.
    pub segment: String,
    /// The index of the group it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<usize>,
    /// Whether it repeats.
    #[serde(default, skip_serializing_if = "is_default")]
    pub repeats: bool,
    /// What it is mapped to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
}

/// One resource that a segment is mapped to, or contributes to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The resource, labelled, such as `Observation[2]`.
    pub label: String,
    /// The segment map, folded.
    pub map: String,
    /// When, if not always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Whether the condition is prose: a row is then taken only if ours says so.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prose: bool,
    /// References to make: from a labelled resource's element to a labelled resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// A reference between two resources of a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Link {
    /// The labelled resource that refers.
    pub from: String,
    /// Its element.
    pub element: String,
    /// The labelled resource referred to.
    pub to: String,
}

/// One row of a segment map or data type map.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The field or component by number; 0 is the whole segment or value.
    pub from: u16,
    /// Its v2 data type.
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    pub ty: String,
    /// The element it goes to, as the tables write it.
    pub to: String,
    /// When, if not always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Whether the condition is prose: a row is then taken only if ours says so.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prose: bool,
    /// The data type map to use, folded; one that starts with `our:` is a function of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// The concept map to translate codes by, folded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<String>,
    /// What is put there instead of the value itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assign: Vec<Part>,
    /// Why we have the row, for rows of ours.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The element's path, read once.
    #[serde(skip)]
    pub path: ReadPath,
}

impl Row {
    /// The steps to the row's element; `None` where it has no path that can be followed.
    pub(super) fn steps(&self) -> Option<&[Step]> {
        let steps = self.path.steps.get_or_init(|| steps(&self.to));
        steps.as_deref()
    }

    /// The walk along the row's steps from that type, or why there is none. That from the type of the row's first use
    /// is remembered, and rows are used from one type.
    pub(super) fn walk(&self, from: &'static str) -> Result<Cow<'_, Walk>, String> {
        let read = || Walk::of(from, self.steps().unwrap_or_default());
        let (first, walk) = self.path.walk.get_or_init(|| (from, read()));
        match walk {
            _ if *first != from => read().map(Cow::Owned),
            Ok(walk) => Ok(Cow::Borrowed(walk)),
            Err(reason) => Err(reason.clone()),
        }
    }
}

/// A path as it was read when its row was first used.
#[derive(Debug, Clone, Default)]
pub struct ReadPath {
    steps: OnceLock<Option<Vec<Step>>>,
    walk: OnceLock<(&'static str, Result<Walk, String>)>,
}

/// A part of an assigned value.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Fixed text.
    Text(String),
    /// A field's or component's text.
    Value(Source),
}

/// A field (of the segment at hand) or a component (of the value at hand), with its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The segment or data type, such as `OBX` or `XTN`.
    pub of: String,
    /// The numbers: field and component, or component and subcomponent.
    pub at: Vec<u16>,
}

/// When a row holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// There is something.
    Valued(Source),
    /// The text is one of these.
    In(Source, Vec<String>),
    /// It repeats more than so many times.
    More(Source, usize),
    /// Its text is longer than so many characters.
    Longer(Source, usize),
    /// Its text is a decimal number.
    Number(Source),
    /// The condition does not hold.
    Not(Box<Condition>),
    /// All hold.
    All(Vec<Condition>),
    /// One holds.
    Any(Vec<Condition>),
}

/// One row of a concept map.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The v2 code.
    pub from: String,
    /// The FHIR code.
    pub code: String,
    /// Its system.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub system: String,
    /// Its display.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display: String,
}

/// The published tables with ours over them, and a sender's over those, ready for use.
#[derive(Debug, Clone)]
pub struct Tables {
    /// As distilled, with the changes of all layers made.
    pub published: Published,
    /// The layers, laid over each other.
    pub ours: Ours,
}

/// The tables, read once a process.
pub fn tables() -> Result<&'static Tables, Problem> {
    static TABLES: OnceLock<Result<Tables, String>> = OnceLock::new();
    TABLES
        .get_or_init(|| read(PUBLISHED, OURS))
        .as_ref()
        .map_err(|e| {
            Problem::new(
                Kind::Exception,
                "the mapping tables built into this program are broken",
            )
            .because(std::io::Error::other(e.clone()))
        })
}

fn read(published: &[u8], ours: &str) -> Result<Tables, String> {
    let bytes = zstd::bulk::decompress(published, TABLE_BYTES_MAX).map_err(|e| e.to_string())?;
    let published: Published = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
    let layer: Ours = serde_json::from_str(ours).map_err(|e| format!("ours.json: {e}"))?;
    let mut tables = Tables {
        published,
        ours: Ours::default(),
    };
    tables.lay(layer)?;
    Ok(tables)
}

impl Tables {
    /// The structure that describes messages of that type.
    pub fn structure(&self, message_type: &str, trigger: &str) -> Option<&Structure> {
        let name = self
            .ours
            .structures
            .get(&format!("{message_type}^{trigger}"))?;
        self.published.messages.get(name)
    }

    /// Whether a segment map is interpreted.
    pub fn takes(&self, map: &str) -> bool {
        self.ours.taken.contains(map)
    }
}

/// A map's name as all tables are keyed: published spellings differ in case and punctuation.
pub fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '[' | ']' | ':'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
