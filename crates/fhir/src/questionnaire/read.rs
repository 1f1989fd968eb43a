//! A Questionnaire is read.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{
    ANSWER_CHARS_MAX, Choice, Control, Form, Operator, Question, Range, Sort, When, Words, answer,
    calculate, words,
};
use crate::members::{each, text};
use crate::problem::{Kind, Problem};

/// Items of a form at most: a page with more cannot be looked over.
pub const QUESTIONS_MAX: usize = 200;
/// Items inside each other.
pub const DEPTH_MAX: usize = 8;
/// Answers to choose among, of one question.
pub const CODINGS_MAX: usize = 200;
const WHEN_MAX: usize = 20;
const TEXT_CHARS_MAX: usize = 8_000;

const HIDDEN: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-hidden";
const CONTROL: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl";
const UNIT: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit";
const UNIT_OPTION: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-unitOption";
const MIN: &str = "http://hl7.org/fhir/StructureDefinition/minValue";
const MAX: &str = "http://hl7.org/fhir/StructureDefinition/maxValue";
const PLACES: &str = "http://hl7.org/fhir/StructureDefinition/maxDecimalPlaces";
const INITIAL: &str =
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-initialExpression";
const CALCULATED: &str =
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression";
const ORDINAL: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";

impl Form {
    /// Reads a Questionnaire.
    ///
    /// # Errors
    /// `Structure`, `Required`, `Value`, `NotSupported` or `TooLong`, each naming the item by its linkId.
    pub fn read(questionnaire: &Value) -> Result<Form, Problem> {
        if text(questionnaire, "/resourceType") != "Questionnaire" {
            return Err(Problem::new(
                Kind::Structure,
                "This is not a Questionnaire.",
            ));
        }
        let mut reader = Reader {
            contained: each(questionnaire, "/contained").collect(),
            ..Reader::default()
        };
        reader.items(questionnaire, None, 0)?;
        reader.conditions_name_questions()?;
        if !reader.questions.iter().any(|it| it.sort.asks()) {
            return Err(Problem::new(
                Kind::Required,
                "The Questionnaire asks nothing.",
            ));
        }
        Ok(Form {
            id: text(questionnaire, "/id").to_owned(),
            url: text(questionnaire, "/url").to_owned(),
            version: text(questionnaire, "/version").to_owned(),
            language: words::language(questionnaire),
            title: words::title(questionnaire).to_owned(),
            titles: words::of(questionnaire, "title"),
            description: text(questionnaire, "/description").to_owned(),
            descriptions: words::of(questionnaire, "description"),
            status: text(questionnaire, "/status").to_owned(),
            questions: reader.questions,
        })
    }
}

#[derive(Default)]
struct Reader<'q> {
    questions: Vec<Question>,
    links: HashSet<String>,
    /// The resources inside the Questionnaire.
    contained: Vec<&'q Value>,
}

impl Reader<'_> {
    fn items(
        &mut self,
        holder: &Value,
        parent: Option<usize>,
        depth: usize,
    ) -> Result<(), Problem> {
        for item in each(holder, "/item") {
            if depth >= DEPTH_MAX {
                let message = format!("Items stand more than {DEPTH_MAX} deep inside each other.");
                return Err(refused(Kind::TooLong, &message, text(item, "/linkId")));
            }
            if self.questions.len() >= QUESTIONS_MAX {
                let message = format!("The Questionnaire has more than {QUESTIONS_MAX} items.");
                return Err(refused(Kind::TooLong, &message, text(item, "/linkId")));
            }
            let mut question = question(item, parent, depth)?;
            if let Some(id) = text(item, "/answerValueSet").strip_prefix('#') {
                question.choices = self.listed(id, &question.link)?;
                question.value_set = String::new();
                question.control = wanted(item).unwrap_or_else(|| control_for(&question));
            }
            if !self.links.insert(question.link.clone()) {
                let message = "The linkId stands there twice.";
                return Err(refused(Kind::Value, message, &question.link));
            }
            let at = self.questions.len();
            question.name = format!("q{at}");
            // One that stands in another is filled in once in each copy of that.
            let is_group = question.sort == Sort::Group && !question.hidden;
            question.copies = is_group && question.repeats && !self.in_copies(parent);
            self.questions.push(question);
            self.items(item, Some(at), depth + 1)?;
        }
        Ok(())
    }

    /// Whether what stands there stands in a group that can be filled in more than once.
    fn in_copies(&self, parent: Option<usize>) -> bool {
        let of = |place: Option<usize>| place.and_then(|it| self.questions.get(it));
        std::iter::successors(of(parent), |it| of(it.parent)).any(|it| it.copies)
    }

    /// The answers that a value set inside the Questionnaire lists.
    fn listed(&self, id: &str, link: &str) -> Result<Vec<Choice>, Problem> {
        let mut contained = self.contained.iter();
        let found =
            contained.find(|it| text(it, "/resourceType") == "ValueSet" && text(it, "/id") == id);
        let Some(value_set) = found else {
            let message = "The value set inside the Questionnaire is not there.";
            return Err(refused(Kind::Value, message, link));
        };
        let mut choices = Vec::new();
        for include in each(value_set, "/compose/include") {
            let concepts = each(include, "/concept");
            let system = text(include, "/system");
            choices.extend(concepts.map(|it| Choice {
                labels: words::of(it, "display"),
                ..Choice::coding(system, text(it, "/code"), text(it, "/display"))
            }));
        }
        match choices.len() {
            0 => {
                let message =
                    "A value set inside the Questionnaire that lists no codes is not supported.";
                Err(refused(Kind::NotSupported, message, link))
            }
            many if many > CODINGS_MAX => {
                let message =
                    format!("The item has more than {CODINGS_MAX} answers to choose among.");
                Err(refused(Kind::TooLong, &message, link))
            }
            _ => Ok(choices),
        }
    }

    fn conditions_name_questions(&self) -> Result<(), Problem> {
        for question in &self.questions {
            let mut when = question.when.iter();
            if let Some(stray) = when.find(|it| !self.links.contains(&it.question)) {
                let message = format!("An enableWhen names no item here: {}.", stray.question);
                return Err(refused(Kind::Value, &message, &question.link));
            }
        }
        Ok(())
    }
}

fn refused(kind: Kind, message: &str, link: &str) -> Problem {
    let link: String = link.chars().take(100).collect();
    Problem::new(kind, message).at(format!("Questionnaire.item(linkId={link})"))
}

fn question(item: &Value, parent: Option<usize>, depth: usize) -> Result<Question, Problem> {
    let link = text(item, "/linkId");
    if link.is_empty() || link.chars().count() > 255 {
        let message = "Each item needs a linkId of at most 255 characters.";
        return Err(refused(Kind::Required, message, text(item, "/text")));
    }
    let sort = sort(text(item, "/type"), link)?;
    let own: String = text(item, "/text").chars().take(TEXT_CHARS_MAX).collect();
    let flag = |place: &str| {
        item.pointer(place)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    };
    let value_set = text(item, "/answerValueSet");
    let calculated = calculated(item, sort, link)?;
    let mut question = Question {
        link: link.to_owned(),
        name: String::new(),
        parent,
        depth,
        sort,
        prefix: text(item, "/prefix").to_owned(),
        prefixes: words::of(item, "prefix"),
        text: own,
        texts: words::of(item, "text"),
        required: flag("/required") && sort.asks(),
        repeats: flag("/repeats"),
        copies: false,
        read_only: flag("/readOnly") || !calculated.is_empty(),
        hidden: extension(item, HIDDEN)
            .is_some_and(|it| it.get("valueBoolean") == Some(&true.into())),
        max_length: max_length(item),
        max_places: extension(item, PLACES)
            .and_then(|it| it.get("valueInteger")?.as_u64())
            .and_then(|it| u32::try_from(it).ok()),
        range: Range {
            min: extension(item, MIN).and_then(|it| answer::of_holder(it, "value")),
            max: extension(item, MAX).and_then(|it| answer::of_holder(it, "value")),
        },
        choices: choices(item, link)?,
        value_set: value_set.to_owned(),
        control: Control::Radios,
        units: units(item),
        initial: initial(item),
        expression: expression(item, link)?,
        calculated,
        when: conditions(item, link)?,
        all: text(item, "/enableBehavior") == "all",
    };
    question.control = match wanted(item) {
        Some(control) => control,
        None => control_for(&question),
    };
    Ok(question)
}

fn sort(code: &str, link: &str) -> Result<Sort, Problem> {
    Ok(match code {
        "group" => Sort::Group,
        "display" => Sort::Display,
        "boolean" => Sort::Boolean,
        "decimal" => Sort::Decimal,
        "integer" => Sort::Integer,
        "date" => Sort::Date,
        "dateTime" => Sort::DateTime,
        "time" => Sort::Time,
        "string" => Sort::String,
        "text" => Sort::Text,
        "url" => Sort::Url,
        "choice" => Sort::Choice,
        "open-choice" => Sort::OpenChoice,
        "quantity" => Sort::Quantity,
        "attachment" | "reference" => {
            let message = format!("Questions of type {code} cannot be answered here.");
            return Err(refused(Kind::NotSupported, &message, link));
        }
        "" => return Err(refused(Kind::Required, "The item has no type.", link)),
        _ => {
            return Err(refused(
                Kind::Value,
                "The item's type is none of R4's.",
                link,
            ));
        }
    })
}

fn extension<'v>(item: &'v Value, url: &str) -> Option<&'v Value> {
    each(item, "/extension").find(|it| text(it, "/url") == url)
}

fn max_length(item: &Value) -> usize {
    let said = item.get("maxLength").and_then(Value::as_u64);
    let said = said.and_then(|it| usize::try_from(it).ok());
    said.unwrap_or(ANSWER_CHARS_MAX).min(ANSWER_CHARS_MAX)
}

fn choices(item: &Value, link: &str) -> Result<Vec<Choice>, Problem> {
    let mut choices = Vec::new();
    for option in each(item, "/answerOption") {
        let Some(mut answer) = answer::of_holder(option, "value") else {
            continue;
        };
        scored(&mut answer, option);
        if answer.get("valueReference").is_some() {
            let message = "Answers that are references are not supported.";
            return Err(refused(Kind::NotSupported, message, link));
        }
        if choices.len() >= CODINGS_MAX {
            let message = format!("The item has more than {CODINGS_MAX} answers to choose among.");
            return Err(refused(Kind::TooLong, &message, link));
        }
        let label = answer::display(&answer);
        let labels = match option.get("valueCoding") {
            Some(coding) => words::of(coding, "display"),
            None => words::of(option, "valueString"),
        };
        choices.push(Choice {
            answer,
            label,
            labels,
        });
    }
    Ok(choices)
}

/// The score of an answer stands in its coding, where expressions look for it; some write it beside.
fn scored(answer: &mut Value, option: &Value) {
    let score = extension(option, ORDINAL).cloned();
    let coding = answer.get_mut("valueCoding").filter(|it| it.is_object());
    if let (Some(score), Some(coding)) = (score, coding)
        && extension(coding, ORDINAL).is_none()
    {
        let mut all: Vec<Value> = each(coding, "/extension").cloned().collect();
        all.push(score);
        crate::members::set(coding, "extension", Value::Array(all));
    }
}

/// By what an answer is worked out.
fn calculated(item: &Value, sort: Sort, link: &str) -> Result<String, Problem> {
    let Some(found) = extension(item, CALCULATED) else {
        return Ok(String::new());
    };
    let refuse = |message: String| Err(refused(Kind::NotSupported, &message, link));
    if !sort.asks() {
        return refuse("A calculatedExpression stands at a question.".to_owned());
    }
    if text(found, "/valueExpression/language") != "text/fhirpath" {
        return refuse(
            "A calculatedExpression is written in FHIRPath here (text/fhirpath).".to_owned(),
        );
    }
    let expression = text(found, "/valueExpression/expression");
    match calculate::check(expression) {
        Ok(()) => Ok(expression.to_owned()),
        Err(why) => refuse(format!("A calculatedExpression does not read: {why}.")),
    }
}

fn units(item: &Value) -> Vec<Value> {
    let units = each(item, "/extension");
    let units = units.filter(|it| [UNIT, UNIT_OPTION].contains(&text(it, "/url")));
    let codings = units.filter_map(|it| it.get("valueCoding").cloned());
    codings.take(CODINGS_MAX).collect()
}

fn initial(item: &Value) -> Vec<Value> {
    let given = each(item, "/initial").filter_map(|it| answer::of_holder(it, "value"));
    let chosen = each(item, "/answerOption")
        .filter(|it| it.get("initialSelected") == Some(&Value::Bool(true)))
        .filter_map(|it| answer::of_holder(it, "value"));
    given.chain(chosen).take(super::ANSWERS_MAX).collect()
}

fn expression(item: &Value, link: &str) -> Result<String, Problem> {
    let Some(found) = extension(item, INITIAL) else {
        return Ok(String::new());
    };
    match text(found, "/valueExpression/language") {
        "text/fhirpath" => Ok(text(found, "/valueExpression/expression").to_owned()),
        _ => {
            let message = "An initialExpression is written in FHIRPath here (text/fhirpath).";
            Err(refused(Kind::NotSupported, message, link))
        }
    }
}

fn conditions(item: &Value, link: &str) -> Result<Vec<When>, Problem> {
    let mut conditions = Vec::new();
    for when in each(item, "/enableWhen") {
        if conditions.len() >= WHEN_MAX {
            let message = format!("The item has more than {WHEN_MAX} conditions.");
            return Err(refused(Kind::TooLong, &message, link));
        }
        let operator = match text(when, "/operator") {
            "exists" => Operator::Exists,
            "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" => Operator::GreaterOrEqual,
            "<=" => Operator::LessOrEqual,
            _ => {
                let message = "An enableWhen has an operator that is none of R4's.";
                return Err(refused(Kind::Value, message, link));
            }
        };
        let Some(answer) = answer::of_holder(when, "answer") else {
            return Err(refused(
                Kind::Required,
                "An enableWhen has no answer.",
                link,
            ));
        };
        if answer.get("valueReference").is_some() {
            let message = "Conditions on references are not supported.";
            return Err(refused(Kind::NotSupported, message, link));
        }
        conditions.push(When {
            question: text(when, "/question").to_owned(),
            operator,
            answer,
        });
    }
    Ok(conditions)
}

/// How the Questionnaire wants it to be shown.
fn wanted(item: &Value) -> Option<Control> {
    let control = extension(item, CONTROL)?;
    let mut codes = each(control, "/valueCodeableConcept/coding").map(|it| text(it, "/code"));
    codes.find_map(|code| match code {
        "radio-button" => Some(Control::Radios),
        "drop-down" => Some(Control::DropDown),
        "check-box" => Some(Control::CheckBoxes),
        _ => None,
    })
}

/// How it is shown where nothing is said: a long list is a drop-down.
pub(super) fn control_for(question: &Question) -> Control {
    match (question.repeats, question.choices.len() > 10) {
        (true, _) => Control::CheckBoxes,
        (false, true) => Control::DropDown,
        (false, false) => Control::Radios,
    }
}

/// A coded answer.
impl Choice {
    pub fn coding(system: &str, code: &str, display: &str) -> Choice {
        let mut coding = json!({ "code": code, "display": display });
        if !system.is_empty() {
            crate::members::set(&mut coding, "system", system.into());
        }
        Choice {
            answer: json!({ "valueCoding": coding }),
            label: match display {
                "" => code.to_owned(),
                display => display.to_owned(),
            },
            labels: Words::new(),
        }
    }
}
