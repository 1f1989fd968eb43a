//! From a driver's error to a `Problem`. What the database said stays the internal cause.

use fhir::problem::{Kind, Problem};
use rusqlite::ErrorCode;
use tokio_postgres::error::SqlState;

pub(crate) fn sqlite(error: rusqlite::Error) -> Problem {
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (Kind::NoStore, "There is no space left to store this."),
        Some(ErrorCode::OperationInterrupted) => {
            (Kind::TooCostly, "This took longer than is allowed.")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Kind::Transient, "The store is busy; try again.")
        }
        Some(ErrorCode::ConstraintViolation) => {
            (Kind::Conflict, "This is at odds with what the store holds.")
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            (Kind::NoStore, "The store cannot be read or written.")
        }
        _ => (Kind::Exception, "The store failed."),
    };
    Problem::new(kind, message).because(error)
}

pub(crate) fn postgres(error: tokio_postgres::Error) -> Problem {
    let (kind, message) = match error.code() {
        None => (Kind::Transient, "The store cannot be reached; try again."),
        Some(state) if *state == SqlState::QUERY_CANCELED => {
            (Kind::TooCostly, "This took longer than is allowed.")
        }
        Some(state) if *state == SqlState::UNIQUE_VIOLATION => {
            (Kind::Conflict, "This is at odds with what the store holds.")
        }
        // Classes: 53 out of resources, 40 rolled back by a conflict, 08 connection, 57 shut down.
        Some(state) if state.code().starts_with("53") => {
            (Kind::NoStore, "There is no space left to store this.")
        }
        Some(state)
            if ["40", "08", "57"]
                .iter()
                .any(|class| state.code().starts_with(class)) =>
        {
            (Kind::Transient, "The store is busy; try again.")
        }
        Some(_) => (Kind::Exception, "The store failed."),
    };
    Problem::new(kind, message).because(error)
}

pub(crate) fn pool(error: deadpool_postgres::PoolError) -> Problem {
    Problem::new(Kind::Transient, "The store cannot be reached; try again.").because(error)
}

/// For what cannot happen unless the code is wrong.
pub(crate) fn internal(what: &'static str) -> Problem {
    Problem::new(Kind::Exception, "The store failed.").because(what)
}

/// No room on the disk.
pub(crate) fn full() -> Problem {
    Problem::new(Kind::NoStore, "There is no space left to store this.")
}

/// Whether it was for want of room.
pub(crate) fn is_full(problem: &Problem) -> bool {
    let cause = std::error::Error::source(problem);
    let error = cause.and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    let postgres = cause.and_then(|cause| cause.downcast_ref::<tokio_postgres::Error>());
    error.and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::DiskFull)
        || postgres.and_then(tokio_postgres::Error::code) == Some(&SqlState::DISK_FULL)
}

/// Whether the disk itself failed, after which nobody knows what it holds.
pub(crate) fn is_disk_fault(problem: &Problem) -> bool {
    let cause = std::error::Error::source(problem);
    let error = cause.and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    error.and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::SystemIoFailure)
}
