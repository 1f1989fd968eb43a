//! Relationships, emergency access, sealing and dissent, as the store keeps them.

use access::{Interaction, OpeningKind, Relationships, Role, Standing, Who};
use fhir::Kind as ProblemKind;
use fhir::search::{Search, Total};
use store::care::{CareDone, CareWrite, ItemState, Kind, Link, Told};
use store::testing::{Ground, START, on_each_database};
use store::{Change, Done, Effect, Expect, Job, Reading, Release, Store};

use crate::people::{
    commit, observation, ods, officer, patient, person, put_as, staff, staff_with, system,
};

const REASON: &str = "Collapsed in the waiting room";

fn told(patient: &str, reason: &str) -> Told {
    Told {
        patient: patient.into(),
        organisation: "A81001".into(),
        account: 1,
        name: "Sam Staff".into(),
        role: "clinician".into(),
        code: "unconscious".into(),
        reason: reason.into(),
    }
}

fn link(patient: &str, ends_at: i64) -> Link {
    Link {
        patient: patient.into(),
        organisation: "A81001".into(),
        account: None,
        workgroup: String::new(),
        kind: Kind::Referral,
        source: "test".into(),
        reason: String::new(),
        starts_at: START,
        ends_at,
    }
}

async fn care(store: &Store, write: CareWrite) -> Result<Done, fhir::Problem> {
    let job = Job::effect(Effect::Care(write));
    let committed = store.commit(&system(), job).await?;
    Ok(committed.done.into_iter().next().unwrap())
}

fn sam() -> Who {
    Who::Staff {
        account: 1,
        name: "Sam Staff".into(),
        role: Role::Clinician,
        organisation: ods("A81001"),
    }
}

/// A node at which staff need a relationship, with a patient and what was measured of them.
async fn stocked(ground: &Ground) -> Store {
    let mut settings = ground.settings.clone();
    settings.relationships = Relationships::Required;
    let store = Store::open(settings).await.unwrap();
    let changes = vec![
        put_as(&person("One"), "p", Expect::Absent, Release::Keep),
        put_as(
            &observation("p", "1-1", "2024"),
            "o",
            Expect::Absent,
            Release::Keep,
        ),
        put_as(
            &observation("q", "1-1", "2024"),
            "other",
            Expect::Absent,
            Release::Keep,
        ),
    ];
    commit(&store, changes).await.unwrap();
    store
}

/// What Sam reads at that time, by the facts that the store has.
async fn sees(store: &Store, ty: &str, id: &str, now: i64) -> bool {
    let standing = store.standing(&sam(), now).await.unwrap();
    let scope = staff_with(&standing, Interaction::Read, now);
    let reading = store.read(&scope, ty, id).await.unwrap();
    matches!(reading, Reading::Found(_))
}

#[test]
fn p02_a_relationship_counts_from_its_start_and_no_more_at_its_end() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        assert!(!sees(&store, "Observation", "o", START).await);
        let until = START + 1_000;
        care(&store, CareWrite::Relate(link("p", until)))
            .await
            .unwrap();
        for (now, expected) in [
            (START - 1, false),
            (START, true),
            (until - 1, true),
            (until, false),
        ] {
            assert_eq!(
                sees(&store, "Observation", "o", now).await,
                expected,
                "{now}"
            );
            assert!(!sees(&store, "Observation", "other", now).await);
        }
        store.close().await;
    });
}

#[test]
fn p01_to_a_stranger_a_record_answers_as_one_that_is_not_there() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let standing = store.standing(&sam(), START).await.unwrap();
        for (ty, id) in [
            ("Patient", "p"),
            ("Observation", "o"),
            ("Observation", "no"),
        ] {
            let scope = staff_with(&standing, Interaction::Read, START);
            assert_eq!(store.read(&scope, ty, id).await.unwrap(), Reading::Absent);
            assert_eq!(
                store.vread(&scope, ty, id, 1).await.unwrap(),
                Reading::Absent
            );
            assert!(store.history(&scope, ty, id, 9).await.unwrap().is_empty());
            let scope = staff_with(&standing, Interaction::Update, START);
            let change = put_as(&person("X"), id, Expect::Exists, Release::Keep);
            let refused = store.commit(&scope, Job::change(change)).await.unwrap_err();
            assert_eq!(refused.kind, ProblemKind::NotFound, "{ty}/{id}");
        }
        store.close().await;
    });
}

#[test]
fn p03_a_claim_works_at_once_and_is_listed_and_told_in_the_same_transaction() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let claim = |reason| CareWrite::Claim {
            told: told("p", reason),
            ends_at: START + 1_000,
        };
        let refused = care(&store, claim("too short")).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Value);
        assert!(!sees(&store, "Observation", "o", START).await);
        let listed = store.privacy_items(&officer(Role::PrivacyOfficer)).await;
        assert!(listed.unwrap().is_empty());
        care(&store, claim("On my round this morning"))
            .await
            .unwrap();
        assert!(sees(&store, "Observation", "o", START).await);
        assert!(!sees(&store, "Observation", "other", START).await);
        let listed = store.privacy_items(&officer(Role::PrivacyOfficer)).await;
        let listed = listed.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].kind.as_str(), listed[0].patient.as_str()),
            ("self-claimed", "p")
        );
        let own = patient("p", Interaction::Record, START);
        let notices = store.patient_notices(&own).await.unwrap();
        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].who, "Sam Staff");
        let other = patient("q", Interaction::Record, START);
        assert!(store.patient_notices(&other).await.unwrap().is_empty());
        store.close().await;
    });
}

#[test]
fn p04_emergency_access_opens_one_record_until_its_end() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let until = START + 4 * 3_600_000;
        let write = CareWrite::Open {
            kind: OpeningKind::Emergency,
            told: told("p", REASON),
            ends_at: until,
        };
        assert!(matches!(
            care(&store, write).await.unwrap(),
            Done::Care(CareDone::Listed(_))
        ));
        assert!(sees(&store, "Observation", "o", START).await);
        assert!(!sees(&store, "Observation", "other", START).await);
        assert!(sees(&store, "Observation", "o", until - 1).await);
        assert!(!sees(&store, "Observation", "o", until).await);
        let items = store.privacy_items(&officer(Role::PrivacyOfficer)).await;
        let told = format!("{REASON} (for 240 minutes)");
        assert_eq!(items.unwrap()[0].reason, told, "with how long it was for");
        store.close().await;
    });
}

#[test]
fn p05_emergency_access_changes_nothing_and_exports_nothing() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let write = CareWrite::Open {
            kind: OpeningKind::Emergency,
            told: told("p", REASON),
            ends_at: START + 1_000,
        };
        care(&store, write).await.unwrap();
        let standing = store.standing(&sam(), START).await.unwrap();
        for interaction in [Interaction::Update, Interaction::Transaction] {
            let scope = staff_with(&standing, interaction, START);
            let text = observation("p", "1-1", "2025");
            let change = put_as(&text, "o", Expect::Exists, Release::Keep);
            let refused = store.commit(&scope, Job::change(change)).await.unwrap_err();
            assert_eq!(refused.kind, ProblemKind::NotFound);
        }
        let look = staff_with(&standing, Interaction::Read, START);
        assert!(store.privacy_items(&look).await.is_err());
        store.close().await;
    });
}

#[test]
fn p07_an_officer_works_an_item_once_with_an_outcome_and_never_their_own() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let claim = CareWrite::Claim {
            told: told("p", REASON),
            ends_at: START + 1_000,
        };
        let Done::Care(CareDone::Listed(number)) = care(&store, claim).await.unwrap() else {
            panic!("no item");
        };
        let work = |account, state, outcome: &str| CareWrite::Work {
            number,
            organisation: "A81001".into(),
            state,
            outcome: outcome.into(),
            officer: (account, "Olu Officer".into()),
        };
        let own = care(&store, work(1, ItemState::Closed, "fine")).await;
        assert_eq!(own.unwrap_err().kind, ProblemKind::Forbidden);
        let mute = care(&store, work(3, ItemState::Closed, " ")).await;
        assert_eq!(mute.unwrap_err().kind, ProblemKind::Required);
        care(&store, work(3, ItemState::Queried, "Asked Sam"))
            .await
            .unwrap();
        care(&store, work(3, ItemState::Confirmed, "On call"))
            .await
            .unwrap();
        let again = care(&store, work(3, ItemState::Closed, "again")).await;
        assert_eq!(again.unwrap_err().kind, ProblemKind::Conflict);
        let items = store
            .privacy_items(&officer(Role::PrivacyOfficer))
            .await
            .unwrap();
        assert_eq!(items[0].state, ItemState::Confirmed);
        assert_eq!(items[0].worked_by, "Olu Officer");
        store.close().await;
    });
}

fn sealed(seal: &str, ty_and_rest: &str) -> String {
    format!(
        r#"{{"meta":{{"security":[{{"system":"urn:handover:seal","code":"{seal}"}},{{"system":"urn:handover:workgroup","code":"gum"}}]}},{ty_and_rest}}}"#
    )
}

const LETTER: &str = r#""resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p"},"content":[{"attachment":{"url":"Binary/b"}}]"#;
const BINARY: &str = r#"{"resourceType":"Binary","contentType":"text/plain","securityContext":{"reference":"Patient/p"},"data":"aGk="}"#;

async fn reads(store: &Store, standing: &Standing, ty: &str, id: &str) -> bool {
    let scope = staff_with(standing, Interaction::Read, START);
    matches!(store.read(&scope, ty, id).await.unwrap(), Reading::Found(_))
}

fn of_team(workgroup: &str) -> Standing {
    Standing {
        workgroups: vec![workgroup.into()],
        ..Standing::default()
    }
}

fn unsealed(patient: &str) -> Standing {
    Standing {
        openings: vec![access::Opening {
            kind: OpeningKind::Unseal,
            patient: patient.into(),
            ends_at: START + 1,
        }],
        ..Standing::default()
    }
}

#[test]
fn p11_what_is_sealed_is_its_workgroups_and_others_know_only_that_it_exists() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let changes = vec![
            put_as(&person("One"), "p", Expect::Absent, Release::Keep),
            put_as(BINARY, "b", Expect::Absent, Release::Keep),
            put_as(
                &sealed("sealed", LETTER),
                "d",
                Expect::Absent,
                Release::Keep,
            ),
        ];
        commit(&store, changes).await.unwrap();
        for (ty, id) in [("DocumentReference", "d"), ("Binary", "b")] {
            assert!(reads(&store, &of_team("gum"), ty, id).await, "{ty}");
            assert!(!reads(&store, &of_team("ward"), ty, id).await, "{ty}");
            assert!(!reads(&store, &Standing::default(), ty, id).await, "{ty}");
            assert!(reads(&store, &unsealed("p"), ty, id).await, "{ty}");
            assert!(!reads(&store, &unsealed("q"), ty, id).await, "{ty}");
        }
        let scope = staff("A81001", Interaction::Search);
        let withheld = store.withheld_of(&scope, "p", None).await.unwrap();
        assert_eq!((withheld.count, withheld.sealed), (2, 2));
        let scope = staff_with(&of_team("gum"), Interaction::Search, START);
        assert_eq!(store.withheld_of(&scope, "p", None).await.unwrap().count, 0);
        store.close().await;
    });
}

#[test]
fn p12_what_is_sealed_and_locked_leaves_no_trace_outside_its_workgroup() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let changes = vec![
            put_as(&person("One"), "p", Expect::Absent, Release::Keep),
            put_as(BINARY, "b", Expect::Absent, Release::Keep),
            put_as(
                &sealed("sealed-and-locked", LETTER),
                "d",
                Expect::Absent,
                Release::Keep,
            ),
        ];
        commit(&store, changes).await.unwrap();
        for standing in [Standing::default(), unsealed("p"), of_team("ward")] {
            for (ty, id) in [("DocumentReference", "d"), ("Binary", "b")] {
                assert!(!reads(&store, &standing, ty, id).await, "{ty}");
                let scope = staff_with(&standing, Interaction::Search, START);
                assert!(store.history(&scope, ty, id, 9).await.unwrap().is_empty());
                let mut search = Search::all(ty, 10);
                search.total = Total::Accurate;
                let page = store.search(&scope, &search).await.unwrap();
                assert_eq!((page.entries.len(), page.total), (0, Some(0)));
            }
            let scope = staff_with(&standing, Interaction::Search, START);
            let withheld = store.withheld_of(&scope, "p", None).await.unwrap();
            assert_eq!((withheld.count, withheld.sealed), (0, 0));
        }
        assert!(reads(&store, &of_team("gum"), "DocumentReference", "d").await);
        store.close().await;
    });
}

#[test]
fn p15_a_bundle_and_a_letters_contents_carry_the_seal_of_what_they_copy() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{}}}]}}"#,
            sealed("sealed", LETTER)
        );
        let changes = vec![
            put_as(BINARY, "b", Expect::Absent, Release::Keep),
            put_as(&bundle, "copy", Expect::Absent, Release::Keep),
        ];
        commit(&store, changes).await.unwrap();
        assert!(reads(&store, &Standing::default(), "Binary", "b").await);
        assert!(!reads(&store, &Standing::default(), "Bundle", "copy").await);
        assert!(reads(&store, &of_team("gum"), "Bundle", "copy").await);
        // The letter comes after its contents, and the seal goes again.
        let seal = put_as(
            &sealed("sealed", LETTER),
            "d",
            Expect::Anything,
            Release::Keep,
        );
        commit(&store, vec![seal]).await.unwrap();
        assert!(!reads(&store, &Standing::default(), "Binary", "b").await);
        let open = put_as(
            &format!("{{{LETTER}}}"),
            "d",
            Expect::Anything,
            Release::Keep,
        );
        commit(&store, vec![open]).await.unwrap();
        assert!(reads(&store, &Standing::default(), "Binary", "b").await);
        store.close().await;
    });
}

#[test]
fn p16_a_seal_goes_only_by_a_decision_that_it_may() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let changes = vec![put_as(
            &sealed("sealed", LETTER),
            "d",
            Expect::Absent,
            Release::Keep,
        )];
        commit(&store, changes).await.unwrap();
        let change = || {
            let text = format!("{{{LETTER}}}");
            Job::change(put_as(&text, "d", Expect::Anything, Release::Keep))
        };
        let update = staff_with(&of_team("gum"), Interaction::Update, START);
        let refused = store.commit(&update, change()).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Forbidden);
        // Outside the workgroup there is nothing to take a label from.
        let outside = staff("A81001", Interaction::RemoveLabel);
        let refused = store.commit(&outside, change()).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::NotFound);
        let remove = staff_with(&of_team("gum"), Interaction::RemoveLabel, START);
        store.commit(&remove, change()).await.unwrap();
        assert!(reads(&store, &Standing::default(), "DocumentReference", "d").await);
        store.close().await;
    });
}

#[test]
fn p11_what_is_sealed_to_nobody_is_not_stored() {
    let text = sealed("sealed", LETTER).replace("urn:handover:workgroup", "urn:other");
    let json = fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).unwrap();
    let refused = store::Prepared::new(&json, "d", &ods("A81001")).unwrap_err();
    assert_eq!(refused.kind, ProblemKind::Required);
}

#[test]
fn p18_a_dissent_counts_at_once_and_so_does_its_withdrawal() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        care(&store, CareWrite::Relate(link("p", START + 9_000)))
            .await
            .unwrap();
        assert!(sees(&store, "Observation", "o", START).await);
        let dissent = CareWrite::Dissent {
            patient: "p".into(),
            organisation: "A81001".into(),
            types: vec!["Observation".into()],
            consent: "c".into(),
            starts_at: START,
            ends_at: START + 5_000,
        };
        care(&store, dissent).await.unwrap();
        assert!(!sees(&store, "Observation", "o", START).await);
        assert!(sees(&store, "Patient", "p", START).await);
        assert!(sees(&store, "Observation", "o", START + 5_000).await);
        let withdraw = CareWrite::Withdraw {
            patient: "p".into(),
            consent: "c".into(),
        };
        care(&store, withdraw).await.unwrap();
        assert!(sees(&store, "Observation", "o", START).await);
        store.close().await;
    });
}

#[test]
fn p19_a_dissent_does_not_lock_out_emergency_access() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let dissent = CareWrite::Dissent {
            patient: "p".into(),
            organisation: "A81001".into(),
            types: vec![],
            consent: "c".into(),
            starts_at: START,
            ends_at: START + 5_000,
        };
        care(&store, dissent).await.unwrap();
        let write = CareWrite::Open {
            kind: OpeningKind::Emergency,
            told: told("p", REASON),
            ends_at: START + 1_000,
        };
        care(&store, write).await.unwrap();
        assert!(sees(&store, "Observation", "o", START).await);
        store.close().await;
    });
}

#[test]
fn p02_relationships_follow_from_what_the_organisations_systems_write() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let registered = |ods: &str| {
            format!(
                r#"{{"resourceType":"Patient","generalPractitioner":[{{"identifier":{{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"{ods}"}}}}]}}"#
            )
        };
        let put = |text: &str, id: &str| put_as(text, id, Expect::Anything, Release::Keep);
        let change = async |change: Change| commit(&store, vec![change]).await.unwrap();
        change(put(&registered("A81001"), "p")).await;
        assert!(sees(&store, "Observation", "o", START).await);
        change(put(&registered("B82002"), "p")).await;
        assert!(!sees(&store, "Observation", "o", START).await);
        let stay = |status: &str| {
            format!(
                r#"{{"resourceType":"Encounter","status":"{status}","class":{{"code":"IMP"}},"subject":{{"reference":"Patient/p"}}}}"#
            )
        };
        change(put(&stay("in-progress"), "e")).await;
        assert!(sees(&store, "Observation", "o", START).await);
        change(put(&stay("finished"), "e")).await;
        assert!(!sees(&store, "Observation", "o", START).await);
        let visit = |status: &str| {
            format!(
                r#"{{"resourceType":"Appointment","status":"{status}","start":"2026-01-06T09:00:00Z","end":"2026-01-06T09:10:00Z","participant":[{{"actor":{{"reference":"Patient/p"}},"status":"accepted"}}]}}"#
            )
        };
        change(put(&visit("pending"), "v")).await;
        assert!(
            !sees(&store, "Observation", "o", START).await,
            "asked for elsewhere"
        );
        change(put(&visit("booked"), "v")).await;
        assert!(sees(&store, "Observation", "o", START).await);
        change(put(&visit("cancelled"), "v")).await;
        assert!(!sees(&store, "Observation", "o", START).await);
        // Nobody lets themselves in by writing one.
        let own = staff("A81001", Interaction::Create);
        let job = Job::change(put(&stay("in-progress"), "mine"));
        store.commit(&own, job).await.unwrap();
        assert!(!sees(&store, "Observation", "o", START).await);
        change(put(&format!("{{{LETTER}}}"), "d")).await;
        assert!(sees(&store, "Observation", "o", START).await);
        store.close().await;
    });
}
