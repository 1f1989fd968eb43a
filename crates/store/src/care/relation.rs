//! Relationships that follow from what the organisation's own systems and neighbours sent: a patient
//! who is registered here, an open Encounter, a letter or referral.

use access::{AgentKind, Ods, Role, Scope};
use fhir::date::{self, Millis};
use fhir::json::Json;
use fhir::problem::Problem;

use super::write::{Kind, Link, relate};
use crate::database::Tx;
use crate::write::Change;

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// For how long a letter or a referral is a reason to look, in milliseconds: half a year.
const REFERRAL: Millis = 183 * 86_400_000;

/// What one resource says of who cares for its patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    patient: String,
    kind: Kind,
    /// From when; from its making if `None`.
    starts_at: Option<Millis>,
    ends: Ends,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// Not by itself.
    Open,
    At(Millis),
    /// As soon as this is known.
    Now,
    /// So long after its making.
    After(Millis),
}

impl Relation {
    /// Reads it; most resources say nothing.
    pub(crate) fn of(
        ty: &str,
        id: &str,
        resource: &Json<'_>,
        organisation: &Ods,
    ) -> Result<Option<Relation>, Problem> {
        if ty == "Patient" {
            let is_here = is_registered(resource, organisation);
            return Ok(Some(Relation {
                patient: id.to_string(),
                kind: Kind::Registration,
                starts_at: None,
                ends: if is_here { Ends::Open } else { Ends::Now },
            }));
        }
        if ty == "Appointment" {
            return Ok(of_appointment(resource));
        }
        let kind = match ty {
            "Encounter" => Kind::Encounter,
            "DocumentReference" | "ServiceRequest" => Kind::Referral,
            _ => return Ok(None),
        };
        let reference = resource.get("subject").and_then(|it| it.text("reference"));
        let Some(patient) = reference.and_then(|it| it.strip_prefix("Patient/")) else {
            return Ok(None);
        };
        let (starts_at, ends) = match kind {
            Kind::Encounter => of_encounter(resource),
            _ => (None, Ends::After(REFERRAL)),
        };
        Ok(Some(Relation {
            patient: patient.to_string(),
            kind,
            starts_at,
            ends,
        }))
    }
}

/// Whether the organisation is the patient's practice, by its ODS code.
fn is_registered(resource: &Json<'_>, organisation: &Ods) -> bool {
    let is_here = |reference: &Json<'_>| {
        let identifier = reference.get("identifier");
        let by_code = identifier.is_some_and(|it| {
            it.text("system") == Some(ODS) && it.text("value") == Some(organisation.as_str())
        });
        let named = reference.text("reference").unwrap_or_default();
        by_code || named.strip_prefix("Organization/") == Some(organisation.as_str())
    };
    let managing = resource.get("managingOrganization");
    let practices = resource.items("generalPractitioner").iter();
    let is_current = resource.get("active") != Some(&Json::Bool(false));
    is_current && managing.into_iter().chain(practices).any(is_here)
}

/// Who is expected here may be looked up by who sees them, and for some time after: as with a referral.
fn of_appointment(resource: &Json<'_>) -> Option<Relation> {
    let participants = resource.items("participant").iter();
    let mut actors = participants.filter_map(|it| it.get("actor")?.text("reference"));
    let patient = actors.find_map(|it| it.strip_prefix("Patient/"))?;
    let is_expected = matches!(
        resource.text("status"),
        Some("booked" | "arrived" | "checked-in" | "fulfilled")
    );
    let end = resource.text("end").or(resource.text("start"));
    let end = end.and_then(date::span).map(|span| span.high);
    Some(Relation {
        patient: patient.to_string(),
        kind: Kind::Referral,
        starts_at: None,
        ends: match (is_expected, end) {
            (true, Some(end)) => Ends::At(end.saturating_add(REFERRAL)),
            (true, None) => Ends::After(REFERRAL),
            (false, _) => Ends::Now,
        },
    })
}

fn of_encounter(resource: &Json<'_>) -> (Option<Millis>, Ends) {
    let period = resource.get("period");
    let at = |name: &str| {
        let text = period.and_then(|it| it.text(name))?;
        date::span(text)
    };
    let starts_at = at("start").map(|span| span.low);
    let is_over = matches!(
        resource.text("status"),
        Some("finished" | "cancelled" | "entered-in-error")
    );
    let ends = match at("end") {
        Some(span) => Ends::At(span.high),
        None if is_over => Ends::Now,
        None => Ends::Open,
    };
    (starts_at, ends)
}

/// Writes down what these changes say, in their own transaction. Only what comes from the
/// organisation's own systems or the node's own work counts: nobody makes a relationship for
/// themselves by writing an Encounter.
pub(crate) async fn derive(
    tx: &mut Tx<'_>,
    scope: &Scope,
    now: Millis,
    changes: &[Change],
) -> Result<(), Problem> {
    let agent = scope.agent();
    let is_system = agent.role.as_deref() == Some(Role::System.code());
    if agent.kind != AgentKind::Node && !is_system {
        return Ok(());
    }
    for change in changes {
        let Change::Put { resource, .. } = change else {
            continue;
        };
        let Some(relation) = &resource.relation else {
            continue;
        };
        let ends_at = match relation.ends {
            Ends::Open => Millis::MAX,
            Ends::At(at) => at,
            Ends::Now => now,
            Ends::After(millis) => now.saturating_add(millis),
        };
        let is_ended_registration =
            relation.kind == Kind::Registration && relation.ends == Ends::Now;
        let link = Link {
            patient: relation.patient.clone(),
            organisation: resource.organisation.to_string(),
            account: None,
            workgroup: String::new(),
            kind: relation.kind,
            source: format!("{}/{}", resource.ty, resource.id),
            reason: String::new(),
            starts_at: relation.starts_at.unwrap_or(now).min(now),
            ends_at,
        };
        if is_ended_registration {
            super::write::end(tx, &link).await?;
        } else {
            relate(tx, now, &link).await?;
        }
    }
    Ok(())
}
