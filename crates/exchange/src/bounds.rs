//! How large a content and a parcel may be that a node takes, and how much of what a neighbour has begun to send it keeps.
//! A sender asks before it sends anything large: a node of an earlier version does not know the question, and takes what it
//! always took.

use std::collections::HashMap;

use access::Ods;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use parking_lot::Mutex;
use store::parcels::{ParcelWrite, PartOf, ToDeliver};

use crate::delivery::Trouble;
use crate::exchange::Exchange;
use crate::manifest::{PARTS_MAX, PLAIN_CONTENT_BYTES_MAX, PROTOCOL};
use crate::wire::{self, Takes};

/// For how long what a neighbour said is believed.
const KNOWN_MILLIS: Millis = 60_000;

/// A node's own bounds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// One content of a parcel.
    pub content: u64,
    /// All contents of a parcel.
    pub parcel: u64,
    /// What one neighbour has begun to send and not finished.
    pub unfinished: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            content: 100 << 20,
            parcel: 200 << 20,
            unfinished: 1 << 30,
        }
    }
}

/// What a node takes of which no more is known.
const PLAIN: Takes = Takes {
    protocol: PROTOCOL,
    content: PLAIN_CONTENT_BYTES_MAX,
    parcel: PLAIN_CONTENT_BYTES_MAX * PARTS_MAX as u64,
};

/// What neighbours said, and until when it is believed. Forgotten with the process.
#[derive(Default)]
pub(crate) struct Known(Mutex<HashMap<Ods, (Takes, Millis)>>);

/// Why contents are more than somebody takes, for people; `None` if they are not.
fn too_much(parts: &[PartOf], takes: &Takes) -> Option<String> {
    let largest = parts.iter().map(|part| part.size).max().unwrap_or_default();
    let all = parts
        .iter()
        .fold(0_u64, |all, part| all.saturating_add(part.size));
    if largest > takes.content {
        let (largest, most) = (megabytes(largest), megabytes(takes.content));
        return Some(format!(
            "a part of it has {largest}, and at most {most} are taken"
        ));
    }
    if all > takes.parcel {
        let (all, most) = (megabytes(all), megabytes(takes.parcel));
        return Some(format!("it has {all} in all, and at most {most} are taken"));
    }
    None
}

/// In whole MB, rounded up.
fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1 << 20))
}

impl Exchange {
    /// What this node takes.
    fn takes(&self) -> Takes {
        Takes {
            protocol: PROTOCOL,
            content: self.settings.bounds.content,
            parcel: self.settings.bounds.parcel,
        }
    }

    /// Answers `GET /exchange/v1/takes`.
    ///
    /// # Errors
    /// `Exception`, which none of this is.
    pub fn answer_takes(&self) -> Result<Vec<u8>, Problem> {
        wire::write(&self.takes())
    }

    /// # Errors
    /// `TooLong` if a parcel that comes is more than this node takes: the reason, for the sender.
    pub(crate) fn check_size(&self, parts: &[PartOf]) -> Result<(), Problem> {
        match too_much(parts, &self.takes()) {
            None => Ok(()),
            Some(why) => Err(Problem::new(
                Kind::TooLong,
                format!("The parcel is too large: {why} here."),
            )),
        }
    }

    /// What the neighbour takes: as it said lately, or says now.
    async fn takes_of(&self, peer: &Ods) -> Result<Takes, Trouble> {
        let now = self.store.now();
        let known = self.takes.0.lock().get(peer).cloned();
        if let Some((takes, until)) = known
            && (now..=now.saturating_add(KNOWN_MILLIS)).contains(&until)
        {
            return Ok(takes);
        }
        let takes = match self.transport.takes(peer).await {
            Ok(body) => crate::jws::read_strictly(&body)?,
            // It is of a version that does not know the question.
            Err(failure) if matches!(failure.status, Some(404 | 405)) => PLAIN,
            Err(failure) => return Err(failure.into()),
        };
        let until = now.saturating_add(KNOWN_MILLIS);
        self.takes.0.lock().insert(peer.clone(), (takes, until));
        Ok(takes)
    }

    /// Puts parcels before a person that are more than the neighbour takes, and leaves them out of the list. Nobody is asked
    /// about what every node takes.
    pub(crate) async fn without_too_large(
        &self,
        peer: &Ods,
        parcels: Vec<ToDeliver>,
    ) -> Result<Vec<ToDeliver>, Trouble> {
        if parcels
            .iter()
            .all(|parcel| too_much(&parcel.parts, &PLAIN).is_none())
        {
            return Ok(parcels);
        }
        let takes = self.takes_of(peer).await?;
        let mut fitting = Vec::new();
        for parcel in parcels {
            let Some(why) = too_much(&parcel.parts, &takes) else {
                fitting.push(parcel);
                continue;
            };
            let reason = format!(
                "The letter is too large for the other node: {why} there. Send it in smaller parts, or by another way."
            );
            let pid = parcel.pid;
            self.write(ParcelWrite::SetAside { pid, reason }).await?;
        }
        Ok(fitting)
    }
}
