//! The shared examples translated to FHIR: valid, and accounted for.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/examples.rs"]
mod examples;

use examples::{context, examples, fault};
use hl7v2::to_fhir::{Context, Outcome, Unidentified, map, supports};
use hl7v2::{header, parse};
use std::collections::BTreeMap;

#[test]
fn the_shared_examples_become_valid_resources_or_say_why_not() {
    let mut counts: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (name, bytes) in examples() {
        let (Ok(header), Ok(message)) = (header(&bytes), parse(&bytes)) else {
            continue;
        };
        let kind = format!("{}^{}", header.message_type, header.trigger);
        if !supports(&header.message_type, &header.trigger) {
            continue;
        }
        let count = counts.entry(kind).or_default();
        count[0] += 1;
        let apart = Context {
            unidentified: Unidentified::StandApart,
            ..context()
        };
        if let Err(problem) = map(&message, &context()) {
            *reasons.entry(problem.to_string()).or_default() += 1;
        } else {
            count[1] += 1;
        }
        match map(&message, &apart) {
            Ok(mapped) => {
                count[2] += 1;
                let faults: Vec<String> = mapped
                    .resources
                    .iter()
                    .filter_map(|m| fault(&m.resource))
                    .collect();
                if faults.is_empty() {
                    count[3] += 1;
                } else {
                    println!("{}: {faults:.300?}", name.rsplit('/').next().unwrap());
                }
            }
            Err(problem) => println!("{}: {problem}", name.rsplit('/').next().unwrap()),
        }
    }
    for (kind, [all, taken, mapped, valid]) in &counts {
        println!(
            "{kind}: {all} messages, {taken} identify their patient, {mapped} mapped, {valid} of \
             them valid R4 throughout"
        );
    }
    println!("would stand on the work list: {reasons:#?}");
    for (kind, [_, _, mapped, valid]) in &counts {
        assert_eq!(mapped, valid, "{kind}");
    }
}

#[test]
fn every_field_sent_is_accounted_for() {
    let (mut to, mut ignored): (usize, BTreeMap<String, usize>) = (0, BTreeMap::new());
    for (_, bytes) in examples() {
        let Ok(message) = parse(&bytes) else { continue };
        let Ok(mapped) = map(&message, &context()) else {
            continue;
        };
        let sent: usize = message
            .segments()
            .map(|s| {
                (1..=s.field_count())
                    .filter(|n| s.field(*n).repetitions().any(|r| r.is_valued()))
                    .count()
            })
            .sum();
        assert_eq!(mapped.account.len(), sent);
        for field in mapped.account {
            match field.outcome {
                Outcome::Mapped(_) | Outcome::Kept(_) => to += 1,
                Outcome::Ignored(rule) => {
                    assert!(!rule.is_empty());
                    *ignored.entry(rule).or_default() += 1;
                }
            }
        }
    }
    println!("fields mapped: {to}; not mapped, by rule:");
    for (rule, count) in ignored {
        println!("{count:6} {rule}");
    }
}
