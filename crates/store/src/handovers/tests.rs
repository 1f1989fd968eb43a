//! Rows of handovers, on each database.

use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::{Board, Handover, HandoverState, HandoverStep, HandoverWas, HandoverWrite, StepSide};
use crate::store::Store;
use crate::testing::on_each_database;
use crate::write::{Effect, Job};

fn work() -> Scope {
    Scope::system(SystemPurpose::KeepHandovers)
}

fn handover(id: &str, pre_alert: bool, weight: u32) -> Handover {
    Handover {
        id: id.into(),
        inward: true,
        other: "RRU01".into(),
        asked_as: id.into(),
        patient: "una".into(),
        state: HandoverState::Coming,
        pre_alert,
        weight,
        made_at: 5,
        due_at: 9,
        arrived_at: 0,
        begun_at: 0,
        begun_by: String::new(),
        ended_at: 0,
        ended_by: String::new(),
        crew_told: 1,
        dept_told: 0,
        pid: 0,
        letter: String::new(),
        record: "h1".into(),
        moved_from: String::new(),
        news: false,
        version: 0,
    }
}

fn step(number: u32, text: &str) -> Option<Box<HandoverStep>> {
    Some(Box::new(HandoverStep {
        side: StepSide::Crew,
        number,
        said_at: 4,
        came_at: 5,
        text: text.into(),
    }))
}

async fn put(
    store: &Store,
    handover: Handover,
    was: HandoverWas,
    step: Option<Box<HandoverStep>>,
) -> Result<(), fhir::problem::Problem> {
    let handover = Box::new(handover);
    let effect = Effect::Handover(HandoverWrite::Put {
        handover,
        was,
        step,
    });
    store.commit(&work(), Job::effect(effect)).await.map(|_| ())
}

#[test]
fn the_board_has_pre_alerts_and_then_the_worst_first_and_what_was_said_first_under_a_number_stays()
{
    on_each_database(async |ground| {
        let store = ground.open().await;
        for (id, pre_alert, weight) in [("a", false, 2), ("b", true, 1), ("c", false, 9)] {
            let new = handover(id, pre_alert, weight);
            put(&store, new, HandoverWas::Nothing, step(1, "first"))
                .await
                .unwrap();
        }
        let board = store.handovers(&work(), Board::Open, 10).await.unwrap();
        let ids: Vec<&str> = board.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids, ["b", "c", "a"]);
        let twice = put(
            &store,
            handover("a", true, 1),
            HandoverWas::Nothing,
            step(2, "x"),
        );
        assert_eq!(twice.await.unwrap_err().kind, Kind::Conflict);
        let was = HandoverWas::At(board[2].version);
        let ended = Handover {
            state: HandoverState::Received,
            ended_at: 100,
            ended_by: "Dr Ravi Shah".into(),
            ..board[2].clone()
        };
        put(&store, ended.clone(), was, step(1, "said again"))
            .await
            .unwrap();
        let stale = put(&store, ended, was, None).await.unwrap_err();
        assert_eq!(stale.kind, Kind::Conflict, "an older version");
        let steps = store.handover_steps(&work(), &board[2]).await.unwrap();
        assert_eq!(steps.len(), 1, "what was undone left no step");
        assert_eq!(steps[0].text, "first");
        let count = async |board| store.handovers(&work(), board, 10).await.unwrap().len();
        assert_eq!(count(Board::Open).await, 2);
        assert_eq!(count(Board::Ended(100)).await, 1);
        assert_eq!(count(Board::Ended(101)).await, 0, "of another day");
        assert_eq!(store.handovers_open(&work()).await.unwrap(), 2);
        store.close().await;
    });
}
