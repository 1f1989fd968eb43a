//! Second factors: the secret of time-based codes, and recovery codes as digests.

use fhir::date::Millis;
use fhir::problem::Problem;

use super::{AccountDone, AccountWrite, SecretDigest};
use crate::Store;
use crate::database::Tx;
use crate::sql::Sql;

/// What the writer can do to second factors.
#[derive(Clone, Debug)]
pub enum FactorWrite {
    /// Puts a confirmed secret, sealed by who calls, and fresh recovery codes in place of those before.
    Confirm {
        account: i64,
        secret: Vec<u8>,
        /// The time step of the code that confirmed it.
        step: i64,
        recovery: Vec<SecretDigest>,
    },
    /// Puts the sealed secret in the place of one that was not.
    Seal { account: i64, sealed: Vec<u8> },
    /// Takes the code of that time step, unless it or a later one was taken.
    UseCode { account: i64, step: i64 },
    /// Takes a recovery code, unless it was taken.
    UseRecovery { account: i64, digest: SecretDigest },
    /// Forgets the factor and its recovery codes.
    Forget { account: i64 },
}

impl Store {
    /// The secret of the account's codes as it was given to be kept, if it has confirmed one.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn second_factor(&self, account: i64) -> Result<Option<Vec<u8>>, Problem> {
        let sql = Sql::new("SELECT secret FROM second_factor WHERE account = $1");
        let rows = self.rows(&sql.with(account)).await?;
        rows.first()
            .map(|row| row.bytes(0).map(<[u8]>::to_vec))
            .transpose()
    }

    /// How many recovery codes are left.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn recovery_codes_left(&self, account: i64) -> Result<i64, Problem> {
        let sql =
            Sql::new("SELECT COUNT(*) FROM recovery_code WHERE account = $1 AND used_at IS NULL");
        let rows = self.rows(&sql.with(account)).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    /// Changes a second factor; whether anything changed.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn write_factor(&self, write: FactorWrite) -> Result<bool, Problem> {
        let done = self.write_account(AccountWrite::Factor(write)).await?;
        Ok(done != AccountDone::Changed(0))
    }
}

/// Applies one change inside the writer's transaction; how many rows it changed.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &FactorWrite,
) -> Result<u64, Problem> {
    match write {
        FactorWrite::Confirm {
            account,
            secret,
            step,
            recovery,
        } => {
            forget(tx, *account).await?;
            let sql = Sql::new(
                "INSERT INTO second_factor (account, secret, confirmed_at, last_step) \
                 VALUES ($1, $2, $3, $4)",
            );
            let sql = sql.with(*account).with(secret.as_slice()).with(now);
            tx.execute(&sql.with(*step)).await?;
            for digest in recovery {
                let sql = Sql::new(
                    "INSERT INTO recovery_code (account, digest, made_at) VALUES ($1, $2, $3)",
                );
                tx.execute(&sql.with(*account).with(digest.as_slice()).with(now))
                    .await?;
            }
            Ok(1)
        }
        FactorWrite::Seal { account, sealed } => {
            let sql = Sql::new("UPDATE second_factor SET secret = $1 WHERE account = $2");
            tx.execute(&sql.with(sealed.as_slice()).with(*account))
                .await
        }
        FactorWrite::UseCode { account, step } => {
            let sql = Sql::new(
                "UPDATE second_factor SET last_step = $1 WHERE account = $2 AND last_step < $1",
            );
            tx.execute(&sql.with(*step).with(*account)).await
        }
        FactorWrite::UseRecovery { account, digest } => {
            let sql = Sql::new(
                "UPDATE recovery_code SET used_at = $1 WHERE account = $2 AND digest = $3 \
                 AND used_at IS NULL",
            );
            let sql = sql.with(now).with(*account);
            tx.execute(&sql.with(digest.as_slice())).await
        }
        FactorWrite::Forget { account } => forget(tx, *account).await,
    }
}

pub(super) async fn forget(tx: &mut Tx<'_>, account: i64) -> Result<u64, Problem> {
    let sql = Sql::new("DELETE FROM recovery_code WHERE account = $1");
    tx.execute(&sql.with(account)).await?;
    let sql = Sql::new("DELETE FROM second_factor WHERE account = $1");
    tx.execute(&sql.with(account)).await
}
