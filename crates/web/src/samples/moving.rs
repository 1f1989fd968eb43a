//! What the pages about patients who move, and about others' letters, show in samples.

use super::{NOW, moment};
use crate::page::parts::{Content, Fault, Label, Link, Person};
use crate::staff::{moves, shared_letter};

fn row(id: &str, text: &str, state: &'static str) -> moves::Row {
    moves::Row {
        id: id.into(),
        patient: Some(Person::new(text, Some("1980-02-01"), Some("9990000018"))),
        href: Some("/staff/patient/jane".into()),
        other: text.into(),
        state: Label {
            text: state,
            colour: Some("yellow"),
        },
        since: moment(NOW, NOW),
        detail: text.into(),
        told: vec![text.into()],
    }
}

pub(super) fn moves(text: &str) -> moves::View {
    moves::View {
        done: None,
        errors: vec![Fault {
            text: "Enter the family name",
            href: "#family".into(),
        }],
        claims: vec![
            row("m1", text, "Waits for you"),
            moves::Row {
                patient: None,
                href: None,
                ..row("m2", text, "Waits for you")
            },
        ],
        coming: vec![row("m3", text, "On its way")],
        gone: vec![row("m4", text, "Given")],
        named: vec![named(text, true), named(text, false)],
        letters: [true, false]
            .map(|comes| moves::Named {
                by: Some(text.into()),
                ..named(text, comes)
            })
            .into(),
        more: true,
        nhs_number: text.into(),
        born: text.into(),
        family: text.into(),
        given: text.into(),
        from: text.into(),
    }
}

fn named(text: &str, comes: bool) -> moves::Named {
    let it = row("m5", text, "Given");
    moves::Named {
        id: "jane".into(),
        by: None,
        patient: it.patient,
        href: it.href,
        from: text.into(),
        to: text.into(),
        said: it.since,
        register: comes.then(|| moves::Filled {
            nhs_number: text.into(),
            born: text.into(),
            family: text.into(),
            given: text.into(),
            from: text.into(),
        }),
    }
}

pub(super) fn letter(text: &str) -> shared_letter::View {
    shared_letter::View {
        back: Link {
            text: "The shared record",
            href: "/staff/patient/jane/shared".into(),
        },
        subject: text.into(),
        from: text.into(),
        author: Some(text.into()),
        dated: Some(moment(NOW, NOW)),
        asked: moment(NOW, NOW),
        state: Label {
            text: "Did not answer",
            colour: Some("red"),
        },
        said: Some(text.into()),
        emergency: Some("/staff/emergency-access/jane".into()),
        notice: Some("This letter was taken back. Do not act on it."),
        content: vec![Content {
            text: Some(text.into()),
            ..Content::default()
        }],
        more: true,
    }
}
