//! <https://hl7.org/fhir/R4/resource-operation-validate.html>: whether a resource follows R4 and its
//! profiles. It answers 200 with what it found, good or bad, and stores nothing.

use std::sync::Arc;

use access::{Interaction, Outcome, Target};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::definitions::Definitions;
use fhir::json::{Json, Limits, parse};
use fhir::problem::{Kind, Problem};
use fhir::profile::{Asked, Profiles, check, follow};
use fhir::terminology::Terminology;
use fhir::validate::{Issue, Severity, issues};
use http::StatusCode;
use serde_json::json;
use store::{Job, Reading, Store};

use super::ask::{Announced, Ask};
use super::{VALUES_MAX, absent, answer, check_known, deleted, format};
use crate::failure::Failure;
use crate::node::Node;

/// Profiles that one request may name.
const PROFILES_ASKED_MAX: usize = 20;

/// Which profiles a resource must follow to be stored.
#[derive(Clone, Debug, Default)]
pub struct Enforced {
    /// Each for resources of its type.
    pub profiles: Vec<String>,
    /// Those that a resource declares itself, as far as they are known here, and the definitions of
    /// its extensions.
    pub declared: bool,
}

impl Enforced {
    fn is_on(&self) -> bool {
        self.declared || !self.profiles.is_empty()
    }
}

/// Refuses a resource, or a Bundle with one, that does not follow the profiles that this node asks
/// for.
///
/// # Errors
/// Every fault found, with its FHIRPath.
pub async fn enforce(node: &Node, bytes: &Bytes) -> Result<(), Problem> {
    if !node.fhir.enforced.is_on() {
        return Ok(());
    }
    let (store, enforced) = (node.store.clone(), node.fhir.enforced.clone());
    let bytes = bytes.clone();
    apart(node, async move { enforced.hold(&store, &bytes).await }).await
}

/// Does work that asks the store in between, on a thread that serves nobody else, as one of a
/// bounded number.
async fn apart<T: Send + 'static>(
    node: &Node,
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let serving = tokio::runtime::Handle::current();
    let work = move || serving.block_on(work);
    node.fhir.work(usize::MAX, work).await
}

impl Enforced {
    /// The same without a door.
    ///
    /// # Errors
    /// As `enforce`.
    pub async fn followed(&self, store: &Store, bytes: &Bytes) -> Result<(), Problem> {
        match self.is_on() {
            true => self.hold(store, bytes).await,
            false => Ok(()),
        }
    }

    async fn hold(&self, store: &Store, bytes: &Bytes) -> Result<(), Problem> {
        let enforced = self;
        let limits = Limits {
            bytes: super::BUNDLE_BYTES_MAX,
            nodes: VALUES_MAX,
            ..Limits::default()
        };
        let sent = parse(bytes, &limits)?;
        let profiles = store.profiles().await?;
        for missing in enforced
            .profiles
            .iter()
            .filter(|url| profiles.find(url).is_none())
        {
            tracing::warn!(profile = %missing, "a profile is to be enforced and is not here; add its package");
        }
        let now = store.now();
        let work = |terminology: &dyn Terminology| {
            let asked = Asked {
                profiles: &profiles,
                terminology,
                definitions: Definitions::r4(),
                now,
            };
            let entries = sent
                .items("entry")
                .iter()
                .filter_map(|entry| entry.get("resource"));
            let follows = |resource: &Json<'_>| {
                follow(resource, &enforced.profiles, enforced.declared, &asked)
            };
            follows(&sent)?;
            entries.map(follows).collect::<Result<Vec<()>, Problem>>()
        };
        store.with_terminology(work).await?.map(|_| ())
    }
}

/// What was asked beside the resource.
#[derive(Debug, Default)]
struct Wish {
    profiles: Vec<String>,
    mode: Option<String>,
}

/// `POST [type]/$validate`.
pub async fn validate_type(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Read, &ty).await?;
    let wish = Wish::of_query(&ask)?;
    format::is_sent(&ask.headers)?;
    trace(&node, &scope, &ty, None).await?;
    Ok(validate(&node, &ty, None, body, wish).await?)
}

/// `POST [type]/[id]/$validate`: the resource that is sent, or without one the resource that is there.
pub async fn validate_instance(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Read, &ty).await?;
    let wish = Wish::of_query(&ask)?;
    check_known(&id)?;
    let body = match body.is_empty() {
        false => {
            format::is_sent(&ask.headers)?;
            trace(&node, &scope, &ty, Some(&id)).await?;
            body
        }
        true => stored(&node, &scope, &ty, &id).await?,
    };
    Ok(validate(&node, &ty, Some(&id), body, wish).await?)
}

/// `GET [type]/[id]/$validate`: the resource that is there.
pub async fn validate_stored(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Read, &ty).await?;
    let wish = Wish::of_query(&ask)?;
    check_known(&id)?;
    let body = stored(&node, &scope, &ty, &id).await?;
    Ok(validate(&node, &ty, Some(&id), body, wish).await?)
}

async fn stored(node: &Node, scope: &access::Scope, ty: &str, id: &str) -> Result<Bytes, Problem> {
    match node.store.read(scope, ty, id).await? {
        Reading::Found(version) => Ok(version.body),
        Reading::Deleted { .. } => Err(deleted()),
        Reading::Absent => Err(absent()),
    }
}

/// A line in the log for what was sent; what is there leaves one as it is read.
async fn trace(
    node: &Node,
    scope: &access::Scope,
    ty: &str,
    id: Option<&str>,
) -> Result<(), Problem> {
    let target = Target {
        ty: ty.to_string().into(),
        id: id.map(str::to_string),
        patient: id.filter(|_| ty == "Patient").map(str::to_string),
        query: Some("$validate".into()),
        ..Target::default()
    };
    let job = Job {
        traces: vec![scope.trace(Interaction::Read, Outcome::Success, target)],
        ..Job::default()
    };
    node.store.commit(scope, job).await.map(|_| ())
}

async fn validate(
    node: &Node,
    ty: &str,
    id: Option<&str>,
    body: Bytes,
    wish: Wish,
) -> Result<Response, Problem> {
    let most = node.fhir.bounds.validate_bytes_max;
    if body.len() > most {
        let message = format!("$validate takes at most {most} bytes.");
        return Err(Problem::new(Kind::TooLong, message));
    }
    let store = node.store.clone();
    let (ty, id) = (ty.to_string(), id.map(str::to_string));
    let work = async move { validated(&store, &ty, id.as_deref(), &body, wish).await };
    Ok(told(&apart(node, work).await?))
}

async fn validated(
    store: &Store,
    ty: &str,
    id: Option<&str>,
    body: &Bytes,
    mut wish: Wish,
) -> Result<Vec<Issue>, Problem> {
    let limits = Limits {
        bytes: body.len(),
        nodes: VALUES_MAX,
        ..Limits::default()
    };
    let sent = parse(body, &limits)?;
    let resource = wish.unpacked(&sent, ty)?;
    wish.check()?;
    let mut found = Vec::new();
    match resource {
        Some(resource) => {
            found.extend(wish.addressed(resource, ty, id));
            let profiles = store.profiles().await?;
            let now = store.now();
            let work = |terms: &dyn Terminology| look(resource, &wish, &profiles, terms, now);
            found.extend(store.with_terminology(work).await?);
            found.extend(answers(store, resource).await?);
        }
        None if wish.mode.as_deref() == Some("delete") => {}
        None => {
            let message = "The parameter resource is missing.";
            return Err(Problem::new(Kind::Required, message).at("Parameters.parameter"));
        }
    }
    Ok(found)
}

/// What a QuestionnaireResponse has that its Questionnaire does not want, or lacks.
async fn answers(store: &Store, resource: &Json<'_>) -> Result<Vec<Issue>, Problem> {
    let canonical = resource.text("questionnaire").unwrap_or_default();
    if resource.text("resourceType") != Some("QuestionnaireResponse") || canonical.is_empty() {
        return Ok(Vec::new());
    }
    let form = match crate::questionnaires::load::form(store, canonical).await {
        Ok((form, _)) => form,
        Err(problem) => {
            let message =
                format!("The answers were not held against their Questionnaire: {problem}");
            return Ok(vec![Issue {
                severity: Severity::Information,
                problem: Problem::new(problem.kind, message)
                    .at("QuestionnaireResponse.questionnaire"),
            }]);
        }
    };
    let response = serde_json::from_slice(&resource.to_bytes());
    let response = response.map_err(|error| {
        Problem::new(Kind::Exception, "The answers could not be read.").because(error)
    })?;
    let faults = fhir::questionnaire::conforms(&form, &response);
    let issue = |(link, fault): (String, fhir::questionnaire::Fault)| Issue {
        severity: Severity::Error,
        problem: Problem::new(Kind::BusinessRule, format!("{fault}."))
            .at(format!("QuestionnaireResponse.item(linkId={link})")),
    };
    Ok(faults.into_iter().map(issue).collect())
}

fn look(
    resource: &Json<'_>,
    wish: &Wish,
    profiles: &Profiles,
    terminology: &dyn Terminology,
    now: i64,
) -> Vec<Issue> {
    let definitions = Definitions::r4();
    let asked = Asked {
        profiles,
        terminology,
        definitions,
        now,
    };
    let mut found = issues(resource, definitions, &asked);
    // Profiles speak of resources that have the structure of R4.
    if !found
        .iter()
        .any(|issue| issue.severity == Severity::Error && issue.problem.kind == Kind::Structure)
    {
        let further: Vec<&str> = wish.profiles.iter().map(String::as_str).collect();
        found.extend(check(resource, &further, &asked));
    }
    found
}

impl Wish {
    /// # Errors
    /// A parameter that this operation does not have.
    fn of_query(ask: &Ask) -> Result<Wish, Problem> {
        let mut wish = Wish::default();
        for (name, value) in &ask.query {
            wish.take(name, value)?;
        }
        Ok(wish)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "profile" => self.profiles.push(value.to_string()),
            "mode" => self.mode = Some(value.to_string()),
            _ => {
                let message = "$validate takes resource, mode and profile.";
                return Err(Problem::new(Kind::NotSupported, message));
            }
        }
        Ok(())
    }

    /// The resource that was sent as it is, or within Parameters beside what else is wanted.
    fn unpacked<'j>(
        &mut self,
        sent: &'j Json<'j>,
        ty: &str,
    ) -> Result<Option<&'j Json<'j>>, Problem> {
        let parameters = sent.items("parameter");
        let is_wrapped = sent.text("resourceType") == Some("Parameters")
            && (ty != "Parameters"
                || parameters
                    .iter()
                    .any(|it| it.text("name") == Some("resource")));
        if !is_wrapped {
            return Ok(Some(sent));
        }
        let mut resource = None;
        for (at, parameter) in parameters.iter().enumerate() {
            let name = parameter.text("name").unwrap_or_default();
            if name == "resource" {
                resource = parameter.get("resource");
                continue;
            }
            let values = ["valueUri", "valueCanonical", "valueCode", "valueString"];
            let value = values.iter().find_map(|kind| parameter.text(kind));
            let value = value.ok_or_else(|| {
                let message = "This parameter has no value that $validate takes.";
                Problem::new(Kind::Value, message).at(format!("Parameters.parameter[{at}]"))
            })?;
            self.take(name, value)?;
        }
        Ok(resource)
    }

    fn check(&self) -> Result<(), Problem> {
        if self.profiles.len() > PROFILES_ASKED_MAX {
            return Err(Problem::new(
                Kind::TooCostly,
                "Too many profiles are asked for.",
            ));
        }
        match self.mode.as_deref() {
            None | Some("create" | "update" | "delete" | "profile") => Ok(()),
            Some(_) => {
                let message = "The mode is create, update, delete or profile.";
                Err(Problem::new(Kind::Value, message))
            }
        }
    }

    /// Whether the address fits the resource, as it would have to for the change that `mode` names.
    fn addressed(&self, resource: &Json<'_>, ty: &str, id: Option<&str>) -> Option<Issue> {
        let message = if resource.text("resourceType") != Some(ty) {
            "The resource's type is not the one in the address."
        } else if self.mode.as_deref() == Some("update")
            && id.is_some()
            && resource.text("id") != id
        {
            "The resource's id is not the one in the address."
        } else {
            return None;
        };
        let problem = Problem::new(Kind::Invalid, message).at(ty);
        Some(Issue {
            severity: Severity::Error,
            problem,
        })
    }
}

/// An OperationOutcome with an issue for each, or with one that says that there is none.
fn told(found: &[Issue]) -> Response {
    let mut issues: Vec<serde_json::Value> = found.iter().map(issue).collect();
    if issues.is_empty() {
        issues.push(json!({
            "severity": "information",
            "code": "informational",
            "diagnostics": "No issue was found.",
        }));
    }
    let outcome = json!({ "resourceType": "OperationOutcome", "issue": issues });
    answer::json(StatusCode::OK, outcome.to_string().into_bytes())
}

fn issue(found: &Issue) -> serde_json::Value {
    let severity = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "information",
    };
    let mut issue = json!({
        "severity": severity,
        "code": found.problem.code(),
        "diagnostics": found.problem.message,
    });
    if let (Some(place), Some(members)) = (&found.problem.expression, issue.as_object_mut()) {
        members.insert("expression".to_string(), json!([place]));
    }
    issue
}
