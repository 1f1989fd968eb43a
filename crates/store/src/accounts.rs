//! Accounts: who can sign in, by what, with their sessions and API tokens. Secrets that only have to
//! be known again are kept as digests, passwords as argon2id hashes that the door makes.

pub mod factors;
pub mod identities;
pub mod passkeys;
pub mod sessions;
pub mod steps;
pub mod tokens;

use access::{NhsNumber, Ods, Role, Scope, SystemPurpose, Who};
use fhir::date::Millis;
use fhir::problem::Problem;

use crate::Store;
use crate::database::Tx;
use crate::failure;
use crate::forward;
use crate::row::Row;
use crate::sql::Sql;
use crate::write::{Done, Effect, Job};

use factors::FactorWrite;
use identities::{IdentityWrite, Proof};
use passkeys::PasskeyWrite;
use sessions::SessionWrite;
pub use sessions::{NewSession, Session, SignedIn};
use steps::StepWrite;
use tokens::TokenWrite;

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
    /// How far a patient's identity was ever proved: 9, 5, 0 as in NHS login's P9, P5, P0.
    pub identity: i64,
    /// The NHS number of a member of staff themselves, where the node was told.
    pub own_nhs_number: Option<NhsNumber>,
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
    Session(SessionWrite),
    Token(TokenWrite),
    Factor(FactorWrite),
    Passkey(PasskeyWrite),
    Identity(IdentityWrite),
    Step(StepWrite),
    /// This version of the table of national roles is in force. `Conflict` if a newer one was before.
    RoleTable {
        version: u64,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountDone {
    Opened {
        account: i64,
    },
    /// How many rows it changed.
    Changed(u64),
    /// What was remembered of a step that was taken.
    Step(Option<String>),
}

impl Store {
    /// Remembers the newest table of national roles that was ever in force, so that an older one is
    /// refused after a restart too.
    ///
    /// # Errors
    /// `Conflict` if a newer one was in force before.
    pub async fn remember_role_table(&self, version: u64) -> Result<(), Problem> {
        let write = AccountWrite::RoleTable { version };
        self.write_account(write).await.map(|_| ())
    }

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
            _ => Err(failure::internal("an account came without its id")),
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

    async fn write_account(&self, write: AccountWrite) -> Result<AccountDone, Problem> {
        let job = Job {
            effects: vec![Effect::Account(write)],
            ..Job::default()
        };
        let committed = self
            .commit(&Scope::system(SystemPurpose::SignIn), job)
            .await?;
        match committed.done.first() {
            Some(Done::Account(done)) => Ok(done.clone()),
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
        let mut sql = Sql::new("SELECT ");
        sql.push(ACCOUNT_COLUMNS)
            .push(", a.password_hash FROM account a WHERE a.closed = 0 AND a.login = ");
        sql.bind(fold_login(login));
        let rows = self.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let password_hash = row.text_opt(9)?.map(str::to_owned);
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
        let mut sql = Sql::new("SELECT ");
        sql.push(ACCOUNT_COLUMNS)
            .push(" FROM account a WHERE a.closed = 0 AND a.id = ");
        sql.bind(id);
        let rows = self.rows(&sql).await?;
        rows.first().map(account).transpose()
    }
}

/// What `account` reads.
const ACCOUNT_COLUMNS: &str = "a.id, a.login, a.name, a.role, a.organisation, a.patient, \
     a.nhs_number, a.identity, a.own_nhs_number";

/// Reads the columns of `ACCOUNT_COLUMNS`, which come first.
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
        identity: row.int(7)?,
        own_nhs_number: row.text_opt(8)?.map(NhsNumber::parse).transpose()?,
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
        AccountWrite::RoleTable { version } => {
            let table = ("role-table", "table of roles");
            forward::remember(tx, table, *version).await?
        }
        AccountWrite::Identity(write) => return identities::apply(tx, now, write).await,
        AccountWrite::Step(write) => return steps::apply(tx, now, write).await,
        AccountWrite::Session(write) => sessions::apply(tx, write).await?,
        AccountWrite::Token(write) => tokens::apply(tx, now, write).await?,
        AccountWrite::Factor(write) => factors::apply(tx, now, write).await?,
        AccountWrite::Passkey(write) => passkeys::apply(tx, now, write).await?,
    };
    Ok(AccountDone::Changed(changed))
}

async fn open(tx: &mut Tx<'_>, now: Millis, new: &NewAccount) -> Result<AccountDone, Problem> {
    end_before(tx, &fold_login(&new.login), &new.holder).await?;
    let account = insert(tx, now, new).await?;
    if matches!(new.holder, Holder::Patient { .. }) {
        // Whoever runs the node opens a patient's account for who was checked in person.
        let proof = Proof {
            identity: 9,
            how: "operator".to_owned(),
            seen: "checked in person when the account was opened".to_owned(),
            by_account: None,
            by_name: "the node's operator".to_owned(),
        };
        identities::prove(tx, now, account, &proof).await?;
    }
    Ok(AccountDone::Opened { account })
}

/// The columns of a holder: role, organisation, patient, NHS number.
fn columns(holder: &Holder) -> [Option<&str>; 4] {
    match holder {
        Holder::Staff { role, organisation } => {
            [Some(role.code()), Some(organisation.as_str()), None, None]
        }
        Holder::Patient {
            patient,
            nhs_number,
        } => [
            None,
            None,
            Some(patient.as_str()),
            Some(nhs_number.digits()),
        ],
    }
}

/// Writes the account, new or in place of the one of that user name; its id.
async fn insert(tx: &mut Tx<'_>, now: Millis, new: &NewAccount) -> Result<i64, Problem> {
    let sql = Sql::new(
        "INSERT INTO account (login, name, role, organisation, patient, nhs_number, \
         password_hash, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (login) DO UPDATE SET name = excluded.name, role = excluded.role, \
         organisation = excluded.organisation, patient = excluded.patient, \
         nhs_number = excluded.nhs_number, password_hash = excluded.password_hash, closed = 0 \
         RETURNING id",
    );
    let [role, organisation, patient, nhs_number] = columns(&new.holder);
    let sql = sql.with(fold_login(&new.login)).with(new.name.as_str());
    let sql = sql.with(role).with(organisation).with(patient);
    let sql = sql
        .with(nhs_number)
        .with(new.password_hash.as_deref())
        .with(now);
    match tx.row(&sql).await? {
        Some(row) => row.int(0),
        None => Err(failure::internal("an account was opened without an id")),
    }
}

/// Brings an account that another system speaks for up to date; its user name and password stay.
async fn replace(tx: &mut Tx<'_>, account: i64, new: &NewAccount) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE account SET name = $1, role = $2, organisation = $3, patient = $4, \
         nhs_number = $5 WHERE id = $6",
    );
    let [role, organisation, patient, nhs_number] = columns(&new.holder);
    let sql = sql.with(new.name.as_str()).with(role).with(organisation);
    let sql = sql.with(patient).with(nhs_number).with(account);
    tx.execute(&sql).await.map(|_| ())
}

/// Ends what was begun under the user name before it is opened anew: sessions always, since its
/// password may be another; tokens if its holder is.
async fn end_before(tx: &mut Tx<'_>, login: &str, holder: &Holder) -> Result<(), Problem> {
    let mut sql = Sql::new("SELECT ");
    sql.push(ACCOUNT_COLUMNS)
        .push(" FROM account a WHERE a.login = ");
    sql.bind(login);
    let Some(row) = tx.row(&sql).await? else {
        return Ok(());
    };
    end_sessions(tx, login).await?;
    let before = account(&row)?;
    if before.holder == *holder {
        return Ok(());
    }
    drop_tokens(tx, login).await?;
    forget_proofs(tx, before.id).await
}

/// What proved who held the account: nothing of it is the next holder's.
async fn forget_proofs(tx: &mut Tx<'_>, account: i64) -> Result<(), Problem> {
    factors::forget(tx, account).await?;
    for sql in [
        Sql::new("DELETE FROM passkey WHERE account = $1"),
        Sql::new("DELETE FROM outside_identity WHERE account = $1"),
        Sql::new("UPDATE account SET identity = 0, own_nhs_number = NULL WHERE id = $1"),
    ] {
        tx.execute(&sql.with(account)).await?;
    }
    Ok(())
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

pub(crate) async fn close(tx: &mut Tx<'_>, login: &str) -> Result<AccountDone, Problem> {
    end_sessions(tx, login).await?;
    drop_tokens(tx, login).await?;
    // What they were working on is somebody's again.
    crate::desk::left(tx, login).await?;
    let sql = Sql::new("UPDATE account SET closed = 1 WHERE login = $1 AND closed = 0");
    Ok(AccountDone::Changed(tx.execute(&sql.with(login)).await?))
}

#[cfg(test)]
mod tests;
