//! The pages about ambulances' handovers.

use axum::response::Response;

use super::{NOW, clerk, person, site};
use crate::page::Page;
use crate::page::parts::{Done, Fault, Label, Tab};
use crate::page::words::moment;
use crate::staff::handovers::views;
use crate::staff::referrals::views::Receiver;
use crate::staff::views::Candidate;

pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let at = "/staff/handover-board";
    let board = Page::new("staff/handover-board.jinja", "Ambulances", board(text));
    let one = Page::new("staff/handover.jinja", text, one(text));
    let new = Page::new("staff/handover-new.jinja", "Hand over", new(text));
    let whose = Page::new("staff/handover-match.jinja", "Who is this?", whose(text));
    vec![
        ("handover-board", board.under(at).answer(&site, &clerk())),
        ("handover", one.with_faults(true).answer(&site, &clerk())),
        (
            "handover-new",
            new.with_faults(true).answer(&site, &clerk()),
        ),
        (
            "handover-match",
            whose.with_faults(true).answer(&site, &clerk()),
        ),
    ]
}

fn label(text: &'static str, colour: &'static str) -> Label {
    Label {
        text,
        colour: Some(colour),
    }
}

fn score(text: &str) -> views::Score {
    views::Score {
        text: text.into(),
        colour: Some("red"),
    }
}

fn fault(href: &'static str) -> Vec<Fault> {
    vec![Fault {
        text: "Nothing was done",
        href: href.into(),
    }]
}

fn receivers(text: &str) -> Vec<Receiver> {
    vec![Receiver {
        ods: "RZZ01".into(),
        name: text.into(),
        chosen: true,
    }]
}

fn board(text: &str) -> views::List {
    let row = |n: usize| views::Row {
        href: Some(format!("/staff/handovers/h{n}")),
        who: text.into(),
        score: score("7 high"),
        pre_alert: n == 0,
        happened: text.into(),
        other: text.into(),
        due: "14:20, 5 min late".into(),
        waited: "31 min".into(),
        mark: Some(label("Over 30 min", "orange")),
        state: label("Waiting", "orange"),
        news: n == 0,
    };
    let mut waiting = views::Group::new("Waiting", "No crew is waiting.");
    waiting.rows = (0..16).map(row).collect();
    views::List {
        done: Some(Done {
            text: "Sent.",
            href: None,
            link: None,
        }),
        heading: "Ambulances",
        tabs: vec![Tab {
            text: "Coming here",
            href: "/staff/handover-board".into(),
            count: Some(16),
            current: true,
        }],
        events: "/staff/sent/events",
        here: "/staff/handover-board",
        may_hand_over: true,
        groups: vec![
            waiting,
            views::Group::new("On their way", "No ambulance is on its way."),
        ],
        full: true,
    }
}

fn one(text: &str) -> views::One {
    let now = || moment(NOW, NOW);
    views::One {
        done: None,
        errors: fault("#received-words"),
        said: Some(text.into()),
        back: "/staff/handover-board",
        patient: person(text),
        told: Some(person(text)),
        record: Some("/staff/patient/jane".into()),
        inward: true,
        other: text.into(),
        crew: text.into(),
        pre_alert: true,
        state: label("Waiting", "orange"),
        due: "Arrived 14:20".into(),
        waited: "31 min".into(),
        mark: Some(label("Over 30 min", "orange")),
        ended: text.into(),
        letter: "The patient’s practice is told by a letter: see Sent.",
        older: Some((2, now())),
        sheet: views::Told {
            score: score("Incomplete, 1 missing"),
            missing: text.into(),
            measured: Some(now()),
            parts: vec![views::Part {
                name: "Pulse",
                value: text.into(),
                points: Some(3),
            }],
            sets: vec![views::Set {
                at: now(),
                score: score("7 high"),
                numbers: vec!["22".into(); 7],
            }],
            happened: text.into(),
            found: text.into(),
            allergies: text.into(),
            treatments: vec![(now(), text.into())],
        },
        steps: vec![views::Step {
            what: "Arrived".into(),
            when: now(),
            who: text.into(),
            note: text.into(),
            href: Some("/staff/handovers/h?sheet=1".into()),
            told: vec![text.into()],
        }],
        delivery: Some(views::Delivery {
            state: label("Delivered", "blue"),
            when: now(),
            why: text.into(),
        }),
        action: "/staff/handovers/h".into(),
        can_arrive: true,
        can_update: true,
        can_begin: true,
        can_receive: true,
        waits_for_clinician: true,
        can_match: true,
        can_move: true,
        was_moved: true,
        receivers: receivers(text),
        typed_act: "received",
        typed_words: text.into(),
        me: text.into(),
        shared: None,
        unshared: text.into(),
    }
}

fn new(text: &str) -> views::New {
    let typed = ["happened", "found", "allergies", "crew", "family"];
    views::New {
        errors: fault("#happened"),
        said: Some(text.into()),
        heading: "Hand over to a hospital",
        back: "/staff/handovers".into(),
        action: "/staff/handovers/new".into(),
        attempt: text.into(),
        seen: String::new(),
        about: None,
        receivers: receivers(text),
        typed: typed.into_iter().map(|it| (it, text.into())).collect(),
        treatments: vec![(text.into(), text.into())],
        told: vec![(moment(NOW, NOW), text.into())],
    }
}

fn whose(text: &str) -> views::Match {
    views::Match {
        errors: fault("#find"),
        patient: person(text),
        other: text.into(),
        happened: text.into(),
        action: "/staff/handovers/h".into(),
        back: "/staff/handovers/h".into(),
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
        from: Some(person(text)),
        typed_words: text.into(),
    }
}
