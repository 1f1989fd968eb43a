//! The one error type that crosses crates. Its kinds are the issue types of FHIR R4
//! (<https://hl7.org/fhir/R4/valueset-issue-type.html>), so that each edge can render it in its own
//! way: an OperationOutcome, an HTML page, an HL7 v2 acknowledgement.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

/// The FHIR issue types that the node uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Invalid,
    Structure,
    Required,
    Value,
    Invariant,
    Security,
    Login,
    Forbidden,
    Suppressed,
    Processing,
    NotSupported,
    Duplicate,
    MultipleMatches,
    NotFound,
    Deleted,
    TooLong,
    CodeInvalid,
    TooCostly,
    BusinessRule,
    Conflict,
    Transient,
    LockError,
    NoStore,
    Exception,
    Timeout,
    Incomplete,
    Throttled,
}

impl Kind {
    /// The code as the specification spells it.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Structure => "structure",
            Kind::Required => "required",
            Kind::Value => "value",
            Kind::Invariant => "invariant",
            Kind::Security => "security",
            Kind::Login => "login",
            Kind::Forbidden => "forbidden",
            Kind::Suppressed => "suppressed",
            Kind::Processing => "processing",
            Kind::NotSupported => "not-supported",
            Kind::Duplicate => "duplicate",
            Kind::MultipleMatches => "multiple-matches",
            Kind::NotFound => "not-found",
            Kind::Deleted => "deleted",
            Kind::TooLong => "too-long",
            Kind::CodeInvalid => "code-invalid",
            Kind::TooCostly => "too-costly",
            Kind::BusinessRule => "business-rule",
            Kind::Conflict => "conflict",
            Kind::Transient => "transient",
            Kind::LockError => "lock-error",
            Kind::NoStore => "no-store",
            Kind::Exception => "exception",
            Kind::Timeout => "timeout",
            Kind::Incomplete => "incomplete",
            Kind::Throttled => "throttled",
        }
    }
}

/// Something that went wrong, told so that the caller can put it right.
#[derive(Clone)]
pub struct Problem {
    pub kind: Kind,
    /// One plain sentence that the caller may read. Never a name, number, token or body.
    pub message: String,
    /// FHIRPath of the fault, such as `Patient.name[0].given`.
    pub expression: Option<String>,
    /// Where in the text the fault is, such as `line 3, column 9`.
    pub location: Option<String>,
    /// Further faults found in the same go.
    pub more: Vec<Problem>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Problem {
    /// Whether somebody else changed the same thing first, so that it may be looked at anew.
    pub fn came_between(&self) -> bool {
        matches!(
            self.kind,
            Kind::Conflict | Kind::Duplicate | Kind::LockError
        )
    }

    pub fn new(kind: Kind, message: impl Into<String>) -> Problem {
        Problem {
            kind,
            message: message.into(),
            expression: None,
            location: None,
            more: Vec::new(),
            cause: None,
        }
    }

    /// Names the FHIRPath of the fault.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Problem {
        self.expression = Some(expression.into());
        self
    }

    /// Names the place in the text.
    #[must_use]
    pub fn located(mut self, location: impl Into<String>) -> Problem {
        self.location = Some(location.into());
        self
    }

    /// Keeps the internal cause: logged once at the edge, never shown.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Problem {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// The internal cause, for the log.
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync)> {
        self.cause.as_deref()
    }

    /// The issue type's code.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Many faults as one problem: the first leads, the rest follow in `more`. `None` of an empty
    /// list.
    pub fn all(problems: Vec<Problem>) -> Option<Problem> {
        let mut problems = problems.into_iter();
        let mut first = problems.next()?;
        first.more.extend(problems);
        Some(first)
    }

    /// The FHIR OperationOutcome (<https://hl7.org/fhir/R4/operationoutcome.html>): an issue a
    /// fault, the first one first.
    pub fn operation_outcome(&self) -> Value {
        let issues: Vec<Value> = std::iter::once(self)
            .chain(self.more.iter())
            .map(Problem::issue)
            .collect();
        json!({ "resourceType": "OperationOutcome", "issue": issues })
    }

    fn issue(&self) -> Value {
        let severity = match self.kind {
            Kind::Exception | Kind::NoStore => "fatal",
            _ => "error",
        };
        let mut issue = Map::new();
        issue.insert("severity".into(), severity.into());
        issue.insert("code".into(), self.code().into());
        issue.insert("diagnostics".into(), self.told().into());
        if let Some(expression) = &self.expression {
            issue.insert("expression".into(), json!([expression]));
        }
        Value::Object(issue)
    }

    /// The sentence with the place in the text, where there is one.
    fn told(&self) -> String {
        match &self.location {
            Some(location) => format!("{} ({location})", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told())?;
        match &self.expression {
            Some(expression) => write!(f, " at {expression}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.code())?;
        for further in &self.more {
            write!(f, "; {further:?}")?;
        }
        match &self.cause {
            Some(cause) => write!(f, " (because {cause})"),
            None => Ok(()),
        }
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn Error + 'static))
    }
}

impl PartialEq for Problem {
    /// Two problems are equal when a caller could not tell them apart; the cause is not compared.
    fn eq(&self, other: &Problem) -> bool {
        self.kind == other.kind
            && self.message == other.message
            && self.expression == other.expression
            && self.location == other.location
            && self.more == other.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_names_every_fault_and_hides_the_cause() {
        let problem = Problem::all(vec![
            Problem::new(Kind::Structure, "Unknown element.").at("Patient.nam"),
            Problem::new(Kind::Value, "Not a date.")
                .at("Patient.birthDate")
                .because("secret"),
        ])
        .unwrap();
        let outcome = problem.operation_outcome();
        assert_eq!(outcome["issue"][0]["code"], "structure");
        assert_eq!(outcome["issue"][1]["expression"][0], "Patient.birthDate");
        assert!(!outcome.to_string().contains("secret"));
        assert!(format!("{:?}", problem.more[0]).contains("secret"));
    }

    #[test]
    fn the_place_in_the_text_is_told_in_the_sentence() {
        let problem =
            Problem::new(Kind::Invalid, "A comma is missing.").located("line 3, column 9");
        assert_eq!(
            problem.to_string(),
            "A comma is missing. (line 3, column 9)"
        );
    }
}
