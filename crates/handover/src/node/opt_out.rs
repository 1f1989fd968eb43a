//! Asking after national data opt-outs, as the settings say.

use anyhow::Context as _;
use exchange::keys::read_private;
use exchange::mesh::{Credentials, Mesh, tls};
use exchange::opt_out::{OptOuts, Settings};
use store::Store;

use crate::config::Config;

/// A question is sent in pieces of so many bytes: MESH takes 100 MB.
const PIECE_BYTES: usize = 20_000_000;

/// Opens what asking needs, if it is on.
///
/// # Errors
/// Names the setting and the reason.
pub fn open(config: &Config, store: &Store) -> anyhow::Result<Option<OptOuts>> {
    let Some(theirs) = &config.opt_out.mailbox else {
        return Ok(None);
    };
    let mesh = &config.mesh;
    let (Some(url), Some(mailbox)) = (&mesh.base_url, &mesh.mailbox) else {
        return Ok(None);
    };
    let credentials = Credentials::open(mailbox, &mesh.password, &mesh.shared_key)
        .context("mesh.mailbox, mesh.password, mesh.shared_key")?;
    let authorities = match &mesh.authorities {
        Some(path) => Some(
            std::fs::read(path).with_context(|| format!("mesh.authorities: {}", path.display()))?,
        ),
        None => None,
    };
    let client = match (&mesh.certificate, &mesh.key) {
        (Some(certificate), Some(key)) => {
            let chain = std::fs::read(certificate)
                .with_context(|| format!("mesh.certificate: {}", certificate.display()))?;
            let key = read_private(key).context("mesh.key")?;
            Some((chain, key))
        }
        _ => None,
    };
    let tls = tls::client(tls::Pem {
        authorities: authorities.as_deref(),
        client: client.as_ref().map(|(chain, key)| (&chain[..], &key[..])),
    })
    .context("mesh.authorities, mesh.certificate, mesh.key")?;
    let mesh = Mesh::new(url, tls, credentials, store.clock().clone()).context("mesh.base_url")?;
    let section = &config.opt_out;
    let settings = Settings {
        mailbox: theirs.to_ascii_uppercase(),
        answers_from: section.answers_from.as_ref().unwrap_or(theirs).clone(),
        request_workflow: section.request_workflow.clone(),
        answer_workflow: section.answer_workflow.clone(),
        every_hours: section.every_hours,
        answer_hours: section.answer_hours,
        piece_bytes: PIECE_BYTES,
    };
    Ok(Some(OptOuts::new(store.clone(), mesh, settings)))
}
