//! From changes to messages.

use base64::Engine as _;
use fhir::problem::{Kind as Fault, Problem};
use hl7v2::from_fhir::{Around, Change, Envelope, Event, Part, event, message};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use store::Reading;
use store::hl7_inbox::WorkNote;
use store::hl7_out::{Hl7OutWrite, NewMessage};
use store::subscriptions::Changed;

use super::{About, Destination, Outwards};

/// The system of the labels that seal a resource.
const SEAL: &str = "urn:handover:seal";
/// Changes that are read at once.
const CHANGES_MAX: u32 = 64;
/// Results of a report that go into one message.
const RESULTS_MAX: usize = 1000;
/// Parts of a document, and their bytes in all.
const PARTS_MAX: usize = 20;
const PARTS_BYTES_MAX: usize = 24 << 20;

impl Outwards {
    /// Makes the messages of the changes that wait; how many changes there were.
    ///
    /// # Errors
    /// Those of the store; what waits, waits on.
    pub(super) async fn make_all(&self) -> Result<usize, Problem> {
        let changes = self.store.hl7_changes(&self.scope, CHANGES_MAX).await?;
        for change in &changes {
            let messages = self.messages(change).await?;
            let told = messages.iter().filter(|message| message.note.is_none());
            let about = told.map(About::to_be_told).collect();
            let made = Hl7OutWrite::Made {
                seq: change.seq,
                messages,
            };
            match self.write(made, about).await {
                // Another process of this node has made them.
                Err(problem) if problem.kind == Fault::Conflict => {}
                other => other?,
            }
        }
        Ok(changes.len())
    }

    /// The messages of a change, one for each system that is told of it.
    async fn messages(&self, change: &Changed) -> Result<Vec<NewMessage>, Problem> {
        let Some(now) = self.version(change, change.version).await? else {
            return Ok(Vec::new());
        };
        // What is sealed to a team is for nobody else, and no other system keeps it so.
        if is_sealed(&now) {
            return Ok(Vec::new());
        }
        let before = match change.version {
            0 | 1 => None,
            version => self.version(change, version - 1).await?,
        };
        let told = Change {
            now: &now,
            before: before.as_ref(),
        };
        let Some(event) = event(told) else {
            return Ok(Vec::new());
        };
        let wants = |it: &&Destination| {
            let mut types = it.kinds.iter().flat_map(|kind| kind.told_of());
            types.any(|ty| *ty == change.ty)
        };
        let destinations: Vec<&Destination> = self.destinations.iter().filter(wants).collect();
        if destinations.is_empty() {
            return Ok(Vec::new());
        }
        let around = self.around(&now).await;
        let mut messages = Vec::new();
        for destination in destinations {
            let made = match &around {
                Ok(around) => self.made(change, event, &now, around, destination),
                Err(problem) if is_lasting(problem) => unmade(event, destination, problem),
                Err(problem) => return Err(Problem::new(problem.kind, problem.message.clone())),
            };
            messages.push(made);
        }
        Ok(messages)
    }

    fn made(
        &self,
        change: &Changed,
        event: Event,
        resource: &Value,
        around: &Around,
        destination: &Destination,
    ) -> NewMessage {
        let envelope = Envelope {
            control_id: control_id(change, &destination.name),
            sent_at: change.at,
            organisation: self.store.organisation().to_string(),
            application: destination.application.clone(),
            facility: destination.facility.clone(),
        };
        let patient = around.patient.get("id").and_then(Value::as_str);
        NewMessage {
            destination: destination.name.clone(),
            patient: patient.unwrap_or_default().to_owned(),
            kind: event.shown(),
            body: message(event, resource, around, &envelope),
            control_id: envelope.control_id,
            note: None,
        }
    }

    /// A version of what changed; `None` where it is a deletion or gone.
    async fn version(&self, change: &Changed, version: u64) -> Result<Option<Value>, Problem> {
        let (ty, id) = (&change.ty, &change.id);
        match self.store.vread(&self.scope, ty, id, version).await? {
            Reading::Found(found) => Ok(Some(read(&found.body)?)),
            Reading::Deleted { .. } | Reading::Absent => Ok(None),
        }
    }

    /// What the message needs beside the resource.
    async fn around(&self, resource: &Value) -> Result<Around, Problem> {
        let mut around = Around::default();
        let is_patient = text(resource, "/resourceType") == Some("Patient");
        if is_patient {
            around.patient = resource.clone();
            around.other = match replaced_by(resource) {
                Some(reference) => self.referred(&reference).await?,
                None => None,
            };
            return Ok(around);
        }
        let patient = whose(resource).ok_or_else(nobody)?;
        around.patient = self.referred(patient).await?.ok_or_else(nobody)?;
        for reference in list(resource, "result").iter().take(RESULTS_MAX) {
            let Some(reference) = text(reference, "/reference") else {
                continue;
            };
            let result = self.referred(reference).await?;
            around.results.extend(result.filter(|it| !is_sealed(it)));
        }
        let of_document = list(resource, "content").iter();
        let attachments: Vec<&Value> = of_document
            .filter_map(|content| content.get("attachment"))
            .chain(list(resource, "presentedForm"))
            .collect();
        let mut bytes = 0;
        for attachment in attachments.into_iter().take(PARTS_MAX) {
            let Some(part) = self.part(attachment).await? else {
                continue;
            };
            bytes += part.bytes.len();
            if bytes > PARTS_BYTES_MAX {
                let message = "the document is larger than 24 MiB";
                return Err(Problem::new(Fault::TooLong, message));
            }
            around.parts.push(part);
        }
        Ok(around)
    }

    /// The content of an attachment: its own, or that of the Binary it refers to.
    async fn part(&self, attachment: &Value) -> Result<Option<Part>, Problem> {
        let own = text(attachment, "/data");
        let held;
        let (data, kind) = match (own, text(attachment, "/url")) {
            (Some(data), _) => (data, text(attachment, "/contentType")),
            (None, Some(url)) => {
                let Some(at) = url.rfind("Binary/") else {
                    return Ok(None);
                };
                let Some(binary) = self.referred(url.get(at..).unwrap_or_default()).await? else {
                    return Ok(None);
                };
                held = binary;
                (
                    text(&held, "/data").unwrap_or_default(),
                    text(&held, "/contentType"),
                )
            }
            (None, None) => return Ok(None),
        };
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(data)
            .map_err(|cause| {
                Problem::new(Fault::Value, "its content is not Base64").because(cause)
            })?;
        let content_type = kind.unwrap_or("application/octet-stream").to_owned();
        Ok(Some(Part {
            content_type,
            bytes,
        }))
    }

    /// What a reference of this node refers to.
    async fn referred(&self, reference: &str) -> Result<Option<Value>, Problem> {
        let Some((ty, id)) = reference.split_once('/') else {
            return Ok(None);
        };
        match self.store.read(&self.scope, ty, id).await? {
            Reading::Found(found) => Ok(Some(read(&found.body)?)),
            Reading::Deleted { .. } | Reading::Absent => Ok(None),
        }
    }
}

/// Whether a resource carries the label of a seal.
fn is_sealed(resource: &Value) -> bool {
    let labels = resource.pointer("/meta/security").and_then(Value::as_array);
    let mut labels = labels.into_iter().flatten();
    labels.any(|label| text(label, "/system") == Some(SEAL))
}

/// A row for the work list in the place of a message that cannot be made.
fn unmade(event: Event, destination: &Destination, problem: &Problem) -> NewMessage {
    NewMessage {
        destination: destination.name.clone(),
        patient: String::new(),
        kind: event.shown(),
        control_id: String::new(),
        body: Vec::new(),
        note: Some(WorkNote {
            reason: format!(
                "No message could be made of the change: {}.",
                problem.message
            ),
            next_step: "Have the resource mended; its next change is told. Then settle this."
                .to_owned(),
        }),
    }
}

/// Whether the reason is in what is to be told, and not in the store.
fn is_lasting(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Fault::Required | Fault::TooLong | Fault::Value | Fault::Structure
    )
}

fn nobody() -> Problem {
    Problem::new(Fault::Required, "it names no patient who is known here")
}

/// MSH-10: the same for the same change and system, so that a system can tell what came twice.
fn control_id(change: &Changed, destination: &str) -> String {
    let mut hash = Sha256::new();
    let version = change.version.to_string();
    for part in [&*change.ty, &*change.id, &*version, destination] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(10)
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

/// The patient whom a resource is about: `Patient/…`.
fn whose(resource: &Value) -> Option<&str> {
    let of_patient = |reference: &&str| reference.starts_with("Patient/");
    let subject = text(resource, "/subject/reference").filter(of_patient);
    subject.or_else(|| {
        let actors = list(resource, "participant").iter();
        let mut actors = actors.filter_map(|it| text(it, "/actor/reference"));
        actors.find(of_patient)
    })
}

fn replaced_by(patient: &Value) -> Option<String> {
    let is_it = |link: &&Value| text(link, "/type") == Some("replaced-by");
    let link = list(patient, "link").iter().find(is_it)?;
    text(link, "/other/reference").map(str::to_owned)
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let items = value.get(name).and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

fn read(body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body).map_err(|cause| {
        Problem::new(Fault::Exception, "A resource could not be read as JSON.").because(cause)
    })
}
