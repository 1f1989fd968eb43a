//! <https://hl7.org/fhir/R4/http.html#patch>: JSON Patch and FHIRPath Patch, also conditional and in
//! Bundles. What is there is read, patched, checked like any resource, and written if it is still
//! there so; if another change came between, all of that is done again.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fhir::Body;
use fhir::json::{Json, parse};
use fhir::patch::{self, Form};
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use store::{Change, Expect, Expected, Job, Reading};

use super::ask::{Announced, Ask};
use super::condition::{Tries, matched};
use super::incoming::{self, IdOf, Incoming};
use super::{absent, answer, deleted, format};
use crate::failure::Failure;
use crate::node::Node;

/// A patch as it came.
pub struct Patch {
    form: Form,
    bytes: Bytes,
}

/// What a patch makes of a resource.
pub struct Made {
    pub change: Change,
    pub body: Body,
    /// That the resource is still the one that was patched.
    pub expected: Expected,
}

pub async fn patch(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Patch, &ty).await?;
    ask.no_query()?;
    check_id(&id)?;
    let patch = Patch {
        form: format::patch_sent(&ask.headers)?,
        bytes: body,
    };
    let mut tries = Tries::default();
    loop {
        let job = Job::default();
        match attempt(&node, &ask, &scope, &patch, (&ty, &id), job).await {
            Err(failure) if tries.again(&failure.problem) => {}
            done => return done,
        }
    }
}

/// Patches the one resource that the query matches.
pub async fn patch_matching(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Patch, &ty).await?;
    let patch = Patch {
        form: format::patch_sent(&ask.headers)?,
        bytes: body,
    };
    let mut tries = Tries::default();
    loop {
        let matched = matched(&node, &scope, &ty, &ask.query).await?;
        let found = matched.found.ok_or_else(|| {
            Problem::new(Kind::NotFound, "The condition finds no resource to patch.")
        })?;
        let job = Job {
            expected: vec![matched.expected],
            ..Job::default()
        };
        match attempt(&node, &ask, &scope, &patch, (&ty, &found.id), job).await {
            Err(failure) if tries.again(&failure.problem) => {}
            done => return done,
        }
    }
}

async fn attempt(
    node: &Node,
    ask: &Ask,
    scope: &Scope,
    patch: &Patch,
    (ty, id): (&str, &str),
    mut job: Job,
) -> Result<Response, Failure> {
    let tag = answer::if_match(ask)?;
    let expect = tag.map_or(Expect::Exists, Expect::Version);
    let made = patch.made(node, scope, ty, id, expect).await?;
    job.expected.push(made.expected);
    job.changes.push(made.change);
    let committed = node.store.commit(scope, job).await;
    let committed = committed.map_err(|problem| answer::unless_matched(problem, tag))?;
    let written = committed.written.first().ok_or_else(incoming::lost)?;
    let body = || incoming::rendered(&made.body, written);
    Ok(answer::written(ask, &node.site.fhir_url(), written, body))
}

impl Patch {
    /// An entry's patch: a Parameters resource, or a Binary that holds a JSON Patch.
    ///
    /// # Errors
    /// `Invalid` for what is neither.
    pub fn of_entry(resource: Option<&Json<'_>>) -> Result<Patch, Problem> {
        let wrong = || {
            let message = "A PATCH sends a Parameters resource, or a Binary of \
                 application/json-patch+json.";
            Problem::new(Kind::Invalid, message).at("resource")
        };
        let resource = resource.ok_or_else(wrong)?;
        match resource.text("resourceType") {
            Some("Parameters") => Ok(Patch {
                form: Form::FhirPath,
                bytes: resource.to_bytes().into(),
            }),
            Some("Binary") if resource.text("contentType") == Some(format::JSON_PATCH) => {
                let data = resource.text("data").unwrap_or_default();
                let bytes = BASE64_STANDARD.decode(data).map_err(|_| wrong())?;
                Ok(Patch {
                    form: Form::Json,
                    bytes: bytes.into(),
                })
            }
            _ => Err(wrong()),
        }
    }

    /// What it makes of the resource that is there now.
    ///
    /// # Errors
    /// `NotFound`, `Deleted`; what `patch::apply` and `Incoming::read` refuse.
    pub async fn made(
        &self,
        node: &Node,
        scope: &Scope,
        ty: &str,
        id: &str,
        expect: Expect,
    ) -> Result<Made, Problem> {
        let found = match node.store.read(scope, ty, id).await? {
            Reading::Found(found) => found,
            Reading::Deleted { .. } => return Err(deleted()),
            Reading::Absent => return Err(absent()),
        };
        let (form, bytes) = (self.form, self.bytes.clone());
        let (length, version) = (bytes.len() + found.body.len(), found.version);
        let limits = node.fhir.bounds.of_resource();
        let work = move || {
            let (resource, patch) = (parse(&found.body, &limits)?, parse(&bytes, &limits)?);
            let patched = patch::apply(resource, &patch, form, &limits)?;
            Ok(Bytes::from(patched.to_bytes()))
        };
        let patched = node.fhir.work(length, work).await?;
        let incoming = Incoming::read(node, patched, ty, IdOf::Address(id.to_string())).await?;
        Ok(Made {
            change: Change::Put {
                release: incoming.release_of_changed(node.store.now()),
                resource: incoming.prepared,
                expect,
            },
            body: incoming.body,
            expected: Expected::Version {
                ty: ty.to_string(),
                id: id.to_string(),
                version,
            },
        })
    }
}
