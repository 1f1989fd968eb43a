//! The bare handler: the same bytes and headers, and nothing else.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use axum::Router;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::routing::get;
use bytes::Bytes;
use tokio::net::TcpListener;

/// Names the file whose bytes the other process serves.
pub const FILE: &str = "HANDOVER_BENCH_BYTES";

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
pub fn serve() -> Result<()> {
    let bytes = Bytes::from(std::fs::read(std::env::var_os(FILE).context(FILE)?)?);
    let handler = move || {
        let bytes = bytes.clone();
        async move {
            (
                [(CONTENT_TYPE, "application/fhir+json"), (ETAG, "W/\"1\"")],
                bytes,
            )
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, Router::new().route("/{*path}", get(handler))).await?;
        Ok(())
    })
}
