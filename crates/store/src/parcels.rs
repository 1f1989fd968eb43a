//! Rows about each parcel.

use fhir::date::Millis;
use fhir::problem::Problem;

use crate::database::Tx;

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum ParcelWrite {}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum ParcelDone {}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    _tx: &mut Tx<'_>,
    _now: Millis,
    write: &ParcelWrite,
) -> Result<ParcelDone, Problem> {
    match *write {}
}
