//! What an object's content is before it is sealed: pieces of the store, one after another, compressed
//! (zstd). A piece is its kind (1 byte), the length of its name (2 bytes), the name, its place (8 bytes), its
//! length (4 bytes) and its bytes; numbers are big-endian.

use fhir::problem::{Kind, Problem};
use store::copies::{Record, RecordKind};

/// Pieces in one object, in bytes, about.
pub(super) const OBJECT_BYTES: usize = 16 << 20;
/// What an object unpacks to at most.
const UNPACKED_BYTES_MAX: usize = 64 << 20;
const LEVEL: i32 = 3;

pub(super) fn write(record: &Record, out: &mut Vec<u8>) {
    out.push(match record.kind {
        RecordKind::Pages => 1,
        RecordKind::File => 2,
        RecordKind::Rows => 3,
    });
    let name = record.name.as_bytes();
    out.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(name);
    out.extend(record.at.to_be_bytes());
    let length = u32::try_from(record.bytes.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(&record.bytes);
}

pub(super) fn pack(content: &[u8]) -> Result<Vec<u8>, Problem> {
    zstd::bulk::compress(content, LEVEL).map_err(|cause| {
        Problem::new(Kind::Exception, "A copy could not be packed.").because(cause)
    })
}

/// The pieces of a packed content.
pub(super) fn read_all(packed: &[u8]) -> Result<Vec<Record>, Problem> {
    let content = zstd::bulk::decompress(packed, UNPACKED_BYTES_MAX).map_err(|_| unread())?;
    let mut rest = Rest(&content);
    let mut records = Vec::new();
    while !rest.0.is_empty() {
        records.push(rest.record().ok_or_else(unread)?);
    }
    Ok(records)
}

struct Rest<'c>(&'c [u8]);

impl<'c> Rest<'c> {
    fn take(&mut self, count: usize) -> Option<&'c [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        let taken = self.take(bytes)?;
        Some(taken.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    fn record(&mut self) -> Option<Record> {
        let kind = match self.number(1)? {
            1 => RecordKind::Pages,
            2 => RecordKind::File,
            3 => RecordKind::Rows,
            _ => return None,
        };
        let length = usize::try_from(self.number(2)?).ok()?;
        let name = String::from_utf8(self.take(length)?.to_vec()).ok()?;
        let at = self.number(8)?;
        let length = usize::try_from(self.number(4)?).ok()?;
        Some(Record {
            kind,
            name,
            at,
            bytes: self.take(length)?.to_vec(),
        })
    }
}

fn unread() -> Problem {
    Problem::new(Kind::Structure, "The copy's content does not read.")
}
