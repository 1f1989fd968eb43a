//! Reading messages: the shared examples, hostile input (X06), and any bytes at all.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/examples.rs"]
mod examples;

use examples::examples;
use hl7v2::{Limits, parse, parse_within};
use proptest::prelude::*;

#[test]
fn every_shared_example_is_read_or_refused_with_a_reason() {
    let (mut read, mut refused) = (0, 0);
    for (name, bytes) in examples() {
        match parse(&bytes) {
            Ok(message) => {
                read += 1;
                // The index covers the text: joining what it found gives the segment back.
                for segment in message.segments() {
                    let fields: Vec<&str> = (1..=segment.field_count())
                        .map(|n| segment.field(n).raw())
                        .collect();
                    let separator = char::from(message.separators().field).to_string();
                    let joined = match segment.name() {
                        "MSH" => format!("MSH{}{}", separator, fields[1..].join(&separator)),
                        name if fields.is_empty() => name.to_owned(),
                        name => format!("{name}{separator}{}", fields.join(&separator)),
                    };
                    assert_eq!(joined, segment.raw(), "{name}");
                }
            }
            Err(fault) => {
                refused += 1;
                assert!(!fault.reason.is_empty());
                println!("{name}: {fault}");
            }
        }
    }
    println!("shared HL7 v2 examples: {read} read, {refused} refused with a reason");
}

const SMALL: &str = "MSH|^~\\&|PAS|RXX01|||20240501||ADT^A01|1|P|2.4\r";

#[test]
fn x06_a_million_segments_are_refused() {
    let mut message = SMALL.to_owned();
    message.push_str(&"NTE|1\r".repeat(1_000_000));
    let fault = parse(message.as_bytes()).unwrap_err();
    assert!(fault.reason.contains("more than 20000 segments"), "{fault}");
}

#[test]
fn x06_a_field_of_64_kib_is_refused_by_name_but_a_document_is_not() {
    let long = "x".repeat(65_536);
    let fault = parse(format!("{SMALL}PID|1||{long}\r").as_bytes()).unwrap_err();
    assert_eq!(fault.place(), "PID-3 (segment 2)");
    assert!(parse(format!("{SMALL}OBX|1|ED|PDF||{long}\r").as_bytes()).is_ok());
}

#[test]
fn endless_repetitions_fields_and_bytes_are_refused() {
    let repeated = format!("{SMALL}OBX|1|TX|||{}\r", "~".repeat(5_000));
    assert_eq!(parse(repeated.as_bytes()).unwrap_err().field, Some(5));
    let many = format!("{SMALL}ZZZ{}\r", "|".repeat(5_000));
    assert!(
        parse(many.as_bytes())
            .unwrap_err()
            .reason
            .contains("fields")
    );
    let limits = Limits {
        message_bytes: 20,
        ..Limits::default()
    };
    assert!(parse_within(SMALL.as_bytes(), &limits).is_err());
}

#[test]
fn x06_the_wrong_character_set_is_refused_at_msh_18() {
    let declared = "MSH|^~\\&|A|B|||2024||ADT^A01|1|P|2.4||||||";
    let wrong = [declared.as_bytes(), b"UNICODE UTF-8\rPID|1||\xff\xfe\r"].concat();
    assert_eq!(parse(&wrong).unwrap_err().place(), "MSH-18 (segment 1)");
    let latin = [declared.as_bytes(), b"8859/1\rPID|1||Ren\xe9\r"].concat();
    assert_eq!(parse(&latin).unwrap().value("PID", 3, 1), "René");
}

#[test]
fn parts_are_reached_by_number() {
    let text = format!(
        "{SMALL}PID|1||A1^^^RXX01&x&ISO^MR~9990000018^^^NHS^NH||O\\T\\Hara^Una\rZAB|own|2\r"
    );
    let message = parse(text.as_bytes()).unwrap();
    let pid = message.segment("PID").unwrap();
    let ids: Vec<String> = pid
        .field(3)
        .repetitions()
        .map(|r| r.component(1).text().into_owned())
        .collect();
    assert_eq!(ids, ["A1", "9990000018"]);
    assert_eq!(pid.field(3).first().component(4).component(3).text(), "ISO");
    assert_eq!(pid.value(5, 1), "O&Hara");
    assert_eq!(pid.value(5, 9), "");
    assert_eq!(message.value("ZAB", 2, 1), "2");
    assert_eq!(message.value("MSH", 2, 1), "^~\\&");
    assert_eq!(message.value("MSH", 1, 1), "|");
}

#[test]
fn a_second_header_and_a_nameless_segment_are_faults() {
    assert!(parse(format!("{SMALL}{SMALL}").as_bytes()).is_err());
    let fault = parse(format!("{SMALL}pid|1\r").as_bytes()).unwrap_err();
    assert!(fault.reason.contains("segment 2"), "{fault}");
}

fn touch_everything(bytes: &[u8]) {
    let _ = hl7v2::header(bytes);
    let Ok(message) = parse(bytes) else { return };
    for segment in message.segments() {
        for number in 0..=segment.field_count().saturating_add(1) {
            for repetition in segment.field(number).repetitions() {
                for n in 0..4 {
                    let _ = repetition.component(n).component(n).text();
                }
                let _ = repetition.free_text();
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        touch_everything(&bytes);
    }

    #[test]
    fn any_fields_are_read_without_panic(tail in "([A-Z]{2}[A-Z1]\\|([a-zé0-9^~\\\\&|\"]{0,12}\\|){0,6}\r){0,5}") {
        touch_everything(format!("{SMALL}{tail}").as_bytes());
    }
}
