//! Slots and Appointments as resources (<https://hl7.org/fhir/R4/appointment.html>).

use access::{Ods, Scope};
use fhir::date::{self, Millis};
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use serde_json::{Map, Value, json};
use store::{Change, Expect, Prepared, Reading, Release, Store};

use super::Offer;

const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// An Appointment to be.
pub(super) struct NewVisit<'v> {
    pub patient: &'v str,
    pub offer: &'v Offer,
    pub reason: &'v str,
    /// Whose diary it is.
    pub holder: &'v Ods,
    /// Whether the Slot is in this store.
    pub is_here: bool,
    /// Confirmed by whose diary it is.
    pub is_booked: bool,
    pub created: Millis,
}

impl NewVisit<'_> {
    /// The resource with further members; what it says by itself stands.
    pub(super) fn resource_with(&self, more: Option<&Map<String, Value>>) -> Value {
        let mut visit = self.resource();
        if let Some(members) = visit.as_object_mut() {
            for (name, value) in more.into_iter().flatten() {
                members.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        visit
    }

    pub(super) fn resource(&self) -> Value {
        let (status, taking) = match self.is_booked {
            true => ("booked", "accepted"),
            false => ("pending", "needs-action"),
        };
        let mut visit = json!({
            "resourceType": "Appointment",
            "status": status,
            "start": date::instant(self.offer.starts),
            "end": date::instant(self.offer.ends),
            "created": date::instant(self.created),
            "participant": [
                {
                    "actor": { "reference": format!("Patient/{}", self.patient) },
                    "status": "accepted",
                },
                {
                    "actor": {
                        "type": "Location",
                        "identifier": { "system": ODS_CODE, "value": self.holder.as_str() },
                    },
                    "status": taking,
                },
            ],
        });
        let mut set = |name: &str, value: Value| {
            if let Some(visit) = visit.as_object_mut() {
                visit.insert(name.into(), value);
            }
        };
        if !self.offer.kind.is_empty() {
            set("serviceType", json!([{ "text": self.offer.kind }]));
        }
        if !self.reason.is_empty() {
            set("reasonCode", json!([{ "text": self.reason }]));
        }
        if !self.offer.with.is_empty() {
            set("description", json!(self.offer.with));
        }
        if self.is_here {
            set("slot", slot_reference(&self.offer.slot));
        }
        visit
    }
}

fn slot_reference(slot: &str) -> Value {
    json!([{ "reference": format!("Slot/{slot}") }])
}

/// A resource at hand that is to be changed, with the version that the change rests on.
pub(super) struct AtHand {
    ty: &'static str,
    id: String,
    version: u64,
    body: Map<String, Value>,
}

impl AtHand {
    /// Reads it; `None` if it is not there.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn read(
        store: &Store,
        scope: &Scope,
        ty: &'static str,
        id: &str,
    ) -> Result<Option<AtHand>, Problem> {
        let Reading::Found(version) = store.read(scope, ty, id).await? else {
            return Ok(None);
        };
        let body: Value = serde_json::from_slice(&version.body).map_err(|cause| {
            Problem::new(Kind::Exception, "A stored record does not read.").because(cause)
        })?;
        let Value::Object(mut body) = body else {
            return Ok(None);
        };
        // The store writes these.
        if let Some(meta) = body.get_mut("meta").and_then(Value::as_object_mut) {
            meta.remove("versionId");
            meta.remove("lastUpdated");
            if meta.is_empty() {
                body.remove("meta");
            }
        }
        Ok(Some(AtHand {
            ty,
            id: id.to_string(),
            version: version.version,
            body,
        }))
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.body.insert(name.into(), value);
    }

    /// An Appointment's sort, with whom it is, and why.
    pub(super) fn words(&self) -> (String, String, String) {
        let text = |value: Option<&Value>| {
            value
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_string()
        };
        let first = |name: &str| text(self.body.get(name).and_then(|it| it.pointer("/0/text")));
        (
            first("serviceType"),
            text(self.body.get("description")),
            first("reasonCode"),
        )
    }

    /// What is to be known of an Appointment besides.
    pub(super) fn comment(&self) -> String {
        let comment = self.body.get("comment").and_then(Value::as_str);
        comment.unwrap_or_default().to_string()
    }

    /// When an Appointment ends; none where it does not say.
    pub(super) fn ends(&self) -> Option<Millis> {
        let end = self.body.get("end").and_then(Value::as_str);
        Some(date::span(end?)?.low)
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// An Appointment's words: why it is, and what is to be known besides.
    pub(super) fn set_reason(&mut self, reason: &str, comment: &str) {
        for (name, text, value) in [
            ("reasonCode", reason, json!([{ "text": reason }])),
            ("comment", comment, json!(comment)),
        ] {
            match text.is_empty() {
                true => self.body.remove(name),
                false => self.body.insert(name.into(), value),
            };
        }
    }

    pub(super) fn status(&self) -> &str {
        let status = self.body.get("status").and_then(Value::as_str);
        status.unwrap_or_default()
    }

    /// An Appointment's words on how it is to be from now on.
    pub(super) fn confirm(&mut self, offer: &Offer) {
        self.set("status", json!("booked"));
        self.set("start", json!(date::instant(offer.starts)));
        self.set("end", json!(date::instant(offer.ends)));
        self.set_words(offer);
        let taking = self
            .body
            .get_mut("participant")
            .and_then(Value::as_array_mut);
        for one in taking.into_iter().flatten() {
            if let Some(one) = one.as_object_mut() {
                one.insert("status".into(), json!("accepted"));
            }
        }
    }

    fn set_words(&mut self, offer: &Offer) {
        if !offer.kind.is_empty() {
            self.set("serviceType", json!([{ "text": offer.kind }]));
        }
        if !offer.with.is_empty() {
            self.set("description", json!(offer.with));
        }
    }

    /// An Appointment moves to another slot of this store.
    pub(super) fn move_to(&mut self, offer: &Offer) {
        self.confirm(offer);
        self.set("slot", slot_reference(&offer.slot));
    }

    /// An Appointment ends, for that reason.
    pub(super) fn cancel(&mut self, reason: &str) {
        self.set("status", json!("cancelled"));
        if !reason.is_empty() {
            self.set("cancelationReason", json!({ "text": reason }));
        }
    }

    /// The change, if it is still at that version.
    ///
    /// # Errors
    /// `Exception` if it does not read back.
    pub(super) fn put(self, own: &Ods) -> Result<Change, Problem> {
        let body = Value::Object(self.body);
        let expect = Expect::Version(self.version);
        put(&body, &self.id, own, (expect, Release::Keep))
            .map_err(|problem| problem.at(format!("{}/{}", self.ty, self.id)))
    }
}

/// A change that puts a resource of ours.
///
/// # Errors
/// Those of reading it.
pub(super) fn put(
    resource: &Value,
    id: &str,
    own: &Ods,
    (expect, release): (Expect, Release),
) -> Result<Change, Problem> {
    let text = resource.to_string();
    let json = json::parse(text.as_bytes(), &Limits::default())?;
    Ok(Change::Put {
        resource: Prepared::new(&json, id, own)?,
        expect,
        release,
    })
}
