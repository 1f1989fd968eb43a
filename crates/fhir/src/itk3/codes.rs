//! The codes of responses
//! (<https://developer.nhs.uk/apis/itk3messagedistribution/explore_response_codes.html>).

/// Taken in at the level of infrastructure.
pub const RECEIVED: &str = "20013";
/// Taken in at the level of business: the patient is known there.
pub const ACCEPTED: &str = "30001";
pub const NOT_KNOWN: &str = "30002";
pub const NO_LONGER: &str = "30003";
pub const UNREADABLE: &str = "10009";
pub const HANDLING: &str = "10001";
pub const INFRASTRUCTURE_FLAG: &str = "10002";
pub const BUSINESS_FLAG: &str = "10003";
pub const DEFINITION: &str = "10004";
pub const REFERENCE: &str = "10007";
pub const RECIPIENT_TYPE: &str = "10010";
pub const FILE_TYPE: &str = "20005";
pub const HEADER: &str = "20006";
pub const DUPLICATE: &str = "20007";
pub const PAYLOAD: &str = "20009";

/// What a code means, in its official words, and the type of issue that goes with it.
const CODES: [(&str, &str, &str); 26] = [
    ("10001", "Handling Specification Error", "processing"),
    (
        "10002",
        "Infrastructure Level Response Value - Processing Error",
        "processing",
    ),
    (
        "10003",
        "Business Level Response Value - Processing Error",
        "processing",
    ),
    (
        "10004",
        "Message Definition Value - Processing Error",
        "processing",
    ),
    (
        "10005",
        "Message Definition Version Value - Processing Error",
        "processing",
    ),
    ("10006", "Priority Value - Processing Error", "processing"),
    (
        "10007",
        "Sender Reference Value - Processing Error",
        "processing",
    ),
    (
        "10008",
        "Handling Specification Business Rule Error",
        "processing",
    ),
    ("10009", "Unreadable message received", "processing"),
    ("10010", "Recipient Type - Processing Error", "processing"),
    ("20001", "Unrecognised Recipient Person", "not-found"),
    ("20002", "Unrecognised Recipient Organisation", "not-found"),
    ("20003", "Unrecognised Sender", "not-found"),
    (
        "20004",
        "Non-Approved file type received as an attachment",
        "security",
    ),
    (
        "20005",
        "Unsupported file type received as an attachment",
        "security",
    ),
    ("20006", "ITK header validation failure", "invalid"),
    ("20007", "Duplicate Message received", "duplicate"),
    ("20008", "Duplicate Document received", "duplicate"),
    ("20009", "Payload validation failure", "invalid"),
    (
        "20010",
        "Unrecognised Payload Recipient Organisation",
        "not-found",
    ),
    (
        "20011",
        "Unrecognised Payload Recipient Person",
        "not-found",
    ),
    ("20012", "Unauthorised Sender", "security"),
    ("20013", "Success", "informational"),
    (
        "30001",
        "Patient known here. (e.g. Patient is registered here)",
        "informational",
    ),
    (
        "30002",
        "Patient not known here. (aka 'patient record not present in system')",
        "not-found",
    ),
    (
        "30003",
        "Patient no longer at this clinical setting",
        "business-rule",
    ),
];

/// What a code means, in its official words; `None` for one that is not in the list.
pub fn meaning(code: &str) -> Option<&'static str> {
    let found = CODES.iter().find(|(known, ..)| *known == code);
    found.map(|(_, meaning, _)| *meaning)
}

pub(super) fn issue(code: &str) -> &'static str {
    let found = CODES.iter().find(|(known, ..)| *known == code);
    found.map_or("processing", |(.., issue)| *issue)
}

/// Whether a code says that all is well.
pub fn is_positive(code: &str) -> bool {
    matches!(code, RECEIVED | ACCEPTED)
}

/// Whether it tells of what people, not machines, found.
pub fn is_business(code: &str) -> bool {
    code.len() == 5 && code.starts_with('3')
}

/// Whether it has the form of one: one that is not known is told as it came.
pub fn is_code(code: &str) -> bool {
    code.len() == 5 && code.bytes().all(|it| it.is_ascii_digit())
}
