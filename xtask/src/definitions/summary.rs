//! Which elements a summary has (<https://hl7.org/fhir/R4/search.html#summary>).

use std::collections::BTreeMap;

use super::{Source, items, text};

/// A line for each resource type, and for each of its elements that has elements: its path and the
/// names of what a summary shows of it. What is always there is shown too, and so are modifiers.
pub fn summary(source: &Source) -> String {
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let resources = source.structures.iter();
    let resources = resources.filter(|structure| {
        let is_type = text(structure, "id") == text(structure, "type");
        is_type && text(structure, "kind") == "resource"
    });
    for element in resources.flat_map(|structure| items(&structure["snapshot"], "element")) {
        let Some((owner, name)) = text(element, "path").rsplit_once('.') else {
            continue;
        };
        let names = lines.entry(owner).or_default();
        let is_needed = element["min"].as_u64().unwrap_or_default() > 0;
        let is_shown = element["isSummary"] == true || element["isModifier"] == true;
        if is_needed || is_shown {
            names.push(name.trim_end_matches("[x]"));
        }
    }
    let line = |(owner, names): (&&str, &Vec<&str>)| format!("{owner} {}\n", names.join(" "));
    lines.iter().map(line).collect()
}
