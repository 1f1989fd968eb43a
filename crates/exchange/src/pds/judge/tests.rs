use super::*;

fn ours() -> Value {
    json!({
        "resourceType": "Patient", "id": "jane", "birthDate": "1970-01-02", "gender": "female",
        "identifier": [{ "system": NhsNumber::SYSTEM, "value": "9990000018" }],
        "name": [{ "family": "Fern", "given": ["Jane"] }],
    })
}

fn theirs(id: &str) -> Value {
    let mut pds = ours();
    set(&mut pds, "id", id.into());
    let number = json!([{ "system": NhsNumber::SYSTEM, "value": id }]);
    set(&mut pds, "identifier", number);
    let practice = said::practice_reference("A81001");
    set(&mut pds, "generalPractitioner", json!([practice]));
    pds
}

fn asked() -> NhsNumber {
    NhsNumber::parse("9990000018").unwrap()
}

/// Another number that checks.
fn other() -> String {
    let numbers = (9_990_000_019_u64..).map(|it| it.to_string());
    let mut sound = numbers.filter(|it| NhsNumber::parse(it).is_ok());
    sound.next().unwrap()
}

#[test]
fn nothing_is_taken_over_on_the_number_alone() {
    for (name, value) in [
        ("birthDate", json!("1971-05-06")),
        ("name", json!([{ "family": "Oak", "given": ["Ann"] }])),
        ("gender", json!("male")),
    ] {
        let mut pds = theirs("9990000018");
        set(&mut pds, name, value);
        let judged = judge(&ours(), &pds, &asked(), (None, false)).unwrap();
        assert_eq!(judged.state, TraceState::Differs, "{name}");
        assert_eq!(judged.changed, None, "{name}");
        assert!(!judged.reason.contains("1971") && !judged.reason.contains("Oak"));
    }
}

#[test]
fn what_is_missing_is_filled_in_and_what_is_there_stays() {
    let judged = judge(&ours(), &theirs("9990000018"), &asked(), (None, false)).unwrap();
    let changed = judged.changed.unwrap();
    assert_eq!(said::practice(&changed), Some("A81001"));
    assert_eq!(judged.state, TraceState::Matched);
    // A practice that is known here, though not in what is read of a restricted patient, stays.
    let judged = judge(
        &ours(),
        &theirs("9990000018"),
        &asked(),
        (Some("A81002"), false),
    )
    .unwrap();
    assert_eq!(judged.changed, None);
}

#[test]
fn a_replaced_number_is_followed_unless_another_record_here_has_the_new_one() {
    let new = other();
    let judged = judge(&ours(), &theirs(&new), &asked(), (None, false)).unwrap();
    let changed = judged.changed.unwrap();
    assert_eq!(number(&changed).unwrap().digits(), new);
    assert_eq!(text(&changed, "/identifier/1/use"), "old");
    let judged = judge(&ours(), &theirs(&new), &asked(), (None, true)).unwrap();
    assert_eq!(
        (judged.state, judged.changed),
        (TraceState::Superseded, None)
    );
}

#[test]
fn a_patient_whom_pds_restricts_is_restricted_here_and_pds_never_lifts_it() {
    let mut pds = theirs("9990000018");
    let label = |code: &str| json!({ "security": [{ "system": CONFIDENTIALITY, "code": code }] });
    set(&mut pds, "meta", label("R"));
    let judged = judge(&ours(), &pds, &asked(), (None, false)).unwrap();
    let changed = judged.changed.unwrap();
    assert!(said::is_restricted(&changed));
    assert!(changed.get("generalPractitioner").is_none());
    set(&mut pds, "meta", label("U"));
    let judged = judge(&changed, &pds, &asked(), (Some("A81001"), false)).unwrap();
    assert_eq!(judged.changed, None);
}

#[test]
fn who_cannot_be_told_from_others_is_not_asked_about() {
    assert!(identity(&ours()).is_some());
    for name in ["birthDate", "name", "identifier"] {
        let mut patient = ours();
        patient.as_object_mut().unwrap().remove(name);
        assert_eq!(identity(&patient), None, "{name}");
    }
    let mut merged = ours();
    set(&mut merged, "active", false.into());
    assert_eq!(identity(&merged), None);
    let mut same = ours();
    set(&mut same, "telecom", json!([{ "value": "01632960587" }]));
    assert_eq!(identity(&same), identity(&ours()));
}
