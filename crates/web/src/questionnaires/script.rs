//! What the script knows that shows and hides questions at once.

use fhir::questionnaire::{Form, Operator, Question, Sort, same};
use serde_json::{Value, json};

/// The conditions in the words of fields, for the script: which question is shown when.
pub(super) fn rules(form: &Form) -> String {
    let place = |link: &str| form.questions.iter().position(|it| it.link == link);
    let questions = form.questions.iter().map(|question| {
        let when = question.when.iter().filter_map(|when| {
            let at = place(&when.question)?;
            let asked = form.questions.get(at)?;
            Some(json!({ "q": at, "op": operator(when.operator), "v": field_value(asked, &when.answer) }))
        });
        json!({
            "name": question.name,
            "parent": question.parent,
            "all": question.all,
            "when": when.collect::<Vec<_>>(),
        })
    });
    Value::Array(questions.collect()).to_string()
}

fn operator(operator: Operator) -> &'static str {
    match operator {
        Operator::Exists => "exists",
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Greater => ">",
        Operator::Less => "<",
        Operator::GreaterOrEqual => ">=",
        Operator::LessOrEqual => "<=",
    }
}

/// An answer as its question's field has it.
fn field_value(question: &Question, answer: &Value) -> Value {
    if let Some(yes) = answer.get("valueBoolean").and_then(Value::as_bool) {
        return match question.sort {
            Sort::Boolean => (if yes { "yes" } else { "no" }).into(),
            _ => yes.into(),
        };
    }
    match question.sort {
        Sort::Choice | Sort::OpenChoice => {
            let found = question
                .choices
                .iter()
                .position(|it| same(&it.answer, answer));
            found.map_or(Value::Null, |it| it.to_string().into())
        }
        Sort::Quantity => answer
            .pointer("/valueQuantity/value")
            .cloned()
            .unwrap_or_default(),
        _ => {
            let values = answer.as_object().and_then(|it| it.values().next());
            values.cloned().unwrap_or_default()
        }
    }
}
