//! A neighbour that was away for long: what waits for it drains whole, once each, and what is urgent does not wait for it.
//!
//! A soak of minutes, run by itself: `cargo nextest run --release -p exchange --run-ignored only a_backlog --no-capture`. How
//! fast it goes between real nodes is measured by `cargo xtask bench backlog`.

use std::time::Instant;

use access::{Interaction, Role, Scope, SystemPurpose};
use futures_util::future::join_all;
use store::Job;
use store::parcels::{ParcelWrite, State};

use crate::link::Fate;
use crate::network::{HOSPITAL, Network, PRACTICE, on_each_database};

/// As many parcels as wait, unless `HANDOVER_SOAK_PARCELS` says otherwise.
const PARCELS: usize = 100_000;
const AT_ONCE: usize = 500;

fn parcels() -> usize {
    let set = std::env::var("HANDOVER_SOAK_PARCELS").ok();
    set.and_then(|it| it.parse().ok()).unwrap_or(PARCELS)
}

/// Letters of the hospital's, which all wait.
async fn accept(network: &Network, from: usize, to: usize) {
    let scope = Scope::system(SystemPurpose::MapMessages);
    let (hospital, store) = (&network.nodes[HOSPITAL], network.store(HOSPITAL));
    let jobs = (from..to).map(|number| {
        let letter = network.letter(&format!("p{number}"));
        Job::effect(hospital.send_letter(letter).unwrap())
    });
    let work = jobs.map(|job| store.commit(&scope, job));
    for done in join_all(work).await {
        done.unwrap();
    }
}

/// How many of the hospital's still wait.
async fn waiting(network: &Network) -> usize {
    let scope = Scope::system(SystemPurpose::Measure);
    let neighbours = network.store(HOSPITAL).neighbours(&scope).await.unwrap();
    let waiting = neighbours.iter().map(|it| it.waiting).sum::<u64>();
    usize::try_from(waiting).unwrap()
}

/// How many letters are in the practice's inbox, and how many documents it has made.
async fn there(network: &Network) -> (usize, usize) {
    let store = network.store(PRACTICE);
    let clerk = network.staff(PRACTICE, "Clara Clerk", Role::Clerk, Interaction::Inbox);
    let inbox = store.letter_counts(&clerk).await.unwrap().to_do;
    let scope = Scope::system(SystemPurpose::Measure);
    let search = fhir::search::Search::all("DocumentReference", 0);
    let made = store.search(&scope, &search).await.unwrap().total.unwrap();
    (
        usize::try_from(inbox).unwrap(),
        usize::try_from(made).unwrap(),
    )
}

#[test]
#[ignore = "a soak of many minutes: cargo nextest run --release -p exchange --run-ignored only a_backlog"]
fn a_backlog_of_a_hundred_thousand_drains_once_and_whole_and_an_urgent_letter_overtakes_it() {
    on_each_database(async |network, grounds| {
        if !grounds[0].is_sqlite() {
            return;
        }
        let wanted = parcels();
        network.link.set(|_, _| Fate::Lost);
        let began = Instant::now();
        for from in (0..wanted).step_by(AT_ONCE) {
            accept(network, from, (from + AT_ONCE).min(wanted)).await;
        }
        println!("{wanted} parcels wait after {:?}", began.elapsed());
        // The neighbour is back: every tenth answer is lost and every tenth request comes twice.
        let mut calls = 0;
        network.link.set(move |_, _| {
            calls += 1;
            match calls % 10 {
                3 => Fate::AnswerLost,
                7 => Fate::Doubled,
                _ => Fate::Fine,
            }
        });
        let practice = network.ods(PRACTICE);
        let drained = Instant::now();
        let (node, mut urgent) = (network.nodes[HOSPITAL].clone(), None);
        let serving = tokio::spawn(async move {
            // Until nothing waits: what failed is tried again at once.
            for _ in 0..1_000_000 {
                if node.serve(&practice).await {
                    return;
                }
                let again = ParcelWrite::TryNow {
                    peer: practice.clone(),
                };
                let scope = Scope::system(SystemPurpose::DeliverParcels);
                let effect = store::Effect::Parcel(again);
                node.store()
                    .commit(&scope, Job::effect(effect))
                    .await
                    .unwrap();
            }
        });
        while !serving.is_finished() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let left = waiting(network).await;
            if urgent.is_none() && left < wanted - wanted / 4 {
                let mut letter = network.letter("urgent");
                letter.urgent = true;
                urgent = Some((network.send(letter).await, Instant::now(), left));
            }
            if let Some((pid, since, before)) = urgent
                && pid > 0
                && network.state(HOSPITAL, pid).await == State::Delivered
            {
                let after = waiting(network).await;
                println!(
                    "an urgent letter sent when {before} of {wanted} waited was there in {:?}, when {after} did",
                    since.elapsed()
                );
                assert!(after > 0, "it waited for the backlog");
                urgent = Some((0, since, before));
            }
        }
        serving.await.unwrap();
        let took = drained.elapsed();
        println!(
            "drained in {took:?}: {:.0} parcels/s",
            wanted as f64 / took.as_secs_f64()
        );
        assert_eq!(
            urgent.map(|(pid, ..)| pid),
            Some(0),
            "the urgent letter arrived while it drained"
        );
        let taking = Instant::now();
        while network.nodes[PRACTICE].take_in().await.unwrap() > 0 {}
        println!("taken in after {:?}", taking.elapsed());
        assert_eq!(waiting(network).await, 0, "nothing waits any more");
        let all = wanted + 1;
        assert_eq!(
            there(network).await,
            (all, all),
            "nothing is lost, and nothing came twice"
        );
    });
}
