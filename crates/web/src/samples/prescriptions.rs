//! The pages about prescriptions.

use axum::response::Response;

use super::{NOW, clerk, jane, person, site};
use crate::page::Page;
use crate::page::parts::{Done, Fault, Label};
use crate::page::tongue::Language;
use crate::page::words::{date, moment};
use crate::patient::prescriptions::views as patient;
use crate::patient::prescriptions::words::Words;
use crate::staff::prescriptions::views as staff;

pub(super) fn tile(text: &str) -> patient::Tile {
    patient::Tile {
        href: "/prescriptions/order",
        heading: "Prescriptions",
        text: text.into(),
        lang: "en",
    }
}

pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let welsh = Words::of(Language::Welsh);
    let patients = |template, view| {
        Page::new(template, text, view)
            .under("/prescriptions")
            .said_in(Language::Welsh)
            .answer(&site, &jane())
    };
    let order = Page::new("patient/order.jinja", text, order(text))
        .under("/prescriptions")
        .with_faults(true)
        .answer(&site, &jane());
    let one = Page::new("patient/prescription.jinja", text, one(text)).answer(&site, &jane());
    let pharmacy = Page::new("patient/pharmacy.jinja", text, pharmacies(text));
    let queue = Page::new("staff/prescriptions.jinja", "Prescriptions", queue(text));
    let request = Page::new("staff/prescription.jinja", text, request(text));
    let dispensing = Page::new("staff/dispensing.jinja", "Dispensing", dispensing(text));
    vec![
        (
            "prescriptions",
            patients("patient/prescriptions.jinja", list(text, welsh)),
        ),
        ("order", order),
        ("prescription", one),
        ("pharmacy", pharmacy.answer(&site, &jane())),
        ("prescribing", queue.answer(&site, &clerk())),
        ("request", request.answer(&site, &clerk())),
        ("dispensing", dispensing.answer(&site, &clerk())),
    ]
}

fn green(text: &'static str) -> Label {
    Label {
        text,
        colour: Some("green"),
    }
}

fn medicine(text: &str, why: Option<&str>) -> patient::Medicine {
    patient::Medicine {
        id: text.into(),
        name: text.into(),
        dose: text.into(),
        quantity: "28 tablet".into(),
        last: Some(text.into()),
        left: Some("5 left".into()),
        why: why.map(str::to_owned),
        order: why.map(|_| "/prescriptions/o1".to_owned()),
    }
}

fn list(text: &str, words: &'static Words) -> patient::List {
    let row = || patient::OrderRow {
        href: "/prescriptions/o1".into(),
        title: "Asked for on 3 Feb 2026".into(),
        names: text.into(),
        states: vec![green("Ready to collect")],
    };
    patient::List {
        words,
        done: Some(words.done_already),
        due_said: words.one_due.into(),
        due: vec![medicine(text, None)],
        others: vec![medicine(text, Some(text))],
        under_way: vec![row()],
        before: vec![row()],
        notes: vec![words.held_back, words.stand_in],
        pharmacy: text.into(),
        here: "/prescriptions".into(),
    }
}

fn order(text: &str) -> patient::Order {
    let words = Words::of(Language::English);
    patient::Order {
        words,
        errors: vec![Fault {
            text: words.choose_one,
            href: "#items".into(),
        }],
        due: vec![medicine(text, None), medicine(text, None)],
        others: vec![medicine(text, Some(text))],
        nothing: "",
        notes: vec![words.held_back],
        pharmacy: text.into(),
        here: "/prescriptions/order".into(),
    }
}

fn one(text: &str) -> patient::One {
    let words = Words::of(Language::English);
    let step = |what, note: Option<&str>| patient::StepTaken {
        what,
        when: date(NOW),
        note: note.map(str::to_owned),
    };
    patient::One {
        words,
        done: Some(words.done_asked),
        title: text.into(),
        pharmacy: text.into(),
        numbers: vec![text.into()],
        items: vec![patient::Tracked {
            name: text.into(),
            dose: text.into(),
            quantity: "28 tablet".into(),
            state: green("Ready to collect"),
            steps: vec![step("Asked for", None), step("Part is ready", Some(text))],
        }],
        notes: vec![words.stand_in],
        here: "/prescriptions/o1".into(),
    }
}

fn pharmacies(text: &str) -> patient::Pharmacies {
    let words = Words::of(Language::English);
    let pharmacy = |ods: &str, chosen| patient::Pharmacy {
        ods: ods.into(),
        name: text.into(),
        chosen,
    };
    patient::Pharmacies {
        words,
        done: Some(words.pharmacy_saved),
        errors: vec![],
        now: text.into(),
        pharmacies: vec![pharmacy("FZZ01", true), pharmacy("FZZ02", false)],
        here: "/pharmacy".into(),
    }
}

fn row(text: &str, n: i64) -> staff::Row {
    let clean = n % 2 == 1;
    staff::Row {
        href: format!("/staff/prescriptions/o{n}"),
        approve: clean.then(|| format!("/staff/prescriptions/o{n}/approve")),
        seen: "0".repeat(64),
        patient: person(text),
        asked: moment(NOW - n * 3_600_000, NOW),
        items: vec![item(text, n), item(text, n + 1)],
        allergies: text.into(),
        allergy_mark: (!clean).then_some(Label {
            text: "Allergies withheld",
            colour: Some("red"),
        }),
        state: green("Clean"),
        why: if clean { String::new() } else { text.into() },
        besides: if clean { String::new() } else { text.into() },
    }
}

fn item(text: &str, n: i64) -> staff::Item {
    staff::Item {
        task: format!("t{n}"),
        name: text.into(),
        dose: text.into(),
        quantity: "28 tablet".into(),
        last: Some(date(NOW)),
        review: (n > 1).then(|| date(NOW)),
        left: Some("5".into()),
        doubt: (n > 1).then_some("No issue is left."),
    }
}

fn queue(text: &str) -> staff::Queue {
    staff::Queue {
        done: Some(Done {
            text: "Approved.",
            href: None,
            link: None,
        }),
        rows: (1..16).map(|n| row(text, n)).collect(),
        under_way: vec![staff::UnderWay {
            href: "/staff/prescriptions/o20".into(),
            patient: text.into(),
            name: text.into(),
            what: "With the pharmacy",
            asked: date(NOW),
        }],
        withheld: 2,
        more: true,
        stand_in: true,
        outside: false,
        may: true,
    }
}

fn request(text: &str) -> staff::One {
    staff::One {
        errors: vec![Fault {
            text: "Say why, in words that the patient reads",
            href: "#reason".into(),
        }],
        said: Some(text.into()),
        reason: text.into(),
        row: row(text, 2),
        action: "/staff/prescriptions/o2".into(),
        may: true,
        me: "Dr Bo Test".into(),
        record: "/staff/patient/jane".into(),
        requests_withheld: 1,
        pharmacy: text.into(),
        stand_in: true,
        decided: vec![staff::Decided {
            name: text.into(),
            what: "Refused",
            who: text.into(),
            reason: text.into(),
            outcome: Some(text.into()),
            task: "t1".into(),
            can_cancel: true,
        }],
        reasons: vec![staff::Reason {
            code: "0002",
            name: "Clinical contra-indication",
        }],
    }
}

fn dispensing(text: &str) -> staff::Dispensing {
    let item = |n: i64| staff::Dispensed {
        task: format!("t{n}"),
        name: text.into(),
        dose: text.into(),
        quantity: "28 tablet".into(),
        state: green("Ready to collect"),
        note: text.into(),
        can_ready: true,
        can_part: true,
        can_refuse: true,
        can_collect: true,
    };
    staff::Dispensing {
        done: None,
        error: Some(text.into()),
        prescriptions: vec![staff::Prescription {
            number: "628738-A83008-7EFE6P".into(),
            patient: person(text),
            practice: text.into(),
            came: moment(NOW, NOW),
            items: vec![item(1), item(2)],
            can_return: true,
        }],
        withheld: 1,
        more: false,
        connected: true,
    }
}
