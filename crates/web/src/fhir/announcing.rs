//! The layers around every address of the door, as one service: a layer of axum's own is a box and a
//! copy of all within it for each request, which took longer than finding what is read.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::ACCEPT_ENCODING;
use tower::{Layer, Service, ServiceExt};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use super::ask;
use crate::node::Node;
use crate::oauth::cors;

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// Announces each request (`ask::announce`), and packs the answer where the caller takes it packed.
#[derive(Clone)]
pub struct Announce(pub Arc<Node>);

/// An address behind `Announce`.
#[derive(Clone)]
pub struct Announcing<S> {
    node: Arc<Node>,
    inner: S,
}

impl<S> Layer<S> for Announce {
    type Service = Announcing<S>;

    fn layer(&self, inner: S) -> Announcing<S> {
        let node = self.0.clone();
        Announcing { node, inner }
    }
}

impl<S> Service<Request> for Announcing<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Each request waits for its own copy.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answering {
        let Announcing { node, inner } = self.clone();
        if let Some(response) = cors::preflight(request.method(), request.headers()) {
            return Box::pin(async move { Ok(response) });
        }
        if !request.headers().contains_key(ACCEPT_ENCODING) {
            return Box::pin(async move { Ok(ask::announce(&node, request, inner).await) });
        }
        let announced = tower::service_fn(move |request| {
            let (node, inner) = (node.clone(), inner.clone());
            async move { Ok::<_, Infallible>(ask::announce(&node, request, inner).await) }
        });
        let packed = CompressionLayer::new().gzip(true).br(true).zstd(true);
        let packed = packed.quality(CompressionLevel::Fastest).layer(announced);
        Box::pin(async move { Ok(packed.oneshot(request).await?.map(Body::new)) })
    }
}
