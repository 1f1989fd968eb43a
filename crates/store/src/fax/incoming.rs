//! Faxes that came in.

use fhir::date::Millis;
use fhir::problem::Problem;
use sha2::{Digest, Sha256};

use super::{FaxDone, Matched, NewFax, gone, once};
use crate::database::Tx;
use crate::parcels::event::{self, Actor};
use crate::parcels::outgoing::{self, New};
use crate::parcels::{PIECE_BYTES, State};
use crate::sql::Sql;

/// Files forgotten in one go; the rest follow in the next.
const FORGOTTEN_MAX: i64 = 200;

/// The name of a call's file: whoever hands it over twice has handed it over once.
fn key(fax: &NewFax) -> String {
    // The digest has one length, so the two cannot run into each other.
    crate::parcels::hex(&Sha256::digest(
        format!("{}{}", fax.sha256, fax.queue).as_bytes(),
    ))
}

fn shard(number: i64) -> i64 {
    crate::shard::of(&number.to_be_bytes())
}

pub(super) async fn take(tx: &mut Tx<'_>, now: Millis, fax: &NewFax) -> Result<FaxDone, Problem> {
    let key = key(fax);
    let sql = Sql::new("SELECT number FROM fax_in WHERE key = $1").with(key.as_str());
    if let Some(row) = tx.row(&sql).await? {
        return Ok(FaxDone::Taken {
            number: row.int(0)?,
            known: true,
        });
    }
    let sql = Sql::new(
        "INSERT INTO fax_in (key, queue, caller, station, sha256, size, pages, trouble, state, \
         received_at, state_at, who, reason, round, kept) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $9, $10, '', '', 0, 1) RETURNING number",
    )
    .with(key.as_str())
    .with(fax.queue.as_str())
    .with(fax.caller.as_str())
    .with(fax.station.as_str())
    .with(fax.sha256.as_str())
    .with(i64::try_from(fax.file.len()).unwrap_or(i64::MAX))
    .with(fax.pages)
    .with(fax.trouble.as_str())
    .with(now)
    .with(now);
    let number = tx.row(&sql).await?.ok_or_else(gone)?.int(0)?;
    for (part, bytes) in (0i64..).zip(fax.file.chunks(PIECE_BYTES)) {
        let sql =
            Sql::new("INSERT INTO fax_piece (shard, fax, part, bytes) VALUES ($1, $2, $3, $4)")
                .with(shard(number))
                .with(number)
                .with(part)
                .with(bytes);
        tx.execute(&sql).await?;
    }
    Ok(FaxDone::Taken {
        number,
        known: false,
    })
}

/// The fax stands in the inbox as a letter that has come and is in the record.
pub(super) async fn matched(
    tx: &mut Tx<'_>,
    now: Millis,
    matched: &Matched,
) -> Result<FaxDone, Problem> {
    let row = New {
        parcel: &matched.parcel,
        outward: false,
        state: State::Delivered,
        due: false,
        proof: None,
    };
    let pid = outgoing::insert(tx, now, &row).await?;
    let sql = Sql::new(
        "UPDATE fax_in SET state = 'matched', state_at = $1, who = $2, reason = '', pid = $3 \
         WHERE number = $4 AND state = 'waiting' AND round = $5 AND pages > 0",
    )
    .with(now)
    .with(matched.who.as_str())
    .with(pid)
    .with(matched.number)
    .with(matched.round);
    once(tx, &sql).await?;
    let sql = Sql::new("SELECT received_at FROM fax_in WHERE number = $1").with(matched.number);
    let received_at = tx.row(&sql).await?.ok_or_else(gone)?.int(0)?;
    // It came when the fax server took it, not when somebody had time to look at it.
    let sql = Sql::new(
        "UPDATE parcel SET patient = $1, document = $2, binaries = $3, stored_at = $4 WHERE pid = $5",
    )
    .with(matched.patient.as_str())
    .with(matched.document.as_str())
    .with(matched.binaries.join(" "))
    .with(received_at)
    .with(pid);
    tx.execute(&sql).await?;
    let known = event::by_pid(tx, pid).await?.ok_or_else(gone)?;
    let actor = Actor {
        who: matched.who.clone(),
        role: matched.role.clone(),
        account: matched.account,
    };
    let nobody = Actor::default();
    event::add(
        tx,
        received_at,
        &known,
        State::Delivered.code(),
        &nobody,
        "by fax",
    )
    .await?;
    event::add(tx, now, &known, "matched", &actor, "").await?;
    event::add(tx, now, &known, "taken-in", &nobody, "").await?;
    Ok(FaxDone::Matched { pid })
}

/// A person found it in the wrong record: it waits to be matched anew. Without its file there is nothing
/// to match, and it is set aside.
pub(crate) async fn put_back(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    (who, reason): (&str, &str),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_in SET state = CASE WHEN kept = 1 THEN 'waiting' ELSE 'set-aside' END, \
         state_at = $1, who = $2, reason = $3, round = round + 1, pid = NULL WHERE pid = $4",
    )
    .with(now)
    .with(who)
    .with(reason)
    .with(pid);
    once(tx, &sql).await
}

pub(super) async fn set_aside(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    (who, reason): (&str, &str),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_in SET state = 'set-aside', state_at = $1, who = $2, reason = $3 \
         WHERE number = $4 AND state = 'waiting'",
    );
    once(tx, &sql.with(now).with(who).with(reason).with(number)).await
}

pub(super) async fn take_up(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    who: &str,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_in SET state = 'waiting', state_at = $1, who = $2, reason = '' \
         WHERE number = $3 AND state = 'set-aside' AND kept = 1",
    );
    once(tx, &sql.with(now).with(who).with(number)).await
}

/// Forgets the files of what was matched or set aside before then. What waits is never forgotten.
pub(super) async fn tidy(tx: &mut Tx<'_>, before: Millis) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT number FROM fax_in WHERE kept = 1 AND state_at < $1 \
         AND (state = 'matched' OR state = 'set-aside') ORDER BY state_at LIMIT $2",
    )
    .with(before)
    .with(FORGOTTEN_MAX);
    for row in tx.rows(&sql).await? {
        let number = row.int(0)?;
        let sql = Sql::new("DELETE FROM fax_piece WHERE fax = $1 AND shard = $2")
            .with(number)
            .with(shard(number));
        tx.execute(&sql).await?;
        let sql = Sql::new("UPDATE fax_in SET kept = 0 WHERE number = $1").with(number);
        tx.execute(&sql).await?;
    }
    Ok(())
}
