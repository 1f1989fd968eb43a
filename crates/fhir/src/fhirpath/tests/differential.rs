//! Ours against npm's `fhirpath`: the invariants of whole resources and the expressions of the search
//! parameters, over official examples. Without the packages the test says so and passes.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value as Any, json};

use super::super::*;
use crate::json::{Limits, parse};
use crate::path;

/// Examples of each type that are looked at, and how long they may be.
const EXAMPLES_A_TYPE: usize = 2;
const BYTES_MAX: u64 = 40_000;

/// Expressions that the other cannot evaluate, or evaluates otherwise, with the reason.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "resolve(",
        "npm's fetches over the network, so it is never called",
    ),
    ("htmlChecks(", "npm's does not check"),
    (
        "%resource.descendants().as(",
        "npm's refuses `as` on several items, as FHIRPath 2 says; R4's rules use it",
    ),
    (
        "as uri)",
        "npm's `as` takes a canonical for a uri; the official suite takes only the type itself",
    ),
];

fn assets() -> PathBuf {
    std::env::var_os("HANDOVER_ASSETS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/assets"),
        PathBuf::from,
    )
}

/// Some examples of each type: file and text.
fn examples(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .filter(|path| path.metadata().unwrap().len() <= BYTES_MAX)
        .collect();
    paths.sort();
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut found = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let ty = name.split('-').next().unwrap().to_string();
        let count = counts.entry(ty.clone()).or_default();
        if *count < EXAMPLES_A_TYPE && Definitions::r4().is_resource(&ty) {
            *count += 1;
            found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

fn told(value: &Value<'_>) -> Any {
    match value {
        Value::Node(node) => match node.json {
            Some(json) => serde_json::from_slice(&json.to_bytes()).unwrap(),
            None => Any::Null,
        },
        Value::Bool(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Decimal(value) => json!(value.to_f64()),
        Value::Text(text) => json!(text),
        Value::Moment(moment) => json!(moment.to_string()),
        Value::Quantity(quantity) => json!(quantity.to_string()),
        Value::Type(_, name) => json!(name),
    }
}

/// Numbers by value, however they are written.
fn same(left: &Any, right: &Any) -> bool {
    match (left, right) {
        (Any::Number(left), Any::Number(right)) => left.as_f64() == right.as_f64(),
        (Any::Array(left), Any::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right))
        }
        (Any::Object(left), Any::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}

/// What npm's says of each case.
fn others(input: &Any, assets: &Path) -> Vec<Any> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .arg(assets)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = node.stdin.take().unwrap();
    let text = input.to_string();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = node.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn invariants_and_search_expressions_give_what_npms_fhirpath_gives() {
    let assets = assets();
    if !assets.join("node_modules/fhirpath").is_dir() {
        println!("SKIPPED: npm's fhirpath is not here; `cargo xtask test` brings it");
        assert!(
            std::env::var_os("CI").is_none(),
            "npm's fhirpath must be here in CI"
        );
        return;
    }
    let r4 = Definitions::r4();
    let examples = examples(&assets.join("node_modules/hl7.fhir.r4.examples"));
    let is_same_there = |text: &str| !OTHERWISE.iter().any(|(part, _)| text.contains(part));
    let mut texts: Vec<&'static str> = Vec::new();
    let mut by_type: HashMap<&'static str, Vec<usize>> = HashMap::new();
    let rules = r4.rules.iter().filter(|rule| r4.is_resource(rule.path));
    let rules = rules.map(|rule| (vec![rule.path], rule.expression));
    let searches = r4
        .parameters
        .iter()
        .map(|found| (found.bases.clone(), found.expression));
    for (bases, text) in rules
        .chain(searches)
        .filter(|(_, text)| !text.is_empty() && is_same_there(text))
    {
        for base in bases {
            by_type.entry(base).or_default().push(texts.len());
        }
        texts.push(text);
    }
    let compiled: Vec<Expression> = texts
        .iter()
        .map(|text| Expression::compile(text, r4).unwrap())
        .collect();
    let numbers = |text: &str| {
        let ty = text
            .split("\"resourceType\"")
            .nth(1)
            .and_then(|rest| rest.split('"').nth(1));
        ty.and_then(|ty| by_type.get(ty))
            .cloned()
            .unwrap_or_default()
    };
    let cases: Vec<Any> = examples
        .iter()
        .map(|(path, text)| json!({ "file": path, "expressions": numbers(text) }))
        .collect();
    let theirs = others(&json!({ "expressions": texts, "cases": cases }), &assets);
    assert_eq!(theirs.len(), examples.len());
    let (mut compared, mut unlike, mut between) = (0, Vec::new(), Vec::new());
    for ((file, text), theirs) in examples.iter().zip(&theirs) {
        let json = parse(text.as_bytes(), &Limits::default()).unwrap();
        let context = Context::of(Node::resource(&json, r4).unwrap());
        for (number, theirs) in numbers(text).into_iter().zip(theirs.as_array().unwrap()) {
            let found = compiled[number].evaluate(&context, r4);
            let ours: Option<Vec<Any>> = found.ok().map(|found| found.iter().map(told).collect());
            // The two engines of ours, where the small one knows the expression.
            if let (Ok(small), Some(ours)) = (path::Path::compile(texts[number], r4), &ours) {
                let mut count = 0;
                small.each(&json, r4, &mut |_| count += 1);
                let is_union = texts[number].contains('|');
                if count != ours.len() && !is_union {
                    between.push(format!("{} of {}", texts[number], file.display()));
                }
            }
            if theirs.is_null() {
                continue;
            }
            compared += 1;
            let ours = ours.map_or(Any::Null, Any::Array);
            if !same(&ours, theirs) {
                let name = file.file_name().unwrap().to_string_lossy();
                unlike.push(format!(
                    "{name}: {}\n  ours   {ours:.200}\n  theirs {theirs:.200}",
                    texts[number]
                ));
            }
        }
    }
    println!(
        "{compared} results compared with npm's fhirpath, {} unlike",
        unlike.len()
    );
    assert!(between.is_empty(), "our two engines differ: {between:#?}");
    assert!(
        unlike.is_empty(),
        "{} unlike:\n{}",
        unlike.len(),
        unlike.join("\n")
    );
    assert!(compared > 2000, "{compared}");
}
