//! The pages about faxes.

use axum::response::Response;

use super::{NOW, clerk, site};
use crate::page::Page;
use crate::page::parts::{Fault, Label, Link};
use crate::page::words::moment;
use crate::staff::fax_in::tabs;
use crate::staff::fax_views as views;

/// Each page: its name and how it is answered.
pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let (site, visit) = (site(), clerk());
    vec![
        (
            "faxes",
            Page::new("staff/faxes.jinja", "Faxes", faxes(text)).answer(&site, &visit),
        ),
        (
            "fax",
            Page::new("staff/fax.jinja", text, fax(text)).answer(&site, &visit),
        ),
        (
            "fax-numbers",
            Page::new("staff/fax-numbers.jinja", "Fax numbers", numbers(text))
                .answer(&site, &visit),
        ),
        (
            "fax-count",
            Page::new("staff/fax-count.jinja", "Faxes by month", counts(text))
                .answer(&site, &visit),
        ),
    ]
}

fn label(text: &'static str) -> Label {
    Label {
        text,
        colour: Some("blue"),
    }
}

fn faxes(text: &str) -> views::Faxes {
    let row = |number: i64| views::FaxRow {
        href: format!("/staff/fax-in/{number}"),
        from: text.into(),
        listed: Some(text.into()),
        received: moment(NOW - 60_000 * number, NOW),
        pages: 3,
        state: label("Waiting"),
        note: text.into(),
    };
    views::Faxes {
        tabs: tabs("", Some(25)),
        rows: (1..=25).map(row).collect(),
        empty: "",
        done: super::done(true),
    }
}

fn fax(text: &str) -> views::Fax {
    views::Fax {
        errors: vec![Fault {
            text: "Nobody here has this NHS number, date of birth and family name together",
            href: "#nhs_number".into(),
        }],
        number: 7,
        action: "/staff/fax-in/7".into(),
        from: text.into(),
        listed: Some(text.into()),
        station: text.into(),
        received: moment(NOW - 60_000, NOW),
        pages: 3,
        state: label("Put back"),
        trouble: Some(text.into()),
        said: Some(text.into()),
        file: Some(views::FaxFile {
            href: "/staff/fax-in/7/file".into(),
            kind: "PDF",
            size: "34 kB".into(),
        }),
        pictures: vec![1, 2, 3],
        can_match: true,
        can_set_aside: true,
        can_take_up: true,
        nhs_number: text.into(),
        born: text.into(),
        family: text.into(),
        title: text.into(),
        urgent: true,
        match_error: Some(
            "Nobody here has this NHS number, date of birth and family name together",
        ),
        title_error: Some("Give a subject of up to 200 characters"),
        reason: text.into(),
        reason_error: Some("Enter why it is set aside"),
    }
}

fn numbers(text: &str) -> views::Numbers {
    let action = |word, text| views::NumberAction { word, text };
    let row = |_| views::NumberRow {
        value: "+441134960000".into(),
        number: "0113 496 0000".into(),
        name: text.into(),
        ods: "RZZ01".into(),
        state: label("To be confirmed"),
        by: text.into(),
        actions: vec![action("confirm", "Confirm"), action("refuse", "Refuse")],
    };
    views::Numbers {
        tabs: tabs("numbers", None),
        errors: vec![Fault {
            text: "The number was not put onto the list: see the field",
            href: "#number".into(),
        }],
        done: super::done(true),
        rows: (1..=10).map(row).collect(),
        number: text.into(),
        ods: text.into(),
        name: text.into(),
        number_error: Some(text.into()),
        ods_error: Some("Enter the organisation’s ODS code, such as RZZ01"),
        name_error: Some("Enter its name, up to 100 characters"),
    }
}

fn counts(text: &str) -> views::Counts {
    let row = |number: u64| views::CountRow {
        way: "In",
        number: text.into(),
        name: text.into(),
        faxes: number,
        pages: number * 3,
        failed: 1,
        has_node: number.is_multiple_of(2),
    };
    views::Counts {
        tabs: tabs("count", None),
        month: text.into(),
        error: Some("Enter a month as year and month, such as 2026-11"),
        rows: (1..=20).map(row).collect(),
        earlier: Link {
            text: "The month before",
            href: "/staff/fax-count?month=2026-05".into(),
        },
    }
}
