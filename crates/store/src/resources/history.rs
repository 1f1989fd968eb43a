//! Versions in the order of time, the newest first: of one resource, of a type, of all
//! (<https://hl7.org/fhir/R4/http.html#history>).

mod compile;

use std::collections::BTreeSet;

use access::{Interaction, Outcome, Scope, Target};
use fhir::date::{Millis, Span};
use fhir::problem::{Kind, Problem};

use super::facts::{self, Facts};
use super::read::{reading, version_within};
use super::{Reading, Version};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;
use crate::words::UNKNOWN;

/// Versions in one answer at most.
const COUNT_MAX: u32 = 1000;

/// Which versions are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of this type; all types if `None`.
    pub ty: Option<String>,
    /// Of this one resource of the type.
    pub id: Option<String>,
    /// Written at this time or later (`_since`).
    pub since: Option<Millis>,
    /// Current at some moment of this span (`_at`).
    pub at: Option<Span>,
    /// Versions a page, from 1 to 1000.
    pub count: u32,
    /// Where the page starts: what `PastPage::next` gave.
    pub after: Option<String>,
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    Version(Version),
    Deletion {
        ty: String,
        id: String,
        version: u64,
        at: Millis,
    },
}

/// A page of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastPage {
    pub entries: Vec<Past>,
    /// What `HistoryQuery::after` takes for the next page; none on the last.
    pub next: Option<String>,
}

/// Where a page ended: time, row and version of its last line.
#[derive(Clone, Copy)]
struct Cursor {
    at: Millis,
    rid: i64,
    version: i64,
}

impl Store {
    /// The versions of a resource, the newest first, at most `count` and never more than 1000.
    /// Empty if it is absent or beyond the scope.
    ///
    /// # Errors
    /// As `read`.
    pub async fn history(
        &self,
        scope: &Scope,
        ty: &str,
        id: &str,
        count: u32,
    ) -> Result<Vec<Past>, Problem> {
        let query = HistoryQuery {
            ty: Some(ty.to_string()),
            id: Some(id.to_string()),
            count,
            ..HistoryQuery::default()
        };
        let page = self.past(scope, &query).await?;
        Ok(page.unwrap_or_default().entries)
    }

    /// A page of versions within the scope, the newest first; `None` if the one resource that is
    /// asked about is absent or beyond the scope. Traced for each patient who is in it.
    ///
    /// # Errors
    /// `Value` if `after` is none of ours, `TooCostly` if it took too long, else as `read`.
    pub async fn past(
        &self,
        scope: &Scope,
        query: &HistoryQuery,
    ) -> Result<Option<PastPage>, Problem> {
        self.may_look(scope)?;
        let after = query.after.as_deref().map(Cursor::parse).transpose()?;
        let ty = match &query.ty {
            Some(ty) => Some(self.word(ty).await?),
            None => None,
        };
        if !self.is_known(scope, query, ty).await? {
            return Ok(None);
        }
        if ty == Some(UNKNOWN) {
            self.trace_past(scope, query, BTreeSet::new()).await?;
            return Ok(Some(PastPage::default()));
        }
        let is_rare = match ty {
            Some(ty) if query.id.is_none() => self.is_rare(ty).await?,
            _ => false,
        };
        let count = query.count.clamp(1, COUNT_MAX);
        let bytes_max = self.page_bytes_max();
        let sql = compile::page(scope, query, ty, is_rare, after, count).up_to(bytes_max);
        let rows = self.rows_apart(sql).await?;
        let count = usize::try_from(count).unwrap_or(1);
        let (page, patients) = page(scope, &rows, count, bytes_max)?;
        self.trace_past(scope, query, patients).await?;
        Ok(Some(page))
    }

    /// Whether the one resource that is asked about is there; true where none is.
    async fn is_known(
        &self,
        scope: &Scope,
        query: &HistoryQuery,
        ty: Option<i64>,
    ) -> Result<bool, Problem> {
        let (Some(ty), Some(id)) = (ty, &query.id) else {
            return Ok(true);
        };
        let mut sql = Sql::new(compile::THERE).with(ty).with(id.clone());
        facts::push_scope(&mut sql, scope);
        if !self.rows(&sql).await?.is_empty() {
            return Ok(true);
        }
        let (action, target) = asked(query);
        self.nothing(scope, action, target).await?;
        Ok(false)
    }

    /// Whether there are so few of the type that all their versions can be sorted.
    async fn is_rare(&self, ty: i64) -> Result<bool, Problem> {
        let rows = self.rows(&Sql::new(compile::MANY).with(ty)).await?;
        Ok(rows.is_empty())
    }

    async fn trace_past(
        &self,
        scope: &Scope,
        query: &HistoryQuery,
        patients: BTreeSet<String>,
    ) -> Result<(), Problem> {
        let (action, target) = asked(query);
        let line = |patient: Option<String>| {
            let target = Target {
                patient,
                ..target.clone()
            };
            scope.trace(action, Outcome::Success, target)
        };
        let lines = if patients.is_empty() {
            vec![line(None)]
        } else {
            patients.into_iter().map(|id| line(Some(id))).collect()
        };
        self.traced(lines).await
    }
}

/// What the log calls it.
fn asked(query: &HistoryQuery) -> (Interaction, Target) {
    let action = match (&query.ty, &query.id) {
        (None, _) => Interaction::HistorySystem,
        (Some(_), None) => Interaction::HistoryType,
        (Some(_), Some(_)) => Interaction::HistoryInstance,
    };
    let target = Target {
        ty: query.ty.clone().unwrap_or_default().into(),
        id: query.id.clone(),
        ..Target::default()
    };
    (action, target)
}

/// The page of these rows, and the patients whom it is about. There is one row more than asked for if
/// there is a next page, or their bodies have so many bytes that no more were read. The page ends
/// with the version that reaches them.
fn page(
    scope: &Scope,
    rows: &[Row],
    count: usize,
    bytes_max: usize,
) -> Result<(PastPage, BTreeSet<String>), Problem> {
    let (mut page, mut patients) = (PastPage::default(), BTreeSet::new());
    let (mut bytes, mut taken, mut last) = (0, 0, None);
    for row in rows.iter().take(count) {
        if bytes >= bytes_max {
            break;
        }
        taken += 1;
        let facts = Facts::from_row(row)?;
        let (ty, id) = (row.text(13)?, row.text(14)?);
        let reading = reading(ty, id, row)?;
        last = Some(Cursor {
            at: row.int(9)?,
            rid: facts.rid,
            version: row.int(8)?,
        });
        // Whom the resource is about, found or withheld: an old version may be another's.
        patients.extend(facts.patients().map(str::to_string));
        if version_within(scope, &reading)? {
            if let Reading::Found(version) = &reading {
                bytes += version.body.len();
            }
            page.entries.extend(Past::of(reading, ty, id));
        }
    }
    if taken < rows.len() || Row::is_cut(rows, bytes_max) {
        page.next = last.map(|cursor| cursor.text());
    }
    Ok((page, patients))
}

impl Past {
    fn of(reading: Reading, ty: &str, id: &str) -> Option<Past> {
        match reading {
            Reading::Found(version) => Some(Past::Version(version)),
            Reading::Deleted { version, at } => Some(Past::Deletion {
                ty: ty.to_string(),
                id: id.to_string(),
                version,
                at,
            }),
            Reading::Absent => None,
        }
    }
}

impl Cursor {
    fn text(self) -> String {
        format!("{}-{}-{}", self.at, self.rid, self.version)
    }

    fn parse(text: &str) -> Result<Cursor, Problem> {
        let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let mut part = || parts.next().flatten();
        match (part(), part(), part()) {
            (Some(at), Some(rid), Some(version)) => Ok(Cursor { at, rid, version }),
            _ => {
                let message = "A page is asked for with the link that the page before gave.";
                Err(Problem::new(Kind::Value, message))
            }
        }
    }
}
