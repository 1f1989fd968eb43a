//! Free slots: the search, its answer, and what a client reads of one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Place, Refusal, Trouble, WINDOW_MILLIS, bundle, id_of, local, meta, time, uk_day};
use crate::date::{self, Millis};
use crate::gp_connect::NHS_NUMBER;
use crate::members::{each, text};

/// What a search for slots asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub within: Within,
    pub practitioners: bool,
    pub locations: bool,
}

/// Slots that lie wholly in `[from, until)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    pub from: Millis,
    pub until: Millis,
}

fn wrong(words: impl Into<String>) -> Refusal {
    Refusal::new(Trouble::InvalidParameter, words)
}

/// A day in the UK (`2017-09-22`) or a time to the second with its offset.
fn moment(value: &str) -> Option<date::Span> {
    match value.len() {
        10 => uk_day(value),
        20.. if value.contains('T') => date::span(value),
        _ => None,
    }
}

impl Asked {
    /// Reads the parameters of a search; a `_include` or filter that is not known is passed over.
    ///
    /// # Errors
    /// `InvalidParameter`, which names the parameter.
    pub fn read(parameters: &[(String, String)]) -> Result<Asked, Refusal> {
        let named = |name: &str| {
            let found = parameters.iter().filter(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        let one = |name: &str, prefix: &str| {
            let bound = match named(name).as_slice() {
                [value] => value.strip_prefix(prefix).and_then(moment),
                _ => None,
            };
            bound.ok_or_else(|| {
                wrong(format!(
                    "{name} stands there once, with the prefix {prefix} and a whole date or a time with its offset."
                ))
            })
        };
        let (start, end) = (one("start", "ge")?, one("end", "le")?);
        if named("status") != ["free"] {
            return Err(wrong("status is free, and stands there once."));
        }
        if !named("_include").contains(&"Slot:schedule") {
            return Err(wrong("_include=Slot:schedule is needed."));
        }
        for filter in named("searchFilter") {
            let code = filter.split_once('|').map_or("", |(_, code)| code);
            if code.is_empty() {
                return Err(wrong(
                    "searchFilter is a system and a code, as system|code.",
                ));
            }
        }
        // A day as the end is meant whole.
        let within = Within {
            from: start.low,
            until: end.high,
        };
        if within.from >= within.until {
            return Err(wrong("start is before end."));
        }
        // One day more, as both days at the ends count.
        if within.until.saturating_sub(within.from) > WINDOW_MILLIS + 86_400_000 {
            return Err(wrong("start and end are at most two weeks apart."));
        }
        let recursed = |what: &str| named("_include:recurse").contains(&what);
        Ok(Asked {
            within,
            practitioners: recursed("Schedule:actor:Practitioner"),
            locations: recursed("Schedule:actor:Location"),
        })
    }
}

/// A free slot of a diary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Free {
    pub id: String,
    pub version: u64,
    pub schedule: String,
    pub starts: Millis,
    pub ends: Millis,
    /// What sort of appointment, and with whom, in words; the second may be empty.
    pub kind: String,
    pub with: String,
    /// The id of the Practitioner that stands for whom.
    pub practitioner: String,
}

impl Free {
    fn resource(&self) -> Value {
        let mut slot = json!({
            "resourceType": "Slot",
            "id": self.id,
            "meta": meta("GPConnect-Slot-1", Some(self.version)),
            "schedule": { "reference": format!("Schedule/{}", self.schedule) },
            "status": "free",
            "start": local(self.starts),
            "end": local(self.ends),
        });
        if let (false, Some(slot)) = (self.kind.is_empty(), slot.as_object_mut()) {
            slot.insert("serviceType".into(), json!([{ "text": self.kind }]));
        }
        slot
    }
}

/// The answer to a search.
pub fn free_slots(slots: &[Free], place: Place<'_>, asked: &Asked) -> Value {
    let mut schedules: BTreeMap<&str, (&Free, Millis, Millis)> = BTreeMap::new();
    let mut practitioners: BTreeMap<&str, &str> = BTreeMap::new();
    for slot in slots {
        let of = schedules.entry(&slot.schedule);
        let (_, from, until) = of.or_insert((slot, slot.starts, slot.ends));
        *from = (*from).min(slot.starts);
        *until = (*until).max(slot.ends);
        if !slot.with.is_empty() {
            practitioners.insert(&slot.practitioner, &slot.with);
        }
    }
    let mut resources: Vec<Value> = slots.iter().map(Free::resource).collect();
    for (id, (slot, from, until)) in &schedules {
        let mut actors = vec![json!({ "reference": format!("Location/{}", place.ods) })];
        if !slot.with.is_empty() {
            actors.push(json!({ "reference": format!("Practitioner/{}", slot.practitioner) }));
        }
        resources.push(json!({
            "resourceType": "Schedule",
            "id": id,
            "meta": meta("GPConnect-Schedule-1", None),
            "actor": actors,
            "planningHorizon": { "start": local(*from), "end": local(*until) },
        }));
    }
    if asked.practitioners {
        let one = |(id, name): (&&str, &&str)| {
            json!({
                "resourceType": "Practitioner",
                "id": id,
                "meta": meta("CareConnect-GPC-Practitioner-1", None),
                "name": [{ "text": name, "family": name }],
            })
        };
        resources.extend(practitioners.iter().map(one));
    }
    if asked.locations && !slots.is_empty() {
        resources.push(place.location());
    }
    if !slots.is_empty() {
        resources.push(place.organization());
    }
    bundle(resources)
}

/// What another system offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    pub slot: String,
    pub starts: Millis,
    pub ends: Millis,
    pub kind: String,
    pub with: String,
    /// The id of the Location, without which it cannot be booked.
    pub location: String,
}

/// A person's name in words.
fn name(practitioner: &Value) -> String {
    let name = practitioner.pointer("/name/0").unwrap_or(&Value::Null);
    match text(name, "/text") {
        "" => {
            let prefix = each(name, "/prefix").filter_map(Value::as_str);
            let given = each(name, "/given").filter_map(Value::as_str);
            let words = prefix.chain(given).chain([text(name, "/family")]);
            let words: Vec<&str> = words.filter(|it| !it.is_empty()).collect();
            words.join(" ")
        }
        text => text.to_string(),
    }
}

/// The free slots of an answer, the earliest first. One without a time or a place is passed over: nobody could go
/// there.
pub fn offered(answer: &Value) -> Vec<Offered> {
    let resources = || each(answer, "/entry").filter_map(|it| it.get("resource"));
    let find = |ty: &str, id: &str| {
        resources().find(|it| text(it, "/resourceType") == ty && text(it, "/id") == id)
    };
    let mut all = Vec::new();
    for slot in resources().filter(|it| text(it, "/resourceType") == "Slot") {
        let (Some(starts), Some(ends)) = (time(slot, "/start"), time(slot, "/end")) else {
            continue;
        };
        let schedule = id_of(text(slot, "/schedule/reference"), "Schedule");
        let schedule = schedule.and_then(|id| find("Schedule", id));
        let schedule = schedule.unwrap_or(&Value::Null);
        let actor = |ty: &str| {
            let mut actors = each(schedule, "/actor");
            actors.find_map(|it| id_of(text(it, "/reference"), ty))
        };
        let Some(location) = actor("Location") else {
            continue;
        };
        let who = actor("Practitioner").and_then(|id| find("Practitioner", id));
        let id = text(slot, "/id");
        if text(slot, "/status") != "free"
            || crate::resource::check_id(id).is_err()
            || starts >= ends
        {
            continue;
        }
        let kind = [
            text(slot, "/serviceType/0/text"),
            text(schedule, "/serviceCategory/text"),
        ];
        let kind = kind.into_iter().find(|it| !it.is_empty());
        all.push(Offered {
            slot: id.to_string(),
            starts,
            ends,
            kind: kind.unwrap_or_default().to_string(),
            with: who.map(name).unwrap_or_default(),
            location: location.to_string(),
        });
    }
    all.sort_by(|a, b| a.starts.cmp(&b.starts).then_with(|| a.slot.cmp(&b.slot)));
    all
}

/// The NHS number that a search for a patient names.
///
/// # Errors
/// `BadRequest`, `InvalidIdentifierSystem`.
pub fn patient_search(parameters: &[(String, String)]) -> Result<&str, Refusal> {
    let mut named = parameters.iter().filter(|(key, _)| key == "identifier");
    let (Some((_, value)), None) = (named.next(), named.next()) else {
        let words = "identifier stands there once, as system|value.";
        return Err(Refusal::new(Trouble::BadRequest, words));
    };
    match value.split_once('|') {
        Some((NHS_NUMBER, number)) => Ok(number),
        _ => {
            let words = format!("A patient is looked for by {NHS_NUMBER}|number.");
            Err(Refusal::new(Trouble::InvalidIdentifierSystem, words))
        }
    }
}
