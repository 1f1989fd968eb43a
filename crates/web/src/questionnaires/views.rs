//! What the templates of forms and answers show.

use std::collections::BTreeMap;

use fhir::members::text as at;
use fhir::questionnaire::{Answered, Answers, Control, Fault, Fields, Form, Question, Sort, same};
use serde::Serialize;
use serde_json::Value;

use super::said::{self, Words};
use super::script::rules;
use super::sheet::Sheet;
use crate::page::parts::{Done, Label, Person};
use crate::page::tongue::Language;
use crate::patient::appointments::text;
use crate::patient::record::views::Texts;

/// Empty fields that are offered beside answers to a question that takes several.
const SPARE: usize = 2;

/// `questionnaire/form.jinja`
#[derive(Serialize)]
pub struct FormPage {
    pub t: Texts,
    pub lang: &'static str,
    pub here: String,
    pub title: Words,
    pub description: Words,
    /// Whom it is about, on a page of staff's.
    pub person: Option<Person>,
    pub reason: String,
    pub due: Option<String>,
    pub notices: Vec<String>,
    pub errors: Vec<Wrong>,
    pub action: String,
    pub back: String,
    pub of: String,
    /// The places of the questions that are shown, with commas between.
    pub shown: String,
    pub items: Vec<Item>,
    /// The conditions, as JSON, for the script that shows and hides at once.
    pub rules: Option<String>,
    /// A group of it can be filled in more than once.
    pub copies: bool,
    /// It is only looked at.
    pub preview: bool,
}

/// A fault, for the summary.
#[derive(Clone, Debug, Serialize)]
pub struct Wrong {
    pub text: String,
    pub href: String,
}

/// One item of a form.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Item {
    pub place: usize,
    pub id: String,
    /// Which of the template's parts draws it.
    pub kind: &'static str,
    pub text: String,
    /// The language of the text, where it is not the reader's.
    pub lang: Option<String>,
    /// Of a group with copies: which copy it is, and the word by which it is taken away.
    pub copy: usize,
    pub copies: usize,
    pub remove: Option<String>,
    /// Of a heading: 2 to 4.
    pub level: usize,
    pub shown: bool,
    pub hint: Option<String>,
    pub error: Option<String>,
    pub value: String,
    /// Of a question that takes several answers.
    pub values: Vec<String>,
    pub picks: Vec<Pick>,
    /// What was written instead of choosing; none where that is not possible.
    pub other: Option<String>,
    pub day: String,
    pub month: String,
    pub year: String,
    /// None for a day without a time.
    pub time: Option<String>,
    pub units: Vec<Pick>,
    pub unit: Option<String>,
    pub suffix: Option<String>,
    pub whole: bool,
}

/// An answer to choose.
#[derive(Clone, Debug, Serialize)]
pub struct Pick {
    pub value: String,
    pub text: String,
    /// Of a radio button or check box: the text with the language that it is in, where it is not the reader's.
    pub label: PickLabel,
    /// The language of the text of an option of a list, where it is not the reader's.
    pub attributes: BTreeMap<&'static str, String>,
    pub checked: bool,
    pub selected: bool,
}

/// The words of an answer to choose, as the design system's macros take them.
#[derive(Clone, Debug, Serialize)]
pub struct PickLabel {
    pub text: String,
    pub attributes: BTreeMap<&'static str, String>,
}

/// `questionnaire/check.jinja`
#[derive(Serialize)]
pub struct Check {
    pub t: Texts,
    pub lang: &'static str,
    pub here: String,
    pub title: Words,
    pub person: Option<Person>,
    pub rows: Vec<Row>,
    pub action: String,
    pub back: String,
    pub of: String,
    pub note: &'static str,
}

/// `questionnaire/answers.jinja`
#[derive(Serialize)]
pub struct AnswersPage {
    pub t: Texts,
    pub lang: &'static str,
    pub here: String,
    pub title: Words,
    pub done: Option<Done>,
    pub person: Option<Person>,
    pub state: Label,
    /// Who answered and when, who asked, and who has read it.
    pub facts: Vec<String>,
    pub notices: Vec<String>,
    pub rows: Vec<Row>,
    pub change: Option<String>,
    pub back: String,
    pub back_text: &'static str,
    /// Where staff say that they have read it.
    pub seen: Option<String>,
    /// What they have read.
    pub answered_at: i64,
    /// Where staff answer it, or take it back.
    pub answer: Option<String>,
    pub withdraw: Option<String>,
}

/// A question and its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub heading: bool,
    pub question: Words,
    pub answer: Words,
    pub empty: bool,
    /// Where the answer came from, if it stands as it was prefilled.
    pub prefilled: Option<String>,
    /// The field in which it is changed.
    pub href: String,
}

impl FormPage {
    /// A form in which somebody writes, as far as it is alike for all who do. A page of staff's says whom it is about; only a
    /// patient's page says at its head that something is prefilled. Where it stands and leads to is for the caller to add.
    pub(crate) fn of(
        sheet: &Sheet,
        (fields, faults): (&Fields, &[(usize, Fault)]),
        (notice, person): (Option<&'static str>, Option<Person>),
        language: Language,
    ) -> FormPage {
        let read = sheet.read(fields);
        let began = began(sheet, language);
        let drawn = draw(
            &sheet.form,
            fields,
            (&read.answers, &began),
            faults,
            language,
        );
        let is_prefilled = person.is_none() && !began.is_empty() && sheet.draft.is_none();
        let told = [
            (is_prefilled, "form-is-prefilled"),
            (sheet.is_partial, "form-is-partial"),
            (sheet.is_outdated, "form-is-outdated"),
            (sheet.response.is_some(), "form-is-change"),
        ];
        let told = told.iter().filter(|(is_so, _)| *is_so).map(|(_, id)| *id);
        let notices = notice.into_iter().chain(told);
        FormPage {
            t: language.texts(),
            lang: language.code(),
            here: String::new(),
            title: sheet.form.title_in(language.code()).into(),
            description: sheet.form.description_in(language.code()).into(),
            person,
            reason: sheet.ask.reason.clone(),
            due: None,
            notices: notices.map(|id| text(language, id).to_owned()).collect(),
            errors: wrongs(&sheet.form, faults, language),
            action: String::new(),
            back: String::new(),
            of: sheet.of.clone(),
            shown: drawn.shown,
            items: drawn.items,
            rules: drawn.rules,
            copies: sheet.form.questions.iter().any(|it| it.copies),
            preview: false,
        }
    }
}

/// What a question began with: its linkId, the values, and words for where they came from.
pub(crate) type Began = (String, Vec<Value>, String);

/// The items of a form as they stand.
pub(crate) struct Drawn {
    pub items: Vec<Item>,
    pub shown: String,
    pub rules: Option<String>,
}

/// Draws a form. `began` is what the questions began with, with words for where that came from.
pub(crate) fn draw(
    form: &Form,
    fields: &Fields,
    (answers, began): (&Answers, &[Began]),
    faults: &[(usize, Fault)],
    language: Language,
) -> Drawn {
    let enabled = form.enabled(answers);
    let is_on = |place: usize| enabled.get(place).copied().unwrap_or(false);
    let mut items = Vec::new();
    let mut shown = Vec::new();
    let mut ends = Vec::new();
    for (place, question) in form.questions.iter().enumerate() {
        for group in ended(&mut ends, place) {
            items.extend(another(form, group, is_on(group), language));
        }
        if is_hidden(form, question) {
            continue;
        }
        if is_on(place) {
            shown.push(place.to_string());
        }
        let mut item = item(form, place, fields, answers, language);
        copy(form, question, &mut item);
        item.shown = is_on(place);
        let fault = faults.iter().find(|(at, _)| *at == place);
        item.error = fault.map(|(_, it)| said::fault(language, it));
        let given = answers.get(&question.link);
        let source = began.iter().find(|(link, ..)| *link == question.link);
        if let Some((_, was, source)) = source {
            let is_same = given.is_some_and(|it| {
                it.len() == was.len() && it.iter().zip(was).all(|(a, b)| same(a, b))
            });
            if is_same {
                let told = [("source", source.as_str())];
                let id = if question.read_only {
                    "form-fixed-hint"
                } else {
                    "form-prefilled-hint"
                };
                let said = language.tell(id, &told);
                item.hint = Some(match item.hint.take() {
                    Some(before) => format!("{before} {said}"),
                    None => said,
                });
            }
        }
        items.push(item);
        ends.push((form.below(place).end, place));
    }
    for group in ended(&mut ends, usize::MAX) {
        items.extend(another(form, group, is_on(group), language));
    }
    Drawn {
        items,
        shown: shown.join(","),
        rules: form.has_conditions().then(|| rules(form)),
    }
}

/// Of a group with copies which copy it is, and how it is taken away where there are several.
fn copy(form: &Form, question: &Question, item: &mut Item) {
    if !question.copies {
        return;
    }
    let (count, _) = form.copies_of(question);
    let base = question.first_name();
    item.copy = question.copy();
    item.copies = count;
    item.remove = (count > 1).then(|| format!("remove:{base}:{}", question.copy()));
}

/// The groups that end before that place, of those that are open.
fn ended(open: &mut Vec<(usize, usize)>, place: usize) -> Vec<usize> {
    let (over, rest): (Vec<_>, Vec<_>) = open.drain(..).partition(|(end, _)| *end <= place);
    *open = rest;
    over.into_iter().map(|(_, place)| place).collect()
}

/// The button for another copy, behind the last one of a group.
fn another(form: &Form, place: usize, shown: bool, language: Language) -> Option<Item> {
    let group = form.questions.get(place).filter(|it| it.copies)?;
    let (count, has_room) = form.copies_of(group);
    if group.copy() < count || !has_room {
        return None;
    }
    let base = group.first_name();
    let words = form.text_of(group, language.code());
    Some(Item {
        place,
        kind: "add",
        id: format!("add-{base}"),
        value: format!("add:{base}"),
        text: words.text.to_owned(),
        lang: words.lang.map(str::to_owned),
        shown,
        ..Item::default()
    })
}

/// The item and those that it stands in: fewer than the bound on depth.
fn up<'f>(form: &'f Form, question: &'f Question) -> impl Iterator<Item = &'f Question> {
    std::iter::successors(Some(question), move |it| form.questions.get(it.parent?))
}

/// What is hidden, or stands in what is hidden.
fn is_hidden(form: &Form, question: &Question) -> bool {
    up(form, question).any(|it| it.hidden)
}

/// Of a heading: one below that of the group that it stands in.
fn level(form: &Form, question: &Question) -> usize {
    let above = up(form, question).skip(1);
    (above.filter(|it| it.sort == Sort::Group).count() + 2).min(4)
}

fn item(form: &Form, place: usize, fields: &Fields, answers: &Answers, language: Language) -> Item {
    let Some(question) = form.questions.get(place) else {
        return Item::default();
    };
    let id = question.name.clone();
    let one = |part: &str| {
        let found = fields.get(&format!("{id}{part}"));
        found.and_then(|it| it.first()).cloned().unwrap_or_default()
    };
    let words = said::question(form, place, language);
    let is_optional = question.sort.asks() && !question.required && !question.read_only;
    let optional = |words: &str| language.tell("form-optional", &[("question", words)]);
    let (said, hint) = match (is_optional, &words.lang) {
        (false, _) => (words.text, None),
        (true, None) => (optional(&words.text), None),
        // What is not in the reader's language is marked as such; that it is optional stands apart from it.
        (true, Some(_)) => (words.text, Some(optional("").trim().to_owned())),
    };
    let mut item = Item {
        place,
        kind: kind(question),
        text: said,
        lang: words.lang,
        hint,
        level: level(form, question),
        value: one(""),
        whole: question.sort == Sort::Integer,
        id: id.clone(),
        ..Item::default()
    };
    match item.kind {
        "fixed" => {
            let given = answers.get(&question.link).map_or(&[][..], Vec::as_slice);
            item.value = said::answers(form, question, given, language).text;
            if !question.calculated.is_empty() {
                item.hint = Some(text(language, "form-calculated").to_owned());
            }
        }
        "several" => {
            item.values = fields.get(&item.id).cloned().unwrap_or_default();
            item.values.retain(|it| !it.trim().is_empty());
            let most = fhir::questionnaire::ANSWERS_MAX;
            let spare = most.saturating_sub(item.values.len()).min(SPARE);
            item.values
                .extend(std::iter::repeat_n(String::new(), spare));
        }
        "date" => {
            (item.day, item.month, item.year) = (one("-day"), one("-month"), one("-year"));
            item.time = (question.sort == Sort::DateTime).then(|| one("-time"));
        }
        "quantity" => units(&mut item, question, one("-unit")),
        "radios" | "checks" | "select" => picks(&mut item, (form, question), fields, language),
        _ => {}
    }
    if question.sort == Sort::OpenChoice {
        item.other = Some(match fields.get(&format!("{}-other", item.id)) {
            Some(texts) => texts.first().cloned().unwrap_or_default(),
            None => String::new(),
        });
    }
    item
}

fn kind(question: &Question) -> &'static str {
    match question.sort {
        Sort::Group => "group",
        Sort::Display => "display",
        _ if question.read_only => "fixed",
        Sort::Boolean => "radios",
        Sort::Choice | Sort::OpenChoice => match (question.repeats, question.control) {
            (true, _) => "checks",
            (false, Control::DropDown) => "select",
            (false, _) => "radios",
        },
        Sort::Date | Sort::DateTime => "date",
        Sort::Time => "time",
        Sort::Quantity => "quantity",
        _ if question.takes_several() => "several",
        Sort::Text => "textarea",
        Sort::Integer | Sort::Decimal => "number",
        _ => "text",
    }
}

fn units(item: &mut Item, question: &Question, chosen: String) {
    let word = |unit: &Value| match at(unit, "/display") {
        "" => at(unit, "/code").to_owned(),
        display => display.to_owned(),
    };
    match question.units.as_slice() {
        [] => item.unit = Some(chosen),
        [only] => item.suffix = Some(word(only)),
        several => {
            let units = several.iter().enumerate();
            item.units = units
                .map(|(number, unit)| {
                    pick(
                        number.to_string(),
                        word(unit),
                        std::slice::from_ref(&chosen),
                    )
                })
                .collect();
        }
    }
}

fn pick(value: String, text: String, chosen: &[String]) -> Pick {
    let is_chosen = chosen.contains(&value);
    Pick {
        label: PickLabel {
            text: text.clone(),
            attributes: BTreeMap::new(),
        },
        attributes: BTreeMap::new(),
        value,
        text,
        checked: is_chosen,
        selected: is_chosen,
    }
}

fn picks(
    item: &mut Item,
    (form, question): (&Form, &Question),
    fields: &Fields,
    language: Language,
) {
    let chosen = fields.get(&item.id).cloned().unwrap_or_default();
    if question.sort == Sort::Boolean {
        let told = [("yes", "form-yes"), ("no", "form-no")];
        let told =
            told.map(|(value, id)| pick(value.to_owned(), text(language, id).to_owned(), &chosen));
        item.picks = told.to_vec();
        return;
    }
    let choices = question.choices.iter().enumerate();
    item.picks = choices
        .map(|(number, it)| {
            let told = form.label_of(it, language.code());
            let mut pick = pick(number.to_string(), told.text.to_owned(), &chosen);
            if let Some(lang) = told.lang {
                let marked = BTreeMap::from([("lang", lang.to_owned())]);
                match item.kind {
                    "select" => pick.attributes = marked,
                    _ => pick.label.attributes = marked,
                }
            }
            pick
        })
        .collect();
    if question.sort == Sort::OpenChoice {
        let other = text(language, "form-other").to_owned();
        item.picks.push(pick("other".to_owned(), other, &chosen));
    }
    if item.kind == "select" {
        let none = text(language, "form-choose").to_owned();
        item.picks.insert(0, pick(String::new(), none, &chosen));
    }
}

/// Questions and answers, one below the other, as far as the questions are asked.
pub(crate) fn rows(
    form: &Form,
    answered: &Answered,
    (language, with_hidden): (Language, bool),
) -> Vec<Row> {
    let enabled = form.enabled(&answered.answers);
    let mut rows = Vec::new();
    for (place, question) in form.questions.iter().enumerate() {
        let is_on = enabled.get(place).copied().unwrap_or(false);
        let is_text = question.sort == Sort::Display;
        if !is_on || is_text || (is_hidden(form, question) && !with_hidden) {
            continue;
        }
        let given = answered
            .answers
            .get(&question.link)
            .map_or(&[][..], Vec::as_slice);
        let part = match question.sort {
            Sort::Date | Sort::DateTime => "-day",
            _ => "",
        };
        rows.push(Row {
            heading: question.sort == Sort::Group,
            question: said::question(form, place, language),
            empty: given.is_empty(),
            answer: match given {
                [] => Words {
                    text: text(language, "form-not-answered").to_owned(),
                    lang: None,
                },
                given => said::answers(form, question, given, language),
            },
            prefilled: answered.prefilled.get(&question.link).cloned(),
            href: format!("#{}{part}", question.name),
        });
    }
    rows
}

/// What is wrong, for the summary, each with its question.
pub(crate) fn wrongs(form: &Form, faults: &[(usize, Fault)], language: Language) -> Vec<Wrong> {
    let told = faults.iter().map(|(place, fault)| {
        let question = form.questions.get(*place);
        let name = question.map_or("", |it| it.name.as_str());
        let part = match question.map(|it| it.sort) {
            Some(Sort::Date | Sort::DateTime) => "-day",
            _ => "",
        };
        Wrong {
            text: format!(
                "{}: {}",
                said::question(form, *place, language).text,
                said::fault(language, fault)
            ),
            href: format!("#{name}{part}"),
        }
    });
    told.collect()
}

/// What the questions began with, with words for where that came from, in that language.
pub(crate) fn began(sheet: &Sheet, language: Language) -> Vec<Began> {
    let now = sheet.prefilled.iter().filter_map(|(link, it)| {
        Some((
            link.clone(),
            it.answers.clone(),
            said::source(language, &it.source)?,
        ))
    });
    now.collect()
}
