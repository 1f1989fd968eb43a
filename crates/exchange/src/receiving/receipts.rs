//! Later steps that another organisation tells.

use access::{Ods, Scope, SystemPurpose};
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use store::parcels::{Made, ParcelDone, ParcelWrite, State, Telling};
use store::{Change, Done, Effect, Expect, Job, Prepared, Reading, Release};

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
        let mut results = Vec::new();
        // In order, since they tell one story after the other.
        for receipt in &receipts.receipts {
            results.push(
                match self.take_receipt(peer, receipt, &request.receipts).await {
                    Ok(Telling::News | Telling::Known) => taken(Outcome::Taken, ""),
                    Ok(Telling::UnknownParcel) => {
                        taken(Outcome::Refused, "No such parcel is known here.")
                    }
                    Err(problem) if is_final(&problem) => taken(Outcome::Refused, &problem.message),
                    Err(problem) => {
                        tracing::warn!(?problem, %peer, "a receipt was not kept");
                        taken(Outcome::Later, "")
                    }
                },
            );
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
        jws: &str,
    ) -> Result<Telling, Problem> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_receipt(peer, receipt, jws).await {
                Err(problem) if problem.kind == Kind::Conflict && tries < TRIES => {}
                other => return other,
            }
        }
    }

    async fn try_receipt(
        &self,
        peer: &Ods,
        receipt: &Receipt,
        jws: &str,
    ) -> Result<Telling, Problem> {
        let scope = Scope::system(SystemPurpose::ReportParcels);
        let found = self
            .store
            .made_of(&scope, &receipt.sender, &receipt.parcel)
            .await?;
        let made = found.map(|(_, made)| made).unwrap_or_default();
        let mut job = Job::default();
        let ours = receipt.sender == self.organisation().as_str();
        let state = State::from_code(&receipt.state);
        if let (false, Some(state)) = (ours, state) {
            job.changes = self.take_back(&scope, state, &made).await?;
        }
        let told = Box::new(receipt.told(peer, self.organisation(), jws, made));
        job.effects.push(Effect::Parcel(ParcelWrite::Told(told)));
        match self.store.commit(&scope, job).await?.done.first() {
            Some(Done::Parcel(ParcelDone::Told(telling))) => Ok(*telling),
            _ => Err(Problem::new(Kind::Exception, "A receipt came to nothing.")),
        }
    }

    /// What its sender withdraws is held from the patient and marked as an error in the record; what
    /// is superseded is marked so, and held too unless the patient has had it already: the newer letter
    /// may be marked, or say why the older must not be read.
    async fn take_back(
        &self,
        scope: &Scope,
        state: State,
        made: &Made,
    ) -> Result<Vec<Change>, Problem> {
        let (status, release) = match state {
            State::Withdrawn => ("entered-in-error", Release::Never),
            State::Superseded => ("superseded", Release::Hold),
            _ => return Ok(Vec::new()),
        };
        let mut changes = made.releases(release);
        let Some(document) = &made.document else {
            return Ok(changes);
        };
        let ty = "DocumentReference";
        // Where the document is gone, its contents are held all the same.
        let Reading::Found(found) = self.store.read(scope, ty, document).await? else {
            return Ok(changes);
        };
        if let Some(text) = with_status(&found.body, status)? {
            let json = json::parse(&text, &Limits::default())?;
            let resource = Prepared::new(&json, document, self.organisation())?;
            let expect = Expect::Version(found.version);
            changes.retain(
                |change| !matches!(change, Change::Release { ty, .. } if ty == "DocumentReference"),
            );
            changes.push(Change::Put {
                resource,
                expect,
                release,
            });
        }
        Ok(changes)
    }
}

/// A DocumentReference's text with another status; `None` if it has it already.
fn with_status(body: &[u8], status: &str) -> Result<Option<Vec<u8>>, Problem> {
    let mut json = json::parse(body, &Limits::default())?;
    if json.text("status") == Some(status) {
        return Ok(None);
    }
    if let json::Json::Object(members) = &mut json {
        for (name, value) in members.iter_mut() {
            if name == "status" {
                *value = json::Json::String(status.to_string().into());
            }
        }
    }
    Ok(Some(json.to_bytes()))
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
