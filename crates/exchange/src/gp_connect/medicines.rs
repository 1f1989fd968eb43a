//! The organisation's own system where it holds the medicines: asked in a patient's name, under Patient Facing
//! Prescriptions (FHIR R4), over the guarded client.

use access::Ods;
use bytes::Bytes;
use fhir::date::Millis;
use fhir::problem::Problem;
use http::Method;
use serde_json::{Value, json};

use super::gateway::Gateway;
use super::patient_token::{self, PatientAsking};
use super::system::{No, System, understood};
use crate::jwt::IdentityKey;
use crate::outgoing::{Call as Request, Outgoing};

const SECONDS_MAX: u64 = 20;
const ANSWER_BYTES_MAX: usize = 4 << 20;
const CONTENT_TYPE: &str = "application/fhir+json";
const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
const UUID: &str = "https://tools.ietf.org/html/rfc4122";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Where the system's door is, and as whom it is asked.
pub struct Holder {
    base: String,
    own_asid: String,
    issuer: String,
    organisation: Ods,
    key: IdentityKey,
    client: Outgoing,
    gateway: Option<Gateway>,
}

impl std::fmt::Debug for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Holder").field("base", &self.base).finish()
    }
}

/// In whose name it is asked.
#[derive(Clone, Copy, Debug)]
pub struct InName<'a> {
    pub nhs_number: &'a str,
    pub person: &'a str,
    pub now: Millis,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Our own name for it, by which the same again is known.
    pub identifier: &'a str,
    /// The MedicationRequest's id there.
    pub request: &'a str,
    pub pharmacy: &'a str,
}

impl Holder {
    /// The system at that address, such as `https://system.example/FHIR/R4`.
    ///
    /// # Errors
    /// `Value` if it is no address; `Exception` if TLS cannot be set up.
    pub fn new(
        url: &str,
        own_asid: &str,
        (issuer, organisation): (&str, &Ods),
        key: IdentityKey,
    ) -> Result<Holder, Problem> {
        let (base, client) = System::client(url)?;
        Ok(Holder {
            base,
            own_asid: own_asid.to_string(),
            issuer: issuer.to_string(),
            organisation: organisation.clone(),
            key,
            client: client.bounded(SECONDS_MAX, ANSWER_BYTES_MAX),
            gateway: None,
        })
    }

    /// The same behind the NHS's gateway.
    #[must_use]
    pub fn behind(mut self, gateway: Gateway) -> Holder {
        self.gateway = Some(gateway);
        self
    }

    /// A patient has signed in by NHS login; where no gateway stands before the system that is nothing to it.
    pub fn signed_in(&self, nhs_number: &str, id_token: &str, times: (Millis, Millis)) {
        if let Some(gateway) = &self.gateway {
            gateway.signed_in(nhs_number, id_token, times);
        }
    }

    /// What allows the patient's repeat medicines, and their issues: MedicationRequests.
    ///
    /// # Errors
    /// If they are not told.
    pub async fn requests(&self, name: InName<'_>) -> Result<Vec<Value>, No> {
        let path = format!("/Patient/{}/MedicationStatement", name.nhs_number);
        let answer = self.ask((Method::GET, &path), None, name).await?;
        Ok(of_type(&answer, "MedicationRequest"))
    }

    /// What was asked for there: Tasks.
    ///
    /// # Errors
    /// As `requests`.
    pub async fn tasks(&self, name: InName<'_>) -> Result<Vec<Value>, No> {
        let path = format!("/Task?patient={}", name.nhs_number);
        let answer = self.ask((Method::GET, &path), None, name).await?;
        Ok(of_type(&answer, "Task"))
    }

    /// Asks for one medicine. Asking again asks for nothing more.
    ///
    /// # Errors
    /// If it is not taken, or nobody knows.
    pub async fn order(&self, order: Order<'_>, name: InName<'_>) -> Result<Value, No> {
        let patient = json!({
            "reference": format!("Patient/{}", name.nhs_number),
            "identifier": { "system": NHS_NUMBER, "value": name.nhs_number },
        });
        let mut task = json!({
            "resourceType": "Task",
            "identifier": [{ "system": UUID, "value": order.identifier }],
            "status": "requested",
            "intent": "order",
            "code": { "coding": [{
                "system": "http://snomed.info/sct", "code": "103742009", "display": "Renewal of prescription",
            }] },
            "focus": { "reference": format!("MedicationRequest/{}", order.request) },
            "for": patient,
            "requester": patient,
            "authoredOn": fhir::date::instant(name.now),
        });
        if let (false, Some(task)) = (order.pharmacy.is_empty(), task.as_object_mut()) {
            let input = json!([{
                "type": { "coding": [{
                    "system": "https://fhir.hl7.org.uk/GPConnect-PrescriptionOrderingParameters",
                    "code": "preferred-performer",
                }] },
                "valueIdentifier": { "system": ODS, "value": order.pharmacy },
            }]);
            task.insert("input".into(), input);
        }
        let body = Some(task.to_string());
        self.ask((Method::POST, "/Task"), body, name).await
    }

    async fn ask(
        &self,
        (method, path): (Method, &str),
        body: Option<String>,
        name: InName<'_>,
    ) -> Result<Value, No> {
        let token = self.token(method != Method::GET, name).await?;
        let request = uuid::Uuid::new_v4().to_string();
        let headers = [
            ("accept", CONTENT_TYPE.to_string()),
            ("content-type", CONTENT_TYPE.to_string()),
            ("authorization", format!("Bearer {token}")),
            ("x-correlation-id", request.clone()),
            ("x-request-id", request),
            ("ssp-from", self.own_asid.clone()),
        ];
        let request = Request {
            method,
            url: format!("{}{path}", self.base),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_string(), value))
                .collect(),
            body: body.map_or_else(Bytes::new, Bytes::from),
        };
        let answer = self.client.answer(request).await;
        let (status, body) =
            answer.map_err(|why| No::NotNow(format!("It did not answer: {why}")))?;
        if let Some(gateway) = &self.gateway {
            let taken = gateway.taken(status).await;
            taken.map_err(|no| No::NotNow(no.words()))?;
        }
        understood(status, &body)
    }

    /// What proves in whose name it is asked: the gateway's token, or, where there is no gateway, one that this node signs.
    async fn token(&self, writes: bool, name: InName<'_>) -> Result<String, No> {
        if let Some(gateway) = &self.gateway {
            let token = gateway.token(name.nhs_number, name.now).await;
            return token.map_err(|no| No::NotNow(no.words()));
        }
        let asking = PatientAsking {
            issuer: &self.issuer,
            audience: &self.base,
            organisation: &self.organisation,
            nhs_number: name.nhs_number,
            person: name.person,
        };
        let claims = patient_token::claims(&asking, writes, name.now);
        let token = self.key.sign(&claims);
        token.map_err(|problem| No::NotNow(problem.message))
    }
}

/// The name that we gave a Task there.
pub fn identifier(task: &Value) -> &str {
    let listed = task.get("identifier").and_then(Value::as_array);
    let mut listed = listed.into_iter().flatten();
    let own = listed.find(|it| it.get("system").and_then(Value::as_str) == Some(UUID));
    let value = own.and_then(|it| it.get("value")).and_then(Value::as_str);
    value.unwrap_or_default()
}

fn of_type(bundle: &Value, ty: &str) -> Vec<Value> {
    let entries = bundle.get("entry").and_then(Value::as_array);
    let resources = entries.into_iter().flatten();
    let resources = resources.filter_map(|it| it.get("resource"));
    resources
        .filter(|it| it.get("resourceType").and_then(Value::as_str) == Some(ty))
        .cloned()
        .collect()
}
