//! The decision: may this caller do this, and how far does it reach?

use std::borrow::Cow;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::audit::{AuditEntry, Outcome, Target};
use crate::caller::{Caller, Role, Who};
use crate::interaction::{Interaction, Sort};
use crate::purpose::Purpose;
use crate::scope::{Reach, Scope};
use crate::standing::{Standing, Withholds};

/// Decides whether the caller may do this with resources of type `ty` for that purpose, and gives
/// the scope to do it with. `now` settles what has been released. Of a member of staff nothing is known:
/// they reach what their organisation holds, but for what is sealed.
///
/// # Errors
/// `Forbidden`, with a sentence for the caller. The refusal too belongs into the audit log: see
/// `AuditEntry::refused`.
pub fn decide(
    caller: &Caller,
    interaction: Interaction,
    ty: &str,
    purpose: Purpose,
    now: Millis,
) -> Result<Scope, Problem> {
    decide_for(
        caller,
        interaction,
        ty,
        purpose,
        (&Standing::default(), now),
    )
}

/// The same for a caller of whom facts are known: `standing` is what the store has loaded about this
/// member of staff. Doors ask this one.
///
/// # Errors
/// As `decide`.
pub fn decide_for(
    caller: &Caller,
    interaction: Interaction,
    ty: &str,
    purpose: Purpose,
    (standing, now): (&Standing, Millis),
) -> Result<Scope, Problem> {
    let mut withholds = None;
    let mut shows = None;
    if let Some(granted) = &caller.granted {
        granted.may(interaction, ty)?;
    }
    let reach = match &caller.who {
        Who::Patient { patient, .. } => {
            patient_may(interaction, ty, purpose)?;
            let whose = match caller.acting.as_deref() {
                None => {
                    standing.online.own()?;
                    patient
                }
                Some(acting) => {
                    let proxy = standing.online.acting(acting, (interaction, ty), now)?;
                    shows = Some(proxy.types_for(interaction));
                    &proxy.patient
                }
            };
            Reach::Compartment {
                patient: whose.clone(),
                now,
            }
        }
        Who::Staff {
            account,
            role,
            organisation,
            ..
        } => {
            staff_may(*role, interaction, purpose)?;
            if *role != Role::System {
                only_systems_set_up(interaction, ty)?;
            }
            withholds = Some(Withholds::of(standing, (*account, *role), interaction, now));
            Reach::Organisation(organisation.clone())
        }
        // A neighbour sends parcels, which the node takes in by itself; it reads nothing here. The
        // node's own work goes by `Scope::system`, which names its purpose.
        Who::Peer { .. } | Who::Node => {
            return Err(forbidden("This caller may not read or change records."));
        }
    };
    let scope = Scope::new(
        reach,
        interaction,
        caller.agent(),
        purpose.code(),
        caller.request_id.clone(),
    )
    .narrowed(caller.granted.clone())
    .showing(shows);
    Ok(match withholds {
        Some(withholds) => scope.without(withholds),
        None => scope,
    })
}

fn patient_may(interaction: Interaction, ty: &str, purpose: Purpose) -> Result<(), Problem> {
    let theirs = matches!(
        interaction,
        Interaction::Read
            | Interaction::Vread
            | Interaction::HistoryInstance
            | Interaction::Search
            | Interaction::Everything
            | Interaction::LastN
            | Interaction::Match
            | Interaction::Document
            | Interaction::Export
            | Interaction::Subscribe
            | Interaction::Record
            | Interaction::AskForOneself
            | Interaction::Messages
            | Interaction::WriteMessage
            | Interaction::AskAbout
            | Interaction::AccessLog
            | Interaction::SetSharing
            | Interaction::OrderMedicines
            | Interaction::AnswerQuestionnaire
            | Interaction::Proxies
            | Interaction::OnlineAccess
            | Interaction::Slots
            | Interaction::Book
            | Interaction::CancelAppointment
    );
    if !theirs {
        return Err(forbidden(
            "Patients may read what is theirs, and not change it here.",
        ));
    }
    if purpose != Purpose::PatientRequest {
        return Err(forbidden("A patient's purpose is their own request."));
    }
    // The log about a person is shown to them by the access log, which knows what to leave out.
    if ty == "AuditEvent" && interaction != Interaction::AccessLog {
        return Err(forbidden("Patients read who looked in their access log."));
    }
    Ok(())
}

fn staff_may(role: Role, interaction: Interaction, purpose: Purpose) -> Result<(), Problem> {
    let allowed = match (role, interaction.sort()) {
        (Role::Clinician | Role::Clerk, _) if interaction.is_bulk() => {
            let message = "Whole records in bulk are for the organisation's own systems; use a token made by `handover token`.";
            return Err(forbidden(message));
        }
        // What a patient wants is written by staff as a Consent, in their own name.
        (_, _) if interaction == Interaction::SetSharing => false,
        // What a patient asks for is theirs to ask for.
        (_, _) if interaction == Interaction::OrderMedicines => false,
        // And so are their questions.
        (_, _)
            if matches!(
                interaction,
                Interaction::AskAbout | Interaction::AskForOneself
            ) =>
        {
            false
        }
        (Role::Clinician, Sort::Look | Sort::Change) => true,
        // "Acted on" is only ever a named clinician's, and so are what is prescribed, what becomes of a referral, the judgement that a label (third
        // party, serious harm) may go, what a patient should not or may read, and that care cannot wait for leave to look.
        (Role::Clerk, Sort::Look | Sort::Change) => !matches!(
            interaction,
            Interaction::ActOnLetter
                | Interaction::RemoveLabel
                | Interaction::EmergencyAccess
                | Interaction::HoldBack
                | Interaction::ReleaseToPatient
                | Interaction::Prescribe
                | Interaction::SignLetter
                | Interaction::TriageReferral
                | Interaction::TakeOver
        ),
        (Role::System, Sort::Look | Sort::Change) => interaction.is_rest(),
        (Role::Clinician | Role::Clerk | Role::Engineer, Sort::Operate) => true,
        (Role::PrivacyOfficer, Sort::Audit) => true,
        (Role::Engineer, Sort::Look | Sort::Change) => {
            return Err(forbidden("Engineers run the node and do not see records."));
        }
        _ => false,
    };
    if !allowed {
        return Err(forbidden("This is not part of your role."));
    }
    let fits = match interaction.sort() {
        Sort::Look | Sort::Change => purpose == Purpose::DirectCare,
        Sort::Operate => matches!(purpose, Purpose::Operations | Purpose::DirectCare),
        Sort::Audit => purpose == Purpose::Compliance,
        Sort::Mail | Sort::Inner => false,
    };
    if fits {
        Ok(())
    } else {
        Err(forbidden("The stated purpose does not allow this."))
    }
}

/// What sends records elsewhere from now on, or indexes all of them, is no single member of staff's.
fn only_systems_set_up(interaction: Interaction, ty: &str) -> Result<(), Problem> {
    let sets_up = match interaction {
        Interaction::Create | Interaction::Update | Interaction::Patch => sets_up(ty),
        Interaction::Delete => ty == "SearchParameter",
        _ => false,
    };
    if sets_up {
        return Err(forbidden(SYSTEMS_ONLY));
    }
    Ok(())
}

pub(crate) fn sets_up(ty: &str) -> bool {
    matches!(ty, "Subscription" | "SearchParameter")
}

pub(crate) const SYSTEMS_ONLY: &str = "Subscriptions and search parameters are set up by the organisation's own systems; use a token made by `handover token`.";

fn forbidden(message: &'static str) -> Problem {
    Problem::new(Kind::Forbidden, message)
}

impl AuditEntry {
    /// The log's line for what `decide` refused.
    pub fn refused(
        caller: &Caller,
        interaction: Interaction,
        purpose: Purpose,
        ty: &str,
        id: Option<&str>,
    ) -> AuditEntry {
        let scope = Scope::new(
            Reach::Everything,
            interaction,
            caller.agent(),
            purpose.code(),
            caller.request_id.clone(),
        );
        let target = Target {
            ty: Cow::Owned(ty.to_string()),
            id: id.map(str::to_string),
            // It is told to the one whose record it was.
            patient: caller.acting.as_ref().map(|it| it.patient.clone()),
            ..Target::default()
        };
        scope.trace(interaction, Outcome::Refused, target)
    }
}

#[cfg(test)]
mod tests;
