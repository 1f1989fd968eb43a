//! Who looked, and why.

use access::{AuditEntry, Caller, Interaction, Outcome, Purpose, Who, decide};
use fhir::search::{Limits, Search};
use store::testing::{START, on_each_database};
use store::{AuditFilter, Expect, Release, Store};

use crate::people::{commit, observation, ods, patient, person, put, put_as, staff, system};

async fn log(store: &Store) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        count: 1000,
        ..AuditFilter::default()
    };
    let mut entries = store.audit_page(&system(), &filter).await.unwrap().entries;
    entries.reverse();
    entries.retain(|entry| entry.interaction != "access-log");
    entries
}

fn told(entry: &AuditEntry) -> (String, &'static str, String, Option<String>) {
    let target = &entry.target;
    let id = target.id.clone().unwrap_or_default();
    (
        entry.interaction.to_string(),
        entry.outcome.code(),
        format!("{}/{id}", target.ty),
        target.patient.clone(),
    )
}

#[test]
fn every_look_and_change_leaves_a_line_before_its_answer() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let changes = vec![
            put_as(&person("One"), "p", Expect::Absent, Release::At(START)),
            put(&observation("p", "1-1", "2024"), "o"),
        ];
        commit(&store, changes).await.unwrap();
        let scope = staff("A81001", Interaction::Item);
        store.read(&scope, "Observation", "o").await.unwrap();
        store.read(&scope, "Observation", "o").await.unwrap();
        store.read(&scope, "Observation", "x").await.unwrap();
        let stranger = patient("z", Interaction::Read, START);
        store.vread(&stranger, "Observation", "o", 1).await.unwrap();
        store.history(&scope, "Observation", "o", 5).await.unwrap();
        store
            .search(&scope, &Search::all("Observation", 5))
            .await
            .unwrap();
        let log = log(&store).await;
        let p = || Some("p".to_string());
        let line = |interaction: &str, outcome, target: &str, patient| {
            (
                interaction.to_string(),
                outcome,
                target.to_string(),
                patient,
            )
        };
        let expected = vec![
            line("create", "success", "Patient/p", p()),
            line("create", "success", "Observation/o", p()),
            line("read", "success", "Observation/o", p()),
            line("read", "success", "Observation/o", p()),
            line("read", "absent", "Observation/x", None),
            line("vread", "withheld", "Observation/o", p()),
            line("history-instance", "success", "Observation/o", p()),
            line("search-type", "success", "Observation/", p()),
        ];
        assert_eq!(log.iter().map(told).collect::<Vec<_>>(), expected);
        let read = &log[2];
        assert_eq!((read.at, &*read.request_id), (START, "request-1"));
        assert_eq!((&*read.within, &*read.purpose), ("item", "TREAT"));
        assert_eq!(read.agent.name, "Sam Staff");
        assert_eq!(read.agent.role.as_deref(), Some("clinician"));
        assert_eq!(read.target.version, Some(1));
        assert!(log.windows(2).all(|pair| pair[0].seq < pair[1].seq));
        store.close().await;
    });
}

#[test]
fn what_was_refused_is_in_the_log_too() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let caller = Caller {
            who: Who::Peer {
                organisation: ods("RX1"),
            },
            request_id: "r".into(),
            granted: None,
            acting: None,
        };
        let asked = (Interaction::Read, Purpose::DirectCare);
        assert!(decide(&caller, asked.0, "Patient", asked.1, START).is_err());
        let entry = AuditEntry::refused(&caller, asked.0, asked.1, "Patient", Some("p"));
        store.refused(entry).await.unwrap();
        let log = log(&store).await;
        assert_eq!(log[0].outcome, Outcome::Refused);
        assert_eq!(log[0].agent.organisation.as_deref(), Some("RX1"));
        store.close().await;
    });
}

#[test]
fn a_patient_sees_the_lines_about_themselves_page_by_page_and_no_others() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        for number in 0..5 {
            let id = format!("o{number}");
            let theirs = put(&observation("p", "1-1", "2024"), &id);
            let other = put(&observation("q", "1-1", "2024"), &format!("q{number}"));
            commit(&store, vec![theirs, other]).await.unwrap();
        }
        let scope = patient("p", Interaction::AccessLog, START);
        let mut filter = AuditFilter {
            // A wish to see somebody else's is overruled.
            patient: Some("q".into()),
            before: None,
            count: 2,
        };
        let mut seen = Vec::new();
        loop {
            let page = store.audit_page(&scope, &filter).await.unwrap();
            seen.extend(page.entries);
            match page.next {
                Some(next) => filter.before = Some(next),
                None => break,
            }
        }
        seen.retain(|entry| entry.interaction == "create");
        assert_eq!(seen.len(), 5);
        assert!(
            seen.iter()
                .all(|entry| entry.target.patient.as_deref() == Some("p"))
        );
        assert!(
            store
                .audit_page(&staff("A81001", Interaction::Read), &filter)
                .await
                .is_err()
        );
        store.close().await;
    });
}

#[test]
fn under_within_one_second_the_lines_follow_and_a_close_writes_them() {
    on_each_database(async |ground| {
        let mut settings = ground.settings.clone();
        settings.audit = store::AuditDurability::WithinOneSecond;
        let store = Store::open(settings).await.unwrap();
        commit(&store, vec![put(&person("One"), "p")])
            .await
            .unwrap();
        for _ in 0..10 {
            store.read(&system(), "Patient", "p").await.unwrap();
        }
        store.close().await;
        let store = ground.open().await;
        assert_eq!(log(&store).await.len(), 11);
        store.close().await;
    });
}

#[test]
fn a_patient_does_not_see_what_was_searched_for() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let both = vec![put(&person("One"), "p"), put(&person("Two"), "q")];
        commit(&store, both).await.unwrap();
        let pairs = [("_id".to_string(), "p,q".to_string())];
        let search = Search::parse("Patient", &pairs, "", &Limits::default()).unwrap();
        let clinician = staff("A81001", Interaction::Search);
        store.search(&clinician, &search).await.unwrap();
        let scope = patient("p", Interaction::AccessLog, START);
        let filter = AuditFilter {
            count: 100,
            ..AuditFilter::default()
        };
        let seen = store.audit_page(&scope, &filter).await.unwrap().entries;
        assert!(seen.iter().any(|line| line.interaction == "search-type"));
        assert!(seen.iter().all(|line| line.target.query.is_none()));
        let all = log(&store).await;
        let queries = all.iter().filter(|line| line.target.query.is_some());
        assert_eq!(queries.count(), 2, "the privacy officer's log keeps it");
        store.close().await;
    });
}

#[test]
fn a_question_about_a_patient_is_in_their_log_whatever_the_answer() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let people = vec![put(&person("One"), "p"), put(&person("Two"), "q")];
        commit(&store, people).await.unwrap();
        let scope = staff("A81001", Interaction::Search);
        let asked = [
            ("Condition", "subject", "Patient/p", 10),
            ("Observation", "subject", "Patient/p", 0),
            ("Patient", "_id", "p", 0),
        ];
        for (ty, code, value, count) in asked {
            let pairs = [(code.to_string(), value.to_string())];
            let mut search = Search::parse(ty, &pairs, "", &Limits::default()).unwrap();
            search.count = count;
            store.search(&scope, &search).await.unwrap();
        }
        let mut lines = log(&store).await;
        lines.retain(|line| line.interaction == "search-type");
        let patients = lines.iter().map(|line| line.target.patient.as_deref());
        assert_eq!(patients.collect::<Vec<_>>(), [Some("p"); 3]);
        store.close().await;
    });
}
