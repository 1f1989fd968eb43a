//! Neighbours witness each other's audit logs.

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use exchange::{Exchange, Witnessing};
use store::{AuditWrite, Job};

use crate::network::{HOSPITAL, Network, PHARMACY, PRACTICE, on_each_database};

async fn read_lines(node: &Exchange, count: usize) {
    let scope = Scope::system(SystemPurpose::Measure);
    let target = Target {
        ty: "Patient".into(),
        ..Target::default()
    };
    let line = || scope.trace(Interaction::Read, Outcome::Success, target.clone());
    let job = Job {
        traces: std::iter::repeat_with(line).take(count).collect(),
        ..Job::default()
    };
    node.store().commit(&scope, job).await.unwrap();
}

async fn kinds(network: &Network, at: usize) -> Vec<(String, String)> {
    let alarms = network.nodes[at].store().alarms().await.unwrap();
    alarms.into_iter().map(|it| (it.kind, it.about)).collect()
}

fn witness(network: &Network) -> (usize, Ods) {
    (PRACTICE, network.ods(PRACTICE))
}

#[test]
fn each_checkpoint_is_signed_by_the_neighbours_and_says_that_it_continues() {
    on_each_database(async |network, _| {
        let hospital = network.nodes[HOSPITAL].clone();
        for round in 1..=3 {
            read_lines(&hospital, 100).await;
            network.clock.advance(5000);
            hospital.be_witnessed().await.unwrap();
            let own = hospital.store().last_checkpoint().await.unwrap().unwrap();
            for at in [PRACTICE, PHARMACY] {
                let seen = network.nodes[at].store().witnessed("RZZ01").await.unwrap();
                assert_eq!(seen.unwrap().root, own.root);
            }
            let signed = hospital.store().cosignatures().await.unwrap();
            assert_eq!(signed.len(), 2 * round);
        }
        for at in [HOSPITAL, PRACTICE, PHARMACY] {
            assert_eq!(kinds(network, at).await, []);
        }
    });
}

#[test]
fn a_lost_answer_is_made_good_by_the_next() {
    on_each_database(async |network, _| {
        let hospital = network.nodes[HOSPITAL].clone();
        let (at, ods) = witness(network);
        read_lines(&hospital, 10).await;
        let checkpoint = hospital.checkpoint().await.unwrap().unwrap();
        let body = format!("old 0\n\n{}", checkpoint.note);
        let own = hospital.organisation();
        let taken = network.nodes[at]
            .take_checkpoint(own, body.as_bytes())
            .await;
        assert!(matches!(taken.unwrap(), Witnessing::Signed(_)));
        assert_eq!(
            hospital.store().cosigned_upto(ods.as_str()).await.unwrap(),
            0
        );
        read_lines(&hospital, 10).await;
        hospital.be_witnessed().await.unwrap();
        let newest = hospital.store().last_checkpoint().await.unwrap().unwrap();
        let upto = hospital.store().cosigned_upto(ods.as_str()).await.unwrap();
        assert_eq!((upto, kinds(network, at).await), (newest.size, vec![]));
        // The one whose answer was lost counts as well.
        let signed = hospital.store().cosignatures().await.unwrap();
        assert_eq!(
            signed
                .iter()
                .filter(|it| it.witness == ods.as_str())
                .count(),
            2
        );
    });
}

#[test]
fn f14_a_node_restored_from_an_old_copy_is_found_out_on_both_sides() {
    on_each_database(async |network, grounds| {
        let hospital = network.nodes[HOSPITAL].clone();
        read_lines(&hospital, 50).await;
        hospital.be_witnessed().await.unwrap();
        let old = hospital
            .store()
            .last_checkpoint()
            .await
            .unwrap()
            .unwrap()
            .size;
        read_lines(&hospital, 50).await;
        network.clock.advance(5000);
        hospital.be_witnessed().await.unwrap();
        // The old copy, and a day's work on it.
        let back = i64::try_from(old).unwrap();
        grounds[HOSPITAL].put_audit_back(back).await;
        network.clock.advance(60_000);
        read_lines(&hospital, 5).await;
        hospital.be_witnessed().await.unwrap();
        let (at, ods) = witness(network);
        let found = kinds(network, HOSPITAL).await;
        assert!(
            found.contains(&("own-log".into(), ods.to_string())),
            "{found:?}"
        );
        assert_eq!(
            kinds(network, at).await,
            [("neighbour-log".into(), "RZZ01".into())]
        );
        // Once it is longer than it was, it is still another.
        read_lines(&hospital, 500).await;
        network.clock.advance(5000);
        let before = network.nodes[at].store().witnessed("RZZ01").await.unwrap();
        hospital.be_witnessed().await.unwrap();
        let after = network.nodes[at].store().witnessed("RZZ01").await.unwrap();
        assert_eq!(before, after);
        // A person at the witness begins anew.
        let forget = AuditWrite::Forget {
            origin: "RZZ01".into(),
        };
        network.nodes[at].store().write_audit(forget).await.unwrap();
        read_lines(&hospital, 1).await;
        hospital.be_witnessed().await.unwrap();
        let newest = hospital.store().last_checkpoint().await.unwrap().unwrap();
        let seen = network.nodes[at].store().witnessed("RZZ01").await.unwrap();
        assert_eq!(seen.unwrap().root, newest.root);
    });
}

#[test]
fn a21_another_past_is_refused_and_an_alarm_stands() {
    on_each_database(async |network, grounds| {
        let hospital = network.nodes[HOSPITAL].clone();
        read_lines(&hospital, 50).await;
        hospital.be_witnessed().await.unwrap();
        grounds[HOSPITAL].rewrite_audit(20).await;
        read_lines(&hospital, 50).await;
        network.clock.advance(5000);
        hospital.be_witnessed().await.unwrap();
        let (at, _) = witness(network);
        assert_eq!(
            kinds(network, at).await,
            [("neighbour-log".into(), "RZZ01".into())]
        );
    });
}

#[test]
fn f07_the_time_in_checkpoints_never_goes_back() {
    on_each_database(async |network, _| {
        let hospital = network.nodes[HOSPITAL].clone();
        read_lines(&hospital, 1).await;
        let first = hospital.checkpoint().await.unwrap().unwrap();
        network.clock.advance(-3_600_000);
        read_lines(&hospital, 1).await;
        let second = hospital.checkpoint().await.unwrap().unwrap();
        assert!(second.size > first.size && second.at >= first.at);
    });
}

#[test]
fn a23_a_checkpoint_is_taken_only_from_whose_log_it_is() {
    on_each_database(async |network, _| {
        let hospital = network.nodes[HOSPITAL].clone();
        read_lines(&hospital, 1).await;
        let note = hospital.checkpoint().await.unwrap().unwrap().note;
        let body = format!("old 0\n\n{note}");
        let practice = &network.nodes[PRACTICE];
        let pharmacy = network.ods(PHARMACY);
        assert!(
            practice
                .take_checkpoint(&pharmacy, body.as_bytes())
                .await
                .is_err()
        );
        for wrong in ["", "old 0\n\n", "old x\n\nhandover/RZZ01\n", &note] {
            let own = hospital.organisation();
            assert!(
                practice
                    .take_checkpoint(own, wrong.as_bytes())
                    .await
                    .is_err()
            );
        }
        assert_eq!(practice.store().witnessed("RZZ01").await.unwrap(), None);
    });
}
