//! A searchset Bundle that is sent while it is made: its first entry leaves at once, and no more of
//! it than a piece is ever in memory.

use std::sync::Arc;

use access::Interaction;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use fhir::date::Millis;
use fhir::json::write_text;
use fhir::problem::Problem;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use store::bulk::{Cursor, Walked, Walker};

use crate::fhir::answer;
use crate::fhir::ask::Asked;
use crate::node::Node;

/// A piece that is sent at once, about, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// How old a decision may be under which more of an answer is read. A record may be paused, a preference
/// set, while an answer takes its time.
const DECIDED_MILLIS: Millis = 1000;

/// Asks again, while an answer is sent, whether it may be.
pub struct Again {
    node: Arc<Node>,
    ask: Asked,
    what: (Interaction, &'static str),
    decided: Millis,
}

impl Again {
    /// It has been decided just now that who asks may do this to that type.
    pub fn of(node: &Arc<Node>, ask: &Asked, what: (Interaction, &'static str)) -> Again {
        Again {
            node: node.clone(),
            ask: ask.clone(),
            what,
            decided: node.store.now(),
        }
    }

    /// Decides anew, if it is time.
    ///
    /// # Errors
    /// Why it may not be sent any more; the refusal is in the log.
    async fn check(&mut self, walker: &mut Walker) -> Result<(), Problem> {
        let now = self.node.store.now();
        if now.saturating_sub(self.decided) < DECIDED_MILLIS {
            return Ok(());
        }
        let (interaction, ty) = self.what;
        let visit = self.ask.visit.later(now);
        let scope = visit.scope(&self.node, interaction, ty).await?;
        walker.go_on_under(scope);
        self.decided = now;
        Ok(())
    }
}

/// What the Bundle says of itself.
pub struct Addresses {
    /// The node's own FHIR address.
    pub base_url: String,
    /// What was asked.
    pub own: String,
    /// The address of the page that starts at a cursor, but for the cursor.
    pub next: String,
    /// What the caller is told of what they are not shown.
    pub told: Option<&'static str>,
}

struct Sending {
    walker: Walker,
    again: Again,
    addresses: Addresses,
    first: Option<Walked>,
    started: bool,
    has_entries: bool,
    ended: bool,
}

/// The walk's resources as a Bundle. An error on the way breaks the answer off, so that it never
/// looks complete.
///
/// # Errors
/// What the first step of the walk finds.
pub async fn bundle(
    mut walker: Walker,
    again: Again,
    addresses: Addresses,
) -> Result<Response, Problem> {
    let first = walker.next().await?;
    let sending = Sending {
        walker,
        again,
        addresses,
        ended: first.is_none(),
        first,
        started: false,
        has_entries: false,
    };
    // Fused: who compresses it asks once more after the end.
    let pieces = stream::unfold(Some(sending), |sending| async {
        let mut sending = sending?;
        match sending.piece().await {
            Ok(piece) if sending.ended => Some((Ok(piece), None)),
            Ok(piece) => Some((Ok(piece), Some(sending))),
            Err(problem) => {
                tracing::error!(?problem, "an answer broke off");
                Some((Err(std::io::Error::other("the answer broke off")), None))
            }
        }
    });
    Ok(answer::json(
        StatusCode::OK,
        Body::from_stream(pieces.fuse()),
    ))
}

impl Sending {
    async fn piece(&mut self) -> Result<Bytes, Problem> {
        self.again.check(&mut self.walker).await?;
        let mut out = Vec::with_capacity(PIECE_BYTES);
        if !self.started {
            self.started = true;
            out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"type\":\"searchset\"");
            if let Some(first) = self.first.take() {
                self.entry(&first, &mut out);
                return Ok(out.into());
            }
        }
        while out.len() < PIECE_BYTES && !self.ended {
            match self.walker.next().await? {
                Some(walked) => self.entry(&walked, &mut out),
                None => self.ended = true,
            }
        }
        if self.ended {
            let more = self.walker.more_after().await?;
            self.end(more, &mut out);
        }
        Ok(out.into())
    }

    fn entry(&mut self, walked: &Walked, out: &mut Vec<u8>) {
        let before: &[u8] = if self.has_entries {
            b",{\"fullUrl\":"
        } else {
            b",\"entry\":[{\"fullUrl\":"
        };
        self.has_entries = true;
        out.extend_from_slice(before);
        let version = &walked.version;
        let address = format!("{}/{}/{}", self.addresses.base_url, version.ty, version.id);
        write_text(&address, out);
        out.extend_from_slice(b",\"resource\":");
        out.extend_from_slice(&version.body);
        let mode: &[u8] = if walked.included {
            b",\"search\":{\"mode\":\"include\"}}"
        } else {
            b",\"search\":{\"mode\":\"match\"}}"
        };
        out.extend_from_slice(mode);
    }

    /// The links come last: only now is it known whether there is a next page.
    fn end(&self, more: Option<Cursor>, out: &mut Vec<u8>) {
        if let Some(told) = self.addresses.told {
            let before: &[u8] = if self.has_entries {
                b","
            } else {
                b",\"entry\":["
            };
            out.extend_from_slice(before);
            out.extend_from_slice(b"{\"resource\":{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"warning\",\"code\":\"suppressed\",\"diagnostics\":");
            write_text(told, out);
            out.extend_from_slice(b"}]},\"search\":{\"mode\":\"outcome\"}}]");
        } else if self.has_entries {
            out.push(b']');
        }
        out.extend_from_slice(b",\"link\":[{\"relation\":\"self\",\"url\":");
        write_text(&self.addresses.own, out);
        out.push(b'}');
        if let Some(cursor) = more {
            out.extend_from_slice(b",{\"relation\":\"next\",\"url\":");
            write_text(&format!("{}_cursor={cursor}", self.addresses.next), out);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}
