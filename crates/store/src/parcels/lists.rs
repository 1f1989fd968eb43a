//! Lists of parcels for pages: the inbox, the unmatched, the sent board. Paged by key.

use access::{AuditEntry, Outcome, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::event;
use super::shown::{self, Shown};
use super::state::State;
use super::{Made, Named};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// The most rows of one page.
const PAGE_MAX: u32 = 200;

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Came in, known whose, nobody has put it away: the work of the inbox.
    ToDo,
    /// Came in, nobody knows whose.
    Unmatched,
    /// Came in and was filed or acted on.
    Done,
    /// Came in and was returned, or taken back by its sender.
    Ended,
    /// All that came in.
    AllIn,
    /// Sent, not yet with the receiver.
    OnTheWay,
    /// Sent and came back, or could not be delivered.
    Failed,
    /// All that was sent.
    AllOut,
}

/// Whose work a list is narrowed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nobody's.
    Nobodys,
    /// That person's, or their teams' and no other person's.
    Mine(i64),
    Persons(i64),
    Teams(String),
}

/// What a list is narrowed to, and which page of it.
#[derive(Clone, Debug)]
pub struct ListFilter {
    pub show: Show,
    pub urgent_only: bool,
    /// Only with this organisation at the other end (its ODS code).
    pub other: Option<String>,
    pub work: Option<Work>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Rows on a page, at most 200.
    pub count: u32,
}

impl ListFilter {
    /// The first page of a list, 50 rows.
    pub fn new(show: Show) -> ListFilter {
        ListFilter {
            show,
            urgent_only: false,
            other: None,
            work: None,
            after: None,
            count: 50,
        }
    }
}

/// A letter as a row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub pid: i64,
    /// The sender's name for the parcel.
    pub id: String,
    /// ODS codes.
    pub sender: String,
    pub recipient: String,
    pub title: String,
    pub author: String,
    pub urgent: bool,
    /// Whether a third-party or serious-harm mark keeps it from the patient.
    pub marked: bool,
    pub named: Named,
    /// Accepted (out) or received (in) at.
    pub stored_at: Millis,
    pub state: State,
    pub state_at: Millis,
    pub unmatched: bool,
    /// Why it is unmatched or could not be delivered, in a plain sentence.
    pub reason: Option<String>,
    /// Where it goes: the last failure there and the next try, while it waits.
    pub last_error: Option<String>,
    pub next_try: Option<Millis>,
    pub made: Made,
    /// Whether it goes out (else it came in).
    pub outward: bool,
    /// Whether it came or goes by fax: nobody at the other end is told of any step.
    pub by_fax: bool,
    /// Whether it came or goes as an ITK3 document over MESH.
    pub by_itk3: bool,
    /// Of one that goes so: where that stands (`itk3_out`), or `unanswered`.
    pub itk3: Option<String>,
    /// How much of it is shown; the rest is empty here.
    pub shown: Shown,
}

/// One page of a list, newest first but urgent work before other work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    pub letters: Vec<Letter>,
    pub next: Option<String>,
}

/// How many there are on each list of the organisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub to_do: u64,
    pub urgent: u64,
    pub unmatched: u64,
    pub on_the_way: u64,
    pub failed: u64,
}

const COLUMNS: &str = "SELECT p.pid, p.id, p.sender, p.recipient, p.title, p.author, \
     p.urgent, p.marked, p.nhs_number, p.birth_date, p.family, p.given, p.stored_at, p.state, \
     p.state_at, p.unmatched, p.reason, q.last_error, q.next_try, p.patient, p.document, p.binaries, \
     p.direction, p.kind, CASE WHEN i.work = 1 AND i.state IN ('handed', 'received') THEN 'unanswered' \
     ELSE i.state END, ";
const FROM: &str = " FROM parcel p LEFT JOIN parcel_peer q ON q.peer = p.recipient \
     AND p.direction = 0 AND p.due = 1 LEFT JOIN itk3_out i ON i.pid = p.pid AND p.kind = 'itk3'";

/// The beginning of a reading of letters that the scope knows to be there, as far as the owner.
pub(super) fn reading(scope: &Scope, owner: String, document_ty: i64) -> Sql<'static> {
    let mut sql = Sql::new(COLUMNS);
    shown::push_shown(&mut sql, scope);
    sql.push(FROM);
    shown::push_document(&mut sql, scope, document_ty);
    sql.push(" WHERE p.kind IN ('letter', 'fax', 'itk3') AND p.owner = ")
        .bind(owner);
    shown::push_unlocked(&mut sql, scope);
    sql
}

/// A row of such a reading, with only what is shown.
pub(super) fn letter(row: &Row) -> Result<Letter, Problem> {
    let text = |column: usize| row.text(column).map(str::to_string);
    let text_opt = |column: usize| row.text_opt(column).map(|it| it.map(str::to_string));
    let nameless = || Problem::new(Kind::Exception, "A parcel is in a state of no name.");
    Ok(Letter {
        pid: row.int(0)?,
        id: text(1)?,
        sender: text(2)?,
        recipient: text(3)?,
        title: text(4)?,
        author: text(5)?,
        urgent: row.flag(6)?,
        marked: row.flag(7)?,
        named: Named {
            nhs_number: text_opt(8)?,
            birth_date: text_opt(9)?,
            family: text(10)?,
            given: text(11)?,
        },
        stored_at: row.int(12)?,
        state: State::from_code(row.text(13)?).ok_or_else(nameless)?,
        state_at: row.int(14)?,
        unmatched: row.flag(15)?,
        reason: text_opt(16)?,
        last_error: text_opt(17)?,
        next_try: row.int_opt(18)?.filter(|at| *at > 0),
        made: event::made(row, 19)?,
        outward: row.int(22)? == 0,
        by_fax: row.text(23)? == super::Kind::Fax.code(),
        by_itk3: row.text(23)? == super::Kind::Itk3.code(),
        itk3: text_opt(24)?,
        shown: Shown::from_row(row, 25)?,
    }
    .only_shown())
}

/// Which rows are on a list.
fn condition(show: Show) -> &'static str {
    match show {
        Show::ToDo => {
            " AND p.direction = 1 AND p.state IN ('delivered', 'opened') AND p.document IS NOT NULL"
        }
        Show::Unmatched => " AND p.direction = 1 AND p.unmatched = 1",
        Show::Done => " AND p.direction = 1 AND p.state IN ('filed', 'acted-on')",
        Show::Ended => {
            " AND p.direction = 1 AND p.state IN ('returned', 'withdrawn', 'superseded')"
        }
        Show::AllIn => " AND p.direction = 1",
        Show::OnTheWay => " AND p.direction = 0 AND p.state IN ('accepted', 'waiting')",
        Show::Failed => " AND p.direction = 0 AND p.state IN ('returned', 'undeliverable')",
        Show::AllOut => " AND p.direction = 0",
    }
}

/// The organisation whose parcels a scope reaches.
///
/// # Errors
/// `Forbidden` if it does not show records, or only a patient's own.
pub(crate) fn owner(store: &Store, scope: &Scope) -> Result<String, Problem> {
    if !scope.may_look() {
        return Err(Problem::new(
            Kind::Forbidden,
            "This is not part of your role.",
        ));
    }
    match scope.reach() {
        Reach::Everything => Ok(store.organisation().to_string()),
        Reach::Organisation(ods) => Ok(ods.to_string()),
        Reach::Compartment { .. } | Reach::Mailbox(_) => Err(Problem::new(
            Kind::Forbidden,
            "This list is for the organisation's staff.",
        )),
    }
}

/// The log's line for one letter.
pub(super) fn line(
    scope: &Scope,
    pid: i64,
    (document, patient): (Option<&str>, Option<&str>),
    outcome: Outcome,
) -> AuditEntry {
    let target = Target {
        ty: "DocumentReference".into(),
        id: document.map(str::to_string),
        version: None,
        patient: patient.map(str::to_string),
        // Before it is taken in it has only its number here.
        query: Some(format!("parcel={pid}").into()),
    };
    scope.trace(scope.interaction(), outcome, target)
}

fn push_work(sql: &mut Sql<'_>, work: &Work) {
    sql.push(match work {
        Work::Nobodys => " AND NOT EXISTS (SELECT 1 FROM desk_assigned g WHERE g.pid = p.pid)",
        _ => " AND EXISTS (SELECT 1 FROM desk_assigned g WHERE g.pid = p.pid AND ",
    });
    match work {
        Work::Nobodys => {}
        Work::Persons(account) => {
            sql.push("g.account = ").bind(*account).push(")");
        }
        Work::Teams(team) => {
            sql.push("g.team = ").bind(team.clone()).push(")");
        }
        Work::Mine(account) => {
            sql.push("(g.account = ").bind(*account);
            sql.push(" OR (g.account = 0 AND g.team IN (SELECT m.team FROM desk_member m WHERE m.account = ")
                .bind(*account);
            sql.push("))))");
        }
    }
}

/// A place in a list: `urgent.pid`, or `pid` where urgency does not lead.
fn cursor(text: &str) -> Option<(i64, i64)> {
    let (urgent, pid) = text.split_once('.')?;
    Some((urgent.parse().ok()?, pid.parse().ok()?))
}

impl Store {
    /// A page of a list, each letter traced. What is withheld stands in it as a letter without its
    /// words; what is locked does not, and neither counts where the list is narrowed to a sender.
    ///
    /// # Errors
    /// `Forbidden`; `Value` if `after` is no page's `next`.
    pub async fn letters(&self, scope: &Scope, filter: &ListFilter) -> Result<ListPage, Problem> {
        let owner = owner(self, scope)?;
        // In lists of work urgent letters lead; in lists of what was, time alone does.
        let urgent_first = matches!(filter.show, Show::ToDo | Show::Unmatched);
        let count = filter.count.clamp(1, PAGE_MAX);
        let mut sql = reading(scope, owner, self.document_word().await?);
        sql.push(condition(filter.show));
        if filter.urgent_only {
            sql.push(" AND p.urgent = 1");
        }
        if let Some(other) = &filter.other {
            let inward = !matches!(filter.show, Show::OnTheWay | Show::Failed | Show::AllOut);
            sql.push(if inward {
                " AND p.sender = "
            } else {
                " AND p.recipient = "
            });
            sql.bind(other.clone());
            // Where a letter comes from is part of what is withheld.
            sql.push(" AND ");
            shown::push_whole(&mut sql, scope);
        }
        if let Some(work) = &filter.work {
            push_work(&mut sql, work);
        }
        if let Some(after) = &filter.after {
            let wrong = || Problem::new(Kind::Value, "There is no such page of this list.");
            let (urgent, pid) = cursor(after).ok_or_else(wrong)?;
            if urgent_first {
                sql.push(" AND (p.urgent < ").bind(urgent);
                sql.push(" OR p.urgent = ").bind(urgent);
                sql.push(" AND p.pid < ").bind(pid).push(")");
            } else {
                sql.push(" AND p.pid < ").bind(pid);
            }
        }
        let order = if urgent_first {
            " ORDER BY p.urgent DESC, p.pid DESC LIMIT "
        } else {
            " ORDER BY p.pid DESC LIMIT "
        };
        sql.push(order).bind(count + 1);
        let rows = self.rows_apart(sql).await?;
        let mut letters: Vec<Letter> = rows.iter().map(letter).collect::<Result<_, _>>()?;
        let more = letters.len() > count as usize;
        letters.truncate(count as usize);
        let next = letters.last().filter(|_| more);
        let next = next.map(|last| format!("{}.{}", i64::from(last.urgent), last.pid));
        let trace = |it: &Letter| line(scope, it.pid, shown::named(&it.made), it.shown.outcome());
        self.traced(letters.iter().map(trace).collect()).await?;
        Ok(ListPage { letters, next })
    }

    /// How many letters are on each list. No patient is named.
    ///
    /// # Errors
    /// `Forbidden`.
    pub async fn letter_counts(&self, scope: &Scope) -> Result<Counts, Problem> {
        let owner = owner(self, scope)?;
        let document_ty = self.document_word().await?;
        let mut sql = Sql::new("SELECT ");
        let lists = [
            " AND p.direction = 1 AND p.state IN ('delivered', 'opened') \
             AND p.document IS NOT NULL",
            " AND p.direction = 1 AND p.state IN ('delivered', 'opened') \
             AND p.document IS NOT NULL AND p.urgent = 1",
            condition(Show::Unmatched),
            condition(Show::OnTheWay),
            condition(Show::Failed),
        ];
        for (number, list) in lists.into_iter().enumerate() {
            if number > 0 {
                sql.push(", ");
            }
            sql.push("(SELECT COUNT(*) FROM parcel p");
            shown::push_document(&mut sql, scope, document_ty);
            sql.push(" WHERE p.kind IN ('letter', 'fax', 'itk3') AND p.owner = ")
                .bind(owner.clone());
            shown::push_unlocked(&mut sql, scope);
            sql.push(list).push(")");
        }
        let rows = self.rows_apart(sql).await?;
        let count = |column: usize| {
            let value = rows.first().map_or(Ok(0), |row| row.int(column))?;
            Ok::<u64, Problem>(u64::try_from(value).unwrap_or_default())
        };
        Ok(Counts {
            to_do: count(0)?,
            urgent: count(1)?,
            unmatched: count(2)?,
            on_the_way: count(3)?,
            failed: count(4)?,
        })
    }
}
