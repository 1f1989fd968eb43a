//! One line of the audit log: who did what to which record, when and why.

use std::borrow::Cow;
use std::sync::Arc;

use fhir::date::Millis;

use crate::standing::Familiar;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Success,
    /// There was nothing (or nothing left) to read.
    Absent,
    /// It exists, but is beyond the caller's scope: the caller was told that it is absent.
    Withheld,
    /// Refused by role or purpose.
    Refused,
}

impl Outcome {
    pub fn code(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Absent => "absent",
            Outcome::Withheld => "withheld",
            Outcome::Refused => "refused",
        }
    }

    /// The outcome of that code; `Refused` for any other text, since a log is read, not judged.
    pub fn from_code(code: &str) -> Outcome {
        match code {
            "success" => Outcome::Success,
            "absent" => Outcome::Absent,
            "withheld" => Outcome::Withheld,
            _ => Outcome::Refused,
        }
    }
}

/// What sort of agent acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentKind {
    Patient,
    Staff,
    Peer,
    Node,
}

impl AgentKind {
    pub fn code(self) -> &'static str {
        match self {
            AgentKind::Patient => "patient",
            AgentKind::Staff => "staff",
            AgentKind::Peer => "peer",
            AgentKind::Node => "node",
        }
    }

    /// The kind of that code; `Node` for any other text.
    pub fn from_code(code: &str) -> AgentKind {
        match code {
            "patient" => AgentKind::Patient,
            "staff" => AgentKind::Staff,
            "peer" => AgentKind::Peer,
            _ => AgentKind::Node,
        }
    }
}

/// Who acted, as the log keeps it: the name, role and organisation of that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub kind: AgentKind,
    pub account: Option<i64>,
    pub name: String,
    pub role: Option<Cow<'static, str>>,
    pub organisation: Option<String>,
    /// A patient's own Patient id.
    pub patient: Option<String>,
}

impl Agent {
    /// The node itself.
    pub fn node() -> Agent {
        Agent {
            kind: AgentKind::Node,
            account: None,
            name: String::new(),
            role: None,
            organisation: None,
            patient: None,
        }
    }
}

/// What an access was aimed at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The resource type; empty where it is about no type.
    pub ty: Cow<'static, str>,
    pub id: Option<String>,
    pub version: Option<u64>,
    /// Whose record it was: a Patient id. An access to several patients' data is a line for each.
    pub patient: Option<String>,
    /// A search's query, as asked.
    pub query: Option<Arc<str>>,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The line's number in the log's one order; 0 until the store has given it one.
    pub seq: i64,
    /// When; 0 until the store has written it.
    pub at: Millis,
    /// The id of the request that it belongs to.
    pub request_id: Arc<str>,
    /// What was done: the code of an `Interaction`.
    pub interaction: Cow<'static, str>,
    /// What the caller set out to do, where that is more than the interaction (a page, say).
    pub within: Cow<'static, str>,
    pub outcome: Outcome,
    pub agent: Arc<Agent>,
    /// Why: the code of a `Purpose` or a `SystemPurpose`.
    pub purpose: Cow<'static, str>,
    pub target: Target,
    /// SHA-256 of the body that a change stored.
    pub digest: Option<[u8; 32]>,
    /// Whose record it is to the reader, if they know the patient otherwise; no part of what is kept.
    pub familiar: Option<Familiar>,
}
