//! Letters that leave by fax.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Asker, FaxDone, Report, gone, once};
use crate::database::Tx;
use crate::hl7_inbox::WorkNote;
use crate::parcels::event::{self, Actor, Known};
use crate::parcels::outgoing as parcel_rows;
use crate::parcels::{Outgoing, State, content, recall};
use crate::sql::Sql;

/// Pages of which a receipt is kept: no fax server's word makes more rows.
const PAGES_MAX: u32 = 1000;

/// Accepts a letter: its parcel, for the board and its journey, and the row that the worker finds.
pub(super) async fn queue(
    tx: &mut Tx<'_>,
    now: Millis,
    letter: &Outgoing,
) -> Result<FaxDone, Problem> {
    let parcel = &letter.parcel;
    if let Some(known) = event::by_id(tx, parcel.sender.as_str(), &parcel.id).await? {
        // What went to a node once, or by fax, under this id has gone.
        return Ok(FaxDone::Queued {
            pid: known.pid,
            known: true,
        });
    }
    let pid = parcel_rows::write(tx, now, letter, (false, "to leave by fax")).await?;
    parcel_rows::supersede_earlier(tx, now, pid, letter).await?;
    put(tx, now, pid, parcel.recipient.as_str()).await?;
    Ok(FaxDone::Queued { pid, known: false })
}

/// Puts a parcel that goes out onto the list of those that leave by fax.
pub(crate) async fn put(tx: &mut Tx<'_>, now: Millis, pid: i64, ods: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO fax_out (pid, ods, dialled, state, tries, next_try, made_at, state_at, holder, \
         tag, job, pages, pages_sent, work, reason, next_step) \
         VALUES ($1, $2, '', 'waiting', 0, 0, $3, $4, '', '', '', 0, 0, 0, '', '')",
    )
    .with(pid)
    .with(ods)
    .with(now)
    .with(now);
    tx.execute(&sql).await.map(|_| ())
}

/// Written before the fax server is spoken to: after a crash it is known that it may have the fax.
pub(super) async fn handing(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    dialled: &str,
    (holder, tag): (&str, &str),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT 1 FROM fax_number n JOIN fax_out f ON f.ods = n.ods \
         WHERE f.number = $1 AND n.number = $2 AND n.state = 'in-force'",
    );
    if tx.row(&sql.with(number).with(dialled)).await?.is_none() {
        let message = "The number is not in force for this organisation.";
        return Err(Problem::new(Kind::Forbidden, message));
    }
    let sql = Sql::new(
        "UPDATE fax_out SET state = 'handing', state_at = $1, dialled = $2, holder = $3, tag = $4, \
         tries = tries + 1 WHERE number = $5 AND state = 'waiting'",
    );
    let sql = sql.with(now).with(dialled).with(holder).with(tag);
    once(tx, &sql.with(number)).await
}

pub(super) async fn handed(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    job: &str,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_out SET state = 'handed', state_at = $1, job = $2, work = 0, reason = '', \
         next_step = '' WHERE number = $3 AND (state = 'handing' OR state = 'unsure')",
    );
    once(tx, &sql.with(now).with(job).with(number)).await?;
    let note = format!("handed to the fax server as its job {job}");
    step(tx, now, number, (State::Waiting, &Actor::default()), &note).await
}

/// The fax server said that it does not have it.
pub(super) async fn not_taken(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    (next_try, error): (Millis, &str),
    note: Option<&WorkNote>,
) -> Result<(), Problem> {
    if let Some(note) = note {
        failed(tx, now, number, note).await?;
    } else {
        let sql = Sql::new(
            "UPDATE fax_out SET state = 'waiting', state_at = $1, next_try = $2, reason = $3 \
             WHERE number = $4 AND state = 'handing'",
        );
        let sql = sql.with(now).with(next_try).with(error).with(number);
        once(tx, &sql).await?;
    }
    let parcel = parcel_of(tx, number).await?;
    recall::stop(tx, now, parcel.pid, true).await
}

pub(super) async fn failed(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    note: &WorkNote,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_out SET state = 'failed', state_at = $1, work = 1, reason = $2, next_step = $3 \
         WHERE number = $4 AND state IN ('waiting', 'handing', 'handed', 'unsure')",
    );
    let sql = sql.with(now).with(note.reason.as_str());
    once(tx, &sql.with(note.next_step.as_str()).with(number)).await?;
    let state = (State::Undeliverable, &Actor::default());
    step(tx, now, number, state, &note.reason).await?;
    // Pages may be there all the same.
    let parcel = parcel_of(tx, number).await?;
    recall::stop(tx, now, parcel.pid, false).await
}

pub(super) async fn unsure(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    note: &WorkNote,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_out SET state = 'unsure', state_at = $1, work = 1, reason = $2, next_step = $3 \
         WHERE number = $4 AND state = 'handing'",
    );
    let sql = sql.with(now).with(note.reason.as_str());
    once(tx, &sql.with(note.next_step.as_str()).with(number)).await
}

/// It stays handed over: the fax server's word may still come.
pub(super) async fn unheard(tx: &mut Tx<'_>, number: i64, note: &WorkNote) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_out SET work = 1, reason = $1, next_step = $2 \
         WHERE number = $3 AND state = 'handed' AND work = 0",
    );
    let sql = sql.with(note.reason.as_str()).with(note.next_step.as_str());
    once(tx, &sql.with(number)).await
}

/// How a job ended. A word that comes again, or late, changes nothing that a person has settled.
pub(super) async fn reported(
    tx: &mut Tx<'_>,
    now: Millis,
    report: &Report,
) -> Result<FaxDone, Problem> {
    let sql =
        Sql::new("SELECT number, state FROM fax_out WHERE job = $1 ORDER BY number DESC LIMIT 1");
    let Some(row) = tx.row(&sql.with(report.job.as_str())).await? else {
        return Ok(FaxDone::Reported(false));
    };
    let number = row.int(0)?;
    if row.text(1)? != "handed" {
        return Ok(FaxDone::Reported(true));
    }
    for page in 1..=report.pages_sent.min(PAGES_MAX) {
        let sql = Sql::new(
            "INSERT INTO fax_page (fax, page, job, confirmed_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (fax, page) DO NOTHING",
        )
        .with(number)
        .with(page)
        .with(report.job.as_str())
        .with(now);
        tx.execute(&sql).await?;
    }
    let sql = Sql::new("UPDATE fax_out SET pages = $1, pages_sent = $2 WHERE number = $3")
        .with(report.pages)
        .with(report.pages_sent)
        .with(number);
    tx.execute(&sql).await?;
    let told = format!(
        "{} of {} pages were confirmed by the machine at the other end (job {}: {})",
        report.pages_sent, report.pages, report.job, report.status
    );
    if report.done {
        sent(tx, now, number, (&Actor::default(), &told)).await?;
    } else {
        let note = WorkNote {
            reason: format!("The fax was not sent whole: {told}."),
            next_step: "Ring the organisation and ask whether its machine works and what it got. Then send it again, \
                        or settle it when the letter has gone another way."
                .to_owned(),
        };
        failed(tx, now, number, &note).await?;
    }
    Ok(FaxDone::Reported(true))
}

async fn sent(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    (actor, note): (&Actor, &str),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_out SET state = 'sent', state_at = $1, work = 0, reason = '', next_step = '' \
         WHERE number = $2",
    );
    tx.execute(&sql.with(now).with(number)).await?;
    step(tx, now, number, (State::Delivered, actor), note).await?;
    let parcel = parcel_of(tx, number).await?;
    content::release(tx, parcel.pid, &parcel.sender).await
}

/// From the work list: sent again, by a person who answers for it.
pub(super) async fn sent_again(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    who: &Asker,
) -> Result<(), Problem> {
    let parcel = parcel_of(tx, number).await?;
    recall::check(tx, parcel.pid).await?;
    let sql = Sql::new(
        "UPDATE fax_out SET state = 'waiting', state_at = $1, next_try = 0, tries = 0, job = '', \
         work = 0, reason = '', next_step = '' WHERE number = $2 AND work = 1",
    );
    once(tx, &sql.with(now).with(number)).await?;
    let actor = who.actor();
    step(tx, now, number, (State::Waiting, &actor), "sent again").await
}

pub(super) async fn was_sent(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    who: &Asker,
) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE fax_out SET work = 0 WHERE number = $1 AND work = 1");
    once(tx, &sql.with(number)).await?;
    let note = "seen on the fax server that it was sent";
    sent(tx, now, number, (&who.actor(), note)).await
}

pub(super) async fn settled(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    who: &Asker,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_out SET state = 'settled', state_at = $1, work = 0 WHERE number = $2 AND work = 1",
    );
    once(tx, &sql.with(now).with(number)).await?;
    let note = "settled: not sent by fax any more";
    step(tx, now, number, (State::Undeliverable, &who.actor()), note).await
}

/// Whether it has not been handed over yet, so that it can be taken back.
pub(crate) async fn is_waiting(tx: &mut Tx<'_>, pid: i64) -> Result<bool, Problem> {
    let sql = Sql::new("SELECT 1 FROM fax_out WHERE pid = $1 AND state IN ('waiting', 'failed')");
    Ok(tx.row(&sql.with(pid)).await?.is_some())
}

/// Whether pages of it may have left: it was handed over, or nobody knows. One that was settled after that counts too, and
/// one that failed behind a page that is confirmed.
pub(crate) async fn has_left(tx: &mut Tx<'_>, pid: i64) -> Result<bool, Problem> {
    let sql = Sql::new(
        "SELECT 1 FROM fax_out f WHERE f.pid = $1 AND (f.state IN ('handing', 'handed', 'unsure', 'sent') \
         OR f.state = 'settled' AND f.job <> '' OR EXISTS (SELECT 1 FROM fax_page g WHERE g.fax = f.number))",
    );
    Ok(tx.row(&sql.with(pid)).await?.is_some())
}

/// The letter was withdrawn or replaced: it is not sent if it has not gone yet.
pub(crate) async fn taken_back(tx: &mut Tx<'_>, now: Millis, pid: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_out SET state = 'settled', state_at = $1, work = 0 \
         WHERE pid = $2 AND state IN ('waiting', 'failed')",
    );
    tx.execute(&sql.with(now).with(pid)).await.map(|_| ())
}

/// From the letter's own page: sent again. The step stands in its journey already.
pub(crate) async fn again(tx: &mut Tx<'_>, now: Millis, pid: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_out SET state = 'waiting', state_at = $1, next_try = 0, tries = 0, job = '', \
         work = 0, reason = '', next_step = '' WHERE pid = $2 AND state IN ('failed', 'settled')",
    );
    once(tx, &sql.with(now).with(pid)).await?;
    let sql = Sql::new("UPDATE parcel SET reason = NULL WHERE pid = $1").with(pid);
    tx.execute(&sql).await.map(|_| ())
}

async fn parcel_of(tx: &mut Tx<'_>, number: i64) -> Result<Known, Problem> {
    let sql = Sql::new("SELECT pid FROM fax_out WHERE number = $1").with(number);
    let pid = tx.row(&sql).await?.ok_or_else(gone)?.int(0)?;
    event::by_pid(tx, pid).await?.ok_or_else(gone)
}

/// A step of the letter's journey. The state moves only where it may: a letter that was replaced stays so.
async fn step(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    (state, actor): (State, &Actor),
    note: &str,
) -> Result<(), Problem> {
    let parcel = parcel_of(tx, number).await?;
    event::add(tx, now, &parcel, state.code(), actor, note).await?;
    if parcel.state.may_become(state) {
        event::set_state(tx, parcel.pid, state, now).await?;
    }
    let reason = match state {
        State::Undeliverable => note,
        _ => "",
    };
    event::set_reason(tx, parcel.pid, reason).await?;
    match reason {
        "" => recall::remind(tx, parcel.pid).await,
        _ => Ok(()),
    }
}
