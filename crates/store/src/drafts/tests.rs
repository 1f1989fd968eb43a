use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::{BODY_BYTES_MAX, DraftWrite, End, NewDraft};
use crate::testing::on_each_database;
use crate::write::{Change, Effect, Expect, Job};
use crate::{Prepared, Release, Store};

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

async fn write(store: &Store, write: DraftWrite) -> Result<(), Kind> {
    let done = store
        .commit(&scope(), Job::effect(Effect::Draft(write)))
        .await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

fn new(id: &str, body: &str) -> DraftWrite {
    DraftWrite::Begin(Box::new(NewDraft {
        id: id.into(),
        kind: "discharge",
        patient: "jane".into(),
        account: 1,
        author: "Dr Bo".into(),
        body: body.into(),
    }))
}

fn save(version: i64, body: &str) -> DraftWrite {
    DraftWrite::Save {
        id: "d1".into(),
        version,
        account: 2,
        author: "Dr Cy".into(),
        body: body.into(),
    }
}

fn end(version: i64, end: End) -> DraftWrite {
    DraftWrite::End {
        id: "d1".into(),
        version,
        end,
        by: "Dr Bo".into(),
    }
}

async fn patient(store: &Store) {
    let text = r#"{"resourceType":"Patient","name":[{"family":"Example"}]}"#;
    let json = fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).unwrap();
    let change = Change::Put {
        resource: Prepared::new(&json, "jane", store.organisation()).unwrap(),
        expect: Expect::Anything,
        release: Release::Keep,
    };
    store.commit(&scope(), Job::change(change)).await.unwrap();
}

#[test]
fn a_draft_is_kept_changed_as_it_was_seen_and_ended_once() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        patient(&store).await;
        write(&store, new("d1", "{\"a\":1}")).await.unwrap();
        assert_eq!(write(&store, new("d1", "{}")).await, Err(Kind::Conflict));
        let long = "x".repeat(BODY_BYTES_MAX + 1);
        assert_eq!(write(&store, new("d2", &long)).await, Err(Kind::TooLong));
        write(&store, save(1, "{\"a\":2}")).await.unwrap();
        // Who saw the first version overwrites nobody.
        assert_eq!(
            write(&store, save(1, "{\"a\":3}")).await,
            Err(Kind::Conflict)
        );
        let draft = store.draft(&scope(), "discharge", "d1").await.unwrap();
        assert_eq!((draft.version, draft.body.as_str()), (2, "{\"a\":2}"));
        assert_eq!((draft.author.as_str(), draft.account), ("Dr Cy", 2));
        assert_eq!(draft.patient.id, "jane");
        let other = store.draft(&scope(), "letter", "d1").await;
        assert_eq!(other.unwrap_err().kind, Kind::NotFound);
        let (listed, more) = store.unsigned(&scope()).await.unwrap();
        assert_eq!((listed.len(), more), (1, false));
        assert_eq!(
            write(&store, end(1, End::Signed)).await,
            Err(Kind::Conflict)
        );
        write(&store, end(2, End::Signed)).await.unwrap();
        for again in [end(3, End::Discarded), end(2, End::Signed), save(3, "{}")] {
            assert_eq!(write(&store, again).await, Err(Kind::Conflict));
        }
        assert!(store.unsigned(&scope()).await.unwrap().0.is_empty());
        let gone = store.draft(&scope(), "discharge", "d1").await;
        assert_eq!(gone.unwrap_err().kind, Kind::NotFound);
        store.close().await;
    });
}

/// A list that leaves out what the reader may not see would hide that it is unsigned.
#[test]
fn what_is_unsigned_about_somebody_who_is_not_shown_is_still_in_the_list() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        write(&store, new("d1", "{}")).await.unwrap();
        let (listed, _) = store.unsigned(&scope()).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].patient.is_none());
        let hidden = store.draft(&scope(), "discharge", "d1").await;
        assert_eq!(hidden.unwrap_err().kind, Kind::NotFound);
        store.close().await;
    });
}
