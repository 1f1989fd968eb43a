//! Taking in what EPS hands over: the patient, each item, and that the pharmacy has it now.

use access::Scope;
use fhir::members::{set, text};
use fhir::problem::Problem;
use fhir::repeats;
use serde_json::{Value, json};
use store::parcels::Named;
use store::{Expect, Job, Reading, Release};

use super::named;
use crate::exchange::Exchange;
use crate::keys::sha256_hex;
use crate::letter::Letter;
use crate::manifest::PatientNamed;
use crate::prescriptions::message::Released;
use crate::prescriptions::put;
use crate::prescriptions::status::{StatusItem, StatusText};
use crate::prescriptions::task::{self, DISPENSE_CODE, Item, Step, Taken};

/// Digits of what names a patient who came with a prescription.
const ID_DIGITS: usize = 40;

impl Exchange {
    /// Adds one prescription to the job; gives whether it is new here.
    pub(super) async fn take_prescription(
        &self,
        scope: &Scope,
        came: &Released,
        patients: &mut Vec<String>,
        job: &mut Job,
    ) -> Result<bool, Problem> {
        let own = super::super::carry::scope();
        let now = self.store.now();
        let named = named(&came.patient);
        let (patient, is_new) = self.patient_here(&own, &named).await?;
        let mut told = Vec::new();
        for item in &came.items {
            told.extend(self.take_item(scope, (came, item), &patient, job).await?);
        }
        if told.is_empty() {
            return Ok(false);
        }
        if is_new && !patients.contains(&patient) {
            let mut resource = came.patient.clone();
            set(&mut resource, "id", patient.clone().into());
            let once = (Expect::Absent, Release::At(now));
            job.changes.push(put(&resource, self.organisation(), once)?);
            patients.push(patient.clone());
        }
        let status = StatusText {
            prescription: came.number.clone(),
            at: now,
            items: told,
        };
        job.effects
            .extend(self.status_to(&came.practice, (&patient, named), status)?);
        Ok(true)
    }

    /// Adds one item to the job, unless it came before; gives what the practice is told.
    async fn take_item(
        &self,
        scope: &Scope,
        (came, (item, request)): (&Released, &(String, Value)),
        patient: &str,
        job: &mut Job,
    ) -> Result<Option<StatusItem>, Problem> {
        let own = super::super::carry::scope();
        let now = self.store.now();
        let id = Letter::parcel_id(&["dispense", item]);
        let known = self.store.read(&own, "Task", &id).await?;
        // What was given back may come again; what is here otherwise came before.
        let (version, number) = match known {
            Reading::Found(version) => {
                let task: Value = serde_json::from_slice(&version.body).unwrap_or(Value::Null);
                match Item::read(&task) {
                    Some(item) if item.step() == Step::Returned => {
                        (Expect::Version(version.version), item.told)
                    }
                    _ => return Ok(None),
                }
            }
            _ => (Expect::Absent, 0),
        };
        let copy = request_here(item, request, (patient, &came.prescriber));
        let copy_id = text(&copy, "/id").to_string();
        let mut task = task::new(&task::New {
            id: &id,
            code: DISPENSE_CODE,
            group: (task::ORDER_NUMBER, &came.number),
            patient,
            request: &copy_id,
            name: &repeats::name(request),
            dose: &repeats::dose(request),
            quantity: &repeats::quantity(request),
            requester: &came.prescriber,
            pharmacy: Some(self.organisation().as_str()),
            practice: Some(&came.practice),
        });
        task::numbered(&mut task, item, &came.number);
        let who = scope.agent().name.as_str();
        let taken = Taken::new(Step::WithPharmacy, now, who, "");
        task::take(&mut task, &taken);
        task::told(&mut task, number + 1, self.organisation().as_str());
        let organisation = self.organisation();
        job.changes
            .push(put(&task, organisation, (version, Release::At(now)))?);
        let anything = (Expect::Anything, Release::At(now));
        job.changes.push(put(&copy, organisation, anything)?);
        Ok(Some(StatusItem {
            item: item.clone(),
            number: number + 1,
            status: Step::WithPharmacy.code().to_string(),
            reason: String::new(),
        }))
    }

    /// The Patient here, and whether it is one that has yet to be written.
    async fn patient_here(
        &self,
        own: &Scope,
        named: &PatientNamed,
    ) -> Result<(String, bool), Problem> {
        let known = Named {
            nhs_number: named.nhs_number.clone(),
            birth_date: named.birth_date.clone(),
            family: named.family.clone(),
            given: named.given.clone(),
        };
        let (_, found) = self.fitting(own, &known).await?;
        if let Some((patient, _)) = found.into_iter().next() {
            return Ok((patient, false));
        }
        // Of another birth date or family name it is another record, whatever its number.
        let name = format!(
            "{}/{}/{}",
            named.nhs_number.as_deref().unwrap_or_default(),
            named.birth_date.as_deref().unwrap_or_default(),
            fhir::search::fold(&named.family)
        );
        let digest = sha256_hex(name.as_bytes());
        let id = format!("eps-{}", digest.get(..ID_DIGITS).unwrap_or(&digest));
        let is_here = matches!(
            self.store.read(own, "Patient", &id).await?,
            Reading::Found(_)
        );
        Ok((id, !is_here))
    }
}

/// An item's MedicationRequest as it is kept here: about the Patient here, and with its references to the
/// rest of the message turned into words.
fn request_here(item: &str, request: &Value, (patient, prescriber): (&str, &str)) -> Value {
    let mut here = request.clone();
    if let Some(here) = here.as_object_mut() {
        for name in [
            "requester",
            "meta",
            "text",
            "contained",
            "basedOn",
            "encounter",
            "supportingInformation",
        ] {
            here.remove(name);
        }
    }
    set(
        &mut here,
        "id",
        Letter::parcel_id(&["eps-item", item]).into(),
    );
    let subject = json!({ "reference": format!("Patient/{patient}") });
    set(&mut here, "subject", subject);
    if !prescriber.is_empty() {
        set(&mut here, "requester", json!({ "display": prescriber }));
    }
    here
}
