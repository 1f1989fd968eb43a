//! Pointers (`docs/protocol/exchange.md`, section 11): whoever holds something about a patient tells
//! the patient's home practice and its second keeper so, without the content, and again when it is so no
//! more.

use std::sync::Arc;

use access::{Interaction, NhsNumber, Ods, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use store::ask::{AskWrite, Look, OwnPointer, Pointer};
use store::parcels::{Incoming, Named, Parcel, ParcelWrite, Proof};
use store::sharing::SharingWrite;
use store::{Effect, Job, Reading};
use tokio::sync::watch;

use crate::exchange::Exchange;
use crate::letter::Letter;
use crate::manifest::{ParcelKind, ParcelText, PatientNamed};
use crate::sharing::named;

/// Versions that are looked through in one go.
const VERSIONS_AT_ONCE: u32 = 500;
/// Patients whose pointers are looked at in one go.
const AT_ONCE: u32 = 50;
/// How often each patient's pointer is looked at although nothing is new: it may have to be withdrawn.
const LOOK_AGAIN_MILLIS: Millis = 3_600_000;

/// What a parcel of kind `record-pointer` says beside whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointerText {
    /// The patient's practice, as the sender knows it.
    pub home: String,
    /// Grows with each change; a lower one is out of date.
    pub version: i64,
    /// Whether the sender holds nothing any more.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub withdrawn: bool,
}

fn scope() -> Scope {
    Scope::system(SystemPurpose::KeepPointers)
}

impl Exchange {
    /// Notes of whom something is new here, or was before others could know of it, and tells home practices; gives
    /// whether there is more. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tell_pointers(&self) -> Result<bool, Problem> {
        // What is new goes first; what was held before others could know of it waits for that.
        let own = scope();
        let (found, look) = match self.store.newly_held(&own, VERSIONS_AT_ONCE).await? {
            Some(newly) => (Some(newly), Look::Ahead),
            None => {
                let before = self.store.held_before(&own, VERSIONS_AT_ONCE).await?;
                (before, Look::Behind)
            }
        };
        let more = found.is_some();
        if let Some((patients, upto)) = found {
            let noted = AskWrite::Noted {
                patients,
                upto,
                look,
            };
            self.store
                .commit(&scope(), Job::effect(Effect::Ask(noted)))
                .await?;
        }
        let before = self.store.now().saturating_sub(LOOK_AGAIN_MILLIS);
        let due = self.store.pointers_due(&scope(), before, AT_ONCE).await?;
        for pointer in &due {
            let job = self.pointing(pointer).await?;
            self.store.commit(&scope(), job).await?;
        }
        Ok(more || due.len() >= AT_ONCE as usize)
    }

    /// The job that tells whoever is to know of one patient, and tells whoever knew and need not.
    async fn pointing(&self, pointer: &OwnPointer) -> Result<Job, Problem> {
        let is_other = |code: &str| {
            let ods = Ods::parse(code).ok();
            ods.filter(|ods| ods != self.organisation() && self.book.listed(ods).is_some())
        };
        let home = is_other(&pointer.home_now).filter(|_| pointer.holds);
        let keeper = is_other(&pointer.keeper_now).filter(|_| home.is_some());
        let code = |ods: &Option<Ods>| ods.as_ref().map_or(String::new(), Ods::to_string);
        let (home_code, keeper_code) = (code(&home), code(&keeper));
        let is_new = home_code != pointer.home || keeper_code != pointer.keeper;
        let who = match is_new {
            true => self.person(&pointer.patient).await?,
            false => None,
        };
        let mut told = AskWrite::Pointed {
            patient: pointer.patient.clone(),
            home: pointer.home.clone(),
            keeper: pointer.keeper.clone(),
            version: pointer.version,
        };
        let Some(who) = who else {
            return Ok(Job::effect(Effect::Ask(told)));
        };
        let version = pointer.version.saturating_add(1);
        let mut job = Job::default();
        let named_home = if home_code.is_empty() {
            pointer.home.clone()
        } else {
            home_code.clone()
        };
        let text = |withdrawn| PointerText {
            home: named_home.clone(),
            version,
            withdrawn,
        };
        for to in [&home, &keeper].into_iter().flatten() {
            job.effects.extend(
                self.pointer_to(to, (&pointer.patient, &who), text(false))
                    .await?,
            );
        }
        for gone in [&pointer.home, &pointer.keeper] {
            if gone == &home_code || gone == &keeper_code {
                continue;
            }
            if let Some(to) = is_other(gone) {
                job.effects.extend(
                    self.pointer_to(&to, (&pointer.patient, &who), text(true))
                        .await?,
                );
            }
        }
        if let AskWrite::Pointed {
            home,
            keeper,
            version: told_version,
            ..
        } = &mut told
        {
            *home = home_code;
            *keeper = keeper_code;
            *told_version = version;
        }
        job.effects.push(Effect::Ask(told));
        Ok(job)
    }

    /// The patient as others know them; `None` if they cannot be told from others.
    async fn person(&self, patient: &str) -> Result<Option<PatientNamed>, Problem> {
        let Reading::Found(version) = self.store.read(&scope(), "Patient", patient).await? else {
            return Ok(None);
        };
        let who = named(&json::parse(&version.body, &Limits::default())?);
        let number = who.nhs_number.as_deref();
        let is_number = number.is_some_and(|it| NhsNumber::parse(it).is_ok());
        Ok((is_number && who.birth_date.is_some() && !who.family.is_empty()).then_some(who))
    }

    /// The parcel for one member, unless it is on its way already.
    async fn pointer_to(
        &self,
        to: &Ods,
        (patient, who): (&str, &PatientNamed),
        pointer: PointerText,
    ) -> Result<Option<Effect>, Problem> {
        let version = pointer.version.to_string();
        let number = who.nhs_number.as_deref().unwrap_or_default();
        let id = Letter::parcel_id(&["pointer", number, patient, &version, to.as_str()]);
        let own = self.organisation();
        let known = self.store.made_of(&scope(), own.as_str(), &id).await?;
        if known.is_some() {
            return Ok(None);
        }
        let text = ParcelText {
            id,
            made_at: self.store.now(),
            patient: who.clone(),
            pointer: Some(pointer),
            ..ParcelText::of(ParcelKind::RecordPointer, own, to)
        };
        text.accepted(patient).map(Some)
    }

    /// The job that holds a pointer which came, and keeps its parcel. What the patient wants shared goes back to who points.
    ///
    /// # Errors
    /// `Value` for what does not say whom it is about; `BusinessRule` if it names a practice that is no
    /// member; those of the store.
    pub(crate) async fn pointer_job(
        &self,
        scope: &Scope,
        parcel: &Parcel,
        manifest: &Proof,
    ) -> Result<Job, Problem> {
        let text = ParcelText::parse(&parcel.text)?;
        let (Some(pointer), Some(nhs_number), Some(birth_date)) = (
            text.pointer,
            text.patient.nhs_number,
            text.patient.birth_date,
        ) else {
            let message = "A pointer names its patient by NHS number and date of birth.";
            return Err(Problem::new(Kind::Value, message));
        };
        let home = Ods::parse(&pointer.home)?;
        if self.book.listed(&home).is_none() {
            let message = "The pointer names a practice that the directory does not list.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let hold = Pointer {
            // Who sends it is who holds something: nobody points at others.
            custodian: parcel.sender.to_string(),
            home: home.to_string(),
            nhs_number,
            birth_date,
            family: text.patient.family,
            version: pointer.version,
            withdrawn: pointer.withdrawn,
        };
        let who = Named {
            nhs_number: Some(hold.nhs_number.clone()),
            birth_date: Some(hold.birth_date.clone()),
            family: hold.family.clone(),
            given: String::new(),
        };
        let (_, patients) = self.fitting(&crate::sharing::scope(), &who).await?;
        let mut job = Job::effect(Effect::Ask(AskWrite::Hold(Box::new(hold))));
        // Who points now is told what the patient wanted before.
        for (patient, _) in patients {
            let held = SharingWrite::HeldElsewhere { patient };
            job.effects.push(Effect::Sharing(held));
        }
        let incoming = Box::new(Incoming {
            parcel: parcel.clone(),
            manifest: manifest.clone(),
            after: Vec::new(),
        });
        job.effects
            .push(Effect::Parcel(ParcelWrite::Receive(incoming)));
        let target = Target {
            query: Some(format!("parcel={}/{}", parcel.sender, parcel.id).into()),
            ..Target::default()
        };
        job.traces
            .push(scope.trace(Interaction::System, Outcome::Success, target));
        Ok(job)
    }
}

/// The worker that tells.
pub(crate) async fn tell(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    let nap = std::time::Duration::from_millis(exchange.settings.poll_millis.max(1));
    while !*stopped.borrow() {
        exchange.store.let_others_first().await;
        let more = exchange.tell_pointers().await.unwrap_or_else(|problem| {
            tracing::error!(
                ?problem,
                "home practices could not be told what is held here"
            );
            false
        });
        if more {
            continue;
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}
