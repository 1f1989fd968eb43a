//! The pages of rules.

use axum::response::Response;

use super::{NOW, clerk, done, person, site};
use crate::page::Page;
use crate::page::parts::Label;
use crate::page::words::moment;
use crate::staff::rules::views as rules;

pub(super) fn all(text: &str) -> Vec<(&'static str, Response)> {
    let site = site();
    let who = clerk();
    let list = Page::new("staff/rules.jinja", "Rules", list(text));
    let one = Page::new("staff/rule.jinja", text, one(text)).with_faults(true);
    vec![
        ("rules", list.answer(&site, &who)),
        ("rule", one.answer(&site, &who)),
    ]
}

fn label() -> Label {
    Label {
        text: "On",
        colour: Some("green"),
    }
}

pub(super) fn mark(text: &str) -> rules::RuleMark {
    rules::RuleMark {
        said: text.into(),
        rule: "/staff/rules/1".into(),
        undo: Some("/staff/rules/acts/1/undo".into()),
        back: "item",
    }
}

fn list(text: &str) -> rules::Rules {
    let row = |fault: bool| rules::RuleRow {
        href: "/staff/rules/1".into(),
        title: text.into(),
        description: text.into(),
        label: label(),
        since: Some(moment(NOW, NOW)),
        who: Some(text.into()),
        fault: fault.then(|| text.into()),
    };
    rules::Rules {
        done: done(true),
        rows: vec![row(false), row(true)],
        more: true,
        gone: vec![text.into()],
        lacks_examples: true,
    }
}

fn part(text: &str) -> rules::Part {
    rules::Part {
        title: text.into(),
        when: vec!["a letter comes in", "a result comes in"],
        conditions: vec![rules::Condition {
            said: text.into(),
            path: text.into(),
        }],
        steps: vec![rules::StepLine {
            said: text.into(),
            canonical: text.into(),
            form: Some("/staff/questionnaires/1".into()),
        }],
    }
}

fn one(text: &str) -> rules::One {
    let act = |undo: bool| rules::ActRow {
        when: moment(NOW, NOW),
        patient: person(text),
        what: text.into(),
        href: undo.then(|| "/staff/item/1".into()),
        did: text.into(),
        label: label(),
        more: text.into(),
        undo: undo.then(|| "/staff/rules/acts/1/undo".into()),
    };
    let row = |shown: bool| rules::TrialRow {
        patient: person(text),
        what: text.into(),
        href: shown.then(|| "/staff/item/1".into()),
        when: moment(NOW, NOW),
        would: text.into(),
    };
    rules::One {
        done: done(true),
        undone: Some(text.into()),
        refused: Some(text.into()),
        title: text.into(),
        description: text.into(),
        href: "/staff/rules/1".into(),
        label: label(),
        since: Some(moment(NOW, NOW)),
        who: Some(text.into()),
        on: true,
        changed: true,
        retired: false,
        version: 3,
        parts: vec![part(text)],
        in_force: vec![part(text)],
        fault: None,
        lacks: Some(text.into()),
        trial: Some(rules::Trial {
            since: moment(NOW, NOW),
            said: vec![text.into()],
            rows: vec![row(true), row(false)],
            cut: Some(text.into()),
        }),
        acts: vec![act(true), act(false)],
        acts_more: true,
        since_day: "2026-06-22".into(),
    }
}
