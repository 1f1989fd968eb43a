//! Starting an app for one patient (SMART "EHR launch"): a member of staff names the patient, the app
//! gets a launch that is theirs, and theirs only.

use std::sync::Arc;

use access::{Interaction, NhsNumber, Who};
use axum::extract::State;
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Search};
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use serde::Serialize;
use store::oauth::{Client, Launch, OauthWrite};

use super::LAUNCH_LIFE;
use super::apps::is_carer;
use super::consent::form_source;
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::secret::Secret;
use crate::visit::Visit;

#[derive(Serialize)]
struct View {
    apps: Vec<App>,
}

#[derive(Serialize)]
struct App {
    id: String,
    name: String,
}

async fn apps(node: &Node) -> Result<Vec<Client>, Problem> {
    let mut clients = node.store.oauth_clients().await?;
    clients.retain(|client| client.is_approved() && client.launch_uri.is_some());
    Ok(clients)
}

/// The page for those who care for patients.
pub(super) async fn page(node: &Node, visit: &Visit) -> Result<Response, Refusal> {
    let clients = apps(node).await?;
    let view = View {
        apps: clients
            .iter()
            .map(|client| App {
                id: client.id.clone(),
                name: client.name.clone(),
            })
            .collect(),
    };
    let mut response = Page::new("oauth/launch.jinja", "Apps", view)
        .under("/staff/apps")
        .answer(&node.site, visit);
    let sources = clients.iter().filter_map(|it| it.launch_uri.as_deref());
    let sources: Vec<String> = sources.map(form_source).collect();
    let headers = response.headers_mut();
    let policy = headers.get(CONTENT_SECURITY_POLICY);
    let policy = policy
        .and_then(|policy| policy.to_str().ok())
        .map(|policy| {
            let sources = sources.join(" ");
            policy.replace(
                "form-action 'self'",
                &format!("form-action 'self' {sources}"),
            )
        });
    if let Some(policy) = policy.and_then(|policy| HeaderValue::from_str(&policy).ok()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// `POST /staff/apps/launch`
pub async fn begin(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let caller = visit.known()?;
    let (true, Who::Staff { account, .. }) = (is_carer(&caller.who), &caller.who) else {
        let message = "Staff who care for patients start apps.";
        return Err(Problem::new(Kind::Forbidden, message).into());
    };
    let client = apps(&node).await?.into_iter();
    let mut client = client.filter(|client| client.id == fields.text("app"));
    let client = client.next();
    let Some((client, address)) = client.and_then(|it| Some((it.id, it.launch_uri?))) else {
        return Err(Problem::new(Kind::NotFound, "There is no such app.").into());
    };
    let patient = patient(&node, &visit, fields.text("nhs-number")).await?;
    let secret = Secret::random();
    let launch = OauthWrite::Launch {
        digest: secret.digest(),
        launch: Launch {
            account: *account,
            client,
            patient,
        },
        expires_at: visit.now.saturating_add(LAUNCH_LIFE),
    };
    node.store.write_oauth(launch).await?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("iss", &node.site.fhir_url());
    query.append_pair("launch", secret.reveal());
    let sign = if address.contains('?') { '&' } else { '?' };
    Ok(see_other(&format!("{address}{sign}{}", query.finish())))
}

/// The one patient of that NHS number whom the member of staff may see.
async fn patient(node: &Node, visit: &Visit, number: &str) -> Result<String, Problem> {
    let number = NhsNumber::parse(number)?;
    let scope = visit.scope(node, Interaction::Search, "Patient").await?;
    let identifier = format!("{}|{}", NhsNumber::SYSTEM, number.digits());
    let pairs = [("identifier".to_string(), identifier)];
    let mut search = Search::parse("Patient", &pairs, &node.site.fhir_url(), &Limits::default())?;
    search.count = 2;
    let found = node.store.search(&scope, &search).await?.entries;
    match found.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => {
            let message = "There is no patient of this NHS number here.";
            Err(Problem::new(Kind::NotFound, message))
        }
        _ => {
            let message = "Several patients here have this NHS number; put that right first.";
            Err(Problem::new(Kind::MultipleMatches, message))
        }
    }
}
