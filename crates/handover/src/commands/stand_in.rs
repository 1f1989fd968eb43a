//! `handover stand-in`: stand-ins of national services, to try things out with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use web::serve::{Limits, serve};
use web::stand_in::{eps, pds};

use super::serve::told_to_stop;

/// Connections at a time.
const CONNECTIONS: usize = 64;

/// Runs a stand-in of a national service, to try things out with. What goes through one has no force.
///
/// Example:
///   handover stand-in eps --listen 127.0.0.1:8107 --file eps.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct StandIn {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// A stand-in of the Electronic Prescription Service. It signs with a key of its own: nothing in it is a lawful
    /// prescription.
    Eps {
        /// Where it listens: loopback only.
        #[arg(long, default_value = "127.0.0.1:8107")]
        listen: SocketAddr,
        /// The file that keeps what it holds. Left out, it forgets all when it ends.
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// A stand-in of PDS, the national record of who is who. It knows the made-up people of a file, and no others.
    Pds {
        /// Where it listens: loopback only.
        #[arg(long, default_value = "127.0.0.1:8108")]
        listen: SocketAddr,
        /// A file of FHIR Patients, as a JSON list. An entry may be {"number": "…", "supersededBy": "…"}.
        #[arg(long)]
        people: PathBuf,
    },
}

impl StandIn {
    pub async fn run(self) -> anyhow::Result<()> {
        let (stop, stopped) = watch::channel(false);
        let running = match self.command {
            Command::Eps { listen, file } => {
                let running = start_eps(listen, file.as_deref(), stopped).await?;
                println!(
                    "A stand-in of EPS listens on {listen}. Nothing in it is a lawful prescription."
                );
                running
            }
            Command::Pds { listen, people } => {
                let text = std::fs::read_to_string(&people)
                    .with_context(|| format!("--people: {}", people.display()))?;
                let running = start_pds(listen, &text, stopped).await?;
                println!("A stand-in of PDS listens on {listen}. It knows made-up people only.");
                running
            }
        };
        told_to_stop().await?;
        let _ = stop.send(true);
        running.await.context("the stand-in ended badly")
    }
}

/// Starts the stand-in of EPS.
///
/// # Errors
/// Names what could not be opened.
pub async fn start_eps(
    listen: SocketAddr,
    file: Option<&Path>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<JoinHandle<()>> {
    if !listen.ip().is_loopback() {
        return Err(anyhow!("--listen: a stand-in listens on loopback only"));
    }
    let stand_in = eps::StandIn::open(file.map(Path::to_owned))
        .map_err(|cause| anyhow!("the stand-in of EPS: {cause}"))?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the stand-in of EPS: {listen} cannot be listened on"))?;
    let router = Arc::new(stand_in).router();
    let limits = Limits::of(CONNECTIONS);
    Ok(tokio::spawn(serve(listener, router, None, limits, stopped)))
}

/// Starts the stand-in of PDS with these people.
///
/// # Errors
/// Names what could not be opened or read.
pub async fn start_pds(
    listen: SocketAddr,
    people: &str,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<JoinHandle<()>> {
    if !listen.ip().is_loopback() {
        return Err(anyhow!("--listen: a stand-in listens on loopback only"));
    }
    let stand_in = pds::StandIn::of(people, None);
    let stand_in = stand_in.map_err(|cause| anyhow!("the stand-in of PDS: {cause}"))?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the stand-in of PDS: {listen} cannot be listened on"))?;
    let router = Arc::new(stand_in).router();
    let limits = Limits::of(CONNECTIONS);
    Ok(tokio::spawn(serve(listener, router, None, limits, stopped)))
}
