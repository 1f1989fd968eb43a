//! <https://hl7.org/fhir/R4/http.html#search>

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES, Scope};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use fhir::bundle::{Found, searchset_with};
use fhir::definitions::Definitions;
use fhir::problem::{Kind, Problem};
use fhir::search::{ALL_TYPES, Limits, Search};
use http::StatusCode;

use super::ask::{Announced, Ask, Told};
use super::wanted::Wanted;
use super::{answer, format, query};
use crate::failure::Failure;
use crate::node::Node;

pub async fn search(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
) -> Result<Response, Failure> {
    super::check_type(&ty)?;
    page(&node, &ask, Within::Type(&ty), &ask.query).await
}

/// Over all types, or those of `_type`.
pub async fn search_all(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    page(&node, &ask, Within::Type(ALL_TYPES), &ask.query).await
}

/// The same with the query in a form.
pub async fn search_all_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    page_by_post(&node, &ask, Within::Type(ALL_TYPES), &body).await
}

/// In a compartment, one type or all:
/// <https://hl7.org/fhir/R4/http.html#vsearch>
pub async fn search_compartment(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((of, id, ty)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    let within = compartment(&of, &id, &ty)?;
    page(&node, &ask, within, &ask.query).await
}

/// The same with the query in a form.
pub async fn search_compartment_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((of, id, ty)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<Response, Failure> {
    let within = compartment(&of, &id, &ty)?;
    page_by_post(&node, &ask, within, &body).await
}

/// The same over all types, which a form need not name.
pub async fn search_whole_compartment_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((of, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Failure> {
    let within = compartment(&of, &id, ALL_TYPES)?;
    page_by_post(&node, &ask, within, &body).await
}

/// Where is searched.
enum Within<'p> {
    /// All of a type, or of all types.
    Type(&'p str),
    /// What the compartment is of, its id, and the type.
    Compartment(&'p str, &'p str, &'p str),
}

fn compartment<'p>(of: &'p str, id: &'p str, ty: &'p str) -> Result<Within<'p>, Problem> {
    let is_type = |ty: &str| Definitions::r4().is_resource(ty);
    if !is_type(of) || (ty != ALL_TYPES && !is_type(ty)) {
        let message = "The FHIR door has nothing at this address.";
        return Err(Problem::new(Kind::NotFound, message));
    }
    super::check_known(id)?;
    Ok(Within::Compartment(of, id, ty))
}

/// The same with the query in a form, so that it stands in no log on the way.
pub async fn search_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    super::check_type(&ty)?;
    page_by_post(&node, &ask, Within::Type(&ty), &body).await
}

/// The pairs of the form.
fn pairs(ask: &Ask, body: &Bytes) -> Result<Vec<(String, String)>, Failure> {
    format::is_form(&ask.headers)?;
    let form = std::str::from_utf8(body)
        .map_err(|_| Problem::new(Kind::Structure, "The form is not valid UTF-8."))?;
    Ok(query::pairs(form)?)
}

/// The page that the pairs of the address and of the form ask for, with what the form says of how it
/// is to be written: a refusal too.
async fn page_by_post(
    node: &Node,
    ask: &Ask,
    within: Within<'_>,
    body: &Bytes,
) -> Result<Response, Failure> {
    let mut form = pairs(ask, body)?;
    let told = Told::taken(&ask.headers, &mut form)?;
    let mut query = ask.query.clone();
    query.extend(form);
    let found = page(node, ask, within, &query).await;
    let mut response = found.unwrap_or_else(IntoResponse::into_response);
    response.extensions_mut().insert(told);
    Ok(response)
}

async fn page(
    node: &Node,
    ask: &Ask,
    within: Within<'_>,
    query: &[(String, String)],
) -> Result<Response, Failure> {
    let mut query = query.to_vec();
    // A form may ask for a part of each resource too.
    let wanted = Wanted::taken(&mut query)?;
    let found = found(node, ask, within, &query).await?;
    let mut response = answer::json(StatusCode::OK, found);
    if let Some(wanted) = wanted {
        response.extensions_mut().insert(wanted);
    }
    Ok(response)
}

/// The searchset Bundle.
async fn found(
    node: &Node,
    ask: &Ask,
    within: Within<'_>,
    query: &[(String, String)],
) -> Result<Vec<u8>, Problem> {
    let (Within::Type(ty) | Within::Compartment(_, _, ty)) = within;
    let decided_on = if ty == ALL_TYPES { "Patient" } else { ty };
    let scope = ask.scope(node, Interaction::Search, decided_on).await?;
    let base_url = node.site.fhir_url();
    let limits = Limits {
        lenient: ask.preference.lenient,
        ..node.fhir.bounds.of_search()
    };
    let registry = node.store.registry();
    let mut search = Search::parse_with(&registry, ty, query, &base_url, &limits)?;
    if let Within::Compartment(of, id, _) = within {
        search = search.within(of, id)?;
    }
    search.follows_merges = true;
    let page = node.store.search(&scope, &search).await?;
    fn found(version: &store::Version) -> Found<'_> {
        Found {
            ty: &version.ty,
            id: &version.id,
            resource: &version.body,
        }
    }
    let matches = page.entries.iter().map(found);
    let included = page.included.iter().map(found);
    Ok(searchset_with(
        &search,
        &base_url,
        (matches, included),
        page.next.as_deref(),
        (page.total, withheld(&scope, &page)),
    ))
}

/// What staff who care for the patient are told of what they are not shown. People who act for
/// somebody are told the same whether there is anything or not, so that it tells them nothing.
fn withheld(scope: &Scope, page: &store::Page) -> Option<String> {
    if scope.shows().is_some() {
        return Some(NOT_FOR_PROXIES.to_string());
    }
    let store::care::Withheld { count, sealed } = page.withheld;
    let items = |count: u64| match count {
        1 => "1 item".to_string(),
        count => format!("{count} items"),
    };
    let others = count.saturating_sub(sealed);
    let mut said = Vec::new();
    if others > 0 {
        said.push(format!(
            "{} of this patient not shared; emergency access is possible.",
            items(others)
        ));
    }
    if sealed > 0 {
        said.push("Sealed items exist.".to_string());
    }
    (!said.is_empty()).then(|| said.join(" "))
}
