//! Who asks: the token in `Authorization`
//! (<https://digital.nhs.uk/developer/api-catalogue/message-exchange-for-social-care-and-health-api#overview--authorization-header>).
//! It serves once, and only within two hours of the minute that it names; that it has served is on the
//! disk before anything is done for it.

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, Target};
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use axum::response::{IntoResponse, Response};
use exchange::mailboxes::Mailbox;
use exchange::mesh::Shown;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use store::mesh::MeshWrite;
use store::{Effect, Job};

use super::Door;
use super::answer::{Refused, Version};

/// How far a token's time may be off, either way.
const SKEW_MILLIS: Millis = 2 * 3_600_000;
/// A token's time is a minute.
const MINUTE: Millis = 60_000;

/// A system that has proved that a mailbox is its own.
pub(super) struct Caller {
    pub(super) mailbox: String,
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) scope: Scope,
    token: String,
}

/// A handler's answer: its refusals are told in the version that was asked for, and a request that
/// came to nothing for a reason of ours may be made again with the same token.
pub(super) type Answer = Result<Response, Refused>;

impl Caller {
    pub(super) async fn answer(&self, door: &Door, work: BoxFuture<'_, Answer>) -> Response {
        let refused = match work.await {
            Ok(response) => return response,
            Err(refused) => refused.in_version(self.version),
        };
        if is_ours(refused.status) {
            let write = MeshWrite::FreeToken {
                mailbox: self.mailbox.clone(),
                token: self.token.clone(),
            };
            let job = Job::effect(Effect::Mesh(write));
            if let Err(problem) = door.exchange.store().commit(&self.scope, job).await {
                tracing::warn!(?problem, "a token could not be given back");
            }
        }
        if refused.status == StatusCode::FORBIDDEN {
            let line = self
                .scope
                .trace(Interaction::Mailbox, Outcome::Refused, Target::default());
            let job = Job {
                traces: vec![line],
                ..Job::default()
            };
            if let Err(problem) = door.exchange.store().commit(&self.scope, job).await {
                return Refused::from(problem)
                    .in_version(self.version)
                    .into_response();
            }
        }
        refused.into_response()
    }
}

/// Whether the client is to try again, as real ones do by themselves, with the token that they have.
fn is_ours(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

fn refused(words: &str) -> Refused {
    Refused::told(StatusCode::FORBIDDEN, ("", "", words))
}

impl FromRequestParts<Arc<Door>> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Caller, Refused> {
        let version = Version::asked(&parts.headers)?;
        let path = RawPathParams::from_request_parts(parts, door).await;
        let path = path.map_err(|_| Refused::not_found().in_version(version))?;
        let named = |name: &str| {
            let found = path.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_owned())
        };
        let mailbox = named("mailbox").unwrap_or_default();
        let line = line(parts, named("id").as_deref());
        let proved = proved(door, &parts.headers, &mailbox, line).await;
        let (mailbox, scope, token) = proved.map_err(|it| it.in_version(version))?;
        Ok(Caller {
            mailbox: mailbox.named.id.clone(),
            name: mailbox.named.name.clone(),
            version,
            scope,
            token,
        })
    }
}

/// What the audit log says of a request: its route, and the message, if it names one; no local id,
/// which could be anything's.
fn line(parts: &Parts, id: Option<&str>) -> String {
    let route = parts.extensions.get::<MatchedPath>();
    let route = route.map_or("", |route| route.as_str());
    let route = route.rsplit_once("{mailbox}").map_or("", |(_, rest)| rest);
    let plain = |id: &&str| id.len() <= 64 && id.bytes().all(|it| it.is_ascii_alphanumeric());
    match id.filter(plain) {
        Some(id) => format!("{} {route} message={id}", parts.method),
        None => format!("{} {route}", parts.method),
    }
}

/// The mailbox that the token proves, after the disk knows that it has served.
async fn proved<'d>(
    door: &'d Door,
    headers: &HeaderMap,
    mailbox: &str,
    line: String,
) -> Result<(&'d Mailbox, Scope, String), Refused> {
    let unreadable = || refused("Error reading from Authorization header");
    let header = headers.get(header::AUTHORIZATION);
    let header = header.and_then(|it| it.to_str().ok());
    let shown = header.and_then(Shown::read).ok_or_else(unreadable)?;
    if !shown.mailbox.eq_ignore_ascii_case(mailbox) {
        return Err(refused("Mailbox id does not match token"));
    }
    let Ok(found) = door.exchange.mailboxes().own(shown.mailbox) else {
        let told = ("SEND", "EPL-151", "No mailbox matched");
        return Err(Refused::told(StatusCode::FORBIDDEN, told));
    };
    if !found.credentials.proves(&shown) {
        tracing::warn!(mailbox = %found.named.id, "a token did not prove its mailbox");
        return Err(refused("Invalid Authentication Token"));
    }
    let store = door.exchange.store();
    let at = shown.at().ok_or_else(unreadable)?;
    if (store.now() - at).abs() > SKEW_MILLIS + MINUTE {
        return Err(refused(
            "Invalid Authentication Token: its time is more than 2 hours off; set the clock",
        ));
    }
    let token = format!("{}:{}", shown.nonce, shown.count);
    let request_id: Arc<str> = uuid::Uuid::new_v4().to_string().into();
    let scope = Scope::mailbox(&found.named.id, found.ods.as_str(), request_id);
    let target = Target {
        query: Some(line.into()),
        ..Target::default()
    };
    let mut job = Job::effect(Effect::Mesh(MeshWrite::Token {
        mailbox: found.named.id.clone(),
        token: token.clone(),
        until: at + SKEW_MILLIS + 2 * MINUTE,
    }));
    job.traces
        .push(scope.trace(Interaction::Mailbox, Outcome::Success, target));
    match store.commit(&scope, job).await {
        Ok(_) => Ok((found, scope, token)),
        Err(problem) if problem.kind == Kind::Security => {
            tracing::warn!(mailbox = %found.named.id, "a token was shown twice");
            Err(refused(
                "Invalid Authentication Token: it has served before",
            ))
        }
        Err(problem) => Err(problem.into()),
    }
}

/// What an answer of the store must hold and does not.
pub(super) fn unexpected() -> Problem {
    Problem::new(Kind::Exception, "The store answered something else.")
}
