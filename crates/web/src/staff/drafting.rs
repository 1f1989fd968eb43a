//! What drafts have in common, whatever is written in them: kept in versions, ended once, each change with its line in the log.

use std::sync::Arc;

use access::{Outcome, Role, Scope, Target, Who};
use axum::response::Response;
use exchange::Exchange;
use fhir::problem::{Kind, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::drafts::{Draft, DraftWrite, End};
use store::{Effect, Job, Reading};

use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::see_other;
use crate::record::json;
use crate::staff::care;
use crate::visit::Visit;

pub(super) const MOVED: &str = "Somebody else changed this draft while you wrote. What you typed is below and not kept yet: keep it to \
     write over theirs, or open the draft again to see theirs";

/// One kind of draft.
pub(super) struct Drafting {
    /// As the store calls it.
    pub kind: &'static str,
    /// Where its pages are.
    pub path: &'static str,
}

impl Drafting {
    /// Back to the draft, which is another than was seen.
    pub fn moved(&self, id: &str) -> Response {
        see_other(&format!("{}/{id}?done=moved", self.path))
    }

    /// Where a form leads that was kept.
    pub fn next(&self, id: &str, fields: &Fields) -> String {
        match fields.text("then") {
            "look" => format!("{}/{id}/sign", self.path),
            _ => format!("{}/{id}?done=kept", self.path),
        }
    }

    /// Keeps what was typed over what its writer saw, and leads on; `None`, and nothing is kept, where somebody else changed
    /// the draft meanwhile.
    pub async fn save(
        &self,
        node: &Node,
        scope: &Scope,
        draft: &Draft,
        (fields, body): (&Fields, String),
        (account, author): (i64, String),
    ) -> Result<Option<Response>, Problem> {
        let write = DraftWrite::Save {
            id: draft.id.clone(),
            version: version(fields),
            account,
            author,
            body,
        };
        let job = job(scope, write, &draft.patient.id);
        match node.store.commit(scope, job).await {
            Ok(_) => Ok(Some(see_other(&self.next(&draft.id, fields)))),
            Err(problem) if problem.kind == Kind::Conflict => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Commits the job by which a draft is signed, as its signer saw it.
    pub async fn sign(
        &self,
        node: &Node,
        scope: &Scope,
        id: &str,
        job: Job,
    ) -> Result<Response, Refusal> {
        match node.store.commit(scope, job).await {
            Ok(_) => Ok(see_other("/staff/sent?done=signed")),
            Err(problem) if problem.kind == Kind::Conflict => Ok(self.moved(id)),
            Err(problem) => Err(problem.into()),
        }
    }

    /// Ends a draft unsigned, as its reader saw it.
    pub async fn discard(
        &self,
        node: &Node,
        scope: &Scope,
        id: &str,
        (fields, by): (&Fields, String),
    ) -> Result<Response, Refusal> {
        let draft = node.store.draft(scope, self.kind, id).await?;
        let write = DraftWrite::End {
            id: id.to_owned(),
            version: version(fields),
            end: End::Discarded,
            by,
        };
        let job = job(scope, write, &draft.patient.id);
        match node.store.commit(scope, job).await {
            Ok(_) => Ok(see_other("/staff/unsigned?done=discarded")),
            Err(problem) if problem.kind == Kind::Conflict => Ok(self.moved(id)),
            Err(problem) => Err(problem.into()),
        }
    }
}

/// Begins a draft. The same form sent twice begins one.
pub(super) async fn begin(
    node: &Node,
    scope: &Scope,
    write: DraftWrite,
    patient: &str,
) -> Result<(), Problem> {
    match node.store.commit(scope, job(scope, write, patient)).await {
        Ok(_) => Ok(()),
        Err(problem) if problem.kind == Kind::Conflict => Ok(()),
        Err(problem) => Err(problem),
    }
}

/// The version that a form's writer saw.
pub(super) fn version(fields: &Fields) -> i64 {
    fields.text("version").parse().unwrap_or(0)
}

/// The Patient as the scope shows them.
pub(super) async fn patient(node: &Node, scope: &Scope, id: &str) -> Result<Value, Problem> {
    care::check(id)?;
    match node.store.read(scope, "Patient", id).await? {
        Reading::Found(version) => json(&version),
        _ => Err(Problem::new(
            Kind::NotFound,
            "There is no such patient here, or nobody has recorded that you care for them.",
        )),
    }
}

/// The Patient of a draft with their own id in it, which a body as it is stored has not.
pub(super) fn named(draft: &Draft) -> Result<Value, Problem> {
    let mut who = json(&draft.patient)?;
    fhir::members::set(&mut who, "id", draft.patient.id.clone().into());
    Ok(who)
}

/// What is written in a draft.
pub(super) fn read<T: DeserializeOwned>(draft: &Draft) -> Result<T, Problem> {
    serde_json::from_str(&draft.body).map_err(|cause| {
        Problem::new(Kind::Exception, "A draft here does not read.").because(cause)
    })
}

/// The same, to be kept.
pub(super) fn written<T: Serialize>(typed: &T) -> Result<String, Problem> {
    serde_json::to_string(typed).map_err(|cause| {
        Problem::new(Kind::Exception, "The draft could not be written.").because(cause)
    })
}

/// The change of a draft with its line in the log.
pub(super) fn job(scope: &Scope, write: DraftWrite, patient: &str) -> Job {
    let target = Target {
        ty: "Patient".into(),
        id: Some(patient.to_owned()),
        patient: Some(patient.to_owned()),
        ..Target::default()
    };
    Job {
        traces: vec![scope.trace(scope.interaction(), Outcome::Success, target)],
        ..Job::effect(Effect::Draft(write))
    }
}

/// By which what is signed is sent.
///
/// # Errors
/// `NotSupported` on a node that is in no network.
pub(super) fn exchange(node: &Node) -> Result<&Arc<Exchange>, Problem> {
    node.exchange.as_ref().ok_or_else(|| {
        let message =
            "This node is connected to no other organisation, so nothing can be sent from here.";
        Problem::new(Kind::NotSupported, message)
    })
}

/// Whether the caller may sign. The decision itself is made anew with the act.
pub(super) fn may_sign(visit: &Visit) -> bool {
    let who = visit.caller().map(|caller| &caller.who);
    matches!(
        who,
        Some(Who::Staff {
            role: Role::Clinician,
            ..
        })
    )
}
