//! Who and what is left out of an export for a use beyond care.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use access::{NhsNumber, Scope, SystemPurpose, disclosure};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::clear::{Named, packed};
use super::lists::Check;
use crate::resources::{Version, body};
use crate::sql::Sql;
use crate::store::Store;

/// Identifiers of patients, at most: a bound on memory, some hundred bytes each.
const IDENTIFIERS_MAX: usize = 5_000_000;
/// Values in one question to the database.
const ASKED_AT_ONCE: usize = 500;
const DAY_MILLIS: Millis = 86_400_000;

/// Who may be taken out, by the answer in force: everybody else is left out, and with them each
/// resource that names them.
#[derive(Debug)]
pub struct Bar {
    check: Check,
    /// Rows of the patients who may be taken out.
    rows: HashSet<i64>,
    /// NHS numbers that may be used.
    usable: HashSet<u64>,
    /// NHS numbers of people here that may not.
    barred: HashSet<u64>,
    patients: u64,
    removed: u64,
    type_number: i64,
}

/// What is known of each identifier while the lists are made.
#[derive(Default)]
struct Found {
    usable: HashSet<i64>,
    barred: HashSet<i64>,
    unchecked: HashSet<i64>,
}

impl Store {
    /// Looks up who may be taken out: of all patients here, or of these.
    ///
    /// # Errors
    /// `BusinessRule`, with what to do, if the answer in force was asked for more than `days_max` days
    /// ago or there is none, or if one of these patients was not asked about.
    pub async fn opt_out_bar(
        &self,
        of: Option<&[String]>,
        days_max: u32,
    ) -> Result<Arc<Bar>, Problem> {
        let check = self.opt_out_standing().await?.in_force;
        let check = fresh(check, self.now(), days_max)?;
        // Whom it names may be beyond the reach of who asked for the export.
        let scope = Scope::system(SystemPurpose::CheckOptOuts);
        let type_number = self.word("Patient").await?;
        let members = match of {
            Some(ids) => {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                let rows = self.patient_rows(type_number, &ids).await?;
                Some(rows.into_values().collect::<HashSet<i64>>())
            }
            None => None,
        };
        let mut bar = Bar {
            check,
            rows: HashSet::new(),
            usable: HashSet::new(),
            barred: HashSet::new(),
            patients: 0,
            removed: 0,
            type_number,
        };
        let found = self.sorted(&scope, &mut bar).await?;
        let is_member = |rid: &&i64| members.as_ref().is_none_or(|it| it.contains(rid));
        let unchecked = found.unchecked.iter().filter(is_member).count();
        if unchecked > 0 {
            return Err(not_asked_about(unchecked));
        }
        bar.rows = &found.usable - &found.barred;
        bar.patients = match &members {
            Some(members) => members.len() as u64,
            None => self.patients_here(type_number).await?,
        };
        let kept = bar.rows.iter().filter(is_member).count() as u64;
        bar.removed = bar.patients.saturating_sub(kept);
        Ok(Arc::new(bar))
    }

    /// Goes through all identifiers of patients, and sorts rows and numbers by the answer.
    async fn sorted(&self, scope: &Scope, bar: &mut Bar) -> Result<Found, Problem> {
        let mut found = Found::default();
        let mut after = (String::new(), 0);
        let mut count = 0;
        loop {
            let (rows, next) = self.identifiers(scope, &after).await?;
            let Some(next) = next else { break };
            after = next;
            count += rows.len();
            if count > IDENTIFIERS_MAX {
                let message = format!("More than {IDENTIFIERS_MAX} NHS numbers are here.");
                return Err(Problem::new(Kind::TooCostly, message));
            }
            let mut read = Vec::with_capacity(rows.len());
            for (text, rid) in rows {
                match NhsNumber::parse(&text) {
                    Ok(number) => read.push((number, rid)),
                    // Whoever has a number that is none cannot be asked about by it.
                    Err(_) => {
                        found.barred.insert(rid);
                    }
                }
            }
            let answers = self.answers(bar.check.number, &read).await?;
            for (number, rid) in read {
                let digits = packed(&number);
                let (rows, numbers) = match answers.get(&digits) {
                    Some(true) => (&mut found.usable, &mut bar.usable),
                    Some(false) => (&mut found.barred, &mut bar.barred),
                    None => {
                        found.barred.insert(rid);
                        (&mut found.unchecked, &mut bar.barred)
                    }
                };
                rows.insert(rid);
                numbers.insert(digits);
            }
        }
        Ok(found)
    }

    /// What the answer says of these numbers; those that were not asked about are not there.
    async fn answers(
        &self,
        check: i64,
        numbers: &[(NhsNumber, i64)],
    ) -> Result<HashMap<u64, bool>, Problem> {
        let mut answers = HashMap::with_capacity(numbers.len());
        for some in numbers.chunks(ASKED_AT_ONCE) {
            let mut sql =
                Sql::new("SELECT nhs_number, usable FROM opt_out_number WHERE check_number = ");
            sql.bind(check).push(" AND nhs_number IN (");
            for (at, (number, _)) in some.iter().enumerate() {
                sql.push(if at == 0 { "" } else { ", " });
                sql.bind(number.digits().to_string());
            }
            sql.push(")");
            for row in self.rows_apart(sql).await? {
                let number = NhsNumber::parse(row.text(0)?)?;
                answers.insert(packed(&number), row.flag(1)?);
            }
        }
        Ok(answers)
    }

    async fn patients_here(&self, type_number: i64) -> Result<u64, Problem> {
        let sql = Sql::new("SELECT COUNT(*) FROM res r WHERE r.ty = $1 AND r.del = 0");
        let rows = self.rows_apart(sql.with(type_number)).await?;
        let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The rows of these patients, by their ids; of those that are not here there is none.
    async fn patient_rows(
        &self,
        type_number: i64,
        ids: &[&str],
    ) -> Result<HashMap<String, i64>, Problem> {
        let mut found = HashMap::with_capacity(ids.len());
        for some in ids.chunks(ASKED_AT_ONCE) {
            let mut sql = Sql::new("SELECT p.id, p.rid FROM place p WHERE p.ty = ");
            sql.bind(type_number).push(" AND p.id IN (");
            for (at, id) in some.iter().enumerate() {
                sql.push(if at == 0 { "" } else { ", " });
                sql.bind((*id).to_string());
            }
            sql.push(")");
            for row in self.rows_apart(sql).await? {
                found.insert(row.text(0)?.to_string(), row.int(1)?);
            }
        }
        Ok(found)
    }
}

impl Bar {
    /// The check that it rests on.
    pub fn check(&self) -> &Check {
        &self.check
    }

    /// Patients whom the export would be about.
    pub fn patients(&self) -> u64 {
        self.patients
    }

    /// Those of them who are left out: who opted out, and who cannot be asked about.
    pub fn removed(&self) -> u64 {
        self.removed
    }

    /// Of these versions, each with the ids of its patients as its row has them, whether it stays.
    pub(crate) async fn sift(
        &self,
        store: &Store,
        versions: &[(&str, &Version)],
    ) -> Result<Vec<bool>, Problem> {
        let mut each = Vec::with_capacity(versions.len());
        for (patients, version) in versions {
            let mut named = Named::of(&body::parse(&version.body)?);
            let own = patients.split(' ').filter(|id| !id.is_empty());
            named.patients.extend(own.map(str::to_string));
            if version.ty == "Patient" {
                named.patients.insert(version.id.clone());
            }
            each.push(named);
        }
        let all = each.iter().flat_map(|named| &named.patients);
        let ids: HashSet<&str> = all.map(String::as_str).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let rows = store.patient_rows(self.type_number, &ids).await?;
        let kept = each.iter().zip(versions);
        Ok(kept
            .map(|(named, (_, it))| self.keeps(&it.ty, named, &rows))
            .collect())
    }

    fn keeps(&self, ty: &str, named: &Named, rows: &HashMap<String, i64>) -> bool {
        let may = |id: &String| rows.get(id).is_some_and(|rid| self.rows.contains(rid));
        // What is about nobody that is named may be about somebody that is not.
        let is_about = !named.patients.is_empty() || disclosure::is_about_nobody(ty);
        is_about
            && !named.is_unknown
            && named.patients.iter().all(may)
            && named.identified.iter().all(|it| self.usable.contains(it))
            && !named.mentioned.iter().any(|it| self.barred.contains(it))
    }
}

fn fresh(check: Option<Check>, now: Millis, days_max: u32) -> Result<Check, Problem> {
    let Some(check) = check else {
        return Err(blocked(
            "Nobody here has been checked for a national data opt-out yet",
        ));
    };
    let age = now.saturating_sub(check.sent_at);
    if age > Millis::from(days_max) * DAY_MILLIS {
        let what = format!(
            "The last answered check for national data opt-outs is more than {days_max} days old"
        );
        return Err(blocked(&what));
    }
    Ok(check)
}

fn not_asked_about(count: usize) -> Problem {
    let people = match count {
        1 => "One patient has".to_string(),
        count => format!("{count} patients have"),
    };
    blocked(&format!(
        "{people} an NHS number that the last answered check for national data opt-outs did not ask about"
    ))
}

fn blocked(what: &str) -> Problem {
    let message = format!(
        "{what}, so nothing is exported for this purpose. Run `handover opt-out check`, and export \
         again once `handover opt-out status` says that it was answered."
    );
    Problem::new(Kind::BusinessRule, message)
}
