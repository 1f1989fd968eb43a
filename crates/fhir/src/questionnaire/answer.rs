//! One answer: read from text, compared, shown.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Value, json};

use super::{Operator, Question, Sort, number};
use crate::date;
use crate::fhirpath::Decimal;
use crate::members::text;

/// What is wrong with an answer. Pages say it in the reader's language; `Display` says it in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Missing,
    /// Something was answered below a question that itself was not.
    AnswerThisFirst,
    NotNumber,
    NotWhole,
    NotDate,
    NotTime,
    NotUrl,
    NotChoice,
    NotUnit,
    /// Digits after the point at most.
    Places(u32),
    TooSmall(String),
    TooLarge(String),
    /// Characters at most.
    TooLong(usize),
    /// Answers at most.
    TooMany(usize),
    /// A question that is not asked under these answers, or cannot be changed, was answered.
    NotAsked,
    /// The response has an item that the Questionnaire has not, or in another place.
    Unknown,
    /// The answer is of another type than its question.
    WrongType,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => f.write_str("An answer is missing"),
            Fault::AnswerThisFirst => {
                f.write_str("What stands below it was answered, and it was not")
            }
            Fault::NotNumber => f.write_str("The answer is not a number"),
            Fault::NotWhole => f.write_str("The answer is not a whole number"),
            Fault::NotDate => f.write_str("The answer is not a date"),
            Fault::NotTime => f.write_str("The answer is not a time"),
            Fault::NotUrl => f.write_str("The answer is not an address that begins with http"),
            Fault::NotChoice => f.write_str("The answer is none of those to choose among"),
            Fault::NotUnit => f.write_str("The unit is none of those to choose among"),
            Fault::Places(places) => write!(
                f,
                "The answer has more than {places} digits after the point"
            ),
            Fault::TooSmall(min) => write!(f, "The answer is less than {min}"),
            Fault::TooLarge(max) => write!(f, "The answer is more than {max}"),
            Fault::TooLong(max) => write!(f, "The answer is longer than {max} characters"),
            Fault::TooMany(max) => write!(f, "There are more than {max} answers"),
            Fault::NotAsked => f.write_str("The question is not asked, and was answered"),
            Fault::Unknown => f.write_str("The Questionnaire has no such item in this place"),
            Fault::WrongType => f.write_str("The answer is of another type than its question"),
        }
    }
}

/// The answer in a holder whose choice element has that stem: `initial.valueInteger`, `enableWhen.answerCoding`.
pub(super) fn of_holder(holder: &Value, stem: &str) -> Option<Value> {
    let members = holder.as_object()?;
    let (kind, value) = members.iter().find_map(|(name, value)| {
        let kind = name.strip_prefix(stem)?;
        kind.starts_with(|first: char| first.is_ascii_uppercase())
            .then_some((kind, value))
    })?;
    let mut answer = serde_json::Map::new();
    answer.insert(format!("value{kind}"), value.clone());
    Some(Value::Object(answer))
}

/// The one value of an answer, and the member that it stands in.
pub(super) fn value(answer: &Value) -> Option<(&str, &Value)> {
    let members = answer.as_object()?;
    let mut values = members.iter().filter(|(name, _)| name.starts_with("value"));
    values.next().map(|(name, value)| (name.as_str(), value))
}

/// An answer, for people to read. Dates stay as they are written.
pub fn display(answer: &Value) -> String {
    let Some((member, value)) = value(answer) else {
        return String::new();
    };
    let of = |place: &str| text(value, place);
    match (member, value) {
        ("valueCoding", _) => match of("/display") {
            "" => of("/code").to_owned(),
            display => display.to_owned(),
        },
        ("valueQuantity", _) => {
            let unit = match of("/unit") {
                "" => of("/code"),
                unit => unit,
            };
            let number = value.get("value").map(Value::to_string).unwrap_or_default();
            format!("{number} {unit}").trim().to_owned()
        }
        (_, Value::Bool(true)) => "Yes".to_owned(),
        (_, Value::Bool(false)) => "No".to_owned(),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// Whether two answers say the same: numbers by value, codes by system and code.
pub fn same(one: &Value, other: &Value) -> bool {
    order(one, other) == Some(Ordering::Equal)
}

/// How one answer stands to another; `None` where they cannot be compared, or are unlike without an order.
pub(super) fn order(one: &Value, other: &Value) -> Option<Ordering> {
    let ((one_member, one), (other_member, other)) = (value(one)?, value(other)?);
    match (one_member, other_member) {
        ("valueCoding", "valueCoding") => {
            let key = |it: &Value| (text(it, "/system").to_owned(), text(it, "/code").to_owned());
            let has_code = !text(one, "/code").is_empty();
            let alike = match has_code {
                true => key(one) == key(other),
                false => text(one, "/display") == text(other, "/display"),
            };
            alike.then_some(Ordering::Equal)
        }
        ("valueQuantity", "valueQuantity") => {
            let unit = |it: &Value| match text(it, "/code") {
                "" => text(it, "/unit").to_owned(),
                code => code.to_owned(),
            };
            match unit(one) == unit(other) {
                true => numbers(one.get("value")?, other.get("value")?),
                false => None,
            }
        }
        ("valueDate" | "valueDateTime", "valueDate" | "valueDateTime") => {
            let at = |it: &Value| it.as_str().and_then(date::span).map(|it| it.low);
            Some(at(one)?.cmp(&at(other)?))
        }
        _ => match (one, other) {
            (Value::Number(_), Value::Number(_)) => numbers(one, other),
            (Value::Bool(one), Value::Bool(other)) => (one == other).then_some(Ordering::Equal),
            (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
            _ => None,
        },
    }
}

fn numbers(one: &Value, other: &Value) -> Option<Ordering> {
    number(one)?.partial_cmp(&number(other)?)
}

/// Whether one of these answers is as a condition wants it.
pub(super) fn meets(answers: &[Value], operator: Operator, wanted: &Value) -> bool {
    let any =
        |is: &dyn Fn(Ordering) -> bool| answers.iter().any(|it| order(it, wanted).is_some_and(is));
    match operator {
        Operator::Exists => {
            let exists = value(wanted)
                .and_then(|(_, it)| it.as_bool())
                .unwrap_or(true);
            exists != answers.is_empty()
        }
        Operator::Equal => any(&Ordering::is_eq),
        // R4: at least one answer that is not equal.
        Operator::NotEqual => answers.iter().any(|it| !same(it, wanted)),
        Operator::Greater => any(&Ordering::is_gt),
        Operator::Less => any(&Ordering::is_lt),
        Operator::GreaterOrEqual => any(&Ordering::is_ge),
        Operator::LessOrEqual => any(&Ordering::is_le),
    }
}

/// Reads what was typed as an answer to that question. A choice is its number in the list.
pub(super) fn read(question: &Question, typed: &str) -> Result<Value, Fault> {
    let answer = match question.sort {
        Sort::Boolean => match typed {
            "yes" => json!({ "valueBoolean": true }),
            "no" => json!({ "valueBoolean": false }),
            _ => return Err(Fault::NotChoice),
        },
        Sort::Integer => {
            let whole = typed
                .parse::<i32>()
                .map_err(|_| match typed.parse::<f64>() {
                    Ok(_) => Fault::NotWhole,
                    Err(_) => Fault::NotNumber,
                })?;
            json!({ "valueInteger": whole })
        }
        Sort::Decimal | Sort::Quantity => json!({ "valueDecimal": typed_number(typed)? }),
        Sort::Date | Sort::DateTime => {
            let span = date::span(typed).ok_or(Fault::NotDate)?;
            if question.sort == Sort::Date && typed.contains('T') {
                return Err(Fault::NotDate);
            }
            // Years before 1800 and after 2200 are slips of the finger.
            if !(-5_364_662_400_000..7_289_654_400_000).contains(&span.low) {
                return Err(Fault::NotDate);
            }
            json!({ question.sort.member(): typed })
        }
        Sort::Time => json!({ "valueTime": time(typed)? }),
        Sort::Url => match typed.starts_with("https://") || typed.starts_with("http://") {
            true if !typed.contains(char::is_whitespace) => json!({ "valueUri": typed }),
            _ => return Err(Fault::NotUrl),
        },
        Sort::Choice | Sort::OpenChoice => {
            let at = typed.parse::<usize>().map_err(|_| Fault::NotChoice)?;
            let chosen = question.choices.get(at).ok_or(Fault::NotChoice)?;
            chosen.answer.clone()
        }
        Sort::String | Sort::Text | Sort::Group | Sort::Display => json!({ "valueString": typed }),
    };
    check(question, &answer)?;
    Ok(answer)
}

fn typed_number(typed: &str) -> Result<Value, Fault> {
    // What JSON takes for a number, and a decimal holds exactly: no exponent, no sign of plus.
    let plain = typed
        .bytes()
        .all(|it| it.is_ascii_digit() || matches!(it, b'.' | b'-'));
    let value: Value = serde_json::from_str(typed).map_err(|_| Fault::NotNumber)?;
    match plain && number(&value).is_some() {
        true => Ok(value),
        false => Err(Fault::NotNumber),
    }
}

fn time(typed: &str) -> Result<String, Fault> {
    let part = |text: Option<&str>, below: u8| {
        let text = text.filter(|it| it.len() == 2 && it.bytes().all(|it| it.is_ascii_digit()));
        text.and_then(|it| it.parse::<u8>().ok())
            .filter(|it| *it < below)
    };
    let mut parts = typed.split(':');
    let (hour, minute) = (part(parts.next(), 24), part(parts.next(), 60));
    let second = match parts.next() {
        None => Some(0),
        // Fractions of a second are more than anybody asks for.
        text => part(text, 60),
    };
    match (hour, minute, second, parts.next()) {
        (Some(hour), Some(minute), Some(second), None) => {
            Ok(format!("{hour:02}:{minute:02}:{second:02}"))
        }
        _ => Err(Fault::NotTime),
    }
}

/// Whether an answer is one that the question takes.
pub(super) fn check(question: &Question, answer: &Value) -> Result<(), Fault> {
    let Some((member, value)) = value(answer) else {
        return Err(Fault::WrongType);
    };
    if let Value::String(text) = value
        && text.chars().count() > question.max_length
    {
        return Err(Fault::TooLong(question.max_length));
    }
    let numeric = match member {
        "valueQuantity" => value.get("value"),
        "valueDecimal" | "valueInteger" => Some(value),
        _ => None,
    };
    if let Some(numeric) = numeric {
        let decimal = number(numeric).ok_or(Fault::NotNumber)?;
        if let Some(places) = question.max_places.filter(|it| decimal.scale() > *it) {
            return Err(Fault::Places(places));
        }
    }
    let beyond = |limit: &Option<Value>, is: fn(Ordering) -> bool| {
        let limit = limit.as_ref()?;
        is(against(answer, limit)?).then(|| display(limit))
    };
    if let Some(min) = beyond(&question.range.min, Ordering::is_lt) {
        return Err(Fault::TooSmall(min));
    }
    if let Some(max) = beyond(&question.range.max, Ordering::is_gt) {
        return Err(Fault::TooLarge(max));
    }
    Ok(())
}

/// An answer against a limit, which for a quantity may be a mere number.
fn against(answer: &Value, limit: &Value) -> Option<Ordering> {
    match (answer.get("valueQuantity"), limit.get("valueQuantity")) {
        (Some(quantity), None) => {
            let (_, limit) = value(limit)?;
            let (quantity, limit): (Decimal, Decimal) =
                (number(quantity.get("value")?)?, number(limit)?);
            quantity.partial_cmp(&limit)
        }
        _ => order(answer, limit),
    }
}
