//! The section about the fax server.

use std::path::PathBuf;

use anyhow::bail;

use super::section::section;

/// The largest file that is taken from a fax server, whatever the settings say: it becomes one resource.
const FILE_BYTES_MAX: u64 = 32 << 20;

section! {
    /// The fax bridge, for neighbours who have only a machine: a HylaFAX server beside the node takes and sends. Off until `enabled`; see docs/fax.md.
    FaxSection in "fax" {
        /// True when a fax server hands faxes over with `handover fax take`.
        enabled: bool = "false", default;
        /// The fax server's program that sends. Left out, nothing leaves by fax.
        sendfax: Option<PathBuf> = "\"/usr/bin/sendfax\"", optional;
        /// The folder where pages lie while that program takes them.
        spool: PathBuf = "\"fax\"", default;
        /// Whom to ring when a fax came to the wrong machine, for cover sheets.
        contact: Option<String> = "\"0113 496 0000\"", optional;
        /// The largest file taken, in bytes: at most 33554432.
        file_bytes_max: u64 = "20000000", default;
        /// The most pages of a fax that comes in.
        pages_max: u32 = "200", default;
        /// So often the fax server may fail to take a letter before a person is told.
        tries_max: u32 = "5", default;
        /// A fax of which the fax server has said nothing for this many hours goes onto the work list.
        unheard_hours: u32 = "12", default;
        /// The files of faxes that were matched or set aside are kept for this many days. What waits is kept.
        keep_days: u32 = "30", default;
    }
}

impl FaxSection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.sendfax.is_some() && !self.enabled {
            bail!("fax.sendfax: needs fax.enabled = true");
        }
        if self.file_bytes_max == 0 || self.file_bytes_max > FILE_BYTES_MAX {
            bail!("fax.file_bytes_max: must be from 1 to {FILE_BYTES_MAX}");
        }
        if !(1..=1000).contains(&self.pages_max) {
            bail!("fax.pages_max: must be from 1 to 1000");
        }
        if self.tries_max == 0 || self.unheard_hours == 0 || self.keep_days == 0 {
            bail!("fax.tries_max, fax.unheard_hours and fax.keep_days: must be at least 1");
        }
        let contact = self.contact.as_deref().unwrap_or_default();
        if contact.chars().count() > 200 || contact.chars().any(char::is_control) {
            bail!("fax.contact: must be one line of up to 200 characters");
        }
        Ok(())
    }

    /// The paths, for those who take them from the file's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths = vec![&mut self.spool];
        paths.extend(self.sendfax.as_mut());
        paths
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_wrong_setting_of_the_fax_bridge_is_named() {
        let with = |more: &str| {
            let text =
                format!("[organisation]\nods = \"RZZ01\"\nname = \"A\"\nroles = []\n[fax]\n{more}");
            Config::parse(&text)
        };
        let wrong = |more: &str| format!("{:#}", with(more).unwrap_err());
        assert!(wrong("sendfax = \"/usr/bin/sendfax\"").contains("fax.enabled"));
        assert!(wrong("file_bytes_max = 33554433").contains("fax.file_bytes_max"));
        assert!(wrong("pages_max = 0").contains("fax.pages_max"));
        assert!(wrong("keep_days = 0").contains("fax.keep_days"));
        assert!(wrong("contact = \"a\\nb\"").contains("fax.contact"));
        assert!(!with("").unwrap().fax.enabled);
    }
}
