//! Conversations, on each database.

use access::{
    Caller, Interaction, NhsNumber, Ods, Purpose, Role, Scope, SystemPurpose, Who, decide,
};
use fhir::problem::Kind;

use super::{MessageWrite, ThreadList, Writer};
use crate::store::Store;
use crate::testing::on_each_database;
use crate::write::{Effect, Job};

fn patient(id: &str, interaction: Interaction) -> Scope {
    let who = Who::Patient {
        account: 1,
        patient: id.into(),
        name: "Jane".into(),
        nhs_number: NhsNumber::parse("9434765919").unwrap(),
    };
    let caller = Caller::new(who, "r".into());
    decide(&caller, interaction, "", Purpose::PatientRequest, 0).unwrap()
}

fn staff(interaction: Interaction, purpose: Purpose) -> Scope {
    let who = Who::Staff {
        account: 2,
        name: "Ann".into(),
        role: Role::Clerk,
        organisation: Ods::parse("A81001").unwrap(),
    };
    decide(&Caller::new(who, "r".into()), interaction, "", purpose, 0).unwrap()
}

async fn write(store: &Store, write: MessageWrite) -> Result<(), Kind> {
    let scope = Scope::system(SystemPurpose::Measure);
    let done = store
        .commit(&scope, Job::effect(Effect::Message(write)))
        .await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

fn writer(by_patient: bool) -> Writer {
    Writer {
        by_patient,
        name: "Jane".into(),
        role: String::new(),
    }
}

fn begin(id: &str, text: &str) -> MessageWrite {
    MessageWrite::Begin {
        id: id.into(),
        patient: "jane".into(),
        subject: "My knee".into(),
        writer: writer(true),
        text: text.into(),
    }
}

fn add(by_patient: bool, patient: &str) -> MessageWrite {
    MessageWrite::Add {
        id: "t1".into(),
        patient: patient.into(),
        writer: writer(by_patient),
        text: "More".into(),
    }
}

#[test]
fn a_conversation_waits_until_somebody_opens_it_and_is_the_patients_and_staffs_alone() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        write(&store, begin("t1", "It hurts")).await.unwrap();
        assert_eq!(
            write(&store, begin("t1", "Again")).await,
            Err(Kind::Conflict)
        );
        assert_eq!(write(&store, begin("t2", "  ")).await, Err(Kind::Required));
        assert_eq!(write(&store, add(true, "una")).await, Err(Kind::NotFound));
        let list = staff(Interaction::Messages, Purpose::DirectCare);
        let waiting = store.threads(&list, ThreadList::Waiting, 10).await.unwrap();
        assert_eq!((waiting.len(), waiting[0].unread_here), (1, 1));
        let work = staff(Interaction::WorkList, Purpose::Operations);
        let late = store.now() + 1;
        assert_eq!(
            store.unopened_messages(&work, late, 9).await.unwrap().len(),
            1
        );
        assert!(
            store
                .unopened_messages(&work, 1, 9)
                .await
                .unwrap()
                .is_empty()
        );
        let opened = MessageWrite::Opened {
            id: "t1".into(),
            by_patient: false,
        };
        write(&store, opened).await.unwrap();
        write(&store, add(false, "jane")).await.unwrap();
        let counts = store.message_counts(&list).await.unwrap();
        assert_eq!((counts.waiting, counts.all), (0, 1));
        let jane = patient("jane", Interaction::Messages);
        let mine = store.threads_of(&jane, "jane").await.unwrap();
        assert_eq!((mine[0].unread_patient, mine[0].posts), (1, 2));
        let (_, posts) = store.thread(&jane, "t1").await.unwrap().unwrap();
        assert!(posts[0].opened_at > 0 && posts[1].opened_at == 0);
        let una = patient("una", Interaction::Messages);
        assert!(store.threads_of(&una, "jane").await.is_err());
        assert_eq!(store.thread(&una, "t1").await.unwrap(), None);
        // A scope for something else opens no conversation.
        let other = patient("jane", Interaction::Record);
        assert!(store.threads_of(&other, "jane").await.is_err());
    });
}

#[test]
fn a_patient_whose_messages_nobody_opens_is_told_to_ring_and_not_let_write_for_ever() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        write(&store, begin("t1", "One")).await.unwrap();
        for _ in 0..19 {
            write(&store, add(true, "jane")).await.unwrap();
        }
        assert_eq!(write(&store, add(true, "jane")).await, Err(Kind::Throttled));
        write(&store, add(false, "jane")).await.unwrap();
    });
}
