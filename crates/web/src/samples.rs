//! Every page with made-up content, for tests of how pages come out.

use access::{Caller, NhsNumber, Ods, Role, Who};
use axum::response::Response;
use fhir::date::Millis;

use crate::node::Site;
use crate::page::Page;
use crate::page::parts::{self, Content, Done, Link, Person, Tab};
use crate::page::words::moment;
use crate::patient::views as patient;
use crate::staff::views as staff;
use crate::visit::Visit;
use patients::{access_log, home, letter, letters_page, sharing};
use store::parcels::{STATES, State};

const NOW: Millis = 1_782_129_600_000;

fn site() -> Site {
    Site {
        organisation: Ods::parse("A81001").unwrap(),
        name: "Willow Road Surgery".into(),
        base_url: "http://127.0.0.1:1".into(),
        roles: vec!["gp-practice".into()],
        look: std::sync::Arc::default(),
    }
}

fn clerk() -> Visit {
    let organisation = Ods::parse("A81001").unwrap();
    let who = Who::Staff {
        account: 1,
        name: "Ann Secretary".into(),
        role: Role::Clerk,
        organisation,
    };
    Visit::sample(
        Caller {
            who,
            request_id: "r".into(),
            granted: None,
            acting: None,
        },
        "/staff/x",
        NOW,
    )
}

fn patient_caller() -> Caller {
    let who = Who::Patient {
        account: 2,
        name: "Jane Example".into(),
        patient: "p".into(),
        nhs_number: NhsNumber::parse("9434765919").unwrap(),
    };
    Caller::new(who, "r".into())
}

fn jane() -> Visit {
    Visit::sample(patient_caller(), "/record", NOW)
}

/// The same, who acts for somebody of that name.
fn acting(name: &str) -> Visit {
    let mut caller = patient_caller();
    caller.acting = Some(std::sync::Arc::new(access::Acting {
        proxy: 1,
        patient: "q".into(),
        name: name.into(),
    }));
    Visit::sample(caller, "/people", NOW)
}

/// Every page: its name and how it is answered. `text` stands wherever a page shows what came from
/// outside.
pub fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let mut pages = vec![
        (
            "inbox",
            Page::new("staff/inbox.jinja", "Inbox", inbox(text))
                .under("/staff/inbox")
                .answer(&site, &clerk()),
        ),
        (
            "item",
            Page::new("staff/item.jinja", text, item(text))
                .under("/staff/inbox")
                .answer(&site, &clerk()),
        ),
        (
            "sent",
            Page::new("staff/sent.jinja", "Sent", sent(text))
                .under("/staff/sent")
                .answer(&site, &clerk()),
        ),
        (
            "worklist",
            Page::new("staff/worklist.jinja", "Work list", work(text))
                .under("/staff/worklist")
                .answer(&site, &clerk()),
        ),
        (
            "withheld",
            Page::new("staff/withheld.jinja", text, care::withheld(text))
                .under("/staff/inbox")
                .answer(&site, &clerk()),
        ),
        (
            "opening",
            Page::new("staff/opening.jinja", text, care::opening(text)).answer(&site, &clerk()),
        ),
        (
            "privacy",
            Page::new("staff/privacy.jinja", "Privacy", care::privacy(text))
                .under("/staff/privacy")
                .answer(&site, &clerk()),
        ),
        (
            "privacy-log",
            Page::new(
                "staff/privacy-log.jinja",
                "Who looked",
                care::privacy_log(text),
            )
            .under("/staff/privacy")
            .answer(&site, &clerk()),
        ),
        (
            "patient",
            Page::new("staff/patient.jinja", text, care::patient(text)).answer(&site, &clerk()),
        ),
        (
            "patients",
            Page::new(
                "staff/patients.jinja",
                "Find a patient",
                pds::patients(text),
            )
            .under("/staff/patients")
            .answer(&site, &clerk()),
        ),
        (
            "moves",
            Page::new(
                "staff/moves.jinja",
                "Patients who move",
                moving::moves(text),
            )
            .answer(&site, &clerk()),
        ),
        (
            "shared-letter",
            Page::new("staff/shared-letter.jinja", text, moving::letter(text))
                .answer(&site, &clerk()),
        ),
        (
            "team-release",
            Page::new("staff/team-release.jinja", text, pds::team(text)).answer(&site, &clerk()),
        ),
        (
            "home",
            Page::new("patient/home.jinja", "Home", home(text))
                .under("/")
                .answer(&site, &jane()),
        ),
        (
            "letters",
            Page::new("patient/letters.jinja", "Letters", letters_page(text))
                .under("/record")
                .answer(&site, &jane()),
        ),
        (
            "access-log",
            Page::new("patient/access-log.jinja", "Who looked", access_log(text))
                .under("/access-log")
                .answer(&site, &jane()),
        ),
        (
            "sharing",
            Page::new("patient/sharing.jinja", "Sharing", sharing(text))
                .under("/sharing")
                .answer(&site, &jane()),
        ),
        (
            "proxies",
            Page::new("staff/proxies.jinja", "People", care::proxies(text)).answer(&site, &clerk()),
        ),
        (
            "people",
            Page::new("patient/people.jinja", "People", care::people(text))
                .under("/people")
                .answer(&site, &jane()),
        ),
        (
            "acting",
            Page::new(
                "patient/acting.jinja",
                "People",
                patient::ActingNow { name: text.into() },
            )
            .answer(&site, &acting(text)),
        ),
        (
            "letter",
            Page::new("patient/letter.jinja", text, letter(text))
                .under("/record")
                .answer(&site, &jane()),
        ),
    ];
    pages.extend(fax::all(text));
    pages.extend(appointments::all(text));
    pages.extend(prescriptions::all(text));
    pages.extend(discharges::all(text));
    pages.extend(referrals::all(text));
    pages.extend(handovers::all(text));
    pages.extend(visits::all(text));
    pages.extend(downtime::all(text));
    pages.extend(patient_app::all(text));
    pages.extend(desk::all(text));
    pages.extend(rules::all(text));
    pages.extend(questionnaires::all(text));
    pages
}

fn person(text: &str) -> Person {
    Person::new(text, Some("1961-02-03"), Some("9434765919"))
}

fn done(link: bool) -> Option<Done> {
    link.then(|| Done {
        text: "Letter filed. The patient can read it now.",
        href: Some("/staff/item/1".into()),
        link: Some("Look at it again"),
    })
}

fn inbox(text: &str) -> staff::Inbox {
    let row = |n: i64| staff::InboxRow {
        pid: n,
        whose: (n % 2 == 0).then(|| text.to_owned()),
        href: format!("/staff/item/{n}"),
        patient: person(text),
        subject: format!("{text} discharge summary"),
        from: format!("{text} Hospital"),
        urgency: parts::urgency(n % 5 == 0),
        received: moment(NOW - n * 7_000_000, NOW),
        state: parts::state(if n % 3 == 0 {
            State::Opened
        } else {
            State::Delivered
        }),
        unread: n % 3 != 0,
        rule: (n % 4 == 0).then(|| text.into()),
    };
    let tab = |text, count, current| Tab {
        text,
        href: "/staff/inbox".into(),
        count,
        current,
    };
    staff::Inbox {
        heading: "Inbox",
        show: "open",
        tabs: vec![
            tab("To work on", Some(21), true),
            tab("Unmatched", Some(3), false),
            tab("Filed", None, false),
            tab("Returned", None, false),
        ],
        senders: vec![staff::Sender {
            value: "RZZ01".into(),
            text: text.into(),
            chosen: false,
        }],
        urgent: false,
        whose: desk::choices(text),
        saved: vec![crate::staff::desk::views::Saved {
            name: text.into(),
            href: "/staff/inbox?who=me".into(),
            current: true,
        }],
        query: "who=me".into(),
        rows: (1..=25).map(row).collect(),
        empty: "",
        narrowed: None,
        older: Some("/staff/inbox?before=1".into()),
        newest: None,
        done: None,
        notices: vec![staff::Notice {
            text: text.into(),
            href: "/staff/item/1".into(),
            when: moment(NOW, NOW),
            seen: "/staff/notices/1/seen".into(),
        }],
    }
}

fn journey(text: &str) -> Vec<parts::Step> {
    let step = |what, ago, note: Option<&str>| parts::Step {
        what,
        when: moment(NOW - ago, NOW),
        who: Some(format!("{text}, clerk, Willow Road Surgery")),
        note: note.map(str::to_owned),
    };
    vec![
        step("Accepted for sending", 900_000, None),
        step("Waiting: could not be delivered yet", 890_000, Some(text)),
        step("Delivered", 60_000, None),
        step("Opened", 1_000, None),
    ]
}

fn content(text: &str) -> Vec<Content> {
    vec![
        Content {
            text: Some(format!(
                "Dear colleague,\n\n{text}\n\nThank you for seeing this patient. She was admitted with chest pain and discharged on aspirin 75 mg.\n\nYours sincerely,\nDr A. Writer"
            )),
            ..Content::default()
        },
        Content {
            href: Some("/staff/item/1/content/2".into()),
            title: text.into(),
            kind: "PDF",
            size: "34 kB".into(),
            ..Content::default()
        },
    ]
}

fn item(text: &str) -> staff::Item {
    staff::Item {
        back: Link {
            text: "Inbox",
            href: "/staff/inbox".into(),
        },
        done: done(true),
        errors: vec![],
        record: Some("/staff/patient/p".into()),
        overtaken: Some(text.into()),
        work: Some(staff::WhoseWork {
            whose: desk::choices(text),
            said: Some(text.into()),
            tasks: vec![crate::staff::desk::views::TaskLine {
                href: "/staff/tasks/1".into(),
                whose: text.into(),
                due: "3 Feb 2026".into(),
                label: parts::state(State::Opened),
            }],
            more: true,
            new: Some("/staff/tasks/new?letter=1".into()),
            rules: vec![rules::mark(text)],
        }),
        subject: format!("{text} discharge summary"),
        patient: person(text),
        urgency: parts::urgency(true),
        from: format!("{text} Hospital"),
        author: Some(text.into()),
        by_fax: false,
        source: Some("It came by ITK3 over MESH: its sender is not proved by a signature of ours."),
        dated_word: "received",
        dated: moment(NOW - 60_000, NOW),
        content: content(text),
        state: parts::state(State::Opened),
        since: moment(NOW - 1_000, NOW),
        notice: Some(text.into()),
        matching: Some(staff::Matching {
            why: "Nobody registered here has this NHS number, date of birth and family name."
                .into(),
            sought: text.into(),
            candidates: vec![staff::Candidate {
                value: text.into(),
                name: text.into(),
                born: Some("3 Feb 1961".into()),
                nhs_number: Some("943 476 5919".into()),
                same_name: true,
                same_born: true,
                same_number: false,
            }],
        }),
        action: "/staff/item/1".into(),
        can_file: true,
        file_note: "The patient can then read it at once. This cannot be undone.",
        can_act: true,
        can_return: true,
        can_hold_back: true,
        can_release: false,
        marks: vec![staff::Reason {
            value: "third-party",
            text: "It tells something about another person",
            checked: true,
        }],
        mark_error: None,
        held_why: text.into(),
        held_why_error: Some("Enter what you weighed"),
        can_withdraw: false,
        can_send_again: false,
        open: "return",
        me: "Dr Bo Test".into(),
        outcome: text.into(),
        outcome_error: None,
        reasons: vec![
            staff::Reason {
                value: "not-our-patient",
                text: "Not our patient",
                checked: false,
            },
            staff::Reason {
                value: "other",
                text: "Another reason",
                checked: true,
            },
        ],
        reason_error: None,
        note: text.into(),
        note_error: Some("Say why"),
        why: String::new(),
        why_error: None,
        journey: journey(text),
        receipts: None,
        parcel: "01997f3a-5b1c-7d2e-8f00-000000000001".into(),
    }
}

fn sent(text: &str) -> staff::Sent {
    let row = |(n, state): (usize, &State)| staff::SentRow {
        id: n.to_string(),
        href: format!("/staff/sent/{n}"),
        patient: person(text),
        subject: format!("{text} discharge summary"),
        to: text.into(),
        state: parts::state(*state),
        since: moment(NOW - 3_000_000 * n as i64, NOW),
        detail: (n == 1).then(|| text.to_owned()),
    };
    let tab = |text, count, current| Tab {
        text,
        href: "/staff/sent".into(),
        count,
        current,
    };
    staff::Sent {
        tabs: vec![
            tab("All", None, true),
            tab("Not there yet", Some(2), false),
            tab("Came back or failed", Some(2), false),
        ],
        rows: STATES.iter().enumerate().map(row).collect(),
        empty: "",
        older: None,
        newest: None,
        done: None,
        events: "/staff/sent/events",
        here: "/staff/sent".into(),
    }
}

fn work(text: &str) -> staff::WorkList {
    let row = |n: i64| staff::Work {
        when: moment(NOW - n * 9_000_000, NOW),
        what: format!("MDM T02 {text}"),
        href: None,
        state: parts::state(State::Undeliverable),
        why: text.into(),
        next: "Ask the sending system to put it right, then replay.".into(),
        actions: vec![Link {
            text: "Replay",
            href: "/staff/worklist/hl7/1/replay".into(),
        }],
    };
    let group = |id, title, rows: Vec<staff::Work>| staff::Group {
        id,
        title,
        count: rows.len().to_string(),
        rows,
        empty: "Nothing is stuck.",
        more: None,
    };
    staff::WorkList {
        groups: vec![
            group(
                "messages",
                "HL7 messages not taken in",
                (1..4).map(row).collect(),
            ),
            group("letters", "Letters that could not be sent", vec![]),
        ],
        done: None,
    }
}

mod appointments;
mod care;
mod desk;
mod discharges;
mod downtime;
mod fax;
mod handovers;
mod moving;
mod patient_app;
mod patients;
mod pds;
mod prescriptions;
mod questionnaires;
mod referrals;
mod rules;
mod tests;
mod visits;
