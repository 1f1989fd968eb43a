//! Who may do what, as pure decisions on facts handed in.
//!
//! A door proves who calls (`Caller`) and asks `decide`; the `Scope` that comes back is the only key
//! to the store's patient data, and it also says how the access is traced. The node's own workers
//! take `Scope::system` with a purpose; each purpose is on one list (`SystemPurpose`).
//!
//! Invariant: no I/O, no async, no clock. Only this crate makes a `Scope`.

mod ask;
mod assurance;
mod audit;
pub mod audit_event;
mod caller;
pub mod category;
mod decide;
pub mod disclosure;
mod downtime;
mod gp_connect;
mod interaction;
pub mod merkle;
mod nhs_number;
pub mod oauth;
mod ods;
mod proxy;
mod purpose;
mod role_table;
mod scope;
mod standing;

pub use ask::{Asker, PATIENT, PatientAsker, decide_ask, decide_patient_ask};
pub use assurance::Assurance;
pub use audit::{Agent, AgentKind, AuditEntry, Outcome, Target};
pub use caller::{Caller, Role, Who};
pub use decide::{decide, decide_for};
pub use disclosure::Disclosure;
pub use gp_connect::{Consumer, decide_consumer};
pub use interaction::Interaction;
pub use nhs_number::NhsNumber;
pub use oauth::Granted;
pub use ods::Ods;
pub use proxy::{Acting, Ages, NOT_FOR_PROXIES, Online, Proxy, Standstill, birthday, months_later};
pub use purpose::{Purpose, SystemPurpose};
pub use role_table::{RoleRow, RoleTable};
pub use scope::{Reach, Scope};
pub use standing::{
    Acquaintance, Familiar, OnFamiliar, Opening, OpeningKind, Relationships, Standing, Withholds,
};
