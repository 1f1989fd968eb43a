//! Conditional references to what the same Bundle makes. R4 resolves them once everything is made
//! (<https://hl7.org/fhir/R4/http.html#trules>), when the store would find it too.

use std::collections::HashMap;

use super::question::Question;
use super::request::Method;
use super::transaction::Entry;

/// What a Bundle makes, by type and identifier. Questions of other parameters are the store's alone.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// By type and the identifier's value.
    known: HashMap<(String, String), Vec<Identified>>,
}

/// The identifier's system and the id of what it identifies.
type Identified = (Option<String>, String);

impl Made {
    pub(super) fn of(entries: &[Entry<'_>]) -> Made {
        let mut made = Made::default();
        for entry in entries {
            let (Method::Post | Method::Put, Some(resource)) = (entry.method, &entry.resource)
            else {
                continue;
            };
            for identifier in resource.items("identifier") {
                let system = identifier.text("system").map(str::to_string);
                let value = identifier.text("value").unwrap_or_default().to_string();
                let key = (entry.ty.clone(), value);
                made.known
                    .entry(key)
                    .or_default()
                    .push((system, entry.id.clone()));
            }
        }
        made
    }

    /// The id of the one resource that a question finds.
    pub(super) fn find(&self, question: &Question) -> Option<String> {
        let value = question.only("identifier")?;
        if value.contains([',', '\\']) {
            return None;
        }
        let (system, value) = match value.split_once('|') {
            None => (None, value.as_str()),
            Some((system, value)) => (Some(system), value),
        };
        let known = self.known.get(&(question.ty.clone(), value.to_string()))?;
        let fits = |found: &Option<String>| match system {
            None => true,
            Some(wanted) => found.as_deref().unwrap_or_default() == wanted,
        };
        let mut found = known.iter().filter(|(system, _)| fits(system));
        let (_, id) = found.next()?;
        found.all(|(_, other)| other == id).then(|| id.clone())
    }
}
