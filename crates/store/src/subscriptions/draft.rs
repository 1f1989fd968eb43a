//! What a Subscription asks for, read and checked before it is stored.

use fhir::date::{Millis, span};
use fhir::definitions::Definitions;
use fhir::json::Json;
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Search};

use super::SubState;

const BACKPORT: &str =
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-";
/// The topics that are always there: every change of a type, `…/SubscriptionTopic/Observation`.
const TOPIC: &str = "/SubscriptionTopic/";
const HEADERS_MAX: usize = 20;

/// What is kept of a Subscription beside the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) state: SubState,
    pub(crate) ty: String,
    pub(crate) query: String,
    pub(crate) channel: String,
    pub(crate) endpoint: String,
    pub(crate) headers: String,
    pub(crate) payload: String,
    pub(crate) content: &'static str,
    pub(crate) topic: String,
    /// Whether the topic is one that somebody stored: the writer knows it.
    pub(crate) is_named: bool,
    pub(crate) heartbeat_seconds: u32,
    pub(crate) ends_at: Option<Millis>,
}

fn refused(message: &str, place: &str) -> Problem {
    Problem::new(Kind::Invalid, message).at(format!("Subscription.{place}"))
}

impl Draft {
    /// Reads a Subscription that R4 finds valid.
    ///
    /// # Errors
    /// `Invalid` or `NotSupported`, with the place, for what the node cannot do.
    pub(crate) fn of(resource: &Json<'_>) -> Result<Draft, Problem> {
        let criteria = resource.text("criteria").unwrap_or_default();
        let asked = Criteria::of(resource, criteria)?;
        let Criteria {
            topic, ty, query, ..
        } = &asked;
        if *ty == "Subscription" {
            // The work of telling changes Subscriptions: each would be told of itself, for ever.
            let message = "Subscriptions cannot be subscribed to.";
            return Err(refused(message, "criteria"));
        }
        if !asked.is_named {
            searched(ty, query)?;
        }
        let empty = Json::Null;
        let channel = resource.get("channel").unwrap_or(&empty);
        let kind = channel.text("type").unwrap_or_default();
        let endpoint = channel.text("endpoint").unwrap_or_default();
        reaches(channel, (kind, endpoint), topic)?;
        let payload = channel.text("payload").unwrap_or_default();
        let is_json =
            |it: &str| it.starts_with("application/fhir+json") || it == "application/json";
        if !payload.is_empty() && !is_json(payload) && !is_xml(payload) {
            let message = "The payload is application/fhir+json or application/fhir+xml.";
            let problem = Problem::new(Kind::NotSupported, message);
            return Err(problem.at("Subscription.channel.payload"));
        }
        let ends = resource.text("end").and_then(span);
        Ok(Draft {
            state: match resource.text("status") {
                Some("off") => SubState::Off,
                Some("error") => SubState::Error,
                _ => SubState::Requested,
            },
            ty: ty.to_string(),
            query: query.clone(),
            channel: kind.to_string(),
            endpoint: endpoint.to_string(),
            headers: headers(channel)?,
            payload: payload.to_string(),
            content: content(channel, payload, topic)?,
            topic: topic.to_string(),
            is_named: asked.is_named,
            heartbeat_seconds: number(channel, "heartbeat-period"),
            ends_at: ends.map(|span| span.low),
        })
    }
}

/// What is watched.
struct Criteria<'j> {
    topic: &'j str,
    is_named: bool,
    ty: &'j str,
    query: String,
}

impl<'j> Criteria<'j> {
    /// A query, as in R4; or under the backport the address of a topic, of every change of a type or
    /// of one that somebody stored.
    fn of(resource: &'j Json<'j>, criteria: &'j str) -> Result<Criteria<'j>, Problem> {
        let every = criteria.split_once(TOPIC).map(|(_, ty)| ty);
        let every = every.filter(|ty| Definitions::r4().is_resource(ty));
        let before_query = criteria.split('?').next().unwrap_or_default();
        if every.is_none() && !before_query.contains(':') {
            let (ty, query) = criteria.split_once('?').unwrap_or((criteria, ""));
            let (topic, query) = ("", query.to_string());
            return Ok(Criteria {
                topic,
                is_named: false,
                ty,
                query,
            });
        }
        let (ty, query) = filter(resource, every)?;
        let (topic, is_named) = (criteria, every.is_none());
        Ok(Criteria {
            topic,
            is_named,
            ty,
            query,
        })
    }
}

/// Whether a payload's media type is FHIR's XML.
pub(super) fn is_xml(payload: &str) -> bool {
    let essence = payload.split(';').next().unwrap_or_default().trim();
    ["application/fhir+xml", "application/xml"].contains(&essence)
}

/// Whether that is the address of the topic of every change of a type.
pub(super) fn is_of_every_change(topic: &str) -> bool {
    let ty = topic.split_once(TOPIC).map(|(_, ty)| ty);
    ty.is_some_and(|ty| Definitions::r4().is_resource(ty))
}

/// Whether a search of that type can be made with that query.
pub(super) fn searched(ty: &str, query: &str) -> Result<(), Problem> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let read = Search::parse(ty, &pairs, "", &Limits::default());
    read.map(|_| ())
        .map_err(|problem| refused(&problem.message, "criteria"))
}

/// Whether the channel leads anywhere.
fn reaches(channel: &Json<'_>, (kind, endpoint): (&str, &str), topic: &str) -> Result<(), Problem> {
    match kind {
        "rest-hook" if endpoint.starts_with("https://") || endpoint.starts_with("http://") => {
            Ok(())
        }
        "rest-hook" => {
            let message = "A rest-hook needs an endpoint with https:// (or http://).";
            Err(refused(message, "channel.endpoint"))
        }
        "websocket" if !endpoint.is_empty() || !channel.items("header").is_empty() => {
            let message =
                "A websocket is opened by the subscriber: it has no endpoint and no headers.";
            Err(refused(message, "channel.endpoint"))
        }
        "websocket" if topic.is_empty() && channel.text("payload").is_some() => {
            let message =
                "Without a topic a websocket is told `ping` and no more: leave the payload out.";
            Err(refused(message, "channel.payload"))
        }
        "websocket" => Ok(()),
        _ => {
            let message = "Only the channels rest-hook and websocket are supported.";
            let problem = Problem::new(Kind::NotSupported, message);
            Err(problem.at("Subscription.channel.type"))
        }
    }
}

fn headers(channel: &Json<'_>) -> Result<String, Problem> {
    let all: Vec<&str> = channel
        .items("header")
        .iter()
        .filter_map(Json::as_str)
        .collect();
    let reads = |header: &&str| {
        let plain = header.bytes().all(|byte| (32..127).contains(&byte));
        plain
            && header
                .split_once(':')
                .is_some_and(|(name, _)| !name.trim().is_empty())
    };
    if all.len() > HEADERS_MAX || !all.iter().all(reads) {
        let message = "A header is `Name: value`, and there are at most 20.";
        return Err(refused(message, "channel.header"));
    }
    Ok(all.join("\n"))
}

fn extension<'j>(of: &'j Json<'_>, name: &str) -> Option<&'j Json<'j>> {
    let mut all = of.items("extension").iter();
    all.find(|it| it.text("url").and_then(|url| url.strip_prefix(BACKPORT)) == Some(name))
}

/// The filter of a backport subscription: the type and search parameters of the topic's type.
fn filter<'j>(resource: &'j Json<'j>, ty: Option<&'j str>) -> Result<(&'j str, String), Problem> {
    let Some(found) = resource
        .get("_criteria")
        .and_then(|it| extension(it, "filter-criteria"))
    else {
        return Ok((ty.unwrap_or_default(), String::new()));
    };
    let text = found.text("valueString").unwrap_or_default();
    match text.split_once('?') {
        Some((known, query)) if ty.is_none_or(|ty| ty == known) => Ok((known, query.to_string())),
        _ => Err(refused(
            "A filter is the topic's type, a question mark and a query.",
            "criteria",
        )),
    }
}

fn content(channel: &Json<'_>, payload: &str, topic: &str) -> Result<&'static str, Problem> {
    let asked = channel
        .get("_payload")
        .and_then(|it| extension(it, "payload-content"))
        .and_then(|it| it.text("valueCode"));
    match asked {
        Some("empty") => Ok("empty"),
        Some("id-only") => Ok("id-only"),
        Some("full-resource") => Ok("full-resource"),
        Some(_) => Err(refused(
            "The content is empty, id-only or full-resource.",
            "channel.payload",
        )),
        None if payload.is_empty() || !topic.is_empty() => Ok("empty"),
        None => Ok("full-resource"),
    }
}

fn number(channel: &Json<'_>, name: &str) -> u32 {
    let value = extension(channel, name).and_then(|it| it.get("valueUnsignedInt"));
    let text = value.and_then(Json::as_number);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
