//! `handover import`: NDJSON files into the node's store.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use access::{Ods, Scope, SystemPurpose};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use fhir::json::Limits;
use sha2::{Digest as _, Sha256};
use store::bulk::{BadLine, BulkJob, BulkState, BulkWrite};
use store::{Effect, Job, Store};
use web::bulk::{Held, Intake, LINES_AT_ONCE, Line, Taking, following, read};
use web::fhir::validate::Enforced;

use crate::config::Config;
use crate::node::{self, open_store};

/// The longest line read, in bytes. No setting lets a resource be as long; one that is longer than the
/// setting says is refused by itself.
const LINE_BYTES_MAX: u64 = 65 << 20;
/// Lines in one commit hold about so many bytes at most.
const STEP_BYTES: usize = 8 << 20;
/// How often the progress is told, in lines.
const TOLD_EVERY: u64 = 10_000;
/// How long an unfinished import can be taken up again.
const KEPT_MILLIS: i64 = 30 * 86_400_000;

/// Takes in files of resources, one a line (NDJSON), as updates under their ids.
///
/// Every line that is a valid resource, and follows the profiles that `[profiles]` asks for, is stored; every other is
/// listed with its number and the reason. Stop the node first
/// if its store is a SQLite file. An import that was cut short goes on where it was when it is started again.
#[derive(clap::Args)]
pub struct Import {
    /// The node's settings.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
    /// Read and check every line, and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Import {
    pub async fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let enforced = node::enforced(&config);
        let store = open_store(&config).await?;
        let into = Into {
            ods: store.organisation().clone(),
            store: store.clone(),
            limits: config.fhir.bounds().of_resource(),
            enforced,
        };
        let mut refused = 0;
        for file in &self.files {
            let outcome = match self.dry_run {
                true => check(&into, file).await,
                false => import(&into, file).await,
            };
            refused += outcome.with_context(|| file.display().to_string())?;
        }
        store.close().await;
        if refused > 0 {
            bail!("{refused} lines were refused; they are listed above");
        }
        Ok(())
    }
}

/// Where lines go.
struct Into {
    store: Store,
    ods: Ods,
    /// The bounds of a resource.
    limits: Limits,
    enforced: Enforced,
}

/// The lines of a file, some at a time.
struct Lines {
    reader: BufReader<File>,
    /// The number of the last line read.
    number: u64,
}

impl Lines {
    fn open(file: &Path) -> anyhow::Result<Lines> {
        let reader = BufReader::new(File::open(file)?);
        Ok(Lines { reader, number: 0 })
    }

    /// The next lines that are not blank; whether there may be more.
    fn next(&mut self) -> anyhow::Result<(Vec<Line>, bool)> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < LINES_AT_ONCE && bytes < STEP_BYTES {
            let mut line = Vec::new();
            let mut bounded = (&mut self.reader).take(LINE_BYTES_MAX + 1);
            if bounded.read_until(b'\n', &mut line)? == 0 {
                return Ok((lines, false));
            }
            self.number += 1;
            if line.len() as u64 > LINE_BYTES_MAX {
                bail!("line {} is longer than a resource may be", self.number);
            }
            bytes += line.len();
            if !line.trim_ascii().is_empty() {
                lines.push((self.number, Bytes::from(line)));
            }
        }
        Ok((lines, true))
    }
}

async fn check(into: &Into, file: &Path) -> anyhow::Result<u64> {
    let intake = Intake {
        import: format!("file-{}", digest(file)?),
        organisation: into.ods.clone(),
        limits: into.limits,
        now: into.store.now(),
    };
    let mut lines = Lines::open(file)?;
    let (mut good, mut refused, mut more) = (0, 0, true);
    while more {
        let (some, is_more) = lines.next()?;
        more = is_more;
        let found = read(&some, &intake);
        let found = following(&into.store, Held::Here(&into.enforced), found).await?;
        good += found.good.len();
        refused += found.bad.len() as u64;
        list(file, &found.bad);
    }
    println!(
        "{}: {good} lines can be taken in, {refused} not",
        file.display()
    );
    Ok(refused)
}

fn list(file: &Path, bad: &[BadLine]) {
    for line in bad {
        println!("{}:{}: {}", file.display(), line.line, line.reason);
    }
}

async fn import(into: &Into, file: &Path) -> anyhow::Result<u64> {
    let store = &into.store;
    let id = format!("file-{}", digest(file)?);
    let job = started(store, &id, file).await?;
    let done_before: u64 = job.cursor.parse().unwrap_or(0);
    if done_before > 0 {
        println!("{}: goes on after line {done_before}", file.display());
    }
    let scope = Scope::system(SystemPurpose::Import);
    let taking = Taking {
        store,
        organisation: &into.ods,
        limits: into.limits,
        scope: &scope,
        id: &id,
        state: BulkState::Receiving,
        held: Held::Here(&into.enforced),
    };
    let mut lines = Lines::open(file)?;
    let (mut from, mut refused, mut more) = (job.cursor, job.refused, true);
    while more {
        let (mut some, is_more) = lines.next()?;
        more = is_more;
        some.retain(|(number, _)| *number > done_before);
        if lines.number <= done_before || some.is_empty() {
            continue;
        }
        let to = lines.number.to_string();
        let bad = taking.step(&from, &to, &some).await?;
        list(file, &bad);
        refused += bad.len() as u64;
        if lines.number / TOLD_EVERY > from.parse().unwrap_or(0) / TOLD_EVERY {
            println!("{}: {to} lines", file.display());
        }
        from = to;
    }
    let total = store.bulk_job(&id).await?.map_or(0, |job| job.done);
    write(store, BulkWrite::Remove { id }).await?;
    println!(
        "{}: {total} resources taken in, {refused} lines refused",
        file.display()
    );
    Ok(refused)
}

/// The import of that very file, taken up again or new.
async fn started(store: &Store, id: &str, file: &Path) -> anyhow::Result<BulkJob> {
    if let Some(job) = store.bulk_job(id).await? {
        return Ok(job);
    }
    let start = BulkWrite::Start {
        id: id.to_string(),
        kind: "import",
        account: 0,
        request: serde_json::json!({ "url": file.display().to_string() }).to_string(),
        // No worker of the node may take it.
        state: BulkState::Receiving,
        expires_at: store.now() + KEPT_MILLIS,
        open_max: u32::MAX,
    };
    write(store, start).await?;
    store
        .bulk_job(id)
        .await?
        .context("the import cannot be noted")
}

async fn write(store: &Store, write: BulkWrite) -> anyhow::Result<()> {
    let scope = Scope::system(SystemPurpose::BulkJobs);
    store
        .commit(&scope, Job::effect(Effect::Bulk(write)))
        .await?;
    Ok(())
}

/// Names a file by its content.
fn digest(file: &Path) -> anyhow::Result<String> {
    let mut reader = File::open(file)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let length = reader.read(&mut piece)?;
        if length == 0 {
            break;
        }
        hash.update(piece.get(..length).unwrap_or_default());
    }
    let digest = hash.finalize();
    Ok(digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use access::Ods;
    use store::testing::on_each_database;
    use store::{Reading, Store};

    use super::*;

    async fn there(store: &Store, id: &str) -> bool {
        let scope = Scope::system(SystemPurpose::Measure);
        let reading = store.read(&scope, "Patient", id).await.unwrap();
        matches!(reading, Reading::Found(_))
    }

    #[test]
    fn an_import_that_was_cut_short_goes_on_where_it_was() {
        on_each_database(async |ground| {
            let folder = store::testing::folder();
            let file = folder.join("patients.ndjson");
            let mut text = String::new();
            for number in 1..=1200 {
                text.push_str(&format!(
                    "{{\"resourceType\":\"Patient\",\"id\":\"p{number}\"}}\n"
                ));
            }
            text.push_str("no json\n");
            std::fs::write(&file, text).unwrap();
            // The first 700 lines are done when the process ends.
            let store = ground.open().await;
            let into = into(&store, &[]);
            assert_eq!(check(&into, &file).await.unwrap(), 1);
            let id = format!("file-{}", digest(&file).unwrap());
            started(&store, &id, &file).await.unwrap();
            let advance = BulkWrite::Advance {
                id: id.clone(),
                from: String::new(),
                to: "700".into(),
                state: BulkState::Receiving,
                done: 700,
                keys: Vec::new(),
                bad: Vec::new(),
            };
            write(&store, advance).await.unwrap();
            assert_eq!(import(&into, &file).await.unwrap(), 1);
            assert!(!there(&store, "p700").await);
            assert!(there(&store, "p701").await && there(&store, "p1200").await);
            // It is done: the same file again begins anew.
            assert_eq!(import(&into, &file).await.unwrap(), 1);
            assert!(there(&store, "p1").await);
            store.close().await;
            std::fs::remove_dir_all(folder).unwrap();
        });
    }

    #[test]
    fn an_import_holds_lines_against_the_profiles_that_the_settings_ask_for() {
        on_each_database(async |ground| {
            let folder = store::testing::folder();
            let file = folder.join("patients.ndjson");
            let text = "{\"resourceType\":\"Patient\",\"id\":\"named\",\"name\":[{\"text\":\"x\"}]}\n\
                {\"resourceType\":\"Patient\",\"id\":\"nameless\",\"active\":true}\n";
            std::fs::write(&file, text).unwrap();
            let store = ground.open().await;
            let own = into(&store, &["https://profiles.example/named"]);
            let profile = r#"{"resourceType":"StructureDefinition","id":"named","url":"https://profiles.example/named","name":"Named","status":"active","kind":"resource","abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{"element":[{"id":"Patient","path":"Patient"},{"id":"Patient.name","path":"Patient.name","min":1}]}}"#;
            let json = fhir::json::parse(profile.as_bytes(), &fhir::json::Limits::default());
            let change = store::Change::Put {
                resource: store::Prepared::new(&json.unwrap(), "named", &own.ods).unwrap(),
                expect: store::Expect::Anything,
                release: store::Release::Keep,
            };
            let scope = Scope::system(SystemPurpose::Import);
            store.commit(&scope, Job::change(change)).await.unwrap();
            assert_eq!(check(&own, &file).await.unwrap(), 1, "a dry run says so");
            assert!(!there(&store, "named").await);
            assert_eq!(import(&own, &file).await.unwrap(), 1);
            assert!(there(&store, "named").await && !there(&store, "nameless").await);
            assert_eq!(import(&into(&store, &[]), &file).await.unwrap(), 0);
            assert!(
                there(&store, "nameless").await,
                "where nothing is asked for"
            );
            store.close().await;
            std::fs::remove_dir_all(folder).unwrap();
        });
    }

    fn into(store: &Store, profiles: &[&str]) -> Into {
        Into {
            ods: Ods::parse("A81001").unwrap(),
            store: store.clone(),
            limits: Limits::default(),
            enforced: Enforced {
                profiles: profiles.iter().map(ToString::to_string).collect(),
                declared: false,
            },
        }
    }
}
