//! Rows of referrals, on each database.

use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::{BarsOut, Referral, ReferralList, ReferralState, ReferralWas, ReferralWrite, Way};
use crate::parcels::State;
use crate::store::Store;
use crate::testing::on_each_database;
use crate::write::{Effect, Job};

fn work() -> Scope {
    Scope::system(SystemPurpose::KeepReferrals)
}

fn referral(id: &str, urgency: &str, made_at: i64) -> Referral {
    Referral {
        id: id.into(),
        inward: true,
        way: Way::Node,
        other: "A81001".into(),
        asked_as: id.into(),
        patient: "una".into(),
        urgency: urgency.into(),
        state: ReferralState::Waiting,
        made_at,
        state_at: made_at,
        steps: 0,
        told: 1,
        news: false,
        parcel: String::new(),
        promised_by: 0,
        appointment: String::new(),
        version: 0,
    }
}

async fn put(
    store: &Store,
    referral: Referral,
    was: ReferralWas,
) -> Result<(), fhir::problem::Problem> {
    let referral = Box::new(referral);
    let effect = Effect::Referral(ReferralWrite::Put { referral, was });
    store.commit(&work(), Job::effect(effect)).await.map(|_| ())
}

#[test]
fn the_most_urgent_and_then_the_oldest_referral_leads_and_two_decisions_at_a_time_are_one() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        for (id, urgency, at) in [
            ("new", "routine", 9),
            ("old", "routine", 3),
            ("two-weeks", "urgent", 8),
        ] {
            put(&store, referral(id, urgency, at), ReferralWas::Nothing)
                .await
                .unwrap();
        }
        let twice = put(&store, referral("old", "stat", 1), ReferralWas::Nothing).await;
        assert_eq!(twice.unwrap_err().kind, Kind::Conflict);
        let list = store.referrals(&work(), ReferralList::ToTriage, 10).await;
        let list = list.unwrap();
        let ids: Vec<&str> = list.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids, ["two-weeks", "old", "new"]);
        let first = list[0].clone();
        let decided = |state| Referral {
            state,
            ..first.clone()
        };
        let was = ReferralWas::At(first.version);
        put(&store, decided(ReferralState::Accepted), was)
            .await
            .unwrap();
        let second = put(&store, decided(ReferralState::Returned), was).await;
        assert_eq!(second.unwrap_err().kind, Kind::Conflict);
        let known = store.referral(&work(), "two-weeks").await.unwrap().unwrap();
        assert_eq!(known.state, ReferralState::Accepted);
        let counts = store.referral_counts(&work()).await.unwrap();
        assert_eq!((counts.to_triage, counts.unmatched), (2, 0));
        let done = store.referrals(&work(), ReferralList::Decided, 10).await;
        assert_eq!(done.unwrap().len(), 1);
    });
}

#[test]
fn a_message_of_bars_is_taken_once() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let message = |digest: &str| {
            Job::effect(Effect::Referral(ReferralWrite::Message {
                id: "RND/m1".into(),
                digest: digest.into(),
                referral: "r".into(),
                request_id: "q".into(),
                correlation_id: "c".into(),
            }))
        };
        store.commit(&work(), message("a")).await.unwrap();
        let again = store.commit(&work(), message("b")).await.unwrap_err();
        assert_eq!(again.kind, Kind::Duplicate);
        let known = store
            .bars_message(&work(), "RND/m1")
            .await
            .unwrap()
            .unwrap();
        assert_eq!((known.digest.as_str(), known.referral.as_str()), ("a", "r"));
    });
}

fn message(id: &str, referral: &str, step: u32) -> BarsOut {
    BarsOut {
        id: id.into(),
        referral: referral.into(),
        step,
        other: "RZZ09".into(),
        patient: "una".into(),
        event: "servicerequest-request".into(),
        body: "{}".into(),
        request_id: "q".into(),
        correlation_id: "c".into(),
        tries: 0,
        next_try: 1,
        made_at: 1,
    }
}

#[test]
fn messages_of_bars_leave_in_order_one_holder_at_a_time_and_a_refused_one_waits_for_a_person() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let write = async |it: ReferralWrite| {
            let job = Job::effect(Effect::Referral(it));
            store.commit(&work(), job).await.map(|_| ())
        };
        for (id, referral, step) in [("a2", "a", 2), ("a1", "a", 1), ("b1", "b", 1)] {
            let queued = Box::new(message(id, referral, step));
            write(ReferralWrite::BarsQueue(queued)).await.unwrap();
        }
        let twice = Box::new(message("a1", "a", 1));
        let twice = write(ReferralWrite::BarsQueue(twice)).await.unwrap_err();
        assert_eq!(twice.kind, Kind::Conflict);
        let due = async || {
            let due = store.bars_due(&work(), 10).await.unwrap();
            due.into_iter().map(|it| it.id).collect::<Vec<_>>()
        };
        assert_eq!(due().await, ["a1", "b1"], "a2 waits for a1");
        let now = store.now();
        let sending = |seen| ReferralWrite::BarsSending {
            id: "a1".into(),
            seen,
            until: now + 60_000,
        };
        write(sending(1)).await.unwrap();
        let other = write(sending(1)).await.unwrap_err();
        assert_eq!(other.kind, Kind::Conflict, "one process has it");
        assert_eq!(due().await, ["b1"]);
        let refused = ReferralWrite::BarsRefused {
            id: "b1".into(),
            reason: "422".into(),
        };
        write(refused).await.unwrap();
        write(ReferralWrite::BarsSent { id: "a1".into() })
            .await
            .unwrap();
        assert_eq!(due().await, ["a2"]);
        let state = store.bars_out_state("b1").await.unwrap().unwrap();
        assert_eq!((state.0, state.2.as_str()), (State::Undeliverable, "422"));
        let again = || ReferralWrite::BarsAgain { id: "b1".into() };
        write(again()).await.unwrap();
        assert_eq!(write(again()).await.unwrap_err().kind, Kind::Conflict);
        assert_eq!(due().await, ["a2", "b1"]);
        let about = store.bars_referral(&work(), "a2").await.unwrap();
        assert_eq!(about.as_deref(), Some("a"));
    });
}
