use access::{Scope, SystemPurpose};
use fhir::json;
use fhir::problem::Kind;

use super::*;
use crate::hl7_inbox::WorkNote;
use crate::testing::on_each_database;
use crate::{Change, Effect, Expect, Job, Prepared, Release};

fn scope() -> Scope {
    Scope::system(SystemPurpose::TellSystems)
}

fn new(patient: &str, control_id: &str) -> NewMessage {
    NewMessage {
        destination: "lab".into(),
        patient: patient.into(),
        kind: "ADT^A31".into(),
        control_id: control_id.into(),
        body: control_id.as_bytes().to_vec(),
        note: None,
    }
}

async fn write(store: &Store, write: Hl7OutWrite) -> Result<(), Problem> {
    let job = Job::effect(Effect::Hl7Out(write));
    store.commit(&scope(), job).await.map(|_| ())
}

/// Puts a patient, which is a change to be told.
async fn put(store: &Store, id: &str, purpose: SystemPurpose) -> i64 {
    let text = format!("{{\"resourceType\": \"Patient\", \"id\": \"{id}\"}}");
    let resource = json::parse(text.as_bytes(), &json::Limits::default()).unwrap();
    let organisation = store.organisation().clone();
    let change = Change::Put {
        resource: Prepared::new(&resource, id, &organisation).unwrap(),
        expect: Expect::Anything,
        release: Release::Keep,
    };
    let job = Job {
        changes: vec![change],
        ..Job::default()
    };
    store.commit(&Scope::system(purpose), job).await.unwrap();
    let changes = store.hl7_changes(&scope(), 100).await.unwrap();
    changes.last().map_or(0, |change| change.seq)
}

async fn made(store: &Store, messages: Vec<NewMessage>) {
    let seq = put(store, "p", SystemPurpose::Import).await;
    write(store, Hl7OutWrite::Made { seq, messages })
        .await
        .unwrap();
}

async fn next(store: &Store) -> Vec<(i64, String)> {
    let next = store.hl7_outgoing(&scope(), "lab", 10).await.unwrap();
    next.into_iter()
        .map(|it| (it.number, it.control_id))
        .collect()
}

async fn ids(store: &Store) -> Vec<String> {
    next(store).await.into_iter().map(|(_, id)| id).collect()
}

#[test]
fn a_change_of_a_type_that_is_told_is_written_down_with_it_and_others_are_not() {
    on_each_database(async |ground| {
        let mut settings = ground.settings.clone();
        settings.hl7_told = vec!["Encounter".into()];
        let store = Store::open(settings).await.unwrap();
        assert_eq!(put(&store, "a", SystemPurpose::Import).await, 0);
        store.close().await;
        let mut settings = ground.settings.clone();
        settings.hl7_told = vec!["Patient".into()];
        let store = Store::open(settings).await.unwrap();
        assert_ne!(put(&store, "b", SystemPurpose::Import).await, 0);
        let changes = store.hl7_changes(&scope(), 10).await.unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!((&*changes[0].ty, &*changes[0].id), ("Patient", "b"));
        let (seq, messages) = (changes[0].seq, vec![new("b", "1")]);
        let once = Hl7OutWrite::Made { seq, messages };
        write(&store, once.clone()).await.unwrap();
        assert_eq!(write(&store, once).await.unwrap_err().kind, Kind::Conflict);
        assert_eq!(ids(&store).await, ["1"]);
        store.close().await;
    });
}

#[test]
fn about_one_patient_no_message_goes_before_the_one_before_it_is_over() {
    on_each_database(async |ground| {
        let mut settings = ground.settings.clone();
        settings.hl7_told = vec!["Patient".into()];
        let store = Store::open(settings).await.unwrap();
        let messages = vec![
            new("a", "a1"),
            new("a", "a2"),
            new("b", "b1"),
            new("a", "a3"),
        ];
        made(&store, messages).await;
        assert_eq!(ids(&store).await, ["a1", "b1"]);
        let number = next(&store).await[0].0;
        let note = WorkNote {
            reason: "It was refused.".into(),
            next_step: "Ask.".into(),
        };
        write(&store, Hl7OutWrite::Refused { number, note })
            .await
            .unwrap();
        assert_eq!(ids(&store).await, ["b1"]);
        let list = store.hl7_out_work_list(&scope(), 10).await.unwrap();
        assert_eq!((list.len(), &*list[0].state), (1, "refused"));
        write(&store, Hl7OutWrite::Again { number }).await.unwrap();
        assert_eq!(ids(&store).await, ["a1", "b1"]);
        write(&store, Hl7OutWrite::Sent { number }).await.unwrap();
        let twice = write(&store, Hl7OutWrite::Sent { number })
            .await
            .unwrap_err();
        assert_eq!(twice.kind, Kind::Conflict);
        assert_eq!(ids(&store).await, ["a2", "b1"]);
        let number = next(&store).await[0].0;
        let later = Hl7OutWrite::Later {
            number,
            next_try: store.now() + 5000,
            note: None,
        };
        write(&store, later).await.unwrap();
        let waiting = store.hl7_outgoing(&scope(), "lab", 10).await.unwrap();
        assert_eq!(
            (waiting[0].tries, waiting[0].next_try > store.now()),
            (1, true)
        );
        assert!(
            store
                .hl7_out_work_list(&scope(), 10)
                .await
                .unwrap()
                .is_empty()
        );
        store.close().await;
    });
}

#[test]
fn a_message_that_could_not_be_made_stands_on_the_list_and_is_settled_there() {
    on_each_database(async |ground| {
        let mut settings = ground.settings.clone();
        settings.hl7_told = vec!["Patient".into()];
        let store = Store::open(settings).await.unwrap();
        let unmade = NewMessage {
            body: Vec::new(),
            note: Some(WorkNote {
                reason: "No patient.".into(),
                next_step: "Mend it.".into(),
            }),
            ..new("", "")
        };
        made(&store, vec![unmade]).await;
        let list = store.hl7_out_work_list(&scope(), 10).await.unwrap();
        let number = list[0].number;
        let again = write(&store, Hl7OutWrite::Again { number }).await;
        assert_eq!(again.unwrap_err().kind, Kind::Conflict);
        write(&store, Hl7OutWrite::Settled { number })
            .await
            .unwrap();
        assert!(
            store
                .hl7_out_work_list(&scope(), 10)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(ids(&store).await.is_empty());
        store.close().await;
    });
}
