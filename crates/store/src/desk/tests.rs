use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::{AskKind, DeskWrite, FILTERS_MAX, Task, TaskList, TaskState, TaskWas, Waiting, Whose};
use crate::Store;
use crate::accounts::{Holder, NewAccount};
use crate::fax::Asker;
use crate::testing::on_each_database;
use crate::write::{Effect, Job};

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

async fn write(store: &Store, write: DeskWrite) -> Result<(), Kind> {
    let job = Job::effect(Effect::Desk(write));
    let done = store.commit(&scope(), job).await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

async fn open(store: &Store, login: &str) -> i64 {
    let account = NewAccount {
        login: login.into(),
        name: login.to_uppercase(),
        holder: Holder::Staff {
            role: access::Role::Clerk,
            organisation: store.organisation().clone(),
        },
        password_hash: None,
    };
    store.open_account(account).await.unwrap()
}

fn asker(account: i64) -> Asker {
    Asker {
        account,
        who: format!("account {account}"),
    }
}

fn waiting(account: i64, tomorrow: i64) -> Waiting {
    Waiting {
        account,
        tomorrow,
        asked_before: 0,
        unopened_before: 0,
        about_looks: false,
    }
}

fn person(account: i64) -> Whose {
    Whose {
        account,
        team: String::new(),
    }
}

fn team(id: &str) -> Whose {
    Whose {
        account: 0,
        team: id.into(),
    }
}

async fn begin_team(store: &Store, id: &str, members: &[i64]) {
    let begin = DeskWrite::Team {
        id: id.into(),
        name: format!("Team {id}"),
        by: "x".into(),
    };
    write(store, begin).await.unwrap();
    for account in members {
        let join = DeskWrite::Join {
            team: id.into(),
            account: *account,
        };
        write(store, join).await.unwrap();
    }
}

fn assign(pid: i64, to: Whose) -> DeskWrite {
    DeskWrite::Assign {
        pid,
        to,
        by: "x".into(),
    }
}

fn task(id: &str, whose: Whose, due: i64) -> DeskWrite {
    let task = Task {
        id: id.into(),
        patient: "jane".into(),
        pid: 0,
        whose,
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
    DeskWrite::Task {
        task: Box::new(task),
        was: TaskWas::Nothing,
    }
}

#[test]
fn what_somebody_was_working_on_falls_to_their_team_when_they_leave() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let (ann, ben, cy) = (
            open(&store, "ann").await,
            open(&store, "ben").await,
            open(&store, "cy").await,
        );
        begin_team(&store, "t1", &[ann, ben]).await;
        write(&store, assign(1, person(ann))).await.unwrap();
        write(&store, assign(2, person(cy))).await.unwrap();
        write(&store, assign(3, person(ben))).await.unwrap();
        write(&store, task("a", person(ann), 5)).await.unwrap();
        write(&store, task("c", person(cy), 5)).await.unwrap();
        for login in ["ann", "cy"] {
            assert!(store.close_account(login).await.unwrap());
        }
        let assigned = store.assigned(&scope(), &[1, 2, 3]).await.unwrap();
        assert_eq!(assigned[&1].whose, team("t1"));
        assert!(
            !assigned.contains_key(&2),
            "who was in no team leaves it to nobody"
        );
        assert_eq!(assigned[&3].whose, person(ben));
        let (mine, _) = store.tasks(&scope(), &TaskList::Mine(ben)).await.unwrap();
        let ids: Vec<&str> = mine.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids, ["a", "c"], "the team's and nobody's are seen");
        assert_eq!(mine[0].team, "Team t1");
        // Nothing is given to who is gone.
        let gone = write(&store, assign(4, person(ann))).await;
        assert_eq!(gone, Err(Kind::BusinessRule));
        let pending = store.pending(&waiting(ben, 6)).await.unwrap();
        assert_eq!(pending.due, 2);
        store.close().await;
    });
}

#[test]
fn who_leads_and_who_leaves_is_confirmed_by_another_person() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let (ann, ben, cy) = (
            open(&store, "ann").await,
            open(&store, "ben").await,
            open(&store, "cy").await,
        );
        begin_team(&store, "t1", &[ann, ben]).await;
        let ask = |id: &str, kind, account, by| DeskWrite::Ask {
            id: id.into(),
            kind,
            team: if kind == AskKind::Leave { "" } else { "t1" }.into(),
            account,
            by: asker(by),
        };
        let confirm = |id: &str, by| DeskWrite::Confirm {
            id: id.into(),
            by: asker(by),
        };
        write(&store, ask("l", AskKind::Lead, ann, ben))
            .await
            .unwrap();
        for nobody in [ben, ann] {
            let refused = write(&store, confirm("l", nobody)).await;
            assert_eq!(refused, Err(Kind::BusinessRule), "{nobody}");
        }
        write(&store, confirm("l", cy)).await.unwrap();
        let teams = store.teams(&scope()).await.unwrap();
        assert!(teams[0].members[0].leads && teams[0].members[0].who.account == ann);
        // A lead is not simply taken out.
        let part = DeskWrite::Part {
            team: "t1".into(),
            account: ann,
        };
        assert_eq!(write(&store, part).await, Err(Kind::Conflict));
        write(&store, ask("b", AskKind::Leave, ann, ben))
            .await
            .unwrap();
        assert_eq!(
            write(&store, confirm("b", ben)).await,
            Err(Kind::BusinessRule)
        );
        assert!(store.account(ann).await.unwrap().is_some());
        write(&store, confirm("b", cy)).await.unwrap();
        assert!(store.account(ann).await.unwrap().is_none());
        assert!(store.teams_asked(&scope()).await.unwrap().is_empty());
        store.close().await;
    });
}

#[test]
fn a_person_saves_a_dozen_views_and_a_task_moves_on_only_as_it_was_seen() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let ann = open(&store, "ann").await;
        let keep = |name: String| DeskWrite::KeepFilter {
            account: ann,
            name,
            query: "who=me".into(),
        };
        for number in 0..FILTERS_MAX {
            write(&store, keep(format!("v{number}"))).await.unwrap();
        }
        assert_eq!(
            write(&store, keep("more".into())).await,
            Err(Kind::TooCostly)
        );
        write(&store, keep("v1".into())).await.unwrap();
        assert_eq!(write(&store, keep(" ".into())).await, Err(Kind::Required));
        write(&store, task("a", Whose::default(), 5)).await.unwrap();
        let mut seen = store.task(&scope(), "a").await.unwrap();
        seen.state = TaskState::Done;
        let step = |version| DeskWrite::Task {
            task: Box::new(seen.clone()),
            was: TaskWas::At(version),
        };
        write(&store, step(1)).await.unwrap();
        assert_eq!(write(&store, step(1)).await, Err(Kind::Conflict));
        assert_eq!(store.task_counts(&scope(), ann, 9).await.unwrap().open, 0);
        store.close().await;
    });
}
