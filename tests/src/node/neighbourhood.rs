//! A hospital and a practice as their engineers would set them up: by the commands of the README, each a process of its
//! own, with a link between them that a test can cut.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::look::Rows;
use super::ports::free_address;
use super::process::{Process, run};
use crate::client::http::Client;
use crate::client::proxy::Proxy;

/// Made-up organisations.
pub const HOSPITAL: &str = "RZZ98";
pub const PRACTICE: &str = "A99998";
pub const AMBULANCE: &str = "RRU98";
pub const OTHER_PRACTICE: &str = "B99998";

/// One organisation's node.
pub struct Site {
    pub ods: &'static str,
    pub folder: PathBuf,
    pub pages: SocketAddr,
    pub mllp: SocketAddr,
    /// For `/fhir`, as the organisation's own system.
    pub token: String,
    pub process: Process,
    /// Where its rows are.
    pub rows: Rows,
}

impl Site {
    /// A client with the site's API token.
    pub fn client(&self) -> Client {
        Client::with_token(self.pages, &self.token)
    }
}

/// The two nodes.
pub struct Neighbourhood {
    pub hospital: Site,
    pub practice: Site,
    /// The way from the hospital to the practice.
    pub to_practice: Proxy,
    /// The way from the practice to the hospital.
    pub to_hospital: Proxy,
    /// Goes last: the processes work in it.
    _folder: TempDir,
}

/// Where a node listens, and where the directory says it is: the far end of a link.
struct Doors {
    pages: SocketAddr,
    mllp: SocketAddr,
    link: Proxy,
    rows: Rows,
}

impl Neighbourhood {
    /// Sets both up on SQLite and starts them.
    pub fn start() -> Neighbourhood {
        Neighbourhood::start_on(None)
    }

    /// Sets both up and starts them, on the PostgreSQL server at `postgres` when one is given.
    pub fn start_on(postgres: Option<&str>) -> Neighbourhood {
        let mut neighbourhood = Neighbourhood::set_up(postgres);
        neighbourhood.practice.process.start();
        neighbourhood.hospital.process.start();
        neighbourhood
    }

    /// Sets both up: keys, settings, one signed directory, a token each.
    pub fn set_up(postgres: Option<&str>) -> Neighbourhood {
        build(postgres, None).0
    }

    /// The same with an ambulance service's node in the directory, and the way to it.
    pub fn set_up_with_ambulance() -> (Neighbourhood, Site, Proxy) {
        let (nodes, ambulance) = build(None, Some((AMBULANCE, "ambulance")));
        let (site, way) = ambulance.unwrap();
        (nodes, site, way)
    }

    /// The same with another practice's node, to which patients move.
    pub fn set_up_with_other_practice(postgres: Option<&str>) -> (Neighbourhood, Site, Proxy) {
        let (nodes, other) = build(postgres, Some((OTHER_PRACTICE, "gp-practice")));
        let (site, way) = other.unwrap();
        (nodes, site, way)
    }

    /// Registers the letters' patient at the practice, so that letters about her are matched.
    pub fn register_patient(&self) {
        let answer = self
            .practice
            .client()
            .send_json("POST", "/fhir/Patient", &patient())
            .unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
}

fn build(
    postgres: Option<&str>,
    third: Option<(&'static str, &str)>,
) -> (Neighbourhood, Option<(Site, Proxy)>) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    run(root, &["directory", "steward", "--folder", "steward"]);
    let hospital = set_up(root, HOSPITAL, "hospital", postgres);
    let practice = set_up(root, PRACTICE, "gp-practice", postgres);
    let third = third.map(|(ods, role)| (ods, set_up(root, ods, role, postgres)));
    let mut cards: Vec<String> = [HOSPITAL, PRACTICE]
        .map(|ods| format!("{ods}/card.json"))
        .into();
    cards.extend(third.iter().map(|(ods, _)| format!("{ods}/card.json")));
    let mut sign = vec!["directory", "sign", "--steward", "steward"];
    sign.extend(["--out", "directory.jws"]);
    sign.extend(cards.iter().map(String::as_str));
    run(root, &sign);
    let (hospital, to_hospital) = site(root, HOSPITAL, hospital);
    let (practice, to_practice) = site(root, PRACTICE, practice);
    let third = third.map(|(ods, doors)| site(root, ods, doors));
    let nodes = Neighbourhood {
        hospital,
        practice,
        to_practice,
        to_hospital,
        _folder: folder,
    };
    (nodes, third)
}

/// The patient of the letters; made up.
pub fn patient() -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018" }],
        "name": [{ "use": "official", "family": "Tester", "given": ["Amina"] }],
        "gender": "female",
        "birthDate": "1951-03-04"
    })
}

fn set_up(root: &Path, ods: &str, role: &str, postgres: Option<&str>) -> Doors {
    let name = format!("Anytown {role}");
    run(
        root,
        &[
            "init", "--ods", ods, "--name", &name, "--role", role, "--folder", ods,
        ],
    );
    let exchange = free_address();
    let doors = Doors {
        pages: free_address(),
        mllp: free_address(),
        link: Proxy::start(exchange),
        rows: rows(root, ods, postgres),
    };
    let Doors {
        pages,
        mllp,
        link,
        rows,
    } = &doors;
    let folder = root.join(ods);
    let store = match rows {
        Rows::Sqlite(_) => "[store]\nsqlite = \"handover.sqlite\"\n".to_owned(),
        Rows::Postgres { url, schema } => {
            let file = folder.join("postgres.url");
            std::fs::write(&file, url).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            format!("[store]\npostgres = \"postgres.url\"\nschema = \"{schema}\"\n")
        }
    };
    let settings = format!(
        "[organisation]\nods = \"{ods}\"\nname = \"{name}\"\nroles = [\"{role}\"]\n\n{store}\n\
         [pages]\nlisten = \"{pages}\"\npublic_url = \"http://{pages}\"\n\n\
         [exchange]\nlisten = \"{exchange}\"\npublic_url = \"https://{}\"\n\n[hl7v2]\nlisten = \"{mllp}\"\n",
        link.address
    );
    std::fs::write(folder.join("handover.toml"), settings).unwrap();
    run(&folder, &["directory", "card"]);
    doors
}

/// A file in the node's folder, or a schema of its own.
fn rows(root: &Path, ods: &str, postgres: Option<&str>) -> Rows {
    postgres.map_or_else(
        || Rows::Sqlite(root.join(ods).join("handover.sqlite")),
        |url| {
            let schema = format!("t_{}", uuid::Uuid::new_v4().simple());
            Rows::Postgres {
                url: url.to_owned(),
                schema,
            }
        },
    )
}

fn site(root: &Path, ods: &'static str, doors: Doors) -> (Site, Proxy) {
    let folder = root.join(ods);
    std::fs::copy(root.join("directory.jws"), folder.join("directory.jws")).unwrap();
    std::fs::copy(root.join("steward/steward.pub"), folder.join("steward.pub")).unwrap();
    let token = token(&folder);
    let Doors {
        pages,
        mllp,
        link,
        rows,
    } = doors;
    let process = Process::new(&folder, &["serve", "--config", "handover.toml"], pages);
    (
        Site {
            ods,
            folder,
            pages,
            mllp,
            token,
            process,
            rows,
        },
        link,
    )
}

/// Adds an API token; it is the longest word of what the command prints.
pub fn token(folder: &Path) -> String {
    let printed = run(folder, &["token", "add", "--name", "Test"]);
    printed
        .split_whitespace()
        .max_by_key(|word| word.len())
        .unwrap()
        .to_owned()
}

/// Waits until `done` gives something, for at most `seconds`; `what` is waited for.
pub fn wait_for<T>(what: &str, seconds: u64, mut done: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(
            began.elapsed().as_secs() < seconds,
            "waited {seconds} s in vain for: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
