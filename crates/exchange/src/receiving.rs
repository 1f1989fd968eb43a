//! What other nodes bring: checked, stored durably, and only then answered.

mod content;
mod order;
mod receipts;

use std::collections::{HashMap, HashSet};

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use futures_util::future::join_all;
use store::parcels::{Incoming, Parcel, ParcelDone, ParcelWrite, Proof};
use store::{Done, Effect, Job};

use self::order::Order;
use crate::exchange::Exchange;
use crate::jws::{self, Statement, read_strictly};
use crate::keys::sha256_hex;
use crate::manifest::{Manifest, PARCELS_MAX, PROTOCOL, ParcelText};
use crate::receipt::{REFUSED, Receipt, Receipts};
use crate::wire::{self, INLINE_BYTES_MAX, Parcels, SendParcels, Wanted};

/// What came of one parcel.
enum Came {
    Stored(Receipt),
    Refused(Receipt),
    /// Contents are missing.
    Wants(Vec<Wanted>),
    /// Something here failed: no receipt, so that the sender tries again.
    NotNow,
}

impl Exchange {
    /// Answers `POST /exchange/v1/parcels` from `peer`, the organisation that the connection's
    /// certificate belongs to. Every parcel that gets a receipt is on disk.
    ///
    /// # Errors
    /// `Security` if the manifest is not theirs, or not to us; `Structure`, `Value`, `TooLong` if the
    /// request is malformed. Then nothing was stored.
    pub async fn take_parcels(&self, peer: &Ods, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let request: SendParcels = read_strictly(body)?;
        let now = self.store.now();
        let find = |kid: &str| self.book.key(peer, kid, now);
        let manifest: Manifest = jws::verify(&request.manifest, Statement::Manifest, find)?;
        self.check_manifest(peer, &manifest)?;
        let mut inline = inline_contents(&request)?;
        let proof = Proof::new(request.manifest);
        let scope = Scope::system(SystemPurpose::TakeInParcels);
        let mut coming = Vec::new();
        let mut refused = Vec::new();
        for text in manifest.parcels {
            match self.read_parcel(peer, text)? {
                Ok(parcel) => coming.push(parcel),
                Err(receipt) => refused.push(Came::Refused(receipt)),
            }
        }
        let mut jobs = Vec::new();
        let mut order = Order::default();
        for parcel in coming {
            let after = order.before(&parcel);
            if parcel.kind.is_kept_at_once() {
                match self.job_at_once(&scope, &parcel, &proof).await {
                    Ok(job) => jobs.push((parcel, job)),
                    Err(problem) => {
                        let came = self.unkept(&parcel, &problem);
                        if matches!(came, Came::Refused(_)) {
                            // It never will be here: nothing waits for it.
                            order.forget(&parcel.id);
                        }
                        refused.push(came);
                    }
                }
                continue;
            }
            let job = self
                .receive_job(&scope, (&parcel, &proof, after), &mut inline)
                .await?;
            jobs.push((parcel, job));
        }
        // Queued in this order, since a content stands in the first job that needs it; committed
        // together.
        let stored = join_all(
            jobs.into_iter()
                .map(|(parcel, job)| self.store_one(&scope, parcel, job)),
        );
        let mut came = stored.await;
        came.extend(refused);
        self.heard_from(peer).await;
        self.answer(peer, came)
    }

    fn check_manifest(&self, peer: &Ods, manifest: &Manifest) -> Result<(), Problem> {
        if manifest.protocol != PROTOCOL {
            return Err(Problem::new(
                Kind::NotSupported,
                "Only protocol 1 is spoken here.",
            ));
        }
        if manifest.from != peer.as_str() {
            let message = "The manifest is not from the organisation at the other end.";
            return Err(Problem::new(Kind::Security, message));
        }
        if manifest.to != self.organisation().as_str() {
            return Err(Problem::new(
                Kind::Security,
                "The manifest is for another organisation.",
            ));
        }
        if manifest.parcels.is_empty() || manifest.parcels.len() > PARCELS_MAX {
            return Err(Problem::new(
                Kind::TooLong,
                "A manifest lists 1 to 200 parcels.",
            ));
        }
        Ok(())
    }

    /// Reads one parcel.
    ///
    /// # Errors
    /// The refusal's receipt for what is wrong with a parcel that has an id to name; else a problem
    /// of the whole request.
    fn read_parcel(&self, peer: &Ods, text: String) -> Result<Result<Parcel, Receipt>, Problem> {
        let digest = sha256_hex(text.as_bytes());
        let read = ParcelText::parse(&text).and_then(|parcel| {
            if parcel.from != peer.as_str() || parcel.to != self.organisation().as_str() {
                let message = "The parcel is not from this sender to this receiver.";
                return Err(Problem::new(Kind::Security, message));
            }
            if let Some(mail) = &parcel.mesh {
                self.settings.mailboxes.own(&mail.to)?;
            }
            let parcel = parcel.to_parcel(text.clone())?;
            self.check_size(&parcel.parts)?;
            Ok(parcel)
        });
        let problem = match read {
            Ok(parcel) => return Ok(Ok(parcel)),
            Err(problem) => problem,
        };
        let json = fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).ok();
        let id = json.as_ref().and_then(|json| json.text("id"));
        match id.filter(|id| fhir::resource::check_id(id).is_ok()) {
            Some(id) => Ok(Err(self.refusal(peer, id, &digest, &problem.message))),
            None => Err(problem),
        }
    }

    /// The job that stores a parcel with those of its contents that came with it.
    async fn receive_job(
        &self,
        scope: &Scope,
        (parcel, manifest, after): (&Parcel, &Proof, Vec<String>),
        inline: &mut HashMap<String, Vec<u8>>,
    ) -> Result<Job, Problem> {
        let sender = &parcel.sender;
        let mut job = Job::default();
        let known = self
            .store
            .made_of(scope, sender.as_str(), &parcel.id)
            .await?
            .is_some();
        let mut seen = HashSet::new();
        for part in parcel
            .parts
            .iter()
            .filter(|part| !known && seen.insert(&part.sha256))
        {
            let Some(bytes) = inline.get(&part.sha256) else {
                continue;
            };
            if bytes.len() as u64 != part.size {
                return Err(Problem::new(
                    Kind::Value,
                    "A content is not of the size named.",
                ));
            }
            // The writer leaves what is whole here as it is.
            job.effects.push(Effect::Parcel(ParcelWrite::Place {
                sender: sender.clone(),
                sha256: part.sha256.clone(),
                bytes: inline.remove(&part.sha256).unwrap_or_default(),
            }));
        }
        let incoming = Box::new(Incoming {
            parcel: parcel.clone(),
            manifest: manifest.clone(),
            after,
        });
        job.effects
            .push(Effect::Parcel(ParcelWrite::Receive(incoming)));
        if !known {
            let ty = match parcel.kind {
                store::parcels::Kind::MeshMessage => "",
                store::parcels::Kind::Booking => "Appointment",
                store::parcels::Kind::PrescriptionStatus => "Task",
                store::parcels::Kind::Referral => "ServiceRequest",
                store::parcels::Kind::Handover => "Encounter",
                store::parcels::Kind::PracticeMove => "Patient",
                store::parcels::Kind::RecordQuestion => "Communication",
                _ => "DocumentReference",
            };
            let target = Target {
                ty: ty.into(),
                query: Some(format!("parcel={sender}/{}", parcel.id).into()),
                ..Target::default()
            };
            job.traces
                .push(scope.trace(Interaction::System, Outcome::Success, target));
        }
        Ok(job)
    }

    /// The job of a parcel that is all in its text.
    async fn job_at_once(
        &self,
        scope: &Scope,
        parcel: &Parcel,
        manifest: &Proof,
    ) -> Result<Job, Problem> {
        match parcel.kind {
            store::parcels::Kind::RecordPointer => self.pointer_job(scope, parcel, manifest).await,
            _ => self.preference_job(scope, parcel, manifest).await,
        }
    }

    /// What becomes of a preference or pointer that cannot be kept: refused for good, or not now.
    fn unkept(&self, parcel: &Parcel, problem: &Problem) -> Came {
        let is_final = matches!(
            problem.kind,
            Kind::Security | Kind::Value | Kind::Structure | Kind::BusinessRule | Kind::TooLong
        );
        if !is_final {
            tracing::warn!(?problem, "a preference or pointer was not kept");
            return Came::NotNow;
        }
        let why = &problem.message;
        Came::Refused(self.refusal(&parcel.sender, &parcel.id, &parcel.digest, why))
    }

    async fn store_one(&self, scope: &Scope, parcel: Parcel, job: Job) -> Came {
        let (peer, id, digest) = (&parcel.sender, &parcel.id, &parcel.digest);
        match self.store.commit(scope, job).await {
            Ok(committed) => match committed.done.last() {
                Some(Done::Parcel(ParcelDone::Received { at, .. })) => {
                    Came::Stored(receipt(peer, id, digest, "delivered", *at, 1, ""))
                }
                Some(Done::Parcel(ParcelDone::TakenBack)) => Came::Refused(self.refusal(
                    peer,
                    id,
                    digest,
                    "It was taken back before it came.",
                )),
                Some(Done::Parcel(ParcelDone::Differs)) => {
                    let why = "Another parcel came under this id before.";
                    Came::Refused(self.refusal(peer, id, digest, why))
                }
                _ => Came::NotNow,
            },
            Err(problem) if problem.kind == Kind::Incomplete => self
                .want(scope, &parcel)
                .await
                .map_or(Came::NotNow, Came::Wants),
            Err(problem) if problem.kind == Kind::LockError => {
                tracing::info!(%peer, parcel = %id, "a parcel waits for one before it");
                Came::NotNow
            }
            Err(problem) => {
                tracing::warn!(?problem, %peer, parcel = %id, "a parcel was not stored");
                Came::NotNow
            }
        }
    }

    fn refusal(&self, peer: &Ods, id: &str, digest: &str, why: &str) -> Receipt {
        receipt(peer, id, digest, REFUSED, self.store.now(), 0, why)
    }

    fn answer(&self, peer: &Ods, came: Vec<Came>) -> Result<Vec<u8>, Problem> {
        let mut receipts = Vec::new();
        let mut wanted: Vec<Wanted> = Vec::new();
        for came in came {
            match came {
                Came::Stored(receipt) | Came::Refused(receipt) => receipts.push(receipt),
                Came::Wants(contents) => wanted.extend(contents),
                Came::NotNow => {}
            }
        }
        wanted.sort_by(|a, b| a.sha256.cmp(&b.sha256));
        wanted.dedup();
        let statement = Receipts {
            protocol: PROTOCOL,
            from: self.organisation().to_string(),
            to: peer.to_string(),
            receipts,
        };
        let receipts = jws::sign(&self.identity.signing(), Statement::Receipts, &statement)?;
        wire::write(&Parcels { receipts, wanted })
    }

    /// Who sends is there: what waits for them need not wait longer.
    pub(crate) async fn heard_from(&self, peer: &Ods) {
        let work = self.store.peers_to_serve().await.unwrap_or_default();
        let waits = work
            .iter()
            .any(|it| &it.peer == peer && it.tries > 0 && it.next_try > 0);
        if waits {
            let write = ParcelWrite::TryNow { peer: peer.clone() };
            let scope = Scope::system(SystemPurpose::DeliverParcels);
            let done = self
                .store
                .commit(&scope, Job::effect(Effect::Parcel(write)))
                .await;
            if let Err(problem) = done {
                tracing::warn!(?problem, "a neighbour could not be noted as heard from");
            }
        }
    }
}

fn receipt(
    peer: &Ods,
    id: &str,
    digest: &str,
    state: &str,
    at: Millis,
    seq: u64,
    note: &str,
) -> Receipt {
    Receipt {
        sender: peer.to_string(),
        parcel: id.to_string(),
        digest: digest.to_string(),
        state: state.to_string(),
        at,
        seq,
        who: String::new(),
        role: String::new(),
        note: note.to_string(),
    }
}

/// The inline contents by digest, each checked.
fn inline_contents(request: &SendParcels) -> Result<HashMap<String, Vec<u8>>, Problem> {
    let mut contents = HashMap::new();
    for inline in &request.contents {
        let bytes = inline.bytes()?;
        if bytes.len() as u64 > INLINE_BYTES_MAX {
            let message = "A content of more than 64 KiB does not go inline.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        if sha256_hex(&bytes) != inline.sha256 {
            return Err(Problem::new(
                Kind::Value,
                "A content does not have the digest named.",
            ));
        }
        contents.insert(inline.sha256.clone(), bytes);
    }
    Ok(contents)
}
