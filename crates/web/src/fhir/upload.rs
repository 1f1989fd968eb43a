//! A Binary sent as it is (<https://hl7.org/fhir/R4/binary.html#rest>), however large: each piece is on the disk before the
//! next is read. What it is must be told first, by `Content-Digest` (RFC 9530) and `Content-Length`, so that what broke off
//! goes on where it stopped, and nothing is kept that is not what was meant.

use std::sync::Arc;

use access::Interaction;
use axum::body::{Body, Bytes};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::Exchange;
use exchange::keys::hex;
use exchange::wire::PIECE_BYTES_MAX;
use fhir::json::{Limits, parse};
use fhir::problem::{Kind, Problem};
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};
use store::parcels::{Large, ParcelWrite};
use store::{Change, Effect, Expect, Job, Version};

use super::ask::Ask;
use super::incoming::{self, IdOf, Incoming};
use super::{answer, format};
use crate::failure::Failure;
use crate::node::Node;

/// Whose the content is (<https://hl7.org/fhir/R4/binary.html#security>).
const SECURITY_CONTEXT: HeaderName = HeaderName::from_static("x-security-context");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// A Binary's text without its data, in bytes, at most.
const BARE_BYTES_MAX: usize = 64 << 10;

/// Whether a Binary's data do not stand in it.
pub fn has_no_data(version: &Version) -> bool {
    if version.body.len() > BARE_BYTES_MAX {
        return false;
    }
    let read = parse(&version.body, &Limits::default());
    read.is_ok_and(|binary| binary.get("data").is_none())
}

/// What the headers say of the body.
struct Told {
    content_type: String,
    patient: Option<String>,
    sha256: String,
    size: u64,
}

/// `POST Binary` with any content but FHIR's.
pub async fn native(node: &Arc<Node>, ask: &Ask, body: Body) -> Result<Response, Failure> {
    let scope = ask.scope(node, Interaction::Create, "Binary").await?;
    ask.no_query()?;
    let exchange = node.exchange.as_ref().ok_or_else(|| {
        let message = "This node takes a Binary only as a resource.";
        format::unsupported(message)
    })?;
    let told = told(ask)?;
    let own = exchange.organisation().clone();
    taken(exchange, &told, body).await?;
    let id = uuid::Uuid::new_v4().to_string();
    let resource = match &told.patient {
        Some(patient) => json!({
            "resourceType": "Binary", "id": id, "contentType": told.content_type,
            "securityContext": { "reference": patient },
        }),
        None => json!({ "resourceType": "Binary", "id": id, "contentType": told.content_type }),
    };
    let text = Bytes::from(resource.to_string());
    let incoming = Incoming::read(node, text, "Binary", IdOf::Address(id.clone())).await?;
    let mut job = Job::effect(Effect::Parcel(ParcelWrite::Large {
        binary: id,
        large: Large {
            sender: own,
            sha256: told.sha256,
            size: told.size,
        },
    }));
    job.changes.push(Change::Put {
        release: incoming.release_of_new(node),
        resource: incoming.prepared,
        expect: Expect::Absent,
    });
    let committed = node.store.commit(&scope, job).await?;
    let written = committed.written.first().ok_or_else(incoming::lost)?;
    let body = || incoming::rendered(&incoming.body, written);
    Ok(answer::written(ask, &node.site.fhir_url(), written, body))
}

fn told(ask: &Ask) -> Result<Told, Failure> {
    let required = |message: &str| Problem::new(Kind::Required, message);
    let size = ask.header(CONTENT_LENGTH).and_then(|it| it.parse().ok());
    let size = size.ok_or_else(|| {
        let problem = required("A Binary that is sent as it is needs a Content-Length.");
        Failure::with_status(problem, StatusCode::LENGTH_REQUIRED)
    })?;
    let digest = ask.header(CONTENT_DIGEST).and_then(sha256_of);
    let message = "A Binary that is sent as it is needs the header Content-Digest: sha-256=:its SHA-256 in base64:.";
    Ok(Told {
        content_type: ask.header(CONTENT_TYPE).unwrap_or_default().to_string(),
        patient: ask.header(SECURITY_CONTEXT).map(str::to_string),
        sha256: digest.ok_or_else(|| required(message))?,
        size,
    })
}

/// The SHA-256 of a `Content-Digest`, in hexadecimal digits.
fn sha256_of(digest: &str) -> Option<String> {
    let mut all = digest.split(',').map(str::trim);
    let coded = all.find_map(|it| it.strip_prefix("sha-256=:")?.strip_suffix(':'))?;
    let bytes = STANDARD.decode(coded).ok().filter(|it| it.len() == 32)?;
    Some(hex(&bytes))
}

/// Puts the body to what is here of it. What is here already is passed over, but for its digest: who names a content must
/// have it.
async fn taken(exchange: &Exchange, told: &Told, body: Body) -> Result<(), Problem> {
    let own = exchange.organisation().clone();
    let mut held = exchange.want_own(&told.sha256, told.size).await?.held;
    let (mut known, mut piece, mut hash) = (held, Vec::new(), Sha256::new());
    let mut pieces = body.into_data_stream();
    while let Some(bytes) = pieces.next().await {
        let bytes = bytes.map_err(|_| {
            let message =
                "The body ended too early; send it again, and it goes on where it stopped.";
            Problem::new(Kind::Structure, message)
        })?;
        hash.update(&bytes);
        let here = usize::try_from(known)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        known -= here as u64;
        piece.extend_from_slice(bytes.get(here..).unwrap_or_default());
        while piece.len() >= PIECE_BYTES_MAX {
            let rest = piece.split_off(PIECE_BYTES_MAX);
            let whole = std::mem::replace(&mut piece, rest);
            let appended = exchange.append_content(&own, &told.sha256, held, whole);
            held = appended.await?.held;
        }
    }
    if hex(&hash.finalize()) != told.sha256 {
        let message = "The body does not have the digest that Content-Digest names.";
        return Err(Problem::new(Kind::Value, message));
    }
    if !piece.is_empty() {
        let appended = exchange.append_content(&own, &told.sha256, held, piece);
        held = appended.await?.held;
    }
    if held != told.size {
        let message = "The body is not as long as its Content-Length; send it again.";
        return Err(Problem::new(Kind::Structure, message));
    }
    Ok(())
}
