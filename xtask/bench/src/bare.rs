//! The bare handler: the same bytes and headers, and nothing else.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::acknowledgements::bare::{WAITING_MAX, Waiting, group_write_sync};

/// Names the file whose bytes the other process serves.
pub const FILE: &str = "HANDOVER_BENCH_BYTES";

/// What is kept of each request, about as long as an audit line, and room for all that a run brings.
const LINE_BYTES: usize = 400;
const LOG_BYTES: usize = 64 << 20;

/// A bare server in a process of its own, ended when dropped.
pub struct Bare {
    pub address: SocketAddr,
    child: Child,
}

impl Bare {
    /// # Errors
    /// When the process does not start or prints no address.
    pub fn start(folder: &Path, bytes: &[u8]) -> Result<Bare> {
        let file = folder.join("bytes");
        std::fs::write(&file, bytes)?;
        Bare::part("bare", &file)
    }

    /// Starts this program again as that part, with that file.
    ///
    /// # Errors
    /// When the process does not start or prints no address.
    pub fn part(part: &str, file: &Path) -> Result<Bare> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--part", part])
            .env(FILE, file)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("no output")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
        let address = line
            .trim()
            .parse()
            .context("the bare server printed no address")?;
        Ok(Bare { address, child })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other process.
///
/// # Errors
/// When the bytes cannot be read or nothing can be listened on.
pub fn serve() -> Result<()> {
    let bytes = bytes()?;
    let handler = move || async move { answer(bytes) };
    listen(Router::new().route("/{*path}", get(handler)))
}

/// The other process, where each request waits until a line of its own is on disk: one thread takes what waits, writes it
/// over zeros that are on disk already (so that no length changes), syncs, and answers all of it.
///
/// # Errors
/// As `serve`, or when the file cannot be written.
pub fn serve_kept() -> Result<()> {
    let bytes = bytes()?;
    let path = Path::new(&std::env::var_os(FILE).context(FILE)?).with_extension("log");
    std::fs::write(&path, vec![0; LOG_BYTES])?;
    let log = File::options().write(true).open(&path)?;
    log.sync_all()?;
    let (send, receive) = mpsc::channel::<Waiting>(WAITING_MAX);
    std::thread::spawn(move || group_write_sync(log, receive));
    let handler = move || async move {
        let (done, durable) = oneshot::channel();
        let sent = send.send((vec![b'.'; LINE_BYTES], done)).await;
        match sent.is_ok() && durable.await.is_ok() {
            true => answer(bytes).into_response(),
            false => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    };
    listen(Router::new().route("/{*path}", get(handler)))
}

fn bytes() -> Result<Bytes> {
    let file = std::env::var_os(FILE).context(FILE)?;
    Ok(Bytes::from(std::fs::read(file)?))
}

fn answer(bytes: Bytes) -> impl IntoResponse {
    let head = [(CONTENT_TYPE, "application/fhir+json"), (ETAG, "W/\"1\"")];
    (head, bytes)
}

fn listen(router: Router) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, router).await?;
        Ok(())
    })
}
