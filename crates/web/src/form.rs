//! The fields of a changing form, taken only with the token that this visitor's forms carry.

mod multipart;

use axum::Form;
use axum::extract::rejection::{BytesRejection, FormRejection};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use fhir::problem::{Kind, Problem};

use crate::page::problem::Refusal;
use crate::visit::Visit;

/// The most fields a form may bring.
const FIELDS_MAX: usize = 1_024;

/// The fields of a form whose token was right.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The field's text without white space around it; empty if the form does not bring it.
    pub fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, text)| text.trim())
    }

    /// The texts of all fields of that name that are not empty, such as of boxes that were ticked.
    pub fn each<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let found = self.0.iter().filter(move |(field, _)| field == name);
        found
            .map(|(_, text)| text.trim())
            .filter(|it| !it.is_empty())
    }

    /// All fields, as they were typed, in their order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The field's text as it was typed, such as a password's.
    pub fn exact(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, text)| text.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Fields, Refusal> {
        let Some(visit) = request.extensions().get::<Visit>().cloned() else {
            return Err(unproved().into());
        };
        let fields = match multipart::boundary(request.headers()) {
            Some(boundary) => {
                let body = Bytes::from_request(request, state)
                    .await
                    .map_err(too_long)?;
                multipart::fields(&body, &boundary)?
            }
            None => {
                let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
                let Form(fields) = form.map_err(unreadable)?;
                fields
            }
        };
        if fields.len() > FIELDS_MAX {
            let problem = Problem::new(Kind::TooLong, "The form has too many fields.");
            return Err(problem.into());
        }
        let fields = Fields(fields);
        if visit.knows_form(fields.exact("csrf")) {
            return Ok(fields);
        }
        Err(unproved().into())
    }
}

/// What a form without the right token is answered: it may come from another site (A11).
fn unproved() -> Problem {
    let message = "This form was not sent from a page that you have open here, or it is too old.";
    Problem::new(Kind::Security, message)
}

fn unreadable(rejection: FormRejection) -> Refusal {
    let kind = match rejection.status() {
        http::StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLong,
        _ => Kind::Structure,
    };
    Problem::new(kind, "The form could not be read.")
        .because(rejection)
        .into()
}

fn too_long(rejection: BytesRejection) -> Refusal {
    let kind = match rejection.status() {
        http::StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLong,
        _ => Kind::Structure,
    };
    Problem::new(kind, "The form could not be read.")
        .because(rejection)
        .into()
}
