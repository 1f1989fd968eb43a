//! The pages about downtime.

use axum::response::Response;

use super::{NOW, clerk, done, site};
use crate::page::Page;
use crate::page::parts::Fault;
use crate::page::words::moment;
use crate::staff::downtime::views;

pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let page = Page::new("staff/downtime.jinja", "Downtime", page(text)).with_faults(true);
    let paper = Page::new("staff/downtime-paper.jinja", "Paper", paper(text)).with_faults(true);
    vec![
        ("downtime", page.answer(&site, &clerk())),
        ("downtime-paper", paper.answer(&site, &clerk())),
    ]
}

fn faults(at: &'static str) -> Vec<Fault> {
    vec![Fault {
        text: "Something is missing",
        href: at.into(),
    }]
}

fn page(text: &str) -> views::Downtime {
    views::Downtime {
        done: done(true),
        errors: faults("#kind"),
        on: true,
        stuck: Some(text.into()),
        last: Some(views::Last {
            made: moment(NOW, NOW),
            by: text.into(),
            patients: 3,
            left_out: text.into(),
        }),
        events: vec![views::Event {
            at: moment(NOW, NOW),
            what: "Printed",
            pack: text.into(),
            who: text.into(),
            note: text.into(),
        }],
        more: true,
        pack: text.into(),
        note: text.into(),
        kind_error: Some("Choose what was done"),
        pack_error: None,
    }
}

fn paper(text: &str) -> views::Paper {
    let field = |name| views::Field {
        name,
        label: "NHS number",
        value: text.into(),
        error: Some("Enter it"),
    };
    views::Paper {
        errors: faults("#born"),
        attempt: "a".into(),
        who: vec![field("born")],
        measured: vec![field("pulse")],
        given: vec![field("medicine")],
        note: text.into(),
        note_error: Some("Enter what stands on the paper"),
    }
}
