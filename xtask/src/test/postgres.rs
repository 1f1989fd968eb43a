//! A PostgreSQL of the tests' own: a new cluster on a free loopback port, durable as a real one, stopped by its pid.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell::{self, install_package, is_root, step, which};
use crate::workspace::Workspace;

const START_SECONDS: u64 = 30;

/// The running server.
pub struct Postgres {
    server: Option<Child>,
    url: String,
    /// Removed at the end, when it is ours.
    folder: Option<PathBuf>,
}

impl Postgres {
    /// Starts a server, or takes the one that `HANDOVER_TEST_POSTGRES` names.
    ///
    /// # Errors
    /// When PostgreSQL is missing and cannot be installed, or does not start.
    pub fn start(workspace: &Workspace) -> Result<Postgres> {
        if let Ok(url) = std::env::var("HANDOVER_TEST_POSTGRES") {
            return Ok(Postgres {
                server: None,
                url,
                folder: None,
            });
        }
        let programs = programs()?;
        step("starting a PostgreSQL for the tests");
        let owner = Owner::choose()?;
        let folder = owner.folder(workspace)?;
        let data = folder.join("data");
        let mut initdb = owner.command(&programs.join("initdb"), &folder);
        initdb.args([
            "--username=handover",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--pgdata",
        ]);
        shell::output(initdb.arg(&data)).context("PostgreSQL's initdb failed")?;
        let port = free_port()?;
        let log = fs::File::create(folder.join("log"))?;
        let mut server = owner.command(&programs.join("postgres"), &folder);
        server
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string()])
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            // The tests kill nodes, never this server or the machine below it: what it wrote is there for the next
            // connection whether or not it is on the disk, and each commit that waits for the disk costs a millisecond.
            .args(["-c", "fsync=off", "-c", "full_page_writes=off"])
            // A database lives for seconds: nothing in it is worth tidying.
            .args(["-c", "autovacuum=off"])
            .args(["-c", "max_connections=400"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let server = server.spawn().context("PostgreSQL cannot be started")?;
        let url = format!("postgres://handover@127.0.0.1:{port}/postgres");
        let mut postgres = Postgres {
            server: Some(server),
            url,
            folder: Some(folder),
        };
        postgres.wait_until_ready(port)?;
        Ok(postgres)
    }

    /// The address for clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server and removes its files.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn wait_until_ready(&mut self, port: u16) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self
                .server
                .as_mut()
                .is_some_and(|server| !matches!(server.try_wait(), Ok(None)));
            if ended || Instant::now() > deadline {
                let log = self.folder.as_ref().map(|folder| folder.join("log"));
                let log = log
                    .and_then(|path| fs::read_to_string(path).ok())
                    .unwrap_or_default();
                bail!("PostgreSQL did not start:\n{log}");
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            // SIGINT is PostgreSQL's "fast" stop: it ends the sessions and writes everything down.
            shell::output(Command::new("kill").args(["-INT", &server.id().to_string()]))?;
            server.wait()?;
        }
        if let Some(folder) = self.folder.take() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("warning: {error:#}");
        }
    }
}

/// The folder of PostgreSQL's programs: the newest of Debian's, or the one on the search path.
fn programs() -> Result<PathBuf> {
    if let Some(found) = find_programs() {
        return Ok(found);
    }
    install_package("postgresql", "PostgreSQL, for the store tests")?;
    find_programs().context("PostgreSQL was installed but its programs are not to be found")
}

fn find_programs() -> Option<PathBuf> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let debian = fs::read_dir("/usr/lib/postgresql")
        .ok()
        .and_then(|entries| {
            let mut folders: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect();
            folders.sort_by_key(|path| version(path));
            folders.pop().map(|folder| folder.join("bin"))
        });
    let on_path = || which("initdb")?.parent().map(Path::to_path_buf);
    debian
        .filter(|folder| folder.join("initdb").is_file())
        .or_else(on_path)
}

/// Who the server runs as: PostgreSQL refuses to run as root.
struct Owner {
    /// User and group number, when it is not us.
    other: Option<(u32, u32)>,
}

impl Owner {
    fn choose() -> Result<Owner> {
        if !is_root() {
            return Ok(Owner { other: None });
        }
        let users = fs::read_to_string("/etc/passwd").context("cannot read the list of users")?;
        let other = ["postgres", "nobody"]
            .iter()
            .find_map(|name| user(&users, name));
        Ok(Owner {
            other: Some(other.context("there is no user postgres or nobody to run PostgreSQL as")?),
        })
    }

    fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder);
        #[cfg(unix)]
        if let Some((user, group)) = self.other {
            use std::os::unix::process::CommandExt as _;
            command.uid(user).gid(group);
        }
        command
    }

    /// A new folder that the owner may write to: below target, or, when the owner may not go there, below the system's
    /// folder for temporary files.
    fn folder(&self, workspace: &Workspace) -> Result<PathBuf> {
        let name = format!("handover-test-postgres-{}", std::process::id());
        for parent in [workspace.target.clone(), std::env::temp_dir()] {
            let folder = parent.join(&name);
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
            #[cfg(unix)]
            if let Some((user, group)) = self.other {
                std::os::unix::fs::chown(&folder, Some(user), Some(group))?;
            }
            let test = Path::new("test");
            if self
                .command(test, Path::new("/"))
                .arg("-w")
                .arg(&folder)
                .status()
                .is_ok_and(|s| s.success())
            {
                return Ok(folder);
            }
            fs::remove_dir_all(&folder)?;
        }
        bail!("found no folder that PostgreSQL's user may write to")
    }
}

fn user(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut line| (line.next() == Some(name)).then_some(line))?;
    Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
