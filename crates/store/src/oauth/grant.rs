//! What a person allowed an app, the code that it fetches its tokens with, and what was asked before.

use fhir::date::Millis;
use fhir::problem::Problem;

use super::token;
use crate::Store;
use crate::accounts::SecretDigest;
use crate::database::Tx;
use crate::sql::Sql;

/// What a person allowed.
#[derive(Clone, Debug)]
pub struct NewGrant {
    pub id: String,
    pub client: String,
    pub account: i64,
    pub scopes: String,
    pub patient: Option<String>,
    /// The session that it ends with; `None` for what outlasts it.
    pub session: Option<SecretDigest>,
}

/// The code of a grant.
#[derive(Clone, Debug)]
pub struct NewCode {
    pub digest: SecretDigest,
    pub redirect: String,
    pub challenge: String,
    pub nonce: Option<String>,
    /// The key that the app said it would prove.
    pub jkt: Option<String>,
    pub expires_at: Millis,
}

/// A launch by a member of staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    pub account: i64,
    pub client: String,
    pub patient: String,
}

/// A grant that ended for safety.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub client: String,
    pub name: String,
    pub at: Millis,
    pub why: String,
}

/// What a person allowed an app, which is still good for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub id: String,
    /// The app's name.
    pub name: String,
    pub scopes: String,
    pub made_at: Millis,
}

impl Store {
    /// What that account allowed apps and what is still good, the newest first, at most 200.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn oauth_held(&self, account: i64, now: Millis) -> Result<Vec<Held>, Problem> {
        let sql = Sql::new(
            "SELECT g.id, c.name, g.scopes, g.made_at FROM oauth_grant g \
             JOIN oauth_client c ON c.id = g.client WHERE g.account = $1 AND g.ended_at IS NULL AND \
             (EXISTS (SELECT 1 FROM oauth_access t WHERE t.grant_id = g.id AND t.expires_at > $2) OR \
             EXISTS (SELECT 1 FROM oauth_refresh t WHERE t.grant_id = g.id AND t.expires_at > $3 \
             AND t.used_at IS NULL)) ORDER BY g.made_at DESC LIMIT 200",
        );
        let rows = self
            .rows_apart(sql.with(account).with(now).with(now))
            .await?;
        let held = rows.iter().map(|row| {
            Ok(Held {
                id: row.text(0)?.to_string(),
                name: row.text(1)?.to_string(),
                scopes: row.text(2)?.to_string(),
                made_at: row.int(3)?,
            })
        });
        held.collect()
    }

    /// What an app asks of a person, by the digest of the address's secret.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn oauth_ask(
        &self,
        digest: &SecretDigest,
        now: Millis,
    ) -> Result<Option<String>, Problem> {
        let sql = Sql::new("SELECT request FROM oauth_ask WHERE digest = $1 AND expires_at > $2");
        let rows = self.rows(&sql.with(digest.to_vec()).with(now)).await?;
        let row = rows.first();
        row.map(|row| Ok(row.text(0)?.to_string())).transpose()
    }

    /// A launch, by the digest of its secret.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn oauth_launch(
        &self,
        digest: &SecretDigest,
        now: Millis,
    ) -> Result<Option<Launch>, Problem> {
        let sql = Sql::new(
            "SELECT account, client, patient FROM oauth_launch WHERE digest = $1 AND expires_at > $2",
        );
        let rows = self.rows(&sql.with(digest.to_vec()).with(now)).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Launch {
            account: row.int(0)?,
            client: row.text(1)?.to_string(),
            patient: row.text(2)?.to_string(),
        }))
    }

    /// The grants that ended for safety, the newest first, at most 50.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn oauth_ended(&self) -> Result<Vec<Ended>, Problem> {
        let sql = Sql::new(
            "SELECT g.client, c.name, g.ended_at, g.ended_why FROM oauth_grant g \
             JOIN oauth_client c ON c.id = g.client WHERE g.ended_why IS NOT NULL \
             ORDER BY g.ended_at DESC LIMIT 50",
        );
        let rows = self.rows_apart(sql).await?;
        let ended = rows.iter().map(|row| {
            Ok(Ended {
                client: row.text(0)?.to_string(),
                name: row.text(1)?.to_string(),
                at: row.int(2)?,
                why: row.text(3)?.to_string(),
            })
        });
        ended.collect()
    }
}

pub(super) async fn put_ask(
    tx: &mut Tx<'_>,
    now: Millis,
    (digest, request, expires_at): (&SecretDigest, &str, Millis),
) -> Result<u64, Problem> {
    let old = Sql::new("DELETE FROM oauth_ask WHERE expires_at <= $1");
    tx.execute(&old.with(now)).await?;
    let sql = Sql::new("INSERT INTO oauth_ask (digest, request, expires_at) VALUES ($1, $2, $3)");
    let sql = sql.with(digest.as_slice()).with(request);
    tx.execute(&sql.with(expires_at)).await
}

/// Takes what was asked, so that it is answered once.
pub(super) async fn take_ask(tx: &mut Tx<'_>, digest: &SecretDigest) -> Result<u64, Problem> {
    let sql = Sql::new("DELETE FROM oauth_ask WHERE digest = $1");
    tx.execute(&sql.with(digest.as_slice())).await
}

pub(super) async fn put_launch(
    tx: &mut Tx<'_>,
    now: Millis,
    (digest, launch, expires_at): (&SecretDigest, &Launch, Millis),
) -> Result<u64, Problem> {
    let old = Sql::new("DELETE FROM oauth_launch WHERE expires_at <= $1");
    tx.execute(&old.with(now)).await?;
    let sql = Sql::new(
        "INSERT INTO oauth_launch (digest, account, client, patient, expires_at) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .with(digest.as_slice())
    .with(launch.account)
    .with(launch.client.as_str())
    .with(launch.patient.as_str());
    tx.execute(&sql.with(expires_at)).await
}

pub(super) async fn put(
    tx: &mut Tx<'_>,
    now: Millis,
    grant: &NewGrant,
    code: &NewCode,
) -> Result<u64, Problem> {
    // A used code is known for a day, so that its second use is seen.
    let old = Sql::new("DELETE FROM oauth_code WHERE expires_at <= $1");
    tx.execute(&old.with(now.saturating_sub(token::DAY)))
        .await?;
    let sql = Sql::new(
        "INSERT INTO oauth_grant (id, client, account, scopes, patient, session, made_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .with(grant.id.as_str())
    .with(grant.client.as_str())
    .with(grant.account)
    .with(grant.scopes.as_str())
    .with(grant.patient.as_deref())
    .with(grant.session.as_ref().map(|digest| digest.as_slice()));
    tx.execute(&sql.with(now)).await?;
    let sql = Sql::new(
        "INSERT INTO oauth_code (digest, grant_id, redirect, challenge, nonce, jkt, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .with(code.digest.as_slice())
    .with(grant.id.as_str())
    .with(code.redirect.as_str())
    .with(code.challenge.as_str())
    .with(code.nonce.as_deref())
    .with(code.jkt.as_deref());
    tx.execute(&sql.with(code.expires_at)).await
}

/// Ends what that account allowed; nothing if it is another's.
pub(super) async fn take_back(
    tx: &mut Tx<'_>,
    now: Millis,
    id: &str,
    account: i64,
) -> Result<u64, Problem> {
    let sql = Sql::new("SELECT 1 FROM oauth_grant WHERE id = $1 AND account = $2");
    match tx.row(&sql.with(id).with(account)).await? {
        Some(_) => end(tx, now, id, None).await,
        None => Ok(0),
    }
}

/// Ends a grant with all that was made from it.
pub(super) async fn end(
    tx: &mut Tx<'_>,
    now: Millis,
    id: &str,
    why: Option<&str>,
) -> Result<u64, Problem> {
    for sql in [
        Sql::new("DELETE FROM oauth_access WHERE grant_id = $1").with(id),
        Sql::new("DELETE FROM oauth_refresh WHERE grant_id = $1").with(id),
    ] {
        tx.execute(&sql).await?;
    }
    let sql = Sql::new(
        "UPDATE oauth_grant SET ended_at = $1, ended_why = $2 WHERE id = $3 AND ended_at IS NULL",
    );
    tx.execute(&sql.with(now).with(why).with(id)).await
}
