//! What a query asks of the index, in the index's own terms.

use crate::date::Millis;

/// One condition; a search's clauses all hold (AND). A resource matches if one of the criteria
/// matches one of its index entries of `code` (OR), or, when negated, if none does.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// The search parameter's code, such as `identifier`; `_id` and `_lastUpdated` for those.
    pub code: String,
    pub negated: bool,
    /// Never empty.
    pub criteria: Vec<Criterion>,
}

/// One value that a clause accepts.
#[derive(Clone, Debug, PartialEq)]
pub enum Criterion {
    /// The resource's id is this.
    Id(String),
    /// The resource's version was written within this range.
    LastUpdated(Range),
    /// A token entry of that system and, if given, that code.
    Token {
        system: System,
        code: Option<String>,
    },
    /// A string entry whose folded text starts with this (folded) text.
    StringStarts(String),
    /// A string entry whose folded text contains this (folded) text.
    StringContains(String),
    /// A string entry whose folded text is this (folded) text.
    StringIs(String),
    /// A string entry whose folded text ends with this (folded) text.
    StringEnds(String),
    /// A string entry whose exact text is this.
    StringExact(String),
    /// A reference entry whose target is one of these.
    Reference { targets: Vec<String> },
    /// A reference entry whose target sorts from `from` (inclusive) to `before` (exclusive), by bytes.
    ReferenceBetween { from: String, before: String },
    /// A reference entry whose target stands so in a hierarchy of resources. Whoever runs the search
    /// turns it into references first.
    Hierarchy(Hierarchy),
    /// A date entry whose low and high both lie in their ranges. A comparison that needs an "or"
    /// is two criteria.
    Date { low: Range, high: Range },
    /// A uri entry that is exactly this.
    Uri(String),
    /// A quantity (or number) entry whose low and high both lie in their ranges, of that system and
    /// unit code where given.
    Quantity {
        low: Numbers,
        high: Numbers,
        system: System,
        code: Option<String>,
    },
    /// True: the resource has no entry of the code at all; false: it has one.
    Missing(bool),
    /// A uri entry that starts with this (`:below`).
    UriBelow(String),
    /// A token entry whose code stands so in a terminology. Whoever runs the search turns it into
    /// tokens first.
    Concept(Concept),
    /// An entry of several values of one element, each of which matches the criterion at its
    /// place: two or three.
    Composite(Vec<Criterion>),
    /// All of these clauses hold for the resource. Never empty.
    All(Vec<Clause>),
    /// A reference entry whose target is a resource of that type for which the clause holds
    /// (<https://hl7.org/fhir/R4/search.html#chaining>).
    Chain { ty: String, clause: Box<Clause> },
    /// A resource of that type refers to this one by that parameter, and the clause holds for it
    /// (<https://hl7.org/fhir/R4/search.html#has>).
    Has {
        ty: String,
        reference: String,
        clause: Box<Clause>,
    },
    /// The resource is of this type, in a search over all.
    Type(String),
    /// The resource is of this type, in a search over all, and the clause holds for it.
    Typed { ty: String, clause: Box<Clause> },
    /// A place not farther from `at` than the square root of `square`, by the straight line; all are
    /// on the sphere of radius 1. What is that near is also within `height`.
    Near {
        at: [f64; 3],
        square: f64,
        height: Numbers,
    },
    /// The resource is in the compartment of the patient of this id.
    Compartment(String),
}

/// What is asked of a terminology.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Concept {
    /// In the value set of that canonical address.
    In(String),
    /// This concept or a more special one.
    Below { system: String, code: String },
    /// This concept or a more general one.
    Above { system: String, code: String },
}

/// What is asked of a hierarchy of resources of one type
/// (<https://hl7.org/fhir/R4/search.html#recursive>): the resource of that id, and those above or below
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hierarchy {
    pub ty: String,
    pub id: String,
    /// The code of the search parameter by which a resource says what it is part of.
    pub by: &'static str,
    pub way: Way,
}

/// Which way a hierarchy is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// To what a resource is part of, and so on.
    Above,
    /// To what is part of a resource, and so on.
    Below,
}

impl Clause {
    /// One condition of one value.
    pub fn one(code: impl Into<String>, criterion: Criterion) -> Clause {
        Clause {
            code: code.into(),
            negated: false,
            criteria: vec![criterion],
        }
    }

    /// An identifier of that system, just so.
    pub fn identifier(system: &str, value: &str) -> Clause {
        let criterion = Criterion::Token {
            system: System::Is(system.to_string()),
            code: Some(value.to_string()),
        };
        Clause::one("identifier", criterion)
    }

    /// All of these clauses as one.
    pub fn all(clauses: Vec<Clause>) -> Clause {
        Clause::one("", Criterion::All(clauses))
    }
}

/// What a token query says of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum System {
    /// Any system, or none: `code`.
    Any,
    /// The entry must have no system: `|code`.
    None,
    /// This system: `system|code` or `system|`.
    Is(String),
}

/// A range of times: from `from` (inclusive) to before `before` (exclusive), each open if `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    pub from: Option<Millis>,
    pub before: Option<Millis>,
}

/// A range of numbers: the bounds, each open if `None`, and whether each belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Numbers {
    /// At least this; more than this if `above_from`.
    pub from: Option<f64>,
    pub above_from: bool,
    /// Less than this; at most this if `up_to_before`.
    pub before: Option<f64>,
    pub up_to_before: bool,
}
