//! What questions begin with: the Questionnaire's own `initial`, or what the record says, by SDC's `initialExpression`
//! (<http://hl7.org/fhir/uv/sdc/populate.html#expression-based-population>).
//!
//! `%patient` is the Patient; `%context` is all that may be read of the record for it, the newest first, so that
//! `%context.ofType(Observation).where(…).first()` is the last measurement.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ANSWERS_MAX, Form, Question, Sort, answer};
use crate::date::Millis;
use crate::definitions::Definitions;
use crate::fhirpath::{self, Context, Expression, Node};
use crate::json::{Json, Limits, parse};
use crate::members::{each, set, text};

/// Resources of a record that expressions are asked over.
const RECORD_MAX: usize = 1_000;
/// Steps that one expression may take.
const STEPS_MAX: u32 = 100_000;

/// Where a prefilled answer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The Questionnaire itself.
    Form,
    /// The Patient resource.
    Details,
    /// An entry of the record of that type, with its date where it has one.
    Entry { ty: String, date: String },
    /// Reckoned from the record, such as a number of entries.
    Record,
}

/// What a question begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefilled {
    pub answers: Vec<Value>,
    pub source: Source,
}

impl Form {
    /// What the questions begin with. `record` is the Patient and then what may be read of their record, the newest first.
    /// What an expression gives that is no answer to its question is left out, and so is an expression that fails: nobody is
    /// kept from answering by it.
    pub fn prefill(&self, record: &[Value], now: Millis) -> BTreeMap<String, Prefilled> {
        let entries = record.iter().take(RECORD_MAX);
        let entries: Vec<Value> = entries.map(|it| json!({ "resource": it })).collect();
        let bundle =
            json!({ "resourceType": "Bundle", "type": "collection", "entry": entries }).to_string();
        let parsed = parse(bundle.as_bytes(), &Limits::default()).ok();
        let mut prefilled = BTreeMap::new();
        for question in self.questions.iter().filter(|it| it.sort.asks()) {
            let of_record = parsed
                .as_ref()
                .and_then(|it| from_record(question, it, now));
            if let Some(found) = of_record.or_else(|| own(question)) {
                prefilled.insert(question.link.clone(), found);
            }
        }
        prefilled
    }

    /// Whether anything of the record is asked for.
    pub fn wants_record(&self) -> bool {
        self.questions.iter().any(|it| !it.expression.is_empty())
    }

    /// Whether an expression speaks of that resource type.
    pub fn wants(&self, ty: &str) -> bool {
        self.questions.iter().any(|it| it.expression.contains(ty))
    }
}

fn own(question: &Question) -> Option<Prefilled> {
    let mut answers: Vec<Value> = Vec::new();
    for initial in &question.initial {
        let (_, value) = answer::value(initial)?;
        answers.extend(fitted(question, value));
    }
    kept(question, answers, Source::Form)
}

fn from_record(question: &Question, bundle: &Json<'_>, now: Millis) -> Option<Prefilled> {
    if question.expression.is_empty() {
        return None;
    }
    let definitions = Definitions::r4();
    let written = with_variables(&question.expression);
    let expression = Expression::compile(&written, definitions).ok()?;
    let context = Context {
        now,
        steps_max: STEPS_MAX,
        ..Context::of(Node::resource(bundle, definitions)?)
    };
    let found = expression.evaluate(&context, definitions).ok()?;
    let mut source = Source::Record;
    let mut answers = Vec::new();
    for (at, value) in found.iter().enumerate() {
        if at == 0 {
            source = origin(value, bundle, question);
        }
        answers.extend(plain(value).and_then(|it| fitted(question, &it)));
    }
    kept(question, answers, source)
}

fn kept(question: &Question, mut answers: Vec<Value>, source: Source) -> Option<Prefilled> {
    answers.retain(|it| answer::check(question, it).is_ok());
    answers.truncate(if question.takes_several() {
        ANSWERS_MAX
    } else {
        1
    });
    (!answers.is_empty()).then_some(Prefilled { answers, source })
}

/// The variables as FHIRPath over the Bundle; not inside texts.
fn with_variables(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len() + 64);
    let mut rest = expression;
    let mut quote: Option<char> = None;
    while let Some(first) = rest.chars().next() {
        let replaced = [
            (
                "%patient",
                "%resource.entry.resource.ofType(Patient).first()",
            ),
            ("%context", "%resource.entry.resource"),
        ];
        let variable = replaced.iter().find(|(name, _)| {
            let after = rest.strip_prefix(name);
            quote.is_none()
                && after.is_some_and(|it| !it.starts_with(|next: char| next.is_alphanumeric()))
        });
        if let Some((name, with)) = variable {
            out.push_str(with);
            rest = rest.get(name.len()..).unwrap_or_default();
            continue;
        }
        let mut length = first.len_utf8();
        match (quote, first) {
            (Some(_), '\\') => {
                length += rest.chars().nth(1).map_or(0, char::len_utf8);
            }
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '`' | '"') => quote = Some(first),
            _ => {}
        }
        out.push_str(rest.get(..length).unwrap_or_default());
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// Which entry a value stands in.
fn origin(value: &fhirpath::Value<'_>, bundle: &Json<'_>, question: &Question) -> Source {
    let node = value.as_node().and_then(|it| it.json);
    let entries = bundle
        .items("entry")
        .iter()
        .filter_map(|it| it.get("resource"));
    let found = node.and_then(|node| {
        let mut entries = entries;
        entries.find(|it| contains(it, node))
    });
    let Some(entry) = found else {
        return match question.expression.contains("%context") {
            true => Source::Record,
            false => Source::Details,
        };
    };
    match entry.text("resourceType").unwrap_or_default() {
        "Patient" => Source::Details,
        ty => Source::Entry {
            ty: ty.to_owned(),
            date: dated(entry),
        },
    }
}

fn contains(holder: &Json<'_>, wanted: &Json<'_>) -> bool {
    let mut open = vec![holder];
    while let Some(at) = open.pop() {
        if std::ptr::eq(
            std::ptr::from_ref(at).cast::<u8>(),
            std::ptr::from_ref(wanted).cast::<u8>(),
        ) {
            return true;
        }
        match at {
            Json::Array(items) => open.extend(items),
            Json::Object(members) => open.extend(members.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    false
}

fn dated(entry: &Json<'_>) -> String {
    let names = [
        "effectiveDateTime",
        "onsetDateTime",
        "recordedDate",
        "dateAsserted",
        "issued",
        "authoredOn",
    ];
    let mut dates = names.iter().filter_map(|it| entry.text(it));
    dates.next().unwrap_or_default().to_owned()
}

pub(super) fn plain(value: &fhirpath::Value<'_>) -> Option<Value> {
    match value {
        fhirpath::Value::Node(node) => serde_json::from_slice(&node.json?.to_bytes()).ok(),
        fhirpath::Value::Bool(value) => Some((*value).into()),
        fhirpath::Value::Integer(value) => Some((*value).into()),
        fhirpath::Value::Decimal(value) => serde_json::from_str(&value.to_string()).ok(),
        fhirpath::Value::Text(text) => Some(text.as_ref().into()),
        fhirpath::Value::Moment(moment) => {
            Some(moment.to_string().trim_start_matches(['@', 'T']).into())
        }
        fhirpath::Value::Quantity(quantity) => {
            let value: Value = serde_json::from_str(&quantity.value.to_string()).ok()?;
            Some(json!({ "value": value }))
        }
        fhirpath::Value::Type(..) => None,
    }
}

/// A value of the record as an answer to that question, if it is one.
pub(super) fn fitted(question: &Question, value: &Value) -> Option<Value> {
    let member = question.sort.member();
    let fits = |value: Value| Some(json!({ member: value }));
    match question.sort {
        Sort::Boolean => value.as_bool().and_then(|it| fits(it.into())),
        Sort::Integer => value.as_i64().and_then(|it| fits(it.into())),
        Sort::Decimal => {
            let number = value.get("value").unwrap_or(value);
            number.is_number().then(|| number.clone()).and_then(fits)
        }
        Sort::Quantity => quantity(question, value),
        Sort::Date => {
            let day = value.as_str()?.split('T').next()?.to_owned();
            crate::date::span(&day)?;
            fits(day.into())
        }
        Sort::DateTime => {
            crate::date::span(value.as_str()?)?;
            fits(value.clone())
        }
        Sort::Time => answer::read(question, value.as_str()?.get(..8)?).ok(),
        Sort::String | Sort::Text => fits(words(value)?.into()),
        Sort::Url => answer::read(question, value.as_str()?).ok(),
        Sort::Choice | Sort::OpenChoice => {
            let codings = std::iter::once(value).chain(each(value, "/coding"));
            for coding in codings {
                let mut choices = question.choices.iter();
                let asked = json!({ "valueCoding": coding });
                let found = choices.find(|it| {
                    let code = text(&it.answer, "/valueCoding/code");
                    let is_text = value
                        .as_str()
                        .is_some_and(|it| !it.is_empty() && it == code);
                    let of_plain = answer::value(&it.answer).is_some_and(|(_, it)| it == value);
                    is_text || of_plain || (coding.is_object() && answer::same(&it.answer, &asked))
                });
                if let Some(found) = found {
                    return Some(found.answer.clone());
                }
            }
            let is_open = question.sort == Sort::OpenChoice;
            is_open
                .then(|| words(value))
                .flatten()
                .map(|it| json!({ "valueString": it }))
        }
        Sort::Group | Sort::Display => None,
    }
}

fn quantity(question: &Question, value: &Value) -> Option<Value> {
    let number = value.get("value").filter(|it| it.is_number())?;
    // "Less than 5" is not 5.
    if value.get("comparator").is_some() {
        return None;
    }
    let mut made = json!({ "value": number });
    match question.units.is_empty() {
        true => {
            for member in ["unit", "system", "code"] {
                if let Some(said) = value.get(member) {
                    set(&mut made, member, said.clone());
                }
            }
        }
        false => {
            let mut units = question.units.iter();
            let unit = units.find(|it| text(it, "/code") == text(value, "/code"))?;
            set(&mut made, "unit", text(unit, "/display").into());
            for member in ["system", "code"] {
                if let Some(said) = unit.get(member) {
                    set(&mut made, member, said.clone());
                }
            }
        }
    }
    Some(json!({ "valueQuantity": made }))
}

/// A value as words: a text, or what a coded thing is called.
fn words(value: &Value) -> Option<String> {
    let first = each(value, "/coding").next();
    let said = match value {
        Value::String(said) => said.clone(),
        Value::Number(number) => number.to_string(),
        Value::Object(_) => {
            let coding = first.map_or("", |it| text(it, "/display"));
            let names = [text(value, "/text"), text(value, "/display"), coding];
            names.into_iter().find(|it| !it.is_empty())?.to_owned()
        }
        _ => return None,
    };
    (!said.trim().is_empty()).then_some(said)
}
