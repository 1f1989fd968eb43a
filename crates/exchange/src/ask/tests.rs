//! More questions than are answered at a time.

use std::sync::Arc;

use access::Ods;
use fhir::problem::Kind;
use store::testing::on_each_database;

use crate::directory::{About, Book, Directory, Member};
use crate::exchange::{ANSWERING_MAX, Exchange, Settings};
use crate::keys::{Identity, SigningKey};

const DAY: i64 = 86_400_000;

#[test]
fn a_node_that_is_asked_too_much_at_a_time_says_so_and_answers_again_when_there_is_room() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        let steward = SigningKey::create(&folder.path().join("steward.key")).unwrap();
        let own = Ods::parse("A81001").unwrap();
        let identity = Identity::create(&folder.path().join("own"), &own).unwrap();
        let about = About {
            name: "Practice".into(),
            roles: vec!["gp-practice".into()],
            exchange: "https://127.0.0.1:9".into(),
            pages: "http://127.0.0.1:9".into(),
            mailboxes: Vec::new(),
        };
        let now = store.now();
        let directory = Directory {
            protocol: 1,
            version: 1,
            issued_at: now,
            valid_until: now + DAY,
            members: vec![Member::card(&identity, about, now - DAY, now + DAY)],
            bars: Vec::new(),
        };
        let text = directory.sign(&steward).unwrap();
        let book = Book::new(&text, steward.public().clone(), now).unwrap();
        let settings = Settings::default();
        let exchange = Exchange::new(store, Arc::new(identity), Arc::new(book), settings);
        let peer = Ods::parse("RZZ01").unwrap();
        let asked = async || exchange.answer_question(&peer, b"{}").await.unwrap_err();
        let places = u32::try_from(ANSWERING_MAX).unwrap();
        let busy = exchange.answering.try_acquire_many(places).unwrap();
        let problem = asked().await;
        assert_eq!(problem.kind, Kind::Throttled, "{problem:?}");
        assert!(problem.message.contains("ask again soon"));
        drop(busy);
        assert_ne!(asked().await.kind, Kind::Throttled);
    });
}
