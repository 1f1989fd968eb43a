//! A hospital and a practice, the practice with its door open.

use std::net::SocketAddr;
use std::sync::Arc;

use access::{Ods, Scope, SystemPurpose};
use exchange::{
    About, Book, Directory, Exchange, Identity, Letter, LetterContent, Member, Settings, SigningKey,
};
use store::{Clock, Database, Job, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub const DAY: i64 = 86_400_000;

/// What two nodes run on.
pub struct Pair {
    pub hospital: Arc<Exchange>,
    pub practice: Arc<Exchange>,
    pub steward: SigningKey,
    pub directory: Directory,
    /// Of one who is no member.
    pub stranger: Arc<Identity>,
    pub identity: Arc<Identity>,
    pub address: SocketAddr,
    pub stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

fn about(name: &str, address: SocketAddr) -> About {
    About {
        name: name.into(),
        roles: vec![],
        exchange: format!("https://{address}"),
        pages: "http://127.0.0.1:9".into(),
        mailboxes: Vec::new(),
    }
}

impl Pair {
    pub async fn open() -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let make = |ods: &str| {
            let keys = folder.path().join(ods);
            Arc::new(Identity::create(&keys, &Ods::parse(ods).unwrap()).unwrap())
        };
        let (hospital, practice, stranger) = (make("RZZ01"), make("A81001"), make("FZZ01"));
        let steward = SigningKey::create(&folder.path().join("steward.key")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let now = Clock::system().now();
        let card = |identity: &Identity, name: &str| {
            Member::card(identity, about(name, address), now - DAY, now + DAY)
        };
        let directory = Directory {
            protocol: 1,
            version: 1,
            issued_at: now,
            valid_until: now + DAY,
            members: vec![card(&hospital, "Hospital"), card(&practice, "Practice")],
            bars: Vec::new(),
        };
        let text = directory.sign(&steward).unwrap();
        let node = async |identity: &Arc<Identity>| {
            let ods = identity.organisation().clone();
            let file = folder.path().join(format!("{ods}.sqlite"));
            let settings = store::Settings::new(Database::Sqlite(file), ods);
            let store = Store::open(settings).await.unwrap();
            let book = Arc::new(Book::new(&text, steward.public().clone(), now).unwrap());
            Exchange::new(store, identity.clone(), book, Settings::default())
        };
        let (sender, receiver) = (node(&hospital).await, node(&practice).await);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(web::serve_peers(
            listener,
            receiver.clone(),
            web::serve::Limits::of(64),
            stopped,
        ));
        Pair {
            hospital: sender,
            practice: receiver,
            steward,
            directory,
            stranger,
            identity: hospital,
            address,
            stop,
            _folder: folder,
        }
    }

    /// Accepts a letter for delivery to the practice.
    pub async fn send(&self, bytes: Vec<u8>) {
        let letter = Letter {
            id: "p1".into(),
            to: Ods::parse("A81001").unwrap(),
            made_at: self.hospital.store().now(),
            title: "Discharge summary".into(),
            author: "Dr A Bee".into(),
            urgent: false,
            marks: vec![],
            document_number: "D1".into(),
            replaces: None,
            nhs_number: None,
            birth_date: None,
            family: "Ash".into(),
            given: "Una".into(),
            contents: vec![LetterContent {
                content_type: "text/plain".into(),
                bytes,
            }],
            patient: "una".into(),
            document: "d1".into(),
        };
        let job = Job::effect(self.hospital.send_letter(letter).unwrap());
        let scope = Scope::system(SystemPurpose::MapMessages);
        self.hospital.store().commit(&scope, job).await.unwrap();
    }

    /// How many letters the practice holds for people whom it does not know.
    pub async fn unmatched(&self) -> u64 {
        let scope = Scope::system(SystemPurpose::Measure);
        self.practice
            .store()
            .letter_counts(&scope)
            .await
            .unwrap()
            .unmatched
    }
}
