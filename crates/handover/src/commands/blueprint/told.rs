//! What these commands print.

use fhir::date;
use serde_json::{Value, json};
use store::blueprints::{Applied, State};

use super::content::Blueprint;
use super::doing::{Back, Undone};
use super::plan::{Action, Plan, Planned};
use super::seal::{Seal, Standing};
use super::trial::{Trial, kind};
use crate::config::Config;

/// What is in a blueprint, and what it would do here.
pub fn plan(blueprint: &Blueprint, seal: &Seal, plan: &Plan, config: &Config) -> String {
    let form = &blueprint.form;
    let mut text = format!(
        "{} {}: {}\n{}\n\n{}\nSHA-256 of what was signed: {}\n",
        blueprint.name,
        blueprint.version,
        form.title,
        form.about.trim(),
        seal.said(),
        seal.digest
    );
    text.push_str(&format!(
        "\nWhat it holds, and what it would do at {} ({}):\n",
        config.organisation.name,
        config.organisation.roles.join(", ")
    ));
    for it in &plan.things {
        let (sign, what) = action(it, plan);
        let kind = kind(it.thing.kind);
        text.push_str(&format!("  {sign} {kind:<14}{}: {what}\n", it.thing.title));
    }
    if !plan.needs.is_empty() {
        text.push_str("\nWhat it needs:\n");
    }
    for need in &plan.needs {
        let found = if need.found { "here" } else { "NOT HERE" };
        text.push_str(&format!("  {found:<10}{}: {}\n", need.what, need.why));
    }
    text.push('\n');
    text
}

/// A sign and a sentence for what would be done.
fn action(it: &Planned, plan: &Plan) -> (char, String) {
    let before = plan.over.as_ref().map_or("", |it| it.version.as_str());
    match &it.action {
        Action::Add => ('+', "would be added".to_owned()),
        Action::Change => (
            '~',
            format!("would be changed; version {before} brought it"),
        ),
        Action::Stay => ('=', format!("stays as version {before} brought it")),
        Action::Leave => ('=', "is here just so already, and is left".to_owned()),
        Action::Keep => (
            '!',
            "was changed here since, and stays as it was made here".to_owned(),
        ),
        Action::Remove => (
            '-',
            format!("would be taken away; version {before} brought it"),
        ),
        Action::Conflict(why) => ('X', why.clone()),
        Action::NotForUs => (
            ' ',
            format!("is for {} and is left out here", it.thing.fors.join(", ")),
        ),
    }
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Add => "add",
        Action::Change => "change",
        Action::Stay => "stay",
        Action::Leave => "leave",
        Action::Keep => "keep",
        Action::Remove => "remove",
        Action::Conflict(_) => "conflict",
        Action::NotForUs => "not-for-us",
    }
}

/// The same for programs.
pub fn json(blueprint: &Blueprint, seal: &Seal, plan: &Plan) -> Value {
    let standing = match seal.standing {
        Standing::Own => "own",
        Standing::Known => "known",
        Standing::Shipped => "shipped",
        Standing::Stranger => "stranger",
    };
    let things = plan.things.iter().map(|it| {
        json!({
            "kind": it.thing.kind.code(),
            "file": it.thing.file,
            "title": it.thing.title,
            "target": it.thing.target,
            "action": word(&it.action),
            "says": action(it, plan).1,
        })
    });
    let needs = plan
        .needs
        .iter()
        .map(|it| json!({ "what": it.what, "why": it.why, "found": it.found, "stops": it.stops }));
    json!({
        "name": blueprint.name,
        "version": blueprint.version,
        "title": blueprint.form.title,
        "about": blueprint.form.about,
        "signer": { "ods": seal.ods, "name": seal.name, "kid": seal.kid, "standing": standing },
        "digest": seal.digest,
        "applied": plan.over.as_ref().map(|it| it.version.clone()),
        "things": things.collect::<Vec<_>>(),
        "needs": needs.collect::<Vec<_>>(),
        "stops": plan.stops,
        "can_be_applied": plan.stops.is_empty(),
    })
}

/// What a trial did.
pub fn trial(trial: &Trial) -> String {
    let mut text = String::from("Tried on made-up people:\n");
    for said in &trial.said {
        text.push_str(&format!("  {said}\n"));
    }
    for fault in &trial.faults {
        text.push_str(&format!("  FAULT: {fault}\n"));
    }
    text.push('\n');
    text
}

/// What undoing would do.
pub fn undo(applied: &Applied, undone: &[Undone]) -> String {
    let mut text = format!(
        "{} {}: {}\nApplied by {} at {}.\n\nUndoing it:\n",
        applied.name,
        applied.version,
        applied.title,
        applied.by,
        date::instant(applied.at)
    );
    for it in undone {
        let (sign, what) = match it.back {
            Back::Goes => ('-', "would be taken away"),
            Back::Returns => ('~', "would be as it was before"),
            Back::Stays => ('=', "is as it was before"),
            Back::Kept => ('!', "is used or was changed here since, and stays as it is"),
        };
        let kind = kind(it.part.kind);
        text.push_str(&format!("  {sign} {kind:<14}{}: {what}\n", it.part.title));
    }
    text.push('\n');
    text
}

/// What was applied here.
pub fn list(all: &[Applied], due: usize) -> String {
    if all.is_empty() {
        return "No blueprint was applied here.\n".to_owned();
    }
    let mut text = String::new();
    for it in all {
        let stranger = if it.known { "" } else { ", a stranger then" };
        text.push_str(&format!(
            "{} {}: {}\n  applied by {} at {}; signed by {} ({}){stranger}\n",
            it.name,
            it.version,
            it.title,
            it.by,
            date::instant(it.at),
            it.signer_name,
            it.signer
        ));
        match it.state {
            State::Applied => text.push_str("  in force\n"),
            State::Replaced => text.push_str("  a later version took its place\n"),
            State::Undone => text.push_str(&format!(
                "  undone by {} at {}\n",
                it.undone_by,
                date::instant(it.undone_at)
            )),
        }
    }
    if due > 0 {
        text.push_str(&format!(
            "{due} files of the mapping's folder are still to be put in place; the node does that within seconds of its start.\n"
        ));
    }
    text
}
