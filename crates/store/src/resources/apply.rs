//! Changes of resources, inside the writer.

use access::{AuditEntry, Scope};
use fhir::problem::Problem;

use crate::database::Tx;
use crate::write::{Change, Written};
use crate::writer::Core;

pub(crate) async fn apply(
    _core: &mut Core,
    _tx: &mut Tx<'_>,
    _scope: &Scope,
    _changes: &[Change],
) -> Result<(Vec<Written>, Vec<AuditEntry>), Problem> {
    Ok((Vec::new(), Vec::new()))
}
