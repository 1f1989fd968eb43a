//! Bodies, compressed.
//!
//! A resource is mostly words that every resource of its type has. They stand once in a dictionary
//! that compressor and decompressor share: `body/dictionary_1.jsonl`, a text of made-up resources
//! written by hand for this, the common types last. zstd takes it as content that came before.

use std::cell::RefCell;
use std::sync::OnceLock;

use bytes::Bytes;
use fhir::date::Millis;
use fhir::json::{self, Json, Limits};
use fhir::problem::{Kind, Problem};
use fhir::resource::Body;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// Level 3 is faster than the disk and small enough.
const LEVEL: i32 = 3;
/// No body is larger than what a door lets in; a longer one means a damaged row.
const BODY_BYTES_MAX: usize = 64 << 20;
/// The first byte of a stored body: how the rest is to be read. A better dictionary gets the next
/// number, and this one stays for as long as there are bodies made with it.
const WITH_DICTIONARY_1: u8 = 1;

/// Never to be changed: bodies that were made with it could not be read any more.
const DICTIONARY_1: &[u8] = include_bytes!("body/dictionary_1.jsonl");

fn encoder() -> &'static EncoderDictionary<'static> {
    static DICTIONARY: OnceLock<EncoderDictionary<'static>> = OnceLock::new();
    DICTIONARY.get_or_init(|| EncoderDictionary::copy(DICTIONARY_1, LEVEL))
}

fn decoder() -> &'static DecoderDictionary<'static> {
    static DICTIONARY: OnceLock<DecoderDictionary<'static>> = OnceLock::new();
    DICTIONARY.get_or_init(|| DecoderDictionary::copy(DICTIONARY_1))
}

thread_local! {
    // Making one of these takes longer than a small body does.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The stored form of a body.
///
/// # Errors
/// `TooLong` if it is longer than 64 MiB.
pub(crate) fn compress(body: &[u8]) -> Result<Vec<u8>, Problem> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::new(
            Kind::TooLong,
            "The resource is too long to be stored.",
        ));
    }
    let compressed = COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::with_prepared_dictionary(encoder())?),
        };
        let mut out = vec![WITH_DICTIONARY_1; 1 + zstd::zstd_safe::compress_bound(body.len())];
        let space = out.get_mut(1..).unwrap_or_default();
        let length = compressor.compress_to_buffer(body, space)?;
        out.truncate(1 + length);
        out.shrink_to_fit();
        Ok(out)
    });
    compressed.map_err(|error: std::io::Error| {
        Problem::new(Kind::Exception, "The resource could not be compressed.").because(error)
    })
}

/// A body from its stored form.
///
/// # Errors
/// `Exception` if the row is damaged, or of a later version.
pub(crate) fn decompress(stored: &[u8]) -> Result<Vec<u8>, Problem> {
    let Some((&WITH_DICTIONARY_1, compressed)) = stored.split_first() else {
        return Err(damaged("a body in an unknown form"));
    };
    let length = zstd::zstd_safe::get_frame_content_size(compressed)
        .ok()
        .flatten();
    let length = length.and_then(|length| usize::try_from(length).ok());
    let Some(length) = length.filter(|length| *length <= BODY_BYTES_MAX) else {
        return Err(damaged("a body that does not say its length"));
    };
    let body = DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::with_prepared_dictionary(decoder())?),
        };
        decompressor.decompress(compressed, length)
    });
    body.map_err(damaged)
}

fn damaged(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Problem {
    Problem::new(Kind::Exception, "The stored resource does not read.").because(cause)
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
    stored: &[u8],
    splice: i64,
    version: u64,
    last_updated: Millis,
) -> Result<Bytes, Problem> {
    let splice = u32::try_from(splice).map_err(damaged)?;
    let rendered = Body::render(&decompress(stored)?, splice, version, last_updated);
    Ok(Bytes::from(rendered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back_as_it_went_in_whatever_its_length() {
        for length in [0, 1, 300, 5_000_000] {
            let body: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
            assert_eq!(decompress(&compress(&body).unwrap()).unwrap(), body);
        }
    }

    #[test]
    fn a_damaged_body_is_a_problem_and_no_panic() {
        let mut stored = compress(b"{\"resourceType\":\"Patient\"}").unwrap();
        for end in 0..stored.len() {
            assert!(decompress(&stored[..end]).is_err(), "{end}");
        }
        stored[0] = 9;
        assert!(decompress(&stored).is_err());
        assert!(decompress(b"\x01somebody else's bytes").is_err());
    }

    #[test]
    fn the_dictionary_is_the_one_that_stored_bodies_were_made_with() {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(DICTIONARY_1);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            digest,
            "ee03bf98bd421b58b6e5662904ded869eba590501c47a58cb0e9e7706d1eac5d"
        );
    }

    #[test]
    fn a_small_observation_takes_a_fraction_of_its_length() {
        let body = br#"{"resourceType":"Observation","id":"0190aaaa-1111-7222-8333-444455556666","meta":{},"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8302-2","display":"Body Height"}],"text":"Body Height"},"subject":{"reference":"Patient/0190bbbb-1111-7222-8333-444455556666"},"encounter":{"reference":"Encounter/0190cccc-1111-7222-8333-444455556666"},"effectiveDateTime":"2012-03-04T05:06:07-05:00","issued":"2012-03-04T05:06:07.000-05:00","valueQuantity":{"value":170.59,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}"#;
        let stored = compress(body).unwrap();
        assert!(
            stored.len() * 3 < body.len(),
            "{} of {}",
            stored.len(),
            body.len()
        );
    }
}
