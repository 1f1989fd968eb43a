//! Who may read what is not about one patient: the lists of workers and of staff.

use access::{Reach, Scope};
use fhir::problem::{Kind, Problem};

/// Workers alone read across all patients.
pub(crate) fn own(scope: &Scope) -> Result<(), Problem> {
    if *scope.reach() == Reach::Everything && scope.may_change() {
        return Ok(());
    }
    Err(forbidden())
}

/// The organisation's own people, and its workers: no patient, and no mailbox's system.
pub(crate) fn staff(scope: &Scope) -> Result<(), Problem> {
    match scope.reach() {
        Reach::Everything | Reach::Organisation(_) => Ok(()),
        Reach::Compartment { .. } | Reach::Mailbox(_) => Err(forbidden()),
    }
}

pub(crate) fn forbidden() -> Problem {
    Problem::new(Kind::Forbidden, "This is not part of your role.")
}
