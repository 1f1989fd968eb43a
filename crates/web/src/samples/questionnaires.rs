//! The pages of questionnaires, with a form that has a question of each sort.

use axum::response::Response;
use fhir::questionnaire::{Answered, Answers, Fault, Fields, Form};
use serde_json::{Value, json};

use super::desk::{head, label};
use super::{clerk, done, jane, person, site};
use crate::page::Page;
use crate::page::parts::{Fault as Wrong, Tab};
use crate::page::tongue::Language;
use crate::patient::questionnaires as patient;
use crate::questionnaires::said::Words;
use crate::questionnaires::views::{AnswersPage, Check, FormPage, draw, rows, wrongs};
use crate::staff::questionnaires::views as staff;

pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let patients = |template, of, view| {
        (
            of,
            Page::new(template, text, view)
                .under("/questionnaires")
                .answer(&site, &jane()),
        )
    };
    let list = Page::new("patient/questionnaires.jinja", text, list(text)).answer(&site, &jane());
    let welsh = Page::new(
        "questionnaire/form.jinja",
        text,
        form_page(text, Language::Welsh),
    );
    let welsh = welsh.said_in(Language::Welsh).with_faults(true);
    let check = Page::new("questionnaire/check.jinja", text, check(text)).answer(&site, &jane());
    let answers =
        Page::new("questionnaire/answers.jinja", text, answers(text)).answer(&site, &clerk());
    let board = Page::new("staff/questionnaires.jinja", "Questionnaires", board(text));
    let of =
        Page::new("staff/patient-questionnaires.jinja", text, of_patient(text)).with_faults(true);
    vec![
        ("questionnaires", list),
        patients(
            "questionnaire/form.jinja",
            "questionnaire-form",
            form_page(text, Language::English),
        ),
        ("questionnaire-form-welsh", welsh.answer(&site, &jane())),
        ("questionnaire-check", check),
        ("questionnaire-answers", answers),
        ("staff-questionnaires", board.answer(&site, &clerk())),
        ("patient-questionnaires", of.answer(&site, &clerk())),
    ]
}

fn form(text: &str) -> Form {
    let option =
        |code: &str| json!({ "valueCoding": { "system": "urn:x", "code": code, "display": text } });
    let ask = |link: &str, ty: &str| json!({ "linkId": link, "type": ty, "text": text, "required": true });
    let with = |mut item: Value, name: &str, value: Value| {
        item[name] = value;
        item
    };
    let many: Vec<Value> = (0..12).map(|it| option(&it.to_string())).collect();
    let items = json!([{ "linkId": "g", "type": "group", "text": text, "item": [
        { "linkId": "d", "type": "display", "text": text },
        ask("bool", "boolean"),
        with(ask("int", "integer"), "enableWhen", json!([{ "question": "bool", "operator": "=", "answerBoolean": true }])),
        ask("dec", "decimal"),
        ask("date", "date"),
        ask("when", "dateTime"),
        ask("time", "time"),
        with(ask("several", "string"), "repeats", true.into()),
        ask("text", "text"),
        with(ask("one", "choice"), "answerOption", json!([option("a"), option("b")])),
        with(ask("list", "choice"), "answerOption", many.into()),
        with(with(ask("some", "open-choice"), "answerOption", json!([option("a")])), "repeats", true.into()),
        ask("much", "quantity"),
        with(ask("fixed", "string"), "readOnly", true.into()),
        { "linkId": "more", "type": "group", "text": text, "repeats": true, "item": [ask("each", "string")] },
    ] }]);
    let questionnaire = json!({
        "resourceType": "Questionnaire", "status": "active", "title": text, "description": text,
        "url": "urn:x", "item": items,
    });
    let twice = Fields::from([("q14".to_owned(), vec!["2".to_owned()])]);
    Form::read(&questionnaire).unwrap().copied(&twice)
}

fn words(text: &str) -> Words {
    Words {
        text: text.into(),
        lang: Some("en".into()),
    }
}

fn given(text: &str) -> Answers {
    let said = json!({ "valueString": text });
    let mut given = Answers::new();
    for link in ["text", "several", "fixed", "some"] {
        given.insert(link.into(), vec![said.clone()]);
    }
    given.insert("bool".into(), vec![json!({ "valueBoolean": true })]);
    given
}

fn form_page(text: &str, language: Language) -> FormPage {
    let form = form(text);
    let answers = given(text);
    let fields: Fields = form.fields_of(&answers, &str::to_owned);
    let began: Vec<_> = answers
        .iter()
        .map(|(link, given)| (link.clone(), given.clone(), text.to_owned()))
        .collect();
    let faults: Vec<(usize, Fault)> = [
        (3, Fault::NotWhole),
        (5, Fault::NotDate),
        (8, Fault::TooLong(5)),
        (10, Fault::Missing),
    ]
    .into();
    let drawn = draw(&form, &fields, (&answers, &began), &faults, language);
    FormPage {
        t: language.texts(),
        lang: language.code(),
        here: "/questionnaires/t1".into(),
        title: words(text),
        description: words(text),
        person: None,
        reason: text.into(),
        due: Some(text.into()),
        notices: vec![text.into()],
        errors: wrongs(&form, &faults, language),
        action: "/questionnaires/t1".into(),
        back: "/questionnaires".into(),
        of: "f/1".into(),
        shown: drawn.shown,
        items: drawn.items,
        rules: drawn.rules,
        copies: true,
        preview: false,
    }
}

fn answered(text: &str) -> Answered {
    Answered {
        answers: given(text),
        prefilled: [("text".to_owned(), text.to_owned())].into(),
        ..Answered::default()
    }
}

fn check(text: &str) -> Check {
    Check {
        t: Language::English.texts(),
        lang: "en",
        here: "/questionnaires/t1/check".into(),
        title: words(text),
        person: Some(person(text)),
        rows: rows(&form(text), &answered(text), (Language::English, true)),
        action: "/questionnaires/t1/check".into(),
        back: "/questionnaires/t1".into(),
        of: "f/1".into(),
        note: "Your practice keeps your answers.",
    }
}

fn answers(text: &str) -> AnswersPage {
    AnswersPage {
        t: Language::English.texts(),
        lang: "en",
        here: "/staff/questionnaires/tasks/t1".into(),
        title: words(text),
        done: done(true),
        person: Some(person(text)),
        state: label(),
        facts: vec![text.into()],
        notices: vec![text.into()],
        rows: rows(&form(text), &answered(text), (Language::English, true)),
        change: Some("/x".into()),
        back: "/staff/questionnaires".into(),
        back_text: "Back",
        seen: Some("/x".into()),
        answered_at: 1,
        answer: Some("/x".into()),
        withdraw: Some("/x".into()),
    }
}

fn list(text: &str) -> patient::List {
    let row = |_| patient::ListRow {
        href: "/questionnaires/t1".into(),
        title: words(text),
        state: label(),
        unread: Some(label()),
        said: text.into(),
    };
    patient::List {
        t: Language::English.texts(),
        lang: "en",
        done: Some("Saved."),
        open: (0..3).map(row).collect(),
        over: (0..3).map(row).collect(),
    }
}

fn ask_row(text: &str, number: usize) -> staff::AskRow {
    staff::AskRow {
        href: (number > 0).then(|| "/staff/questionnaires/tasks/t1".into()),
        title: text.into(),
        patient: person(text),
        state: label(),
        who: "The patient",
        due: "3 Feb 2026".into(),
        when: "asked 12:00".into(),
        unread: number == 1,
    }
}

fn board(text: &str) -> staff::List {
    let form = |number: usize| staff::FormRow {
        href: (number > 0).then(|| "/staff/questionnaires/f".into()),
        title: text.into(),
        version: "1".into(),
        state: label(),
        refused: (number == 0).then(|| text.into()),
        asked: 3,
        answered: 2,
        overdue: 1,
        unseen: 1,
    };
    staff::List {
        done: done(true),
        tabs: vec![Tab {
            text: "Not read yet",
            href: "/staff/questionnaires".into(),
            count: Some(3),
            current: true,
        }],
        rows: (0..18).map(|it| ask_row(text, it)).collect(),
        empty: "",
        more: true,
        forms: (0..3).map(form).collect(),
    }
}

fn of_patient(text: &str) -> staff::OfPatient {
    let pick = |value: &str, chosen| staff::Pick {
        value: value.into(),
        text: text.into(),
        checked: chosen,
        selected: chosen,
    };
    staff::OfPatient {
        head: head(text),
        done: None,
        errors: vec![Wrong {
            text: "The day is over",
            href: "#due".into(),
        }],
        rows: (0..4).map(|it| ask_row(text, it)).collect(),
        more: true,
        action: "/staff/patient/p/questionnaires".into(),
        attempt: "x".into(),
        forms: vec![pick("a", true), pick("b", false)],
        form_error: Some("Choose a questionnaire that can be asked"),
        who: vec![pick("patient", true), pick("staff", false)],
        due: "2026-02-03".into(),
        due_error: Some("The day is over"),
        reason: text.into(),
        reason_error: Some("Too long"),
    }
}
