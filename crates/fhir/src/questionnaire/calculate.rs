//! Answers that are worked out of others: SDC's `calculatedExpression`
//! (<http://hl7.org/fhir/uv/sdc/behavior.html#calculatedExpression>), FHIRPath over the response as it would be handed in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::prefill::{fitted, plain};
use super::{ANSWERS_MAX, Answers, Form, Question, Sort, answer};
use crate::date::Millis;
use crate::definitions::Definitions;
use crate::fhirpath::{Context, Expression, Node};
use crate::json::{Json, Limits, parse};

/// Steps that one calculation may take, and the longest, in bytes.
const STEPS_MAX: u32 = 100_000;
pub(super) const EXPRESSION_BYTES_MAX: usize = 2_000;
/// Rounds in which calculations on calculations settle.
const ROUNDS_MAX: usize = 5;

/// Whether it reads.
///
/// # Errors
/// Why it does not.
pub(super) fn check(expression: &str) -> Result<(), String> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Err(format!("it has more than {EXPRESSION_BYTES_MAX} bytes"));
    }
    let compiled = Expression::compile(expression, Definitions::r4());
    compiled.map(|_| ()).map_err(|reason| reason.to_string())
}

impl Form {
    /// Puts what is worked out in the place of whatever stands there; only what is asked counts. A calculation that fails, or whose
    /// result is no answer to its question, leaves it without one.
    pub fn calculate(&self, answers: &mut Answers, now: Millis) {
        let calculated = self.questions.iter().filter(|it| !it.calculated.is_empty());
        let calculated: Vec<&Question> = calculated.collect();
        for question in &calculated {
            answers.remove(&question.link);
        }
        for _ in 0..ROUNDS_MAX {
            let mut next = answers.clone();
            let response = self.as_response(answers).to_string();
            let parsed = parse(response.as_bytes(), &Limits::default()).ok();
            for question in &calculated {
                let found = parsed.as_ref().and_then(|it| of(question, it, now));
                match found {
                    Some(found) => next.insert(question.link.clone(), found),
                    None => next.remove(&question.link),
                };
            }
            if next == *answers {
                return;
            }
            *answers = next;
        }
    }

    /// Whether any answer is worked out.
    pub fn calculates(&self) -> bool {
        self.questions.iter().any(|it| !it.calculated.is_empty())
    }

    /// The response that these answers would be, as far as they are asked.
    fn as_response(&self, answers: &Answers) -> Value {
        let enabled = self.enabled(answers);
        let mut asked = answers.clone();
        for (question, is_on) in self.questions.iter().zip(enabled) {
            if !is_on {
                asked.remove(&question.link);
            }
        }
        let items = self.items(None, &asked, &BTreeMap::new());
        let mut response =
            json!({ "resourceType": "QuestionnaireResponse", "status": "in-progress" });
        if !items.is_empty() {
            crate::members::set(&mut response, "item", Value::Array(items));
        }
        response
    }
}

fn of(question: &Question, response: &Json<'_>, now: Millis) -> Option<Vec<Value>> {
    let definitions = Definitions::r4();
    let expression = Expression::compile(&question.calculated, definitions).ok()?;
    let context = Context {
        now,
        steps_max: STEPS_MAX,
        ..Context::of(Node::resource(response, definitions)?)
    };
    let found = expression.evaluate(&context, definitions).ok()?;
    let values = found.iter().filter_map(plain);
    let answers = values.filter_map(|it| fitted(question, &whole(question, it)));
    let mut answers: Vec<Value> = answers.collect();
    answers.retain(|it| answer::check(question, it).is_ok());
    answers.truncate(if question.takes_several() {
        ANSWERS_MAX
    } else {
        1
    });
    (!answers.is_empty()).then_some(answers)
}

/// Scores are decimals (`ordinalValue`), and their sum is often asked for as a whole number.
fn whole(question: &Question, value: Value) -> Value {
    let text = value.to_string();
    match (question.sort, text.split_once('.')) {
        (Sort::Integer, Some((whole, rest))) if rest.bytes().all(|digit| digit == b'0') => {
            whole.parse::<i64>().map_or(value, Value::from)
        }
        _ => value,
    }
}
