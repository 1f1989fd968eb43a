//! Sign-ins under way: what the door must remember between two of its pages. A step is taken once,
//! by who holds its secret, before it expires.

use fhir::date::Millis;
use fhir::problem::Problem;

use super::{AccountDone, AccountWrite, SecretDigest};
use crate::Store;
use crate::database::Tx;
use crate::sql::Sql;

/// What the writer can do to steps.
#[derive(Clone, Debug)]
pub enum StepWrite {
    Keep {
        digest: SecretDigest,
        kind: &'static str,
        data: String,
        expires_at: Millis,
    },
    Take {
        digest: SecretDigest,
        kind: &'static str,
    },
}

impl Store {
    /// Remembers a step until it is taken or expires.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn keep_step(
        &self,
        digest: SecretDigest,
        kind: &'static str,
        data: String,
        expires_at: Millis,
    ) -> Result<(), Problem> {
        let write = StepWrite::Keep {
            digest,
            kind,
            data,
            expires_at,
        };
        self.write_account(AccountWrite::Step(write)).await?;
        Ok(())
    }

    /// What was remembered of a step, which is forgotten with it; nothing if there is none of that
    /// kind or it has expired.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn take_step(
        &self,
        digest: SecretDigest,
        kind: &'static str,
    ) -> Result<Option<String>, Problem> {
        let write = AccountWrite::Step(StepWrite::Take { digest, kind });
        Ok(match self.write_account(write).await? {
            AccountDone::Step(data) => data,
            _ => None,
        })
    }

    /// What is remembered of a step that goes on.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn step(
        &self,
        digest: SecretDigest,
        kind: &'static str,
    ) -> Result<Option<String>, Problem> {
        let sql = Sql::new(
            "SELECT data FROM sign_in_step WHERE digest = $1 AND kind = $2 AND expires_at > $3",
        );
        let sql = sql.with(digest.as_slice()).with(kind).with(self.now());
        let rows = self.rows(&sql).await?;
        rows.first()
            .map(|row| row.text(0).map(str::to_owned))
            .transpose()
    }
}

/// Applies one change inside the writer's transaction.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &StepWrite,
) -> Result<AccountDone, Problem> {
    match write {
        StepWrite::Keep {
            digest,
            kind,
            data,
            expires_at,
        } => {
            // What nobody came back for.
            let sql = Sql::new("DELETE FROM sign_in_step WHERE expires_at <= $1");
            tx.execute(&sql.with(now)).await?;
            let sql = Sql::new(
                "INSERT INTO sign_in_step (digest, kind, data, expires_at) VALUES ($1, $2, $3, $4)",
            );
            let sql = sql.with(digest.as_slice()).with(*kind);
            let sql = sql.with(data.as_str()).with(*expires_at);
            Ok(AccountDone::Changed(tx.execute(&sql).await?))
        }
        StepWrite::Take { digest, kind } => {
            let sql = Sql::new(
                "DELETE FROM sign_in_step WHERE digest = $1 AND kind = $2 \
                 RETURNING data, expires_at",
            );
            let row = tx.row(&sql.with(digest.as_slice()).with(*kind)).await?;
            let Some(row) = row else {
                return Ok(AccountDone::Step(None));
            };
            let fresh = row.int(1)? > now;
            let data = row.text(0)?.to_owned();
            Ok(AccountDone::Step(fresh.then_some(data)))
        }
    }
}
