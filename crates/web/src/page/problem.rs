//! A problem as an HTML page: what happened, and what to do next.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use serde::Serialize;

use crate::failure;
use crate::node::Node;
use crate::page::tongue::Language;
use crate::page::{Page, see_other};
use crate::visit::Visit;

/// What a page's handler answers instead of a page. The visit's middleware turns it into HTML,
/// since only it knows the frame.
#[derive(Debug)]
pub struct Refusal(pub Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = failure::status(self.0.kind);
        response.extensions_mut().insert(self.0);
        response
    }
}

#[derive(Serialize)]
struct View {
    heading: &'static str,
    text: String,
    /// The language of the text, where it is not the page's.
    text_lang: Option<&'static str>,
    advice: &'static str,
    next: Option<Next>,
    reference: String,
}

#[derive(Serialize)]
struct Next {
    text: &'static str,
    href: String,
}

/// The page that tells of a problem; who has to sign in first is sent there.
pub fn answer(node: &Node, visit: &Visit, problem: &Problem) -> Response {
    if problem.kind == Kind::Login && visit.is_look() {
        return see_other(&visit.sign_in_address());
    }
    failure::log(&visit.request_id, problem);
    let status = failure::status(problem.kind);
    let (heading, advice) = words(status, problem.kind);
    let language = visit.reads();
    let heading = language.say(heading);
    let text = language.say_of(&problem.message);
    let is_said = language == Language::English || text != problem.message;
    let view = View {
        heading,
        text_lang: (!is_said).then_some("en"),
        text,
        advice: language.say(advice),
        next: Some(next(visit)),
        reference: visit.request_id.to_string(),
    };
    Page::new("problem.jinja", heading, view)
        .with_status(status)
        .answer(&node.site, visit)
}

/// The heading and the advice for a status.
fn words(status: StatusCode, kind: Kind) -> (&'static str, &'static str) {
    match (status, kind) {
        (_, Kind::Security) => (
            "We could not accept that form",
            "Nothing was changed. Go back, load the page again and repeat the last step.",
        ),
        (StatusCode::NOT_FOUND | StatusCode::GONE, _) => (
            "Page not found",
            "If you typed or pasted the address, check that it is complete. The letter may also \
             not be for your organisation, or not be released to you.",
        ),
        (_, Kind::Suppressed) => ("This cannot be shown", "Nothing was changed."),
        (StatusCode::FORBIDDEN, _) => (
            "You cannot do this",
            "If this is part of your work, ask whoever runs this service to check your role.",
        ),
        (StatusCode::UNAUTHORIZED, _) => (
            "Sign in first",
            "Nothing was changed. Sign in and repeat the last step.",
        ),
        (StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED, _) => (
            "Someone else was faster",
            "Nothing was changed. Load the page again to see how it stands now.",
        ),
        (StatusCode::TOO_MANY_REQUESTS, _) => (
            "Too many attempts",
            "Wait a quarter of an hour and try again.",
        ),
        (status, _) if status.is_client_error() => (
            "We could not understand that",
            "Nothing was changed. Go back, check what you entered and try again.",
        ),
        _ => (
            "Something went wrong on our side",
            "Try again in a minute. If it happens again, tell whoever runs this service.",
        ),
    }
}

fn next(visit: &Visit) -> Next {
    let (text, href) = match visit.caller() {
        Some(caller) => crate::router::home(caller),
        None => ("Sign in", ""),
    };
    let href = if href.is_empty() {
        visit.sign_in_address()
    } else {
        href.to_owned()
    };
    let text = visit.reads().say(text);
    Next { text, href }
}
