//! The changes of these rows, on one page.

use fhir::date::Millis;
use fhir::problem::Problem;

use super::client::{self, Client, ClientState};
use super::grant::{self, Launch, NewCode, NewGrant};
use super::token::{self, Issued, Issuing, NewTokens};
use crate::accounts::SecretDigest;
use crate::database::Tx;

/// What the writer can do to clients, grants and tokens.
#[derive(Clone, Debug)]
pub enum OauthWrite {
    /// A new client; one of that id stays as it is.
    PutClient(Box<Client>),
    Decide {
        client: String,
        state: ClientState,
        by: String,
        account: Option<i64>,
    },
    Ask {
        digest: SecretDigest,
        request: String,
        expires_at: Millis,
    },
    /// Answers what was asked with no.
    Decline {
        ask: SecretDigest,
    },
    /// Answers what was asked with yes; nothing if it was answered before.
    Allow {
        ask: SecretDigest,
        grant: Box<NewGrant>,
        code: Box<NewCode>,
    },
    Launch {
        digest: SecretDigest,
        launch: Launch,
        expires_at: Millis,
    },
    Redeem {
        code: SecretDigest,
        client: String,
        redirect: String,
        verifier: String,
        tokens: Box<NewTokens>,
    },
    Refresh {
        token: SecretDigest,
        client: String,
        tokens: Box<NewTokens>,
    },
    /// A token for a system itself.
    System {
        access: SecretDigest,
        client: String,
        account: i64,
        scopes: String,
        jkt: Option<String>,
        expires_at: Millis,
    },
    Revoke {
        token: SecretDigest,
        client: String,
    },
    /// The person takes back what they allowed.
    TakeBack {
        grant: String,
        account: i64,
    },
    /// Notes what may come once only.
    See {
        digest: SecretDigest,
        expires_at: Millis,
    },
}

/// Why no tokens were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Never known, expired, another client's, or with the wrong proof.
    Unknown,
    /// It came a second time: all that was made from it has ended.
    Reused,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum OauthDone {
    /// How many rows it changed.
    Changed(u64),
    Issued(Issued),
    Refused(Refused),
}

/// Applies one change inside the writer's transaction.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &OauthWrite,
) -> Result<OauthDone, Problem> {
    let changed = match write {
        OauthWrite::PutClient(new) => client::put(tx, new).await?,
        OauthWrite::Decide {
            client,
            state,
            by,
            account,
        } => client::decide(tx, now, (client, *state), (by, *account)).await?,
        OauthWrite::Ask {
            digest,
            request,
            expires_at,
        } => grant::put_ask(tx, now, (digest, request, *expires_at)).await?,
        OauthWrite::Decline { ask } => grant::take_ask(tx, ask).await?,
        OauthWrite::Allow { ask, grant, code } => match grant::take_ask(tx, ask).await? {
            0 => 0,
            _ => grant::put(tx, now, grant, code).await?,
        },
        OauthWrite::Launch {
            digest,
            launch,
            expires_at,
        } => grant::put_launch(tx, now, (digest, launch, *expires_at)).await?,
        OauthWrite::Redeem {
            code,
            client,
            redirect,
            verifier,
            tokens,
        } => return token::redeem(tx, now, code, (client, redirect, verifier), tokens).await,
        OauthWrite::Refresh {
            token,
            client,
            tokens,
        } => return token::refresh(tx, now, token, client, tokens).await,
        OauthWrite::System {
            access,
            client,
            account,
            scopes,
            jkt,
            expires_at,
        } => {
            let issuing = Issuing {
                grant: "",
                client,
                account: *account,
                scopes,
                patient: None,
                jkt: jkt.as_deref(),
            };
            token::put_access(tx, now, access, issuing, *expires_at).await?
        }
        OauthWrite::Revoke { token, client } => token::revoke(tx, now, token, client).await?,
        OauthWrite::TakeBack { grant, account } => {
            grant::take_back(tx, now, grant, *account).await?
        }
        OauthWrite::See { digest, expires_at } => {
            u64::from(token::see(tx, now, digest, *expires_at).await?)
        }
    };
    Ok(OauthDone::Changed(changed))
}
