//! A hospital beside the practice's node, in one process: what the practice's pages are told of there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use access::Ods;
use bytes::Bytes;
use exchange::transport::Answering;
use exchange::{
    About, Book, Directory, Exchange, Failure, Identity, Member, Settings, SigningKey, Transport,
    Witnessing,
};
use fhir::problem::Kind;
use parking_lot::Mutex;
use store::testing::{Ground, nodes_on_each_database};
use store::{Clock, Release, Store};

use super::{Node, bare_node_with, letters};

pub const PRACTICE: &str = "A81001";
pub const HOSPITAL: &str = "RZZ01";
const DAY: i64 = 86_400_000;

/// How the nodes reach each other.
#[derive(Default)]
struct Wires {
    nodes: Mutex<Vec<Arc<Exchange>>>,
    /// Whether nothing arrives.
    is_cut: AtomicBool,
}

/// The nodes.
pub struct Beside {
    pub practice: Arc<Exchange>,
    pub hospital: Arc<Exchange>,
    pub clock: Clock,
    wires: Arc<Wires>,
    _folder: tempfile::TempDir,
}

/// Runs a test with a practice's node, made up further by `set_up`, and a hospital that knows Jane.
pub fn beside_a_hospital(settings: Settings, test: impl AsyncFn(Node, &Beside)) {
    nodes_on_each_database(&[PRACTICE, HOSPITAL], async |grounds| {
        let (node, beside) = build(grounds, settings.clone()).await;
        test(node, &beside).await;
        beside.wires.nodes.lock().clear();
        for exchange in [&beside.practice, &beside.hospital] {
            exchange.store().clone().close().await;
        }
    });
}

async fn build(grounds: &[Ground], settings: Settings) -> (Node, Beside) {
    let folder = tempfile::tempdir().unwrap();
    let steward = SigningKey::create(&folder.path().join("steward.key")).unwrap();
    let clock = grounds[0].clock().clone();
    let (from, until) = (clock.now() - DAY, clock.now() + 400 * DAY);
    let identities: Vec<Arc<Identity>> = [PRACTICE, HOSPITAL]
        .map(|ods| {
            let keys = folder.path().join(ods);
            Arc::new(Identity::create(&keys, &Ods::parse(ods).unwrap()).unwrap())
        })
        .into();
    let card = |identity: &Arc<Identity>| {
        let about = About {
            name: format!("The {}", identity.organisation()),
            roles: vec![],
            exchange: "https://127.0.0.1:9".into(),
            pages: "http://127.0.0.1:9".into(),
            mailboxes: Vec::new(),
        };
        Member::card(identity, about, from, until)
    };
    let directory = Directory {
        protocol: 1,
        version: 1,
        issued_at: from,
        valid_until: until,
        members: identities.iter().map(card).collect(),
        bars: Vec::new(),
    };
    let text = directory.sign(&steward).unwrap();
    let wires = Arc::new(Wires::default());
    let mut exchanges = Vec::new();
    for (identity, ground) in identities.iter().zip(grounds) {
        let book = Book::new(&text, steward.public().clone(), clock.now()).unwrap();
        let way = Arc::new(Way {
            from: identity.organisation().clone(),
            wires: wires.clone(),
        });
        let store = ground.open().await;
        let own = match identity.organisation().as_str() {
            PRACTICE => settings.clone(),
            _ => Settings {
                poll_millis: 20,
                ..Settings::default()
            },
        };
        let exchange = Exchange::with_transport(store, identity.clone(), Arc::new(book), own, way);
        wires.nodes.lock().push(exchange.clone());
        exchanges.push(exchange);
    }
    let (practice, hospital) = (exchanges.remove(0), exchanges.remove(0));
    let mut node = bare_node_with(practice.store().clone()).await;
    node.exchange = Some(practice.clone());
    node.organisation_name = Arc::new(|ods: &str| match ods {
        HOSPITAL => "Northern General".to_owned(),
        other => other.to_owned(),
    });
    jane(practice.store(), "jane").await;
    jane(hospital.store(), "jane-there").await;
    let beside = Beside {
        practice,
        hospital,
        clock,
        wires,
        _folder: folder,
    };
    (node, beside)
}

/// Puts Jane on record, whose practice it is.
async fn jane(store: &Store, id: &str) {
    person(store, [id, "Jane", "Example", "9434765919", "1961-02-03"]).await;
}

/// Puts a patient of the practice on record: id, given and family name, NHS number and date of birth.
pub async fn person(store: &Store, [id, given, family, number, born]: [&str; 5]) {
    let text = format!(
        r#"{{"resourceType":"Patient","name":[{{"family":"{family}","given":["{given}"]}}],"birthDate":"{born}",
        "identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{number}"}}],
        "generalPractitioner":[{{"identifier":{{"system":"https://fhir.nhs.uk/Id/ods-organization-code",
        "value":"{PRACTICE}"}}}}]}}"#
    );
    letters::put(store, id, &text, Release::At(1)).await;
}

impl Beside {
    /// Puts a resource on record at the hospital.
    pub async fn put_there(&self, id: &str, text: &str, release: Release) {
        letters::put(self.hospital.store(), id, text, release).await;
    }

    /// The hospital tells the practice that it holds something of Jane.
    pub async fn point(&self) {
        self.clock.advance(3_000);
        while self.hospital.tell_pointers().await.unwrap() {}
        let practice = Ods::parse(PRACTICE).unwrap();
        assert!(self.hospital.serve(&practice).await);
        while self.practice.take_in().await.unwrap() > 0 {}
    }

    /// From now on nothing arrives, or everything again.
    pub fn cut(&self, is_cut: bool) {
        self.wires.is_cut.store(is_cut, Ordering::SeqCst);
    }

    /// The practice sends, the hospital takes in and answers, the practice takes in.
    pub async fn carry(&self) {
        let both = [&self.practice, &self.hospital];
        for (from, to) in [(0, 1), (1, 0)] {
            both[from].serve(both[to].organisation()).await;
            while both[to].take_in().await.unwrap() > 0 {}
        }
    }
}

/// The wires as one node's transport.
struct Way {
    from: Ods,
    wires: Arc<Wires>,
}

impl Way {
    fn to(&self, to: &Ods) -> Result<Arc<Exchange>, Failure> {
        let broken = || Failure::new("The other node cannot be reached.");
        if self.wires.is_cut.load(Ordering::SeqCst) {
            return Err(broken());
        }
        let nodes = self.wires.nodes.lock();
        let found = nodes.iter().find(|it| it.organisation() == to);
        found.cloned().ok_or_else(broken)
    }
}

fn failed(problem: fhir::Problem) -> Failure {
    let status = match problem.kind {
        Kind::Conflict => 409,
        Kind::Throttled => 429,
        _ => 400,
    };
    Failure {
        sentence: problem.message,
        status: Some(status),
    }
}

impl Transport for Way {
    fn parcels<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        Box::pin(async move {
            let node = self.to(to)?;
            let taken = node.take_parcels(&self.from, &body).await;
            taken.map(Bytes::from).map_err(failed)
        })
    }

    fn takes<'a>(&'a self, to: &'a Ods) -> Answering<'a, Bytes> {
        Box::pin(async move {
            let node = self.to(to)?;
            node.answer_takes().map(Bytes::from).map_err(failed)
        })
    }

    fn held<'a>(&'a self, to: &'a Ods, sha256: &'a str) -> Answering<'a, u64> {
        Box::pin(async move {
            let node = self.to(to)?;
            let held = node.held_content(&self.from, sha256).await;
            held.map(|it| it.held).map_err(failed)
        })
    }

    fn append<'a>(
        &'a self,
        to: &'a Ods,
        sha256: &'a str,
        start: u64,
        bytes: Bytes,
    ) -> Answering<'a, u64> {
        Box::pin(async move {
            let node = self.to(to)?;
            let appended = node.append_content(&self.from, sha256, start, bytes.to_vec());
            appended.await.map(|it| it.held).map_err(failed)
        })
    }

    fn receipts<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        Box::pin(async move {
            let node = self.to(to)?;
            let taken = node.take_receipts(&self.from, &body).await;
            taken.map(Bytes::from).map_err(failed)
        })
    }

    fn preferences<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        Box::pin(async move {
            let node = self.to(to)?;
            let answer = node.answer_preferences(&self.from, &body).await;
            answer.map(Bytes::from).map_err(failed)
        })
    }

    fn record<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        Box::pin(async move {
            let node = self.to(to)?;
            let answer = node.answer_question(&self.from, &body).await;
            answer.map(Bytes::from).map_err(failed)
        })
    }

    fn slots<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes> {
        Box::pin(async move {
            let node = self.to(to)?;
            let answer = node.answer_slots(&self.from, &body).await;
            answer.map(Bytes::from).map_err(failed)
        })
    }

    fn witness<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Witnessing> {
        Box::pin(async move {
            let node = self.to(to)?;
            node.take_checkpoint(&self.from, &body)
                .await
                .map_err(failed)
        })
    }

    fn witnessed<'a>(&'a self, to: &'a Ods) -> Answering<'a, String> {
        Box::pin(async move {
            let node = self.to(to)?;
            node.show_witnessed(&self.from).await.map_err(failed)
        })
    }

    fn directory<'a>(&'a self, to: &'a Ods, above: u64) -> Answering<'a, Option<String>> {
        Box::pin(async move {
            let node = self.to(to)?;
            Ok(node.newer_directory(above).map(|text| text.to_string()))
        })
    }
}
