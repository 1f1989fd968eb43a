//! Messages that came.

use fhir::date::Millis;
use fhir::itk3::codes;
use fhir::problem::{Kind, Problem};

use super::{Itk3Done, NewIn, Read, answers, gone, once};
use crate::database::Tx;
use crate::parcels::event::{self, Actor};
use crate::parcels::outgoing::{self, New};
use crate::parcels::{Outgoing, PIECE_BYTES, State, content, left};
use crate::sql::Sql;

/// Messages whose bytes are forgotten in one go; the rest follow in the next.
const FORGOTTEN_MAX: i64 = 200;

fn shard(number: i64) -> i64 {
    crate::shard::of(&number.to_be_bytes())
}

pub(super) async fn take(tx: &mut Tx<'_>, now: Millis, new: &NewIn) -> Result<Itk3Done, Problem> {
    let sql = Sql::new("SELECT number, sha256, outside FROM itk3_in WHERE key = $1");
    if let Some(row) = tx.row(&sql.with(new.key.as_str())).await? {
        let number = row.int(0)?;
        if row.text(1)? == new.sha256 {
            if row.text(2)? != new.outside {
                again(tx, now, number).await?;
            }
            return Ok(Itk3Done::Taken {
                number,
                known: true,
            });
        }
        return other(tx, now, new).await;
    }
    let number = insert(tx, now, new, &new.key, &new.read).await?;
    match &new.read {
        Read::Letter { letter, replaces } => {
            let pid = put(tx, now, letter).await?;
            name(tx, number, pid).await?;
            if let Some(replaced) = replaces {
                replace(tx, now, (replaced, &new.mailbox), pid).await?;
            }
            if new.wants_infrastructure {
                answers::make(tx, now, number, codes::RECEIVED, "").await?;
            }
        }
        Read::Refused { code, trouble } => {
            if new.wants_infrastructure {
                answers::make(tx, now, number, code, trouble).await?;
            }
        }
        Read::Stray { .. } => {}
    }
    Ok(Itk3Done::Taken {
        number,
        known: false,
    })
}

/// The same message once more: its answers go out once more.
async fn again(tx: &mut Tx<'_>, now: Millis, number: i64) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE itk3_in SET copies = copies + 1 WHERE number = $1").with(number);
    tx.execute(&sql).await?;
    answers::repeat(tx, now, number).await
}

/// Another message under the name of one that came: kept, refused, and for a person to look at.
async fn other(tx: &mut Tx<'_>, now: Millis, new: &NewIn) -> Result<Itk3Done, Problem> {
    let key = format!("{}/{}", new.key, new.sha256);
    let sql = Sql::new("SELECT number FROM itk3_in WHERE key = $1").with(key.as_str());
    if let Some(row) = tx.row(&sql).await? {
        let number = row.int(0)?;
        return Ok(Itk3Done::Taken {
            number,
            known: true,
        });
    }
    let trouble =
        "Bundle.identifier: another message came under the same identifier before, and was kept.";
    let read = Read::Refused {
        code: codes::DUPLICATE.to_owned(),
        trouble: trouble.to_owned(),
    };
    let number = insert(tx, now, new, &key, &read).await?;
    if new.wants_infrastructure {
        answers::make(tx, now, number, codes::DUPLICATE, trouble).await?;
    }
    Ok(Itk3Done::Taken {
        number,
        known: false,
    })
}

async fn insert(
    tx: &mut Tx<'_>,
    now: Millis,
    new: &NewIn,
    key: &str,
    read: &Read,
) -> Result<i64, Problem> {
    let (state, code, trouble) = match read {
        Read::Letter { .. } => ("taken", codes::RECEIVED, ""),
        Read::Refused { code, trouble } => ("refused", code.as_str(), trouble.as_str()),
        Read::Stray { trouble } => ("stray", "", trouble.as_str()),
    };
    let sql = Sql::new(
        "INSERT INTO itk3_in (key, outside, mailbox, workflow, subject, recipient, bundle, document, header, \
         reference, sha256, size, state, code, trouble, wants_infrastructure, wants_business, copies, \
         received_at, state_at, who, work, kept, practice) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
         $12, $13, $14, $15, $16, $17, 0, $18, $19, '', $20, 1, $21) RETURNING number",
    )
    .with(key)
    .with(new.outside.as_str())
    .with(new.mailbox.as_str())
    .with(new.workflow.as_str())
    .with(new.subject.as_str())
    .with(new.recipient.as_str())
    .with(new.bundle.as_str())
    .with(new.document.as_str())
    .with(new.header.as_str())
    .with(new.reference.as_str())
    .with(new.sha256.as_str())
    .with(i64::try_from(new.bytes.len()).unwrap_or(i64::MAX))
    .with(state)
    .with(code)
    .with(trouble)
    .with(new.wants_infrastructure)
    .with(new.wants_business)
    .with(now)
    .with(now)
    .with(state != "taken")
    .with(new.practice.as_str());
    let number = tx.row(&sql).await?.ok_or_else(gone)?.int(0)?;
    for (part, bytes) in (0i64..).zip(new.bytes.chunks(PIECE_BYTES)) {
        let sql = Sql::new(
            "INSERT INTO itk3_piece (shard, message, part, bytes) VALUES ($1, $2, $3, $4)",
        )
        .with(shard(number))
        .with(number)
        .with(part)
        .with(bytes);
        tx.execute(&sql).await?;
    }
    Ok(number)
}

/// The letter's parcel: the worker that takes parcels in takes it from there.
async fn put(tx: &mut Tx<'_>, now: Millis, letter: &Outgoing) -> Result<i64, Problem> {
    let row = New {
        parcel: &letter.parcel,
        outward: false,
        state: State::Delivered,
        due: true,
        proof: None,
    };
    let pid = outgoing::insert(tx, now, &row).await?;
    content::keep(tx, now, (letter, pid)).await?;
    let note = "by ITK3 over MESH; its sender is not proved by a signature";
    event::begin(tx, now, (&row, pid), note).await?;
    Ok(pid)
}

async fn name(tx: &mut Tx<'_>, number: i64, pid: i64) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE itk3_in SET pid = $1 WHERE number = $2");
    tx.execute(&sql.with(pid).with(number)).await.map(|_| ())
}

/// The document that a new one replaces, if it came from the same mailbox: whoever opened it is told.
async fn replace(
    tx: &mut Tx<'_>,
    now: Millis,
    (replaced, mailbox): (&str, &str),
    by: i64,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT pid FROM itk3_in WHERE (document = $1 OR bundle = $2) AND mailbox = $3 AND pid IS NOT NULL \
         AND pid <> $4 ORDER BY number DESC LIMIT 1",
    );
    let sql = sql.with(replaced).with(replaced).with(mailbox).with(by);
    let Some(row) = tx.row(&sql).await? else {
        return Ok(());
    };
    let Some(earlier) = event::by_pid(tx, row.int(0)?).await? else {
        return Ok(());
    };
    let state = State::Superseded;
    if !earlier.state.may_become(state) {
        return Ok(());
    }
    let nobody = Actor::default();
    event::add(
        tx,
        now,
        &earlier,
        state.code(),
        &nobody,
        "by a later ITK3 document",
    )
    .await?;
    event::set_state(tx, earlier.pid, state, now).await?;
    if earlier.made.document.is_none() {
        event::stop_taking_in(tx, earlier.pid).await?;
    }
    left(tx, now, earlier.pid, state).await
}

/// A message that was refused reads by now. Its sender was told that it failed, and hears no more of it.
pub(super) async fn take_again(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    letter: &Outgoing,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_in SET state = 'taken', state_at = $1, work = 0, wants_business = 0 \
         WHERE number = $2 AND state = 'refused' AND work = 1",
    );
    once(tx, &sql.with(now).with(number)).await?;
    let parcel = &letter.parcel;
    if event::by_id(tx, parcel.sender.as_str(), &parcel.id)
        .await?
        .is_some()
    {
        let message = "Another letter stands under its name, so it is not taken; ring its sender, and settle it.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    let pid = put(tx, now, letter).await?;
    name(tx, number, pid).await
}

pub(super) async fn settled(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    who: &str,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_in SET state = 'settled', state_at = $1, who = $2, work = 0 \
         WHERE number = $3 AND work = 1",
    );
    once(tx, &sql.with(now).with(who).with(number)).await
}

/// Forgets the bytes of what was taken or settled before then. What a person should look at is never forgotten.
pub(super) async fn tidy(tx: &mut Tx<'_>, before: Millis) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT number FROM itk3_in WHERE kept = 1 AND state_at < $1 AND work = 0 \
         ORDER BY state_at LIMIT $2",
    );
    for row in tx.rows(&sql.with(before).with(FORGOTTEN_MAX)).await? {
        let number = row.int(0)?;
        let sql = Sql::new("DELETE FROM itk3_piece WHERE message = $1 AND shard = $2");
        tx.execute(&sql.with(number).with(shard(number))).await?;
        let sql = Sql::new("UPDATE itk3_in SET kept = 0 WHERE number = $1").with(number);
        tx.execute(&sql).await?;
    }
    Ok(())
}
