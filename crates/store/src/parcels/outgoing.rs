//! Parcels that go out.

use access::Ods;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::event::{self, Actor, Known};
use super::state::State;
use super::{Outgoing, Parcel, ParcelDone, Proof, content, peers, recall};
use crate::database::Tx;
use crate::sql::Sql;

/// Earlier letters that one new letter may supersede at once.
const SUPERSEDED_MAX: i64 = 16;
/// Parcels that are given up in one go; the rest follow in the next.
const GIVEN_UP_MAX: i64 = 500;

/// Writes what goes out, with the first step of its journey; `due` if a neighbour is to be sent it. Gives its number.
pub(crate) async fn write(
    tx: &mut Tx<'_>,
    now: Millis,
    outgoing: &Outgoing,
    (due, note): (bool, &str),
) -> Result<i64, Problem> {
    let row = New {
        parcel: &outgoing.parcel,
        outward: true,
        state: State::Accepted,
        due,
        proof: None,
    };
    let pid = insert(tx, now, &row).await?;
    let sql = Sql::new("UPDATE parcel SET patient = $1, document = $2 WHERE pid = $3")
        .with((!outgoing.patient.is_empty()).then_some(outgoing.patient.as_str()))
        .with((!outgoing.document.is_empty()).then_some(outgoing.document.as_str()))
        .with(pid);
    tx.execute(&sql).await?;
    content::keep(tx, now, (outgoing, pid)).await?;
    event::begin(tx, now, (&row, pid), note).await?;
    Ok(pid)
}

/// Accepts a parcel for delivery.
pub(crate) async fn accept(
    tx: &mut Tx<'_>,
    now: Millis,
    outgoing: &Outgoing,
) -> Result<ParcelDone, Problem> {
    let parcel = &outgoing.parcel;
    if let Some(known) = event::by_id(tx, parcel.sender.as_str(), &parcel.id).await? {
        if known.digest != parcel.digest {
            let message = "Another parcel was sent under this id.";
            return Err(Problem::new(Kind::Conflict, message));
        }
        return Ok(ParcelDone::Accepted {
            pid: known.pid,
            known: true,
        });
    }
    let pid = write(tx, now, outgoing, (true, "")).await?;
    peers::know(tx, parcel.recipient.as_str()).await?;
    if parcel.kind == super::Kind::Letter {
        supersede_earlier(tx, now, pid, outgoing).await?;
        crate::sharing::is_held_elsewhere(tx, &outgoing.patient).await?;
    }
    Ok(ParcelDone::Accepted { pid, known: false })
}

/// A row to be.
pub(crate) struct New<'p> {
    pub(crate) parcel: &'p Parcel,
    pub(crate) outward: bool,
    pub(crate) state: State,
    pub(crate) due: bool,
    pub(crate) proof: Option<&'p Proof>,
}

impl New<'_> {
    /// The organisation here whose row it is.
    pub(crate) fn owner(&self) -> &str {
        match self.outward {
            true => self.parcel.sender.as_str(),
            false => self.parcel.recipient.as_str(),
        }
    }

    pub(crate) fn shard(&self) -> i64 {
        event::shard(self.parcel.sender.as_str(), &self.parcel.id)
    }
}

/// Inserts the rows of a parcel and its parts; gives its number.
pub(crate) async fn insert(tx: &mut Tx<'_>, now: Millis, new: &New<'_>) -> Result<i64, Problem> {
    let parcel = new.parcel;
    let shard = new.shard();
    let sql = Sql::new(
        "INSERT INTO parcel (shard, owner, direction, sender, recipient, id, digest, text, title, author, \
         urgent, marked, unique_id, replaces, nhs_number, birth_date, family, given, stored_at, state, \
         state_at, due, due_since, unmatched, proof, tampered, kind) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, 0, $24, 0, $25) RETURNING pid",
    )
    .with(shard)
    .with(new.owner())
    .with(!new.outward)
    .with(parcel.sender.as_str())
    .with(parcel.recipient.as_str())
    .with(parcel.id.as_str())
    .with(parcel.digest.as_str())
    .with(parcel.text.as_str())
    .with(parcel.title.as_str())
    .with(parcel.author.as_str())
    .with(parcel.urgent)
    .with(parcel.marked)
    .with(parcel.unique_id.as_str())
    .with(parcel.replaces.as_deref())
    .with(parcel.named.nhs_number.as_deref())
    .with(parcel.named.birth_date.as_deref())
    .with(parcel.named.family.as_str())
    .with(parcel.named.given.as_str())
    .with(now)
    .with(new.state.code())
    .with(now)
    .with(new.due)
    .with(now)
    .with(new.proof.map(Proof::name))
    .with(parcel.kind.code());
    let pid = tx.row(&sql).await?.ok_or_else(gone)?.int(0)?;
    insert_parts(tx, shard, pid, parcel).await?;
    Ok(pid)
}

async fn insert_parts(
    tx: &mut Tx<'_>,
    shard: i64,
    pid: i64,
    parcel: &Parcel,
) -> Result<(), Problem> {
    for (number, part) in (0i64..).zip(&parcel.parts) {
        let sql = Sql::new(
            "INSERT INTO parcel_part (shard, pid, number, sha256, size, content_type) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .with(shard)
        .with(pid)
        .with(number)
        .with(part.sha256.as_str())
        .with(i64::try_from(part.size).unwrap_or(i64::MAX))
        .with(part.content_type.as_str());
        tx.execute(&sql).await?;
    }
    Ok(())
}

/// A newer letter with the same document number, or one that names an earlier number as replaced,
/// stands in the earlier one's place; who has the earlier one is told. Never one of another patient:
/// senders do use a number twice.
pub(crate) async fn supersede_earlier(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    outgoing: &Outgoing,
) -> Result<(), Problem> {
    let parcel = &outgoing.parcel;
    let replaced = parcel.replaces.as_deref().unwrap_or(&parcel.unique_id);
    let sql = Sql::new(
        "SELECT pid FROM parcel WHERE direction = 0 AND sender = $1 AND unique_id IN ($2, $3) \
         AND pid < $4 AND patient = $5 ORDER BY pid DESC LIMIT $6",
    )
    .with(parcel.sender.as_str())
    .with(parcel.unique_id.as_str())
    .with(replaced)
    .with(pid)
    .with(outgoing.patient.as_str())
    .with(SUPERSEDED_MAX);
    if parcel.unique_id.is_empty() {
        return Ok(());
    }
    for row in tx.rows(&sql).await? {
        if let Some(earlier) = event::by_pid(tx, row.int(0)?).await? {
            let note = format!("by parcel {}", parcel.id);
            take_back(
                tx,
                now,
                &earlier,
                State::Superseded,
                &Actor::default(),
                &note,
            )
            .await?;
        }
    }
    Ok(())
}

/// Calls back what was sent of a document that its own system has cancelled.
pub(crate) async fn cancel(
    tx: &mut Tx<'_>,
    now: Millis,
    sender: &Ods,
    (document_number, patient): (&str, &str),
    reason: &str,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "SELECT pid FROM parcel WHERE direction = 0 AND sender = $1 AND unique_id = $2 \
         AND patient = $3 ORDER BY pid LIMIT $4",
    )
    .with(sender.as_str())
    .with(document_number)
    .with(patient)
    .with(SUPERSEDED_MAX);
    withdraw_all(tx, now, &sql, reason).await
}

/// Calls back what was sent of a document here.
pub(crate) async fn cancel_document(
    tx: &mut Tx<'_>,
    now: Millis,
    document: &str,
    reason: &str,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "SELECT pid FROM parcel WHERE direction = 0 AND document = $1 ORDER BY pid LIMIT $2",
    )
    .with(document)
    .with(SUPERSEDED_MAX);
    withdraw_all(tx, now, &sql, reason).await
}

async fn withdraw_all(
    tx: &mut Tx<'_>,
    now: Millis,
    sql: &Sql<'_>,
    reason: &str,
) -> Result<ParcelDone, Problem> {
    let mut withdrawn = 0;
    for row in tx.rows(sql).await? {
        if let Some(letter) = event::by_pid(tx, row.int(0)?).await? {
            withdrawn += u64::from(recall::call_back(tx, now, &letter, reason).await?);
        }
    }
    Ok(ParcelDone::Rows(withdrawn))
}

/// Withdraws or supersedes, and queues the receipt: the other side may have it even if no receipt
/// of theirs is here yet. Of a letter that goes by fax or as an ITK3 document, the caller has looked that it has not left.
pub(crate) async fn take_back(
    tx: &mut Tx<'_>,
    now: Millis,
    parcel: &Known,
    state: State,
    actor: &Actor,
    note: &str,
) -> Result<bool, Problem> {
    if !parcel.state.may_become(state) {
        return Ok(false);
    }
    if parcel.by_fax {
        crate::fax::taken_back(tx, now, parcel.pid).await?;
    }
    if parcel.by_itk3 {
        crate::itk3::taken_back(tx, now, parcel.pid).await?;
    }
    let seq = event::add(tx, now, parcel, state.code(), actor, note).await?;
    event::set_state(tx, parcel.pid, state, now).await?;
    event::set_due(tx, parcel.pid, false).await?;
    event::tell(tx, parcel, seq).await?;
    Ok(true)
}

/// Puts what waits since too long onto the list of the undeliverable. A status of a prescription is among it: each item's
/// steps are numbered, so that one which is sent again late moves nothing back. A step of a move, a patient's wish and a
/// pointer are not: a record that is given away, or a wish, would stay with nobody until a person looks, and is there by
/// itself once the other side is back.
pub(crate) async fn give_up(
    tx: &mut Tx<'_>,
    now: Millis,
    accepted_before: Millis,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "SELECT pid FROM parcel WHERE direction = 0 AND due = 1 AND kind IN ('letter', 'booking', 'referral', 'handover', 'record-question', 'prescription-status') AND due_since < $1 \
         AND state IN ('accepted', 'waiting') ORDER BY pid LIMIT $2",
    )
    .with(accepted_before)
    .with(GIVEN_UP_MAX);
    let rows = tx.rows(&sql).await?;
    for row in &rows {
        set_aside(tx, now, row.int(0)?, "not delivered in the time set for it").await?;
    }
    Ok(ParcelDone::Rows(rows.len() as u64))
}

/// Notes that the patients' later parcels wait for these.
pub(crate) async fn holds(tx: &mut Tx<'_>, pids: &[i64]) -> Result<ParcelDone, Problem> {
    let mut rows = 0;
    for pid in pids {
        let sql = Sql::new("UPDATE parcel SET holds = patient WHERE pid = $1 AND due = 1");
        rows += tx.execute(&sql.with(*pid)).await?;
    }
    Ok(ParcelDone::Rows(rows))
}

/// Puts a parcel before a person as undeliverable.
pub(crate) async fn set_aside(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    reason: &str,
) -> Result<ParcelDone, Problem> {
    let parcel = event::by_pid(tx, pid).await?.ok_or_else(gone)?;
    let state = State::Undeliverable;
    if !parcel.state.may_become(state) {
        return Ok(ParcelDone::Rows(0));
    }
    event::add(tx, now, &parcel, state.code(), &Actor::default(), reason).await?;
    event::set_state(tx, pid, state, now).await?;
    event::set_reason(tx, pid, reason).await?;
    event::set_due(tx, pid, false).await?;
    Ok(ParcelDone::Rows(1))
}

pub(crate) fn gone() -> Problem {
    Problem::new(Kind::NotFound, "There is no such parcel.")
}
