//! Nodes as an organisation runs them: `handover serve`, each a process with its own folder, keys and store.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::far;
use crate::http;
use crate::memory;
use crate::slow_disk::SlowDisk;

const READY_SECONDS: u64 = 20;

/// The release binary: `HANDOVER_BENCH_BINARY`, or the one beside this program.
pub fn binary() -> Result<PathBuf> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("handover"));
    let binary = std::env::var_os("HANDOVER_BENCH_BINARY")
        .map(PathBuf::from)
        .or_else(beside);
    binary
        .filter(|path| path.is_file())
        .context("the handover binary is not built: run `cargo xtask bench`")
}

/// A new folder on the disk that the project is on: a folder in memory would make every fsync free.
pub fn folder() -> Result<TempDir> {
    tempfile::tempdir_in("target").context("cannot make a folder below target")
}

/// A running node. Dropping it kills it.
pub struct Node {
    pub pages: SocketAddr,
    pub mllp: SocketAddr,
    /// An API token that may read and write over FHIR.
    pub token: String,
    folder: PathBuf,
    child: Child,
    counted: bool,
    /// Kept while any node of its network lives.
    network: std::sync::Arc<TempDir>,
}

impl Node {
    /// A node alone in its network.
    ///
    /// # Errors
    /// When it cannot be set up or does not start.
    pub fn start(ods: &str, role: &str, audit: &str) -> Result<Node> {
        Node::start_in(&Store::Sqlite, ods, role, audit)
    }

    /// As `start`, with its rows in that store.
    ///
    /// # Errors
    /// When it cannot be set up or does not start.
    pub fn start_in(store: &Store, ods: &str, role: &str, audit: &str) -> Result<Node> {
        let mut nodes = network_in(&[(ods, role)], audit, None, (store, None))?;
        nodes.pop().context("no node")
    }

    /// As `start`, on a slower disk.
    ///
    /// # Errors
    /// When it cannot be set up or does not start.
    pub fn start_on(disk: &SlowDisk, ods: &str, role: &str, audit: &str) -> Result<Node> {
        let mut nodes = network(&[(ods, role)], audit, Some(disk))?;
        nodes.pop().context("no node")
    }

    /// The same node started anew with its pages over TLS, under the certificate that it shows to
    /// other nodes: which one it is does not matter to a measurement.
    ///
    /// # Errors
    /// When it does not start.
    pub fn over_tls(mut self) -> Result<Node> {
        self.child.kill()?;
        self.child.wait()?;
        let settings = self.folder.join("handover.toml");
        let text = std::fs::read_to_string(&settings)?;
        let plain = format!("public_url = \"http://{}\"", self.pages);
        let tls = format!(
            "public_url = \"https://{}\"\ntls_certificate = \"keys/tls.crt\"\ntls_key = \"keys/tls.key\"",
            self.pages
        );
        ensure!(text.contains(&plain), "the pages' address is not set");
        std::fs::write(&settings, text.replace(&plain, &tls))?;
        self.start_anew("warn")
    }

    /// The same node started anew with more settings, and files in its folder that only it may read: name and text.
    ///
    /// # Errors
    /// When it does not start.
    pub fn with(mut self, settings: &str, secrets: &[(&str, &str)]) -> Result<Node> {
        self.child.kill()?;
        self.child.wait()?;
        for (name, text) in secrets {
            let path = self.folder.join(name);
            std::fs::write(&path, text)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        }
        let path = self.folder.join("handover.toml");
        let text = std::fs::read_to_string(&path)?;
        std::fs::write(&path, text + settings)?;
        self.start_anew("warn")
    }

    /// The same node started anew, saying more in its log: filters of `HANDOVER_LOG`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn logging(mut self, filters: &str) -> Result<Node> {
        self.child.kill()?;
        self.child.wait()?;
        self.start_anew(filters)
    }

    fn start_anew(mut self, filters: &str) -> Result<Node> {
        let log = File::create(self.folder.join("log.txt"))?;
        let mut command = Command::new(binary()?);
        command.args(["serve", "--config", "handover.toml"]);
        command.env("HANDOVER_LOG", filters).env("NO_COLOR", "1");
        command.current_dir(&self.folder).stdin(Stdio::null());
        self.child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let began = Instant::now();
        while std::net::TcpStream::connect(self.pages).is_err() {
            let ended = self.child.try_wait()?.is_some();
            let late = began.elapsed().as_secs() >= READY_SECONDS;
            ensure!(!ended && !late, "the node does not start again");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(self)
    }

    /// What it wrote to its log.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.join("log.txt"))?)
    }

    /// Its memory is a figure of its own, and not counted with that of other nodes.
    pub fn uncounted(mut self) -> Node {
        self.counted = false;
        self
    }

    /// Runs a command of the binary in its folder; what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        handover(&self.folder, arguments)
    }

    /// Its store's file.
    pub fn store(&self) -> PathBuf {
        self.folder.join("handover.sqlite")
    }

    /// The memory that it holds now, in megabytes.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn megabytes_now(&self) -> Result<f64> {
        memory::megabytes_now(self.child.id())
    }

    /// Has it do nothing at all until `go_on`, as a machine that hangs.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn halt(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// Has it go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn go_on(&self) -> Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status()?;
        ensure!(sent.success(), "no signal could be sent to the node");
        Ok(())
    }

    /// The most memory that it has held, in megabytes.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn megabytes_max(&self) -> Result<f64> {
        memory::megabytes_max(&self.child.id().to_string())
    }

    /// The processor's time that it has taken, in seconds.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn cpu_seconds(&self) -> Result<f64> {
        memory::cpu_seconds(self.child.id())
    }

    /// Stops it as Ctrl-C does; its folder stays as long as what is returned.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(mut self) -> Result<Stopped> {
        let sent = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()?;
        ensure!(sent.success(), "cannot stop a node");
        memory::note(self.child.id());
        self.child.wait()?;
        Ok(Stopped {
            folder: self.folder.clone(),
            _network: self.network.clone(),
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.counted {
            memory::note(self.child.id());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a node keeps its rows.
pub enum Store {
    /// A file in its own folder.
    Sqlite,
    /// A schema of its own in the PostgreSQL at that address.
    Postgres { url: String, schema: String },
}

impl Store {
    /// A new schema in the PostgreSQL that `cargo xtask bench` started; `None` without one.
    pub fn postgres() -> Option<Store> {
        static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
        let url = std::env::var("HANDOVER_BENCH_POSTGRES").ok()?;
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        let schema = format!("bench_{}_{number}", std::process::id());
        Some(Store::Postgres { url, schema })
    }

    /// Its name in the report.
    pub fn name(&self) -> &'static str {
        match self {
            Store::Sqlite => "SQLite",
            Store::Postgres { .. } => "PostgreSQL",
        }
    }

    fn settings(&self, folder: &Path) -> Result<String> {
        let Store::Postgres { url, schema } = self else {
            return Ok(String::new());
        };
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(folder.join("postgres.url"))?;
        file.write_all(url.as_bytes())?;
        Ok(format!(
            "\n[store]\npostgres = \"postgres.url\"\nschema = \"{schema}\"\n"
        ))
    }
}

/// The folder of a node that was stopped.
pub struct Stopped {
    folder: PathBuf,
    _network: std::sync::Arc<TempDir>,
}

impl Stopped {
    /// Its store's file.
    pub fn store(&self) -> PathBuf {
        self.folder.join("handover.sqlite")
    }
}

/// Where a node's three doors are.
struct Doors {
    pages: SocketAddr,
    exchange: SocketAddr,
    mllp: SocketAddr,
}

/// Nodes that trust one signed directory, each (ODS code, role), started; on a slower disk if one is
/// given.
///
/// # Errors
/// When one cannot be set up or does not start.
pub fn network(
    members: &[(&str, &str)],
    audit: &str,
    disk: Option<&SlowDisk>,
) -> Result<Vec<Node>> {
    network_in(members, audit, disk, (&Store::Sqlite, None))
}

/// As `network`; what any but the first says to other nodes arrives that much later.
///
/// # Errors
/// When one cannot be set up or does not start.
pub fn network_behind(members: &[(&str, &str)], audit: &str, later: Duration) -> Result<Vec<Node>> {
    network_in(members, audit, None, (&Store::Sqlite, Some(later)))
}

fn network_in(
    members: &[(&str, &str)],
    audit: &str,
    disk: Option<&SlowDisk>,
    (store, later): (&Store, Option<Duration>),
) -> Result<Vec<Node>> {
    let network = std::sync::Arc::new(folder()?);
    let root = network.path().canonicalize()?;
    handover(&root, &["directory", "steward", "--folder", "steward"])?;
    let mut doors = Vec::new();
    for (number, (ods, role)) in members.iter().enumerate() {
        let later = later.filter(|_| number > 0);
        doors.push(set_up(&root, (ods, role), audit, (store, later))?);
    }
    let cards: Vec<String> = members
        .iter()
        .map(|(ods, _)| format!("{ods}/card.json"))
        .collect();
    let mut sign = vec![
        "directory",
        "sign",
        "--steward",
        "steward",
        "--out",
        "directory.jws",
    ];
    sign.extend(cards.iter().map(String::as_str));
    handover(&root, &sign)?;
    let start = |((ods, _), doors): (&(&str, &str), Doors)| {
        let folder = root.join(ods);
        std::fs::copy(root.join("directory.jws"), folder.join("directory.jws"))?;
        std::fs::copy(root.join("steward/steward.pub"), folder.join("steward.pub"))?;
        let printed = handover(&folder, &["token", "add", "--name", "Bench"])?;
        let token = printed
            .split_whitespace()
            .max_by_key(|word| word.len())
            .context("no token")?
            .to_owned();
        let child = start(&folder, doors.pages, disk)?;
        Ok(Node {
            pages: doors.pages,
            mllp: doors.mllp,
            token,
            folder,
            child,
            counted: true,
            network: network.clone(),
        })
    };
    members.iter().zip(doors).map(start).collect()
}

fn set_up(
    root: &Path,
    (ods, role): (&str, &str),
    audit: &str,
    (store, later): (&Store, Option<Duration>),
) -> Result<Doors> {
    let doors = Doors {
        pages: free_address()?,
        exchange: free_address()?,
        mllp: free_address()?,
    };
    let name = format!("Bench {role}");
    handover(
        root,
        &[
            "init", "--ods", ods, "--name", &name, "--role", role, "--folder", ods,
        ],
    )?;
    let Doors {
        pages,
        exchange,
        mllp,
    } = &doors;
    let told = match later {
        Some(later) => {
            let before = free_address()?;
            far::stand_before(before, *exchange, later)?;
            before
        }
        None => *exchange,
    };
    let settings = format!(
        "[organisation]\nods = \"{ods}\"\nname = \"{name}\"\nroles = [\"{role}\"]\n\n\
         [pages]\nlisten = \"{pages}\"\npublic_url = \"http://{pages}\"\n\n\
         [exchange]\nlisten = \"{exchange}\"\npublic_url = \"https://{told}\"\n\n\
         [hl7v2]\nlisten = \"{mllp}\"\n\n[audit]\ndurability = \"{audit}\"\n"
    );
    let folder = root.join(ods);
    let settings = settings + &store.settings(&folder)?;
    std::fs::write(folder.join("handover.toml"), settings)?;
    handover(&folder, &["directory", "card"])?;
    Ok(doors)
}

fn handover(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(binary()?)
        .args(arguments)
        .current_dir(folder)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "handover {} failed: {errors}",
        arguments.join(" ")
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn start(folder: &Path, pages: SocketAddr, disk: Option<&SlowDisk>) -> Result<Child> {
    let log = File::create(folder.join("log.txt"))?;
    let mut command = Command::new(binary()?);
    if let Some(disk) = disk {
        disk.under(&mut command);
    }
    let mut child = command
        .args(["serve", "--config", "handover.toml"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    match wait_until_ready(&mut child, pages) {
        Ok(_) => Ok(child),
        Err(error) => {
            let _ = child.kill();
            let log = std::fs::read_to_string(folder.join("log.txt")).unwrap_or_default();
            Err(error.context(log))
        }
    }
}

/// Waits until it answers over FHIR; how long that took.
///
/// # Errors
/// When the process ends or takes too long.
pub fn wait_until_ready(child: &mut Child, pages: SocketAddr) -> Result<Duration> {
    let began = Instant::now();
    let ready = || http::Connection::open(pages)?.send("GET", "/fhir/metadata", None, &[]);
    while !ready().is_ok_and(|(status, _)| status == 200) {
        if child.try_wait()?.is_some() {
            bail!("handover ended before it was ready");
        }
        ensure!(
            began.elapsed().as_secs() < READY_SECONDS,
            "handover is not ready after {READY_SECONDS} s"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(began.elapsed())
}

/// A loopback address with a port that was free a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
