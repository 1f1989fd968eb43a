//! Changes of these rows.

use access::{Familiar, OpeningKind};
use fhir::date::Millis;
use fhir::problem::{self, Problem};

use super::team;
use crate::database::Tx;
use crate::sql::Sql;
use crate::words;

/// Why somebody is taken to care for a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Registration,
    Referral,
    Encounter,
    Workgroup,
    SelfClaimed,
    PatientGranted,
}

impl Kind {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Registration => "registration",
            Kind::Referral => "referral",
            Kind::Encounter => "encounter",
            Kind::Workgroup => "workgroup",
            Kind::SelfClaimed => "self-claimed",
            Kind::PatientGranted => "patient-granted",
        }
    }
}

/// A relationship with a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// A Patient id.
    pub patient: String,
    pub organisation: String,
    /// One account's; the whole organisation's (or the workgroup's) if `None`.
    pub account: Option<i64>,
    /// Empty for none.
    pub workgroup: String,
    pub kind: Kind,
    /// What it follows from: a resource, or a person's word.
    pub source: String,
    pub reason: String,
    pub starts_at: Millis,
    /// It is no more from this time on.
    pub ends_at: Millis,
}

/// How a member of staff knows a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FamiliarKind {
    Family,
    Colleague,
}

impl FamiliarKind {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            FamiliarKind::Family => "family",
            FamiliarKind::Colleague => "colleague",
        }
    }

    /// The kind of that word.
    pub fn from_code(code: &str) -> Option<FamiliarKind> {
        match code {
            "family" => Some(FamiliarKind::Family),
            "colleague" => Some(FamiliarKind::Colleague),
            _ => None,
        }
    }
}

/// Who did what the privacy officer and the patient are told of, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub patient: String,
    pub organisation: String,
    pub account: i64,
    pub name: String,
    pub role: String,
    /// A reason's code; empty where only words are given.
    pub code: String,
    pub reason: String,
}

/// What an item of the privacy officer's list has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemState {
    Open,
    /// A question to whoever did it is out.
    Queried,
    Escalated,
    /// It was right.
    Confirmed,
    Closed,
}

impl ItemState {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            ItemState::Open => "open",
            ItemState::Queried => "queried",
            ItemState::Escalated => "escalated",
            ItemState::Confirmed => "confirmed",
            ItemState::Closed => "closed",
        }
    }

    /// The state of that word.
    pub fn from_code(code: &str) -> Option<ItemState> {
        Some(match code {
            "open" => ItemState::Open,
            "queried" => ItemState::Queried,
            "escalated" => ItemState::Escalated,
            "confirmed" => ItemState::Confirmed,
            "closed" => ItemState::Closed,
            _ => return None,
        })
    }

    /// Whether nothing more comes after it.
    pub fn is_done(self) -> bool {
        matches!(self, ItemState::Confirmed | ItemState::Closed)
    }
}

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum CareWrite {
    /// Writes a relationship down; the same again moves its end.
    Relate(Link),
    /// A member of staff says that they care for the patient, until then. On the privacy officer's
    /// list and told to the patient in the same transaction.
    Claim {
        told: Told,
        ends_at: Millis,
    },
    /// A record is opened until then, as is told.
    Open {
        kind: OpeningKind,
        told: Told,
        ends_at: Millis,
    },
    /// Where a restricted patient lives is released to a team until then, as is told.
    Release {
        told: Told,
        workgroup: String,
        ends_at: Millis,
    },
    /// A release to a team ends now.
    Recall {
        number: i64,
        patient: String,
    },
    /// An opening ends now.
    Shut {
        kind: OpeningKind,
        account: i64,
        patient: String,
    },
    Join {
        account: i64,
        workgroup: String,
    },
    Leave {
        account: i64,
        workgroup: String,
    },
    /// The patient does not want the organisation to see these types (all, if none is named).
    Dissent {
        patient: String,
        organisation: String,
        types: Vec<String>,
        /// What says so: a Consent's id.
        consent: String,
        starts_at: Millis,
        ends_at: Millis,
    },
    /// What that Consent said counts no more.
    Withdraw {
        patient: String,
        consent: String,
    },
    /// A member of staff knows the patient; not any more, if `kind` is none.
    Know {
        account: i64,
        patient: String,
        kind: Option<FamiliarKind>,
    },
    /// A member of staff looked at the record of somebody whom they know. On the privacy officer's
    /// list, unless such an item is there since that time.
    Familiar {
        kind: Familiar,
        told: Told,
        since: Millis,
    },
    /// The privacy officer works an item; not their own.
    Work {
        number: i64,
        organisation: String,
        state: ItemState,
        outcome: String,
        officer: (i64, String),
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CareDone {
    Changed(u64),
    /// The number of the privacy officer's item.
    Listed(i64),
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &CareWrite,
) -> Result<CareDone, Problem> {
    match write {
        CareWrite::Relate(link) => relate(tx, now, link).await,
        CareWrite::Claim { told, ends_at } => claim(tx, now, told, *ends_at).await,
        CareWrite::Open {
            kind,
            told,
            ends_at,
        } => open(tx, now, (*kind, *ends_at), told).await,
        CareWrite::Release {
            told,
            workgroup,
            ends_at,
        } => team::release(tx, now, told, (workgroup, *ends_at)).await,
        CareWrite::Recall { number, patient } => team::recall(tx, now, (*number, patient)).await,
        CareWrite::Shut {
            kind,
            account,
            patient,
        } => {
            let sql = Sql::new(
                "UPDATE care_opening SET ends_at = $1 WHERE account = $2 AND patient = $3 \
                 AND kind = $4 AND ends_at > $1",
            );
            let sql = sql.with(now).with(*account).with(patient.as_str());
            Ok(CareDone::Changed(tx.execute(&sql.with(kind.code())).await?))
        }
        CareWrite::Join { account, workgroup } => {
            let sql = Sql::new(
                "INSERT INTO care_workgroup (account, workgroup) VALUES ($1, $2) \
                 ON CONFLICT (account, workgroup) DO NOTHING",
            );
            let sql = sql.with(*account).with(workgroup.as_str());
            Ok(CareDone::Changed(tx.execute(&sql).await?))
        }
        CareWrite::Leave { account, workgroup } => {
            let sql = Sql::new("DELETE FROM care_workgroup WHERE account = $1 AND workgroup = $2");
            let sql = sql.with(*account).with(workgroup.as_str());
            Ok(CareDone::Changed(tx.execute(&sql).await?))
        }
        CareWrite::Dissent {
            patient,
            organisation,
            types,
            consent,
            starts_at,
            ends_at,
        } => {
            let what = (patient.as_str(), organisation.as_str(), consent.as_str());
            dissent(tx, what, types, (*starts_at, *ends_at)).await
        }
        CareWrite::Withdraw { patient, consent } => {
            let sql = Sql::new("DELETE FROM care_dissent WHERE patient = $1 AND consent = $2");
            let sql = sql.with(patient.as_str()).with(consent.as_str());
            Ok(CareDone::Changed(tx.execute(&sql).await?))
        }
        CareWrite::Know {
            account,
            patient,
            kind,
        } => know(tx, now, (*account, patient), *kind).await,
        CareWrite::Familiar { kind, told, since } => familiar(tx, now, (*kind, *since), told).await,
        CareWrite::Work { .. } => work(tx, now, write).await,
    }
}

pub(super) async fn relate(tx: &mut Tx<'_>, now: Millis, link: &Link) -> Result<CareDone, Problem> {
    let sql = Sql::new(
        "INSERT INTO care_link (patient, org, account, workgroup, kind, source, reason, made_at, \
         starts_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (patient, org, account, workgroup, kind, source) \
         DO UPDATE SET ends_at = excluded.ends_at, starts_at = excluded.starts_at, \
         reason = excluded.reason",
    );
    let sql = sql
        .with(link.patient.as_str())
        .with(link.organisation.as_str())
        .with(link.account.unwrap_or_default())
        .with(link.workgroup.as_str())
        .with(link.kind.code())
        .with(link.source.as_str())
        .with(link.reason.as_str())
        .with(now)
        .with(link.starts_at)
        .with(link.ends_at);
    Ok(CareDone::Changed(tx.execute(&sql).await?))
}

/// The relationship, if it is there, is no more from its new end on.
pub(super) async fn end(tx: &mut Tx<'_>, link: &Link) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE care_link SET ends_at = $1 WHERE patient = $2 AND org = $3 AND kind = $4 \
         AND source = $5 AND ends_at > $1",
    );
    let sql = sql
        .with(link.ends_at)
        .with(link.patient.as_str())
        .with(link.organisation.as_str())
        .with(link.kind.code());
    tx.execute(&sql.with(link.source.as_str())).await?;
    Ok(())
}

/// The fewest letters that a reason is written with.
const REASON_LETTERS_MIN: usize = 10;
/// The most.
const REASON_LETTERS_MAX: usize = 2_000;

/// # Errors
/// `Value` for a reason that says too little or too much.
pub(crate) fn check_reason(reason: &str) -> Result<(), Problem> {
    let letters = reason.trim().chars().count();
    if (REASON_LETTERS_MIN..=REASON_LETTERS_MAX).contains(&letters) {
        return Ok(());
    }
    let message = "A reason has at least 10 letters, and at most 2,000.";
    Err(Problem::new(problem::Kind::Value, message))
}

async fn claim(
    tx: &mut Tx<'_>,
    now: Millis,
    told: &Told,
    ends_at: Millis,
) -> Result<CareDone, Problem> {
    check_reason(&told.reason)?;
    let link = Link {
        patient: told.patient.clone(),
        organisation: told.organisation.clone(),
        account: Some(told.account),
        workgroup: String::new(),
        kind: Kind::SelfClaimed,
        source: format!("account {}", told.account),
        reason: told.reason.clone(),
        starts_at: now,
        ends_at,
    };
    relate(tx, now, &link).await?;
    tell(tx, now, Kind::SelfClaimed.code(), told).await
}

async fn open(
    tx: &mut Tx<'_>,
    now: Millis,
    (kind, ends_at): (OpeningKind, Millis),
    told: &Told,
) -> Result<CareDone, Problem> {
    check_reason(&told.reason)?;
    let sql = Sql::new(
        "INSERT INTO care_opening (account, patient, kind, code, reason, starts_at, ends_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    let sql = sql
        .with(told.account)
        .with(told.patient.as_str())
        .with(kind.code())
        .with(told.code.as_str())
        .with(told.reason.as_str())
        .with(now)
        .with(ends_at);
    tx.execute(&sql).await?;
    notify(tx, now, kind.code(), told).await?;
    let minutes = ends_at.saturating_sub(now) / 60_000;
    let item = Told {
        reason: format!("{} (for {minutes} minutes)", told.reason),
        ..told.clone()
    };
    list(tx, now, kind.code(), &item)
        .await
        .map(CareDone::Listed)
}

/// The privacy officer's item and the patient's notice.
async fn tell(
    tx: &mut Tx<'_>,
    now: Millis,
    kind: &'static str,
    told: &Told,
) -> Result<CareDone, Problem> {
    notify(tx, now, kind, told).await?;
    list(tx, now, kind, told).await.map(CareDone::Listed)
}

/// The patient's notice.
pub(crate) async fn notify(
    tx: &mut Tx<'_>,
    now: Millis,
    kind: &'static str,
    told: &Told,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO patient_notice (patient, kind, who, role, org, reason, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    let sql = sql
        .with(told.patient.as_str())
        .with(kind)
        .with(told.name.as_str())
        .with(told.role.as_str())
        .with(told.organisation.as_str())
        .with(told.reason.as_str())
        .with(now);
    tx.execute(&sql).await.map(|_| ())
}

/// Puts it on the privacy officer's list; its number there.
pub(crate) async fn list(
    tx: &mut Tx<'_>,
    now: Millis,
    kind: &'static str,
    told: &Told,
) -> Result<i64, Problem> {
    let sql = Sql::new(
        "INSERT INTO privacy_item (org, kind, patient, account, name, role, code, reason, at, \
         state, outcome, worked_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open', '', '') RETURNING number",
    );
    let sql = sql
        .with(told.organisation.as_str())
        .with(kind)
        .with(told.patient.as_str())
        .with(told.account)
        .with(told.name.as_str())
        .with(told.role.as_str())
        .with(told.code.as_str())
        .with(told.reason.as_str())
        .with(now);
    let row = tx.row(&sql).await?;
    let row = row.ok_or_else(|| crate::failure::internal("an item came without its number"))?;
    row.int(0)
}

async fn know(
    tx: &mut Tx<'_>,
    now: Millis,
    (account, patient): (i64, &str),
    kind: Option<FamiliarKind>,
) -> Result<CareDone, Problem> {
    let Some(kind) = kind else {
        let sql = Sql::new("DELETE FROM care_familiar WHERE account = $1 AND patient = $2");
        let gone = tx.execute(&sql.with(account).with(patient)).await?;
        return Ok(CareDone::Changed(gone));
    };
    let sql = Sql::new(
        "INSERT INTO care_familiar (account, patient, kind, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account, patient) DO UPDATE SET kind = excluded.kind",
    );
    let sql = sql.with(account).with(patient).with(kind.code()).with(now);
    Ok(CareDone::Changed(tx.execute(&sql).await?))
}

async fn familiar(
    tx: &mut Tx<'_>,
    now: Millis,
    (kind, since): (Familiar, Millis),
    told: &Told,
) -> Result<CareDone, Problem> {
    let kind = match kind {
        Familiar::Own => "own-record",
        Familiar::Other => "familiar-record",
    };
    let sql = Sql::new(
        "SELECT 1 FROM privacy_item WHERE kind = $1 AND account = $2 AND patient = $3 AND at > $4",
    );
    let sql = sql.with(kind).with(told.account);
    if tx
        .row(&sql.with(told.patient.as_str()).with(since))
        .await?
        .is_some()
    {
        return Ok(CareDone::Changed(0));
    }
    list(tx, now, kind, told).await.map(CareDone::Listed)
}

async fn dissent(
    tx: &mut Tx<'_>,
    (patient, organisation, consent): (&str, &str, &str),
    types: &[String],
    (starts_at, ends_at): (Millis, Millis),
) -> Result<CareDone, Problem> {
    let mut numbers = Vec::with_capacity(types.len().max(1));
    for ty in types {
        numbers.push(words::intern(tx, ty).await?);
    }
    if numbers.is_empty() {
        numbers.push(0);
    }
    let mut changed = 0;
    for number in numbers {
        let sql = Sql::new(
            "INSERT INTO care_dissent (patient, org, ty, consent, starts_at, ends_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (patient, org, ty, consent) \
             DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at",
        );
        let sql = sql
            .with(patient)
            .with(organisation)
            .with(number)
            .with(consent)
            .with(starts_at)
            .with(ends_at);
        changed += tx.execute(&sql).await?;
    }
    Ok(CareDone::Changed(changed))
}

async fn work(tx: &mut Tx<'_>, now: Millis, write: &CareWrite) -> Result<CareDone, Problem> {
    let CareWrite::Work {
        number,
        organisation,
        state,
        outcome,
        officer: (account, name),
    } = write
    else {
        return Err(crate::failure::internal("no work on an item"));
    };
    let sql = Sql::new("SELECT account, state FROM privacy_item WHERE number = $1 AND org = $2");
    let sql = sql.with(*number).with(organisation.as_str());
    let absent = || Problem::new(problem::Kind::NotFound, "There is no such item.");
    let row = tx.row(&sql).await?.ok_or_else(absent)?;
    if row.int(0)? == *account {
        let message = "An item about yourself is another privacy officer's to work.";
        return Err(Problem::new(problem::Kind::Forbidden, message));
    }
    if ItemState::from_code(row.text(1)?).is_none_or(ItemState::is_done) {
        let message = "The item was closed already.";
        return Err(Problem::new(problem::Kind::Conflict, message));
    }
    if outcome.trim().is_empty() {
        let message = "Say what was found out.";
        return Err(Problem::new(problem::Kind::Required, message));
    }
    let sql = Sql::new(
        "UPDATE privacy_item SET state = $1, outcome = $2, worked_by = $3, worked_at = $4 \
         WHERE number = $5",
    );
    let sql = sql
        .with(state.code())
        .with(outcome.as_str())
        .with(name.as_str())
        .with(now);
    Ok(CareDone::Changed(tx.execute(&sql.with(*number)).await?))
}
