//! A Questionnaire's own words in other languages: the extension
//! <http://hl7.org/fhir/StructureDefinition/translation> on `_title`, `_description`, `_text`, `_prefix` and `_display`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Choice, Form, Question, answer};
use crate::members::{each, text};

const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";
/// Languages of one text that are looked at, and the longest text, in characters.
const LANGUAGES_MAX: usize = 20;
const TEXT_CHARS_MAX: usize = 8_000;

/// The same words by their language, such as `cy`.
pub type Words = BTreeMap<String, String>;

/// A language without its region: `cy` of `cy-GB`; empty for what is no language.
fn primary(code: &str) -> String {
    let code = code.split('-').next().unwrap_or_default();
    let is_one = (2..=8).contains(&code.len()) && code.bytes().all(|it| it.is_ascii_alphabetic());
    match is_one {
        true => code.to_ascii_lowercase(),
        false => String::new(),
    }
}

/// The translations of a member, such as `text`.
pub(super) fn of(holder: &Value, member: &str) -> Words {
    let mut words = Words::new();
    let place = format!("/_{member}/extension");
    let extensions = each(holder, &place);
    let translations = extensions.filter(|it| text(it, "/url") == TRANSLATION);
    for translation in translations.take(LANGUAGES_MAX) {
        let part = |url: &str| each(translation, "/extension").find(|it| text(it, "/url") == url);
        let language = primary(part("lang").map_or("", |it| text(it, "/valueCode")));
        let content = part("content").and_then(|it| {
            let texts = ["/valueString", "/valueMarkdown"].map(|place| text(it, place));
            texts.into_iter().find(|it| !it.trim().is_empty())
        });
        if let (false, Some(content)) = (language.is_empty(), content) {
            let content = content.chars().take(TEXT_CHARS_MAX).collect();
            words.entry(language).or_insert(content);
        }
    }
    words
}

/// The language of the Questionnaire itself: English where it says none.
pub(super) fn language(questionnaire: &Value) -> String {
    let language = primary(text(questionnaire, "/language"));
    match language.is_empty() {
        true => "en".to_owned(),
        false => language,
    }
}

/// What a Questionnaire is called, in its own language.
pub fn title(questionnaire: &Value) -> &str {
    match (text(questionnaire, "/title"), text(questionnaire, "/name")) {
        ("", "") => "Questionnaire",
        ("", name) => name,
        (title, _) => title,
    }
}

/// What a Questionnaire is called, and the language that it is in where it is not the reader's.
pub fn title_for(questionnaire: &Value, reader: &str) -> (String, Option<String>) {
    let own = title(questionnaire);
    let language = language(questionnaire);
    match of(questionnaire, "title").remove(reader) {
        _ if language == reader => (own.to_owned(), None),
        Some(title) => (title, None),
        None => (own.to_owned(), Some(language)),
    }
}

/// Words as a reader is shown them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<'f> {
    pub text: &'f str,
    /// The language that they are in, where it is not the reader's.
    pub lang: Option<&'f str>,
}

impl Form {
    fn tell<'f>(&'f self, own: &'f str, words: &'f Words, language: &str) -> Told<'f> {
        match words.get(language).filter(|_| self.language != language) {
            Some(text) => Told { text, lang: None },
            None => Told {
                text: own,
                lang: (self.language != language).then_some(self.language.as_str()),
            },
        }
    }

    pub fn title_in(&self, language: &str) -> Told<'_> {
        self.tell(&self.title, &self.titles, language)
    }

    pub fn description_in(&self, language: &str) -> Told<'_> {
        self.tell(&self.description, &self.descriptions, language)
    }

    /// A question's words.
    pub fn text_of<'f>(&'f self, question: &'f Question, language: &str) -> Told<'f> {
        self.tell(&question.text, &question.texts, language)
    }

    /// What stands before them.
    pub fn prefix_of<'f>(&'f self, question: &'f Question, language: &str) -> Told<'f> {
        self.tell(&question.prefix, &question.prefixes, language)
    }

    /// The words of an answer to choose.
    pub fn label_of<'f>(&'f self, choice: &'f Choice, language: &str) -> Told<'f> {
        self.tell(&choice.label, &choice.labels, language)
    }

    /// The words of an answer that was chosen among others; `None` of every other answer.
    pub fn chosen<'f>(
        &'f self,
        question: &'f Question,
        given: &Value,
        language: &str,
    ) -> Option<Told<'f>> {
        let mut choices = question.choices.iter();
        let found = choices.find(|it| answer::same(&it.answer, given))?;
        Some(self.label_of(found, language))
    }
}
