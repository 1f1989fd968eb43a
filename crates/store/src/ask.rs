//! What another organisation is answered of one patient, and what is kept of others' answers.
//!
//! Invariant: an answer's line in the audit log, and the question's name, which serves once, are on the
//! disk before the answer leaves. Invariant: what is sealed leaves no trace in an answer; what is sealed until an
//! emergency is named as withheld, and given to who opened the record in one. Invariant: whoever is not to see documents about
//! a patient is told of no pointer to one.

mod copies;
mod letter;
mod locate;
mod located;
mod pointers;
#[cfg(test)]
mod tests;
mod write;

use access::{Interaction, Ods, Outcome, Reach, Scope, Standing, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::care::{Told, UNTIL_EMERGENCY};
use crate::resources::{Version, body, facts};
use crate::sql::Sql;
use crate::store::Store;
use crate::write::{Effect, Job};

pub use copies::{Copy, Receivable};
pub use letter::LETTER_BYTES_MAX;
pub use locate::{DocumentPointer, LocateWrite, Located};
pub use pointers::{Look, OwnPointer, Pointer};
pub use write::AskWrite;
pub(crate) use write::{apply, moved, practice_moved};

/// The types that other organisations are asked for, those first that harm soonest where they are not known.
pub const TYPES: [&str; 12] = [
    "AllergyIntolerance",
    "MedicationRequest",
    "MedicationStatement",
    "Condition",
    "Observation",
    "DiagnosticReport",
    "DocumentReference",
    "Procedure",
    "Immunization",
    "Encounter",
    "CarePlan",
    "FamilyMemberHistory",
];
/// What patients ask for beside these, in a question of its own: nodes of before know none of them, and staff are answered none.
pub const PLANS: [&str; 2] = ["Appointment", "ServiceRequest"];
/// Resources of one type in an answer; the newest go first.
pub const OF_A_TYPE_MAX: usize = 60;
/// Bodies in one answer, in bytes.
pub const BYTES_MAX: usize = 2 << 20;

/// A question as its asker signed it, as far as it is remembered.
#[derive(Clone, Debug)]
pub struct Question<'q> {
    pub peer: &'q Ods,
    pub id: &'q str,
    /// From then on it is too old to be put again.
    pub until: Millis,
    pub types: &'q [&'static str],
    /// One letter is asked for, with its content: the id of its entry.
    pub letter: Option<&'q str>,
    /// Of an emergency: what this organisation's privacy officer and the patient are told.
    pub emergency: Option<Told>,
}

/// What is answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answered {
    pub entries: Vec<Version>,
    /// Types of which there is more than was given.
    pub cut: Vec<String>,
    /// Types of which something is withheld.
    pub withheld: Vec<String>,
}

impl Store {
    /// The facts that a decision about an organisation that asks rests on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn asker_standing(&self, asker: &Ods, now: Millis) -> Result<Standing, Problem> {
        let sql = Sql::new("SELECT 1 FROM care_dissent WHERE org = $1 LIMIT 1");
        Ok(Standing {
            has_dissents: !self.rows(&sql.with(asker.as_str())).await?.is_empty(),
            unconfirmed_before: self.unconfirmed_before(now).await?,
            ..Standing::default()
        })
    }

    /// What the scope, an asker's, reaches of the patient; of nobody, if there is no such patient here.
    /// Durably traced, and the question noted, before this returns.
    ///
    /// # Errors
    /// `Conflict` if that question was answered before; `Forbidden` if the scope is none for asking;
    /// those of the database.
    pub async fn answer_ask(
        &self,
        scope: &Scope,
        patient: Option<&str>,
        question: Question<'_>,
    ) -> Result<Answered, Problem> {
        let Reach::Organisation(own) = scope.reach() else {
            return Err(no_asker());
        };
        if scope.interaction() != Interaction::Ask || own != self.organisation() {
            return Err(no_asker());
        }
        let known = Sql::new("SELECT 1 FROM ask_seen WHERE peer = $1 AND id = $2");
        let known = known.with(question.peer.as_str()).with(question.id);
        if !self.rows(&known).await?.is_empty() {
            return Err(write::again());
        }
        let answered = match patient {
            Some(patient) => match question.letter {
                Some(letter) => self.answered_letter(scope, patient, letter).await?,
                None => self.answered(scope, patient, question.types).await?,
            },
            None => Answered::default(),
        };
        let line = |outcome, query: Option<String>| {
            let target = Target {
                patient: patient.map(str::to_string),
                query: query.map(Into::into),
                ..Target::default()
            };
            scope.trace(Interaction::Ask, outcome, target)
        };
        let mut traces = vec![match patient {
            Some(_) => {
                let letter = question
                    .letter
                    .map_or(String::new(), |it| format!("&_id={it}"));
                let types = question.types.join(",");
                line(Outcome::Success, Some(format!("_type={types}{letter}")))
            }
            None => line(Outcome::Absent, None),
        }];
        if !answered.withheld.is_empty() {
            let withheld = format!("_type={}", answered.withheld.join(","));
            traces.push(line(Outcome::Withheld, Some(withheld)));
        }
        let seen = AskWrite::Seen {
            peer: question.peer.to_string(),
            id: question.id.to_string(),
            until: question.until,
            emergency: question
                .emergency
                .filter(|_| patient.is_some())
                .map(Box::new),
            organisation: own.to_string(),
        };
        let job = Job {
            traces,
            ..Job::effect(Effect::Ask(seen))
        };
        let work = Scope::system(SystemPurpose::AnswerAsks).for_request(scope.request_id());
        self.commit(&work, job).await?;
        Ok(answered)
    }

    async fn answered(
        &self,
        scope: &Scope,
        patient: &str,
        types: &[&'static str],
    ) -> Result<Answered, Problem> {
        let mut answered = Answered::default();
        let mut numbers = Vec::new();
        for ty in types {
            numbers.push((self.word(ty).await?, *ty));
        }
        if self.is_closed_by_move(scope, patient).await? {
            answered.withheld = self.types_there(scope, patient, &numbers).await?;
            return Ok(answered);
        }
        let sql = newest(scope, patient, &numbers);
        let rows = self.rows_apart(sql).await?;
        let mut bytes = 0;
        // In the order in which they were asked for: what no longer fits is what matters least.
        for (number, ty) in &numbers {
            let of_type = rows.iter().filter(|row| row.int(5).ok() == Some(*number));
            for (count, row) in of_type.enumerate() {
                let (version, at) = (row.int(1)?.unsigned_abs(), row.int(2)?);
                let body = body::render(row.bytes(4)?, row.int(3)?, version, at)?;
                if count >= OF_A_TYPE_MAX || bytes + body.len() > BYTES_MAX {
                    answered.cut.push((*ty).to_string());
                    break;
                }
                bytes += body.len();
                answered.entries.push(Version {
                    ty: (*ty).to_string(),
                    id: row.text(0)?.to_string(),
                    version,
                    last_updated: at,
                    body,
                });
            }
        }
        answered.withheld = self.withheld_types(scope, patient, &numbers).await?;
        if types.contains(&located::DOCUMENT) {
            self.add_located(scope, patient, &mut answered).await?;
        }
        Ok(answered)
    }

    /// Whether nobody is answered about the patient yet, since what they want shared is still on its way from the practice
    /// that they left. Who opened the record in an emergency is.
    pub(crate) async fn is_closed_by_move(
        &self,
        scope: &Scope,
        patient: &str,
    ) -> Result<bool, Problem> {
        let mut opened = scope.withholds().into_iter().flat_map(|it| &it.opened);
        Ok(!opened.any(|it| it == patient) && self.is_moving_here(patient).await?)
    }

    /// The types of which there is something.
    async fn types_there(
        &self,
        scope: &Scope,
        patient: &str,
        numbers: &[(i64, &'static str)],
    ) -> Result<Vec<String>, Problem> {
        let rows = self
            .rows_apart(counted(scope, patient, numbers, false))
            .await?;
        let mut there = Vec::new();
        for row in &rows {
            let number = row.int(0)?;
            let named = numbers.iter().find(|(it, _)| *it == number);
            there.extend(named.map(|(_, ty)| (*ty).to_string()));
        }
        Ok(there)
    }

    /// The types of which the scope is not shown all; never for what is sealed, but for what an emergency opens.
    async fn withheld_types(
        &self,
        scope: &Scope,
        patient: &str,
        numbers: &[(i64, &'static str)],
    ) -> Result<Vec<String>, Problem> {
        let may_be = scope
            .withholds()
            .is_some_and(|it| it.has_dissents || it.unconfirmed_before.is_some());
        let own = self.organisation().as_str();
        if !may_be && !self.is_any(UNTIL_EMERGENCY, own).await? {
            return Ok(Vec::new());
        }
        let all = self
            .rows_apart(counted(scope, patient, numbers, false))
            .await?;
        let seen = self
            .rows_apart(counted(scope, patient, numbers, true))
            .await?;
        let mut withheld = Vec::new();
        for row in &all {
            let number = row.int(0)?;
            let mut of_type = seen.iter().filter(|it| it.int(0).ok() == Some(number));
            let reached = of_type.next().map_or(Ok(0), |it| it.int(1))?;
            if reached < row.int(1)? {
                let named = numbers.iter().find(|(it, _)| *it == number);
                withheld.extend(named.map(|(_, ty)| (*ty).to_string()));
            }
        }
        Ok(withheld)
    }
}

/// The newest of each type: id, version, time, splice, body, number of the type.
fn newest(scope: &Scope, patient: &str, numbers: &[(i64, &'static str)]) -> Sql<'static> {
    let mut sql = Sql::new(
        "SELECT x.id, x.ver, x.ts, v.splice, v.body, x.ty FROM (SELECT r.shard, r.rid, r.id, r.ver, \
         r.ts, r.ty, ROW_NUMBER() OVER (PARTITION BY r.ty ORDER BY r.ts DESC, r.rid DESC) AS n",
    );
    push_of_patient(&mut sql, patient, numbers);
    facts::push_scope(&mut sql, scope);
    sql.push(
        ") x JOIN ver v ON v.shard = x.shard AND v.rid = x.rid AND v.ver = x.ver WHERE x.n <= ",
    );
    sql.bind(
        i64::try_from(OF_A_TYPE_MAX)
            .unwrap_or(i64::MAX)
            .saturating_add(1),
    );
    sql.push(" ORDER BY x.ty, x.n");
    sql
}

fn counted(
    scope: &Scope,
    patient: &str,
    numbers: &[(i64, &'static str)],
    within: bool,
) -> Sql<'static> {
    let mut sql = Sql::new("SELECT r.ty, COUNT(*)");
    push_of_patient(&mut sql, patient, numbers);
    if let (false, Reach::Organisation(own)) = (within, scope.reach()) {
        sql.push(" AND r.org = ").bind(own.as_str().to_string());
        // What is not released to a patient who asks is no choice of theirs: it is not named.
        if let Some(by) = scope.released_by() {
            sql.push(" AND r.release_at <= ").bind(by);
        }
    }
    if within {
        facts::push_scope(&mut sql, scope);
    }
    sql.push(" GROUP BY r.ty");
    sql
}

/// What is there of the patient, of these types, and not sealed but until an emergency.
fn push_of_patient(sql: &mut Sql<'static>, patient: &str, numbers: &[(i64, &'static str)]) {
    sql.push(" FROM compartment c CROSS JOIN res r WHERE c.patient = ")
        .bind(patient.to_string());
    sql.push(" AND r.shard = c.shard AND r.rid = c.rid AND r.del = 0 AND r.guard IN (0, 3)");
    sql.push(" AND r.ty IN (");
    for (at, (number, _)) in numbers.iter().enumerate() {
        sql.push(if at == 0 { "" } else { ", " }).bind(*number);
    }
    // An empty list is none in PostgreSQL's SQL.
    sql.push(if numbers.is_empty() { "-1)" } else { ")" });
}

fn no_asker() -> Problem {
    Problem::new(
        Kind::Forbidden,
        "This is for whoever asks from another organisation.",
    )
}
