//! A line of the audit log as a FHIR R4 AuditEvent (<https://hl7.org/fhir/R4/auditevent.html>),
//! in the shapes of IHE BALP 1.1 (<https://profiles.ihe.net/ITI/BALP/>) where it has one: a read, search,
//! creation, update or deletion that succeeded, with or without a patient. What the log does not know
//! (the network addresses of client and server) is there as unknown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date;
use serde_json::{Map, Value, json};

use crate::audit::{Agent, AgentKind, AuditEntry, Outcome};
use crate::caller::Role;
use crate::ods::Ods;

const RESTFUL: &str = "http://hl7.org/fhir/restful-interaction";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const OBJECT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const PROVENANCE: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const REQUEST: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const OURS: &str = "urn:handover:interaction";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Renders a line. `site` is the organisation whose node kept it.
pub fn render(entry: &AuditEntry, site: &Ods) -> Value {
    let mut event = Map::new();
    event.insert("resourceType".into(), "AuditEvent".into());
    event.insert("id".into(), format!("audit-{}", entry.seq).into());
    event.insert("type".into(), kind(&entry.interaction));
    event.insert("subtype".into(), subtypes(entry));
    event.insert("action".into(), action(&entry.interaction).into());
    event.insert("recorded".into(), date::instant(entry.at).into());
    event.insert("outcome".into(), outcome(entry.outcome).into());
    event.insert("outcomeDesc".into(), entry.outcome.code().into());
    event.insert("purposeOfEvent".into(), json!([purpose(&entry.purpose)]));
    event.insert("agent".into(), agents(entry, site));
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

/// What sort of event it is (<https://hl7.org/fhir/R4/valueset-audit-event-type.html>).
fn kind(interaction: &str) -> Value {
    let (system, code, display) = match interaction {
        "export" => (DCM, "110106", "Export"),
        "import" => (DCM, "110107", "Import"),
        "access-log" => (DCM, "110101", "Audit Log Used"),
        _ if is_restful(interaction) => (EVENT_TYPE, "rest", "RESTful Operation"),
        _ => (DCM, "110110", "Patient Record"),
    };
    json!({ "system": system, "code": code, "display": display })
}

/// Whether it is done by FHIR's RESTful API, operations with it.
fn is_restful(interaction: &str) -> bool {
    let operations = ["everything", "lastn", "match", "document", "terminology"];
    is_code(interaction) || operations.contains(&interaction)
}

/// <https://hl7.org/fhir/R4/codesystem-restful-interaction.html>
fn is_code(interaction: &str) -> bool {
    matches!(
        interaction,
        "read"
            | "vread"
            | "update"
            | "patch"
            | "delete"
            | "create"
            | "search-type"
            | "transaction"
            | "batch"
            | "history-instance"
            | "history-type"
            | "history-system"
    )
}

/// What was done and, where that differs, what it was done for.
fn subtypes(entry: &AuditEntry) -> Value {
    let mut subtypes = Vec::new();
    let mut add = |code: &str| match is_code(code) {
        true => subtypes.push(json!({ "system": RESTFUL, "code": code })),
        false => {
            if is_restful(code) {
                subtypes.push(json!({ "system": RESTFUL, "code": "operation" }));
            }
            subtypes.push(json!({ "system": OURS, "code": code }));
        }
    };
    add(&entry.interaction);
    // One code of FHIR's says what happened: what it was for is told in ours.
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
        "update" | "patch" => "U",
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

fn coded(system: &str, code: &str, display: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code, "display": display }] })
}

/// The person, if one acted, then the program that asked and the node that answered.
fn agents(entry: &AuditEntry, site: &Ods) -> Value {
    let agent = &entry.agent;
    let is_system = agent.role.as_deref() == Some(Role::System.code());
    let is_person = match agent.kind {
        AgentKind::Staff => !is_system,
        AgentKind::Patient => true,
        AgentKind::Peer | AgentKind::Node => false,
    };
    let own = agent.organisation.as_deref().unwrap_or(site.as_str());
    let (who, name) = match agent.kind {
        _ if is_person => (json!({ "display": "The browser or app of the person" }), ""),
        AgentKind::Staff => (staff(agent), agent.name.as_str()),
        _ => (organisation(own), agent.name.as_str()),
    };
    let source = coded(DCM, "110153", "Source Role ID");
    let destination = coded(DCM, "110152", "Destination Role ID");
    let (client, server) = match &*entry.interaction {
        // What is read flows from the server.
        "read" | "vread" | "history-instance" => (destination, source),
        "delete" => (
            coded(DCM, "110150", "Application"),
            coded(PROVENANCE, "custodian", "Custodian"),
        ),
        _ => (source, destination),
    };
    let mut agents = Vec::new();
    if is_person {
        agents.push(person(entry));
    }
    let mut asking = Map::new();
    asking.insert("type".into(), client);
    if let Some(role) = agent.role.as_ref().filter(|_| !is_person) {
        asking.insert("role".into(), json!([{ "text": role }]));
    }
    asking.insert("who".into(), who);
    if !name.is_empty() {
        asking.insert("name".into(), name.into());
    }
    let requests = !is_person && agent.kind != AgentKind::Node;
    asking.insert("requestor".into(), requests.into());
    asking.insert("network".into(), unknown());
    agents.push(Value::Object(asking));
    agents.push(json!({
        "type": server,
        "who": organisation(site.as_str()),
        "requestor": false,
        "network": unknown(),
    }));
    Value::Array(agents)
}

/// An element that must be there and whose value nobody knows.
fn unknown() -> Value {
    json!({ "extension": [{ "url": ABSENT, "valueCode": "unknown" }] })
}

fn person(entry: &AuditEntry) -> Value {
    let agent = &entry.agent;
    let mut out = Map::new();
    let (code, display) = match &*entry.interaction {
        "create" | "update" | "patch" => ("AUT", "author (originator)"),
        "delete" => ("CST", "custodian"),
        _ => ("IRCP", "information recipient"),
    };
    out.insert("type".into(), coded(PARTICIPATION, code, display));
    if let Some(role) = &agent.role {
        out.insert("role".into(), json!([{ "text": role }]));
    }
    let who = match &agent.patient {
        Some(id) if agent.kind == AgentKind::Patient => {
            json!({ "reference": format!("Patient/{id}") })
        }
        _ => staff(agent),
    };
    out.insert("who".into(), who);
    if !agent.name.is_empty() {
        out.insert("name".into(), agent.name.clone().into());
    }
    out.insert("requestor".into(), true.into());
    out.insert("purposeOfUse".into(), json!([purpose(&entry.purpose)]));
    Value::Object(out)
}

/// A member of staff, or a system, by their account at the organisation.
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
    let is_search = entry.interaction == "search-type";
    if target.query.is_some() || is_search {
        let asked = match target.query.as_deref() {
            Some(query) => format!("{}?{query}", target.ty),
            None => target.ty.to_string(),
        };
        // Twice: as it was asked, and in plain text, where people can read it.
        entities.push(json!({
            "type": { "system": OBJECT_TYPE, "code": "2", "display": "System Object" },
            "role": { "system": ROLE, "code": "24", "display": "Query" },
            "description": asked,
            "query": STANDARD.encode(&asked),
        }));
    }
    if !entry.request_id.is_empty() {
        entities.push(json!({
            "what": { "identifier": { "value": entry.request_id.as_ref() } },
            "type": { "system": REQUEST, "code": "XrequestId" },
        }));
    }
    entities
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

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

    /// What a profile of BALP asks: interaction, action, client's, server's and person's types, and
    /// whether it is about one resource.
    const PROFILES: [(&str, &str, &str, &str, &str, bool); 7] = [
        ("read", "R", "110152", "110153", "IRCP", true),
        ("vread", "R", "110152", "110153", "IRCP", true),
        ("create", "C", "110153", "110152", "AUT", true),
        ("update", "U", "110153", "110152", "AUT", true),
        ("patch", "U", "110153", "110152", "AUT", true),
        ("delete", "D", "110150", "custodian", "CST", true),
        ("search-type", "E", "110153", "110152", "IRCP", false),
    ];

    fn line(interaction: &'static str, kind: AgentKind, role: &'static str) -> AuditEntry {
        let scope = Scope::system(SystemPurpose::Measure).for_request("r-1");
        let target = Target {
            ty: "Observation".into(),
            id: (interaction != "search-type").then(|| "o1".into()),
            version: Some(1),
            patient: Some("p1".into()),
            query: None,
        };
        AuditEntry {
            interaction: interaction.into(),
            within: interaction.into(),
            purpose: "TREAT".into(),
            agent: Arc::new(Agent {
                kind,
                account: Some(7),
                name: "Dr A Bee".into(),
                role: Some(role.into()),
                organisation: Some("A81001".into()),
                patient: (kind == AgentKind::Patient).then(|| "p1".into()),
            }),
            ..scope.trace(Interaction::Read, Outcome::Success, target)
        }
    }

    fn coded_as<'e>(list: &'e Value, code: &str) -> Vec<&'e Value> {
        let has =
            |it: &&Value| it["type"]["code"] == code || it["type"]["coding"][0]["code"] == code;
        list.as_array().unwrap().iter().filter(has).collect()
    }

    #[test]
    fn p28_each_kind_of_line_has_the_shape_that_balp_asks_for() {
        let site = Ods::parse("A81001").unwrap();
        let agents = [
            (AgentKind::Staff, "clinician", true),
            (AgentKind::Patient, "patient", true),
            (AgentKind::Staff, "system", false),
            (AgentKind::Peer, "peer", false),
            (AgentKind::Node, "node", false),
        ];
        for (interaction, action, client, server, user, of_one) in PROFILES {
            for (kind, role, is_person) in agents {
                let case = format!("{interaction} by {role}");
                let event = render(&line(interaction, kind, role), &site);
                assert_eq!(event["type"]["code"], "rest", "{case}");
                assert_eq!(event["action"], action, "{case}");
                assert_eq!(event["outcome"], "0", "{case}");
                assert!(event["recorded"].is_string(), "{case}");
                assert_eq!(event["subtype"][0]["system"], RESTFUL, "{case}");
                assert_eq!(event["subtype"][0]["code"], interaction, "{case}");
                assert!(event["source"]["observer"].is_object(), "{case}");
                assert_eq!(event["purposeOfEvent"][0]["coding"][0]["code"], "TREAT");
                for code in [client, server] {
                    let found = coded_as(&event["agent"], code);
                    assert_eq!(found.len(), 1, "{case} {code}");
                    assert!(found[0]["who"].is_object() && found[0]["network"].is_object());
                    assert!(found[0].get("media").is_none(), "{case}");
                }
                let people = coded_as(&event["agent"], user);
                assert_eq!(people.len(), usize::from(is_person), "{case}");
                for person in people {
                    assert!(person["who"].is_object(), "{case}");
                    assert_eq!(person["requestor"], true, "{case}");
                    assert!(person.get("network").is_none(), "{case}");
                    assert_eq!(person["purposeOfUse"][0]["coding"][0]["code"], "TREAT");
                }
                let patients = coded_as(&event["entity"], "1");
                assert_eq!(patients.len(), 1, "{case}");
                assert_eq!(patients[0]["what"]["reference"], "Patient/p1", "{case}");
                assert_eq!(patients[0]["role"]["code"], "1", "{case}");
                let data = coded_as(&event["entity"], "2");
                assert_eq!(data.len(), 1, "{case}");
                if of_one {
                    assert_eq!(data[0]["role"]["code"], "4", "{case}");
                    assert!(data[0]["what"].is_object(), "{case}");
                } else {
                    assert_eq!(data[0]["role"]["code"], "24", "{case}");
                    assert!(data[0].get("what").is_none(), "{case}");
                    assert_eq!(data[0]["query"], STANDARD.encode("Observation"), "{case}");
                }
                let request = coded_as(&event["entity"], "XrequestId");
                assert_eq!(request[0]["what"]["identifier"]["value"], "r-1", "{case}");
            }
        }
    }

    #[test]
    fn p28_a_refusal_says_so_and_a_page_is_no_restful_interaction() {
        let site = Ods::parse("A81001").unwrap();
        let refused = AuditEntry {
            outcome: Outcome::Refused,
            ..line("read", AgentKind::Staff, "clinician")
        };
        let event = render(&refused, &site);
        assert_eq!(
            (&event["outcome"], &event["outcomeDesc"]),
            (&"4".into(), &"refused".into())
        );
        let event = render(&line("inbox", AgentKind::Staff, "clerk"), &site);
        assert_eq!(event["type"]["code"], "110110");
        assert_eq!(event["subtype"][0]["system"], OURS);
        let event = render(&line("everything", AgentKind::Staff, "clerk"), &site);
        assert_eq!(event["subtype"][0]["code"], "operation");
    }
}
