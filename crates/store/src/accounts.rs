//! Local accounts, their sessions and API tokens. Secrets are kept as digests only, passwords as
//! argon2id hashes that the door makes.

use access::{NhsNumber, Ods, Role, Scope, SystemPurpose, Who};
use fhir::date::Millis;
use fhir::problem::Problem;

use crate::Store;
use crate::database::Tx;
use crate::failure;
use crate::row::Row;
use crate::sql::Sql;
use crate::write::{Done, Effect, Job};

/// The digest (SHA-256) of a session's or token's secret.
pub type SecretDigest = [u8; 32];

/// Someone who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: i64,
    /// The user name, folded.
    pub login: String,
    pub name: String,
    pub holder: Holder,
}

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    Staff {
        role: Role,
        organisation: Ods,
    },
    Patient {
        /// The id of their Patient resource on this node.
        patient: String,
        nhs_number: NhsNumber,
    },
}

/// An account to open, or to bring up to date.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub login: String,
    pub name: String,
    pub holder: Holder,
    /// A PHC string; without one the account has tokens only.
    pub password_hash: Option<String>,
}

/// An account with what proves a password.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub account: Account,
    pub password_hash: Option<String>,
}

/// A session, with its account.
#[derive(Clone, Debug)]
pub struct Session {
    pub account: Account,
    pub began_at: Millis,
    pub seen_at: Millis,
}

/// A session to begin.
#[derive(Clone, Copy, Debug)]
pub struct NewSession {
    pub digest: SecretDigest,
    pub account: i64,
    pub began_at: Millis,
}

impl Account {
    /// The account's holder, as a caller.
    pub fn who(&self) -> Who {
        let (account, name) = (self.id, self.name.clone());
        match &self.holder {
            Holder::Staff { role, organisation } => Who::Staff {
                account,
                name,
                role: *role,
                organisation: organisation.clone(),
            },
            Holder::Patient {
                patient,
                nhs_number,
            } => Who::Patient {
                account,
                name,
                patient: patient.clone(),
                nhs_number: nhs_number.clone(),
            },
        }
    }
}

/// A user name as it is compared: without case and without white space around it.
pub fn fold_login(login: &str) -> String {
    login.trim().to_lowercase()
}

/// What the writer can do to accounts, sessions and tokens.
#[derive(Clone, Debug)]
pub enum AccountWrite {
    /// Opens the account, or brings the one of that user name up to date.
    Open(Box<NewAccount>),
    /// Closes an account: its sessions end and its tokens are no longer good.
    Close {
        login: String,
    },
    Begin(NewSession),
    Seen {
        digest: SecretDigest,
        at: Millis,
    },
    End {
        digest: SecretDigest,
    },
    AddToken {
        digest: SecretDigest,
        account: i64,
        label: String,
    },
    DropToken {
        digest: SecretDigest,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountDone {
    Opened {
        account: i64,
    },
    /// How many rows it changed.
    Changed(u64),
}

impl Store {
    /// Opens an account, or brings the one of that user name up to date; its id. Sessions that were
    /// begun before end, and if it is another's now (role, organisation or patient), its tokens are
    /// good no longer.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn open_account(&self, account: NewAccount) -> Result<i64, Problem> {
        match self
            .write_account(AccountWrite::Open(Box::new(account)))
            .await?
        {
            AccountDone::Opened { account } => Ok(account),
            AccountDone::Changed(_) => Err(failure::internal("an account came without its id")),
        }
    }

    /// Closes an account; false if there is none of that user name.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn close_account(&self, login: &str) -> Result<bool, Problem> {
        let write = AccountWrite::Close {
            login: fold_login(login),
        };
        Ok(self.write_account(write).await? != AccountDone::Changed(0))
    }

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
        let label = label.to_owned();
        self.write_account(AccountWrite::AddToken {
            digest,
            account,
            label,
        })
        .await?;
        Ok(())
    }

    /// Makes a token good no longer; false if it was not.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn drop_token(&self, digest: SecretDigest) -> Result<bool, Problem> {
        let done = self
            .write_account(AccountWrite::DropToken { digest })
            .await?;
        Ok(done != AccountDone::Changed(0))
    }

    /// Begins a session.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn begin_session(&self, session: NewSession) -> Result<(), Problem> {
        self.write_account(AccountWrite::Begin(session)).await?;
        Ok(())
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn session_seen(&self, digest: &SecretDigest, at: Millis) -> Result<(), Problem> {
        self.write_account(AccountWrite::Seen {
            digest: *digest,
            at,
        })
        .await?;
        Ok(())
    }

    /// Ends a session; nothing if it has ended.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn end_session(&self, digest: &SecretDigest) -> Result<(), Problem> {
        self.write_account(AccountWrite::End { digest: *digest })
            .await?;
        Ok(())
    }

    async fn write_account(&self, write: AccountWrite) -> Result<AccountDone, Problem> {
        let job = Job {
            effects: vec![Effect::Account(write)],
            ..Job::default()
        };
        let committed = self
            .commit(&Scope::system(SystemPurpose::SignIn), job)
            .await?;
        match committed.done.first() {
            Some(Done::Account(done)) => Ok(*done),
            _ => Err(failure::internal(
                "an account's change came without its outcome",
            )),
        }
    }

    /// The account of that user name with its password's hash, unless it is closed.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn credentials(&self, login: &str) -> Result<Option<Credentials>, Problem> {
        let sql = Sql::new(
            "SELECT a.id, a.login, a.name, a.role, a.organisation, a.patient, a.nhs_number, \
             a.password_hash FROM account a WHERE a.login = $1 AND a.closed = 0",
        );
        let rows = self.rows(&sql.with(fold_login(login))).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let password_hash = row.text_opt(7)?.map(str::to_owned);
        Ok(Some(Credentials {
            account: account(row)?,
            password_hash,
        }))
    }

    /// The account of that number, unless it is closed: for work that goes on in its name.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn account(&self, id: i64) -> Result<Option<Account>, Problem> {
        let sql = Sql::new(
            "SELECT a.id, a.login, a.name, a.role, a.organisation, a.patient, a.nhs_number \
             FROM account a WHERE a.id = $1 AND a.closed = 0",
        );
        let rows = self.rows(&sql.with(id)).await?;
        rows.first().map(account).transpose()
    }

    /// The session of that secret with its account, unless either has ended. Whether it is too old
    /// is the door's to say.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn session(&self, digest: &SecretDigest) -> Result<Option<Session>, Problem> {
        let sql = Sql::new(
            "SELECT a.id, a.login, a.name, a.role, a.organisation, a.patient, a.nhs_number, \
             s.began_at, s.seen_at FROM session s JOIN account a ON a.id = s.account \
             WHERE s.digest = $1 AND a.closed = 0",
        );
        let rows = self.rows(&sql.with(digest.as_slice())).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (began_at, seen_at) = (row.int(7)?, row.int(8)?);
        Ok(Some(Session {
            account: account(row)?,
            began_at,
            seen_at,
        }))
    }

    /// The account of that API token, unless it is closed.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn account_by_token(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<Account>, Problem> {
        let sql = Sql::new(
            "SELECT a.id, a.login, a.name, a.role, a.organisation, a.patient, a.nhs_number \
             FROM api_token t JOIN account a ON a.id = t.account \
             WHERE t.digest = $1 AND a.closed = 0",
        );
        let rows = self.rows(&sql.with(digest.as_slice())).await?;
        rows.first().map(account).transpose()
    }
}

/// Reads the first seven columns.
fn account(row: &Row) -> Result<Account, Problem> {
    let holder = match (row.text_opt(3)?, row.text_opt(5)?) {
        (Some(role), None) => Holder::Staff {
            role: Role::parse(role)?,
            organisation: Ods::parse(row.text(4)?)?,
        },
        (None, Some(patient)) => Holder::Patient {
            patient: patient.to_owned(),
            nhs_number: NhsNumber::parse(row.text(6)?)?,
        },
        _ => {
            return Err(failure::internal(
                "an account is neither staff's nor a patient's",
            ));
        }
    };
    let (login, name) = (row.text(1)?.to_owned(), row.text(2)?.to_owned());
    Ok(Account {
        id: row.int(0)?,
        login,
        name,
        holder,
    })
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &AccountWrite,
) -> Result<AccountDone, Problem> {
    let changed = match write {
        AccountWrite::Open(account) => return open(tx, now, account).await,
        AccountWrite::Close { login } => return close(tx, login).await,
        AccountWrite::Begin(session) => {
            let sql = Sql::new(
                "INSERT INTO session (digest, account, began_at, seen_at) VALUES ($1, $2, $3, $3)",
            );
            let sql = sql.with(session.digest.as_slice()).with(session.account);
            tx.execute(&sql.with(session.began_at)).await?
        }
        AccountWrite::Seen { digest, at } => {
            let sql =
                Sql::new("UPDATE session SET seen_at = $1 WHERE digest = $2 AND seen_at < $1");
            tx.execute(&sql.with(*at).with(digest.as_slice())).await?
        }
        AccountWrite::End { digest } => {
            let sql = Sql::new("DELETE FROM session WHERE digest = $1");
            tx.execute(&sql.with(digest.as_slice())).await?
        }
        AccountWrite::AddToken {
            digest,
            account,
            label,
        } => {
            let sql = Sql::new(
                "INSERT INTO api_token (digest, account, label, made_at) VALUES ($1, $2, $3, $4)",
            );
            let sql = sql
                .with(digest.as_slice())
                .with(*account)
                .with(label.as_str());
            tx.execute(&sql.with(now)).await?
        }
        AccountWrite::DropToken { digest } => {
            let sql = Sql::new("DELETE FROM api_token WHERE digest = $1");
            tx.execute(&sql.with(digest.as_slice())).await?
        }
    };
    Ok(AccountDone::Changed(changed))
}

async fn open(tx: &mut Tx<'_>, now: Millis, new: &NewAccount) -> Result<AccountDone, Problem> {
    let login = fold_login(&new.login);
    end_before(tx, &login, &new.holder).await?;
    let (role, organisation, patient, nhs_number) = match &new.holder {
        Holder::Staff { role, organisation } => {
            (Some(role.code()), Some(organisation.as_str()), None, None)
        }
        Holder::Patient {
            patient,
            nhs_number,
        } => (
            None,
            None,
            Some(patient.as_str()),
            Some(nhs_number.digits()),
        ),
    };
    let sql = Sql::new(
        "INSERT INTO account (login, name, role, organisation, patient, nhs_number, \
         password_hash, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (login) DO UPDATE SET name = excluded.name, role = excluded.role, \
         organisation = excluded.organisation, patient = excluded.patient, \
         nhs_number = excluded.nhs_number, password_hash = excluded.password_hash, closed = 0 \
         RETURNING id",
    );
    let sql = sql.with(login).with(new.name.as_str()).with(role);
    let sql = sql.with(organisation).with(patient).with(nhs_number);
    let sql = sql.with(new.password_hash.as_deref()).with(now);
    match tx.row(&sql).await? {
        Some(row) => Ok(AccountDone::Opened {
            account: row.int(0)?,
        }),
        None => Err(failure::internal("an account was opened without an id")),
    }
}

/// Ends what was begun under the user name before it is opened anew: sessions always, since its
/// password may be another; tokens if its holder is.
async fn end_before(tx: &mut Tx<'_>, login: &str, holder: &Holder) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT id, login, name, role, organisation, patient, nhs_number FROM account \
         WHERE login = $1",
    );
    let Some(row) = tx.row(&sql.with(login)).await? else {
        return Ok(());
    };
    end_sessions(tx, login).await?;
    if account(&row)?.holder == *holder {
        return Ok(());
    }
    drop_tokens(tx, login).await
}

async fn end_sessions(tx: &mut Tx<'_>, login: &str) -> Result<(), Problem> {
    let sql =
        Sql::new("DELETE FROM session WHERE account IN (SELECT id FROM account WHERE login = $1)");
    tx.execute(&sql.with(login)).await.map(|_| ())
}

async fn drop_tokens(tx: &mut Tx<'_>, login: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "DELETE FROM api_token WHERE account IN (SELECT id FROM account WHERE login = $1)",
    );
    tx.execute(&sql.with(login)).await.map(|_| ())
}

async fn close(tx: &mut Tx<'_>, login: &str) -> Result<AccountDone, Problem> {
    end_sessions(tx, login).await?;
    drop_tokens(tx, login).await?;
    let sql = Sql::new("UPDATE account SET closed = 1 WHERE login = $1 AND closed = 0");
    Ok(AccountDone::Changed(tx.execute(&sql.with(login)).await?))
}

#[cfg(test)]
mod tests;
