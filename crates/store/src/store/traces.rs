//! Lines of the audit log on their way to it.

use std::sync::Arc;
use std::time::Duration;

use access::{AuditEntry, Outcome, Scope, Target};
use fhir::problem::{Kind, Problem};
use futures_util::future::BoxFuture;

use super::{LATE_EVERY, LATE_MAX, Store, Weak};
use crate::failure;
use crate::journal;
use crate::settings::AuditDurability;
use crate::write::Write;

/// How often it is looked whether PostgreSQL has room again for what the reserve holds.
const MOVE_EVERY: Duration = Duration::from_secs(1);

impl Store {
    /// Writes the log's line for a change of what is not there, or is beyond the scope, if the problem
    /// names such a place; gives back the problem, which says as little as it did.
    pub(super) async fn missed_change(&self, scope: &Scope, problem: Problem) -> Problem {
        let place = problem.expression.as_deref();
        let Some((ty, id)) = place.and_then(|place| place.split_once('/')) else {
            return problem;
        };
        // A condition on a version fails the same way for what is hidden.
        let refused = match problem.kind {
            Kind::NotFound | Kind::Deleted => true,
            Kind::Conflict => false,
            _ => return problem,
        };
        match self.note_missed(scope, (ty, id), refused).await {
            Ok(()) => problem,
            Err(lost) => lost,
        }
    }

    /// Writes the log's line for a change that is refused as if there were nothing of that type and id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn refused_as_absent(
        &self,
        scope: &Scope,
        ty: &str,
        id: &str,
    ) -> Result<(), Problem> {
        self.note_missed(scope, (ty, id), true).await
    }

    /// Writes the log's line for a change that is refused, whose place the problem names, and gives
    /// back the problem. A change inside a Bundle is refused nowhere else.
    pub(super) async fn refused_change(&self, scope: &Scope, problem: Problem) -> Problem {
        let place = problem.expression.as_deref().unwrap_or_default();
        let (ty, id) = match place.split_once('/') {
            Some((ty, id)) => (ty, Some(id.to_string())),
            None => (place, None),
        };
        let target = Target {
            ty: ty.to_string().into(),
            patient: id.clone().filter(|_| ty == "Patient"),
            id,
            ..Target::default()
        };
        let line = scope.trace(scope.interaction(), Outcome::Refused, target);
        match self.traced(vec![line]).await {
            Ok(()) => problem,
            Err(lost) => lost,
        }
    }

    /// Writes lines of the audit log: committed when this returns, or soon after under
    /// `WithinOneSecond`.
    pub(crate) fn traced(&self, lines: Vec<AuditEntry>) -> BoxFuture<'_, Result<(), Problem>> {
        // Its type is in no caller's: the compiler would look through it again in each of them.
        Box::pin(self.write_lines(lines))
    }

    async fn write_lines(&self, lines: Vec<AuditEntry>) -> Result<(), Problem> {
        if lines.iter().any(|line| line.familiar.is_some()) {
            Box::pin(self.tell_familiar(&lines)).await?;
        }
        match self.inner.audit {
            AuditDurability::BeforeAnswer => {
                if let Some(journal) = &self.inner.journal {
                    return journal.lines(lines).await;
                }
                self.trace_or_keep(lines).await?;
            }
            AuditDurability::WithinOneSecond => {
                let full = {
                    let mut late = self.inner.late.lock();
                    late.push(lines);
                    (late.len() >= LATE_MAX).then(|| std::mem::take(&mut *late))
                };
                if let Some(full) = full {
                    self.inner.writer.write(Write::Trace(full)).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes lines into the table, or keeps them in the reserve where the table has no room.
    async fn trace_or_keep(&self, lines: Vec<AuditEntry>) -> Result<(), Problem> {
        let Some(trace_reserve) = &self.inner.trace_reserve else {
            return self
                .inner
                .writer
                .write(Write::Trace(vec![lines]))
                .await
                .map(|_| ());
        };
        let kept = lines.clone();
        match self.inner.writer.write(Write::Trace(vec![lines])).await {
            Err(problem) if failure::is_full(&problem) => {
                trace_reserve.keep(kept, self.now()).await
            }
            done => done.map(|_| ()),
        }
    }

    /// Starts moving what the reserve holds into the table once there is room, until the store is gone.
    pub(super) fn move_reserve(&self) {
        let weak = Weak(Arc::downgrade(&self.inner));
        tokio::spawn(async move {
            while let Some(store) = weak.upgrade() {
                if let Err(problem) = store.move_reserve_once().await {
                    tracing::warn!(%problem, "the audit log's reserve is still in use");
                }
                drop(store);
                tokio::time::sleep(MOVE_EVERY).await;
            }
        });
    }

    /// Moves what the reserve holds into the table, if there is any and the table has room.
    pub(super) async fn move_reserve_once(&self) -> Result<(), Problem> {
        let Some(trace_reserve) = self
            .inner
            .trace_reserve
            .as_ref()
            .filter(|it| it.holds_some())
        else {
            return Ok(());
        };
        // Asked each time: whether a commit came through whose answer was lost, the table alone knows.
        let mark = self.rows(&journal::marked(&trace_reserve.name)).await?;
        let mark = mark.first().map_or(Ok(0), |row| row.int(0))?;
        let batches = trace_reserve.unmoved(mark).await?;
        let upto = batches.last().map_or(mark, |last| last.index);
        if !batches.is_empty() {
            let count = batches.len();
            let write = Write::Journal(trace_reserve.name.clone(), batches);
            self.inner.writer.write(write).await?;
            tracing::info!(batches = count, "moved what the audit log's reserve held");
        }
        trace_reserve.moved(upto).await;
        Ok(())
    }

    /// Starts writing late lines, until the store is gone.
    pub(super) fn write_late_lines(&self) {
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LATE_EVERY).await;
                let Some(inner) = inner.upgrade() else { return };
                let late = std::mem::take(&mut *inner.late.lock());
                if late.is_empty() {
                    continue;
                }
                if let Err(problem) = inner.writer.write(Write::Trace(late)).await {
                    tracing::error!(?problem, "lines of the audit log were lost");
                }
            }
        });
    }
}
