//! One run: its bounds, its requests, and what came of each requirement.

use std::time::Instant;

use bytes::Bytes;
use exchange::outgoing::{Call, Outgoing};
use http::{HeaderMap, Method};
use serde_json::Value;
use store::Clock;

use super::Way;
use super::report::Report;
use super::requirement::Requirement;
use super::shown::{cut, shown};
use super::target::{Target, place};

/// Requests in one run.
const REQUESTS_MAX: u32 = 1_000;
/// How long a run may take in all.
const RUN_SECONDS_MAX: u64 = 900;
/// An answer's body is read up to here.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Error answers that are kept to be looked at.
const ERRORS_MAX: usize = 200;
/// Pieces of evidence of one requirement.
const EVIDENCE_MAX: usize = 5;
/// The longest piece of evidence, in characters.
const FOUND_MAX: usize = 400;

/// What a system answers that would do as it is asked at another time.
const BUSY: [u16; 2] = [429, 503];

/// What came of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    NotMet,
    NotApplicable,
    CouldNotBeTold,
}

impl Verdict {
    pub(super) const ALL: [Verdict; 4] = [
        Verdict::NotMet,
        Verdict::CouldNotBeTold,
        Verdict::Met,
        Verdict::NotApplicable,
    ];

    /// As the JSON report writes it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::NotMet => "not-met",
            Verdict::NotApplicable => "not-applicable",
            Verdict::CouldNotBeTold => "could-not-be-told",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Verdict::Met => "Met",
            Verdict::NotMet => "Not met",
            Verdict::NotApplicable => "Does not apply",
            Verdict::CouldNotBeTold => "Could not be told",
        }
    }
}

/// What was asked, and what of the answer says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) request: String,
    pub(super) status: Option<u16>,
    pub(super) found: String,
}

/// A requirement and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) requirement: Requirement,
    pub(super) verdict: Option<Verdict>,
    pub(super) reason: String,
    pub(super) evidence: Vec<Evidence>,
}

/// Whose token a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum As {
    Own,
    Nobody,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    who: As,
    /// Whether its errors are held against FHIR's rules.
    is_fhir: bool,
}

impl Ask {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Ask {
        Ask {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            who: As::Own,
            is_fhir: true,
        }
    }

    /// Below the base, or an address that begins with the base's host.
    pub(super) fn get(path: impl Into<String>) -> Ask {
        Ask::new(Method::GET, path)
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Ask {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub(super) fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Ask {
        self.body = body.into();
        self.with("content-type", kind)
    }

    #[must_use]
    pub(super) fn by_nobody(mut self) -> Ask {
        self.who = As::Nobody;
        self
    }

    /// Not an interaction of FHIR's.
    #[must_use]
    pub(super) fn plain(mut self) -> Ask {
        self.is_fhir = false;
        self
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) request: String,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The media type without its parameters.
    pub(super) fn media_type(&self) -> String {
        let kind = self.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.to_ascii_lowercase()
    }

    pub(super) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn is_refusal(&self) -> bool {
        (400..500).contains(&self.status)
    }

    /// Whether it is a FHIR resource of that type, in JSON.
    pub(super) fn is(&self, ty: &str) -> bool {
        let told = self.json();
        told.and_then(|it| Some(it.get("resourceType")?.as_str()? == ty)) == Some(true)
    }
}

/// What a check gives up with: why the rest of its requirements could not be told.
pub(super) type Rest = Result<(), String>;

/// A run.
pub(super) struct Run {
    pub(super) target: Target,
    pub(super) write: bool,
    pub(super) clock: Clock,
    /// What was made and could not be removed.
    pub(super) left: Vec<String>,
    /// Answers of FHIR's with 400 or more.
    pub(super) errors: Vec<Seen>,
    /// Requests that were not answered, and why.
    pub(super) unanswered: Vec<(String, String)>,
    http: Outgoing,
    base: String,
    token: Option<String>,
    requests: u32,
    reached: bool,
    began: Instant,
    findings: Vec<Finding>,
}

impl Run {
    pub(super) fn new(
        target: Target,
        way: &Way,
        requirements: Vec<Requirement>,
        write: bool,
        clock: Clock,
    ) -> anyhow::Result<Run> {
        let base = target.address();
        let (host, ..) = target.place();
        // The operator chose this host, which may be private; another that the system names must be public.
        let allowed = [host.clone(), format!("[{host}]")];
        let http = Outgoing::over(way.config.clone(), &allowed);
        let finding = |requirement| Finding {
            requirement,
            verdict: None,
            reason: String::new(),
            evidence: Vec::new(),
        };
        Ok(Run {
            target,
            write,
            clock,
            left: Vec::new(),
            errors: Vec::new(),
            unanswered: Vec::new(),
            http: http.bounded(way.seconds, ANSWER_BYTES_MAX),
            base,
            token: None,
            requests: 0,
            reached: false,
            began: Instant::now(),
            findings: requirements.into_iter().map(finding).collect(),
        })
    }

    pub(super) fn carry(&mut self, token: Option<String>) {
        self.token = token;
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Something answered.
    pub(super) fn reach(&mut self) {
        self.reached = true;
    }

    pub(super) fn is_reached(&self) -> bool {
        self.reached
    }

    /// Counts a request.
    ///
    /// # Errors
    /// If that is one too many.
    pub(super) fn count(&mut self) -> Rest {
        self.requests += 1;
        if self.requests > REQUESTS_MAX || self.began.elapsed().as_secs() > RUN_SECONDS_MAX {
            return Err(format!(
                "The run's bound was reached: {REQUESTS_MAX} requests, or {RUN_SECONDS_MAX} seconds."
            ));
        }
        Ok(())
    }

    /// Whether any requirement of that table is wanted.
    pub(super) fn wants(&self, table: &str) -> bool {
        self.findings.iter().any(|it| it.requirement.table == table)
    }

    /// Whether an address is at the host and port that is tested.
    pub(super) fn is_here(&self, url: &str) -> bool {
        let own = place(&self.base).ok();
        own.is_some() && place(url).ok() == own
    }

    /// Sends a request and reads the answer. A redirect is an answer, and is not followed.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) async fn ask(&mut self, ask: Ask) -> Result<Seen, String> {
        self.count()?;
        let (request, call, is_fhir) = self.call(ask);
        let answered = self.http.whole_answer(call).await;
        self.take(request, is_fhir, answered)
    }

    /// Sends the same request so many times at once.
    ///
    /// # Errors
    /// As `ask`, of the first that was not answered.
    pub(super) async fn race(&mut self, ask: &Ask, times: usize) -> Result<Vec<Seen>, String> {
        let mut racing = Vec::new();
        for _ in 0..times {
            self.count()?;
            let (request, call, is_fhir) = self.call(ask.clone());
            let http = self.http.clone();
            let running = tokio::spawn(async move { http.whole_answer(call).await });
            racing.push((request, is_fhir, running));
        }
        let mut seen = Vec::new();
        for (request, is_fhir, running) in racing {
            let answered = running.await.map_err(|cause| cause.to_string())?;
            seen.push(self.take(request, is_fhir, answered)?);
        }
        Ok(seen)
    }

    fn call(&self, ask: Ask) -> (String, Call, bool) {
        let url = match ask.path.contains("://") {
            true => ask.path.clone(),
            false => format!("{}{}", self.base, ask.path),
        };
        let request = format!("{} {}", ask.method, shown(&url, &self.base));
        let mut headers = ask.headers;
        let has = |name: &str| headers.iter().any(|(known, _)| known == name);
        let (accepts, authorizes) = (has("accept"), has("authorization"));
        if ask.is_fhir && !accepts {
            headers.push(("accept".into(), "application/fhir+json".into()));
        }
        if let (Some(token), As::Own, false, true) =
            (&self.token, &ask.who, authorizes, self.is_here(&url))
        {
            headers.push(("authorization".into(), format!("Bearer {token}")));
        }
        let call = Call {
            method: ask.method,
            url,
            headers,
            body: ask.body.into(),
        };
        (request, call, ask.is_fhir)
    }

    fn take(
        &mut self,
        request: String,
        is_fhir: bool,
        answered: Result<(u16, HeaderMap, Bytes), String>,
    ) -> Result<Seen, String> {
        let (status, headers, body) = answered.map_err(|reason| {
            if self.unanswered.len() < ERRORS_MAX {
                self.unanswered.push((request.clone(), reason.clone()));
            }
            format!("{request}: {reason}")
        })?;
        self.reached = true;
        if BUSY.contains(&status) {
            return Err(format!(
                "{request} was answered {status}: the system has no time now. Try again later."
            ));
        }
        let seen = Seen {
            request,
            status,
            headers,
            body,
        };
        if is_fhir && status >= 400 && self.errors.len() < ERRORS_MAX {
            self.errors.push(seen.clone());
        }
        Ok(seen)
    }

    /// Says what came of a requirement: met, or what was found instead.
    pub(super) fn holds(&mut self, id: &str, met: bool, seen: &Seen, found: impl Into<String>) {
        let verdict = if met { Verdict::Met } else { Verdict::NotMet };
        self.tell(id, verdict, String::new(), vec![of(seen, found)]);
    }

    /// The same of something that is no answer over HTTP.
    pub(super) fn shows(&mut self, id: &str, met: bool, request: &str, found: impl Into<String>) {
        let verdict = if met { Verdict::Met } else { Verdict::NotMet };
        let evidence = Evidence {
            request: request.to_owned(),
            status: None,
            found: found.into(),
        };
        self.tell(id, verdict, String::new(), vec![evidence]);
    }

    /// Says that a requirement does not apply, and why.
    pub(super) fn spares(&mut self, id: &str, why: impl Into<String>) {
        self.tell(id, Verdict::NotApplicable, why.into(), Vec::new());
    }

    /// Says of a requirement that nothing was said of yet that it could not be told, and why.
    pub(super) fn leaves(&mut self, ids: &[&str], why: &str) {
        for id in ids {
            let mut findings = self.findings.iter();
            if findings.any(|it| it.requirement.id == *id && it.verdict.is_none()) {
                self.tell(id, Verdict::CouldNotBeTold, why.to_owned(), Vec::new());
            }
        }
    }

    /// The requirements of which nothing was said yet, and which do not wait for --write.
    pub(super) fn open(&self) -> Vec<String> {
        let open = self
            .findings
            .iter()
            .filter(|it| it.verdict.is_none() && (self.write || !it.requirement.write));
        open.map(|it| it.requirement.id.clone()).collect()
    }

    /// As `leaves`, of whatever a check that gave up was to say.
    pub(super) fn ends(&mut self, ids: &[&str], rest: Rest) {
        if let Err(why) = rest {
            self.leaves(ids, &why);
        }
    }

    /// What was said first stands, but for something that is not met.
    pub(super) fn tell(
        &mut self,
        id: &str,
        verdict: Verdict,
        reason: String,
        evidence: Vec<Evidence>,
    ) {
        debug_assert!(!id.is_empty());
        let Some(finding) = self.findings.iter_mut().find(|it| it.requirement.id == id) else {
            return;
        };
        let told = finding.verdict.is_some();
        if told && verdict != Verdict::NotMet {
            return;
        }
        if finding.verdict != Some(Verdict::NotMet) {
            finding.evidence.clear();
            let found = evidence
                .first()
                .map_or(reason.as_str(), |it| it.found.as_str());
            println!("{:<18} {id:<32} {}", verdict.words(), cut(found, 100));
        }
        finding.verdict = Some(verdict);
        finding.reason = reason;
        for mut it in evidence {
            if finding.evidence.len() < EVIDENCE_MAX {
                it.found = cut(&it.found, FOUND_MAX);
                finding.evidence.push(it);
            }
        }
    }

    /// Ends the run. What nothing was said of could not be told.
    pub(super) fn report(mut self) -> Report {
        let allowed = self.write;
        let open: Vec<(String, bool)> = self
            .findings
            .iter()
            .filter(|it| it.verdict.is_none())
            .map(|it| (it.requirement.id.clone(), it.requirement.write))
            .collect();
        for (id, writes) in open {
            let why = match writes && !allowed {
                true => "It is tested with --write only.",
                false => "The check did not get that far.",
            };
            self.leaves(&[&id], why);
        }
        Report {
            address: self.target.address(),
            kind: self.target.kind(),
            at: self.clock.now(),
            wrote: self.write,
            requests: self.requests,
            reached: self.reached,
            findings: self.findings,
            left: self.left,
            unanswered: self.unanswered,
        }
    }
}

/// What an answer showed.
pub(super) fn of(seen: &Seen, found: impl Into<String>) -> Evidence {
    Evidence {
        request: seen.request.clone(),
        status: Some(seen.status),
        found: found.into(),
    }
}
