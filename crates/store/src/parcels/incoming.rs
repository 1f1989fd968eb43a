//! Parcels that come in.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::event::{self, Actor, Known};
use super::outgoing::{self, New, gone};
use super::state::State;
use super::{Incoming, Named, Parcel, ParcelDone, Told, content, proof};
use crate::database::Tx;
use crate::sql::Sql;

/// Stores a parcel that came in, once. What it answers is what the receipt says.
pub(crate) async fn receive(
    tx: &mut Tx<'_>,
    now: Millis,
    incoming: &Incoming,
) -> Result<ParcelDone, Problem> {
    let parcel = &incoming.parcel;
    if let Some(known) = event::by_id(tx, parcel.sender.as_str(), &parcel.id).await? {
        if known.digest.is_empty() {
            return Ok(ParcelDone::TakenBack);
        }
        if known.digest != parcel.digest {
            let sql = Sql::new("UPDATE parcel SET tampered = tampered + 1 WHERE pid = $1")
                .with(known.pid);
            tx.execute(&sql).await?;
            return Ok(ParcelDone::Differs);
        }
        let at = received_at(tx, known.pid).await?;
        return Ok(ParcelDone::Received {
            pid: known.pid,
            at,
            known: true,
        });
    }
    for earlier in &incoming.after {
        if event::by_id(tx, parcel.sender.as_str(), earlier)
            .await?
            .is_none()
        {
            return Err(Problem::new(
                Kind::LockError,
                "A parcel about the same patient that was sent before it is not here yet.",
            ));
        }
    }
    for part in &parcel.parts {
        if !content::is_complete(tx, parcel.sender.as_str(), &part.sha256).await? {
            return Err(Problem::new(
                Kind::Incomplete,
                "A content of the parcel is not here.",
            ));
        }
    }
    proof::keep(tx, &incoming.manifest).await?;
    let state = State::Delivered;
    let row = New {
        parcel,
        outward: false,
        state,
        due: !parcel.kind.is_kept_at_once(),
        proof: Some(&incoming.manifest),
    };
    let pid = outgoing::insert(tx, now, &row).await?;
    event::begin(tx, now, (&row, pid), "").await?;
    Ok(ParcelDone::Received {
        pid,
        at: now,
        known: false,
    })
}

async fn received_at(tx: &mut Tx<'_>, pid: i64) -> Result<Millis, Problem> {
    let sql = Sql::new("SELECT stored_at FROM parcel WHERE pid = $1").with(pid);
    tx.row(&sql).await?.ok_or_else(gone)?.int(0)
}

/// Remembers that a parcel was taken back before it came: a row without a digest, which no copy fits.
pub(crate) async fn remember(
    tx: &mut Tx<'_>,
    now: Millis,
    told: &Told,
    state: State,
) -> Result<(), Problem> {
    let parcel = Parcel {
        kind: super::Kind::Letter,
        sender: told.peer.clone(),
        recipient: told.me.clone(),
        id: told.id.clone(),
        text: String::new(),
        digest: String::new(),
        title: String::new(),
        author: String::new(),
        urgent: false,
        marked: true,
        unique_id: String::new(),
        replaces: None,
        named: Named::default(),
        parts: Vec::new(),
    };
    proof::keep(tx, &told.proof).await?;
    let row = New {
        parcel: &parcel,
        outward: false,
        state,
        due: false,
        proof: Some(&told.proof),
    };
    outgoing::insert(tx, now, &row).await.map(|_| ())
}

/// The receiver's own resources are in this job. `Conflict` if they were made before: the job is
/// undone, so that nothing is taken in twice.
pub(crate) async fn taken_in(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    patient: &str,
    document: &str,
    binaries: &[String],
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "UPDATE parcel SET due = 0, unmatched = 0, reason = NULL, patient = $1, document = $2, \
         binaries = $3 WHERE pid = $4 AND direction = 1 AND due = 1 AND document IS NULL",
    )
    .with(patient)
    .with(document)
    .with(binaries.join(" "))
    .with(pid);
    take_in(tx, now, pid, &sql).await?;
    crate::rules::letter_came(tx, now, pid, document).await?;
    crate::sharing::is_held_elsewhere(tx, patient).await?;
    Ok(ParcelDone::Rows(1))
}

/// The mailbox has what it carries. `Conflict` if it had so before: the job is undone.
pub(crate) async fn put_into_mailbox(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "UPDATE parcel SET due = 0 WHERE pid = $1 AND direction = 1 AND due = 1 \
         AND kind = 'mesh-message'",
    );
    take_in(tx, now, pid, &sql.with(pid)).await?;
    Ok(ParcelDone::Rows(1))
}

/// What it tells of a prescription is noted. `Conflict` if it was so before: the job is undone.
pub(crate) async fn status_taken(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    patient: &str,
) -> Result<ParcelDone, Problem> {
    let about = (pid, super::Kind::PrescriptionStatus);
    whole_taken_in(tx, now, about, patient).await?;
    Ok(ParcelDone::Rows(1))
}

/// A parcel of that kind has been seen to in this job; about nobody, where the patient is empty. `Conflict` if it was so
/// before: the job is undone.
pub(crate) async fn text_taken_in(
    tx: &mut Tx<'_>,
    now: Millis,
    (pid, kind): (i64, super::Kind),
    patient: &str,
) -> Result<(), Problem> {
    let sql = seen_to((pid, kind), patient);
    note_taken_in(tx, now, pid, &sql).await.map(|_| ())
}

/// The same, and what it carries beside its text is let go.
pub(crate) async fn whole_taken_in(
    tx: &mut Tx<'_>,
    now: Millis,
    (pid, kind): (i64, super::Kind),
    patient: &str,
) -> Result<(), Problem> {
    take_in(tx, now, pid, &seen_to((pid, kind), patient)).await
}

fn seen_to((pid, kind): (i64, super::Kind), patient: &str) -> Sql<'_> {
    let sql = Sql::new(
        "UPDATE parcel SET due = 0, unmatched = 0, reason = NULL, patient = $1 WHERE pid = $2 \
         AND direction = 1 AND due = 1 AND kind = $3",
    );
    let patient = (!patient.is_empty()).then_some(patient);
    sql.with(patient).with(pid).with(kind.code())
}

/// Notes that a parcel was taken in, and lets go what it carries.
async fn take_in(tx: &mut Tx<'_>, now: Millis, pid: i64, sql: &Sql<'_>) -> Result<(), Problem> {
    let parcel = note_taken_in(tx, now, pid, sql).await?;
    content::release(tx, pid, &parcel.sender).await
}

/// Notes that a parcel was taken in, by the statement that changes its row if it waits for that.
async fn note_taken_in(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    sql: &Sql<'_>,
) -> Result<Known, Problem> {
    tx.execute_once(sql, "The parcel is not waiting to be taken in.")
        .await?;
    let parcel = event::by_pid(tx, pid).await?.ok_or_else(gone)?;
    event::add(tx, now, &parcel, "taken-in", &Actor::default(), "").await?;
    Ok(parcel)
}

/// Puts the parcel onto the list for a person to match or return.
pub(crate) async fn unmatched(
    tx: &mut Tx<'_>,
    pid: i64,
    reason: &str,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "UPDATE parcel SET due = 0, unmatched = 1, reason = $1 \
         WHERE pid = $2 AND direction = 1 AND due = 1 AND document IS NULL",
    )
    .with(reason)
    .with(pid);
    tx.execute(&sql).await.map(ParcelDone::Rows)
}
