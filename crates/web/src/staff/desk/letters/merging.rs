//! What the record says for the fields of a text. What carries a label is not copied, what is withheld is said to be.

use exchange::correspondence::{Merged, merge};
use serde_json::Value;

use crate::node::Node;
use crate::page::words;
use crate::record;
use crate::staff::desk::me;
use crate::staff::discharges::load::Found;
use crate::visit::Visit;

const WITHHELD: &str = "(Some of what the record holds of this was withheld from whoever wrote this letter. Ask before you rely on it.)";
const NOT_SHOWN: &str = "what the record holds of this is withheld from you";

/// The text with its fields merged in.
pub fn merged(node: &Node, visit: &Visit, body: &str, (who, found): (&Value, &Found)) -> String {
    let person = record::patient(who);
    let by = me(visit).map(|it| it.who).unwrap_or_default();
    let held = &found.prefilled;
    let medicines: Vec<String> = held
        .medicines
        .iter()
        .map(|it| match it.dose.as_str() {
            "" => it.name.clone(),
            dose => format!("{}, {dose}", it.name),
        })
        .collect();
    let given = |text: Option<&str>| match text {
        Some(text) => Merged::Value(text.to_owned()),
        None => Merged::Gap("the record does not say".to_owned()),
    };
    let value = |field: &str| match field {
        "patient" => Merged::Value(name(&person.name)),
        "born" => given(person.birth_date.as_deref().map(words::day).as_deref()),
        "nhs number" => given(
            person
                .nhs_number
                .as_deref()
                .map(words::nhs_number)
                .as_deref(),
        ),
        "problems" => recorded(&held.diagnoses, found.hidden.diagnoses),
        "medicines" => recorded(&medicines.join("\n"), found.hidden.medicines),
        "allergies" => recorded(&held.allergies, found.hidden.allergies),
        "my name" => Merged::Value(by.clone()),
        "organisation" => Merged::Value(node.site.name.clone()),
        "today" => Merged::Value(words::date(visit.now).short),
        _ => Merged::Gap("write it here".to_owned()),
    };
    merge(body, &value)
}

/// `EXAMPLE, Jane` as a letter says it.
fn name(listed: &str) -> String {
    match listed.split_once(", ") {
        Some((family, given)) => format!("{given} {family}"),
        None => listed.to_owned(),
    }
}

fn recorded(said: &str, is_hidden: bool) -> Merged {
    match (said.trim(), is_hidden) {
        ("", true) => Merged::Gap(NOT_SHOWN.to_owned()),
        ("", false) => Merged::Gap("nothing is recorded".to_owned()),
        (said, true) => Merged::Value(format!("{said}\n{WITHHELD}")),
        (said, false) => Merged::Value(said.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_withheld_is_never_merged_as_nothing() {
        assert_eq!(recorded(" ", true), Merged::Gap(NOT_SHOWN.to_owned()));
        let some = recorded("Asthma", true);
        assert!(matches!(some, Merged::Value(said) if said.contains("withheld")));
        assert_eq!(
            recorded("", false),
            Merged::Gap("nothing is recorded".to_owned())
        );
        assert_eq!(name("EXAMPLE, Jane"), "Jane EXAMPLE");
    }
}
