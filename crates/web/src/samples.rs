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

const NOW: Millis = 1_782_129_600_000;

fn site() -> Site {
    Site {
        organisation: Ods::parse("A81001").unwrap(),
        name: "Willow Road Surgery".into(),
        base_url: "http://127.0.0.1:1".into(),
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
        },
        "/staff/x",
        NOW,
    )
}

fn jane() -> Visit {
    let who = Who::Patient {
        account: 2,
        name: "Jane Example".into(),
        patient: "p".into(),
        nhs_number: NhsNumber::parse("9434765919").unwrap(),
    };
    Visit::sample(
        Caller {
            who,
            request_id: "r".into(),
        },
        "/record",
        NOW,
    )
}

/// Every page: its name and how it is answered. `text` stands wherever a page shows what came from
/// outside.
pub fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    vec![
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
            "home",
            Page::new("patient/home.jinja", "Home", home(text))
                .under("/")
                .answer(&site, &jane()),
        ),
        (
            "record",
            Page::new("patient/record.jinja", "Letters", record(text))
                .under("/record")
                .answer(&site, &jane()),
        ),
        (
            "letter",
            Page::new("patient/letter.jinja", text, letter(text))
                .under("/record")
                .answer(&site, &jane()),
        ),
    ]
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
        href: format!("/staff/item/{n}"),
        patient: person(text),
        subject: format!("{text} discharge summary"),
        from: format!("{text} Hospital"),
        urgency: parts::urgency(if n % 5 == 0 { "urgent" } else { "routine" }),
        received: moment(NOW - n * 7_000_000, NOW),
        state: parts::state_here(if n % 3 == 0 { "opened" } else { "delivered" }, n % 7 != 0),
        unread: n % 3 != 0,
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
        rows: (1..=25).map(row).collect(),
        empty: "",
        older: Some("/staff/inbox?before=1".into()),
        newest: None,
        done: None,
    }
}

fn journey(text: &str) -> Vec<parts::Step> {
    vec![
        parts::step(
            "accepted",
            NOW - 900_000,
            NOW,
            Some(format!("{text} Hospital")),
            None,
        ),
        parts::step("waiting", NOW - 890_000, NOW, None, Some(text.into())),
        parts::step(
            "delivered",
            NOW - 60_000,
            NOW,
            Some("Willow Road Surgery".into()),
            None,
        ),
        parts::step(
            "opened",
            NOW - 1_000,
            NOW,
            Some("Ann Secretary, clerk, Willow Road Surgery".into()),
            None,
        ),
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
        subject: format!("{text} discharge summary"),
        patient: person(text),
        urgency: parts::urgency("urgent"),
        from: format!("{text} Hospital"),
        author: Some(text.into()),
        dated_word: "received",
        dated: moment(NOW - 60_000, NOW),
        content: content(text),
        state: parts::state_here("opened", false),
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
                same_born: true,
                same_number: false,
            }],
        }),
        action: "/staff/item/1".into(),
        can_file: true,
        file_note: "The patient can then read it at once. This cannot be undone.",
        can_act: true,
        can_return: true,
        can_withdraw: false,
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
        parcel: "01997f3a-5b1c-7d2e-8f00-000000000001".into(),
    }
}

fn sent(text: &str) -> staff::Sent {
    let states = [
        "accepted",
        "waiting",
        "delivered",
        "opened",
        "filed",
        "acted-on",
        "returned",
        "withdrawn",
        "superseded",
        "undeliverable",
    ];
    let row = |(n, state): (usize, &&str)| staff::SentRow {
        id: n.to_string(),
        href: format!("/staff/sent/{n}"),
        patient: person(text),
        subject: format!("{text} discharge summary"),
        to: text.into(),
        state: parts::state(state),
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
        rows: states.iter().enumerate().map(row).collect(),
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
        state: parts::state("undeliverable"),
        why: text.into(),
        next: "Ask the sending system to put it right, then replay.",
        action: Some(Link {
            text: "Replay",
            href: "/staff/worklist/hl7/1/replay".into(),
        }),
    };
    let group = |id, title, rows: Vec<staff::Work>| staff::Group {
        id,
        title,
        count: rows.len().to_string(),
        rows,
        empty: "Nothing is stuck.",
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

fn letters(text: &str) -> Vec<patient::Letter> {
    let one = |n: i64| patient::Letter {
        href: format!("/record/letters/{n}"),
        title: format!("{text} discharge summary"),
        from: format!("{text} Hospital"),
        dated: moment(NOW - n * 86_400_000 * 40, NOW),
    };
    (1..4).map(one).collect()
}

fn home(text: &str) -> patient::Home {
    patient::Home {
        heading: format!("Hello, {text}"),
        letters: "3 letters".into(),
        newest: letters(text),
        not_here: "Appointments, prescriptions and test results are not here yet.",
        done: None,
    }
}

fn record(text: &str) -> patient::Record {
    patient::Record {
        letters: letters(text),
        not_shown: vec!["A letter appears here once your practice has filed it.".into()],
        older: None,
        newest: None,
    }
}

fn letter(text: &str) -> patient::LetterPage {
    patient::LetterPage {
        title: format!("{text} discharge summary"),
        from: text.into(),
        author: Some(text.into()),
        dated: moment(NOW - 86_400_000, NOW),
        notice: None,
        content: content(text),
        journey: journey(text),
    }
}

async fn html(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A13, for text that stands anywhere in a page.
#[tokio::test]
async fn text_from_outside_stays_text_on_every_page() {
    for hostile in [
        "<script>bad()</script>",
        "\"><img src=x onerror=bad()>",
        "'><svg onload=bad()>",
    ] {
        for (name, response) in all(hostile) {
            let html = html(response).await;
            assert!(!html.contains(hostile), "{name} lets {hostile} through");
            assert!(html.contains("bad()"), "{name} shows nothing of it");
            for tag in ["<script>bad", "<img src=x", "<svg onload"] {
                assert!(!html.contains(tag), "{name} makes a tag of {hostile}");
            }
        }
    }
}

#[tokio::test]
async fn pages_have_no_inline_handler_and_every_script_has_the_nonce() {
    for (name, response) in all("Jane") {
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        let (_, rest) = policy.split_once("'nonce-").unwrap();
        let nonce = format!("nonce=\"{}\"", rest.split_once('\'').unwrap().0);
        let html = html(response).await;
        for script in html.split("<script").skip(1) {
            assert!(script.split_once('>').unwrap().0.contains(&nonce), "{name}");
        }
        for handler in [" onclick=", " onload=", " style=", "javascript:"] {
            assert!(!html.contains(handler), "{name} has {handler}");
        }
    }
}

/// The whole of a first visit and of a later one, compressed as browsers ask for it.
#[tokio::test]
async fn pages_are_light() {
    use std::io::Write;
    let size = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(4));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().len()
    };
    let files: usize = crate::page::assets::FILES
        .iter()
        .map(|file| file.gzip.len())
        .sum();
    for (name, response) in all("Jane O'Neill") {
        let html = html(response).await;
        let page = size(html.as_bytes());
        println!("{name}: {page} bytes, with its files {}", page + files);
        assert!(page <= 6_000, "{name}: {page}");
        assert!(page + files <= 60_000, "{name}: {}", page + files);
    }
}

#[tokio::test]
async fn the_logo_and_the_typeface_of_the_nhs_are_not_used() {
    for (name, response) in all("Jane") {
        let html = html(response).await;
        assert!(!html.contains("nhsuk-header__logo"), "{name}");
        assert!(!html.contains("NHS England"), "{name}");
    }
    let ours = crate::page::assets::FILES
        .iter()
        .find(|file| file.name == "handover.css")
        .unwrap();
    let ours = std::str::from_utf8(ours.plain).unwrap();
    assert!(ours.contains("html{font-family:Arial,Helvetica,sans-serif}"));
}
