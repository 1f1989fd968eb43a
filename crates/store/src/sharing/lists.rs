//! What is to be told, to be asked, and what came of it.

use access::{Interaction, Ods, Outcome, Reach, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::Rule;
use super::write::SharingWrite;
use crate::parcels::State;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;
use crate::write::{Effect, Job};

/// Rows of a list at most.
const ROWS_MAX: i64 = 500;

/// A patient whose statement may still have to be sent to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub patient: String,
    pub version: i64,
    /// When the version was made.
    pub at: Millis,
    /// Counts up with each one who came to hold something about the patient.
    pub stirred: i64,
}

/// A statement that is held here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub home: String,
    pub nhs_number: String,
    pub birth_date: String,
    pub family: String,
    pub version: i64,
    pub jws: String,
    pub parcel: String,
}

/// A home practice of patients here, and who answers in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standpoint {
    pub home: String,
    pub keeper: Option<String>,
}

/// What a member that asks is still to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding(pub u64);

/// How far an organisation has been told of the patient's newest preferences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    pub pid: i64,
    /// An ODS code.
    pub organisation: String,
    pub state: State,
    /// When it was put on its way.
    pub sent_at: Millis,
    /// When it came into force there; by its signed receipt.
    pub told_at: Option<Millis>,
    /// When it first led to a refusal there; by another signed receipt.
    pub refused_at: Option<Millis>,
    /// Why it is not there: refused, or the last failure on the way.
    pub reason: Option<String>,
    /// The signed receipts, as they came (JWS), the first first.
    pub receipts: Vec<String>,
}

impl Store {
    /// Patients whose statement may still have to be sent to somebody.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sharing_due(&self, count_max: u32) -> Result<Vec<Due>, Problem> {
        let sql = Sql::new(
            "SELECT patient, version, at, stirred FROM sharing WHERE due = 1 ORDER BY patient LIMIT $1",
        );
        let rows = self.rows(&sql.with(count_max)).await?;
        let due = |row: &Row| {
            Ok(Due {
                patient: row.text(0)?.to_string(),
                version: row.int(1)?,
                at: row.int(2)?,
                stirred: row.int(3)?,
            })
        };
        rows.iter().map(due).collect()
    }

    /// The rules of the patient that were set here (by that Consent, if one is named), in a fixed
    /// order; those of one organisation and time together.
    ///
    /// # Errors
    /// `Forbidden` if the scope does not reach the patient's own page; those of the database.
    pub async fn sharing_rules(
        &self,
        scope: &Scope,
        patient: &str,
        consent: Option<&str>,
    ) -> Result<Vec<Rule>, Problem> {
        check(scope, patient)?;
        let mut sql = Sql::new(
            "SELECT d.org, w.text, d.starts_at, d.ends_at FROM care_dissent d \
             JOIN word w ON w.id = d.ty WHERE d.patient = ",
        );
        sql.bind(patient);
        match consent {
            Some(consent) => sql.push(" AND d.consent = ").bind(consent),
            None => sql.push(" AND d.consent NOT LIKE 'home:%'"),
        };
        sql.push(" ORDER BY d.org, d.starts_at, d.ends_at, w.text LIMIT ");
        sql.bind(ROWS_MAX * 2);
        let rows = self.rows(&sql).await?;
        let mut rules: Vec<Rule> = Vec::new();
        for row in &rows {
            let (organisation, ty) = (row.text(0)?, row.text(1)?.to_string());
            let (starts_at, ends_at) = (row.int(2)?, row.int(3)?);
            let same = |it: &&mut Rule| {
                it.organisation == organisation
                    && (it.starts_at, it.ends_at) == (starts_at, ends_at)
            };
            match rules.last_mut().filter(same) {
                Some(rule) => rule.types.push(ty),
                None => rules.push(Rule {
                    organisation: organisation.to_string(),
                    types: vec![ty],
                    starts_at,
                    ends_at,
                }),
            }
        }
        Ok(rules)
    }

    /// The organisations that hold something about the patient, as the parcels that were sent and
    /// received say.
    ///
    /// # Errors
    /// As `sharing_rules`.
    pub async fn holders(&self, scope: &Scope, patient: &str) -> Result<Vec<Ods>, Problem> {
        check(scope, patient)?;
        let sql = Sql::new(
            "SELECT CASE direction WHEN 0 THEN recipient ELSE sender END FROM parcel \
             WHERE patient = $1 AND kind = 'letter' UNION SELECT holder FROM patient_move_holder \
             WHERE patient = $1 ORDER BY 1 LIMIT $2",
        );
        let rows = self.rows(&sql.with(patient).with(ROWS_MAX)).await?;
        rows.iter().map(|row| Ods::parse(row.text(0)?)).collect()
    }

    /// How far each organisation was told of the newest preferences. Traced.
    ///
    /// # Errors
    /// `Forbidden` if the scope is not the patient's own; those of the database.
    pub async fn tellings(&self, scope: &Scope, patient: &str) -> Result<Vec<Telling>, Problem> {
        check(scope, patient)?;
        let sql = Sql::new(
            "SELECT p.pid, p.recipient, p.state, p.stored_at, p.reason, q.last_error FROM parcel p \
             LEFT JOIN parcel_peer q ON q.peer = p.recipient AND p.due = 1 WHERE p.patient = $1 \
             AND p.kind = 'sharing-preference' AND p.direction = 0 ORDER BY p.pid DESC LIMIT $2",
        );
        let mut tellings: Vec<Telling> = Vec::new();
        for row in self.rows(&sql.with(patient).with(ROWS_MAX)).await? {
            let organisation = row.text(1)?;
            if tellings.iter().any(|it| it.organisation == organisation) {
                continue;
            }
            let reason = row.text_opt(4)?.or(row.text_opt(5)?);
            let telling = Telling {
                pid: row.int(0)?,
                organisation: organisation.to_string(),
                state: State::from_code(row.text(2)?).unwrap_or(State::Waiting),
                sent_at: row.int(3)?,
                told_at: None,
                refused_at: None,
                reason: reason.map(str::to_string),
                receipts: Vec::new(),
            };
            tellings.push(self.with_receipts(telling).await?);
        }
        tellings.sort_by(|a, b| a.organisation.cmp(&b.organisation));
        let target = Target {
            ty: "Consent".into(),
            patient: Some(patient.to_string()),
            ..Target::default()
        };
        self.traced(vec![scope.trace(
            scope.interaction(),
            Outcome::Success,
            target,
        )])
        .await?;
        Ok(tellings)
    }

    async fn with_receipts(&self, mut telling: Telling) -> Result<Telling, Problem> {
        let sql = Sql::new(
            "SELECT e.event, e.at, f.jws FROM parcel_event e \
             JOIN parcel_proof f ON f.sha256 = e.proof WHERE e.pid = $1 ORDER BY e.seq LIMIT 10",
        );
        for row in self.rows(&sql.with(telling.pid)).await? {
            match State::from_code(row.text(0)?) {
                Some(State::Delivered) => telling.told_at = Some(row.int(1)?),
                Some(State::Filed) => telling.refused_at = Some(row.int(1)?),
                _ => {}
            }
            telling.receipts.push(row.text(2)?.to_string());
        }
        Ok(telling)
    }

    /// How many preferences that organisation is still to be sent from here.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sharing_outstanding(&self, peer: &Ods) -> Result<Outstanding, Problem> {
        // What is not a parcel yet counts for whoever holds something of the patient's.
        let sql = Sql::new(
            "SELECT (SELECT COUNT(*) FROM parcel WHERE direction = 0 AND due = 1 \
             AND kind = 'sharing-preference' AND recipient = $1) + (SELECT COUNT(*) FROM sharing s \
             WHERE s.due = 1 AND (EXISTS (SELECT 1 FROM parcel p WHERE p.patient = s.patient \
             AND p.kind = 'letter' AND (p.recipient = $1 OR p.sender = $1)) OR EXISTS (SELECT 1 FROM \
             patient_move_holder m WHERE m.patient = s.patient AND m.holder = $1)))",
        );
        let rows = self.rows(&sql.with(peer.as_str())).await?;
        let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
        Ok(Outstanding(u64::try_from(count).unwrap_or_default()))
    }

    /// The practice (its ODS code) that a patient's own record last named, or the code of the Organization here that it refers
    /// to, if one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn home_of(&self, patient: &str) -> Result<Option<String>, Problem> {
        let sql = Sql::new("SELECT home FROM sharing_home WHERE patient = $1");
        let rows = self.rows(&sql.with(patient)).await?;
        rows.first()
            .map(|row| row.text(0).map(str::to_string))
            .transpose()
    }

    /// The home practices of patients here, and their second keepers as far as known.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn standpoints(&self) -> Result<Vec<Standpoint>, Problem> {
        let sql = Sql::new(
            "SELECT home, keeper, confirmed_at FROM sharing_link ORDER BY home LIMIT 10000",
        );
        let rows = self.rows(&sql).await?;
        let read = |row: &Row| {
            let keeper = Some(row.text(1)?).filter(|it| !it.is_empty());
            Ok(Standpoint {
                home: row.text(0)?.to_string(),
                keeper: keeper.map(str::to_string),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Statements for whom nobody fitted when they came; the oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn held_for_nobody(&self, count_max: u32) -> Result<Vec<Held>, Problem> {
        let sql = Sql::new(
            "SELECT home, nhs_number, birth_date, family, version, jws, parcel FROM sharing_held \
             WHERE patients = '' ORDER BY at LIMIT $1",
        );
        let rows = self.rows(&sql.with(count_max)).await?;
        rows.iter().map(held).collect()
    }

    /// As a second keeper: a practice's statements that are for that organisation.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn kept_for(&self, home: &Ods, peer: &Ods) -> Result<Vec<Held>, Problem> {
        let sql = Sql::new(
            "SELECT home, nhs_number, birth_date, family, version, jws, parcel FROM sharing_held \
             WHERE home = $1 AND moved_to = '' AND ' ' || audience || ' ' LIKE '% ' || $2 || ' %' LIMIT $3",
        );
        let sql = sql.with(home.as_str()).with(peer.as_str()).with(ROWS_MAX);
        self.rows(&sql).await?.iter().map(held).collect()
    }

    /// Practices whose statements about the patient of that number are here.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn kept_of(&self, nhs_number: &str) -> Result<Vec<String>, Problem> {
        let sql = Sql::new("SELECT home FROM sharing_held WHERE nhs_number = $1 LIMIT $2");
        let rows = self.rows(&sql.with(nhs_number).with(ROWS_MAX)).await?;
        let home = |row: &Row| row.text(0).map(str::to_string);
        rows.iter().map(home).collect()
    }

    /// Whether this organisation is a practice's second keeper.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn keeps_for(&self, home: &Ods) -> Result<bool, Problem> {
        let sql = Sql::new(
            "SELECT 1 FROM sharing_held WHERE home = $1 AND audience <> '' AND moved_to = '' LIMIT 1",
        );
        Ok(!self.rows(&sql.with(home.as_str())).await?.is_empty())
    }

    /// Notes that something of the patient's was withheld from staff, if a preference that another
    /// practice told has caused no refusal yet.
    pub(crate) async fn note_first_refusal(
        &self,
        scope: &Scope,
        patient: &str,
    ) -> Result<(), Problem> {
        if scope.withholds().is_none_or(|it| !it.has_dissents) {
            return Ok(());
        }
        let sql = Sql::new(
            "SELECT 1 FROM sharing_held s JOIN care_dissent d ON d.patient = s.patients \
             AND d.consent = 'home:' || s.home WHERE s.patients = $1 AND s.refused_at IS NULL \
             AND d.org = $2 AND d.starts_at <= $3 AND d.ends_at > $3 LIMIT 1",
        );
        let organisation = self.organisation().as_str().to_string();
        let sql = sql.with(patient).with(organisation).with(self.now());
        if self.rows(&sql).await?.is_empty() {
            return Ok(());
        }
        let write = SharingWrite::Refused {
            patient: patient.to_string(),
        };
        let own = Scope::system(SystemPurpose::KeepSharing).for_request(scope.request_id());
        let mut job = Job::effect(Effect::Sharing(write));
        let target = Target {
            ty: "Consent".into(),
            patient: Some(patient.to_string()),
            ..Target::default()
        };
        job.traces
            .push(own.trace(Interaction::System, Outcome::Success, target));
        self.commit(&own, job).await.map(|_| ())
    }
}

fn held(row: &Row) -> Result<Held, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    Ok(Held {
        home: text(0)?,
        nhs_number: text(1)?,
        birth_date: text(2)?,
        family: text(3)?,
        version: row.int(4)?,
        jws: text(5)?,
        parcel: text(6)?,
    })
}

/// The patient's own page, and the node's own work.
fn check(scope: &Scope, patient: &str) -> Result<(), Problem> {
    match scope.reach() {
        Reach::Everything => Ok(()),
        Reach::Compartment { patient: own, .. } if own == patient => Ok(()),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "Preferences are the patient's own to see.",
        )),
    }
}
