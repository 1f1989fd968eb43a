//! Apps and systems with tokens: clients, what people allowed them, codes and tokens as digests, and
//! the assertions and proofs that were taken once.
//!
//! Invariant: a code or refresh token that comes a second time ends all that was made from it, in the
//! transaction that finds out.

mod client;
mod grant;
#[cfg(test)]
mod tests;
mod token;
mod write;

pub use client::{Client, ClientKind, ClientState};
pub use grant::{Ended, Held, Launch, NewCode, NewGrant};
pub use token::{Access, Issued, NewTokens};
pub(crate) use write::apply;
pub use write::{OauthDone, OauthWrite, Refused};

use access::{AuditEntry, Scope, SystemPurpose};
use fhir::problem::Problem;

use crate::Store;
use crate::failure;
use crate::write::{Done, Effect, Job};

impl Store {
    /// Makes one change of these rows.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn write_oauth(&self, write: OauthWrite) -> Result<OauthDone, Problem> {
        self.write_oauth_with(write, Vec::new()).await
    }

    /// The same with the log's lines for it, in one commit.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn write_oauth_with(
        &self,
        write: OauthWrite,
        traces: Vec<AuditEntry>,
    ) -> Result<OauthDone, Problem> {
        let job = Job {
            effects: vec![Effect::Oauth(write)],
            traces,
            ..Job::default()
        };
        let scope = Scope::system(SystemPurpose::SignIn);
        let committed = self.commit(&scope, job).await?;
        match committed.done.into_iter().next() {
            Some(Done::Oauth(done)) => Ok(done),
            _ => Err(failure::internal(
                "a token's change came without its outcome",
            )),
        }
    }
}
