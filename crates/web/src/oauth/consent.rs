//! `/apps/allow/{ask}` and `/staff/apps/allow/{ask}`: what an app wants, in plain words, and the answer.

use std::sync::Arc;

use access::oauth::{Level, ResourceScope, Scopes};
use access::{AuditEntry, Interaction, Outcome, Role, Target, Who};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use serde::Serialize;
use store::oauth::{Client, NewCode, NewGrant, OauthDone, OauthWrite};

use super::CODE_LIFE;
use super::authorize::{Asked, back};
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other};
use crate::secret::Secret;
use crate::visit::Visit;

#[derive(Serialize)]
struct View {
    app: String,
    action: String,
    who: String,
    /// What it may do, a sentence each.
    may: Vec<String>,
    /// How long.
    lasts: &'static str,
    host: String,
}

/// What one person may answer.
struct Question {
    digest: [u8; 32],
    asked: Asked,
    client: Client,
    account: i64,
    /// What of it they can give.
    scopes: Scopes,
    patient: Option<String>,
}

/// `GET …/{ask}`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(ask): Path<String>,
) -> Result<Response, Refusal> {
    let question = question(&node, &visit, &ask).await?;
    let is_staff = visit.on_staff_pages();
    let language = visit.reads();
    let view = View {
        app: question.client.name.clone(),
        action: if is_staff {
            format!("/staff/apps/allow/{ask}")
        } else {
            format!("/apps/allow/{ask}")
        },
        who: language.say_of(&whose(&question, is_staff)),
        may: said(&question.scopes, language),
        lasts: language.say(lasts(&question.scopes)),
        host: shown_host(&question.asked.redirect),
    };
    let title = language.tell("consent-heading", &[("app", &question.client.name)]);
    let mut response = Page::new("oauth/consent.jinja", title, view).answer(&node.site, &visit);
    let source = form_source(&question.asked.redirect);
    let headers = response.headers_mut();
    // Browsers hold the address that a form's answer leads to against the same list.
    let policy = headers.get(CONTENT_SECURITY_POLICY);
    let policy = policy
        .and_then(|policy| policy.to_str().ok())
        .map(|policy| {
            policy.replace(
                "form-action 'self'",
                &format!("form-action 'self' {source}"),
            )
        });
    if let Some(policy) = policy.and_then(|policy| HeaderValue::from_str(&policy).ok()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// `POST …/{ask}`
pub async fn answered(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(ask): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let question = question(&node, &visit, &ask).await?;
    let allowed = fields.text("answer") == "allow";
    let traces = vec![trace(&node, &visit, &question, allowed).await?];
    let asked = &question.asked;
    if !allowed {
        let decline = OauthWrite::Decline {
            ask: question.digest,
        };
        node.store.write_oauth_with(decline, traces).await?;
        let pairs = [("error", "access_denied")];
        return Ok(see_other(&back(
            &node,
            &asked.redirect,
            &asked.state,
            &pairs,
        )));
    }
    let code = Secret::random();
    let allow = OauthWrite::Allow {
        ask: question.digest,
        grant: Box::new(NewGrant {
            id: uuid::Uuid::new_v4().to_string(),
            client: question.client.id.clone(),
            account: question.account,
            scopes: question.scopes.text(),
            patient: question.patient.clone(),
            session: hangs_on(&visit, &question.scopes),
        }),
        code: Box::new(NewCode {
            digest: code.digest(),
            redirect: asked.redirect.clone(),
            challenge: asked.challenge.clone(),
            nonce: asked.nonce.clone(),
            jkt: asked.jkt.clone(),
            expires_at: node.store.now().saturating_add(CODE_LIFE),
        }),
    };
    if node.store.write_oauth_with(allow, traces).await? == OauthDone::Changed(0) {
        return Err(gone().into());
    }
    let pairs = [("code", code.reveal())];
    Ok(see_other(&back(
        &node,
        &asked.redirect,
        &asked.state,
        &pairs,
    )))
}

/// The session that what is allowed ends with (P09): for staff always, who act in one role and on one
/// day; for patients unless they let the app go on without them.
fn hangs_on(visit: &Visit, scopes: &Scopes) -> Option<[u8; 32]> {
    let outlasts = scopes.offline && !visit.on_staff_pages();
    let session = visit.session().filter(|_| !outlasts);
    session.map(|secret| secret.digest())
}

fn gone() -> Problem {
    let message = "This question was answered, or is too old. Start again from the app.";
    Problem::new(Kind::NotFound, message)
}

async fn question(node: &Node, visit: &Visit, ask: &str) -> Result<Question, Problem> {
    let caller = visit.known()?;
    // An app gets nothing that its holder would not be shown in this session (P22).
    visit.may_hand_on(node)?;
    if matches!(caller.who, Who::Patient { .. }) {
        visit.scope(node, Interaction::Record, "").await?;
    }
    let digest = Secret::presented(ask).ok_or_else(gone)?.digest();
    let request = node.store.oauth_ask(&digest, visit.now).await?;
    let request = request.ok_or_else(gone)?;
    let asked: Asked = serde_json::from_str(&request).map_err(|cause| gone().because(cause))?;
    let client = node.store.oauth_client(&asked.client).await?;
    let client = client.filter(Client::is_approved).ok_or_else(gone)?;
    let scopes = Scopes::parse(&asked.scopes);
    let (account, scopes, patient) = match &caller.who {
        Who::Patient {
            account, patient, ..
        } => (*account, scopes, Some(patient.clone())),
        Who::Staff {
            account,
            role: Role::Clinician | Role::Clerk,
            ..
        } => {
            let launch = asked.launch.as_ref().filter(|(by, _)| by == account);
            let patient = launch.map(|(_, patient)| patient.clone());
            (*account, for_staff(scopes, patient.is_some())?, patient)
        }
        _ => {
            let message = "Only patients and staff who care for them allow apps.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
    };
    Ok(Question {
        digest,
        asked,
        client,
        account,
        scopes,
        patient,
    })
}

/// What a member of staff can give. A patient is chosen by launching the app from the staff's pages.
fn for_staff(mut scopes: Scopes, launched: bool) -> Result<Scopes, Problem> {
    scopes.fhir_user = false;
    if !launched {
        scopes.launch_patient = false;
        scopes.launch = false;
        scopes = scopes.of(&[Level::User]);
    }
    if scopes.resources.is_empty() {
        let message =
            "This app asks for one patient's record. Start it from Apps, for that patient.";
        return Err(Problem::new(Kind::Forbidden, message));
    }
    Ok(scopes)
}

/// The answer's line in the log, for the commit that does it.
async fn trace(
    node: &Node,
    visit: &Visit,
    question: &Question,
    allowed: bool,
) -> Result<AuditEntry, Problem> {
    let interaction = match &visit.known()?.who {
        Who::Patient { .. } => Interaction::Record,
        _ => Interaction::Item,
    };
    let scope = visit.scope(node, interaction, "").await?;
    let answer = if allowed { "allow" } else { "refuse" };
    let target = Target {
        patient: question.patient.clone(),
        query: Some(format!("app={}&answer={answer}", question.client.id).into()),
        ..Target::default()
    };
    let outcome = if allowed {
        Outcome::Success
    } else {
        Outcome::Refused
    };
    Ok(scope.trace(interaction, outcome, target))
}

fn whose(question: &Question, is_staff: bool) -> String {
    match (is_staff, &question.patient) {
        (false, _) => "your record".to_string(),
        (true, Some(_)) => "the record of the patient for whom you started it".to_string(),
        (true, None) => "the records that you may see".to_string(),
    }
}

/// What granted scopes mean, a sentence each.
pub(crate) fn sentences(scopes: &str, language: Language) -> Vec<String> {
    said(&Scopes::parse(scopes), language)
}

fn said(scopes: &Scopes, language: Language) -> Vec<String> {
    let resources = scopes.resources.iter();
    resources.map(|it| sentence(it, language)).collect()
}

/// What one scope means.
fn sentence(scope: &ResourceScope, language: Language) -> String {
    let what = match scope.ty.as_deref() {
        None => language.say("Everything that you may see").to_owned(),
        Some(ty) => language.say_of(kind(ty)),
    };
    let part: Vec<String> = scope
        .only
        .iter()
        .map(|only| {
            let codes = only.any_of.iter().map(|value| value.code.as_str());
            let codes: Vec<&str> = codes.collect();
            format!("{} {}", only.parameter, codes.join(", "))
        })
        .collect();
    let part = match part.is_empty() {
        true => String::new(),
        false => format!(
            " {}",
            language.tell("consent-only", &[("what", &part.join("; "))])
        ),
    };
    let id = match scope.letters == scope.letters.to_look() {
        true => "consent-reads",
        false => "consent-changes",
    };
    language.tell(id, &[("what", &format!("{what}{part}"))])
}

/// A type in plain words.
fn kind(ty: &str) -> &str {
    match ty {
        "Patient" => "Name, address, date of birth and NHS number",
        "Observation" => "Test results and measurements",
        "Condition" => "Conditions and diagnoses",
        "AllergyIntolerance" => "Allergies",
        "MedicationRequest" | "MedicationStatement" => "Medicines",
        "Immunization" => "Vaccinations",
        "DocumentReference" => "Letters and documents",
        "DiagnosticReport" => "Reports",
        "Encounter" => "Visits and admissions",
        "Procedure" => "Procedures",
        "Appointment" => "Appointments",
        other => other,
    }
}

fn lasts(scopes: &Scopes) -> &'static str {
    if scopes.offline {
        "The app keeps access, also when you are not using it, until it has not been used for 90 days \
         or somebody ends it."
    } else if scopes.online {
        "The app keeps access for at most 12 hours at a time without being used."
    } else {
        "The app has access for 10 minutes."
    }
}

/// The host that the answer goes to, for the person to see.
fn shown_host(redirect: &str) -> String {
    let rest = redirect.split_once("://").map(|(_, rest)| rest);
    let host = rest.and_then(|rest| rest.split(['/', '?']).next());
    host.unwrap_or(redirect).to_string()
}

/// What stands for the app's address in a policy: its origin, or its scheme.
pub(super) fn form_source(redirect: &str) -> String {
    match redirect.split_once("://") {
        Some((scheme @ ("http" | "https"), _)) => format!("{scheme}://{}", shown_host(redirect)),
        _ => {
            let scheme = redirect.split(':').next().unwrap_or_default();
            format!("{scheme}:")
        }
    }
}
