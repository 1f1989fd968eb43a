//! The pages about referrals.

use axum::response::Response;

use super::{NOW, clerk, jane, person, site};
use crate::page::Page;
use crate::page::parts::{Content, Done, Fault, Label, Step, Tab};
use crate::page::tongue::Language;
use crate::page::words::moment;
use crate::patient::referrals as patient;
use crate::patient::views::ReferralsTile;
use crate::staff::referrals::{urgency, views as staff};
use crate::staff::views::Candidate;

pub(super) fn tile(text: &str) -> ReferralsTile {
    ReferralsTile {
        lang: "en",
        heading: "Referrals",
        said: text.into(),
    }
}

pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let list = Page::new("staff/referrals.jinja", "Referrals", list(text));
    let one = Page::new("staff/referral.jinja", text, one(text));
    let new = Page::new("staff/referral-new.jinja", "Refer a patient", new(text));
    let unmatched = Page::new("staff/referral-match.jinja", "Whose?", unmatched(text));
    let t = Language::Welsh.texts();
    let mine = patient::List {
        t,
        lang: "cy",
        rows: vec![row(text)],
    };
    let mine = Page::new("patient/referrals.jinja", "Referrals", mine);
    let my_one = patient::One {
        t,
        lang: "cy",
        row: row(text),
        reason: text.into(),
        explain: text.into(),
        promised: vec![text.into()],
        appointment: Some("/appointments/a".into()),
        steps: steps(text),
    };
    let my_one = Page::new("patient/referral.jinja", text, my_one);
    let at = "/staff/referrals";
    vec![
        ("referrals", list.under(at).answer(&site, &clerk())),
        ("referral", one.with_faults(true).answer(&site, &clerk())),
        (
            "referral-new",
            new.with_faults(true).answer(&site, &clerk()),
        ),
        ("referral-match", unmatched.answer(&site, &clerk())),
        (
            "my-referrals",
            mine.under("/referrals").answer(&site, &jane()),
        ),
        ("my-referral", my_one.answer(&site, &jane())),
    ]
}

fn green(text: &'static str) -> Label {
    Label {
        text,
        colour: Some("green"),
    }
}

fn fault() -> Vec<Fault> {
    vec![Fault {
        text: "Look at what you wrote",
        href: "#ask-words".into(),
    }]
}

fn row(text: &str) -> patient::Row {
    patient::Row {
        href: "/referrals/r".into(),
        service: text.into(),
        place: text.into(),
        state: green("Accepted"),
        sent: "Monday 22 June 2026".into(),
    }
}

fn steps(text: &str) -> Vec<Step> {
    vec![Step {
        what: "Asked",
        when: moment(NOW, NOW),
        who: Some(text.into()),
        note: Some(text.into()),
    }]
}

fn request(text: &str) -> staff::Request {
    staff::Request {
        service: text.into(),
        reason: text.into(),
        question: text.into(),
        referrer: text.into(),
    }
}

fn list(text: &str) -> staff::List {
    let row = |n: usize| staff::Row {
        href: Some(format!("/staff/referrals/r{n}")),
        patient: person(text),
        service: text.into(),
        other: text.into(),
        urgency: urgency("urgent"),
        state: green("Accepted"),
        since: moment(NOW, NOW),
        detail: text.into(),
        news: n == 0,
    };
    staff::List {
        done: Some(Done {
            text: "Accepted.",
            href: None,
            link: None,
        }),
        tabs: vec![Tab {
            text: "To triage",
            href: "/staff/referrals?show=to-triage".into(),
            count: Some(20),
            current: true,
        }],
        events: "/staff/sent/events",
        here: "/staff/referrals".into(),
        is_sent: false,
        may_refer: true,
        rows: (0..20).map(row).collect(),
        full: true,
        empty: "",
    }
}

fn one(text: &str) -> staff::One {
    staff::One {
        errors: fault(),
        said: Some(text.into()),
        patient: person(text),
        record: "/staff/patient/jane".into(),
        inward: true,
        other: text.into(),
        by_bars: true,
        tells_back: false,
        request: request(text),
        urgency: urgency("stat"),
        state: green("To triage"),
        promised: Some(text.into()),
        enclosed: vec![Content {
            text: Some(text.into()),
            ..Content::default()
        }],
        steps: steps(text),
        delivery: Some(staff::Delivery {
            state: green("Delivered"),
            when: moment(NOW, NOW),
            why: text.into(),
        }),
        action: "/staff/referrals/r".into(),
        can_triage: true,
        waits_for_clinician: true,
        can_reply: true,
        can_withdraw: true,
        slots: vec![staff::Slot {
            id: "s".into(),
            text: text.into(),
        }],
        no_diary: false,
        typed: staff::Typed {
            act: "ask",
            words: text.into(),
            promised_by: text.into(),
        },
        me: text.into(),
    }
}

fn new(text: &str) -> staff::New {
    staff::New {
        errors: fault(),
        said: Some(text.into()),
        attempt: "a".into(),
        nhs_number: text.into(),
        born: text.into(),
        family: text.into(),
        receivers: vec![staff::Receiver {
            ods: "RZZ01".into(),
            name: text.into(),
            chosen: true,
        }],
        service: text.into(),
        urgency: "urgent".into(),
        referrer: text.into(),
        reason: text.into(),
        question: text.into(),
        summary: true,
        letters: vec![staff::Letter {
            id: "d1".into(),
            title: text.into(),
            from: Some(text.into()),
            dated: moment(NOW - 60_000, NOW),
            chosen: true,
        }],
        letters_more: Some(text.into()),
        held_back: false,
    }
}

fn unmatched(text: &str) -> staff::Unmatched {
    staff::Unmatched {
        errors: Vec::new(),
        patient: person(text),
        other: text.into(),
        came: moment(NOW, NOW),
        why: text.into(),
        request: request(text),
        urgency: urgency("routine"),
        action: "/staff/referrals/unmatched/1".into(),
        sought: text.into(),
        candidates: vec![Candidate {
            value: "jane".into(),
            name: text.into(),
            born: Some("3 Feb 1961".into()),
            nhs_number: None,
            same_name: true,
            same_born: true,
            same_number: false,
        }],
        can_register: true,
        can_return: true,
        reason: text.into(),
        said: None,
    }
}
