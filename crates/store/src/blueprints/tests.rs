use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::{Applied, BlueprintWrite, Did, DueFile, Part, PartKind, State};
use crate::Store;
use crate::testing::on_each_database;
use crate::write::{Effect, Job};

fn scope() -> Scope {
    Scope::system(SystemPurpose::KeepBlueprints)
}

async fn write(store: &Store, write: BlueprintWrite) -> Result<(), Kind> {
    let job = Job::effect(Effect::Blueprint(write));
    let done = store.commit(&scope(), job).await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

fn apply(id: &str, over: &str) -> BlueprintWrite {
    let part = Part {
        kind: PartKind::Template,
        target: "t".into(),
        title: "A text".into(),
        did: Did::Added,
        was: String::new(),
        now: "{}".into(),
    };
    let applied = Applied {
        id: id.into(),
        name: "n".into(),
        version: id.into(),
        title: "T".into(),
        about: "A".into(),
        digest: "d".into(),
        signer: "RZZ98".into(),
        signer_name: "S".into(),
        known: true,
        over: over.into(),
        state: State::Applied,
        at: 0,
        by: "Ann".into(),
        undone_at: 0,
        undone_by: String::new(),
    };
    BlueprintWrite::Apply {
        applied: Box::new(applied),
        parts: vec![part],
    }
}

fn undo(id: &str) -> BlueprintWrite {
    BlueprintWrite::Undo {
        id: id.into(),
        by: "Ben".into(),
    }
}

async fn now(store: &Store) -> Option<String> {
    let now = store.blueprint(&scope(), "n").await.unwrap();
    now.map(|it| it.id)
}

#[test]
fn one_is_in_force_under_its_name_and_undoing_it_brings_back_what_it_replaced() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        assert_eq!(now(&store).await, None);
        write(&store, apply("1", "")).await.unwrap();
        // Whoever did not look again is refused.
        assert_eq!(write(&store, apply("x", "")).await, Err(Kind::Conflict));
        assert_eq!(write(&store, apply("x", "0")).await, Err(Kind::Conflict));
        write(&store, apply("2", "1")).await.unwrap();
        assert_eq!(now(&store).await.as_deref(), Some("2"));
        assert_eq!(write(&store, undo("1")).await, Err(Kind::Conflict));
        write(&store, undo("2")).await.unwrap();
        assert_eq!(now(&store).await.as_deref(), Some("1"));
        assert_eq!(write(&store, undo("2")).await, Err(Kind::Conflict));
        let parts = store.blueprint_parts(&scope(), "1").await.unwrap();
        assert_eq!((parts.len(), parts[0].kind), (1, PartKind::Template));
        write(&store, undo("1")).await.unwrap();
        assert_eq!(now(&store).await, None);
        let all = store.blueprints(&scope()).await.unwrap();
        let undone = all
            .iter()
            .filter(|it| it.state == State::Undone && it.undone_by == "Ben");
        assert_eq!((all.len(), undone.count()), (2, 2));
        store.close().await;
    });
}

#[test]
fn a_file_that_was_asked_for_anew_meanwhile_is_not_taken_for_done() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let file = |body: &str| DueFile {
            name: "f".into(),
            body: body.into(),
            over: String::new(),
        };
        write(&store, BlueprintWrite::File(file("1")))
            .await
            .unwrap();
        write(&store, BlueprintWrite::File(file("2")))
            .await
            .unwrap();
        write(&store, BlueprintWrite::FileDone(file("1")))
            .await
            .unwrap();
        assert_eq!(store.blueprint_files_due().await.unwrap(), [file("2")]);
        write(&store, BlueprintWrite::FileDone(file("2")))
            .await
            .unwrap();
        assert!(store.blueprint_files_due().await.unwrap().is_empty());
        store.close().await;
    });
}
