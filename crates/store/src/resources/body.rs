//! Bodies, compressed.

use fhir::problem::{Kind, Problem};

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
