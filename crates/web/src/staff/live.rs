//! `GET /staff/sent/events`: says when the delivery board has changed, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>). It carries no data: the
//! browser then fetches the page itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use access::Interaction;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use fhir::problem::{Kind, Problem};
use futures_util::stream::{self, Stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep, timeout_at};

use crate::node::Node;
use crate::page::problem::Refusal;
use crate::visit::Visit;

/// How long one connection lasts; the browser then comes back, and proves again who it is.
const LASTS: Duration = Duration::from_secs(300);
/// Changes within this time are told as one.
const PAUSE: Duration = Duration::from_millis(150);
/// How often a connection shows that it is alive.
const ALIVE: Duration = Duration::from_secs(15);

struct Watch {
    changes: Receiver<u64>,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

/// The stream.
pub async fn events(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    visit
        .scope(&node, Interaction::Sent, "DocumentReference")
        .await?;
    let place = node.watchers.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            Kind::Transient,
            "Too many boards are open just now; reload by hand.",
        )
    })?;
    let mut changes = node.store.parcels_changed();
    changes.mark_unchanged();
    let watch = Watch {
        changes,
        until: Instant::now() + LASTS,
        _place: place,
    };
    let alive = KeepAlive::new().interval(ALIVE);
    Ok(Sse::new(told(watch)).keep_alive(alive).into_response())
}

fn told(watch: Watch) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(watch, async |mut watch| {
        let changed = timeout_at(watch.until, watch.changes.changed()).await;
        if !matches!(changed, Ok(Ok(()))) {
            return None;
        }
        sleep(PAUSE).await;
        watch.changes.mark_unchanged();
        Some((Ok(Event::default().event("changed").data("now")), watch))
    })
}
