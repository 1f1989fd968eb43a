//! The decision about another system that asks under GP Connect, in the name of a person of its organisation
//! (<https://developer.nhs.uk/apis/gpconnect-1-2-7/integration_cross_organisation_audit_and_provenance.html>).

use std::sync::Arc;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::audit::{Agent, AgentKind};
use crate::interaction::Interaction;
use crate::ods::Ods;
use crate::purpose::Purpose;
use crate::scope::{Reach, Scope};
use crate::standing::{Standing, Withholds};

/// The only reason for which appointments are seen and made.
const DIRECT_CARE: &str = "directcare";

/// Who asks, as their system says; the system itself is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    pub organisation: Ods,
    /// The person's name.
    pub name: String,
    /// The claim `reason_for_request`.
    pub reason: String,
    pub request_id: Arc<str>,
}

impl Consumer {
    fn agent(&self) -> Agent {
        Agent {
            kind: AgentKind::Peer,
            account: None,
            name: self.name.clone(),
            role: None,
            organisation: Some(self.organisation.to_string()),
            patient: None,
        }
    }
}

/// Decides whether they may do this in the diary of `own`, for a patient whom that organisation does not find in
/// what the patient does not want it to see.
///
/// # Errors
/// `Forbidden`, with a sentence for who asks.
pub fn decide_consumer(
    consumer: &Consumer,
    own: &Ods,
    interaction: Interaction,
    (standing, now): (&Standing, Millis),
) -> Result<Scope, Problem> {
    let forbidden = |message: &'static str| Err(Problem::new(Kind::Forbidden, message));
    if consumer.reason != DIRECT_CARE {
        return forbidden("Appointments are seen and made for direct care alone.");
    }
    if consumer.name.trim().is_empty() {
        return forbidden("Who asks is a person with a name.");
    }
    let is_theirs = matches!(
        interaction,
        Interaction::Match
            | Interaction::Slots
            | Interaction::Read
            | Interaction::Search
            | Interaction::Book
            | Interaction::CancelAppointment
    );
    if !is_theirs {
        return forbidden(
            "Under GP Connect appointments are found, booked, amended and cancelled, and nothing else.",
        );
    }
    let organisation = consumer.organisation.clone();
    let withholds = Withholds::of_asker(standing, organisation, None, now);
    let scope = Scope::new(
        Reach::Organisation(own.clone()),
        interaction,
        consumer.agent(),
        Purpose::DirectCare.code(),
        consumer.request_id.clone(),
    );
    Ok(scope.without(withholds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Outcome, Target};

    fn consumer(reason: &str) -> Consumer {
        Consumer {
            organisation: Ods::parse("RZZ01").unwrap(),
            name: "Nura Nurse".into(),
            reason: reason.into(),
            request_id: "t".into(),
        }
    }

    fn decided(consumer: &Consumer, interaction: Interaction) -> Result<Scope, Problem> {
        let own = Ods::parse("A81001").unwrap();
        decide_consumer(consumer, &own, interaction, (&Standing::default(), 5))
    }

    #[test]
    fn who_asks_under_gp_connect_books_for_care_in_their_own_name_and_reads_no_log() {
        let scope = decided(&consumer("directcare"), Interaction::Book).unwrap();
        let line = scope.trace(Interaction::Book, Outcome::Success, Target::default());
        assert_eq!(line.agent.name, "Nura Nurse");
        assert_eq!(line.agent.organisation.as_deref(), Some("RZZ01"));
        assert!(scope.withholds().unwrap().may_hide && !scope.may_audit());
        let looking = decided(&consumer("directcare"), Interaction::Search).unwrap();
        assert!(looking.may_look() && !looking.may_change());
        for reason in ["", "migration", "research"] {
            assert!(decided(&consumer(reason), Interaction::Book).is_err());
        }
        for other in [
            Interaction::Update,
            Interaction::Delete,
            Interaction::Everything,
            Interaction::AccessLog,
            Interaction::KeepDiary,
        ] {
            assert!(
                decided(&consumer("directcare"), other).is_err(),
                "{other:?}"
            );
        }
        let nobody = Consumer {
            name: " ".into(),
            ..consumer("directcare")
        };
        assert!(decided(&nobody, Interaction::Slots).is_err());
    }
}
