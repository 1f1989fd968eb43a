//! Rows of referrals, on each database.

use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::{Referral, ReferralList, ReferralState, ReferralWas, ReferralWrite, Way};
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
