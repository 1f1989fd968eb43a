//! Where resources come from: one Provenance a message, as HL7's maps MSH[Provenance-Source] and
//! EVN[Provenance] describe it, pointing at the raw message by its key.

use super::build::Build;
use super::draft::NodeId;
use super::identity::digest;
use super::path::steps;
use super::{Context, Made, Merge, names};
use crate::header::Header;
use crate::message::{Message, Segment};
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
    let sender = made("MSH", 4, "Organization", "hd[organization]");
    let operator = made("EVN", 5, "Practitioner", "xcn[practitioner]");
    Agents {
        sender: sender.or_else(|| nameless(build)),
        operator,
    }
}

/// A sender that does not say who it is, but where (MSH-17).
fn nameless(build: &mut Build<'_>) -> Option<NodeId> {
    let interpreter = &mut build.interpreter;
    let country = interpreter.message.value("MSH", 17, 1);
    let country = Some(country.trim()).filter(|it| !it.is_empty() && *it != "\"\"")?;
    let root = interpreter.arena.resource("Organization")?;
    let path = steps("address.country").unwrap_or_default();
    let node = interpreter.arena.follow(root, &path, 0, 0).ok()?;
    interpreter.arena.set(node, json!(country));
    interpreter.ledger.mapped(1, 17, "Provenance.agent");
    Some(root)
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
    let mut target: Vec<Value> = made
        .iter()
        .map(|m| json!({"reference": format!("{}/{}", m.ty, m.id)}))
        .collect();
    // Of a message that names no patient, shown and never kept, there may be nothing.
    if target.is_empty() {
        target.push(json!({"display": "nothing: the message names no patient"}));
    }
    let sent = message.value("MSH", 7, 1).into_owned();
    let recorded = Dtm::parse(&sent).map(|d| d.instant(zone));
    let mut resource = json!({
        "resourceType": "Provenance",
        "id": digest(&["provenance", message_key]),
        "target": target,
        "recorded": recorded.unwrap_or_else(|| instant(context.received_at)),
        "activity": activity(message, header),
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

fn activity(message: &Message, header: &Header) -> Value {
    let kind = message.segment("MSH").map(|msh| msh.field(9).raw().trim());
    json!({"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/v2-0003",
        "code": header.trigger,
        "display": kind.unwrap_or_default(),
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
