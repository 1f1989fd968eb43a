//! What leaves in files that are read where nothing answers.

use super::shown;
use crate::config::Config;

pub(super) fn told(config: &Config) -> Vec<String> {
    let section = &config.downtime;
    let pack = match &section.folder {
        None => "No pack of today's patients is written for when everything is off.".into(),
        Some(folder) => format!(
            "A pack of today's patients is written into {} every {} minutes: names, dates of birth, NHS numbers, addresses, allergies, \
             medicines, problems and contacts, without sealed items, items with a label, or where restricted patients live. It is locked with \
             the passphrase in {} (PBKDF2, AES-256-GCM) and opens for {} hours; whoever has both reads it.",
            shown(folder),
            section.every_minutes,
            shown(&section.passphrase),
            section.opens_hours
        ),
    };
    vec![
        pack,
        "Clinicians take their visits of a day along in a file that is locked with a passphrase of their own: what they may see of these \
         patients. Who took what along stands in the log, and on the page Visits until it is back."
            .into(),
    ]
}
