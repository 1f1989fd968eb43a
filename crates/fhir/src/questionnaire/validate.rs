//! Whether answers, or a QuestionnaireResponse, are as the Questionnaire wants them.

use std::collections::HashSet;

use serde_json::Value;

use super::answer::{self, Fault};
use super::{ANSWERS_MAX, Answered, Answers, Form, Question, Sort};
use crate::members::text;

impl Form {
    /// What is wrong with these answers, by the question's place in the list, in its order: one fault a question.
    pub fn faults(&self, answers: &Answers) -> Vec<(usize, Fault)> {
        self.faults_but(answers, &HashSet::new(), true)
    }

    /// `many` are questions that several copies of their group answer; what is missing counts only where `is_whole`.
    fn faults_but(
        &self,
        answers: &Answers,
        many: &HashSet<String>,
        is_whole: bool,
    ) -> Vec<(usize, Fault)> {
        let enabled = self.enabled(answers);
        let mut faults = Vec::new();
        for (place, question) in self.questions.iter().enumerate() {
            let is_asked = enabled.get(place).copied().unwrap_or(false);
            let given = answers.get(&question.link).map_or(&[][..], Vec::as_slice);
            let fault = match (is_asked, given.is_empty()) {
                (false, false) => Some(Fault::NotAsked),
                (false, true) => None,
                (true, true) if !is_whole => None,
                (true, true) => self.missing(place, question, answers),
                (true, false) => of(question, given, many.contains(&question.link)),
            };
            faults.extend(fault.map(|it| (place, it)));
        }
        faults
    }

    /// Why a question without an answer needs one.
    fn missing(&self, place: usize, question: &Question, answers: &Answers) -> Option<Fault> {
        let answered = |link: &str| answers.get(link).is_some_and(|it| !it.is_empty());
        let below = self.questions.iter().filter(|it| it.parent == Some(place));
        if question.sort.asks() && below.clone().any(|it| answered(&it.link)) {
            return Some(Fault::AnswerThisFirst);
        }
        // What stands below a question is asked with its answer.
        let parent = question.parent.and_then(|it| self.questions.get(it));
        let is_due = parent.is_none_or(|it| !it.sort.asks() || answered(&it.link));
        // Nobody can answer what is not shown or cannot be changed.
        (question.required && is_due && !question.is_fixed()).then_some(Fault::Missing)
    }
}

fn of(question: &Question, given: &[Value], is_many: bool) -> Option<Fault> {
    if !question.sort.asks() {
        return Some(Fault::WrongType);
    }
    let limit = if question.repeats || is_many {
        ANSWERS_MAX
    } else {
        1
    };
    if given.len() > limit {
        return Some(Fault::TooMany(limit));
    }
    given.iter().find_map(|it| one(question, it).err())
}

fn one(question: &Question, given: &Value) -> Result<(), Fault> {
    let (member, _) = answer::value(given).ok_or(Fault::WrongType)?;
    match question.sort {
        Sort::Choice | Sort::OpenChoice => {
            let is_listed = question
                .choices
                .iter()
                .any(|it| answer::same(&it.answer, given));
            let is_written = question.sort == Sort::OpenChoice && member == "valueString";
            // What a value set holds may not be known here.
            let is_unknown = question.choices.is_empty() && member == "valueCoding";
            if !is_listed && !is_written && !is_unknown {
                return Err(Fault::NotChoice);
            }
        }
        sort if member != sort.member() => return Err(Fault::WrongType),
        Sort::Quantity => {
            let code = |it: &Value, place: &str| text(it, place).to_owned();
            let own = code(given, "/valueQuantity/code");
            let is_listed = question.units.iter().any(|it| code(it, "/code") == own);
            if !question.units.is_empty() && !is_listed {
                return Err(Fault::NotUnit);
            }
        }
        _ => {}
    }
    answer::check(question, given)
}

/// What is wrong with a QuestionnaireResponse, by linkId.
pub fn conforms(form: &Form, response: &Value) -> Vec<(String, Fault)> {
    let form = &form.copied_for(response);
    let read = Answered::read(form, response);
    let is_whole = !matches!(
        text(response, "/status"),
        "in-progress" | "stopped" | "entered-in-error"
    );
    let mut faults = read.faults;
    let found = form.faults_but(&read.answers, &read.many, is_whole);
    let named = |(place, fault): (usize, Fault)| {
        let question = form.questions.get(place)?;
        Some((question.link_id().to_owned(), fault))
    };
    faults.extend(found.into_iter().filter_map(named));
    faults
}
