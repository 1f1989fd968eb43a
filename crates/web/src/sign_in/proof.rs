//! `/staff/identity`: staff record that they checked in person who a patient is, and hand over an
//! invitation; `/login/invitation`: with it the patient adds a first passkey (P22).

use std::sync::Arc;

use access::{Interaction, NhsNumber, Role, Who};
use axum::extract::State;
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::search::{Clause, Search, fold};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::accounts::identities::Proof;
use store::accounts::{Account, Holder, NewAccount};

use crate::cookie;
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::record;
use crate::sign_in::begin::{Address, Door};
use crate::sign_in::{code, passkey};
use crate::visit::Visit;

const INVITATION: &str = "invitation";
/// How long an invitation is good, in milliseconds.
const INVITED_LASTS: i64 = 24 * 60 * 60 * 1000;
/// The most people with one NHS number that are looked through.
const PEOPLE_MAX: u32 = 10;
/// What may be seen: value and words.
const SEEN: &[(&str, &str)] = &[
    ("passport", "Passport"),
    ("driving-licence", "Photo driving licence"),
    ("residence-permit", "Biometric residence permit"),
    ("vouched", "I know this person from their care here"),
];

#[derive(Serialize, Deserialize)]
struct Invited {
    account: i64,
}

#[derive(Serialize)]
struct View<'a> {
    nhs_number: &'a str,
    born: &'a str,
    family: &'a str,
    seen: Vec<Item>,
    error: Option<&'static str>,
}

#[derive(Serialize)]
struct Item {
    value: &'static str,
    text: &'static str,
}

#[derive(Serialize)]
struct CodeView {
    name: String,
    code: String,
    address: String,
}

#[derive(Serialize)]
struct AskView {
    error: Option<&'static str>,
}

/// Only who cares for patients, or works at the desk, checks who they are.
fn staff(visit: &Visit) -> Result<(i64, String), Problem> {
    match &visit.known()?.who {
        Who::Staff {
            account,
            name,
            role: Role::Clinician | Role::Clerk,
            ..
        } => Ok((*account, name.clone())),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "Identities are checked by the staff who work with patients.",
        )),
    }
}

/// `GET /staff/identity`
pub async fn page(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    staff(&visit)?;
    Ok(show(&node, &visit, ["", "", ""], None))
}

fn show(
    node: &Node,
    visit: &Visit,
    [nhs_number, born, family]: [&str; 3],
    error: Option<&'static str>,
) -> Response {
    let items = SEEN.iter().map(|&(value, text)| Item { value, text });
    let view = View {
        nhs_number,
        born,
        family,
        seen: items.collect(),
        error,
    };
    let (title, status) = match error {
        Some(_) => ("Error: Check an identity", StatusCode::UNPROCESSABLE_ENTITY),
        None => ("Check an identity", StatusCode::OK),
    };
    Page::new("sign-in/identity.jinja", title, view)
        .with_status(status)
        .answer(&node.site, visit)
}

/// `POST /staff/identity`: records who saw what, and shows the invitation once.
pub async fn record(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (by_account, by_name) = staff(&visit)?;
    let typed = [
        fields.text("nhs_number"),
        fields.text("born"),
        fields.text("family"),
    ];
    let seen = SEEN.iter().find(|(value, _)| *value == fields.text("seen"));
    let Some((seen, _)) = seen else {
        let said = "Choose what you saw.";
        return Ok(show(&node, &visit, typed, Some(said)));
    };
    let Some((patient, nhs_number, name)) = find(&node, &visit, typed).await? else {
        let said = "Nobody is registered here with this NHS number, date of birth and family name.";
        return Ok(show(&node, &visit, typed, Some(said)));
    };
    let holder = Holder::Patient {
        patient: patient.clone(),
        nhs_number,
    };
    let account = open(&node, &patient, &name, holder).await?;
    let proof = Proof {
        identity: 9,
        how: "in-person".to_owned(),
        seen: (*seen).to_owned(),
        by_account: Some(by_account),
        by_name,
    };
    node.store.prove_identity(account, proof).await?;
    let code = code::recovery_codes().pop().unwrap_or_default();
    let digest = code::recovery_digest(&code)
        .ok_or_else(|| Problem::new(Kind::Exception, "The invitation could not be made."))?;
    let invited = serde_json::to_string(&Invited { account }).map_err(|error| {
        Problem::new(Kind::Exception, "The invitation could not be kept.").because(error)
    })?;
    let until = visit.now.saturating_add(INVITED_LASTS);
    node.store
        .keep_step(digest, INVITATION, invited, until)
        .await?;
    let view = CodeView {
        name,
        code,
        address: format!("{}/login/invitation", node.site.base_url),
    };
    Ok(Page::new("sign-in/invited.jinja", "Invitation", view).answer(&node.site, &visit))
}

/// The account that the practice opened for the patient before, or a new one.
async fn open(node: &Node, patient: &str, name: &str, holder: Holder) -> Result<i64, Problem> {
    let subject = patient;
    let issuer = "in-person";
    if let Some(known) = node.store.account_by_identity(issuer, subject).await?
        && known.holder == holder
    {
        return Ok(known.id);
    }
    let account = NewAccount {
        login: format!("in-person:{patient}"),
        name: name.to_owned(),
        holder,
        password_hash: None,
    };
    node.store
        .open_outside_account(issuer, subject, account)
        .await
}

/// The one patient registered here with that number, day and name.
pub(crate) async fn find(
    node: &Node,
    visit: &Visit,
    [nhs_number, born, family]: [&str; 3],
) -> Result<Option<(String, NhsNumber, String)>, Problem> {
    let scope = visit.scope(node, Interaction::Search, "Patient").await?;
    let Ok(number) = NhsNumber::parse(&nhs_number.replace(' ', "")) else {
        return Ok(None);
    };
    let mut search = Search::all("Patient", PEOPLE_MAX);
    let by_number = Clause::identifier(NhsNumber::SYSTEM, number.digits());
    search.clauses.push(by_number);
    let mut found = Vec::new();
    for version in node.store.search(&scope, &search).await?.entries {
        let patient = record::patient(&record::json(&version)?);
        let same = patient.birth_date.as_deref() == Some(born) && patient.family == fold(family);
        if same && !family.is_empty() {
            found.push((version.id.clone(), patient.name));
        }
    }
    let one = found.pop().filter(|_| found.is_empty());
    Ok(one.map(|(id, name)| (id, number, name)))
}

/// `GET /login/invitation`
pub async fn invitation(
    State(node): State<Arc<Node>>,
    mut visit: Visit,
) -> Result<Response, Refusal> {
    if visit.caller().is_some() {
        return Ok(see_other(Door::of(&visit).profile()));
    }
    let fresh = visit.prepare_form();
    let mut response = ask(&node, &visit, None);
    if let Some(secret) = fresh {
        let name = node.site.form_cookie_name();
        let secure = node.site.is_secure();
        cookie::set(response.headers_mut(), &name, &secret, secure);
    }
    Ok(response)
}

fn ask(node: &Node, visit: &Visit, error: Option<(&'static str, StatusCode)>) -> Response {
    let view = AskView {
        error: error.map(|(text, _)| visit.reads().say(text)),
    };
    let status = error.map_or(StatusCode::OK, |(_, status)| status);
    Page::new("sign-in/invitation.jinja", "Use your invitation", view)
        .with_faults(error.is_some())
        .with_status(status)
        .answer(&node.site, visit)
}

/// `POST /login/invitation`: leads to the page that adds the first passkey.
pub async fn accept(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Address(address): Address,
    fields: Fields,
) -> Result<Response, Refusal> {
    if !node.sign_in.attempts.admit_from(&address, visit.now) {
        let said = "Too many attempts. Wait 15 minutes and try again.";
        let error = (said, StatusCode::TOO_MANY_REQUESTS);
        return Ok(ask(&node, &visit, Some(error)));
    }
    let Some(account) = invited(&node, fields.text("code")).await? else {
        let said = "The code is not right, was used already, or is older than a day. Ask the practice for a new one.";
        let error = (said, StatusCode::UNPROCESSABLE_ENTITY);
        return Ok(ask(&node, &visit, Some(error)));
    };
    node.sign_in.attempts.forgive("", &address);
    Ok(passkey::add_to(&node, &visit, Door::Patient, &account, true).await?)
}

/// Whose invitation it is; it is used up.
async fn invited(node: &Node, typed: &str) -> Result<Option<Account>, Problem> {
    let Some(digest) = code::recovery_digest(typed) else {
        return Ok(None);
    };
    let data = node.store.take_step(digest, INVITATION).await?;
    let read = data.and_then(|data| serde_json::from_str::<Invited>(&data).ok());
    match read {
        Some(invited) => node.store.account(invited.account).await,
        None => Ok(None),
    }
}
