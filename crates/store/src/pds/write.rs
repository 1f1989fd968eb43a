//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::sql::Sql;

/// The version behind which patients are looked for who are new or changed.
pub(super) const CURSOR: [&str; 2] = ["pds-at", "pds-rid"];

/// How the trace of a patient stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TraceState {
    /// To be asked about.
    Waiting,
    /// Number, birth date and name are PDS's.
    Matched,
    /// PDS has the number for somebody whose name or birth date is another: nothing was taken over.
    Differs,
    /// PDS has another number for the patient, and a person must decide.
    Superseded,
    /// PDS does not know the number.
    Unknown,
    /// The number was taken out of use.
    Invalid,
    /// PDS does not take the question.
    Refused,
    /// A person has seen to it.
    Settled,
}

impl TraceState {
    pub const ALL: [TraceState; 8] = [
        TraceState::Waiting,
        TraceState::Matched,
        TraceState::Differs,
        TraceState::Superseded,
        TraceState::Unknown,
        TraceState::Invalid,
        TraceState::Refused,
        TraceState::Settled,
    ];

    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            TraceState::Waiting => "waiting",
            TraceState::Matched => "matched",
            TraceState::Differs => "differs",
            TraceState::Superseded => "superseded",
            TraceState::Unknown => "unknown",
            TraceState::Invalid => "invalid",
            TraceState::Refused => "refused",
            TraceState::Settled => "settled",
        }
    }

    /// # Errors
    /// `Exception` for any other word.
    pub fn parse(code: &str) -> Result<TraceState, Problem> {
        let mut all = TraceState::ALL.into_iter();
        let found = all.find(|it| it.code() == code);
        found.ok_or_else(|| Problem::new(Kind::Exception, "A trace is in no known state."))
    }

    /// Whether a person must look.
    pub fn is_stuck(self) -> bool {
        matches!(
            self,
            TraceState::Differs
                | TraceState::Superseded
                | TraceState::Unknown
                | TraceState::Invalid
                | TraceState::Refused
        )
    }
}

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum PdsWrite {
    /// Patients who are new or whose number, name or birth date changed are to be asked about: id and digest. As
    /// far as the versions up to that one.
    Noted {
        patients: Vec<(String, String)>,
        upto: (Millis, i64),
    },
    /// PDS answered. `said` is `None` where it said nothing of a person: what it said before stays, with its
    /// time. Nothing, if the patient is to be asked about under another identity by now.
    Answered {
        patient: String,
        identity: String,
        state: TraceState,
        reason: String,
        said: Option<String>,
        /// The practice (its ODS code) that stands in `said`; empty for none.
        practice: String,
    },
    /// A try came to nothing.
    Later {
        patient: String,
        next_try: Millis,
        reason: String,
    },
    /// Somebody wants it asked again. `NotFound` if the patient was never to be asked about.
    Again { patient: String },
    /// A person has seen to it. `NotFound` unless it is one for a person.
    Settled { patient: String },
    /// The patient's number was replaced here: from now on they are asked about as they are now.
    Followed { patient: String, identity: String },
    /// Answers from before that time are asked for anew, so many at a time.
    Renew { before: Millis, count: u32 },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &PdsWrite) -> Result<(), Problem> {
    match write {
        PdsWrite::Noted { patients, upto } => noted(tx, now, patients, *upto).await,
        PdsWrite::Answered {
            patient,
            identity,
            state,
            reason,
            said,
            practice,
        } => {
            let sql = Sql::new(
                "UPDATE pds_trace SET state = $1, state_at = $2, tries = 0, next_try = 0, \
                 reason = $3, said = CASE WHEN $4 = 1 THEN $5 ELSE said END, \
                 said_at = CASE WHEN $4 = 1 THEN $2 ELSE said_at END, \
                 practice = CASE WHEN $4 = 1 THEN $6 ELSE practice END \
                 WHERE patient = $7 AND identity = $8 AND state = 'waiting'",
            );
            let sql = sql.with(state.code()).with(now).with(reason.as_str());
            let sql = sql
                .with(i64::from(said.is_some()))
                .with(said.as_deref().unwrap_or_default())
                .with(practice.as_str())
                .with(patient.as_str());
            tx.execute(&sql.with(identity.as_str())).await.map(|_| ())
        }
        PdsWrite::Later {
            patient,
            next_try,
            reason,
        } => {
            let sql = Sql::new(
                "UPDATE pds_trace SET tries = tries + 1, next_try = $1, reason = $2 \
                 WHERE patient = $3 AND state = 'waiting'",
            );
            let sql = sql.with(*next_try).with(reason.as_str());
            tx.execute(&sql.with(patient.as_str())).await.map(|_| ())
        }
        PdsWrite::Again { patient } => {
            let sql = Sql::new(
                "UPDATE pds_trace SET state = 'waiting', state_at = $1, tries = 0, next_try = 0, \
                 reason = '' WHERE patient = $2",
            );
            there(tx.execute(&sql.with(now).with(patient.as_str())).await?)
        }
        PdsWrite::Settled { patient } => {
            let sql = Sql::new(
                "UPDATE pds_trace SET state = 'settled', state_at = $1 WHERE patient = $2 \
                 AND state NOT IN ('waiting', 'matched', 'settled')",
            );
            there(tx.execute(&sql.with(now).with(patient.as_str())).await?)
        }
        PdsWrite::Followed { patient, identity } => {
            let sql = Sql::new(
                "UPDATE pds_trace SET identity = $1, state = 'matched', state_at = $2, reason = '' \
                 WHERE patient = $3",
            );
            let sql = sql.with(identity.as_str()).with(now);
            tx.execute(&sql.with(patient.as_str())).await.map(|_| ())
        }
        PdsWrite::Renew { before, count } => {
            let sql = Sql::new(
                "UPDATE pds_trace SET state = 'waiting', state_at = $1, tries = 0, next_try = 0 \
                 WHERE patient IN (SELECT patient FROM pds_trace WHERE state = 'matched' \
                 AND state_at < $2 ORDER BY state_at LIMIT $3)",
            );
            let sql = sql.with(now).with(*before).with(*count);
            tx.execute(&sql).await.map(|_| ())
        }
    }
}

async fn noted(
    tx: &mut Tx<'_>,
    now: Millis,
    patients: &[(String, String)],
    (at, rid): (Millis, i64),
) -> Result<(), Problem> {
    for (patient, identity) in patients {
        let sql = Sql::new(
            "INSERT INTO pds_trace (patient, identity, state, state_at, tries, next_try, reason, \
             said, said_at) VALUES ($1, $2, 'waiting', $3, 0, 0, '', '', 0) \
             ON CONFLICT (patient) DO UPDATE SET identity = excluded.identity, state = 'waiting', \
             state_at = excluded.state_at, tries = 0, next_try = 0, reason = '' \
             WHERE pds_trace.identity <> excluded.identity",
        );
        let sql = sql.with(patient.as_str()).with(identity.as_str());
        tx.execute(&sql.with(now)).await?;
    }
    for (name, value) in CURSOR.into_iter().zip([at, rid]) {
        let sql = Sql::new(
            "INSERT INTO counter (name, next) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET next = excluded.next",
        );
        tx.execute(&sql.with(name).with(value)).await?;
    }
    Ok(())
}

/// What PDS said of a patient may tell where they live: it is not kept of one who is restricted from now on.
pub(crate) async fn forget(tx: &mut Tx<'_>, patient: &str) -> Result<(), Problem> {
    let sql =
        Sql::new("UPDATE pds_trace SET said = '', said_at = 0, practice = '' WHERE patient = $1");
    tx.execute(&sql.with(patient)).await.map(|_| ())
}

fn there(changed: u64) -> Result<(), Problem> {
    if changed == 1 {
        return Ok(());
    }
    let message = "Somebody has seen to it meanwhile, or it is not there.";
    Err(Problem::new(Kind::NotFound, message))
}
