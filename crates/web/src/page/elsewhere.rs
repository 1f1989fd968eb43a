//! The content of a letter that another organisation holds, as patients and staff are shown and given it.

use std::sync::Arc;

use access::Scope;
use axum::response::Response;
use exchange::ask::{LetterPart, SharedLetter};
use fhir::problem::{Kind, Problem};
use http::HeaderMap;

use super::content::{attachment, part};
use super::parts::Content;
use crate::node::Node;
use crate::record::Content as Found;

/// The most parts of a letter that a page shows.
const PARTS_MAX: usize = 20;

/// How its parts are shown; `href` is where the one with that number can be fetched.
pub fn shown(
    letter: &SharedLetter,
    href: impl Fn(usize) -> String,
) -> impl Iterator<Item = Content> {
    let parts = letter.parts.iter().take(PARTS_MAX).enumerate();
    parts.map(move |(number, it)| part(&found(it.clone()), "", href(number)))
}

/// Whether it has more parts than are shown.
pub fn has_more(letter: &SharedLetter) -> bool {
    letter.is_cut || letter.parts.len() > PARTS_MAX
}

/// One of its parts as a file.
///
/// # Errors
/// `NotFound` if it did not come.
pub fn fetched(
    (node, scope): (&Arc<Node>, &Scope),
    headers: &HeaderMap,
    (mut letter, number): (SharedLetter, usize),
) -> Result<Response, Problem> {
    if number >= letter.parts.len().min(PARTS_MAX) {
        let message = "This part of the letter did not come. Open the letter again to see why.";
        return Err(Problem::new(Kind::NotFound, message));
    }
    let found = found(letter.parts.swap_remove(number));
    Ok(attachment((node, scope), headers, found))
}

fn found(part: LetterPart) -> Found {
    Found {
        content_type: part.content_type,
        bytes: part.bytes,
        large: None,
    }
}
