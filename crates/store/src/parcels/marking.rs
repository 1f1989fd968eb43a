//! What a taken-in letter's own resources become when it is taken back or returned.

use access::{Ods, Scope};
use fhir::json::{self, Json, Limits};
use fhir::problem::Problem;

use super::Made;
use crate::resources::{Prepared, Reading, Release};
use crate::store::Store;
use crate::write::{Change, Expect};

const DOCUMENT: &str = "DocumentReference";

impl Made {
    /// Changes that release the letter and its contents to the patient, or hold them.
    pub fn releases(&self, release: Release) -> Vec<Change> {
        let document = self.document.iter().map(|id| (DOCUMENT, id));
        let binaries = self.binaries.iter().map(|id| ("Binary", id));
        let change = |(ty, id): (&str, &String)| Change::Release {
            ty: ty.to_string(),
            id: id.clone(),
            release,
        };
        document.chain(binaries).map(change).collect()
    }
}

impl Store {
    /// Changes that give a letter's DocumentReference another status and hold or release it with its
    /// contents. Where the document is gone, its contents are held all the same.
    ///
    /// # Errors
    /// Those of reading it, and of a stored document that cannot be read as JSON.
    pub async fn mark_letter(
        &self,
        scope: &Scope,
        organisation: &Ods,
        made: &Made,
        status: &str,
        release: Release,
    ) -> Result<Vec<Change>, Problem> {
        let mut changes = made.releases(release);
        let Some(document) = &made.document else {
            return Ok(changes);
        };
        let Reading::Found(found) = self.read(scope, DOCUMENT, document).await? else {
            return Ok(changes);
        };
        let Some(text) = with_status(&found.body, status)? else {
            return Ok(changes);
        };
        let json = json::parse(&text, &Limits::default())?;
        let put = Change::Put {
            resource: Prepared::new(&json, document, organisation)?,
            expect: Expect::Version(found.version),
            release,
        };
        // A resource is changed once in a job.
        changes.retain(|change| change.names().0 != DOCUMENT);
        changes.push(put);
        Ok(changes)
    }
}

/// A DocumentReference's text with another status; `None` if it has it already.
fn with_status(body: &[u8], status: &str) -> Result<Option<Vec<u8>>, Problem> {
    let mut json = json::parse(body, &Limits::default())?;
    if json.text("status") == Some(status) {
        return Ok(None);
    }
    if let Json::Object(members) = &mut json {
        for (name, value) in members.iter_mut() {
            if name == "status" {
                *value = Json::String(status.to_string().into());
            }
        }
    }
    Ok(Some(json.to_bytes()))
}
