//! Requests that must get on: a body has a lowest rate, and the connection knows whether the next
//! bytes are those of a head.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::limits::Limits;

/// The next byte begins a head.
const AWAITED: u8 = 0;
/// A request is being answered: what is read is its body.
const UNDER_WAY: u8 = 1;
/// No longer HTTP: what is spoken now has bounds of its own.
const HANDED_OVER: u8 = 2;

/// What one connection's stream, requests and answers know of each other.
#[derive(Clone, Default)]
pub(super) struct Turn {
    state: Arc<AtomicU8>,
    too_slow: Arc<AtomicBool>,
}

impl Turn {
    /// Whether the next byte begins a head.
    pub fn awaits_head(&self) -> bool {
        self.state.load(Ordering::Relaxed) == AWAITED
    }

    /// A head has come. Its body will be held to the lowest rate.
    pub fn begin(&self, limits: Limits, body: Incoming) -> PacedBody {
        self.state.store(UNDER_WAY, Ordering::Relaxed);
        self.too_slow.store(false, Ordering::Relaxed);
        PacedBody {
            body,
            limits,
            bytes: 0,
            waited: Duration::ZERO,
            waiting: None,
            too_slow: self.too_slow.clone(),
        }
    }

    /// The answer; once it is sent the next head is awaited. Where the body was too slow the answer
    /// says that, whatever the handler made of a body that broke off.
    pub fn answer(&self, mut response: Response) -> http::Response<Answer> {
        if self.too_slow.load(Ordering::Relaxed) && !response.status().is_success() {
            response = too_slow();
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.state.store(HANDED_OVER, Ordering::Relaxed);
        }
        let state = self.state.clone();
        response.map(|body| Answer { body, state })
    }
}

/// The node does not wait for the rest: the connection ends with this.
fn too_slow() -> Response {
    let mut response = Response::new("The request's body came too slowly.\n".into());
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the request's body came too slowly")]
pub(super) struct TooSlow;

type Broken = Box<dyn std::error::Error + Send + Sync>;

/// A request's body, which must come at the lowest rate. Only the time that is spent waiting for the
/// client counts: a handler may take its own.
pub(super) struct PacedBody {
    body: Incoming,
    limits: Limits,
    bytes: u64,
    waited: Duration,
    /// Since when the client is waited for, and until when.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    too_slow: Arc<AtomicBool>,
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some((since, _)) = this.waiting.take() {
                this.waited = this.waited.saturating_add(since.elapsed());
            }
            if let Some(Ok(frame)) = &frame {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.bytes = this.bytes.saturating_add(length as u64);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let left = this.limits.body(this.bytes).saturating_sub(this.waited);
        let left = left.min(this.limits.pause);
        let (_, until) = this
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        if until.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        (this.waiting, this.waited) = (None, Duration::MAX);
        this.too_slow.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body; when it is gone the next head is awaited.
pub(super) struct Answer {
    body: axum::body::Body,
    state: Arc<AtomicU8>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let next = |state| (state == UNDER_WAY).then_some(AWAITED);
        let _ = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
