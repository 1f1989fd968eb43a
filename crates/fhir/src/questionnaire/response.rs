//! A QuestionnaireResponse is made of answers, and read into them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::{Answers, DEPTH_MAX, Form, Question};
use crate::members::{each, set, text};

/// The extension of an item whose answer is what it was prefilled with; its text says where that came from.
pub const PREFILLED: &str = "urn:handover:prefilled";
/// The system of a response's identifier, which is the id of the Task that asked for it.
pub const TASK: &str = "urn:handover:questionnaire-task";
/// Items of a response that are looked at.
const ITEMS_MAX: usize = 4_000;

/// What a response says beside the answers.
#[derive(Clone, Debug)]
pub struct Head<'h> {
    pub id: &'h str,
    /// `completed`, or `amended` where it was changed after that.
    pub status: &'h str,
    /// The id of the Task that asked for it.
    pub task: &'h str,
    pub patient: &'h str,
    /// Who wrote it down, and whose answers they are: references or names.
    pub author: Value,
    pub source: Value,
    /// An instant.
    pub authored: &'h str,
}

impl Form {
    /// The response. `prefilled` says of questions whose answer stands as it was prefilled where that came from.
    pub fn response(
        &self,
        head: &Head<'_>,
        answers: &Answers,
        prefilled: &BTreeMap<String, String>,
    ) -> Value {
        let mut response = json!({
            "resourceType": "QuestionnaireResponse",
            "id": head.id,
            "questionnaire": self.canonical(),
            "status": head.status,
            "subject": { "reference": format!("Patient/{}", head.patient) },
            "authored": head.authored,
            "author": head.author,
            "source": head.source,
        });
        let identifier = json!({ "system": TASK, "value": head.task });
        set(&mut response, "identifier", identifier);
        let items = self.items(None, answers, prefilled);
        if !items.is_empty() {
            set(&mut response, "item", Value::Array(items));
        }
        response
    }

    pub(super) fn items(
        &self,
        parent: Option<usize>,
        answers: &Answers,
        prefilled: &BTreeMap<String, String>,
    ) -> Vec<Value> {
        let own = self.questions.iter().enumerate();
        let own = own.filter(|(_, it)| it.parent == parent);
        own.filter_map(|(place, question)| {
            // The depth of a form that was read is bounded.
            let below = self.items(Some(place), answers, prefilled);
            item(question, below, answers, prefilled)
        })
        .collect()
    }
}

fn item(
    question: &Question,
    below: Vec<Value>,
    answers: &Answers,
    prefilled: &BTreeMap<String, String>,
) -> Option<Value> {
    let mut item = json!({ "linkId": question.link_id() });
    if !question.text.is_empty() {
        set(&mut item, "text", question.text.clone().into());
    }
    if !question.sort.asks() {
        set(&mut item, "item", Value::Array(below.clone()));
        return (!below.is_empty()).then_some(item);
    }
    let mut given = answers.get(&question.link)?.clone();
    if let Some(first) = given.first_mut()
        && !below.is_empty()
    {
        set(first, "item", Value::Array(below));
    }
    if let Some(source) = prefilled.get(&question.link) {
        let mark = json!([{ "url": PREFILLED, "valueString": source }]);
        set(&mut item, "extension", mark);
    }
    set(&mut item, "answer", Value::Array(given));
    Some(item)
}

/// What a response says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answered {
    pub answers: Answers,
    /// Where an answer stands as it was prefilled: from where.
    pub prefilled: BTreeMap<String, String>,
    /// Questions that several copies of their group answer.
    pub many: HashSet<String>,
    /// Items that are not the Questionnaire's, or not in their place.
    pub faults: Vec<(String, Fault)>,
}

impl Answered {
    /// Reads a response to that form, which has the copies of its groups (`Form::copied_for`).
    pub fn read(form: &Form, response: &Value) -> Answered {
        let mut read = Answered::default();
        let mut left = ITEMS_MAX;
        read.items(form, (response, None), 0, &mut left);
        read
    }

    fn items(
        &mut self,
        form: &Form,
        (holder, parent): (&Value, Option<usize>),
        depth: usize,
        left: &mut usize,
    ) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for item in each(holder, "/item") {
            let link = text(item, "/linkId");
            if *left == 0 || depth > DEPTH_MAX {
                self.faults
                    .push((link.to_owned(), Fault::TooMany(ITEMS_MAX)));
                return;
            }
            *left -= 1;
            let before = seen.entry(link).or_default();
            let questions = form.questions.iter().enumerate();
            let own = questions.filter(|(_, it)| it.link_id() == link && it.parent == parent);
            let own: Vec<(usize, &Question)> = own.collect();
            // Of more copies than there may be here the rest stand with the last.
            let Some((place, question)) = own.get(*before).or(own.last()).copied() else {
                self.faults.push((link.to_owned(), Fault::Unknown));
                continue;
            };
            *before += 1;
            if *before > own.len() {
                match question.repeats && !question.sort.asks() {
                    true => self.several(form, place),
                    false => self.faults.push((link.to_owned(), Fault::TooMany(1))),
                }
            }
            self.one(question, item);
            self.items(form, (item, Some(place)), depth + 1, left);
            for answer in each(item, "/answer") {
                self.items(form, (answer, Some(place)), depth + 1, left);
            }
        }
    }

    fn one(&mut self, question: &Question, item: &Value) {
        let answers: Vec<Value> = each(item, "/answer")
            .filter_map(answer::value)
            .map(|(member, value)| json!({ member: value }))
            .collect();
        if answers.is_empty() {
            return;
        }
        let own = self.answers.entry(question.link.clone()).or_default();
        own.extend(answers);
        let mark = each(item, "/extension").find(|it| text(it, "/url") == PREFILLED);
        if let Some(mark) = mark {
            let source = text(mark, "/valueString").to_owned();
            self.prefilled.insert(question.link.clone(), source);
        }
    }

    /// Notes that a group stands there several times.
    fn several(&mut self, form: &Form, place: usize) {
        let mut groups = HashSet::from([place]);
        for (at, question) in form.questions.iter().enumerate() {
            if question.parent.is_some_and(|it| groups.contains(&it)) {
                groups.insert(at);
                self.many.insert(question.link.clone());
            }
        }
    }
}
