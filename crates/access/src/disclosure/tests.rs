use super::*;

fn said(purpose: &str) -> Said<'_> {
    Said {
        purpose: Some(purpose),
        ..Said::default()
    }
}

fn exempt<'t>(why: &'t str, reason: &'t str, by: &'t str) -> Said<'t> {
    Said {
        purpose: Some("HRESCH"),
        exemption: Some(why),
        reason: Some(reason),
        by: Some(by),
    }
}

#[test]
fn p20_a_purpose_is_required_and_must_be_known() {
    let none = Disclosure::of(Said::default(), false).unwrap_err();
    assert_eq!(none.kind, Kind::Required);
    assert!(none.message.contains("_purpose") && none.message.contains("HRESCH"));
    for wrong in ["", "treat", "HRESCH ", "RESEARCH"] {
        let refused = Disclosure::of(said(wrong), false).unwrap_err();
        assert_eq!(refused.kind, Kind::Value, "{wrong:?}");
    }
}

#[test]
fn p20_the_opt_out_applies_to_all_but_care_and_ones_own_record() {
    for (code, sort) in USES {
        let read = Disclosure::of(said(code), *sort == Sort::Own).unwrap();
        let is_care = ["TREAT", "ETREAT", "COC", "PATRQT"].contains(code);
        assert_eq!(read.opt_out_applies(), !is_care, "{code}");
        assert_eq!(read.code(), *code);
    }
    // Neither hides behind the other.
    assert!(Disclosure::of(said("PATRQT"), false).is_err());
    for code in ["TREAT", "HRESCH"] {
        assert!(Disclosure::of(said(code), true).is_err(), "{code}");
    }
}

#[test]
fn p20_an_exemption_is_stated_with_a_reason_and_by_somebody() {
    for why in ["consented", "legal-duty", "anonymised"] {
        let said = exempt(
            why,
            "Section 251 does not apply: a court order",
            "Dr Bo Test",
        );
        let read = Disclosure::of(said, false).unwrap();
        assert!(!read.opt_out_applies());
        assert!(read.told().contains(why) && read.told().contains("court order"));
    }
    for (said, kind) in [
        (
            exempt("because", "a reason of length", "Dr Bo"),
            Kind::Value,
        ),
        (exempt("consented", "short", "Dr Bo"), Kind::Value),
        (exempt("consented", "", "Dr Bo"), Kind::Required),
        (
            exempt("consented", "a reason of length", " "),
            Kind::Required,
        ),
        (
            exempt("consented", "of 943 476 5919, she said", "Bo"),
            Kind::Value,
        ),
        (
            exempt("consented", "two\nlines of reason", "Bo"),
            Kind::Value,
        ),
    ] {
        assert_eq!(
            Disclosure::of(said, false).unwrap_err().kind,
            kind,
            "{said:?}"
        );
    }
    let unfinished = Said {
        reason: Some("a reason of length"),
        ..said("HRESCH")
    };
    assert!(Disclosure::of(unfinished, false).is_err());
    let needless = Said {
        purpose: Some("TREAT"),
        ..exempt("consented", "a reason of length", "Dr Bo")
    };
    assert!(Disclosure::of(needless, false).is_err());
}

#[test]
fn p21_numbers_are_found_in_any_text() {
    let found =
        |text: &str| -> Vec<String> { numbers(text).map(|it| it.digits().to_string()).collect() };
    for text in [
        "9434765919",
        "NHS 943 476 5919.",
        "943-476-5919",
        "7 9434765919",
        "(9434765919)",
        "1234567890, 9434765919",
    ] {
        assert!(found(text).contains(&"9434765919".to_string()), "{text}");
    }
    for text in ["", "9434765918", "943476591", "943  4765919", "943476/5919"] {
        assert!(found(text).is_empty(), "{text}");
    }
}
