//! Contents that come in pieces.

use access::{Ods, Scope, SystemPurpose};
use fhir::problem::{Kind, Problem};
use sha2::{Digest, Sha256};
use store::parcels::{Held, Large, Parcel, ParcelWrite};
use store::{Effect, Job};

use crate::exchange::Exchange;
use crate::keys::hex;
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
            bytes_max: self.settings.bounds.unfinished,
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
            let before = self.hashed(&scope, peer, (sha256, start)).await?;
            if hex(&before.chain_update(&bytes).finalize()) != sha256 {
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

    /// Notes that a content of this organisation's own is to come, by its own door, and tells how much of it is here.
    /// `append_content` adds to it, with this organisation as who sends.
    ///
    /// # Errors
    /// `Value` for what is no digest; `TooLong` beyond what one content may be; `Throttled` if too much is unfinished.
    pub async fn want_own(&self, sha256: &str, size: u64) -> Result<Held, Problem> {
        if !is_digest(sha256) || size == 0 {
            let message = "A content has a digest and at least one byte.";
            return Err(Problem::new(Kind::Value, message));
        }
        let bounds = &self.settings.bounds;
        if size > bounds.content {
            let most = bounds.content >> 20;
            let message = format!("A content may have at most {most} MB here.");
            return Err(Problem::new(Kind::TooLong, message));
        }
        let write = ParcelWrite::Want {
            sender: self.organisation().clone(),
            contents: vec![(sha256.to_string(), size)],
            bytes_max: bounds.unfinished,
        };
        let scope = Scope::system(SystemPurpose::TakeInParcels);
        let job = Job::effect(Effect::Parcel(write));
        self.store.commit(&scope, job).await?;
        let held = self.held_content(self.organisation(), sha256).await?;
        match held.size == size {
            true => Ok(held),
            false => Err(Problem::new(
                Kind::Value,
                "A content of this digest was told to be of another size.",
            )),
        }
    }

    /// The hash so far of a content's first `end` bytes, read a piece at a time.
    async fn hashed(
        &self,
        scope: &Scope,
        sender: &Ods,
        (sha256, end): (&str, u64),
    ) -> Result<Sha256, Problem> {
        let (mut hash, mut at) = (Sha256::new(), 0);
        while at < end {
            let reading = self.store.content_bytes(scope, sender, sha256, at, false);
            let mut bytes = reading.await?;
            bytes.truncate(usize::try_from(end - at).unwrap_or(usize::MAX));
            if bytes.is_empty() {
                let message = "A piece of a content is not here.";
                return Err(Problem::new(Kind::Exception, message));
            }
            at += bytes.len() as u64;
            hash.update(&bytes);
        }
        Ok(hash)
    }

    /// Whether a large content that is here has its digest, without holding it.
    ///
    /// # Errors
    /// `Exception` if it has not.
    pub(crate) async fn check_large(&self, scope: &Scope, large: &Large) -> Result<(), Problem> {
        let of = (large.sha256.as_str(), large.size);
        match hex(&self.hashed(scope, &large.sender, of).await?.finalize()) == large.sha256 {
            true => Ok(()),
            false => Err(Problem::new(
                Kind::Exception,
                "A content here does not have its digest.",
            )),
        }
    }
}
