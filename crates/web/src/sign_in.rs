//! Signing in, staying signed in by a cookie, proving anew who one is, signing out.

pub(crate) mod begin;
pub mod code;
mod limits;
pub mod oidc;
pub mod pages;
pub mod passkey;
pub mod password;
pub mod profile;
pub mod proof;
pub mod second;
pub mod step_up;
mod ways;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use access::{Acting, Assurance, NhsNumber, Who};
use exchange::sealing::SealingKey;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use parking_lot::Mutex;
use store::Store;
use store::accounts::{Account, NewSession, Session, SignedIn};
use tokio::sync::Semaphore;

use crate::secret::Secret;
pub(crate) use begin::Door;
use limits::Limits;
use oidc::nhs_login::NhsLogin;
use oidc::staff::StaffOidc;
pub use ways::{Way, Ways};

/// How long a session lasts when nobody uses it, and at most, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    pub idle: Millis,
    pub absolute: Millis,
}

impl Default for SessionLimits {
    fn default() -> SessionLimits {
        const HOUR: Millis = 3_600_000;
        SessionLimits {
            idle: HOUR / 2,
            absolute: 12 * HOUR,
        }
    }
}

/// For how long a looked-up session or token is believed without looking again, in milliseconds:
/// what is ended elsewhere is refused here after this time.
const REMEMBERED: Millis = 2_000;
/// How often a session's last use is written down, in milliseconds.
const SEEN_EVERY: Millis = 60_000;
/// The most sessions and tokens remembered at a time.
const REMEMBERED_MAX: usize = 10_000;
/// The most passwords checked at a time: each takes tens of milliseconds and 19 MiB.
const CHECKS_AT_ONCE: usize = 2;
/// How long a sign-in waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// What signing in needs to remember between requests.
pub struct SignIn {
    limits: SessionLimits,
    /// By what staff and patients may sign in.
    pub ways: Ways,
    pub nhs_login: Option<NhsLogin>,
    pub staff_oidc: Option<StaffOidc>,
    /// What secrets are sealed with before they are stored.
    pub sealing: SealingKey,
    pub(crate) attempts: Limits,
    recent: Mutex<HashMap<[u8; 32], Recent>>,
    checks: Arc<Semaphore>,
}

/// Who holds a session or token, and what that proves.
#[derive(Clone, Debug)]
pub struct Known {
    pub who: Who,
    pub assurance: Assurance,
    /// The NHS number of a member of staff themselves, where the node was told (P10).
    pub own_nhs_number: Option<NhsNumber>,
    /// For whom they act in the session, if not for themselves. By a token everybody acts for
    /// themselves.
    pub acting: Option<Acting>,
}

impl Known {
    /// The holder of an account, known by a token.
    pub fn by_token(account: &Account) -> Known {
        Known {
            who: account.who(),
            assurance: Assurance::of_token(level(account.identity)),
            own_nhs_number: account.own_nhs_number.clone(),
            acting: None,
        }
    }
}

struct Recent {
    known: Known,
    looked_up: Millis,
    /// A session ends then at the latest, and when it has not been used for the idle time.
    ends: Millis,
}

impl SignIn {
    pub fn new(limits: SessionLimits, ways: Ways) -> SignIn {
        SignIn {
            limits,
            ways,
            nhs_login: None,
            staff_oidc: None,
            sealing: SealingKey::of_process(),
            attempts: Limits::default(),
            recent: Mutex::default(),
            checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
        }
    }

    /// Who holds that session, if it has not ended.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn by_session(
        &self,
        store: &Store,
        secret: &Secret,
        now: Millis,
    ) -> Result<Option<Known>, Problem> {
        let digest = secret.digest();
        if let Some(known) = self.recall(&digest, now) {
            return Ok(Some(known));
        }
        let Some(session) = store.session(&digest).await? else {
            return Ok(None);
        };
        let ends = session.began_at.saturating_add(self.limits.absolute);
        let idle_since = session.seen_at.saturating_add(self.limits.idle);
        if self.is_over((session.began_at, session.seen_at), now) {
            store.end_session(&digest).await?;
            return Ok(None);
        }
        if now.saturating_sub(session.seen_at) >= SEEN_EVERY {
            match store.session_seen(&digest, now).await {
                // On a full disk people still read: the session ends the sooner, as if it were idle.
                Err(problem) if problem.kind == Kind::NoStore => {
                    tracing::warn!(%problem, "that a session was used could not be noted");
                }
                noted => noted?,
            }
        }
        let known = of_session(&session);
        self.remember(digest, known.clone(), now, ends.min(idle_since));
        Ok(Some(known))
    }

    /// When a session that began then ends at the latest.
    pub(crate) fn ends_at(&self, began_at: Millis) -> Millis {
        began_at.saturating_add(self.limits.absolute)
    }

    /// Whether a session that began and was last used then has ended by itself.
    pub(crate) fn is_over(&self, (began_at, seen_at): (Millis, Millis), now: Millis) -> bool {
        now >= began_at.saturating_add(self.limits.absolute)
            || now >= seen_at.saturating_add(self.limits.idle)
    }

    /// Who holds that token, if it is good.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn by_token(
        &self,
        store: &Store,
        token: &Secret,
        now: Millis,
    ) -> Result<Option<Known>, Problem> {
        let digest = token.digest();
        if let Some(known) = self.recall(&digest, now) {
            return Ok(Some(known));
        }
        let Some(account) = store.account_by_token(&digest).await? else {
            return Ok(None);
        };
        let known = Known::by_token(&account);
        self.remember(digest, known.clone(), now, Millis::MAX);
        Ok(Some(known))
    }

    fn recall(&self, digest: &[u8; 32], now: Millis) -> Option<Known> {
        let recent = self.recent.lock();
        let found = recent.get(digest)?;
        // A clock that was put back must not make a memory last longer.
        let fresh = (0..REMEMBERED).contains(&now.saturating_sub(found.looked_up));
        (fresh && now < found.ends).then(|| found.known.clone())
    }

    fn remember(&self, digest: [u8; 32], known: Known, now: Millis, ends: Millis) {
        let mut recent = self.recent.lock();
        if recent.len() >= REMEMBERED_MAX {
            recent.clear();
        }
        recent.insert(
            digest,
            Recent {
                known,
                looked_up: now,
                ends,
            },
        );
    }

    /// Begins a session for the account: always with a new secret, so that one that was planted
    /// before is worth nothing (A11).
    async fn begin(
        &self,
        store: &Store,
        account: i64,
        signed_in: SignedIn,
        now: Millis,
    ) -> Result<Secret, Problem> {
        let secret = Secret::random();
        let session = NewSession {
            digest: secret.digest(),
            account,
            began_at: now,
            signed_in,
        };
        store.begin_session(session).await?;
        Ok(secret)
    }

    /// Gives the session another secret, since its holder proved anew who they are; nothing if it
    /// has ended.
    async fn step_up(
        &self,
        store: &Store,
        old: &Secret,
        aal: i64,
        now: Millis,
    ) -> Result<Option<Secret>, Problem> {
        let (old, new) = (old.digest(), Secret::random());
        self.recent.lock().remove(&old);
        let stepped = store.step_up_session(&old, &new.digest(), now, aal).await?;
        Ok(stepped.then_some(new))
    }

    /// The session's holder acts by that leave from now on, or for themselves.
    pub(crate) async fn act(
        &self,
        store: &Store,
        secret: &Secret,
        proxy: Option<i64>,
    ) -> Result<(), Problem> {
        let digest = secret.digest();
        store.act_in_session(&digest, proxy).await?;
        self.recent.lock().remove(&digest);
        Ok(())
    }

    /// Forgets what is remembered of sessions and tokens, since some have ended.
    pub(crate) fn forget_all(&self) {
        self.recent.lock().clear();
    }

    async fn end(&self, store: &Store, secret: &Secret) -> Result<(), Problem> {
        let digest = secret.digest();
        store.end_session(&digest).await?;
        // Tokens may have gone with it.
        self.forget_all();
        Ok(())
    }
}

impl Default for SignIn {
    fn default() -> SignIn {
        SignIn::new(SessionLimits::default(), Ways::default())
    }
}

fn of_session(session: &Session) -> Known {
    Known {
        who: session.account.who(),
        assurance: Assurance {
            aal: level(session.signed_in.aal),
            identity: level(session.signed_in.identity),
            stepped_up_at: session.stepped_up_at,
        },
        own_nhs_number: session.account.own_nhs_number.clone(),
        acting: session.acting.clone(),
    }
}

/// A level as it is kept; what is no level proves nothing.
fn level(kept: i64) -> u8 {
    u8::try_from(kept).unwrap_or(0)
}

#[cfg(test)]
mod tests;
