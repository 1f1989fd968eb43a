//! The FHIR door (<https://hl7.org/fhir/R4/http.html>): R4 over HTTP in JSON, one file an
//! interaction. The door translates; what may be seen is `access`'s to say, and the store's to keep
//! to.
//!
//! Each request comes in through `ask::announce`, which finds out who asks and in what form the
//! answer is wanted, and which renders what is refused as an OperationOutcome.

mod announcing;
pub(crate) mod answer;
pub mod ask;
mod batch;
mod capabilities;
mod condition;
mod convert;
mod create;
mod delete;
mod edge;
mod fetch;
mod format;
mod history;
mod incoming;
mod log;
mod openapi;
pub mod operations;
mod packing;
mod patch;
mod plan;
pub(crate) mod prefer;
mod pretty;
mod query;
mod read;
pub mod route;
mod search;
pub mod subscriptions;
pub mod terminology;
#[cfg(test)]
pub(crate) mod tests;
mod transaction;
mod update;
mod upload;
pub mod validate;
mod vread;
mod wanted;
mod work;

use std::sync::OnceLock;

use axum::body::Bytes;
use fhir::definitions::Definitions;
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use tokio::sync::Semaphore;

pub use announcing::Announce;
pub use capabilities::metadata;
pub use convert::convert;
pub use create::create;
pub use delete::{ConditionalDelete, delete, delete_matching};
pub use history::{history, history_of_all, history_of_type};
pub use log::log;
pub use openapi::openapi;
pub use patch::{patch, patch_matching};
pub use read::read;
pub use search::{
    search, search_all, search_all_by_post, search_by_post, search_compartment,
    search_compartment_by_post, search_whole_compartment_by_post,
};
pub use transaction::transaction;
pub use update::{update, update_matching};
pub use vread::vread;

/// The largest resource taken, in bytes: R4's own largest example has 35 MB.
pub const RESOURCE_BYTES_MAX: usize = 48 << 20;
/// The largest Bundle taken, in bytes, unless a setting says otherwise.
pub const BUNDLE_BYTES_MAX: usize = 64 << 20;
/// The most JSON values in a body.
const VALUES_MAX: u32 = 8_000_000;

/// What the door takes in and gives out at most; settings of the node.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest resource, in bytes, unpacked.
    pub resource_bytes_max: usize,
    /// The largest Bundle, in bytes, unpacked.
    pub bundle_bytes_max: usize,
    /// Arrays and objects, or elements, inside each other.
    pub depth_max: u16,
    /// Entries in one Bundle; never more than 20,000.
    pub entries_max: usize,
    /// Steps of a chain or of `_has` inside each other; never more than 8.
    pub chain_max: usize,
    /// Resources in one page of a search; never more than 1000.
    pub page_resources_max: u32,
    /// Resources that one conditional delete deletes; they are deleted in one commit.
    pub deleted_max: usize,
    /// Observations that `$lastn` looks through.
    pub last_n_observations_max: usize,
    /// Resources in a document.
    pub document_resources_max: usize,
    /// The largest body that `$validate` takes, in bytes: it is gone through up to five times.
    pub validate_bytes_max: usize,
}

impl Default for Bounds {
    /// R4's own largest example has 35 MB, and its deepest is 20 deep.
    fn default() -> Bounds {
        Bounds {
            resource_bytes_max: RESOURCE_BYTES_MAX,
            bundle_bytes_max: BUNDLE_BYTES_MAX,
            depth_max: 64,
            entries_max: 20_000,
            chain_max: 4,
            page_resources_max: 1000,
            deleted_max: 1000,
            last_n_observations_max: 50_000,
            document_resources_max: 1000,
            validate_bytes_max: 4 << 20,
        }
    }
}

impl Bounds {
    /// For reading a resource.
    pub fn of_resource(&self) -> fhir::json::Limits {
        fhir::json::Limits {
            depth: self.depth_max,
            bytes: self.resource_bytes_max,
            nodes: VALUES_MAX,
        }
    }

    /// For reading a search.
    pub(crate) fn of_search(&self) -> fhir::search::Limits {
        fhir::search::Limits {
            chain_max: self.chain_max,
            count_max: self.page_resources_max,
            ..fhir::search::Limits::default()
        }
    }

    /// For reading a Bundle.
    pub(crate) fn of_bundle(&self) -> fhir::json::Limits {
        fhir::json::Limits {
            bytes: self.bundle_bytes_max,
            ..self.of_resource()
        }
    }
}

/// Bodies read and prepared at a time: each takes a core.
const WORK_AT_ONCE: usize = 4;

/// What the door keeps between requests.
pub struct Door {
    /// The CapabilityStatement, made at the first call.
    capabilities: OnceLock<Bytes>,
    work: Semaphore,
    /// Profiles that a resource must follow to be stored.
    pub enforced: validate::Enforced,
    pub bounds: Bounds,
    pub conditional_delete: ConditionalDelete,
}

impl Default for Door {
    fn default() -> Door {
        Door {
            capabilities: OnceLock::new(),
            work: Semaphore::new(WORK_AT_ONCE),
            enforced: validate::Enforced::default(),
            bounds: Bounds::default(),
            conditional_delete: ConditionalDelete::default(),
        }
    }
}

/// Refuses a resource type that R4 does not have.
fn check_type(ty: &str) -> Result<(), Problem> {
    if Definitions::r4().is_resource(ty) {
        return Ok(());
    }
    let message = "This is not a resource type of FHIR R4.";
    Err(Problem::new(Kind::NotFound, message))
}

/// What a read of nothing answers. Never known and beyond the caller's scope look alike (A01).
fn absent() -> Problem {
    Problem::new(Kind::NotFound, "There is no such resource.")
}

/// What cannot be an id is not there; the store is not asked.
fn check_known(id: &str) -> Result<(), Problem> {
    check_id(id).map_err(|_| absent())
}

fn deleted() -> Problem {
    Problem::new(Kind::Deleted, "The resource was deleted.")
}

/// An address that the door does not have.
pub async fn nothing_here() -> Result<(), crate::failure::Failure> {
    Err(Problem::new(Kind::NotFound, "The FHIR door has nothing at this address.").into())
}
