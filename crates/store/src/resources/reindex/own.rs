//! The node's own search parameters: the registry that readers and the writer share.

use std::sync::Arc;

use fhir::search::Registry;
use parking_lot::RwLock;

/// The parameters that resources are indexed by, as this process knows them. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    registry: Arc<RwLock<Arc<Registry>>>,
}

impl Shared {
    pub(crate) fn now(&self) -> Arc<Registry> {
        self.registry.read().clone()
    }

    pub(crate) fn replace(&self, registry: Registry) {
        *self.registry.write() = Arc::new(registry);
    }
}
