//! A hospital, a practice and a pharmacy that trust one directory.

use std::sync::Arc;

use access::{Caller, Interaction, NhsNumber, Ods, Purpose, Role, Scope, SystemPurpose, Who};
use exchange::mailboxes::{Collecting, Mailbox, Mailboxes};
use exchange::mesh::{Credentials, Mesh};
use exchange::{
    About, Book, Directory, Exchange, Identity, Letter, LetterContent, MailboxNamed, Member,
    Settings, SigningKey,
};
use fhir::json::{Limits, parse};
use store::parcels::{Action, Item, ListFilter, ParcelDone, Show, State};
use store::testing::{Ground, nodes_on_each_database};
use store::{Change, Clock, Done, Expect, Job, Prepared, Release, Store};

use crate::link::{End, Link};

pub const HOSPITAL: usize = 0;
pub const PRACTICE: usize = 1;
pub const PHARMACY: usize = 2;
const ORGANISATIONS: [&str; 3] = ["RZZ01", "A81001", "FZZ01"];
/// How long everybody together is waited for who is asked about a patient.
pub const ASK_MILLIS: u64 = 1_500;
pub const DAY: i64 = 86_400_000;
/// Una Ash, who is registered at the practice.
pub const UNA: &str = "9434765919";

/// The mailbox of an organisation's system.
pub fn mailbox(ods: &str) -> String {
    format!("{ods}OT001")
}

/// What the directory says of it, and of one that the node has no more.
fn named(ods: &Ods) -> Vec<MailboxNamed> {
    let named = |id: String| MailboxNamed {
        name: format!("A system of {ods}"),
        id,
        workflows: vec!["W".into()],
    };
    let own = mailbox(ods.as_str());
    vec![named(own.clone()), named(format!("{own}X"))]
}

/// Three nodes and what they run on.
pub struct Network {
    pub link: Arc<Link>,
    pub nodes: Vec<Arc<Exchange>>,
    identities: Vec<Arc<Identity>>,
    books: Vec<Arc<Book>>,
    pub clock: Clock,
    /// The practice's, from its next start on.
    pub second_keeper: Option<Ods>,
    /// Whether nodes hold their diary, from their next start on.
    pub keeps_diary: bool,
    /// The hospital's way to the national service, and what it collects there, from its next start on.
    pub national: Option<(Mesh, Collecting)>,
    _folder: tempfile::TempDir,
}

/// Runs a test with a fresh network on each database.
pub fn on_each_database(test: impl AsyncFn(&mut Network, &[Ground])) {
    nodes_on_each_database(&ORGANISATIONS, async |grounds| {
        let mut network = Network::build(grounds).await;
        test(&mut network, grounds).await;
        for node in network.nodes.drain(..) {
            node.store().clone().close().await;
        }
    });
}

impl Network {
    async fn build(grounds: &[Ground]) -> Network {
        let folder = tempfile::tempdir().unwrap();
        let steward = SigningKey::create(&folder.path().join("steward.key")).unwrap();
        let clock = grounds[0].clock().clone();
        let mut identities = Vec::new();
        for ods in ORGANISATIONS {
            let ods = Ods::parse(ods).unwrap();
            let keys = folder.path().join(ods.as_str());
            identities.push(Arc::new(Identity::create(&keys, &ods).unwrap()));
        }
        let (from, until) = (clock.now() - DAY, clock.now() + 400 * DAY);
        let member = |identity: &Arc<Identity>| {
            let about = About {
                name: format!("The {}", identity.organisation()),
                roles: vec![],
                exchange: "https://127.0.0.1:9".into(),
                pages: "http://127.0.0.1:9".into(),
                mailboxes: named(identity.organisation()),
            };
            Member::card(identity, about, from, until)
        };
        let directory = Directory {
            protocol: 1,
            version: 1,
            issued_at: from,
            valid_until: until,
            members: identities.iter().map(member).collect(),
            bars: Vec::new(),
        };
        let text = directory.sign(&steward).unwrap();
        let book = || Arc::new(Book::new(&text, steward.public().clone(), clock.now()).unwrap());
        let books = vec![book(), book(), book()];
        let mut network = Network {
            link: Link::new(),
            nodes: vec![],
            identities,
            books,
            clock,
            second_keeper: None,
            keeps_diary: true,
            national: None,
            _folder: folder,
        };
        for (at, ground) in grounds.iter().enumerate() {
            let node = network.open(at, ground).await;
            network.nodes.push(node);
        }
        network
            .register(PRACTICE, "una", UNA, "Ash", "1980-02-01")
            .await;
        network
    }

    async fn open(&self, at: usize, ground: &Ground) -> Arc<Exchange> {
        let identity = self.identities[at].clone();
        let from = identity.organisation().clone();
        let from_ods = from.clone();
        let end = Arc::new(End {
            link: self.link.clone(),
            from,
        });
        let book = self.books[at].clone();
        let store = ground.open().await;
        let ods = self.identities[at].organisation().clone();
        let named = named(&ods).remove(0);
        let own = Mailbox {
            credentials: Credentials::new(&named.id, "password", "key").unwrap(),
            named,
            ods,
        };
        let (mesh, collecting) = self.national.clone().filter(|_| at == HOSPITAL).unzip();
        let settings = Settings {
            second_keeper: self
                .second_keeper
                .clone()
                .filter(|it| at != HOSPITAL && *it != from_ods),
            mailboxes: Arc::new(Mailboxes::new(vec![own], mesh).collecting(collecting)),
            ask_millis: ASK_MILLIS,
            clinics: match at {
                PRACTICE => vec![Ods::parse(ORGANISATIONS[HOSPITAL]).unwrap()],
                _ => Vec::new(),
            },
            keeps_diary: self.keeps_diary,
            ..Settings::default()
        };
        let node = Exchange::with_transport(store, identity, book, settings, end);
        self.link.connect(&node);
        node
    }

    /// Ends a node without a word and starts it again from what is on disk.
    pub async fn crash(&mut self, at: usize, grounds: &[Ground]) {
        self.link.disconnect(self.nodes[at].organisation());
        self.nodes[at].store().clone().close().await;
        // A schema that others may serve too is left to them for a while.
        self.clock.advance(11_000);
        self.nodes[at] = self.open(at, &grounds[at]).await;
    }

    pub fn ods(&self, at: usize) -> Ods {
        self.nodes[at].organisation().clone()
    }

    pub fn identity(&self, at: usize) -> &Identity {
        &self.identities[at]
    }

    pub fn store(&self, at: usize) -> &Store {
        self.nodes[at].store()
    }

    /// Puts a patient on record.
    pub async fn register(&self, at: usize, id: &str, number: &str, family: &str, born: &str) {
        let text = serde_json::json!({
            "resourceType": "Patient",
            "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": number }],
            "name": [{ "family": family, "given": ["Una"] }],
            "birthDate": born,
            "generalPractitioner": [{ "identifier": {
                "system": "https://fhir.nhs.uk/Id/ods-organization-code",
                "value": ORGANISATIONS[PRACTICE],
            } }],
        })
        .to_string();
        self.put(at, id, &text).await;
    }

    /// Puts a resource on record, as the node's own system would.
    pub async fn put(&self, at: usize, id: &str, text: &str) {
        let json = parse(text.as_bytes(), &Limits::default()).unwrap();
        let resource = Prepared::new(&json, id, &self.ods(at)).unwrap();
        let change = Change::Put {
            resource,
            expect: Expect::Anything,
            release: Release::Keep,
        };
        let scope = Scope::system(SystemPurpose::Import);
        self.store(at)
            .commit(&scope, Job::change(change))
            .await
            .unwrap();
    }

    /// Deletes a resource.
    pub async fn remove(&self, at: usize, ty: &str, id: &str) {
        let change = Change::Delete {
            ty: ty.to_string(),
            id: id.to_string(),
            expect: Expect::Anything,
        };
        let scope = Scope::system(SystemPurpose::Import);
        let job = Job::change(change);
        self.store(at).commit(&scope, job).await.unwrap();
    }

    /// A letter about Una from the hospital to the practice.
    pub fn letter(&self, id: &str) -> Letter {
        Letter {
            id: id.to_string(),
            to: self.ods(PRACTICE),
            made_at: self.clock.now(),
            title: "Discharge summary".into(),
            author: "Dr A Bee".into(),
            urgent: false,
            marks: vec![],
            document_number: format!("D-{id}"),
            replaces: None,
            nhs_number: Some(NhsNumber::parse(UNA).unwrap()),
            birth_date: Some("1980-02-01".into()),
            family: "ASH".into(),
            given: "Una".into(),
            contents: vec![LetterContent {
                content_type: "text/plain; charset=utf-8".into(),
                bytes: format!("Letter {id}: she may go home.").into_bytes(),
            }],
            patient: "una-there".into(),
            document: format!("doc-{id}"),
        }
    }

    /// Accepts a letter for delivery; its number at the hospital.
    pub async fn send(&self, letter: Letter) -> i64 {
        let effect = self.nodes[HOSPITAL].send_letter(letter).unwrap();
        let scope = Scope::system(SystemPurpose::MapMessages);
        let done = self
            .store(HOSPITAL)
            .commit(&scope, Job::effect(effect))
            .await
            .unwrap()
            .done;
        match done.first() {
            Some(Done::Parcel(ParcelDone::Accepted { pid, .. })) => *pid,
            other => panic!("{other:?}"),
        }
    }

    /// The hospital sends, the practice takes in.
    pub async fn carry(&self) {
        assert!(self.nodes[HOSPITAL].serve(&self.ods(PRACTICE)).await);
        while self.nodes[PRACTICE].take_in().await.unwrap() > 0 {}
    }

    /// The practice tells the hospital.
    pub async fn tell(&self) {
        assert!(self.nodes[PRACTICE].serve(&self.ods(HOSPITAL)).await);
    }

    pub fn staff(&self, at: usize, who: &str, role: Role, interaction: Interaction) -> Scope {
        let account = i64::try_from(who.len()).unwrap();
        let who = Who::Staff {
            account,
            name: who.to_string(),
            role,
            organisation: self.ods(at),
        };
        let caller = Caller {
            who,
            request_id: "r-1".into(),
            granted: None,
            acting: None,
        };
        let now = self.clock.now();
        access::decide(
            &caller,
            interaction,
            "DocumentReference",
            Purpose::DirectCare,
            now,
        )
        .unwrap()
    }

    /// A clerk at the practice does something.
    pub async fn clerk(&self, pid: i64, action: Action) -> Result<(), fhir::Problem> {
        let scope = self.staff(
            PRACTICE,
            "Clara Clerk",
            Role::Clerk,
            Interaction::FileLetter,
        );
        self.store(PRACTICE).act(&scope, pid, action).await
    }

    /// What a node knows of all letters on a list.
    pub async fn list(&self, at: usize, show: Show) -> Vec<store::parcels::Letter> {
        let scope = self.staff(at, "Clara Clerk", Role::Clerk, Interaction::Inbox);
        self.store(at)
            .letters(&scope, &ListFilter::new(show))
            .await
            .unwrap()
            .letters
    }

    pub async fn item(&self, at: usize, pid: i64) -> Item {
        let scope = self.staff(at, "Clara Clerk", Role::Clerk, Interaction::Item);
        self.store(at).item(&scope, pid).await.unwrap()
    }

    pub async fn state(&self, at: usize, pid: i64) -> State {
        self.item(at, pid).await.letter.state
    }

    /// The one letter at the practice.
    pub async fn received(&self) -> store::parcels::Letter {
        let mut letters = self.list(PRACTICE, Show::AllIn).await;
        assert_eq!(letters.len(), 1);
        letters.remove(0)
    }

    /// How many DocumentReferences the practice has made.
    pub async fn taken_in(&self) -> usize {
        let scope = Scope::system(SystemPurpose::Measure);
        let search = fhir::search::Search::all("DocumentReference", 1000);
        self.store(PRACTICE)
            .search(&scope, &search)
            .await
            .unwrap()
            .entries
            .len()
    }
}
