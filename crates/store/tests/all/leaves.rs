//! Leave to act for somebody, as the store keeps it (P24), and records that are not shown online (P25).

use access::{Caller, Interaction, NhsNumber, Proxy, Purpose, Scope, Standstill, Who, decide_for};
use store::care::Told;
use store::people::{By, Grant, Offer, PeopleDone, PeopleWrite};
use store::testing::{START, on_each_database};
use store::{AuditFilter, Done, Effect, Expect, Job, Release, Store};

use crate::people::{commit, officer, put_as, staff, system};

const YEAR: i64 = 31_557_600_000;

fn who(account: i64, patient: &str, name: &str) -> Who {
    Who::Patient {
        account,
        name: name.into(),
        patient: patient.into(),
        nhs_number: NhsNumber::parse("9434765919").unwrap(),
    }
}

fn mother() -> Who {
    who(20, "mother", "Mary Example")
}

/// The patient's own scope, or whatever the store now says of it.
async fn own(store: &Store, who: &Who, interaction: Interaction) -> Result<Scope, fhir::Problem> {
    let now = store.now();
    let standing = store.standing(who, now).await.unwrap();
    let caller = Caller::new(who.clone(), "request-1".into());
    let facts = (&*standing, now);
    decide_for(&caller, interaction, "", Purpose::PatientRequest, facts)
}

async fn change(store: &Store, write: PeopleWrite) -> Result<PeopleDone, fhir::Problem> {
    let done = store
        .commit(&system(), Job::effect(Effect::People(write)))
        .await?;
    match done.done.first() {
        Some(Done::People(done)) => Ok(*done),
        other => panic!("not of people: {other:?}"),
    }
}

fn told(patient: &str, reason: &str) -> Told {
    Told {
        patient: patient.into(),
        organisation: "A81001".into(),
        account: 1,
        name: "Ann Secretary".into(),
        role: "clerk".into(),
        code: String::new(),
        reason: reason.into(),
    }
}

async fn put_patient(store: &Store, id: &str, born: &str) {
    let text = format!(r#"{{"resourceType":"Patient","birthDate":"{born}"}}"#);
    let put = put_as(&text, id, Expect::Anything, Release::Keep);
    commit(store, vec![put]).await.unwrap();
}

async fn proxies(store: &Store) -> Vec<Proxy> {
    let standing = store.standing(&mother(), store.now()).await.unwrap();
    standing.online.proxies.clone()
}

fn grant(reason: &str, ends_at: i64) -> PeopleWrite {
    PeopleWrite::Grant(Box::new(Grant {
        patient_name: "A Child".into(),
        person: "mother".into(),
        person_name: "Mary Example".into(),
        categories: vec!["letters".into()],
        ends_at,
        is_childs: true,
        told: told("child", reason),
    }))
}

#[test]
fn p24_what_the_practice_records_is_in_force_at_once_listed_and_ended_at_once() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        // 10 years and some at the start: 11 on 1 February 2026.
        put_patient(&store, "child", "2015-02-01").await;
        let refused = change(&store, grant("short", START + YEAR)).await;
        assert!(refused.is_err());
        assert!(proxies(&store).await.is_empty());
        let write = grant("Parental responsibility was seen.", START + 20 * YEAR);
        let PeopleDone::Given(number) = change(&store, write).await.unwrap() else {
            panic!("nothing was given");
        };
        let ages = store.ages();
        let given = proxies(&store).await;
        assert_eq!(given.len(), 1);
        assert_eq!(given[0].standstill(ages, store.now()), Standstill::No);
        ground.clock().advance(40 * 86_400_000);
        let waits = proxies(&store).await;
        assert_eq!(waits[0].standstill(ages, store.now()), Standstill::Review);
        let confirm = |reason: &str| PeopleWrite::Confirm {
            number,
            told: told("child", reason),
        };
        assert!(change(&store, confirm("")).await.is_err());
        change(&store, confirm("Looked at with the child."))
            .await
            .unwrap();
        let stands = proxies(&store).await;
        assert_eq!(stands[0].standstill(ages, store.now()), Standstill::No);
        // The birth date that the record has when it is used decides.
        put_patient(&store, "child", "2009-01-01").await;
        ground.clock().advance(3_000);
        let grown = proxies(&store).await;
        assert_eq!(grown[0].standstill(ages, store.now()), Standstill::Over);
        put_patient(&store, "child", "2015-02-01").await;
        ground.clock().advance(3_000);
        // Another patient ends nothing; this one does, and needs no reason.
        let end = |patient: &str| PeopleWrite::End {
            number,
            by: By::Patient(patient.into(), "A Child".into()),
        };
        assert!(change(&store, end("mother")).await.is_err());
        change(&store, end("child")).await.unwrap();
        assert!(proxies(&store).await.is_empty());
        let items = store
            .privacy_items(&officer(access::Role::PrivacyOfficer))
            .await
            .unwrap();
        let kinds: Vec<&str> = items.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["proxy-granted", "proxy-confirmed"]);
        store.close().await;
    });
}

#[test]
fn p24_a_code_serves_once_for_its_name_and_for_as_long_as_it_lasts() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        put_patient(&store, "child", "1960-02-01").await;
        let offer = |number: u8| {
            PeopleWrite::Offer(Offer {
                digest: [number; 32],
                patient: "child".into(),
                patient_name: "A Child".into(),
                for_name: "mary example".into(),
                categories: vec!["results".into()],
                expires_at: START + 1000,
                ends_at: START + YEAR,
            })
        };
        let accept = |number: u8, person: &str, name: &str| PeopleWrite::Accept {
            digest: [number; 32],
            person: person.into(),
            person_name: name.into(),
        };
        change(&store, offer(1)).await.unwrap();
        for wrong in [
            accept(2, "mother", "Mary Example"),
            accept(1, "thief", "Tom Thief"),
            accept(1, "child", "Mary Example"),
        ] {
            assert!(change(&store, wrong).await.is_err());
        }
        // A wrong name does not use it up.
        change(&store, accept(1, "mother", "Mary Example"))
            .await
            .unwrap();
        let given = proxies(&store).await;
        assert_eq!(given[0].categories, ["results"]);
        assert!(
            change(&store, accept(1, "mother", "Mary Example"))
                .await
                .is_err()
        );
        // Given anew it takes the old one's place.
        change(&store, offer(3)).await.unwrap();
        change(&store, accept(3, "mother", "Mary Example"))
            .await
            .unwrap();
        let again = proxies(&store).await;
        assert!(again.len() == 1 && again[0].number > given[0].number);
        change(&store, offer(4)).await.unwrap();
        ground.clock().advance(1000);
        assert!(
            change(&store, accept(4, "mother", "Mary Example"))
                .await
                .is_err()
        );
        store.close().await;
    });
}

#[test]
fn p24_ten_codes_wait_at_most_and_are_taken_back_together() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let offer = |number: u8| {
            PeopleWrite::Offer(Offer {
                digest: [number; 32],
                patient: "child".into(),
                patient_name: "A Child".into(),
                for_name: "mary example".into(),
                categories: vec!["results".into()],
                expires_at: START + 1000,
                ends_at: START + YEAR,
            })
        };
        for number in 0..10 {
            change(&store, offer(number)).await.unwrap();
        }
        assert!(change(&store, offer(10)).await.is_err());
        let patient = "child".to_string();
        change(&store, PeopleWrite::TakeBack { patient })
            .await
            .unwrap();
        let accept = PeopleWrite::Accept {
            digest: [3; 32],
            person: "mother".into(),
            person_name: "Mary Example".into(),
        };
        assert!(change(&store, accept).await.is_err());
        store.close().await;
    });
}

#[test]
fn p25_a_pause_is_in_force_at_once_for_the_patient_and_for_who_acts_for_them() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        put_patient(&store, "child", "1960-02-01").await;
        let child = who(21, "child", "A Child");
        let write = grant("The patient asked for it here.", START + YEAR);
        change(&store, write).await.unwrap();
        assert!(own(&store, &child, Interaction::Search).await.is_ok());
        assert!(!proxies(&store).await[0].is_paused);
        let pause = || PeopleWrite::Pause {
            told: told("child", "The patient asked for it."),
        };
        change(&store, pause()).await.unwrap();
        // Twice is once: the list does not grow.
        change(&store, pause()).await.unwrap();
        for interaction in [
            Interaction::Search,
            Interaction::Export,
            Interaction::Subscribe,
            Interaction::Everything,
            Interaction::AccessLog,
        ] {
            assert!(
                own(&store, &child, interaction).await.is_err(),
                "{interaction:?}"
            );
        }
        assert!(proxies(&store).await[0].is_paused);
        // Staff see that and since when.
        let scope = staff("A81001", Interaction::Read);
        let access = store.online_access(&scope, "child").await.unwrap();
        assert_eq!(access.paused_at, Some(START));
        assert!(
            change(
                &store,
                PeopleWrite::Resume {
                    told: told("child", "")
                }
            )
            .await
            .is_err()
        );
        let told = told("child", "They came in person.");
        change(&store, PeopleWrite::Resume { told }).await.unwrap();
        assert!(own(&store, &child, Interaction::Search).await.is_ok());
        let items = store
            .privacy_items(&officer(access::Role::PrivacyOfficer))
            .await
            .unwrap();
        let kinds: Vec<&str> = items.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["proxy-granted", "online-paused", "online-resumed"]);
        store.close().await;
    });
}

#[test]
fn p25_what_a_patient_hides_of_their_own_use_stays_in_the_log() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        put_patient(&store, "child", "1960-02-01").await;
        let child = who(21, "child", "A Child");
        let read = own(&store, &child, Interaction::Read).await.unwrap();
        store.read(&read, "Patient", "child").await.unwrap();
        let colleague = staff("A81001", Interaction::Read);
        store.read(&colleague, "Patient", "child").await.unwrap();
        let shown = async || {
            let scope = own(&store, &child, Interaction::AccessLog).await.unwrap();
            let filter = AuditFilter {
                count: 100,
                ..AuditFilter::default()
            };
            let page = store.audit_page(&scope, &filter).await.unwrap();
            let mine = |it: &&access::AuditEntry| it.agent.patient.as_deref() == Some("child");
            (page.entries.iter().filter(mine).count(), page.entries.len())
        };
        let (mine, all) = shown().await;
        assert!(mine >= 1 && all > mine);
        let scope = own(&store, &child, Interaction::OnlineAccess)
            .await
            .unwrap();
        let target = access::Target {
            patient: Some("child".into()),
            ..Default::default()
        };
        let line = scope.trace(Interaction::OnlineAccess, access::Outcome::Success, target);
        let patient = "child".to_string();
        let mut job = Job::effect(Effect::People(PeopleWrite::Hide { patient }));
        job.traces.push(line);
        store.commit(&scope, job).await.unwrap();
        let (mine, others) = shown().await;
        assert_eq!(mine, 0);
        assert!(others >= 1);
        // The whole log has all of it, and that it was hidden.
        let filter = AuditFilter {
            patient: Some("child".into()),
            count: 100,
            ..AuditFilter::default()
        };
        let scope = officer(access::Role::PrivacyOfficer);
        let page = store.audit_page(&scope, &filter).await.unwrap();
        let has = |word: &str| page.entries.iter().any(|it| it.interaction == word);
        assert!(has("online-access") && has("read"));
        let told = told("child", "They asked for it in person.");
        change(&store, PeopleWrite::Show { told }).await.unwrap();
        let (mine, _) = shown().await;
        assert!(mine >= 1);
        store.close().await;
    });
}
