//! Where somebody is signed in, and signing them out.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use store::Store;
use store::accounts::factors::FactorWrite;

async fn account(store: &Store, username: &str) -> anyhow::Result<i64> {
    let found = store.credentials(username).await?;
    let found = found.with_context(|| format!("there is no account {username:?}"))?;
    Ok(found.account.id)
}

/// The sessions as a table, one a line.
pub async fn list(store: &Store, username: &str) -> anyhow::Result<String> {
    let sessions = store.sessions(account(store, username).await?).await?;
    if sessions.is_empty() {
        return Ok(format!("{username} is signed in nowhere.\n"));
    }
    let now = store.now();
    let ago = |at: i64| format!("{} min ago", now.saturating_sub(at) / 60_000);
    let mut text = format!(
        "{:<18}{:<16}{:<16}{:<16}{}\n",
        "session", "by", "begun", "last used", "device"
    );
    for session in sessions {
        let (began, seen) = (ago(session.began_at), ago(session.seen_at));
        let (handle, method) = (session.handle(), &session.method);
        writeln!(
            text,
            "{handle:<18}{method:<16}{began:<16}{seen:<16}{}",
            session.device
        )?;
    }
    Ok(text)
}

/// Ends one session, or all; how many.
pub async fn revoke(store: &Store, username: &str, session: Option<&str>) -> anyhow::Result<u64> {
    let account = account(store, username).await?;
    let Some(handle) = session else {
        return Ok(store.end_other_sessions(account, None).await?);
    };
    let sessions = store.sessions(account).await?;
    let found = sessions.iter().find(|session| session.handle() == handle);
    let Some(found) = found else {
        bail!("{username} has no session {handle:?}; `handover account sessions` lists them");
    };
    let digest = <[u8; 32]>::try_from(found.digest.as_slice()).context("the session's digest")?;
    store.end_session(&digest).await?;
    Ok(1)
}

/// Forgets the second factor, and ends what was begun with it.
pub async fn forget_second_factor(store: &Store, username: &str) -> anyhow::Result<()> {
    let account = account(store, username).await?;
    if !store.write_factor(FactorWrite::Forget { account }).await? {
        bail!("{username} has set up no codes");
    }
    store.end_other_sessions(account, None).await?;
    Ok(())
}
