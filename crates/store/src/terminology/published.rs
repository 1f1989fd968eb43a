//! The code systems that R4 itself defines. They are compiled in, and become rows when somebody first
//! asks for one that nobody has loaded: most nodes need few of the thousand. A release or a resource
//! of the same address takes their place.

use std::sync::Arc;

use access::{Scope, SystemPurpose};
use fhir::date::Millis;
use fhir::json::{Limits, parse};
use fhir::problem::Problem;
use fhir::terminology::compose::ValueSet;
use fhir::terminology::published;

use super::resource::{Head, SystemReady, add_system};
use super::write::{TerminologyDone, TerminologyWrite, changed};
use crate::database::Tx;
use crate::sql::Sql;
use crate::store::Store;

/// What the rows' `kind` says.
pub(super) const KIND: &str = "r4";

impl Store {
    /// Makes rows of the code system of that address, if R4 defines it in that version.
    pub(super) async fn publish(&self, url: &str, version: Option<&str>) -> Result<bool, Problem> {
        let Some(text) = published::code_system(url) else {
            return Ok(false);
        };
        let json = parse(text.as_bytes(), &Limits::default())?;
        if version.is_some_and(|version| json.text("version") != Some(version)) {
            return Ok(false);
        }
        let ready = Arc::new(SystemReady::of(&json)?);
        let scope = Scope::system(SystemPurpose::Import);
        let step = self.terminology_step(&scope, TerminologyWrite::Publish(ready));
        Box::pin(step).await?;
        Ok(true)
    }
}

/// The value set of that address as R4 defines it.
pub(super) fn value_set(url: &str, version: Option<&str>) -> Result<Option<ValueSet>, Problem> {
    let Some(text) = published::value_set(url) else {
        return Ok(None);
    };
    let set = ValueSet::read(&parse(text.as_bytes(), &Limits::default())?)?;
    let is_it = version.is_none_or(|version| version == set.version);
    Ok(is_it.then_some(set))
}

/// Writes the rows, unless another request did meanwhile.
pub(super) async fn publish(
    tx: &mut Tx<'_>,
    now: Millis,
    ready: &SystemReady,
) -> Result<TerminologyDone, Problem> {
    const THERE: &str =
        "SELECT id FROM ts_system WHERE kind = $1 AND url = $2 AND version = $3 AND state = 'live'";
    let there = Sql::new(THERE).with(KIND).with(ready.url());
    if tx.row(&there.with(ready.version())).await?.is_none() {
        let head = Head {
            kind: KIND,
            organisation: None,
            id: None,
        };
        add_system(tx, now, ready, head).await?;
        changed(tx).await?;
    }
    Ok(TerminologyDone::Written)
}
