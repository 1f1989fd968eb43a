//! What the groups of the shared record say.

use serde_json::json;

use super::*;

fn source(code: &str, state: SourceState) -> Source {
    Source {
        organisation: access::Ods::parse(code).unwrap(),
        state,
        heard_at: Some(0),
        withheld: Vec::new(),
        cut: Vec::new(),
        count: 0,
    }
}

fn allergies(shared: &SharedRecord) -> views::SharedGroup {
    of_alone(shared, false)
}

/// As the node of A81001 shows them.
fn of_alone(shared: &SharedRecord, is_alone: bool) -> views::SharedGroup {
    let (title, types) = GROUPS[0];
    let own = Ods::parse("A81001").unwrap();
    let name = |ods: &str| ods.to_owned();
    let names = Names {
        own: &own,
        name: &name,
    };
    group(shared, (title, types, true), is_alone, &names, 0).unwrap()
}

#[test]
fn p01_none_known_and_none_told_do_not_look_alike() {
    let answered = SharedRecord {
        sources: vec![source("RZZ01", SourceState::Answered)],
        ..SharedRecord::default()
    };
    let known = allergies(&answered);
    assert_eq!(known.empty, "None is recorded by those who answered.");
    assert!(known.missing.is_empty());
    let mut withheld = answered.clone();
    withheld.sources[0].withheld = vec!["AllergyIntolerance".into()];
    let mut unwanted = answered.clone();
    unwanted.without = vec!["AllergyIntolerance".into()];
    let silent = SharedRecord {
        sources: vec![source(
            "RZZ01",
            SourceState::Silent {
                why: "No answer came.".into(),
                copy_from: None,
            },
        )],
        ..SharedRecord::default()
    };
    for told in [withheld, unwanted, silent].map(|it| allergies(&it)) {
        assert_eq!(
            told.empty,
            "None came. That does not mean that there is none."
        );
        assert_eq!(told.missing.len(), 1, "{:?}", told.missing);
    }
}

#[test]
fn none_here_withheld_here_and_nobody_asked_do_not_look_alike() {
    let here = |shared: SharedRecord| SharedRecord {
        sources: [
            vec![source("A81001", SourceState::Answered)],
            shared.sources,
        ]
        .concat(),
        ..shared
    };
    let alone = here(SharedRecord::default());
    let none = allergies(&alone);
    assert_eq!(none.empty, "None is recorded here.");
    assert!(none.missing.is_empty());
    let both = here(SharedRecord {
        sources: vec![source("RZZ01", SourceState::Answered)],
        ..SharedRecord::default()
    });
    let none = allergies(&both);
    assert_eq!(
        none.empty,
        "None is recorded here, nor by those who answered."
    );
    let mut withheld = both.clone();
    withheld.sources[0].withheld = vec!["AllergyIntolerance".into()];
    let closed = here(SharedRecord {
        closed: Some(Closed::Unwanted),
        ..SharedRecord::default()
    });
    let told = [
        (
            allergies(&withheld),
            "Some that are here are withheld from you.",
        ),
        (allergies(&closed), NOT_ASKED),
        (of_alone(&alone, true), NOT_ASKED_HERE),
    ];
    for (group, said) in told {
        assert_eq!(
            group.empty,
            "None came. That does not mean that there is none."
        );
        assert_eq!(group.missing, [said]);
    }
}

#[test]
fn what_is_here_and_there_is_one_row_with_two_badges() {
    let allergy =
        json!({"resourceType": "AllergyIntolerance", "id": "a", "code": {"text": "Penicillin"}});
    let both = SharedRecord {
        sources: vec![
            source("A81001", SourceState::Answered),
            source("RZZ01", SourceState::Answered),
        ],
        items: vec![Item {
            ty: "AllergyIntolerance".into(),
            resource: allergy,
            updated: 0,
            sources: vec![1, 0],
        }],
        ..SharedRecord::default()
    };
    let group = allergies(&both);
    let badges = group.rows[0]
        .from
        .iter()
        .map(|it| (it.name.as_str(), it.own));
    assert_eq!(
        badges.collect::<Vec<_>>(),
        [("RZZ01", false), ("Here", true)]
    );
    assert!(group.missing.is_empty());
}

#[test]
fn what_came_is_told_in_its_own_words() {
    let result = json!({"resourceType": "Observation", "status": "final",
        "code": {"coding": [{"code": "HB", "display": "Haemoglobin"}]},
        "valueQuantity": {"value": 119, "unit": "g/L"}, "effectiveDateTime": "2026-11-27T09:00:00Z"});
    assert_eq!(what(&result), "Haemoglobin");
    assert_eq!(detail(&result), "119 g/L · final");
    let allergy = json!({"resourceType": "AllergyIntolerance", "code": {"text": "Penicillin"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]}});
    assert_eq!(
        (what(&allergy).as_str(), detail(&allergy).as_str()),
        ("Penicillin", "active · confirmed")
    );
    let visit = json!({"class": {"code": "IMP", "display": "inpatient encounter"}});
    assert_eq!(what(&visit), "inpatient encounter");
    assert_eq!(what(&json!({})), "without a description");
}
