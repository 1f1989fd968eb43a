//! A file that a fax server hands over, as it is kept.

use fhir::problem::{Kind, Problem};
use store::fax::NewFax;

use super::{number, tiff};
use crate::keys::sha256_hex;

/// What the fax server says of a fax beside its file.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Its own id of the call (HylaFAX: COMMID).
    pub queue: String,
    /// The caller's number (CIDNUMBER).
    pub caller: String,
    /// What the other machine calls itself (SENDER).
    pub station: String,
}

/// The fax as it is kept. A file that cannot be read is kept as it is, with the reason, for a person to look at.
///
/// # Errors
/// `TooLong` or `Required` for a file of more than `bytes_max` bytes, or of none.
pub fn new_fax(
    said: &Said,
    file: Vec<u8>,
    bytes_max: usize,
    pages_max: usize,
) -> Result<NewFax, Problem> {
    if file.is_empty() {
        return Err(Problem::new(Kind::Required, "The file is empty."));
    }
    if file.len() > bytes_max {
        let message = format!(
            "The file has {} bytes, and fax.file_bytes_max is {bytes_max}; raise it and hand the file over again.",
            file.len()
        );
        return Err(Problem::new(Kind::TooLong, message));
    }
    let (pages, trouble) = match tiff::read(&file, pages_max) {
        Ok(pages) => (
            u32::try_from(pages.len()).unwrap_or(u32::MAX),
            String::new(),
        ),
        Err(problem) => (0, problem.message),
    };
    Ok(NewFax {
        queue: number::words(&said.queue),
        caller: number::caller(&said.caller),
        station: number::words(&said.station),
        sha256: sha256_hex(&file),
        file,
        pages,
        trouble,
    })
}
