//! How much of what others expect of a message our reading finds: CDC's 132 messages, each beside the
//! Bundle that its authors expect (ReportStream, CC0).
//!
//! An element is a path and a value, such as `Patient.name.family=LERR`, once a message however often
//! it is there; positions in lists count for nothing. What is left out of the comparison, and why,
//! stands in `EXCLUSIONS`; nothing else is.
//!
//! CDC does much its own way. The comparison is made twice: with the mapping that is built in, and
//! with `layers/cdc.json` over it, a layer such as a site writes for a sender whose messages mean more
//! than the standard's tables say. It comes with the program, and is the largest test of layers there is.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/examples.rs"]
mod examples;

use examples::{context, examples, fault};
use hl7v2::parse;
use hl7v2::to_fhir::{Context, Layer, Mapping, Unidentified, map_by};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The shares that are held, in per cent: by what is built in alone, and with the layer.
const BUILT_IN_MIN: usize = 57;
const SHARE_MIN: usize = 80;

/// What is left out of the comparison, by path's end, and why.
const EXCLUSIONS: [(&str, &str); 9] = [
    ("id", "ids are made anew by every system"),
    ("reference", "so are references"),
    ("fullUrl", "so are addresses"),
    ("meta", "it says when CDC's software wrote the resource"),
    ("resourceType", "it is in the path"),
    (
        "extension of reportstream.cdc.gov",
        "CDC's own extensions, which carry the message's raw fields; here the raw message is kept",
    ),
    (
        "MessageHeader",
        "it is of FHIR messages, which are not kept; the raw message and its Provenance stand for it",
    ),
    (
        "Provenance of the transformation",
        "it tells of CDC's software and of the time when it ran",
    ),
    (
        "Organization of the assembler",
        "it is CDC's own office, not in the message",
    ),
];

#[derive(Default)]
struct Leaves(BTreeSet<String>);

impl Leaves {
    fn add(&mut self, path: &str, value: &Value) {
        match value {
            // What is contained counts as a resource of its own.
            Value::Object(members)
                if members.contains_key("resourceType") && path.contains('.') =>
            {
                let ty = members["resourceType"].as_str().unwrap().to_owned();
                let mut inner = value.clone();
                inner.as_object_mut().unwrap().remove("resourceType");
                self.add(&ty, &inner);
            }
            Value::Object(members) => {
                for (name, value) in members {
                    if EXCLUSIONS[..5].iter().any(|(aside, _)| aside == name) {
                        continue;
                    }
                    if name.ends_with("xtension") {
                        let extensions = value.as_array().into_iter().flatten();
                        let others = extensions.filter(|it| {
                            let url = it["url"].as_str().unwrap_or_default();
                            !url.contains("reportstream.cdc.gov")
                        });
                        others.for_each(|it| self.add(&format!("{path}.{name}"), it));
                    } else {
                        self.add(&format!("{path}.{name}"), value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.add(path, item)),
            Value::String(text) => {
                // The same instant, however its zone is written.
                let text = text.trim();
                let text = match text.strip_suffix("+00:00") {
                    Some(clock) if clock.contains('T') => format!("{clock}Z"),
                    _ => text.to_owned(),
                };
                self.0.insert(format!("{path}={text}"));
            }
            other => drop(self.0.insert(format!("{path}={other}"))),
        }
    }
}

fn expected(bundle: &Value) -> Leaves {
    let entries = || bundle["entry"].as_array().into_iter().flatten();
    let is_assembly = |resource: &Value| {
        resource["agent"][0]["type"]["coding"][0]["code"] == "assembler"
            || resource["activity"]["coding"][0]["code"] == "UPDATE"
    };
    let assemblers: Vec<&str> = entries()
        .map(|entry| &entry["resource"])
        .filter(|resource| is_assembly(resource))
        .filter_map(|resource| resource["agent"][0]["who"]["reference"].as_str())
        .collect();
    let mut leaves = Leaves::default();
    for entry in entries() {
        let resource = &entry["resource"];
        let ty = resource["resourceType"].as_str().unwrap();
        let id = format!("{ty}/{}", resource["id"].as_str().unwrap_or_default());
        let aside = ty == "MessageHeader"
            || ty == "Provenance" && is_assembly(resource)
            || assemblers.contains(&id.as_str());
        if !aside {
            leaves.add(ty, resource);
        }
    }
    leaves
}

/// By type: elements found, and expected. Missing ones are counted by path.
type Shares = BTreeMap<String, [usize; 2]>;

fn compare(mapping: &Mapping) -> (Shares, BTreeMap<String, usize>) {
    let mut shares = Shares::new();
    let mut missing: BTreeMap<String, usize> = BTreeMap::new();
    let of_cdc = examples()
        .into_iter()
        .filter(|(name, _)| name.contains("/cdc/"));
    for (name, bytes) in of_cdc {
        let bundle = std::fs::read(name.replace(".hl7", ".fhir")).unwrap();
        let bundle: Value = serde_json::from_slice(&bundle).unwrap();
        // CDC reads times that name no zone as UTC.
        let apart = Context {
            unidentified: Unidentified::StandApart,
            zone: hl7v2::time::Zone::Utc,
            ..context()
        };
        let mut ours = Leaves::default();
        let mapped = parse(&bytes).ok();
        let mapped = mapped.and_then(|message| map_by(mapping, &message, &apart).ok());
        for made in mapped.iter().flat_map(|it| &it.resources) {
            assert_eq!(fault(&made.resource), None, "{name} {}", made.resource);
            ours.add(&made.ty, &made.resource);
        }
        if mapped.is_none() {
            println!("not mapped: {name}");
        }
        for leaf in expected(&bundle).0 {
            let ty = leaf.split('.').next().unwrap().to_owned();
            let share = shares.entry(ty).or_default();
            share[1] += 1;
            if ours.0.contains(&leaf) {
                share[0] += 1;
            } else {
                let path = leaf.split('=').next().unwrap().to_owned();
                if std::env::var_os("HANDOVER_SHOW_MISSING").is_some() {
                    println!("  {}: {leaf}", name.rsplit('/').next().unwrap());
                }
                *missing.entry(path).or_default() += 1;
            }
        }
    }
    (shares, missing)
}

fn print(what: &str, shares: &Shares, missing: &BTreeMap<String, usize>) -> usize {
    let found: usize = shares.values().map(|s| s[0]).sum();
    let all: usize = shares.values().map(|s| s[1]).sum();
    println!("{what}: {found} of {all} elements are found");
    for (ty, [found, all]) in shares {
        println!("  {ty}: {found} of {all}");
    }
    let mut missing: Vec<(&String, &usize)> = missing.iter().collect();
    missing.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (path, count) in missing.iter().take(40) {
        println!("  missing {count:4} {path}");
    }
    found * 100 / all.max(1)
}

#[test]
fn four_fifths_of_what_cdc_expects_of_its_messages_are_found() {
    if examples::shared("hl7v2/cdc").is_none() {
        return;
    }
    for (what, why) in EXCLUSIONS {
        println!("left out: {what}: {why}");
    }
    let (shares, missing) = compare(&Mapping::built_in());
    let built_in = print("the mapping that is built in", &shares, &missing);
    assert!(built_in >= BUILT_IN_MIN, "only {built_in} % are found");
    let layer = Layer::shipped("cdc").unwrap();
    let mapping = Mapping::with(&[layer]).unwrap_or_else(|problem| panic!("{problem}"));
    let (shares, missing) = compare(&mapping);
    let share = print("with the layer for CDC's senders", &shares, &missing);
    assert!(share >= SHARE_MIN, "only {share} % are found");
}
