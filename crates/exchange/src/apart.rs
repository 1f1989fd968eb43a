//! A content of this organisation's own that comes before anybody can say its digest: what arrives is on the disk a piece at
//! a time under a name of no meaning, and at its end is put where its digest names it. At most two pieces are in memory.
//!
//! What breaks off is forgotten with `abandon`; with a process that ends, by the tidying of what was begun and not finished.

use std::sync::Arc;

use access::{Scope, SystemPurpose};
use fhir::problem::{Kind, Problem};
use sha2::{Digest, Sha256};
use store::parcels::{Large, ParcelWrite};
use store::{Effect, Job};

use crate::exchange::Exchange;
use crate::keys::hex;
use crate::wire::PIECE_BYTES_MAX;

/// One that is arriving.
pub(crate) struct Arriving {
    exchange: Arc<Exchange>,
    /// What it is called until its digest is known.
    name: String,
    held: u64,
    hash: Sha256,
}

impl Arriving {
    /// Begins one.
    ///
    /// # Errors
    /// `Throttled` if too much is unfinished; those of the store.
    pub(crate) async fn begin(exchange: &Arc<Exchange>) -> Result<Arriving, Problem> {
        let half = || uuid::Uuid::new_v4().simple().to_string();
        let arriving = Arriving {
            exchange: exchange.clone(),
            name: half() + &half(),
            held: 0,
            hash: Sha256::new(),
        };
        let bytes_max = exchange.settings.bounds.content;
        exchange.want_own(&arriving.name, bytes_max).await?;
        Ok(arriving)
    }

    /// Keeps the next bytes, at most a piece of them; durable when this returns.
    ///
    /// # Errors
    /// `TooLong` beyond what one content may be; those of the store.
    pub(crate) async fn add(&mut self, bytes: Vec<u8>) -> Result<(), Problem> {
        if bytes.is_empty() {
            return Ok(());
        }
        let held = self.held + bytes.len() as u64;
        // One that filled its place to the last byte would be looked at as whole, under a name that is no digest of it.
        if held >= self.exchange.settings.bounds.content {
            let most = self.exchange.settings.bounds.content >> 20;
            let message = format!("has more than {most} MB");
            return Err(Problem::new(Kind::TooLong, message));
        }
        self.hash.update(&bytes);
        let own = self.exchange.organisation();
        let adding = self
            .exchange
            .append_content(own, &self.name, self.held, bytes);
        adding.await?;
        self.held = held;
        Ok(())
    }

    /// Puts it where its digest names it.
    ///
    /// # Errors
    /// Those of the store; then nothing of it is kept under the name of no meaning.
    pub(crate) async fn end(self) -> Result<Large, Problem> {
        let sha256 = hex(&self.hash.clone().finalize());
        let placed = self.placed(&sha256).await;
        let large = Large {
            sender: self.exchange.organisation().clone(),
            sha256,
            size: self.held,
        };
        self.abandon().await;
        placed.map(|()| large)
    }

    async fn placed(&self, sha256: &str) -> Result<(), Problem> {
        let own = self.exchange.organisation();
        let scope = Scope::system(SystemPurpose::TakeInParcels);
        // The same document may have come before, or a part of it.
        let mut at = self.exchange.want_own(sha256, self.held).await?.held;
        while at < self.held {
            let reading = self
                .exchange
                .store
                .content_bytes(&scope, own, &self.name, at, false);
            let mut bytes = reading.await?;
            bytes.truncate(PIECE_BYTES_MAX);
            at = self
                .exchange
                .append_content(own, sha256, at, bytes)
                .await?
                .held;
        }
        Ok(())
    }

    /// Forgets it.
    pub(crate) async fn abandon(self) {
        let write = ParcelWrite::Abandon {
            sender: self.exchange.organisation().clone(),
            sha256: self.name,
        };
        let scope = Scope::system(SystemPurpose::TakeInParcels);
        let job = Job::effect(Effect::Parcel(write));
        if let Err(problem) = self.exchange.store.commit(&scope, job).await {
            tracing::warn!(%problem, "what was begun of a document is left to the tidying");
        }
    }
}
