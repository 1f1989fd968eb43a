//! Where resources come from: one Provenance a message, as HL7's maps MSH[Provenance-Source] and
//! EVN[Provenance] describe it, pointing at the raw message by its key.

use super::build::Build;
use super::draft::NodeId;
use super::identity::digest;
use super::{Context, Made, Merge, names};
use crate::header::Header;
use crate::message::Segment;
use crate::time::{Dtm, instant};
use serde_json::{Value, json};

/// Who stands behind the message: the sending organisation, and the operator if one is named.
pub struct Agents {
    /// MSH-4 as an Organization.
    pub sender: Option<NodeId>,
    /// EVN-5 as a Practitioner.
    pub operator: Option<NodeId>,
}

/// Begins the resources of those who stand behind the message.
pub fn agents(build: &mut Build<'_>) -> Agents {
    let message = build.interpreter.message;
    let mut made = |segment: &str, field: u16, ty: &str, map: &str| -> Option<NodeId> {
        let segment: Segment<'_> = message.segment(segment)?;
        let value = segment.field(field).first();
        let root = value
            .is_valued()
            .then(|| build.interpreter.arena.resource(ty))
            .flatten()?;
        build.interpreter.whole_value(
            map,
            value,
            root,
            (segment.line(), field),
            "Provenance.agent",
        );
        Some(root)
    };
    Agents {
        sender: made("MSH", 4, "Organization", "hd[organization]"),
        operator: made("EVN", 5, "Practitioner", "xcn[practitioner]"),
    }
}

/// The Provenance of all that was made from the message.
pub fn provenance(
    build: &mut Build<'_>,
    header: &Header,
    context: &Context,
    made: &[Made],
    agents: &[(&str, Value)],
    message_key: &str,
) -> Made {
    let interpreter = &mut build.interpreter;
    let (message, zone) = (interpreter.message, interpreter.zone);
    for (field, to) in [
        (3, "entity"),
        (7, "recorded"),
        (9, "activity"),
        (10, "entity"),
    ] {
        interpreter
            .ledger
            .mapped(1, field, &format!("Provenance.{to}"));
    }
    let event = message.segment("EVN");
    let when = event.and_then(|evn| {
        [6, 2]
            .into_iter()
            .find(|n| Dtm::parse(&evn.value(*n, 1)).is_some())
    });
    let target: Vec<Value> = made
        .iter()
        .map(|m| json!({"reference": format!("{}/{}", m.ty, m.id)}))
        .collect();
    let sent = message.value("MSH", 7, 1).into_owned();
    let recorded = Dtm::parse(&sent).map(|d| d.instant(zone));
    let mut resource = json!({
        "resourceType": "Provenance",
        "id": digest(&["provenance", message_key]),
        "target": target,
        "recorded": recorded.unwrap_or_else(|| instant(context.received_at)),
        "activity": activity(header),
        "agent": agent_list(header, agents),
        "entity": [{
            "role": "source",
            "what": {
                "identifier": {"system": names::MESSAGE, "value": message_key},
                "display": format!("HL7 v2 message {}", header.control_id.trim()),
            }
        }],
    });
    if let (Some(evn), Some(field), Some(elements)) = (event, when, resource.as_object_mut()) {
        let text = evn.value(field, 1).into_owned();
        if let Some(at) = Dtm::parse(&text) {
            elements.insert("occurredDateTime".into(), json!(at.date_time(zone)));
            interpreter
                .ledger
                .mapped(evn.line(), field, "Provenance.occurredDateTime");
        }
    }
    let id = digest(&["provenance", message_key]);
    Made::new("Provenance", &id, resource, Merge::Replace)
}

fn activity(header: &Header) -> Value {
    json!({"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/v2-0003",
        "code": header.trigger,
        "display": format!("message - {}^{}", header.message_type, header.trigger),
    }]})
}

fn agent_list(header: &Header, agents: &[(&str, Value)]) -> Value {
    let typed = |kind: &str, who: Value| {
        let system = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
        json!({"type": {"coding": [{"system": system, "code": kind}]}, "who": who})
    };
    let mut list: Vec<Value> = agents
        .iter()
        .filter(|(_, who)| !who.is_null())
        .map(|(kind, who)| typed(kind, who.clone()))
        .collect();
    if list.is_empty() {
        let application = header.sending_application.trim();
        let name = if application.is_empty() {
            "a sender that names itself nowhere"
        } else {
            application
        };
        list.push(typed("author", json!({"display": name})));
    }
    Value::Array(list)
}
