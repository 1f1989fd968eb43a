//! Tokens: made from a code, from a refresh token, or for a system.

use access::Role;
use access::oauth::verifies;
use fhir::date::Millis;
use fhir::problem::Problem;

use super::grant;
use super::write::{OauthDone, Refused};
use crate::Store;
use crate::accounts::{Account, Holder, SecretDigest};
use crate::database::Tx;
use crate::sql::Sql;

pub(super) const DAY: Millis = 86_400_000;

/// A token that came with a request.
#[derive(Clone, Debug)]
pub struct Access {
    pub client: String,
    /// The app's name.
    pub name: String,
    pub account: Account,
    pub scopes: String,
    pub patient: Option<String>,
    /// The thumbprint of the key that must be proved with it.
    pub jkt: Option<String>,
    pub made_at: Millis,
    pub expires_at: Millis,
    /// When the session began that it ends with, and was last used; `None` for what outlasts it.
    pub session: Option<(Millis, Millis)>,
}

/// Tokens to be good from now on.
#[derive(Clone, Debug)]
pub struct NewTokens {
    pub access: SecretDigest,
    pub access_expires_at: Millis,
    /// Used if the grant allows one.
    pub refresh: SecretDigest,
    pub refresh_online_expires_at: Millis,
    pub refresh_offline_expires_at: Millis,
    pub jkt: Option<String>,
    /// Less than what was granted, if less is wanted.
    pub scopes: Option<String>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    pub scopes: String,
    pub patient: Option<String>,
    pub account: i64,
    pub has_refresh: bool,
    /// Of the request that the code came from.
    pub nonce: Option<String>,
}

impl Store {
    /// The token of that digest, if it is good, its app approved and its account open.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn oauth_access(
        &self,
        digest: &SecretDigest,
        now: Millis,
    ) -> Result<Option<Access>, Problem> {
        let sql = Sql::new(
            "SELECT t.client, c.name, t.account, t.scopes, t.patient, t.jkt, t.expires_at, t.made_at, \
             s.role, s.began_at, s.seen_at \
             FROM oauth_access t JOIN oauth_client c ON c.id = t.client \
             LEFT JOIN oauth_grant g ON g.id = t.grant_id \
             LEFT JOIN session s ON s.digest = g.session \
             WHERE (g.session IS NULL OR s.digest IS NOT NULL) AND t.digest = $1 AND t.expires_at > $2 AND c.state = 'approved'",
        );
        let rows = self.rows(&sql.with(digest.to_vec()).with(now)).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let Some(mut account) = self.account(row.int(2)?).await? else {
            return Ok(None);
        };
        // Who has several roles allowed it in one of them.
        let chosen = row.text_opt(8)?.map(Role::parse).transpose()?;
        if let (Holder::Staff { role, .. }, Some(chosen)) = (&mut account.holder, chosen) {
            *role = chosen;
        }
        let session = (row.int_opt(9)?, row.int_opt(10)?);
        Ok(Some(Access {
            client: row.text(0)?.to_string(),
            name: row.text(1)?.to_string(),
            account,
            scopes: row.text(3)?.to_string(),
            patient: row.text_opt(4)?.map(str::to_string),
            jkt: row.text_opt(5)?.map(str::to_string),
            expires_at: row.int(6)?,
            made_at: row.int(7)?,
            session: match session {
                (Some(began_at), Some(seen_at)) => Some((began_at, seen_at)),
                _ => None,
            },
        }))
    }

    /// The client that a refresh token was made for, used or not.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn oauth_refreshes(&self, digest: &SecretDigest) -> Result<Option<String>, Problem> {
        let sql = Sql::new(
            "SELECT g.client FROM oauth_refresh t JOIN oauth_grant g ON g.id = t.grant_id \
             WHERE t.digest = $1",
        );
        let rows = self.rows(&sql.with(digest.to_vec())).await?;
        let row = rows.first();
        row.map(|row| Ok(row.text(0)?.to_string())).transpose()
    }
}

struct Held {
    grant: String,
    client: String,
    account: i64,
    scopes: String,
    patient: Option<String>,
}

const HELD: &str = " JOIN oauth_grant g ON g.id = t.grant_id \
     JOIN account a ON a.id = g.account AND a.closed = 0 WHERE t.digest = $1 \
     AND (g.session IS NULL OR EXISTS (SELECT 1 FROM session s WHERE s.digest = g.session))";

fn held(row: &crate::row::Row) -> Result<Held, Problem> {
    Ok(Held {
        grant: row.text(0)?.to_string(),
        client: row.text(1)?.to_string(),
        account: row.int(2)?,
        scopes: row.text(3)?.to_string(),
        patient: row.text_opt(4)?.map(str::to_string),
    })
}

/// Turns a code into tokens. The second time, all that came from it ends.
pub(super) async fn redeem(
    tx: &mut Tx<'_>,
    now: Millis,
    digest: &SecretDigest,
    (client, redirect, verifier): (&str, &str, &str),
    tokens: &NewTokens,
) -> Result<OauthDone, Problem> {
    let mut sql = Sql::new(
        "SELECT t.grant_id, g.client, g.account, g.scopes, g.patient, t.redirect, t.challenge, \
         t.nonce, t.jkt, t.expires_at, t.used_at FROM oauth_code t",
    );
    sql.push(HELD);
    let Some(row) = tx.row(&sql.with(digest.as_slice())).await? else {
        return Ok(OauthDone::Refused(Refused::Unknown));
    };
    let found = held(&row)?;
    if found.client != client {
        return Ok(OauthDone::Refused(Refused::Unknown));
    }
    if row.int_opt(10)?.is_some() {
        let why = "An authorization code was used twice.";
        grant::end(tx, now, &found.grant, Some(why)).await?;
        return Ok(OauthDone::Refused(Refused::Reused));
    }
    let is_bound = row
        .text_opt(8)?
        .is_none_or(|jkt| tokens.jkt.as_deref() == Some(jkt));
    let fits = row.text(5)? == redirect && verifies(verifier, row.text(6)?) && is_bound;
    if !fits || row.int(9)? <= now {
        return Ok(OauthDone::Refused(Refused::Unknown));
    }
    let nonce = row.text_opt(7)?.map(str::to_string);
    let used = Sql::new("UPDATE oauth_code SET used_at = $1 WHERE digest = $2");
    tx.execute(&used.with(now).with(digest.as_slice())).await?;
    issue(tx, now, found, tokens, nonce).await
}

/// Turns a refresh token into the next one. The second time, its whole family ends.
pub(super) async fn refresh(
    tx: &mut Tx<'_>,
    now: Millis,
    digest: &SecretDigest,
    client: &str,
    tokens: &NewTokens,
) -> Result<OauthDone, Problem> {
    let mut sql = Sql::new(
        "SELECT t.grant_id, g.client, g.account, g.scopes, g.patient, t.jkt, t.expires_at, t.used_at \
         FROM oauth_refresh t",
    );
    sql.push(HELD);
    let Some(row) = tx.row(&sql.with(digest.as_slice())).await? else {
        return Ok(OauthDone::Refused(Refused::Unknown));
    };
    let found = held(&row)?;
    if found.client != client || row.int(6)? <= now {
        return Ok(OauthDone::Refused(Refused::Unknown));
    }
    if row.int_opt(7)?.is_some() {
        let why = "A refresh token was used twice.";
        grant::end(tx, now, &found.grant, Some(why)).await?;
        return Ok(OauthDone::Refused(Refused::Reused));
    }
    let is_bound = row
        .text_opt(5)?
        .is_none_or(|jkt| tokens.jkt.as_deref() == Some(jkt));
    if !is_bound {
        return Ok(OauthDone::Refused(Refused::Unknown));
    }
    let used = Sql::new("UPDATE oauth_refresh SET used_at = $1 WHERE digest = $2");
    tx.execute(&used.with(now).with(digest.as_slice())).await?;
    issue(tx, now, found, tokens, None).await
}

async fn issue(
    tx: &mut Tx<'_>,
    now: Millis,
    held: Held,
    tokens: &NewTokens,
    nonce: Option<String>,
) -> Result<OauthDone, Problem> {
    let scopes = tokens.scopes.clone().unwrap_or_else(|| held.scopes.clone());
    let expires_at = tokens.access_expires_at;
    let access = Issuing {
        grant: &held.grant,
        client: &held.client,
        account: held.account,
        scopes: &scopes,
        patient: held.patient.as_deref(),
        jkt: tokens.jkt.as_deref(),
    };
    put_access(tx, now, &tokens.access, access, expires_at).await?;
    // By what was granted: a token with less renews into the same.
    let has = |wanted: &str| held.scopes.split(' ').any(|scope| scope == wanted);
    let refresh_expires_at = if has("offline_access") {
        Some(tokens.refresh_offline_expires_at)
    } else if has("online_access") {
        Some(tokens.refresh_online_expires_at)
    } else {
        None
    };
    if let Some(expires_at) = refresh_expires_at {
        let sql = Sql::new(
            "INSERT INTO oauth_refresh (digest, grant_id, jkt, expires_at) VALUES ($1, $2, $3, $4)",
        )
        .with(tokens.refresh.as_slice())
        .with(held.grant.as_str())
        .with(tokens.jkt.as_deref());
        tx.execute(&sql.with(expires_at)).await?;
    }
    Ok(OauthDone::Issued(Issued {
        scopes,
        patient: held.patient,
        account: held.account,
        has_refresh: refresh_expires_at.is_some(),
        nonce,
    }))
}

/// Whose a new token is, and for what.
#[derive(Clone, Copy)]
pub(super) struct Issuing<'i> {
    pub(super) grant: &'i str,
    pub(super) client: &'i str,
    pub(super) account: i64,
    pub(super) scopes: &'i str,
    pub(super) patient: Option<&'i str>,
    pub(super) jkt: Option<&'i str>,
}

pub(super) async fn put_access(
    tx: &mut Tx<'_>,
    now: Millis,
    digest: &SecretDigest,
    issuing: Issuing<'_>,
    expires_at: Millis,
) -> Result<u64, Problem> {
    let old = Sql::new("DELETE FROM oauth_access WHERE expires_at <= $1");
    tx.execute(&old.with(now)).await?;
    let sql = Sql::new(
        "INSERT INTO oauth_access (digest, grant_id, client, account, scopes, patient, jkt, made_at, \
         expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .with(digest.as_slice())
    .with(issuing.grant)
    .with(issuing.client)
    .with(issuing.account)
    .with(issuing.scopes)
    .with(issuing.patient)
    .with(issuing.jkt)
    .with(now);
    tx.execute(&sql.with(expires_at)).await
}

/// Ends the token, or with a refresh token its whole grant (RFC 7009), if it is that client's.
pub(super) async fn revoke(
    tx: &mut Tx<'_>,
    now: Millis,
    digest: &SecretDigest,
    client: &str,
) -> Result<u64, Problem> {
    let access = Sql::new("DELETE FROM oauth_access WHERE digest = $1 AND client = $2");
    let access = access.with(digest.as_slice()).with(client);
    let mut changed = tx.execute(&access).await?;
    let refresh = Sql::new(
        "SELECT t.grant_id FROM oauth_refresh t JOIN oauth_grant g ON g.id = t.grant_id \
         WHERE t.digest = $1 AND g.client = $2",
    );
    let refresh = refresh.with(digest.as_slice()).with(client);
    if let Some(row) = tx.row(&refresh).await? {
        changed += grant::end(tx, now, row.text(0)?, None).await?;
    }
    Ok(changed)
}

pub(super) async fn drop_of_client(tx: &mut Tx<'_>, client: &str) -> Result<(), Problem> {
    for sql in [
        Sql::new("DELETE FROM oauth_access WHERE client = $1").with(client),
        Sql::new(
            "DELETE FROM oauth_refresh WHERE grant_id IN (SELECT id FROM oauth_grant WHERE client = $1)",
        )
        .with(client),
        Sql::new(
            "DELETE FROM oauth_code WHERE grant_id IN (SELECT id FROM oauth_grant WHERE client = $1)",
        )
        .with(client),
    ] {
        tx.execute(&sql).await?;
    }
    Ok(())
}

/// Notes what may come once only; false if it has come before.
pub(super) async fn see(
    tx: &mut Tx<'_>,
    now: Millis,
    digest: &SecretDigest,
    expires_at: Millis,
) -> Result<bool, Problem> {
    let old = Sql::new("DELETE FROM oauth_seen WHERE expires_at <= $1");
    tx.execute(&old.with(now)).await?;
    let sql = Sql::new(
        "INSERT INTO oauth_seen (digest, expires_at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
    );
    let sql = sql.with(digest.as_slice()).with(expires_at);
    Ok(tx.execute(&sql).await? == 1)
}
