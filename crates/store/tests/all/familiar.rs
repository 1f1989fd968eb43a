//! Staff's own records, and those of people whom they know (P10).

use access::{Interaction, NhsNumber, OnFamiliar, Role, Who};
use fhir::search::{ALL_TYPES, Search};
use store::accounts::{Holder, NewAccount};
use store::care::{CareWrite, FamiliarKind};
use store::testing::{Ground, START, on_each_database};
use store::{Effect, Job, Reading, Store};

use crate::people::{commit, observation, ods, officer, put, staff_with, system};

const OWN: &str = "9434765919";
const COLLEAGUES: &str = "9434765870";

fn person(number: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{number}"}}]}}"#
    )
}

/// Two members of staff with records here, and two patients, one of whom is an aunt of the first.
async fn stocked(ground: &Ground, on_familiar: (OnFamiliar, OnFamiliar)) -> Store {
    let mut settings = ground.settings.clone();
    settings.on_familiar = on_familiar;
    let store = Store::open(settings).await.unwrap();
    for (login, own) in [("sam", OWN), ("bo", COLLEAGUES)] {
        let account = NewAccount {
            login: login.into(),
            name: login.into(),
            holder: Holder::Staff {
                role: Role::Clinician,
                organisation: ods("A81001"),
            },
            password_hash: None,
        };
        let account = store.open_account(account).await.unwrap();
        let number = NhsNumber::parse(own).unwrap();
        store
            .set_own_nhs_number(account, Some(&number))
            .await
            .unwrap();
    }
    let mut changes = vec![
        put(&person(OWN), "me"),
        put(&person(COLLEAGUES), "colleague"),
        put(r#"{"resourceType":"Patient"}"#, "aunt"),
        put(r#"{"resourceType":"Patient"}"#, "stranger"),
    ];
    for patient in ["me", "colleague", "aunt", "stranger"] {
        changes.push(put(
            &observation(patient, "1-1", "2024"),
            &format!("o-{patient}"),
        ));
    }
    commit(&store, changes).await.unwrap();
    let know = CareWrite::Know {
        account: 1,
        patient: "aunt".into(),
        kind: Some(FamiliarKind::Family),
    };
    store
        .commit(&system(), Job::effect(Effect::Care(know)))
        .await
        .unwrap();
    store
}

async fn scope(store: &Store) -> access::Scope {
    let sam = Who::Staff {
        account: 1,
        name: "Sam Staff".into(),
        role: Role::Clinician,
        organisation: ods("A81001"),
    };
    let standing = store.standing(&sam, START).await.unwrap();
    staff_with(&standing, Interaction::Read, START)
}

/// Whose observations Sam reads one by one, which a search must find just so.
async fn seen(store: &Store) -> Vec<String> {
    let scope = scope(store).await;
    let mut seen = Vec::new();
    for patient in ["aunt", "colleague", "me", "stranger"] {
        let id = format!("o-{patient}");
        let reading = store.read(&scope, "Observation", &id).await.unwrap();
        if matches!(reading, Reading::Found(_)) {
            seen.push(patient.to_string());
        }
        let within = Search::all(ALL_TYPES, 9).within_patient(patient);
        let found = store.search(&scope, &within).await.unwrap().entries.len();
        assert_eq!(
            found > 0,
            seen.last().is_some_and(|it| it == patient),
            "{patient}"
        );
    }
    seen
}

async fn listed(store: &Store) -> Vec<(String, String)> {
    let items = store
        .privacy_items(&officer(Role::PrivacyOfficer))
        .await
        .unwrap();
    let mut items: Vec<_> = items.into_iter().map(|it| (it.kind, it.patient)).collect();
    items.sort();
    items
}

#[test]
fn p10_ones_own_record_is_refused_and_acquaintances_are_flagged_once() {
    on_each_database(async |ground| {
        let store = stocked(ground, (OnFamiliar::Refuse, OnFamiliar::Flag)).await;
        for _ in 0..2 {
            assert_eq!(seen(&store).await, ["aunt", "colleague", "stranger"]);
        }
        let flagged = |patient: &str| ("familiar-record".to_string(), patient.to_string());
        assert_eq!(
            listed(&store).await,
            [flagged("aunt"), flagged("colleague")]
        );
        store.close().await;
    });
}

#[test]
fn p10_what_is_refused_and_what_is_flagged_is_the_organisations_to_set() {
    on_each_database(async |ground| {
        let store = stocked(ground, (OnFamiliar::Flag, OnFamiliar::Refuse)).await;
        assert_eq!(seen(&store).await, ["me", "stranger"]);
        let own = ("own-record".to_string(), "me".to_string());
        assert_eq!(listed(&store).await, [own]);
        store.close().await;
    });
}
