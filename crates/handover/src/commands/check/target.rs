//! What an address says that is to be tested.

use anyhow::{anyhow, ensure};
use http::Uri;

/// What is tested, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The base of a FHIR endpoint, without a slash at its end.
    Fhir {
        base: String,
    },
    /// The address of a mailbox, and its name.
    Mesh {
        base: String,
        mailbox: String,
    },
    Mllp {
        host: String,
        port: u16,
        tls: bool,
    },
}

/// What every MESH address has before the mailbox.
const MESH: &str = "/messageexchange/";

impl Target {
    pub(super) fn parse(url: &str, tls: bool) -> anyhow::Result<Target> {
        let wrong =
            || anyhow!("{url}: an address begins with https://, http://, mesh:// or mllp://");
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let rest = rest.trim_end_matches('/');
        ensure!(
            !rest.contains(['?', '#', '@']),
            "{url}: an address has no query, part or password"
        );
        match scheme {
            "mllp" | "mllps" => {
                let (host, port) = place(&format!("http://{rest}"))?;
                let port =
                    port.ok_or_else(|| anyhow!("{url}: mllp:// needs a port, such as :2575"))?;
                let tls = tls || scheme == "mllps";
                Ok(Target::Mllp { host, port, tls })
            }
            "mesh" => {
                let (host, mailbox) = rest.split_once('/').ok_or_else(|| {
                    anyhow!("{url}: mesh:// needs a mailbox: mesh://HOST/MAILBOX")
                })?;
                Target::parse(&format!("https://{host}{MESH}{mailbox}"), tls)
            }
            "https" | "http" => {
                let base = format!("{scheme}://{rest}");
                place(&base)?;
                Ok(match base.split_once(MESH) {
                    Some((_, mailbox)) => {
                        ensure!(
                            !mailbox.contains('/'),
                            "{url}: it ends with the mailbox's name"
                        );
                        let mailbox = mailbox.to_owned();
                        Target::Mesh { base, mailbox }
                    }
                    None => {
                        let base = base.trim_end_matches("/metadata").to_owned();
                        Target::Fhir { base }
                    }
                })
            }
            _ => Err(wrong()),
        }
    }

    /// What is tested, as a sentence.
    pub(super) fn told(&self) -> String {
        match self {
            Target::Fhir { base } => format!("Testing {base} as a FHIR R4 endpoint."),
            Target::Mesh { base, .. } => format!("Testing {base} as a MESH mailbox."),
            Target::Mllp { host, port, tls } => {
                let how = if *tls { " in TLS" } else { "" };
                format!("Testing {host} port {port} as a receiver of HL7 v2 over MLLP{how}.")
            }
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Target::Fhir { .. } => "fhir",
            Target::Mesh { .. } => "mesh",
            Target::Mllp { .. } => "hl7v2",
        }
    }

    /// The tables of requirements that apply.
    pub(super) fn tables(&self) -> &'static [&'static str] {
        match self {
            Target::Fhir { .. } => &["tls", "web", "fhir", "smart", "uk"],
            Target::Mesh { .. } => &["tls", "mesh"],
            Target::Mllp { .. } => &["tls", "hl7v2"],
        }
    }

    /// As an address, for the report.
    pub(super) fn address(&self) -> String {
        match self {
            Target::Fhir { base } | Target::Mesh { base, .. } => base.clone(),
            Target::Mllp { host, port, tls } => {
                format!("mllp{}://{host}:{port}", if *tls { "s" } else { "" })
            }
        }
    }

    /// Host without brackets, port, and whether it is TLS.
    pub(super) fn place(&self) -> (String, u16, bool) {
        match self {
            Target::Mllp { host, port, tls } => (host.clone(), *port, *tls),
            Target::Fhir { base } | Target::Mesh { base, .. } => {
                let tls = base.starts_with("https://");
                let (host, port) = place(base).unwrap_or_default();
                (host, port.unwrap_or(if tls { 443 } else { 80 }), tls)
            }
        }
    }
}

/// An address's host, without brackets, and its port.
pub(super) fn place(url: &str) -> anyhow::Result<(String, Option<u16>)> {
    let uri: Uri = url.parse().map_err(|_| anyhow!("{url} does not read"))?;
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| anyhow!("{url} names no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), uri.port_u16()))
}

/// Whether a host is this machine, so that nothing lies between.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
