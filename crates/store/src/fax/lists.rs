//! Reading faxes: for the pages, for the worker, and counted by month.

use access::{Outcome, Scope, Target};
use fhir::date::Millis;
use fhir::problem::Problem;

use super::gone;
use crate::parcels::{PartOf, lists};
use crate::reach::{own, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// The most rows of one reading.
const COUNT_MAX: u32 = 1000;

/// Which faxes that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InShow {
    Waiting,
    SetAside,
}

/// A fax that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaxIn {
    pub number: i64,
    pub caller: String,
    pub station: String,
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// 0 where it cannot be read; `trouble` says why.
    pub pages: u32,
    pub trouble: String,
    /// `waiting`, `matched` or `set-aside`.
    pub state: String,
    pub received_at: Millis,
    pub state_at: Millis,
    /// Who set it aside, and why; or who found it in the wrong record.
    pub who: String,
    pub reason: String,
    pub round: i64,
    /// Whether its file is still here.
    pub kept: bool,
}

/// A letter that can be handed to the fax server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSend {
    pub number: i64,
    pub pid: i64,
    pub ods: String,
    /// The number in force for the organisation, and its name on the list.
    pub dial: Option<(String, String)>,
    pub tries: u32,
    pub title: String,
    pub urgent: bool,
    pub parts: Vec<PartOf>,
    /// The patient here, for the log.
    pub patient: Option<String>,
    pub document: Option<String>,
}

/// A fax that is being handed over, or was and is not over yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handing {
    pub number: i64,
    pub since: Millis,
    /// The process that hands it over.
    pub holder: String,
    pub tag: String,
    pub job: String,
}

/// A letter on the work list: reasons and numbers of organisations, never content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckFax {
    pub number: i64,
    pub pid: i64,
    pub ods: String,
    /// Empty if it was never handed over.
    pub dialled: String,
    /// `failed`, `unsure` or `handed`.
    pub state: String,
    pub state_at: Millis,
    pub reason: String,
    pub next_step: String,
}

/// A number on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    pub number: String,
    pub ods: String,
    pub name: String,
    /// `proposed`, `in-force` or `ending`.
    pub state: String,
    pub asked_by: i64,
    pub asked_who: String,
    pub asked_at: Millis,
    pub confirmed_who: String,
    pub confirmed_at: Millis,
}

/// What one number brought or took in a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub inward: bool,
    pub number: String,
    /// The organisation whose number it is; empty if the list does not say.
    pub ods: String,
    pub faxes: u64,
    pub pages: u64,
    /// Of those out: how many did not arrive whole.
    pub failed: u64,
}

const FAX_IN: &str = "SELECT number, caller, station, sha256, size, pages, trouble, state, \
     received_at, state_at, who, reason, round, kept FROM fax_in WHERE ";

fn fax_in(row: &Row) -> Result<FaxIn, Problem> {
    let text = |column: usize| row.text(column).map(str::to_string);
    Ok(FaxIn {
        number: row.int(0)?,
        caller: text(1)?,
        station: text(2)?,
        sha256: text(3)?,
        size: row.int(4)?.unsigned_abs(),
        pages: count(row, 5)?,
        trouble: text(6)?,
        state: text(7)?,
        received_at: row.int(8)?,
        state_at: row.int(9)?,
        who: text(10)?,
        reason: text(11)?,
        round: row.int(12)?,
        kept: row.flag(13)?,
    })
}

fn count(row: &Row, column: usize) -> Result<u32, Problem> {
    Ok(u32::try_from(row.int(column)?).unwrap_or_default())
}

/// The log's line for a look at a fax: nobody knows yet whom it is about.
fn looked(scope: &Scope, what: String) -> access::AuditEntry {
    let target = Target {
        ty: "DocumentReference".into(),
        query: Some(what.into()),
        ..Target::default()
    };
    scope.trace(scope.interaction(), Outcome::Success, target)
}

impl Store {
    /// Faxes that came in, the oldest first where they wait, traced.
    ///
    /// # Errors
    /// `Forbidden` if the scope shows no records of the organisation.
    pub async fn faxes_in(
        &self,
        scope: &Scope,
        show: InShow,
        count: u32,
    ) -> Result<Vec<FaxIn>, Problem> {
        lists::owner(self, scope)?;
        let mut sql = Sql::new(FAX_IN);
        sql.push(match show {
            InShow::Waiting => "state = 'waiting' ORDER BY number LIMIT ",
            InShow::SetAside => "state = 'set-aside' ORDER BY number DESC LIMIT ",
        });
        sql.bind(count.min(COUNT_MAX));
        let rows = self.rows_apart(sql).await?;
        let faxes = rows.iter().map(fax_in).collect::<Result<Vec<_>, _>>()?;
        self.traced(vec![looked(scope, "fax-in".to_owned())])
            .await?;
        Ok(faxes)
    }

    /// How many faxes wait. Nobody is named.
    ///
    /// # Errors
    /// `Forbidden` as above.
    pub async fn faxes_waiting(&self, scope: &Scope) -> Result<u64, Problem> {
        lists::owner(self, scope)?;
        let sql = Sql::new("SELECT COUNT(*) FROM fax_in WHERE state = 'waiting'");
        let rows = self.rows(&sql).await?;
        Ok(rows.first().map_or(Ok(0), |row| row.int(0))?.unsigned_abs())
    }

    /// One fax that came in, traced.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` as above.
    pub async fn fax_in(&self, scope: &Scope, number: i64) -> Result<FaxIn, Problem> {
        lists::owner(self, scope)?;
        let mut sql = Sql::new(FAX_IN);
        sql.push("number = ").bind(number);
        let rows = self.rows(&sql).await?;
        let fax = fax_in(rows.first().ok_or_else(gone)?)?;
        self.traced(vec![looked(scope, format!("fax-in={number}"))])
            .await?;
        Ok(fax)
    }

    /// Its file as it came, traced. Once it is matched, its document alone shows it.
    ///
    /// # Errors
    /// `NotFound` if it is matched, or no longer kept; `Forbidden` as above.
    pub async fn fax_file(&self, scope: &Scope, number: i64) -> Result<Vec<u8>, Problem> {
        lists::owner(self, scope)?;
        let sql = Sql::new(
            "SELECT p.bytes FROM fax_piece p JOIN fax_in f ON f.number = p.fax \
             WHERE p.fax = $1 AND f.kept = 1 AND f.state <> 'matched' ORDER BY p.part",
        );
        let rows = self.rows_apart(sql.with(number)).await?;
        let mut file = Vec::new();
        for row in &rows {
            file.extend_from_slice(row.bytes(0)?);
        }
        if file.is_empty() {
            return Err(gone());
        }
        self.traced(vec![looked(scope, format!("fax-in={number}"))])
            .await?;
        Ok(file)
    }

    /// Letters whose time to be handed to the fax server has come, urgent ones first.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own.
    pub async fn faxes_to_send(&self, scope: &Scope, count: u32) -> Result<Vec<ToSend>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT f.number, f.pid, f.ods, n.number, COALESCE(n.name, ''), f.tries, p.title, p.urgent, \
             p.patient, p.document FROM fax_out f JOIN parcel p ON p.pid = f.pid \
             LEFT JOIN fax_number n ON n.ods = f.ods AND n.state = 'in-force' \
             WHERE f.state = 'waiting' AND f.next_try <= $1 ORDER BY p.urgent DESC, f.number LIMIT $2",
        );
        let rows = self
            .rows_apart(sql.with(self.now()).with(count.min(COUNT_MAX)))
            .await?;
        let mut faxes = Vec::new();
        for row in &rows {
            let pid = row.int(1)?;
            let name = row.text(4)?.to_string();
            faxes.push(ToSend {
                number: row.int(0)?,
                pid,
                ods: row.text(2)?.to_string(),
                dial: row.text_opt(3)?.map(|number| (number.to_string(), name)),
                tries: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
                title: row.text(6)?.to_string(),
                urgent: row.flag(7)?,
                patient: row.text_opt(8)?.map(str::to_string),
                document: row.text_opt(9)?.map(str::to_string),
                parts: self.parts(pid).await?,
            });
        }
        Ok(faxes)
    }

    /// Faxes that are in that state, `handing` or `handed`, since before then and on no list yet.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own.
    pub async fn faxes_under_way(
        &self,
        scope: &Scope,
        is_handed: bool,
        before: Millis,
    ) -> Result<Vec<Handing>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT number, state_at, holder, tag, job FROM fax_out WHERE state = $1 AND state_at <= $2 \
             AND work = 0 ORDER BY number LIMIT 1000",
        );
        let state = if is_handed { "handed" } else { "handing" };
        let rows = self.rows_apart(sql.with(state).with(before)).await?;
        let handing = |row: &Row| {
            Ok(Handing {
                number: row.int(0)?,
                since: row.int(1)?,
                holder: row.text(2)?.to_string(),
                tag: row.text(3)?.to_string(),
                job: row.text(4)?.to_string(),
            })
        };
        rows.iter().map(handing).collect()
    }

    /// Letters by fax on the work list, oldest first.
    ///
    /// # Errors
    /// `Forbidden` for a patient's scope.
    pub async fn fax_work_list(&self, scope: &Scope, count: u32) -> Result<Vec<StuckFax>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT number, pid, ods, dialled, state, state_at, reason, next_step FROM fax_out \
             WHERE work = 1 ORDER BY number LIMIT $1",
        );
        let stuck = |row: &Row| {
            let text = |column: usize| row.text(column).map(str::to_string);
            Ok(StuckFax {
                number: row.int(0)?,
                pid: row.int(1)?,
                ods: text(2)?,
                dialled: text(3)?,
                state: text(4)?,
                state_at: row.int(5)?,
                reason: text(6)?,
                next_step: text(7)?,
            })
        };
        let rows = self.rows_apart(sql.with(count.min(COUNT_MAX))).await?;
        rows.iter().map(stuck).collect()
    }

    /// The numbers on the list, by organisation.
    ///
    /// # Errors
    /// `Forbidden` for a patient's scope.
    pub async fn fax_numbers(&self, scope: &Scope) -> Result<Vec<Numbered>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT number, ods, name, state, asked_by, asked_who, asked_at, confirmed_who, \
             confirmed_at FROM fax_number ORDER BY name, number LIMIT 2000",
        );
        let numbered = |row: &Row| {
            let text = |column: usize| row.text(column).map(str::to_string);
            Ok(Numbered {
                number: text(0)?,
                ods: text(1)?,
                name: text(2)?,
                state: text(3)?,
                asked_by: row.int(4)?,
                asked_who: text(5)?,
                asked_at: row.int(6)?,
                confirmed_who: text(7)?,
                confirmed_at: row.int(8)?,
            })
        };
        self.rows_apart(sql).await?.iter().map(numbered).collect()
    }

    /// What each number brought and took from one time to before another.
    ///
    /// # Errors
    /// `Forbidden` for a patient's scope.
    pub async fn fax_counts(
        &self,
        scope: &Scope,
        from: Millis,
        to: Millis,
    ) -> Result<Vec<Count>, Problem> {
        staff(scope)?;
        let inward = Sql::new(
            "SELECT f.caller, COALESCE(MAX(n.ods), ''), COUNT(*), CAST(SUM(f.pages) AS BIGINT), \
             CAST(0 AS BIGINT) FROM fax_in f LEFT JOIN fax_number n ON n.number = f.caller \
             WHERE f.received_at >= $1 AND f.received_at < $2 GROUP BY f.caller ORDER BY 3 DESC, 1 \
             LIMIT 2000",
        );
        let outward = Sql::new(
            "SELECT dialled, ods, COUNT(*), CAST(SUM(pages_sent) AS BIGINT), \
             CAST(SUM(CASE WHEN state IN ('failed', 'unsure') THEN 1 ELSE 0 END) AS BIGINT) FROM fax_out \
             WHERE made_at >= $1 AND made_at < $2 AND state <> 'settled' GROUP BY dialled, ods \
             ORDER BY 3 DESC, 1 LIMIT 2000",
        );
        let mut counts = Vec::new();
        for (sql, is_inward) in [(inward, true), (outward, false)] {
            for row in &self.rows_apart(sql.with(from).with(to)).await? {
                counts.push(Count {
                    inward: is_inward,
                    number: row.text(0)?.to_string(),
                    ods: row.text(1)?.to_string(),
                    faxes: row.int(2)?.unsigned_abs(),
                    pages: row.int(3)?.unsigned_abs(),
                    failed: row.int(4)?.unsigned_abs(),
                });
            }
        }
        Ok(counts)
    }
}
