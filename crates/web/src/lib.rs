//! HTTP: the only crate that serves it.

pub mod bars;
pub mod carried;
mod conversation;
mod cookie;
pub mod downtime;
pub mod failure;
pub mod fhir;
mod form;
#[cfg(test)]
#[path = "../../../fuzz/mutate.rs"]
mod fuzz;
pub mod gp_connect;
mod large;
mod likeness;
pub mod mesh;
pub mod neighbourhood;
mod node;
mod nrl;
pub mod oauth;
pub mod page;
pub mod patient;
pub mod peers;
mod pfp;
pub mod questionnaires;
mod record;
mod router;
#[cfg(test)]
mod samples;
pub mod secret;
pub mod serve;
pub mod sign_in;
pub mod staff;
pub mod stand_in;
#[cfg(test)]
mod testing;
pub mod visit;

pub use node::{Diary, Node, Site};
pub use page::words::moment_of as uk_moment;
pub use peers::peers_router;
pub use peers::serve::serve_peers;
pub use router::{apps as apps_router, router};

pub mod bulk {
    //! Bulk work: the worker behind the door's jobs, and taking in lines, for the command too.
    pub use crate::fhir::operations::bulk_worker::{run, work};
    pub use crate::fhir::operations::import::{
        Held, Intake, LINES_AT_ONCE, Line, Read, Taking, following, numbered, read,
    };
}

pub mod subscriptions {
    //! Telling subscribers, for the node's wiring.
    pub use crate::fhir::subscriptions::{Subscriptions, run, work};
}
