//! Messages to mailboxes that no member has: out by the national service, in the node's own name.

use access::{Scope, SystemPurpose};
use fhir::problem::Problem;

use crate::exchange::Exchange;

impl Exchange {
    pub(super) async fn carry_out(&self) -> Result<usize, Problem> {
        let _scope = Scope::system(SystemPurpose::CarryMail);
        Ok(0)
    }
}
