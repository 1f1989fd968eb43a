use proptest::prelude::*;

use crate::json::{Json, Limits, parse};
use crate::problem::Kind;

fn read(text: &str) -> Result<Json<'_>, crate::Problem> {
    parse(text.as_bytes(), &Limits::default())
}

#[test]
fn numbers_members_and_text_come_out_as_they_went_in() {
    for text in [
        r#"{"b":1.50,"a":[1e2,-0.0,1E+2,123456789012345678901234567890.10],"c":null}"#,
        r#"["é","😀","\"\\\n\u0001","/"]"#,
        r#"{"":{}}"#,
    ] {
        assert_eq!(
            String::from_utf8(read(text).unwrap().to_bytes()).unwrap(),
            text
        );
    }
    assert_eq!(
        read(r#""\u00e9\uD83D\uDE00\/""#).unwrap().as_str(),
        Some("é😀/")
    );
}

#[test]
fn x01_nesting_a_hundred_thousand_deep_is_refused() {
    // X01
    for open in ["[", r#"{"a":"#] {
        let problem = read(&open.repeat(100_000)).unwrap_err();
        assert_eq!(problem.kind, Kind::TooCostly);
        assert!(problem.location.is_some());
    }
    let limits = Limits {
        depth: 2,
        ..Limits::default()
    };
    assert!(parse(b"[[1],[2]]", &limits).is_ok());
    assert!(parse(b"[[[1]]]", &limits).is_err());
}

#[test]
fn x03_duplicates_lone_surrogates_nul_marks_and_bad_utf8_are_refused() {
    // X03
    let many: Vec<String> = (0..40).map(|n| format!("\"m{}\":1", n % 39)).collect();
    let many = format!("{{{}}}", many.join(","));
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        &many,
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\u0041""#,
        r#""\u0000""#,
        "\"\u{0}\"",
        "\u{feff}{}",
        "{} {}",
        "{}\u{0}",
    ] {
        assert_eq!(read(text).unwrap_err().kind, Kind::Structure, "{text}");
    }
    let problem = parse(b"{\n \"a\": \"\xff\"}", &Limits::default()).unwrap_err();
    assert_eq!(problem.location.as_deref(), Some("line 2, column 8"));
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "--1",
        "tru",
        "nul",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12é4\"",
        "\"\\ud800\\",
        "[1 2]",
        "{\"a\":1,}",
        "\"\t\"",
        "NaN",
    ] {
        let problem = read(text).unwrap_err();
        assert_eq!(problem.kind, Kind::Structure, "{text}");
        assert!(problem.location.is_some());
    }
    assert_eq!(
        read("{\n  \"a\": 1\n  \"b\": 2 }")
            .unwrap_err()
            .location
            .as_deref(),
        Some("line 3, column 3")
    );
}

#[test]
fn more_values_or_bytes_than_allowed_are_refused() {
    let limits = Limits {
        nodes: 3,
        ..Limits::default()
    };
    assert!(parse(b"[1,2]", &limits).is_ok());
    assert_eq!(
        parse(b"[1,2,3]", &limits).unwrap_err().kind,
        Kind::TooCostly
    );
    let limits = Limits {
        bytes: 2,
        ..Limits::default()
    };
    assert_eq!(parse(b"[1]", &limits).unwrap_err().kind, Kind::TooLong);
}

/// Any JSON text: numbers in every legal form, any characters.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_string()),
        Just("true".to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
        any::<String>()
            .prop_map(|text| text.replace('\0', ""))
            .prop_map(quoted),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6)
                .prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::btree_map("[a-zA-Z_é\"]{0,8}", inner, 0..20).prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(name, value)| format!("{}: {value}", quoted(name)))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn quoted(text: String) -> String {
    serde_json::to_string(&text).unwrap()
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, &Limits::default());
    }

    #[test]
    fn reading_broken_json_never_panics(text in any_json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = parse(&bytes, &Limits::default());
    }

    #[test]
    fn what_is_written_reads_the_same(text in any_json()) {
        let value = read(&text).unwrap();
        let once = value.to_bytes();
        let again = parse(&once, &Limits::default()).unwrap();
        prop_assert_eq!(&again, &value);
        prop_assert_eq!(again.to_bytes(), once);
    }

    #[test]
    fn numbers_are_exact(text in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,5})?") {
        prop_assert_eq!(read(&text).unwrap().to_bytes(), text.into_bytes());
    }
}
