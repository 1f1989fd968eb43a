//! What goes wrong, as GP Connect says it
//! (<https://developer.nhs.uk/apis/gpconnect-1-2-7/development_fhir_error_handling_guidance.html>): a status, FHIR's issue
//! type, and a code of the Spine. One table.

use serde_json::{Value, json};

const SPINE_CODES: &str = "https://fhir.nhs.uk/STU3/ValueSet/Spine-ErrorOrWarningCode-1";

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    BadRequest,
    /// The caller's or this system's ASID does not fit.
    AsidCheckFailed,
    AccessDenied,
    InvalidNhsNumber,
    InvalidIdentifierSystem,
    InvalidParameter,
    InvalidResource,
    ReferenceNotFound,
    PatientNotFound,
    NoRecordFound,
    /// A slot that is taken.
    Duplicate,
    /// The version at hand is not the one that the caller knows.
    ConstraintViolation,
    /// An appointment that is not so that this can be done with it.
    InvalidRequestState,
    UnsupportedMediaType,
    NotImplemented,
    /// Nothing can be told from it: it may be asked again.
    Busy,
    Internal,
}

impl Trouble {
    /// Status, issue type, the Spine's code and its words.
    fn row(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Trouble::BadRequest => (400, "invalid", "BAD_REQUEST", "Bad request"),
            Trouble::AsidCheckFailed => (
                403,
                "forbidden",
                "ASID_CHECK_FAILED",
                "The sender or receiver's ASID is not authorised for this interaction",
            ),
            Trouble::AccessDenied => (
                403,
                "forbidden",
                "ACCESS_DENIED",
                "Access has been denied to process this request",
            ),
            Trouble::InvalidNhsNumber => (400, "value", "INVALID_NHS_NUMBER", "Invalid NHS number"),
            Trouble::InvalidIdentifierSystem => (
                400,
                "value",
                "INVALID_IDENTIFIER_SYSTEM",
                "Invalid identifier system",
            ),
            Trouble::InvalidParameter => (422, "invalid", "INVALID_PARAMETER", "Invalid parameter"),
            Trouble::InvalidResource => (
                422,
                "invalid",
                "INVALID_RESOURCE",
                "Invalid validation of resource",
            ),
            Trouble::ReferenceNotFound => {
                (422, "invalid", "REFERENCE_NOT_FOUND", "Reference not found")
            }
            Trouble::PatientNotFound => {
                (404, "not-found", "PATIENT_NOT_FOUND", "Patient not found")
            }
            Trouble::NoRecordFound => (404, "not-found", "NO_RECORD_FOUND", "No record found"),
            Trouble::Duplicate => (
                409,
                "duplicate",
                "DUPLICATE_REJECTED",
                "Create would lead to creation of a duplicate resource",
            ),
            Trouble::ConstraintViolation => (
                409,
                "conflict",
                "FHIR_CONSTRAINT_VIOLATION",
                "FHIR constraint violated",
            ),
            Trouble::InvalidRequestState => (
                422,
                "invalid",
                "INVALID_REQUEST_STATE",
                "The request exists but is not in an appropriate state for the call to succeed",
            ),
            Trouble::UnsupportedMediaType => (
                415,
                "not-supported",
                "UNSUPPORTED_MEDIA_TYPE",
                "Unsupported media type",
            ),
            Trouble::NotImplemented => (501, "not-supported", "NOT_IMPLEMENTED", "Not implemented"),
            Trouble::Busy => (
                503,
                "transient",
                "INTERNAL_SERVER_ERROR",
                "Unexpected internal server error",
            ),
            Trouble::Internal => (
                500,
                "exception",
                "INTERNAL_SERVER_ERROR",
                "Unexpected internal server error",
            ),
        }
    }

    pub fn status(self) -> u16 {
        self.row().0
    }

    /// The Spine's code.
    pub fn code(self) -> &'static str {
        self.row().2
    }
}

/// A refusal: what kind, and a sentence that names the place and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub trouble: Trouble,
    pub diagnostics: String,
}

impl Refusal {
    pub fn new(trouble: Trouble, diagnostics: impl Into<String>) -> Refusal {
        Refusal {
            trouble,
            diagnostics: diagnostics.into(),
        }
    }

    /// The GPConnect-OperationOutcome-1 that says it.
    pub fn outcome(&self) -> Value {
        let (_, issue, code, display) = self.trouble.row();
        json!({
            "resourceType": "OperationOutcome",
            "meta": super::meta("GPConnect-OperationOutcome-1", None),
            "issue": [{
                "severity": "error",
                "code": issue,
                "details": { "coding": [{ "system": SPINE_CODES, "code": code, "display": display }] },
                "diagnostics": self.diagnostics,
            }],
        })
    }

    /// What another system's OperationOutcome says: the Spine's code, which may be empty, and its words.
    pub fn said(outcome: &Value) -> (String, String) {
        let issue = outcome.pointer("/issue/0").unwrap_or(&Value::Null);
        let code = super::text(issue, "/details/coding/0/code").to_string();
        let places = ["/diagnostics", "/details/text", "/details/coding/0/display"];
        let words = places.map(|place| super::text(issue, place));
        let words = words.into_iter().find(|it| !it.is_empty());
        (code, words.unwrap_or_default().to_string())
    }
}
