use super::*;

#[test]
fn a_reference_is_known_again_and_others_are_not_taken_for_it() {
    let made = reference("X26ABC1", 7, 1_767_603_600_123);
    assert_eq!(made, "X26ABC1-20260105090000-000007");
    for text in [made.clone(), format!("{made}.dat"), format!("RE: {made}")] {
        assert!(is_reference("X26ABC1", &text), "{text}");
    }
    for text in [
        "",
        "X26ABC1-",
        "X26ABC1-030620-0001",
        "X26ABC1-20260105090000",
    ] {
        assert!(!is_reference("X26ABC1", text), "{text}");
    }
    assert!(!is_reference("X26ABC2", &made));
}
