use access::Ods;
use exchange::LetterContent;
use fhir::problem::Kind;
use store::parcels::State;

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
