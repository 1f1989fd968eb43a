//! Answers, faults and where an answer comes from, in the reader's language.

use fhir::date;
use fhir::members::text as at;
use fhir::questionnaire::{Fault, Form, Question, Source, Told, display};
use serde::Serialize;
use serde_json::Value;

use crate::page::tongue::Language;
use crate::page::words;
use crate::patient::appointments::text;

/// A moment of UK time (`2026-05-03T09:30`) as an offset from UTC.
pub(crate) fn zone(moment: &str) -> String {
    let (day, time) = moment.split_once('T').unwrap_or((moment, "00:00"));
    let told = words::moment_of(day, time);
    let plain = date::span(moment).map(|it| it.low);
    match (told, plain) {
        // UK time is never behind UTC.
        (Some(told), Some(plain)) if plain > told => "+01:00".to_owned(),
        _ => "Z".to_owned(),
    }
}

/// An instant as UK time (`2026-05-03T09:30`).
pub(crate) fn local(instant: &str) -> String {
    let there = date::span(instant).and_then(|it| words::there(it.low));
    there.map_or_else(
        || instant.to_owned(),
        |it| it.strftime("%Y-%m-%dT%H:%M").to_string(),
    )
}

/// An answer.
pub(crate) fn answer(language: Language, answer: &Value) -> String {
    if let Some(yes) = answer.get("valueBoolean").and_then(Value::as_bool) {
        let id = if yes { "form-yes" } else { "form-no" };
        return text(language, id).to_owned();
    }
    let day = ["/valueDate", "/valueDateTime"].map(|it| at(answer, it));
    match day.into_iter().find(|it| !it.is_empty()) {
        Some(moment) if moment.contains('T') => {
            let found = date::span(moment).map(|it| language.when(it.low));
            found.unwrap_or_else(|| moment.to_owned())
        }
        Some(day) if day.len() == 10 => {
            let found = date::span(day).map(|it| language.date(it.low).short);
            found.unwrap_or_else(|| day.to_owned())
        }
        Some(part) => part.to_owned(),
        None => display(answer),
    }
}

/// Words, and the language that they are in where it is not the reader's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Words {
    pub text: String,
    pub lang: Option<String>,
}

impl From<Told<'_>> for Words {
    fn from(told: Told<'_>) -> Words {
        Words {
            text: told.text.to_owned(),
            lang: told.lang.map(str::to_owned),
        }
    }
}

/// All answers to a question. What was chosen is told as the question offers it.
pub(crate) fn answers(
    form: &Form,
    question: &Question,
    given: &[Value],
    language: Language,
) -> Words {
    let mut lang = None;
    let told = given.iter().map(|it| {
        let Some(chosen) = form.chosen(question, it, language.code()) else {
            return answer(language, it);
        };
        lang = lang.take().or(chosen.lang.map(str::to_owned));
        chosen.text.to_owned()
    });
    let told: Vec<String> = told.collect();
    Words {
        text: told.join("; "),
        lang,
    }
}

/// What is wrong with an answer; whoever reads it sees the question beside it.
pub(crate) fn fault(language: Language, fault: &Fault) -> String {
    let with = |id: &str, limit: &str| language.tell(id, &[("limit", limit)]);
    match fault {
        Fault::Missing => text(language, "form-missing").to_owned(),
        Fault::AnswerThisFirst => text(language, "form-this-first").to_owned(),
        Fault::NotNumber => text(language, "form-not-number").to_owned(),
        Fault::NotWhole => text(language, "form-not-whole").to_owned(),
        Fault::NotDate => text(language, "form-not-date").to_owned(),
        Fault::NotTime => text(language, "form-not-time").to_owned(),
        Fault::NotUrl => text(language, "form-not-url").to_owned(),
        Fault::NotChoice | Fault::NotUnit | Fault::Unknown | Fault::WrongType | Fault::NotAsked => {
            text(language, "form-not-choice").to_owned()
        }
        Fault::Places(places) => with("form-places", &places.to_string()),
        Fault::TooSmall(min) => with("form-too-small", min),
        Fault::TooLarge(max) => with("form-too-large", max),
        Fault::TooLong(max) => with("form-too-long", &max.to_string()),
        Fault::TooMany(max) => with("form-too-many", &max.to_string()),
    }
}

/// Where a prefilled answer comes from; nothing where the questionnaire itself says it.
pub(crate) fn source(language: Language, source: &Source) -> Option<String> {
    let told = |id: &str| Some(text(language, id).to_owned());
    match source {
        Source::Form => None,
        Source::Details => told("form-from-details"),
        Source::Record => told("form-from-record"),
        Source::Entry { ty, date: day } => {
            let what = text(
                language,
                match ty.as_str() {
                    "Observation" => "form-of-result",
                    "Condition" => "form-of-condition",
                    "AllergyIntolerance" => "form-of-allergy",
                    _ => "form-of-medicine",
                },
            );
            match date::span(day) {
                Some(span) => {
                    let day = language.date(span.low).short;
                    Some(language.tell("form-from-entry", &[("what", what), ("date", &day)]))
                }
                None => Some(language.tell("form-from-undated", &[("what", what)])),
            }
        }
    }
}

/// A question's words, with its number; of a group that was filled in more than once with the copy's.
pub(crate) fn question(form: &Form, place: usize, language: Language) -> Words {
    let Some(question) = form.questions.get(place) else {
        return Words::default();
    };
    let told = form.text_of(question, language.code());
    let words = match told.text {
        "" => question.link_id(),
        words => words,
    };
    let prefix = form.prefix_of(question, language.code()).text;
    let mut text = format!("{prefix} {words}").trim().to_owned();
    if question.copies && form.copies_of(question).0 > 1 {
        text.push_str(&format!(" ({})", question.copy()));
    }
    Words {
        text,
        lang: told.lang.map(str::to_owned),
    }
}
