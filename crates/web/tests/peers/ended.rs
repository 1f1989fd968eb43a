//! A node whose directory has ended: what it may still fetch, and from whom.

use std::sync::Arc;

use access::Ods;
use exchange::{Book, Directory, HttpTransport, Transport};
use fhir::problem::Kind;

use crate::pair::{DAY, Pair};

/// The hospital's book as that directory makes it, and the way out of the hospital under it.
fn hospital(pair: &Pair, directory: &Directory) -> (Arc<Book>, HttpTransport) {
    let text = directory.sign(&pair.steward).unwrap();
    let steward = pair.steward.public().clone();
    let book = Arc::new(Book::even_ended(&text, steward).unwrap());
    let clock = pair.hospital.store().clock().clone();
    let way = HttpTransport::new(pair.identity.clone(), book.clone(), clock);
    (book, way)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_a_member_gives_the_newer_directory_and_nothing_else_crosses_before() {
    let pair = Pair::open().await;
    let practice = Ods::parse("A81001").unwrap();
    let now = pair.practice.store().now();
    let mut ended = pair.directory.clone();
    ended.valid_until = now - 1;
    let mut newer = pair.directory.clone();
    newer.version = 2;
    let newer = newer.sign(&pair.steward).unwrap();
    assert!(pair.practice.book().reload(&newer, now).unwrap());

    let (book, way) = hospital(&pair, &ended);
    let why = way.takes(&practice).await.unwrap_err().sentence;
    assert!(why.contains("directory has ended"), "{why}");
    let given = way.directory(&practice, 1).await.unwrap();
    assert_eq!(given.as_deref(), Some(newer.as_str()));
    // That it was given changes nothing for anything else, until it is in force.
    assert!(way.takes(&practice).await.is_err());
    assert!(book.reload(&given.unwrap(), now).unwrap());
    assert!(way.takes(&practice).await.is_ok());
    let older = pair.directory.sign(&pair.steward).unwrap();
    let refused = book.reload(&older, now).unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
    assert_eq!(way.directory(&practice, 2).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_a_certificate_that_the_ended_directory_names_in_its_time_is_not_asked() {
    let pair = Pair::open().await;
    let practice = Ods::parse("A81001").unwrap();
    let now = pair.practice.store().now();
    let mut ended = pair.directory.clone();
    ended.valid_until = now - 1;
    let mut other = ended.clone();
    other.members[1].certificates[0].sha256 = pair.stranger.certificate_sha256();
    let mut old = ended.clone();
    old.members[1].certificates[0].until = now - DAY / 2;
    for directory in [other, old] {
        let (_, way) = hospital(&pair, &directory);
        let why = way.directory(&practice, 1).await.unwrap_err().sentence;
        assert!(why.contains("certificate"), "{why}");
    }
    let mut struck = ended;
    struck.members.truncate(1);
    let (_, way) = hospital(&pair, &struck);
    assert!(way.directory(&practice, 1).await.is_err());
}
