//! Changes of referrals' rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{BarsOut, Referral, bars_out};
use crate::database::Tx;
use crate::parcels::{self, event, outgoing};
use crate::sql::Sql;

/// What must be there before a referral is written; otherwise the whole job is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferralWas {
    /// No referral of that id.
    Nothing,
    /// One of that version.
    At(i64),
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum ReferralWrite {
    /// Writes a referral. `Conflict` if what is there is not what `was` says.
    Put {
        referral: Box<Referral>,
        was: ReferralWas,
    },
    /// A step that came has been seen to, in this job. `Conflict` if it had been before.
    TakenIn { pid: i64, patient: String },
    /// A person has said whose a referral is that came. `Conflict` unless it waits for that.
    Match {
        pid: i64,
        patient: String,
        who: String,
        role: String,
        account: Option<i64>,
    },
    /// A referral that waits for a person to say whose it is has been given back, in this job. `Conflict` unless it waits.
    GivenBack { pid: i64 },
    /// Who refers has withdrawn it before anybody said whose it is.
    NotWanted { sender: String, asked_as: String },
    /// A step that could not be taken in by itself is to be tried again.
    TakeAgain { pid: i64 },
    /// A step that could not be delivered is to be sent again, by its number here.
    SendAgain { pid: i64 },
    /// Somebody here has looked.
    Seen { id: String },
    /// A message of BaRS is taken, in this job. `Duplicate` if one of that id was taken before.
    Message {
        id: String,
        digest: String,
        referral: String,
        request_id: String,
        correlation_id: String,
    },
    /// A message of BaRS is to leave, in this job.
    BarsQueue(Box<BarsOut>),
    /// A message is about to be sent, and nobody else's until then. `Conflict` if somebody else has it.
    BarsSending {
        id: String,
        seen: Millis,
        until: Millis,
    },
    /// Its receiver has it.
    BarsSent { id: String },
    /// It was not taken, and is tried again then.
    BarsNotNow {
        id: String,
        next_try: Millis,
        reason: String,
    },
    /// It will not be taken: a person looks.
    BarsRefused { id: String, reason: String },
    /// What was given up of that booking is left so; what still waits too, if that is said.
    BarsOver { referral: String, waiting: bool },
    /// A person has it tried again. `Conflict` unless it was given up.
    BarsAgain { id: String },
}

const BETWEEN: &str = "Somebody else has just changed this referral; look again.";
const NOT_UNMATCHED: &str = "The referral does not wait for somebody to say whose it is.";

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &ReferralWrite,
) -> Result<(), Problem> {
    match write {
        ReferralWrite::Put { referral, was } => match was {
            ReferralWas::Nothing => {
                insert(tx, referral).await?;
                crate::rules::referral_came(tx, now, referral.inward, &referral.id).await
            }
            ReferralWas::At(version) => update(tx, referral, *version).await,
        },
        ReferralWrite::TakenIn { pid, patient } => {
            parcels::text_taken_in(tx, now, (*pid, parcels::Kind::Referral), patient).await
        }
        ReferralWrite::Match {
            pid,
            patient,
            who,
            role,
            account,
        } => {
            let actor = event::Actor {
                who: who.clone(),
                role: role.clone(),
                account: *account,
            };
            matched(tx, now, (*pid, patient), &actor).await
        }
        ReferralWrite::GivenBack { pid } => given_back(tx, *pid).await,
        ReferralWrite::NotWanted { sender, asked_as } => {
            let sql = Sql::new(
                "UPDATE parcel SET unmatched = 0, due = 0 WHERE direction = 1 AND unmatched = 1 \
                 AND kind = 'referral' AND sender = $1 AND unique_id = $2",
            );
            let sql = sql.with(sender.as_str()).with(asked_as.as_str());
            tx.execute(&sql).await.map(|_| ())
        }
        ReferralWrite::TakeAgain { pid } => {
            let sql = Sql::new(
                "UPDATE parcel SET due = 1, unmatched = 0 WHERE pid = $1 AND direction = 1 \
                 AND unmatched = 1 AND kind = 'referral'",
            );
            tx.execute(&sql.with(*pid)).await.map(|_| ())
        }
        ReferralWrite::SendAgain { pid } => send_again(tx, now, *pid).await,
        ReferralWrite::BarsQueue(message) => bars_out::queue(tx, message).await,
        ReferralWrite::BarsSending { id, seen, until } => {
            bars_out::sending(tx, id, (*seen, *until)).await
        }
        ReferralWrite::BarsSent { id } => bars_out::sent(tx, now, id).await,
        ReferralWrite::BarsNotNow {
            id,
            next_try,
            reason,
        } => bars_out::not_now(tx, id, (*next_try, reason)).await,
        ReferralWrite::BarsRefused { id, reason } => bars_out::refused(tx, now, (id, reason)).await,
        ReferralWrite::BarsOver { referral, waiting } => {
            bars_out::over(tx, now, (referral, *waiting)).await
        }
        ReferralWrite::BarsAgain { id } => bars_out::again(tx, now, id).await,
        ReferralWrite::Seen { id } => {
            let sql = Sql::new("UPDATE referral SET news = 0 WHERE id = $1 AND news = 1");
            tx.execute(&sql.with(id.as_str())).await.map(|_| ())
        }
        ReferralWrite::Message {
            id,
            digest,
            referral,
            request_id,
            correlation_id,
        } => {
            let sql = Sql::new(
                "INSERT INTO bars_message (id, digest, referral, request_id, correlation_id, taken_at) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
            );
            let sql = sql.with(id.as_str()).with(digest.as_str());
            let sql = sql.with(referral.as_str()).with(request_id.as_str());
            let sql = sql.with(correlation_id.as_str()).with(now);
            match tx.execute(&sql).await? {
                0 => Err(Problem::new(
                    Kind::Duplicate,
                    "This message was taken before.",
                )),
                _ => Ok(()),
            }
        }
    }
}

async fn insert(tx: &mut Tx<'_>, it: &Referral) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO referral (id, inward, way, other, asked_as, patient, urgency, state, made_at, \
         state_at, steps, told, news, parcel, promised_by, appointment, version) VALUES ($1, $2, $3, $4, \
         $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 1) ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(it.id.as_str()).with(it.inward);
    let sql = sql.with(it.way.code()).with(it.other.as_str());
    let sql = sql.with(it.asked_as.as_str()).with(it.patient.as_str());
    let sql = sql.with(it.urgency.as_str()).with(it.state.code());
    let sql = sql.with(it.made_at).with(it.state_at);
    let sql = sql.with(i64::from(it.steps)).with(i64::from(it.told));
    let sql = sql.with(it.news).with(it.parcel.as_str());
    let sql = sql.with(it.promised_by).with(it.appointment.as_str());
    tx.execute_once(&sql, BETWEEN).await
}

async fn update(tx: &mut Tx<'_>, it: &Referral, was: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE referral SET patient = $1, urgency = $2, state = $3, state_at = $4, steps = $5, told = $6, \
         news = $7, parcel = $8, promised_by = $9, appointment = $10, version = version + 1 \
         WHERE id = $11 AND version = $12",
    );
    let sql = sql.with(it.patient.as_str()).with(it.urgency.as_str());
    let sql = sql.with(it.state.code()).with(it.state_at);
    let sql = sql.with(i64::from(it.steps)).with(i64::from(it.told));
    let sql = sql.with(it.news).with(it.parcel.as_str());
    let sql = sql.with(it.promised_by).with(it.appointment.as_str());
    let sql = sql.with(it.id.as_str()).with(was);
    tx.execute_once(&sql, BETWEEN).await
}

async fn matched(
    tx: &mut Tx<'_>,
    now: Millis,
    (pid, patient): (i64, &str),
    actor: &event::Actor,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE parcel SET patient = $1, unmatched = 0, reason = NULL, due = 1 WHERE pid = $2 \
         AND direction = 1 AND unmatched = 1 AND kind = 'referral'",
    );
    tx.execute_once(&sql.with(patient).with(pid), NOT_UNMATCHED)
        .await?;
    let parcel = event::by_pid(tx, pid).await?.ok_or_else(outgoing::gone)?;
    event::add(tx, now, &parcel, "matched", actor, "").await?;
    Ok(())
}

async fn given_back(tx: &mut Tx<'_>, pid: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE parcel SET unmatched = 0, due = 0 WHERE pid = $1 AND direction = 1 AND unmatched = 1 \
         AND kind = 'referral'",
    );
    tx.execute_once(&sql.with(pid), NOT_UNMATCHED).await
}

async fn send_again(tx: &mut Tx<'_>, now: Millis, pid: i64) -> Result<(), Problem> {
    let sql =
        Sql::new("SELECT 1 FROM parcel WHERE pid = $1 AND direction = 0 AND kind = 'referral'");
    tx.row(&sql.with(pid)).await?.ok_or_else(outgoing::gone)?;
    let parcel = event::by_pid(tx, pid).await?.ok_or_else(outgoing::gone)?;
    parcels::send_again(tx, now, &parcel, &event::Actor::default()).await
}
