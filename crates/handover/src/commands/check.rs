//! `handover check`: what a supplier's system really meets of the open standards.

mod fhir;
mod hl7v2;
mod html;
mod mesh;
mod report;
mod requirement;
mod run;
mod shown;
mod smart;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod uk;
mod web;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use exchange::keys::read_private;
use exchange::mesh::Credentials;
use exchange::mesh::tls::{Pem, client};
use rustls::ClientConfig;
use store::Clock;

use report::Report;
use run::Run;
use target::Target;

/// Tests a system's endpoint against the open standards, and writes a report in HTML and JSON.
///
/// The address says what is tested:
///   https://HOST/…                           FHIR R4, SMART App Launch, the web's own rules, UK identifiers
///   https://HOST/messageexchange/MAILBOX     MESH (or mesh://HOST/MAILBOX)
///   mllp://HOST:PORT                         HL7 v2 over MLLP (mllps:// or --tls for TLS)
///
/// Each check is one line as it is done: met, not met, does not apply, or could not be told, and why. The report has
/// each requirement, where it is written, what was asked and answered, and what to do.
///
/// Nothing is created or changed without --write. With it, resources and messages are sent that are plainly made up;
/// they are removed again, and the report lists what could not be. For HL7 v2 only connecting is tested without --write:
/// whatever is sent, a receiver may file or queue it. Use --write on test systems only.
///
/// The report holds no patient's data: types of resources, places in them, ids cut short, and codes.
///
/// It ends with 0 if nothing was found that is not met, 1 if something was, and 2 if the system could not be reached or
/// the command is not right.
///
/// Examples:
///   handover check https://fhir.supplier.example/r4 --token token.txt
///   handover check https://fhir.supplier.example/r4 --token token.txt --only fhir,smart --out report
///   handover check https://test.supplier.example/r4 --token token.txt --write
///   handover check https://mesh.example/messageexchange/X26OT001 --password pw.txt --shared-key key.txt \
///       --client-cert client.crt --client-key client.key --ca authority.crt
///   handover check mllps://engine.example:2575 --ca authority.crt --write --receiver RXX01
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Check {
    /// The address of the endpoint.
    url: String,
    /// FHIR: a file with a bearer token, which only you may read.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// MESH: a file with the mailbox's password, which only you may read.
    #[arg(long, value_name = "FILE")]
    password: Option<PathBuf>,
    /// MESH: a file with the environment's shared key, which only you may read.
    #[arg(long, value_name = "FILE")]
    shared_key: Option<PathBuf>,
    /// MESH: the workflow of the messages that are sent with --write.
    #[arg(long, value_name = "ID", default_value = "HANDOVER_CHECK")]
    workflow: String,
    /// HL7 v2: the ODS code of the receiving organisation, for MSH-6.
    #[arg(long, value_name = "ODS", default_value = "RZZ99")]
    receiver: String,
    /// A certificate (PEM) to show, with what leads to its root.
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its private key (PEM), which only you may read.
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// Certificate authorities (PEM) that are believed instead of this machine's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// HL7 v2: in TLS.
    #[arg(long)]
    tls: bool,
    /// Lets the checks create, change and delete made-up things. For test systems only.
    #[arg(long)]
    write: bool,
    /// The folder for report.html and report.json; it is made if it is not there.
    #[arg(long, value_name = "FOLDER", default_value = "handover-check")]
    out: PathBuf,
    /// Only these tables of requirements: tls, web, fhir, smart, uk, mesh, hl7v2.
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    only: Vec<String>,
    /// How long one answer may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=120))]
    timeout: u64,
}

/// How the system is reached: certificates, and how long is waited.
pub(super) struct Way {
    authorities: Option<Vec<u8>>,
    config: Arc<ClientConfig>,
    seconds: u64,
}

impl Check {
    pub async fn run(self) -> ExitCode {
        match self.checked().await {
            Ok(report) if report.is_reached() => {
                println!("\n{}", report.summary());
                println!("The report is in {}.", self.out.display());
                ExitCode::from(u8::from(report.has_faults()))
            }
            Ok(report) => {
                eprintln!("handover: {}", report.unreached());
                ExitCode::from(2)
            }
            Err(reason) => {
                eprintln!("handover: {reason:#}");
                ExitCode::from(2)
            }
        }
    }

    async fn checked(&self) -> anyhow::Result<Report> {
        let target = Target::parse(&self.url, self.tls)?;
        println!("{}", target.told());
        let tables = requirement::tables(target.tables(), &self.only)?;
        let way = self.way()?;
        let mut run = Run::new(target.clone(), &way, tables, self.write, Clock::system())?;
        tls::check(&mut run, &way).await;
        match &target {
            Target::Fhir { .. } => {
                run.carry(self.token.as_deref().map(secret).transpose()?);
                Box::pin(fhir::check(&mut run)).await;
            }
            Target::Mesh { mailbox, .. } => {
                let (Some(password), Some(key)) = (&self.password, &self.shared_key) else {
                    anyhow::bail!("a mailbox needs --password and --shared-key");
                };
                let credentials = Credentials::open(mailbox, password, key)?;
                let secrets = mesh::Secrets {
                    credentials,
                    key: secret(key)?,
                    workflow: self.workflow.clone(),
                };
                Box::pin(mesh::check(&mut run, &secrets)).await;
            }
            Target::Mllp { .. } => {
                Box::pin(hl7v2::check(&mut run, &way, &self.receiver)).await;
            }
        }
        let report = run.report();
        if report.is_reached() {
            self.write_down(&report)?;
        }
        Ok(report)
    }

    fn way(&self) -> anyhow::Result<Way> {
        let read = |path: &PathBuf| {
            std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
        };
        let authorities = self.ca.as_ref().map(read).transpose()?;
        let certificate = self.client_cert.as_ref().map(read).transpose()?;
        let key = self.client_key.as_deref().map(read_private).transpose()?;
        let own = certificate.as_deref().zip(key.as_deref());
        let config = client(Pem {
            authorities: authorities.as_deref(),
            client: own,
        })
        .context("--ca, --client-cert or --client-key")?;
        Ok(Way {
            authorities,
            config,
            seconds: self.timeout,
        })
    }

    fn write_down(&self, report: &Report) -> anyhow::Result<()> {
        let put = |name: &str, text: String| {
            let path = self.out.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("{} cannot be written", path.display()))
        };
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("--out: {} cannot be made", self.out.display()))?;
        put("report.json", report.json())?;
        put("report.html", html::page(report))
    }
}

/// What stands in a file that only its owner may read.
fn secret(path: &Path) -> anyhow::Result<String> {
    let text = String::from_utf8(read_private(path)?)
        .with_context(|| format!("{} is not text", path.display()))?;
    let text = text.trim().to_owned();
    ensure!(!text.is_empty(), "{} is empty", path.display());
    Ok(text)
}
