//! Who calls: the headers of the Spine's proxy, and the token that each request bears.

use std::convert::Infallible;
use std::sync::Arc;

use access::{AuditEntry, Caller, Interaction, Ods, Purpose, Scope, Who, decide_consumer};
use axum::extract::FromRequestParts;
use exchange::gp_connect::token::{self, Believed};
use exchange::keys::sha256_hex;
use fhir::gp_connect::{Call, PATH, Refusal, Trouble};
use http::request::Parts;
use http::{HeaderMap, header};
use store::diary::Audience;

use super::answer::Refused;
use super::{Consumer, Door};
use crate::node::Node;
use crate::serve::PeerCertificate;

/// The longest header that is looked at, in characters.
const HEADER_CHARS_MAX: usize = 200;

/// What a request brings beside its body.
pub(super) struct Brought {
    pub(super) headers: HeaderMap,
    pub(super) parameters: Vec<(String, String)>,
    certificate: Option<PeerCertificate>,
}

impl<S: Sync> FromRequestParts<S> for Brought {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Brought, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Brought {
            headers: parts.headers.clone(),
            parameters: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            certificate: parts.extensions.get::<PeerCertificate>().cloned(),
        })
    }
}

impl Brought {
    /// A header that must be there.
    pub(super) fn header(&self, name: &str) -> Result<&str, Refusal> {
        let value = self.headers.get(name).and_then(|it| it.to_str().ok());
        let value = value
            .map(str::trim)
            .filter(|it| (1..=HEADER_CHARS_MAX).contains(&it.len()));
        value.ok_or_else(|| bad(format!("The header {name} is missing, or is no text.")))
    }

    fn token(&self) -> Result<&str, Refusal> {
        let value = self.headers.get(header::AUTHORIZATION);
        let value = value.and_then(|it| it.to_str().ok());
        let token = value.and_then(|it| it.strip_prefix("Bearer "));
        token.ok_or_else(|| bad("The header Authorization bears a JWT."))
    }

    /// Whether it came through the proxy of the settings.
    fn is_by_proxy(&self, door: &Door) -> bool {
        match (&door.proxy, &self.certificate) {
            (Some(proxy), Some(shown)) => proxy.eq_ignore_ascii_case(&sha256_hex(&shown.0)),
            _ => false,
        }
    }
}

fn bad(words: impl Into<String>) -> Refusal {
    Refusal::new(Trouble::BadRequest, words)
}

/// A caller who was let in, for one call.
pub(super) struct Admitted {
    pub(super) call: Call,
    pub(super) scope: Scope,
    pub(super) organisation: Ods,
    /// As whom they take slots.
    pub(super) audience: Audience,
}

fn interaction(call: Call) -> (Interaction, &'static str) {
    match call {
        Call::Metadata | Call::ReadLocation | Call::ReadOrganization | Call::FindSlots => {
            (Interaction::Slots, "Slot")
        }
        Call::FindPatient => (Interaction::Match, "Patient"),
        Call::ReadPatient => (Interaction::Read, "Patient"),
        Call::ReadAppointment => (Interaction::Read, "Appointment"),
        Call::PatientAppointments => (Interaction::Search, "Appointment"),
        Call::Book | Call::Amend => (Interaction::Book, "Appointment"),
        Call::Cancel => (Interaction::CancelAppointment, "Appointment"),
    }
}

/// Lets a caller in who may make one of these calls.
///
/// # Errors
/// Why not; what was decided against is in the audit log.
pub(super) async fn admit(
    node: &Node,
    brought: &Brought,
    calls: &[Call],
) -> Result<Admitted, Refused> {
    let Some(door) = node.gp_connect.as_ref().filter(|_| node.diary.kept_here) else {
        let words = "No diary is kept here that could be booked under GP Connect.";
        return Err(Refusal::new(Trouble::NotImplemented, words).into());
    };
    let accepted = brought.headers.get(header::ACCEPT);
    let accepted = accepted.and_then(|it| it.to_str().ok()).unwrap_or("*/*");
    if !accepted.contains("json") && !accepted.contains("*/*") {
        let words = "JSON and XML are spoken here: application/fhir+json, application/fhir+xml.";
        return Err(Refusal::new(Trouble::UnsupportedMediaType, words).into());
    }
    let trace: Arc<str> = brought.header("Ssp-TraceID")?.into();
    let (from, to) = (brought.header("Ssp-From")?, brought.header("Ssp-To")?);
    let id = brought.header("Ssp-InteractionID")?;
    let call = calls.iter().find(|it| it.id() == id).copied();
    let call = call.ok_or_else(|| bad("Ssp-InteractionID is not the one of this request."))?;
    let consumer = door.consumers.iter().find(|it| it.asid == from);
    let consumer = consumer.filter(|_| to == door.asid).ok_or_else(|| {
        let words = "Ssp-From or Ssp-To is not known here.";
        Refusal::new(Trouble::AsidCheckFailed, words)
    })?;
    decided(node, brought, (door, consumer), (call, trace)).await
}

async fn decided(
    node: &Node,
    brought: &Brought,
    (door, consumer): (&Door, &Consumer),
    (call, trace): (Call, Arc<str>),
) -> Result<Admitted, Refused> {
    let denied = |words: &str| Refused(Refusal::new(Trouble::AccessDenied, words));
    let believed = match (&consumer.keys, brought.is_by_proxy(door)) {
        (_, true) => Believed::Proxy,
        (Some(keys), false) => Believed::Signed(keys),
        (None, false) => return Err(denied("This system comes through the Spine's proxy alone.")),
    };
    let mut there = vec![format!("{}{PATH}", node.site.base_url)];
    there.extend(node.oauth.mtls_url.iter().map(|url| format!("{url}{PATH}")));
    let now = node.store.now();
    let asks = token::read(brought.token()?, believed, (&there, call), now).map_err(bad)?;
    if asks.organisation != consumer.ods {
        return Err(denied(
            "The token is another organisation's than the system.",
        ));
    }
    let standing = node.store.asker_standing(&consumer.ods, now).await?;
    let (interaction, ty) = interaction(call);
    let asked = access::Consumer {
        organisation: consumer.ods.clone(),
        name: asks.person,
        reason: asks.reason,
        request_id: trace.clone(),
    };
    let own = &node.site.organisation;
    match decide_consumer(&asked, own, interaction, (&standing, now)) {
        Ok(scope) => Ok(Admitted {
            call,
            scope,
            audience: match &consumer.ods == own {
                true => Audience::Patients,
                false => Audience::Organisations,
            },
            organisation: consumer.ods.clone(),
        }),
        Err(problem) => {
            let who = Who::Peer {
                organisation: consumer.ods.clone(),
            };
            let caller = Caller::new(who, trace);
            let line = AuditEntry::refused(&caller, interaction, Purpose::DirectCare, ty, None);
            node.store.refused(line).await?;
            Err(problem.into())
        }
    }
}
