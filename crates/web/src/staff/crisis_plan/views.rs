//! What the templates of crisis plans show.

use serde::Serialize;

use crate::page::parts::{Done, Fault, Person};
use crate::page::words::Moment;

/// `staff/crisis-plan.jinja`
#[derive(Serialize)]
pub struct Plans {
    pub done: Option<Done>,
    pub patient: Person,
    pub record: String,
    /// Care plans that are withheld from the reader, and sealed ones that no emergency opens.
    pub withheld: u64,
    pub sealed: u64,
    pub emergency: String,
    pub unseal: String,
    /// Where a plan is written, for who may.
    pub write: Option<String>,
    pub plans: Vec<Plan>,
}

/// A plan.
#[derive(Serialize)]
pub struct Plan {
    pub team: String,
    pub author: String,
    pub at: Moment,
    pub ended: bool,
    /// Heading and text.
    pub sections: Vec<(&'static str, String)>,
    pub change: Option<String>,
}

/// `staff/crisis-plan-write.jinja`
#[derive(Serialize)]
pub struct Form {
    pub errors: Vec<Fault>,
    pub patient: Person,
    pub back: String,
    pub action: String,
    /// The plan that it changes, and the version that was seen.
    pub plan: String,
    pub version: String,
    /// The name of one that it begins.
    pub attempt: String,
    /// Teams, and which is chosen.
    pub teams: Vec<(String, bool)>,
    pub fields: Vec<Field>,
}

/// A field.
#[derive(Serialize)]
pub struct Field {
    pub field: &'static str,
    pub heading: &'static str,
    pub hint: &'static str,
    pub value: String,
    pub error: Option<&'static str>,
}
