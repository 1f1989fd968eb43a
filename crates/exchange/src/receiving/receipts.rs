//! Later steps that another organisation tells.

use access::{Ods, Scope, SystemPurpose};
use fhir::problem::{Kind, Problem};
use store::parcels::{ParcelDone, ParcelWrite, Proof, State, Telling};
use store::{Done, Effect, Job, Release};

use crate::exchange::Exchange;
use crate::jws::{self, Statement, read_strictly};
use crate::receipt::{Receipt, Receipts};
use crate::wire::{self, Outcome, ReceiptsTaken, SendReceipts, Taken};

/// How often a step is tried again that met another change of the same parcel.
const TRIES: usize = 5;

impl Exchange {
    /// Answers `POST /exchange/v1/receipts` from `peer`. What is answered `taken` is on disk.
    ///
    /// # Errors
    /// `Security` if the statement is not theirs, or not to us; `Structure`, `Value`, `TooLong` if it
    /// is malformed. Then nothing was kept.
    pub async fn take_receipts(&self, peer: &Ods, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let request: SendReceipts = read_strictly(body)?;
        let receipts = self.verify_receipts(peer, &request.receipts)?;
        let proof = Proof::new(request.receipts);
        let mut results = Vec::new();
        // In order, since they tell one story after the other.
        for receipt in &receipts.receipts {
            results.push(match self.take_receipt(peer, receipt, &proof).await {
                Ok(Telling::News | Telling::Known) => taken(Outcome::Taken, ""),
                Ok(Telling::UnknownParcel) => {
                    taken(Outcome::Refused, "No such parcel is known here.")
                }
                Err(problem) if is_final(&problem) => taken(Outcome::Refused, &problem.message),
                Err(problem) => {
                    tracing::warn!(?problem, %peer, "a receipt was not kept");
                    taken(Outcome::Later, "")
                }
            });
        }
        self.heard_from(peer).await;
        wire::write(&ReceiptsTaken { results })
    }

    /// Verifies a signed list of receipts from `peer`.
    pub(crate) fn verify_receipts(&self, peer: &Ods, jws: &str) -> Result<Receipts, Problem> {
        let now = self.store.now();
        let find = |kid: &str| self.book.key(peer, kid, now);
        let receipts: Receipts = jws::verify(jws, Statement::Receipts, find)?;
        receipts.check(peer, self.organisation())?;
        Ok(receipts)
    }

    /// Keeps one verified receipt and does what follows from it.
    pub(crate) async fn take_receipt(
        &self,
        peer: &Ods,
        receipt: &Receipt,
        proof: &Proof,
    ) -> Result<Telling, Problem> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_receipt(peer, receipt, proof).await {
                Err(problem) if problem.kind == Kind::Conflict && tries < TRIES => {}
                other => return other,
            }
        }
    }

    async fn try_receipt(
        &self,
        peer: &Ods,
        receipt: &Receipt,
        proof: &Proof,
    ) -> Result<Telling, Problem> {
        let scope = Scope::system(SystemPurpose::ReportParcels);
        let found = self
            .store
            .made_of(&scope, &receipt.sender, &receipt.parcel)
            .await?;
        let made = found.map(|(_, made)| made).unwrap_or_default();
        let mut job = Job::default();
        let ours = receipt.sender == self.organisation().as_str();
        let taking_back = taking_back(State::from_code(&receipt.state));
        if let (false, Some((status, release))) = (ours, taking_back) {
            let here = self.organisation();
            job.changes = self
                .store
                .mark_letter(&scope, here, &made, status, release)
                .await?;
        }
        let told = Box::new(receipt.told(peer, self.organisation(), proof, made));
        job.effects.push(Effect::Parcel(ParcelWrite::Told(told)));
        match self.store.commit(&scope, job).await?.done.first() {
            Some(Done::Parcel(ParcelDone::Told(telling))) => Ok(*telling),
            _ => Err(Problem::new(Kind::Exception, "A receipt came to nothing.")),
        }
    }
}

/// What its sender withdraws is held from the patient and marked as an error in the record; what is
/// superseded is marked so, and held too unless the patient has had it already: the newer letter may
/// be marked, or say why the older must not be read.
fn taking_back(state: Option<State>) -> Option<(&'static str, Release)> {
    match state? {
        State::Withdrawn => Some(("entered-in-error", Release::Never)),
        State::Superseded => Some(("superseded", Release::Hold)),
        _ => None,
    }
}

/// Whether trying again could never help.
fn is_final(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Security | Kind::Value | Kind::BusinessRule | Kind::TooCostly
    )
}

fn taken(outcome: Outcome, reason: &str) -> Taken {
    Taken {
        outcome,
        reason: reason.to_string(),
    }
}
