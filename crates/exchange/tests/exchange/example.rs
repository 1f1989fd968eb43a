//! The worked example of `docs/protocol/exchange.md`, made here and held against the page.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use access::Ods;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::jws::{self, Statement};
use exchange::manifest::{Manifest, ParcelText};
use exchange::receipt::Receipts;
use exchange::wire::{Inline, Parcels, SendParcels, write};
use exchange::{About, Book, Directory, Exchange, Identity, Member, Settings, SigningKey};
use store::testing::START;

use crate::link::{End, Link};
use crate::network::DAY;

const CONTENT: &str = "She may go home.";

/// A private key whose 32 bytes all are that one: for an example only.
fn example_key(path: &Path, byte: u8) {
    let mut der = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    der.extend([byte; 32]);
    let text = STANDARD.encode(der);
    let _ = std::fs::remove_file(path);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    write!(
        file,
        "-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"
    )
    .unwrap();
}

fn identity(folder: &Path, ods: &str, byte: u8) -> Arc<Identity> {
    let (keys, ods) = (folder.join(ods), Ods::parse(ods).unwrap());
    Identity::create(&keys, &ods).unwrap();
    example_key(&keys.join("signing.key"), byte);
    Arc::new(Identity::open(&keys, &ods).unwrap())
}

fn parcel() -> String {
    let digest = exchange::keys::sha256_hex(CONTENT.as_bytes());
    let text = format!(
        "{{\"id\":\"p-1\",\"from\":\"RZZ01\",\"to\":\"A81001\",\"kind\":\"letter\",\
         \"made_at\":\"2026-01-05T08:59:00.000Z\",\"title\":\"Discharge summary\",\
         \"author\":\"Dr A Bee\",\"urgent\":false,\"marks\":[],\"document\":\"D1\",\
         \"patient\":{{\"nhs_number\":\"9434765919\",\"birth_date\":\"1980-02-01\",\
         \"family\":\"Ash\",\"given\":\"Una\"}},\"contents\":[{{\"sha256\":\"{digest}\",\
         \"size\":16,\"content_type\":\"text/plain\"}}]}}"
    );
    let read = ParcelText::parse(&text).unwrap();
    assert_eq!(
        serde_json::to_string(&read).unwrap(),
        text,
        "as this node would write it"
    );
    text
}

async fn practice(folder: &Path, sender: &Identity, receiver: Arc<Identity>) -> Arc<Exchange> {
    let steward = SigningKey::create(&folder.join("steward.key")).unwrap();
    let card = |identity: &Identity| {
        let about = About {
            name: "An organisation".into(),
            roles: vec![],
            exchange: "https://127.0.0.1:9".into(),
            pages: "http://127.0.0.1:9".into(),
            mailboxes: Vec::new(),
        };
        Member::card(identity, about, START - DAY, START + DAY)
    };
    let directory = Directory {
        protocol: 1,
        version: 1,
        issued_at: START,
        valid_until: START + DAY,
        members: vec![card(sender), card(&receiver)],
        bars: Vec::new(),
    };
    let text = directory.sign(&steward).unwrap();
    let book = Arc::new(Book::new(&text, steward.public().clone(), START).unwrap());
    let ods = receiver.organisation().clone();
    let file = folder.join("store.sqlite");
    let database = store::Database::Sqlite(file);
    let clock = store::Clock::fixed(START);
    let settings = store::Settings {
        clock,
        ..store::Settings::new(database, ods.clone())
    };
    let store = store::Store::open(settings).await.unwrap();
    let end = Arc::new(End {
        link: Link::new(),
        from: ods,
    });
    Exchange::with_transport(store, receiver, book, Settings::default(), end)
}

/// Long lines, folded for the page.
fn block(about: &str, text: &str) -> String {
    let bytes = text.as_bytes();
    let lines: Vec<&str> = bytes
        .chunks(110)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!("{about}\n\n```\n{}\n```\n\n", lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_on_the_protocols_page_is_what_a_node_says() {
    let folder = tempfile::tempdir().unwrap();
    let sender = identity(folder.path(), "RZZ01", 1);
    let receiver = identity(folder.path(), "A81001", 2);
    let text = parcel();
    let manifest = Manifest {
        protocol: 1,
        from: "RZZ01".into(),
        to: "A81001".into(),
        parcels: vec![text.clone()],
    };
    let jws = jws::sign(&sender.signing(), Statement::Manifest, &manifest).unwrap();
    let content = Inline::new(
        &exchange::keys::sha256_hex(CONTENT.as_bytes()),
        CONTENT.as_bytes(),
    );
    let request = write(&SendParcels {
        manifest: jws,
        contents: vec![content],
    })
    .unwrap();
    let node = practice(folder.path(), &sender, receiver.clone()).await;
    let answer = node
        .take_parcels(sender.organisation(), &request)
        .await
        .unwrap();
    let parcels: Parcels = serde_json::from_slice(&answer).unwrap();
    let key = receiver.signing().public().clone();
    let receipts: Receipts =
        jws::verify(&parcels.receipts, Statement::Receipts, |_| Some(key)).unwrap();

    let mut example = String::from(
        "The private keys are 32 bytes of `01` (the hospital RZZ01) and of `02` (the practice A81001). Lines are folded \
         here; there are no line breaks in them.\n\n",
    );
    let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let hospital = sender.signing().public().to_json();
    let practice = receiver.signing().public().to_json();
    for (about, text) in [
        ("The hospital's public key:", hospital.trim().to_string()),
        ("The practice's public key:", practice.trim().to_string()),
        ("The parcel's text:", text.clone()),
        ("Its digest:", exchange::keys::sha256_hex(text.as_bytes())),
        (
            "The manifest's payload:",
            serde_json::to_string(&manifest).unwrap(),
        ),
        (
            "The body of `POST /exchange/v1/parcels`:",
            text_of(&request),
        ),
        (
            "The answer's receipts, as payload:",
            serde_json::to_string(&receipts).unwrap(),
        ),
        (
            "The answer's body, from a practice whose clock says 2026-01-05T09:00:00.000Z:",
            text_of(&answer),
        ),
    ] {
        example.push_str(&block(about, &text));
    }
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/protocol/exchange.md"
    );
    let whole = std::fs::read_to_string(page).unwrap();
    let (before, rest) = whole.split_once("<!-- example -->\n").unwrap();
    let (written, after) = rest.split_once("<!-- end of example -->").unwrap();
    if std::env::var_os("HANDOVER_WRITE_EXAMPLE").is_some() {
        let whole = format!("{before}<!-- example -->\n{example}<!-- end of example -->{after}");
        std::fs::write(page, whole).unwrap();
    } else {
        assert_eq!(
            written, example,
            "run the test once with HANDOVER_WRITE_EXAMPLE=1"
        );
    }
}
