use super::*;
use crate::nhs_number::NhsNumber;
use crate::ods::Ods;
use crate::purpose::SystemPurpose;

const EVERY: [Interaction; 35] = [
    Interaction::Read,
    Interaction::Vread,
    Interaction::HistoryInstance,
    Interaction::Search,
    Interaction::Create,
    Interaction::Update,
    Interaction::Delete,
    Interaction::Batch,
    Interaction::Transaction,
    Interaction::Everything,
    Interaction::LastN,
    Interaction::Match,
    Interaction::Document,
    Interaction::Ask,
    Interaction::Export,
    Interaction::Import,
    Interaction::Subscribe,
    Interaction::RemoveLabel,
    Interaction::Inbox,
    Interaction::Unmatched,
    Interaction::Sent,
    Interaction::Item,
    Interaction::OpenLetter,
    Interaction::FileLetter,
    Interaction::MatchLetter,
    Interaction::ReturnLetter,
    Interaction::ActOnLetter,
    Interaction::SendLetter,
    Interaction::WithdrawLetter,
    Interaction::Record,
    Interaction::AccessLog,
    Interaction::WorkList,
    Interaction::Neighbours,
    Interaction::Mailbox,
    Interaction::System,
];

const PURPOSES: [Purpose; 4] = [
    Purpose::DirectCare,
    Purpose::PatientRequest,
    Purpose::Operations,
    Purpose::Compliance,
];

fn staff(role: Role) -> Caller {
    let who = Who::Staff {
        account: 7,
        name: "Ada Example".into(),
        role,
        organisation: Ods::parse("A81001").unwrap(),
    };
    Caller {
        who,
        request_id: "r".into(),
        granted: None,
        acting: None,
    }
}

fn patient() -> Caller {
    let who = Who::Patient {
        account: 8,
        name: "Pat Example".into(),
        patient: "p1".into(),
        nhs_number: NhsNumber::parse("9434765919").unwrap(),
    };
    Caller {
        who,
        request_id: "r".into(),
        granted: None,
        acting: None,
    }
}

fn allowed(caller: &Caller) -> Vec<(Interaction, Purpose, Scope)> {
    let pairs = EVERY
        .iter()
        .flat_map(|interaction| PURPOSES.iter().map(move |purpose| (*interaction, *purpose)));
    pairs
        .filter_map(|(interaction, purpose)| {
            let scope = decide(caller, interaction, "Patient", purpose, 5).ok()?;
            Some((interaction, purpose, scope))
        })
        .collect()
}

#[test]
fn a20_an_engineer_never_gets_a_scope_that_reaches_clinical_data() {
    let allowed = allowed(&staff(Role::Engineer));
    assert!(!allowed.is_empty());
    for (interaction, _, scope) in allowed {
        assert!(!scope.may_look() && !scope.may_change(), "{interaction:?}");
    }
}

#[test]
fn a_privacy_officer_reads_the_log_and_no_record() {
    for (interaction, _, scope) in allowed(&staff(Role::PrivacyOfficer)) {
        assert!(scope.may_audit() && !scope.may_look(), "{interaction:?}");
    }
}

#[test]
fn a_patient_only_reads_and_only_their_own_compartment() {
    let allowed = allowed(&patient());
    assert_eq!(allowed.len(), 12);
    for (_, purpose, scope) in allowed {
        let theirs = Reach::Compartment {
            patient: "p1".into(),
            now: 5,
        };
        assert_eq!(scope.reach(), &theirs);
        assert_eq!(purpose, Purpose::PatientRequest);
        assert!(!scope.may_change());
    }
}

#[test]
fn staff_reach_their_own_organisation_and_no_further() {
    for role in [Role::Clinician, Role::Clerk, Role::System] {
        let own = Reach::Organisation(Ods::parse("A81001").unwrap());
        for (_, _, scope) in allowed(&staff(role)) {
            assert_eq!(scope.reach(), &own);
        }
    }
}

#[test]
fn a_look_is_not_a_licence_to_change() {
    let caller = staff(Role::Clinician);
    let scope = decide(
        &caller,
        Interaction::Search,
        "Patient",
        Purpose::DirectCare,
        0,
    )
    .unwrap();
    assert!(scope.may_look() && !scope.may_change());
    let scope = decide(
        &caller,
        Interaction::Update,
        "Patient",
        Purpose::DirectCare,
        0,
    )
    .unwrap();
    assert!(scope.may_change());
}

#[test]
fn records_in_bulk_are_for_systems_and_for_the_patient_themselves() {
    let may = |caller: &Caller, wanted: Interaction| {
        allowed(caller)
            .iter()
            .any(|(interaction, ..)| *interaction == wanted)
    };
    for role in [Role::Clinician, Role::Clerk, Role::Engineer] {
        assert!(!may(&staff(role), Interaction::Export), "{role:?}");
        assert!(!may(&staff(role), Interaction::Import), "{role:?}");
        assert!(!may(&staff(role), Interaction::Subscribe), "{role:?}");
    }
    assert!(may(&staff(Role::System), Interaction::Export));
    assert!(may(&staff(Role::System), Interaction::Import));
    assert!(may(&staff(Role::System), Interaction::Subscribe));
    assert!(may(&patient(), Interaction::Export));
    assert!(!may(&patient(), Interaction::Import));
}

#[test]
fn only_a_clinician_acts_on_a_letter_or_takes_a_label_away() {
    for judged in [Interaction::ActOnLetter, Interaction::RemoveLabel] {
        let may = |role| {
            allowed(&staff(role))
                .iter()
                .any(|(interaction, ..)| *interaction == judged)
        };
        assert!(may(Role::Clinician));
        for role in [
            Role::Clerk,
            Role::Engineer,
            Role::PrivacyOfficer,
            Role::System,
        ] {
            assert!(!may(role), "{role:?}");
        }
    }
}

#[test]
fn neighbours_and_the_node_get_nothing_by_asking() {
    let organisation = Ods::parse("RX1").unwrap();
    for who in [Who::Peer { organisation }, Who::Node] {
        let caller = Caller {
            who,
            request_id: "r".into(),
            granted: None,
            acting: None,
        };
        assert!(allowed(&caller).is_empty());
    }
}

#[test]
fn a_line_of_the_log_says_who_what_and_why_without_the_nhs_number() {
    let scope = decide(
        &patient(),
        Interaction::Read,
        "Patient",
        Purpose::PatientRequest,
        0,
    )
    .unwrap();
    let line = scope.trace(Interaction::Read, Outcome::Success, Target::default());
    assert_eq!(line.purpose, "PATRQT");
    assert_eq!(line.agent.account, Some(8));
    assert!(!format!("{line:?}").contains("943"));
    let line = Scope::system(SystemPurpose::MapMessages).trace(
        Interaction::Create,
        Outcome::Success,
        Target::default(),
    );
    assert_eq!(
        (line.purpose.as_ref(), line.within.as_ref()),
        ("map-messages", "system")
    );
}

#[test]
fn subscriptions_and_search_parameters_are_set_up_by_systems() {
    let asked = |role, interaction, ty| {
        let caller = staff(role);
        decide(&caller, interaction, ty, Purpose::DirectCare, 0)
    };
    for ty in ["Subscription", "SearchParameter"] {
        for interaction in [Interaction::Create, Interaction::Update, Interaction::Patch] {
            for role in [Role::Clinician, Role::Clerk] {
                assert!(asked(role, interaction, ty).is_err(), "{role:?} {ty}");
            }
            assert!(asked(Role::System, interaction, ty).is_ok(), "{ty}");
        }
        // Nor in a Bundle, where the type is not asked about.
        let scope = |role| asked(role, Interaction::Transaction, "Bundle").unwrap();
        assert!(scope(Role::Clerk).may_set_up(ty, false).is_err());
        assert!(scope(Role::System).may_set_up(ty, false).is_ok());
        assert!(scope(Role::Clerk).may_set_up("Observation", false).is_ok());
    }
}
