//! How much of a letter a member of staff is shown: what holds for its document holds for the parcel
//! that it came or goes in, in every list, page and step.

use access::{Outcome, Reach, Scope, Target};
use fhir::problem::{Kind, Problem};

use super::lists::{self, Letter};
use super::outgoing::gone;
use super::{Made, Named};
use crate::resources::{facts, withheld};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// How much of a letter a scope shows. What is sealed and locked to others is in no list at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    #[default]
    Whole,
    /// That it is there, and for whom; not what it says or where it comes from.
    Sealed,
    /// That it is there: nobody has recorded that the caller cares for the patient, or the patient
    /// does not want it seen.
    Withheld,
}

/// The number of `Sealed` in `push_shown`'s column; `Whole` is 0, all else `Withheld`.
const SEALED: i64 = 1;

impl Shown {
    pub(super) fn from_row(row: &Row, column: usize) -> Result<Shown, Problem> {
        Ok(match row.int(column)? {
            0 => Shown::Whole,
            SEALED => Shown::Sealed,
            _ => Shown::Withheld,
        })
    }

    /// What its line in the log says came of it.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Shown::Whole => Outcome::Success,
            Shown::Sealed | Shown::Withheld => Outcome::Withheld,
        }
    }
}

impl Letter {
    /// Leaves out what is not shown.
    pub(super) fn only_shown(mut self) -> Letter {
        if self.shown == Shown::Whole {
            return self;
        }
        let of_other = |ods: String, is_out: bool| if is_out { ods } else { String::new() };
        self.id.clear();
        self.sender = of_other(self.sender, self.outward);
        self.recipient = of_other(self.recipient, !self.outward);
        self.title.clear();
        self.author.clear();
        self.marked = false;
        self.reason = None;
        self.last_error = None;
        if self.shown == Shown::Withheld {
            self.named = Named::default();
        }
        self
    }
}

/// Joins a parcel `p` with the row `r` of its document, where there is one. `ty` is the number of
/// the word DocumentReference.
pub(super) fn push_document(sql: &mut Sql<'_>, scope: &Scope, ty: i64) {
    if scope.withholds().is_some() {
        sql.push(" LEFT JOIN place l ON l.id = p.document AND l.ty = ")
            .bind(ty);
        sql.push(" LEFT JOIN res r ON r.shard = l.shard AND r.rid = l.rid");
    }
}

/// Adds, as a column, how much of the letter is shown.
pub(super) fn push_shown(sql: &mut Sql<'_>, scope: &Scope) {
    let (Some(withholds), Reach::Organisation(ods)) = (scope.withholds(), scope.reach()) else {
        sql.push("0");
        return;
    };
    sql.push("CASE WHEN ");
    push_whole(sql, scope);
    sql.push(" THEN 0 WHEN r.guard = 1");
    withheld::push_but_seal(sql, ods, withholds, "r");
    sql.push(" THEN 1 ELSE 2 END");
}

/// The condition that all of it is shown.
pub(super) fn push_whole(sql: &mut Sql<'_>, scope: &Scope) {
    let Some(withholds) = scope.withholds() else {
        sql.push("1 = 1");
        return;
    };
    sql.push("(p.document IS NULL OR ");
    // A document that is not here is sealed by nothing; whose it is cannot be asked.
    if withholds.is_sealing_only() {
        sql.push("r.rid IS NULL OR ");
    }
    sql.push("(r.rid IS NOT NULL");
    facts::push_scope(sql, scope);
    sql.push("))");
}

/// Leaves out what is sealed and locked to a workgroup that the caller is not in.
pub(super) fn push_unlocked(sql: &mut Sql<'_>, scope: &Scope) {
    let Some(withholds) = scope.withholds() else {
        return;
    };
    sql.push(" AND (COALESCE(r.guard, 0) <> 2");
    for workgroup in &withholds.workgroups {
        sql.push(" OR r.workgroup = ").bind(workgroup.clone());
    }
    sql.push(")");
}

impl Store {
    /// The number of the word that letters' documents are rows of.
    pub(super) async fn document_word(&self) -> Result<i64, Problem> {
        self.word("DocumentReference").await
    }

    /// That all of the letter is shown to the scope.
    ///
    /// # Errors
    /// `NotFound` if the organisation has no such parcel, or it is locked; `Forbidden` if what it
    /// says is withheld. Both leave their line in the log.
    pub(super) async fn letter_within(
        &self,
        scope: &Scope,
        owner: &str,
        pid: i64,
    ) -> Result<(), Problem> {
        let mut sql = Sql::new("SELECT p.document, p.patient, ");
        push_shown(&mut sql, scope);
        sql.push(" FROM parcel p");
        push_document(&mut sql, scope, self.document_word().await?);
        sql.push(" WHERE p.pid = ").bind(pid);
        sql.push(" AND p.owner = ").bind(owner.to_string());
        push_unlocked(&mut sql, scope);
        let rows = self.rows_apart(sql).await?;
        let Some(row) = rows.first() else {
            return self.no_letter(scope, owner, pid).await;
        };
        let shown = Shown::from_row(row, 2)?;
        if shown == Shown::Whole {
            return Ok(());
        }
        let (document, patient) = (row.text_opt(0)?, row.text_opt(1)?);
        let line = lists::line(scope, pid, (document, patient), shown.outcome());
        self.traced(vec![line]).await?;
        let message = "What this letter says is withheld from you, so this cannot be done here.";
        Err(Problem::new(Kind::Forbidden, message))
    }

    /// The caller is told that there is none; the log knows whether it was withheld.
    pub(super) async fn no_letter<T>(
        &self,
        scope: &Scope,
        owner: &str,
        pid: i64,
    ) -> Result<T, Problem> {
        let sql = Sql::new("SELECT document, patient FROM parcel WHERE pid = $1 AND owner = $2");
        let rows = self.rows(&sql.with(pid).with(owner)).await?;
        let line = match rows.first() {
            Some(row) => {
                let made = (row.text_opt(0)?, row.text_opt(1)?);
                lists::line(scope, pid, made, Outcome::Withheld)
            }
            None => {
                let target = Target {
                    ty: "DocumentReference".into(),
                    query: Some(format!("parcel={pid}").into()),
                    ..Target::default()
                };
                scope.trace(scope.interaction(), Outcome::Absent, target)
            }
        };
        self.traced(vec![line]).await?;
        Err(gone())
    }
}

/// The document and patient of what was made.
pub(super) fn named(made: &Made) -> (Option<&str>, Option<&str>) {
    (made.document.as_deref(), made.patient.as_deref())
}
