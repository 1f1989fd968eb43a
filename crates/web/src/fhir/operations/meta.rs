//! <https://hl7.org/fhir/R4/resource-operation-meta.html> of a resource, of a type and of all; and
//! `$meta-add` and `$meta-delete` of a resource.
//!
//! A change of `meta` makes a new version, so that the history tells who set or took away which
//! label when. To take a security label away is a decision of its own (`Interaction::RemoveLabel`);
//! it releases nothing to the patient, which stays somebody's decision too.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::definitions::Definitions;
use fhir::json::{Json, Limits, parse, write};
use fhir::problem::{Kind, Problem};
use fhir::resource::Body;
use fhir::validate::validate;
use http::StatusCode;
use serde_json::{Value, json};
use store::{Change, Expect, Job, Prepared, Reading, Release};

use super::parameters::Parameters;
use crate::failure::Failure;
use crate::fhir::ask::{Announced, Ask};
use crate::fhir::validate::enforce;
use crate::fhir::{
    RESOURCE_BYTES_MAX, VALUES_MAX, absent, answer, check_known, deleted, format, incoming,
};
use crate::node::Node;

/// The members of `meta` that these operations are about.
const KINDS: [&str; 3] = ["profile", "security", "tag"];
/// How often a change is made again because somebody else was faster.
const TRIES_MAX: u32 = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Add,
    Delete,
}

/// `GET [type]/[id]/$meta`.
pub async fn show(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Read, &ty).await?;
    ask.no_query()?;
    check_known(&id)?;
    let (_, body) = current(&node, &scope, &ty, &id).await?;
    Ok(told(&read(&body)?))
}

/// `GET [type]/$meta`: which profiles, labels and tags the resources of a type carry that the caller
/// may see.
pub async fn of_type(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
) -> Result<Response, Failure> {
    in_use(&node, &ask, Some(&ty)).await
}

/// `GET $meta`: the same of all types.
pub async fn of_all(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    in_use(&node, &ask, None).await
}

async fn in_use(node: &Node, ask: &Ask, ty: Option<&str>) -> Result<Response, Failure> {
    let decided_on = ty.unwrap_or("Patient");
    let scope = ask.scope(node, Interaction::Search, decided_on).await?;
    ask.no_query()?;
    let found = node.store.meta_in_use(&scope, ty).await?;
    let codings = |labels: Vec<(Option<String>, String)>| -> Vec<Value> {
        let coding = |(system, code): (Option<String>, String)| {
            let mut coding = serde_json::Map::new();
            coding.extend(system.map(|system| ("system".to_string(), system.into())));
            // A label may have a system only.
            coding.extend((!code.is_empty()).then(|| ("code".to_string(), code.into())));
            Value::Object(coding)
        };
        labels.into_iter().map(coding).collect()
    };
    let profiles = found.profiles.into_iter().map(Value::from).collect();
    let members = [
        ("profile", profiles),
        ("security", codings(found.security)),
        ("tag", codings(found.tags)),
    ];
    let some = members.into_iter().filter(|(_, values)| !values.is_empty());
    let meta: serde_json::Map<String, Value> = some
        .map(|(name, values)| (name.to_string(), Value::Array(values)))
        .collect();
    let told = match meta.is_empty() {
        // FHIR has no empty objects.
        true => json!({ "resourceType": "Parameters" }),
        false => json!({
            "resourceType": "Parameters",
            "parameter": [{ "name": "return", "valueMeta": meta }],
        }),
    };
    Ok(answer::json(StatusCode::OK, told.to_string()))
}

/// `POST [type]/[id]/$meta-add`.
pub async fn add(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(place): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Failure> {
    change(&node, &ask, place, &body, Wish::Add).await
}

/// `POST [type]/[id]/$meta-delete`.
pub async fn delete(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(place): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Failure> {
    change(&node, &ask, place, &body, Wish::Delete).await
}

async fn change(
    node: &Node,
    ask: &Ask,
    (ty, id): (String, String),
    body: &Bytes,
    wish: Wish,
) -> Result<Response, Failure> {
    let scope = ask.scope(node, Interaction::Update, &ty).await?;
    ask.no_query()?;
    format::is_sent(&ask.headers)?;
    check_known(&id)?;
    let given = Parameters::read(body)?;
    given.only(&["meta"])?;
    let meta = given.values("meta").next().ok_or_else(|| {
        let message = "The parameter meta is missing.";
        Problem::new(Kind::Required, message).at("Parameters.parameter")
    })?;
    let takes_labels = wish == Wish::Delete && !meta.items("security").is_empty();
    let scope = match takes_labels {
        true => ask.scope(node, Interaction::RemoveLabel, &ty).await?,
        false => scope,
    };
    for _ in 0..TRIES_MAX {
        let (version, stored) = current(node, &scope, &ty, &id).await?;
        let resource = read(&stored)?;
        let mut changed = with_meta(&resource, meta, wish);
        if takes_labels && ty == "DocumentReference" {
            changed = unlabelled(&changed, meta);
        }
        if changed == resource {
            return Ok(told(&resource));
        }
        validate(&changed, Definitions::r4())?;
        let mut text = Vec::new();
        write(&changed, &mut text);
        enforce(node, &text.into()).await?;
        let put = Change::Put {
            resource: Prepared::new(&changed, &id, &node.site.organisation)?,
            expect: Expect::Version(version),
            release: Release::Keep,
        };
        match node.store.commit(&scope, Job::change(put)).await {
            Ok(committed) => {
                // As it is now: with the number and the time of the new version.
                let written = committed.written.first().ok_or_else(incoming::lost)?;
                let made = incoming::rendered(&Body::new(&changed, &id), written);
                return Ok(told(&read(&made)?));
            }
            Err(problem) if problem.kind == Kind::Conflict => {}
            Err(problem) => return Err(problem.into()),
        }
    }
    let message = "The resource is being changed by others; try again.";
    Err(Problem::new(Kind::Conflict, message).into())
}

async fn current(node: &Node, scope: &Scope, ty: &str, id: &str) -> Result<(u64, Bytes), Problem> {
    match node.store.read(scope, ty, id).await? {
        Reading::Found(found) => Ok((found.version, found.body)),
        Reading::Deleted { .. } => Err(deleted()),
        Reading::Absent => Err(absent()),
    }
}

fn read(body: &[u8]) -> Result<Json<'_>, Problem> {
    let limits = Limits {
        bytes: RESOURCE_BYTES_MAX * 2,
        nodes: VALUES_MAX,
        depth: 255,
    };
    parse(body, &limits)
}

/// The resource with its profiles, labels and tags changed, and nothing else.
fn with_meta<'a>(resource: &Json<'a>, given: &Json<'a>, wish: Wish) -> Json<'a> {
    let mut members = resource.as_object().unwrap_or_default().to_vec();
    let Some((_, Json::Object(meta))) = members.iter_mut().find(|(name, _)| name == "meta") else {
        return resource.clone();
    };
    for kind in KINDS {
        let mut items = meta
            .iter()
            .find(|(name, _)| name == kind)
            .and_then(|(_, value)| value.as_array())
            .unwrap_or_default()
            .to_vec();
        for item in given.items(kind) {
            match wish {
                Wish::Add if !items.iter().any(|known| same(known, item)) => {
                    items.push(item.clone());
                }
                Wish::Add => {}
                Wish::Delete => items.retain(|known| !same(known, item)),
            }
        }
        let place = meta.iter().position(|(name, _)| name == kind);
        match (place, items.is_empty()) {
            (Some(at), true) => drop(meta.remove(at)),
            (Some(at), false) => {
                if let Some((_, value)) = meta.get_mut(at) {
                    *value = Json::Array(items);
                }
            }
            (None, true) => {}
            (None, false) => meta.push((kind.into(), Json::Array(items))),
        }
    }
    Json::Object(members)
}

/// A letter without these labels where it carries them itself.
fn unlabelled<'a>(letter: &Json<'a>, given: &Json<'a>) -> Json<'a> {
    let is_given = |label: &Json<'_>| given.items("security").iter().any(|it| same(it, label));
    let members = letter.as_object().unwrap_or_default().iter();
    let kept = members.filter_map(|(name, value)| {
        if name != "securityLabel" {
            return Some((name.clone(), value.clone()));
        }
        let concepts = value.as_array().unwrap_or_default().iter();
        let other = concepts.filter(|concept| !concept.items("coding").iter().any(is_given));
        let other: Vec<Json<'a>> = other.cloned().collect();
        (!other.is_empty()).then(|| (name.clone(), Json::Array(other)))
    });
    Json::Object(kept.collect())
}

/// Whether two are the same profile, or the same label by system and code.
fn same(a: &Json<'_>, b: &Json<'_>) -> bool {
    match (a.as_str(), b.as_str()) {
        (None, None) => a.text("system") == b.text("system") && a.text("code") == b.text("code"),
        (a, b) => a == b,
    }
}

fn told(resource: &Json<'_>) -> Response {
    let mut out =
        br#"{"resourceType":"Parameters","parameter":[{"name":"return","valueMeta":"#.to_vec();
    match resource.get("meta") {
        Some(meta) => write(meta, &mut out),
        None => out.extend_from_slice(b"{}"),
    }
    out.extend_from_slice(b"}]}");
    answer::json(StatusCode::OK, out)
}
