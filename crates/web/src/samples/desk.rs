//! The pages of the workbench.

use axum::response::Response;

use super::{NOW, clerk, done, person, site};
use crate::page::Page;
use crate::page::parts::{Fault, Label, Link, Tab};
use crate::page::trend::{self, Point};
use crate::page::words::moment;
use crate::staff::desk::blueprints;
use crate::staff::desk::views as desk;

pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let who = clerk();
    let bulk = Page::new("staff/bulk.jinja", "Together", bulk(text));
    let tasks = Page::new("staff/tasks.jinja", "Tasks", tasks(text));
    let new = Page::new("staff/task-new.jinja", "New task", task_new(text)).with_faults(true);
    let task = Page::new("staff/task.jinja", text, task(text)).with_faults(true);
    let results = Page::new("staff/results.jinja", text, results(text));
    let timeline = Page::new("staff/timeline.jinja", text, timeline(text));
    let neighbours = Page::new("staff/neighbours.jinja", "Neighbours", neighbours(text));
    let teams = Page::new("staff/teams.jinja", "Teams", teams(text)).with_faults(true);
    let adopted = Page::new("staff/blueprints.jinja", "Blueprints", adopted(text));
    let letter = Page::new("staff/letter.jinja", text, letter(text)).with_faults(true);
    let sign = Page::new("staff/letter-sign.jinja", text, sign(text));
    let template = Page::new("staff/template.jinja", "Text", template(text)).with_faults(true);
    let templates = Page::new("staff/templates.jinja", "Texts", templates(text));
    vec![
        ("bulk", bulk.answer(&site, &who)),
        ("tasks", tasks.answer(&site, &who)),
        ("task-new", new.answer(&site, &who)),
        ("task", task.answer(&site, &who)),
        ("results", results.answer(&site, &who)),
        ("timeline", timeline.answer(&site, &who)),
        ("neighbours", neighbours.answer(&site, &who)),
        ("teams", teams.answer(&site, &who)),
        ("blueprints", adopted.answer(&site, &who)),
        ("written-letter", letter.answer(&site, &who)),
        ("written-letter-sign", sign.answer(&site, &who)),
        ("template", template.answer(&site, &who)),
        ("templates", templates.answer(&site, &who)),
    ]
}

fn one(text: &str) -> desk::One {
    desk::One {
        value: "a:1".into(),
        text: text.into(),
        chosen: true,
    }
}

pub(super) fn choices(text: &str) -> Vec<desk::Choices> {
    vec![desk::Choices {
        label: "People",
        options: vec![one(text)],
    }]
}

pub(super) fn label() -> Label {
    Label {
        text: "Overdue",
        colour: Some("red"),
    }
}

fn fault(href: &'static str) -> Fault {
    Fault {
        text: "Something is missing",
        href: href.into(),
    }
}

fn adopted(text: &str) -> blueprints::View {
    let part = |_| blueprints::PartRow {
        kind: "Letter text",
        title: text.into(),
        what: "added",
    };
    let row = blueprints::Row {
        title: text.into(),
        name: text.into(),
        version: text.into(),
        about: text.into(),
        label: label(),
        by: text.into(),
        when: moment(NOW, NOW),
        signer: Some(text.into()),
        next: vec![Link {
            text: "Read its rules",
            href: "/staff/rules".into(),
        }],
        stranger: true,
        undone_by: text.into(),
        undone: Some(moment(NOW, NOW)),
        parts: (0..3).map(part).collect(),
    };
    blueprints::View {
        blueprints: vec![row],
        more: 1,
    }
}

fn bulk(text: &str) -> desk::Bulk {
    let row = |_| desk::BulkRow {
        href: "/staff/item/1".into(),
        patient: person(text),
        subject: text.into(),
        from: text.into(),
        received: moment(NOW, NOW),
        label: label(),
    };
    let filing = |undo: bool| desk::BulkDone {
        when: moment(NOW, NOW),
        who: text.into(),
        said: text.into(),
        label: label(),
        until: moment(NOW, NOW),
        undo: undo.then(|| "/staff/inbox/bulk/1/undo".into()),
    };
    desk::Bulk {
        done: done(true),
        refused: Some(text.into()),
        files: (0..12).map(row).collect(),
        stays: (0..3).map(row).collect(),
        said: text.into(),
        chosen: (0..15).collect(),
        attempt: "x".into(),
        minutes: 10,
        whose: choices(text),
        filings: vec![filing(true), filing(false)],
    }
}

fn tab(current: bool) -> Tab {
    Tab {
        text: "All",
        href: "/staff/tasks".into(),
        count: Some(3),
        current,
    }
}

fn tasks(text: &str) -> desk::Tasks {
    let row = |number: usize| desk::TaskRow {
        href: (number > 0).then(|| "/staff/tasks/1".into()),
        what: text.into(),
        patient: person(text),
        whose: text.into(),
        due: "3 Feb 2026".into(),
        label: label(),
        urgent: number == 1,
        by: text.into(),
        when: moment(NOW, NOW),
        letter: (number > 0).then(|| "/staff/item/1".into()),
        overdue: number < 3,
    };
    desk::Tasks {
        done: done(true),
        tabs: vec![tab(true), tab(false)],
        rows: (0..20).map(row).collect(),
        empty: "",
        more: true,
        overdue: Some("3 are overdue.".into()),
    }
}

fn task_new(text: &str) -> desk::TaskNew {
    desk::TaskNew {
        errors: vec![fault("#what"), fault("#due")],
        patient: person(text),
        patient_id: "p".into(),
        letter: "1".into(),
        subject: Some(text.into()),
        back: "/staff/item/1".into(),
        attempt: "x".into(),
        what: text.into(),
        what_error: Some("Enter what is to be done"),
        due: "2026-02-03".into(),
        due_error: Some("The day is over"),
        urgent: true,
        whose: choices(text),
    }
}

fn task(text: &str) -> desk::TaskPage {
    desk::TaskPage {
        done: None,
        errors: vec![fault("#why"), fault("#due")],
        refused: Some(text.into()),
        what: text.into(),
        patient: person(text),
        record: "/staff/patient/p".into(),
        letter: Some("/staff/item/1".into()),
        whose: text.into(),
        due: "3 Feb 2026".into(),
        due_day: "2026-02-03".into(),
        answer: None,
        book: Some("/staff/slots?task=1".into()),
        label: label(),
        urgent: true,
        made: text.into(),
        made_at: moment(NOW, NOW),
        notes: vec![desk::TaskNote {
            who: text.into(),
            when: "12:00".into(),
            text: text.into(),
        }],
        open: true,
        action: "/staff/tasks/1".into(),
        version: 1,
        choices: choices(text),
        note: text.into(),
        why: text.into(),
        why_error: Some("Enter why it was not done"),
        due_error: Some("The day is over"),
        rules: vec![super::rules::mark(text)],
    }
}

pub(super) fn head(text: &str) -> desk::Head {
    desk::Head {
        patient: person(text),
        record: "/staff/patient/p".into(),
        withheld: 2,
        sealed: 1,
        emergency: "/staff/emergency-access/p".into(),
        unseal: "/staff/unseal/p".into(),
        timeline: "/staff/patient/p/timeline".into(),
        results: "/staff/patient/p/results".into(),
        task: "/staff/tasks/new?patient=p".into(),
        letter: Some("/staff/letters/new?patient=p".into()),
    }
}

fn results(text: &str) -> desk::Results {
    let points: Vec<Point> = (0..6_i64)
        .map(|at| Point {
            at: NOW - at * 9_000_000_000,
            value: 4.1 + at as f64 * 0.3,
            abnormal: at == 5,
        })
        .collect();
    let row = |number: usize| desk::TestRow {
        when: "3 Feb 2026".into(),
        value: format!("{text} mmol/L"),
        usual: "3.5 to 5.3".into(),
        flag: (number == 0).then(label),
        status: (number == 1).then(label),
        by: text.into(),
    };
    let test = |number: usize| desk::Test {
        name: text.into(),
        unit: "mmol/L".into(),
        drawing: trend::draw(
            &format!("t{number}"),
            (text, "mmol/L"),
            &points,
            Some((Some(3.5), Some(5.3))),
        ),
        note: Some("The laboratories’ ranges differ."),
        rows: (0..6).map(row).collect(),
        more: 3,
    };
    desk::Results {
        head: head(text),
        tests: (0..4).map(test).collect(),
        more: true,
    }
}

fn timeline(text: &str) -> desk::Timeline {
    let row = |number: usize| desk::TimelineRow {
        day: "3 Feb 2026".into(),
        kind: "Results",
        what: text.into(),
        by: text.into(),
        href: number
            .is_multiple_of(2)
            .then(|| "/staff/patient/p/results".into()),
        label: (number == 2).then(label),
    };
    desk::Timeline {
        head: head(text),
        tabs: vec![tab(true), tab(false)],
        rows: (0..20).map(row).collect(),
        more: true,
        others: 2,
        undated: 1,
    }
}

fn neighbours(text: &str) -> desk::Neighbours {
    let row = |number: usize| desk::NeighbourRow {
        name: text.into(),
        ods: "RZZ01".into(),
        what: text.into(),
        health: label(),
        why: (number == 0).then(|| text.into()),
        waiting: 3,
        oldest: (number == 0).then(|| moment(NOW, NOW)),
        untold: 1,
        answered: (number > 0).then(|| moment(NOW, NOW)),
        receipt: (number > 0).then(|| moment(NOW, NOW)),
        certificate: Some(moment(NOW, NOW)),
        ends_soon: number == 0,
    };
    desk::Neighbours {
        directory: Some(desk::Directory {
            version: 4,
            members: 12,
            until: moment(NOW, NOW),
            ended: false,
            soon: true,
        }),
        rows: (0..16).map(row).collect(),
        more: 2,
    }
}

fn teams(text: &str) -> desk::Teams {
    let member = |leads| desk::MemberRow {
        account: 1,
        name: text.into(),
        role: "clerk",
        leads,
    };
    let team = |members, leaderless| desk::TeamPart {
        id: "t1".into(),
        name: text.into(),
        members,
        leaderless,
    };
    let person = |me| desk::PersonRow {
        account: 1,
        name: text.into(),
        role: "clinician",
        teams: text.into(),
        me,
    };
    let asked = |may| desk::AskedRow {
        id: "x".into(),
        what: text.into(),
        by: text.into(),
        when: moment(NOW, NOW),
        may,
    };
    desk::Teams {
        done: done(true),
        refused: Some(text.into()),
        teams: vec![
            team(vec![member(true), member(false)], false),
            team(vec![], true),
        ],
        people: vec![person(true), person(false)],
        asked: vec![asked(true), asked(false)],
        attempt: "x".into(),
        choices: vec![one(text)],
        name: text.into(),
    }
}

fn letter(text: &str) -> desk::LetterForm {
    desk::LetterForm {
        done: None,
        errors: vec![fault("#title"), fault("#body"), fault("#to-0")],
        patient: person(text),
        patient_id: "p".into(),
        record: "/staff/patient/p".into(),
        notes: vec![text.into()],
        action: "/staff/letters/1".into(),
        attempt: "x".into(),
        version: Some(2),
        kept: Some((text.into(), moment(NOW, NOW))),
        templates: vec![one(text)],
        fields: vec![("{patient}".into(), "the patient’s name")],
        gaps: vec![text.into()],
        title: text.into(),
        title_error: Some("Enter what it is about"),
        body: text.into(),
        body_error: Some("Write the letter"),
        to: vec![
            ("RZZ01".into(), text.into()),
            (String::new(), String::new()),
        ],
        to_error: Some("Enter to whom the letter goes"),
        known: vec![("RZZ01".into(), text.into())],
        to_patient: true,
        urgent: true,
        marks: vec![one(text)],
        mark_error: Some("It cannot be both"),
    }
}

fn sign(text: &str) -> desk::LetterSign {
    let copy = |_| desk::LetterCopy {
        to: text.into(),
        way: "To its node, signed.",
        text: text.into(),
    };
    desk::LetterSign {
        patient: person(text),
        title: text.into(),
        copies: (0..2).map(copy).collect(),
        notes: vec![text.into()],
        release: text.into(),
        back: "/staff/letters/1".into(),
        action: "/staff/letters/1/sign".into(),
        version: "2".into(),
        may: true,
        me: text.into(),
    }
}

fn template(text: &str) -> desk::TemplateForm {
    desk::TemplateForm {
        errors: vec![fault("#name"), fault("#body")],
        refused: Some(text.into()),
        action: "/staff/templates/1".into(),
        attempt: "x".into(),
        version: Some(2),
        name: text.into(),
        name_error: Some("Enter what it is called"),
        body: text.into(),
        body_error: Some("Write the text"),
        teams: vec![one(text)],
        fields: vec![("{patient}".into(), "the patient’s name")],
    }
}

fn templates(text: &str) -> desk::Templates {
    let row = |_| desk::TemplateRow {
        href: "/staff/templates/1".into(),
        name: text.into(),
        team: text.into(),
        by: text.into(),
        when: moment(NOW, NOW),
    };
    desk::Templates {
        done: done(true),
        rows: (0..3).map(row).collect(),
    }
}
