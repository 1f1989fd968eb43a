//! What takes documents out of messages while they arrive, if they are too large for a resource: a long run of Base64 in an
//! OBX-5 goes onto the disk a piece at a time, and a mark stands in its place. Whatever else a message holds is passed on.
//!
//! Invariant: of a document that is taken out no more is in memory than what it takes to see that it is a large one.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use fhir::problem::{Kind, Problem};
use hl7v2::apart::{Apart, ends_document, is_document_next};
use hl7v2::mllp::{Broken, Decoder};
use store::parcels::{IN_RESOURCE_BYTES_MAX, Large};

use crate::apart::Arriving;
use crate::exchange::Exchange;
use crate::manifest::PARTS_MAX;
use crate::wire::PIECE_BYTES_MAX;

/// Characters of Base64 that make less than a piece.
const PIECE_CHARS: usize = PIECE_BYTES_MAX / 3 * 4;
/// Base64 as senders write it: padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a message cannot be read on.
pub(super) enum Stopped {
    Broken(Broken),
    /// It could be taken another time.
    NotNow(Problem),
}

pub(super) struct Sieve {
    /// Who keeps large documents; without them none is taken out.
    exchange: Option<Arc<Exchange>>,
    /// Characters of Base64 at the end of what the decoder holds.
    run: usize,
    taking: Option<Taking>,
    taken: Vec<Apart>,
}

/// A document that is being taken out.
struct Taking {
    arriving: Arriving,
    head: Vec<u8>,
    /// Not decoded yet.
    chars: Vec<u8>,
}

/// Characters of Base64 in a run from which on it is a document too large for a resource.
fn is_long(run: usize) -> bool {
    (run as u64) / 4 * 3 > IN_RESOURCE_BYTES_MAX
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

impl Sieve {
    pub(super) fn new(exchange: Option<Arc<Exchange>>) -> Sieve {
        Sieve {
            exchange,
            run: 0,
            taking: None,
            taken: Vec::new(),
        }
    }

    /// The documents of the message that has just ended.
    pub(super) fn taken(&mut self) -> Vec<Apart> {
        std::mem::take(&mut self.taken)
    }

    /// Whether a document is being taken out.
    pub(super) fn is_taking(&self) -> bool {
        self.taking.is_some()
    }

    /// Hands bytes on to the decoder, but for what belongs to a document. The decoder has looked at all that it holds.
    pub(super) async fn pass(
        &mut self,
        bytes: &[u8],
        decoder: &mut Decoder,
    ) -> Result<(), Stopped> {
        let mut bytes = bytes;
        if self.taking.is_some() {
            let end = bytes.iter().position(|byte| !is_base64(*byte));
            let (more, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.take(more, decoder).await?;
            let Some(next) = rest.first() else {
                return Ok(());
            };
            self.end(*next, decoder).await?;
            bytes = rest;
        }
        decoder.push(bytes);
        let tail = bytes.iter().rev().take_while(|byte| is_base64(**byte));
        let tail = tail.count();
        self.run = if tail == bytes.len() {
            self.run + tail
        } else {
            tail
        };
        if is_long(self.run) {
            self.begin(decoder).await?;
        }
        Ok(())
    }

    /// Begins to take a document out, if it is one.
    async fn begin(&mut self, decoder: &mut Decoder) -> Result<(), Stopped> {
        let held = decoder.held();
        let before = held.get(..held.len().saturating_sub(self.run));
        let Some(exchange) = self.exchange.clone() else {
            return Ok(());
        };
        if !before.is_some_and(is_document_next) {
            return Ok(());
        }
        let all = self.taken.iter().map(|it| it.size).sum::<u64>();
        let parcel = exchange.settings.bounds.parcel;
        if self.taken.len() >= PARTS_MAX || all >= parcel {
            let most = parcel >> 20;
            let reason = format!("is one of more than {PARTS_MAX}, or of more than {most} MB");
            return Err(broken(reason, decoder));
        }
        let arriving = Arriving::begin(&exchange).await;
        self.taking = Some(Taking {
            arriving: arriving.map_err(Stopped::NotNow)?,
            head: Vec::new(),
            chars: Vec::new(),
        });
        let begun = decoder.take_back(self.run);
        self.run = 0;
        self.take(&begun, decoder).await
    }

    async fn take(&mut self, chars: &[u8], decoder: &Decoder) -> Result<(), Stopped> {
        let Some(taking) = &mut self.taking else {
            return Ok(());
        };
        let taken = taking.push(chars).await;
        taken.map_err(|problem| stopped(problem, decoder))
    }

    /// Ends a document before that byte, and puts its mark into its place.
    async fn end(&mut self, next: u8, decoder: &mut Decoder) -> Result<(), Stopped> {
        let Some(taking) = self.taking.take() else {
            return Ok(());
        };
        let ended = match ends_document(decoder.held(), next) {
            true => taking.end().await,
            false => {
                taking.arriving.abandon().await;
                Err(not_base64())
            }
        };
        let apart = ended.map_err(|problem| stopped(problem, decoder))?;
        decoder.put(&apart.mark());
        self.taken.push(apart);
        Ok(())
    }

    /// Forgets what was begun.
    pub(super) async fn abandon(self) {
        if let Some(taking) = self.taking {
            taking.arriving.abandon().await;
        }
    }
}

impl Taking {
    async fn push(&mut self, chars: &[u8]) -> Result<(), Problem> {
        for part in chars.chunks(PIECE_CHARS) {
            self.chars.extend_from_slice(part);
            // The last four may end with padding: they wait for what follows.
            while self.chars.len() >= PIECE_CHARS + 4 {
                let rest = self.chars.split_off(PIECE_CHARS);
                let piece = std::mem::replace(&mut self.chars, rest);
                let bytes = BASE64.decode(piece).ok();
                // Padding in the middle makes it shorter.
                let bytes = bytes.filter(|it| it.len() == PIECE_CHARS / 4 * 3);
                self.keep(bytes.ok_or_else(not_base64)?).await?;
            }
        }
        Ok(())
    }

    async fn keep(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        if self.head.is_empty() {
            self.head = bytes.iter().take(8).copied().collect();
        }
        self.arriving.add(bytes).await
    }

    async fn end(mut self) -> Result<Apart, Problem> {
        let chars = std::mem::take(&mut self.chars);
        let kept = match BASE64.decode(chars) {
            Ok(bytes) => self.keep(bytes).await,
            Err(_) => Err(not_base64()),
        };
        if let Err(problem) = kept {
            self.arriving.abandon().await;
            return Err(problem);
        }
        let Large { sha256, size, .. } = self.arriving.end().await?;
        Ok(Apart::new(sha256, size, &self.head))
    }
}

fn not_base64() -> Problem {
    Problem::new(Kind::Value, "is not Base64 in one piece")
}

/// What is wrong with the document is told its sender as that; anything else may pass.
fn stopped(problem: Problem, decoder: &Decoder) -> Stopped {
    match problem.kind {
        Kind::Value | Kind::TooLong => broken(problem.message, decoder),
        _ => Stopped::NotNow(problem),
    }
}

fn broken(reason: String, decoder: &Decoder) -> Stopped {
    let partial = decoder.held().to_vec();
    Stopped::Broken(Broken::Document { reason, partial })
}
