//! `/login/nhs`: patients, by NHS login
//! (<https://nhsconnect.github.io/nhslogin/integrating-to-sandpit/>).

use std::sync::Arc;

use access::{NhsNumber, Scope, SystemPurpose};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::search::{Clause, Search, fold};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use store::accounts::identities::Proof;
use store::accounts::{Account, Holder, NewAccount, SignedIn};

use crate::node::Node;
use crate::page::problem::Refusal;
use crate::record;
use crate::sign_in::Way;
use crate::sign_in::begin::{self, Door};
use crate::sign_in::oidc::claims::{Trust, text, trust};
use crate::sign_in::oidc::flow::{self, Back, Whither};
use crate::sign_in::oidc::{Claims, Provider};
use crate::visit::Visit;

const SCOPE: &str = "openid profile basic_demographics";
/// The most people with one NHS number that are looked through.
const PEOPLE_MAX: u32 = 10;

/// NHS login, and what this node asks of it.
pub struct NhsLogin {
    pub provider: Provider,
    /// The vectors of trust that are asked for, as JSON.
    pub vtr: String,
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    next: String,
}

fn service(node: &Node) -> Result<&NhsLogin, Problem> {
    let on = node.sign_in.ways.have(Door::Patient, Way::NhsLogin);
    let found = node.sign_in.nhs_login.as_ref().filter(|_| on);
    found.ok_or_else(|| Problem::new(Kind::NotFound, "NHS login is not set up here."))
}

/// `GET /login/nhs`
pub async fn go(
    State(node): State<Arc<Node>>,
    visit: Visit,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    Ok(send(&node, &visit, &headers, asked.next, false).await?)
}

/// `GET /step-up/nhs`: proves anew who one is.
pub async fn go_stepping_up(
    State(node): State<Arc<Node>>,
    visit: Visit,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    Ok(send(&node, &visit, &headers, asked.next, true).await?)
}

async fn send(
    node: &Node,
    visit: &Visit,
    headers: &HeaderMap,
    next: String,
    steps_up: bool,
) -> Result<Response, Problem> {
    let service = service(node)?;
    let whither = Whither {
        door: Door::Patient,
        next,
        steps_up,
    };
    let more = [("scope", SCOPE), ("vtr", service.vtr.as_str())];
    Ok(flow::go(node, visit, &service.provider, headers, whither, &more).await)
}

/// `GET /login/nhs/callback`
pub async fn back(
    State(node): State<Arc<Node>>,
    visit: Visit,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Result<Response, Refusal> {
    let service = service(&node)?;
    let door = Door::Patient;
    let came = flow::back(&node, &visit, &service.provider, &headers, door, &back).await;
    let (claims, whither) = match came {
        Ok(came) => came,
        Err(problem) => return Ok(flow::failed(&node, &visit, door, &problem)),
    };
    if whither.steps_up {
        let login = login(&service.provider.issuer, &claims.subject);
        let proved = (login.as_str(), trusted(service, &claims).aal);
        return Ok(flow::stepped_up(&node, &visit, &whither, proved).await?);
    }
    match holder(&node, service, &claims).await? {
        Found::Account(account, trust) => {
            tell_holder(&node, &account, (&claims, &trust));
            let signed_in = SignedIn {
                method: "nhs-login".to_owned(),
                device: begin::device(&headers),
                aal: trust.aal,
                identity: trust.identity,
                ..SignedIn::default()
            };
            Ok(begin::begin(&node, &visit, &account, signed_in, &whither.next).await?)
        }
        Found::Nobody(text, advice) => Ok(flow::not_signed_in(
            &node,
            &visit,
            door,
            text,
            advice,
            StatusCode::FORBIDDEN,
        )),
    }
}

/// Where a gateway stands before the system that holds the medicines, it is asked with the patient's own ID token.
fn tell_holder(node: &Node, account: &Account, (claims, trust): (&Claims, &Trust)) {
    let (Some(exchange), Holder::Patient { nhs_number, .. }) = (&node.exchange, &account.holder)
    else {
        return;
    };
    let until = claims.id_token.get("exp").and_then(Value::as_i64);
    if let (Some(until), 9..) = (until, trust.identity) {
        let until = until.saturating_mul(1_000);
        exchange.patient_signed_in(nhs_number.digits(), &claims.signed, until);
    }
}

/// The login of that person's account here.
fn login(issuer: &str, subject: &str) -> String {
    format!("nhs-login:{}", short(issuer, subject))
}

enum Found {
    Account(Box<Account>, Trust),
    /// Why not, and what to do.
    Nobody(&'static str, &'static str),
}

/// Whose claims they are: for a proved identity the one patient here with that NHS number **and**
/// date of birth **and** family name; for any other, only who was proved here before.
async fn holder(node: &Node, service: &NhsLogin, claims: &Claims) -> Result<Found, Problem> {
    let trust = trusted(service, claims);
    let issuer = &service.provider.issuer;
    let known = node
        .store
        .account_by_identity(issuer, &claims.subject)
        .await?;
    if trust.identity < 9 {
        return Ok(match known {
            Some(account) => Found::Account(Box::new(account), trust),
            None => Found::Nobody(
                "NHS login knows you, but has not proved who you are, so we cannot find your record.",
                "Sign in again and let NHS login prove your identity, or ask at the practice.",
            ),
        });
    }
    let Some((patient, nhs_number, name)) = find(node, &claims.userinfo).await? else {
        return Ok(Found::Nobody(
            "We did not find you here: nobody is registered with your NHS number, date of birth and family name as NHS login gave them.",
            "If you are registered here, ask the practice to check how your name and date of birth are written. If not, sign in at your own practice.",
        ));
    };
    let account = NewAccount {
        login: login(issuer, &claims.subject),
        name,
        holder: Holder::Patient {
            patient,
            nhs_number,
        },
        password_hash: None,
    };
    match proved(node, service, claims, known, account).await {
        Ok(account) => Ok(Found::Account(Box::new(account), trust)),
        Err(problem) if problem.kind == Kind::Forbidden => Ok(Found::Nobody(
            "Your online access here was closed.",
            "Ask at the practice.",
        )),
        Err(problem) => Err(problem),
    }
}

/// The account of a proved identity, opened or brought up to date, with the proof on record.
async fn proved(
    node: &Node,
    service: &NhsLogin,
    claims: &Claims,
    known: Option<Account>,
    account: NewAccount,
) -> Result<Account, Problem> {
    let issuer = &service.provider.issuer;
    let moved = known
        .as_ref()
        .is_some_and(|known| known.holder != account.holder);
    let opened = node
        .store
        .open_outside_account(issuer, &claims.subject, account);
    let id = opened.await?;
    if moved {
        // What was begun as another patient's must not go on as this one's.
        node.store.end_other_sessions(id, None).await?;
        node.sign_in.forget_all();
    }
    if known.is_none_or(|known| known.identity < 9) {
        let proof = Proof {
            identity: 9,
            how: "nhs-login".to_owned(),
            seen: text(&claims.id_token, "vot").to_owned(),
            by_account: None,
            by_name: issuer.clone(),
        };
        node.store.prove_identity(id, proof).await?;
    }
    let account = node.store.account(id).await?;
    account.ok_or_else(|| Problem::new(Kind::Exception, "The account was not found again."))
}

/// What the id token's `vot` proves; it must be one that was asked for, and userinfo must not say
/// less.
fn trusted(service: &NhsLogin, claims: &Claims) -> Trust {
    let vot = text(&claims.id_token, "vot");
    let mut found = trust(vot);
    let level = text(&claims.userinfo, "identity_proofing_level");
    if !level.is_empty() {
        found.identity = found.identity.min(trust(level).identity);
    }
    let asked: Vec<String> = serde_json::from_str(&service.vtr).unwrap_or_default();
    if !asked.iter().any(|asked| asked == vot) {
        // A vector that nobody asked for is worth no more than a weak one.
        found.identity = found.identity.min(5);
    }
    found
}

/// The one patient here whom the claims name: id, NHS number and name.
///
/// # Errors
/// Those of the store.
pub(crate) async fn find(
    node: &Node,
    claims: &Value,
) -> Result<Option<(String, NhsNumber, String)>, Problem> {
    let born = text(claims, "birthdate");
    let family = fold(text(claims, "family_name"));
    let Ok(number) = NhsNumber::parse(text(claims, "nhs_number")) else {
        return Ok(None);
    };
    if born.len() != 10 || family.is_empty() {
        return Ok(None);
    }
    let mut search = Search::all("Patient", PEOPLE_MAX);
    let by_number = Clause::identifier(NhsNumber::SYSTEM, number.digits());
    search.clauses.push(by_number);
    let scope = Scope::system(SystemPurpose::OpenAccount);
    let mut found = Vec::new();
    for version in node.store.search(&scope, &search).await?.entries {
        let json = record::json(&version)?;
        let patient = record::patient(&json);
        if patient.birth_date.as_deref() == Some(born) && is_named(&json, &family) {
            found.push((version.id.clone(), patient.name));
        }
    }
    let one = found.pop().filter(|_| found.is_empty());
    Ok(one.map(|(id, name)| (id, number, name)))
}

/// Whether one of the patient's names has that family name.
fn is_named(patient: &Value, family: &str) -> bool {
    let names = patient.get("name").and_then(Value::as_array);
    let mut families = names.into_iter().flatten().map(|name| text(name, "family"));
    families.any(|known| fold(known) == *family)
}

/// A user name that nobody else can have: subjects are told apart by case, user names are not.
pub(super) fn short(issuer: &str, subject: &str) -> String {
    let digest = crate::secret::digest_hex(&format!("{issuer}\n{subject}"));
    digest.chars().take(32).collect()
}
