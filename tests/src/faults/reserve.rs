//! P29: on a full disk people who care for patients still read, each look with its trace on the disk, until the room kept
//! for that is used up; a record opens in an emergency; then nothing is shown that leaves no trace.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::full_disk::SmallDisk;
use super::people::{PASSWORD, clinician, form_token, sign_in};
use crate::client::http::{Answer, Client};
use crate::node::look::Rows;
use crate::node::neighbourhood::{Neighbourhood, patient, token, wait_for};

const DISK_MIB: u32 = 48;
/// Half of it in each of the files of the journal.
const RESERVE_BYTES: u64 = 8 << 20;
/// What the log keeps of a query: each look takes its room.
const LONG: usize = 1500;
const LOOKS_MAX: usize = 40_000;
/// What PostgreSQL may need to let somebody in.
const SPARE_BYTES: usize = 512 << 10;

/// Writes until the disk takes no more.
fn fill(disk: &Path) {
    fill_with(&disk.join("ballast"));
}

/// Writes to `file` until there is no more room.
fn fill_with(file: &Path) {
    let mut file = std::fs::File::create(file).unwrap();
    let block = [0; 4096];
    while file.write_all(&block).is_ok() {}
}

fn look(client: &mut Client, number: usize) -> Answer {
    let padding = "x".repeat(LONG);
    client
        .get(&format!(
            "/fhir/Patient?family=Tester&given={padding}{number}"
        ))
        .unwrap()
}

/// As if they had just shown a second factor; that it is asked for is another test's.
fn step_up(database: &Path) {
    let connection = rusqlite::Connection::open(database).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    let changed = connection.execute("UPDATE session SET aal = 2, stepped_up_at = ?1", [now]);
    assert_eq!(changed.unwrap(), 1);
}

#[test]
fn p29_on_a_full_disk_reading_leaves_its_trace_until_the_reserve_is_used_up() {
    let mut nodes = Neighbourhood::set_up(None);
    let disk = nodes.practice.folder.join("small");
    let Some(_mounted) = SmallDisk::mount(&disk, DISK_MIB) else {
        eprintln!("\n*** SKIPPED: this user may not mount a small file system ***\n");
        return;
    };
    let settings = nodes.practice.folder.join("handover.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let small = text.replace("\"handover.sqlite\"", "\"small/handover.sqlite\"");
    let small = format!(
        "{small}\n[sign_in]\nstaff = [\"password\"]\n\n[audit]\nreserve_bytes = {RESERVE_BYTES}\n\n\
         [access]\nrelationships = \"required\"\n"
    );
    std::fs::write(&settings, small).unwrap();
    nodes.practice.token = token(&nodes.practice.folder);
    let mut bo = clinician(&nodes.practice);
    nodes.practice.process.start();
    let registered = nodes
        .practice
        .client()
        .send_json("POST", "/fhir/Patient", &patient())
        .unwrap();
    assert_eq!(registered.status, 201, "{}", registered.text());
    let jane = registered.json()["id"].as_str().unwrap().to_owned();
    sign_in(&mut bo);
    step_up(&disk.join("handover.sqlite"));
    fill(&disk);
    let mut system = nodes.practice.client();
    let unwritten = wait_for("a change that is refused", 30, || {
        let body = json!({ "resourceType": "Basic", "code": { "text": "x".repeat(500_000) } });
        let answer = system.send_json("POST", "/fhir/Basic", &body).unwrap();
        (answer.status != 201).then_some(answer)
    });
    assert_eq!(unwritten.status, 507, "{}", unwritten.text());

    let mut looks = 0;
    for _ in 0..50 {
        assert_eq!(look(&mut system, looks).status, 200, "look {looks}");
        looks += 1;
    }
    let page = format!("/staff/emergency-access/{jane}");
    let csrf = form_token(&bo.get(&page).unwrap());
    let fields = [
        ("csrf", csrf.as_str()),
        ("code", "unable-to-ask"),
        ("reason", "Found unconscious at home"),
        ("password", PASSWORD),
    ];
    let opened = bo.post_form(&page, &fields).unwrap();
    assert_eq!(opened.status, 303, "{}", opened.text());
    let seen = bo.get(&format!("/staff/patient/{jane}")).unwrap();
    assert!(
        seen.status == 200 && seen.text().contains("TESTER") || seen.text().contains("Tester"),
        "{}",
        seen.text()
    );
    let still = system.send_json(
        "POST",
        "/fhir/Basic",
        &json!({ "resourceType": "Basic", "code": { "text": "x" } }),
    );
    assert_eq!(
        still.unwrap().status,
        507,
        "the room that was freed is for emergencies"
    );

    // Not one look without its trace: from here on they are refused.
    let refused = (0..LOOKS_MAX).find_map(|_| {
        let answer = look(&mut system, looks);
        if answer.status == 200 {
            looks += 1;
            return None;
        }
        Some(answer)
    });
    let refused = refused.expect("the reserve never ends");
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(
        !refused.text().contains("TESTER") && !refused.text().contains("Tester"),
        "{}",
        refused.text()
    );
    println!("{looks} looks on a full disk");

    // What was shown left its trace for good, whatever happens to the process.
    nodes.practice.process.kill();
    std::fs::remove_file(disk.join("ballast")).unwrap();
    nodes.practice.process.start();
    let rows = Rows::Sqlite(disk.join("handover.sqlite"));
    let traced = wait_for("the traces in the tables", 60, || {
        let query = "SELECT CAST(COUNT(*) AS TEXT) FROM audit WHERE query LIKE '%xxxxxxxx%' AND outcome = 'success'";
        let traced = rows.number(query);
        (usize::try_from(traced).unwrap() >= looks).then_some(traced)
    });
    assert_eq!(usize::try_from(traced).unwrap(), looks);
    let written = wait_for("a change once there is room", 30, || {
        let body = json!({ "resourceType": "Basic", "code": { "text": "x" } });
        let answer = nodes
            .practice
            .client()
            .send_json("POST", "/fhir/Basic", &body)
            .ok()?;
        (answer.status == 201).then_some(answer)
    });
    assert_eq!(written.status, 201);
}

/// A database of its own on a small file system, on the tests' PostgreSQL, whose log is elsewhere; dropped with it.
struct SmallDatabase {
    server: Rows,
    name: String,
    url: String,
}

impl SmallDatabase {
    fn make(server: &str, disk: &Path) -> SmallDatabase {
        let owner = Command::new("chown").arg("postgres").arg(disk).status();
        assert!(owner.unwrap().success());
        let name = format!("small_{}", uuid::Uuid::new_v4().simple());
        let (address, _) = server.rsplit_once('/').unwrap();
        let small = SmallDatabase {
            url: format!("{address}/{name}"),
            server: Rows::Postgres {
                url: server.to_owned(),
                schema: "public".to_owned(),
            },
            name,
        };
        let name = &small.name;
        let at = disk.display();
        small.run(&format!("CREATE TABLESPACE {name} LOCATION '{at}'"));
        small.run(&format!("CREATE DATABASE {name} TABLESPACE {name}"));
        small
    }

    fn run(&self, statement: &str) {
        self.server.texts(statement);
    }
}

impl Drop for SmallDatabase {
    fn drop(&mut self) {
        self.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        self.run(&format!("DROP TABLESPACE {}", self.name));
    }
}

#[test]
fn p29_on_a_full_disk_of_postgresql_reading_leaves_its_trace_beside_it_until_the_reserve_is_used_up()
 {
    let Some(server) = store::testing::postgres_url() else {
        return;
    };
    // PostgreSQL's user must get there, which the tests' own folders do not let it.
    let folder = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .unwrap();
    let disk = folder.path().join("small");
    let Some(_mounted) = SmallDisk::mount(&disk, 96) else {
        eprintln!("\n*** SKIPPED: this user may not mount a small file system ***\n");
        return;
    };
    let small = SmallDatabase::make(&server, &disk);
    let mut nodes = Neighbourhood::set_up(Some(&small.url));
    let settings = nodes.practice.folder.join("handover.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let reserve = 2 << 20;
    std::fs::write(
        &settings,
        format!("{text}\n[audit]\nreserve_bytes = {reserve}\n"),
    )
    .unwrap();
    nodes.practice.token = token(&nodes.practice.folder);
    nodes.practice.process.start();
    let mut system = nodes.practice.client();
    let registered = system
        .send_json("POST", "/fhir/Patient", &patient())
        .unwrap();
    assert_eq!(registered.status, 201, "{}", registered.text());
    // If PostgreSQL tidied its catalogue meanwhile, its next connection writes what it knows of it anew, or ends.
    let spare = disk.join("spare");
    std::fs::write(&spare, vec![0; SPARE_BYTES]).unwrap();
    fill(&disk);

    // The pages at hand have some room yet.
    let mut looks = 0;
    let unwritten = wait_for("a change that is refused", 30, || {
        let body = json!({ "resourceType": "Basic", "code": { "text": noise(500_000) } });
        let answer = system.send_json("POST", "/fhir/Basic", &body).unwrap();
        (answer.status != 201).then_some(answer)
    });
    assert_eq!(unwritten.status, 507, "{}", unwritten.text());
    let mut refused = None;
    while refused.is_none() && looks < LOOKS_MAX {
        let answer = look(&mut system, looks);
        match answer.status {
            200 => looks += 1,
            _ => refused = Some(answer),
        }
        if looks == 200 {
            // What the reserve holds is there for the next process.
            nodes.practice.process.kill();
            std::fs::remove_file(&spare).unwrap();
            nodes.practice.process.start();
            fill_with(&spare);
            system = nodes.practice.client();
        }
    }
    let refused = refused.expect("the reserve never ends");
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(looks > 400, "only {looks} looks");
    println!("{looks} looks on a full disk of PostgreSQL's");

    nodes.practice.process.kill();
    std::fs::remove_file(disk.join("ballast")).unwrap();
    nodes.practice.process.start();
    let traced = || {
        let query = "SELECT CAST(COUNT(*) AS TEXT) FROM audit WHERE query LIKE '%xxxxxxxx%' AND outcome = 'success'";
        usize::try_from(nodes.practice.rows.number(query)).unwrap()
    };
    wait_for("the traces in the table", 60, || {
        (traced() >= looks).then_some(())
    });
    assert_eq!(traced(), looks, "each once");
    let answer = look(&mut nodes.practice.client(), looks);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(traced(), looks + 1, "straight into the table again");
    drop(nodes);
}

/// Text that does not get shorter when it is packed.
fn noise(length: usize) -> String {
    let mut state = 88_172_645_463_325_252_u64;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + u8::try_from(state % 26).unwrap())
    };
    (0..length).map(|_| letter()).collect()
}
