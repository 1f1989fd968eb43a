//! Questionnaires (<https://hl7.org/fhir/R4/questionnaire.html>) as forms: a Questionnaire is read into a flat list of
//! questions, answers are held by linkId, what a form brings is read into answers or faults that name the question, and
//! answers become a QuestionnaireResponse (<https://hl7.org/fhir/R4/questionnaireresponse.html>) and come from one.
//!
//! Invariant: whatever the Questionnaire or the form says, reading ends: questions, depth, options, answers and their length
//! are bounded. Invariant: a response that was made here from answers without a fault conforms to its Questionnaire.

mod answer;
mod calculate;
mod copies;
mod enable;
mod fields;
mod prefill;
mod read;
mod response;
mod task;
mod validate;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fhirpath::Decimal;

pub use answer::{Fault, display, same};
pub use copies::COPIES_MAX;
pub use fields::{Fields, Posted};
pub use prefill::{Prefilled, Source};
pub use read::{CODINGS_MAX, DEPTH_MAX, QUESTIONS_MAX};
pub use response::{Answered, Head, PREFILLED, TASK};
pub use task::{Answerer, Ask, COMPLETE, SDC_TASKS, ask, task};
pub use validate::conforms;
pub use words::{Told, Words, title, title_for};

/// The most answers to one question that repeats.
pub const ANSWERS_MAX: usize = 20;
/// The longest answer, in characters, whatever a Questionnaire allows.
pub const ANSWER_CHARS_MAX: usize = 4_000;

/// Answers by the linkId of their question. Each is an object with one member, such as `{"valueInteger": 3}`.
pub type Answers = BTreeMap<String, Vec<Value>>;

/// What sort of question it is; the codes of <https://hl7.org/fhir/R4/valueset-item-type.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Group,
    Display,
    Boolean,
    Decimal,
    Integer,
    Date,
    DateTime,
    Time,
    String,
    Text,
    Url,
    Choice,
    OpenChoice,
    Quantity,
}

impl Sort {
    /// Whether it asks something.
    pub fn asks(self) -> bool {
        !matches!(self, Sort::Group | Sort::Display)
    }

    /// The member that an answer to it has; that of a choice is its option's.
    pub fn member(self) -> &'static str {
        match self {
            Sort::Boolean => "valueBoolean",
            Sort::Decimal => "valueDecimal",
            Sort::Integer => "valueInteger",
            Sort::Date => "valueDate",
            Sort::DateTime => "valueDateTime",
            Sort::Time => "valueTime",
            Sort::Url => "valueUri",
            Sort::Choice | Sort::OpenChoice => "valueCoding",
            Sort::Quantity => "valueQuantity",
            Sort::Group | Sort::Display | Sort::String | Sort::Text => "valueString",
        }
    }
}

/// How the answers of a choice are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Radios,
    DropDown,
    CheckBoxes,
}

/// One answer that can be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// As an answer has it: `{"valueCoding": …}`.
    pub answer: Value,
    pub label: String,
    /// The label in other languages.
    pub labels: Words,
}

/// One condition under which a question is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    /// The linkId of the question that it looks at.
    pub question: String,
    pub operator: Operator,
    /// As an answer has it.
    pub answer: Value,
}

/// How a condition looks at an answer (<https://hl7.org/fhir/R4/valueset-questionnaire-enable-operator.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Exists,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
}

/// The least and the greatest answer that is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Range {
    /// As an answer has them.
    pub min: Option<Value>,
    pub max: Option<Value>,
}

/// One item of a Questionnaire.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The linkId; of a further copy of a group, with a mark (`link_id` is without).
    pub link: String,
    /// The name of its fields in a form.
    pub name: String,
    /// The place in the list of the item that it stands in.
    pub parent: Option<usize>,
    /// 0 for items of the Questionnaire itself.
    pub depth: usize,
    pub sort: Sort,
    /// Its number or letter, where it has one, and its words.
    pub prefix: String,
    pub prefixes: Words,
    pub text: String,
    pub texts: Words,
    pub required: bool,
    pub repeats: bool,
    /// A group that can be filled in more than once here.
    pub copies: bool,
    pub read_only: bool,
    pub hidden: bool,
    /// In characters.
    pub max_length: usize,
    /// Digits after the point at most, for decimals.
    pub max_places: Option<u32>,
    pub range: Range,
    pub choices: Vec<Choice>,
    /// The canonical of the value set that holds the answers; empty where there is none.
    pub value_set: String,
    pub control: Control,
    /// Units of a quantity, as Codings; none where any may be written.
    pub units: Vec<Value>,
    pub initial: Vec<Value>,
    /// FHIRPath that says what it begins with; empty for nothing.
    pub expression: String,
    /// FHIRPath over the response that its answer is worked out by; empty for none. Nobody can change it then.
    pub calculated: String,
    pub when: Vec<When>,
    /// All of `when` have to hold; otherwise any.
    pub all: bool,
}

/// A Questionnaire, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    pub id: String,
    pub url: String,
    pub version: String,
    /// The language of its own words, such as `en`.
    pub language: String,
    pub title: String,
    pub titles: Words,
    pub description: String,
    pub descriptions: Words,
    pub status: String,
    /// In the order of the Questionnaire, each after the item that it stands in.
    pub questions: Vec<Question>,
}

impl Form {
    /// Its canonical, with the version where it has one.
    pub fn canonical(&self) -> String {
        match (self.url.as_str(), self.version.as_str()) {
            (url, "") => url.to_owned(),
            (url, version) => format!("{url}|{version}"),
        }
    }

    pub fn find(&self, link: &str) -> Option<&Question> {
        self.questions.iter().find(|it| it.link == link)
    }

    /// Gives a question the answers of its value set, which whoever holds terminology knows.
    pub fn offer(&mut self, value_set: &str, choices: &[Choice]) {
        for question in self
            .questions
            .iter_mut()
            .filter(|it| it.value_set == value_set)
        {
            question.choices = choices.to_vec();
            question.control = read::control_for(question);
        }
    }
}

/// A number in an answer.
fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Decimal::parse(&number.to_string()),
        _ => None,
    }
}
