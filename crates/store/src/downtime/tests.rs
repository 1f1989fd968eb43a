use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::{DowntimeWrite, PaperEntry, PaperKind};
use crate::Store;
use crate::testing::on_each_database;
use crate::write::{Effect, Job};

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

async fn write(store: &Store, write: DowntimeWrite) -> Result<(), Kind> {
    let done = store
        .commit(&scope(), Job::effect(Effect::Downtime(write)))
        .await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

#[test]
fn a_bar_code_stands_for_one_form_of_one_patient_and_a_paper_is_taken_in_once() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        assert!(store.last_downtime_pack(&scope()).await.unwrap().is_none());
        let made = |id: &str, patient: &str| DowntimeWrite::Made {
            id: id.into(),
            made_by: "this node".into(),
            patients: 1,
            left_out: "nothing".into(),
            codes: vec![("O-1".into(), "observations", patient.into())],
        };
        write(&store, made("a", "jane")).await.unwrap();
        assert_eq!(write(&store, made("a", "jane")).await, Err(Kind::Conflict));
        write(&store, made("b", "una")).await.unwrap();
        let code = store.downtime_code(&scope(), "O-1").await.unwrap();
        assert_eq!(code, Some(("observations".into(), "jane".into())));
        assert_eq!(store.downtime_code(&scope(), "O-2").await.unwrap(), None);
        let last = store.last_downtime_pack(&scope()).await.unwrap().unwrap();
        assert_eq!(last.patients, 1);
        let paper = || {
            DowntimeWrite::Entered(Box::new(PaperEntry {
                id: "p".into(),
                code: "O-1".into(),
                patient: "jane".into(),
                happened_at: 1,
                entered_by: "Ann".into(),
                behalf: "Nura".into(),
            }))
        };
        write(&store, paper()).await.unwrap();
        assert_eq!(write(&store, paper()).await, Err(Kind::Conflict));
        store.close().await;
    });
}

#[test]
fn what_people_did_with_a_pack_is_listed_the_newest_first() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        for kind in [PaperKind::Opened, PaperKind::Printed, PaperKind::Destroyed] {
            let did = DowntimeWrite::Did {
                kind,
                pack: "of 10:05".into(),
                who: "Ann".into(),
                note: String::new(),
            };
            write(&store, did).await.unwrap();
        }
        let (events, more) = store.downtime_events(&scope()).await.unwrap();
        let kinds: Vec<&str> = events.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["destroyed", "printed", "opened"]);
        assert!(!more);
        store.close().await;
    });
}
