//! A `servicerequest-request` as a referral. What it does not say in a field that a referral has, stands in the message, which is
//! kept whole.

use access::{NhsNumber, Ods};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::LetterContent;
use exchange::referrals::{Act, BarsAnswer, BarsReferral, Request, URGENCIES};
use fhir::json::{self, Limits};
use fhir::members::{each, text};
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::parcels::Named;

/// The longest name or id that is taken over, in characters.
const NAME_CHARS_MAX: usize = 200;

/// The first that says something.
pub(super) fn first(texts: &[&str]) -> String {
    let mut texts = texts.iter().map(|it| it.trim());
    let found = texts.find(|it| !it.is_empty());
    found.unwrap_or_default().to_owned()
}

/// The Bundle, and what its entries refer to.
pub struct Message(Value);

impl Message {
    pub(super) fn header(&self) -> &Value {
        let header = self.0.pointer("/entry/0/resource");
        header.unwrap_or(&Value::Null)
    }

    /// Its id at its sender.
    pub(super) fn id(&self) -> Result<String, Problem> {
        required(text(&self.0, "/id"), "Bundle.id")
    }

    /// What it is about.
    pub fn event(&self) -> &str {
        text(self.header(), "/eventCoding/code")
    }

    pub(super) fn find(&self, reference: &str) -> &Value {
        static NOTHING: Value = Value::Null;
        let mut entries = each(&self.0, "/entry");
        let found = entries.find(|it| !reference.is_empty() && text(it, "/fullUrl") == reference);
        found.and_then(|it| it.get("resource")).unwrap_or(&NOTHING)
    }

    pub(super) fn of<'m>(&'m self, from: &Value, place: &str) -> &'m Value {
        self.find(text(from, place))
    }
}

/// Parts of documents that are taken out of one message.
const ENCLOSED_MAX: usize = 20;
/// What names a step in a note of another node's.
const ACT: &str = "urn:handover:referral-act";

/// Reads a message.
///
/// # Errors
/// `Structure` if it is none.
pub fn open(bytes: &[u8]) -> Result<Message, Problem> {
    // Strictly: no member twice, no depth without a bound.
    json::parse(bytes, &Limits::default())?;
    let bundle: Value = serde_json::from_slice(bytes).map_err(|cause| {
        Problem::new(Kind::Structure, "The message does not read as JSON.").because(cause)
    })?;
    let message = Message(bundle);
    let header = message.header();
    if text(&message.0, "/resourceType") != "Bundle"
        || text(&message.0, "/type") != "message"
        || text(header, "/resourceType") != "MessageHeader"
    {
        let what = "A message is a Bundle of type message whose first entry is a MessageHeader.";
        return Err(Problem::new(Kind::Structure, what));
    }
    Ok(message)
}

/// Reads a referral, its change or its cancellation.
///
/// # Errors
/// `Required`, `Value` for what it lacks, with the place; `NotSupported` for other messages.
pub fn read(
    message: &Message,
    bytes: &[u8],
    (request_id, correlation_id): (String, String),
) -> Result<BarsReferral, Problem> {
    let header = message.header();
    if message.event() != "servicerequest-request" {
        let what = "Of the messages of BaRS this receiver takes servicerequest-request and servicerequest-response only.";
        return Err(Problem::new(Kind::NotSupported, what).at("MessageHeader.event"));
    }
    let id = message.id()?;
    let focus = text(header, "/focus/0/reference");
    let asked = message.find(focus);
    if text(asked, "/resourceType") != "ServiceRequest" {
        let what = "The focus of the message is no ServiceRequest in it.";
        return Err(Problem::new(Kind::Value, what).at("MessageHeader.focus"));
    }
    let (sender, sender_name) = sender(message, header)?;
    let asked_as = first(&[
        text(asked, "/identifier/0/value"),
        text(asked, "/id"),
        focus.rsplit(':').next().unwrap_or_default(),
    ]);
    Ok(BarsReferral {
        sender,
        sender_name,
        message: id,
        digest: digest(bytes),
        request_id,
        correlation_id,
        asked_as: required(&asked_as, "ServiceRequest.identifier")?,
        act: act(header, asked)?,
        named: named(message.of(asked, "/subject/reference"))?,
        request: request(message, asked),
        words: first(&[text(asked, "/note/0/text"), text(header, "/reason/text")]),
        body: bytes.to_vec(),
        enclosed: enclosed(message),
    })
}

pub(super) fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|it| format!("{it:02x}")).collect()
}

/// Documents that are in the message whole.
fn enclosed(message: &Message) -> Vec<LetterContent> {
    let resources = each(&message.0, "/entry").filter_map(|it| it.get("resource"));
    let documents = resources.filter(|it| text(it, "/resourceType") == "DocumentReference");
    let attached = documents.flat_map(|it| each(it, "/content"));
    let whole = attached.filter_map(|it| {
        let bytes = STANDARD.decode(text(it, "/attachment/data")).ok()?;
        let kind = text(it, "/attachment/contentType");
        let is_kind = kind.len() <= NAME_CHARS_MAX && kind.contains('/');
        (is_kind && !bytes.is_empty()).then(|| LetterContent {
            content_type: kind.to_owned(),
            bytes,
        })
    });
    whole.take(ENCLOSED_MAX).collect()
}

/// Reads an answer to a referral that left from here.
///
/// # Errors
/// `Required`, `Value` for what it lacks, with the place.
pub fn answer(
    message: &Message,
    bytes: &[u8],
    (request_id, correlation_id): (String, String),
) -> Result<BarsAnswer, Problem> {
    let header = message.header();
    let answers = text(header, "/response/identifier");
    let answers = required(answers, "MessageHeader.response.identifier")?;
    let id = message.id()?;
    let (sender, sender_name) = sender(message, header)?;
    let mut asked = each(&message.0, "/entry").filter_map(|it| it.get("resource"));
    let asked = asked.find(|it| text(it, "/resourceType") == "ServiceRequest");
    let asked = asked.unwrap_or(&Value::Null);
    let note = asked.pointer("/note/0").unwrap_or(&Value::Null);
    let named = each(note, "/extension").find(|it| text(it, "/url") == ACT);
    let named = named.and_then(|it| Act::from_code(text(it, "/valueCode")));
    let by = text(note, "/authorString");
    let act = match (named, text(asked, "/status")) {
        // Accepted is only what a named person says in so many words.
        (Some(Act::Accept), _) if !by.is_empty() => Act::Accept,
        (Some(act @ (Act::Ask | Act::Return)), _) => act,
        (_, "on-hold") => Act::Ask,
        (_, "revoked" | "entered-in-error") => Act::Return,
        _ => Act::Reply,
    };
    let plans = each(&message.0, "/entry").filter_map(|it| it.get("resource"));
    let plans = plans.filter(|it| text(it, "/resourceType") == "CarePlan");
    let summary = plans
        .flat_map(|it| each(it, "/activity"))
        .flat_map(|it| each(it, "/outcomeCodeableConcept"))
        .map(|it| text(it, "/text"))
        .find(|it| !it.is_empty());
    let day = text(asked, "/occurrencePeriod/end");
    let is_day = day.len() == 10 && fhir::date::span(day).is_some();
    Ok(BarsAnswer {
        message: id,
        digest: digest(bytes),
        request_id,
        correlation_id,
        answers,
        act,
        by: first(&[by, &sender_name])
            .chars()
            .take(NAME_CHARS_MAX)
            .collect(),
        words: first(&[
            text(note, "/text"),
            text(header, "/reason/text"),
            summary.unwrap_or_default(),
            "Nothing more was said.",
        ]),
        promised_by: (act == Act::Accept && is_day).then(|| day.to_owned()),
        sender,
        sender_name,
    })
}

pub(super) fn required(value: &str, place: &'static str) -> Result<String, Problem> {
    if value.is_empty() || value.chars().count() > NAME_CHARS_MAX {
        let what = "It is missing, or longer than 200 characters.";
        return Err(Problem::new(Kind::Required, what).at(place));
    }
    Ok(value.to_owned())
}

/// New, changed or cancelled.
fn act(header: &Value, asked: &Value) -> Result<Act, Problem> {
    let is_over = matches!(text(asked, "/status"), "revoked" | "entered-in-error");
    match text(header, "/reason/coding/0/code") {
        "new" => Ok(Act::Refer),
        "update" if is_over => Ok(Act::Withdraw),
        "update" => Ok(Act::Reply),
        "delete" | "cancel" | "cancelled" => Ok(Act::Withdraw),
        _ => {
            let what = "The reason of a message is new, update or delete.";
            Err(Problem::new(Kind::Value, what).at("MessageHeader.reason"))
        }
    }
}

pub(super) fn sender(message: &Message, header: &Value) -> Result<(Ods, String), Problem> {
    let organisation = message.of(header, "/sender/reference");
    let mut identifiers = each(organisation, "/identifier");
    let code = identifiers.find(|it| {
        let system = text(it, "/system").to_ascii_lowercase();
        system.ends_with("/ods-organization-code")
    });
    let code = code.map_or("", |it| text(it, "/value"));
    let ods = Ods::parse(code).map_err(|_| {
        let what = "The sender is no organisation with an ODS code.";
        Problem::new(Kind::Value, what).at("MessageHeader.sender")
    })?;
    let name = first(&[text(organisation, "/name"), code]);
    Ok((ods, name.chars().take(NAME_CHARS_MAX).collect()))
}

pub(super) fn named(patient: &Value) -> Result<Named, Problem> {
    let mut identifiers = each(patient, "/identifier");
    let number = identifiers.find(|it| text(it, "/system") == NhsNumber::SYSTEM);
    let number = number.map_or("", |it| text(it, "/value"));
    let digits = match NhsNumber::parse(number) {
        Ok(number) => Some(number.digits().to_string()),
        Err(_) if number.is_empty() => None,
        Err(_) => {
            let what = "The NHS number is not ten digits whose last checks the others.";
            return Err(Problem::new(Kind::Value, what).at("Patient.identifier"));
        }
    };
    let given: Vec<&str> = each(patient, "/name/0/given")
        .filter_map(Value::as_str)
        .collect();
    let born = text(patient, "/birthDate");
    Ok(Named {
        nhs_number: digits,
        birth_date: (!born.is_empty()).then(|| born.to_owned()),
        family: text(patient, "/name/0/family").to_owned(),
        given: given.join(" "),
    })
}

fn request(message: &Message, asked: &Value) -> Request {
    let wanted = message.of(asked, "/performer/0/reference");
    let mut requester = message.of(asked, "/requester/reference");
    if text(requester, "/resourceType") == "PractitionerRole" {
        requester = message.of(requester, "/practitioner/reference");
    }
    let given = text(requester, "/name/0/given/0");
    let family = text(requester, "/name/0/family");
    let why = message.of(asked, "/reasonReference/0/reference");
    let plan = message.of(asked, "/basedOn/0/reference");
    let summary = each(plan, "/activity").flat_map(|it| each(it, "/outcomeCodeableConcept"));
    let mut summary = summary.map(|it| text(it, "/text"));
    let urgency = text(asked, "/priority");
    Request {
        service: first(&[
            text(asked, "/code/text"),
            text(wanted, "/name"),
            text(asked, "/code/coding/0/display"),
            text(asked, "/category/0/coding/0/display"),
            "Not named in the message",
        ]),
        urgency: match URGENCIES.contains(&urgency) {
            true => urgency.to_owned(),
            false => "routine".to_owned(),
        },
        reason: first(&[
            text(asked, "/reasonCode/0/text"),
            text(asked, "/reasonCode/0/coding/0/display"),
            text(why, "/code/text"),
            text(why, "/code/coding/0/display"),
            summary.find(|it| !it.is_empty()).unwrap_or_default(),
            "See the message, which is enclosed.",
        ]),
        question: text(asked, "/orderDetail/0/text").to_owned(),
        referrer: match (given.is_empty(), family.is_empty()) {
            (true, true) => "Not named in the message".to_owned(),
            _ => first(&[format!("{given} {family}").as_str()]),
        },
    }
}
