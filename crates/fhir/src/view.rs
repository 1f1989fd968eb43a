//! Parts of a resource: `_summary` and `_elements`
//! (<https://hl7.org/fhir/R4/search.html#summary>).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use crate::definitions::Definitions;
use crate::json::{Json, Member};
use crate::problem::{Kind, Problem};

/// For each resource type, and for each of its elements that has elements, what a summary shows.
const TABLE: &[u8] = include_bytes!("../definitions/summary.txt.zst");
const TABLE_BYTES_MAX: usize = 1 << 20;

/// Names in `_elements`, at most.
const ELEMENTS_MAX: usize = 100;

/// Which part of each resource is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// What R4 marks as its summary.
    Summary,
    /// Id, meta, narrative, and what must be there.
    Text,
    /// All but the narrative.
    Data,
    /// These elements, id and meta, and what must be there.
    Elements(Vec<String>),
}

impl View {
    /// Reads `_summary`; `None` where all is wanted. `count` is a search's own matter.
    ///
    /// # Errors
    /// `Value` for what is none of its words.
    pub fn of_summary(value: &str) -> Result<Option<View>, Problem> {
        match value {
            "true" => Ok(Some(View::Summary)),
            "text" => Ok(Some(View::Text)),
            "data" => Ok(Some(View::Data)),
            "false" => Ok(None),
            _ => {
                let message = "_summary is true, text, data, count or false.";
                Err(Problem::new(Kind::Value, message))
            }
        }
    }

    /// Reads `_elements`: names with commas between, each of any type or of one, as `Patient.name`.
    ///
    /// # Errors
    /// `Value` for what are no names, `TooCostly` for too many.
    pub fn of_elements(value: &str) -> Result<View, Problem> {
        let names: Vec<String> = value
            .split(',')
            .map(|name| name.trim().to_string())
            .collect();
        let is_name = |name: &String| {
            let mut bytes = name.bytes();
            !name.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        };
        if !names.iter().all(is_name) {
            let message = "_elements is names of elements with commas between.";
            return Err(Problem::new(Kind::Value, message));
        }
        if names.len() > ELEMENTS_MAX {
            let message = format!("_elements names at most {ELEMENTS_MAX} elements.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        Ok(View::Elements(names))
    }

    /// That part of a resource, tagged as SUBSETTED; of a searchset or history, of each resource in
    /// it. An OperationOutcome is always whole.
    pub fn of<'a>(&self, mut resource: Json<'a>) -> Json<'a> {
        match resource.text("resourceType") {
            Some("OperationOutcome") => resource,
            Some("Bundle") if matches!(resource.text("type"), Some("searchset" | "history")) => {
                each_entry(&mut resource, |inner| *inner = self.of(inner.clone()));
                resource
            }
            _ => self.part(resource),
        }
    }

    fn part<'a>(&self, resource: Json<'a>) -> Json<'a> {
        let Json::Object(members) = resource else {
            return resource;
        };
        let ty = members.iter().find(|(name, _)| name == "resourceType");
        let ty = ty
            .and_then(|(_, value)| value.as_str())
            .unwrap_or_default()
            .to_string();
        let kept = members.into_iter().filter_map(|(name, value)| {
            let plain = element_name(&ty, name.strip_prefix('_').unwrap_or(&name));
            if !self.shows(&ty, plain) {
                return None;
            }
            let value = match self {
                View::Summary => inner_summary(&format!("{ty}.{plain}"), value),
                _ => value,
            };
            Some((name, value))
        });
        let mut kept: Vec<Member<'a>> = kept.collect();
        tag(&mut kept);
        Json::Object(kept)
    }

    /// Whether an element of a resource is in it.
    fn shows(&self, ty: &str, name: &str) -> bool {
        if matches!(name, "resourceType" | "id" | "meta") {
            return true;
        }
        match self {
            View::Summary => is_summary(ty, name),
            View::Text => name == "text" || is_needed(ty, name),
            View::Data => name != "text",
            View::Elements(names) => {
                let wanted = |wanted: &String| {
                    let inside = wanted
                        .strip_prefix(ty)
                        .and_then(|rest| rest.strip_prefix('.'));
                    inside.unwrap_or(wanted).split('.').next() == Some(name)
                };
                names.iter().any(wanted) || is_needed(ty, name)
            }
        }
    }
}

/// Calls with each resource of a Bundle's entries.
fn each_entry<'a>(bundle: &mut Json<'a>, mut change: impl FnMut(&mut Json<'a>)) {
    let Json::Object(members) = bundle else {
        return;
    };
    let entries = members.iter_mut().filter(|(name, _)| name == "entry");
    for (_, entries) in entries {
        let Json::Array(entries) = entries else {
            continue;
        };
        for entry in entries {
            let Json::Object(members) = entry else {
                continue;
            };
            let resource = members.iter_mut().find(|(name, _)| name == "resource");
            if let Some((_, resource)) = resource {
                change(resource);
            }
        }
    }
}

/// `deceased` for `deceasedBoolean`.
fn element_name<'n>(ty: &str, member: &'n str) -> &'n str {
    let definitions = Definitions::r4();
    let of = definitions.resource(ty).map(|id| definitions.ty(id));
    match of.and_then(|of| of.key(member)) {
        Some((_, element)) => element.name,
        None => member,
    }
}

fn is_needed(ty: &str, name: &str) -> bool {
    let definitions = Definitions::r4();
    let of = definitions.resource(ty).map(|id| definitions.ty(id));
    let element = of.and_then(|of| of.element(name));
    element.is_some_and(|element| element.min > 0)
}

/// What a summary shows of an element that has elements of its own.
fn inner_summary<'a>(path: &str, value: Json<'a>) -> Json<'a> {
    if !table().contains_key(path) {
        return value;
    }
    match value {
        Json::Array(items) => {
            let items = items.into_iter().map(|item| inner_summary(path, item));
            Json::Array(items.collect())
        }
        Json::Object(members) => {
            let shown = |(name, _): &Member<'a>| {
                let plain = name.strip_prefix('_').unwrap_or(name);
                let plain = inner_name(path, plain);
                matches!(plain, "id" | "modifierExtension") || is_summary(path, plain)
            };
            let members = members.into_iter().filter(shown).map(|(name, value)| {
                let plain = inner_name(path, name.strip_prefix('_').unwrap_or(&name)).to_string();
                let value = inner_summary(&format!("{path}.{plain}"), value);
                (name, value)
            });
            Json::Object(members.collect())
        }
        other => other,
    }
}

fn inner_name<'n>(path: &str, member: &'n str) -> &'n str {
    let definitions = Definitions::r4();
    let of = definitions.find(path).map(|id| definitions.ty(id));
    match of.and_then(|of| of.key(member)) {
        Some((_, element)) => element.name,
        None => member,
    }
}

fn is_summary(path: &str, name: &str) -> bool {
    table().get(path).is_some_and(|names| names.contains(&name))
}

fn table() -> &'static HashMap<&'static str, Vec<&'static str>> {
    static READ: OnceLock<HashMap<&'static str, Vec<&'static str>>> = OnceLock::new();
    READ.get_or_init(|| {
        let text = zstd::bulk::decompress(TABLE, TABLE_BYTES_MAX).unwrap_or_default();
        let text: &'static str = String::from_utf8(text).unwrap_or_default().leak();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        lines
            .map(|(path, names)| (path, names.split(' ').collect()))
            .collect()
    })
}

/// Says in `meta.tag` that it is not the whole.
fn tag(members: &mut Vec<Member<'_>>) {
    let text = |text| Json::String(Cow::Borrowed(text));
    let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    let subsetted = Json::Object(vec![
        (Cow::Borrowed("system"), text(system)),
        (Cow::Borrowed("code"), text("SUBSETTED")),
    ]);
    let at = members.iter().position(|(name, _)| name == "meta");
    let at = at.unwrap_or_else(|| {
        let after = members
            .iter()
            .position(|(name, _)| name == "id")
            .or(Some(0));
        let at = after.map_or(0, |at| at + 1).min(members.len());
        members.insert(at, (Cow::Borrowed("meta"), Json::Object(Vec::new())));
        at
    });
    let Some((_, Json::Object(meta))) = members.get_mut(at) else {
        return;
    };
    match meta.iter_mut().find(|(name, _)| name == "tag") {
        Some((_, Json::Array(tags))) => tags.push(subsetted),
        _ => meta.push((Cow::Borrowed("tag"), Json::Array(vec![subsetted]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};
    use crate::validate::validate;

    fn seen(view: &View) -> String {
        let text = r#"{"resourceType":"Patient","id":"p","meta":{"versionId":"1"},"text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},"name":[{"family":"F"}],"_birthDate":{"id":"b"},"deceasedBoolean":true,"photo":[{"title":"x"}],"link":[{"other":{"reference":"Patient/q"},"type":"refer"}],"communication":[{"language":{"text":"x"}}]}"#;
        let resource = parse(text.as_bytes(), &Limits::default()).unwrap();
        let part = view.of(resource);
        assert_eq!(validate(&part, Definitions::r4()), Ok(()));
        String::from_utf8(part.to_bytes()).unwrap()
    }

    const HEAD: &str = r#"{"resourceType":"Patient","id":"p","meta":{"versionId":"1","tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#;
    const TEXT: &str =
        r#""text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}"#;

    #[test]
    fn each_view_shows_its_part_and_says_that_it_is_one() {
        let link = r#""link":[{"other":{"reference":"Patient/q"},"type":"refer"}]"#;
        for (view, rest) in [
            (
                View::Summary,
                format!(
                    r#""name":[{{"family":"F"}}],"_birthDate":{{"id":"b"}},"deceasedBoolean":true,{link}"#
                ),
            ),
            (View::Text, TEXT.to_string()),
            (
                View::Data,
                format!(
                    r#""name":[{{"family":"F"}}],"_birthDate":{{"id":"b"}},"deceasedBoolean":true,"photo":[{{"title":"x"}}],{link},"communication":[{{"language":{{"text":"x"}}}}]"#
                ),
            ),
            (
                View::of_elements("birthDate,Patient.deceased,Group.name").unwrap(),
                r#""_birthDate":{"id":"b"},"deceasedBoolean":true"#.to_string(),
            ),
        ] {
            assert_eq!(seen(&view), format!("{HEAD},{rest}}}"), "{view:?}");
        }
        assert_eq!(View::of_summary("false"), Ok(None));
        assert!(View::of_summary("some").is_err());
        assert!(View::of_elements("a,,b").is_err());
    }

    #[test]
    fn what_must_be_there_stays_and_so_do_outcomes() {
        let text = r#"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"note":[{"text":"n"}]}},{"resource":{"resourceType":"OperationOutcome","issue":[]}}]}"#;
        let bundle = parse(text.as_bytes(), &Limits::default()).unwrap();
        let part = View::of_elements("subject").unwrap().of(bundle);
        let part = String::from_utf8(part.to_bytes()).unwrap();
        assert!(
            part.contains(r#""status":"final","code":{"text":"x"}}"#),
            "{part}"
        );
        assert!(part.contains(r#"{"resourceType":"OperationOutcome","issue":[]}"#));
    }

    #[test]
    fn the_table_is_read() {
        assert!(table().len() > 500);
        assert!(is_summary("Patient", "deceased") && !is_summary("Patient", "photo"));
    }
}
