//! The pages about visits.

use axum::response::Response;

use super::{NOW, clerk, done, person, site};
use crate::carried::record::{Carried, Part};
use crate::page::Page;
use crate::page::parts::{Fault, Label};
use crate::page::words::moment;
use crate::staff::visits::views;

pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let list = Page::new("staff/visits.jinja", "Visits", list(text)).with_faults(true);
    let new = Page::new("staff/visit-new.jinja", "Plan a visit", new(text)).with_faults(true);
    let one = Page::new("staff/visit.jinja", "Visit", one(text)).with_faults(true);
    let sync = Page::new("staff/visits-sync.jinja", "Synchronise", sync(text));
    let decide = Page::new("staff/visit-entry.jinja", "Decide", decide(text)).with_faults(true);
    vec![
        ("visits", list.answer(&site, &clerk())),
        ("visit-new", new.answer(&site, &clerk())),
        ("visit", one.answer(&site, &clerk())),
        ("visits-sync", sync.answer(&site, &clerk())),
        ("visit-entry", decide.answer(&site, &clerk())),
    ]
}

fn state() -> Label {
    Label {
        text: "Planned",
        colour: None,
    }
}

fn faults(at: &'static str) -> Vec<Fault> {
    vec![Fault {
        text: "Something is missing",
        href: at.into(),
    }]
}

pub(super) fn carried(text: &str) -> Carried {
    Carried {
        id: "p".into(),
        person: person(text),
        nhs_number: "9434765919".into(),
        born: "1961-02-03".into(),
        lives: vec![text.into()],
        lives_not: "",
        hides_where: false,
        released: true,
        parts: vec![Part {
            heading: "Allergies",
            lines: vec![text.into()],
            notes: vec!["Some of this is withheld and not in this file."],
        }],
    }
}

fn list(text: &str) -> views::List {
    views::List {
        done: done(true),
        errors: faults("#passphrase"),
        day: "2026-06-22".into(),
        day_said: "22 Jun 2026".into(),
        whose: "",
        everybody: false,
        others: "/staff/visits?whose=all".into(),
        visits: vec![views::Row {
            href: Some("/staff/visits/v".into()),
            time: "09:00".into(),
            patient: person(text),
            lives: vec![text.into()],
            what: text.into(),
            nurse: text.into(),
            state: state(),
        }],
        more: true,
        takes: true,
        hours: "12",
        passphrase_error: Some("Choose a passphrase"),
        again_error: None,
        hours_error: None,
        packs: vec![views::Pack {
            nurse: text.into(),
            day: "22 Jun 2026".into(),
            made: moment(NOW, NOW),
            expires: moment(NOW, NOW),
            expired: true,
            heard: "nothing of 3 visits is back".into(),
            end: "/staff/visits/pack/p/end".into(),
        }],
        more_packs: true,
        held: vec![views::Held {
            href: "/staff/visits/entry/e".into(),
            patient: person(text),
            author: text.into(),
            happened: moment(NOW, NOW),
            arrived: moment(NOW, NOW),
            why: text.into(),
        }],
        more_held: true,
    }
}

fn fields(text: &str) -> views::PlanFields {
    views::PlanFields {
        people: vec![views::Choice {
            value: "7".into(),
            text: text.into(),
            chosen: true,
        }],
        more: true,
        account_error: Some("Choose who is to visit"),
        day: text.into(),
        time: "09:00".into(),
        day_error: Some("Enter day and time"),
        what: text.into(),
        what_error: None,
        access: text.into(),
        access_error: None,
    }
}

fn new(text: &str) -> views::New {
    views::New {
        errors: faults("#account"),
        patient: person(text),
        patient_id: "p".into(),
        attempt: "a".into(),
        form: fields(text),
    }
}

fn entry(text: &str) -> views::Entry {
    views::Entry {
        happened: moment(NOW, NOW),
        arrived: moment(NOW, NOW),
        author: text.into(),
        by: text.into(),
        state: state(),
        why: text.into(),
        settled: text.into(),
        practice: text.into(),
        decide: Some("/staff/visits/entry/e".into()),
        told: vec![("Note", text.into())],
    }
}

fn one(text: &str) -> views::One {
    views::One {
        done: done(true),
        errors: faults("#why"),
        carried: carried(text),
        record: "/staff/patient/p".into(),
        when: "22 Jun 2026 09:00".into(),
        what: text.into(),
        access: text.into(),
        nurse: text.into(),
        state: state(),
        reason: text.into(),
        entries: vec![entry(text)],
        more: true,
        taken: vec![views::Taken {
            nurse: text.into(),
            made: moment(NOW, NOW),
            back: false,
        }],
        open: true,
        action: "/staff/visits/v/change".into(),
        version: "1".into(),
        form: fields(text),
        why_error: Some("Write why the visit is cancelled"),
    }
}

fn sync(text: &str) -> views::Sync {
    views::Sync {
        errors: faults("#file"),
        refused: Some(text.into()),
        came: Some(views::Came {
            nurse: text.into(),
            landed: 2,
            before: 1,
            held: 1,
            waiting: 3,
            told: vec![views::Practices {
                text: text.into(),
                entries: 2,
            }],
        }),
    }
}

fn decide(text: &str) -> views::Decide {
    views::Decide {
        errors: faults("#why"),
        held: true,
        can_put_in: true,
        came: entry(text),
        here: Some(views::Here {
            href: "/staff/visits/v".into(),
            patient: person(text),
            when: "22 Jun 2026 09:00".into(),
            what: text.into(),
            access: text.into(),
            nurse: text.into(),
            state: state(),
            reason: text.into(),
        }),
        others: vec![entry(text)],
        version: "1".into(),
        action: "/staff/visits/entry/e/decide".into(),
        why: text.into(),
        why_error: Some("Say why"),
    }
}
