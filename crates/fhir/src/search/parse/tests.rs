use proptest::prelude::*;

use crate::problem::{Kind, Problem};
use crate::search::{Clause, Criterion, Limits, Range, Search, System, Total};

const BASE: &str = "https://gp.example/fhir";

fn read(ty: &str, query: &[(&str, &str)], limits: &Limits) -> Result<Search, Problem> {
    let query: Vec<(String, String)> = query
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    Search::parse(ty, &query, BASE, limits)
}

fn clause(ty: &str, name: &str, value: &str) -> Clause {
    let mut search = read(ty, &[(name, value)], &Limits::default()).unwrap();
    assert_eq!(search.clauses.len(), 1);
    search.clauses.pop().unwrap()
}

fn refused(ty: &str, name: &str, value: &str) -> Kind {
    read(ty, &[(name, value)], &Limits::default())
        .unwrap_err()
        .kind
}

fn token(system: System, code: Option<&str>) -> Criterion {
    Criterion::Token {
        system,
        code: code.map(str::to_string),
    }
}

#[test]
fn a_token_has_four_forms() {
    let of = |value| clause("Patient", "identifier", value).criteria;
    let system = || System::Is("urn:s".to_string());
    assert_eq!(of("1"), [token(System::Any, Some("1"))]);
    assert_eq!(of("urn:s|1"), [token(system(), Some("1"))]);
    assert_eq!(of("|1"), [token(System::None, Some("1"))]);
    assert_eq!(of("urn:s|"), [token(system(), None)]);
    assert_eq!(
        of(r"a\|b\,c,d"),
        [
            token(System::Any, Some("a|b,c")),
            token(System::Any, Some("d"))
        ]
    );
    assert_eq!(refused("Patient", "identifier", "a|b|c"), Kind::Value);
    assert_eq!(refused("Patient", "identifier", "|"), Kind::Value);
    assert_eq!(refused("Patient", "identifier", ""), Kind::Value);
    assert_eq!(refused("Patient", "identifier", "a,,b"), Kind::Value);
    assert!(clause("Patient", "gender:not", "male").negated);
}

#[test]
fn a_string_is_folded_unless_it_must_be_exact() {
    let of = |name, value| clause("Patient", name, value).criteria;
    assert_eq!(
        of("family", "Ó BRIEN"),
        [Criterion::StringStarts("o brien".to_string())]
    );
    assert_eq!(
        of("family:contains", "Rie"),
        [Criterion::StringContains("rie".to_string())]
    );
    assert_eq!(
        of("family:exact", "Ó Brien"),
        [Criterion::StringExact("Ó Brien".to_string())]
    );
    assert_eq!(refused("Patient", "family", " "), Kind::Value);
    assert_eq!(
        refused("Patient", "family:sounds-like", "a"),
        Kind::NotSupported
    );
}

#[test]
fn a_reference_is_looked_for_relative_and_absolute() {
    let of = |name, value| clause("Observation", name, value).criteria;
    let both = |target: &str| Criterion::Reference {
        targets: vec![target.to_string(), format!("{BASE}/{target}")],
    };
    assert_eq!(of("subject", "Patient/1"), [both("Patient/1")]);
    assert_eq!(
        of("subject", "https://gp.example/fhir/Patient/1"),
        [both("Patient/1")]
    );
    assert_eq!(of("subject:Patient", "1"), [both("Patient/1")]);
    let elsewhere = "https://other.example/fhir/Patient/1";
    assert_eq!(
        of("subject", elsewhere),
        [Criterion::Reference {
            targets: vec![elsewhere.to_string()]
        }]
    );
    let Criterion::Reference { targets } = &of("subject", "1")[0] else {
        panic!()
    };
    assert_eq!(targets.len(), 8);
    assert!(targets.contains(&"Patient/1".to_string()) && targets.contains(&"Group/1".to_string()));
    for value in ["Nobody/1", "Patient/a b", "Patient/", "Patient/1/2"] {
        assert_eq!(
            refused("Observation", "subject", value),
            Kind::Value,
            "{value}"
        );
    }
    let identified = clause("Observation", "subject:identifier", "urn:s|b");
    assert_eq!(identified.code, "subject#identifier");
    assert_eq!(
        identified.criteria,
        [token(System::Is("urn:s".into()), Some("b"))]
    );
    assert_eq!(
        refused("Observation", "subject:Patient", "Group/1"),
        Kind::Value
    );
}

/// Whether an index entry would be found.
fn date_matches(value: &str, entry: &str) -> bool {
    let entry = crate::date::span(entry).unwrap();
    let within = |range: &Range, at: i64| {
        range.from.is_none_or(|from| at >= from) && range.before.is_none_or(|before| at < before)
    };
    clause("Observation", "date", value)
        .criteria
        .iter()
        .any(|criterion| match criterion {
            Criterion::Date { low, high } => within(low, entry.low) && within(high, entry.high),
            _ => false,
        })
}

#[test]
fn date_prefixes_compare_spans() {
    for (value, matching, other) in [
        ("2024-05", "2024-05-07", "2024-06-01"),
        ("eq2024-05-07", "2024-05-07T10:00:00Z", "2024-05"),
        ("ne2024-05", "2024", "2024-05-31"),
        ("gt2024-05", "2024-06-01", "2024-05-31"),
        ("gt2024-05", "2024", "2024-05"),
        ("lt2024-05", "2024-04-30", "2024-05-01"),
        ("ge2024-05", "2024-05-01", "2024-04-30"),
        ("ge2024-05", "2024", "2023"),
        ("le2024-05", "2024-05-31", "2024-06-01"),
        ("sa2024-05", "2024-06-01", "2024"),
        ("eb2024-05", "2024-04-30", "2024"),
        ("ap2024-05", "2024-06-10", "2024-07-15"),
        (
            "2024-05-07T10:00:00+01:00",
            "2024-05-07T09:00:00Z",
            "2024-05-07T10:00:00Z",
        ),
        (
            "2024-05-07T10:00:00 01:00",
            "2024-05-07T09:00:00Z",
            "2024-05-07T10:00:00Z",
        ),
    ] {
        assert!(date_matches(value, matching), "{value} {matching}");
        assert!(!date_matches(value, other), "{value} {other}");
    }
    for value in ["x", "xx2024", "2024-13", "ge", "ge2024-05-07T"] {
        assert_eq!(
            refused("Observation", "date", value),
            Kind::Value,
            "{value}"
        );
    }
}

#[test]
fn the_time_of_writing_is_an_instant() {
    let day = crate::date::span("2024-05-07").unwrap();
    let of = |value| clause("Patient", "_lastUpdated", value).criteria;
    let range = |from, before| Criterion::LastUpdated(Range { from, before });
    assert_eq!(of("2024-05-07"), [range(Some(day.low), Some(day.high))]);
    assert_eq!(of("gt2024-05-07"), [range(Some(day.high), None)]);
    assert_eq!(of("le2024-05-07"), [range(None, Some(day.high))]);
    assert_eq!(
        of("ne2024-05-07"),
        [range(None, Some(day.low)), range(Some(day.high), None)]
    );
}

/// Whether an index entry of that value would be found.
fn number_matches(value: &str, entry: f64) -> bool {
    clause("Observation", "value-quantity", value)
        .criteria
        .iter()
        .any(|criterion| {
            let Criterion::Quantity { low, high, .. } = criterion else {
                return false;
            };
            [low, high].iter().all(|range| {
                range
                    .from
                    .is_none_or(|from| entry > from || !range.above_from && entry == from)
                    && range
                        .before
                        .is_none_or(|end| entry < end || range.up_to_before && entry == end)
            })
        })
}

#[test]
fn a_number_stands_for_all_that_round_to_it() {
    for (value, matching, other) in [
        ("100", 100.4, 100.5),
        ("100", 99.5, 99.4),
        ("1e2", 149.0, 150.0),
        ("5.40", 5.404, 5.41),
        ("gt5", 5.1, 5.0),
        ("ge5", 5.0, 4.9),
        ("lt5", 4.9, 5.0),
        ("le5", 5.0, 5.1),
        ("ne5", 5.6, 5.2),
        ("ap100", 91.0, 89.0),
        ("-5", -5.0, 5.0),
    ] {
        assert!(number_matches(value, matching), "{value} {matching}");
        assert!(!number_matches(value, other), "{value} {other}");
    }
    let with_unit = clause(
        "Observation",
        "value-quantity",
        "5.4|http://unitsofmeasure.org|mg",
    );
    let Criterion::Quantity { system, code, .. } = &with_unit.criteria[0] else {
        panic!()
    };
    assert_eq!(
        (system, code.as_deref()),
        (&System::Any, Some("g")),
        "a unit of UCUM is asked for in base units"
    );
    for value in ["a", "5|", "NaN", "inf", "1e999"] {
        assert_eq!(
            refused("Observation", "value-quantity", value),
            Kind::Value,
            "{value}"
        );
    }
}

#[test]
fn what_is_not_supported_is_refused_and_never_ignored_silently() {
    for name in [
        "frobnicate",
        "_sort",
        "_has:Observation:nothing:code",
        "subject.frobnicate",
        "subject:Nobody.name",
        "_text",
        "_content",
        "_elements",
        "_query",
        "date:exact",
        "code:frobnicate",
        "_include:twice",
        "_id:exact",
    ] {
        assert_eq!(
            refused("Observation", name, "1"),
            Kind::NotSupported,
            "{name}"
        );
    }
    let lenient = Limits {
        lenient: true,
        ..Limits::default()
    };
    let search = read(
        "Patient",
        &[("frobnicate", "1"), ("active", "true")],
        &lenient,
    )
    .unwrap();
    assert_eq!(search.ignored, ["frobnicate"]);
    assert_eq!(
        search.self_link(BASE),
        "https://gp.example/fhir/Patient?active=true"
    );
    assert!(read("Patient", &[("birthdate", "x")], &lenient).is_err());
    assert_eq!(
        read("Nobody", &[], &lenient).unwrap_err().kind,
        Kind::NotFound
    );
}

#[test]
fn a_search_is_bounded() {
    let limits = Limits {
        clauses_max: 2,
        values_max: 2,
        count_max: 10,
        ..Limits::default()
    };
    let one = ("active", "true");
    assert_eq!(
        read("Patient", &[one, one, one], &limits).unwrap_err().kind,
        Kind::TooCostly
    );
    assert_eq!(
        read("Patient", &[("_id", "a,b,c")], &limits)
            .unwrap_err()
            .kind,
        Kind::TooCostly
    );
    assert_eq!(
        read("Patient", &[("_count", "11")], &limits).unwrap().count,
        10
    );
    assert_eq!(refused("Patient", "_count", "-1"), Kind::Value);
    assert_eq!(
        refused("Patient", "_cursor", &"x".repeat(5000)),
        Kind::Value
    );
}

#[test]
fn links_repeat_the_search() {
    let query = [
        ("identifier", "urn:s|1"),
        ("family", "ó b&c"),
        ("_count", "5"),
        ("_cursor", "old"),
        ("_total", "accurate"),
    ];
    let search = read("Patient", &query, &Limits::default()).unwrap();
    assert_eq!(
        (search.count, search.total, search.after.as_deref()),
        (5, Total::Accurate, Some("old"))
    );
    assert_eq!(
        search.next_link(BASE, "new"),
        "https://gp.example/fhir/Patient?identifier=urn:s%7C1&family=%C3%B3%20b%26c&_count=5&_total=accurate&_cursor=new"
    );
    assert!(!search.first_link(BASE).contains("_cursor"));
}

#[test]
fn an_id_is_a_token_that_may_be_excluded() {
    let excluded = clause("Patient", "_id:not", "a,b");
    assert!(excluded.negated);
    let ids = ["a", "b"].map(|id| Criterion::Id(id.to_string()));
    assert_eq!(excluded.criteria, ids);
    assert!(!clause("Patient", "_id", "a").negated);
    assert_eq!(refused("Patient", "_id:text", "a"), Kind::NotSupported);
    assert_eq!(refused("Patient", "_id:not", "a b"), Kind::Value);
}

#[test]
fn missing_asks_whether_there_is_any_value() {
    let found = |missing| Clause::one("birthdate", Criterion::Missing(missing));
    let there = |negated| Clause {
        negated,
        ..Clause::one("birthdate#there", token(System::None, Some("")))
    };
    assert_eq!(
        clause("Patient", "birthdate:missing", "true").criteria,
        [Criterion::All(vec![found(true), there(true)])]
    );
    assert_eq!(
        clause("Patient", "birthdate:missing", "false").criteria,
        [found(false), there(false)].map(|one| Criterion::All(vec![one]))
    );
    let composite = clause("Observation", "code-value-quantity:missing", "true");
    assert_eq!(composite.criteria, [Criterion::Missing(true)]);
    assert_eq!(
        refused("Patient", "birthdate:missing", "maybe"),
        Kind::Value
    );
}

proptest! {
    #[test]
    fn reading_a_query_never_panics(name in "[a-z:._-]{0,20}|date|subject|value-quantity|code|_lastUpdated|_id", value in any::<String>()) {
        let _ = read("Observation", &[(&name, &value)], &Limits::default());
    }
}
