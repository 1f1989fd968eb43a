use std::path::PathBuf;

use minijinja::context;
use serde_json::Value as Json;

use super::*;

/// JSON as a template value. Not by serde: with exact numbers on, serde gives them as maps.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value).collect::<Vec<_>>().into(),
        Json::Object(fields) => {
            Value::from_pairs(fields.iter().map(|(key, item)| (key.clone(), value(item))))
        }
    }
}

/// The name of the macro that the component's file defines.
fn macro_of(component: &str) -> &'static str {
    let file = format!("nhsuk/components/{component}/macro.jinja");
    let (_, source) = assets::TEMPLATES
        .iter()
        .find(|(name, _)| *name == file)
        .unwrap();
    let (_, rest) = source.split_once("macro ").unwrap();
    rest.split_once('(').unwrap().0
}

/// The HTML without what means nothing to a reader of it: how much white space there is and any
/// beside a tag or in a list of strings, and whether `/` and `'` are escaped (`<`, `>`, `&` and `"`
/// stay as they are).
fn meaning(html: &str) -> String {
    let words = html.split_whitespace().collect::<Vec<_>>().join(" ");
    words
        .replace("> ", ">")
        .replace(" <", "<")
        .replace("\", \"", "\",\"")
        .replace("&#x2f;", "/")
        .replace("&#x27;", "'")
        .replace("&#39;", "'")
}

#[test]
fn every_fixture_of_the_design_system_comes_out_as_its_makers_html() {
    let components = PathBuf::from(env!("HANDOVER_ASSETS_FOLDER"))
        .join("node_modules/nhsuk-frontend/dist/nhsuk/components");
    let (mut equal, mut exact, mut wrong) = (0, 0, Vec::new());
    for entry in std::fs::read_dir(components).unwrap() {
        let path = entry.unwrap().path().join("fixtures.json");
        let Ok(text) = std::fs::read(&path) else {
            continue;
        };
        let component = path
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let fixtures: Json = serde_json::from_slice(&text).unwrap();
        for fixture in fixtures["fixtures"].as_array().unwrap() {
            let name = macro_of(&component);
            let call = fixture.get("callBlock").and_then(Json::as_str);
            let source = match call {
                Some(block) => format!(
                    "{{% from 'nhsuk/components/{component}/macro.jinja' import {name} %}}\
                     {{% call {name}(params) %}}{block}{{% endcall %}}"
                ),
                None => format!(
                    "{{% from 'nhsuk/components/{component}/macro.jinja' import {name} %}}\
                     {{{{ {name}(params) }}}}"
                ),
            };
            let params = without_nulls(value(&fixture["context"]));
            let made = environment()
                .render_str(&source, context! { params })
                .unwrap();
            let official = fixture["html"].as_str().unwrap();
            exact += usize::from(made.trim() == official.trim());
            if meaning(&made) == meaning(official) {
                equal += 1;
            } else {
                wrong.push(format!(
                    "{component}: {}\n{made}\n-- not --\n{official}",
                    fixture["name"]
                ));
            }
        }
    }
    println!(
        "{equal} fixtures equal, {exact} of them to the last space; {} differ",
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{}",
        wrong
            .iter()
            .take(5)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n\n")
    );
    assert_eq!(
        equal, 983,
        "the design system's version is pinned: so is its number of fixtures"
    );
}

#[test]
fn every_template_can_be_read() {
    for (name, _) in assets::TEMPLATES {
        environment().get_template(name).unwrap();
    }
}

#[test]
fn nothing_is_taken_as_absent_not_as_null() {
    let given = Value::from(minijinja::value::Serde(
        serde_json::json!({"a": null, "b": [{"c": null}], "d": "e"}),
    ));
    assert_eq!(without_nulls(given).to_string(), "{'b': [{}], 'd': 'e'}");
}

#[test]
fn truncation_cuts_words_only_when_told() {
    assert_eq!(
        truncate("one two three four", Some(9), None, None, Some(0)),
        "one..."
    );
    assert_eq!(
        truncate("one two three four", Some(9), Some(true), Some(""), Some(0)),
        "one two t"
    );
}
