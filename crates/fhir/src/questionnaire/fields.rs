//! The fields of a form: how answers stand in them, and what they say.
//!
//! A question's fields are named by its place in the list: `q3`, and beside it `q3-day`, `q3-month`, `q3-year` for dates,
//! `q3-time`, `q3-unit` for quantities and `q3-other` for an answer that is none of the choices. Those of a further copy of a group
//! have its number: `q3_2`. The field of a group itself says how many copies there are.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::{ANSWERS_MAX, Answers, Form, Question, Sort};
use crate::date::Millis;
use crate::members::{set, text};

/// What stands in the fields of a form, by their names.
pub type Fields = BTreeMap<String, Vec<String>>;

/// What a form brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Posted {
    /// Of the questions that are asked.
    pub answers: Answers,
    /// What is wrong, by the question's place in the list, in its order.
    pub faults: Vec<(usize, Fault)>,
}

fn one<'f>(fields: &'f Fields, name: &str) -> &'f str {
    let found = fields.get(name).and_then(|it| it.first());
    found.map_or("", |it| it.trim())
}

impl Form {
    /// The fields of this form, as it was read, among others, each text cut to what an answer may have.
    pub fn own_fields<'f>(&self, given: impl Iterator<Item = (&'f str, &'f str)>) -> Fields {
        let mut own = Fields::new();
        for (name, text) in given {
            if self.place_of(name).is_none() {
                continue;
            }
            let texts: &mut Vec<String> = own.entry(name.to_owned()).or_default();
            if texts.len() < ANSWERS_MAX {
                let limit = super::ANSWER_CHARS_MAX + 1;
                texts.push(text.replace("\r\n", "\n").chars().take(limit).collect());
            }
        }
        own
    }

    /// What the fields say. `fixed` are the answers to questions that nobody may change here; `zone` gives the offset of a
    /// local date and time (`2026-05-03T09:30`), such as `+01:00`. What is worked out is so at `now`.
    pub fn read_fields(
        &self,
        fields: &Fields,
        fixed: &Answers,
        (zone, now): (&dyn Fn(&str) -> String, Millis),
    ) -> Posted {
        let mut posted = Posted::default();
        let mut unread: Vec<(usize, Fault)> = Vec::new();
        for (place, question) in self.questions.iter().enumerate() {
            if !question.sort.asks() {
                continue;
            }
            if question.is_fixed() {
                if let Some(answers) = fixed.get(&question.link) {
                    posted
                        .answers
                        .insert(question.link.clone(), answers.clone());
                }
                continue;
            }
            match answers_in(question, fields, zone) {
                Ok(answers) if answers.is_empty() => {}
                Ok(answers) => {
                    posted.answers.insert(question.link.clone(), answers);
                }
                Err(fault) => unread.push((place, fault)),
            }
        }
        self.calculate(&mut posted.answers, now);
        let enabled = self.enabled(&posted.answers);
        let asked = |place: &usize| enabled.get(*place).copied().unwrap_or(false);
        for (place, question) in self.questions.iter().enumerate() {
            if !asked(&place) {
                posted.answers.remove(&question.link);
            }
        }
        let mut faults: Vec<(usize, Fault)> =
            unread.into_iter().filter(|(it, _)| asked(it)).collect();
        for (place, fault) in self.faults(&posted.answers) {
            if !faults.iter().any(|(known, _)| *known == place) {
                faults.push((place, fault));
            }
        }
        faults.sort_by_key(|(place, _)| *place);
        posted.faults = faults;
        posted
    }

    /// The fields in which these answers stand. `local` gives an instant as a local date and time (`2026-05-03T09:30`).
    pub fn fields_of(&self, answers: &Answers, local: &dyn Fn(&str) -> String) -> Fields {
        let mut fields = Fields::new();
        for question in &self.questions {
            for answer in answers.get(&question.link).into_iter().flatten() {
                put(&mut fields, question, answer, local);
            }
        }
        self.count_copies(&mut fields);
        fields
    }
}

impl Question {
    /// Whether nobody may change its answer in a form.
    pub fn is_fixed(&self) -> bool {
        self.hidden || self.read_only
    }

    /// Whether several answers can be written: of dates, times, amounts and yes or no one is taken.
    pub fn takes_several(&self) -> bool {
        let one = [
            Sort::Boolean,
            Sort::Date,
            Sort::DateTime,
            Sort::Time,
            Sort::Quantity,
        ];
        self.repeats && !one.contains(&self.sort)
    }
}

fn answers_in(
    question: &Question,
    fields: &Fields,
    zone: &dyn Fn(&str) -> String,
) -> Result<Vec<Value>, Fault> {
    let name = question.name.as_str();
    match question.sort {
        Sort::Date | Sort::DateTime => {
            let Some(typed) = date(question, name, fields, zone)? else {
                return Ok(Vec::new());
            };
            Ok(vec![answer::read(question, &typed)?])
        }
        Sort::Quantity => quantity(question, name, fields),
        _ => {
            let typed = fields.get(name).into_iter().flatten();
            let typed = typed.map(|it| it.trim()).filter(|it| !it.is_empty());
            let limit = if question.takes_several() {
                ANSWERS_MAX
            } else {
                1
            };
            let mut answers: Vec<Value> = Vec::new();
            for typed in typed {
                // `other` is chosen where the field beside it says what.
                if question.sort == Sort::OpenChoice && typed == "other" {
                    continue;
                }
                let answer = answer::read(question, typed)?;
                if !answers.iter().any(|it| answer::same(it, &answer)) {
                    answers.push(answer);
                }
            }
            answers.extend(other(question, name, fields)?);
            match answers.len() > limit {
                true => Err(Fault::TooMany(limit)),
                false => Ok(answers),
            }
        }
    }
}

/// What was written instead of choosing.
fn other(question: &Question, name: &str, fields: &Fields) -> Result<Option<Value>, Fault> {
    let written = one(fields, &format!("{name}-other"));
    let is_chosen = fields
        .get(name)
        .into_iter()
        .flatten()
        .any(|it| it == "other");
    // Where one of the list was chosen, what stands in the other field is left over.
    let counts = is_chosen || question.repeats || one(fields, name).is_empty();
    if question.sort != Sort::OpenChoice || written.is_empty() || !counts {
        return match question.sort == Sort::OpenChoice && is_chosen {
            true => Err(Fault::Missing),
            false => Ok(None),
        };
    }
    let answer = json!({ "valueString": written });
    answer::check(question, &answer)?;
    Ok(Some(answer))
}

fn date(
    question: &Question,
    name: &str,
    fields: &Fields,
    zone: &dyn Fn(&str) -> String,
) -> Result<Option<String>, Fault> {
    let part = |of: &str| one(fields, &format!("{name}-{of}"));
    let (day, month, year, time) = (part("day"), part("month"), part("year"), part("time"));
    if [day, month, year, time].iter().all(|it| it.is_empty()) {
        return Ok(None);
    }
    let number = |text: &str| text.parse::<u16>().map_err(|_| Fault::NotDate);
    if year.len() != 4 {
        return Err(Fault::NotDate);
    }
    let year = number(year)?;
    let typed = match (day.is_empty(), month.is_empty()) {
        (true, true) => format!("{year:04}"),
        (true, false) => format!("{year:04}-{:02}", number(month)?),
        (false, _) => format!("{year:04}-{:02}-{:02}", number(month)?, number(day)?),
    };
    if time.is_empty() || question.sort == Sort::Date {
        return Ok(Some(typed));
    }
    if typed.len() != 10 || crate::date::span(&typed).is_none() {
        return Err(Fault::NotDate);
    }
    let moment = format!("{typed}T{time}");
    if time.len() != 5 || crate::date::span(&moment).is_none() {
        return Err(Fault::NotTime);
    }
    Ok(Some(format!("{moment}:00{}", zone(&moment))))
}

fn quantity(question: &Question, name: &str, fields: &Fields) -> Result<Vec<Value>, Fault> {
    let typed = one(fields, name);
    if typed.is_empty() {
        return Ok(Vec::new());
    }
    let number = answer::read(
        &Question {
            range: super::Range::default(),
            ..question.clone()
        },
        typed,
    )?;
    let mut quantity = json!({ "value": number.get("valueDecimal").cloned().unwrap_or_default() });
    let unit = one(fields, &format!("{name}-unit"));
    let coding = match question.units.as_slice() {
        [] => None,
        [only] => Some(only),
        several => {
            let at = unit.parse::<usize>().map_err(|_| Fault::NotUnit)?;
            Some(several.get(at).ok_or(Fault::NotUnit)?)
        }
    };
    match coding {
        Some(coding) => {
            let word = match text(coding, "/display") {
                "" => text(coding, "/code"),
                display => display,
            };
            set(&mut quantity, "unit", word.into());
            for member in ["system", "code"] {
                if let Some(value) = coding.get(member) {
                    set(&mut quantity, member, value.clone());
                }
            }
        }
        None if !unit.is_empty() => {
            set(
                &mut quantity,
                "unit",
                unit.chars().take(50).collect::<String>().into(),
            );
        }
        None => {}
    }
    let answer = json!({ "valueQuantity": quantity });
    answer::check(question, &answer)?;
    Ok(vec![answer])
}

fn put(fields: &mut Fields, question: &Question, given: &Value, local: &dyn Fn(&str) -> String) {
    let Some((member, value)) = answer::value(given) else {
        return;
    };
    let name = &question.name;
    let mut add = |part: &str, text: String| {
        let texts: &mut Vec<String> = fields.entry(format!("{name}{part}")).or_default();
        if texts.len() < ANSWERS_MAX && !text.is_empty() {
            texts.push(text);
        }
    };
    let words = || value.as_str().unwrap_or_default().to_owned();
    match question.sort {
        Sort::Choice | Sort::OpenChoice => {
            let mut choices = question.choices.iter();
            match choices.position(|it| answer::same(&it.answer, given)) {
                Some(at) => add("", at.to_string()),
                None if question.sort == Sort::OpenChoice => {
                    add("", "other".to_owned());
                    add("-other", answer::display(given));
                }
                None => {}
            }
        }
        Sort::Boolean => add(
            "",
            if value.as_bool() == Some(true) {
                "yes"
            } else {
                "no"
            }
            .to_owned(),
        ),
        Sort::Date | Sort::DateTime => {
            let written = match words() {
                moment if moment.contains('T') => local(&moment),
                date => date,
            };
            let (date, time) = written.split_once('T').unwrap_or((&written, ""));
            let mut parts = date.split('-');
            for part in ["-year", "-month", "-day"] {
                add(part, parts.next().unwrap_or_default().to_owned());
            }
            add("-time", time.get(..5).unwrap_or_default().to_owned());
        }
        Sort::Time => add("", words().get(..5).unwrap_or_default().to_owned()),
        Sort::Quantity => {
            add(
                "",
                value.get("value").map(Value::to_string).unwrap_or_default(),
            );
            let mut units = question.units.iter();
            let same = |it: &&Value| text(it, "/code") == text(value, "/code");
            match (question.units.is_empty(), units.position(|it| same(&it))) {
                (true, _) => add("-unit", text(value, "/unit").to_owned()),
                (false, Some(at)) => add("-unit", at.to_string()),
                (false, None) => {}
            }
        }
        _ if member == "valueString" || value.is_string() => add("", words()),
        _ => add("", value.to_string()),
    }
}
