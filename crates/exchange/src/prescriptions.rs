//! Repeat prescriptions (`docs/prescriptions.md`): what a patient asks for is a Task at their practice; what
//! a prescriber approves is signed and goes through the Electronic Prescription Service (EPS); a pharmacy
//! fetches it there, and tells the practice in parcels of kind `prescription-status` what became of it.
//!
//! Invariant: a parcel is not a prescription: what the pharmacy dispenses came to it from EPS. Invariant:
//! nothing is sent to EPS but by a named prescriber's act, and what was sent once is sent again only byte
//! for byte. Invariant: a status moves a request on only if it is newer than what is known.

pub mod approve;
pub mod cancel;
mod carry;
pub mod eps;
pub mod message;
pub mod number;
pub mod order;
pub mod pharmacy;
pub mod status;
pub mod task;
mod there;

pub(crate) use carry::run;
pub use there::ALARM as ORDERS_ALARM;
pub(crate) use there::run as run_there;

use access::Ods;
use fhir::json::{self, Limits};
use fhir::problem::Problem;
use serde_json::Value;
use store::{Change, Expect, Prepared, Release};

/// The change that writes a resource whose JSON names its id.
pub(crate) fn put(
    resource: &Value,
    organisation: &Ods,
    (expect, release): (Expect, Release),
) -> Result<Change, Problem> {
    let text = resource.to_string();
    let json = json::parse(text.as_bytes(), &Limits::default())?;
    let id = resource
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok(Change::Put {
        resource: Prepared::new(&json, id, organisation)?,
        expect,
        release,
    })
}

/// The same for a page that writes a resource whole.
///
/// # Errors
/// `Structure`, `Value` for what is no resource.
pub fn written(
    resource: &Value,
    organisation: &Ods,
    how: (Expect, Release),
) -> Result<Change, Problem> {
    put(resource, organisation, how)
}
