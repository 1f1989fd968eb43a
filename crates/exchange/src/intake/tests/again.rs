//! Messages that a person has mapped again.

use store::{Change, Expect};

use super::*;

#[test]
fn a_message_mapped_again_undoes_nothing_newer() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        // Its practice cannot be read, so that it stands on the work list.
        let number = hospital
            .take(&letter("1").replace("A99999^^^^^^^^ODS", ""))
            .await;
        assert_eq!(hospital.stuck().await.len(), 1);
        let newer = admission("2")
            .replace("A01", "A08")
            .replace("1 ANY STREET", "2 OTHER ROAD")
            .replace("WARD5", "WARD6");
        hospital.take(&newer).await;
        let (patient, visit) = (
            hospital.one("Patient").await,
            hospital.one("Encounter").await,
        );
        let binary = hospital.one("Binary").await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        hospital.replay(number).await.unwrap();
        assert_eq!(hospital.one("Patient").await, patient);
        assert_eq!(hospital.one("Encounter").await, visit);
        assert_eq!(patient["address"][0]["line"][0], "2 OTHER ROAD");
        assert_eq!(hospital.stuck().await.len(), 1, "it still cannot be sent");
        // What somebody deleted since stays deleted.
        let gone = Change::Delete {
            ty: "Binary".into(),
            id: binary,
            expect: Expect::Exists,
        };
        hospital
            .store
            .commit(&hospital.scope, Job::change(gone))
            .await
            .unwrap();
        hospital.replay(number).await.unwrap();
        assert!(hospital.all("Binary").await.is_empty());
        assert_eq!(hospital.one("Patient").await, patient);
        hospital.store.close().await;
    });
}

#[test]
fn what_is_not_on_the_work_list_is_not_mapped_again() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        let number = hospital.take(&admission("1")).await;
        let refused = hospital.replay(number).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Conflict);
        hospital.store.close().await;
    });
}

/// A letter that waits on the work list, since its control id was used before; and, after it, a newer
/// version of it.
async fn quarantined_then_overtaken(ground: &Ground, hospital: &Hospital) -> i64 {
    hospital.take(&admission("1")).await;
    ground.clock().advance(1000);
    let text = letter("1");
    let header = hl7v2::header(text.as_bytes()).unwrap();
    let received = Received {
        application: header.sending_application,
        facility: header.sending_facility,
        control_id: header.control_id,
        kind: "MDM^T02".into(),
        body: text.into_bytes(),
        verdict: Verdict::Take {
            accepted: b"AA".to_vec(),
            conflict: |_, _| b"AE".to_vec(),
        },
    };
    let write = Job::effect(Effect::Hl7(Hl7Write::receive(received)));
    let done = hospital.store.commit(&hospital.scope, write).await.unwrap();
    let Done::Hl7(Hl7Done::Kept { number, kept, .. }) = &done.done[0] else {
        panic!("{done:?}");
    };
    assert_eq!(*kept, Kept::Conflict);
    ground.clock().advance(1000);
    let newer = letter("2").replace("She went home.", "She went home with new tablets.");
    hospital.take(&newer).await;
    ground.clock().advance(1000);
    number.unwrap()
}

#[test]
fn an_older_letter_from_the_work_list_does_not_take_a_newer_ones_place() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        let number = quarantined_then_overtaken(ground, &hospital).await;
        let (document, sent) = (
            hospital.one("DocumentReference").await,
            hospital.sent().await,
        );
        assert_eq!(sent.len(), 1);
        hospital.replay(number).await.unwrap();
        assert_eq!(
            hospital.sent().await,
            sent,
            "nothing more was sent, nothing superseded"
        );
        assert_eq!(hospital.one("DocumentReference").await, document);
        let stuck = hospital.stuck().await;
        assert_eq!(stuck.len(), 1);
        assert!(stuck[0].1.contains("newer version"), "{}", stuck[0].1);
        hospital.store.close().await;
    });
}
