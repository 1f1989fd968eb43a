//! Local accounts: signing in with a password, staying signed in by a cookie, signing out.

mod limits;
pub mod pages;
pub mod password;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use access::Who;
use fhir::date::Millis;
use fhir::problem::Problem;
use parking_lot::Mutex;
use store::Store;
use store::accounts::{Account, NewSession};
use tokio::sync::Semaphore;

use crate::secret::Secret;
use limits::Limits;

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
    attempts: Limits,
    recent: Mutex<HashMap<[u8; 32], Recent>>,
    checks: Arc<Semaphore>,
}

struct Recent {
    who: Who,
    looked_up: Millis,
    /// A session ends then at the latest, and when it has not been used for the idle time.
    ends: Millis,
}

impl SignIn {
    pub fn new(limits: SessionLimits) -> SignIn {
        SignIn {
            limits,
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
    ) -> Result<Option<Who>, Problem> {
        let digest = secret.digest();
        if let Some(who) = self.recall(&digest, now) {
            return Ok(Some(who));
        }
        let Some(session) = store.session(&digest).await? else {
            return Ok(None);
        };
        let ends = session.began_at.saturating_add(self.limits.absolute);
        let idle_since = session.seen_at.saturating_add(self.limits.idle);
        if now >= ends || now >= idle_since {
            store.end_session(&digest).await?;
            return Ok(None);
        }
        if now.saturating_sub(session.seen_at) >= SEEN_EVERY {
            store.session_seen(&digest, now).await?;
        }
        let who = session.account.who();
        self.remember(digest, who.clone(), now, ends.min(idle_since));
        Ok(Some(who))
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
    ) -> Result<Option<Who>, Problem> {
        let digest = token.digest();
        if let Some(who) = self.recall(&digest, now) {
            return Ok(Some(who));
        }
        let Some(account) = store.account_by_token(&digest).await? else {
            return Ok(None);
        };
        let who = account.who();
        self.remember(digest, who.clone(), now, Millis::MAX);
        Ok(Some(who))
    }

    fn recall(&self, digest: &[u8; 32], now: Millis) -> Option<Who> {
        let recent = self.recent.lock();
        let found = recent.get(digest)?;
        // A clock that was put back must not make a memory last longer.
        let fresh = (0..REMEMBERED).contains(&now.saturating_sub(found.looked_up));
        (fresh && now < found.ends).then(|| found.who.clone())
    }

    fn remember(&self, digest: [u8; 32], who: Who, now: Millis, ends: Millis) {
        let mut recent = self.recent.lock();
        if recent.len() >= REMEMBERED_MAX {
            recent.clear();
        }
        recent.insert(
            digest,
            Recent {
                who,
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
        account: &Account,
        now: Millis,
    ) -> Result<Secret, Problem> {
        let secret = Secret::random();
        let session = NewSession {
            digest: secret.digest(),
            account: account.id,
            began_at: now,
        };
        store.begin_session(session).await?;
        Ok(secret)
    }

    async fn end(&self, store: &Store, secret: &Secret) -> Result<(), Problem> {
        let digest = secret.digest();
        self.recent.lock().remove(&digest);
        store.end_session(&digest).await
    }
}

impl Default for SignIn {
    fn default() -> SignIn {
        SignIn::new(SessionLimits::default())
    }
}

#[cfg(test)]
mod tests;
