//! Letters that leave as ITK3 documents.

use fhir::date::Millis;
use fhir::itk3::codes;
use fhir::problem::{Kind, Problem};

use super::{Answer, Asker, Itk3Done, NewOut, gone, once};
use crate::database::Tx;
use crate::hl7_inbox::WorkNote;
use crate::parcels::event::{self, Actor, Known};
use crate::parcels::outgoing as parcel_rows;
use crate::parcels::{Outgoing, State, content, recall};
use crate::sql::Sql;

/// Accepts a letter: its parcel, for the board and its journey, and the row that the worker finds.
pub(super) async fn queue(tx: &mut Tx<'_>, now: Millis, new: &NewOut) -> Result<Itk3Done, Problem> {
    let parcel = &new.letter.parcel;
    if let Some(known) = event::by_id(tx, parcel.sender.as_str(), &parcel.id).await? {
        // What went another way once under this id has gone.
        return Ok(Itk3Done::Queued {
            pid: known.pid,
            known: true,
        });
    }
    let replaced = replaced(tx, &new.letter).await?;
    let note = "to leave as an ITK3 document over MESH";
    let pid = parcel_rows::write(tx, now, &new.letter, (false, note)).await?;
    parcel_rows::supersede_earlier(tx, now, pid, &new.letter).await?;
    let sql = Sql::new(
        "INSERT INTO itk3_out (pid, ods, mailbox, workflow, bundle, header, replaced, state, tries, \
         next_try, made_at, state_at, holder, local_id, outside, infrastructure, business, answered_by, \
         work, reason, next_step) VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', 0, 0, $8, $9, '', '', \
         '', '', '', '', 0, '', '')",
    )
    .with(pid)
    .with(parcel.recipient.as_str())
    .with(new.mailbox.as_str())
    .with(new.workflow.as_str())
    .with(new.bundle.as_str())
    .with(new.header.as_str())
    .with(replaced)
    .with(now)
    .with(now);
    tx.execute(&sql).await?;
    Ok(Itk3Done::Queued { pid, known: false })
}

/// The name of the document that this letter replaces, if that left this way.
async fn replaced(tx: &mut Tx<'_>, letter: &Outgoing) -> Result<String, Problem> {
    let parcel = &letter.parcel;
    if parcel.unique_id.is_empty() {
        return Ok(String::new());
    }
    let sql = Sql::new(
        "SELECT i.bundle FROM itk3_out i JOIN parcel p ON p.pid = i.pid WHERE p.sender = $1 \
         AND p.direction = 0 AND p.unique_id IN ($2, $3) AND p.patient = $4 \
         AND i.state IN ('handed', 'received', 'accepted') ORDER BY i.number DESC LIMIT 1",
    )
    .with(parcel.sender.as_str())
    .with(parcel.unique_id.as_str())
    .with(parcel.replaces.as_deref().unwrap_or(&parcel.unique_id))
    .with(letter.patient.as_str());
    let row = tx.row(&sql).await?;
    row.map_or(Ok(String::new()), |row| Ok(row.text(0)?.to_string()))
}

/// Written before MESH is spoken to: after a crash it is known that it may have the letter.
pub(super) async fn handing(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    (holder, local_id): (&str, &str),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_out SET state = 'handing', state_at = $1, holder = $2, local_id = $3, \
         tries = tries + 1 WHERE number = $4 AND state = 'waiting'",
    );
    once(tx, &sql.with(now).with(holder).with(local_id).with(number)).await
}

pub(super) async fn handed(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    outside: &str,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_out SET state = 'handed', state_at = $1, outside = $2, work = 0, reason = '', \
         next_step = '' WHERE number = $3 AND state IN ('handing', 'unsure')",
    );
    once(tx, &sql.with(now).with(outside).with(number)).await?;
    let note = format!("handed to MESH as its message {outside}");
    with_mesh(tx, now, number, &Actor::default(), &note).await
}

/// MESH said that it does not have it.
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
            "UPDATE itk3_out SET state = 'waiting', state_at = $1, next_try = $2, reason = $3 \
             WHERE number = $4 AND state = 'handing'",
        );
        once(tx, &sql.with(now).with(next_try).with(error).with(number)).await?;
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
        "UPDATE itk3_out SET state = 'failed', state_at = $1, work = 1, reason = $2, next_step = $3 \
         WHERE number = $4 AND state IN ('waiting', 'handing', 'handed', 'unsure')",
    );
    let sql = sql.with(now).with(note.reason.as_str());
    once(tx, &sql.with(note.next_step.as_str()).with(number)).await?;
    let state = (State::Undeliverable, &Actor::default());
    step(tx, now, number, state, &note.reason).await?;
    // What MESH says of it may be wrong: whoever was to get it is rung all the same.
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
        "UPDATE itk3_out SET state = 'unsure', state_at = $1, work = 1, reason = $2, next_step = $3 \
         WHERE number = $4 AND state = 'handing'",
    );
    let sql = sql.with(now).with(note.reason.as_str());
    once(tx, &sql.with(note.next_step.as_str()).with(number)).await
}

/// It stays where it is: the response may still come.
pub(super) async fn unanswered(
    tx: &mut Tx<'_>,
    number: i64,
    note: &WorkNote,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_out SET work = 1, reason = $1, next_step = $2 \
         WHERE number = $3 AND state IN ('handed', 'received') AND work = 0",
    );
    let sql = sql.with(note.reason.as_str()).with(note.next_step.as_str());
    once(tx, &sql.with(number)).await
}

/// A response. One that comes again changes nothing; what a person has settled stays settled, but the response
/// stands in the letter's journey.
pub(super) async fn answered(tx: &mut Tx<'_>, now: Millis, answer: &Answer) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT number, state, mailbox, infrastructure, business FROM itk3_out WHERE header = $1",
    );
    let row = tx.row(&sql.with(answer.header.as_str())).await?;
    let row = row.ok_or_else(gone)?;
    let (number, state) = (row.int(0)?, row.text(1)?.to_string());
    let (mailbox, known) = (row.text(2)?.to_string(), [row.text(3)?, row.text(4)?]);
    if !mailbox.is_empty() && !mailbox.eq_ignore_ascii_case(&answer.mailbox) {
        let message = "The response comes from another mailbox than the letter went to.";
        return Err(Problem::new(Kind::Security, message));
    }
    if known.contains(&answer.code.as_str()) {
        return Ok(());
    }
    let is_business = codes::is_business(&answer.code);
    let column = match is_business {
        true => "UPDATE itk3_out SET business = $1, answered_by = $2 WHERE number = $3",
        false => "UPDATE itk3_out SET infrastructure = $1, answered_by = $2 WHERE number = $3",
    };
    let sql = Sql::new(column).with(answer.code.as_str());
    let sql = sql.with(answer.mailbox.as_str()).with(number);
    tx.execute(&sql).await?;
    let told = told(answer, is_business);
    if state == "settled" {
        return happening(tx, now, number, "answered", &told).await;
    }
    match codes::is_positive(&answer.code) {
        true if is_business => accepted(tx, now, number, &told).await,
        // A business response may overtake the other.
        true if matches!(state.as_str(), "accepted" | "refused") => {
            happening(tx, now, number, "answered", &told).await
        }
        true => received(tx, now, number, &told).await,
        false => refused(tx, now, number, (answer, is_business), &told).await,
    }
}

/// What the journey says of a response.
fn told(answer: &Answer, is_business: bool) -> String {
    let level = if is_business {
        "business"
    } else {
        "infrastructure"
    };
    let by = match answer.ods.as_str() {
        "" => answer.mailbox.clone(),
        ods => format!("{ods}, mailbox {}", answer.mailbox),
    };
    let words = match answer.diagnostics.as_str() {
        "" => String::new(),
        words => format!(" They say: {words}"),
    };
    format!(
        "{level} response {}: {} (from {by}).{words}",
        answer.code, answer.meaning
    )
}

async fn received(tx: &mut Tx<'_>, now: Millis, number: i64, told: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_out SET state = 'received', state_at = $1, work = 0, reason = '', next_step = '' \
         WHERE number = $2",
    );
    once(tx, &sql.with(now).with(number)).await?;
    step(tx, now, number, (State::Delivered, &Actor::default()), told).await
}

async fn accepted(tx: &mut Tx<'_>, now: Millis, number: i64, told: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_out SET state = 'accepted', state_at = $1, work = 0, reason = '', next_step = '' \
         WHERE number = $2",
    );
    once(tx, &sql.with(now).with(number)).await?;
    let parcel = parcel_of(tx, number).await?;
    if parcel.state.may_become(State::Delivered) {
        step(tx, now, number, (State::Delivered, &Actor::default()), told).await?;
    } else {
        happening(tx, now, number, "accepted-there", told).await?;
    }
    content::release(tx, parcel.pid, &parcel.sender).await
}

async fn refused(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    (answer, is_business): (&Answer, bool),
    told: &str,
) -> Result<(), Problem> {
    let next = match answer.code.as_str() {
        codes::NOT_KNOWN | codes::NO_LONGER => {
            "Find the practice where the patient is registered now, and send the letter there from the system that wrote \
             it, by fax or by post. Then settle it here."
        }
        codes::DUPLICATE | "20008" => {
            "They say that they have it already. Ask them whether they do; then settle it, or send it by fax or by post."
        }
        _ => {
            "Ask them what they could not take. Then send it again, by fax or by post, and settle it when it has gone \
             another way."
        }
    };
    let sql = Sql::new(
        "UPDATE itk3_out SET state = 'refused', state_at = $1, work = 1, reason = $2, next_step = $3 \
         WHERE number = $4",
    );
    let reason = format!("The receiver refused it: {told}");
    once(tx, &sql.with(now).with(reason).with(next).with(number)).await?;
    let parcel = parcel_of(tx, number).await?;
    let state = match is_business || !parcel.state.may_become(State::Undeliverable) {
        true => State::Returned,
        false => State::Undeliverable,
    };
    step(tx, now, number, (state, &Actor::default()), told).await
}

/// MESH's own word that nobody collected it.
pub(super) async fn reported(
    tx: &mut Tx<'_>,
    now: Millis,
    (outside, local_id): (&str, &str),
    code: &str,
) -> Result<Itk3Done, Problem> {
    let sql = Sql::new(
        "SELECT number, state FROM itk3_out WHERE (outside = $1 AND outside <> '') \
         OR (local_id = $2 AND local_id <> '') ORDER BY number DESC LIMIT 1",
    );
    if let Some(row) = tx.row(&sql.with(outside).with(local_id)).await? {
        let number = row.int(0)?;
        if matches!(row.text(1)?, "handing" | "handed" | "unsure") {
            let note = WorkNote {
                reason: format!("MESH reports that nobody collected it, or that it could not be delivered (code {code})."),
                next_step: "Ask the practice whether it collects from its mailbox. Then send it again, by fax or by post, \
                            and settle it when it has gone another way."
                    .to_owned(),
            };
            failed(tx, now, number, &note).await?;
        }
        return Ok(Itk3Done::Reported(true));
    }
    super::answers::reported(tx, now, outside, local_id, code)
        .await
        .map(Itk3Done::Reported)
}

/// From the work list: sent again, by a person who answers for it. It keeps its names.
pub(super) async fn sent_again(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    who: &Asker,
) -> Result<(), Problem> {
    let parcel = parcel_of(tx, number).await?;
    recall::check(tx, parcel.pid).await?;
    let may = parcel.state.may_become(State::Waiting) || parcel.state == State::Waiting;
    if !may {
        let message = "The receiver has had this letter, so it cannot be sent again as it is.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    let sql = Sql::new(
        "UPDATE itk3_out SET state = 'waiting', state_at = $1, next_try = 0, tries = 0, outside = '', \
         infrastructure = '', business = '', work = 0, reason = '', next_step = '' \
         WHERE number = $2 AND work = 1",
    );
    once(tx, &sql.with(now).with(number)).await?;
    step(
        tx,
        now,
        number,
        (State::Waiting, &who.actor()),
        "sent again",
    )
    .await
}

pub(super) async fn was_sent(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    who: &Asker,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_out SET state = 'handed', state_at = $1, work = 0, reason = '', next_step = '' \
         WHERE number = $2 AND state = 'unsure'",
    );
    once(tx, &sql.with(now).with(number)).await?;
    let note = "seen at MESH that it was sent";
    with_mesh(tx, now, number, &who.actor(), note).await
}

/// MESH has it: nothing is known of its receiver yet.
async fn with_mesh(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    actor: &Actor,
    note: &str,
) -> Result<(), Problem> {
    let parcel = parcel_of(tx, number).await?;
    event::add(tx, now, &parcel, "handed-over", actor, note).await?;
    if parcel.state.may_become(State::Waiting) {
        event::set_state(tx, parcel.pid, State::Waiting, now).await?;
    }
    event::set_reason(tx, parcel.pid, "").await?;
    recall::remind(tx, parcel.pid).await
}

/// Gives the letter to the fax server instead.
pub(super) async fn by_fax(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    who: &Asker,
) -> Result<(), Problem> {
    let parcel = parcel_of(tx, number).await?;
    recall::check(tx, parcel.pid).await?;
    let sql = Sql::new("SELECT 1 FROM fax_number WHERE ods = $1 AND state = 'in-force'");
    if tx
        .row(&sql.with(parcel.recipient.as_str()))
        .await?
        .is_none()
    {
        let message = "No fax number is in force for this organisation: two people put one onto the list first.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    if !parcel.state.may_become(State::Waiting) && parcel.state != State::Waiting {
        let message = "The receiver has had this letter, so it cannot be sent again as it is.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    end(tx, now, number).await?;
    step(
        tx,
        now,
        number,
        (State::Waiting, &who.actor()),
        "to leave by fax instead",
    )
    .await?;
    let sql = Sql::new("UPDATE parcel SET kind = 'fax' WHERE pid = $1").with(parcel.pid);
    tx.execute(&sql).await?;
    crate::fax::put(tx, now, parcel.pid, &parcel.recipient).await
}

pub(super) async fn settled(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    who: &Asker,
) -> Result<(), Problem> {
    end(tx, now, number).await?;
    let note = "settled: not sent as an ITK3 document any more";
    let parcel = parcel_of(tx, number).await?;
    if parcel.state.may_become(State::Undeliverable) || parcel.state == State::Undeliverable {
        step(tx, now, number, (State::Undeliverable, &who.actor()), note).await?;
    } else {
        event::add(tx, now, &parcel, "settled", &who.actor(), note).await?;
    }
    content::release(tx, parcel.pid, &parcel.sender).await
}

async fn end(tx: &mut Tx<'_>, now: Millis, number: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_out SET state = 'settled', state_at = $1, work = 0 WHERE number = $2 AND work = 1",
    );
    once(tx, &sql.with(now).with(number)).await
}

/// Whether it has not been handed over yet, so that it can be taken back.
pub(crate) async fn is_waiting(tx: &mut Tx<'_>, pid: i64) -> Result<bool, Problem> {
    let sql = Sql::new("SELECT 1 FROM itk3_out WHERE pid = $1 AND state IN ('waiting', 'failed')");
    Ok(tx.row(&sql.with(pid)).await?.is_some())
}

/// Whether MESH or its receiver may have it, or had it. One that failed or was settled after that counts too.
pub(crate) async fn has_left(tx: &mut Tx<'_>, pid: i64) -> Result<bool, Problem> {
    let sql = Sql::new(
        "SELECT 1 FROM itk3_out WHERE pid = $1 AND (state IN ('handing', 'handed', 'unsure', 'received', 'accepted', \
         'refused') OR outside <> '')",
    );
    Ok(tx.row(&sql.with(pid)).await?.is_some())
}

/// The letter was withdrawn or replaced: it is not sent if it has not gone yet.
pub(crate) async fn taken_back(tx: &mut Tx<'_>, now: Millis, pid: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_out SET state = 'settled', state_at = $1, work = 0 \
         WHERE pid = $2 AND state IN ('waiting', 'failed')",
    );
    tx.execute(&sql.with(now).with(pid)).await.map(|_| ())
}

/// From the letter's own page: sent again. The step stands in its journey already.
pub(crate) async fn again(tx: &mut Tx<'_>, now: Millis, pid: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_out SET state = 'waiting', state_at = $1, next_try = 0, tries = 0, outside = '', \
         infrastructure = '', business = '', work = 0, reason = '', next_step = '' \
         WHERE pid = $2 AND state IN ('failed', 'refused', 'settled')",
    );
    once(tx, &sql.with(now).with(pid)).await?;
    event::set_reason(tx, pid, "").await
}

async fn parcel_of(tx: &mut Tx<'_>, number: i64) -> Result<Known, Problem> {
    let sql = Sql::new("SELECT pid FROM itk3_out WHERE number = $1").with(number);
    let pid = tx.row(&sql).await?.ok_or_else(gone)?.int(0)?;
    event::by_pid(tx, pid).await?.ok_or_else(gone)
}

/// A word of the journey that moves nothing.
async fn happening(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    word: &str,
    note: &str,
) -> Result<(), Problem> {
    let parcel = parcel_of(tx, number).await?;
    event::add(tx, now, &parcel, word, &Actor::default(), note)
        .await
        .map(|_| ())
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
        State::Undeliverable | State::Returned => note,
        _ => "",
    };
    event::set_reason(tx, parcel.pid, reason).await?;
    match reason {
        "" => recall::remind(tx, parcel.pid).await,
        _ => Ok(()),
    }
}
