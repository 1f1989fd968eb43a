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
