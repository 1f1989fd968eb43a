//! The pages of the patient's record, messages, questions and exports, and the staff's behind them.

use axum::response::Response;

use super::{NOW, clerk, jane, person, site};
use crate::page::Page;
use crate::page::parts::{Content, Fault, Label, Step, Tab};
use crate::page::tongue::Language;
use crate::page::words::moment;
use crate::patient::record::trend::{Drawing, Point, Tick};
use crate::patient::record::views as record;
use crate::patient::{about, export, messages, offline, profile, questions};
use crate::staff::{glossary, messages as staffs, questions as asked};

pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    fn page<V: serde::Serialize>(template: &'static str, view: V) -> Page<V> {
        Page::new(template, "Your record", view)
    }
    vec![
        (
            "record",
            page("patient/record.jinja", the_record(text)).answer(&site, &jane()),
        ),
        (
            "result",
            page("patient/result.jinja", result(text)).answer(&site, &jane()),
        ),
        (
            "there",
            page("patient/there.jinja", there(text)).answer(&site, &jane()),
        ),
        (
            "query",
            page("patient/query.jinja", query(text)).answer(&site, &jane()),
        ),
        (
            "messages",
            page("patient/messages.jinja", list(text)).answer(&site, &jane()),
        ),
        (
            "message",
            page("patient/message.jinja", one(text)).answer(&site, &jane()),
        ),
        (
            "export",
            page("patient/export.jinja", taking(text)).answer(&site, &jane()),
        ),
        (
            "help",
            page("patient/about.jinja", help(text)).answer(&site, &jane()),
        ),
        (
            "offline",
            page("patient/offline.jinja", kept(text)).answer(&site, &jane()),
        ),
        (
            "profile",
            page("patient/profile.jinja", details(text)).answer(&site, &jane()),
        ),
        (
            "patients-messages",
            page("staff/messages.jinja", staff_list(text)).answer(&site, &clerk()),
        ),
        (
            "message-thread",
            page("staff/message-thread.jinja", staff_one(text)).answer(&site, &clerk()),
        ),
        (
            "questions",
            page("staff/questions.jinja", questions_list(text)).answer(&site, &clerk()),
        ),
        (
            "question",
            page("staff/question.jinja", question(text)).answer(&site, &clerk()),
        ),
        (
            "glossary",
            page("staff/glossary.jinja", words(text)).answer(&site, &clerk()),
        ),
    ]
}

fn label() -> Label {
    Label {
        text: "Below the range given by the laboratory",
        colour: Some("blue"),
    }
}

fn row(text: &str) -> record::Row {
    record::Row {
        title: text.into(),
        clinical: Some(text.into()),
        code: Some(text.into()),
        value: text.into(),
        range: Some(text.into()),
        marks: vec![label()],
        details: vec![text.into()],
        date: Some(moment(NOW, NOW)),
        from: text.into(),
        href: Some("/record/results/r".into()),
        ask: Some("/record/query/Observation~r".into()),
        asked: Some(text.into()),
    }
}

pub(super) fn sources(text: &str) -> record::Sources {
    record::Sources {
        rows: vec![record::SourceRow {
            name: text.into(),
            state: label(),
            said: text.into(),
            when: text.into(),
        }],
        said: None,
    }
}

fn there(text: &str) -> record::There {
    record::There {
        t: Language::Welsh.texts(),
        lang: "cy",
        heading: text.into(),
        back: "/record#letters".into(),
        row: Some(row(text)),
        source: record::SourceRow {
            name: text.into(),
            state: label(),
            said: text.into(),
            when: text.into(),
        },
        said: vec![text.into()],
        content: vec![Content {
            text: Some(text.into()),
            ..Content::default()
        }],
    }
}

fn the_record(text: &str) -> record::Record {
    let section = |code, full: bool| record::Section {
        code,
        heading: "Test results",
        count: 12,
        rows: if full {
            (0..6).map(|_| row(text)).collect()
        } else {
            Vec::new()
        },
        empty: (!full).then_some("Nothing is shown here."),
        hidden: None,
        missing: vec![text.into()],
        more: Some(record::More {
            href: "/record?only=results".into(),
            text: text.into(),
        }),
        cut: None,
    };
    record::Record {
        t: Language::Welsh.texts(),
        lang: "cy",
        heading: text.into(),
        whole: None,
        sections: vec![section("results", true), section("allergies", false)],
        sources: sources(text),
        not_shown: vec![text.into()],
        may_ask: true,
    }
}

fn result(text: &str) -> record::ResultPage {
    let figure = |current| record::Figure {
        href: "/record/results/r".into(),
        date: text.into(),
        value: text.into(),
        range: text.into(),
        marks: vec![label()],
        current,
        place: text.into(),
    };
    record::ResultPage {
        t: Language::English.texts(),
        lang: "en",
        row: row(text),
        trends: vec![record::Trend {
            number: 0,
            heading: text.into(),
            title: text.into(),
            description: text.into(),
            drawing: Some(Drawing {
                width: 600,
                height: 220,
                left: 56,
                right: 584,
                bottom: 188,
                points: vec![Point {
                    x: 60,
                    y: 80,
                    corrected: true,
                }],
                line: "60,80".into(),
                band: Some((40, 60)),
                ticks: vec![Tick {
                    y: 20,
                    text: "1".into(),
                }],
            }),
            first: text.into(),
            last: text.into(),
            figures: vec![figure(true), figure(false)],
            cut: true,
        }],
        units_differ: true,
        others: vec![figure(false)],
        cut: true,
        missing: vec![text.into()],
    }
}

fn fault() -> Vec<Fault> {
    vec![Fault {
        text: "Write your question",
        href: "#words".into(),
    }]
}

fn query(text: &str) -> questions::QueryPage {
    questions::QueryPage {
        t: Language::English.texts(),
        lang: "en",
        heading: "This looks wrong",
        hint: text.into(),
        back: "/record",
        title: text.into(),
        place: text.into(),
        action: "/record/query/Observation~r".into(),
        done: None,
        errors: fault(),
        words: text.into(),
        error: Some("Write your question"),
        asked: vec![questions::AskedRow {
            question: text.into(),
            state: label(),
            steps: vec![Step {
                what: "You asked",
                when: moment(NOW, NOW),
                who: Some(text.into()),
                note: None,
            }],
            answer: Some(text.into()),
            answered_by: text.into(),
        }],
    }
}

fn list(text: &str) -> messages::List {
    messages::List {
        t: Language::Welsh.texts(),
        lang: "cy",
        place: text.into(),
        rows: vec![messages::Row {
            href: "/messages/m".into(),
            subject: text.into(),
            when: text.into(),
            unread: Some(text.into()),
        }],
    }
}

fn one(text: &str) -> messages::One {
    let post = |mine| messages::PostRow {
        mine,
        who: text.into(),
        when: text.into(),
        text: text.into(),
        opened: text.into(),
    };
    messages::One {
        t: Language::English.texts(),
        lang: "en",
        place: text.into(),
        action: "/messages/m".into(),
        is_new: true,
        done: None,
        errors: fault(),
        subject: text.into(),
        subject_error: Some("Say what it is about"),
        words: text.into(),
        words_error: Some("Write your message"),
        posts: vec![post(true), post(false)],
        reminded: text.into(),
    }
}

fn taking(text: &str) -> export::ExportPage {
    export::ExportPage {
        t: Language::English.texts(),
        lang: "en",
        ways: vec![export::WayRow {
            action: "/export/pdf",
            heading: "To read",
            said: "In plain words",
            button: "Fetch the PDF",
        }],
        before: vec![text.into()],
    }
}

fn help(text: &str) -> about::About {
    about::About {
        t: Language::Welsh.texts(),
        lang: "cy",
        heading: "Cymorth",
        is_help: true,
        parts: vec![("?", text.into())],
    }
}

fn kept(text: &str) -> offline::Offline {
    offline::Offline {
        pages: vec![offline::Keepable {
            href: "/record",
            text: "Eich cofnod",
            list: None,
            follow: None,
        }],
        until: Some(1_782_129_600_000),
        until_said: text.into(),
        followed_max: 30,
    }
}

fn details(text: &str) -> profile::Profile {
    profile::Profile {
        t: Language::Welsh.texts(),
        lang: "cy",
        name: text.into(),
        born: None,
        nhs_number: None,
        reached: vec![text.into()],
        hidden: true,
        wrong: text.into(),
        may_write: true,
    }
}

fn tabs() -> Vec<Tab> {
    vec![Tab {
        text: "All",
        href: "/staff/messages?show=all".into(),
        count: Some(3),
        current: true,
    }]
}

fn staff_list(text: &str) -> staffs::List {
    staffs::List {
        done: None,
        tabs: tabs(),
        rows: vec![staffs::Row {
            href: Some("/staff/messages/m".into()),
            patient: person(text),
            subject: text.into(),
            unread: 2,
            since: moment(NOW, NOW),
        }],
        full: true,
        empty: "",
    }
}

fn staff_one(text: &str) -> staffs::One {
    staffs::One {
        errors: fault(),
        patient: person(text),
        record: "/staff/patient/jane".into(),
        subject: text.into(),
        action: "/staff/messages/m".into(),
        is_new: true,
        words: text.into(),
        words_error: Some("Write the message"),
        subject_error: Some("Say what it is about"),
        posts: vec![staffs::PostRow {
            who: text.into(),
            when: moment(NOW, NOW),
            text: text.into(),
            by_patient: false,
            opened: None,
        }],
    }
}

fn questions_list(text: &str) -> asked::List {
    asked::List {
        done: None,
        heading: "Patients’ questions",
        tabs: tabs(),
        rows: vec![asked::Row {
            href: Some("/staff/access-queries/q".into()),
            who: text.into(),
            title: text.into(),
            from: text.into(),
            since: moment(NOW, NOW),
            state: label(),
        }],
        full: true,
        empty: "",
    }
}

fn question(text: &str) -> asked::One {
    asked::One {
        errors: fault(),
        heading: "Patients’ questions",
        who: text.into(),
        from: text.into(),
        title: text.into(),
        question: text.into(),
        asked: moment(NOW, NOW),
        state: label(),
        record: Some("/staff/patient/jane".into()),
        action: Some("/staff/access-queries/q".into()),
        version: 1,
        words: text.into(),
        error: Some("Write the answer"),
        answer: Some(text.into()),
        answered: text.into(),
    }
}

fn words(text: &str) -> glossary::Glossary {
    glossary::Glossary {
        done: None,
        errors: fault(),
        term: text.into(),
        english: text.into(),
        welsh: text.into(),
        term_error: Some("Write the clinical term"),
        english_error: None,
        welsh_error: None,
        rows: vec![glossary::Row {
            term: text.into(),
            english: text.into(),
            welsh: text.into(),
            by: Some(text.into()),
            at: Some(moment(NOW, NOW)),
            change: "/staff/glossary?term=x".into(),
        }],
    }
}
