//! That a patient's home practice is another one now: believed only where each practice that was left has signed it, from the
//! one that the record here names to the one that speaks.

use access::Ods;
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use store::{Change, Expect, Reading, Release};

use super::{Moved, PROOFS_MAX, scope, set_practice};
use crate::exchange::Exchange;
use crate::jws::{self, Statement};
use crate::manifest::{PROTOCOL, PatientNamed};
use crate::prescriptions::put;

impl Exchange {
    /// This practice's word that the patient's home practice is `to` from now on.
    pub(super) fn signed_moved(&self, to: &Ods, patient: &PatientNamed) -> Result<String, Problem> {
        let moved = Moved {
            protocol: PROTOCOL,
            from: self.organisation().to_string(),
            to: to.to_string(),
            at: self.store.now(),
            patient: PatientNamed {
                given: String::new(),
                ..patient.clone()
            },
        };
        jws::sign(&self.identity.signing(), Statement::Moved, &moved)
    }

    /// Whether signed words lead from the practice `from` to `to`, about the patient of that number.
    pub(crate) fn leads(&self, proof: &[String], (from, to): (&str, &str), number: &str) -> bool {
        let mut at = from.to_string();
        for jws in proof.iter().take(PROOFS_MAX) {
            let Ok(signer) = Ods::parse(&at) else {
                return false;
            };
            let keys = self.audit_keys(&signer);
            let find = |kid: &str| keys.iter().find(|key| key.kid() == kid).cloned();
            let read: Result<Moved, Problem> = jws::verify(jws, Statement::Moved, find);
            // Those of practices before the one that the record names lead nowhere from there.
            let fits = read.ok().filter(|it| {
                it.protocol == PROTOCOL
                    && it.from == at
                    && it.patient.nhs_number.as_deref() == Some(number)
            });
            if let Some(moved) = fits {
                at = moved.to;
            }
        }
        at == to && from != to
    }

    /// The change that makes a record name that practice.
    ///
    /// # Errors
    /// `NotFound` if there is no such record; those of the store.
    pub(crate) async fn named_anew(
        &self,
        patient: &str,
        practice: &Ods,
    ) -> Result<Change, Problem> {
        let Reading::Found(version) = self.store.read(&scope(), "Patient", patient).await? else {
            return Err(Problem::new(
                Kind::NotFound,
                "There is no such patient here.",
            ));
        };
        json::parse(&version.body, &Limits::default())?;
        let mut resource = serde_json::from_slice(&version.body).map_err(|cause| {
            Problem::new(Kind::Exception, "A stored record does not read.").because(cause)
        })?;
        set_practice(&mut resource, practice);
        let how = (Expect::Version(version.version), Release::Keep);
        put(&resource, self.organisation(), how)
    }
}
