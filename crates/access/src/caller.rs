//! Who calls, as a door has proved it.

use std::sync::Arc;

use fhir::problem::{Kind, Problem};

use crate::audit::{Agent, AgentKind};
use crate::nhs_number::NhsNumber;
use crate::oauth::Granted;
use crate::ods::Ods;
use crate::proxy::Acting;

/// What a member of staff does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Clinician,
    Clerk,
    Engineer,
    PrivacyOfficer,
    /// An organisation's own system, with a token.
    System,
}

impl Role {
    /// The role's word in tables, settings and the audit log.
    pub fn code(self) -> &'static str {
        match self {
            Role::Clinician => "clinician",
            Role::Clerk => "clerk",
            Role::Engineer => "engineer",
            Role::PrivacyOfficer => "privacy-officer",
            Role::System => "system",
        }
    }

    /// # Errors
    /// `Value` for any other word.
    pub fn parse(code: &str) -> Result<Role, Problem> {
        match code {
            "clinician" => Ok(Role::Clinician),
            "clerk" => Ok(Role::Clerk),
            "engineer" => Ok(Role::Engineer),
            "privacy-officer" => Ok(Role::PrivacyOfficer),
            "system" => Ok(Role::System),
            _ => Err(Problem::new(
                Kind::Value,
                "A role is clinician, clerk, engineer, privacy-officer or system.",
            )),
        }
    }
}

/// The person or system that calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Patient {
        account: i64,
        name: String,
        /// The id of their Patient resource on this node.
        patient: String,
        nhs_number: NhsNumber,
    },
    Staff {
        account: i64,
        name: String,
        role: Role,
        organisation: Ods,
    },
    /// Another organisation's node, known by its certificate.
    Peer { organisation: Ods },
    /// This node itself.
    Node,
}

/// A proved caller with the id of the request at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub who: Who,
    pub request_id: Arc<str>,
    /// What the app in between was granted, if it is an app's token that proved the caller. It
    /// narrows what they may do, and never widens it.
    pub granted: Option<Arc<Granted>>,
    /// For whom a patient acts at present, if not for themselves.
    pub acting: Option<Arc<Acting>>,
}

impl Caller {
    /// The caller with no app in between.
    pub fn new(who: Who, request_id: Arc<str>) -> Caller {
        Caller {
            who,
            request_id,
            granted: None,
            acting: None,
        }
    }

    /// How the caller stands in the audit log: never with an NHS number; with the name of the app
    /// that acted for them.
    pub fn agent(&self) -> Agent {
        let mut agent = self.holder();
        if let Some(granted) = &self.granted
            && agent.name != granted.app
        {
            agent.name = format!("{} (with the app {})", agent.name, granted.app);
        }
        agent
    }

    fn holder(&self) -> Agent {
        match &self.who {
            Who::Patient {
                account,
                name,
                patient,
                ..
            } => Agent {
                kind: AgentKind::Patient,
                account: Some(*account),
                name: name.clone(),
                role: None,
                organisation: None,
                patient: Some(patient.clone()),
            },
            Who::Staff {
                account,
                name,
                role,
                organisation,
            } => Agent {
                kind: AgentKind::Staff,
                account: Some(*account),
                name: name.clone(),
                role: Some(role.code().into()),
                organisation: Some(organisation.to_string()),
                patient: None,
            },
            Who::Peer { organisation } => Agent {
                kind: AgentKind::Peer,
                account: None,
                name: String::new(),
                role: None,
                organisation: Some(organisation.to_string()),
                patient: None,
            },
            Who::Node => Agent::node(),
        }
    }
}
