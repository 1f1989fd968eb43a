//! The mailbox at MESH, and the mailboxes of systems here, as the settings say.

use std::path::Path;
use std::sync::Arc;

use access::Ods;
use anyhow::{Context as _, bail};
use exchange::itk3::{ANSWERS, TAKEN};
use exchange::keys::read_private;
use exchange::mailboxes::{Collecting, Mailbox, Mailboxes, Rule};
use exchange::mesh::{Credentials, Mesh, tls};
use rustls::ServerConfig;
use store::Store;

use crate::config::Config;

/// Opens the organisation's mailbox at MESH, if it has one.
///
/// # Errors
/// Names the setting and the reason.
pub fn client(config: &Config, store: &Store) -> anyhow::Result<Option<Mesh>> {
    let mesh = &config.mesh;
    let (Some(url), Some(mailbox)) = (&mesh.base_url, &mesh.mailbox) else {
        return Ok(None);
    };
    let credentials = Credentials::open(mailbox, &mesh.password, &mesh.shared_key)
        .context("mesh.mailbox, mesh.password, mesh.shared_key")?;
    let read = |path: &Path, setting: &str| {
        std::fs::read(path).with_context(|| format!("{setting}: {}", path.display()))
    };
    let authorities = match &mesh.authorities {
        Some(path) => Some(read(path, "mesh.authorities")?),
        None => None,
    };
    let client = match (&mesh.certificate, &mesh.key) {
        (Some(certificate), Some(key)) => {
            let chain = read(certificate, "mesh.certificate")?;
            Some((chain, read_private(key).context("mesh.key")?))
        }
        _ => None,
    };
    let tls = tls::client(tls::Pem {
        authorities: authorities.as_deref(),
        client: client.as_ref().map(|(chain, key)| (&chain[..], &key[..])),
    })
    .context("mesh.authorities, mesh.certificate, mesh.key")?;
    let mesh = Mesh::new(url, tls, credentials, store.clock().clone());
    mesh.map(Some).context("mesh.base_url")
}

/// Opens the mailboxes of systems here; none while their door is shut.
///
/// # Errors
/// Names the setting and the reason.
pub fn mailboxes(config: &Config, store: &Store) -> anyhow::Result<Mailboxes> {
    let section = &config.mesh_server;
    if section.listen.is_none() {
        return Ok(Mailboxes::default());
    }
    let mut mailboxes = Vec::new();
    for it in section.mailboxes() {
        let credentials = Credentials::open(&it.id, &it.password, &section.shared_key);
        let named = || format!("mesh_server.mailbox {}, mesh_server.shared_key", it.id);
        let ods = it.ods.as_ref().unwrap_or(&config.organisation.ods);
        mailboxes.push(Mailbox {
            named: it.named(),
            ods: Ods::parse(ods)?,
            credentials: credentials.with_context(named)?,
        });
    }
    Ok(Mailboxes::new(mailboxes, client(config, store)?).collecting(collecting(config)?))
}

/// What of the organisation's mailbox at MESH is for mailboxes here.
fn collecting(config: &Config) -> anyhow::Result<Option<Collecting>> {
    let section = &config.mesh_server;
    let Some(rules) = &section.collect else {
        return Ok(None);
    };
    if config.mesh.base_url.is_none() {
        bail!("mesh_server.collect: needs mesh.base_url and mesh.mailbox");
    }
    let rules = rules.iter().map(|it| Rule {
        workflow: it.workflow.clone(),
        mailbox: it.mailbox.clone(),
    });
    // What other parts of this node collect there themselves.
    let mut left = Vec::new();
    if config.itk3.enabled {
        let taken = TAKEN
            .iter()
            .flat_map(|it| [(*it).to_string(), format!("{it}{ANSWERS}")]);
        left.extend(taken);
    }
    if config.opt_out.mailbox.is_some() {
        left.push(config.opt_out.request_workflow.clone());
        left.push(config.opt_out.answer_workflow.clone());
    }
    Ok(Some(Collecting {
        rules: rules.collect(),
        left,
        every_seconds: section.collect_seconds,
        message_bytes_max: section.message_bytes_max,
    }))
}

/// TLS of their door, where certificate and key are set; with clients' certificates, where their
/// authorities are.
///
/// # Errors
/// Names the setting.
pub fn server_tls(config: &Config) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let section = &config.mesh_server;
    let pair = match (&section.tls_certificate, &section.tls_key) {
        (Some(certificate), Some(key)) => super::tls::read_pair("mesh_server", certificate, key)?,
        _ => match super::tls::pair(config)? {
            Some(pair) => pair,
            None => return Ok(None),
        },
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(config.pages.tls_oldest.versions())?;
    let builder = match &section.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = exchange::mllp::tls::client_verifier(path);
            builder.with_client_cert_verifier(verifier.context("mesh_server.client_authorities")?)
        }
    };
    let (chain, key) = pair;
    let mut tls = builder
        .with_single_cert(chain, key)
        .context("mesh_server.tls_certificate and mesh_server.tls_key do not go together")?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(tls)))
}
