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

use crate::directory::ByBars;
use crate::keys::read_private;
use crate::outgoing::{Call, Outgoing};

/// How long an answer is waited for.
const SECONDS_MAX: u64 = 30;
/// The longest answer, in bytes: it may repeat the whole message.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// The end of the name of a file with a token; what stands before it is a host.
const TOKEN: &str = ".token";
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
    /// The folder with a token for each host at which organisations of the directory are reached.
    tokens: Option<PathBuf>,
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

/// What the receiver answered, as far as it is looked at besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub status: u16,
    /// The issues of an OperationOutcome.
    pub codes: Vec<String>,
    pub body: Value,
}

impl Said {
    fn is_issue(&self, status: u16, code: &str) -> bool {
        self.status == status && self.codes.iter().any(|it| it == code)
    }

    /// Whether something that is there already stands against it.
    pub(crate) fn is_conflict(&self) -> bool {
        self.is_issue(409, "conflict")
    }

    /// Whether it had been taken before, which says nothing of what came of it.
    pub(crate) fn is_duplicate(&self) -> bool {
        self.is_issue(409, "duplicate")
    }

    /// Whether the receiver itself says that there is no such thing.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.status, 404 | 410) && !self.codes.is_empty()
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
    pub fn new(
        services: Vec<Service>,
        tokens: Option<PathBuf>,
        own_endpoint: String,
    ) -> Result<Bars, Problem> {
        let mut hosts = Vec::new();
        for it in &services {
            hosts.push(host(&it.url)?);
        }
        // Whoever put a host's token there has named the host, as a setting does.
        hosts.extend(tokens.iter().flat_map(|it| hosts_of(it)));
        let client = Outgoing::new(&hosts).map_err(|cause| {
            let message = "TLS towards services of BaRS could not be set up.";
            Problem::new(Kind::Exception, message).because(cause)
        })?;
        Ok(Bars {
            services,
            tokens,
            client: client.bounded(SECONDS_MAX, ANSWER_BYTES_MAX),
            own_endpoint,
        })
    }

    /// All of them.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// How an organisation is reached that the directory lists; none where no tokens are kept here. A token goes to the host whose
    /// name its file bears, and to no other.
    pub(crate) fn listed(&self, entry: &ByBars) -> Option<Service> {
        let host = host(&entry.url).ok()?;
        Some(Service {
            ods: Ods::parse(&entry.ods).ok()?,
            name: entry.name.clone(),
            url: entry.url.clone(),
            service: entry.service.clone(),
            token: self.tokens.as_ref()?.join(format!("{host}{TOKEN}")),
        })
    }

    /// That organisation's, as the settings name it.
    pub fn service(&self, ods: &str) -> Option<&Service> {
        self.services.iter().find(|it| it.ods.as_str() == ods)
    }

    pub(crate) async fn send(&self, to: &Service, message: &Message<'_>) -> (Told, Said) {
        let what = match message.event.split_once('-') {
            Some(("booking", _)) => "booking",
            _ => "referral",
        };
        let context = format!("handover|{what}|{}|{}", message.event, message.reason);
        let more = [
            ("content-type", "application/fhir+json; version=1.0.0"),
            ("use-context", context.as_str()),
        ];
        let ids = (message.request_id, message.correlation_id);
        let body = Bytes::from(message.body.to_string());
        let call = (Method::POST, "/$process-message", body);
        self.call(to, call, (message.sender, ids, &more)).await
    }

    /// Asks for what is at that path and query.
    pub(crate) async fn ask(&self, to: &Service, path: &str, sender: (&Ods, &str)) -> (Told, Said) {
        let fresh = || uuid::Uuid::new_v4().to_string();
        let (request, correlation) = (fresh(), fresh());
        let ids = (request.as_str(), correlation.as_str());
        let call = (Method::GET, path, Bytes::new());
        self.call(to, call, (sender, ids, &[])).await
    }

    async fn call(
        &self,
        to: &Service,
        (method, path, body): (Method, &str, Bytes),
        (sender, ids, more): (Sender<'_>, (&str, &str), &[(&str, &str)]),
    ) -> (Told, Said) {
        let token = match token(&to.token) {
            Ok(token) => token,
            Err(problem) => {
                return (Told::NotNow(problem.message.to_string()), Said::default());
            }
        };
        let mut headers = headers(to, (sender, ids), &token);
        let more = more.iter();
        headers.extend(more.map(|(name, it)| ((*name).to_string(), (*it).to_string())));
        let call = Call {
            method,
            url: format!("{}{path}", to.url.trim_end_matches('/')),
            headers,
            body,
        };
        match self.client.whole_answer(call).await {
            Ok((status, headers, body)) => understood(status, &headers, &body, ids),
            Err(why) => (Told::NotNow(why), Said::default()),
        }
    }
}

/// Who asks: this organisation and its name.
type Sender<'s> = (&'s Ods, &'s str);

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

fn headers(
    to: &Service,
    ((own, name), (request_id, correlation_id)): (Sender<'_>, (&str, &str)),
    token: &str,
) -> Vec<(String, String)> {
    let coded = |it: Value| STANDARD.encode(it.to_string());
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
    [
        ("accept", "application/fhir+json; version=1.4.0".to_string()),
        ("authorization", format!("Bearer {token}")),
        ("x-request-id", request_id.to_string()),
        ("x-correlation-id", correlation_id.to_string()),
        ("nhsd-target-identifier", coded(target)),
        ("nhsd-end-user-organisation", coded(organisation)),
        ("nhsd-requesting-software", coded(software)),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .to_vec()
}

/// What an answer means. Diagnostics are not repeated: they may hold what was sent.
fn understood(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    (request_id, correlation_id): (&str, &str),
) -> (Told, Said) {
    // An answer under another request's ids is no answer to this one.
    for (name, own) in [
        ("x-request-id", request_id),
        ("x-correlation-id", correlation_id),
    ] {
        let other = headers.get(name).and_then(|it| it.to_str().ok());
        if other.is_some_and(|it| !it.eq_ignore_ascii_case(own)) {
            let why = format!("The answer came under another {name}.");
            return (Told::NotNow(why), Said::default());
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
    let told = match status {
        200..=299 => Told::There,
        409 if codes.contains(&"duplicate") => Told::There,
        // What must be put right here first, or there, before the same would be taken.
        401 | 403 | 408 | 425 | 429 => Told::NotNow(why),
        // A proxy's page is nobody's word on the message.
        400..=499 if is_outcome => Told::Refused(why),
        _ => Told::NotNow(why),
    };
    let codes = match is_outcome {
        true => codes.into_iter().map(str::to_string).collect(),
        false => Vec::new(),
    };
    let answered = Said {
        status,
        codes,
        body: outcome,
    };
    (told, answered)
}

/// The hosts whose tokens are in a folder; none if it does not read.
fn hosts_of(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = files.filter_map(|it| it.file_name().into_string().ok());
    let hosts = names.filter_map(|it| it.strip_suffix(TOKEN).map(str::to_string));
    hosts.collect()
}

/// Whether an address may be asked: over TLS, or on this machine.
pub fn is_address(url: &str) -> bool {
    let is_here = ["http://127.0.0.1:", "http://localhost:"];
    let is_safe = url.starts_with("https://") || is_here.iter().any(|it| url.starts_with(it));
    is_safe && !url.contains('@') && host(url).is_ok()
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
        let ids = ("r-1", "c-1");
        let outcome = |code: &str| {
            format!(r#"{{"resourceType":"OperationOutcome","issue":[{{"code":"{code}"}}]}}"#)
        };
        let told = |status, headers: &HeaderMap, body: &str| {
            understood(status, headers, body.as_bytes(), ids)
        };
        let of = |status, body: &str| told(status, &HeaderMap::new(), body).0;
        assert_eq!(of(200, "{}"), Told::There);
        assert_eq!(of(409, &outcome("duplicate")), Told::There);
        assert!(matches!(of(409, &outcome("conflict")), Told::Refused(_)));
        assert!(matches!(of(422, &outcome("value")), Told::Refused(_)));
        for status in [401, 403, 404, 408, 409, 429, 500, 503, 302] {
            let answer = of(status, "<html>");
            assert!(matches!(answer, Told::NotNow(_)), "{status}");
        }
        let said = |status, code: &str| told(status, &HeaderMap::new(), &outcome(code)).1;
        assert!(said(409, "conflict").is_conflict() && !said(409, "conflict").is_duplicate());
        assert!(said(409, "duplicate").is_duplicate() && said(404, "not-found").is_gone());
        let page = told(404, &HeaderMap::new(), "<html>").1;
        assert!(!page.is_gone(), "a proxy's page is nobody's word");
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "R-1".parse().unwrap());
        assert_eq!(told(200, &headers, "").0, Told::There);
        headers.insert("x-correlation-id", "c-2".parse().unwrap());
        let other = told(200, &headers, "").0;
        assert!(matches!(other, Told::NotNow(_)), "another one's answer");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x.example.token"), "t").unwrap();
        let tokens = Some(folder.path().to_path_buf());
        let bars = Bars::new(Vec::new(), tokens, String::new()).unwrap();
        let entry = |url: &str| ByBars {
            ods: "RYE".into(),
            name: "Receiver".into(),
            url: url.into(),
            service: "1".into(),
        };
        let listed = bars.listed(&entry("https://x.example/FHIR/R4")).unwrap();
        assert_eq!(listed.token, folder.path().join("x.example.token"));
        let other = bars.listed(&entry("https://y.example/FHIR/R4")).unwrap();
        assert_eq!(
            other.token,
            folder.path().join("y.example.token"),
            "never another's"
        );
        assert_eq!(hosts_of(folder.path()), ["x.example"]);
        let none = Bars::new(Vec::new(), None, String::new()).unwrap();
        assert!(none.listed(&entry("https://x.example")).is_none());
        assert!(is_address("https://x.example/a") && is_address("http://127.0.0.1:1/a"));
        assert!(!is_address("http://x.example") && !is_address("https://u@x.example"));
        assert!(host("nonsense").is_err());
    }
}
