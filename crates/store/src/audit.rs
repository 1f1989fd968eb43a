//! The audit log's rows.

mod check;
mod kept;
mod leaf;
mod tree;

use std::sync::Arc;

use access::{Agent, AgentKind, AuditEntry, Outcome, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::row::Row;
use crate::shard;
use crate::sql::{Bind, Sql};
use crate::store::Store;
use crate::table::{Table, Type};

pub use check::{Check, Finding, Witnessed};
pub(crate) use kept::apply;
pub use kept::{Alarm, AuditWrite, Checkpoint, Cosignature};
pub use tree::TreeHead;

static AUDIT: Table = Table::new(
    "audit",
    &[
        ("shard", Type::Int),
        ("at", Type::Int),
        ("request_id", Type::Text),
        ("interaction", Type::Text),
        ("within", Type::Text),
        ("outcome", Type::Text),
        ("agent", Type::Text),
        ("account", Type::Int),
        ("name", Type::Text),
        ("role", Type::Text),
        ("organisation", Type::Text),
        ("agent_patient", Type::Text),
        ("purpose", Type::Text),
        ("ty", Type::Text),
        ("id", Type::Text),
        ("ver", Type::Int),
        ("patient", Type::Text),
        ("query", Type::Text),
        ("digest", Type::Bytes),
    ],
);

/// Lines that are handed to the database together.
const TOGETHER: usize = 512;

/// Adds lines to the log, in their order.
pub(crate) async fn write(
    tx: &mut Tx<'_>,
    now: Millis,
    entries: &[&AuditEntry],
) -> Result<(), Problem> {
    let mut values = Vec::new();
    for some in entries.chunks(TOGETHER) {
        values.clear();
        some.iter().for_each(|entry| push(&mut values, now, entry));
        tx.insert_many(&AUDIT, &values).await?;
    }
    Ok(())
}

fn push<'e>(values: &mut Vec<Bind<'e>>, now: Millis, entry: &'e AuditEntry) {
    let (agent, target) = (&*entry.agent, &entry.target);
    values.extend([
        Bind::Int(shard::of_patient(target.patient.as_deref())),
        // Lines that the journal kept know when.
        Bind::Int(if entry.at == 0 { now } else { entry.at }),
        Bind::from(&*entry.request_id),
        Bind::from(&*entry.interaction),
        Bind::from(&*entry.within),
        Bind::from(entry.outcome.code()),
        Bind::from(agent.kind.code()),
        Bind::from(agent.account),
        Bind::from(&*agent.name),
        Bind::from(agent.role.as_deref()),
        Bind::from(agent.organisation.as_deref()),
        Bind::from(agent.patient.as_deref()),
        Bind::from(&*entry.purpose),
        Bind::from(&*target.ty),
        Bind::from(target.id.as_deref()),
        Bind::from(
            target
                .version
                .and_then(|version| i64::try_from(version).ok()),
        ),
        Bind::from(target.patient.as_deref()),
        Bind::from(target.query.as_deref()),
        Bind::from(entry.digest.as_ref().map(|digest| &digest[..])),
    ]);
}

/// Which lines of the log are wanted.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// About this patient (a Patient id).
    pub patient: Option<String>,
    /// Only lines with a lower number: the last one of the page before.
    pub before: Option<i64>,
    /// At most so many, and never more than 1000.
    pub count: u32,
}

/// Lines of the log, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    /// What `AuditFilter::before` takes for the next page.
    pub next: Option<i64>,
}

const PAGE_MAX: u32 = 1000;

impl Store {
    /// A page of the audit log. A patient sees the lines about themselves, a privacy officer all of
    /// their node's. The look itself is traced too.
    ///
    /// # Errors
    /// `Forbidden` if the scope was not decided for the log.
    pub async fn audit_page(
        &self,
        scope: &Scope,
        filter: &AuditFilter,
    ) -> Result<AuditPage, Problem> {
        if !scope.may_audit() {
            let message = "The audit log is for privacy officers and the patient it is about.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let patient = match scope.reach() {
            access::Reach::Compartment { patient, .. } => Some(patient.clone()),
            _ => filter.patient.clone(),
        };
        self.caught_up().await;
        let count = filter.count.clamp(1, PAGE_MAX);
        let before = filter.before.unwrap_or(i64::MAX);
        let mut sql = Sql::new(
            "SELECT seq, at, request_id, interaction, within, outcome, agent, account, name, role, \
             organisation, agent_patient, purpose, ty, id, ver, patient, query FROM audit WHERE ",
        );
        if let Some(patient) = &patient {
            sql.push("patient = ").bind(patient.clone()).push(" AND ");
            if matches!(scope.reach(), access::Reach::Compartment { .. }) {
                self.push_own(&mut sql, patient).await?;
            }
        }
        sql.push("seq < ")
            .bind(before)
            .push(" ORDER BY seq DESC LIMIT ")
            .bind(count);
        let rows = self.rows_apart(sql).await?;
        let mut entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        if matches!(scope.reach(), access::Reach::Compartment { .. }) {
            // What was searched for may name other people.
            for entry in &mut entries {
                entry.target.query = None;
            }
        }
        let full = u32::try_from(entries.len()).is_ok_and(|length| length == count);
        let next = entries.last().filter(|_| full).map(|entry| entry.seq);
        let target = Target {
            ty: "AuditEvent".into(),
            patient,
            ..Target::default()
        };
        let line = scope.trace(access::Interaction::AccessLog, Outcome::Success, target);
        self.traced(vec![line]).await?;
        Ok(AuditPage { entries, next })
    }

    /// What a patient's own list leaves out, so that nobody who makes them show it learns of it (P25):
    /// that the record was not shown online and that something was hidden, and by their wish their own
    /// use. It all stays in the log.
    async fn push_own(&self, sql: &mut Sql<'static>, patient: &str) -> Result<(), Problem> {
        let code = access::Interaction::OnlineAccess.code();
        sql.push("within <> ").bind(code).push(" AND ");
        if self.hides_own_use(patient).await? {
            sql.push("COALESCE(agent_patient, '') <> ")
                .bind(patient.to_string())
                .push(" AND ");
        }
        Ok(())
    }

    /// Writes the line for what `access::decide` refused (`AuditEntry::refused`).
    pub async fn refused(&self, entry: AuditEntry) -> Result<(), Problem> {
        self.traced(vec![entry]).await
    }
}

fn entry(row: &Row) -> Result<AuditEntry, Problem> {
    let owned = |text: Option<&str>| text.map(str::to_string);
    let agent = Agent {
        kind: AgentKind::from_code(row.text(6)?),
        account: row.int_opt(7)?,
        name: row.text(8)?.to_string(),
        role: owned(row.text_opt(9)?).map(Into::into),
        organisation: owned(row.text_opt(10)?),
        patient: owned(row.text_opt(11)?),
    };
    let target = Target {
        ty: row.text(13)?.to_string().into(),
        id: owned(row.text_opt(14)?),
        version: row
            .int_opt(15)?
            .and_then(|version| u64::try_from(version).ok()),
        patient: owned(row.text_opt(16)?),
        query: row.text_opt(17)?.map(Arc::from),
    };
    Ok(AuditEntry {
        seq: row.int(0)?,
        at: row.int(1)?,
        request_id: Arc::from(row.text(2)?),
        interaction: row.text(3)?.to_string().into(),
        within: row.text(4)?.to_string().into(),
        outcome: Outcome::from_code(row.text(5)?),
        agent: Arc::new(agent),
        purpose: row.text(12)?.to_string().into(),
        target,
        digest: None,
        familiar: None,
    })
}
