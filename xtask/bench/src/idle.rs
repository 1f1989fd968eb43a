//! TLS connections that are open and say nothing: what a node holds for them, and whether it serves
//! others meanwhile. They are opened by other processes, since each end takes a file.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::measure::{median, quantile};
use crate::node::Node;
use crate::report::{Report, Wanted};

/// Connections, and the megabytes that a node may hold with them.
const STEPS: [(usize, f64); 2] = [(5000, 500.0), (10_000, 1024.0)];
/// Held by one process.
const A_PROCESS: usize = 5000;
/// Requests on new connections, one after another, while the others are held.
const REQUESTS: usize = 100;
const SECONDS_MAX: u64 = 20;
/// For the other process: the node's address.
const ADDRESS: &str = "HANDOVER_BENCH_ADDRESS";

pub fn measure(report: &mut Report) -> Result<()> {
    let node = Node::start("A99998", "gp-practice", "before-answer")?;
    let node = node.over_tls()?.uncounted();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let connector = connector()?;
    let mut holders = Vec::new();
    for (connections, megabytes) in STEPS {
        while holders.len() * A_PROCESS < connections {
            holders.push(Holder::start(node.pages)?);
        }
        let mut millis = Vec::new();
        for _ in 0..REQUESTS {
            let began = Instant::now();
            runtime.block_on(ask(&connector, node.pages))?;
            millis.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        let named = format!("{connections} idle TLS connections");
        report.figure(
            &format!("{named}, memory of the node"),
            "MB",
            node.megabytes_now()?,
            Wanted::Below(megabytes),
        );
        for (part, value) in [
            ("the middle", median(&millis)),
            ("99 in 100", quantile(&millis, 0.99)),
        ] {
            report.figure(
                &format!("{named}, a request on a new one beside them, {part}"),
                "ms",
                value,
                Wanted::Nothing,
            );
        }
        for holder in &mut holders {
            ensure!(
                holder.child.try_wait()?.is_none(),
                "the node closed idle connections"
            );
        }
    }
    Ok(())
}

/// A process that holds connections, until it is dropped.
struct Holder {
    child: Child,
}

impl Holder {
    /// Returns once all its connections are open.
    fn start(to: SocketAddr) -> Result<Holder> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--part", "idle"])
            .env(ADDRESS, to.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        let holder = Holder { child };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(
            line.trim() == "open",
            "idle connections could not be opened: more than {A_PROCESS} files must be allowed (ulimit -n)"
        );
        Ok(holder)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other process: opens the connections, says so, and ends only if one of them does.
pub fn hold() -> Result<()> {
    let to: SocketAddr = std::env::var(ADDRESS)?.parse()?;
    let connector = connector()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..A_PROCESS {
            let mut stream = open(&connector, to).await?;
            all.spawn(async move {
                let mut byte = [0];
                // The node speaks only when it is asked: anything is an end.
                let _ = stream.read(&mut byte).await;
            });
        }
        println!("open");
        all.join_next().await;
        Ok(())
    })
}

async fn open(connector: &TlsConnector, to: SocketAddr) -> Result<TlsStream<TcpStream>> {
    let work = async {
        let tcp = TcpStream::connect(to).await?;
        let name = ServerName::try_from("localhost")?;
        Ok(connector.connect(name, tcp).await?)
    };
    let limit = Duration::from_secs(SECONDS_MAX);
    tokio::time::timeout(limit, work)
        .await
        .context("no connection in time")?
}

/// One request on a connection of its own.
async fn ask(connector: &TlsConnector, to: SocketAddr) -> Result<()> {
    let mut stream = open(connector, to).await?;
    let request = "HEAD /staff/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut told = Vec::new();
    let reading = stream.read_to_end(&mut told);
    let limit = Duration::from_secs(SECONDS_MAX);
    tokio::time::timeout(limit, reading)
        .await
        .context("no answer in time")??;
    ensure!(
        told.starts_with(b"HTTP/1.1 200"),
        "answered {}",
        told.escape_ascii()
    );
    Ok(())
}

fn connector() -> Result<TlsConnector> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Whose certificate it is does not matter to a measurement over loopback.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
