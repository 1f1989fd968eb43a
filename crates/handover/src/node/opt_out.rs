//! Asking after national data opt-outs, as the settings say.

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
    let Some(mesh) = super::mesh::client(config, store)? else {
        return Ok(None);
    };
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
