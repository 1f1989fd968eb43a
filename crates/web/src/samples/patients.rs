//! The patient's pages of letters, sharing and who looked.

use super::{NOW, appointments, content, journey, prescriptions, referrals};
use crate::page::parts::Label;
use crate::page::tongue::Language;
use crate::page::words::moment;
use crate::patient::views as patient;

pub(super) fn letters(text: &str) -> Vec<patient::Letter> {
    let one = |n: i64| patient::Letter {
        href: format!("/record/letters/{n}"),
        title: format!("{text} discharge summary"),
        from: format!("{text} Hospital"),
        dated: moment(NOW - n * 86_400_000 * 40, NOW),
        withdrawn: n == 3,
    };
    (1..4).map(one).collect()
}

pub(super) fn home(text: &str) -> patient::Home {
    patient::Home {
        t: Language::English.texts(),
        lang: "en",
        result: None,
        messages: Some("2 new messages".into()),
        next: vec![patient::TileLink {
            href: "/record/results/r".into(),
            text: text.into(),
        }],
        heading: format!("Hello, {text}"),
        questionnaires: Some(text.into()),
        acting: false,
        who_looked: true,
        people: Some("1 person can act for you".into()),
        letters: "3 letters".into(),
        appointments: appointments::tile(text),
        newest: letters(text),
        prescriptions: Some(prescriptions::tile(text)),
        referrals: Some(referrals::tile(text)),
        told: vec![patient::Told {
            when: moment(NOW - 86_400_000, NOW),
            what: format!("{text} opened your record in an emergency"),
            why: text.into(),
        }],
        moved: Some(patient::Moved {
            lang: "en",
            text: text.into(),
        }),
        not_here: Some("Some items are not shown to people who act for somebody else."),
        done: None,
    }
}

pub(super) fn letters_page(text: &str) -> patient::Letters {
    patient::Letters {
        heading: "Your letters",
        letters: letters(text),
        not_shown: vec!["A letter appears here once your practice has filed it.".into()],
        older: None,
        newest: None,
    }
}

pub(super) fn access_log(text: &str) -> patient::AccessLog {
    let look = |label| patient::Look {
        when: moment(NOW - 86_400_000, NOW),
        who: text.into(),
        role: format!("clinician, {text}"),
        did: "Read".into(),
        about: "results and measurements".into(),
        why: "Your care".into(),
        label,
        ask: Some("/record/query/look~3".into()),
        entries: 3,
    };
    let refused = Label {
        text: "Refused",
        colour: Some("orange"),
    };
    patient::AccessLog {
        rows: vec![look(None), look(Some(refused))],
        organisation: text.into(),
        older: Some("/access-log?before=5".into()),
        newest: None,
    }
}

pub(super) fn sharing(text: &str) -> patient::Sharing {
    let switch = |shared, value: Option<&str>| patient::Switch {
        category: "Letters",
        shared,
        until: (!shared).then(|| moment(NOW + 86_400_000, NOW)),
        value: value.map(str::to_string),
    };
    let switches = vec![
        switch(true, Some("stop letters A81001")),
        switch(false, Some("share letters A81001")),
        switch(false, None),
    ];
    let telling = |text: &str, reason: Option<&str>| patient::Telling {
        organisation: text.into(),
        state: Label {
            text: "Not yet told",
            colour: Some("yellow"),
        },
        when: moment(NOW, NOW),
        reason: reason.map(str::to_string),
        refused: Some(moment(NOW, NOW)),
        receipts: Some("/sharing/receipts/1".into()),
    };
    patient::Sharing {
        done: None,
        error: Some("Give the last day"),
        categories: vec!["Letters", "Results", "Medicines"],
        organisations: vec![patient::Switches {
            name: text.into(),
            switches,
        }],
        opt_out: Some(patient::OptOut { said: text.into() }),
        tellings: vec![telling(text, Some(text)), telling(text, None)],
    }
}

pub(super) fn letter(text: &str) -> patient::LetterPage {
    patient::LetterPage {
        title: format!("{text} discharge summary"),
        from: text.into(),
        author: Some(text.into()),
        dated: Some(moment(NOW - 86_400_000, NOW)),
        notice: None,
        content: content(text),
        journey: journey(text),
    }
}
