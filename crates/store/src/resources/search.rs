//! Search.

use access::Scope;
use fhir::problem::Problem;
use fhir::search::Search;

use super::Page;
use crate::store::Store;

impl Store {
    /// A page of what matches and is within the scope (<https://hl7.org/fhir/R4/search.html>).
    pub async fn search(&self, _scope: &Scope, _search: &Search) -> Result<Page, Problem> {
        Ok(Page::default())
    }
}
