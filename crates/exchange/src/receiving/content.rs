//! Contents that come in pieces.

use access::{Ods, Scope, SystemPurpose};
use fhir::problem::{Kind, Problem};
use store::parcels::{Held, Parcel, ParcelWrite};
use store::{Effect, Job};

use crate::exchange::Exchange;
use crate::keys::sha256_hex;
use crate::manifest::is_digest;
use crate::wire::{PIECE_BYTES_MAX, Wanted};

impl Exchange {
    /// Notes what of a parcel's contents is to come, and tells how much of it is here.
    pub(super) async fn want(
        &self,
        scope: &Scope,
        parcel: &Parcel,
    ) -> Result<Vec<Wanted>, Problem> {
        let sender = parcel.sender.clone();
        let contents = parcel
            .parts
            .iter()
            .map(|it| (it.sha256.clone(), it.size))
            .collect();
        let write = ParcelWrite::Want {
            sender: sender.clone(),
            contents,
        };
        self.store
            .commit(scope, Job::effect(Effect::Parcel(write)))
            .await?;
        let mut wanted = Vec::new();
        for part in &parcel.parts {
            match self.store.content_held(&sender, &part.sha256).await? {
                Some(held) if !held.complete => wanted.push(Wanted {
                    sha256: part.sha256.clone(),
                    size: part.size,
                    held: held.held,
                }),
                _ => {}
            }
        }
        Ok(wanted)
    }

    /// Answers `HEAD /exchange/v1/content/{sha256}`: how much is here of what `peer` sends.
    ///
    /// # Errors
    /// `NotFound` if it is not wanted from them.
    pub async fn held_content(&self, peer: &Ods, sha256: &str) -> Result<Held, Problem> {
        let held = if is_digest(sha256) {
            self.store.content_held(peer, sha256).await?
        } else {
            None
        };
        held.ok_or_else(|| {
            Problem::new(
                Kind::NotFound,
                "No content of this digest is wanted from this sender.",
            )
        })
    }

    /// Answers `PUT /exchange/v1/content/{sha256}`: adds bytes from `start` on. When the last are
    /// here the digest of the whole is checked.
    ///
    /// # Errors
    /// `NotFound` if it is not wanted; `Conflict` if `start` is not how much is held (`HEAD` tells);
    /// `TooLong` beyond a piece's or the content's size; `Value` if the whole does not have its
    /// digest: then it starts again from 0.
    pub async fn append_content(
        &self,
        peer: &Ods,
        sha256: &str,
        start: u64,
        bytes: Vec<u8>,
    ) -> Result<Held, Problem> {
        let held = self.held_content(peer, sha256).await?;
        if held.complete {
            return Ok(held);
        }
        if bytes.is_empty() || bytes.len() > PIECE_BYTES_MAX {
            return Err(Problem::new(Kind::TooLong, "A piece is 1 byte to 1 MiB."));
        }
        if start != held.held {
            return Err(Problem::new(
                Kind::Conflict,
                "The content does not continue there.",
            ));
        }
        let end = start.saturating_add(bytes.len() as u64);
        if end > held.size {
            return Err(Problem::new(
                Kind::TooLong,
                "This is more than the content's size.",
            ));
        }
        let scope = Scope::system(SystemPurpose::TakeInParcels);
        let (sender, name) = (peer.clone(), sha256.to_string());
        let complete = end == held.size;
        if complete {
            let mut whole = self
                .store
                .content_bytes(&scope, peer, sha256, 0, true)
                .await?;
            whole.truncate(usize::try_from(start).unwrap_or(usize::MAX));
            whole.extend_from_slice(&bytes);
            if sha256_hex(&whole) != sha256 {
                let write = ParcelWrite::Drop {
                    sender,
                    sha256: name,
                };
                self.store
                    .commit(&scope, Job::effect(Effect::Parcel(write)))
                    .await?;
                let message = "The content does not have the digest named; send it again from 0.";
                return Err(Problem::new(Kind::Value, message));
            }
        }
        let write = ParcelWrite::Append {
            sender,
            sha256: name,
            start,
            bytes,
            complete,
        };
        self.store
            .commit(&scope, Job::effect(Effect::Parcel(write)))
            .await?;
        Ok(Held {
            size: held.size,
            held: end,
            complete,
        })
    }
}
