//! Questionnaires (`docs/questionnaires.md`): what patients' and staff's pages have in common. A Task asks; the form is made from
//! the Questionnaire and prefilled from what its reader may see; answers become a QuestionnaireResponse, and the Task is
//! done, in one commit.

pub mod hand_in;
pub mod load;
pub mod said;
mod script;
pub mod sheet;
pub mod views;

use access::Who;
use fhir::problem::{Kind, Problem};

use crate::visit::Visit;

/// Who fills in a form: the number of their account, and their name for people to read.
///
/// # Errors
/// `Login`; `Forbidden` for who is no person here.
pub(crate) fn writer(visit: &Visit) -> Result<(i64, String), Problem> {
    match &visit.known()?.who {
        Who::Patient { account, name, .. } | Who::Staff { account, name, .. } => {
            Ok((*account, name.clone()))
        }
        _ => Err(Problem::new(
            Kind::Forbidden,
            "Questionnaires are answered by people.",
        )),
    }
}

pub(crate) fn gone() -> Problem {
    Problem::new(
        Kind::NotFound,
        "There is no such questionnaire here, or it is withheld from you.",
    )
}
