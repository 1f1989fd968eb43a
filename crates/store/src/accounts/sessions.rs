//! Sessions: how each was begun, what that proves, and how it ends.

use access::{Acting, Role};
use fhir::date::Millis;
use fhir::problem::Problem;

use super::{ACCOUNT_COLUMNS, Account, AccountDone, AccountWrite, Holder, SecretDigest, account};
use crate::Store;
use crate::database::Tx;
use crate::row::Row;
use crate::sql::Sql;

/// How somebody signed in, and what that proves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignedIn {
    /// `password`, `password-totp`, `passkey`, `oidc` or `nhs-login`.
    pub method: String,
    /// What the browser says it is, shortened.
    pub device: String,
    /// Authenticator assurance level: 1 for one factor, 2 for two.
    pub aal: i64,
    /// How far the identity behind it is proved: 9, 5, 0 as in NHS login's P9, P5, P0.
    pub identity: i64,
    /// The role chosen for the session, where another system says who has which.
    pub role: Option<Role>,
    /// The roles to choose from, as the door wrote them.
    pub roles: Option<String>,
}

/// A session, with its account; its role is the session's.
#[derive(Clone, Debug)]
pub struct Session {
    pub account: Account,
    pub began_at: Millis,
    pub seen_at: Millis,
    pub signed_in: SignedIn,
    /// When its holder last proved anew who they are, in the session.
    pub stepped_up_at: Option<Millis>,
    /// For whom its holder acts at present.
    pub acting: Option<Acting>,
}

/// A session as its owner's list shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub digest: Vec<u8>,
    pub method: String,
    pub device: String,
    pub began_at: Millis,
    pub seen_at: Millis,
}

impl Listed {
    /// What the session is called where it is revoked: it opens nothing.
    pub fn handle(&self) -> String {
        let start = self.digest.iter().take(8);
        start.map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A session to begin.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub digest: SecretDigest,
    pub account: i64,
    pub began_at: Millis,
    pub signed_in: SignedIn,
}

/// What the writer can do to sessions.
#[derive(Clone, Debug)]
pub enum SessionWrite {
    Begin(NewSession),
    Seen {
        digest: SecretDigest,
        at: Millis,
    },
    /// Another secret for the same session, since its holder proved anew who they are.
    StepUp {
        old: SecretDigest,
        new: SecretDigest,
        at: Millis,
        aal: i64,
    },
    /// From now on its holder acts by that leave, or for themselves.
    Act {
        digest: SecretDigest,
        proxy: Option<i64>,
    },
    /// Ends a session and what hangs on it.
    End {
        digest: SecretDigest,
    },
    /// Ends an account's sessions but one.
    EndOthers {
        account: i64,
        but: Option<SecretDigest>,
    },
}

/// The most sessions listed of one account.
const LISTED_MAX: i64 = 100;

impl Store {
    /// Begins a session.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn begin_session(&self, session: NewSession) -> Result<(), Problem> {
        self.write_session(SessionWrite::Begin(session)).await?;
        Ok(())
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn session_seen(&self, digest: &SecretDigest, at: Millis) -> Result<(), Problem> {
        let digest = *digest;
        self.write_session(SessionWrite::Seen { digest, at })
            .await?;
        Ok(())
    }

    /// Gives a session another secret and notes that its holder proved at `at` who they are; false
    /// if it has ended. Tokens that hang on it stay with it.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn step_up_session(
        &self,
        old: &SecretDigest,
        new: &SecretDigest,
        at: Millis,
        aal: i64,
    ) -> Result<bool, Problem> {
        let (old, new) = (*old, *new);
        let done = self
            .write_session(SessionWrite::StepUp { old, new, at, aal })
            .await?;
        Ok(done != AccountDone::Changed(0))
    }

    /// From now on the session's holder acts by the leave of that number, or for themselves. Whether
    /// they may is decided with each request.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn act_in_session(
        &self,
        digest: &SecretDigest,
        proxy: Option<i64>,
    ) -> Result<(), Problem> {
        let digest = *digest;
        self.write_session(SessionWrite::Act { digest, proxy })
            .await?;
        Ok(())
    }

    /// Ends a session, and the tokens that hang on it, apps' among them: these are looked up with
    /// their session. Nothing if it has ended.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn end_session(&self, digest: &SecretDigest) -> Result<(), Problem> {
        let digest = *digest;
        self.write_session(SessionWrite::End { digest }).await?;
        Ok(())
    }

    /// Ends an account's sessions, but for one; how many.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn end_other_sessions(
        &self,
        account: i64,
        but: Option<SecretDigest>,
    ) -> Result<u64, Problem> {
        let done = self
            .write_session(SessionWrite::EndOthers { account, but })
            .await?;
        Ok(match done {
            AccountDone::Changed(count) => count,
            _ => 0,
        })
    }

    async fn write_session(&self, write: SessionWrite) -> Result<AccountDone, Problem> {
        self.write_account(AccountWrite::Session(write)).await
    }

    /// An account's sessions, the last used first.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn sessions(&self, account: i64) -> Result<Vec<Listed>, Problem> {
        let sql = Sql::new(
            "SELECT digest, method, device, began_at, seen_at FROM session WHERE account = $1 \
             ORDER BY seen_at DESC, began_at DESC LIMIT $2",
        );
        let rows = self.rows(&sql.with(account).with(LISTED_MAX)).await?;
        rows.iter().map(listed).collect()
    }

    /// The session of that secret with its account, unless either has ended. Whether it is too old
    /// is the door's to say.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn session(&self, digest: &SecretDigest) -> Result<Option<Session>, Problem> {
        let mut sql = Sql::new("SELECT ");
        sql.push(ACCOUNT_COLUMNS).push(
            ", s.began_at, s.seen_at, s.method, s.device, s.aal, s.identity, s.role, s.roles, \
             s.stepped_up_at, x.number, x.patient, x.patient_name FROM session s \
             JOIN account a ON a.id = s.account LEFT JOIN proxy x ON x.number = s.acting WHERE a.closed = 0 AND s.digest = ",
        );
        sql.bind(digest.as_slice());
        let rows = self.rows(&sql).await?;
        rows.first().map(session).transpose()
    }
}

fn listed(row: &Row) -> Result<Listed, Problem> {
    Ok(Listed {
        digest: row.bytes(0)?.to_vec(),
        method: row.text(1)?.to_owned(),
        device: row.text(2)?.to_owned(),
        began_at: row.int(3)?,
        seen_at: row.int(4)?,
    })
}

fn session(row: &Row) -> Result<Session, Problem> {
    let mut account = account(row)?;
    let chosen = row.text_opt(15)?.map(Role::parse).transpose()?;
    if let (Holder::Staff { role, .. }, Some(chosen)) = (&mut account.holder, chosen) {
        *role = chosen;
    }
    Ok(Session {
        account,
        began_at: row.int(9)?,
        seen_at: row.int(10)?,
        signed_in: SignedIn {
            method: row.text(11)?.to_owned(),
            device: row.text(12)?.to_owned(),
            aal: row.int(13)?,
            identity: row.int(14)?,
            role: chosen,
            roles: row.text_opt(16)?.map(str::to_owned),
        },
        stepped_up_at: row.int_opt(17)?,
        acting: match (row.int_opt(18)?, row.text_opt(19)?, row.text_opt(20)?) {
            (Some(proxy), Some(patient), Some(name)) => Some(Acting {
                proxy,
                patient: patient.to_owned(),
                name: name.to_owned(),
            }),
            _ => None,
        },
    })
}

/// Applies one change inside the writer's transaction; how many rows it changed.
pub(super) async fn apply(tx: &mut Tx<'_>, write: &SessionWrite) -> Result<u64, Problem> {
    match write {
        SessionWrite::Begin(session) => begin(tx, session).await,
        SessionWrite::Seen { digest, at } => {
            let sql =
                Sql::new("UPDATE session SET seen_at = $1 WHERE digest = $2 AND seen_at < $1");
            tx.execute(&sql.with(*at).with(digest.as_slice())).await
        }
        SessionWrite::StepUp { old, new, at, aal } => {
            let sql = Sql::new(
                "UPDATE session SET digest = $1, stepped_up_at = $2, aal = $3 WHERE digest = $4",
            );
            let sql = sql.with(new.as_slice()).with(*at).with(*aal);
            let changed = tx.execute(&sql.with(old.as_slice())).await?;
            for sql in [
                Sql::new("UPDATE api_token SET session = $1 WHERE session = $2"),
                Sql::new("UPDATE oauth_grant SET session = $1 WHERE session = $2"),
            ] {
                tx.execute(&sql.with(new.as_slice()).with(old.as_slice()))
                    .await?;
            }
            Ok(changed)
        }
        SessionWrite::Act { digest, proxy } => {
            let sql = Sql::new("UPDATE session SET acting = $1 WHERE digest = $2");
            tx.execute(&sql.with(*proxy).with(digest.as_slice())).await
        }
        SessionWrite::End { digest } => {
            let sql = Sql::new("DELETE FROM api_token WHERE session = $1");
            tx.execute(&sql.with(digest.as_slice())).await?;
            let sql = Sql::new("DELETE FROM session WHERE digest = $1");
            tx.execute(&sql.with(digest.as_slice())).await
        }
        SessionWrite::EndOthers { account, but } => end_others(tx, *account, but.as_ref()).await,
    }
}

async fn begin(tx: &mut Tx<'_>, session: &NewSession) -> Result<u64, Problem> {
    let sql = Sql::new(
        "INSERT INTO session (digest, account, began_at, seen_at, method, device, aal, identity, \
         role, roles) VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9)",
    );
    let how = &session.signed_in;
    let sql = sql.with(session.digest.as_slice()).with(session.account);
    let sql = sql.with(session.began_at).with(how.method.as_str());
    let sql = sql.with(how.device.as_str()).with(how.aal);
    let sql = sql.with(how.identity).with(how.role.map(Role::code));
    tx.execute(&sql.with(how.roles.as_deref())).await
}

async fn end_others(
    tx: &mut Tx<'_>,
    account: i64,
    but: Option<&SecretDigest>,
) -> Result<u64, Problem> {
    // No digest is empty.
    let but = but.map_or(&[][..], |digest| digest.as_slice());
    let sql = Sql::new(
        "DELETE FROM api_token WHERE account = $1 AND session IS NOT NULL AND session <> $2",
    );
    tx.execute(&sql.with(account).with(but)).await?;
    let sql = Sql::new("DELETE FROM session WHERE account = $1 AND digest <> $2");
    tx.execute(&sql.with(account).with(but)).await
}
