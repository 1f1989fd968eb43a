//! A line that is not crossed: what is labelled is not shown to the patient.

use access::Interaction;
use store::testing::{START, on_each_database};
use store::{Change, Expect, Job, Reading, Release, Store};

use crate::people::{commit, delete, patient, put_as, staff};

const BINARY: &str = r#"{"resourceType":"Binary","contentType":"text/plain","securityContext":{"reference":"Patient/p"},"data":"aGk="}"#;
const MARK: &str =
    r#""securityLabel":[{"coding":[{"system":"urn:handover:mark","code":"third-party"}]}],"#;

fn letter(label: &str) -> String {
    format!(
        r#"{{"resourceType":"DocumentReference",{label}"status":"current","subject":{{"reference":"Patient/p"}},"content":[{{"attachment":{{"url":"Binary/b"}}}}]}}"#
    )
}

fn released(text: &str, id: &str) -> Change {
    put_as(text, id, Expect::Anything, Release::At(START))
}

fn kept(text: &str, id: &str) -> Change {
    put_as(text, id, Expect::Anything, Release::Keep)
}

fn release(ty: &str, id: &str) -> Change {
    Change::Release {
        ty: ty.into(),
        id: id.into(),
        release: Release::At(START),
    }
}

/// Whether the patient sees the letter, and its content.
async fn seen(store: &Store) -> (bool, bool) {
    let scope = patient("p", Interaction::Read, START + 1000);
    let mut seen = Vec::new();
    for (ty, id) in [("DocumentReference", "d"), ("Binary", "b")] {
        let reading = store.read(&scope, ty, id).await.unwrap();
        seen.push(matches!(reading, Reading::Found(_)));
    }
    (seen[0], seen[1])
}

#[test]
fn a_label_on_a_letter_holds_the_letter_and_its_content() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let both = vec![released(&letter(""), "d"), released(BINARY, "b")];
        commit(&store, both).await.unwrap();
        assert_eq!(seen(&store).await, (true, true));
        commit(&store, vec![kept(&letter(MARK), "d")])
            .await
            .unwrap();
        assert_eq!(seen(&store).await, (false, false));
        // In whatever order, and from the beginning.
        let again = vec![released(BINARY, "b"), released(&letter(MARK), "d")];
        commit(&store, again).await.unwrap();
        assert_eq!(seen(&store).await, (false, false));
        store.close().await;
    });
}

#[test]
fn a_label_whose_content_is_not_here_is_stored_all_the_same() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![released(&letter(MARK), "d")])
            .await
            .unwrap();
        assert_eq!(seen(&store).await, (false, false));
        store.close().await;
    });
}

#[test]
fn what_is_labelled_is_not_released_with_its_letter() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let meta = r#""meta":{"security":[{"code":"R"}]},"#;
        for label in [MARK, meta] {
            let both = vec![kept(&letter(label), "d"), kept(BINARY, "b")];
            commit(&store, both).await.unwrap();
            let letter_and_content =
                vec![release("DocumentReference", "d"), release("Binary", "b")];
            commit(&store, letter_and_content).await.unwrap();
            assert_eq!(seen(&store).await, (false, false), "{label}");
        }
        commit(&store, vec![kept(&letter(""), "d")]).await.unwrap();
        let both = vec![release("DocumentReference", "d"), release("Binary", "b")];
        commit(&store, both).await.unwrap();
        assert_eq!(seen(&store).await, (true, true));
        store.close().await;
    });
}

#[test]
fn a_deleted_letter_leaves_no_content_for_the_patient() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let both = vec![released(&letter(""), "d"), released(BINARY, "b")];
        commit(&store, both).await.unwrap();
        let deletion = delete("DocumentReference", "d", Expect::Anything);
        commit(&store, vec![deletion]).await.unwrap();
        assert_eq!(seen(&store).await, (false, false));
        store.close().await;
    });
}

#[test]
fn a_label_goes_only_by_a_decision_that_it_may() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let meta = r#""meta":{"security":[{"code":"R"}]},"#;
        let change = async |interaction, text: &str, id: &str| {
            let job = Job::change(put_as(text, id, Expect::Anything, Release::At(START)));
            store.commit(&staff("A81001", interaction), job).await
        };
        for (id, label) in [("by-mark", MARK), ("by-meta", meta)] {
            change(Interaction::Create, &letter(label), id)
                .await
                .unwrap();
            change(Interaction::Update, &letter(label), id)
                .await
                .unwrap();
            for interaction in [
                Interaction::Update,
                Interaction::Patch,
                Interaction::Transaction,
            ] {
                let refused = change(interaction, &letter(""), id).await.unwrap_err();
                assert_eq!(refused.kind, fhir::Kind::Forbidden);
                assert!(refused.message.contains("$meta-delete"), "{refused:?}");
            }
            change(Interaction::RemoveLabel, &letter(""), id)
                .await
                .unwrap();
        }
        store.close().await;
    });
}

#[test]
fn a_patient_who_was_held_back_is_not_shown_by_a_change() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let of = |label: &str| format!(r#"{{"resourceType":"Patient"{label}}}"#);
        let labelled = of(r#","meta":{"security":[{"code":"R"}]}"#);
        let own = patient("p", Interaction::Read, START + 1000);
        let steps = [
            (Interaction::Create, labelled.as_str()),
            (Interaction::RemoveLabel, &of("")),
            (Interaction::Update, &of("")),
        ];
        for (interaction, text) in steps {
            let job = Job::change(released(text, "p"));
            store
                .commit(&staff("A81001", interaction), job)
                .await
                .unwrap();
            let reading = store.read(&own, "Patient", "p").await.unwrap();
            assert_eq!(reading, Reading::Absent, "{interaction:?}");
        }
        store.close().await;
    });
}
