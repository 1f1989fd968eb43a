//! Passkeys: public keys of people's devices, as the door's WebAuthn library writes them.

use fhir::date::Millis;
use fhir::problem::Problem;

use super::{AccountDone, AccountWrite};
use crate::Store;
use crate::database::Tx;
use crate::row::Row;
use crate::sql::Sql;

/// A passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// The credential's id.
    pub id: Vec<u8>,
    pub account: i64,
    /// What its owner calls it.
    pub label: String,
    /// The credential, as JSON.
    pub data: String,
    pub made_at: Millis,
    pub used_at: Option<Millis>,
}

/// What the writer can do to passkeys.
#[derive(Clone, Debug)]
pub enum PasskeyWrite {
    Add {
        id: Vec<u8>,
        account: i64,
        label: String,
        data: String,
    },
    /// It was used; its counter moved on.
    Used {
        id: Vec<u8>,
        data: String,
    },
    Drop {
        id: Vec<u8>,
        account: i64,
    },
}

/// The most passkeys of one account.
pub const PASSKEYS_MAX: i64 = 20;

impl Store {
    /// An account's passkeys, the newest last.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn passkeys(&self, account: i64) -> Result<Vec<Passkey>, Problem> {
        let sql = Sql::new(
            "SELECT id, account, label, data, made_at, used_at FROM passkey WHERE account = $1 \
             ORDER BY made_at LIMIT $2",
        );
        let rows = self.rows(&sql.with(account).with(PASSKEYS_MAX)).await?;
        rows.iter().map(passkey).collect()
    }

    /// The passkey of that credential id.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn passkey(&self, id: &[u8]) -> Result<Option<Passkey>, Problem> {
        let sql = Sql::new(
            "SELECT id, account, label, data, made_at, used_at FROM passkey WHERE id = $1",
        );
        let rows = self.rows(&sql.with(id)).await?;
        rows.first().map(passkey).transpose()
    }

    /// Changes a passkey; whether anything changed.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn write_passkey(&self, write: PasskeyWrite) -> Result<bool, Problem> {
        let done = self.write_account(AccountWrite::Passkey(write)).await?;
        Ok(done != AccountDone::Changed(0))
    }
}

fn passkey(row: &Row) -> Result<Passkey, Problem> {
    Ok(Passkey {
        id: row.bytes(0)?.to_vec(),
        account: row.int(1)?,
        label: row.text(2)?.to_owned(),
        data: row.text(3)?.to_owned(),
        made_at: row.int(4)?,
        used_at: row.int_opt(5)?,
    })
}

/// Applies one change inside the writer's transaction; how many rows it changed.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &PasskeyWrite,
) -> Result<u64, Problem> {
    match write {
        PasskeyWrite::Add {
            id,
            account,
            label,
            data,
        } => {
            let sql = Sql::new(
                "INSERT INTO passkey (id, account, label, data, made_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (id) DO NOTHING",
            );
            let sql = sql.with(id.as_slice()).with(*account);
            let sql = sql.with(label.as_str()).with(data.as_str());
            tx.execute(&sql.with(now)).await
        }
        PasskeyWrite::Used { id, data } => {
            let sql = Sql::new("UPDATE passkey SET data = $1, used_at = $2 WHERE id = $3");
            tx.execute(&sql.with(data.as_str()).with(now).with(id.as_slice()))
                .await
        }
        PasskeyWrite::Drop { id, account } => {
            let sql = Sql::new("DELETE FROM passkey WHERE id = $1 AND account = $2");
            tx.execute(&sql.with(id.as_slice()).with(*account)).await
        }
    }
}
