use access::{Interaction, Ods, Role, Scope, SystemPurpose};
use exchange::LetterContent;
use fhir::problem::Kind;
use store::parcels::{Action, Large, ParcelDone, Show, State};
use store::{Done, Job};

use crate::link::Fate;
use crate::network::{HOSPITAL, PRACTICE, on_each_database};

fn large(bytes: usize) -> LetterContent {
    let bytes = (0..bytes)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    LetterContent {
        content_type: "application/pdf".into(),
        bytes,
    }
}

#[test]
fn a_large_letter_crosses_in_pieces_and_goes_on_where_it_broke_off() {
    on_each_database(async |network, grounds| {
        let mut letter = network.letter("p1");
        letter.contents.push(large(6_500_000));
        let digest = exchange::keys::sha256_hex(&letter.contents[1].bytes);
        let pid = network.send(letter).await;
        let mut calls = 0;
        network.link.set(move |_: &Ods, _: &Ods| {
            calls += 1;
            if calls > 4 { Fate::Lost } else { Fate::Fine }
        });
        assert!(!network.nodes[HOSPITAL].serve(&network.ods(PRACTICE)).await);
        let hospital = network.ods(HOSPITAL);
        let held = network.nodes[PRACTICE]
            .held_content(&hospital, &digest)
            .await
            .unwrap();
        // Three pieces, the first of 64 KiB and none smaller on a line that is quick enough.
        assert!(held.held >= 3 * (64 << 10) && !held.complete, "{held:?}");
        network.crash(PRACTICE, grounds).await;
        network.crash(HOSPITAL, grounds).await;
        *network.link.sent.lock() = 0;
        network.link.set(|_, _| Fate::Fine);
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, pid).await, State::Delivered);
        assert_eq!(network.taken_in().await, 1);
        // Pieces of 64 KiB, 128 KiB and so on up to 1 MiB, and the manifest after each few of them.
        let sent = *network.link.sent.lock();
        assert!((6..40).contains(&sent), "{sent} requests");
        let gone = network.nodes[PRACTICE]
            .held_content(&hospital, &digest)
            .await
            .unwrap_err();
        assert_eq!(gone.kind, Kind::NotFound, "the Binary holds it now");
    });
}

#[test]
fn pieces_that_come_twice_or_out_of_turn_do_no_harm() {
    on_each_database(async |network, _| {
        let mut letter = network.letter("p1");
        letter.contents = vec![large(3_000_000)];
        network.send(letter).await;
        let mut calls = 0;
        network.link.set(move |_: &Ods, _: &Ods| {
            calls += 1;
            [Fate::Doubled, Fate::Fine, Fate::AnswerLost][calls % 3]
        });
        for _ in 0..20 {
            network.nodes[HOSPITAL].serve(&network.ods(PRACTICE)).await;
            network.clock.advance(60_000);
        }
        network.link.set(|_, _| Fate::Fine);
        network.carry().await;
        assert_eq!(network.taken_in().await, 1);
    });
}

#[test]
fn a_content_whose_pieces_do_not_make_up_its_digest_starts_again() {
    on_each_database(async |network, _| {
        let mut letter = network.letter("p1");
        letter.contents = vec![large(1_200_000)];
        let digest = exchange::keys::sha256_hex(&letter.contents[0].bytes);
        network.send(letter).await;
        let mut calls = 0;
        network.link.set(move |_: &Ods, _: &Ods| {
            calls += 1;
            if calls > 1 { Fate::Lost } else { Fate::Fine }
        });
        network.nodes[HOSPITAL].serve(&network.ods(PRACTICE)).await;
        let (practice, hospital) = (&network.nodes[PRACTICE], network.ods(HOSPITAL));
        let append = async |start: u64, bytes: usize| {
            practice
                .append_content(&hospital, &digest, start, vec![7; bytes])
                .await
        };
        assert_eq!(append(5, 10).await.unwrap_err().kind, Kind::Conflict);
        assert_eq!(append(0, 0).await.unwrap_err().kind, Kind::TooLong);
        assert_eq!(
            append(0, (1 << 20) + 1).await.unwrap_err().kind,
            Kind::TooLong
        );
        assert_eq!(append(0, 1 << 20).await.unwrap().held, 1 << 20);
        assert_eq!(
            append(1 << 20, 1 << 20).await.unwrap_err().kind,
            Kind::TooLong
        );
        let refused = append(1 << 20, 1_200_000 - (1 << 20)).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Value);
        assert_eq!(
            practice
                .held_content(&hospital, &digest)
                .await
                .unwrap()
                .held,
            0
        );
        let stranger = Ods::parse("FZZ01").unwrap();
        assert!(practice.held_content(&stranger, &digest).await.is_err());
        network.link.set(|_, _| Fate::Fine);
        network.carry().await;
        assert_eq!(network.taken_in().await, 1);
    });
}

/// Puts a content into the hospital's own pieces, as its door does, and gives where it is.
async fn uploaded(network: &crate::network::Network, bytes: &[u8]) -> Large {
    let (hospital, own) = (&network.nodes[HOSPITAL], network.ods(HOSPITAL));
    let sha256 = exchange::keys::sha256_hex(bytes);
    let size = bytes.len() as u64;
    let mut held = hospital.want_own(&sha256, size).await.unwrap();
    for piece in bytes.chunks(1 << 20) {
        let appended = hospital.append_content(&own, &sha256, held.held, piece.to_vec());
        held = appended.await.unwrap();
    }
    assert!(held.complete, "{held:?}");
    Large {
        sender: own,
        sha256,
        size,
    }
}

async fn send_large(network: &crate::network::Network, id: &str, large: &Large) -> i64 {
    let mut letter = network.letter(id);
    letter.contents.clear();
    let parts = [("application/pdf".to_string(), large.clone())];
    let hospital = &network.nodes[HOSPITAL];
    let effect = hospital.send_large_letter(letter, &parts).unwrap();
    let scope = Scope::system(SystemPurpose::MapMessages);
    let done = hospital.store().commit(&scope, Job::effect(effect)).await;
    match done.unwrap().done.first() {
        Some(Done::Parcel(ParcelDone::Accepted { pid, .. })) => *pid,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_content_too_large_for_a_resource_crosses_and_an_urgent_letter_overtakes_it() {
    on_each_database(async |network, grounds| {
        let bytes = large(24 << 20).bytes;
        let content = uploaded(network, &bytes).await;
        let pid = send_large(network, "p1", &content).await;
        let mut calls = 0;
        network.link.set(move |_: &Ods, _: &Ods| {
            calls += 1;
            if calls > 9 { Fate::Lost } else { Fate::Fine }
        });
        assert!(!network.nodes[HOSPITAL].serve(&network.ods(PRACTICE)).await);
        let mut urgent = network.letter("p2");
        urgent.urgent = true;
        let urgent = network.send(urgent).await;
        network.crash(PRACTICE, grounds).await;
        network.crash(HOSPITAL, grounds).await;
        // What is told, the manifest with the urgent one, and then only a few pieces.
        let mut calls = 0;
        network.link.set(move |_: &Ods, _: &Ods| {
            calls += 1;
            if calls > 4 { Fate::Lost } else { Fate::Fine }
        });
        network.nodes[HOSPITAL].serve(&network.ods(PRACTICE)).await;
        assert_eq!(network.state(HOSPITAL, urgent).await, State::Delivered);
        assert_ne!(network.state(HOSPITAL, pid).await, State::Delivered);
        let hospital = network.ods(HOSPITAL);
        let held = network.nodes[PRACTICE].held_content(&hospital, &content.sha256);
        let held = held.await.unwrap();
        assert!(held.held > 0 && !held.complete, "{held:?}");
        network.link.set(|_, _| Fate::Fine);
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, pid).await, State::Delivered);
        assert_eq!(network.taken_in().await, 2);
        // Its bytes stay where they came, and the Binary stands for them.
        let store = network.store(PRACTICE);
        let scope = Scope::system(SystemPurpose::TakeInParcels);
        let letters = network.list(PRACTICE, Show::AllIn).await;
        let binary = letters.iter().flat_map(|it| &it.made.binaries);
        let mut found = None;
        for id in binary {
            found = found.or(store.large_binary(&scope, id).await.unwrap());
        }
        let found = found.expect("a Binary for the large content");
        assert_eq!((found.size, &found.sha256), (content.size, &content.sha256));
        network.nodes[PRACTICE].tidy().await;
        let held = store.content_held(&found.sender, &found.sha256).await;
        assert!(held.unwrap().is_some_and(|held| held.complete));
    });
}

#[test]
fn an_earlier_version_gets_what_it_takes_and_what_is_larger_goes_before_a_person() {
    on_each_database(async |network, _| {
        *network.link.is_old.lock() = true;
        let content = uploaded(network, &large(11 << 20).bytes).await;
        let too_large = send_large(network, "p1", &content).await;
        let mut fits = network.letter("p2");
        fits.contents = vec![large(3_000_000)];
        let fits = network.send(fits).await;
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, fits).await, State::Delivered);
        assert_eq!(
            network.state(HOSPITAL, too_large).await,
            State::Undeliverable
        );
        let item = network.item(HOSPITAL, too_large).await;
        let reason = &item.events.last().expect("a step").note;
        assert!(
            reason.contains("11 MB") && reason.contains("10 MB"),
            "{reason}"
        );
        // The other node is replaced, and a person sends it again.
        *network.link.is_old.lock() = false;
        network.clock.advance(61_000);
        let scope = network.staff(HOSPITAL, "Cleo", Role::Clerk, Interaction::SendLetter);
        let again = Action::SendAgain;
        network
            .store(HOSPITAL)
            .act(&scope, too_large, again)
            .await
            .unwrap();
        network.carry().await;
        assert_eq!(network.state(HOSPITAL, too_large).await, State::Delivered);
    });
}

#[test]
fn what_is_beyond_the_bounds_of_a_node_is_neither_taken_nor_sent() {
    on_each_database(async |network, _| {
        let hospital = &network.nodes[HOSPITAL];
        let digest = "a".repeat(64);
        let refused = hospital
            .want_own(&digest, (100 << 20) + 1)
            .await
            .unwrap_err();
        assert_eq!(refused.kind, Kind::TooLong);
        let part = |at: u64| {
            let large = Large {
                sender: network.ods(HOSPITAL),
                sha256: format!("{at}").repeat(64),
                size: 90 << 20,
            };
            ("application/pdf".to_string(), large)
        };
        let mut letter = network.letter("p1");
        letter.contents.clear();
        let parts = [part(1), part(2), part(3)];
        let refused = hospital
            .send_large_letter(letter.clone(), &parts)
            .unwrap_err();
        assert_eq!(refused.kind, Kind::TooLong, "{}", refused.message);
        // A content that is not here cannot be sent.
        let effect = hospital.send_large_letter(letter, &parts[..1]).unwrap();
        let scope = Scope::system(SystemPurpose::MapMessages);
        let done = hospital.store().commit(&scope, Job::effect(effect)).await;
        assert_eq!(done.unwrap_err().kind, Kind::Incomplete);
    });
}
