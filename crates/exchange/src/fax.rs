//! The door to and from a fax server (HylaFAX), for the last neighbours who have only a machine.
//!
//! In: a file is kept as it came until a person says whose it is; then its pages stand in the record as a
//! PDF (`record`). Out: a letter for an organisation without a node is handed to the fax server if two
//! people have put its number onto the list.
//!
//! Invariant: what a fax says about who sent it is shown and never believed. Invariant: that a fax is about to
//! be handed over is durable before it is; what was cut off there goes before a person.

pub mod number;
mod paper;
pub mod pdf;
pub mod raster;
pub mod record;
mod send;
mod take;
#[cfg(test)]
mod tests;
pub mod tiff;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use access::{Ods, Scope, SystemPurpose};
use parking_lot::RwLock;
use store::Store;

use crate::backoff::Backoff;

pub use paper::carries;
pub use take::{Said, new_fax};

/// How long the worker sleeps between two rounds.
const SLEEP: Duration = Duration::from_secs(1);

/// To whom letters may go by fax, as it was a moment ago; the store looks again when one is handed over.
#[derive(Debug, Default)]
pub struct Allowed(RwLock<BTreeSet<Ods>>);

impl Allowed {
    pub fn has(&self, ods: &Ods) -> bool {
        self.0.read().contains(ods)
    }

    fn set(&self, allowed: BTreeSet<Ods>) {
        *self.0.write() = allowed;
    }
}

/// How faxes are sent and kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The fax server's program; without it nothing goes out.
    pub sendfax: Option<PathBuf>,
    /// Where pages lie while it takes them.
    pub spool: PathBuf,
    /// The organisation's name, and whom to ring, for cover sheets.
    pub name: String,
    pub contact: String,
    /// So often the fax server may fail to take a fax before a person looks.
    pub tries_max: u32,
    /// After so many hours without a word a fax goes onto the work list.
    pub unheard_hours: u32,
    /// For how long the files of faxes are kept that were matched or set aside.
    pub keep_days: u32,
}

/// The worker of one node.
pub struct Faxes {
    store: Store,
    settings: Settings,
    allowed: Arc<Allowed>,
    scope: Scope,
    backoff: Backoff,
    /// This process among those that serve the node.
    holder: String,
}

impl Faxes {
    pub fn new(store: Store, settings: Settings, allowed: Arc<Allowed>) -> Faxes {
        Faxes {
            store,
            settings,
            allowed,
            scope: Scope::system(SystemPurpose::KeepFaxes),
            backoff: Backoff::default(),
            holder: uuid::Uuid::new_v4().to_string(),
        }
    }
}
