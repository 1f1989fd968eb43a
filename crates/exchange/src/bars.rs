//! Organisations that have no node and take referrals by the Booking and Referral Standard (BaRS, FHIR R4;
//! <https://digital.nhs.uk/developer/api-catalogue/booking-and-referral-fhir>): where each is, and what its answers mean.
//!
//! Invariant: a message is the same bytes under the same ids at every try, so that its receiver takes it once.

use std::path::{Path, PathBuf};

use access::Ods;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fhir::members::{each, text};
use fhir::problem::{Kind, Problem};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::keys::read_private;
use crate::outgoing::{Call, Outgoing};

/// How long an answer is waited for.
const SECONDS_MAX: u64 = 30;
/// The longest answer, in bytes: it may repeat the whole message.
const ANSWER_BYTES_MAX: usize = 4 << 20;
const REASON_CHARS_MAX: usize = 300;
const SERVICE_ID: &str = "https://fhir.nhs.uk/Id/dos-service-id";
pub(crate) const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// An organisation that is reached by BaRS.
#[derive(Clone, Debug)]
pub struct Service {
    pub ods: Ods,
    pub name: String,
    /// The address of its FHIR API, or of the proxy that passes messages on to it.
    pub url: String,
    /// The identifier by which the proxy knows it.
    pub service: String,
    /// The file with the bearer token that is shown there. It is read each time, so that it changes while the node runs.
    pub token: PathBuf,
}

/// The way to all of them.
pub struct Bars {
    services: Vec<Service>,
    client: Outgoing,
    /// What is named as the place where answers go.
    pub(crate) own_endpoint: String,
}

impl std::fmt::Debug for Bars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let services = &self.services;
        f.debug_struct("Bars").field("services", services).finish()
    }
}

/// What came of sending a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The receiver has it, now or since before.
    There,
    /// Nothing can be told from it: the same is to be sent again.
    NotNow(String),
    /// It is not taken, and will not be.
    Refused(String),
}

/// A message, with what it is sent under.
pub(crate) struct Message<'m> {
    pub event: &'m str,
    /// `new` or `update`.
    pub reason: &'m str,
    pub body: &'m str,
    pub request_id: &'m str,
    pub correlation_id: &'m str,
    /// Who sends: this organisation and its name.
    pub sender: (&'m Ods, &'m str),
}

impl Bars {
    /// # Errors
    /// `Value` if an address does not read; `Exception` if TLS cannot be set up.
    pub fn new(services: Vec<Service>, own_endpoint: String) -> Result<Bars, Problem> {
        let mut hosts = Vec::new();
        for it in &services {
            hosts.push(host(&it.url)?);
        }
        let client = Outgoing::new(&hosts).map_err(|cause| {
            let message = "TLS towards services of BaRS could not be set up.";
            Problem::new(Kind::Exception, message).because(cause)
        })?;
        Ok(Bars {
            services,
            client: client.bounded(SECONDS_MAX, ANSWER_BYTES_MAX),
            own_endpoint,
        })
    }

    /// All of them.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// That organisation's.
    pub fn service(&self, ods: &str) -> Option<&Service> {
        self.services.iter().find(|it| it.ods.as_str() == ods)
    }

    pub(crate) async fn send(&self, to: &Service, message: &Message<'_>) -> Told {
        let token = match token(&to.token) {
            Ok(token) => token,
            Err(problem) => return Told::NotNow(problem.message.to_string()),
        };
        let call = Call {
            method: Method::POST,
            url: format!("{}/$process-message", to.url.trim_end_matches('/')),
            headers: headers(to, message, &token),
            body: Bytes::from(message.body.to_string()),
        };
        match self.client.whole_answer(call).await {
            Ok((status, headers, body)) => understood(status, &headers, &body, message),
            Err(why) => Told::NotNow(why),
        }
    }
}

fn token(path: &Path) -> Result<String, Problem> {
    let read = read_private(path)?;
    let token = String::from_utf8_lossy(&read).trim().to_string();
    match token.is_empty() || token.chars().any(char::is_control) {
        true => Err(Problem::new(
            Kind::Security,
            "The file of the token for BaRS holds no token.",
        )),
        false => Ok(token),
    }
}

fn headers(to: &Service, message: &Message<'_>, token: &str) -> Vec<(String, String)> {
    let coded = |it: Value| STANDARD.encode(it.to_string());
    let (own, name) = message.sender;
    let organisation = json!({
        "resourceType": "Organization",
        "identifier": [{ "system": ODS_CODE, "value": own.as_str() }],
        "name": name,
    });
    let version = env!("CARGO_PKG_VERSION");
    let software = json!({
        "resourceType": "Device",
        "identifier": [{ "system": "urn:handover:device", "value": "handover" }],
        "deviceName": [{ "name": "Handover", "type": "manufacturer-name" }],
        "version": [{ "value": version }],
    });
    let target = json!({ "value": to.service, "system": SERVICE_ID });
    let context = format!("handover|referral|{}|{}", message.event, message.reason);
    [
        (
            "content-type",
            "application/fhir+json; version=1.0.0".to_string(),
        ),
        ("accept", "application/fhir+json; version=1.4.0".to_string()),
        ("authorization", format!("Bearer {token}")),
        ("x-request-id", message.request_id.to_string()),
        ("x-correlation-id", message.correlation_id.to_string()),
        ("nhsd-target-identifier", coded(target)),
        ("nhsd-end-user-organisation", coded(organisation)),
        ("nhsd-requesting-software", coded(software)),
        ("use-context", context),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .to_vec()
}

/// What an answer means. Diagnostics are not repeated: they may hold what was sent.
fn understood(status: u16, headers: &HeaderMap, body: &[u8], sent: &Message<'_>) -> Told {
    // An answer under another request's ids is no answer to this one.
    for (name, own) in [
        ("x-request-id", sent.request_id),
        ("x-correlation-id", sent.correlation_id),
    ] {
        let other = headers.get(name).and_then(|it| it.to_str().ok());
        if other.is_some_and(|it| !it.eq_ignore_ascii_case(own)) {
            return Told::NotNow(format!("The answer came under another {name}."));
        }
    }
    let outcome: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let is_outcome = text(&outcome, "/resourceType") == "OperationOutcome";
    let codes: Vec<&str> = each(&outcome, "/issue")
        .map(|it| text(it, "/code"))
        .collect();
    let named = each(&outcome, "/issue").map(|it| text(it, "/details/coding/0/code"));
    let said: Vec<&str> = named.chain(codes.iter().copied()).collect();
    let said: String = said.join(" ").chars().take(REASON_CHARS_MAX).collect();
    let why = format!("The receiver answered {status}. {said}");
    match status {
        200..=299 => Told::There,
        409 if codes.contains(&"duplicate") => Told::There,
        // What must be put right here first, or there, before the same would be taken.
        401 | 403 | 408 | 425 | 429 => Told::NotNow(why),
        // A proxy's page is nobody's word on the message.
        400..=499 if is_outcome => Told::Refused(why),
        _ => Told::NotNow(why),
    }
}

fn host(url: &str) -> Result<String, Problem> {
    let read: Result<http::Uri, _> = url.parse();
    let read = read
        .ok()
        .filter(|it| matches!(it.scheme_str(), Some("http" | "https")));
    let host = read.and_then(|it| it.host().map(str::to_string));
    host.ok_or_else(|| Problem::new(Kind::Value, "The address of a service does not read."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_receiver_itself_says_ends_a_message() {
        let own = Ods::parse("A81001").unwrap();
        let sent = Message {
            event: "servicerequest-request",
            reason: "new",
            body: "{}",
            request_id: "r-1",
            correlation_id: "c-1",
            sender: (&own, "Anytown"),
        };
        let outcome = |code: &str| {
            format!(r#"{{"resourceType":"OperationOutcome","issue":[{{"code":"{code}"}}]}}"#)
        };
        let of = |status, body: &str| understood(status, &HeaderMap::new(), body.as_bytes(), &sent);
        assert_eq!(of(200, "{}"), Told::There);
        assert_eq!(of(409, &outcome("duplicate")), Told::There);
        assert!(matches!(of(409, &outcome("conflict")), Told::Refused(_)));
        assert!(matches!(of(422, &outcome("value")), Told::Refused(_)));
        for status in [401, 403, 404, 408, 409, 429, 500, 503, 302] {
            let answer = of(status, "<html>");
            assert!(matches!(answer, Told::NotNow(_)), "{status}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "R-1".parse().unwrap());
        assert_eq!(understood(200, &headers, b"", &sent), Told::There);
        headers.insert("x-correlation-id", "c-2".parse().unwrap());
        let other = understood(200, &headers, b"", &sent);
        assert!(matches!(other, Told::NotNow(_)), "another one's answer");
        assert!(Bars::new(Vec::new(), String::new()).is_ok());
        assert!(host("nonsense").is_err());
    }
}
