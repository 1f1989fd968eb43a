use std::time::{Duration, Instant};

use access::{Ods, Scope, SystemPurpose};
use store::parcels::{ListFilter, Show, State};

use crate::pair::Pair;

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_crosses_over_mutual_tls_and_its_receipt_comes_back() {
    let pair = Pair::open().await;
    let workers = [pair.hospital.start(), pair.practice.start()];
    // Too large to go inline.
    pair.send(vec![b'x'; 2_500_000]).await;
    until("the letter comes", async || pair.unmatched().await == 1).await;
    let scope = Scope::system(SystemPurpose::Measure);
    until("the receipt comes back", async || {
        let filter = ListFilter::new(Show::AllOut);
        let sent = pair
            .hospital
            .store()
            .letters(&scope, &filter)
            .await
            .unwrap();
        sent.letters[0].state == State::Delivered
    })
    .await;
    for worker in workers {
        worker.stop().await;
    }
    pair.stop.send(true).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_listens_the_letter_waits_and_a_plain_sentence_says_why() {
    let mut pair = Pair::open().await;
    pair.directory.version = 2;
    pair.directory.members[1].exchange = "https://127.0.0.1:1".into();
    let text = pair.directory.sign(&pair.steward).unwrap();
    let now = pair.hospital.store().now();
    assert!(pair.hospital.book().reload(&text, now).unwrap());
    pair.send(b"Letter".to_vec()).await;
    assert!(!pair.hospital.serve(&Ods::parse("A81001").unwrap()).await);
    let scope = Scope::system(SystemPurpose::Measure);
    let waits = pair.hospital.store().waits(&scope, 10).await.unwrap();
    assert_eq!((waits.len(), waits[0].count), (1, 1));
    assert_eq!(waits[0].reason, "The other node cannot be reached.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_send_to_one_who_has_not_the_certificate_that_the_directory_names() {
    let mut pair = Pair::open().await;
    let mut other = pair.directory.members[1].clone();
    other.certificates[0].sha256 = pair.stranger.certificate_sha256();
    pair.directory.version = 2;
    pair.directory.members[1] = other;
    let text = pair.directory.sign(&pair.steward).unwrap();
    let now = pair.hospital.store().now();
    pair.hospital.book().reload(&text, now).unwrap();
    pair.send(b"Letter".to_vec()).await;
    assert!(!pair.hospital.serve(&Ods::parse("A81001").unwrap()).await);
    let scope = Scope::system(SystemPurpose::Measure);
    let waits = pair.hospital.store().waits(&scope, 10).await.unwrap();
    assert!(
        waits[0].reason.contains("certificate"),
        "{}",
        waits[0].reason
    );
    assert_eq!(pair.unmatched().await, 0);
}
