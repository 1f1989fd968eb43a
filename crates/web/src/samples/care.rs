//! The pages about who may see what.

use super::{NOW, person};
use crate::page::parts::{Fault, Label, Link};
use crate::page::words::moment;
use crate::patient::views as patient;
use crate::staff::views as staff;

pub(super) fn withheld(text: &str) -> staff::WithheldItem {
    staff::WithheldItem {
        back: Link {
            text: "Inbox",
            href: "/staff/inbox".into(),
        },
        subject: text.into(),
        patient: person(text),
        said: "This letter is sealed to a team that you are not in.",
        dated_word: "Received",
        dated: moment(NOW - 60_000, NOW),
        state: Label {
            text: "New",
            colour: Some("blue"),
        },
        ways: vec![Link {
            text: "Open sealed items of this patient’s record",
            href: "/staff/unseal/jane".into(),
        }],
    }
}

pub(super) fn opening(text: &str) -> staff::Opening {
    let reason = |value, text, checked| staff::Reason {
        value,
        text,
        checked,
    };
    staff::Opening {
        heading: "Emergency access to one record",
        said: format!("You can then read this patient's record for 4 hours. {text}"),
        action: "/staff/emergency-access/jane".into(),
        errors: vec![Fault {
            text: "Say why, in at least 10 letters",
            href: "#reason".into(),
        }],
        reasons: vec![
            reason("unable-to-ask", "The patient cannot be asked", true),
            reason("legal-duty", "The law asks for it", false),
        ],
        code_error: None,
        durations: vec![
            staff::Duration {
                value: 30,
                text: "30 minutes".into(),
                chosen: false,
            },
            staff::Duration {
                value: 240,
                text: "4 hours".into(),
                chosen: true,
            },
        ],
        minutes_error: None,
        reason: text.into(),
        reason_error: Some("Say why, in at least 10 letters"),
    }
}

pub(super) fn privacy(text: &str) -> staff::Privacy {
    let row = |number: i64| staff::PrivacyRow {
        when: moment(NOW - number * 9_000_000, NOW),
        what: "Emergency access (B0015)",
        who: text.into(),
        patient: text.into(),
        why: text.into(),
        state: Label {
            text: "Open",
            colour: Some("blue"),
        },
        outcome: if number == 3 {
            text.into()
        } else {
            String::new()
        },
        action: (number != 3).then(|| format!("/staff/privacy/{number}")),
        number,
    };
    staff::Privacy {
        done: None,
        late: 1,
        rows: (1..4).map(row).collect(),
    }
}

pub(super) fn privacy_log(text: &str) -> staff::PrivacyLog {
    let row = |number: i64| staff::PrivacyLook {
        when: moment(NOW - number * 9_000_000, NOW),
        who: text.into(),
        role: text.into(),
        did: "Read".into(),
        about: text.into(),
        why: text.into(),
        label: (number == 1).then_some(Label {
            text: "Was not shown",
            colour: Some("orange"),
        }),
    };
    staff::PrivacyLog {
        patient: Some("jane".into()),
        typed: text.into(),
        errors: vec![Fault {
            text: "There is no record with this NHS number here",
            href: "#nhs_number".into(),
        }],
        rows: (1..4).map(row).collect(),
        older: Some("/staff/privacy/log?patient=jane&before=3".into()),
        newest: None,
    }
}

pub(super) fn patient(text: &str) -> staff::PatientPage {
    let count = |what: &str, count| staff::Count {
        what: what.into(),
        count,
    };
    staff::PatientPage {
        discharge: Some("/staff/discharges/new?patient=p".into()),
        discharges: Some("/staff/discharges/signed?patient=p".into()),
        crisis_plan: "/staff/crisis-plan/p".into(),
        visit: "/staff/visits/new?patient=p".into(),
        patient: person(text),
        name: text.into(),
        counts: vec![count("DocumentReference", 4), count("Observation", 12)],
        more: false,
        withheld: 3,
        sealed: 2,
        emergency: "/staff/emergency-access/jane".into(),
        unseal: "/staff/unseal/jane".into(),
        lives: vec![text.into()],
        restricted: true,
        released: true,
        locate: "/staff/whereabouts/jane".into(),
        team: "/staff/whereabouts/jane/team".into(),
        pds: Some(super::pds::part(text)),
        timeline: "/staff/patient/jane/timeline".into(),
        results: "/staff/patient/jane/results".into(),
        questionnaires: "/staff/patient/jane/questionnaires".into(),
        task: "/staff/tasks/new?patient=jane".into(),
        letter: Some("/staff/letters/new?patient=jane".into()),
        people: "/staff/people/jane".into(),
        refer: Some("/staff/referrals/new?patient=jane".into()),
        shared: "/staff/patient/jane/shared".into(),
    }
}

fn choices() -> Vec<patient::Choice> {
    let choice = |it: &access::category::Category| patient::Choice {
        name: format!("see-{}", it.code),
        text: it.name,
        checked: it.code == "letters",
    };
    access::category::for_people().map(choice).collect()
}

pub(super) fn proxies(text: &str) -> staff::Proxies {
    staff::Proxies {
        done: None,
        errors: vec![Fault {
            text: "Say why, in at least 10 letters",
            href: "#why".into(),
        }],
        patient: person(text),
        action: "/staff/people/jane".into(),
        back: "/staff/patient/jane".into(),
        rows: vec![staff::ProxyRow {
            number: 1,
            name: text.into(),
            sees: "Letters".into(),
            until: moment(NOW, NOW),
            by: text.into(),
            state: Label {
                text: "To be confirmed",
                colour: Some("orange"),
            },
        }],
        categories: choices(),
        nhs_number: text.into(),
        born: text.into(),
        family: text.into(),
        until: text.into(),
        reason: text.into(),
        months: 12,
        ages: [11, 16],
        paused: Some(text.into()),
        hidden: true,
    }
}

pub(super) fn people(text: &str) -> patient::People {
    let leave = |state| patient::LeaveRow {
        number: 1,
        patient: text.into(),
        person: text.into(),
        sees: "Letters, Results and measurements".into(),
        until: moment(NOW, NOW),
        by: text.into(),
        reason: text.into(),
        state,
    };
    patient::People {
        done: None,
        errors: vec![Fault {
            text: "Choose what they may see",
            href: "#see".into(),
        }],
        by_me: vec![leave(None), leave(Some("Over"))],
        for_me: vec![leave(None)],
        offers: vec![patient::OfferRow {
            name: text.into(),
            until: moment(NOW, NOW),
        }],
        new_code: Some(patient::Code {
            code: "abcd-efgh-jkmn-pqrs".into(),
            name: text.into(),
            until: moment(NOW, NOW),
            address: "http://127.0.0.1:1/people".into(),
        }),
        categories: choices(),
        name: text.into(),
        name_error: None,
        see_error: Some("Choose what they may see"),
        until: text.into(),
        until_error: Some("Give the last day as 2027-03-31"),
        months: 12,
        code_error: None,
    }
}
