use access::{Interaction, Role};
use store::parcels::{Action, Show, State};

use crate::link::Fate;
use crate::network::{DAY, HOSPITAL, PRACTICE, on_each_database};

#[test]
fn while_the_receiver_cannot_be_reached_the_letter_waits_with_reason_and_next_try() {
    on_each_database(async |network, _| {
        let pid = network.send(network.letter("p1")).await;
        network.link.set(|_, _| Fate::Lost);
        let practice = network.ods(PRACTICE);
        for tries in 1..=3u32 {
            assert!(!network.nodes[HOSPITAL].serve(&practice).await);
            let letter = network.item(HOSPITAL, pid).await.letter;
            assert_eq!(letter.state, State::Waiting);
            assert_eq!(
                letter.last_error.as_deref(),
                Some("The other node cannot be reached.")
            );
            let bound = i64::from(1000 * (1 << (tries - 1)));
            let wait = letter.next_try.unwrap() - network.clock.now();
            assert!((0..=bound).contains(&wait), "{wait} after {tries} failures");
        }
        let events = network.item(HOSPITAL, pid).await.events;
        assert_eq!(
            events.len(),
            2,
            "waiting is one step, however often it is tried"
        );
        network.link.set(|_, _| Fate::Fine);
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, pid).await, State::Delivered);
        assert_eq!(network.item(HOSPITAL, pid).await.letter.last_error, None);
    });
}

#[test]
fn a_receipt_that_the_neighbour_cannot_keep_holds_up_no_letter() {
    on_each_database(async |network, _| {
        let first = network.send(network.letter("p1")).await;
        network.carry().await;
        let received = network.received().await;
        let scope = network.staff(HOSPITAL, "Cleo", Role::Clerk, Interaction::WithdrawLetter);
        let reason = "written to the wrong patient".to_string();
        network
            .store(HOSPITAL)
            .act(&scope, first, Action::Withdraw { reason })
            .await
            .unwrap();
        *network.link.keeps_no_receipt.lock() = true;
        let mut later = Vec::new();
        // More than go in one request.
        for number in 0..120 {
            later.push(network.send(network.letter(&format!("q{number}"))).await);
        }
        let practice = network.ods(PRACTICE);
        assert!(
            !network.nodes[HOSPITAL].serve(&practice).await,
            "the receipt is still to be told"
        );
        for pid in later {
            assert_eq!(network.state(HOSPITAL, pid).await, State::Delivered);
        }
        *network.link.keeps_no_receipt.lock() = false;
        network.carry().await;
        assert_eq!(
            network.state(PRACTICE, received.pid).await,
            State::Withdrawn
        );
    });
}

#[test]
fn urgent_letters_go_first() {
    on_each_database(async |network, _| {
        network.send(network.letter("slow")).await;
        let mut urgent = network.letter("fast");
        urgent.urgent = true;
        network.send(urgent).await;
        network.carry().await;
        let first: Vec<String> = network
            .list(PRACTICE, Show::ToDo)
            .await
            .into_iter()
            .map(|it| it.id)
            .collect();
        assert_eq!(first, ["fast", "slow"]);
        let received = network.list(PRACTICE, Show::AllIn).await;
        assert_eq!(received.last().unwrap().id, "fast", "it came first");
    });
}

#[test]
fn what_cannot_be_delivered_in_five_days_is_on_a_list_and_can_be_sent_again() {
    on_each_database(async |network, _| {
        let pid = network.send(network.letter("p1")).await;
        network.link.set(|_, _| Fate::Lost);
        network.clock.advance(4 * DAY);
        network.nodes[HOSPITAL].serve(&network.ods(PRACTICE)).await;
        network.nodes[HOSPITAL].tidy().await;
        assert_eq!(network.state(HOSPITAL, pid).await, State::Waiting);
        network.clock.advance(DAY + 1);
        network.nodes[HOSPITAL].tidy().await;
        assert_eq!(network.state(HOSPITAL, pid).await, State::Undeliverable);
        assert_eq!(network.list(HOSPITAL, Show::Failed).await.len(), 1);
        network.link.set(|_, _| Fate::Fine);
        network.carry().await;
        assert_eq!(
            network.state(HOSPITAL, pid).await,
            State::Undeliverable,
            "it is given up"
        );
        let scope = network.staff(HOSPITAL, "Cleo", Role::Clerk, Interaction::SendLetter);
        network
            .store(HOSPITAL)
            .act(&scope, pid, Action::SendAgain)
            .await
            .unwrap();
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, pid).await, State::Delivered);
    });
}

#[test]
fn workers_carry_letters_and_receipts_by_themselves_and_stop_when_told() {
    on_each_database(async |network, _| {
        let workers: Vec<_> = network.nodes.iter().map(|node| node.start()).collect();
        let pid = network.send(network.letter("p1")).await;
        let within = |what: &'static str| {
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            move || assert!(std::time::Instant::now() < deadline, "{what}")
        };
        let check = within("the letter is taken in");
        while network.list(PRACTICE, Show::ToDo).await.is_empty() {
            check();
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let letter = network.received().await;
        network.clerk(letter.pid, Action::File).await.unwrap();
        let check = within("the receipt comes back");
        while network.state(HOSPITAL, pid).await != State::Filed {
            check();
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        for worker in workers {
            worker.stop().await;
        }
    });
}
