//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::PEOPLE_MAX;
use crate::accounts::SecretDigest;
use crate::care::{self, Told, check_reason};
use crate::database::Tx;
use crate::sql::Sql;

/// Codes of one patient that wait at a time.
const OFFERS_MAX: i64 = 10;

/// A code that a patient makes for somebody.
#[derive(Clone, Debug)]
pub struct Offer {
    pub digest: SecretDigest,
    /// A Patient id.
    pub patient: String,
    pub patient_name: String,
    /// The name that whoever uses it must have.
    pub for_name: String,
    /// Codes of categories.
    pub categories: Vec<String>,
    pub expires_at: Millis,
    /// When the leave that comes of it ends.
    pub ends_at: Millis,
}

/// Leave that the practice records.
#[derive(Clone, Debug)]
pub struct Grant {
    pub patient_name: String,
    /// The Patient id of who is to act.
    pub person: String,
    pub person_name: String,
    pub categories: Vec<String>,
    pub ends_at: Millis,
    /// The patient is a child.
    pub is_childs: bool,
    /// For which patient, by whom, and why.
    pub told: Told,
}

/// Who ends a leave.
#[derive(Clone, Debug)]
pub enum By {
    /// The patient of that id, and their name.
    Patient(String, String),
    /// Who acts gives it up.
    Person(String, String),
    Practice(Told),
}

/// What the writer can do to these rows. What the practice does is on the privacy officer's list in
/// the same transaction.
#[derive(Debug)]
pub enum PeopleWrite {
    Offer(Offer),
    /// The patient takes back the codes that nobody has used.
    TakeBack {
        patient: String,
    },
    /// Somebody uses a code.
    Accept {
        digest: SecretDigest,
        person: String,
        person_name: String,
    },
    Grant(Box<Grant>),
    /// The practice has looked at it again, and it stands.
    Confirm {
        number: i64,
        told: Told,
    },
    End {
        number: i64,
        by: By,
    },
    /// The record is shown online no more.
    Pause {
        told: Told,
    },
    Resume {
        told: Told,
    },
    /// The patient's own pages tell no more of their own use.
    Hide {
        patient: String,
    },
    /// They do again.
    Show {
        told: Told,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeopleDone {
    /// How many rows it changed.
    Changed(u64),
    /// The number of a leave that was given.
    Given(i64),
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &PeopleWrite,
) -> Result<PeopleDone, Problem> {
    let changed = match write {
        PeopleWrite::Offer(offer) => make_offer(tx, now, offer).await?,
        PeopleWrite::TakeBack { patient } => {
            let sql = Sql::new("DELETE FROM proxy_offer WHERE patient = $1");
            tx.execute(&sql.with(patient.as_str())).await?
        }
        PeopleWrite::Accept {
            digest,
            person,
            person_name,
        } => {
            let number = accept(tx, now, digest, (person, person_name)).await?;
            return Ok(PeopleDone::Given(number));
        }
        PeopleWrite::Grant(grant) => {
            check_reason(&grant.told.reason)?;
            let number = give(tx, now, &Row::of_practice(grant)).await?;
            care::list(tx, now, "proxy-granted", &grant.told).await?;
            return Ok(PeopleDone::Given(number));
        }
        PeopleWrite::Confirm { number, told } => confirm(tx, now, *number, told).await?,
        PeopleWrite::End { number, by } => end(tx, now, *number, by).await?,
        PeopleWrite::Pause { told } => pause(tx, now, told).await?,
        PeopleWrite::Resume { told } => {
            check_reason(&told.reason)?;
            care::list(tx, now, "online-resumed", told).await?;
            let sql = Sql::new(
                "UPDATE online_access SET paused_at = NULL, paused_by = '' WHERE patient = $1",
            );
            tx.execute(&sql.with(told.patient.as_str())).await?
        }
        PeopleWrite::Hide { patient } => {
            let sql = Sql::new(
                "INSERT INTO online_access (patient, paused_by, hidden_at) VALUES ($1, '', $2) \
                 ON CONFLICT (patient) DO UPDATE SET hidden_at = excluded.hidden_at",
            );
            tx.execute(&sql.with(patient.as_str()).with(now)).await?
        }
        PeopleWrite::Show { told } => {
            check_reason(&told.reason)?;
            care::list(tx, now, "use-shown", told).await?;
            let sql = Sql::new("UPDATE online_access SET hidden_at = NULL WHERE patient = $1");
            tx.execute(&sql.with(told.patient.as_str())).await?
        }
    };
    Ok(PeopleDone::Changed(changed))
}

async fn make_offer(tx: &mut Tx<'_>, now: Millis, offer: &Offer) -> Result<u64, Problem> {
    let sql = Sql::new("DELETE FROM proxy_offer WHERE expires_at <= $1");
    tx.execute(&sql.with(now)).await?;
    let sql = Sql::new("SELECT COUNT(*) FROM proxy_offer WHERE patient = $1");
    let waiting = tx.row(&sql.with(offer.patient.as_str())).await?;
    if waiting.map_or(Ok(0), |row| row.int(0))? >= OFFERS_MAX {
        let message = "Ten codes wait already. Take them back first.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    let sql = Sql::new(
        "INSERT INTO proxy_offer (digest, patient, patient_name, for_name, categories, made_at, \
         expires_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    );
    let sql = sql
        .with(offer.digest.as_slice())
        .with(offer.patient.as_str())
        .with(offer.patient_name.as_str())
        .with(offer.for_name.as_str())
        .with(offer.categories.join(" "))
        .with(now);
    tx.execute(&sql.with(offer.expires_at).with(offer.ends_at))
        .await
}

/// A code opens nothing to whom it was not made for: to them it is as wrong as any other.
async fn accept(
    tx: &mut Tx<'_>,
    now: Millis,
    digest: &SecretDigest,
    (person, person_name): (&str, &str),
) -> Result<i64, Problem> {
    let wrong = || Problem::new(Kind::Value, "The code is not right, or is too old.");
    let sql = Sql::new(
        "DELETE FROM proxy_offer WHERE digest = $1 RETURNING patient, patient_name, for_name, \
         categories, expires_at, ends_at",
    );
    let row = tx.row(&sql.with(digest.as_slice())).await?;
    let row = row.ok_or_else(wrong)?;
    let patient = row.text(0)?;
    let is_good = row.int(4)? > now && is_named(row.text(2)?, person_name) && patient != person;
    if !is_good {
        return Err(wrong());
    }
    let given = Row {
        patient,
        patient_name: row.text(1)?,
        person,
        person_name,
        categories: row.text(3)?.to_string(),
        basis: "patient",
        reason: "",
        by: row.text(1)?,
        ends_at: row.int(5)?,
        is_childs: false,
    };
    give(tx, now, &given).await
}

/// Whether all words of the one name are in the other, in any order and without case.
fn is_named(wanted: &str, name: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let text = fhir::search::fold(text);
        let words = text.split(|c: char| !c.is_alphanumeric());
        let words = words.filter(|it| !it.is_empty());
        words.map(str::to_string).collect()
    };
    let (wanted, name) = (words(wanted), words(name));
    wanted.len() >= 2 && wanted.iter().all(|word| name.contains(word))
}

/// A row to write.
struct Row<'r> {
    patient: &'r str,
    patient_name: &'r str,
    person: &'r str,
    person_name: &'r str,
    categories: String,
    basis: &'static str,
    reason: &'r str,
    by: &'r str,
    ends_at: Millis,
    is_childs: bool,
}

impl<'r> Row<'r> {
    fn of_practice(grant: &'r Grant) -> Row<'r> {
        Row {
            patient: &grant.told.patient,
            patient_name: &grant.patient_name,
            person: &grant.person,
            person_name: &grant.person_name,
            categories: grant.categories.join(" "),
            basis: "practice",
            reason: &grant.told.reason,
            by: &grant.told.name,
            ends_at: grant.ends_at,
            is_childs: grant.is_childs,
        }
    }
}

/// Gives leave, in place of what the two had before.
async fn give(tx: &mut Tx<'_>, now: Millis, row: &Row<'_>) -> Result<i64, Problem> {
    if row.person == row.patient || row.categories.is_empty() || row.ends_at <= now {
        let message = "Say who is to act for whom, what they may see, and for how long.";
        return Err(Problem::new(Kind::Value, message));
    }
    let sql = Sql::new(
        "UPDATE proxy SET ended_at = $1, ended_by = 'replaced' \
         WHERE patient = $2 AND person = $3 AND ended_at IS NULL",
    );
    tx.execute(&sql.with(now).with(row.patient).with(row.person))
        .await?;
    // What is over by itself counts no more.
    let sql = Sql::new(
        "SELECT COUNT(*) FROM proxy WHERE (patient = $1 OR person = $2) AND ended_at IS NULL \
         AND ends_at > $3",
    );
    let sql = sql.with(row.patient).with(row.person).with(now);
    if tx.row(&sql).await?.map_or(Ok(0), |it| it.int(0))? >= PEOPLE_MAX {
        let message = "Too many people act for this person, or this person acts for too many.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    let sql = Sql::new(
        "INSERT INTO proxy (patient, patient_name, person, person_name, categories, basis, reason, \
         granted_by, granted_at, ends_at, confirmed_at, confirmed_by, ended_by, childs) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $8, '', $11) RETURNING number",
    );
    let sql = sql
        .with(row.patient)
        .with(row.patient_name)
        .with(row.person)
        .with(row.person_name)
        .with(row.categories.as_str())
        .with(row.basis)
        .with(row.reason)
        .with(row.by)
        .with(now)
        .with(row.ends_at)
        .with(row.is_childs);
    match tx.row(&sql).await? {
        Some(row) => row.int(0),
        None => Err(crate::failure::internal("a leave came without its number")),
    }
}

async fn confirm(tx: &mut Tx<'_>, now: Millis, number: i64, told: &Told) -> Result<u64, Problem> {
    check_reason(&told.reason)?;
    let sql = Sql::new(
        "UPDATE proxy SET confirmed_at = $1, confirmed_by = $2 \
         WHERE number = $3 AND patient = $4 AND ended_at IS NULL",
    );
    let sql = sql.with(now).with(told.name.as_str()).with(number);
    let changed = tx.execute(&sql.with(told.patient.as_str())).await?;
    found(changed)?;
    care::list(tx, now, "proxy-confirmed", told).await?;
    Ok(changed)
}

async fn end(tx: &mut Tx<'_>, now: Millis, number: i64, by: &By) -> Result<u64, Problem> {
    let (column, whose, name) = match by {
        By::Patient(patient, name) => (" AND patient = ", patient, name),
        By::Person(person, name) => (" AND person = ", person, name),
        By::Practice(told) => {
            check_reason(&told.reason)?;
            (" AND patient = ", &told.patient, &told.name)
        }
    };
    let mut sql = Sql::new("UPDATE proxy SET ended_at = ");
    sql.bind(now).push(", ended_by = ").bind(name.as_str());
    sql.push(" WHERE ended_at IS NULL AND number = ")
        .bind(number)
        .push(column)
        .bind(whose.as_str());
    let changed = tx.execute(&sql).await?;
    found(changed)?;
    if let By::Practice(told) = by {
        care::list(tx, now, "proxy-ended", told).await?;
    }
    Ok(changed)
}

async fn pause(tx: &mut Tx<'_>, now: Millis, told: &Told) -> Result<u64, Problem> {
    check_reason(&told.reason)?;
    let sql = Sql::new(
        "INSERT INTO online_access (patient, paused_at, paused_by) VALUES ($1, $2, $3) \
         ON CONFLICT (patient) DO UPDATE SET paused_at = excluded.paused_at, \
         paused_by = excluded.paused_by WHERE online_access.paused_at IS NULL",
    );
    let sql = sql.with(told.patient.as_str()).with(now);
    let changed = tx.execute(&sql.with(told.name.as_str())).await?;
    if changed > 0 {
        care::list(tx, now, "online-paused", told).await?;
    }
    Ok(changed)
}

fn found(changed: u64) -> Result<(), Problem> {
    if changed > 0 {
        return Ok(());
    }
    let message = "It was ended already, or there is none of that number.";
    Err(Problem::new(Kind::NotFound, message))
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn p24_a_code_is_for_the_name_that_it_was_made_for() {
        for (wanted, name) in [
            ("Anna Smith", "SMITH, Anna Maria"),
            ("anna  smith", "Anna Smith"),
            ("Zoë O'Neil", "O'NEIL, Zoe"),
        ] {
            assert!(is_named(wanted, name), "{wanted} {name}");
        }
        for (wanted, name) in [
            ("Anna Smith", "Anne Smith"),
            ("Smith", "Anna Smith"),
            ("", "Anna Smith"),
            ("Anna Smith", "Anna Smithson"),
        ] {
            assert!(!is_named(wanted, name), "{wanted} {name}");
        }
    }
}
