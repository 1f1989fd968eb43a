//! The pages about appointments and slots.

use axum::response::Response;

use super::{clerk, done, jane, site};
use crate::page::Page;
use crate::page::parts::{Fault, Label, Link};
use crate::page::tongue::Language;
use crate::patient::appointments::views as patient;
use crate::patient::views::{Tile, TileLink};
use crate::staff::slot_views as staff;

/// Each page: its name and how it is answered.
pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let theirs = jane();
    let mut pages = Vec::new();
    for (name, language) in [("en", Language::English), ("cy", Language::Welsh)] {
        let named = |english, welsh| if name == "en" { english } else { welsh };
        let list = Page::new("patient/appointments.jinja", "A", list(text, language));
        pages.push((
            named("appointments", "apwyntiadau"),
            list.answer(&site, &theirs),
        ));
        let one = Page::new("patient/appointment.jinja", "A", one(text, language));
        pages.push((
            named("appointment", "apwyntiad"),
            one.answer(&site, &theirs),
        ));
        let book = Page::new("patient/book.jinja", "B", book(text, language));
        pages.push((named("book", "trefnu"), book.answer(&site, &theirs)));
        let check = Page::new("patient/book-check.jinja", "C", check(text, language));
        pages.push((named("book-check", "gwirio"), check.answer(&site, &theirs)));
        let taken = Page::new("patient/book-taken.jinja", "T", taken(text, language));
        pages.push((
            named("book-taken", "wedi-mynd"),
            taken.answer(&site, &theirs),
        ));
    }
    let visit = clerk();
    let slots = Page::new("staff/slots.jinja", "Slots", slots(text)).under("/staff/slots");
    pages.push(("slots", slots.answer(&site, &visit)));
    let there = Page::new("staff/slots-there.jinja", "Slots", there(text));
    pages.push(("slots-there", there.answer(&site, &visit)));
    let book = Page::new("staff/slot-book.jinja", "Book", slot_book(text));
    pages.push(("slot-book", book.answer(&site, &visit)));
    pages
}

/// The home page's words about appointments.
pub(super) fn tile(text: &str) -> Tile {
    Tile {
        lang: "en",
        heading: "Appointments",
        said: "2 to come".into(),
        next: Some(TileLink {
            href: "/appointments/a".into(),
            text: text.into(),
        }),
        book: "Book an appointment",
    }
}

fn state() -> Label {
    Label {
        text: "Asked for, not yet confirmed",
        colour: Some("yellow"),
    }
}

fn list(text: &str, language: Language) -> patient::List {
    let row = |number: usize| patient::Row {
        href: (number != 2).then(|| format!("/appointments/{number}")),
        when: "Monday 5 January 2026 at 9:30".into(),
        what: text.into(),
        place: text.into(),
        state: state(),
        told: (number == 2).then(|| text.into()),
        ring: (number == 2).then(|| text.into()),
    };
    patient::List {
        t: language.texts(),
        lang: language.code(),
        coming: (1..4).map(row).collect(),
        none: None,
        past: (4..20).map(row).collect(),
        missing: vec![text.into()],
        sources: super::patient_app::sources(text),
        note: text.into(),
    }
}

fn days(text: &str, days: usize) -> Vec<patient::Day> {
    let time = |number: usize| patient::Time {
        value: format!("here~{number:064}"),
        time: format!("{}:30", 9 + number),
        what: text.into(),
    };
    let day = |number: usize| patient::Day {
        day: format!("Monday {number} January 2026"),
        times: (0..8).map(time).collect(),
    };
    (5..5 + days).map(day).collect()
}

fn one(text: &str, language: Language) -> patient::One {
    patient::One {
        t: language.texts(),
        lang: language.code(),
        done: Some(text.into()),
        errors: vec![Fault {
            text: "Choose why",
            href: "#why".into(),
        }],
        when: "Monday 5 January 2026 at 9:30".into(),
        kind: text.into(),
        with: text.into(),
        place: text.into(),
        reason: text.into(),
        state: state(),
        explain: Some(text.into()),
        id: "a".into(),
        days: days(text, 3),
        can_move: true,
        can_cancel: true,
        why: vec![patient::Why {
            value: "better",
            text: text.into(),
        }],
        why_error: Some(text.into()),
        next: days(text, 1),
    }
}

fn book(text: &str, language: Language) -> patient::Book {
    let source = |silent: Option<&str>| patient::Source {
        place: text.into(),
        days: if silent.is_some() {
            Vec::new()
        } else {
            days(text, 3)
        },
        note: Some(text.into()),
        silent: silent.map(str::to_owned),
        empty: false,
        sorts: vec![patient::Sort {
            href: "/appointments/book?who=a".into(),
            text: text.into(),
            current: true,
        }],
        later: Some("/appointments/book?from=2026-01-09".into()),
    };
    patient::Book {
        t: language.texts(),
        lang: language.code(),
        errors: vec![Fault {
            text: "Write up to 500 characters",
            href: "#reason".into(),
        }],
        reason: text.into(),
        reason_error: Some(text.into()),
        sources: vec![source(None), source(Some(text))],
        earliest: Some("/appointments/book"),
    }
}

fn check(text: &str, language: Language) -> patient::Check {
    patient::Check {
        t: language.texts(),
        lang: language.code(),
        title: "Check before you book".into(),
        when: "Monday 5 January 2026 at 9:30".into(),
        kind: text.into(),
        with: text.into(),
        place: text.into(),
        reason: text.into(),
        whose: text.into(),
        note: Some(text.into()),
        instead: Some(text.into()),
        choice: text.into(),
        attempt: "1".into(),
        instead_of: "a".into(),
        button: text.into(),
        back: "/appointments/book".into(),
    }
}

fn taken(text: &str, language: Language) -> patient::Taken {
    patient::Taken {
        t: language.texts(),
        lang: language.code(),
        said: language
            .texts()
            .get("taken-text")
            .map_or("", String::as_str),
        days: days(text, 3),
        reason: text.into(),
        instead_of: String::new(),
        stands: Some("/appointments/a".into()),
    }
}

fn slots(text: &str) -> staff::Slots {
    let row = |number: usize| staff::SlotRow {
        id: format!("s{number}"),
        time: format!("{}:{}0", 9 + number / 6, number % 6),
        kind: text.into(),
        with: text.into(),
        who_may: "patients",
        state: Label {
            text: "Booked",
            colour: Some("blue"),
        },
        patient: Some(text.into()),
        patient_href: Some("/staff/patient/p".into()),
        by: Some(text.into()),
        book: Some(format!("/staff/slots/here~s{number}/book")),
        actions: vec![staff::SlotAction {
            word: "hold",
            text: "Hold",
        }],
        can_cancel: number.is_multiple_of(3),
    };
    staff::Slots {
        done: done(true),
        errors: vec![Fault {
            text: "Put the session right",
            href: "#with".into(),
        }],
        day: "2026-01-05".into(),
        day_words: "Monday 5 January 2026".into(),
        today: "/staff/slots".into(),
        before: "/staff/slots?day=2026-01-04".into(),
        after: "/staff/slots?day=2026-01-06".into(),
        rows: (0..18).map(row).collect(),
        closed: None,
        there: Some("/staff/slots/there".into()),
        task: Some(staff::ForTask {
            patient: super::person(text),
            what: text.into(),
            href: "/staff/tasks/1".into(),
            only: Some(text.into()),
            all: "/staff/slots?all=yes".into(),
        }),
        form: staff::SessionForm {
            with: text.into(),
            fault: "with".into(),
            fault_text: text.into(),
            ..staff::SessionForm::default()
        },
    }
}

fn there(text: &str) -> staff::There {
    let row = || staff::ThereRow {
        when: "Monday 5 January 2026 at 9:30".into(),
        kind: text.into(),
        with: text.into(),
        book: "/staff/slots/RZZ01~e30/book".into(),
    };
    let source = |silent: Option<&str>| staff::ThereSource {
        name: text.into(),
        silent: silent.map(str::to_owned),
        rows: std::iter::repeat_with(row).take(20).collect(),
    };
    staff::There {
        taken: Some(staff::Taken {
            name: text.into(),
            when: "Monday 5 January 2026 at 9:30".into(),
            next: vec![row()],
        }),
        sources: vec![source(None), source(Some(text))],
    }
}

fn slot_book(text: &str) -> staff::SlotBook {
    staff::SlotBook {
        errors: Vec::new(),
        back: Link {
            text: "Slots",
            href: "/staff/slots".into(),
        },
        when: "Monday 5 January 2026 at 9:30".into(),
        what: text.into(),
        place: text.into(),
        note: Some(text.into()),
        action: "/staff/slots/here~s/book".into(),
        attempt: "1".into(),
        task: "t1".into(),
        nhs_number: text.into(),
        born: text.into(),
        family: text.into(),
        reason: text.into(),
        error: Some(text.into()),
    }
}
