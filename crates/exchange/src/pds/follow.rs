//! A person decides that two records here are one person's, as PDS says: the one whose number was replaced is
//! linked to the one that carries the new number, as ADT A40 does (decision 0120). Nothing is moved.

use access::{Interaction, Outcome, Scope, Target};
use fhir::matching::Grade;
use fhir::members::{each, set, text};
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};
use store::pds::{PdsWrite, TraceState};
use store::{Effect, Expect, Job, Release};

use super::judge;
use crate::exchange::Exchange;
use crate::prescriptions::put;

impl Exchange {
    /// Links the patient's record to the one here that carries the number which PDS gives instead; that one's id.
    /// Under the scope of the person who decides, who must reach both.
    ///
    /// # Errors
    /// `BusinessRule` if PDS did not say so, or nobody or more than one here carries the number, or the two
    /// differ in name or birth date; `Conflict` if one was changed meanwhile; those of the store.
    pub async fn merge_as_pds_says(
        &self,
        scope: &Scope,
        (patient, version_seen): (&str, Option<u64>),
    ) -> Result<String, Problem> {
        let not_so = |message: &'static str| Problem::new(Kind::BusinessRule, message);
        let trace = self
            .store
            .pds_trace(&super::trace::scope(), patient)
            .await?;
        let trace = trace.filter(|it| it.state == TraceState::Superseded);
        let said = trace.and_then(|it| it.said);
        let said = said.ok_or_else(|| not_so("PDS does not say that this number was replaced."))?;
        let said: Value = serde_json::from_str(&said.0).unwrap_or(Value::Null);
        let found = self.carrying(text(&said, "/id"), patient).await?;
        let [other] = found.as_slice() else {
            return Err(not_so(
                "Not exactly one other record here carries the number that PDS has now.",
            ));
        };
        let unknown = || {
            Problem::new(
                Kind::NotFound,
                "One of the two records is not here for you.",
            )
        };
        let ours = self
            .patient_json(scope, patient)
            .await?
            .ok_or_else(unknown)?;
        let theirs = self
            .patient_json(scope, &other.id)
            .await?
            .ok_or_else(unknown)?;
        if version_seen.is_some_and(|seen| seen != ours.0.version) {
            return Err(Problem::new(
                Kind::Conflict,
                "The record was changed meanwhile. Look at it again.",
            ));
        }
        let (_, grade) = judge::agreement(&ours.1, &theirs.1, text(&said, "/id"))?;
        if grade != Grade::Certain {
            return Err(not_so(
                "The two records differ in name, date of birth or gender. Put that right first.",
            ));
        }
        let (mut given_up, mut stays) = (ours.1, theirs.1);
        set(&mut given_up, "active", Value::Bool(false));
        link(&mut given_up, &other.id, "replaced-by");
        link(&mut stays, patient, "replaces");
        let mut job = Job::default();
        for (resource, version) in [(&given_up, ours.0.version), (&stays, theirs.0.version)] {
            let as_read = (Expect::Version(version), Release::Keep);
            job.changes
                .push(put(resource, self.organisation(), as_read)?);
        }
        let settled = PdsWrite::Settled {
            patient: patient.to_string(),
        };
        job.effects.push(Effect::Pds(settled));
        let target = Target {
            ty: "Patient".into(),
            id: Some(patient.to_string()),
            patient: Some(patient.to_string()),
            query: Some(format!("merged into Patient/{}", other.id).into()),
            ..Target::default()
        };
        let line = scope.trace(Interaction::Update, Outcome::Success, target);
        job.traces.push(line);
        self.store.commit(scope, job).await?;
        Ok(other.id.clone())
    }
}

fn link(patient: &mut Value, to: &str, kind: &str) {
    let mut links: Vec<Value> = each(patient, "/link").cloned().collect();
    let reference = format!("Patient/{to}");
    let is_there = links
        .iter()
        .any(|it| text(it, "/other/reference") == reference && text(it, "/type") == kind);
    if !is_there {
        links.push(json!({ "other": { "reference": reference }, "type": kind }));
    }
    set(patient, "link", Value::Array(links));
}
