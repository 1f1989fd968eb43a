//! A line of the audit log as a FHIR R4 AuditEvent (<https://hl7.org/fhir/R4/auditevent.html>),
//! after the patterns of IHE BALP (<https://profiles.ihe.net/ITI/BALP/>).

use fhir::date;
use serde_json::{Map, Value, json};

use crate::audit::{Agent, AgentKind, AuditEntry, Outcome};
use crate::ods::Ods;

const RESTFUL: &str = "http://hl7.org/fhir/restful-interaction";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const OBJECT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const OURS: &str = "urn:handover:interaction";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Renders a line. `site` is the organisation whose node kept it.
pub fn render(entry: &AuditEntry, site: &Ods) -> Value {
    let mut event = Map::new();
    event.insert("resourceType".into(), "AuditEvent".into());
    event.insert("id".into(), format!("audit-{}", entry.seq).into());
    event.insert(
        "type".into(),
        json!({ "system": EVENT_TYPE, "code": "rest", "display": "RESTful Operation" }),
    );
    event.insert("subtype".into(), subtypes(entry));
    event.insert("action".into(), action(&entry.interaction).into());
    event.insert("recorded".into(), date::instant(entry.at).into());
    event.insert("outcome".into(), outcome(entry.outcome).into());
    event.insert("outcomeDesc".into(), entry.outcome.code().into());
    event.insert("purposeOfEvent".into(), json!([purpose(&entry.purpose)]));
    event.insert("agent".into(), json!([agent(&entry.agent, site)]));
    event.insert(
        "source".into(),
        json!({ "observer": organisation(site.as_str()) }),
    );
    let entities = entities(entry);
    if !entities.is_empty() {
        event.insert("entity".into(), Value::Array(entities));
    }
    Value::Object(event)
}

/// What was done and, where that differs, what it was done for.
fn subtypes(entry: &AuditEntry) -> Value {
    let mut subtypes = vec![json!({ "system": RESTFUL, "code": entry.interaction })];
    if entry.within != entry.interaction {
        subtypes.push(json!({ "system": OURS, "code": entry.within }));
    }
    Value::Array(subtypes)
}

/// <https://hl7.org/fhir/R4/valueset-audit-event-action.html>
fn action(interaction: &str) -> &'static str {
    match interaction {
        "create" => "C",
        "read" | "vread" | "history-instance" => "R",
        "update" => "U",
        "delete" => "D",
        _ => "E",
    }
}

/// <https://hl7.org/fhir/R4/valueset-audit-event-outcome.html>: nothing found is no failure;
/// withheld and refused are minor ones.
fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success | Outcome::Absent => "0",
        Outcome::Withheld | Outcome::Refused => "4",
    }
}

/// A person's purposes are HL7's; the node's own are ours, in text.
fn purpose(code: &str) -> Value {
    if code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        json!({ "coding": [{ "system": REASON, "code": code }] })
    } else {
        json!({ "text": code })
    }
}

fn organisation(ods: &str) -> Value {
    json!({ "type": "Organization", "identifier": { "system": ODS, "value": ods } })
}

fn agent(agent: &Agent, site: &Ods) -> Value {
    let mut out = Map::new();
    if let Some(role) = &agent.role {
        out.insert("role".into(), json!([{ "text": role }]));
    }
    let who = match (agent.kind, &agent.patient) {
        (AgentKind::Patient, Some(id)) => json!({ "reference": format!("Patient/{id}") }),
        (AgentKind::Staff, _) => staff(agent),
        _ => organisation(agent.organisation.as_deref().unwrap_or(site.as_str())),
    };
    out.insert("who".into(), who);
    if !agent.name.is_empty() {
        out.insert("name".into(), agent.name.clone().into());
    }
    out.insert("requestor".into(), (agent.kind != AgentKind::Node).into());
    Value::Object(out)
}

/// A member of staff by their account at the organisation.
fn staff(agent: &Agent) -> Value {
    let mut identifier = Map::new();
    if let Some(account) = agent.account {
        identifier.insert("value".into(), account.to_string().into());
    }
    if let Some(ods) = &agent.organisation {
        identifier.insert("assigner".into(), organisation(ods));
    }
    json!({ "type": "Practitioner", "identifier": identifier })
}

fn entities(entry: &AuditEntry) -> Vec<Value> {
    let target = &entry.target;
    let mut entities = Vec::new();
    if let Some(patient) = &target.patient {
        entities.push(json!({
            "what": { "reference": format!("Patient/{patient}") },
            "type": { "system": OBJECT_TYPE, "code": "1", "display": "Person" },
            "role": { "system": ROLE, "code": "1", "display": "Patient" },
        }));
    }
    if let Some(id) = &target.id {
        let versioned = target.version.map(|version| format!("/_history/{version}"));
        let reference = format!("{}/{id}{}", target.ty, versioned.unwrap_or_default());
        entities.push(json!({
            "what": { "reference": reference },
            "type": { "system": OBJECT_TYPE, "code": "2", "display": "System Object" },
            "role": { "system": ROLE, "code": "4", "display": "Domain Resource" },
        }));
    }
    if let Some(query) = &target.query {
        // `query` is base64Binary; a query stands in its description in plain text instead, where
        // people can read it.
        entities.push(json!({
            "type": { "system": OBJECT_TYPE, "code": "2", "display": "System Object" },
            "role": { "system": ROLE, "code": "24", "display": "Query" },
            "description": format!("{}?{query}", target.ty),
        }));
    }
    if !entry.request_id.is_empty() {
        entities.push(json!({
            "what": { "identifier": { "value": entry.request_id.as_ref() } },
            "type": { "system": "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "code": "XrequestId" },
        }));
    }
    entities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Target;
    use crate::interaction::Interaction;
    use crate::purpose::SystemPurpose;
    use crate::scope::Scope;

    #[test]
    fn a_line_becomes_an_event_that_names_agent_patient_and_reason() {
        let site = Ods::parse("A81001").unwrap();
        let target = Target {
            ty: "Observation".into(),
            id: Some("o1".into()),
            version: Some(2),
            patient: Some("p1".into()),
            query: None,
        };
        let scope = Scope::system(SystemPurpose::Import).for_request("r-9");
        let event = render(
            &scope.trace(Interaction::Update, Outcome::Success, target),
            &site,
        );
        assert_eq!(event["action"], "U");
        assert_eq!(event["purposeOfEvent"][0]["text"], "import");
        assert_eq!(event["agent"][0]["who"]["identifier"]["value"], "A81001");
        assert_eq!(event["entity"][0]["what"]["reference"], "Patient/p1");
        assert_eq!(
            event["entity"][1]["what"]["reference"],
            "Observation/o1/_history/2"
        );
        assert_eq!(event["entity"][2]["what"]["identifier"]["value"], "r-9");
    }
}
