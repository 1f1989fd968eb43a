//! What can be done for a resource before the writer sees it: on any thread, in parallel.

use access::Ods;
use fhir::json::Json;
use fhir::problem::Problem;
use fhir::resource::{self, Body};
use fhir::search::{self, Entry, Registry, Value};
use sha2::{Digest, Sha256};

use super::labels::Labels;
use super::{body, facts};
use crate::care::Relation;
use crate::diary::SlotSaid;
use crate::sharing::Sharing;
use crate::subscriptions::Watch;
use crate::terminology::Ready;
use crate::words;

/// What is known of a body before it is compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyFacts {
    /// Where the version goes.
    pub(crate) splice: u32,
    /// SHA-256, for the line in the audit log.
    pub(crate) digest: [u8; 32],
}

/// A resource ready for the writer: its body compressed, its index rows and compartments known.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) ty: String,
    pub(crate) id: String,
    pub(crate) organisation: Ods,
    pub(crate) body: Vec<u8>,
    pub(crate) facts: Box<BodyFacts>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) patients: Vec<String>,
    pub(crate) labels: Box<Labels>,
    /// What it says of who cares for the patient.
    pub(crate) relation: Option<Box<Relation>>,
    /// What it says of sharing, or of the practice that keeps what is said.
    pub(crate) sharing: Option<Box<Sharing>>,
    /// What a Slot says of when somebody can be seen.
    pub(crate) slot: Option<Box<SlotSaid>>,
    /// Whom a Task asks to answer a questionnaire.
    pub(crate) asks: Option<Box<fhir::questionnaire::Ask>>,
    /// What a CodeSystem, ValueSet or ConceptMap says.
    pub(crate) terms: Option<Ready>,
    /// Of a Subscription, or of a Basic that is a SubscriptionTopic.
    pub(crate) watch: Option<Box<Watch>>,
}

impl Prepared {
    /// Prepares a resource, already validated, for storing under `id` as what `organisation` holds.
    /// Pure work, about 20 µs for a small resource; do it off the threads that serve.
    ///
    /// # Errors
    /// `Structure`, `Required` or `Value` if it has no type or the id is not one that FHIR allows.
    pub fn new(resource: &Json<'_>, id: &str, organisation: &Ods) -> Result<Prepared, Problem> {
        let (ty, _) = resource::type_and_id(resource)?;
        resource::check_id(id)?;
        let labels = Labels::of(ty, resource);
        labels.check()?;
        let stored = Body::new(resource, id);
        Ok(Prepared {
            ty: ty.to_string(),
            id: id.to_string(),
            organisation: organisation.clone(),
            body: body::compress(&stored.bytes)?,
            facts: Box::new(BodyFacts {
                splice: stored.splice,
                digest: Sha256::digest(&stored.bytes).into(),
            }),
            entries: search::extract(ty, resource),
            patients: facts::patients(ty, id, resource),
            labels: Box::new(labels),
            relation: Relation::of(ty, id, resource, organisation)?.map(Box::new),
            sharing: Sharing::of(ty, resource)?.map(Box::new),
            slot: SlotSaid::of(ty, resource).map(Box::new),
            asks: crate::forms::asked_by(ty, resource).map(Box::new),
            watch: Watch::of(ty, resource)?.map(Box::new),
            terms: Ready::of(ty, resource)?,
        })
    }

    /// Adds the entries by the node's own search parameters.
    ///
    /// # Errors
    /// If its body does not read, which it did.
    pub(crate) fn index_by(&mut self, registry: &Registry) -> Result<(), Problem> {
        if registry.has_own(&self.ty) {
            let bytes = body::decompress(&self.body)?;
            let resource = body::parse(&bytes)?;
            self.entries.retain(|entry| !entry.code.contains('@'));
            self.entries
                .extend(registry.extract_own(&self.ty, &resource));
        }
        Ok(())
    }

    pub fn ty(&self) -> &str {
        &self.ty
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// The words that its rows hold as numbers.
    pub(crate) fn each_word(&self, each: impl FnMut(&str)) {
        each_word(&self.ty, &self.entries, each);
    }
}

/// The words that the rows of a resource of that type with those entries hold as numbers.
pub(crate) fn each_word(ty: &str, entries: &[Entry], mut each: impl FnMut(&str)) {
    each(ty);
    let mut buffer = String::new();
    for entry in entries {
        each(words::parameter(&mut buffer, ty, entry.code));
        each_system(&entry.value, &mut each);
    }
}

fn each_system(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::Token { system, .. } | Value::Quantity { system, .. } => {
            if let Some(system) = system {
                each(system);
            }
        }
        Value::Composite(parts) => parts.iter().for_each(|part| each_system(part, each)),
        _ => {}
    }
}
