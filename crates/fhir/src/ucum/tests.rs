//! Examples from the specification and everyday laboratories, and properties.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

fn base(value: &str, unit: &str) -> (String, String) {
    let found = canonicalise(value, unit).unwrap();
    (found.value.to_string(), found.unit)
}

#[test]
fn every_line_of_the_table_is_a_unit() {
    for line in table::lines() {
        let code = line.split(' ').next().unwrap();
        assert!(Unit::parse(code).is_ok(), "{line}");
    }
}

#[test]
fn quantities_come_down_to_base_units_exactly() {
    for (value, unit, result, result_unit) in [
        ("1", "m", "1", "m"),
        ("180", "mg/dL", "1800", "m-3.g"),
        ("1.80", "g/L", "1800", "m-3.g"),
        ("1", "kg", "1000", "g"),
        ("37", "Cel", "310.15", "K"),
        ("98.6", "[degF]", "310.15", "K"),
        ("120", "mm[Hg]", "15998640", "m-1.s-2.g"),
        ("5", "10*9/L", "5000000000000", "m-3"),
        ("5", "10^9/L", "5000000000000", "m-3"),
        ("72", "/min", "1.2", "s-1"),
        ("72", "{beats}/min", "1.2", "s-1"),
        ("3", "{score}", "3", "1"),
        ("50", "%", "0.5", "1"),
        ("1", "[lb_av]", "453.59237", "g"),
        ("6", "[ft_i]", "1.8288", "m"),
        ("2", "[iU]/mL", "2000000", "m-3.[iU]"),
        ("2", "m[IU]/mL", "2000", "m-3.[iU]"),
        ("7.4", "[pH]", "7.4", "[pH]"),
        ("1", "kg.m/s2", "1000", "m.s-2.g"),
        ("1", "(kg.m)/(s2)", "1000", "m.s-2.g"),
        ("1", "m/s/s", "1", "m.s-2"),
        ("4", "/m.s", "4", "m-1.s"),
        ("1", "mmol", "602214076000000000000", "1"),
        ("1", "wk", "604800", "s"),
        ("1", "dag", "10", "g"),
        ("1", "B[10.nV]", "1", "B[10.nV]"),
        ("-1.50", "m", "-1.5", "m"),
    ] {
        assert_eq!(
            base(value, unit),
            (result.into(), result_unit.into()),
            "{value} {unit}"
        );
    }
}

#[test]
fn quantities_compare_across_units_and_refuse_what_differs() {
    assert_eq!(compare(("1", "g"), ("1000", "mg")), Ok(Ordering::Equal));
    assert_eq!(compare(("1.0", "g"), ("1", "g")), Ok(Ordering::Equal));
    assert_eq!(compare(("7", "d"), ("1", "wk")), Ok(Ordering::Equal));
    assert_eq!(
        compare(("1", "[in_i]"), ("2.54", "cm")),
        Ok(Ordering::Equal)
    );
    assert_eq!(
        compare(("5.5", "mmol/L"), ("5", "mmol/L")),
        Ok(Ordering::Greater)
    );
    assert_eq!(compare(("1", "g"), ("1", "m")), Err(Fault::Incomparable));
    assert_eq!(
        compare(("1", "[iU]"), ("1", "[arb'U]")),
        Err(Fault::Incomparable)
    );
    assert_eq!(
        compare(("180", "deg"), ("1", "[pi].rad")),
        Ok(Ordering::Equal)
    );
}

#[test]
fn values_convert_there_and_back() {
    assert_eq!(convert("37", "Cel", "[degF]").unwrap().to_string(), "98.6");
    assert_eq!(convert("212", "[degF]", "Cel").unwrap().to_string(), "100");
    assert_eq!(
        convert("1", "[mi_i]", "km").unwrap().to_string(),
        "1.609344"
    );
    assert_eq!(
        convert("1", "m", "[ft_i]").unwrap().to_string(),
        "3.280839895013123"
    );
    assert_eq!(convert("1", "g", "s"), Err(Fault::Incomparable));
}

#[test]
fn what_is_no_unit_is_refused_by_its_reason() {
    for (text, fault) in [
        ("", Fault::Syntax),
        ("m.", Fault::Syntax),
        ("m//s", Fault::Syntax),
        ("(m", Fault::Syntax),
        ("m)", Fault::Syntax),
        ("m2-", Fault::Syntax),
        ("m {x}", Fault::Syntax),
        ("{a{b}}", Fault::Syntax),
        ("{\u{b5}}", Fault::Syntax),
        ("0", Fault::Syntax),
        ("foo", Fault::UnknownUnit),
        ("kmin", Fault::UnknownUnit),
        ("mm Hg", Fault::Syntax),
        ("Cel2", Fault::Offset),
        ("Cel/s", Fault::Offset),
        ("m100", Fault::OutOfRange),
        ("\u{b5}g", Fault::Syntax),
    ] {
        assert_eq!(Unit::parse(text), Err(fault), "{text}");
    }
    assert_eq!(Unit::parse(&"(".repeat(100)), Err(Fault::TooLong));
    assert_eq!(Unit::parse(&"m.".repeat(200)), Err(Fault::TooLong));
    for value in ["", "-", ".", "1e", "NaN", "1,5", "0x1", " 1"] {
        assert_eq!(canonicalise(value, "m"), Err(Fault::NoNumber), "{value}");
    }
    assert_eq!(canonicalise("1e9999", "m"), Err(Fault::OutOfRange));
}

#[test]
fn what_outgrows_128_bits_is_still_near() {
    let near = canonicalise("1.2345678901234567890123456789", "[m_e].[h].[k]").unwrap();
    assert!(near.value.to_f64() > 0.0);
    let long = "1234567890".repeat(6);
    assert_eq!(compare((&long, "m"), (&long, "m")), Ok(Ordering::Equal));
    assert!(!Number::parse(&long).unwrap().is_exact());
}

const UNITS: &[&str] = &[
    "m", "s", "g", "mol", "L", "mm[Hg]", "Pa", "%", "d", "[iU]", "J", "[lb_av]",
];

fn unit() -> impl Strategy<Value = String> {
    let one = (prop::sample::select(UNITS), -3i32..4).prop_map(|(unit, power)| match power {
        0 | 1 => unit.to_string(),
        power => format!("{unit}{power}"),
    });
    (one.clone(), prop::option::of((prop::bool::ANY, one))).prop_map(|(first, second)| match second
    {
        None => first,
        Some((true, second)) => format!("{first}.{second}"),
        Some((false, second)) => format!("{first}/{second}"),
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), value in any::<String>()) {
        let _ = canonicalise(&value, &text);
        let _ = canonicalise("1", &text);
    }

    #[test]
    fn no_text_of_units_letters_makes_it_panic(text in "[a-zA-Z0-9./(){}\\[\\]*^%'+-]{0,40}", value in "-?[0-9]{0,50}(\\.[0-9]{0,50})?(e-?[0-9]{1,5})?") {
        let _ = canonicalise(&value, &text);
    }

    #[test]
    fn the_base_units_are_a_unit_that_is_its_own_base(unit in unit(), value in -1_000_000i64..1_000_000) {
        let value = value.to_string();
        let once = canonicalise(&value, &unit).unwrap();
        let twice = canonicalise(&once.value.to_string(), &once.unit).unwrap();
        prop_assert_eq!(&twice.unit, &once.unit);
        // A fraction without an end is rounded where it is written down.
        let (a, b) = (twice.value.to_f64(), once.value.to_f64());
        prop_assert!((a - b).abs() <= 1e-14 * a.abs(), "{} {}", a, b);
    }

    #[test]
    fn converting_there_and_back_changes_nothing(unit in unit(), value in 1u32..1_000_000) {
        let value = value.to_string();
        let there = canonicalise(&value, &unit).unwrap();
        let back = Unit::parse(&unit).unwrap().from_base(&there.value).unwrap();
        prop_assert_eq!(back.compare(&Number::parse(&value).unwrap()), Ordering::Equal);
    }

    #[test]
    fn comparing_goes_by_the_numbers_within_a_unit(unit in unit(), a in -1000i64..1000, b in -1000i64..1000) {
        let milli = canonicalise(&a.to_string(), &unit).unwrap();
        let other = canonicalise(&b.to_string(), &unit).unwrap();
        prop_assert_eq!(milli.value.compare(&other.value), a.cmp(&b));
    }

    #[test]
    fn a_number_is_written_as_it_reads(top in any::<i64>(), power in -20i32..20) {
        let number = Number::parse(&format!("{top}e{power}")).unwrap();
        prop_assert_eq!(Number::parse(&number.to_string()).unwrap(), number);
    }
}
