//! Bodies that come packed (<https://www.rfc-editor.org/rfc/rfc9110#name-content-encoding>).

use std::io::Read;

use fhir::problem::{Kind, Problem};

/// How a body is packed.
#[derive(Clone, Copy, Debug)]
pub enum Packing {
    Gzip,
    Brotli,
    Zstd,
}

/// The largest window that a Zstandard frame may ask for, as a power of two: 8 MiB
/// (<https://www.rfc-editor.org/rfc/rfc9659>).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

impl Packing {
    /// By its name in Content-Encoding.
    pub fn of(name: &str) -> Option<Packing> {
        match name {
            "gzip" | "x-gzip" => Some(Packing::Gzip),
            "br" => Some(Packing::Brotli),
            "zstd" => Some(Packing::Zstd),
            _ => None,
        }
    }

    /// Unpacks, and stops beyond the bound: what is packed may be far smaller than what comes out.
    ///
    /// # Errors
    /// `Structure` for what does not unpack, `TooLong`.
    pub fn unpack(self, packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Problem> {
        let mut out = Vec::new();
        let limit = u64::try_from(bytes_max)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let read = match self {
            Packing::Gzip => {
                let reader = flate2::read::MultiGzDecoder::new(packed);
                reader.take(limit).read_to_end(&mut out)
            }
            Packing::Brotli => {
                let reader = brotli::Decompressor::new(packed, 4096);
                reader.take(limit).read_to_end(&mut out)
            }
            Packing::Zstd => zstd::stream::read::Decoder::new(packed).and_then(|mut reader| {
                reader.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                reader.take(limit).read_to_end(&mut out)
            }),
        };
        if read.is_err() {
            let message = "The body does not unpack as its Content-Encoding says.";
            return Err(Problem::new(Kind::Structure, message));
        }
        if out.len() > bytes_max {
            let message = format!("The body unpacks to more than the {bytes_max} bytes allowed.");
            return Err(Problem::new(Kind::TooLong, message));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(plain: &[u8]) -> [(Packing, Vec<u8>); 3] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(plain).unwrap();
        let mut brotli = Vec::new();
        let parameters = brotli::enc::BrotliEncoderParams::default();
        brotli::BrotliCompress(&mut &plain[..], &mut brotli, &parameters).unwrap();
        let zstd = zstd::encode_all(plain, 3).unwrap();
        [
            (Packing::Gzip, gzip.finish().unwrap()),
            (Packing::Brotli, brotli),
            (Packing::Zstd, zstd),
        ]
    }

    #[test]
    fn x07_what_was_packed_is_unpacked_as_far_as_is_allowed() {
        let plain = vec![b'x'; 1 << 20];
        for (packing, bytes) in packed(&plain) {
            assert!(bytes.len() < 4096);
            assert_eq!(
                packing.unpack(&bytes, 1 << 20).unwrap(),
                plain,
                "{packing:?}"
            );
            let refused = packing.unpack(&bytes, (1 << 20) - 1).unwrap_err();
            assert_eq!(refused.kind, Kind::TooLong, "{packing:?}");
            let refused = packing.unpack(b"not packed at all", 1 << 20).unwrap_err();
            assert_eq!(refused.kind, Kind::Structure, "{packing:?}");
        }
    }

    const UNPACKED_BYTES_MAX: usize = 1 << 20;

    fn target(bytes: &[u8]) -> String {
        let unpacked = [Packing::Gzip, Packing::Brotli, Packing::Zstd].map(|packing| match packing
            .unpack(bytes, UNPACKED_BYTES_MAX)
        {
            Ok(out) => {
                assert!(out.len() <= UNPACKED_BYTES_MAX);
                format!("{packing:?} {}", out.len().min(20))
            }
            Err(problem) => {
                assert!(matches!(problem.kind, Kind::Structure | Kind::TooLong));
                problem.message
            }
        });
        unpacked.join(" ")
    }

    #[test]
    fn x07_any_bytes_unpack_within_the_bound_or_are_refused() {
        crate::fuzz::explore("packed", &["\x1f\u{b}\x08", "(", "\0\0\0\0"], target);
    }
}
