//! `/staff/login/oidc`: staff, by a provider in the shape of CIS2
//! (<https://digital.nhs.uk/services/care-identity-service/applications-and-services/cis2-authentication>).
//! It says which national roles somebody has at which organisation; one is chosen for the session.

use std::sync::Arc;

use access::{Ods, Role, RoleTable};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::accounts::{Holder, NewAccount, SignedIn};

use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::secret::Secret;
use crate::sign_in::Way;
use crate::sign_in::begin::{self, Door};
use crate::sign_in::oidc::claims::text;
use crate::sign_in::oidc::flow::{self, Back, Whither};
use crate::sign_in::oidc::{Claims, Provider, nhs_login};
use crate::visit::Visit;

const SCOPE: &str = "openid profile nationalrbacaccess";
const CHOOSE: &str = "role";
/// How long one may take to choose, in milliseconds.
const CHOOSING_LASTS: i64 = 10 * 60 * 1000;
/// The most roles looked at.
const ROLES_MAX: usize = 50;

/// The provider of staff identities, and what its roles stand for here.
pub struct StaffOidc {
    pub provider: Provider,
    pub roles: RoleTable,
}

/// A role that one may choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The provider's id of this person in this role.
    id: String,
    /// The role's name there.
    name: String,
    /// Our role's word.
    role: String,
}

/// What is remembered while somebody chooses.
#[derive(Serialize, Deserialize)]
struct Choosing {
    subject: String,
    name: String,
    aal: i64,
    next: String,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    next: String,
}

fn service(node: &Node) -> Result<&StaffOidc, Problem> {
    let on = node.sign_in.ways.have(Door::Staff, Way::Oidc);
    let found = node.sign_in.staff_oidc.as_ref().filter(|_| on);
    found.ok_or_else(|| Problem::new(Kind::NotFound, "This sign-in is not set up here."))
}

/// `GET /staff/login/oidc`
pub async fn go(
    State(node): State<Arc<Node>>,
    visit: Visit,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    Ok(send(&node, &visit, &headers, asked.next, false).await?)
}

/// `GET /staff/step-up/oidc`: proves anew who one is.
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
        door: Door::Staff,
        next,
        steps_up,
    };
    let more = [("scope", SCOPE)];
    Ok(flow::go(node, visit, &service.provider, headers, whither, &more).await)
}

/// `GET /staff/login/oidc/callback`
pub async fn back(
    State(node): State<Arc<Node>>,
    visit: Visit,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Result<Response, Refusal> {
    let service = service(&node)?;
    let door = Door::Staff;
    let came = flow::back(&node, &visit, &service.provider, &headers, door, &back).await;
    let (claims, whither) = match came {
        Ok(came) => came,
        Err(problem) => return Ok(flow::failed(&node, &visit, door, &problem)),
    };
    if whither.steps_up {
        let login = login(&service.provider.issuer, &claims.subject);
        let proved = (login.as_str(), assurance(&claims));
        return Ok(flow::stepped_up(&node, &visit, &whither, proved).await?);
    }
    let choices = choices(&claims.userinfo, &service.roles, &node.site.organisation);
    let choosing = Choosing {
        subject: claims.subject.clone(),
        name: name(&claims),
        aal: assurance(&claims),
        next: whither.next,
        choices,
    };
    match choosing.choices.as_slice() {
        [] => Ok(flow::not_signed_in(
            &node,
            &visit,
            door,
            "None of your roles lets you work here.",
            "Ask whoever manages roles at your organisation. This node knows the roles that its table lists.",
            StatusCode::FORBIDDEN,
        )),
        [only] => Ok(enter(&node, &visit, &headers, service, &choosing, only).await?),
        _ => Ok(ask(&node, &visit, &choosing).await?),
    }
}

/// The login of that person's account here.
fn login(issuer: &str, subject: &str) -> String {
    format!("oidc:{}", nhs_login::short(issuer, subject))
}

fn name(claims: &Claims) -> String {
    let name = match text(&claims.userinfo, "name").trim() {
        "" => "A member of staff",
        name => name,
    };
    name.chars().take(120).collect()
}

/// CIS2 tells the level as `authentication_assurance_level`, "1" to "3"; what is not told is 1.
fn assurance(claims: &Claims) -> i64 {
    let level = text(&claims.id_token, "authentication_assurance_level");
    let level = level.parse::<i64>().ok();
    let acr = text(&claims.id_token, "acr");
    let by_acr = ["AAL1", "AAL2", "AAL3"].iter().zip(1..);
    let by_acr = by_acr.filter(|(word, _)| acr.contains(**word)).last();
    level
        .or(by_acr.map(|(_, level)| level))
        .unwrap_or(1)
        .clamp(1, 3)
}

/// The roles at this organisation that the table grants something for. A role that was already
/// chosen at the provider is the only one.
fn choices(userinfo: &Value, table: &RoleTable, here: &Ods) -> Vec<Choice> {
    let roles = userinfo.get("nhsid_nrbac_roles").and_then(Value::as_array);
    let selected = userinfo.get("selected_roleid").and_then(Value::as_str);
    let mut found: Vec<Choice> = Vec::new();
    for role in roles.into_iter().flatten().take(ROLES_MAX) {
        let text = |name: &str| text(role, name);
        let activities = role.get("activity_codes").and_then(Value::as_array);
        let activities = activities.into_iter().flatten().filter_map(Value::as_str);
        let activities: Vec<&str> = activities.collect();
        let id = text("person_roleid");
        let fits = text("org_code") == here.as_str() && selected.is_none_or(|it| it == id);
        let granted = table.grants(text("role_code"), &activities);
        let Some(granted) = granted.filter(|_| fits && !id.is_empty()) else {
            continue;
        };
        if found.iter().any(|choice| choice.id == id) {
            continue;
        }
        let name = text("role_name").replace('"', " ");
        found.push(Choice {
            id: id.to_owned(),
            name: name.trim().chars().take(120).collect(),
            role: granted.code().to_owned(),
        });
    }
    found
}

async fn enter(
    node: &Node,
    visit: &Visit,
    headers: &HeaderMap,
    service: &StaffOidc,
    choosing: &Choosing,
    chosen: &Choice,
) -> Result<Response, Problem> {
    let role = Role::parse(&chosen.role)?;
    let issuer = &service.provider.issuer;
    let account = NewAccount {
        login: login(issuer, &choosing.subject),
        name: choosing.name.clone(),
        holder: Holder::Staff {
            role,
            organisation: node.site.organisation.clone(),
        },
        password_hash: None,
    };
    let store = &node.store;
    let id = store
        .open_outside_account(issuer, &choosing.subject, account)
        .await?;
    let account = store.account(id).await?;
    let account =
        account.ok_or_else(|| Problem::new(Kind::Exception, "The account was not found again."))?;
    let signed_in = SignedIn {
        method: "oidc".to_owned(),
        device: begin::device(headers),
        aal: choosing.aal,
        identity: 0,
        role: Some(role),
        roles: serde_json::to_string(&choosing.choices).ok(),
    };
    begin::begin(node, visit, &account, signed_in, &choosing.next).await
}

#[derive(Serialize)]
struct View<'a> {
    action: &'static str,
    step: Option<&'a str>,
    items: Vec<Item>,
    error: Option<&'static str>,
    cancel: &'static str,
}

#[derive(Serialize)]
struct Item {
    value: String,
    text: String,
}

fn items(choices: &[Choice]) -> Vec<Item> {
    choices
        .iter()
        .map(|choice| {
            let ours = Role::parse(&choice.role).map_or("", words::role);
            Item {
                value: choice.id.clone(),
                text: format!("{} ({ours} here)", choice.name),
            }
        })
        .collect()
}

async fn ask(node: &Node, visit: &Visit, choosing: &Choosing) -> Result<Response, Problem> {
    let step = Secret::random();
    let data = serde_json::to_string(choosing).map_err(|error| {
        Problem::new(Kind::Exception, "The sign-in could not be kept.").because(error)
    })?;
    let until = visit.now.saturating_add(CHOOSING_LASTS);
    node.store
        .keep_step(step.digest(), CHOOSE, data, until)
        .await?;
    Ok(show(node, visit, choosing, step.reveal(), None))
}

fn show(
    node: &Node,
    visit: &Visit,
    choosing: &Choosing,
    step: &str,
    error: Option<&'static str>,
) -> Response {
    let view = View {
        action: "/staff/login/role",
        step: Some(step),
        items: items(&choosing.choices),
        error,
        cancel: Door::Staff.address(),
    };
    let (title, status) = match error {
        Some(_) => (
            "Error: Which role are you working in?",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        None => ("Which role are you working in?", StatusCode::OK),
    };
    Page::new("sign-in/role.jinja", title, view)
        .with_status(status)
        .answer(&node.site, visit)
}

/// `POST /staff/login/role`: the role for this session.
pub async fn choose(
    State(node): State<Arc<Node>>,
    visit: Visit,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Refusal> {
    let service = service(&node)?;
    let late = || Ok(see_other("/staff/login?done=late"));
    let Some(step) = Secret::presented(fields.exact("step")) else {
        return late();
    };
    let data = node.store.step(step.digest(), CHOOSE).await?;
    let read = data.and_then(|data| serde_json::from_str::<Choosing>(&data).ok());
    let Some(choosing) = read else {
        return late();
    };
    let wanted = fields.text("role");
    let Some(chosen) = choosing.choices.iter().find(|choice| choice.id == wanted) else {
        let error = Some("Choose the role that you are working in.");
        return Ok(show(&node, &visit, &choosing, step.reveal(), error));
    };
    if node.store.take_step(step.digest(), CHOOSE).await?.is_none() {
        return late();
    }
    Ok(enter(&node, &visit, &headers, service, &choosing, chosen).await?)
}

/// `POST /staff/profile/role`: another of one's roles. The session ends, and so do its tokens; a new
/// one begins in the other role (P09).
pub async fn switch(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let ended = || Problem::new(Kind::Login, "Sign in first.");
    let secret = visit.session().ok_or_else(ended)?;
    let session = node.store.session(&secret.digest()).await?;
    let session = session.ok_or_else(ended)?;
    let choices = kept(session.signed_in.roles.as_deref());
    let wanted = fields.text("role");
    let Some(chosen) = choices.iter().find(|choice| choice.id == wanted) else {
        let message = "Choose one of your roles.";
        return Err(Problem::new(Kind::Value, message).into());
    };
    let signed_in = SignedIn {
        role: Some(Role::parse(&chosen.role)?),
        ..session.signed_in
    };
    Ok(begin::begin(&node, &visit, &session.account, signed_in, "").await?)
}

fn kept(roles: Option<&str>) -> Vec<Choice> {
    roles
        .and_then(|roles| serde_json::from_str(roles).ok())
        .unwrap_or_default()
}

/// The roles that a session may switch to, for its owner's page: value and text.
pub fn switchable(roles: Option<&str>) -> Vec<(String, String)> {
    let choices = kept(roles);
    if choices.len() < 2 {
        return Vec::new();
    }
    let shown = items(&choices).into_iter();
    shown.map(|item| (item.value, item.text)).collect()
}

#[cfg(test)]
mod tests {
    use access::RoleRow;
    use serde_json::json;

    use super::*;

    fn table() -> RoleTable {
        RoleTable {
            version: 1,
            rows: vec![
                RoleRow {
                    role: "R8000".into(),
                    activities: vec!["B0380".into()],
                    grants: "clinician".into(),
                },
                RoleRow {
                    role: "R8010".into(),
                    activities: Vec::new(),
                    grants: "clerk".into(),
                },
            ],
        }
    }

    fn role(id: &str, org: &str, code: &str, activities: &[&str]) -> Value {
        json!({"person_roleid": id, "org_code": org, "role_code": code, "role_name": "A role",
               "activity_codes": activities})
    }

    #[test]
    fn p08_only_roles_here_that_the_table_knows_can_be_chosen() {
        let here = Ods::parse("A81001").unwrap();
        let userinfo = json!({"nhsid_nrbac_roles": [
            role("1", "A81001", "S8000:G8000:R8000", &["B0380"]),
            role("2", "A81001", "S8000:G8000:R8000", &[]),
            role("3", "B82002", "S8000:G8000:R8000", &["B0380"]),
            role("4", "A81001", "S8000:G8001:R9999", &[]),
            role("5", "A81001", "S8000:G8001:R8010", &[]),
            role("5", "A81001", "S8000:G8000:R8000", &["B0380"]),
            role("", "A81001", "S8000:G8001:R8010", &[]),
        ]});
        let found = choices(&userinfo, &table(), &here);
        let ids: Vec<(&str, &str)> = found
            .iter()
            .map(|choice| (choice.id.as_str(), choice.role.as_str()))
            .collect();
        assert_eq!(ids, [("1", "clinician"), ("5", "clerk")]);
        let mut selected = userinfo.clone();
        selected["selected_roleid"] = json!("5");
        assert_eq!(choices(&selected, &table(), &here).len(), 1);
        selected["selected_roleid"] = json!("3");
        assert!(choices(&selected, &table(), &here).is_empty());
        assert!(choices(&json!({}), &table(), &here).is_empty());
    }
}
