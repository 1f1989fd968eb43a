//! Rules' rows, on each database.

use access::{Scope, SystemPurpose};
use fhir::problem::Kind;
use fhir::rule::{Event, StepKind};

use super::{ActState, DAY_MAX, NewAct, RuleWrite, Switch};
use crate::Store;
use crate::desk::{DeskWrite, Task, TaskState, TaskWas, Whose};
use crate::fax::Asker;
use crate::resources::{Prepared, Release};
use crate::testing::on_each_database;
use crate::write::{Change, Effect, Expect, Job};

const DAY: i64 = 86_400_000;

fn scope() -> Scope {
    Scope::system(SystemPurpose::FollowRules)
}

async fn write(store: &Store, write: RuleWrite) -> Result<(), Kind> {
    let job = Job::effect(Effect::Rule(write));
    let done = store.commit(&scope(), job).await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

fn by() -> Asker {
    Asker {
        account: 3,
        who: "Ann".into(),
    }
}

fn on(rule: &str, version: u64, events: &[Event], today: i64) -> RuleWrite {
    RuleWrite::On {
        rule: rule.into(),
        version,
        title: format!("Rule {rule}"),
        events: events.to_vec(),
        today,
        by: by(),
    }
}

fn off(rule: &str) -> RuleWrite {
    RuleWrite::Off {
        rule: rule.into(),
        by: by(),
    }
}

fn act(step: u16, kind: StepKind) -> NewAct {
    NewAct {
        step,
        kind,
        patient: "jane".into(),
        pid: 0,
        task: String::new(),
        state: ActState::Done,
        note: String::new(),
    }
}

async fn report(store: &Store, id: &str) {
    let text = r#"{"resourceType":"DiagnosticReport","status":"final","code":{"text":"FBC"}}"#;
    let json = fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).unwrap();
    let change = Change::Put {
        resource: Prepared::new(&json, id, store.organisation()).unwrap(),
        expect: Expect::Anything,
        release: Release::Keep,
    };
    let scope = Scope::system(SystemPurpose::Import);
    store.commit(&scope, Job::change(change)).await.unwrap();
}

async fn waiting(store: &Store) -> Vec<super::Happened> {
    store.rule_events(&scope(), i64::MAX, 100).await.unwrap()
}

fn did(event: &super::Happened, version: u64, acts: Vec<NewAct>) -> RuleWrite {
    RuleWrite::Did {
        seq: event.seq,
        tries: event.tries,
        rule: event.rule.clone(),
        version,
        title: "T".into(),
        key: event.key.clone(),
        acts,
    }
}

#[test]
fn what_happens_is_noted_for_each_rule_that_is_on_and_once() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        report(&store, "before").await;
        write(&store, on("a", 1, &[Event::ResultReceived], 0))
            .await
            .unwrap();
        write(&store, on("b", 2, &[Event::ResultReceived], 0))
            .await
            .unwrap();
        write(&store, on("c", 1, &[Event::ReferralReceived], 0))
            .await
            .unwrap();
        report(&store, "one").await;
        report(&store, "one").await;
        let found: Vec<(String, Option<u64>, String)> = waiting(&store)
            .await
            .into_iter()
            .map(|it| (it.rule, it.version, it.key))
            .collect();
        let key = || "result-received:one".to_owned();
        let expected = [
            ("a".to_owned(), Some(1), key()),
            ("b".to_owned(), Some(2), key()),
        ];
        assert_eq!(found, expected);
        write(&store, off("a")).await.unwrap();
        assert_eq!(
            waiting(&store).await.len(),
            1,
            "what waited for it is forgotten"
        );
        assert_eq!(write(&store, off("a")).await, Err(Kind::Conflict));
        let switches = store.rule_switches(&scope()).await.unwrap();
        let states: Vec<(&str, bool)> = switches
            .iter()
            .map(|it| (it.rule.as_str(), it.on))
            .collect();
        assert_eq!(states, [("a", false), ("b", true), ("c", true)]);
        let Switch { version, who, .. } = &switches[1];
        assert_eq!((*version, who.as_str()), (2, "Ann"));
        store.close().await;
    });
}

#[test]
fn a_step_is_done_once_and_only_by_the_version_in_force() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        write(&store, on("a", 1, &[Event::ResultReceived], 0))
            .await
            .unwrap();
        report(&store, "one").await;
        let event = waiting(&store).await.remove(0);
        let acts = vec![act(0, StepKind::Assign), act(1, StepKind::Remind)];
        let old = write(&store, did(&event, 7, acts.clone())).await;
        assert_eq!(old, Err(Kind::Conflict), "that version is not in force");
        assert_eq!(
            waiting(&store).await.len(),
            1,
            "and the event is still to be judged"
        );
        write(&store, did(&event, 1, acts.clone())).await.unwrap();
        let twice = write(&store, did(&event, 1, acts)).await;
        assert_eq!(twice, Err(Kind::Conflict));
        assert_eq!(
            store
                .rule_steps_done(&scope(), "a", &event.key)
                .await
                .unwrap(),
            [0, 1]
        );
        // It comes again: none of its steps is taken twice, and the job as a whole is undone.
        report(&store, "one").await;
        let event = waiting(&store).await.remove(0);
        let again = write(
            &store,
            did(
                &event,
                1,
                vec![act(2, StepKind::Ask), act(1, StepKind::Remind)],
            ),
        )
        .await;
        assert_eq!(again, Err(Kind::Conflict));
        assert_eq!(
            store
                .rule_steps_done(&scope(), "a", &event.key)
                .await
                .unwrap(),
            [0, 1]
        );
        let done = store.rule_acts(&scope(), ("a", 0), 10).await.unwrap();
        let undo = |number| RuleWrite::Undone {
            number,
            who: "Bo".into(),
        };
        write(&store, undo(done[0].number)).await.unwrap();
        assert_eq!(
            write(&store, undo(done[0].number)).await,
            Err(Kind::BusinessRule)
        );
        let one = store.rule_act(&scope(), done[0].number).await.unwrap();
        assert_eq!((one.state, one.ended_by.as_str()), (ActState::Undone, "Bo"));
        assert!(!one.may_be_undone(0));
        store.close().await;
    });
}

#[test]
fn a_rule_that_acts_too_often_within_a_day_stops_for_a_person_to_look() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        write(&store, on("a", 1, &[Event::ResultReceived], 0))
            .await
            .unwrap();
        report(&store, "one").await;
        let event = waiting(&store).await.remove(0);
        let most = u16::try_from(DAY_MAX).unwrap();
        let many: Vec<NewAct> = (0..most).map(|step| act(step, StepKind::Assign)).collect();
        write(&store, did(&event, 1, many)).await.unwrap();
        report(&store, "two").await;
        let event = waiting(&store).await.remove(0);
        let more = vec![act(0, StepKind::Assign)];
        assert_eq!(
            write(&store, did(&event, 1, more.clone())).await,
            Err(Kind::BusinessRule)
        );
        let stuck = RuleWrite::Stuck {
            seq: event.seq,
            reason: "too often".into(),
        };
        write(&store, stuck).await.unwrap();
        assert!(waiting(&store).await.is_empty());
        let list = store.stuck_rules(&scope(), 10).await.unwrap();
        assert_eq!(
            (list.len(), list[0].title.as_str(), list[0].reason.as_str()),
            (1, "Rule a", "too often")
        );
        ground.clock().advance(DAY + 1);
        write(&store, RuleWrite::Again { seq: event.seq })
            .await
            .unwrap();
        let event = waiting(&store).await.remove(0);
        write(&store, did(&event, 1, more)).await.unwrap();
        store.close().await;
    });
}

#[test]
fn tasks_that_were_not_done_by_their_day_are_noted_once_from_the_day_on_which_the_rule_was_switched_on()
 {
    on_each_database(async |ground| {
        let store = ground.open().await;
        for (id, due) in [
            ("early", 9 * DAY),
            ("late", 10 * DAY),
            ("later", 11 * DAY),
            ("open", 20 * DAY),
        ] {
            let task = Task {
                id: id.into(),
                patient: "jane".into(),
                pid: 0,
                whose: Whose::default(),
                person: String::new(),
                team: String::new(),
                due,
                urgent: false,
                state: TaskState::Open,
                made_at: 0,
                made_by: "x".into(),
                state_at: 0,
                state_by: "x".into(),
                version: 1,
            };
            let write = DeskWrite::Task {
                task: Box::new(task),
                was: TaskWas::Nothing,
            };
            store
                .commit(&scope(), Job::effect(Effect::Desk(write)))
                .await
                .unwrap();
        }
        write(&store, on("a", 1, &[Event::TaskOverdue], 10 * DAY))
            .await
            .unwrap();
        assert!(!store.rules_to_sweep(10 * DAY).await.unwrap());
        while store.rules_to_sweep(12 * DAY).await.unwrap() {
            write(&store, RuleWrite::Overdue { today: 12 * DAY })
                .await
                .unwrap();
        }
        let found: Vec<String> = waiting(&store)
            .await
            .into_iter()
            .map(|it| it.resource)
            .collect();
        assert_eq!(found, ["late", "later"]);
        store.close().await;
    });
}
