//! Who is at the door: the session or token that a request brings, and what follows from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use access::{
    Acting, Assurance, AuditEntry, Caller, Granted, Interaction, NhsNumber, Purpose, Role, Scope,
    Who,
};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use store::desk::{Pending, Waiting};

use crate::cookie;
use crate::node::Node;
use crate::oauth;
use crate::oauth::bearer::Scheme;
use crate::page::headers;
use crate::page::problem::{self, Refusal};
use crate::page::tongue::{Language, Tongue};
use crate::secret::{FormKey, Secret};
use crate::sign_in::{Known, Way};

/// An hour, in milliseconds.
const HOUR: Millis = 3_600_000;

/// One request, with who makes it.
#[derive(Clone)]
pub struct Visit {
    /// Names the request in the log, in audit lines and on pages that tell of a failure.
    pub request_id: Arc<str>,
    /// When it came in.
    pub now: Millis,
    caller: Option<Arc<Caller>>,
    assurance: Assurance,
    own_nhs_number: Option<NhsNumber>,
    proof: Proof,
    form_key: Option<FormKey>,
    path: Arc<str>,
    method: Method,
    tongue: Tongue,
    /// What waits and must not hide, for the head of a page of work.
    pending: Option<Pending>,
}

/// What the caller was known by.
#[derive(Clone)]
enum Proof {
    Nothing,
    /// A cookie that browsers send by themselves, so changes need a form's token too.
    Session(Secret),
    /// A token that only its holder sends.
    Token,
}

impl Visit {
    /// Finds out who makes a request, by its bearer token or else its session cookie.
    ///
    /// # Errors
    /// `Login` for a token that is not, or no longer, good; whatever the store answers.
    pub async fn of(node: &Node, request: &Parts) -> Result<Visit, Problem> {
        let mut visit = Visit::unproved(node, request);
        if let Some((scheme, token)) = bearer(&request.headers) {
            let own = match Secret::presented(token) {
                Some(secret) if scheme == Scheme::Bearer => {
                    let sign_in = &node.sign_in;
                    sign_in.by_token(&node.store, &secret, visit.now).await?
                }
                _ => None,
            };
            match own {
                Some(known) => visit.know(known, Proof::Token, None),
                None => {
                    let token = (scheme, token);
                    let held = oauth::bearer::holder(node, request, token, visit.now).await;
                    let (known, granted) = held?;
                    visit.know(known, Proof::Token, Some(granted));
                }
            }
            return Ok(visit);
        }
        let Some(session) = cookie::find(&request.headers, &node.site.cookie_name()) else {
            return Ok(visit);
        };
        let known = node
            .sign_in
            .by_session(&node.store, &session, visit.now)
            .await?;
        if let Some(known) = known {
            visit.form_key = Some(session.form_key());
            visit.know(known, Proof::Session(session), None);
        }
        Ok(visit)
    }

    /// The request as a stranger's.
    pub(crate) fn unproved(node: &Node, request: &Parts) -> Visit {
        // Programs bring no cookies.
        let kept = request.headers.contains_key(COOKIE);
        let kept = kept.then(|| cookie::find(&request.headers, &node.site.form_cookie_name()));
        let now = node.store.now();
        Visit {
            request_id: request_id(now),
            now,
            caller: None,
            assurance: Assurance::default(),
            own_nhs_number: None,
            proof: Proof::Nothing,
            form_key: kept.flatten().map(|secret| secret.form_key()),
            path: request.uri.path().into(),
            method: request.method.clone(),
            tongue: Tongue::of(request),
            pending: None,
        }
    }

    fn know(&mut self, known: Known, proof: Proof, granted: Option<Arc<Granted>>) {
        let caller = Caller {
            who: known.who,
            request_id: self.request_id.clone(),
            granted,
            acting: known.acting.map(Arc::new),
        };
        self.caller = Some(Arc::new(caller));
        self.assurance = known.assurance;
        self.own_nhs_number = known.own_nhs_number;
        self.proof = proof;
    }

    /// What waits and must not hide, for the head of a page of work.
    pub(crate) fn pending(&self) -> Option<Pending> {
        self.pending
    }

    /// Looks up what waits, where one of the staff's pages is about to be shown to who works on it.
    async fn look_up_pending(&mut self, node: &Node) {
        let Some(Who::Staff { account, role, .. }) = self.caller().map(|caller| &caller.who) else {
            return;
        };
        if !self.on_staff_pages() || *role == Role::System {
            return;
        }
        let ago = |hours: u32| self.now.saturating_sub(Millis::from(hours) * HOUR);
        let waiting = Waiting {
            account: *account,
            tomorrow: crate::staff::desk::tasks::today(self.now).saturating_add(24 * HOUR),
            asked_before: ago(node.diary.answer_hours),
            unopened_before: ago(node.messages_unopened_hours),
            about_looks: *role == Role::PrivacyOfficer,
        };
        match node.store.pending(&waiting).await {
            Ok(pending) => self.pending = Some(pending),
            // A page without its counts is better than none.
            Err(problem) => tracing::warn!(%problem, "what waits could not be counted"),
        }
    }

    /// The language that is wanted, where a page has it.
    pub fn tongue(&self) -> Language {
        self.tongue.language
    }

    /// The language that its page is in: staff's pages are in English.
    pub fn reads(&self) -> Language {
        match self.on_staff_pages() {
            true => Language::English,
            false => self.tongue.language,
        }
    }

    /// Keeps in the browser the language that the address has asked for.
    pub(crate) fn keep_tongue(&self, response: Response) -> Response {
        self.tongue.keep(response)
    }

    /// Who is signed in, if anyone is.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_deref()
    }

    /// For whom they act, if not for themselves. Whether they still may is for each decision to say.
    pub fn acting(&self) -> Option<&Acting> {
        self.caller().and_then(|caller| caller.acting.as_deref())
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// `Login` if nobody is.
    pub fn known(&self) -> Result<&Caller, Problem> {
        self.caller()
            .ok_or_else(|| Problem::new(Kind::Login, "Sign in first."))
    }

    /// What the sign-in proves, and when its holder last proved anew who they are. Nothing for a
    /// stranger.
    pub fn assurance(&self) -> Assurance {
        self.assurance
    }

    /// The NHS number of the member of staff who is signed in, where the node was told it.
    pub fn own_nhs_number(&self) -> Option<&NhsNumber> {
        self.own_nhs_number.as_ref()
    }

    /// Whether clinical data is open to the patient who is signed in (P22): two factors and an
    /// identity proved to P9; or, where the settings let patients in by a plain password, that
    /// password and the proved identity.
    pub(crate) fn opens_clinical(&self, node: &Node) -> bool {
        let plain = node.sign_in.ways.patients.contains(&Way::Password);
        self.assurance.opens_clinical() || (plain && self.assurance.identity >= 9)
    }

    /// Whether who is signed in may let an app act for them: a patient only with a proved identity.
    ///
    /// # Errors
    /// `Forbidden`, with what to do.
    pub(crate) fn may_hand_on(&self, node: &Node) -> Result<(), Problem> {
        let patient = matches!(
            self.caller().map(|caller| &caller.who),
            Some(Who::Patient { .. })
        );
        if patient && !self.opens_clinical(node) {
            return Err(Problem::new(Kind::Forbidden, UNPROVED));
        }
        if self.acting().is_some() {
            let message = "Apps act for yourself alone. Stop acting for somebody else first.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        Ok(())
    }

    /// The session's secret, when it was a session.
    pub(crate) fn session(&self) -> Option<&Secret> {
        match &self.proof {
            Proof::Session(secret) => Some(secret),
            Proof::Nothing | Proof::Token => None,
        }
    }

    /// The decision whether who is signed in may do this for the care of the patient, or, being
    /// the patient, at their own request. A refusal is written to the audit log.
    ///
    /// # Errors
    /// `Login` if nobody is signed in; `Forbidden` as `access::decide` says; those of the store.
    pub async fn scope(
        &self,
        node: &Node,
        interaction: Interaction,
        ty: &str,
    ) -> Result<Scope, Problem> {
        let caller = self.known()?;
        let purpose = match (&caller.who, interaction) {
            (Who::Patient { .. }, _) => Purpose::PatientRequest,
            (_, Interaction::WorkList | Interaction::Neighbours | Interaction::Teams) => {
                Purpose::Operations
            }
            (_, Interaction::AccessLog) => Purpose::Compliance,
            _ => Purpose::DirectCare,
        };
        let standing = node.store.standing(&caller.who, self.now).await?;
        let facts = (&*standing, self.now);
        let unproved = matches!(caller.who, Who::Patient { .. }) && !self.opens_clinical(node);
        let decided = if unproved {
            Err(Problem::new(Kind::Forbidden, UNPROVED))
        } else {
            access::decide_for(caller, interaction, ty, purpose, facts)
        };
        if decided.is_err() {
            let entry = AuditEntry::refused(caller, interaction, purpose, ty, None);
            node.store.refused(entry).await?;
        }
        decided
    }

    /// The same visitor some time later, for what takes long: what was decided at its start may not hold
    /// any more.
    pub(crate) fn later(&self, now: Millis) -> Visit {
        Visit {
            now,
            ..self.clone()
        }
    }

    /// A token for a form of this visitor's; empty for one who has none yet, which no form can
    /// match.
    pub fn form_token(&self) -> String {
        self.form_key
            .as_ref()
            .map(FormKey::token)
            .unwrap_or_default()
    }

    /// Whether a form came from a page of this visitor's.
    pub(crate) fn knows_form(&self, token: &str) -> bool {
        self.form_key.as_ref().is_some_and(|key| key.fits(token))
    }

    /// Gives a stranger the secret that a sign-in form's token follows from, unless the request
    /// brought one. Hand it to the browser with the page.
    pub(crate) fn prepare_form(&mut self) -> Option<Secret> {
        if self.form_key.is_some() {
            return None;
        }
        let secret = Secret::random();
        self.form_key = Some(secret.form_key());
        Some(secret)
    }

    /// Whether it is a request that only looks.
    pub fn is_look(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    /// Whether the address is one of the staff's pages.
    pub fn on_staff_pages(&self) -> bool {
        self.path.starts_with("/staff")
    }

    /// Where to sign in, so that one comes back here.
    pub fn sign_in_address(&self) -> String {
        let door = if self.on_staff_pages() {
            "/staff/login"
        } else {
            "/login"
        };
        if self.is_look() && self.path.len() > 1 {
            let escaped = percent_encoding::utf8_percent_encode(
                &self.path,
                percent_encoding::NON_ALPHANUMERIC,
            );
            return format!("{door}?next={escaped}");
        }
        door.to_owned()
    }

    /// Whether a change may come from another site's page: by a cookie, and not said by the
    /// browser to be from here. Browsers say so; programs use tokens, which this does not touch.
    pub(crate) fn may_be_forged(&self, headers: &HeaderMap) -> bool {
        if self.is_look() || matches!(self.proof, Proof::Token) {
            return false;
        }
        if let Some(site) = headers.get("sec-fetch-site") {
            return site != "same-origin" && site != "none";
        }
        let origin = headers.get(ORIGIN).and_then(|value| value.to_str().ok());
        let host = headers.get(HOST).and_then(|value| value.to_str().ok());
        match (origin.and_then(|text| text.split_once("://")), host) {
            (Some((_, origin)), Some(host)) => origin != host,
            (None, _) => origin.is_some(),
            (Some(_), None) => true,
        }
    }
}

/// What a patient is told whose identity is not proved far enough.
const UNPROVED: &str = "Your health record is shown only to someone who has proved who they are. Sign in with NHS \
     login and prove your identity there, or ask at the practice, with your passport or driving \
     licence, and then sign in with a passkey.";

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visit, Refusal> {
        let visit = parts.extensions.get::<Visit>().cloned();
        visit.ok_or_else(|| Problem::new(Kind::Exception, "The request was not announced.").into())
    }
}

#[cfg(test)]
impl Visit {
    /// A visit that was not made, for rendering pages in tests.
    pub fn sample(caller: Caller, path: &str, now: Millis) -> Visit {
        Visit {
            request_id: "request".into(),
            now,
            caller: Some(Arc::new(caller)),
            assurance: Assurance::default(),
            own_nhs_number: None,
            proof: Proof::Nothing,
            form_key: Some(Secret::random().form_key()),
            path: path.into(),
            method: Method::GET,
            tongue: Tongue::default(),
            pending: None,
        }
    }
}

/// Announces each request to the pages, and renders what they refuse.
pub async fn announce(State(node): State<Arc<Node>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // The pages are for people: an app's token opens none of them.
    let visit = Visit::of(&node, &parts).await;
    let visit = visit.and_then(|visit| match visit.caller() {
        Some(caller) if caller.granted.is_some() => Err(Problem::new(
            Kind::Login,
            "An app's token is for the FHIR door.",
        )),
        _ => Ok(visit),
    });
    let visit = match visit {
        Ok(visit) => visit,
        Err(found) => {
            let visit = Visit::unproved(&node, &parts);
            return headers::on(problem::answer(&node, &visit, &found)).await;
        }
    };
    if visit.may_be_forged(&parts.headers) {
        let found = Problem::new(Kind::Security, "This form was sent from another site.");
        return headers::on(problem::answer(&node, &visit, &found)).await;
    }
    let mut visit = visit;
    visit.look_up_pending(&node).await;
    parts.extensions.insert(visit.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let found = response
        .extensions_mut()
        .remove::<Problem>()
        .or_else(|| bare_refusal(&response));
    if let Some(found) = found {
        response = problem::answer(&node, &visit, &found);
    }
    headers::on(response).await
}

/// What the router itself refused, with no page of ours: an address or form that does not parse, a
/// method that the address has not.
fn bare_refusal(response: &Response) -> Option<Problem> {
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let bare = kind.is_none_or(|kind| kind.starts_with("text/plain"));
    let status = response.status();
    let (kind, message) = match status {
        StatusCode::METHOD_NOT_ALLOWED => (Kind::NotSupported, "This page cannot be used so."),
        StatusCode::PAYLOAD_TOO_LARGE => (Kind::TooLong, "That is more than this page takes."),
        _ => (Kind::NotFound, "There is no page at this address."),
    };
    (bare && status.is_client_error()).then(|| Problem::new(kind, message))
}

/// A UUID of version 7 that no other request has. It names a request and opens nothing, so all but a
/// start that no other process has is counted: asking the system for randomness takes longer than
/// finding what is read.
fn request_id(now: Millis) -> Arc<str> {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(rand::random()));
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // An odd factor: it spreads the numbers and keeps them apart.
    let [a, b, c, d, e, f, g, h] = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    // The version and the variant overwrite six bits, of which none is the number's.
    let bytes = [0, g, 0, a, b, c, d, e, f, h];
    let millis = u64::try_from(now).unwrap_or_default();
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    Arc::from(&*id.hyphenated().encode_lower(&mut text))
}

fn bearer(headers: &HeaderMap) -> Option<(Scheme, &str)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let known = [("bearer", Scheme::Bearer), ("dpop", Scheme::Dpop)];
    let mut known = known.into_iter();
    let (_, scheme) = known.find(|(name, _)| scheme.eq_ignore_ascii_case(name))?;
    Some((scheme, token.trim()))
}
