//! Which questions are asked under which answers.

use super::{Answers, Form, Question, answer};

/// Rounds in which conditions on conditions settle; what has not settled then stays as it is.
const ROUNDS_MAX: usize = 10;

impl Form {
    /// Of each item whether it is asked. What stands in an item that is not asked is not asked either, and an answer to
    /// a question that is not asked counts for nothing.
    pub fn enabled(&self, answers: &Answers) -> Vec<bool> {
        let mut enabled = vec![true; self.questions.len()];
        for _ in 0..ROUNDS_MAX {
            let next = self.round(answers, &enabled);
            if next == enabled {
                break;
            }
            enabled = next;
        }
        enabled
    }

    fn round(&self, answers: &Answers, before: &[bool]) -> Vec<bool> {
        let mut next: Vec<bool> = Vec::with_capacity(before.len());
        for question in &self.questions {
            let parent = question.parent.and_then(|it| next.get(it).copied());
            next.push(parent.unwrap_or(true) && self.is_asked(question, answers, before));
        }
        next
    }

    fn is_asked(&self, question: &Question, answers: &Answers, before: &[bool]) -> bool {
        let mut holds = question.when.iter().map(|when| {
            let at = self
                .questions
                .iter()
                .position(|it| it.link == when.question);
            let counts = at.and_then(|it| before.get(it)).copied().unwrap_or(false);
            let given = answers.get(&when.question).filter(|_| counts);
            answer::meets(
                given.map_or(&[], Vec::as_slice),
                when.operator,
                &when.answer,
            )
        });
        match (question.when.is_empty(), question.all) {
            (true, _) => true,
            (false, true) => holds.all(|it| it),
            (false, false) => holds.any(|it| it),
        }
    }

    /// Whether answers to other questions decide about any question here.
    pub fn has_conditions(&self) -> bool {
        self.questions.iter().any(|it| !it.when.is_empty())
    }
}
