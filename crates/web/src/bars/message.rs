//! A `servicerequest-request` as a referral. What it does not say in a field that a referral has, stands in the message, which is
//! kept whole.

use access::{NhsNumber, Ods};
use exchange::referrals::{Act, BarsReferral, Request, URGENCIES};
use fhir::json::{self, Limits};
use fhir::members::{each, text};
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::parcels::Named;

/// The longest name or id that is taken over, in characters.
const NAME_CHARS_MAX: usize = 200;

/// The first that says something.
fn first(texts: &[&str]) -> String {
    let mut texts = texts.iter().map(|it| it.trim());
    let found = texts.find(|it| !it.is_empty());
    found.unwrap_or_default().to_owned()
}

/// The Bundle, and what its entries refer to.
struct Message(Value);

impl Message {
    fn find(&self, reference: &str) -> &Value {
        static NOTHING: Value = Value::Null;
        let mut entries = each(&self.0, "/entry");
        let found = entries.find(|it| !reference.is_empty() && text(it, "/fullUrl") == reference);
        found.and_then(|it| it.get("resource")).unwrap_or(&NOTHING)
    }

    fn of<'m>(&'m self, from: &Value, place: &str) -> &'m Value {
        self.find(text(from, place))
    }
}

/// Reads one.
///
/// # Errors
/// `Structure`, `Required`, `Value` for what it lacks, with the place; `NotSupported` for other messages.
pub fn read(
    bytes: &[u8],
    (request_id, correlation_id): (String, String),
) -> Result<BarsReferral, Problem> {
    // Strictly: no member twice, no depth without a bound.
    json::parse(bytes, &Limits::default())?;
    let bundle: Value = serde_json::from_slice(bytes).map_err(|cause| {
        Problem::new(Kind::Structure, "The message does not read as JSON.").because(cause)
    })?;
    let message = Message(bundle);
    let header = message
        .0
        .pointer("/entry/0/resource")
        .unwrap_or(&Value::Null);
    if text(&message.0, "/resourceType") != "Bundle"
        || text(&message.0, "/type") != "message"
        || text(header, "/resourceType") != "MessageHeader"
    {
        let what = "A message is a Bundle of type message whose first entry is a MessageHeader.";
        return Err(Problem::new(Kind::Structure, what));
    }
    if text(header, "/eventCoding/code") != "servicerequest-request" {
        let what = "Of the messages of BaRS this receiver takes servicerequest-request only.";
        return Err(Problem::new(Kind::NotSupported, what).at("MessageHeader.event"));
    }
    let id = required(text(&message.0, "/id"), "Bundle.id")?;
    let focus = text(header, "/focus/0/reference");
    let asked = message.find(focus);
    if text(asked, "/resourceType") != "ServiceRequest" {
        let what = "The focus of the message is no ServiceRequest in it.";
        return Err(Problem::new(Kind::Value, what).at("MessageHeader.focus"));
    }
    let (sender, sender_name) = sender(&message, header)?;
    let asked_as = first(&[
        text(asked, "/identifier/0/value"),
        text(asked, "/id"),
        focus.rsplit(':').next().unwrap_or_default(),
    ]);
    Ok(BarsReferral {
        sender,
        sender_name,
        message: id,
        digest: Sha256::digest(bytes)
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect(),
        request_id,
        correlation_id,
        asked_as: required(&asked_as, "ServiceRequest.identifier")?,
        act: act(header, asked)?,
        named: named(message.of(asked, "/subject/reference"))?,
        request: request(&message, asked),
        words: first(&[text(asked, "/note/0/text"), text(header, "/reason/text")]),
        body: bytes.to_vec(),
    })
}

fn required(value: &str, place: &'static str) -> Result<String, Problem> {
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

fn sender(message: &Message, header: &Value) -> Result<(Ods, String), Problem> {
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

fn named(patient: &Value) -> Result<Named, Problem> {
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
