//! Letters about one patient reach a neighbour in the order in which they were sent, and nobody else's wait for them.

use exchange::{Letter, LetterContent};
use store::parcels::{ListFilter, ParcelWrite, Show, State};
use store::{Effect, Job};

use access::{Interaction, Ods, Role, Scope, SystemPurpose};

use crate::link::Fate;
use crate::network::{HOSPITAL, Network, PRACTICE, on_each_database};

const NUMBER: &str = "9990000018";

/// A letter that goes in pieces.
fn large(network: &Network, id: &str) -> Letter {
    let bytes = (0..3_000_000_u32).map(|at| u8::try_from(at % 251).unwrap());
    let mut letter = network.letter(id);
    letter.contents = vec![LetterContent {
        content_type: "application/pdf".into(),
        bytes: bytes.collect(),
    }];
    letter
}

/// A small one about somebody else.
fn of_another(network: &Network, id: &str) -> Letter {
    let mut letter = network.letter(id);
    letter.patient = "bob-there".into();
    letter.nhs_number = Some(access::NhsNumber::parse(NUMBER).unwrap());
    letter.family = "Birch".into();
    letter
}

/// Goes on for so many requests.
async fn serve(network: &Network, requests: usize) {
    let mut calls = 0;
    network.link.set(move |_: &Ods, _: &Ods| {
        calls += 1;
        if calls > requests {
            Fate::Lost
        } else {
            Fate::Fine
        }
    });
    network.nodes[HOSPITAL].serve(&network.ods(PRACTICE)).await;
    network.link.set(|_, _| Fate::Fine);
}

/// The hospital's numbers of what the practice holds, in the order in which it came.
async fn arrived(network: &Network) -> Vec<String> {
    let scope = network.staff(PRACTICE, "Clara Clerk", Role::Clerk, Interaction::Inbox);
    let mut filter = ListFilter::new(Show::AllIn);
    filter.count = 200;
    let mut letters = Vec::new();
    loop {
        let page = network
            .store(PRACTICE)
            .letters(&scope, &filter)
            .await
            .unwrap();
        letters.extend(page.letters);
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    letters.sort_by_key(|it| it.pid);
    letters.into_iter().map(|it| it.id).collect()
}

#[test]
fn a_small_letter_does_not_pass_a_large_one_about_the_same_patient_and_holds_up_nobody_else() {
    on_each_database(async |network, grounds| {
        let first = network.send(large(network, "p1")).await;
        // More of hers than one manifest holds.
        for n in 0..210 {
            network.send(network.letter(&format!("q{n:03}"))).await;
        }
        let other = network.send(of_another(network, "r1")).await;
        let mut urgent = network.letter("u1");
        urgent.urgent = true;
        let urgent = network.send(urgent).await;
        // Two manifests with a few pieces after each: not all of it.
        serve(network, 8).await;
        assert_ne!(network.state(HOSPITAL, first).await, State::Delivered);
        assert_eq!(network.state(HOSPITAL, urgent).await, State::Delivered);
        assert_eq!(network.state(HOSPITAL, other).await, State::Delivered);
        assert_eq!(arrived(network).await, ["u1", "r1"]);
        network.crash(HOSPITAL, grounds).await;
        network.carry().await;
        let arrived = arrived(network).await;
        assert_eq!(arrived[..4], ["u1", "r1", "p1", "q000"]);
        let rest: Vec<_> = (0..210).map(|n| format!("q{n:03}")).collect();
        assert_eq!(arrived[3..], rest[..]);
    });
}

#[test]
fn what_is_given_up_no_longer_holds_up_what_follows() {
    on_each_database(async |network, _| {
        let first = network.send(large(network, "p1")).await;
        let second = network.send(network.letter("p2")).await;
        serve(network, 4).await;
        assert_ne!(network.state(HOSPITAL, second).await, State::Delivered);
        let write = ParcelWrite::SetAside {
            pid: first,
            reason: "It was not taken.".into(),
        };
        let scope = Scope::system(SystemPurpose::DeliverParcels);
        let job = Job::effect(Effect::Parcel(write));
        network.store(HOSPITAL).commit(&scope, job).await.unwrap();
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, first).await, State::Undeliverable);
        assert_eq!(network.state(HOSPITAL, second).await, State::Delivered);
    });
}

#[test]
fn a_newer_state_of_a_large_letter_stands_in_its_place_and_does_not_wait_for_it() {
    on_each_database(async |network, _| {
        let first = network.send(large(network, "p1")).await;
        serve(network, 4).await;
        let mut newer = network.letter("p2");
        newer.document_number = "D-p1".into();
        let newer = network.send(newer).await;
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, newer).await, State::Delivered);
        assert_eq!(network.state(HOSPITAL, first).await, State::Superseded);
        assert_eq!(network.taken_in().await, 1, "the newer alone can be read");
    });
}
