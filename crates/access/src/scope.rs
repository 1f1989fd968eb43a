//! The key to patient data.

use std::borrow::Cow;
use std::sync::Arc;

use fhir::date::Millis;

use crate::audit::{Agent, AuditEntry, Outcome, Target};
use crate::interaction::{Interaction, Sort};
use crate::ods::Ods;
use crate::purpose::SystemPurpose;

/// Which rows an access may touch; the store compiles it into its SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Everything,
    /// What that organisation holds.
    Organisation(Ods),
    /// What is in that patient's compartment and released to them by `now`.
    Compartment {
        patient: String,
        now: Millis,
    },
}

/// What one access may reach, for whom and why. Only this crate makes one: `decide` for callers,
/// `Scope::system` for the node's own work.
#[derive(Clone, Debug)]
pub struct Scope {
    reach: Reach,
    interaction: Interaction,
    agent: Arc<Agent>,
    purpose: &'static str,
    request_id: Arc<str>,
}

impl Scope {
    pub(crate) fn new(
        reach: Reach,
        interaction: Interaction,
        agent: Agent,
        purpose: &'static str,
        request_id: &str,
    ) -> Scope {
        Scope {
            reach,
            interaction,
            agent: Arc::new(agent),
            purpose,
            request_id: Arc::from(request_id),
        }
    }

    /// The node's own work, on everything it holds.
    pub fn system(purpose: SystemPurpose) -> Scope {
        Scope::new(
            Reach::Everything,
            Interaction::System,
            Agent::node(),
            purpose.code(),
            "",
        )
    }

    /// The same scope on behalf of a named request, so that the log's lines can be told together.
    #[must_use]
    pub fn for_request(mut self, request_id: &str) -> Scope {
        self.request_id = Arc::from(request_id);
        self
    }

    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// What was decided on.
    pub fn interaction(&self) -> Interaction {
        self.interaction
    }

    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The request at hand; empty for the node's own work.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Whether resources may be read with it.
    pub fn may_look(&self) -> bool {
        matches!(
            self.interaction.sort(),
            Sort::Look | Sort::Change | Sort::Inner
        )
    }

    /// Whether resources may be changed with it: a scope that was decided for a look never may,
    /// and a patient changes nothing yet.
    pub fn may_change(&self) -> bool {
        let reaches = !matches!(self.reach, Reach::Compartment { .. });
        reaches && matches!(self.interaction.sort(), Sort::Change | Sort::Inner)
    }

    /// Whether resources of that type are kept from it, wherever they are: patients read who looked
    /// in their access log, which knows what to leave out.
    pub fn hides(&self, ty: &str) -> bool {
        matches!(self.reach, Reach::Compartment { .. }) && ty == "AuditEvent"
    }

    /// Whether the audit log may be read with it.
    pub fn may_audit(&self) -> bool {
        matches!(self.interaction.sort(), Sort::Audit | Sort::Inner)
    }

    /// The log's line for what is done under this scope.
    pub fn trace(&self, action: Interaction, outcome: Outcome, target: Target) -> AuditEntry {
        AuditEntry {
            seq: 0,
            at: 0,
            request_id: self.request_id.clone(),
            interaction: Cow::Borrowed(action.code()),
            within: Cow::Borrowed(self.interaction.code()),
            outcome,
            agent: self.agent.clone(),
            purpose: Cow::Borrowed(self.purpose),
            target,
        }
    }
}
