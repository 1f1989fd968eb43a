//! Contents too large for a resource, sent a piece at a time: at most two pieces of one are in memory, however large it is.

use std::sync::Arc;

use access::Scope;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use http::header::RANGE;
use http::{HeaderMap, StatusCode};
use store::parcels::Large;

use crate::node::Node;

/// What is being sent.
struct Sending {
    node: Arc<Node>,
    scope: Scope,
    large: Large,
    at: u64,
    end: u64,
}

impl Sending {
    /// The next bytes; `None` behind the last.
    async fn piece(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        if self.at >= self.end {
            return Ok(None);
        }
        let (sender, sha256) = (&self.large.sender, &self.large.sha256);
        let reading = self
            .node
            .store
            .content_bytes(&self.scope, sender, sha256, self.at, false);
        let mut bytes = reading.await?;
        bytes.truncate(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        if bytes.is_empty() {
            let message = "A piece of a document is not here.";
            return Err(Problem::new(Kind::Exception, message));
        }
        self.at += bytes.len() as u64;
        Ok(Some(bytes))
    }
}

/// An error on the way breaks the answer off, so that it never looks whole.
fn broke_off(problem: Problem) -> std::io::Error {
    tracing::error!(?problem, "a document broke off");
    std::io::Error::other("the document broke off")
}

/// Bytes of a large content as a body, from `at` up to `end`.
pub fn body(node: &Arc<Node>, scope: &Scope, large: Large, (at, end): (u64, u64)) -> Body {
    let sending = Sending {
        node: node.clone(),
        scope: scope.clone(),
        large,
        at,
        end,
    };
    let pieces = stream::unfold(Some(sending), |sending| async {
        let mut sending = sending?;
        match sending.piece().await {
            Ok(Some(bytes)) => Some((Ok(Bytes::from(bytes)), Some(sending))),
            Ok(None) => None,
            Err(problem) => Some((Err(broke_off(problem)), None)),
        }
    });
    Body::from_stream(pieces.fuse())
}

/// A Binary in FHIR's JSON, with its data: `resource` is the resource without it.
pub fn json(node: &Arc<Node>, scope: &Scope, large: Large, resource: &[u8]) -> Body {
    let opened = resource.strip_suffix(b"}").unwrap_or(resource);
    let mut before = opened.to_vec();
    before.extend_from_slice(b",\"data\":\"");
    let end = large.size;
    let sending = Sending {
        node: node.clone(),
        scope: scope.clone(),
        large,
        at: 0,
        end,
    };
    Body::from_stream(encoded(before, sending).fuse())
}

/// `before`, the bytes in base64, and the end of the resource.
fn encoded(before: Vec<u8>, sending: Sending) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    // Bytes that do not fill three, which base64 takes at a time, wait for the next piece.
    stream::unfold(Some((before, Vec::new(), sending)), |state| async move {
        let (mut out, mut rest, mut sending) = state?;
        match sending.piece().await {
            Ok(Some(bytes)) => {
                rest.extend_from_slice(&bytes);
                let whole = rest.len() - rest.len() % 3;
                let left = rest.split_off(whole);
                out.extend_from_slice(STANDARD.encode(&rest).as_bytes());
                Some((Ok(Bytes::from(out)), Some((Vec::new(), left, sending))))
            }
            Ok(None) => {
                out.extend_from_slice(STANDARD.encode(&rest).as_bytes());
                out.extend_from_slice(b"\"}");
                Some((Ok(Bytes::from(out)), None))
            }
            Err(problem) => Some((Err(broke_off(problem)), None)),
        }
    })
}

/// Which bytes of so many a request wants: the whole, or one range of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    /// From the first up to, not with, the second.
    Part(u64, u64),
    /// None of it is there.
    Nothing,
}

/// One range of bytes (<https://www.rfc-editor.org/rfc/rfc9110#name-range-requests>); more than one, and what does not read,
/// is the whole.
pub fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let range = headers.get(RANGE).and_then(|it| it.to_str().ok());
    let range = range.and_then(|it| it.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|it| it.split_once('-')) else {
        return Wanted::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let read = |text: &str| text.parse::<u64>().ok();
    let (from, to) = match (first.is_empty(), last.is_empty()) {
        (true, false) => match read(last) {
            Some(0) => return Wanted::Nothing,
            Some(count) => (size.saturating_sub(count), size),
            None => return Wanted::Whole,
        },
        (false, true) => match read(first) {
            Some(from) => (from, size),
            None => return Wanted::Whole,
        },
        (false, false) => match (read(first), read(last)) {
            (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(size)),
            _ => return Wanted::Whole,
        },
        (true, true) => return Wanted::Whole,
    };
    match from < size {
        true => Wanted::Part(from, to),
        false => Wanted::Nothing,
    }
}

impl Wanted {
    /// The status of the answer, its bytes, and its `Content-Range`.
    pub fn answer(self, size: u64) -> (StatusCode, (u64, u64), Option<String>) {
        match self {
            Wanted::Whole => (StatusCode::OK, (0, size), None),
            Wanted::Part(from, to) => {
                let range = format!("bytes {from}-{}/{size}", to.saturating_sub(1));
                (StatusCode::PARTIAL_CONTENT, (from, to), Some(range))
            }
            Wanted::Nothing => {
                let range = format!("bytes */{size}");
                (StatusCode::RANGE_NOT_SATISFIABLE, (0, 0), Some(range))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_a_part_and_anything_else_the_whole() {
        for (range, expected) in [
            ("bytes=0-9", Wanted::Part(0, 10)),
            ("bytes=90-", Wanted::Part(90, 100)),
            ("bytes=-10", Wanted::Part(90, 100)),
            ("bytes=-1000", Wanted::Part(0, 100)),
            ("bytes=50-1000", Wanted::Part(50, 100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=9-3", Wanted::Whole),
            ("bytes=0-9,20-29", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("lines=0-9", Wanted::Whole),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, range.parse().unwrap());
            assert_eq!(wanted(&headers, 100), expected, "{range}");
        }
        assert_eq!(wanted(&HeaderMap::new(), 100), Wanted::Whole);
    }
}
