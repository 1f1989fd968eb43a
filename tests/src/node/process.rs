//! One `handover` process: started, waited for, killed without warning, started again.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::http::Client;
use crate::setting::handover;

const READY_SECONDS: u64 = 20;
/// How often it is started again when its port is taken for a moment.
const TRIES_MAX: u32 = 5;

/// A process and how to start it again. Dropping it kills it.
pub struct Process {
    arguments: Vec<String>,
    folder: PathBuf,
    /// The pages' address, which answers when the node is ready.
    pages: SocketAddr,
    /// More of its environment.
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Process {
    /// A process that runs `handover` with these arguments in `folder`; its output goes to a file there.
    pub fn new(folder: &Path, arguments: &[&str], pages: SocketAddr) -> Process {
        let arguments = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        Process {
            arguments,
            folder: folder.to_path_buf(),
            pages,
            environment: Vec::new(),
            child: None,
        }
    }

    /// Has it started with that in its environment from now on.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it, and waits until it answers.
    pub fn start(&mut self) -> Duration {
        let began = Instant::now();
        self.start_only();
        self.wait_until_ready(began);
        began.elapsed()
    }

    /// Starts it without waiting.
    pub fn start_only(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = self.log_file();
        let child = Command::new(handover())
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env("RUST_BACKTRACE", "0")
            // More than it says by itself: what must not be in a log is looked for in more of it.
            .env("HANDOVER_LOG", "info")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Whether the last that it said is that somebody else listens where it should.
    fn is_port_taken(&self) -> bool {
        let log = self.log();
        let last = log.trim_end().lines().last();
        last.is_some_and(|line| line.contains("Address already in use"))
    }

    fn wait_until_ready(&mut self, began: Instant) {
        let mut client = Client::new(self.pages);
        let mut tries = 0;
        while !client
            .get("/fhir/metadata")
            .is_ok_and(|answer| answer.status == 200)
        {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            if ended.is_some() && self.is_port_taken() && tries < TRIES_MAX {
                // Its port was free a moment ago, and some other program's connection has it for a moment.
                tries += 1;
                self.child = None;
                thread::sleep(Duration::from_secs(1));
                self.start_only();
                continue;
            }
            assert!(
                ended.is_none(),
                "handover ended ({ended:?}):\n{}",
                self.log()
            );
            assert!(
                began.elapsed().as_secs() < READY_SECONDS,
                "handover is not ready:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL: it gets no chance to tidy up.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGINT, as Ctrl-C does, and how it ended.
    pub fn interrupt(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().unwrap();
        let sent = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("Ctrl-C did not stop it in 10 seconds:\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it ends by itself, and how.
    pub fn end(&mut self, seconds: u64) -> std::process::ExitStatus {
        let mut child = self.child.take().unwrap();
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("it has not ended in {seconds} seconds:\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The running process's id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// What it wrote, from its first start on.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default()
    }

    fn log_file(&self) -> File {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log.txt"))
            .unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a `handover` command to its end and gives what it printed.
pub fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = ended(folder, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "handover {} failed:\n{text}{errors}",
        arguments.join(" ")
    );
    text
}

/// Runs a `handover` command to its end; whether it passed, and all that it printed.
pub fn outcome(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = ended(folder, arguments);
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    (output.status.success(), printed)
}

fn ended(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(handover())
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}
