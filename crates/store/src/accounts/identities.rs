//! Who somebody is to other systems, and how far their identity was proved.

use fhir::date::Millis;
use fhir::problem::Problem;

use super::{ACCOUNT_COLUMNS, Account, AccountDone, AccountWrite, NewAccount, account};
use crate::Store;
use crate::database::Tx;
use crate::failure;
use crate::sql::Sql;

/// How an identity was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// 9, 5, 0 as in NHS login's P9, P5, P0.
    pub identity: i64,
    /// `nhs-login`, `in-person` or `operator`.
    pub how: String,
    /// What was seen: documents, or the claim.
    pub seen: String,
    /// The member of staff who saw it.
    pub by_account: Option<i64>,
    pub by_name: String,
}

/// What the writer can do to identities.
#[derive(Clone, Debug)]
pub enum IdentityWrite {
    /// Opens an account for another system's subject, or brings it up to date; its sessions stay.
    Open {
        issuer: String,
        subject: String,
        account: Box<NewAccount>,
    },
    /// Records a proof; the account's identity is never proved less by it.
    Prove { account: i64, proof: Proof },
    /// The NHS number of a member of staff, who must not open their own record.
    OwnNumber {
        account: i64,
        nhs_number: Option<String>,
    },
}

impl Store {
    /// Who another system's subject is here, unless the account is closed.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn account_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Account>, Problem> {
        let mut sql = Sql::new("SELECT ");
        sql.push(ACCOUNT_COLUMNS).push(
            " FROM outside_identity o JOIN account a ON a.id = o.account \
             WHERE a.closed = 0 AND o.issuer = ",
        );
        sql.bind(issuer).push(" AND o.subject = ").bind(subject);
        let rows = self.rows(&sql).await?;
        rows.first().map(account).transpose()
    }

    /// Whether the account of another system's subject was closed here.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn is_identity_closed(&self, issuer: &str, subject: &str) -> Result<bool, Problem> {
        let sql = Sql::new(
            "SELECT 1 FROM outside_identity o JOIN account a ON a.id = o.account \
             WHERE a.closed <> 0 AND o.issuer = $1 AND o.subject = $2",
        );
        let rows = self.rows(&sql.with(issuer).with(subject)).await?;
        Ok(!rows.is_empty())
    }

    /// The accounts of a patient of this node.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn accounts_of_patient(&self, patient: &str) -> Result<Vec<Account>, Problem> {
        let mut sql = Sql::new("SELECT ");
        sql.push(ACCOUNT_COLUMNS)
            .push(" FROM account a WHERE a.closed = 0 AND a.patient = ");
        sql.bind(patient).push(" ORDER BY a.id LIMIT 20");
        let rows = self.rows(&sql).await?;
        rows.iter().map(account).collect()
    }

    /// Opens an account for another system's subject, or brings it up to date; its id. An account
    /// that was closed here stays closed: `Forbidden`.
    ///
    /// # Errors
    /// `Forbidden` as said; whatever the store answers.
    pub async fn open_outside_account(
        &self,
        issuer: &str,
        subject: &str,
        account: NewAccount,
    ) -> Result<i64, Problem> {
        let write = IdentityWrite::Open {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            account: Box::new(account),
        };
        match self.write_account(AccountWrite::Identity(write)).await? {
            AccountDone::Opened { account } => Ok(account),
            _ => Err(failure::internal("an account came without its id")),
        }
    }

    /// Records how an account's identity was proved.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn prove_identity(&self, account: i64, proof: Proof) -> Result<(), Problem> {
        let write = IdentityWrite::Prove { account, proof };
        self.write_account(AccountWrite::Identity(write)).await?;
        Ok(())
    }

    /// Says which NHS number a member of staff has themselves.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn set_own_nhs_number(
        &self,
        account: i64,
        nhs_number: Option<&access::NhsNumber>,
    ) -> Result<(), Problem> {
        let nhs_number = nhs_number.map(|number| number.digits().to_owned());
        let write = IdentityWrite::OwnNumber {
            account,
            nhs_number,
        };
        self.write_account(AccountWrite::Identity(write)).await?;
        Ok(())
    }

    /// How an account's identity was proved, the newest first, with the times.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn identity_proofs(&self, account: i64) -> Result<Vec<(Millis, Proof)>, Problem> {
        let sql = Sql::new(
            "SELECT proved_at, identity, how, seen, by_account, by_name FROM identity_proof \
             WHERE account = $1 ORDER BY id DESC LIMIT 50",
        );
        let rows = self.rows(&sql.with(account)).await?;
        rows.iter()
            .map(|row| {
                let proof = Proof {
                    identity: row.int(1)?,
                    how: row.text(2)?.to_owned(),
                    seen: row.text(3)?.to_owned(),
                    by_account: row.int_opt(4)?,
                    by_name: row.text(5)?.to_owned(),
                };
                Ok((row.int(0)?, proof))
            })
            .collect()
    }
}

/// Applies one change inside the writer's transaction.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &IdentityWrite,
) -> Result<AccountDone, Problem> {
    match write {
        IdentityWrite::Open {
            issuer,
            subject,
            account,
        } => open(tx, now, issuer, subject, account).await,
        IdentityWrite::Prove { account, proof } => prove(tx, now, *account, proof)
            .await
            .map(AccountDone::Changed),
        IdentityWrite::OwnNumber {
            account,
            nhs_number,
        } => {
            let sql = Sql::new("UPDATE account SET own_nhs_number = $1 WHERE id = $2");
            let sql = sql.with(nhs_number.as_deref()).with(*account);
            Ok(AccountDone::Changed(tx.execute(&sql).await?))
        }
    }
}

async fn open(
    tx: &mut Tx<'_>,
    now: Millis,
    issuer: &str,
    subject: &str,
    new: &NewAccount,
) -> Result<AccountDone, Problem> {
    let sql = Sql::new(
        "SELECT a.id, a.closed FROM outside_identity o JOIN account a ON a.id = o.account \
         WHERE o.issuer = $1 AND o.subject = $2",
    );
    let known = tx.row(&sql.with(issuer).with(subject)).await?;
    if let Some(row) = known {
        if row.flag(1)? {
            return Err(Problem::new(
                fhir::problem::Kind::Forbidden,
                "This account was closed here.",
            ));
        }
        let account = row.int(0)?;
        super::replace(tx, account, new).await?;
        return Ok(AccountDone::Opened { account });
    }
    let account = super::insert(tx, now, new).await?;
    let sql = Sql::new(
        "INSERT INTO outside_identity (issuer, subject, account, made_at) VALUES ($1, $2, $3, $4)",
    );
    let sql = sql.with(issuer).with(subject).with(account).with(now);
    tx.execute(&sql).await?;
    Ok(AccountDone::Opened { account })
}

pub(super) async fn prove(
    tx: &mut Tx<'_>,
    now: Millis,
    account: i64,
    proof: &Proof,
) -> Result<u64, Problem> {
    let sql = Sql::new(
        "INSERT INTO identity_proof (account, identity, how, seen, by_account, by_name, proved_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    let sql = sql.with(account).with(proof.identity);
    let sql = sql.with(proof.how.as_str()).with(proof.seen.as_str());
    let sql = sql.with(proof.by_account).with(proof.by_name.as_str());
    tx.execute(&sql.with(now)).await?;
    let sql = Sql::new("UPDATE account SET identity = $1 WHERE id = $2 AND identity < $1");
    tx.execute(&sql.with(proof.identity).with(account)).await
}
