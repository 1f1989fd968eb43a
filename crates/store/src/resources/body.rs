//! Bodies, compressed.

use bytes::Bytes;
use fhir::date::Millis;
use fhir::json::{self, Json, Limits};
use fhir::problem::{Kind, Problem};
use fhir::resource::Body;

/// Level 3 is faster than the disk and small enough.
const LEVEL: i32 = 3;
/// No body is larger than what a door lets in; a longer one means a damaged row.
const BODY_BYTES_MAX: usize = 64 << 20;

pub(crate) fn compress(body: &[u8]) -> Result<Vec<u8>, Problem> {
    zstd::bulk::compress(body, LEVEL).map_err(|error| {
        Problem::new(Kind::Exception, "The resource could not be compressed.").because(error)
    })
}

pub(crate) fn decompress(body: &[u8]) -> Result<Vec<u8>, Problem> {
    zstd::bulk::decompress(body, BODY_BYTES_MAX).map_err(|error| {
        Problem::new(Kind::Exception, "The stored resource does not read.").because(error)
    })
}

/// Reads a stored body, which was checked when it came in: the limits are only for damaged rows.
pub(crate) fn parse(body: &[u8]) -> Result<Json<'_>, Problem> {
    let limits = Limits {
        depth: 255,
        bytes: BODY_BYTES_MAX,
        nodes: 16_000_000,
    };
    json::parse(body, &limits)
}

/// The body as it is answered.
pub(crate) fn render(
    body: &[u8],
    splice: i64,
    version: u64,
    last_updated: Millis,
) -> Result<Bytes, Problem> {
    let splice = u32::try_from(splice).map_err(|error| {
        Problem::new(Kind::Exception, "The stored resource does not read.").because(error)
    })?;
    let rendered = Body::render(&decompress(body)?, splice, version, last_updated);
    Ok(Bytes::from(rendered))
}
