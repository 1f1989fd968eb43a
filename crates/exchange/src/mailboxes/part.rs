//! A part of a message, as a parcel's text says it.

use std::collections::BTreeMap;

use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};

use super::is_mailbox;

/// Chunks of one message, at most.
pub const CHUNKS_MAX: u32 = 1000;
/// Parts of one message, at most: 32 GiB.
const PARTS_MAX: u32 = 4096;
/// Bytes of the content of one chunk, at most, unpacked.
const PLAIN_MAX: u64 = 1 << 40;
/// What is written on a message: names and characters.
const WRITTEN_MAX: usize = 20;
const TEXT_MAX: usize = 500;

/// What is written on a message, and which part of it a parcel's content is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailPart {
    /// The message's id in the network: letters and digits.
    pub message: String,
    /// Mailboxes.
    pub from: String,
    pub to: String,
    pub workflow: String,
    pub local_id: String,
    /// Headers of MESH by their names in small letters, such as `mex-subject`.
    pub written: BTreeMap<String, String>,
    /// `gzip`, or empty: of each chunk by itself.
    pub encoding: String,
    pub chunks: u32,
    /// Parts in all; which of them this is, and of which chunk, from 1.
    pub parts: u32,
    pub part: u32,
    pub chunk: u32,
    /// Bytes of the whole of that chunk, unpacked.
    pub plain: u64,
}

impl MailPart {
    /// # Errors
    /// `Value` for what no node of this version sends.
    pub fn check(&self) -> Result<(), Problem> {
        let id = (1..=64).contains(&self.message.len())
            && self.message.bytes().all(|it| it.is_ascii_alphanumeric());
        let counts = (1..=CHUNKS_MAX).contains(&self.chunks)
            && (1..=PARTS_MAX).contains(&self.parts)
            && (1..=self.parts).contains(&self.part)
            && (1..=self.chunks).contains(&self.chunk)
            && self.plain <= PLAIN_MAX;
        let text =
            |it: &String| it.len() <= TEXT_MAX && it.bytes().all(|b| (0x20..0x7f).contains(&b));
        let name = |it: &String| it.starts_with("mex-") || it == "content-type";
        let written = self.written.len() <= WRITTEN_MAX
            && self
                .written
                .iter()
                .all(|(key, value)| name(key) && text(key) && text(value));
        let encoding = matches!(self.encoding.as_str(), "" | "gzip");
        let named = is_mailbox(&self.from) && is_mailbox(&self.to);
        if id
            && counts
            && written
            && encoding
            && named
            && text(&self.workflow)
            && text(&self.local_id)
        {
            return Ok(());
        }
        let message = "What is written on a message for a mailbox is not as it must be.";
        Err(Problem::new(Kind::Value, message))
    }
}
