//! API tokens: secrets that programs send.

use fhir::date::Millis;
use fhir::problem::Problem;

use super::{ACCOUNT_COLUMNS, Account, AccountDone, AccountWrite, SecretDigest, account};
use crate::Store;
use crate::database::Tx;
use crate::sql::Sql;

/// What the writer can do to tokens.
#[derive(Clone, Debug)]
pub enum TokenWrite {
    Add {
        digest: SecretDigest,
        account: i64,
        label: String,
        /// The session that it ends with, if it does.
        session: Option<SecretDigest>,
    },
    Drop {
        digest: SecretDigest,
    },
}

impl Store {
    /// Makes a token good for that account.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn add_token(
        &self,
        digest: SecretDigest,
        account: i64,
        label: &str,
    ) -> Result<(), Problem> {
        self.token(digest, account, label, None).await
    }

    /// Makes a token good for that account until the session ends: signed out, too old, revoked, or
    /// left for another role (P09).
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn add_session_token(
        &self,
        digest: SecretDigest,
        account: i64,
        label: &str,
        session: SecretDigest,
    ) -> Result<(), Problem> {
        self.token(digest, account, label, Some(session)).await
    }

    async fn token(
        &self,
        digest: SecretDigest,
        account: i64,
        label: &str,
        session: Option<SecretDigest>,
    ) -> Result<(), Problem> {
        let label = label.to_owned();
        self.write_account(AccountWrite::Token(TokenWrite::Add {
            digest,
            account,
            label,
            session,
        }))
        .await?;
        Ok(())
    }

    /// Makes a token good no longer; false if it was not.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn drop_token(&self, digest: SecretDigest) -> Result<bool, Problem> {
        let write = AccountWrite::Token(TokenWrite::Drop { digest });
        Ok(self.write_account(write).await? != AccountDone::Changed(0))
    }

    /// The account of that API token, unless it is closed. A token that hangs on a session has that
    /// session's role.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn account_by_token(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<Account>, Problem> {
        let mut sql = Sql::new("SELECT ");
        sql.push(ACCOUNT_COLUMNS).push(
            ", s.role FROM api_token t JOIN account a ON a.id = t.account \
             LEFT JOIN session s ON s.digest = t.session WHERE a.closed = 0 AND t.digest = ",
        );
        sql.bind(digest.as_slice());
        let rows = self.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let mut account = account(row)?;
        if let (super::Holder::Staff { role, .. }, Some(chosen)) =
            (&mut account.holder, row.text_opt(9)?)
        {
            *role = access::Role::parse(chosen)?;
        }
        Ok(Some(account))
    }
}

/// Applies one change inside the writer's transaction; how many rows it changed.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &TokenWrite,
) -> Result<u64, Problem> {
    match write {
        TokenWrite::Add {
            digest,
            account,
            label,
            session,
        } => {
            let sql = Sql::new(
                "INSERT INTO api_token (digest, account, label, made_at, session) \
                 VALUES ($1, $2, $3, $4, $5)",
            );
            let sql = sql.with(digest.as_slice()).with(*account);
            let sql = sql.with(label.as_str()).with(now);
            let session = session.as_ref().map(|digest| digest.as_slice());
            tx.execute(&sql.with(session)).await
        }
        TokenWrite::Drop { digest } => {
            let sql = Sql::new("DELETE FROM api_token WHERE digest = $1");
            tx.execute(&sql.with(digest.as_slice())).await
        }
    }
}
