//! The pages about discharges and crisis plans.

use axum::response::Response;

use super::{NOW, clerk, person, site};
use crate::page::Page;
use crate::page::parts::{Done, Fault};
use crate::page::words::moment;
use crate::staff::crisis_plan::views as crisis;
use crate::staff::discharges::views as staff;

pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let form = Page::new("staff/discharge.jinja", text, form(text)).with_faults(true);
    let sign = Page::new("staff/discharge-sign.jinja", text, sign(text));
    let signed = staff::SignedList {
        patient: person(text),
        record: "/staff/patient/p".into(),
        rows: vec![staff::Signed {
            when: moment(NOW, NOW),
            by: text.into(),
            amended: true,
            amend: "/staff/discharges/d1/amend".into(),
        }],
        withheld: true,
        more: true,
    };
    let signed = Page::new("staff/discharges-signed.jinja", "Signed discharges", signed);
    let unsigned = Page::new("staff/unsigned.jinja", "Unsigned", unsigned(text));
    let plan = Page::new("staff/crisis-plan.jinja", "Crisis plan", plans(text));
    let write = Page::new("staff/crisis-plan-write.jinja", "Write", plan_form(text));
    vec![
        ("discharge", form.answer(&site, &clerk())),
        ("discharge-sign", sign.answer(&site, &clerk())),
        ("discharges-signed", signed.answer(&site, &clerk())),
        ("unsigned", unsigned.answer(&site, &clerk())),
        ("crisis-plan", plan.answer(&site, &clerk())),
        ("crisis-plan-write", write.answer(&site, &clerk())),
    ]
}

fn done() -> Option<Done> {
    Some(Done {
        text: "It is kept.",
        href: None,
        link: None,
    })
}

fn field(field: &'static str, text: &str) -> staff::Text {
    staff::Text {
        field,
        label: "What it is",
        hint: "One a line.",
        value: text.into(),
        error: (field == "allergies").then_some("Write what is known of allergies"),
    }
}

fn choice(value: &'static str, chosen: bool) -> staff::Choice {
    staff::Choice {
        value,
        text: "Started",
        chosen,
    }
}

fn form(text: &str) -> staff::Form {
    let medicine = |number| staff::Medicine {
        number,
        name: text.into(),
        dose: text.into(),
        reason: text.into(),
        fates: vec![choice("started", true), choice("stopped", false)],
    };
    let reader = |field| staff::Reader {
        field,
        label: "Who reads it",
        value: "A81001".into(),
        name: text.into(),
        error: (field == "practice").then_some("Choose who is written to"),
        known: vec![("A81001".into(), text.into())],
    };
    staff::Form {
        done: done(),
        errors: vec![Fault {
            text: "Write what is known of allergies",
            href: "#allergies".into(),
        }],
        patient: person(text),
        record: "/staff/patient/p".into(),
        notes: vec![text.into()],
        action: "/staff/discharges/d1".into(),
        patient_id: "p".into(),
        attempt: String::new(),
        version: Some("2".into()),
        kept: Some(staff::Kept {
            at: moment(NOW, NOW),
            by: text.into(),
        }),
        amends: Some(staff::Amends {
            draft: "d0".into(),
            signed: "2026-11-29".into(),
            why: field("why", text),
        }),
        days: vec![field("admitted", text), field("discharged", text)],
        before: vec![field("diagnoses", text), field("allergies", text)],
        after: vec![field("care-needs", text), field("told", text)],
        medicines: vec![medicine(0), medicine(1)],
        medicines_error: Some("Name each medicine"),
        no_medicines: true,
        readers: vec![reader("practice"), reader("pharmacy")],
        urgent: true,
        marks: vec![choice("third-party", true), choice("", false)],
    }
}

fn sign(text: &str) -> staff::Sign {
    staff::Sign {
        patient: person(text),
        letters: vec![staff::Letter {
            title: "Discharge summary",
            to: text.into(),
            sections: vec![(text.into(), text.into())],
        }],
        nobody: vec!["Nothing goes to social care."],
        notes: vec![text.into()],
        release: text.into(),
        back: "/staff/discharges/d1".into(),
        action: "/staff/discharges/d1/sign".into(),
        version: "2".into(),
        may: true,
        me: text.into(),
    }
}

fn unsigned(text: &str) -> staff::UnsignedList {
    let row = |shown: bool| staff::Unsigned {
        href: shown.then(|| "/staff/discharges/d1".into()),
        what: "Discharge",
        patient: person(text),
        author: text.into(),
        left: (!shown).then(|| text.to_owned()),
        begun: moment(NOW, NOW),
        changed: moment(NOW, NOW),
    };
    staff::UnsignedList {
        done: done(),
        rows: (0..16).map(|at| row(at % 2 == 0)).collect(),
        more: true,
    }
}

fn plans(text: &str) -> crisis::Plans {
    let plan = |ended| crisis::Plan {
        team: text.into(),
        author: text.into(),
        at: moment(NOW, NOW),
        ended,
        sections: vec![("Who to call", text.into())],
        change: (!ended).then(|| "/staff/crisis-plan/p/write?plan=x".into()),
    };
    crisis::Plans {
        done: done(),
        patient: person(text),
        record: "/staff/patient/p".into(),
        withheld: 1,
        sealed: 1,
        emergency: "/staff/emergency-access/p".into(),
        unseal: "/staff/unseal/p".into(),
        write: Some("/staff/crisis-plan/p/write".into()),
        plans: vec![plan(false), plan(true)],
    }
}

fn plan_form(text: &str) -> crisis::Form {
    crisis::Form {
        errors: vec![Fault {
            text: "Write what helps, and what to do",
            href: "#helps".into(),
        }],
        patient: person(text),
        back: "/staff/crisis-plan/p".into(),
        action: "/staff/crisis-plan/p/write".into(),
        plan: "x".into(),
        version: "1".into(),
        attempt: String::new(),
        teams: vec![(text.into(), true)],
        fields: vec![crisis::Field {
            field: "helps",
            heading: "What helps, and what to do",
            hint: "In their words.",
            value: text.into(),
            error: Some("Write what helps, and what to do"),
        }],
    }
}
