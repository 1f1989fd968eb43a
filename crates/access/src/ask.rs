//! The decision about somebody at another organisation who asks for what is here of one patient.

use std::sync::Arc;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::audit::{Agent, AgentKind};
use crate::caller::Role;
use crate::interaction::Interaction;
use crate::ods::Ods;
use crate::purpose::Purpose;
use crate::scope::{Reach, Scope};
use crate::standing::{Standing, Withholds};

/// The person who asks, as their own organisation's node has signed it: it answers for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    pub organisation: Ods,
    pub name: String,
    pub role: Role,
    pub purpose: Purpose,
    /// The question's own name, by which the log's lines are told together.
    pub request_id: Arc<str>,
    /// The patient whose record was opened to them in an emergency, by the id that they have here.
    pub opened: Option<String>,
}

/// Decides whether they may be answered out of the records of `own`, and how far: `standing` is what
/// the store knows of the organisation that asks.
///
/// # Errors
/// `Forbidden`, with a sentence for who asks.
pub fn decide_ask(
    asker: &Asker,
    own: &Ods,
    (standing, now): (&Standing, Millis),
) -> Result<Scope, Problem> {
    let forbidden = |message: &'static str| Err(Problem::new(Kind::Forbidden, message));
    if asker.purpose != Purpose::DirectCare {
        return forbidden("Other organisations are answered for the care of the patient alone.");
    }
    match asker.role {
        Role::Clinician => {}
        Role::Clerk if asker.opened.is_none() => {}
        Role::Clerk => return forbidden("Only a clinician opens a record in an emergency."),
        Role::Engineer | Role::PrivacyOfficer | Role::System => {
            return forbidden("Only who cares for the patient, or their clerk, may ask.");
        }
    }
    if asker.name.trim().is_empty() {
        return forbidden("Who asks is a person with a name.");
    }
    let agent = Agent {
        kind: AgentKind::Peer,
        account: None,
        name: asker.name.clone(),
        role: Some(asker.role.code().into()),
        organisation: Some(asker.organisation.to_string()),
        patient: None,
    };
    let organisation = asker.organisation.clone();
    let withholds = Withholds::of_asker(standing, organisation, asker.opened.clone(), now);
    let scope = Scope::new(
        Reach::Organisation(own.clone()),
        Interaction::Ask,
        agent,
        asker.purpose.code(),
        asker.request_id.clone(),
    );
    Ok(scope.without(withholds))
}

/// A patient who asks through the node of their own practice, which has made sure who they are and answers for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatientAsker {
    /// The practice.
    pub organisation: Ods,
    pub name: String,
    pub request_id: Arc<str>,
}

/// Decides how far a patient is answered out of the records of `own`: what is released to them, but for what they do not
/// want to be seen at the practice by whose node they ask.
///
/// # Errors
/// `Forbidden` without a name.
pub fn decide_patient_ask(
    asker: &PatientAsker,
    own: &Ods,
    (standing, now): (&Standing, Millis),
) -> Result<Scope, Problem> {
    if asker.name.trim().is_empty() {
        let message = "Who asks is a person with a name.";
        return Err(Problem::new(Kind::Forbidden, message));
    }
    let agent = Agent {
        kind: AgentKind::Peer,
        account: None,
        name: asker.name.clone(),
        role: Some(PATIENT.into()),
        organisation: Some(asker.organisation.to_string()),
        patient: None,
    };
    let withholds = Withholds::of_asker(standing, asker.organisation.clone(), None, now);
    let scope = Scope::new(
        Reach::Organisation(own.clone()),
        Interaction::Ask,
        agent,
        Purpose::PatientRequest.code(),
        asker.request_id.clone(),
    );
    Ok(scope.without(withholds).released(now))
}

/// The role of a patient who asks, on the wire and in the log.
pub const PATIENT: &str = "patient";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Outcome, Target};

    #[test]
    fn a_patient_who_asks_reaches_only_what_is_released_and_changes_nothing() {
        let own = Ods::parse("RZZ01").unwrap();
        let asker = PatientAsker {
            organisation: Ods::parse("A81001").unwrap(),
            name: "Una Example".into(),
            request_id: "q".into(),
        };
        let scope = decide_patient_ask(&asker, &own, (&Standing::default(), 5)).unwrap();
        assert_eq!(scope.released_by(), Some(5));
        assert_eq!(scope.purpose(), "PATRQT");
        assert!(scope.may_look() && !scope.may_change() && !scope.may_audit());
        let nobody = PatientAsker {
            name: " ".into(),
            ..asker
        };
        assert!(decide_patient_ask(&nobody, &own, (&Standing::default(), 5)).is_err());
    }

    fn asker(role: Role) -> Asker {
        Asker {
            organisation: Ods::parse("RZZ01").unwrap(),
            name: "Nura Nurse".into(),
            role,
            purpose: Purpose::DirectCare,
            request_id: "q".into(),
            opened: None,
        }
    }

    fn decided(asker: &Asker) -> Result<Scope, Problem> {
        let own = Ods::parse("A81001").unwrap();
        decide_ask(asker, &own, (&Standing::default(), 5))
    }

    #[test]
    fn p33_a_disclosure_bears_who_asked_in_which_role_where_and_why() {
        let scope = decided(&asker(Role::Clinician)).unwrap();
        let target = Target {
            patient: Some("una".into()),
            ..Target::default()
        };
        let line = scope.trace(Interaction::Ask, Outcome::Success, target);
        assert_eq!(line.agent.name, "Nura Nurse");
        assert_eq!(line.agent.role.as_deref(), Some("clinician"));
        assert_eq!(line.agent.organisation.as_deref(), Some("RZZ01"));
        assert_eq!((&*line.purpose, &*line.interaction), ("TREAT", "ask"));
    }

    #[test]
    fn p05_who_asks_in_an_emergency_sees_that_record_and_changes_nothing() {
        let opened = Asker {
            opened: Some("una".into()),
            ..asker(Role::Clinician)
        };
        let scope = decided(&opened).unwrap();
        assert_eq!(scope.withholds().unwrap().opened, ["una"]);
        assert!(scope.withholds().unwrap().unsealed.is_empty());
        assert!(scope.withholds().unwrap().located.is_empty());
        assert!(scope.may_look() && !scope.may_change() && !scope.may_audit());
        let clerk = Asker {
            role: Role::Clerk,
            ..opened
        };
        assert!(decided(&clerk).is_err());
    }

    #[test]
    fn p08_who_does_not_care_for_the_patient_is_not_answered() {
        for role in [Role::Engineer, Role::PrivacyOfficer, Role::System] {
            assert!(decided(&asker(role)).is_err(), "{role:?}");
        }
        for purpose in [
            Purpose::PatientRequest,
            Purpose::Operations,
            Purpose::Compliance,
        ] {
            let asker = Asker {
                purpose,
                ..asker(Role::Clinician)
            };
            assert!(decided(&asker).is_err(), "{purpose:?}");
        }
        let nobody = Asker {
            name: " ".into(),
            ..asker(Role::Clerk)
        };
        assert!(decided(&nobody).is_err());
    }
}
