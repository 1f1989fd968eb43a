//! The resources of Patient Facing Prescriptions (UK Core R4), from what is kept here and back.

use access::NhsNumber;
use exchange::prescriptions::task::Item as Asked;
use fhir::date;
use fhir::gp_connect::{Refusal, Trouble};
use fhir::members::{each, set, text};
use fhir::repeats::{Item, State as Due};
use serde_json::{Value, json};

const SPINE_CODES: &str = "https://fhir.nhs.uk/R4/ValueSet/Spine-ErrorOrWarningCode-1";
pub(super) const UUID: &str = "https://tools.ietf.org/html/rfc4122";
const SNOMED: &str = "http://snomed.info/sct";
/// Renewal of prescription.
const RENEWAL: &str = "103742009";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const PARAMETERS: &str = "https://fhir.hl7.org.uk/GPConnect-PrescriptionOrderingParameters";
/// Whether a medicine may be asked for now: nothing published says it.
pub(super) const MAY_BE_ASKED_FOR: &str = "urn:handover:may-be-asked-for";
/// The longest identifier that a Task may bring, in characters.
const IDENTIFIER_CHARS_MAX: usize = 64;

fn profile(ty: &str) -> Value {
    json!({ "profile": [format!("https://fhir.hl7.org.uk/StructureDefinition/UKCore-{ty}")] })
}

fn patient(number: &str) -> Value {
    json!({
        "reference": format!("Patient/{number}"),
        "identifier": { "system": NhsNumber::SYSTEM, "value": number },
    })
}

/// An OperationOutcome.
pub(super) fn outcome(refusal: &Refusal) -> Value {
    let told = refusal.outcome();
    let mut issue = told.pointer("/issue/0").cloned().unwrap_or_default();
    if let Some(coding) = issue.pointer_mut("/details/coding/0") {
        set(coding, "system", SPINE_CODES.into());
    }
    json!({ "resourceType": "OperationOutcome", "meta": profile("OperationOutcome"), "issue": [issue] })
}

/// A searchset: each resource, and whether it is a match or included.
pub(super) fn bundle(entries: &[(Value, bool)]) -> Value {
    let total = entries.iter().filter(|(_, is_match)| *is_match).count();
    let entries = entries.iter().map(|(resource, is_match)| {
        let mode = if *is_match { "match" } else { "include" };
        json!({ "resource": resource, "search": { "mode": mode } })
    });
    json!({ "resourceType": "Bundle", "type": "searchset", "total": total,
        "entry": entries.collect::<Vec<Value>>() })
}

/// Why a medicine may not be asked for; empty if it may.
pub(super) fn why_not(item: &Item) -> String {
    match &item.state {
        Due::Due => String::new(),
        Due::TooEarly(from) => format!("It may be asked for from {} on.", date::date(*from)),
        Due::ReviewNeeded(_) => "The practice has to review it first.".into(),
        Due::NoneLeft => "All issues that were allowed are used up.".into(),
        Due::Stopped => "It was stopped.".into(),
        Due::Labelled => "It is ordered by speaking to the practice.".into(),
        Due::AskedFor(_) => "It has been asked for.".into(),
    }
}

/// A repeat medicine as a patient sees it.
pub(super) fn statement(item: &Item, request: &Value, number: &str) -> Value {
    let status = match item.state {
        Due::Stopped => "stopped",
        _ => "active",
    };
    let mut statement = json!({
        "resourceType": "MedicationStatement",
        "id": item.id,
        "meta": profile("MedicationStatement"),
        "extension": [{ "url": MAY_BE_ASKED_FOR, "valueBoolean": item.is_due() }],
        "basedOn": [{
            "reference": format!("MedicationRequest/{}", item.id),
            "display": format!("Repeat prescription for {}", item.name),
        }],
        "status": status,
        "medicationCodeableConcept": medicine(request, &item.name),
        "subject": patient(number),
    });
    if !item.dose.is_empty() {
        set(&mut statement, "dosage", json!([{ "text": item.dose }]));
    }
    if let Some(at) = item.last_issued {
        set(&mut statement, "dateAsserted", date::date(at).into());
    }
    let why = why_not(item);
    if !why.is_empty() {
        set(&mut statement, "note", json!([{ "text": why }]));
    }
    statement
}

fn medicine(request: &Value, name: &str) -> Value {
    match request.get("medicationCodeableConcept") {
        Some(concept) => concept.clone(),
        None => json!({ "text": name }),
    }
}

/// What allows a medicine's issues, without what is nobody's in this door.
pub(super) fn request(request: &Value, number: &str) -> Value {
    let mut told = json!({
        "resourceType": "MedicationRequest",
        "meta": profile("MedicationRequest"),
        "subject": patient(number),
    });
    for member in [
        "id",
        "extension",
        "status",
        "intent",
        "category",
        "medicationCodeableConcept",
        "basedOn",
        "courseOfTherapyType",
        "authoredOn",
        "dosageInstruction",
        "dispenseRequest",
    ] {
        if let Some(value) = request.get(member) {
            set(&mut told, member, value.clone());
        }
    }
    // Whoever reads it must see that it is labelled.
    if let Some(labels) = request.pointer("/meta/security")
        && let Some(meta) = told.get_mut("meta")
    {
        set(meta, "security", labels.clone());
    }
    told
}

/// The identifier that an app gave its Task; empty if it came another way.
pub(super) fn identifier(task: &Value) -> String {
    let listed = task["identifier"].as_array().into_iter().flatten();
    let mut own = listed.filter(|it| it["system"] == UUID);
    own.next()
        .map_or(String::new(), |it| text(it, "/value").to_string())
}

/// A request as the programme has it. `None` for any other Task.
pub(super) fn task(task: &Value, number: &str) -> Option<Value> {
    let asked = Asked::read(task)?;
    let mut told = json!({
        "resourceType": "Task",
        "id": asked.id,
        "meta": profile("Task"),
        "status": task["status"],
        "businessStatus": task["businessStatus"],
        "intent": "order",
        "code": { "coding": [{ "system": SNOMED, "code": RENEWAL, "display": "Renewal of prescription" }] },
        "focus": {
            "reference": format!("MedicationRequest/{}", asked.request),
            "display": format!("Repeat prescription for {}", asked.name),
        },
        "for": patient(number),
        "authoredOn": task["authoredOn"],
        "lastModified": task["lastModified"],
        "requester": patient(number),
    });
    let own = identifier(task);
    if !own.is_empty() {
        set(
            &mut told,
            "identifier",
            json!([{ "system": UUID, "value": own }]),
        );
    }
    if !asked.reason().is_empty() {
        set(&mut told, "statusReason", json!({ "text": asked.reason() }));
    }
    if !asked.pharmacy.is_empty() {
        let input = json!([{
            "type": { "coding": [{ "system": PARAMETERS, "code": "preferred-performer", "display": "Preferred performer" }] },
            "valueIdentifier": { "system": ODS, "value": asked.pharmacy },
        }]);
        set(&mut told, "input", input);
    }
    Some(told)
}

/// What an app asks for.
pub(super) struct Wanted {
    pub(super) identifier: String,
    pub(super) request: String,
    /// A pharmacy for this once, by its ODS code.
    pub(super) pharmacy: Option<String>,
}

/// Reads a Task that asks for a repeat medicine.
///
/// # Errors
/// What is not as it must be.
pub(super) fn read_wanted(task: &Value, number: &str) -> Result<Wanted, Refusal> {
    let wrong = |words: &str| Err(Refusal::new(Trouble::InvalidResource, words));
    if text(task, "/resourceType") != "Task"
        || text(task, "/status") != "requested"
        || text(task, "/intent") != "order"
    {
        return wrong("The body is a Task with the status requested and the intent order.");
    }
    let mut codings = each(task, "/code/coding");
    if !codings.any(|it| it["system"] == SNOMED && it["code"] == RENEWAL) {
        return wrong("Task.code is SNOMED CT 103742009, Renewal of prescription.");
    }
    let whose = text(task, "/for/identifier/value");
    if text(task, "/for/identifier/system") != NhsNumber::SYSTEM || whose != number {
        return wrong("Task.for has the NHS number of the token's patient as its identifier.");
    }
    let identifier = identifier(task);
    if !(1..=IDENTIFIER_CHARS_MAX).contains(&identifier.chars().count()) {
        return wrong(
            "Task.identifier is a UUID of the app's, by which the same request is known.",
        );
    }
    let focus = text(task, "/focus/reference")
        .rsplit("MedicationRequest/")
        .next();
    let request = focus.unwrap_or_default();
    if fhir::resource::check_id(request).is_err()
        || !text(task, "/focus/reference").contains("MedicationRequest/")
    {
        return wrong("Task.focus refers to the MedicationRequest that allows the medicine.");
    }
    let inputs = task["input"].as_array().into_iter().flatten();
    let mut inputs = inputs.filter(|it| {
        let mut codings = each(it, "/type/coding");
        codings.any(|coding| coding["code"] == "preferred-performer")
    });
    let pharmacy = inputs
        .next()
        .map(|it| text(it, "/valueIdentifier/value").to_string());
    Ok(Wanted {
        identifier,
        request: request.to_string(),
        pharmacy,
    })
}

/// Reads the one patch that is taken: that the request is cancelled.
///
/// # Errors
/// Any other.
pub(super) fn read_cancel(patch: &Value) -> Result<(), Refusal> {
    let one = match patch {
        Value::Array(all) if all.len() == 1 => all.first().unwrap_or(patch),
        other => other,
    };
    let fits = one["op"] == "replace" && one["path"] == "/status" && one["value"] == "cancelled";
    match fits {
        true => Ok(()),
        false => {
            let words = "The one patch that is taken replaces /status by cancelled.";
            Err(Refusal::new(Trouble::InvalidResource, words))
        }
    }
}
