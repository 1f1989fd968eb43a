//! Patches (<https://hl7.org/fhir/R4/http.html#patch>): JSON Patch, and FHIRPath Patch in a
//! Parameters resource. Both change a tree that is checked as a whole afterwards.
//!
//! Invariant: operations, depth and size of what comes out are bounded, whatever the patch says.

mod fhirpath;
mod json_patch;
mod locate;
mod tree;

use crate::json::{Json, Limits};
use crate::problem::{Kind, Problem};

/// Operations in one patch, at most.
const OPERATIONS_MAX: usize = 1000;

/// The forms of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// <https://www.rfc-editor.org/rfc/rfc6902>
    Json,
    /// <https://hl7.org/fhir/R4/fhirpatch.html>
    FhirPath,
}

/// The resource as the patch makes it. Whether that is good R4 is `validate`'s question.
///
/// # Errors
/// `Invalid` for what is no patch, `Processing` for one that does not fit the resource, `TooCostly`
/// beyond the limits; each names the operation.
pub fn apply<'a>(
    resource: Json<'a>,
    patch: &Json<'a>,
    form: Form,
    limits: &Limits,
) -> Result<Json<'a>, Problem> {
    let operations = match form {
        Form::Json => patch.as_array(),
        Form::FhirPath if patch.text("resourceType") == Some("Parameters") => {
            Some(patch.items("parameter"))
        }
        Form::FhirPath => None,
    };
    let operations = operations.ok_or_else(|| {
        let message = match form {
            Form::Json => "A JSON Patch is an array of operations.",
            Form::FhirPath => "A FHIRPath Patch is a Parameters resource.",
        };
        Problem::new(Kind::Invalid, message)
    })?;
    if operations.len() > OPERATIONS_MAX {
        let message = format!("A patch has at most {OPERATIONS_MAX} operations.");
        return Err(Problem::new(Kind::TooCostly, message));
    }
    let mut tree = tree::Tree::new(resource, limits)?;
    for (index, operation) in operations.iter().enumerate() {
        let done = match form {
            Form::Json => json_patch::apply(&mut tree, operation),
            Form::FhirPath => fhirpath::apply(&mut tree, operation),
        };
        done.map_err(|problem| match form {
            Form::Json => problem.located(format!("/{index}")),
            Form::FhirPath => problem.at(format!("Parameters.parameter[{index}]")),
        })?;
    }
    Ok(tree.root)
}

fn invalid(message: impl Into<String>) -> Problem {
    Problem::new(Kind::Invalid, message)
}

fn unfit(message: impl Into<String>) -> Problem {
    Problem::new(Kind::Processing, message)
}

#[cfg(test)]
mod tests;
