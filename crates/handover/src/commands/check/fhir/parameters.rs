//! Each declared search parameter is tried: it is taken, and it does something.

use super::{Declared, Found, Statement, matches};
use crate::commands::check::run::{Ask, Rest, Run, Seen};
use crate::commands::check::shown::encoded;

/// Parameters of one type that are tried.
const EACH_MAX: usize = 60;
/// Types whose parameters are tried: those of which something was found.
const TYPES_MAX: usize = 3;
/// Names that are told.
const NAMES_MAX: usize = 12;

const NOTHING: &str = "handover-check-nothing";

pub(super) async fn check(run: &mut Run, statement: &Statement, found: &[Found]) {
    let ids = ["fhir-search-parameters", "fhir-search-ignored"];
    let rest = Box::pin(tried(run, statement, found)).await;
    run.ends(&ids, rest);
}

#[derive(Default)]
struct Tried {
    count: usize,
    last: Option<Seen>,
    refused: Vec<(String, Seen)>,
    ignored: Vec<(String, Seen)>,
}

async fn tried(run: &mut Run, statement: &Statement, found: &[Found]) -> Rest {
    let has = |it: &&Declared| found.iter().any(|one| one.ty == it.ty);
    let types: Vec<&Declared> = statement.types.iter().filter(has).take(TYPES_MAX).collect();
    let mut tried = Tried::default();
    let mut beyond = 0;
    for declared in &types {
        let all = declared.parameters.iter();
        let known: Vec<_> = all
            .filter(|(name, kind)| value(name, kind).is_some())
            .collect();
        beyond += known.len().saturating_sub(EACH_MAX);
        for (name, kind) in known.into_iter().take(EACH_MAX) {
            Box::pin(one(
                run,
                declared,
                (name.as_str(), kind.as_str()),
                &mut tried,
            ))
            .await?;
        }
    }
    let names: Vec<&str> = types.iter().map(|it| it.ty.as_str()).collect();
    let mut about = format!(
        "{} parameters of {} were tried",
        tried.count,
        names.join(", ")
    );
    if beyond > 0 {
        about.push_str(&format!("; {beyond} more were not"));
    }
    let last = tried
        .last
        .ok_or("No type of which something was found declares a parameter that can be tried.")?;
    for (id, faults, what) in [
        (
            "fhir-search-parameters",
            &tried.refused,
            "declared and refused",
        ),
        (
            "fhir-search-ignored",
            &tried.ignored,
            "declared and ignored, since a value that nothing has finds something",
        ),
    ] {
        match faults.first() {
            None => run.holds(id, true, &last, &*about),
            Some((_, seen)) => {
                let names: Vec<&str> = faults
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .take(NAMES_MAX)
                    .collect();
                let found = format!(
                    "{what}: {} ({} in all; {about})",
                    names.join(", "),
                    faults.len()
                );
                run.holds(id, false, seen, found);
            }
        }
    }
    Ok(())
}

async fn one(
    run: &mut Run,
    declared: &Declared,
    (name, kind): (&str, &str),
    tried: &mut Tried,
) -> Rest {
    let Some(value) = value(name, kind) else {
        return Ok(());
    };
    let ty = &declared.ty;
    let path = |value: &str| format!("/{ty}?{}={}&_count=1", encoded(name), encoded(value));
    let mut seen = run.ask(Ask::get(path(value))).await?;
    if seen.status == 400 && kind == "token" {
        // Perhaps one of true and false: those are no codes of one's own.
        seen = run.ask(Ask::get(path("true"))).await?;
    } else if seen.is_ok() {
        let told = seen.json().unwrap_or_default();
        if !matches(&told).is_empty() {
            tried.ignored.push((format!("{ty}.{name}"), seen.clone()));
        }
    }
    tried.count += 1;
    if seen.is_refusal() {
        tried.refused.push((format!("{ty}.{name}"), seen.clone()));
    }
    tried.last = Some(seen);
    Ok(())
}

/// A value that reads and that nothing has; nothing for kinds of which there is no such value.
fn value(name: &str, kind: &str) -> Option<&'static str> {
    if name.starts_with('_') && !["_id", "_tag", "_profile"].contains(&name) {
        return None;
    }
    match kind {
        "token" | "string" | "reference" => Some(NOTHING),
        "date" => Some("1000-01-01"),
        "number" => Some("-98765.4321"),
        "quantity" => Some("-98765.4321"),
        "uri" => Some("urn:handover-check:nothing"),
        _ => None,
    }
}
