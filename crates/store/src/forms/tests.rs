use access::{Scope, SystemPurpose};
use fhir::problem::Kind;
use fhir::questionnaire::{Answerer, task};
use serde_json::{Value, json};

use super::{Ask, AskList, DRAFT_BYTES_MAX, FormWrite};
use crate::testing::on_each_database;
use crate::write::{Change, Effect, Expect, Job};
use crate::{Prepared, Release, Store};

const DAY: i64 = 86_400_000;

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

async fn put(store: &Store, resource: &Value) {
    let text = resource.to_string();
    let json = fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).unwrap();
    let change = Change::Put {
        resource: Prepared::new(
            &json,
            resource["id"].as_str().unwrap(),
            store.organisation(),
        )
        .unwrap(),
        expect: Expect::Anything,
        release: Release::Keep,
    };
    store.commit(&scope(), Job::change(change)).await.unwrap();
}

async fn write(store: &Store, write: FormWrite) -> Result<(), Kind> {
    let done = store
        .commit(&scope(), Job::effect(Effect::Form(write)))
        .await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

fn asked(id: &str, due: Option<&str>) -> Value {
    let canonical = "https://handover.example/Questionnaire/asthma|1";
    task(
        id,
        "Patient/jane",
        canonical,
        Answerer::Patient,
        "Review",
        1_000,
        due,
    )
}

fn answered(id: &str) -> Value {
    let mut task = asked(id, Some("1970-01-02"));
    task["status"] = "completed".into();
    task["output"] = json!([{
        "type": { "text": "answers" },
        "valueReference": { "reference": "QuestionnaireResponse/r1" },
    }]);
    task
}

fn keep(task: &str, account: i64, body: &str) -> FormWrite {
    FormWrite::Keep {
        task: task.into(),
        account,
        body: body.into(),
    }
}

async fn list(store: &Store, list: AskList) -> Vec<Ask> {
    store.asks(&scope(), &list).await.unwrap().0
}

#[test]
fn a_task_that_asks_for_answers_is_listed_until_they_are_given_and_read() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        put(&store, &asked("t1", Some("1970-01-02"))).await;
        put(&store, &asked("t2", None)).await;
        let open = list(&store, AskList::Open).await;
        assert_eq!(
            open.iter().map(|it| it.task.as_str()).collect::<Vec<_>>(),
            ["t1", "t2"]
        );
        assert!(open[0].by_patient && open[0].due == DAY);
        assert!(list(&store, AskList::Overdue(DAY)).await.is_empty());
        assert_eq!(list(&store, AskList::Overdue(2 * DAY)).await.len(), 1);

        put(&store, &answered("t1")).await;
        let unseen = list(&store, AskList::Unseen).await;
        assert_eq!((unseen.len(), unseen[0].response.as_str()), (1, "r1"));
        let counts = store.ask_counts(&scope(), 2 * DAY).await.unwrap();
        assert_eq!((counts[0].asked, counts[0].answered), (2, 1));
        assert_eq!((counts[0].overdue, counts[0].unseen), (0, 1));

        let seen = |at| FormWrite::Seen {
            task: "t1".into(),
            answered_at: at,
            by: "Dr Bo".into(),
        };
        assert_eq!(write(&store, seen(5)).await, Err(Kind::Conflict));
        write(&store, seen(unseen[0].answered_at)).await.unwrap();
        assert!(list(&store, AskList::Unseen).await.is_empty());
        assert_eq!(list(&store, AskList::Of("jane".into())).await.len(), 2);
        store.close().await;
    });
}

/// Whoever read what was answered has not read what it was changed to.
#[test]
fn answers_that_are_changed_are_unread_again() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        put(&store, &answered("t1")).await;
        let at = list(&store, AskList::Unseen).await[0].answered_at;
        let seen = FormWrite::Seen {
            task: "t1".into(),
            answered_at: at,
            by: "Dr Bo".into(),
        };
        write(&store, seen).await.unwrap();
        let response = json!({
            "resourceType": "QuestionnaireResponse", "id": "r1", "status": "amended",
            "subject": { "reference": "Patient/jane" },
        });
        put(&store, &response).await;
        assert_eq!(list(&store, AskList::Unseen).await.len(), 1);
        store.close().await;
    });
}

#[test]
fn what_was_begun_is_each_persons_own_and_goes_with_the_question() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        assert_eq!(
            write(&store, keep("t1", 1, "{}")).await,
            Err(Kind::Conflict)
        );
        put(&store, &asked("t1", None)).await;
        write(&store, keep("t1", 1, "{\"a\":1}")).await.unwrap();
        write(&store, keep("t1", 1, "{\"a\":2}")).await.unwrap();
        let long = "x".repeat(DRAFT_BYTES_MAX + 1);
        assert_eq!(
            write(&store, keep("t1", 1, &long)).await,
            Err(Kind::TooLong)
        );
        let own = store.form_draft(&scope(), "t1", 1).await.unwrap();
        assert_eq!(own.as_deref(), Some("{\"a\":2}"));
        assert_eq!(store.form_draft(&scope(), "t1", 2).await.unwrap(), None);
        put(&store, &answered("t1")).await;
        assert_eq!(store.form_draft(&scope(), "t1", 1).await.unwrap(), None);
        // What is no such Task any more is on no list.
        put(
            &store,
            &json!({
                "resourceType": "Task", "id": "t1", "status": "draft", "intent": "order",
                "for": { "reference": "Patient/jane" },
            }),
        )
        .await;
        assert!(list(&store, AskList::Of("jane".into())).await.is_empty());
        store.close().await;
    });
}
