//! Rows about each received HL7 v2 message.

use fhir::date::Millis;
use fhir::problem::Problem;

use crate::database::Tx;

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum Hl7Write {}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Hl7Done {}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    _tx: &mut Tx<'_>,
    _now: Millis,
    write: &Hl7Write,
) -> Result<Hl7Done, Problem> {
    match *write {}
}
